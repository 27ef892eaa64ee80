//! Writes a file under a temporary name and renames it, with or without fsync of the file and the folder.
//! Arguments: folder, name, and `file` or `folder` or both for the items to sync. A test checks the state that
//! a simulated power cut leaves in each case.

use std::fs::{File, rename};
use std::io::{Result, Write};
use std::path::Path;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, name, synced @ ..] = arguments.as_slice() else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    let (folder, sync) = (Path::new(folder), |what: &str| synced.iter().any(|word| word == what));
    let made = folder.join(format!("{name}.new"));
    let mut file = File::create(&made)?;
    file.write_all(name.as_bytes())?;
    if sync("file") {
        file.sync_all()?;
    }
    rename(&made, folder.join(name))?;
    if sync("folder") {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
