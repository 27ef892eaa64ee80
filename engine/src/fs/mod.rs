pub(crate) mod durable;
pub(crate) mod posix_locks;
pub(crate) mod private;
pub(crate) mod reserved_space;
pub(crate) mod residue_scan;
pub(crate) mod swap;
