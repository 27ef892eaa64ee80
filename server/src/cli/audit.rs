//! `picpick audit verify`: whether the service's audit is whole.
//!
//! Reads the database the service uses and changes nothing in it.

use anyhow::Result;
use clap::Subcommand;

use super::context::Context;
use super::report::{Report, Status};
use crate::audit::verify;
use crate::config::database_url;
use crate::db::Db;

const VERIFY_AFTER: &str = "\
Checks the hash of every entry and that none is missing. Keep the last hash
elsewhere: with it anybody can tell later that nothing was cut off the end.
PICPICK_DATABASE_URL is read as by 'picpick serve'.

With --json: {\"entries\", \"head\", \"broken_at\"}.";

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Check that no entry of the audit was changed, removed or put in
    #[command(after_help = VERIFY_AFTER)]
    Verify,
}

pub fn run(context: &Context, command: &Command) -> Result<Report> {
    let Command::Verify = command;
    let url = database_url(&context.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let verdict = runtime.block_on(async {
        let db = Db::open(&url).await?;
        let verdict = verify(&db).await;
        db.close().await;
        verdict.map_err(|failure| anyhow::anyhow!(failure.reason().to_owned()))
    })?;
    let (text, status) = match verdict.broken_at {
        None => (
            format!(
                "The audit is whole: {} entries, last hash\n{}\n",
                verdict.entries, verdict.head
            ),
            Status::Done,
        ),
        Some(number) => (format!("The audit is broken at entry {number}.\n"), Status::Failed),
    };
    Ok(Report::new(&verdict, text)?.with(status))
}
