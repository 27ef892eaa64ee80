use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::service::Service;

/// Maximum time until a mail is written. Only a failing test waits that long.
const SENT_MAX: Duration = Duration::from_secs(60);

/// Returns the paths of the complete mails in the outbox folder, which the first mail creates.
fn files(service: &Service) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(service.sandbox.data().join("outbox"));
    let paths = entries.into_iter().flatten().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "eml"))
}

/// Waits for `number` mails in the outbox folder, to which the service writes mails if no mail server is
/// configured. Returns the texts of the mails. Fails the test if there are more mails.
pub fn outbox(service: &Service, number: usize) -> Vec<String> {
    let end = Instant::now() + SENT_MAX;
    loop {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        let mails: Vec<String> = files(service).map(read).collect();
        if mails.len() >= number {
            assert_eq!(mails.len(), number, "too many mails");
            return mails;
        }
        assert!(Instant::now() < end, "expected {number} mails, received {}", mails.len());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the outbox table is empty.
pub fn settled(service: &Service) {
    let end = Instant::now() + SENT_MAX;
    while service.number("SELECT COUNT(*) FROM mails") > 0 {
        assert!(Instant::now() < end, "the outbox table is not empty");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Returns the only mail that contains `part`.
#[track_caller]
pub fn only_with<'a>(mails: &'a [String], part: &str) -> &'a str {
    let [mail] = mails.iter().filter(|mail| mail.contains(part)).collect::<Vec<_>>()[..] else {
        panic!("not one mail with {part}: {mails:?}");
    };
    mail
}

/// Waits for a mail to `to` that contains `part` in the outbox folder. Returns the latest one.
pub fn latest_to(service: &Service, to: &str, part: &str) -> String {
    latest_where(service, to, |mail| mail.contains(part))
}

/// Waits for a mail to `to` that `is_wanted` accepts in the outbox folder. Returns the latest one.
pub fn latest_where(service: &Service, to: &str, is_wanted: impl Fn(&str) -> bool) -> String {
    let end = Instant::now() + SENT_MAX;
    let header = format!("To: {to}\r\n");
    loop {
        let mut mails: Vec<_> = files(service)
            .map(|path| (path.metadata().unwrap().modified().unwrap(), path))
            // Quoted-printable wraps long lines with a soft line break.
            .map(|(at, path)| (at, std::fs::read_to_string(path).unwrap().replace("=\r\n", "")))
            .filter(|(_, mail)| mail.contains(&header) && is_wanted(mail))
            .collect();
        mails.sort();
        if let Some((_, mail)) = mails.pop() {
            return mail;
        }
        assert!(Instant::now() < end, "no such mail to {to}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
