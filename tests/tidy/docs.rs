//! Rules for files that are not Rust sources: links, named files and tests, the map of the modules, file
//! sizes, Cargo manifests. Reads Markdown and TOML line by line, as far as these rules need.

use crate::source::{breach, is_word};

pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Returns the relative links of a Markdown file whose targets do not exist. `exists` receives paths from the
/// root.
pub fn links(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    let mut fenced = false;
    for (line, content) in text.lines().enumerate() {
        fenced ^= content.trim_start().starts_with("```");
        for target in if fenced { Vec::new() } else { link_targets(content) } {
            let file = target.split('#').next().unwrap_or("").replace("%20", " ");
            if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            if !resolve(folder, &file).is_some_and(|file| exists(&file)) {
                found.push(breach(
                    path,
                    line + 1,
                    &format!("the target of the link '{target}' does not exist"),
                ));
            }
        }
    }
    found
}

/// Returns the targets of `[text](target "title")` and of `[label]: target` outside of inline code.
fn link_targets(line: &str) -> Vec<String> {
    let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let mut targets: Vec<&str> =
        prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    if prose.starts_with('[') && !prose.starts_with("[^") {
        targets.extend(prose.split_once("]: ").map(|(_, target)| target));
    }
    let bare = |target: &str| match target.trim().strip_prefix('<') {
        Some(inner) => inner.split('>').next().unwrap_or("").to_owned(),
        None => target.split_whitespace().next().unwrap_or("").to_owned(),
    };
    targets.into_iter().map(bare).collect()
}

/// Returns `file`, relative to `folder`, as a path from the root; `None` if it leaves the root.
fn resolve(folder: &str, file: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Folders whose files and tests a document names in backticks.
const ROOTS: [&str; 5] = ["server/", "engine/", "tests/", "benches/", "models/"];

/// Returns the files and tests that a document names in backticks and that do not exist. A path from the root
/// must exist; in "`path`: `one`, `other` and `third`", the names must be functions of that file. `read`
/// receives paths from the root and returns the text of a file, or an empty text for a folder.
pub fn evidence(path: &str, text: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (line, content) in text.lines().enumerate() {
        let mut report = |reason: String| found.push(breach(path, line + 1, &reason));
        let mut file: Option<(&str, String)> = None;
        let mut joints: &[&str] = &[];
        let parts: Vec<&str> = content.split('`').collect();
        for [between, span] in parts.as_chunks::<2>().0 {
            if ROOTS.iter().any(|root| span.starts_with(root)) {
                file = read(span).map(|source| (*span, source));
                joints = &[": "];
                if file.is_none() {
                    report(format!("the file '{span}' does not exist"));
                }
                continue;
            }
            file = file.filter(|_| joints.contains(between));
            joints = &[", ", " and "];
            if let Some((name, source)) = &file
                && !source.contains(&format!("fn {span}("))
            {
                report(format!("{name} has no function '{span}'"));
            }
        }
    }
    found
}

/// Checks that ARCHITECTURE.md names a module, as `name.rs`, `name/` or `name` in backticks.
pub fn module_is_named(module: &str, architecture: &str) -> Vec<String> {
    let name = module.rsplit('/').next().unwrap_or(module);
    let stem = name.strip_suffix(".rs").unwrap_or(name);
    let names = [format!("{stem}.rs"), format!("{stem}/"), format!("`{stem}`")];
    let named = |name: &String| {
        architecture
            .match_indices(name.as_str())
            .any(|(at, _)| at == 0 || !is_word(architecture.as_bytes()[at - 1]))
    };
    if names.iter().any(named) {
        return Vec::new();
    }
    vec![breach("ARCHITECTURE.md", 1, &format!("expected a line on {module}, received none"))]
}

/// Reports model weights, which are fetched and checked by their hash, and files above `FILE_BYTES_MAX`.
pub fn file_size(path: &str, bytes: u64) -> Vec<String> {
    let weights = path
        .to_lowercase()
        .ends_with(".onnx")
        .then(|| breach(path, 1, "model weights are fetched, never committed"));
    let big = (bytes > FILE_BYTES_MAX).then(|| {
        breach(path, 1, &format!("expected {FILE_BYTES_MAX} bytes or fewer, received {bytes}"))
    });
    weights.into_iter().chain(big).collect()
}

/// A dependency of a Cargo manifest.
struct Dependency<'a> {
    line: usize,
    name: &'a str,
    value: &'a str,
}

/// Returns the entries of the tables whose name ends in `dependencies`. A value extends to the end of its
/// line.
fn dependencies(text: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let (mut inside, mut depth) = (false, 0);
    for (line, content) in text.lines().enumerate() {
        let content = content.split(" #").next().unwrap_or("").trim();
        if depth == 0 && content.starts_with('[') {
            let table = content.trim_matches(['[', ']']);
            inside = table.ends_with("dependencies");
            if let Some((_, name)) = table.split_once("dependencies.") {
                found.push(Dependency { line: line + 1, name, value: "a table of its own" });
            }
            continue;
        }
        if let (true, 0, Some((key, value))) = (inside, depth, content.split_once('=')) {
            let key = key.trim();
            let (name, value) =
                key.split_once('.').map_or((key, value.trim()), |(name, _)| (name, key));
            found.push(Dependency { line: line + 1, name, value });
        }
        depth +=
            content.matches(['[', '{']).count() as i32 - content.matches([']', '}']).count() as i32;
    }
    found
}

/// Reports dependencies of a member that are not inherited from the workspace in one line.
pub fn member_manifest(path: &str, text: &str) -> Vec<String> {
    let from_workspace = |dependency: &Dependency| {
        let value: String = dependency.value.split_whitespace().collect();
        value.ends_with(".workspace") || value.starts_with("{workspace=true")
    };
    let others = dependencies(text).into_iter().filter(|dependency| !from_workspace(dependency));
    others
        .map(|it| breach(path, it.line, &format!("{}: expected workspace = true", it.name)))
        .collect()
}

/// Reports workspace dependencies that no member uses, or whose reason is not in docs/dependencies.md.
pub fn workspace_manifest(text: &str, members: &[String], reasons: &str) -> Vec<String> {
    let used: Vec<&str> =
        members.iter().flat_map(|member| dependencies(member)).map(|it| it.name).collect();
    let mut found = Vec::new();
    for Dependency { line, name, value } in dependencies(text) {
        if !used.contains(&name) {
            found.push(breach("Cargo.toml", line, &format!("no member uses {name}")));
        }
        if !value.contains("path =") && !reasons.contains(&format!("`{name}`")) {
            found.push(breach(
                "Cargo.toml",
                line,
                &format!("docs/dependencies.md does not explain the dependency `{name}`"),
            ));
        }
    }
    found
}

#[test]
fn a_dead_link_is_caught() {
    let exists = |path: &str| ["docs/a.md", "engine/src", "b c.md"].contains(&path);
    let good = "[a](a.md) ![b](../b%20c.md \"B\") [s](../engine/src/#top) [w](https://x.org/y) [h](#here) `[x](y)`\n[r]: <a.md>\n[^1]: A note.\n```\n[z](z)\n```";
    assert_eq!(links("docs/m.md", good, exists), [""; 0]);
    for bad in [
        "\nsee [a](b.md)",
        "\n[a](../a.md)",
        "\n[r]: gone.md",
        "\n[a](a.md) [b](../../../etc)",
        "\n[a](https.md#x)",
    ] {
        let found = links("docs/m.md", bad, exists);
        assert_eq!(found.len(), 1, "{bad}");
        assert!(found[0].starts_with("docs/m.md:2: "), "{found:?}");
    }
}

#[test]
fn a_file_or_a_test_that_does_not_exist_is_caught() {
    let read = |path: &str| match path {
        "tests/a.rs" => Some("#[test]\nfn one() {}\npub fn two(service: Service) {}".to_owned()),
        "engine/src/" => Some(String::new()),
        _ => None,
    };
    for good in [
        "| `tests/a.rs`: `one`, `two`; `sign_in` | a word, `none` |",
        "`tests/a.rs`: `one` and `two` (`engine/src/`), `none`: `none`",
        "`docker/none`, `none.rs`, `tests/a.rs` and `none`",
    ] {
        assert_eq!(evidence("docs/m.md", good, read), [""; 0], "{good}");
    }
    for bad in [
        "\n`tests/gone.rs`: `one`",
        "\n`engine/src/gone/`",
        "\n`tests/a.rs`: `gone`",
        "\n`engine/src/`, `tests/a.rs`: `one`, `gone`",
        "\n`tests/a.rs`: `two` and `gone`",
        "\n`tests/a.rs`: `on`",
    ] {
        let found = evidence("docs/m.md", bad, read);
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
        assert!(found[0].starts_with("docs/m.md:2: "), "{found:?}");
    }
}

#[test]
fn a_module_missing_from_the_map_is_caught() {
    for named in ["`index.rs`", "index/ finds", "the `index` finds", "├── index.rs"] {
        assert_eq!(module_is_named("engine/src/index.rs", named), [""; 0], "{named}");
    }
    for silent in ["", "the index finds", "reindex.rs", "`indexes`"] {
        assert_eq!(module_is_named("engine/src/index", silent).len(), 1, "{silent}");
    }
}

#[test]
fn big_files_and_weights_are_caught() {
    assert_eq!(file_size("tests/fixtures/a.bin", FILE_BYTES_MAX), [""; 0]);
    assert_eq!(file_size("tests/fixtures/a.bin", FILE_BYTES_MAX + 1).len(), 1);
    assert_eq!(file_size("models/a.ONNX", 1).len(), 1);
}

#[test]
fn a_member_with_its_own_version_is_caught() {
    let good = "[package]\nversion = \"1\"\n[dependencies]\na.workspace = true # why\nb = { workspace = true, features = [\n  \"c\",\n] }\n";
    assert_eq!(member_manifest("m/Cargo.toml", good), [""; 0]);
    for bad in [
        "[dependencies]\na = \"1\"",
        "[dev-dependencies]\na = { version = \"1\" }",
        "[target.'cfg(unix)'.build-dependencies]\na = { path = \"a\" }",
        "\n[dependencies.a]\nversion = \"1\"",
    ] {
        let found = member_manifest("m/Cargo.toml", bad);
        assert_eq!(found.len(), 1, "{bad}");
        assert!(found[0].starts_with("m/Cargo.toml:2: a: "), "{found:?}");
    }
}

#[test]
fn an_unused_or_unexplained_dependency_is_caught() {
    let workspace = "[workspace.dependencies]\nown = { path = \"own\" }\na-b = \"1\"\nc = { version = \"2\", features = [\"d\"] }\n";
    let member = "[dependencies]\nown.workspace = true\na-b.workspace = true\nc.workspace = true\n"
        .to_owned();
    assert_eq!(workspace_manifest(workspace, std::slice::from_ref(&member), "`a-b`, `c`"), [""; 0]);
    assert_eq!(
        workspace_manifest(workspace, &[member], "`a-b`, c"),
        ["Cargo.toml:4: docs/dependencies.md does not explain the dependency `c`"]
    );
    let less =
        "[dependencies]\nown.workspace = true\n[dev-dependencies]\nc.workspace = true\n".to_owned();
    assert_eq!(
        workspace_manifest(workspace, &[less], "`a-b`, `c`"),
        ["Cargo.toml:3: no member uses a-b"]
    );
}
