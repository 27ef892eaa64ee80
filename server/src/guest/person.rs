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
        let expected =
            "contact: expected an e-mail address or a telephone number with its country's code.";
        international(text).map(Self).ok_or_else(|| Failure::invalid(expected))
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

/// A telephone number from its country's code on, so that one number is one contact however it was typed. Without
/// that code a number is taken as an Indian mobile phone's where it looks like one, for most guests type theirs so;
/// any other would be a different number in each country.
fn international(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|c| !" -().".contains(*c)).collect();
    let digits = match plain.strip_prefix('+').or_else(|| plain.strip_prefix("00")) {
        Some(digits) => digits.to_owned(),
        None => {
            let behind_code = plain.strip_prefix("91").filter(|own| own.len() == 10);
            let own = behind_code.unwrap_or(&plain);
            let mobile = own.len() == 10 && own.starts_with(['6', '7', '8', '9']);
            mobile.then(|| format!("91{own}"))?
        }
    };
    // E.164 has 15 digits at most, and no country's code begins with 0; shorter than 6 reaches nobody.
    let number = (6..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    number.then(|| format!("+{digits}"))
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

    #[test]
    fn a_number_is_one_contact_however_it_is_typed() {
        for same in
            ["+91 98765 43210", "98765 43210", "91 98765 43210", "0091 9876543210", "+919876543210"]
        {
            assert_eq!(Contact::parse(same).unwrap().as_str(), "+919876543210", "{same}");
        }
        // A mobile number that itself begins with India's code.
        assert_eq!(Contact::parse("9123456789").unwrap().as_str(), "+919123456789");
        assert_eq!(Contact::parse("0044 20 7946 0000").unwrap().as_str(), "+442079460000");
        // Without a country, and none of India's mobile numbers. Behind a 0 it may be Britain's as well.
        for bad in ["5876543210", "07911 123456", "987654321", "15112345678", "+0919876543210"] {
            assert!(Contact::parse(bad).is_err(), "{bad}");
        }
    }
}
