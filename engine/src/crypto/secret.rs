//! A 256-bit secret in memory of its own: never swapped out, left out of core dumps, wiped when dropped.
//!
//! Slots of 32 bytes in anonymous pages that are locked and marked "do not dump". Where the system
//! allows no locked memory secrets work all the same and [`memory_is_locked`] says so. Knows nothing of
//! what a secret opens.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous};
use zeroize::Zeroize;

use crate::error::{Error, Result};

const SECRET_BYTES: usize = 32;
/// Mapped at a time; the system rounds up to its own page size.
const PAGE_BYTES: usize = 4096;

static POOL: Mutex<Pool> = Mutex::new(Pool { free: Vec::new(), locked: true });

struct Pool {
    free: Vec<Slot>,
    /// False once a page could not be locked.
    locked: bool,
}

/// 32 bytes of a page that stays mapped as long as the process lives.
struct Slot(NonNull<[u8; SECRET_BYTES]>);

// SAFETY: a slot is held by exactly one secret or by the pool, and its memory is never unmapped.
unsafe impl Send for Slot {}
// SAFETY: as above; shared references only read.
unsafe impl Sync for Slot {}

/// A 256-bit secret; never printed.
pub(crate) struct Secret(Slot);

impl Secret {
    /// Draws a secret from the operating system's random source.
    pub(crate) fn random() -> Result<Self> {
        Self::filled(|bytes| getrandom::fill(bytes).map_err(|_| Error::Random))
    }

    /// Takes 32 bytes; `None` for any other number, and where no memory is to be had.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SECRET_BYTES] = bytes.try_into().ok()?;
        let copy = |to: &mut [u8; SECRET_BYTES]| {
            *to = *bytes;
            Ok(())
        };
        Self::filled(copy).ok()
    }

    /// The same secret once more.
    pub(crate) fn copy(&self) -> Result<Self> {
        Self::filled(|bytes| {
            *bytes = *self.bytes();
            Ok(())
        })
    }

    /// A secret that `fill` writes in place, so that no copy is left elsewhere.
    pub(super) fn filled(fill: impl FnOnce(&mut [u8; SECRET_BYTES]) -> Result<()>) -> Result<Self> {
        let mut secret = Self(POOL.lock().unwrap_or_else(PoisonError::into_inner).take()?);
        fill(secret.bytes_mut())?;
        Ok(secret)
    }

    pub(super) fn bytes(&self) -> &[u8; SECRET_BYTES] {
        // SAFETY: the slot is this secret's alone, mapped and initialised (pages begin as zeros).
        unsafe { self.0.0.as_ref() }
    }

    fn bytes_mut(&mut self) -> &mut [u8; SECRET_BYTES] {
        // SAFETY: as in `bytes`; `&mut self` makes this the only reference.
        unsafe { self.0.0.as_mut() }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
        POOL.lock().unwrap_or_else(PoisonError::into_inner).free.push(Slot(self.0.0));
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
        // SAFETY: a fresh anonymous mapping at an address of the system's choice touches nothing else.
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

/// Locks a page and keeps it out of core dumps; false when either is not allowed.
fn shield(page: *mut c_void) -> bool {
    // SAFETY: the page was mapped with this length just now and is never unmapped.
    let locked = unsafe { mlock(page, PAGE_BYTES) }.is_ok();
    // SAFETY: as above; the advice changes no content.
    locked & unsafe { madvise(page, PAGE_BYTES, Advice::LinuxDontDump) }.is_ok()
}

/// Whether all secrets so far lie in locked memory that no core dump shows.
pub fn memory_is_locked() -> bool {
    let draws = Secret::random().is_ok();
    draws && POOL.lock().unwrap_or_else(PoisonError::into_inner).locked
}

fn no_memory() -> Error {
    Error::io("map memory for", "keys", std::io::ErrorKind::OutOfMemory.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
        // Another test may take the slot between the drop and the look; then it is tried again.
        let wiped = (0..1000).any(|_| {
            let secret = Secret::from_bytes(&[0xA5; 32]).unwrap();
            let place = secret.0.0;
            drop(secret);
            let pool = POOL.lock().unwrap();
            pool.free.iter().any(|slot| {
                // SAFETY: the slot is free and the pool is locked, so nobody writes to it.
                slot.0 == place && unsafe { slot.0.as_ref() } == &[0; 32]
            })
        });
        assert!(wiped);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_pages_are_locked_and_not_dumped() {
        // A user who may not lock memory is told so by `picpick keys list`; here is nothing to see.
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
