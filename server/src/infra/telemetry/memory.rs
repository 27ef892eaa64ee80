/// Returns the resident set size of the process, bytes, from `/proc/self/statm`; `None` on systems other than
/// Linux.
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    resident(&text, page)
}

/// Parses the resident set size: the second number of `statm`, in pages.
fn resident(statm: &str, page_bytes: u64) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(page_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_number_counts_pages() {
        assert_eq!(resident("900 25 3 1 0 5 0\n", 4096), Some(25 * 4096));
        assert_eq!(resident("", 4096), None);
        #[cfg(target_os = "linux")]
        assert!(
            resident_bytes().is_some_and(|bytes| bytes > 1 << 20),
            "a test process uses more than 1 MiB"
        );
    }
}
