//! Texts of the visitor pages (albums and guest pages) in every language, and the language of a request.
//!
//! Each set of pages has one struct of texts and one constant of it per language, so a text that is missing
//! in a language is a compile error.

pub mod album;
pub mod guest;

/// A language of the visitor pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    Hindi,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::Hindi];

    /// Returns the language tag for HTML and HTTP (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Hindi => "hi",
        }
    }

    /// Returns the language's name in that language.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Hindi => "हिन्दी",
        }
    }

    /// Returns the language of a stored tag, English if the tag is unknown.
    pub fn of_tag(tag: &str) -> Self {
        Self::parse(tag).unwrap_or(Self::English)
    }

    /// Parses a language tag and ignores its region: `hi-IN` is Hindi.
    pub fn parse(tag: &str) -> Option<Self> {
        let main = tag.trim().split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| main.eq_ignore_ascii_case(language.tag()))
    }

    /// Formats a day (UTC) as day, name of the month and year.
    pub fn day(self, unix_s: i64) -> String {
        let (year, month, day) = civil(unix_s.div_euclid(86_400));
        let month = match self {
            Self::English => ENGLISH_MONTHS.get(month),
            Self::Hindi => HINDI_MONTHS.get(month),
        };
        format!("{day} {} {year}", month.copied().unwrap_or_default())
    }
}

const ENGLISH_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const HINDI_MONTHS: [&str; 12] = [
    "जनवरी",
    "फ़रवरी",
    "मार्च",
    "अप्रैल",
    "मई",
    "जून",
    "जुलाई",
    "अगस्त",
    "सितंबर",
    "अक्टूबर",
    "नवंबर",
    "दिसंबर",
];

/// Returns year, month (0 to 11) and day of the month for `days` since 1970-01-01. Algorithm:
/// `civil_from_days` of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn civil(days: i64) -> (i64, usize, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = year + era * 400 + i64::from(month < 2);
    (year, usize::try_from(month).unwrap_or(0), day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (unix_s, english, hindi) in [
            (0, "1 January 1970", "1 जनवरी 1970"),
            (951_782_400, "29 February 2000", "29 फ़रवरी 2000"),
            (1_798_761_599, "31 December 2026", "31 दिसंबर 2026"),
            (-1, "31 December 1969", "31 दिसंबर 1969"),
        ] {
            assert_eq!(Language::English.day(unix_s), english);
            assert_eq!(Language::Hindi.day(unix_s), hindi);
        }
    }
}
