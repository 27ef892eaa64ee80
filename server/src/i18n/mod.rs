//! Texts of the visitor pages (albums and guest pages) in every language, and the language of a request.
//!
//! Each set of pages has one struct of texts and one constant of it per language, so a text that is missing
//! in a language is a compile error.

pub mod album;
pub mod guest;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use crate::http::auth::cookie_of;

/// Lifetime of the language cookie, seconds.
const KEPT_S: u32 = 365 * 86_400;
const COOKIE: &str = "picpick_lang";

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
    fn parse(tag: &str) -> Option<Self> {
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

/// The language of a request, from the first of these that names a known one: `?lang=`, the language cookie,
/// `Accept-Language`, English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub language: Language,
    /// Whether `?lang=` set the language; `remember` then stores it in a cookie.
    chosen: bool,
}

impl Wanted {
    fn of(query: &str, headers: &HeaderMap) -> Self {
        let by_query =
            query.split('&').find_map(|pair| Language::parse(pair.strip_prefix("lang=")?));
        if let Some(language) = by_query {
            return Self { language, chosen: true };
        }
        let by_cookie = || cookie_of(headers, COOKIE).and_then(Language::parse);
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let language = by_cookie().or_else(|| accepted.and_then(first_accepted));
        Self { language: language.unwrap_or(Language::English), chosen: false }
    }

    /// Adds the language cookie to the response if `?lang=` set the language.
    pub fn remember(self, mut response: Response) -> Response {
        let tag = self.language.tag();
        let cookie = format!("{COOKIE}={tag}; Path=/; Max-Age={KEPT_S}; HttpOnly; SameSite=Lax");
        if let (true, Ok(cookie)) = (self.chosen, HeaderValue::from_str(&cookie)) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// Returns the supported language with the highest weight in an `Accept-Language` header (RFC 9110, section
/// 12.5.4).
fn first_accepted(text: &str) -> Option<Language> {
    let weighed = text.split(',').filter_map(|part| {
        let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
        let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
        Language::parse(tag).filter(|_| weight > 0.0).map(|language| (language, weight))
    });
    // Equal weights: the first one wins.
    let best = weighed.fold(None, |best: Option<(Language, f32)>, next| match best {
        Some(best) if best.1 >= next.1 => Some(best),
        _ => Some(next),
    });
    best.map(|(language, _)| language)
}

impl<S: Sync> FromRequestParts<S> for Wanted {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts.uri.query().unwrap_or_default(), &parts.headers))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let read = |(name, value): &(&'static str, &'static str)| {
            (header::HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(read).collect()
    }

    #[test]
    fn a_choice_counts_before_the_browser() {
        let hindi = headers(&[("accept-language", "hi-IN,hi;q=0.9,en;q=0.8")]);
        assert_eq!(Wanted::of("", &hindi).language, Language::Hindi);
        assert_eq!(Wanted::of("page=2&lang=en", &hindi).language, Language::English);
        let cookie = headers(&[("accept-language", "hi"), ("cookie", "picpick_lang=en")]);
        assert_eq!(Wanted::of("lang=xx", &cookie).language, Language::English);
        for (text, expected) in [
            ("de,hi;q=0.5,en;q=0.4", Some(Language::Hindi)),
            ("en;q=0.1, hi;q=0.2", Some(Language::Hindi)),
            ("hi;q=0, en-GB", Some(Language::English)),
            ("de, fr;q=x", None),
        ] {
            assert_eq!(first_accepted(text), expected, "{text}");
        }
    }

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
