//! How the guests of an event prove who they are.
//!
//! A browser cannot attest its camera: a program can answer a challenge with frames made from one photo of a
//! person. A passed challenge therefore deters and proves nothing, and a second proof limits what one face may
//! do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::Result;
use crate::infra::db::stored_choice;

/// The way in which guests prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuestProof {
    /// The face by camera, and a code that the server sends to the guest's e-mail address.
    ContactCode,
    /// As `contact_code`, and only e-mail addresses of the event's guest list get a code.
    GuestList,
    /// The face by camera alone. Weaker: a person with a photo of a guest may pass as that guest.
    Selfie,
}

impl GuestProof {
    pub const ALL: [Self; 3] = [Self::ContactCode, Self::GuestList, Self::Selfie];

    /// Returns the name under which the way is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContactCode => "contact_code",
            Self::GuestList => "guest_list",
            Self::Selfie => "selfie",
        }
    }

    /// Parses a way that the database stores.
    ///
    /// # Errors
    /// - `Internal` if `text` is no way.
    pub fn stored(text: &str) -> Result<Self> {
        stored_choice::parse(&Self::ALL, Self::as_str, text, "guest proof")
    }

    /// Returns whether each guest must prove the contact by a code.
    pub fn needs_code(self) -> bool {
        self != Self::Selfie
    }

    /// Returns the way of a new event that names none: `contact_code` if a mail server is set up, because
    /// without one no code arrives.
    pub fn default_of(app: &App) -> Self {
        match app.settings.mail.smtp {
            Some(_) => Self::ContactCode,
            None => Self::Selfie,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_names_read_back_and_are_the_names_of_the_api() {
        for way in GuestProof::ALL {
            assert_eq!(GuestProof::stored(way.as_str()).ok(), Some(way));
            assert_eq!(serde_json::to_value(way).ok(), Some(way.as_str().into()));
            assert_eq!(way.needs_code(), way != GuestProof::Selfie);
        }
        assert!(GuestProof::stored("none").is_err());
    }
}
