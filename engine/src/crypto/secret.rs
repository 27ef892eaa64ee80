//! A 256-bit secret in locked memory: never swapped out, excluded from core dumps, wiped when dropped.
//!
//! Secrets occupy slots of 32 bytes in anonymous pages that are locked (`mlock`) and marked "do not dump". If
//! the system refuses to lock memory, secrets still work, and [`memory_is_locked`] returns false.

use std::ffi::c_void;
use std::ptr::NonNull;

use parking_lot::Mutex;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous};
use zeroize::Zeroize;

use crate::error::{Error, Result};

const SECRET_BYTES: usize = 32;
/// Bytes mapped at a time. The system rounds up to its own page size.
const PAGE_BYTES: usize = 4096;

static POOL: Mutex<Pool> = Mutex::new(Pool { free: Vec::new(), locked: true });

struct Pool {
    free: Vec<Slot>,
    /// False once a page could not be locked or excluded from core dumps.
    locked: bool,
}

/// 32 bytes of a page that stays mapped until the process ends.
struct Slot(NonNull<[u8; SECRET_BYTES]>);

// SAFETY: a slot is owned by exactly one secret or by the pool, and its memory is never unmapped.
unsafe impl Send for Slot {}
// SAFETY: a slot has one owner and stays mapped, as for `Send`; shared references only read.
unsafe impl Sync for Slot {}

/// A 256-bit secret; never printed.
pub(crate) struct Secret(Slot);

impl Secret {
    /// Creates a secret from the operating system's random source.
    pub(crate) fn random() -> Result<Self> {
        Self::filled(|bytes| getrandom::fill(bytes).map_err(|_| Error::Random))
    }

    /// Copies 32 bytes into a secret. Returns `None` for any other length, or if memory cannot be allocated.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SECRET_BYTES] = bytes.try_into().ok()?;
        let copy = |to: &mut [u8; SECRET_BYTES]| {
            *to = *bytes;
            Ok(())
        };
        Self::filled(copy).ok()
    }

    /// Copies the secret into another slot.
    pub(crate) fn copy(&self) -> Result<Self> {
        Self::filled(|bytes| {
            *bytes = *self.bytes();
            Ok(())
        })
    }

    /// Creates a secret that `fill` writes in place, so that no copy remains elsewhere.
    pub(super) fn filled(fill: impl FnOnce(&mut [u8; SECRET_BYTES]) -> Result<()>) -> Result<Self> {
        let mut secret = Self(POOL.lock().take()?);
        fill(secret.bytes_mut())?;
        Ok(secret)
    }

    pub(super) fn bytes(&self) -> &[u8; SECRET_BYTES] {
        // SAFETY: only this secret owns the slot, which is mapped and initialised (new pages are zeroed).
        unsafe { self.0.0.as_ref() }
    }

    fn bytes_mut(&mut self) -> &mut [u8; SECRET_BYTES] {
        // SAFETY: owned, mapped and initialised, as in `bytes`; `&mut self` makes this the only reference.
        unsafe { self.0.0.as_mut() }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
        POOL.lock().free.push(Slot(self.0.0));
    }
}

impl Pool {
    fn take(&mut self) -> Result<Slot> {
        if self.free.is_empty() {
            self.grow()?;
        }
        self.free.pop().ok_or_else(no_memory)
    }

    fn grow(&mut self) -> Result<()> {
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new anonymous mapping at an address chosen by the system overlaps no other memory.
        let page = unsafe { mmap_anonymous(std::ptr::null_mut(), PAGE_BYTES, access, flags) };
        let page = page.map_err(|_| no_memory())?;
        self.locked &= shield(page);
        let slots = (0..PAGE_BYTES / SECRET_BYTES).filter_map(|i| {
            NonNull::new(page.cast::<[u8; SECRET_BYTES]>().wrapping_add(i)).map(Slot)
        });
        self.free.extend(slots);
        Ok(())
    }
}

/// Locks a page and excludes it from core dumps. Returns false if the system refuses either.
fn shield(page: *mut c_void) -> bool {
    // SAFETY: the caller just mapped the page with this length, and it is never unmapped.
    let locked = unsafe { mlock(page, PAGE_BYTES) }.is_ok();
    // SAFETY: the page is mapped with this length; the advice changes no content.
    locked & unsafe { madvise(page, PAGE_BYTES, Advice::LinuxDontDump) }.is_ok()
}

/// Returns whether all secrets so far are in memory that is locked and excluded from core dumps.
pub(crate) fn memory_is_locked() -> bool {
    let draws = Secret::random().is_ok();
    draws && POOL.lock().locked
}

fn no_memory() -> Error {
    Error::io("map memory for", "keys", std::io::ErrorKind::OutOfMemory.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_secrets_keep_apart_and_come_back() {
        let secrets: Vec<Secret> =
            (0..500u16).map(|i| Secret::from_bytes(&[i as u8; 32]).unwrap()).collect();
        for (i, secret) in (0..500u16).zip(&secrets) {
            assert_eq!(secret.bytes(), &[i as u8; 32]);
        }
        assert!(Secret::from_bytes(&[7; 31]).is_none());
    }

    #[test]
    fn a_dropped_secret_is_wiped() {
        // Another test may take the slot between the drop and the check; then the check is repeated.
        let wiped = (0..1000).any(|_| {
            let secret = Secret::from_bytes(&[0xA5; 32]).unwrap();
            let place = secret.0.0;
            drop(secret);
            let pool = POOL.lock();
            pool.free.iter().any(|slot| {
                // SAFETY: the slot is free and the pool is locked, so no other thread writes to it.
                slot.0 == place && unsafe { slot.0.as_ref() } == &[0; 32]
            })
        });
        assert!(wiped);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_pages_are_locked_and_not_dumped() {
        // Without permission to lock memory there is nothing to check; `picpick keys list` reports that case.
        if !memory_is_locked() {
            return;
        }
        let secret = Secret::random().unwrap();
        let at = secret.bytes().as_ptr() as usize;
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut flags = maps.lines().scan(false, |inside, line| {
            if let Some((from, to)) = line.split(' ').next().and_then(|range| range.split_once('-'))
                && let (Ok(from), Ok(to)) =
                    (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))
            {
                *inside = (from..to).contains(&at);
            }
            Some((*inside, line.to_owned()))
        });
        let flags = flags.find(|(inside, line)| *inside && line.starts_with("VmFlags")).unwrap().1;
        assert!(flags.contains(" lo") && flags.contains(" dd"), "{flags}");
    }
}
