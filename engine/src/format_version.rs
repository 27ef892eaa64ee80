//! Numbers of the on-disk formats, and the check that rejects newer formats.
//!
//! Every number starts at 1. A format change raises the number if a program that knows only the previous
//! format could misread the new format.

use crate::error::{Error, Result};

/// Format of the data folder's layout, stored in its `format` file.
pub(crate) const DATA_FORMAT: u32 = 1;
/// Format of the keyring's `keys.toml`. Format 1 had no signing key; format 2 had no checkpoint.
pub(crate) const KEYRING_FORMAT: u32 = 3;
/// Format of a collection's store: its row kinds. Format 1 had no canaries and no state row; format 2 had no
/// guests and no owner settings; format 3 had no suppressions, whose faces an older program would show. Opening a
/// store of an older format raises the number and changes no other row.
pub(crate) const STORE_FORMAT: u32 = 4;
/// Format of a sealed row's bytes. The number is part of every row's authenticated context.
pub(crate) const ROW_FORMAT: u32 = 1;

/// Checks that this program can read format `received` of `what`.
///
/// # Errors
/// - `NewerFormat` if `received` is above `newest`.
/// - `Damaged` if `received` is below 1.
pub(crate) fn check(what: &str, newest: u32, received: i64) -> Result<()> {
    let received = u32::try_from(received).unwrap_or(0);
    if received > newest {
        return Err(Error::NewerFormat { what: what.into(), expected: newest, received });
    }
    if received == 0 {
        return Err(Error::Damaged {
            what: what.into(),
            reason: "it has no valid format number".into(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_and_missing_formats_are_refused_with_different_errors() {
        assert!(check("it", 2, 1).is_ok() && check("it", 2, 2).is_ok());
        assert!(matches!(
            check("it", 2, 3),
            Err(Error::NewerFormat { expected: 2, received: 3, .. })
        ));
        assert!(matches!(check("it", 2, 0), Err(Error::Damaged { .. })));
        assert!(matches!(check("it", 2, -4), Err(Error::Damaged { .. })));
    }
}
