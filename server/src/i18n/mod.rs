//! Texts of the visitor pages (albums and guest pages) in every language, and the language of a request.
//!
//! Each set of pages has a struct of texts with one value per language. A text that is missing in a language
//! is a compile error.

pub mod album;
pub mod guest;
pub mod privacy;

use time::UtcDateTime;

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

    /// Returns the language's own name, for links to the other languages.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Hindi => "हिन्दी",
        }
    }

    /// Returns the language of a stored tag; English if the tag is unknown.
    pub fn of_tag(tag: &str) -> Self {
        Self::parse(tag).unwrap_or(Self::English)
    }

    /// Parses a language tag and ignores its region: `hi-IN` is Hindi. Returns `None` for other languages.
    pub fn parse(tag: &str) -> Option<Self> {
        let main = tag.trim().split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| main.eq_ignore_ascii_case(language.tag()))
    }

    /// Formats the UTC date of a time as day, name of the month and year. A time outside the years -9999 to
    /// 9999 is formatted as 31 December 9999.
    pub fn day(self, unix_s: i64) -> String {
        let time = UtcDateTime::from_unix_timestamp(unix_s).unwrap_or(UtcDateTime::MAX);
        let (year, month, day) = time.to_calendar_date();
        match self {
            Self::English => format!("{day} {month} {year}"),
            Self::Hindi => {
                let name = HINDI_MONTHS.get(usize::from(u8::from(month)) - 1);
                format!("{day} {} {year}", name.copied().unwrap_or_default())
            }
        }
    }
}

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
