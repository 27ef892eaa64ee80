//! Checks the house rules on this source tree, one test per rule. The rules are functions of a path and a
//! text in the modules below, each with a test that shows that it can fail; this file only reads the tree.

mod bounds;
mod deployment;
mod docs;
mod imports;
mod layering;
mod layers;
mod names;
mod prose;
mod shape;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

const MEMBERS: [&str; 4] = ["engine", "server", "benches", "tests"];
/// Markdown files that must exist. The links of all Markdown files are checked.
const DOCS_EXPECTED: [&str; 5] =
    ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"];
/// The document that names files and tests of the past, which may be gone.
const HISTORY: &str = "CHANGELOG.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("reading {path}: {error}"))
}

/// Returns the entries of a folder as paths from the root, sorted; none if the folder does not exist.
fn entries(folder: &str) -> Vec<String> {
    let Ok(listing) = fs::read_dir(root().join(folder)) else { return Vec::new() };
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry
            .unwrap_or_else(|error| panic!("listing {folder}: {error}"))
            .file_name()
            .to_string_lossy()
            .into_owned()
    };
    let mut paths: Vec<String> = listing
        .map(name)
        .map(|name| if folder.is_empty() { name } else { format!("{folder}/{name}") })
        .collect();
    paths.sort();
    paths
}

/// Returns all files below `folder`, without `.git` and the folders that .gitignore lists.
fn files(folder: &str) -> Vec<String> {
    let ignored: Vec<String> = read(".gitignore")
        .lines()
        .filter_map(|line| Some(line.strip_prefix('/')?.trim_end_matches('/').to_owned()))
        .collect();
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for path in entries(&folder) {
            let Ok(kind) = fs::symlink_metadata(root().join(&path)) else { continue };
            if kind.is_dir() && path != ".git" && !ignored.contains(&path) {
                open.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns the path and text of every Rust source.
fn sources() -> Vec<(String, String)> {
    let paths: Vec<String> = MEMBERS.iter().flat_map(|member| files(member)).collect();
    let sources: Vec<(String, String)> = paths
        .into_iter()
        .filter(|path| path.ends_with(".rs"))
        .map(|path| (path.clone(), read(&path)))
        .collect();
    assert!(sources.len() >= 10, "expected the workspace's sources, received {}", sources.len());
    sources
}

/// Returns the sources below `folder`, with their paths relative to `folder`.
fn crate_sources(folder: &str) -> Vec<(String, String)> {
    let below =
        |(path, text): (String, String)| Some((path.strip_prefix(folder)?.to_owned(), text));
    sources().into_iter().filter_map(below).collect()
}

/// Checks every source against one rule.
fn check_sources(rule: fn(&str, &str) -> Vec<String>) {
    report(sources().iter().flat_map(|(path, text)| rule(path, text)).collect());
}

/// Fails the test with all `breaches`, if there are any.
fn report(breaches: Vec<String>) {
    assert!(
        breaches.is_empty(),
        "{} breaches of a house rule:\n{}",
        breaches.len(),
        breaches.join("\n")
    );
}

#[test]
fn no_file_is_too_long() {
    check_sources(shape::file_length);
}

#[test]
fn no_function_is_too_long() {
    check_sources(shape::function_length);
}

#[test]
fn no_marks_of_unfinished_work_are_left() {
    check_sources(shape::leftovers);
}

#[test]
fn the_median_file_is_short() {
    let lengths = sources()
        .iter()
        .filter(|(path, _)| shape::is_program(path))
        .map(|(_, text)| text.lines().count())
        .collect();
    let (received, below) = (shape::median(lengths), shape::MEDIAN_LINES_BELOW);
    assert!(received < below, "expected a median under {below} lines, received {received}");
}

#[test]
fn each_crate_is_used_only_in_its_places() {
    check_sources(layering::only_users);
}

#[test]
fn no_module_uses_a_forbidden_path() {
    check_sources(layering::absences);
}

#[test]
fn the_server_has_layers() {
    let files = crate_sources("server/src/");
    report(layers::SERVER.upward(&files));
    report(layers::SERVER.module_cycles(&files));
}

#[test]
fn the_engine_has_layers() {
    let files = crate_sources("engine/src/");
    report(layers::ENGINE.upward(&files));
    report(layers::ENGINE.module_cycles(&files));
}

#[test]
fn the_engine_prints_nothing() {
    check_sources(layering::silence);
}

#[test]
fn unsafe_is_listed_and_explained() {
    check_sources(layering::unsafe_code);
}

#[test]
fn long_answers_hold_places() {
    check_sources(bounds::places);
}

#[test]
fn throttles_are_no_counts_of_rows() {
    check_sources(bounds::throttles);
}

#[test]
fn each_kind_of_token_has_its_own_prefix() {
    let all: Vec<_> =
        sources().iter().flat_map(|(at, text)| names::token_prefixes(at, text)).collect();
    assert!(all.len() >= 8, "expected the service's tokens, received {all:?}");
    report(names::doubles(&all, true, "prefix"));
}

#[test]
fn no_two_types_share_a_schema() {
    let all: Vec<_> = sources().iter().flat_map(|(at, text)| names::schemas(at, text)).collect();
    assert!(all.len() >= 50, "expected the API's schemas, received {}", all.len());
    report(names::doubles(&all, false, "schema"));
}

#[test]
fn a_type_name_is_defined_in_at_most_two_files_of_a_crate() {
    for member in MEMBERS {
        let all: Vec<_> = sources()
            .iter()
            .filter(|(path, _)| path.starts_with(member))
            .flat_map(|(path, text)| names::types(path, text))
            .collect();
        report(names::overloaded(&all));
    }
}

#[test]
fn sentences_name_their_actors() {
    let is_prose =
        |path: &String| [".rs", ".md", ".js", ".mjs"].iter().any(|ending| path.ends_with(ending));
    let texts: Vec<_> =
        files("").into_iter().filter(is_prose).map(|path| (path.clone(), read(&path))).collect();
    report(texts.iter().flat_map(|(path, text)| prose::actors(path, text)).collect());
    report(texts.iter().flat_map(|(path, text)| prose::absences(path, text)).collect());
}

#[test]
fn every_link_has_a_target() {
    let documents: Vec<String> =
        files("").into_iter().filter(|path| path.ends_with(".md")).collect();
    for expected in DOCS_EXPECTED {
        assert!(documents.iter().any(|path| path == expected), "expected {expected}");
    }
    report(
        documents
            .iter()
            .flat_map(|path| docs::links(path, &read(path), |target| root().join(target).exists()))
            .collect(),
    );
}

#[test]
fn named_files_and_tests_exist() {
    let text = |path: &str| {
        let at = root().join(path);
        if at.is_dir() { Some(String::new()) } else { fs::read_to_string(at).ok() }
    };
    let is_present = |path: &String| path.ends_with(".md") && path != HISTORY;
    let documents = files("").into_iter().filter(is_present);
    report(documents.flat_map(|path| docs::evidence(&path, &read(&path), text)).collect());
}

#[test]
fn the_map_names_every_module() {
    let map = read("ARCHITECTURE.md");
    report(
        ["engine/src", "server/src"]
            .iter()
            .flat_map(|folder| entries(folder))
            .flat_map(|module| docs::module_is_named(&module, &map))
            .collect(),
    );
}

#[test]
fn no_weights_and_no_big_files_are_kept() {
    let size = |path: &String| fs::metadata(root().join(path)).map_or(0, |file| file.len());
    report(files("").iter().flat_map(|path| docs::file_size(path, size(path))).collect());
}

#[test]
fn members_take_their_dependencies_from_the_workspace() {
    let manifests = MEMBERS.map(|member| format!("{member}/Cargo.toml"));
    report(manifests.iter().flat_map(|path| docs::member_manifest(path, &read(path))).collect());
}

#[test]
fn every_dependency_is_used_and_explained() {
    let members = MEMBERS.map(|member| read(&format!("{member}/Cargo.toml")));
    report(docs::workspace_manifest(&read("Cargo.toml"), &members, &read("docs/dependencies.md")));
}

#[test]
fn the_deployment_limits_the_memory() {
    let path = |name: &str| format!("server/deploy/{name}");
    report(deployment::unit(&path("picpick.service"), &read(&path("picpick.service"))));
    report(deployment::compose(&path("compose.yaml"), &read(&path("compose.yaml"))));
}

#[test]
fn known_vulnerabilities_are_checked() {
    report(deployment::advisories("deny.toml", &read("deny.toml")));
    report(deployment::audit_target("Makefile", &read("Makefile")));
}

#[test]
fn images_are_named_by_digest() {
    let paths = ["Dockerfile", "compose.yaml"].map(|name| format!("server/deploy/{name}"));
    report(paths.iter().flat_map(|path| deployment::images(path, &read(path))).collect());
}
