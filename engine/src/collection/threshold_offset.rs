use super::Collection;
use crate::error::{Error, Result};
use crate::matcher::ThresholdOffset;
use crate::store::{OwnerSetting, Store};

/// Reads the owner's threshold offset from the store; 0 if none was set.
///
/// An unreadable note counts as the highest offset, with a warning in `warnings`: the owner has set a value,
/// which is lost. Missed photos are found again once the owner sets the offset again, but a photo shown to a
/// stranger cannot be taken back.
pub(super) fn of(store: &Store, warnings: &mut Vec<String>) -> Result<ThresholdOffset> {
    let read = match store.setting(OwnerSetting::Matching) {
        Ok(None) => return Ok(ThresholdOffset::default()),
        Ok(Some(bytes)) => ThresholdOffset::from_bytes(&bytes),
        Err(Error::Seal { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(read.unwrap_or_else(|| {
        let added = ThresholdOffset::MAX.value();
        warnings.push(format!(
            "the stored threshold offset cannot be read: faces must score {added:.2} higher than usual; set it \
             again with 'picpick threshold NAME --offset'"
        ));
        ThresholdOffset::MAX
    }))
}

impl Collection {
    /// Sets the owner's threshold offset, which searches and guest lists use at once. The offset is durable
    /// when the call returns.
    ///
    /// # Errors
    /// - `Io`, `Store`: the offset could not be written.
    pub fn set_threshold_offset(&self, offset: ThresholdOffset) -> Result<()> {
        self.catch_up()?;
        let mut gallery = self.gallery_mut();
        self.store.put_setting(OwnerSetting::Matching, &offset.to_bytes())?;
        gallery.threshold_offset = offset;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Secret;
    use crate::ids::CollectionId;
    use crate::store::StoreKeys;

    #[test]
    fn an_unreadable_offset_counts_as_the_strictest_with_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let (data, canary) = (Secret::random().unwrap(), Secret::random().unwrap());
        let keys = StoreKeys { data: &data, canary: &canary };
        let store = Store::create(&folder.path().join("c"), CollectionId([3; 16]), keys).unwrap();
        let read = || {
            let mut warnings = Vec::new();
            (of(&store, &mut warnings).unwrap().value(), warnings.len())
        };
        assert_eq!(read(), (0.0, 0), "no offset was set");
        store
            .put_setting(OwnerSetting::Matching, &ThresholdOffset::new(0.05).unwrap().to_bytes())
            .unwrap();
        assert_eq!(read(), (0.05, 0));
        for wrong in [&b""[..], b"\x01\0\0\0\xbf", b"much stricter"] {
            store.put_setting(OwnerSetting::Matching, wrong).unwrap();
            assert_eq!(read(), (ThresholdOffset::MAX.value(), 1), "{wrong:?}");
        }
        store.put_setting(OwnerSetting::Matching, &ThresholdOffset::default().to_bytes()).unwrap();
        assert_eq!(read(), (0.0, 0), "the offset was set again");
    }
}
