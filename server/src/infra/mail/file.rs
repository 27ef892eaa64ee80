use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lettre::Message;

use super::{SendError, Sender, Sending, WrittenMail};

/// A transport that writes each mail to a file and sends nothing, for tests and installations without a mail
/// server. The files contain the tokens of links, so only the owner of a file can read it.
pub struct FileSender(PathBuf);

impl FileSender {
    /// Creates a transport that writes to `folder`. The folder is created with the first mail.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }
}

impl Sender for FileSender {
    fn send<'a>(&'a self, id: &'a str, message: Message) -> Sending<'a> {
        Box::pin(async move {
            let (folder, name) = (self.0.clone(), id.to_owned());
            let written =
                tokio::task::spawn_blocking(move || write(&folder, &name, &message.formatted()));
            let failed = |reason: &dyn std::fmt::Display| {
                SendError::Transient(format!("writing the mail to a file: {reason}"))
            };
            written.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
        })
    }

    fn remove_written(&self, is_removed: &dyn Fn(&WrittenMail) -> bool) -> std::io::Result<()> {
        let entries = match std::fs::read_dir(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            listed => listed?,
        };
        let mut removed = false;
        for path in entries.flatten().map(|entry| entry.path()) {
            // Another server, or the operator, may have removed the file.
            let Some(mail) = written(&path) else { continue };
            if is_removed(&mail) {
                std::fs::remove_file(&path)?;
                removed = true;
            }
        }
        if removed { std::fs::File::open(&self.0)?.sync_all() } else { Ok(()) }
    }

    fn describe(&self) -> String {
        let folder = self.0.display();
        format!(
            "No mail server is configured: mail is written to {folder} and not sent; set PICPICK_SMTP_URL to send it"
        )
    }
}

/// Reads the recipient and the age of a written mail; `None` for other files and files that are gone.
fn written(path: &Path) -> Option<WrittenMail> {
    path.extension().filter(|ending| *ending == "eml" || *ending == "begun")?;
    let modified = path.metadata().ok()?.modified().ok()?;
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut headers = text.lines().take_while(|line| !line.is_empty());
    let to = headers.find_map(|line| line.strip_prefix("To: ")).unwrap_or_default();
    // A file from the future, written before the clock was set back, has no age.
    let age = SystemTime::now().duration_since(modified).unwrap_or_default();
    Some(WrittenMail { to: to.trim().to_owned(), age })
}

/// Writes the file atomically and durably. Idempotent: a retry replaces the file.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let begun = folder.join(format!("{name}.begun"));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&begun)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(begun, folder.join(format!("{name}.eml")))?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn a_mail_is_one_file_of_its_owner_however_often_it_is_sent() {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().join("a/outbox");
        let sender = FileSender::new(folder.clone());
        for text in ["first", "second"] {
            let builder = Message::builder().from("a@b.example".parse().unwrap());
            let message = builder.to("c@d.example".parse().unwrap()).body(text.to_owned()).unwrap();
            sender.send("01", message).await.unwrap();
        }
        let [file] = std::fs::read_dir(&folder)
            .unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        assert_eq!(file.file_name(), "01.eml");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(text.contains("To: c@d.example") && text.contains("second"), "{text}");
        let stray = folder.join("notes.txt");
        std::fs::write(&stray, "To: c@d.example").unwrap();
        sender.remove_written(&|mail| mail.to == "e@f.example").unwrap();
        assert!(file.path().exists());
        sender.remove_written(&|mail| mail.to == "c@d.example").unwrap();
        assert!(!file.path().exists() && stray.exists(), "only the recipient's mails go");
        FileSender::new(room.path().join("none")).remove_written(&|_| true).unwrap();
        // A folder that cannot be created is a transient failure.
        let blocked = FileSender::new(room.path().join("a/outbox/notes.txt/x"));
        let builder = Message::builder().from("a@b.example".parse().unwrap());
        let message = builder.to("c@d.example".parse().unwrap()).body(String::new()).unwrap();
        assert!(matches!(blocked.send("02", message).await, Err(SendError::Transient(_))));
    }
}
