//! The guard: checks the caller of a request against the rule of its route before the handler runs.
//!
//! The guard answers a request for another tenant's resource with `NotFound`, as for a missing resource.
//! Handlers take studio and event from the [`Grant`] that the guard issues, never from the path alone.

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::album_session::{ALBUM_COOKIE, AlbumSession};
use super::caller::{
    CallerSlot, LocalData, Principal, SESSION_COOKIE, end_session_headers, token_of,
};
use super::guest_session::{GUEST_COOKIE, GuestSession};
use super::roles::{Action, HeldRole, Role};
use super::{AlbumPermission, GuestStage, Rule};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::cost::request_class;
use crate::http::client_address::Encrypted;
use crate::infra::admission::{EntryPermit, NO_TENANT, Slot};
use crate::infra::db::{Db, events, memberships};
use crate::infra::ids::is_id;
use crate::infra::rate_limit::{RequestClass, Subject};

/// The verified permissions of a caller in a studio.
#[derive(Clone, Debug)]
pub struct Grant {
    pub caller: Principal,
    pub studio: String,
    /// The event of the path.
    pub event: Option<String>,
    /// The action of the route's rule.
    pub action: Action,
    /// The caller's roles in the studio or in the event.
    pub roles: Vec<HeldRole>,
    /// The events in which the caller has a role; `None`: all events of the studio.
    pub only_events: Option<Vec<String>>,
}

impl Grant {
    /// Returns the event of a route whose rule is `Rule::Event`.
    ///
    /// # Errors
    /// - `Internal` if the route has another rule.
    pub fn event(&self) -> Result<&str> {
        self.event.as_deref().ok_or_else(|| ApiError::internal("the route's rule names no event"))
    }

    /// Returns whether the caller may grant `role` to a member or an API key. An API key may grant none.
    pub fn may_grant(&self, role: Role) -> bool {
        self.roles.iter().any(|own| own.limit.is_none() && own.role.may_grant(role))
    }

    pub fn may(&self, action: Action) -> bool {
        self.roles.iter().any(|role| role.may(action))
    }

    /// Checks that the caller may perform `action`, for a change that needs more than the route's action.
    /// `what` names the change in the error.
    ///
    /// # Errors
    /// - `Forbidden` if no role of the caller includes the action.
    pub fn check(&self, action: Action, what: &str) -> Result<()> {
        let refused = || {
            let detail = format!(
                "Your role does not permit this change: {what}; ask an owner or admin of the studio to make it."
            );
            ApiError::new(ErrorKind::Forbidden, detail)
        };
        if self.may(action) { Ok(()) } else { Err(refused()) }
    }

    /// Checks during long work that the caller still has access: the session or API key is valid, the
    /// event is not being deleted, and the caller's current roles include the route's action.
    ///
    /// # Errors
    /// - `Unauthenticated` if the session or the API key has ended.
    /// - `NotFound` if the event is being deleted, or the caller has no role any more.
    /// - `Forbidden` if the caller's roles do not include the action any more.
    pub async fn check_held(&self, db: &Db) -> Result<()> {
        let caller = self.caller.reload(db).await?;
        if let Some(event) = &self.event {
            events::place(db, event).await?.ok_or_else(ApiError::not_found)?;
        }
        let (studio, event) = (self.studio.clone(), self.event.clone());
        let now = grant(db, caller, studio, event, self.action).await?;
        if now.may(self.action) { Ok(()) } else { Err(forbidden()) }
    }
}

/// The signed-in user of a request, on a route whose rule is `Rule::SignedIn`.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub user: String,
    pub session: String,
}

/// Runs a route only if the caller satisfies the route's rule. The response to a session that has ended makes the
/// browser delete the cookie and cached photos. Logs the caller of a request that a rule refuses.
///
/// # Errors
/// - `Unauthenticated` if the request has no valid session or API key.
/// - `CrossSite` for a change that another site's page has caused.
/// - `TooManyRequests` if the caller exceeds its rate limit.
/// - `NotFound` if the caller has no role in the studio or event.
/// - `Forbidden` if the caller does not satisfy the rule.
/// - `Misdirected` if another server holds the event.
/// - `Busy` if no place for the caller's studio gets free in time.
pub async fn guard(
    State((app, rule)): State<(App, Rule)>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let refusal = match check_access(&app, rule, &params, &mut parts).await {
        Ok(tenant) => {
            let class = request_class(rule, &parts.method);
            let slot = admit(&app, class, &tenant, &parts).await?;
            parts.extensions.insert(slot.clone());
            return Ok(slot.serve(next.run(Request::from_parts(parts, body))).await);
        }
        Err(refusal) => refusal,
    };
    let caller = parts.extensions.get::<CallerSlot>().and_then(CallerSlot::get);
    let (caller, code) =
        (caller.map_or("unknown".to_owned(), Principal::name), refusal.kind.code());
    tracing::info!(caller, code, "access refused");
    let cookie = match rule {
        Rule::Album(_) => ALBUM_COOKIE,
        Rule::Guest(_) => GUEST_COOKIE,
        Rule::Open | Rule::SignedIn | Rule::Studio(_) | Rule::Event(_) => SESSION_COOKIE,
    };
    if refusal.kind != ErrorKind::Unauthenticated || token_of(&parts, &app, cookie).is_none() {
        return Err(refusal);
    }
    let Encrypted(encrypted) = Encrypted::of_parts(&parts, &app.settings);
    Ok((end_session_headers(cookie, encrypted, LocalData::Cache), refusal).into_response())
}

/// Checks the caller against `rule`, and stores the grant or the session in the request. Returns the tenant whose
/// places the request takes.
async fn check_access(
    app: &App,
    rule: Rule,
    params: &RawPathParams,
    parts: &mut Parts,
) -> Result<String> {
    Ok(match rule {
        Rule::Open => NO_TENANT.to_owned(),
        Rule::Album(right) => {
            let visit = visit(app, rule, right, parts).await?;
            let tenant = visit.studio.clone();
            parts.extensions.insert(visit);
            tenant
        }
        Rule::Guest(stage) => {
            let visit = guest(app, rule, stage, parts).await?;
            let tenant = visit.studio.clone();
            parts.extensions.insert(visit);
            tenant
        }
        Rule::SignedIn | Rule::Studio(_) | Rule::Event(_) => {
            let caller = Principal::find(parts, app).await?;
            let caller = caller.ok_or_else(|| {
                ApiError::new(
                    ErrorKind::Unauthenticated,
                    "The request has no session and no API key; sign in, or send an API key.",
                )
            })?;
            charge(app, rule, parts, &caller)?;
            let name = caller.name();
            check(app, rule, caller, params, parts).await?;
            parts.extensions.get::<Grant>().map_or(name, |grant| grant.studio.clone())
        }
    })
}

/// Exchanges the place that the request took on entry for one of its `tenant`, so that the requests of a tenant
/// that wait take no place from others.
///
/// # Errors
/// - `Busy` if no place gets free in time.
async fn admit(app: &App, class: RequestClass, tenant: &str, parts: &Parts) -> Result<Slot> {
    if let Some(entry) = parts.extensions.get::<EntryPermit>() {
        entry.leave();
    }
    app.admission(class).enter(tenant).await.map(Slot::from)
}

/// Records the caller for the alerts and charges the caller's rate limit.
///
/// # Errors
/// - `TooManyRequests` if the caller exceeds its rate limit.
fn charge(app: &App, rule: Rule, parts: &Parts, caller: &Principal) -> Result<()> {
    if let Some(known) = parts.extensions.get::<CallerSlot>() {
        known.set(caller);
    }
    let subject = match caller {
        Principal::Person { user, .. } => Subject::Account(user.clone()),
        Principal::Key { id, .. } => Subject::Key(id.clone()),
        Principal::Visitor { visit, .. } => Subject::Visitor(visit.clone()),
    };
    app.rate_limiter.charge_subject(subject, request_class(rule, &parts.method))
}

/// Checks that the event is in this server's data folder.
///
/// # Errors
/// - `Misdirected` if another server holds the event.
fn check_node(app: &App, node_id: &str) -> Result<()> {
    let elsewhere = || {
        ApiError::new(
            ErrorKind::Misdirected,
            "Another server holds this event; send the request to that server.",
        )
    };
    if node_id == app.node_id { Ok(()) } else { Err(elsewhere()) }
}

/// Returns the album session of a request if it satisfies `Rule::Album`.
async fn visit(
    app: &App,
    rule: Rule,
    right: AlbumPermission,
    parts: &Parts,
) -> Result<AlbumSession> {
    let none = || {
        ApiError::new(
            ErrorKind::Unauthenticated,
            "The request has no album session; open the album's link.",
        )
    };
    let visit = AlbumSession::find(parts, app).await?.ok_or_else(none)?;
    charge(app, rule, parts, &visit.caller())?;
    if right == AlbumPermission::Annotate {
        visit.visitor()?;
    }
    check_node(app, &visit.node_id)?;
    Ok(visit)
}

/// Returns the guest session of a request if it satisfies `Rule::Guest`.
async fn guest(app: &App, rule: Rule, stage: GuestStage, parts: &Parts) -> Result<GuestSession> {
    let none = || {
        ApiError::new(
            ErrorKind::Unauthenticated,
            "The request has no guest session; open the event's link.",
        )
    };
    let visit = GuestSession::find(parts, app).await?.ok_or_else(none)?;
    charge(app, rule, parts, &visit.caller())?;
    if stage == GuestStage::Verified && !visit.verified {
        return Err(ApiError::new(
            ErrorKind::Forbidden,
            "Your face is not verified in this session; verify it first.",
        ));
    }
    check_node(app, &visit.node_id)?;
    Ok(visit)
}

async fn check(
    app: &App,
    rule: Rule,
    caller: Principal,
    params: &RawPathParams,
    parts: &mut Parts,
) -> Result<()> {
    let param = |name: &str| params.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
    let mut node_id = None;
    let (action, studio, event) = match rule {
        Rule::Open | Rule::Album(_) | Rule::Guest(_) => return Ok(()),
        Rule::SignedIn => {
            let Principal::Person { user, session } = caller else {
                return Err(ApiError::new(
                    ErrorKind::Forbidden,
                    "This address does not accept API keys; sign in as a user.",
                ));
            };
            parts.extensions.insert(SignedIn { user, session });
            return Ok(());
        }
        Rule::Studio(action) => (action, param("studio").map(str::to_owned), None),
        Rule::Event(action) => {
            let event =
                param("event").filter(|event| is_id(event)).ok_or_else(ApiError::not_found)?;
            let place = events::place(&app.db, event).await?.ok_or_else(ApiError::not_found)?;
            node_id = Some(place.node_id);
            (action, Some(place.studio), Some(event.to_owned()))
        }
    };
    let studio = studio.filter(|studio| is_id(studio)).ok_or_else(ApiError::not_found)?;
    let grant = grant(&app.db, caller, studio, event, action).await?;
    // A role in one event of a studio suffices to read the studio itself.
    let anywhere = rule == Rule::Studio(Action::ReadStudio) && grant.only_events.is_some();
    if !anywhere && !grant.may(action) {
        return Err(forbidden());
    }
    let reads = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let by_key = matches!(grant.caller, Principal::Key { .. });
    if by_key && !reads && action.changes_by_users_only() {
        return Err(ApiError::new(
            ErrorKind::Forbidden,
            "An API key cannot change members, invitations or API keys; sign in as a user.",
        ));
    }
    if let Some(node_id) = node_id {
        check_node(app, &node_id)?;
    }
    parts.extensions.insert(grant);
    Ok(())
}

fn forbidden() -> ApiError {
    ApiError::new(
        ErrorKind::Forbidden,
        "Your role does not include this action; ask an owner or admin of the studio for another role.",
    )
}

/// A role and the only event that it is valid for; `None`: the whole studio.
type Scoped<T> = (T, Option<String>);

/// Returns the caller's grant in `studio` or its `event`, on a route with `action`.
///
/// # Errors
/// - `NotFound` if the caller has no role there.
async fn grant(
    db: &Db,
    caller: Principal,
    studio: String,
    event: Option<String>,
    action: Action,
) -> Result<Grant> {
    let held: Vec<Scoped<HeldRole>> = match &caller {
        Principal::Key { studio: own, event, role, creator, .. } if *own == studio => {
            let limits = held_by(db, creator, &studio).await?;
            limits.into_iter().filter_map(|limit| limited(*role, event.as_ref(), limit)).collect()
        }
        Principal::Key { .. } | Principal::Visitor { .. } => Vec::new(),
        Principal::Person { user, .. } => {
            let held = held_by(db, user, &studio).await?.into_iter();
            held.map(|(role, only)| (HeldRole { role, limit: None }, only)).collect()
        }
    };
    let wide = held.iter().any(|(_, only)| only.is_none());
    let reaches = |only: &Option<String>| only.is_none() || *only == event;
    if held.is_empty() || (event.is_some() && !held.iter().any(|(_, only)| reaches(only))) {
        return Err(ApiError::not_found());
    }
    let roles = held.iter().filter(|(_, only)| reaches(only)).map(|(role, _)| *role).collect();
    let events = held.into_iter().filter_map(|(_, only)| only).collect();
    Ok(Grant { caller, studio, event, action, roles, only_events: (!wide).then_some(events) })
}

/// Returns the role of an API key, limited by one role of its creator; `None` if the two are valid for
/// different events.
fn limited(
    role: Role,
    event: Option<&String>,
    (limit, within): Scoped<Role>,
) -> Option<Scoped<HeldRole>> {
    let only = match (event, within) {
        (None, within) => within,
        (Some(event), Some(within)) if *event != within => return None,
        (Some(event), _) => Some(event.clone()),
    };
    Some((HeldRole { role, limit: Some(limit) }, only))
}

async fn held_by(db: &Db, user: &str, studio: &str) -> Result<Vec<Scoped<Role>>> {
    let held = memberships::of_user_in(db, user, studio).await?;
    held.into_iter().map(|held| Ok((Role::stored(&held.role)?, held.event))).collect()
}

impl<S: Sync> FromRequestParts<S> for Grant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let missing = || {
            ApiError::internal("a handler extracts a grant that its route's rule does not provide")
        };
        parts.extensions.get::<Grant>().cloned().ok_or_else(missing)
    }
}

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let missing = || {
            ApiError::internal("a handler extracts a user that its route's rule does not provide")
        };
        parts.extensions.get::<SignedIn>().cloned().ok_or_else(missing)
    }
}
