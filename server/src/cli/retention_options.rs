use clap::{Args, ValueEnum};
use picpick_engine::RetentionPolicy;
use time::Date;
use time::format_description::well_known::Iso8601;

use super::format;

/// Default retention of a new collection, days. Guests look for their photos for months after an event.
const DAYS: u32 = 180;
const DAY_S: u64 = 86_400;

/// The retention options: purpose, legal basis and end date.
#[derive(Args, Debug, Default)]
pub struct RetentionOptions {
    /// Purpose of keeping the faces [default: finding guests' photos]
    #[arg(long, value_name = "TEXT", value_parser = purpose)]
    purpose: Option<String>,
    /// Legal basis of keeping the faces [default: consent]
    #[arg(long, value_enum)]
    basis: Option<LegalBasis>,
    /// First day (UTC) on which the collection can no longer be searched or added to, and on which
    /// 'picpick retention run' purges it [default: 180 days from now]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day, conflicts_with = "days")]
    until: Option<u64>,
    /// End the retention this number of days from now, instead of --until
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LegalBasis {
    Consent,
    Contract,
    LegalObligation,
    LegitimateInterest,
}

impl RetentionOptions {
    /// Returns the retention policy of a new collection: the defaults, changed by these options.
    pub fn fresh(&self) -> RetentionPolicy {
        let end = unix_now_s() + u64::from(DAYS) * DAY_S;
        self.over(&RetentionPolicy {
            purpose: "finding guests' photos".into(),
            legal_basis: LegalBasis::Consent.text().into(),
            ends_unix_s: Some(end),
        })
    }

    /// Returns the policy `before`, changed by the options that are set.
    pub fn over(&self, before: &RetentionPolicy) -> RetentionPolicy {
        let days = self.days.map(|days| unix_now_s() + u64::from(days) * DAY_S);
        RetentionPolicy {
            purpose: self.purpose.clone().unwrap_or_else(|| before.purpose.clone()),
            legal_basis: self.basis.map_or_else(|| before.legal_basis.clone(), |b| b.text().into()),
            ends_unix_s: self.until.or(days).or(before.ends_unix_s),
        }
    }

    /// Returns whether no option is set.
    pub fn is_empty(&self) -> bool {
        self.purpose.is_none()
            && self.basis.is_none()
            && self.until.is_none()
            && self.days.is_none()
    }
}

impl LegalBasis {
    fn text(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Contract => "contract",
            Self::LegalObligation => "legal obligation",
            Self::LegitimateInterest => "legitimate interest",
        }
    }
}

/// Formats a policy: `until 2027-05-01 00:00 UTC for finding guests' photos (consent)`.
pub fn text(keep: &RetentionPolicy) -> String {
    let until = keep
        .ends_unix_s
        .map_or_else(|| "without an end date".into(), |end| format!("until {}", format::date(end)));
    if keep.purpose.is_empty() {
        return until;
    }
    format!("{until} for {} ({})", keep.purpose, keep.legal_basis)
}

/// Returns whether the retention period has ended.
pub fn is_over(keep: &RetentionPolicy) -> bool {
    keep.ends_unix_s.is_some_and(|end| end <= unix_now_s())
}

fn unix_now_s() -> u64 {
    crate::infra::clock::since_1970().as_secs()
}

fn purpose(text: &str) -> Result<String, String> {
    let printable = !text.trim().is_empty() && !text.chars().any(char::is_control);
    if printable && text.chars().count() <= 200 {
        Ok(text.trim().to_owned())
    } else {
        Err("expected 1 to 200 printable characters".into())
    }
}

/// Parses a day; returns its first second as seconds since the Unix epoch.
fn day(text: &str) -> Result<u64, String> {
    Date::parse(text, &Iso8601::DATE)
        .ok()
        // Rejects the other forms of ISO 8601, such as weeks and days without hyphens.
        .filter(|day| day.to_string() == text)
        .and_then(|day| u64::try_from(day.midnight().as_utc().unix_timestamp()).ok())
        .ok_or_else(|| "expected a day such as 2027-05-01".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_impossible_ones_refused() {
        for text in ["1970-01-01", "2000-02-29", "2027-05-01", "2100-12-31", "2400-02-29"] {
            assert_eq!(format::date(day(text).unwrap()), format!("{text} 00:00 UTC"));
        }
        for bad in [
            "",
            "2027",
            "2027-5-1",
            "2027-02-30",
            "2027-13-01",
            "1969-12-31",
            "2100-02-29",
            "27-05-2001",
            "2027-05-01 ",
            "+027-05-01",
            "20270501",
            "2027-W01-1",
            "2027-05-01T00:00",
        ] {
            assert!(day(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn options_change_only_what_they_name() {
        let fresh = RetentionOptions::default().fresh();
        assert_eq!((fresh.legal_basis.as_str(), is_over(&fresh)), ("consent", false));
        let changed =
            RetentionOptions { until: Some(5), ..RetentionOptions::default() }.over(&fresh);
        assert_eq!(changed, RetentionPolicy { ends_unix_s: Some(5), ..fresh });
        assert!(is_over(&changed) && text(&changed).starts_with("until 1970-01-01"));
        assert!(RetentionOptions::default().is_empty());
    }
}
