use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use crate::http::auth::cookie_of;
use crate::i18n::Language;

/// Lifetime of the language cookie, seconds (365 days).
const COOKIE_MAX_AGE_S: u32 = 365 * 86_400;
const COOKIE: &str = "picpick_lang";

/// The language of a request, from the first of these sources that names a supported language: `?lang=`, the
/// language cookie, `Accept-Language`. Without any, the language is English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locale {
    pub language: Language,
    /// Whether `?lang=` set the language; `remember` then stores it in a cookie.
    chosen: bool,
}

impl Locale {
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
        let cookie =
            format!("{COOKIE}={tag}; Path=/; Max-Age={COOKIE_MAX_AGE_S}; HttpOnly; SameSite=Lax");
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
    // Of languages with equal weights, the first wins.
    let best = weighed.fold(None, |best: Option<(Language, f32)>, next| match best {
        Some(best) if best.1 >= next.1 => Some(best),
        _ => Some(next),
    });
    best.map(|(language, _)| language)
}

impl<S: Sync> FromRequestParts<S> for Locale {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts.uri.query().unwrap_or_default(), &parts.headers))
    }
}

#[cfg(test)]
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
        assert_eq!(Locale::of("", &hindi).language, Language::Hindi);
        assert_eq!(Locale::of("page=2&lang=en", &hindi).language, Language::English);
        let cookie = headers(&[("accept-language", "hi"), ("cookie", "picpick_lang=en")]);
        assert_eq!(Locale::of("lang=xx", &cookie).language, Language::English);
        for (text, expected) in [
            ("de,hi;q=0.5,en;q=0.4", Some(Language::Hindi)),
            ("en;q=0.1, hi;q=0.2", Some(Language::Hindi)),
            ("hi;q=0, en-GB", Some(Language::English)),
            ("de, fr;q=x", None),
        ] {
            assert_eq!(first_accepted(text), expected, "{text}");
        }
    }
}
