//! How `picpick serve` is told to send mail: options and environment → [`MailSettings`].
//!
//! The server's address holds a password, so no option takes it. Connects to nothing.

use clap::Args;
use lettre::message::Mailbox;

use crate::cli::Usage;
use crate::mail::transport_url;
use crate::settings::MailSettings;

/// The options, as given.
#[derive(Args, Debug)]
pub struct RawMail {
    /// Sender of the service's mail, for instance 'PicPick <photos@example.com>'
    #[arg(long, env = "PICPICK_MAIL_FROM", value_name = "ADDRESS")]
    mail_from: Option<String>,
}

impl RawMail {
    /// Completes the options by the environment.
    ///
    /// Errors: `Usage` for what is no address, or a server without a sender.
    pub fn validate(self) -> Result<MailSettings, Usage> {
        let given = super::secret("PICPICK_SMTP_URL", "PICPICK_SMTP_URL_FILE")?;
        let smtp = given.as_ref().map(|url| {
            transport_url(url).map_err(|expected| Usage(format!("PICPICK_SMTP_URL: {expected}")))
        });
        let smtp = smtp.transpose()?;
        let from = match self.mail_from {
            Some(text) => sender(&text)?,
            // Most servers refuse senders that are not of their own domain, so none can be guessed.
            None if smtp.is_some() => {
                return Err(Usage(
                    "PICPICK_SMTP_URL is set: say who the mail is from with --mail-from ADDRESS"
                        .into(),
                ));
            }
            None => sender("PicPick <picpick@localhost>")?,
        };
        Ok(MailSettings { from, smtp })
    }
}

fn sender(text: &str) -> Result<Mailbox, Usage> {
    text.parse().map_err(|_| {
        Usage(format!("--mail-from: expected 'NAME <USER@HOST>' or USER@HOST, received '{text}'"))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
