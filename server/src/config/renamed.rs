use std::ffi::OsString;

/// Environment variables that were renamed: old name, new name.
const RENAMED: [(&str, &str); 8] = [
    ("PICPICK_CONNECTIONS", "PICPICK_MAX_CONNECTIONS"),
    ("PICPICK_MODELS_DIR", "PICPICK_MODELS_MIRROR"),
    ("PICPICK_OTLP", "PICPICK_OTLP_ENDPOINT"),
    ("PICPICK_PHOTOS", "PICPICK_PHOTO_STORE"),
    ("PICPICK_RATE_LIMIT", "PICPICK_RATE_LIMIT_IP"),
    ("PICPICK_REQUESTS", "PICPICK_MAX_CONCURRENT_REQUESTS"),
    ("PICPICK_REQUEST_SECONDS", "PICPICK_REQUEST_TIMEOUT_S"),
    ("PICPICK_SEARCHES", "PICPICK_MAX_CONCURRENT_SEARCHES"),
];

/// Errors if a renamed variable is still set under its old name, because its value would be ignored. The
/// message names the new variable. `variable` reads the environment; an empty variable counts as not set.
pub fn check(variable: impl Fn(&str) -> Option<OsString>) -> Result<(), String> {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    match RENAMED.into_iter().find(|(old, _)| is_set(old)) {
        Some((old, new)) => Err(format!("{old} was renamed: set {new} instead, and unset {old}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_variable_is_an_error_that_names_the_new_one() {
        for (old, new) in RENAMED {
            let set = |value: &'static str| {
                check(|name| (name == old).then(|| OsString::from(value))).err()
            };
            let error = set("1").unwrap_or_default();
            assert!(error.contains(old) && error.contains(new), "{error}");
            assert_eq!(set(""), None);
            assert_eq!(check(|name| (name == new).then(|| "1".into())), Ok(()));
        }
    }
}
