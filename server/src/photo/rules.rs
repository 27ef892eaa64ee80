//! What visitors, who are no members of the studio, may see and take of an event's photos: the one place that
//! says so, for one photo and, in a statement, for many.
//!
//! Event and folder decide. Which of the visible photos somebody is shown at all (an album's, a guest's own)
//! their room decides beside it. Members of the studio are not asked here.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::error::{Failure, Result};
use crate::input;

/// What visitors may take of a photo; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Download {
    /// Nothing: they look.
    Off,
    /// The picture for screens.
    Web,
    /// The file as it came.
    Original,
}

/// What visitors may do with a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub visible: bool,
    pub download: Download,
}

/// The photos with what decides about them: `p` a photo, `e` its event, `f` its folder, which may be none.
pub const TABLES: &str =
    "photos p JOIN events e ON e.id = p.event_id LEFT JOIN folders f ON f.id = p.folder_id";
/// Holds for the rows of `TABLES` that visitors may see. Lists and counts for visitors have it in their WHERE.
pub const VISIBLE: &str = "e.deleting_unix_s IS NULL AND COALESCE(f.hidden, 0) = 0";
/// The columns from which `Allowed::of_row` and `watermark_of` read.
pub const COLUMNS: &str = "e.deleting_unix_s AS rule_deleting, COALESCE(f.hidden, 0) AS rule_hidden, \
    COALESCE(f.downloads, e.downloads) AS rule_downloads, e.watermark AS rule_watermark";

impl Allowed {
    /// From a row of `TABLES` with `COLUMNS`; agrees with `VISIBLE`.
    pub fn of_row(row: &AnyRow) -> Result<Self> {
        let deleting: Option<i64> = row.try_get("rule_deleting")?;
        let hidden: i64 = row.try_get("rule_hidden")?;
        let download = Download::parse(&row.try_get::<String, _>("rule_downloads")?)?;
        let marked = watermark_of(row)?.is_some();
        Ok(Self::of(deleting.is_none() && hidden == 0, download, marked))
    }

    /// A watermark is of no use where the file can be had without it.
    fn of(visible: bool, download: Download, marked: bool) -> Self {
        let most = if marked { Download::Web } else { Download::Original };
        let download = if visible { download.min(most) } else { Download::Off };
        Self { visible, download }
    }
}

/// The text that is drawn on what visitors are shown.
pub fn watermark_of(row: &AnyRow) -> Result<Option<String>> {
    let text: Option<String> = row.try_get("rule_watermark")?;
    Ok(text.filter(|text| !text.is_empty()))
}

impl Download {
    const ALL: [Self; 3] = [Self::Off, Self::Web, Self::Original];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Web => "web",
            Self::Original => "original",
        }
    }

    /// Reads what `as_str` writes. Errors: `Internal`.
    pub fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|download| download.as_str() == text);
        found.ok_or_else(|| Failure::internal(format!("no download rule '{text}'")))
    }
}

/// A watermark as somebody wants it: one line of characters that can be drawn; `None` for an empty text.
pub fn watermark(text: &str) -> Result<Option<String>> {
    let text = input::line("watermark", text, 0, 60)?;
    if let Some(stranger) = super::mark::undrawable(&text)? {
        return Err(Failure::invalid(format!(
            "watermark: expected Latin letters, digits and signs, received '{stranger}'."
        )));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
        let download = |visible, marked| Allowed::of(visible, Download::Original, marked).download;
        assert_eq!(download(true, false), Download::Original);
        assert_eq!(download(true, true), Download::Web);
        assert_eq!(download(false, false), Download::Off);
        assert_eq!(Allowed::of(true, Download::Off, true).download, Download::Off);
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
