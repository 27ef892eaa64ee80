//! Format numbers of what lies on disk, and the refusal of newer ones.
//!
//! Every format begins at 1 and is raised when a program of the number before could misread it;
//! a migration is then written here. Knows nothing of what the formats hold.

use crate::error::{Error, Result};

/// The data folder's own layout (`format` file).
pub(crate) const DATA_FORMAT: u32 = 1;
/// `keys.toml` of the keyring.
pub(crate) const KEYRING_FORMAT: u32 = 2;
/// A collection's store: its kinds of row. Format 1 had no canaries and no state, format 2 no guests and no
/// notes; both are raised on opening, which changes no row.
pub(crate) const STORE_FORMAT: u32 = 3;
/// The bytes of a sealed row; part of every row's authenticated context.
pub(crate) const ROW_FORMAT: u32 = 1;

/// Accepts `received` when this program reads it: 1 to `newest`.
pub(crate) fn check(what: &str, newest: u32, received: i64) -> Result<()> {
    let received = u32::try_from(received).unwrap_or(0);
    if received > newest {
        return Err(Error::NewerFormat { what: what.into(), expected: newest, received });
    }
    if received == 0 {
        return Err(Error::Damaged {
            what: what.into(),
            reason: "it names no format number".into(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_and_missing_formats_are_refused_and_told_apart() {
        assert!(check("it", 2, 1).is_ok() && check("it", 2, 2).is_ok());
        assert!(matches!(
            check("it", 2, 3),
            Err(Error::NewerFormat { expected: 2, received: 3, .. })
        ));
        assert!(matches!(check("it", 2, 0), Err(Error::Damaged { .. })));
        assert!(matches!(check("it", 2, -4), Err(Error::Damaged { .. })));
    }
}
