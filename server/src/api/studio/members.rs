use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{creators, keys};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::audit::record_by;
use crate::http::auth::{Grant, Role};
use crate::http::extract::{Body, Path, Query};
use crate::infra::db::memberships::{self, NamedMember};
use crate::infra::db::{Page, Paging, Tx};

/// A membership: a user's role in a studio.
#[derive(Serialize, ToSchema)]
pub struct Member {
    /// The membership's id.
    pub id: String,
    /// The user's id.
    pub user: String,
    pub name: String,
    pub email: String,
    pub role: Role,
    /// The only event that the role is valid for; absent: the whole studio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    pub created_unix_s: i64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MemberRemoval {
    /// Whether to revoke the API keys that the member has created as well.
    #[serde(default)]
    pub revoke: bool,
}

/// What a removed member had created in the studio.
#[derive(Serialize, ToSchema)]
pub struct RemovedMember {
    /// Ids of the member's open invitations, which the removal has withdrawn.
    pub withdrawn_invitations: Vec<String>,
    /// Ids of the API keys that the removal has revoked.
    pub revoked_keys: Vec<String>,
    /// Ids of the member's other API keys. They are refused while their creator is not a member of the
    /// studio, and are valid again if the creator returns; revoke them if they are not needed.
    pub remaining_keys: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct NewRole {
    role: Role,
}

fn view(NamedMember { membership, name, email }: NamedMember) -> Result<Member> {
    Ok(Member {
        id: membership.id,
        user: membership.user,
        name,
        email,
        role: Role::stored(&membership.role)?,
        event: membership.event,
        created_unix_s: membership.created_unix_s,
    })
}

/// Checks that the caller may give or take `role`: roles up to the caller's own.
///
/// # Errors
/// - `Forbidden` if the caller has a lower role.
pub fn may_grant(grant: &Grant, role: Role) -> Result<()> {
    let refused = || {
        ApiError::new(
            ErrorKind::Forbidden,
            "You can give and take only roles up to your own; ask a member with a higher role.",
        )
    };
    if grant.may_grant(role) { Ok(()) } else { Err(refused()) }
}

/// Lists the members of a studio, in the order in which they joined.
#[utoipa::path(get, path = "/studios/{studio}/members", operation_id = "member_list", tag = "members",
    params(("studio" = String, Path), Paging), responses((status = 200, body = Page<Member>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Member>>> {
    memberships::page(&app.db, &grant.studio, &paging).await?.try_map(view).map(Json)
}

/// Changes the role of a member. Responds `conflict` if the studio would have no owner.
#[utoipa::path(patch, path = "/studios/{studio}/members/{member}", operation_id = "member_update", tag = "members",
    params(("studio" = String, Path), ("member" = String, Path)), request_body = NewRole,
    responses((status = 204)))]
pub async fn change(
    State(app): State<App>,
    grant: Grant,
    Path((_, member)): Path<(String, String)>,
    Body(given): Body<NewRole>,
) -> Result<StatusCode> {
    may_grant(&grant, given.role)?;
    let mut tx = app.db.write().await?;
    let (_, before) = lock_member(&mut tx, &grant, &member).await?;
    memberships::set_role(&mut tx, &member, given.role.as_str()).await?;
    check_owner_left(&mut tx, &grant.studio).await?;
    let detail = format!("{} to {}", before.as_str(), given.role.as_str());
    record_by(&mut tx, &grant, "member_role", &member, &detail).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a member from a studio, with immediate effect, and withdraws the member's open invitations.
/// Responds `conflict` if the studio would have no owner.
#[utoipa::path(delete, path = "/studios/{studio}/members/{member}", operation_id = "member_remove", tag = "members",
    params(("studio" = String, Path), ("member" = String, Path), MemberRemoval),
    responses((status = 200, body = RemovedMember)))]
pub async fn remove(
    State(app): State<App>,
    grant: Grant,
    Path((_, member)): Path<(String, String)>,
    Query(wish): Query<MemberRemoval>,
) -> Result<Json<RemovedMember>> {
    let mut tx = app.db.write().await?;
    let (user, role) = lock_member(&mut tx, &grant, &member).await?;
    memberships::delete(&mut tx, &member).await?;
    check_owner_left(&mut tx, &grant.studio).await?;
    record_by(&mut tx, &grant, "member_remove", &member, role.as_str()).await?;
    let withdrawn_invitations =
        creators::withdraw_invitations(&mut tx, &grant.studio, &user).await?;
    for invitation in &withdrawn_invitations {
        record_by(&mut tx, &grant, "invite_withdraw", invitation, "creator removed").await?;
    }
    let (mut revoked_keys, mut remaining_keys) = (Vec::new(), Vec::new());
    for (key, role) in creators::keys_of(&mut tx, &grant.studio, &user).await? {
        if !wish.revoke || !grant.may_grant(role) {
            remaining_keys.push(key);
            continue;
        }
        keys::delete(&mut tx, &grant, &key, "creator removed").await?;
        revoked_keys.push(key);
    }
    tx.commit().await?;
    Ok(Json(RemovedMember { withdrawn_invitations, revoked_keys, remaining_keys }))
}

/// Returns the user and the role of a member.
///
/// # Errors
/// - `NotFound` if the studio has no such member.
/// - `Forbidden` if the caller may not change that role.
async fn lock_member(tx: &mut Tx, grant: &Grant, member: &str) -> Result<(String, Role)> {
    let found = memberships::find(tx, &grant.studio, member).await?;
    let role = Role::stored(&found.role)?;
    may_grant(grant, role)?;
    Ok((found.user, role))
}

/// Checks that the studio still has an owner.
///
/// # Errors
/// - `Conflict` if the studio has no owner.
async fn check_owner_left(tx: &mut Tx, studio: &str) -> Result<()> {
    if memberships::count_owners(tx, studio).await? > 0 {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::Conflict,
        "A studio needs an owner; first give another member the role of owner.",
    ))
}
