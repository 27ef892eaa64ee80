//! Overwrites memory when it is freed, so that embeddings, photos, names and tokens do not outlive their use.
//!
//! On Linux with the GNU C library the program defines `malloc`, `calloc`, `realloc` and `free` itself, which the
//! C library permits ("Replacing malloc" in its manual). They call the library's own functions, and `free` and
//! `realloc` first overwrite the block. Rust, C and C++ code share them: SQLite, RocksDB, the JPEG decoder and the
//! inference runtime. On other systems freed memory keeps its content, and receipts say so.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod hooks {
    use std::ffi::c_void;
    use std::ptr;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Blocks of at least 32 MiB are mapped one by one, because that is the greatest threshold of the GNU C library
    /// (`DEFAULT_MMAP_THRESHOLD_MAX`). `free` unmaps them, and the system clears the pages before another use.
    const MAPPED_BYTES: usize = 32 << 20;

    pub(super) static USED: AtomicBool = AtomicBool::new(false);

    // SAFETY: these are the C library's own functions with these signatures; `malloc` and `calloc` return new
    // blocks or null, and the others have the conditions of `realloc`, `free` and `malloc_usable_size`.
    unsafe extern "C" {
        fn __libc_malloc(bytes: usize) -> *mut c_void;
        fn __libc_calloc(count: usize, bytes: usize) -> *mut c_void;
        fn __libc_realloc(block: *mut c_void, bytes: usize) -> *mut c_void;
        fn __libc_free(block: *mut c_void);
        fn malloc_usable_size(block: *mut c_void) -> usize;
    }

    // SAFETY: the only `malloc` of the program; it returns a block of the C library's `malloc`.
    #[unsafe(no_mangle)]
    extern "C" fn malloc(bytes: usize) -> *mut c_void {
        // SAFETY: has no conditions.
        unsafe { __libc_malloc(bytes) }
    }

    // SAFETY: the only `calloc` of the program; it returns a block of the C library's `calloc`.
    #[unsafe(no_mangle)]
    extern "C" fn calloc(count: usize, bytes: usize) -> *mut c_void {
        // SAFETY: has no conditions.
        unsafe { __libc_calloc(count, bytes) }
    }

    /// Overwrites and frees a block.
    ///
    /// # Safety
    ///
    /// `block` is null, or a block of the C library that is not freed yet.
    // SAFETY: the only `free` of the program; it frees the block as the C library's `free` does.
    #[unsafe(no_mangle)]
    pub(super) unsafe extern "C" fn free(block: *mut c_void) {
        USED.store(true, Ordering::Relaxed);
        // SAFETY: the caller gives a block that it owns, or null.
        unsafe {
            wipe(block);
            __libc_free(block);
        }
    }

    /// Changes the size of a block. Copies it to a new block and overwrites the old one, because the C library's
    /// `realloc` may leave the bytes of the old block.
    ///
    /// # Safety
    ///
    /// `block` is null, or a block of the C library that is not freed yet.
    // SAFETY: the only `realloc` of the program, with the results of the C library's `realloc`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(block: *mut c_void, bytes: usize) -> *mut c_void {
        // SAFETY: the caller gives a block that it owns, or null, for which the usable size is 0.
        let usable = unsafe { malloc_usable_size(block) };
        if usable >= MAPPED_BYTES || block.is_null() {
            // SAFETY: the caller's conditions. A mapped block is moved page by page, so no bytes stay.
            return unsafe { __libc_realloc(block, bytes) };
        }
        if bytes == 0 {
            // SAFETY: the caller's conditions.
            unsafe { free(block) };
            return ptr::null_mut();
        }
        if bytes <= usable && bytes >= usable / 2 {
            // SAFETY: the bytes from `bytes` to `usable` are in the block, and the caller gives them up.
            unsafe { ptr::write_bytes(block.cast::<u8>().wrapping_add(bytes), 0, usable - bytes) };
            return block;
        }
        // SAFETY: has no conditions.
        let new = unsafe { __libc_malloc(bytes) };
        if !new.is_null() {
            // SAFETY: both blocks have as many bytes, and a new block overlaps no other.
            unsafe { ptr::copy_nonoverlapping(block.cast::<u8>(), new.cast(), usable.min(bytes)) };
            // SAFETY: the caller gives up the old block.
            unsafe { free(block) };
        }
        new
    }

    /// Overwrites a block with zeros.
    ///
    /// # Safety
    ///
    /// `block` is null, or a block of the C library that is not freed yet.
    unsafe fn wipe(block: *mut c_void) {
        // SAFETY: the caller's condition; the usable size of null is 0.
        let usable = unsafe { malloc_usable_size(block) };
        if usable < MAPPED_BYTES {
            // SAFETY: the block has `usable` bytes, and its owner gives them up.
            unsafe { ptr::write_bytes(block.cast::<u8>(), 0, usable) };
        }
    }
}

/// Returns whether this process overwrites memory before it frees it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn is_overwritten() -> bool {
    use std::sync::atomic::Ordering;
    // The flag shows that the linker has chosen the functions above. The reference keeps them in the program.
    let _ = std::hint::black_box(hooks::free as *const ());
    drop(std::hint::black_box(Box::new([1_u8; 64])));
    hooks::USED.load(Ordering::Relaxed)
}

/// Returns whether this process overwrites memory before it frees it.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn is_overwritten() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn freed_and_moved_blocks_hold_no_old_bytes() {
        use std::io::{Read as _, Seek as _, SeekFrom};
        assert!(is_overwritten());
        // The kernel reads the memory, because Rust must not read a freed block.
        let mut memory = std::fs::File::open("/proc/self/mem").unwrap();
        let mut left = |at: usize, bytes: usize| {
            let mut found = vec![0; bytes];
            let read =
                memory.seek(SeekFrom::Start(at as u64)).and_then(|_| memory.read_exact(&mut found));
            // A block that was unmapped has no bytes.
            if read.is_err() { 0 } else { found.iter().filter(|byte| **byte == 0xA5).count() }
        };
        for bytes in [64, 200, 1000, 5000, 100_000, 3 << 20] {
            let block = vec![0xA5_u8; bytes];
            let at = block.as_ptr() as usize;
            assert_eq!(left(at, bytes), bytes, "the reader sees the block");
            drop(block);
            assert!(left(at, bytes) < bytes / 8 + 8, "{bytes} bytes were freed");
            let mut block = vec![0xA5_u8; bytes];
            let at = block.as_ptr() as usize;
            block.reserve_exact(9 * bytes);
            assert_ne!(block.as_ptr() as usize, at, "the block has moved");
            assert!(block.iter().all(|byte| *byte == 0xA5), "{bytes}");
            assert!(left(at, bytes) < bytes / 8 + 8, "{bytes} bytes were moved");
            block.truncate(bytes);
            block.shrink_to_fit();
            assert!(block.len() == bytes && block.iter().all(|byte| *byte == 0xA5), "{bytes}");
        }
    }
}
