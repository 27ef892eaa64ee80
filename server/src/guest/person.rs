//! What is known of a guest beside their face: a name and one contact, sealed.
//!
//! The one place that opens them. Never logs either.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Failure, Result};
use crate::ids::unhex;
use crate::input;
use crate::state::App;

/// Somebody's contact: an e-mail address, or a telephone number with its country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact(String);

impl Contact {
    /// Reads what somebody typed. Errors: `Invalid`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.contains('@') {
            return input::email(text).map(Self);
        }
        let plain: String = text.chars().filter(|c| !" -().".contains(*c)).collect();
        let digits = plain.strip_prefix('+').unwrap_or(&plain);
        // E.164 has 15 digits at most; shorter than 6 reaches nobody.
        let number = (6..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let expected = "contact: expected an e-mail address or a telephone number.";
        if number { Ok(Self(plain)) } else { Err(Failure::invalid(expected)) }
    }

    /// Where letters go; `None` for a telephone.
    pub fn email(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|contact| contact.contains('@'))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands for the contact where it is counted.
    pub fn hash(&self, app: &App) -> Result<String> {
        Ok(app.vault().name("guest contact", self.0.as_bytes())?)
    }
}

/// Seals a field of a guest's row; `id` is the row's.
pub fn seal(app: &App, id: &str, field: &str, text: &str) -> Result<String> {
    app.seal(&context(id, field), text.as_bytes())
}

/// Opens what `seal` made.
pub fn open(app: &App, id: &str, field: &str, sealed: &str) -> Result<Zeroizing<String>> {
    let bytes =
        unhex(sealed).ok_or_else(|| Failure::internal("a sealed field is not hexadecimal"))?;
    let plain = app.vault().open(&context(id, field), &bytes)?;
    let text = String::from_utf8(plain.to_vec()).map_err(Failure::internal)?;
    Ok(Zeroizing::new(text))
}

fn context(id: &str, field: &str) -> String {
    format!("guest {id} {field}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_an_address_or_a_number() {
        assert_eq!(Contact::parse(" A@b.example ").unwrap().email(), Some("a@b.example"));
        let number = Contact::parse("+91 (98765) 432-10").unwrap();
        assert_eq!((number.as_str(), number.email()), ("+919876543210", None));
        for bad in ["", "a", "12345", "+1234567890123456", "12345a", "a@", "++4912345", "١٢٣٤٥٦"]
        {
            assert!(Contact::parse(bad).is_err(), "{bad}");
        }
    }
}
