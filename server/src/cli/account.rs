use anyhow::Result;
use clap::{Args, Subcommand};
use picpick_engine::DataDir;
use serde::Serialize;

use super::context::Context;
use super::format;
use super::report::{Report, reason};
use super::table::Table;
use crate::api::account::operator;
use crate::config::{UsageError, database_url, public_url};
use crate::http::extract;
use crate::infra::db::{Db, files_of};

const LIST_AFTER: &str = "\
With --json: {\"accounts\": [{\"email\", \"name\", \"second_factor\", \"memberships\",
\"created_unix_s\"}]}.";
const RESET_AFTER: &str = "\
Prints a link with which a new password can be set once, within 1 hour, for a
user who has forgotten the password and gets no mail. The link is as good as the
password: give it to the owner of the account only. The current password works
until then, and a second factor stays on.

With --json: {\"email\", \"link\", \"mailed\"}.";
const SECOND_FACTOR_AFTER: &str = "\
For a user who has lost the authenticator app and all recovery codes. Make sure
first that the request comes from the owner of the account: afterwards, the
password alone opens it. All sessions of the account end, and the service mails
its owner.

With --json: {\"email\", \"done\"}.";
const END_SESSIONS_AFTER: &str = "\
The users sign in again. API keys, guests and visitors of albums are not
affected, and neither are passwords: 'picpick account reset' replaces one.

With --json: {\"ended\"}.";
const PERMIT_AFTER: &str = "\
A member of a whole studio may create studios; a member of single events may
not, unless this command permits it. Studios that exist are not affected.

With --json: {\"email\", \"done\"}.";

#[derive(Subcommand, Debug)]
#[command(after_help = "\
Every change is recorded in the audit log. The commands work while the service is
running, and use its database (PICPICK_DATABASE_URL).")]
pub enum AccountCommand {
    /// List all accounts
    #[command(after_help = LIST_AFTER)]
    List,
    /// Print or mail a link with which a user sets a new password
    #[command(after_help = RESET_AFTER)]
    Reset(ResetArguments),
    /// Remove a user's second factor and recovery codes
    #[command(after_help = SECOND_FACTOR_AFTER)]
    ResetSecondFactor {
        /// Address of the account
        email: String,
    },
    /// End the sessions of a user, or of all users
    #[command(after_help = END_SESSIONS_AFTER)]
    EndSessions {
        /// Address of the account
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        email: Option<String>,
        /// End the sessions of all users
        #[arg(long)]
        all: bool,
    },
    /// Permit a member of single events to create studios
    #[command(after_help = PERMIT_AFTER)]
    PermitStudios {
        /// Address of the account
        email: String,
        /// Withdraw the permission
        #[arg(long)]
        withdraw: bool,
    },
}

#[derive(Args, Debug)]
pub struct ResetArguments {
    /// Address of the account
    email: String,
    /// Send the link to the address instead of printing it; the running service sends it
    #[arg(long)]
    mail: bool,
    /// The service's public address, for the printed link
    #[arg(
        long,
        env = "PICPICK_PUBLIC_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080"
    )]
    public_url: String,
}

#[derive(Serialize)]
struct AccountList {
    accounts: Vec<AccountRow>,
}

#[derive(Serialize)]
struct AccountRow {
    email: String,
    name: String,
    second_factor: bool,
    memberships: i64,
    created_unix_s: i64,
}

#[derive(Serialize)]
struct ResetDocument {
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    mailed: bool,
}

#[derive(Serialize)]
struct ChangeDocument {
    email: String,
    done: bool,
}

#[derive(Serialize)]
struct EndedDocument {
    ended: usize,
}

/// The service's database, and the data folder whose keyring authenticates audit entries and seals mails.
struct ServiceData {
    db: Db,
    data: DataDir,
}

pub fn run(context: &Context, command: &AccountCommand) -> Result<Report> {
    let missing = || {
        UsageError(format!(
            "there are no accounts at {}: name the service's data folder with --data, or start the service \
             with 'picpick serve', which prints a link that creates the first account",
            context.config.data.display()
        ))
    };
    let data = context.data_if_there()?.ok_or_else(missing)?;
    let url = database_url(&context.config)?;
    // A mistyped path must not create a database.
    if files_of(&url).first().is_some_and(|file| !file.exists()) {
        return Err(missing().into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let db = Db::open(&url).await?.with_audit_key(data.audit_key()?);
        let service = ServiceData { db, data };
        let report = service.execute(command).await;
        service.db.close().await;
        report
    })
}

impl ServiceData {
    async fn execute(&self, command: &AccountCommand) -> Result<Report> {
        match command {
            AccountCommand::List => self.list().await,
            AccountCommand::Reset(arguments) => self.reset(arguments).await,
            AccountCommand::ResetSecondFactor { email } => {
                let email = address(email)?;
                let vault = self.data.vault()?;
                operator::reset_second_factor(&self.db, &vault, &email).await.map_err(reason)?;
                let text = format!(
                    "Removed the second factor of {email}\nand ended all sessions of the account. Its owner \
                     gets a mail about it, and\nsigns in with the password alone.\n"
                );
                Report::new(&ChangeDocument { email, done: true }, text)
            }
            AccountCommand::EndSessions { email, all: _ } => {
                let email = email.as_deref().map(address).transpose()?;
                let ended =
                    operator::end_sessions(&self.db, email.as_deref()).await.map_err(reason)?;
                let of = email.unwrap_or_else(|| "all accounts".to_owned());
                let text = format!("Ended {} of\n{of}.\n", format::count(ended, "session"));
                Report::new(&EndedDocument { ended }, text)
            }
            AccountCommand::PermitStudios { email, withdraw } => {
                let email = address(email)?;
                operator::permit_studios(&self.db, &email, !withdraw).await.map_err(reason)?;
                let text = match withdraw {
                    false => format!("{email}\nmay create studios.\n"),
                    true => {
                        format!("{email}\nmay create no studios as a member of single events.\n")
                    }
                };
                Report::new(&ChangeDocument { email, done: true }, text)
            }
        }
    }

    async fn list(&self) -> Result<Report> {
        let accounts = operator::accounts(&self.db).await.map_err(reason)?;
        let mut table = Table::new(&["2nd factor", ">memberships", "address", "name"]);
        let mut rows = Vec::new();
        for one in accounts {
            let second = if one.has_second_factor { "on" } else { "off" }.to_owned();
            table.row([second, one.memberships.to_string(), one.email.clone(), one.name.clone()]);
            rows.push(AccountRow {
                email: one.email,
                name: one.name,
                second_factor: one.has_second_factor,
                memberships: one.memberships,
                created_unix_s: one.created_unix_s,
            });
        }
        let text = match rows.is_empty() {
            false => table.text(),
            true => {
                "There are no accounts yet. 'picpick serve' prints a link that creates the first.\n"
                    .to_owned()
            }
        };
        Report::new(&AccountList { accounts: rows }, text)
    }

    async fn reset(&self, arguments: &ResetArguments) -> Result<Report> {
        let (email, base) = (address(&arguments.email)?, public_url(&arguments.public_url)?);
        if arguments.mail {
            let vault = self.data.vault()?;
            operator::mail_reset_link(&self.db, &vault, &email).await.map_err(reason)?;
            let text = format!(
                "The running service sends a link for a new password to\n{email}.\n\
                 It sends at most 3 links to one address, and one more every 20 minutes.\n"
            );
            return Report::new(&ResetDocument { email, link: None, mailed: true }, text);
        }
        let token = operator::reset_link(&self.db, &email).await.map_err(reason)?;
        let link = format!("{base}/reset#{}", token.as_str());
        let text = format!(
            "With this link, a new password for {email}\ncan be set once, within 1 hour:\n\n{link}\n\n\
             Give the link to the owner of the account only. If the service has another\n\
             address than {base}, name it with --public-url.\n"
        );
        Report::new(&ResetDocument { email, link: Some(link), mailed: false }, text)
    }
}

fn address(text: &str) -> Result<String> {
    let wrong = |_| {
        UsageError(format!(
            "expected the address of an account like asha@example.com, received '{text}'; 'picpick account list' \
             lists the accounts"
        ))
    };
    Ok(extract::email(text).map_err(wrong)?)
}
