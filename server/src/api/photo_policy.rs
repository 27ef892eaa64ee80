//! The photo policy: which photos of an event visitors may see and download, as the event and the folder
//! define it. The policy has two forms, which must agree: a check of one row (`PhotoPermissions`) and an SQL
//! condition (`visible`).
//!
//! `album` and `guest` decide which of the visible photos a visitor gets: an album's photos, or a guest's
//! own. Studio members are not subject to this policy.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::error::{ApiError, Result};
use crate::http::extract;
use crate::infra::db::events::NOT_DELETING;
use crate::infra::db::stored_choice;

/// The downloads that visitors may make of a photo. Each level includes the previous levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Download {
    /// None; visitors can only view the photo.
    Off,
    /// The JPEG for screens.
    Web,
    /// The original file.
    Original,
}

/// The permissions of visitors for a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhotoPermissions {
    pub visible: bool,
    pub download: Download,
}

/// The joined tables from which the policy is read: photo `p`, its event `e`, its folder `f` (NULL without a
/// folder).
pub const TABLES: &str =
    "photos p JOIN events e ON e.id = p.event_id LEFT JOIN folders f ON f.id = p.folder_id";
/// The columns that `PhotoPermissions::of_row` and `watermark_of` read.
pub const COLUMNS: &str = "e.deleting_unix_s AS rule_deleting, COALESCE(f.hidden, 0) AS rule_hidden, \
    COALESCE(f.downloads, e.downloads) AS rule_downloads, e.watermark AS rule_watermark";

/// Returns the condition on `TABLES` for photos that visitors may see. The WHERE clauses of all lists and
/// counts for visitors contain the condition.
pub fn visible() -> String {
    format!("e.{NOT_DELETING} AND COALESCE(f.hidden, 0) = 0")
}

impl PhotoPermissions {
    /// Reads the permissions from a row of `TABLES` with `COLUMNS`. The result must agree with [`visible`].
    pub fn of_row(row: &AnyRow) -> Result<Self> {
        let deleting: Option<i64> = row.try_get("rule_deleting")?;
        let hidden: i64 = row.try_get("rule_hidden")?;
        let download = Download::parse(&row.try_get::<String, _>("rule_downloads")?)?;
        let marked = watermark_of(row)?.is_some();
        Ok(Self::of(deleting.is_none() && hidden == 0, download, marked))
    }

    /// Computes the permissions. A watermark limits downloads to `Web`, because the original file has no
    /// watermark.
    fn of(visible: bool, download: Download, marked: bool) -> Self {
        let most = if marked { Download::Web } else { Download::Original };
        let download = if visible { download.min(most) } else { Download::Off };
        Self { visible, download }
    }
}

/// Returns the text of the event's watermark, or `None` if the event has no watermark.
pub fn watermark_of(row: &AnyRow) -> Result<Option<String>> {
    let text: Option<String> = row.try_get("rule_watermark")?;
    Ok(text.filter(|text| !text.is_empty()))
}

impl Download {
    const ALL: [Self; 3] = [Self::Off, Self::Web, Self::Original];

    /// Returns the value stored in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Web => "web",
            Self::Original => "original",
        }
    }

    /// Parses a value that `as_str` returns.
    ///
    /// # Errors
    /// - `Internal` for any other value.
    pub fn parse(text: &str) -> Result<Self> {
        stored_choice::parse(&Self::ALL, Self::as_str, text, "download rule")
    }
}

/// Validates a watermark: one line of at most 60 characters, all of which the font must have. Returns `None`
/// for an empty text.
///
/// # Errors
/// - `Invalid` for any other text.
pub fn watermark(text: &str) -> Result<Option<String>> {
    let text = extract::line("watermark", text, 0, 60)?;
    if let Some(stranger) = crate::infra::imaging::watermark::undrawable(&text)? {
        return Err(ApiError::invalid(format!(
            "watermark: expected Latin letters, digits and signs, received '{stranger}'."
        )));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back_and_each_includes_the_one_before() {
        for download in Download::ALL {
            assert_eq!(Download::parse(download.as_str()).unwrap(), download);
        }
        assert!(Download::Off < Download::Web && Download::Web < Download::Original);
        assert!(Download::parse("Off").is_err());
    }

    #[test]
    fn what_is_hidden_cannot_be_taken_and_a_marked_photo_not_as_it_came() {
        let download =
            |visible, marked| PhotoPermissions::of(visible, Download::Original, marked).download;
        assert_eq!(download(true, false), Download::Original);
        assert_eq!(download(true, true), Download::Web);
        assert_eq!(download(false, false), Download::Off);
        assert_eq!(PhotoPermissions::of(true, Download::Off, true).download, Download::Off);
    }

    #[test]
    fn a_watermark_is_one_line_that_can_be_drawn() {
        assert_eq!(watermark(" Søren & Anaïs © ").unwrap().unwrap(), "Søren & Anaïs ©");
        assert_eq!(watermark("").unwrap(), None);
        for bad in ["शादी", "a\nb", "😀", &"x".repeat(61)] {
            assert!(watermark(bad).is_err(), "{bad}");
        }
    }
}
