use std::fmt;

use super::sha256::Sha256Sum;
use crate::error::{Error, Result};

/// The rules for single fields of a manifest. Every error names the manifest, the field, the expected and the
/// received value.
pub(super) struct FieldCheck<'a> {
    pub manifest: &'a str,
}

impl FieldCheck<'_> {
    pub fn refuse(&self, field: &str, expected: &str, received: impl fmt::Display) -> Error {
        let reason = format!("{field}: expected {expected}, received '{received}'");
        Error::Manifest { name: self.manifest.to_owned(), reason }
    }

    pub fn sha256(&self, field: &str, text: &str) -> Result<Sha256Sum> {
        Sha256Sum::parse(text)
            .ok_or_else(|| self.refuse(field, "64 lower-case hexadecimal digits", text))
    }

    /// Checks a text for display: one line of 1 to 200 printable characters.
    pub fn text(&self, field: &str, text: &str) -> Result<String> {
        let fits = (1..=200).contains(&text.chars().count());
        if fits && !text.chars().any(char::is_control) {
            return Ok(text.to_owned());
        }
        Err(self.refuse(field, "1 to 200 printable characters", text))
    }

    /// Checks a pack's id, which collections store: 1 to 64 lower-case letters, digits and hyphens, not
    /// starting with a hyphen.
    pub fn id(&self, field: &str, text: &str) -> Result<String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=64).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('-') {
            return Ok(text.to_owned());
        }
        let expected = "1 to 64 lower-case letters, digits and hyphens, not starting with a hyphen";
        Err(self.refuse(field, expected, text))
    }

    /// Checks one exact version of at most 64 characters. Rejects ranges, tags and options, because the
    /// version becomes an argument of a registry client.
    pub fn version(&self, field: &str, text: &str) -> Result<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
        let starts = text.starts_with(|c: char| c.is_ascii_digit());
        if starts && text.len() <= 64 && text.contains('.') && text.chars().all(plain) {
            return Ok(text.to_owned());
        }
        Err(self.refuse(field, "one exact version such as '1.24.1'", text))
    }

    /// Checks a package name of at most 128 characters, which may have a scope if `scoped`. The name becomes
    /// an argument of a registry client.
    pub fn package(&self, field: &str, text: &str, scoped: bool) -> Result<String> {
        let name = match text.strip_prefix('@').and_then(|rest| rest.split_once('/')) {
            Some((scope, name)) if scoped && is_word(scope) => name,
            _ => text,
        };
        if is_word(name) && text.len() <= 128 {
            return Ok(text.to_owned());
        }
        Err(self.refuse(field, "a package name of at most 128 characters", text))
    }

    /// Checks a platform tag, file name or other single word: at most 128 letters, digits, '.', '_' and '-',
    /// the first a letter or digit.
    pub fn word(&self, field: &str, text: &str) -> Result<String> {
        if is_word(text) && text.len() <= 128 {
            return Ok(text.to_owned());
        }
        let expected = "at most 128 letters, digits, '.', '_' and '-', the first a letter or digit";
        Err(self.refuse(field, expected, text))
    }

    /// Checks a path inside an archive: at most 512 characters, relative and without `.` or `..`, so that its
    /// last component is safe as a file name.
    pub fn member_path(&self, field: &str, text: &str) -> Result<String> {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        let safe = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | ':' | '*' | '?');
        if text.len() <= 512 && text.split('/').all(plain) && text.chars().all(safe) {
            return Ok(text.to_owned());
        }
        let expected =
            "a relative path inside the archive, without '..', of at most 512 characters";
        Err(self.refuse(field, expected, text))
    }

    /// Checks a finite number within `min..=max`.
    pub fn number(&self, field: &str, value: f64, min: f64, max: f64) -> Result<f32> {
        if (min..=max).contains(&value) {
            return Ok(value as f32);
        }
        Err(self.refuse(field, &format!("a number from {min} to {max}"), value))
    }

    /// Checks a whole number within `min..=max`.
    pub fn whole(&self, field: &str, value: u64, min: u32, max: u32) -> Result<u32> {
        u32::try_from(value).ok().filter(|value| (min..=max).contains(value)).ok_or_else(|| {
            self.refuse(field, &format!("a whole number from {min} to {max}"), value)
        })
    }
}

/// Returns whether `text` can be mistaken neither for an option nor for a path.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}
