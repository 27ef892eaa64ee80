//! Rules on what bounds the work of the service: places of long answers, and the three kinds of throttles.

use crate::source::{block_end, breach, code_of, line_of, words};

/// The files that may make a body from a stream: long answers, which hold a place, and bodies of requests.
const STREAMED_BODIES: [&str; 2] =
    ["server/src/infra/long_answer.rs", "server/src/http/middleware/body_rate.rs"];

/// Checks that bodies of answers have no way around the places of long answers: streams of bytes are made in
/// `infra/long_answer.rs`, and a function that answers with a stream of events takes a place.
pub fn places(path: &str, text: &str) -> Vec<String> {
    if !path.starts_with("server/src/") {
        return Vec::new();
    }
    let code = code_of(text);
    let mut breaches = Vec::new();
    for at in words(&code, "Body::from_stream").filter(|_| !STREAMED_BODIES.contains(&path)) {
        let what = "a streamed body without a place; use `long_answer::with_pieces`";
        breaches.push(breach(path, line_of(&code, at), what));
    }
    for at in words(&code, "Sse::new") {
        let begin = code[..at].rfind("fn ").unwrap_or(0);
        let open = code[begin..].find('{').map_or(begin, |brace| begin + brace);
        let body = &code[open..block_end(&code, open)];
        if !body.contains("places.take") {
            let what = "a stream of events without a place; take a `PlaceKind::Stream`";
            breaches.push(breach(path, line_of(&code, at), what));
        }
    }
    breaches
}

/// Checks that no statement counts the rows of a period: throttles are `Lockout`, `Quota` or `RateLimiter`, which
/// survive a restart, count before they act, and lock what they count.
pub fn throttles(path: &str, text: &str) -> Vec<String> {
    let is_ours =
        path.starts_with("server/src/") && !path.starts_with("server/src/infra/rate_limit/");
    if !is_ours {
        return Vec::new();
    }
    let counts = text.match_indices("SELECT COUNT(").map(|(at, _)| at);
    let period = |at: &usize| {
        let end = text[*at..].find(['"', ';']).map_or(text.len(), |end| at + end);
        let statement = &text[*at..end];
        statement.contains("_unix_s >") || statement.contains("_unix_s +")
    };
    let what = "a count of the rows of a period; use a `Quota` (`infra/rate_limit/`)";
    counts.filter(period).map(|at| breach(path, line_of(text, at), what)).collect()
}

#[test]
fn streams_without_places_are_found() {
    let path = "server/src/api/x.rs";
    let bad = "fn a() { Body::from_stream(x) }\nfn b() -> R { let y = 1; Ok(Sse::new(z)) }";
    assert_eq!(places(path, bad).len(), 2);
    let good = "fn b() { let place = app.places.take(PlaceKind::Stream, s)?; Ok(Sse::new(z)) }";
    assert!(places(path, good).is_empty());
    // A place of the function above does not count.
    assert_eq!(places(path, &format!("{good}\nfn c() {{ Sse::new(z) }}")).len(), 1);
    assert!(places(STREAMED_BODIES[0], "Body::from_stream(x)").is_empty());
}

#[test]
fn counts_of_a_period_are_found() {
    let bad = r#"query("SELECT COUNT(*) AS n FROM t WHERE a = $1 AND at_unix_s > $2")"#;
    let good = r#"query("SELECT COUNT(*) AS n FROM t WHERE a = $1"); query("SELECT b WHERE at_unix_s > $2")"#;
    assert_eq!(throttles("server/src/api/x.rs", bad).len(), 1);
    assert!(throttles("server/src/api/x.rs", good).is_empty());
    assert!(throttles("server/src/infra/rate_limit/x.rs", bad).is_empty());
}
