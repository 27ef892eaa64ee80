use anyhow::Result;
use clap::Subcommand;

use super::context::Context;
use super::report::{ExitStatus, Report};
use crate::config::database_url;
use crate::infra::audit_log::verify;
use crate::infra::db::Db;

const VERIFY_AFTER: &str = "\
Recomputes the hash of every entry and checks that no entry is missing. Keep the
last hash in another place: a later comparison shows whether entries were
removed from the end. Reads the database of 'picpick serve'
(PICPICK_DATABASE_URL) and changes nothing in it.

With --json: {\"entries\", \"head\", \"broken_at\"}.";

#[derive(Subcommand, Debug)]
pub enum AuditCommand {
    /// Check that no entry of the audit log was changed, removed or inserted
    #[command(after_help = VERIFY_AFTER)]
    Verify,
}

pub fn run(context: &Context, command: &AuditCommand) -> Result<Report> {
    let AuditCommand::Verify = command;
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
                "The audit log is intact: {} entries, last hash\n{}\n",
                verdict.entries, verdict.head
            ),
            ExitStatus::Done,
        ),
        Some(number) => (
            format!(
                "The audit log was tampered with or damaged at entry {number}.\n\
                 Keep a copy of the database and compare it with your backups.\n"
            ),
            ExitStatus::Failed,
        ),
    };
    Ok(Report::new(&verdict, text)?.with(status))
}
