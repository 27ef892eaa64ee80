//! The terms of processing an event's faces: purpose, legal basis and end.
//!
//! The purposes are a closed list, and none of them permits the training of models.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use utoipa::ToSchema;

use super::retention;
use crate::app::App;
use crate::error::Result;
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::db::{events, stored_choice};

/// The purpose of processing an event's faces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Guests find their own photos of the event.
    #[default]
    EventGallery,
    /// Editorial offices find the photos of people at a public event.
    Press,
    /// The photographer or the client sorts photos for private use.
    Personal,
}

/// The legal basis of processing an event's faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LegalBasis {
    Consent,
    Contract,
    LegalObligation,
    LegitimateInterest,
}

impl Purpose {
    pub const ALL: [Self; 3] = [Self::EventGallery, Self::Press, Self::Personal];

    /// Returns the name under which the purpose is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventGallery => "event_gallery",
            Self::Press => "press",
            Self::Personal => "personal",
        }
    }

    /// Parses a purpose that the database stores.
    ///
    /// # Errors
    /// - `Internal` if `text` is no purpose.
    pub fn stored(text: &str) -> Result<Self> {
        stored_choice::parse(&Self::ALL, Self::as_str, text, "purpose")
    }
}

impl LegalBasis {
    pub const ALL: [Self; 4] =
        [Self::Consent, Self::Contract, Self::LegalObligation, Self::LegitimateInterest];

    /// Returns the name under which the legal basis is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Contract => "contract",
            Self::LegalObligation => "legal_obligation",
            Self::LegitimateInterest => "legitimate_interest",
        }
    }

    /// Parses a legal basis that the database stores.
    ///
    /// # Errors
    /// - `Internal` if `text` is no legal basis.
    pub fn stored(text: &str) -> Result<Self> {
        stored_choice::parse(&Self::ALL, Self::as_str, text, "legal basis")
    }
}

/// Records the free texts of purpose and legal basis that migration 15 has replaced in the audit log, and
/// gives the new terms to the face engine. Each text is recorded once.
pub async fn record_replaced(app: &App) -> Result<()> {
    let rows = sqlx::query(
        "SELECT id, previous_terms FROM events WHERE previous_terms IS NOT NULL AND node_id = $1",
    )
    .bind(&app.node_id)
    .fetch_all(app.db.read())
    .await?;
    for row in &rows {
        let (event, before): (String, String) =
            (row.try_get("id")?, row.try_get("previous_terms")?);
        let mut tx = app.db.write().await?;
        let Some(now) = events::lock(&mut tx, &event).await? else { continue };
        let policy = retention(&now.purpose, &now.legal_basis, now.ends_unix_s);
        let id = event.clone();
        app.face_engine.run(move |faces| faces.set_retention(&id, &policy)).await?;
        let detail = format!("terms: {before} to {} ({})", now.purpose, now.legal_basis);
        let (studio, action) = (now.studio.as_str(), "event_change");
        let deed = AuditEvent { studio, actor: "system", action, target: &event, detail: &detail };
        audit_log::record(&mut tx, deed).await?;
        sqlx::query("UPDATE events SET previous_terms = NULL WHERE id = $1")
            .bind(&event)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_names_read_back_and_are_the_names_of_the_api() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::stored(purpose.as_str()).ok(), Some(purpose));
            assert_eq!(serde_json::to_value(purpose).ok(), Some(purpose.as_str().into()));
        }
        for basis in LegalBasis::ALL {
            assert_eq!(LegalBasis::stored(basis.as_str()).ok(), Some(basis));
            assert_eq!(serde_json::to_value(basis).ok(), Some(basis.as_str().into()));
        }
        assert!(Purpose::stored("train models").is_err() && LegalBasis::stored("any").is_err());
    }
}
