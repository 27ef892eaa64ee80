use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::samples::cache;

/// Installs the Python package `name` of the requirements file `pinned` into the user's cache, unless it is
/// installed. Packages are pinned by hashes and installed as wheels only, so none of their code runs during
/// installation. Returns the folder for `PYTHONPATH`.
pub fn installed(name: &str, pinned: &str) -> PathBuf {
    let tools = cache().join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    let lock = File::create(tools.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let start = format!("{name}==");
    let version = pinned.lines().find_map(|line| line.strip_prefix(&start)).expect("a pin");
    let version = version.trim_end_matches([' ', '\\']);
    let folder = tools.join(format!("{name}-{version}"));
    let marker = folder.join("requirements.txt");
    if std::fs::read_to_string(&marker).is_ok_and(|text| text == pinned) {
        return folder;
    }
    // Removes an interrupted or older installation.
    let _ = std::fs::remove_dir_all(&folder);
    let requirements = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(requirements.path(), pinned).unwrap();
    install(name, requirements.path(), &folder);
    std::fs::write(marker, pinned).unwrap();
    folder
}

fn install(name: &str, pinned: &Path, folder: &Path) {
    eprintln!("Installing {name}, which the tests use, into {}", folder.display());
    let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let safely = ["--no-deps", "--only-binary", ":all:", "--require-hashes"];
    let output = Command::new("python3")
        .args(arguments)
        .args(safely)
        .arg("--target")
        .arg(folder)
        .arg("--requirement")
        .arg(pinned)
        .output()
        .expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
