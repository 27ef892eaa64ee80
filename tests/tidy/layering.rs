//! The rules on who may use what: each crate in its room, and each room's absences.
//!
//! A place ends in `/` for a folder, in `.rs` for a file, and otherwise stands for both.

use crate::source::{breach, code_of, crate_uses, line_of, path_uses, words};

/// Crates, and the only places that may name them. Every other source is checked, tests too.
const ONLY_USERS: [(&str, &[&str]); 12] = [
    ("ort", &["engine/src/runtime"]),
    ("rocksdb", &["engine/src/store/rocks.rs"]),
    ("aes_gcm", &["engine/src/crypto"]),
    ("hkdf", &["engine/src/crypto"]),
    ("ed25519_dalek", &["engine/src/crypto"]),
    ("aws_sdk_s3", &["engine/src/place/s3"]),
    ("aws_smithy_http_client", &["engine/src/place/s3"]),
    ("hnsw_rs", &["engine/src/index/"]),
    ("turbojpeg", &["engine/src/decode", "engine/src/derive.rs", "tests/src/"]),
    ("image", &["engine/src/decode", "server/src/cli/sheet", "tests/src/pictures.rs"]),
    (
        "prost",
        &[
            "engine/src/models/",
            "engine/src/backup/manifest.rs",
            "engine/src/store/record.rs",
            "engine/src/store/guests.rs",
            "engine/src/people/note.rs",
            "engine/src/store/state.rs",
            "engine/src/crypto/entry.rs",
        ],
    ),
    // The engine's errors are one enum; only the programs around it may erase types.
    ("anyhow", &["server/src/", "benches/src/", "tests/"]),
];

/// A path's root and the item below it: `std::env`.
type Name = (&'static str, &'static str);

/// Places, the paths that they never name, and why.
const ABSENCES: [(&str, &[Name], &str); 5] = [
    ("engine/src/", &[("std", "env")], "the engine never reads the environment"),
    (
        "engine/src/index/",
        &[("crate", "store"), ("crate", "crypto"), ("super", "store"), ("super", "crypto")],
        "the index knows no store and no crypto",
    ),
    ("engine/src/matcher", PURE, "the matcher is pure"),
    ("engine/src/align", PURE, "alignment is pure"),
    ("engine/src/quality", PURE, "quality is pure"),
];
const PURE: &[Name] = &[("std", "fs"), ("std", "io")];
/// What bears a forbidden name and is harmless: constants of the compiler's target.
const HARMLESS: &str = "env::consts";

/// Files that may hold `unsafe`, each with the reason why safe Rust does not do.
const UNSAFE_FILES: [(&str, &str); 2] = [
    ("engine/src/index/kernels.rs", "SIMD intrinsics"),
    ("engine/src/crypto/secret.rs", "memory that is locked and not dumped"),
];
/// A SAFETY comment starts at most this many lines above its block.
const SAFETY_LINES: usize = 3;

fn is_at(path: &str, place: &str) -> bool {
    match path.strip_prefix(place) {
        Some(rest) => {
            place.ends_with('/') || rest.is_empty() || rest == ".rs" || rest.starts_with('/')
        }
        None => false,
    }
}

pub fn only_users(path: &str, text: &str) -> Vec<String> {
    let code = code_of(text);
    let strangers =
        ONLY_USERS.iter().filter(|(_, places)| !places.iter().any(|place| is_at(path, place)));
    let report = |(name, places): &(&str, &[&str])| -> Vec<String> {
        let what = format!("{name} may be used only in {}", places.join(", "));
        crate_uses(&code, name)
            .into_iter()
            .map(|at| breach(path, line_of(text, at), &what))
            .collect()
    };
    strangers.flat_map(report).collect()
}

pub fn absences(path: &str, text: &str) -> Vec<String> {
    let code = code_of(text);
    let harmful = |&at: &usize| !code[at..].trim_start_matches("std::").starts_with(HARMLESS);
    let mut found = Vec::new();
    for (_, forbidden, why) in ABSENCES.iter().filter(|(place, ..)| is_at(path, place)) {
        for (root, item) in *forbidden {
            let what = format!("{root}::{item}: {why}");
            let uses = path_uses(&code, root, item).into_iter().filter(harmful);
            found.extend(uses.map(|at| breach(path, line_of(text, at), &what)));
        }
    }
    found
}

/// The engine returns what it has to say; only a program writes to a terminal.
pub fn silence(path: &str, text: &str) -> Vec<String> {
    if !is_at(path, "engine/src/") {
        return Vec::new();
    }
    let code = code_of(text);
    let prints = ["println!", "print!", "eprintln!", "eprint!"];
    let report = |name: &&'static str| -> Vec<String> {
        words(&code, name)
            .map(|at| breach(path, line_of(text, at), &format!("{name} in the engine")))
            .collect()
    };
    prints.iter().flat_map(report).collect()
}

pub fn unsafe_code(path: &str, text: &str) -> Vec<String> {
    let code = code_of(text);
    let lines: Vec<&str> = text.lines().collect();
    let allowed = UNSAFE_FILES.iter().any(|(file, _)| path == *file);
    let mut found = Vec::new();
    for at in words(&code, "unsafe") {
        let line = line_of(text, at);
        if !allowed {
            found.push(breach(path, line, "unsafe outside the files that UNSAFE_FILES lists"));
        } else if !is_justified(&lines, line - 1) {
            found.push(breach(
                path,
                line,
                &format!("unsafe without a SAFETY: comment within {SAFETY_LINES} lines above"),
            ));
        }
    }
    found
}

/// A function may say `# Safety` to its callers in its documentation, however long that is.
fn is_justified(lines: &[&str], line: usize) -> bool {
    let is_comment = |text: &&&str| text.trim_start().starts_with("//");
    let near = lines[line.saturating_sub(SAFETY_LINES)..line]
        .iter()
        .filter(is_comment)
        .any(|text| text.contains("SAFETY:"));
    let above =
        lines[..line].iter().rev().take_while(|text| text.trim_start().starts_with(['/', '#']));
    near || lines[line].contains("unsafe fn")
        && above.filter(is_comment).any(|text| text.contains("# Safety"))
}

#[test]
fn a_crate_outside_its_room_is_caught() {
    for (name, places) in ONLY_USERS {
        let text =
            format!("//! Never.\nuse {name}::Thing;\nfn f() {{ {name}::g() }} // {name}::h\n");
        let found = only_users("engine/src/stranger.rs", &text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("engine/src/stranger.rs:2: ") && found[1].contains(":3: "),
            "{found:?}"
        );
        let home = places[0].strip_suffix(".rs").unwrap_or(places[0]).trim_end_matches('/');
        let home =
            if places[0].ends_with('/') { format!("{home}/a.rs") } else { format!("{home}.rs") };
        assert_eq!(only_users(&home, &text), [""; 0]);
    }
}

#[test]
fn a_place_is_told_from_its_neighbours() {
    assert!(
        is_at("engine/src/decode.rs", "engine/src/decode")
            && is_at("engine/src/decode/jpeg.rs", "engine/src/decode")
    );
    assert!(
        !is_at("engine/src/decoder.rs", "engine/src/decode")
            && !is_at("engine/src/index.rs", "engine/src/index/")
    );
}

#[test]
fn a_broken_absence_is_caught() {
    for (path, bad) in [
        ("engine/src/config.rs", "\nuse std::{env, fs};"),
        ("engine/src/config.rs", "\nlet a = std::env::var(\"A\");"),
        ("engine/src/index/exact.rs", "\nuse crate::store::Store;"),
        ("engine/src/index/mod.rs", "\nuse crate::{crypto, ids};"),
        ("engine/src/matcher.rs", "\nuse std::fs;"),
        ("engine/src/align.rs", "\nuse std::io::Read;"),
        ("engine/src/quality.rs", "\nuse std::{fmt, io};"),
    ] {
        let found = absences(path, bad);
        assert_eq!(found.len(), 1, "{path} {bad}");
        assert!(found[0].starts_with(&format!("{path}:2: ")), "{found:?}");
    }
    assert_eq!(absences("engine/src/index/mod.rs", "// crate::store\nuse crate::ids;"), [""; 0]);
    assert_eq!(absences("server/src/main.rs", "use std::env;"), [""; 0]);
    let harmless = "use std::{env::consts::ARCH, fs};\nlet os = std::env::consts::OS;";
    assert_eq!(absences("engine/src/manifest.rs", harmless), [""; 0]);
}

#[test]
fn a_printing_engine_is_caught() {
    for name in ["println", "print", "eprintln", "eprint"] {
        let bad = format!("\nfn f() {{ {name}!(\"a\") }}");
        assert_eq!(silence("engine/src/a.rs", &bad).len(), 1, "{name}");
        assert_eq!(silence("server/src/main.rs", &bad), [""; 0]);
    }
    assert_eq!(silence("engine/src/a.rs", "// println!(\n"), [""; 0]);
}

#[test]
fn unlisted_and_unexplained_unsafe_is_caught() {
    let (kernels, _) = UNSAFE_FILES[0];
    let block = "fn f() { unsafe { g() } }\n";
    assert_eq!(
        unsafe_code("engine/src/a.rs", &format!("// SAFETY: g is sound.\n{block}")).len(),
        1
    );
    assert_eq!(unsafe_code(kernels, &format!("// SAFETY: g is sound.\n\n\n\n{block}")).len(), 1);
    assert_eq!(unsafe_code(kernels, &format!("/// # Safety\n{block}")).len(), 1);
    assert_eq!(
        unsafe_code(kernels, &format!("// SAFETY: g is sound,\n// always.\n{block}")),
        [""; 0]
    );
    let function = "/// # Safety\n///\n/// AVX2.\n/// Long.\n#[target_feature(enable = \"avx2\")]\nunsafe fn f() {}";
    assert_eq!(unsafe_code(kernels, function), [""; 0]);
    assert_eq!(unsafe_code("engine/src/a.rs", "// unsafe\nlet a = \"unsafe\";"), [""; 0]);
}
