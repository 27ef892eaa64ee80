//! Resolves the imports of a crate's sources to modules of that crate. Works on text: macros are not
//! expanded, re-exports are not followed, and a path is an import of the longest module path that it names.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{code_of, line_of, words};

/// One import: `from` uses `to`, both file paths below the crate's source folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    pub from: String,
    pub line: usize,
    pub to: String,
}

/// Returns the module path of a file: `["a", "b"]` for `a/b.rs` and `a/b/mod.rs`; empty for `lib.rs`, the
/// root.
pub fn module_of(file: &str) -> Vec<String> {
    let mut parts: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    if matches!(parts.last(), Some(&("mod" | "lib" | "main"))) {
        parts.pop();
    }
    parts.into_iter().map(str::to_owned).collect()
}

/// Returns all imports between the files of one crate. `files`: path below the source folder, and text.
pub fn imports(files: &[(String, String)]) -> Vec<Import> {
    let library = files.iter().filter(|(file, _)| file != "main.rs");
    let modules: BTreeMap<Vec<String>, &str> =
        library.clone().map(|(file, _)| (module_of(file), file.as_str())).collect();
    let mut found = Vec::new();
    for (file, text) in library {
        let code = code_of(text);
        let own = module_of(file);
        for (at, path) in paths(&code, &own, &modules) {
            let Some(to) = longest(&path, &modules) else { continue };
            if to != file {
                let (from, to) = (file.clone(), to.to_owned());
                found.push(Import { from, line: line_of(text, at), to });
            }
        }
    }
    found
}

/// Returns the file of the longest module path that `path` begins with; `None` for the root.
fn longest<'a>(path: &[String], modules: &BTreeMap<Vec<String>, &'a str>) -> Option<&'a str> {
    (1..=path.len()).rev().find_map(|length| modules.get(&path[..length]).copied())
}

/// Returns the paths in `code`, from the crate's root, each with its offset.
fn paths(
    code: &str,
    own: &[String],
    modules: &BTreeMap<Vec<String>, &str>,
) -> Vec<(usize, Vec<String>)> {
    let inline = inline_modules(code);
    let depth_at = |at: usize| inline.iter().filter(|range| range.contains(&at)).count();
    let mut found = Vec::new();
    let mut add = |at: usize, path: Vec<String>, is_use: bool| {
        let depth = depth_at(at);
        if let Some(path) = absolute(&path, own, depth, is_use, modules) {
            found.push((at, path));
        }
    };
    let mut uses = Vec::new();
    for at in words(code, "use") {
        let end = code[at..].find(';').map_or(code.len(), |end| at + end);
        let mut leaves = BTreeSet::new();
        flatten(&code[at + 3..end], &mut Vec::new(), &mut leaves);
        leaves.into_iter().for_each(|leaf| add(at, leaf, true));
        uses.push(at..end);
    }
    for root in ["crate", "super", "self"] {
        for at in words(code, root).filter(|at| !uses.iter().any(|range| range.contains(at))) {
            if code[at + root.len()..].starts_with("::") && !code[..at].ends_with("::") {
                let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
                let path: String = code[at..].chars().take_while(|c| is_part(*c)).collect();
                add(at, path.split("::").map(str::to_owned).collect(), false);
            }
        }
    }
    found
}

/// Converts a path to a path from the crate's root; `None` if it leaves the crate.
fn absolute(
    path: &[String],
    own: &[String],
    depth: usize,
    is_use: bool,
    modules: &BTreeMap<Vec<String>, &str>,
) -> Option<Vec<String>> {
    let first = path.first()?.as_str();
    if first == "crate" {
        return Some(path[1..].to_vec());
    }
    let child = || [own, &path[..1]].concat();
    if !matches!(first, "super" | "self") {
        let is_child = is_use && depth == 0 && modules.contains_key(&child());
        return is_child.then(|| [own, path].concat());
    }
    let ups = path.iter().take_while(|part| *part == "super").count();
    let rest = path.iter().skip(ups.max(1)).cloned();
    // Inside an inline module, the first `super` is the file itself.
    let up = ups.saturating_sub(depth).min(own.len());
    Some(own[..own.len() - up].iter().cloned().chain(rest).collect())
}

/// Collects the leaves of a use tree, without aliases: `a::{b, c::d as e}` has `a::b` and `a::c::d`.
fn flatten(tree: &str, prefix: &mut Vec<String>, leaves: &mut BTreeSet<Vec<String>>) {
    let tree = tree.trim();
    let before = prefix.len();
    let (path, group) = match tree.find('{') {
        Some(open) => (&tree[..open], Some(tree[open + 1..].trim_end().trim_end_matches('}'))),
        None => (tree.split_whitespace().next().unwrap_or(""), None),
    };
    let parts = path.split("::").map(str::trim).filter(|part| !part.is_empty());
    prefix.extend(parts.map(str::to_owned));
    match group {
        Some(group) => split_top(group).into_iter().for_each(|part| flatten(part, prefix, leaves)),
        None if prefix.is_empty() => {}
        None => drop(leaves.insert(prefix.clone())),
    }
    prefix.truncate(before);
}

/// Splits at the commas outside of inner groups.
fn split_top(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// Returns the byte ranges of the inline modules.
fn inline_modules(code: &str) -> Vec<std::ops::Range<usize>> {
    let body = |at: usize| {
        let open = at + code[at..].find(['{', ';'])?;
        code[open..].starts_with('{').then(|| open..crate::source::block_end(code, open))
    };
    words(code, "mod").filter_map(body).collect()
}

/// Returns the strongly connected components with more than one node, sorted.
pub fn cycles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reach = |start: &str| {
        let mut seen = BTreeSet::new();
        let mut open = vec![start.to_owned()];
        while let Some(node) = open.pop() {
            for next in edges.get(&node).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> =
        edges.keys().map(|node| (node, reach(node))).collect();
    let mut found = BTreeSet::new();
    for (node, all) in &reached {
        let both = |other: &&String| reached.get(other).is_some_and(|back| back.contains(*node));
        let component: Vec<String> = all.iter().filter(both).cloned().collect();
        if component.len() > 1 {
            found.insert(component);
        }
    }
    found.into_iter().collect()
}

#[test]
fn imports_are_resolved_to_files() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\npub use b::c::D;"),
        ("a.rs", "use crate::b::{self, c::D as E};\nuse std::fs;\n// use crate::gone;"),
        ("b/mod.rs", "mod c;\nuse c::D;\nfn f() { crate::a::g() }"),
        ("b/c.rs", "use super::f;\nmod tests { use super::*; use super::super::f; }"),
    ]
    .map(|(file, text)| (file.to_owned(), text.to_owned()));
    let found: Vec<String> = imports(&files)
        .into_iter()
        .map(|import| format!("{}:{} {}", import.from, import.line, import.to))
        .collect();
    let expected = [
        "lib.rs:3 b/c.rs",
        "a.rs:1 b/c.rs",
        "a.rs:1 b/mod.rs",
        "b/mod.rs:2 b/c.rs",
        "b/mod.rs:3 a.rs",
        "b/c.rs:1 b/mod.rs",
        "b/c.rs:2 b/mod.rs",
    ];
    assert_eq!(found, expected);
}

#[test]
fn cycles_are_found_and_chains_are_not() {
    let edges = |list: &[(&str, &str)]| {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in list {
            edges.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        edges
    };
    assert!(cycles(&edges(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    assert_eq!(
        cycles(&edges(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")])),
        [["a", "b", "c"]]
    );
}
