use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::creators::may_still_invite;
use super::members::may_grant;
use crate::api::event::check_in_studio;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::audit::record_by;
use crate::http::auth::{Grant, Role, SignedIn};
use crate::http::extract::{self, Body, Path, Query};
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::clock::now_s;
use crate::infra::db::memberships::{self, MembershipRecord};
use crate::infra::db::{BY_CREATION, BoundValue, PageQuery};
use crate::infra::db::{Db, Page, Paging, Tx, studios, users};
use crate::infra::ids::{new_id, new_token, sha256, token_hash};
use crate::infra::mail::{self, OutgoingMail};
use crate::infra::password_hasher::HashClass;
use crate::infra::rate_limit::Quota;

/// Lifetime of an invitation, seconds (7 days).
const VALID_S: i64 = 7 * 86_400;

/// Quota of invitations per inviter: 30, then one per 10 minutes.
const INVITER_QUOTA: Quota = Quota { capacity: 30, refill_s: 600 };
/// Quota of invitations per studio: 60, then one per 10 minutes.
const STUDIO_QUOTA: Quota = Quota { capacity: 60, refill_s: 600 };
/// Quota of invitations per recipient, over all studios: 5, then one per 4 hours. The recipient has not asked
/// for them.
const RECIPIENT_QUOTA: Quota = Quota { capacity: 5, refill_s: 4 * 3600 };

/// An invitation: a single-use token that gives its user a role in a studio. The database stores only the
/// token's hash.
#[derive(Serialize, ToSchema)]
pub struct Invitation {
    pub id: String,
    pub email: String,
    pub role: Role,
    /// The only event that the role is valid for; absent: the whole studio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The id of the user who created the invitation; absent if an earlier version did not record it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    pub created_unix_s: i64,
    pub expires_unix_s: i64,
}

#[derive(Deserialize, ToSchema)]
pub struct NewInvitation {
    #[schema(format = "email")]
    email: String,
    role: Role,
    /// The only event that the role is valid for; absent: the whole studio.
    event: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct Acceptance {
    /// The token from the link.
    token: String,
    /// The name of the new account.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// A password for the new account.
    #[schema(value_type = String, min_length = 10, max_length = 200)]
    password: Zeroizing<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct OwnAcceptance {
    /// The token from the link.
    token: String,
}

fn read(row: &AnyRow) -> Result<Invitation> {
    Ok(Invitation {
        id: row.try_get("id")?,
        email: row.try_get::<Option<String>, _>("email")?.unwrap_or_default(),
        role: Role::of_row(row)?,
        event: row.try_get("event_id")?,
        created_by: row.try_get("created_by")?,
        created_unix_s: row.try_get("created_unix_s")?,
        expires_unix_s: row.try_get("expires_unix_s")?,
    })
}

/// Lists the open invitations of a studio, oldest first.
#[utoipa::path(get, path = "/studios/{studio}/invitations", operation_id = "invitation_list", tag = "members",
    params(("studio" = String, Path), Paging), responses((status = 200, body = Page<Invitation>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Invitation>>> {
    let list = PageQuery {
        select: "SELECT * FROM account_links WHERE studio_id = $1 AND kind = 'invitation' AND expires_unix_s > $2",
        values: &[BoundValue::Text(&grant.studio), BoundValue::Number(now_s())],
        order: BY_CREATION,
    };
    app.db.page(&paging, list, read, |it| (it.created_unix_s, &it.id)).await.map(Json)
}

/// Creates an invitation and sends its link by e-mail. Only the e-mail holds the link, because the link proves
/// that its user reads mail to the address. The response does not disclose whether the address has an account.
#[utoipa::path(post, path = "/studios/{studio}/invitations", operation_id = "invitation_create", tag = "members",
    params(("studio" = String, Path)), request_body = NewInvitation,
    responses((status = 201, body = Invitation)))]
pub async fn create(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<NewInvitation>,
) -> Result<(StatusCode, Json<Invitation>)> {
    may_grant(&grant, given.role)?;
    let email = extract::email(&given.email)?;
    let mut tx = app.db.write().await?;
    if let Some(event) = &given.event {
        check_in_studio(&mut tx, event, &grant.studio).await?;
    }
    count_letter(&mut tx, &grant, &email).await?;
    let (id, token, now) = (new_id()?, new_token("ppi_")?, now_s());
    sqlx::query(
        "INSERT INTO account_links (id, token_hash, kind, email, studio_id, event_id, role, created_unix_s, \
         expires_unix_s, created_by) VALUES ($1, $2, 'invitation', $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&id)
    .bind(token_hash(&token))
    .bind(&email)
    .bind(&grant.studio)
    .bind(&given.event)
    .bind(given.role.as_str())
    .bind(now)
    .bind(now + VALID_S)
    .bind(grant.caller.user())
    .execute(&mut *tx)
    .await?;
    record_by(&mut tx, &grant, "invite", &id, given.role.as_str()).await?;
    let studio = studios::name(&mut tx, &grant.studio).await?;
    let role = given.role.as_str();
    let letter = mail::invitation(&app.mailer, &email, &studio, role, &token);
    mail::enqueue(&app.mailer, &mut tx, &OutgoingMail::Letter(letter)).await?;
    tx.commit().await?;
    app.mailer.wake();
    let made = Invitation {
        id,
        email,
        role: given.role,
        event: given.event,
        created_by: grant.caller.user().map(str::to_owned),
        created_unix_s: now,
        expires_unix_s: now + VALID_S,
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Takes one letter from the quotas of the inviter, the studio and the recipient.
///
/// # Errors
/// - `TooManyRequests`, with the time to wait, if one of them is used up.
async fn count_letter(tx: &mut Tx, grant: &Grant, email: &str) -> Result<()> {
    let mut quotas = [
        (format!("invitations:by:{}", grant.caller.name()), INVITER_QUOTA),
        (format!("invitations:studio:{}", grant.studio), STUDIO_QUOTA),
        // The address is hashed, because the table discloses its subjects.
        (format!("invitations:to:{}", sha256(email.as_bytes())), RECIPIENT_QUOTA),
    ];
    // Rows are locked in one order, so that concurrent transactions do not deadlock.
    quotas.sort_by(|(a, _), (b, _)| a.cmp(b));
    let detail = "Too many invitations were sent; wait before the next one.";
    for (subject, quota) in quotas {
        quota.take(tx, &subject, detail).await?;
    }
    Ok(())
}

/// Withdraws an invitation. Its link stops working immediately.
#[utoipa::path(delete, path = "/studios/{studio}/invitations/{invitation}",
    operation_id = "invitation_withdraw", tag = "members",
    params(("studio" = String, Path), ("invitation" = String, Path)), responses((status = 204)))]
pub async fn withdraw(
    State(app): State<App>,
    grant: Grant,
    Path((_, invitation)): Path<(String, String)>,
) -> Result<StatusCode> {
    let mut tx = app.db.write().await?;
    let gone = sqlx::query(
        "DELETE FROM account_links WHERE id = $1 AND studio_id = $2 AND kind = 'invitation'",
    )
    .bind(&invitation)
    .bind(&grant.studio)
    .execute(&mut *tx)
    .await?;
    if gone.rows_affected() == 0 {
        return Err(ApiError::not_found());
    }
    record_by(&mut tx, &grant, "invite_withdraw", &invitation, "").await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Creates the account of an invited e-mail address, and accepts the invitation. The client signs in
/// afterwards. Responds with `conflict` if the address has an account: its user signs in and sends
/// `POST /me/invitations`.
#[utoipa::path(post, path = "/invitations/accept",
    operation_id = "invitation_accept", tag = "members", request_body = Acceptance,
    responses((status = 204)))]
pub async fn accept(State(app): State<App>, Body(given): Body<Acceptance>) -> Result<StatusCode> {
    let name = extract::name("name", &given.name)?;
    let email = find(&app.db, &given.token).await?;
    // The password is hashed outside the transaction, because a hash takes about 30 ms.
    let hash =
        app.secret_hasher.hash(HashClass::Invitation, given.password, &[&email, &name]).await?;
    let mut tx = app.db.write().await?;
    let (studio, invitation) = consume(&mut tx, &given.token).await?;
    // The link went to this address alone, so its reader may learn that the address has an account.
    if users::id_of_email(&mut tx, &invitation.email).await?.is_some() {
        let detail =
            "This address has an account; sign in to the account, then open the link again.";
        return Err(ApiError::new(ErrorKind::Conflict, detail));
    }
    let user = users::insert(&mut tx, &invitation.email, &name, Some(&hash)).await?;
    join(&mut tx, studio, user, &invitation).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accepts an invitation for the signed-in user. The invitation must be for the address of the user's account.
#[utoipa::path(post, path = "/me/invitations",
    operation_id = "own_invitation_accept", tag = "members", request_body = OwnAcceptance,
    responses((status = 204)))]
pub async fn accept_own(
    State(app): State<App>,
    person: SignedIn,
    Body(given): Body<OwnAcceptance>,
) -> Result<StatusCode> {
    let mut tx = app.db.write().await?;
    let (studio, invitation) = consume(&mut tx, &given.token).await?;
    if users::id_of_email(&mut tx, &invitation.email).await?.as_ref() != Some(&person.user) {
        let detail =
            "The invitation is for another e-mail address; sign in to the account of that address.";
        return Err(ApiError::new(ErrorKind::Forbidden, detail));
    }
    join(&mut tx, studio, person.user, &invitation).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Condition for the open invitation with the token hash `$1` at `$2`.
const OPEN: &str = "token_hash = $1 AND kind = 'invitation' AND expires_unix_s > $2";

/// Returns the e-mail address of an open invitation.
///
/// # Errors
/// - `Gone` if the token is invalid, or the invitation has expired, was withdrawn or was already used.
async fn find(db: &Db, token: &str) -> Result<String> {
    let text = format!("SELECT email FROM account_links WHERE {OPEN}");
    let query = sqlx::query(&text).bind(token_hash(token)).bind(now_s());
    let row = query.fetch_optional(db.read()).await?.ok_or_else(gone)?;
    Ok(row.try_get("email")?)
}

/// Consumes an open invitation. Returns its studio and the invitation.
///
/// # Errors
/// - `Gone` if the token is invalid, or the invitation has expired, was withdrawn or was already used, or its
///   creator may no longer grant the role.
async fn consume(tx: &mut Tx, token: &str) -> Result<(String, Invitation)> {
    let text = format!("DELETE FROM account_links WHERE {OPEN} RETURNING *");
    let query = sqlx::query(&text).bind(token_hash(token)).bind(now_s());
    let row = query.fetch_optional(&mut **tx).await?.ok_or_else(gone)?;
    let (studio, invitation): (String, _) = (row.try_get("studio_id")?, read(&row)?);
    let inviter = invitation.created_by.as_deref().unwrap_or_default();
    if !may_still_invite(tx, &studio, inviter, invitation.role).await? {
        return Err(gone());
    }
    Ok((studio, invitation))
}

fn gone() -> ApiError {
    let detail = "The invitation is invalid, expired, withdrawn or already used; ask the studio for a new one.";
    ApiError::new(ErrorKind::Gone, detail)
}

/// Makes the user a member with the role of the invitation, and records this in the audit log.
async fn join(tx: &mut Tx, studio: String, user: String, invitation: &Invitation) -> Result<()> {
    let membership = MembershipRecord {
        id: new_id()?,
        studio,
        user,
        event: invitation.event.clone(),
        role: invitation.role.as_str().to_owned(),
        created_unix_s: now_s(),
    };
    memberships::insert(tx, &membership).await?;
    let actor = format!("user:{}", membership.user);
    let deed = AuditEvent {
        studio: &membership.studio,
        actor: &actor,
        action: "member_join",
        target: &membership.id,
        detail: &membership.role,
    };
    audit_log::record(tx, deed).await
}
