use std::time::Duration;

/// Interval at which the resident memory is looked at: 15 s.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Growth of the resident memory after which free memory is returned to the system: 48 MiB. Returning takes some
/// milliseconds, in which allocations wait.
const GROWTH_BYTES: u64 = 48 << 20;
/// Size from which the allocator maps a block of its own, 1 MiB. Without a fixed size, glibc raises it up to 32
/// MiB, and buffers of photos then come from heaps that keep them when they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OWN_MAPPING_BYTES: i32 = 1 << 20;

/// Makes the allocator return large blocks to the system when they are freed. Called before threads start.
pub fn configure_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` takes two numbers and may be called at any time.
    let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_MAPPING_BYTES) };
}

/// Returns the free memory of the allocator's heaps to the system.
fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` takes a number, locks the heaps itself, and may be called at any time.
    let _ = unsafe { libc::malloc_trim(0) };
}

/// Returns free memory to the system whenever the process has grown, until the service stops. glibc keeps freed
/// blocks below the end of a heap otherwise, so that the memory of a burst of requests stays for days.
pub async fn run_memory_trim() {
    let mut least = resident_bytes().unwrap_or(0);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(now) = resident_bytes() else { return };
        if now > least.saturating_add(GROWTH_BYTES) {
            let _ = tokio::task::spawn_blocking(trim).await;
            least = resident_bytes().unwrap_or(now);
        }
        least = least.min(now);
    }
}

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
