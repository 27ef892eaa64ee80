//! Rules on dependencies: which files may use a crate, and which paths a module must not use. A place that
//! ends in `/` is a folder, one that ends in `.rs` a file; any other matches both.

use crate::source::{breach, code_of, crate_uses, line_of, path_uses, words};

/// Crates, and the only places that may use them. All other sources are checked, including tests.
const ONLY_USERS: [(&str, &[&str]); 12] = [
    ("ort", &["engine/src/models/runtime"]),
    ("rocksdb", &["engine/src/store/rocks.rs"]),
    ("aes_gcm", &["engine/src/crypto"]),
    ("hkdf", &["engine/src/crypto"]),
    ("ed25519_dalek", &["engine/src/crypto"]),
    ("aws_sdk_s3", &["engine/src/object_store/s3"]),
    ("aws_smithy_http_client", &["engine/src/object_store/s3"]),
    ("hnsw_rs", &["engine/src/index/"]),
    ("turbojpeg", &["engine/src/decode", "engine/src/encode.rs", "tests/src/"]),
    ("image", &["engine/src/decode", "server/src/cli/contact_sheet", "tests/src/pictures.rs"]),
    (
        "prost",
        &[
            "engine/src/models/",
            "engine/src/backup/manifest.rs",
            "engine/src/store/record.rs",
            "engine/src/store/guests.rs",
            "engine/src/people/corrections_codec.rs",
            "engine/src/store/recovery_state.rs",
            "engine/src/store/suppressions.rs",
            "engine/src/crypto/entry.rs",
        ],
    ),
    // The engine's errors are one enum; only the programs may use type-erased errors.
    ("anyhow", &["server/src/", "benches/src/", "tests/"]),
];

/// A path's root and the item below it: `("std", "env")` for `std::env`.
type Name = (&'static str, &'static str);

/// Places, the paths that they must not use, and the reason.
const ABSENCES: [(&str, &[Name], &str); 5] = [
    ("engine/src/", &[("std", "env")], "the engine never reads the environment"),
    (
        "engine/src/index/",
        &[("crate", "store"), ("crate", "crypto"), ("super", "store"), ("super", "crypto")],
        "the index must not depend on store or crypto",
    ),
    ("engine/src/matcher", PURE, "the matcher is pure"),
    ("engine/src/align", PURE, "alignment is pure"),
    ("engine/src/quality", PURE, "quality is pure"),
];
const PURE: &[Name] = &[("std", "fs"), ("std", "io")];
/// Exception to the forbidden paths: constants of the compilation target.
const HARMLESS: &str = "env::consts";

/// Files that may contain `unsafe`, each with the reason why safe Rust is not sufficient.
const UNSAFE_FILES: [(&str, &str); 4] = [
    ("engine/src/index/kernels.rs", "SIMD intrinsics"),
    ("engine/src/crypto/secret.rs", "memory that is locked and not dumped"),
    ("server/src/infra/telemetry/memory.rs", "settings of the allocator"),
    (
        "server/src/infra/freed_memory.rs",
        "the C library's allocation functions, to overwrite freed memory",
    ),
];
/// Maximum distance of a SAFETY comment above its block, lines.
const SAFETY_LINES: usize = 3;

fn is_at(path: &str, place: &str) -> bool {
    match path.strip_prefix(place) {
        Some(rest) => {
            place.ends_with('/') || rest.is_empty() || rest == ".rs" || rest.starts_with('/')
        }
        None => false,
    }
}

/// Reports uses of the crates in `ONLY_USERS` outside their places.
pub fn only_users(path: &str, text: &str) -> Vec<String> {
    let code = code_of(text);
    let others =
        ONLY_USERS.iter().filter(|(_, places)| !places.iter().any(|place| is_at(path, place)));
    let report = |(name, places): &(&str, &[&str])| -> Vec<String> {
        let what = format!("{name} may be used only in {}", places.join(", "));
        crate_uses(&code, name)
            .into_iter()
            .map(|at| breach(path, line_of(text, at), &what))
            .collect()
    };
    others.flat_map(report).collect()
}

/// Reports paths that `ABSENCES` forbids in a source.
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

/// Reports print macros in the engine: it returns its messages, and only the programs write to a terminal.
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

/// Reports `unsafe` in files that `UNSAFE_FILES` does not list, and `unsafe` without a SAFETY comment.
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

/// Returns whether the `unsafe` in a line has a SAFETY comment, or is a function with a `# Safety` section in
/// its documentation, which may be of any length.
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
fn a_crate_outside_its_places_is_caught() {
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
fn a_place_does_not_match_paths_with_a_similar_name() {
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
fn a_forbidden_path_is_caught() {
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
    assert_eq!(absences("engine/src/models/manifest.rs", harmless), [""; 0]);
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
