use axum::http::Uri;
use clap::Args;
use lettre::message::Mailbox;
use zeroize::Zeroizing;

use crate::config::UsageError;
use crate::config::settings::MailSettings;

/// The mail options, as given. The SMTP URL contains a password and therefore comes from the environment.
#[derive(Args, Debug)]
pub struct RawMail {
    /// Sender of the service's mail, for instance 'PicPick <photos@example.com>'
    #[arg(long, env = "PICPICK_MAIL_FROM", value_name = "ADDRESS")]
    mail_from: Option<String>,
}

impl RawMail {
    /// Validates the options and completes them from the environment. Connects to nothing.
    ///
    /// # Errors
    /// - `UsageError` if the sender or the SMTP URL is invalid, or if there is an SMTP URL and no sender.
    pub fn validate(self) -> Result<MailSettings, UsageError> {
        let given = super::secret("PICPICK_SMTP_URL", "PICPICK_SMTP_URL_FILE")?;
        let smtp = given.as_ref().map(|url| {
            transport_url(url)
                .map_err(|expected| UsageError(format!("PICPICK_SMTP_URL: {expected}")))
        });
        let smtp = smtp.transpose()?;
        let from = match self.mail_from {
            Some(text) => sender(&text)?,
            // Mail servers usually reject senders of other domains, so they need the operator's sender.
            None if smtp.is_some() => {
                return Err(UsageError(
                    "PICPICK_SMTP_URL is set, but no sender: name the sender with --mail-from ADDRESS"
                        .into(),
                ));
            }
            None => sender("PicPick <picpick@localhost>")?,
        };
        Ok(MailSettings { from, smtp })
    }
}

fn sender(text: &str) -> Result<Mailbox, UsageError> {
    text.parse().map_err(|_| {
        UsageError(format!(
            "--mail-from: expected 'NAME <USER@HOST>' or USER@HOST, received '{text}'"
        ))
    })
}

/// Returns the URL of a mail server, with TLS required unless the server is on this computer.
///
/// # Errors
/// - The expected form if `text` has another form. The error never contains `text`, which contains a password.
pub fn transport_url(text: &str) -> Result<Zeroizing<String>, &'static str> {
    const EXPECTED: &str = "expected smtps://USER:PASSWORD@HOST or smtp://USER:PASSWORD@HOST:587";
    let text = text.trim();
    let uri: Uri = text.parse().map_err(|_| EXPECTED)?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or(EXPECTED)?;
    if !matches!(uri.path(), "" | "/") {
        return Err(EXPECTED);
    }
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let numeric = address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let loopback = numeric || host.eq_ignore_ascii_case("localhost");
    let url = match (uri.scheme_str(), uri.query()) {
        (Some("smtps"), None) | (Some("smtp"), Some("tls=required")) => text.to_owned(),
        (Some("smtp"), None) if loopback => text.to_owned(),
        (Some("smtp"), None) => format!("{}?tls=required", text.trim_end_matches('/')),
        _ => return Err(EXPECTED),
    };
    Ok(Zeroizing::new(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_an_address() {
        assert_eq!(sender("PicPick <a@b.example>").unwrap().email.to_string(), "a@b.example");
        assert!(sender("a@b.example").is_ok());
        for bad in ["", "a", "a@b>\r\nBcc: c@d.example", "@"] {
            assert!(sender(bad).is_err(), "{bad:?}");
        }
    }
}
