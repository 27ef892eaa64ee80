/// Returns the size of the active swap areas, bytes; `None` if the system does not list them.
pub(crate) fn swap_bytes() -> Option<u64> {
    std::fs::read_to_string("/proc/swaps").ok().map(|text| total(&text))
}

/// Adds up the third column of `/proc/swaps`, KiB. The first line has the names of the columns.
fn total(swaps: &str) -> u64 {
    let kib = |line: &str| line.split_whitespace().nth(2)?.parse::<u64>().ok();
    swaps.lines().skip(1).filter_map(kib).sum::<u64>().saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_of_all_areas_are_added_up() {
        let names = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert_eq!(total(names), 0);
        let areas = "/dev/sda2   partition\t1048572\t0\t-2\n/swap\\040file  file\t4\t0\t-3\n";
        assert_eq!(total(&(names.to_owned() + areas)), (1_048_572 + 4) * 1024);
    }
}
