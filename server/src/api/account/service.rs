use sqlx::Row as _;
use zeroize::Zeroizing;

use super::credentials::{self, GivenCredentials, Proof, SecondFactorUse, StoredCredentials};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::known_device::{DeviceCookie, ProvingClient};
use crate::http::auth::{Role, SESSION_COOKIE, SignedIn};
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::clock::now_s;
use crate::infra::db::memberships::{self, MembershipRecord};
use crate::infra::db::studios::{self, StudioRecord};
use crate::infra::db::{Tx, users};
use crate::infra::ids::{new_id, new_token, sha256, token_hash};
use crate::infra::mail::{self, OutgoingMail};
use crate::infra::password_hasher::{HashClass, check_password};
use crate::infra::rate_limit::{Guess, GuessableSecret, Guesser, forget_lockout};

/// Lifetime of the setup link of the first account, seconds (7 days).
const SETUP_S: i64 = 7 * 86_400;
/// Maximum lifetime of a session, seconds (90 days), even if the session is in use.
const SESSION_S: i64 = 90 * 86_400;
/// Detail of the error for a missing code.
const CODE_MISSING: &str = "This account has a second factor; enter the current code of the authenticator app, or a recovery code.";

/// The data of the first account and its studio.
pub struct SetupRequest {
    pub email: String,
    pub name: String,
    pub password_hash: String,
    pub studio: String,
}

/// A new session of an authenticated user.
pub struct NewSession {
    pub user: String,
    /// The `Set-Cookie` value by which the browser is known at its next sign-in.
    pub device_cookie: Option<String>,
    /// The session token for the cookie. The database stores only its hash.
    pub token: Zeroizing<String>,
}

/// Creates the token of the setup link and revokes the previous token. Returns `None` if there is an account
/// already.
pub async fn begin_setup(app: &App) -> Result<Option<Zeroizing<String>>> {
    let mut tx = app.db.write().await?;
    let users: i64 =
        sqlx::query("SELECT COUNT(*) AS n FROM users").fetch_one(&mut *tx).await?.try_get("n")?;
    if users > 0 {
        return Ok(None);
    }
    sqlx::query("DELETE FROM account_links WHERE kind = 'setup'").execute(&mut *tx).await?;
    let (token, now) = (new_token("pps_")?, now_s());
    sqlx::query(
        "INSERT INTO account_links (id, token_hash, kind, created_unix_s, expires_unix_s) \
         VALUES ($1, $2, 'setup', $3, $4)",
    )
    .bind(new_id()?)
    .bind(token_hash(&token))
    .bind(now)
    .bind(now + SETUP_S)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Some(token))
}

/// Creates the first account and its studio, and signs the account in.
///
/// # Errors
/// - `Gone` if the token is invalid, expired or already used.
pub async fn finish_setup(
    app: &App,
    client: &ProvingClient,
    token: &str,
    setup: SetupRequest,
) -> Result<NewSession> {
    let mut tx = app.db.write().await?;
    let used = sqlx::query(
        "DELETE FROM account_links WHERE kind = 'setup' AND token_hash = $1 AND expires_unix_s > $2",
    )
    .bind(token_hash(token))
    .bind(now_s())
    .execute(&mut *tx)
    .await?;
    if used.rows_affected() == 0 {
        return Err(ApiError::new(
            ErrorKind::Gone,
            "The setup link is invalid, expired or already used. Sign in, or restart the server: it prints a \
             new link if there is no account.",
        ));
    }
    let hash = Some(setup.password_hash.as_str());
    let user = users::insert(&mut tx, &setup.email, &setup.name, hash).await?;
    let studio = new_studio(&mut tx, &user, &setup.studio).await?;
    let actor = format!("user:{user}");
    audit_log::record(
        &mut tx,
        AuditEvent { studio: &studio, actor: &actor, action: "setup", target: &user, detail: "" },
    )
    .await?;
    let mut signed_in = begin_session(&mut tx, client, &user).await?;
    tx.commit().await?;
    let subject = sign_in_subject(&setup.email);
    signed_in.device_cookie = Some(device(app, client, &subject, &setup.password_hash).set(None)?);
    Ok(signed_in)
}

/// Creates a studio owned by `user` and returns its id.
pub async fn new_studio(tx: &mut Tx, user: &str, name: &str) -> Result<String> {
    let created_unix_s = now_s();
    let (id, name) = (new_id()?, name.to_owned());
    let studio = StudioRecord { id, name, legal_basis: None, created_unix_s };
    studios::insert(tx, &studio).await?;
    let membership = MembershipRecord {
        id: new_id()?,
        studio: studio.id,
        user: user.to_owned(),
        event: None,
        role: Role::Owner.as_str().to_owned(),
        created_unix_s,
    };
    memberships::insert(tx, &membership).await?;
    Ok(membership.studio)
}

/// Creates a session of `user` with a new token, and ends the session that the browser had before. A sign-in never
/// reuses an earlier session, which prevents session fixation.
async fn begin_session(tx: &mut Tx, client: &ProvingClient, user: &str) -> Result<NewSession> {
    end_earlier_session(tx, client).await?;
    let (token, now) = (new_token("ppc_")?, now_s());
    sqlx::query(
        "INSERT INTO sessions (id, token_hash, user_id, created_unix_s, seen_unix_s, expires_unix_s) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new_id()?)
    .bind(token_hash(&token))
    .bind(user)
    .bind(now)
    .bind(now)
    .bind(now + SESSION_S)
    .execute(&mut **tx)
    .await?;
    Ok(NewSession { user: user.to_owned(), device_cookie: None, token })
}

/// Ends the session whose cookie the client sent, of whatever account: the new session's cookie replaces this cookie,
/// so that its user could not end the session any more.
async fn end_earlier_session(tx: &mut Tx, client: &ProvingClient) -> Result<()> {
    let Some(token) = client.cookie(SESSION_COOKIE) else { return Ok(()) };
    let ended = sqlx::query("DELETE FROM sessions WHERE token_hash = $1 RETURNING user_id")
        .bind(token_hash(token))
        .fetch_optional(&mut **tx)
        .await?;
    match ended {
        Some(row) => record_own(tx, &row.try_get::<String, _>("user_id")?, "sign_out").await,
        None => Ok(()),
    }
}

/// Returns the cookie by which the client's browser is known to the account with the lockout subject
/// `subject`.
fn device<'a>(
    app: &'a App,
    client: &'a ProvingClient,
    subject: &'a str,
    credential: &'a str,
) -> DeviceCookie<'a> {
    DeviceCookie { app, secret: GuessableSecret::SignIn, subject, credential, client }
}

/// Returns the lockout subject of sign-in. The address is hashed, so that the table of failed attempts
/// discloses no e-mail addresses.
pub fn sign_in_subject(email: &str) -> String {
    sha256(email.as_bytes())
}

/// Signs a user in with e-mail address, password and, if the account has a second factor, a code.
///
/// An unknown account and a wrong password give the same error. Addresses, passwords and tokens are not
/// logged.
///
/// # Errors
/// - `TooManyRequests` during a lockout.
/// - `WrongCredentials` if the address, the password or the code is wrong, or a required code is missing.
/// - `Busy` if too many passwords are being hashed.
pub async fn sign_in(
    app: &App,
    client: &ProvingClient,
    email: &str,
    given: GivenCredentials<'_>,
) -> Result<NewSession> {
    let account = StoredCredentials::of_email(app, email).await?;
    let subject = sign_in_subject(email);
    let credential = account.as_ref().and_then(|account| account.password_hash.clone());
    let device = device(app, client, &subject, credential.as_deref().unwrap_or_default());
    let known = credential.as_ref().and_then(|_| device.find());
    let guess = device.guess(known.as_deref());
    let wrong = |detail: &str| Err(ApiError::new(ErrorKind::WrongCredentials, detail));
    match (credentials::prove(app, guess, account.as_ref(), given).await?, &account) {
        (Proof::Complete(used), Some(account)) => {
            let mut signed_in = new_session(app, client, &account.user, used).await?;
            signed_in.device_cookie = Some(device.set(known)?);
            Ok(signed_in)
        }
        (Proof::CodeMissing, _) => wrong(CODE_MISSING),
        _ => wrong(
            "The e-mail address, the password or the code is wrong; check them and try again.",
        ),
    }
}

/// Begins the session of a user who has proved the account, and records it with the factors of the proof.
async fn new_session(
    app: &App,
    client: &ProvingClient,
    user: &str,
    used: SecondFactorUse,
) -> Result<NewSession> {
    let mut tx = app.db.write().await?;
    let signed_in = begin_session(&mut tx, client, user).await?;
    record_detailed(&mut tx, user, "sign_in", used.with_password()).await?;
    tx.commit().await?;
    Ok(signed_in)
}

/// Records an audit entry for an action of a user on their own account.
pub async fn record_own(tx: &mut Tx, user: &str, action: &'static str) -> Result<()> {
    record_detailed(tx, user, action, "").await
}

/// Records an action of a user on their own account, with a detail.
async fn record_detailed(
    tx: &mut Tx,
    user: &str,
    action: &'static str,
    detail: &str,
) -> Result<()> {
    let actor = format!("user:{user}");
    let deed = AuditEvent { studio: "", actor: &actor, action, target: user, detail };
    audit_log::record(tx, deed).await
}

/// Returns the guess of a signed-in user. Its lockout counts this session alone, so that an attacker who
/// guesses at sign-in, or in a stolen session, cannot stop the owner from changing the account.
pub fn guess_of(person: &SignedIn) -> Guess<'_> {
    let guesser = Guesser::Known(&person.session);
    Guess { secret: GuessableSecret::Reauthentication, subject: &person.user, guesser }
}

/// Reauthenticates a signed-in user with the password and, if the account has a second factor, a code.
/// Returns the account.
///
/// # Errors
/// - `TooManyRequests` during a lockout.
/// - `Forbidden` if the password or the code is wrong, or a required code is missing.
/// - `Busy` if too many passwords are being hashed.
pub async fn reauthenticate(
    app: &App,
    person: &SignedIn,
    given: GivenCredentials<'_>,
) -> Result<StoredCredentials> {
    let (account, proof) = prove_own(app, person, given).await?;
    let wrong = |detail: &str| Err(ApiError::new(ErrorKind::Forbidden, detail));
    match proof {
        Proof::Complete(_) => Ok(account),
        Proof::CodeMissing => wrong(CODE_MISSING),
        Proof::Wrong => wrong("The password or the code is wrong; check them and try again."),
    }
}

/// Compares what a signed-in user has given with the account. Returns the account and the result.
async fn prove_own(
    app: &App,
    person: &SignedIn,
    given: GivenCredentials<'_>,
) -> Result<(StoredCredentials, Proof)> {
    let account = StoredCredentials::of_user(app, &person.user).await?;
    let account = account.ok_or_else(ApiError::not_found)?;
    let proof = credentials::prove(app, guess_of(person), Some(&account), given).await?;
    Ok((account, proof))
}

/// Checks the password of a signed-in user, who needs no code: one factor suffices to end sessions (ASVS 5.0, 7.5.2).
///
/// # Errors
/// - `TooManyRequests` during a lockout.
/// - `Forbidden` if the password is wrong.
/// - `Busy` if too many passwords are being hashed.
pub async fn check_own_password(
    app: &App,
    person: &SignedIn,
    password: Zeroizing<String>,
) -> Result<()> {
    let given = GivenCredentials { password, code: None };
    match prove_own(app, person, given).await?.1 {
        Proof::Complete(_) | Proof::CodeMissing => Ok(()),
        Proof::Wrong => {
            let detail = "The password is wrong; check it and try again.";
            Err(ApiError::new(ErrorKind::Forbidden, detail))
        }
    }
}

/// Ends all other sessions of a signed-in user.
async fn end_other_sessions(tx: &mut Tx, person: &SignedIn) -> Result<u64> {
    let ended = sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id <> $2")
        .bind(&person.user)
        .bind(&person.session)
        .execute(&mut **tx)
        .await?;
    Ok(ended.rows_affected())
}

/// Ends all other sessions of a signed-in user, who proves the password again.
///
/// # Errors
/// - The errors of [`check_own_password`].
pub async fn sign_out_elsewhere(
    app: &App,
    person: &SignedIn,
    password: Zeroizing<String>,
) -> Result<()> {
    check_own_password(app, person, password).await?;
    let mut tx = app.db.write().await?;
    let ended = end_other_sessions(&mut tx, person).await?;
    let detail = format!("sessions: {ended}");
    record_detailed(&mut tx, &person.user, "sign_out_elsewhere", &detail).await?;
    Ok(tx.commit().await?)
}

/// Replaces a password. Ends all other sessions of the user and revokes pending links for a new e-mail
/// address. Returns the `Set-Cookie` value by which this browser stays known.
///
/// # Errors
/// - `Invalid` if the new password is too short or too long.
/// - The errors of [`reauthenticate`].
pub async fn set_password(
    app: &App,
    person: &SignedIn,
    client: &ProvingClient,
    current: GivenCredentials<'_>,
    new: Zeroizing<String>,
) -> Result<String> {
    let user = person.user.as_str();
    // The password is checked before `reauthenticate`, which consumes a code.
    check_password(&new, &[])?;
    let email = reauthenticate(app, person, current).await?.email;
    let hash = app.secret_hasher.hash(HashClass::Reauthentication, new, &[&email]).await?;
    let mut tx = app.db.write().await?;
    end_other_sessions(&mut tx, person).await?;
    sqlx::query("DELETE FROM account_links WHERE kind = 'email' AND user_id = $1")
        .bind(user)
        .execute(&mut *tx)
        .await?;
    record_own(&mut tx, user, "password_change").await?;
    let cookie = replace_password(app, &mut tx, client, (user, &email), &hash).await?;
    tx.commit().await?;
    app.mailer.wake();
    Ok(cookie)
}

/// Stores the hash of a new password of `user` with the address `email`, and notifies the user. Forgets the
/// strangers' failed attempts, so that guesses at the old password do not delay an owner with the new one.
/// Returns the `Set-Cookie` value by which this browser is known.
pub async fn replace_password(
    app: &App,
    tx: &mut Tx,
    client: &ProvingClient,
    (user, email): (&str, &str),
    hash: &str,
) -> Result<String> {
    sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2")
        .bind(hash)
        .bind(user)
        .execute(&mut **tx)
        .await?;
    let subject = sign_in_subject(email);
    forget_lockout(tx, GuessableSecret::SignIn, &subject).await?;
    let letter = OutgoingMail::Letter(mail::password_changed(email));
    mail::enqueue(&app.mailer, tx, &letter).await?;
    device(app, client, &subject, hash).set(None)
}
