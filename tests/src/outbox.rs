//! The folder that mail is written to where no mail server is set.
//!
//! Knows nothing of what the mails say.

use std::time::{Duration, Instant};

use crate::service::Service;

/// How long a mail may take; only a failing test waits so long.
const SENT_MAX: Duration = Duration::from_secs(60);

/// The mails of `service` once there are `number`, as text; no more may come.
pub fn outbox(service: &Service, number: usize) -> Vec<String> {
    let end = Instant::now() + SENT_MAX;
    loop {
        let entries = std::fs::read_dir(service.sandbox.data().join("outbox"));
        let files = entries.into_iter().flatten().map(|entry| entry.unwrap().path());
        let whole = files.filter(|path| path.extension().is_some_and(|end| end == "eml"));
        let mails: Vec<String> = whole.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        if mails.len() >= number {
            assert_eq!(mails.len(), number, "no mail too many");
            return mails;
        }
        assert!(Instant::now() < end, "{number} mails, but {}", mails.len());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the table of mails is empty.
pub fn settled(service: &Service) {
    let end = Instant::now() + SENT_MAX;
    while service.number("SELECT COUNT(*) FROM mails") > 0 {
        assert!(Instant::now() < end, "mail waits for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The one mail that holds `part`.
#[track_caller]
pub fn only_with<'a>(mails: &'a [String], part: &str) -> &'a str {
    let [mail] = mails.iter().filter(|mail| mail.contains(part)).collect::<Vec<_>>()[..] else {
        panic!("not one mail with {part}: {mails:?}");
    };
    mail
}
