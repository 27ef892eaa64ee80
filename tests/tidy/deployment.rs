//! Rules for the files of the deployment and of the supply chain: limits of memory, known vulnerabilities, base
//! images. Reads them line by line.

use crate::source::breach;

/// Settings of the systemd unit: the service is ended before it takes the memory of others, and is never swapped
/// out, because pictures and templates are in memory that is not locked.
const UNIT: [&str; 4] = ["MemoryHigh=", "MemoryMax=", "MemorySwapMax=0", "LimitCORE=0"];

/// Returns the settings of [`UNIT`] that the systemd unit lacks, and those without a limit.
pub fn unit(path: &str, text: &str) -> Vec<String> {
    let has = |setting: &&&str| {
        text.lines().any(|line| line.starts_with(**setting) && !line.ends_with("=infinity"))
    };
    let missing = UNIT.iter().filter(|setting| !has(setting));
    missing.map(|setting| breach(path, 1, &format!("expected the setting '{setting}'"))).collect()
}

/// Returns whether the service `picpick` of the compose file lacks a limit of memory, or may be swapped out. Equal
/// limits of memory, and of memory with swap, leave no swap.
pub fn compose(path: &str, text: &str) -> Vec<String> {
    let after = text.split_once("\n  picpick:\n").map_or("", |(_, rest)| rest);
    let own = after.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    let own: Vec<&str> = own.map(str::trim).collect();
    let value = |key: &str| own.iter().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let (memory, with_swap) = (value("mem_limit:"), value("memswap_limit:"));
    match memory.is_some() && memory == with_swap {
        true => Vec::new(),
        false => vec![breach(path, 1, "expected equal values of mem_limit and memswap_limit")],
    }
}

/// Returns what the configuration of cargo-deny lacks: a check of advisories that refuses withdrawn releases.
/// An exception must have a reason in the same line.
pub fn advisories(path: &str, text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("[advisories]\n") else {
        return vec![breach(path, 1, "expected the table [advisories]")];
    };
    let table: Vec<&str> = rest.lines().take_while(|line| !line.starts_with('[')).collect();
    let mut found = Vec::new();
    if !table.contains(&"yanked = \"deny\"") {
        found.push(breach(path, 1, "expected yanked = \"deny\""));
    }
    let named = table.iter().filter(|line| line.contains("RUSTSEC-") && !line.starts_with('#'));
    let bare = named.filter(|line| !line.contains("reason"));
    found.extend(bare.map(|line| breach(path, 1, &format!("no reason for '{}'", line.trim()))));
    found
}

/// Returns whether the Makefile has no target `audit` that checks the advisories, or one that ignores the result.
pub fn audit_target(path: &str, text: &str) -> Vec<String> {
    let recipe = text.split_once("\naudit:").map_or("", |(_, rest)| rest);
    let recipe = recipe.lines().skip(1).take_while(|line| line.starts_with('\t'));
    let checks = |line: &str| line.contains("cargo-deny") && line.ends_with("check advisories");
    match recipe.into_iter().any(checks) {
        true => Vec::new(),
        false => vec![breach(path, 1, "expected the target 'audit' with 'check advisories'")],
    }
}

/// Returns the images of a Dockerfile or a compose file that are not named by digest: a changed tag would change the
/// program that is deployed. An image that the compose file builds itself has none.
pub fn images(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (line, content) in text.lines().enumerate() {
        let content = content.trim();
        let named = content.strip_prefix("FROM ").or_else(|| content.strip_prefix("image: "));
        let named = named.or_else(|| content.strip_prefix("# syntax="));
        let Some(image) = named.and_then(|rest| rest.split_whitespace().next()) else { continue };
        let digest = image.split_once("@sha256:").map(|(_, digest)| digest);
        let is_hex = |digest: &str| digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digest.is_some_and(|digest| digest.len() == 64 && is_hex(digest)) {
            found.push(breach(path, line + 1, &format!("the image '{image}' has no digest")));
        }
    }
    found
}

#[test]
fn a_unit_without_limits_is_found() {
    let whole = "MemoryHigh=3G\nMemoryMax=4G\nMemorySwapMax=0\nLimitCORE=0\n";
    assert_eq!(unit("u", whole).len(), 0);
    assert_eq!(unit("u", "LimitCORE=0\n").len(), 3);
    assert_eq!(unit("u", &whole.replace("4G", "infinity")).len(), 1);
    assert_eq!(unit("u", &whole.replace("MemoryMax", "# MemoryMax")).len(), 1);
}

#[test]
fn a_container_without_limits_is_found() {
    let whole = "services:\n  picpick:\n    mem_limit: 4g\n    memswap_limit: 4g\n  other:\n";
    assert_eq!(compose("c", whole).len(), 0);
    assert_eq!(compose("c", &whole.replace("memswap_limit: 4g", "memswap_limit: 8g")).len(), 1);
    let elsewhere =
        "services:\n  picpick:\n    a: b\n  other:\n    mem_limit: 4g\n    memswap_limit: 4g\n";
    assert_eq!(compose("c", elsewhere).len(), 1);
}

#[test]
fn a_configuration_without_advisories_is_found() {
    let whole = "[advisories]\nignore = []\nyanked = \"deny\"\n[licenses]\n";
    assert_eq!(advisories("d", whole).len(), 0);
    assert_eq!(advisories("d", "[licenses]\nyanked = \"deny\"\n").len(), 1);
    assert_eq!(advisories("d", &whole.replace("\"deny\"", "\"warn\"")).len(), 1);
    assert_eq!(advisories("d", &whole.replace("[]", "[\"RUSTSEC-2026-0001\"]")).len(), 1);
    let reason = "[{ id = \"RUSTSEC-2026-0001\", reason = \"not reachable\" }]";
    assert_eq!(advisories("d", &whole.replace("[]", reason)).len(), 0);
}

#[test]
fn a_makefile_without_an_audit_is_found() {
    let whole = "\naudit: lint-tools ## check\n\tfetch\n\tcargo-deny --offline check advisories\n";
    assert_eq!(audit_target("M", whole).len(), 0);
    assert_eq!(audit_target("M", "\ntest:\n\tcargo-deny check advisories\n").len(), 1);
    assert_eq!(audit_target("M", &whole.replace("advisories", "advisories || true")).len(), 1);
}

#[test]
fn an_image_without_a_digest_is_found() {
    for loose in ["FROM debian:bookworm", "  image: a:5000/b", "FROM a@sha256:12", "# syntax=d:1"] {
        assert_eq!(images("D", loose).len(), 1, "{loose}");
    }
    assert_eq!(images("D", &format!("image: a:1@sha256:{}", "0".repeat(64))).len(), 0);
}
