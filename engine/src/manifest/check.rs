//! The rules for single fields of a manifest.
//!
//! Each refusal names the manifest, the field, what was expected and what came. Assumes nothing of
//! the text; knows nothing of packs, files or the network.

use std::fmt;

use super::sum::Sha256Sum;
use crate::error::{Error, Result};

/// Checks the fields of one manifest, and words the refusals.
pub(super) struct Check<'a> {
    pub manifest: &'a str,
}

impl Check<'_> {
    pub fn refuse(&self, field: &str, expected: &str, received: impl fmt::Display) -> Error {
        let reason = format!("{field}: expected {expected}, received '{received}'");
        Error::Manifest { name: self.manifest.to_owned(), reason }
    }

    pub fn sha256(&self, field: &str, text: &str) -> Result<Sha256Sum> {
        Sha256Sum::parse(text)
            .ok_or_else(|| self.refuse(field, "64 lower-case hexadecimal digits", text))
    }

    /// A short text for people, on one line.
    pub fn text(&self, field: &str, text: &str) -> Result<String> {
        let fits = (1..=200).contains(&text.chars().count());
        if fits && !text.chars().any(char::is_control) {
            return Ok(text.to_owned());
        }
        Err(self.refuse(field, "1 to 200 printable characters", text))
    }

    /// A pack's id: what collections store and what the command line takes.
    pub fn id(&self, field: &str, text: &str) -> Result<String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=64).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('-') {
            return Ok(text.to_owned());
        }
        let expected = "1 to 64 lower-case letters, digits and hyphens";
        Err(self.refuse(field, expected, text))
    }

    /// One exact version. It becomes a client's argument, so ranges, tags and options are refused.
    pub fn version(&self, field: &str, text: &str) -> Result<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
        let starts = text.starts_with(|c: char| c.is_ascii_digit());
        if starts && text.len() <= 64 && text.contains('.') && text.chars().all(plain) {
            return Ok(text.to_owned());
        }
        Err(self.refuse(field, "one exact version such as '1.24.1'", text))
    }

    /// A package name, with a scope if the registry has them. It becomes a client's argument.
    pub fn package(&self, field: &str, text: &str, scoped: bool) -> Result<String> {
        let name = match text.strip_prefix('@').and_then(|rest| rest.split_once('/')) {
            Some((scope, name)) if scoped && is_word(scope) => name,
            _ => text,
        };
        if is_word(name) && text.len() <= 128 {
            return Ok(text.to_owned());
        }
        Err(self.refuse(field, "a package name", text))
    }

    /// A platform tag, name or other single word of letters, digits, '.', '_' and '-'.
    pub fn word(&self, field: &str, text: &str) -> Result<String> {
        if is_word(text) && text.len() <= 128 {
            return Ok(text.to_owned());
        }
        Err(self.refuse(field, "letters, digits, '.', '_' and '-'", text))
    }

    /// A path inside an archive: relative, with plain components only, so that its last component
    /// is safe as a file name.
    pub fn member_path(&self, field: &str, text: &str) -> Result<String> {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        let safe = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | ':' | '*' | '?');
        if text.len() <= 512 && text.split('/').all(plain) && text.chars().all(safe) {
            return Ok(text.to_owned());
        }
        Err(self.refuse(field, "a relative path inside the archive without '..'", text))
    }

    /// A finite number within `min..=max`.
    pub fn number(&self, field: &str, value: f64, min: f64, max: f64) -> Result<f32> {
        if (min..=max).contains(&value) {
            return Ok(value as f32);
        }
        Err(self.refuse(field, &format!("a number from {min} to {max}"), value))
    }

    /// A whole number within `min..=max`.
    pub fn whole(&self, field: &str, value: u64, min: u32, max: u32) -> Result<u32> {
        u32::try_from(value).ok().filter(|value| (min..=max).contains(value)).ok_or_else(|| {
            self.refuse(field, &format!("a whole number from {min} to {max}"), value)
        })
    }
}

/// Whether `text` can neither be read as an option nor as a path.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}
