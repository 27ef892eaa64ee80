//! Parses text as a model pack manifest. The result must be a valid pack or an error with a reason.

#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use picpick_engine::{Error, Pack};

/// Returns the path of the file for the manifest, because packs can be read from files only. The file is in
/// memory if the system allows it.
fn file() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
        folder.join(format!("picpick-fuzz-{}.toml", std::process::id()))
    })
}

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(file(), bytes).expect("a file can be written");
    match Pack::from_file(file()) {
        Ok(pack) => assert!(!pack.id().is_empty() && !pack.title.is_empty()),
        Err(Error::Manifest { reason, .. }) => assert!(!reason.is_empty()),
        // The text is not UTF-8.
        Err(Error::Io { .. }) => {}
        Err(error) => panic!("{error}"),
    }
});
