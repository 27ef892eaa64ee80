//! Reads Rust source as text: blanks comments and literals, finds words, paths and functions. Recognises only
//! literals, comments and brackets, and assumes that the source compiles.

/// Formats a breach of a rule: `path:line: what is wrong`.
pub fn breach(path: &str, line: usize, what: &str) -> String {
    format!("{path}:{line}: {what}")
}

/// Returns the line of `offset`, counted from 1.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset].iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// Returns `text` with comments and literals replaced by spaces; offsets and line numbers do not change.
pub fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end > at {
            for byte in &mut code[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            at = end;
        } else {
            at += 1;
        }
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// Returns the end of the comment or literal that starts at `at`, or `at` if none starts there.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return block_comment_end(bytes, at);
    }
    match rest[0] {
        b'"' => quoted_end(bytes, at + 1, b'"'),
        b'\'' => char_end(bytes, at),
        b'r' | b'b' | b'c' if at == 0 || !is_word(bytes[at - 1]) => raw_string_end(bytes, at),
        _ => at,
    }
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        match &bytes[at..(at + 2).min(bytes.len())] {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted_end(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// Returns the end of the char literal at `at`, or `at` for a lifetime. A char literal closes after one
/// character or one escape; a lifetime does not close.
fn char_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        Some(b'\\') => quoted_end(bytes, at + 1, b'\''),
        Some(&first) => {
            let width = match first {
                0..=0x7f => 1,
                0xf0.. => 4,
                0xe0.. => 3,
                _ => 2,
            };
            let close = at + 1 + width;
            if bytes.get(close) == Some(&b'\'') { close + 1 } else { at }
        }
        None => at,
    }
}

/// Returns the end of `r"…"`, `r#"…"#` or their `br` and `cr` forms, or `start` if there is none.
fn raw_string_end(bytes: &[u8], start: usize) -> usize {
    let prefix = bytes[start..].iter().take_while(|byte| b"bcr".contains(byte)).count();
    if prefix > 2 || bytes[start + prefix - 1] != b'r' {
        return start;
    }
    let hashes = bytes[start + prefix..].iter().take_while(|&&byte| byte == b'#').count();
    let open = start + prefix + hashes;
    if bytes.get(open) != Some(&b'"') {
        return start;
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let length = bytes[open + 1..].windows(close.len()).position(|window| window == close);
    length.map_or(bytes.len(), |length| open + 1 + length + close.len())
}

pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Returns the offsets at which `word` occurs as a whole word; its first and last character may be
/// punctuation.
pub fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = text.as_bytes();
    let edge = |at: usize| word.as_bytes().get(at).is_some_and(|&byte| is_word(byte));
    let (starts, ends) = (edge(0), edge(word.len() - 1));
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = at > 0 && is_word(bytes[at - 1]);
        let after = bytes.get(at + word.len()).is_some_and(|&byte| is_word(byte));
        !(starts && before || ends && after)
    })
}

/// Returns the offsets at which `code` names the crate `name`: `name::…`, `use name;`, `use name as …`.
pub fn crate_uses(code: &str, name: &str) -> Vec<usize> {
    let names_crate = |&at: &usize| {
        let (before, after) = (code[..at].trim_end(), code[at + name.len()..].trim_start());
        let segment = before
            .strip_suffix("::")
            .is_some_and(|path| path.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
        let imported = words(before, "use").last().is_some_and(|word| word + 3 == before.len());
        !segment && (after.starts_with("::") || imported || before.ends_with("extern crate"))
    };
    words(code, name).filter(names_crate).collect()
}

/// Returns the offsets at which `code` names `root::item`, also inside a group: `use root::{other,
/// item::Thing}`.
pub fn path_uses(code: &str, root: &str, item: &str) -> Vec<usize> {
    let mut found: Vec<usize> = words(code, &format!("{root}::{item}")).collect();
    for at in words(code, &format!("{root}::{{")) {
        let open = at + root.len() + 2;
        let group = &code[open..block_end(code, open)];
        found.extend(
            words(group, item)
                .filter(|&inside| depth_at(group, inside) == 1 && starts_path(group, inside))
                .map(|inside| open + inside),
        );
    }
    found.sort_unstable();
    found
}

fn starts_path(group: &str, at: usize) -> bool {
    group[..at].trim_end().ends_with(['{', ','])
}

fn depth_at(code: &str, at: usize) -> i32 {
    code[..at]
        .bytes()
        .fold(0, |depth, byte| depth + i32::from(byte == b'{') - i32::from(byte == b'}'))
}

/// Returns the offset behind the brace that closes the one at `open`.
pub fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        depth += i32::from(byte == b'{') - i32::from(byte == b'}');
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Returns each function with a body: name, first line, and number of lines.
pub fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for at in words(code, "fn") {
        let name: String = code[at + 2..]
            .trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if name.is_empty() {
            continue; // a function type
        }
        if let Some(open) = body_start(code, at) {
            let (first, last) = (line_of(code, at), line_of(code, block_end(code, open) - 1));
            found.push((name, first, last - first + 1));
        }
    }
    found
}

/// Returns the offset of the body's opening brace, or `None` for a declaration. The `;` of `[u8; 4]` in a
/// signature is skipped.
fn body_start(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0;
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(offset),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[test]
fn literals_and_comments_are_blanked_and_the_rest_stays() {
    let cases = [
        ("let a = \"{\\\"}\"; // }", "let a =       ;     "),
        ("r#\"{\"}\"# + br\"\\\" x", "         +       x"),
        ("'{' '\\'' '\u{e4}' 'a: &'static str", "              'a: &'static str"),
        ("a /* { /* } */ } */ b", "a                   b"),
        ("for x in y { r#type }", "for x in y { r#type }"),
    ];
    for (text, expected) in cases {
        let code = code_of(text);
        assert_eq!((code.as_str(), code.len()), (expected, text.len()), "{text}");
    }
    assert_eq!(code_of("\"a\nb\"\nc").lines().count(), 3);
}

#[test]
fn a_crate_is_distinguished_from_a_word_that_contains_it() {
    for uses in [
        "ort::init()",
        "use ort;",
        "use ort as o;",
        "extern crate ort;",
        "use {std::io, ort::Session}",
        "-> ::ort::Value",
    ] {
        assert_eq!(crate_uses(uses, "ort").len(), 1, "{uses}");
    }
    for other in [
        "sort::by()",
        "use ortho;",
        "let ort = 1;",
        "crate::ort::x()",
        "a.ort()",
        "use crate::runtime::ort;",
    ] {
        assert!(crate_uses(other, "ort").is_empty(), "{other}");
    }
}

#[test]
fn a_path_is_found_alone_and_in_a_group() {
    for uses in [
        "std::env::var(\"A\")",
        "use std::{env, fs};",
        "use std::{fs, env::args};",
        "use std::{io::{self, Read}, env};",
    ] {
        assert_eq!(path_uses(uses, "std", "env").len(), 1, "{uses}");
    }
    for other in
        ["std::environment()", "use std::{fs, io::env};", "use other::{env};", "std::fs::env()"]
    {
        assert!(path_uses(other, "std", "env").is_empty(), "{other}");
    }
}

#[test]
fn functions_are_measured_from_signature_to_closing_brace() {
    let code =
        "fn a(x: [u8; 2])\n-> u8 {\n  { }\n}\ntrait T { fn b(); fn c() {} }\ntype F = fn(u8);";
    let expected = [("a".to_owned(), 1, 4), ("c".to_owned(), 5, 1)];
    assert_eq!(functions(code), expected);
}
