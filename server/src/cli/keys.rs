use anyhow::Result;
use clap::Subcommand;
use picpick_engine::DataDir;
use serde::Serialize;

use super::context::Context;
use super::report::Report;
use super::table::Table;

const LIST_AFTER: &str = "\
With --json: {\"generation\", \"memory_locked\", \"keys\": [{\"collection\", \"id\",
\"fingerprint\"}]}.";
const ROTATE_AFTER: &str = "\
Wraps all data keys under a new key-encryption key and destroys the old key in
this keyring. The data are not rewritten. Make a new copy of the keyring
afterwards and destroy the older copies: they still contain the old
key-encryption key and the data keys.

With --json: {\"generation\"}.";

#[derive(Subcommand, Debug)]
pub enum KeysCommand {
    /// List the fingerprints of the collections' keys
    #[command(after_help = LIST_AFTER)]
    List,
    /// Replace the key-encryption key
    #[command(after_help = ROTATE_AFTER)]
    Rotate,
}

#[derive(Serialize)]
struct KeyList {
    generation: u32,
    memory_locked: bool,
    keys: Vec<KeyRow>,
}

#[derive(Serialize)]
struct KeyRow {
    collection: String,
    id: String,
    fingerprint: String,
}

#[derive(Serialize)]
struct RotationDocument {
    generation: u32,
}

pub fn run(context: &Context, command: &KeysCommand) -> Result<Report> {
    let data = context.data()?;
    match command {
        KeysCommand::List => {
            let mut keys = Vec::new();
            let mut table = Table::new(&["fingerprint", "collection"]);
            for info in data.collections()? {
                let fingerprint = data.key_fingerprint(&info.name)?;
                table.row([fingerprint.clone(), info.name.clone()]);
                keys.push(KeyRow { collection: info.name, id: info.id.to_string(), fingerprint });
            }
            let (generation, memory_locked) = (data.key_generation()?, DataDir::memory_is_locked());
            let mut text = if keys.is_empty() { String::new() } else { table.text() + "\n" };
            text += &format!("Key-encryption key: generation {generation}\n");
            if !memory_locked {
                text += "Warning: keys may be swapped to disk, because this user may not lock memory.\n\
                         Raise the limit that 'ulimit -l' shows.\n";
            }
            Report::new(&KeyList { generation, memory_locked, keys }, text)
        }
        KeysCommand::Rotate => {
            let generation = data.rotate_keys()?;
            let text = format!(
                "All data keys are now wrapped under key-encryption key generation {generation}; older\n\
                 generations are destroyed in this keyring.\n\
                 Make a new copy of the keyring now, and destroy the older copies.\n"
            );
            Report::new(&RotationDocument { generation }, text)
        }
    }
}
