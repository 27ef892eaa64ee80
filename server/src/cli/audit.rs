use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use picpick_engine::DataDir;
use picpick_engine::audit::{AuditCheckpoint, ChainKey};
use serde::Serialize;

use super::context::Context;
use super::report::{ExitStatus, Report, reason};
use crate::config::{UsageError, database_url};
use crate::infra::audit_log::{
    self, AuditEvent, ChainFault, ChainReport, Expectation, successor, verify,
};
use crate::infra::db::Db;

const VERIFY_AFTER: &str = "\
Recomputes the hash and the authentication code of every entry, and compares the
log with the checkpoint in the keyring. So a change of the database alone is
detected, and also an older copy of it. Older copies of the database and of the
keyring together are detected only by --head: keep the printed hash in another
place, where this machine cannot change it. Reads the database of 'picpick
serve' (PICPICK_DATABASE_URL) and changes nothing in it.

With --json: {\"entries\", \"head\", \"broken_at\", \"fault\", \"checkpoint\",
\"kept_head_at\", \"other_keys\"}. The exit status is 1 if the log is not intact.";
const ACCEPT_AFTER: &str = "\
After a restore of an older copy of the database, 'picpick audit verify' reports
the entries that are lost. This command accepts the loss: it records an entry
'audit_accept' that names the lost checkpoint, and writes a new checkpoint. The
entries that are left must be intact.

With --json: {\"accepted\", \"lost\", \"entries\", \"head\"}.";

#[derive(Subcommand, Debug)]
pub enum AuditCommand {
    /// Check that no entry of the audit log was changed, removed or inserted
    #[command(after_help = VERIFY_AFTER)]
    Verify {
        /// Also check that the log has the entry with this hash, which an earlier run printed
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
        #[command(flatten)]
        others: OtherKeys,
    },
    /// Accept that entries are lost, after a restore of an older database
    #[command(after_help = ACCEPT_AFTER)]
    Accept {
        /// Accept; without it, only show what is lost
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        others: OtherKeys,
    },
}

#[derive(Args, Debug)]
pub struct OtherKeys {
    /// Key of another server on this database, or of an earlier keyring; may be given several times. The
    /// codes of its entries are not verified
    #[arg(long = "other-key", value_name = "ID")]
    other_keys: Vec<String>,
}

#[derive(Serialize)]
struct AcceptDocument {
    accepted: bool,
    /// The number of lost entries that the checkpoint names.
    lost: i64,
    entries: i64,
    head: String,
}

/// The parts of the data folder that a check of the audit log needs.
struct Keyring {
    data: DataDir,
    key: ChainKey,
    checkpoint: Option<AuditCheckpoint>,
}

pub fn run(context: &Context, command: &AuditCommand) -> Result<Report> {
    let missing = || {
        UsageError(format!(
            "there is no data folder at {}, and its keyring verifies the audit log; name it with --data",
            context.config.data.display()
        ))
    };
    let data = context.data_if_there()?.ok_or_else(missing)?;
    let (key, checkpoint) = (data.audit_key()?, data.audit_checkpoint()?);
    let keyring = Keyring { data, key, checkpoint };
    let url = database_url(&context.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let db = Db::open(&url).await?.with_audit_key(keyring.data.audit_key()?);
        let report = match command {
            AuditCommand::Verify { head, others } => {
                let head = head.as_ref().map(|head| head.trim().to_lowercase());
                check(&db, &keyring, others, head.as_deref()).await
            }
            AuditCommand::Accept { yes, others } => accept(&db, &keyring, others, *yes).await,
        };
        db.close().await;
        report
    })
}

async fn check(
    db: &Db,
    keyring: &Keyring,
    others: &OtherKeys,
    kept_head: Option<&str>,
) -> Result<Report> {
    let expected = Expectation {
        key: &keyring.key,
        checkpoint: keyring.checkpoint.clone(),
        other_keys: Some(&others.other_keys),
        kept_head,
    };
    let report = verify(db, &expected).await.map_err(reason)?;
    let status = if report.fault.is_some() { ExitStatus::Failed } else { ExitStatus::Done };
    Ok(Report::new(&report, describe(&report))?.with(status))
}

fn describe(report: &ChainReport) -> String {
    let number = report.broken_at.unwrap_or(report.entries);
    let Some(fault) = report.fault else {
        let mut text = format!(
            "The audit log is intact: {} entries, last hash\n{}\nKeep this hash in another place; \
             'picpick audit verify --head HASH' compares with it.\n",
            report.entries, report.head
        );
        text += &match report.checkpoint {
            Some(checkpoint) => format!("The keyring's checkpoint is at entry {checkpoint}.\n"),
            None => "There is no checkpoint yet; 'picpick serve' writes it.\n".into(),
        };
        if let Some(at) = report.kept_head_at {
            text += &format!("The hash that you kept is that of entry {at}.\n");
        }
        for (key, entries) in &report.other_keys {
            text += &format!(
                "{entries} entries are of key {key}: verify them with the keyring of that server.\n"
            );
        }
        return text;
    };
    let what = match fault {
        ChainFault::Entry => "it was changed, removed or inserted.",
        ChainFault::NoKey => {
            "it has no authentication code, so that it was not written by the service."
        }
        ChainFault::OtherKey => {
            "it has the code of another key. If another server uses this database, or the keyring is new, \
             name its key with --other-key."
        }
        ChainFault::Head => "entries were removed from the end.",
        ChainFault::Checkpoint => {
            "it is not the entry that the keyring's checkpoint names. Entries were removed or rewritten, or \
             the database is an older copy; if you restored it, run 'picpick audit accept'."
        }
        ChainFault::KeptHead => {
            "no entry has the hash that you kept. The database and the keyring are older copies, or the \
             hash is of another log."
        }
    };
    format!(
        "The audit log is not intact at entry {number}: {what}\n\
         Keep a copy of the database and compare it with your backups.\n"
    )
}

async fn accept(db: &Db, keyring: &Keyring, others: &OtherKeys, yes: bool) -> Result<Report> {
    let expected = Expectation {
        key: &keyring.key,
        checkpoint: None,
        other_keys: Some(&others.other_keys),
        kept_head: None,
    };
    // The checkpoint is left out on purpose: the entries that are left must be intact without it.
    let left = verify(db, &expected).await.map_err(reason)?;
    if left.fault.is_some() {
        bail!(
            "the entries that are left are not intact, so nothing is accepted: {}",
            describe(&left)
        );
    }
    let against = Expectation { checkpoint: keyring.checkpoint.clone(), ..expected };
    let compared = verify(db, &against).await.map_err(reason)?;
    let Some(checkpoint) = keyring.checkpoint.as_ref().filter(|_| compared.fault.is_some()) else {
        return Report::new(
            &AcceptDocument { accepted: false, lost: 0, entries: left.entries, head: left.head },
            "The audit log agrees with the keyring's checkpoint; there is nothing to accept.\n"
                .into(),
        );
    };
    let named = i64::try_from(checkpoint.number).unwrap_or(i64::MAX);
    let lost = named - compared.broken_at.unwrap_or(named).min(named) + 1;
    if !yes {
        let text = format!(
            "The keyring's checkpoint names entry {named} with hash\n{}\nAt least {lost} entries up to it are \
             lost. Add --yes to accept that.\n",
            checkpoint.hash
        );
        let (entries, head) = (left.entries, left.head);
        return Report::new(&AcceptDocument { accepted: false, lost, entries, head }, text);
    }
    let detail = format!("lost={lost} checkpoint={named} hash={}", checkpoint.hash);
    let deed = AuditEvent {
        studio: "",
        actor: "system",
        action: "audit_accept",
        target: "",
        detail: &detail,
    };
    let mut tx = db.write().await?;
    audit_log::record(&mut tx, deed).await.map_err(reason)?;
    tx.commit().await?;
    let now = verify(db, &expected).await.map_err(reason)?;
    if !keyring.data.replace_audit_checkpoint(Some(checkpoint), successor(None, &now))? {
        bail!("the checkpoint was replaced meanwhile; run 'picpick audit verify' again");
    }
    let text =
        format!("Accepted. The audit log has {} entries, last hash\n{}\n", now.entries, now.head);
    let (entries, head) = (now.entries, now.head);
    Report::new(&AcceptDocument { accepted: true, lost, entries, head }, text)
}
