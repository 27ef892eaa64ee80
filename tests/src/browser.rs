//! Runs browser tests: Debian's Chromium, driven by playwright-core under Node. The packages are pinned by
//! the hashes of `browser/package-lock.json` and installed once into the user's cache, without install
//! scripts. A missing program fails the test with the program's name; no test is skipped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use parking_lot::Mutex;
use serde_json::Value;

use crate::samples::cache;

const PACKAGE: &str = include_str!("../browser/package.json");
const LOCK: &str = include_str!("../browser/package-lock.json");
const CHROMIUM: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Allows one browser at a time, because the camera's frames would arrive too late to show a face under the
/// load of several browsers.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs `browser/NAME.mjs` with `parameters`, to which the paths of Chromium, the Node modules and the
/// screenshots are added. Panics with the script's output if it fails.
pub fn run(name: &str, mut parameters: Value) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser").join(format!("{name}.mjs"));
    let _alone = ONE_AT_A_TIME.lock();
    let pictures = pictures().join(name);
    let _ = std::fs::remove_dir_all(&pictures);
    std::fs::create_dir_all(&pictures).unwrap();
    parameters["chromium"] = Value::from(chromium().to_string_lossy());
    parameters["modules"] = Value::from(installed().to_string_lossy());
    parameters["pictures"] = Value::from(pictures.to_string_lossy());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), parameters.to_string()).unwrap();
    let output = Command::new(node())
        .arg(script)
        .arg(file.path())
        .stdin(Stdio::null())
        .output()
        .expect("node starts");
    let output_text = [output.stdout, output.stderr].concat();
    let output_text = String::from_utf8_lossy(&output_text);
    eprintln!("{output_text}\nScreenshots: {}", pictures.display());
    assert!(output.status.success(), "{name}: {output_text}");
}

/// Returns the folder for screenshots, in the build folder.
fn pictures() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| cache().join("target")).join("tmp/browser")
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn chromium() -> PathBuf {
    let found = CHROMIUM.into_iter().find_map(in_path);
    found.expect(
        "Chromium is missing; 'make deps' installs it (in Debian: apt-get install chromium)",
    )
}

fn node() -> PathBuf {
    in_path("node").expect("Node.js is missing; 'make deps' installs it with npm")
}

/// Installs the pinned packages if needed. Returns the folder that contains their `node_modules`.
fn installed() -> PathBuf {
    let tools = cache().join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    let lock_file = File::create(tools.join("browser.lock")).unwrap();
    lock_file.lock().unwrap();
    let folder = tools.join("browser");
    let marker = folder.join("installed.json");
    if std::fs::read_to_string(&marker).is_ok_and(|text| text == LOCK) {
        return folder;
    }
    // Removes an interrupted or older installation.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("package.json"), PACKAGE).unwrap();
    std::fs::write(folder.join("package-lock.json"), LOCK).unwrap();
    eprintln!(
        "Installing playwright-core and axe-core, which the tests use, into {}",
        folder.display()
    );
    let output = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .output()
        .expect("npm starts; 'make deps' installs it");
    assert!(output.status.success(), "npm ci: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(marker, LOCK).unwrap();
    folder
}
