use std::time::Duration;

use anyhow::anyhow;
use lettre::transport::smtp::Error;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::{SendError, Sender, Sending};

/// Timeout of a connection attempt and of each SMTP command.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Reply codes that a retry cannot change: the mailbox or the message is rejected (RFC 5321, section 4.2.3).
/// Other 5xx codes are retried, because the operator can remove their cause, for instance a wrong password.
const REFUSED: [u16; 6] = [501, 550, 551, 552, 553, 554];

/// A transport by SMTP, encrypted unless the server is on this computer. Errors contain the reply code and
/// never the server's text, which repeats addresses.
pub struct SmtpSender {
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl SmtpSender {
    /// Creates a transport to the server at `url`, which [`transport_url`](crate::config::mail::transport_url) has returned.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
        // The error is dropped, because it may contain the URL and with it the password.
        let builder = builder.map_err(|_| anyhow!("PICPICK_SMTP_URL cannot be used"))?;
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
        _ if error.is_timeout() => "the mail server does not respond in time",
        _ if error.is_tls() => "the connection to the mail server cannot be encrypted",
        _ if error.is_response() => "the mail server's reply cannot be parsed",
        _ if error.is_client() => "the mail server lacks a required feature",
        _ => "the mail server cannot be reached",
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
