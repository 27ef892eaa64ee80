use crate::error::{ApiError, Result};

/// Finds the value of a closed list by the name under which the database stores it.
///
/// `choices` are all values, and `what` says what they are.
///
/// # Errors
/// - `Internal` if no value has the name `text`.
pub fn parse<T: Copy>(
    choices: &[T],
    name: fn(T) -> &'static str,
    text: &str,
    what: &str,
) -> Result<T> {
    let found = choices.iter().copied().find(|choice| name(*choice) == text);
    found
        .ok_or_else(|| ApiError::internal(format!("the stored {what} '{text}' is not in the list")))
}
