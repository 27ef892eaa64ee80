//! Rules on the shape of a source file: length of the file and its functions, marks of unfinished work.

use crate::source::{breach, code_of, functions, line_of, words};

pub const FILE_LINES_MAX: usize = 500;
pub const FUNCTION_LINES_MAX: usize = 69;
/// Exclusive upper bound of the median length of all program files, lines.
pub const MEDIAN_LINES_BELOW: usize = 150;

/// Returns whether a source is part of a program; all other sources are tests.
pub fn is_program(path: &str) -> bool {
    let folders = ["engine/src/", "server/src/", "benches/src/"];
    let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
    !is_test && folders.iter().any(|folder| path.starts_with(folder))
}

pub fn file_length(path: &str, text: &str) -> Vec<String> {
    match text.lines().count() {
        lines if lines > FILE_LINES_MAX => vec![breach(
            path,
            lines,
            &format!("expected {FILE_LINES_MAX} lines or fewer, received {lines}"),
        )],
        _ => Vec::new(),
    }
}

pub fn function_length(path: &str, text: &str) -> Vec<String> {
    let long = |(name, line, lines): (String, usize, usize)| {
        (lines > FUNCTION_LINES_MAX).then(|| {
            breach(
                path,
                line,
                &format!(
                    "fn {name}: expected {FUNCTION_LINES_MAX} lines or fewer, received {lines}"
                ),
            )
        })
    };
    functions(&code_of(text)).into_iter().filter_map(long).collect()
}

/// Returns the upper median of file lengths in lines, 0 without files.
pub fn median(mut lengths: Vec<usize>) -> usize {
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied().unwrap_or(0)
}

/// Reports marks of unfinished work. The words are assembled with `concat!` so that this file does not
/// contain them.
pub fn leftovers(path: &str, text: &str) -> Vec<String> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let macros = [concat!("dbg", "!"), concat!("todo", "!"), concat!("unimplemented", "!")];
    let code = code_of(text);
    let in_text = marks.iter().flat_map(|mark| words(text, mark).map(move |at| (at, mark)));
    let in_code = macros.iter().flat_map(|name| words(&code, name).map(move |at| (at, name)));
    in_text
        .chain(in_code)
        .map(|(at, left)| breach(path, line_of(text, at), &format!("{left} is left behind")))
        .collect()
}

#[test]
fn a_long_file_is_caught() {
    assert_eq!(file_length("a.rs", &"\n".repeat(500)), [""; 0]);
    assert_eq!(file_length("a.rs", &"\n".repeat(501)).len(), 1);
}

#[test]
fn a_long_function_is_caught_and_braces_in_strings_do_not_hide_it() {
    let function = |lines: usize| {
        format!("\nfn f() {{\n{}}}\nfn g() {{}}", "let a = \"}\"; // }\n".repeat(lines - 2))
    };
    assert_eq!(function_length("a.rs", &function(69)), [""; 0]);
    assert_eq!(
        function_length("a.rs", &function(70)),
        ["a.rs:2: fn f: expected 69 lines or fewer, received 70"]
    );
}

#[test]
fn the_median_is_the_upper_one() {
    assert_eq!(
        [median(vec![]), median(vec![9]), median(vec![200, 1]), median(vec![3, 1, 2])],
        [0, 9, 200, 2]
    );
}

#[test]
fn leftovers_are_caught() {
    for bad in [
        concat!("\n// TO", "DO: later"),
        concat!("\n/* FIX", "ME */"),
        concat!("\nfn f() { todo", "!() }"),
        concat!("\ndbg", "!(x);"),
    ] {
        let found = leftovers("a.rs", bad);
        assert_eq!(found.len(), 1, "{bad}");
        assert!(found[0].starts_with("a.rs:2: "), "{found:?}");
    }
    assert_eq!(leftovers("a.rs", "let todos = \"dbg!\"; // mastodon"), [""; 0]);
}
