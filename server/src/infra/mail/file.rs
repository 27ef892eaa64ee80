use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use lettre::Message;

use super::{SendError, Sender, Sending};

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

    fn describe(&self) -> String {
        let folder = self.0.display();
        format!(
            "No mail server is configured: mail is written to {folder} and not sent; set PICPICK_SMTP_URL to send it"
        )
    }
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
        // A folder that cannot be created is a transient failure.
        let blocked = FileSender::new(room.path().join("a/outbox/01.eml/x"));
        let builder = Message::builder().from("a@b.example".parse().unwrap());
        let message = builder.to("c@d.example".parse().unwrap()).body(String::new()).unwrap();
        assert!(matches!(blocked.send("02", message).await, Err(SendError::Transient(_))));
    }
}
