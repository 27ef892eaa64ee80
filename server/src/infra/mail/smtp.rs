use std::time::Duration;

use anyhow::anyhow;
use lettre::transport::smtp::Error;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::{SendError, Sender, Sending};

/// Timeout of a connection attempt and of each SMTP command, 30 s.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Reply codes after which a retry cannot succeed, because the server rejects the mailbox or the message (RFC
/// 5321, section 4.2.3). After other 5xx codes a mail is retried, because the operator can remove the cause,
/// for instance a wrong password.
const REFUSED: [u16; 6] = [501, 550, 551, 552, 553, 554];

/// The action to take if PICPICK_SMTP_URL cannot be used.
const ACTION: &str = "set it to smtps://USER:PASSWORD@HOST or smtp://USER:PASSWORD@HOST:587";

/// A transport by SMTP, encrypted unless the server is on this computer. Errors contain the reply code and
/// never the server's text, which repeats addresses.
pub struct SmtpSender {
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl SmtpSender {
    /// Creates a transport to the server at `url`, a result of
    /// [`transport_url`](crate::config::mail::transport_url).
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
        // The error is dropped, because it may contain the URL and with it the password.
        let builder = builder.map_err(|_| anyhow!("PICPICK_SMTP_URL cannot be used; {ACTION}"))?;
        Ok(Self { transport: builder.timeout(Some(ANSWER_MAX)).build() })
    }
}

impl Sender for SmtpSender {
    fn send<'a>(&'a self, _: &'a str, message: Message) -> Sending<'a> {
        Box::pin(async move {
            self.transport.send(message).await.map(drop).map_err(|error| undelivered(&error))
        })
    }

    fn describe(&self) -> String {
        "Mail is sent through the server of PICPICK_SMTP_URL".to_owned()
    }
}

fn undelivered(error: &Error) -> SendError {
    if let Some(code) = error.status() {
        let code = code.to_string();
        let lasting = code.parse().is_ok_and(|code| REFUSED.contains(&code));
        let why = format!("the mail server answered {code}");
        return if lasting { SendError::Permanent(why) } else { SendError::Transient(why) };
    }
    let what = match error {
        _ if error.is_timeout() => "the mail server does not respond within 30 s",
        _ if error.is_tls() => {
            "the connection to the mail server cannot be encrypted; check the server's certificate"
        }
        _ if error.is_response() => "the mail server's reply cannot be parsed",
        _ if error.is_client() => "the mail server lacks a required feature",
        _ => "the mail server cannot be reached; check PICPICK_SMTP_URL",
    };
    SendError::Transient(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::mail::transport_url;

    #[test]
    fn mail_leaves_this_computer_encrypted() {
        for (given, used) in [
            ("smtps://a:b%40c@mail.example.com", "smtps://a:b%40c@mail.example.com"),
            ("smtp://a:b@mail.example.com:587\n", "smtp://a:b@mail.example.com:587?tls=required"),
            ("smtp://mail.example.com/", "smtp://mail.example.com?tls=required"),
            ("smtp://127.0.0.1:2525", "smtp://127.0.0.1:2525"),
            ("smtp://localhost", "smtp://localhost"),
            ("smtp://[::1]:25", "smtp://[::1]:25"),
            ("smtp://localhost?tls=required", "smtp://localhost?tls=required"),
        ] {
            assert_eq!(transport_url(given).unwrap().as_str(), used);
            assert!(SmtpSender::new(used).is_ok(), "{used}");
        }
        for bad in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://mail.example.com?tls=opportunistic",
            "smtp://localhost.example.com?tls=none",
            "smtp://",
            "smtps://mail.example.com/secret?tls=none",
        ] {
            let error = transport_url(bad).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
