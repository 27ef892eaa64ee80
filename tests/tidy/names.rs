use std::collections::BTreeMap;

use crate::source::{breach, code_of, line_of, words};

/// A name, the file that uses it, and the line.
pub type Named = (String, String, usize);

/// Returns the token prefixes of a source of the service. The prefix of a leaked token shows what it gives
/// access to, so each kind of token needs its own.
pub fn token_prefixes(path: &str, text: &str) -> Vec<Named> {
    // The tests of `new_token` itself use arbitrary prefixes.
    if !path.starts_with("server/src/") || path.ends_with("/ids.rs") {
        return Vec::new();
    }
    let begins = "new_token(\"";
    let prefix = |(at, _): (usize, &str)| {
        let rest = &text[at + begins.len()..];
        let prefix = &rest[..rest.find('"').unwrap_or(rest.len())];
        (prefix.to_owned(), path.to_owned(), line_of(text, at))
    };
    text.match_indices(begins).map(prefix).collect()
}

/// Returns the types of a source that are schemas of the API description. Schemas are identified by the
/// type's name alone, so of two types with one name, one would silently replace the other.
pub fn schemas(path: &str, text: &str) -> Vec<Named> {
    if !path.starts_with("server/src/") {
        return Vec::new();
    }
    let code = code_of(text);
    let mut found = Vec::new();
    for at in words(&code, "derive(") {
        let rest = &code[at..];
        let end = rest.find(')').unwrap_or(rest.len());
        if words(&rest[..end], "ToSchema").next().is_none() {
            continue;
        }
        let kinds = ["struct ", "enum "].map(|kind| rest.find(kind).map(|at| at + kind.len()));
        let Some(start) = kinds.into_iter().flatten().min() else { continue };
        let name = rest[start..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        found.push((name, path.to_owned(), line_of(text, at + start)));
    }
    found
}

/// Reports names that are used in two places. If `by_file`, several uses in one file count as one.
pub fn doubles(named: &[Named], by_file: bool, what: &str) -> Vec<String> {
    let mut first: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    let mut breaches = Vec::new();
    for (name, path, line) in named {
        let (there, at) = *first.entry(name).or_insert((path, *line));
        let same = there == path && (by_file || at == *line);
        if !same {
            let text = format!("the {what} '{name}' is also used at {there}:{at}");
            breaches.push(breach(path, *line, &text));
        }
    }
    breaches
}

/// Returns the structs, enums, traits, unions and type aliases that a source defines at any module level;
/// associated types of an `impl` are no definitions.
pub fn types(path: &str, text: &str) -> Vec<Named> {
    let code = code_of(text);
    let mut found = Vec::new();
    for keyword in ["struct", "enum", "trait", "union", "type"] {
        for at in words(&code, keyword) {
            let begins = code[..at].rfind('\n').map_or(0, |end| end + 1);
            let before = code[begins..at].trim_start();
            let indented = code[begins..at].starts_with(' ');
            if !(before.is_empty() || before.starts_with("pub")) || (keyword == "type" && indented)
            {
                continue;
            }
            let name: String = code[at + keyword.len()..]
                .trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if name.starts_with(|c: char| c.is_uppercase()) {
                found.push((name, path.to_owned(), line_of(text, at)));
            }
        }
    }
    found
}

/// Reports type names that more than two files define.
pub fn overloaded(named: &[Named]) -> Vec<String> {
    let mut places: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (name, path, line) in named {
        places.entry(name).or_default().entry(path).or_insert(*line);
    }
    let report = |(name, files): (&&str, &BTreeMap<&str, usize>)| {
        let (path, line) = files.iter().nth(2)?;
        let count = files.len();
        Some(breach(
            path,
            *line,
            &format!("{count} files define a type '{name}'; one name, one meaning"),
        ))
    };
    places.iter().filter_map(report).collect()
}

#[test]
fn a_prefix_of_two_files_is_caught() {
    let one = token_prefixes("server/src/a.rs", "new_token(\"ppx_\")?;\nnew_token(\"ppx_\")");
    assert_eq!(one.len(), 2);
    assert_eq!(doubles(&one, true, "prefix"), [""; 0]);
    let both = [one, token_prefixes("server/src/b.rs", "\nlet a = new_token(\"ppx_\");")].concat();
    let found = doubles(&both, true, "prefix");
    assert!(found.len() == 1 && found[0].starts_with("server/src/b.rs:2"), "{found:?}");
    assert!(token_prefixes("tests/a.rs", "new_token(\"ppx_\")").is_empty());
}

#[test]
fn a_schema_of_two_types_is_caught() {
    let one = "#[derive(Serialize, ToSchema)]\n/// enum of words\npub struct Photo {}\n#[derive(Clone)]\nstruct Other;";
    let found = schemas("server/src/a.rs", one);
    assert_eq!(found, [("Photo".to_owned(), "server/src/a.rs".to_owned(), 3)]);
    let same_file = format!("{one}\nmod b {{ #[derive(utoipa::ToSchema)] enum Photo {{ A }} }}");
    assert_eq!(doubles(&schemas("server/src/a.rs", &same_file), false, "schema").len(), 1);
    let both = [found, schemas("server/src/b.rs", one)].concat();
    assert_eq!(doubles(&both, false, "schema").len(), 1);
    assert!(schemas("server/src/a.rs", "#[derive(Clone)] struct A; // ToSchema").is_empty());
}

#[test]
fn a_name_of_three_types_is_caught() {
    let text = "pub struct Shown {}\nimpl A { type Shown = u8; }\nmod t { struct Inner; }";
    assert_eq!(types("a.rs", text).iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), ["Shown"]);
    let all: Vec<_> =
        ["a.rs", "b.rs", "c.rs"].iter().flat_map(|path| types(path, "struct Shown;")).collect();
    assert_eq!(overloaded(&all[..2]), [""; 0]);
    assert_eq!(overloaded(&all).len(), 1);
}
