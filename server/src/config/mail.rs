use clap::Args;
use lettre::message::Mailbox;

use crate::cli::Usage;
use crate::config::settings::MailSettings;
use crate::infra::mail::transport_url;

/// The mail options, as given. The SMTP address contains a password and therefore comes from the environment.
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
    /// `Usage` for an invalid address, or an SMTP server without a sender.
    pub fn validate(self) -> Result<MailSettings, Usage> {
        let given = super::secret("PICPICK_SMTP_URL", "PICPICK_SMTP_URL_FILE")?;
        let smtp = given.as_ref().map(|url| {
            transport_url(url).map_err(|expected| Usage(format!("PICPICK_SMTP_URL: {expected}")))
        });
        let smtp = smtp.transpose()?;
        let from = match self.mail_from {
            Some(text) => sender(&text)?,
            // Most servers reject senders of other domains, so there is no default sender for them.
            None if smtp.is_some() => {
                return Err(Usage(
                    "PICPICK_SMTP_URL is set, but no sender: name one with --mail-from ADDRESS"
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
