//! Changes of an event. Each changed field needs its own right: what ends, extends or repurposes an event
//! needs more than the right to manage it, and is announced to the guests.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::analysis_time::{AnalysisTime, check_deferrable};
use super::guest_proof::GuestProof;
use super::retention;
use super::routes::{Event, ends, view};
use super::terms::{LegalBasis, Purpose};
use crate::api::photo_policy::{Download, watermark};
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::audit::{FieldChanges, record_by};
use crate::http::auth::{Action, Grant};
use crate::http::extract::{self, Body};
use crate::infra::clock::now_s;
use crate::infra::db::events::{self, EventRecord};
use crate::infra::db::{Tx, analysis, guests};
use crate::infra::rate_limit::Quota;

/// Minimum notice of an earlier end, seconds (7 days). An owner or admin who must not wait deletes the
/// event.
const NOTICE_S: i64 = 7 * 86_400;
/// Quota of changes per event that send an e-mail to each guest: 3, then one per 8 hours.
const NOTICE_QUOTA: Quota = Quota { capacity: 3, refill_s: 8 * 3600 };

/// Changes to an event. Absent fields stay unchanged.
#[derive(Deserialize, ToSchema)]
pub struct EventChange {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// The new purpose, for owners and admins. Guests who agreed to another purpose are erased after 7
    /// days unless they agree to the new one.
    #[schema(inline)]
    purpose: Option<Purpose>,
    /// The new legal basis, for owners and admins.
    #[schema(inline)]
    legal_basis: Option<LegalBasis>,
    /// The new time of the purge, seconds since the Unix epoch; at most 1,098 days (3 years) from now;
    /// for owners and admins. An earlier end must be at least 7 days from now. Guests who agreed to an
    /// earlier end are erased at that end unless they agree to the later one.
    ends_unix_s: Option<i64>,
    downloads: Option<Download>,
    /// The text of the watermark: Latin letters, digits and signs. An empty string removes the watermark.
    #[schema(max_length = 60)]
    watermark: Option<String>,
    /// The new way in which guests prove who they are, for owners and admins. If guests must prove their
    /// contact from now on, the open pages of guests who have not done so ask for it.
    #[schema(inline)]
    guest_proof: Option<GuestProof>,
    /// The new time at which faces are embedded, for owners and admins. `at_first_search` responds with `conflict`
    /// once a face was embedded or a guest has searched. `at_upload` embeds the faces of all photos.
    #[schema(inline)]
    analysis: Option<AnalysisTime>,
}

impl EventChange {
    /// Returns the event after the change.
    fn apply(self, before: &EventRecord) -> Result<EventRecord> {
        let keep = |text: &String| text.clone();
        let downloads = self.downloads.map(|download| download.as_str().to_owned());
        let analysis = self.analysis.map_or(keep(&before.analysis), |it| it.as_str().to_owned());
        let started = before.analysis_started_unix_s.filter(|_| analysis == before.analysis);
        Ok(EventRecord {
            id: keep(&before.id),
            studio: keep(&before.studio),
            name: match self.name {
                Some(name) => extract::name("name", &name)?,
                None => keep(&before.name),
            },
            purpose: self.purpose.map_or(keep(&before.purpose), |it| it.as_str().to_owned()),
            legal_basis: self
                .legal_basis
                .map_or(keep(&before.legal_basis), |it| it.as_str().to_owned()),
            ends_unix_s: match self.ends_unix_s {
                // An end that stays as it is may be nearer or farther than a new one.
                Some(given) if given != before.ends_unix_s => ends(given)?,
                _ => before.ends_unix_s,
            },
            created_unix_s: before.created_unix_s,
            downloads: downloads.unwrap_or(keep(&before.downloads)),
            watermark: match self.watermark {
                Some(text) => watermark(&text)?,
                None => before.watermark.clone(),
            },
            guest_proof: self
                .guest_proof
                .map_or(keep(&before.guest_proof), |it| it.as_str().to_owned()),
            analysis,
            analysis_started_unix_s: started,
        })
    }
}

/// Returns whether purpose, legal basis or end differ.
fn terms_differ(a: &EventRecord, b: &EventRecord) -> bool {
    (&a.purpose, &a.legal_basis, a.ends_unix_s) != (&b.purpose, &b.legal_basis, b.ends_unix_s)
}

/// Checks the rights to the changed fields. The route's rule has checked the right to the other fields.
///
/// # Errors
/// - `Forbidden` if no role of the caller permits one of the changes.
/// - `Invalid` if the end is moved earlier with less than `NOTICE_S`.
fn check_rights(grant: &Grant, before: &EventRecord, after: &EventRecord) -> Result<()> {
    if after.purpose != before.purpose {
        grant.check(Action::ChangeEventTerms, "purpose")?;
    }
    if after.legal_basis != before.legal_basis {
        grant.check(Action::ChangeEventTerms, "legal_basis")?;
    }
    if after.analysis != before.analysis {
        grant.check(Action::ChangeEventTerms, "analysis")?;
    }
    if after.guest_proof != before.guest_proof {
        grant.check(Action::ChangeGuestProof, "guest_proof")?;
    }
    if after.ends_unix_s > before.ends_unix_s {
        grant.check(Action::ChangeEventTerms, "ends_unix_s, to a later end")?;
    }
    if after.ends_unix_s < before.ends_unix_s {
        grant.check(Action::DeleteEvent, "ends_unix_s, to an earlier end")?;
        if after.ends_unix_s < now_s() + NOTICE_S {
            return Err(ApiError::invalid(
                "ends_unix_s: expected an earlier end at least 7 days from now; to end the event at once, delete it.",
            ));
        }
    }
    Ok(())
}

/// Returns the detail of the audit entry: the changed fields, and both values of those with a closed set
/// of values.
fn detail(before: &EventRecord, after: &EventRecord) -> String {
    FieldChanges::default()
        .value("ends_unix_s", &before.ends_unix_s, &after.ends_unix_s)
        .value("purpose", &before.purpose, &after.purpose)
        .value("legal_basis", &before.legal_basis, &after.legal_basis)
        .value("downloads", &before.downloads, &after.downloads)
        .value("guest_proof", &before.guest_proof, &after.guest_proof)
        .value("analysis", &before.analysis, &after.analysis)
        .name_only("name", before.name != after.name)
        .name_only("watermark", before.watermark != after.watermark)
        .detail()
}

/// Does what a new time of the analysis needs: checks that nothing is embedded, or makes the deferred jobs ready.
///
/// # Errors
/// - `Conflict` if the analysis cannot wait any more.
async fn change_analysis(app: &App, tx: &mut Tx, event: &EventRecord) -> Result<()> {
    match event.defers_analysis() {
        true => check_deferrable(app, tx, &event.id).await,
        false => analysis::release(tx, &event.id, now_s()).await.map(drop),
    }
}

/// Changes an event. A new end, purpose or legal basis needs the role owner or admin, and is announced by
/// e-mail to the verified guests who receive e-mails.
#[utoipa::path(patch, path = "/events/{event}",
    operation_id = "event_update", tag = "events", params(("event" = String, Path)),
    request_body = EventChange, responses((status = 200, body = Event)))]
pub async fn change(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<EventChange>,
) -> Result<Json<Event>> {
    // Locked, so that the rights are checked against the values that the update replaces.
    let mut tx = app.db.write().await?;
    let before = events::lock(&mut tx, grant.event()?).await?.ok_or_else(ApiError::not_found)?;
    let event = given.apply(&before)?;
    check_rights(&grant, &before, &event)?;
    let analysis_changed = event.analysis != before.analysis;
    if analysis_changed {
        change_analysis(&app, &mut tx, &event).await?;
    }
    events::update(&mut tx, &event).await?;
    if event.purpose != before.purpose {
        events::set_purpose_changed(&mut tx, &event.id, now_s()).await?;
    }
    if event.guest_proof != before.guest_proof
        && GuestProof::stored(&event.guest_proof)?.needs_code()
    {
        guests::unverify_unproved_sessions(&mut tx, &event.id).await?;
    }
    let announced = terms_differ(&before, &event)
        && guests::request_terms_notices(&mut tx, &event.id).await? > 0;
    if announced {
        let detail = "The guests were notified of 3 changes of this event, then one per 8 hours; try again later.";
        NOTICE_QUOTA.take(&mut tx, &format!("event_terms:{}", event.id), detail).await?;
    }
    record_by(&mut tx, &grant, "event_change", &event.id, &detail(&before, &event)).await?;
    if terms_differ(&before, &event) {
        let policy = retention(&event.purpose, &event.legal_basis, event.ends_unix_s);
        let id = event.id.clone();
        app.face_engine.run(move |faces| faces.set_retention(&id, &policy)).await?;
    }
    tx.commit().await?;
    if analysis_changed {
        app.jobs.wake();
        app.jobs.publish(&event.id);
    }
    if announced {
        // Wakes the task that sends the e-mails.
        app.guest_updates.publish(&event.id, None);
    }
    view(event).map(Json)
}
