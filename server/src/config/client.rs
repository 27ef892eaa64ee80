use std::path::Path;

use zeroize::Zeroizing;

use crate::config::UsageError;

/// Returns the API key in `file` if a file is given, otherwise the key in PICPICK_API_KEY. No option takes
/// the key itself, because other users of the machine can read a command line.
///
/// # Errors
/// - `UsageError` if there is no key, `file` cannot be read, or the text is not one key. The message never
///   contains the key.
pub fn api_key(file: Option<&Path>) -> Result<Zeroizing<String>, UsageError> {
    let variable = std::env::var("PICPICK_API_KEY").ok().filter(|value| !value.is_empty());
    key_of(file, variable.map(Zeroizing::new))
}

fn key_of(
    file: Option<&Path>,
    variable: Option<Zeroizing<String>>,
) -> Result<Zeroizing<String>, UsageError> {
    let (text, place) = match (file, variable) {
        (Some(path), _) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| {
                UsageError(format!(
                    "cannot read the API key from {name}: {error}; name a readable file with --key-file"
                ))
            })?;
            (Zeroizing::new(text), name)
        }
        (None, Some(text)) => (text, "PICPICK_API_KEY".to_owned()),
        (None, None) => {
            return Err(UsageError(
                "no API key: set PICPICK_API_KEY, or name a file that contains it with --key-file"
                    .into(),
            ));
        }
    };
    let key = text.trim();
    if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Zeroizing::new(key.to_owned()));
    }
    Err(UsageError(format!("{place}: expected one API key (ppk_…) and nothing else")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beats_the_variable_and_no_error_tells_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let variable = || Some(Zeroizing::new("ppk_variable".to_owned()));
        std::fs::write(&file, "ppk_file\n").unwrap();
        assert_eq!(key_of(Some(&file), variable()).unwrap().as_str(), "ppk_file");
        assert_eq!(key_of(None, variable()).unwrap().as_str(), "ppk_variable");
        assert!(key_of(None, None).unwrap_err().0.contains("PICPICK_API_KEY"));
        for bad in ["", " \n", "ppk_one ppk_two", "ppk_\u{e9}"] {
            std::fs::write(&file, bad).unwrap();
            let error = key_of(Some(&file), None).unwrap_err().0;
            assert!(error.contains("key") && !error.contains("ppk_o"), "{error}");
        }
        assert!(key_of(Some(&folder.path().join("missing")), variable()).is_err());
    }
}
