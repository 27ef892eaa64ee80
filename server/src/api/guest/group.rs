//! Groups of guests who look for photos that show all members. One guest creates a code, and the other guests
//! join with the code.
//!
//! A group gives its members access to no further photos: it only filters the photos that show the guest.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::GuestSession;
use crate::http::extract::Body;
use crate::infra::clock::now_s;
use crate::infra::db::{Tx, guests};
use crate::infra::ids::{new_id, random_code, token_hash};
use crate::infra::rate_limit::{CountedAttempt, Guess, GuessableSecret, Guesser, attempt};

/// Validity of a group code, seconds (15 minutes).
const CODE_S: i64 = 900;
/// Length of a group code, characters of 5 bits. The lockout limits the attempts of a guest.
const CODE_LENGTH: usize = 8;

#[derive(Serialize, ToSchema)]
pub struct GroupCode {
    /// The code that the other guests enter.
    pub code: String,
    pub expires_unix_s: i64,
}

#[derive(Deserialize, ToSchema)]
pub struct GroupJoin {
    #[schema(max_length = 20)]
    code: String,
}

/// Returns the IDs of the other members of a guest's group; empty if the guest is in no group.
pub async fn others(app: &App, guest: &str) -> Result<Vec<String>> {
    guests::others_of_group(&app.db, guest).await
}

/// Creates a group and its code. If the guest is in a group already, replaces the code of that group.
#[utoipa::path(post, path = "/guest/group", operation_id = "guest_group_create", tag = "guest",
    responses((status = 201, body = GroupCode)))]
pub async fn create(
    State(app): State<App>,
    visit: GuestSession,
) -> Result<(StatusCode, Json<GroupCode>)> {
    let (code, expires) = (random_code::<CODE_LENGTH>()?, now_s() + CODE_S);
    let mut tx = app.db.write().await?;
    let own = sqlx::query("SELECT group_id FROM guest_group_members WHERE guest_id = $1")
        .bind(&visit.guest)
        .fetch_optional(&mut *tx)
        .await?;
    match own {
        Some(own) => {
            sqlx::query(
                "UPDATE guest_groups SET code_hash = $1, expires_unix_s = $2 WHERE id = $3",
            )
            .bind(hash(&visit.event, &code))
            .bind(expires)
            .bind(own.try_get::<String, _>("group_id")?)
            .execute(&mut *tx)
            .await?;
        }
        None => {
            let id = new_id()?;
            sqlx::query(
                "INSERT INTO guest_groups (id, event_id, code_hash, expires_unix_s) VALUES ($1, $2, $3, $4)",
            )
            .bind(&id)
            .bind(&visit.event)
            .bind(hash(&visit.event, &code))
            .bind(expires)
            .execute(&mut *tx)
            .await?;
            join_group(&mut tx, &visit.guest, &id).await?;
        }
    }
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(GroupCode { code, expires_unix_s: expires })))
}

/// Joins the group with the given code. The guest leaves their previous group.
#[utoipa::path(put, path = "/guest/group", operation_id = "guest_group_join", tag = "guest", request_body = GroupJoin,
    responses((status = 204)))]
pub async fn join(
    State(app): State<App>,
    visit: GuestSession,
    Body(given): Body<GroupJoin>,
) -> Result<StatusCode> {
    let code = given.code.trim().to_uppercase();
    let guess = Guess {
        secret: GuessableSecret::GroupCode,
        subject: &visit.event,
        guesser: Guesser::Known(&visit.guest),
    };
    let joined =
        attempt(&app.db, guess, async |counted| join_by(&app, &counted, &visit, &code).await);
    let detail = "The code is wrong or has expired; check it, or ask your group for a new code.";
    joined.await?.ok_or_else(|| ApiError::new(ErrorKind::WrongCredentials, detail))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Joins the group with this code; `None` if no group has it.
async fn join_by(
    app: &App,
    _counted: &CountedAttempt,
    visit: &GuestSession,
    code: &str,
) -> Result<Option<()>> {
    let mut tx = app.db.write().await?;
    let group = sqlx::query(
        "SELECT id FROM guest_groups WHERE event_id = $1 AND code_hash = $2 AND expires_unix_s > $3",
    )
    .bind(&visit.event)
    .bind(hash(&visit.event, code))
    .bind(now_s())
    .fetch_optional(&mut *tx)
    .await?;
    let Some(group) = group else { return Ok(None) };
    let id: String = group.try_get("id")?;
    leave_group(&mut tx, &visit.guest).await?;
    join_group(&mut tx, &visit.guest, &id).await?;
    tx.commit().await?;
    Ok(Some(()))
}

/// Leaves the guest's group.
#[utoipa::path(delete, path = "/guest/group",
    operation_id = "guest_group_leave", tag = "guest", responses((status = 204)))]
pub async fn leave(State(app): State<App>, visit: GuestSession) -> Result<StatusCode> {
    let mut tx = app.db.write().await?;
    leave_group(&mut tx, &visit.guest).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn join_group(tx: &mut Tx, guest: &str, group: &str) -> Result<()> {
    sqlx::query("INSERT INTO guest_group_members (guest_id, group_id) VALUES ($1, $2)")
        .bind(guest)
        .bind(group)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn leave_group(tx: &mut Tx, guest: &str) -> Result<()> {
    sqlx::query("DELETE FROM guest_group_members WHERE guest_id = $1")
        .bind(guest)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn hash(event: &str, code: &str) -> String {
    token_hash(&format!("{event} {code}"))
}
