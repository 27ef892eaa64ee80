//! `picpick keys`: which keys there are, and wrapping them anew.
//!
//! Shows fingerprints, never a key. Knows nothing of what the keys open.

use anyhow::Result;
use clap::Subcommand;
use picpick_engine::memory_is_locked;
use serde::Serialize;

use super::context::Context;
use super::report::Report;
use super::table::Table;

const LIST_AFTER: &str = "\
With --json: {\"generation\", \"memory_locked\", \"keys\": [{\"collection\", \"id\",
\"fingerprint\"}]}.";
const ROTATE_AFTER: &str = "\
All data keys are wrapped under a new key-encryption key and the old one is
destroyed: copies of the keyring made before open nothing any more. Make a new
copy of the keyring afterwards. Data are not rewritten.

With --json: {\"generation\"}.";

#[derive(Subcommand, Debug)]
pub enum Command {
    /// List the collections' keys by fingerprint
    #[command(after_help = LIST_AFTER)]
    List,
    /// Replace the key-encryption key
    #[command(after_help = ROTATE_AFTER)]
    Rotate,
}

#[derive(Serialize)]
struct Listed {
    generation: u32,
    memory_locked: bool,
    keys: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    collection: String,
    id: String,
    fingerprint: String,
}

#[derive(Serialize)]
struct Rotated {
    generation: u32,
}

pub fn run(context: &Context, command: &Command) -> Result<Report> {
    let data = context.data()?;
    match command {
        Command::List => {
            let mut keys = Vec::new();
            let mut table = Table::new(&["fingerprint", "collection"]);
            for info in data.collections()? {
                let fingerprint = data.key_fingerprint(&info.name)?;
                table.row([fingerprint.clone(), info.name.clone()]);
                keys.push(Shown { collection: info.name, id: info.id.to_string(), fingerprint });
            }
            let (generation, memory_locked) = (data.key_generation()?, memory_is_locked());
            let mut text = if keys.is_empty() { String::new() } else { table.text() + "\n" };
            text += &format!("Key-encryption key: generation {generation}\n");
            if !memory_locked {
                text += "Keys may be swapped to disk: this user may not lock memory (ulimit -l).\n";
            }
            Report::new(&Listed { generation, memory_locked, keys }, text)
        }
        Command::Rotate => {
            let generation = data.rotate_keys()?;
            let text = format!(
                "All keys are wrapped under generation {generation} now; older ones are destroyed.\n\
                 Copies of the keyring made before are worthless: make a new one.\n"
            );
            Report::new(&Rotated { generation }, text)
        }
    }
}
