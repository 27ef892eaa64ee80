//! The house rules, checked on the tree as it lies here: one test per rule.
//!
//! The rules are functions of a path and a text in `tidy/`, each with a test that shows it can
//! fail; this file only walks the tree and hands them what it finds. It builds nothing and needs no
//! network.

mod docs;
mod layering;
mod names;
mod shape;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

const MEMBERS: [&str; 4] = ["engine", "server", "benches", "tests"];
/// Markdown whose links are checked; these two must be there.
const PAPERS_EXPECTED: [&str; 2] = ["ARCHITECTURE.md", "README.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("reading {path}: {error}"))
}

/// The entries of a folder, sorted, as paths from the root; none where there is no such folder.
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

/// All files below `folder`, without Git's own and the folders that .gitignore names.
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

/// Every Rust source with its text.
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

/// Holds every source to one rule and reports all breaches together.
fn hold(rule: fn(&str, &str) -> Vec<String>) {
    settle(sources().iter().flat_map(|(path, text)| rule(path, text)).collect());
}

fn settle(breaches: Vec<String>) {
    assert!(
        breaches.is_empty(),
        "{} breaches of a house rule:\n{}",
        breaches.len(),
        breaches.join("\n")
    );
}

#[test]
fn no_file_is_too_long() {
    hold(shape::file_length);
}

#[test]
fn no_function_is_too_long() {
    hold(shape::function_length);
}

#[test]
fn nothing_is_left_behind() {
    hold(shape::leftovers);
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
fn each_crate_stays_in_its_room() {
    hold(layering::only_users);
}

#[test]
fn each_room_keeps_its_absences() {
    hold(layering::absences);
}

#[test]
fn the_engine_prints_nothing() {
    hold(layering::silence);
}

#[test]
fn unsafe_is_listed_and_explained() {
    hold(layering::unsafe_code);
}

#[test]
fn a_token_tells_what_it_opens() {
    let all: Vec<_> =
        sources().iter().flat_map(|(at, text)| names::token_prefixes(at, text)).collect();
    assert!(all.len() >= 8, "expected the service's tokens, received {all:?}");
    settle(names::doubles(&all, true, "prefix"));
}

#[test]
fn no_two_types_share_a_schema() {
    let all: Vec<_> = sources().iter().flat_map(|(at, text)| names::schemas(at, text)).collect();
    assert!(all.len() >= 50, "expected the API's schemas, received {}", all.len());
    settle(names::doubles(&all, false, "schema"));
}

#[test]
fn every_link_leads_somewhere() {
    let mut papers: Vec<String> = PAPERS_EXPECTED.map(str::to_owned).to_vec();
    papers.extend(
        ["models", "docs"]
            .iter()
            .flat_map(|folder| entries(folder))
            .filter(|path| path.ends_with(".md")),
    );
    settle(
        papers
            .iter()
            .flat_map(|path| docs::links(path, &read(path), |target| root().join(target).exists()))
            .collect(),
    );
}

#[test]
fn the_map_names_every_room() {
    let map = read("ARCHITECTURE.md");
    settle(
        ["engine/src", "server/src"]
            .iter()
            .flat_map(|folder| entries(folder))
            .flat_map(|room| docs::room_is_named(&room, &map))
            .collect(),
    );
}

#[test]
fn no_weights_and_no_big_files_are_kept() {
    let size = |path: &String| fs::metadata(root().join(path)).map_or(0, |file| file.len());
    settle(files("").iter().flat_map(|path| docs::file_size(path, size(path))).collect());
}

#[test]
fn members_take_their_dependencies_from_the_workspace() {
    let manifests = MEMBERS.map(|member| format!("{member}/Cargo.toml"));
    settle(manifests.iter().flat_map(|path| docs::member_manifest(path, &read(path))).collect());
}

#[test]
fn every_dependency_is_used_and_explained() {
    let members = MEMBERS.map(|member| read(&format!("{member}/Cargo.toml")));
    settle(docs::workspace_manifest(&read("Cargo.toml"), &members, &read("ARCHITECTURE.md")));
}
