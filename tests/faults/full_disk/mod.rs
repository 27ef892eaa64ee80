mod indexing;
mod service;
mod workload;

/// Returns whether `message` contains the operating system's or the standard library's text for a full disk.
fn says_full(message: &str) -> bool {
    ["No space left", "no storage space"].iter().any(|words| message.contains(words))
}
