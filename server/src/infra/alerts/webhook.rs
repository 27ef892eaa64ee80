//! Posts one alert to the operator's webhook, signed with HMAC-SHA256. Redirects are not followed. The
//! webhook's URL is a secret and is never logged.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use sha2::Sha256;

use super::Pattern;
use crate::config::settings::Webhook;
use crate::infra::clock::now_s;

const SIGNATURE: &str = "x-picpick-signature";
/// Timeout of a delivery attempt, 10 s.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The JSON body of a delivery.
#[derive(Clone, Debug, Serialize)]
pub struct WebhookDelivery {
    /// The alert's id, identical in every retry, so that the receiver can recognise duplicates.
    pub id: String,
    pub pattern: Pattern,
    pub subject: String,
    pub studio: String,
    pub count: i64,
    pub window_s: i64,
    pub created_unix_s: i64,
    #[serde(skip)]
    pub attempts: i64,
}

/// Posts an alert on the thread pool for blocking tasks. Errors with the reason, which never contains the
/// URL.
pub async fn send(hook: Webhook, post: WebhookDelivery) -> Result<(), String> {
    let sent = tokio::task::spawn_blocking(move || deliver(&hook, &post)).await;
    sent.unwrap_or_else(|_| Err("the delivery task was aborted".to_owned()))
}

fn deliver(hook: &Webhook, post: &WebhookDelivery) -> Result<(), String> {
    let body = serde_json::to_string(post).map_err(|error| error.to_string())?;
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .max_redirects(0)
        .build()
        .new_agent();
    let request = agent
        .post(hook.url.as_str())
        .header("content-type", "application/json")
        .header(SIGNATURE, signature(hook.secret.as_bytes(), now_s(), &body)?);
    match request.send(body) {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => {
            Err(format!("expected a status of 200 to 299, received {}", response.status()))
        }
        Err(ureq::Error::StatusCode(status)) => {
            Err(format!("expected a status of 200 to 299, received {status}"))
        }
        Err(ureq::Error::Timeout(_)) => Err(format!("no response within {} s", TIMEOUT.as_secs())),
        Err(ureq::Error::Io(error)) => Err(format!("the connection failed: {}", error.kind())),
        // The texts of other errors may contain the URL.
        Err(_) => Err("the connection failed".to_owned()),
    }
}

/// Returns the signature header `t=SECONDS,v1=HEX`, with HMAC-SHA256 over `SECONDS.BODY`. The signed time
/// lets the receiver reject replays of old deliveries.
fn signature(secret: &[u8], at_unix_s: i64, body: &str) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|error| error.to_string())?;
    mac.update(format!("{at_unix_s}.{body}").as_bytes());
    Ok(format!("t={at_unix_s},v1={}", hex::encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use zeroize::Zeroizing;

    fn post() -> WebhookDelivery {
        WebhookDelivery {
            id: "1".into(),
            pattern: Pattern::Guessing,
            subject: "address:1.2.3.4".into(),
            studio: String::new(),
            count: 100,
            window_s: 600,
            created_unix_s: 1,
            attempts: 1,
        }
    }

    /// Starts a receiver that responds once with `status`. Returns its URL and a handle to the received
    /// request.
    fn receiver(status: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
        let heard = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut heard, mut buffer) = (String::new(), [0; 4096]);
            while !heard.ends_with('}') {
                let count = stream.read(&mut buffer).unwrap();
                heard.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
            write!(stream, "HTTP/1.1 {status}\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
            heard
        });
        (url, heard)
    }

    fn hook(url: String) -> Webhook {
        Webhook { url: Zeroizing::new(url), secret: Zeroizing::new("Jefe".into()) }
    }

    #[test]
    fn the_signature_is_the_standards() {
        // Computed with Python's hmac module: key "Jefe", message "1.what do ya want for nothing?".
        let expected = "t=1,v1=a9049465ce89cfb8e9aac62333abda66f80e3403f51f57f6bae3c3a4485eca38";
        assert_eq!(signature(b"Jefe", 1, "what do ya want for nothing?").unwrap(), expected);
    }

    #[test]
    fn what_arrives_is_signed_and_anything_but_success_is_an_error_without_the_address() {
        let (url, heard) = receiver("204 No Content");
        deliver(&hook(url), &post()).unwrap();
        let heard = heard.join().unwrap();
        let (head, body) = heard.split_once("\r\n\r\n").unwrap();
        let sent =
            head.lines().find_map(|line| line.strip_prefix("x-picpick-signature: ")).unwrap();
        let at = sent.split_once(',').unwrap().0.strip_prefix("t=").unwrap().parse().unwrap();
        assert_eq!(sent, signature(b"Jefe", at, body).unwrap());
        assert!(body.contains(r#""pattern":"guessing""#) && !body.contains("attempts"), "{body}");
        for status in ["500 Oh", "302 Found"] {
            let (url, heard) = receiver(status);
            let reason = deliver(&hook(url), &post()).unwrap_err();
            assert!(reason.contains(&status[..3]), "{reason}");
            heard.join().unwrap();
        }
        let reason = deliver(&hook("http://127.0.0.1:1/secret-path".into()), &post()).unwrap_err();
        assert!(!reason.contains("secret-path"), "{reason}");
    }
}
