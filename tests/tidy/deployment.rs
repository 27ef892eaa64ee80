//! The files with which the service is deployed: containers by digest, and a limit of the unit's memory.

/// Returns the breaches of a Dockerfile or a compose file: a base image that is not named by its digest, so that
/// a changed tag would change the program that is deployed.
pub fn images_by_digest(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    let images = lines.filter_map(|(nth, line)| {
        let line = line.trim();
        let named = line.strip_prefix("FROM ").or_else(|| line.strip_prefix("image: "));
        let frontend = line.strip_prefix("# syntax=");
        Some((nth + 1, named.or(frontend)?))
    });
    // An image that this file builds has a context and no registry.
    let images = images.filter(|(_, image)| !image.starts_with("picpick"));
    let unnamed = images.filter(|(_, image)| !has_digest(image));
    unnamed.map(|(nth, image)| format!("{path}:{nth}: name {image} by IMAGE@sha256:…")).collect()
}

fn has_digest(image: &str) -> bool {
    let digest = image.split_once("@sha256:").map(|(_, rest)| rest.split_whitespace().next());
    digest.flatten().is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Returns the breaches of a systemd unit: without these lines, one client's load takes the memory of other
/// processes, and pictures of faces are written to the swap.
pub fn bounded_memory(path: &str, text: &str) -> Vec<String> {
    let missing = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key));
        value.is_none_or(|value| value.is_empty() || value == "infinity")
    };
    let keys = ["MemoryHigh=", "MemoryMax=", "MemorySwapMax="];
    keys.into_iter().filter(|key| missing(key)).map(|key| format!("{path}: set {key}")).collect()
}

#[test]
fn a_tag_without_a_digest_is_caught() {
    let digest = "a1".repeat(32);
    let good = format!("FROM rust:1@sha256:{digest} AS build\nFROM debian@sha256:{digest}\n");
    assert_eq!(images_by_digest("Dockerfile", &good), [""; 0]);
    for bad in ["FROM rust:1 AS build", "  image: postgres:17", "# syntax=docker/dockerfile:1"] {
        assert_eq!(images_by_digest("Dockerfile", bad).len(), 1, "{bad}");
    }
    assert_eq!(images_by_digest("Dockerfile", "FROM debian@sha256:a1b2").len(), 1);
}

#[test]
fn a_unit_without_a_limit_is_caught() {
    let good = "MemoryHigh=3G\nMemoryMax=4G\nMemorySwapMax=0\n";
    assert_eq!(bounded_memory("unit", good), [""; 0]);
    assert_eq!(bounded_memory("unit", &good.replace("4G", "infinity")).len(), 1);
    assert_eq!(bounded_memory("unit", "").len(), 3);
}
