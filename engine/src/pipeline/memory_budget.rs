use parking_lot::{Condvar, Mutex};

/// A counting semaphore over bytes, which limits the memory of photos being decoded, independent of the
/// number of workers. A worker acquires the decoded size of a photo before decoding, and releases it
/// afterwards.
pub(super) struct MemoryBudget {
    free: Mutex<u64>,
    freed: Condvar,
    total: u64,
}

/// Acquired bytes, which are released on drop.
pub(super) struct MemoryPermit<'a> {
    budget: &'a MemoryBudget,
    bytes: u64,
}

impl MemoryBudget {
    pub(super) fn new(total: u64) -> Self {
        Self { free: Mutex::new(total), freed: Condvar::new(), total }
    }

    /// Acquires `bytes`, and blocks until they are free. A request above the total acquires the total, so
    /// that a photo larger than the budget is decoded alone.
    pub(super) fn acquire(&self, bytes: u64) -> MemoryPermit<'_> {
        let bytes = bytes.min(self.total);
        let mut free = self.free.lock();
        while *free < bytes {
            self.freed.wait(&mut free);
        }
        *free -= bytes;
        MemoryPermit { budget: self, bytes }
    }
}

impl Drop for MemoryPermit<'_> {
    fn drop(&mut self) {
        *self.budget.free.lock() += self.bytes;
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn the_budget_is_never_exceeded_and_every_request_is_served() {
        let (budget, out, most) = (MemoryBudget::new(100), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for worker in 0..8u64 {
                let (budget, out, most) = (&budget, &out, &most);
                scope.spawn(move || {
                    for i in 0..200 {
                        let bytes = (worker * 37 + i * 13) % 140;
                        let permit = budget.acquire(bytes);
                        let now = out.fetch_add(permit.bytes, Ordering::SeqCst) + permit.bytes;
                        most.fetch_max(now, Ordering::SeqCst);
                        out.fetch_sub(permit.bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 100);
    }
}
