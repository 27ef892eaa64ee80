//! How much stricter than its pack's formula a collection is matched: kept as a note, in force everywhere at once.
//!
//! Searches, guests and everything else ask the gallery for its threshold, and get this with it. Knows nothing of
//! why an owner wants it.

use super::Collection;
use crate::error::{Error, Result};
use crate::matcher::Stricter;
use crate::store::{Note, Store};

/// What the store has; nothing was said: 0.
///
/// A note that does not read counts as the strictest, with a remark. It says no more what its owner wanted, but
/// that they wanted something: photos that are missed meanwhile come back as soon as it is said again, and one that
/// was shown to a stranger is not taken back.
pub(super) fn of(store: &Store, remarks: &mut Vec<String>) -> Result<Stricter> {
    let read = match store.note(Note::Matching) {
        Ok(None) => return Ok(Stricter::default()),
        Ok(Some(bytes)) => Stricter::from_bytes(&bytes),
        Err(Error::Seal { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(read.unwrap_or_else(|| {
        let added = Stricter::MAX.added();
        remarks.push(format!(
            "what was said of matching does not read: faces must reach {added:.2} more than usual until it is \
             said again"
        ));
        Stricter::MAX
    }))
}

impl Collection {
    /// Has faces matched as strictly as this from now on; durable when it returns.
    pub fn set_stricter(&self, stricter: Stricter) -> Result<()> {
        self.catch_up()?;
        let mut gallery = self.gallery();
        self.store.put_note(Note::Matching, &stricter.to_bytes())?;
        gallery.stricter = stricter;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::crypto::Secret;
    use crate::ids::CollectionId;
    use crate::store::StoreKeys;

    #[test]
    fn what_does_not_read_is_the_strictest_with_a_remark() {
        let folder = tempfile::tempdir().unwrap();
        let (data, canary) = (Secret::random().unwrap(), Secret::random().unwrap());
        let keys = StoreKeys { data: &data, canary: &canary };
        let store = Store::create(&folder.path().join("c"), CollectionId([3; 16]), keys).unwrap();
        let read = || {
            let mut remarks = Vec::new();
            (of(&store, &mut remarks).unwrap().added(), remarks.len())
        };
        assert_eq!(read(), (0.0, 0), "nothing was said");
        store.put_note(Note::Matching, &Stricter::new(0.05).unwrap().to_bytes()).unwrap();
        assert_eq!(read(), (0.05, 0));
        for wrong in [&b""[..], b"\x01\0\0\0\xbf", b"much stricter"] {
            store.put_note(Note::Matching, wrong).unwrap();
            assert_eq!(read(), (Stricter::MAX.added(), 1), "{wrong:?}");
        }
        store.put_note(Note::Matching, &Stricter::default().to_bytes()).unwrap();
        assert_eq!(read(), (0.0, 0), "said again");
    }
}
