//! Rules on prose: words that hide the actor of a sentence, and headers that list what a file does not know.

use crate::source::{breach, line_of, words};

/// Words that name no actor. CONTRIBUTING.md and this file may hold them, as the rule itself.
const WITHOUT_ACTOR: [&str; 4] = ["whoever", "somebody", "nobody", "everybody"];
const EXEMPT: [&str; 2] = ["CONTRIBUTING.md", "tests/tidy/prose.rs"];

/// Reports words without an actor in a source, a script or a document.
pub fn actors(path: &str, text: &str) -> Vec<String> {
    if EXEMPT.contains(&path) {
        return Vec::new();
    }
    let lower = text.to_lowercase();
    let found = WITHOUT_ACTOR
        .iter()
        .flat_map(|word| words(&lower, word).map(move |at| (at, *word)).collect::<Vec<_>>());
    found
        .map(|(at, word)| {
            breach(path, line_of(&lower, at), &format!("name the actor instead of '{word}'"))
        })
        .collect()
}

/// Reports "knows nothing of": what a file must not use is a rule in the layers.
pub fn absences(path: &str, text: &str) -> Vec<String> {
    let phrase = "knows nothing of";
    if EXEMPT.contains(&path) {
        return Vec::new();
    }
    let lower = text.to_lowercase();
    let report = |(at, _)| breach(path, line_of(&lower, at), &format!("'{phrase}' says nothing"));
    lower.match_indices(phrase).map(report).collect()
}

#[test]
fn a_sentence_without_an_actor_is_caught() {
    for bad in ["\n// Whoever asks.", "\nlet a = \"nobody\";", "\n# For everybody"] {
        let found = actors("server/src/a.rs", bad);
        assert_eq!(found.len(), 1, "{bad}");
        assert!(found[0].starts_with("server/src/a.rs:2: "), "{found:?}");
        assert_eq!(actors("CONTRIBUTING.md", bad), [""; 0]);
    }
    assert_eq!(actors("a.rs", "// A body and an everybodyless word."), [""; 0]);
}

#[test]
fn a_list_of_absences_is_caught() {
    assert_eq!(absences("a.rs", "//! Decodes. Knows nothing of stores.").len(), 1);
    assert_eq!(absences("a.rs", "//! Decodes."), [""; 0]);
}
