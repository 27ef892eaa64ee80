use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::extract;

/// A guest's contact: an e-mail address, or a telephone number with its country code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact(String);

impl Contact {
    /// Parses a contact as a guest typed it.
    ///
    /// # Errors
    /// - `Invalid` if `text` is neither an e-mail address nor a telephone number.
    pub fn parse(text: &str) -> Result<Self> {
        if text.contains('@') {
            return extract::email(text).map(Self);
        }
        let expected =
            "contact: expected an e-mail address or a telephone number with its country code.";
        international(text).map(Self).ok_or_else(|| ApiError::invalid(expected))
    }

    /// Returns the e-mail address; `None` for a telephone number.
    pub fn email(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|contact| contact.contains('@'))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the contact's pseudonym, a keyed hash. Contacts are compared and counted by their pseudonyms.
    pub fn hash(&self, app: &App) -> Result<String> {
        Ok(app.vault.name("guest contact", self.0.as_bytes())?)
    }
}

/// Returns a telephone number as `+` and digits with its country code, so that all spellings of a number are
/// one contact. Ten digits that begin with 6 to 9 are an Indian mobile number, which guests in India type
/// without a country code. Returns `None` for other numbers without a country code, because their country is
/// unknown.
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
    // ITU-T E.164: a number has at most 15 digits, and no country code begins with 0. A number of fewer than 6
    // digits reaches no subscriber.
    let number = (6..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    number.then(|| format!("+{digits}"))
}

/// Seals a field of a guest's row; `id` is the row's ID.
pub fn seal(app: &App, id: &str, field: &str, text: &str) -> Result<String> {
    app.seal(&context(id, field), text.as_bytes())
}

/// Opens a field sealed by [`seal`]. Only this function opens names and contacts; callers never log the result.
pub fn open(app: &App, id: &str, field: &str, sealed: &str) -> Result<Zeroizing<String>> {
    let bytes =
        hex::decode(sealed).map_err(|_| ApiError::internal("a sealed field is not hexadecimal"))?;
    let plain = app.vault.open(&context(id, field), &bytes)?;
    let text = String::from_utf8(plain.to_vec()).map_err(ApiError::internal)?;
    Ok(Zeroizing::new(text))
}

fn context(id: &str, field: &str) -> String {
    format!("guest {id} {field}")
}

#[cfg(test)]
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
        // An Indian mobile number whose own digits begin with 91, India's country code.
        assert_eq!(Contact::parse("9123456789").unwrap().as_str(), "+919123456789");
        assert_eq!(Contact::parse("0044 20 7946 0000").unwrap().as_str(), "+442079460000");
        // Numbers without a country code that are not Indian mobile numbers, and a country code that begins
        // with 0.
        for bad in ["5876543210", "07911 123456", "987654321", "15112345678", "+0919876543210"] {
            assert!(Contact::parse(bad).is_err(), "{bad}");
        }
    }
}
