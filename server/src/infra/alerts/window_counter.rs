use std::collections::HashMap;

use parking_lot::Mutex;

use super::{Pattern, WINDOW_S};

/// Maximum number of subjects counted at the same time, about 120 bytes each.
const SUBJECTS_MAX: usize = 50_000;

/// A bounded counter of occurrences per pattern and subject within a fixed window of time.
#[derive(Default)]
pub struct WindowCounter(Mutex<HashMap<(Pattern, String), Window>>);

#[derive(Clone, Copy)]
struct Window {
    begun_s: i64,
    count: u64,
}

impl WindowCounter {
    /// Counts one occurrence. Returns the count if it has just reached a multiple of `threshold` in this
    /// window. Higher multiples are returned too, because the detection of a lower one may have been dropped.
    pub fn add(&self, pattern: Pattern, subject: &str, now_s: i64, threshold: u64) -> Option<u64> {
        let mut counts = self.0.lock();
        if counts.len() >= SUBJECTS_MAX {
            forget(&mut counts, now_s);
        }
        let fresh = Window { begun_s: now_s, count: 0 };
        let window = counts.entry((pattern, subject.to_owned())).or_insert(fresh);
        if is_over(*window, now_s) {
            *window = fresh;
        }
        window.count += 1;
        window.count.is_multiple_of(threshold.max(1)).then_some(window.count)
    }
}

fn is_over(window: Window, now_s: i64) -> bool {
    // A clock set back starts a new window.
    !(0..WINDOW_S).contains(&(now_s - window.begun_s))
}

/// Removes expired windows. If the map is still full, also removes the half with the lowest counts, so that
/// many subjects cannot push out the busiest ones.
fn forget(counts: &mut HashMap<(Pattern, String), Window>, now_s: i64) {
    counts.retain(|_, window| !is_over(*window, now_s));
    if counts.len() >= SUBJECTS_MAX {
        let mut all: Vec<u64> = counts.values().map(|window| window.count).collect();
        let half = all.len() / 2;
        let (_, median, _) = all.select_nth_unstable(half);
        let median = *median;
        counts.retain(|_, window| window.count > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Pattern = Pattern::Guessing;

    #[test]
    fn a_threshold_is_told_once_and_a_new_window_begins_at_nothing() {
        let counts = WindowCounter::default();
        let told: Vec<u64> = (0..25).filter_map(|at| counts.add(P, "a", 1000 + at, 10)).collect();
        assert_eq!(told, [10, 20]);
        assert_eq!((0..9).filter_map(|_| counts.add(P, "b", 1000, 10)).count(), 0);
        assert_eq!(counts.add(P, "b", 1000 + WINDOW_S, 10), None, "its window is over");
        assert_eq!(counts.add(Pattern::Enumeration, "b", 1000, 10), None, "another pattern");
        assert_eq!(counts.add(P, "c", 1000, 1), Some(1));
    }

    #[test]
    fn many_subjects_do_not_wash_away_who_did_most() {
        let counts = WindowCounter::default();
        for _ in 0..5 {
            counts.add(P, "busy", 1000, 10);
        }
        for other in 0..SUBJECTS_MAX {
            counts.add(P, &other.to_string(), 1000, 10);
        }
        let told = (0..5).filter_map(|_| counts.add(P, "busy", 1001, 10)).collect::<Vec<_>>();
        assert_eq!(told, [10]);
    }
}
