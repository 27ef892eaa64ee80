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
use crate::http::auth::{Grant, Role};
use crate::http::extract::{self, Body, Path, Query};
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::clock::now_s;
use crate::infra::db::memberships::{self, MembershipRecord};
use crate::infra::db::{BY_CREATION, BoundValue, PageQuery};
use crate::infra::db::{Page, Paging, Tx, studios, users};
use crate::infra::ids::{new_id, new_token, token_hash};
use crate::infra::mail::{self, OutgoingMail};

/// Lifetime of an invitation, seconds (7 days).
const VALID_S: i64 = 7 * 86_400;

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
    /// The token; present only in the response that creates the invitation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
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
    /// The name of a new account; ignored if the address has an account.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The password of the existing account, or a password for the new account.
    #[schema(value_type = String, min_length = 10, max_length = 200)]
    password: Zeroizing<String>,
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
        token: None,
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

/// Creates an invitation and sends its link by e-mail. The response holds the token of the link, so that the
/// caller can also pass on the link in another way. The response does not disclose whether the address has an
/// account.
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
    let (event, token) = (given.event, Some(token.to_string()));
    let expires_unix_s = now + VALID_S;
    let made = Invitation {
        id,
        email,
        role: given.role,
        event,
        created_by: grant.caller.user().map(str::to_owned),
        created_unix_s: now,
        expires_unix_s,
        token,
    };
    Ok((StatusCode::CREATED, Json(made)))
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

/// Accepts an invitation for the account of its e-mail address; creates the account if there is none. The
/// client signs in afterwards.
#[utoipa::path(post, path = "/invitations/accept",
    operation_id = "invitation_accept", tag = "members", request_body = Acceptance,
    responses((status = 204)))]
pub async fn accept(State(app): State<App>, Body(given): Body<Acceptance>) -> Result<StatusCode> {
    let gone = || {
        ApiError::new(
            ErrorKind::Gone,
            "The invitation is invalid, expired, withdrawn or already used; ask the studio for a new invitation.",
        )
    };
    let row = sqlx::query(
        "SELECT l.*, u.id AS user_id, u.password_hash FROM account_links l LEFT JOIN users u ON u.email = l.email \
         WHERE l.token_hash = $1 AND l.kind = 'invitation' AND l.expires_unix_s > $2",
    )
    .bind(token_hash(&given.token))
    .bind(now_s())
    .fetch_optional(app.db.read())
    .await?;
    let row = row.ok_or_else(gone)?;
    let invitation = read(&row)?;
    let studio: String = row.try_get("studio_id")?;
    let known: Option<String> = row.try_get("user_id")?;
    let name = extract::name("name", &given.name)?;
    // The link does not prove that the client owns an existing account; the password does.
    let hash = match &known {
        Some(_)
            if app
                .secret_hasher
                .verify(given.password.clone(), row.try_get("password_hash")?)
                .await? =>
        {
            None
        }
        Some(_) => {
            return Err(ApiError::new(
                ErrorKind::WrongCredentials,
                "This address has an account; enter the password of that account.",
            ));
        }
        None => Some(app.secret_hasher.hash(given.password).await?),
    };
    let mut tx = app.db.write().await?;
    let taken = sqlx::query("DELETE FROM account_links WHERE id = $1")
        .bind(&invitation.id)
        .execute(&mut *tx)
        .await?;
    let inviter = invitation.created_by.as_deref().unwrap_or_default();
    if taken.rows_affected() == 0
        || !may_still_invite(&mut tx, &studio, inviter, invitation.role).await?
    {
        return Err(gone());
    }
    let user = match known {
        Some(user) => user,
        None => users::insert(&mut tx, &invitation.email, &name, hash.as_deref()).await?,
    };
    join(&mut tx, studio, user, &invitation).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
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
