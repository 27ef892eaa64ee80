//! Holds a request's caller against the rule of its route, before the route's handler runs.
//!
//! What is not there and what is somebody else's look the same. Whoever passes carries a [`Grant`], from
//! which handlers take studio and event: none trusts an id that it was not given by the guard.

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use sqlx::Row as _;

use super::caller::Caller;
use super::guest::GuestVisit;
use super::roles::{Action, Role};
use super::visit::AlbumVisit;
use super::{Right, Rule, Stage};
use crate::db::Db;
use crate::error::{Failure, Kind, Result};
use crate::ids::is_id;
use crate::limits::Class;
use crate::middleware::Known;
use crate::state::App;

/// What the guard found out about a caller in a studio.
#[derive(Clone, Debug)]
pub struct Grant {
    pub caller: Caller,
    pub studio: String,
    /// The event that the address names.
    pub event: Option<String>,
    /// The caller's roles here.
    pub roles: Vec<Role>,
    /// `None`: all events of the studio; otherwise the only ones that the caller has a role in.
    pub only_events: Option<Vec<String>>,
}

impl Grant {
    /// The event of a route whose rule is `Rule::Event`.
    pub fn event(&self) -> Result<&str> {
        self.event.as_deref().ok_or_else(|| Failure::internal("the route's rule names no event"))
    }

    /// Whether the caller may give `role` to somebody.
    pub fn may_grant(&self, role: Role) -> bool {
        self.roles.iter().any(|own| own.may_grant(role))
    }
}

/// A person who is signed in, on a route whose rule is `Rule::SignedIn`.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub user: String,
    pub session: String,
}

/// The middleware: runs the route only when its rule holds.
pub async fn guard(
    State((app, rule)): State<(App, Rule)>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    if let Rule::Album(right) = rule {
        let visit = visit(&app, rule, right, &parts).await?;
        parts.extensions.insert(visit);
    } else if let Rule::Guest(stage) = rule {
        let visit = guest(&app, rule, stage, &parts).await?;
        parts.extensions.insert(visit);
    } else if rule != Rule::Open {
        let caller = Caller::find(&parts, &app).await?;
        let caller = caller.ok_or_else(|| {
            Failure::new(Kind::SignedOut, "No session and no API key came along.")
        })?;
        charge(&app, rule, &parts, &caller)?;
        check(&app, rule, caller, &params, &mut parts).await?;
    }
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Says who it is to those who look at how requests end, and charges them. Errors: `TooMany`.
fn charge(app: &App, rule: Rule, parts: &Parts, caller: &Caller) -> Result<()> {
    if let Some(known) = parts.extensions.get::<Known>() {
        known.set(caller);
    }
    app.limits().charge_caller(caller, Class::of(rule, &parts.method))
}

/// Refuses what lies in another server's data folder. Errors: `Misdirected`.
fn must_be_here(app: &App, home: &str) -> Result<()> {
    let elsewhere =
        || Failure::new(Kind::Misdirected, "Ask the server on which the event was made.");
    if home == app.home() { Ok(()) } else { Err(elsewhere()) }
}

/// The visit of a request that a rule for visitors lets through.
async fn visit(app: &App, rule: Rule, right: Right, parts: &Parts) -> Result<AlbumVisit> {
    let none = || Failure::new(Kind::SignedOut, "No visit came along; open the album's link.");
    let visit = AlbumVisit::find(parts, app).await?.ok_or_else(none)?;
    charge(app, rule, parts, &visit.caller())?;
    if right == Right::Annotate {
        visit.visitor()?;
    }
    must_be_here(app, &visit.home)?;
    Ok(visit)
}

/// The guest of a request that a rule for guests lets through.
async fn guest(app: &App, rule: Rule, stage: Stage, parts: &Parts) -> Result<GuestVisit> {
    let none = || Failure::new(Kind::SignedOut, "No visit came along; open the event's link.");
    let visit = GuestVisit::find(parts, app).await?.ok_or_else(none)?;
    charge(app, rule, parts, &visit.caller())?;
    if stage == Stage::Verified && !visit.verified {
        return Err(Failure::new(Kind::Forbidden, "Show your face first."));
    }
    must_be_here(app, &visit.home)?;
    Ok(visit)
}

async fn check(
    app: &App,
    rule: Rule,
    caller: Caller,
    params: &RawPathParams,
    parts: &mut Parts,
) -> Result<()> {
    let param = |name: &str| params.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
    let mut home = None;
    let (action, studio, event) = match rule {
        Rule::Open | Rule::Album(_) | Rule::Guest(_) => return Ok(()),
        Rule::SignedIn => {
            let Caller::Person { user, session } = caller else {
                return Err(Failure::new(Kind::Forbidden, "This is for people, not for API keys."));
            };
            parts.extensions.insert(SignedIn { user, session });
            return Ok(());
        }
        Rule::Studio(action) => (action, param("studio").map(str::to_owned), None),
        Rule::Event(action) => {
            let event =
                param("event").filter(|event| is_id(event)).ok_or_else(Failure::not_found)?;
            let place = place_of(app.db(), event).await?.ok_or_else(Failure::not_found)?;
            let studio = place.0;
            home = Some(place.1);
            (action, Some(studio), Some(event.to_owned()))
        }
    };
    let studio = studio.filter(|studio| is_id(studio)).ok_or_else(Failure::not_found)?;
    let grant = grant(app.db(), caller, studio, event).await?;
    // Whoever has a role in one event of a studio may know the studio's name.
    let anywhere = rule == Rule::Studio(Action::ReadStudio) && grant.only_events.is_some();
    if !anywhere && !grant.roles.iter().any(|role| role.may(action)) {
        return Err(Failure::new(Kind::Forbidden, "Your role here does not include this."));
    }
    if let Some(home) = home {
        must_be_here(app, &home)?;
    }
    parts.extensions.insert(grant);
    Ok(())
}

/// The studio of an event, and the data folder that its faces are in.
async fn place_of(db: &Db, event: &str) -> Result<Option<(String, String)>> {
    let row =
        sqlx::query("SELECT studio_id, home FROM events WHERE id = $1 AND deleting_unix_s IS NULL")
            .bind(event)
            .fetch_optional(db.read())
            .await?;
    Ok(row
        .map(|row| Ok::<_, sqlx::Error>((row.try_get("studio_id")?, row.try_get("home")?)))
        .transpose()?)
}

/// The caller's roles in `studio`, or in `event` of it; not found where there are none at all.
async fn grant(db: &Db, caller: Caller, studio: String, event: Option<String>) -> Result<Grant> {
    let held: Vec<(Role, Option<String>)> = match &caller {
        Caller::Key { studio: own, event, role, .. } if *own == studio => {
            vec![(*role, event.clone())]
        }
        Caller::Key { .. } | Caller::Visitor { .. } => Vec::new(),
        Caller::Person { user, .. } => held_by(db, user, &studio).await?,
    };
    let wide = held.iter().any(|(_, only)| only.is_none());
    let reaches = |only: &Option<String>| only.is_none() || *only == event;
    if held.is_empty() || (event.is_some() && !held.iter().any(|(_, only)| reaches(only))) {
        return Err(Failure::not_found());
    }
    let roles = held.iter().filter(|(_, only)| reaches(only)).map(|(role, _)| *role).collect();
    let events = held.into_iter().filter_map(|(_, only)| only).collect();
    Ok(Grant { caller, studio, event, roles, only_events: (!wide).then_some(events) })
}

async fn held_by(db: &Db, user: &str, studio: &str) -> Result<Vec<(Role, Option<String>)>> {
    let rows =
        sqlx::query("SELECT role, event_id FROM memberships WHERE user_id = $1 AND studio_id = $2")
            .bind(user)
            .bind(studio)
            .fetch_all(db.read())
            .await?;
    let read = |row: &sqlx::any::AnyRow| Ok((Role::of_row(row)?, row.try_get("event_id")?));
    rows.iter().map(read).collect()
}

impl<S: Sync> FromRequestParts<S> for Grant {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let missing =
            || Failure::internal("a handler asks for a grant that its route's rule does not give");
        parts.extensions.get::<Grant>().cloned().ok_or_else(missing)
    }
}

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let missing =
            || Failure::internal("a handler asks for a person whom its route's rule does not give");
        parts.extensions.get::<SignedIn>().cloned().ok_or_else(missing)
    }
}
