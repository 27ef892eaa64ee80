use super::*;
use crate::crypto::ChainHead;

fn entry(name: &str) -> KeyringEntry {
    let about = CollectionMetadata {
        name: name.into(),
        pack: "pack@1".into(),
        created_unix_s: 5,
        purpose: "a purpose".into(),
        legal_basis: "consent".into(),
        ends_unix_s: 9,
    };
    let (data_key, canary_key) = (Secret::random().unwrap(), Secret::random().unwrap());
    KeyringEntry { id: CollectionId::random().unwrap(), metadata: about, data_key, canary_key }
}

fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap().flatten() {
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn entries_survive_reopening_and_names_and_keys_are_not_readable() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::create(folder.path()).unwrap();
    let wedding = entry("Anna & Ben");
    keyring.add(&wedding).unwrap();
    assert!(matches!(keyring.add(&entry("Anna & Ben")), Err(Error::CollectionExists { .. })));
    let again = Keyring::open(folder.path()).unwrap().entries().unwrap();
    assert_eq!((again.len(), &again[0].metadata), (1, &wedding.metadata));
    assert_eq!(again[0].data_key.bytes(), wedding.data_key.bytes());
    let text = std::fs::read_to_string(folder.path().join("keys.toml")).unwrap();
    for readable in ["Anna", "purpose", &hex::encode(wedding.data_key.bytes())] {
        assert!(!text.contains(readable), "{readable}");
    }
    let about = CollectionMetadata { ends_unix_s: 77, ..wedding.metadata.clone() };
    keyring.set_metadata(wedding.id, &about).unwrap();
    assert_eq!(keyring.entries().unwrap()[0].metadata, about);
}

#[test]
fn a_rotation_keeps_every_key_and_leaves_one_generation() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::create(folder.path()).unwrap();
    let (one, two) = (entry("one"), entry("two"));
    [&one, &two].iter().for_each(|entry| keyring.add(entry).unwrap());
    let public = keyring.signer().unwrap().public_key();
    assert_eq!(keyring.rotate().unwrap(), 2);
    let entries = keyring.entries().unwrap();
    assert_eq!(entries[1].data_key.bytes(), two.data_key.bytes());
    assert_eq!(entries[0].canary_key.bytes(), one.canary_key.bytes());
    assert_eq!(keyring.signer().unwrap().public_key(), public);
    assert_eq!(keyring.provider.generations().unwrap(), [2]);
}

#[test]
fn a_destroyed_key_opens_in_no_copy_made_without_its_key_encryption_key() {
    let (folder, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let keyring = Keyring::create(folder.path()).unwrap();
    let (gone, kept) = (entry("gone"), entry("kept"));
    [&gone, &kept].iter().for_each(|entry| keyring.add(entry).unwrap());
    copy(folder.path(), old.path());
    keyring.destroy_key(gone.id, Some((3, 4, 5))).unwrap();
    assert_eq!(keyring.entries().unwrap().len(), 1);
    let purged = keyring.purged().unwrap();
    assert_eq!((purged[0].photos, purged[0].canaries), (Some(3), Some(5)));
    assert!(purged[0].pending && purged[0].key_fingerprint.len() == 32);
    let canary_key = purged[0].canary_key.as_ref().unwrap();
    assert_eq!(canary_key.bytes(), gone.canary_key.bytes());
    // The old keys file with the new key-encryption key: the state after restoring a backup without keys.
    std::fs::remove_file(old.path().join("kek.1")).unwrap();
    std::fs::copy(folder.path().join("kek.2"), old.path().join("kek.2")).unwrap();
    assert!(Keyring::open(old.path()).is_err());
    keyring.complete_purge(gone.id).unwrap();
    assert!(!keyring.purged().unwrap()[0].pending);
    assert!(keyring.destroy_key(gone.id, None).is_err(), "the key is already destroyed");
}

#[test]
fn a_rotation_cut_short_on_either_side_opens_and_is_tidied() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::create(folder.path()).unwrap();
    keyring.add(&entry("a")).unwrap();
    keyring.provider.create(2).unwrap();
    let again = Keyring::open(folder.path()).unwrap();
    assert_eq!(again.provider.generations().unwrap(), [1]);
    let stale = std::fs::read(folder.path().join("kek.1")).unwrap();
    again.rotate().unwrap();
    std::fs::write(folder.path().join("kek.1"), stale).unwrap();
    let again = Keyring::open(folder.path()).unwrap();
    assert_eq!(again.provider.generations().unwrap(), [2]);
    assert_eq!(again.entries().unwrap().len(), 1);
}

#[test]
fn backups_are_noted_with_their_latest_expiry() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::create(folder.path()).unwrap();
    let id = CollectionId::random().unwrap();
    let later = unix_now_s() + 1000;
    for (store, expires_unix_s) in [("/b", later), ("/b", later - 500), ("/c", later), ("/d", 1)] {
        let note = BackupRecord { collection: id.to_string(), place: store.into(), expires_unix_s };
        keyring.record_backup(note).unwrap();
    }
    let notes = keyring.backups(id).unwrap();
    let of = |store: &str| notes.iter().find(|note| note.place == store).map(|n| n.expires_unix_s);
    assert_eq!((of("/b"), of("/c")), (Some(later), Some(later)));
    assert!(keyring.backups(CollectionId::random().unwrap()).unwrap().is_empty());
}

#[test]
fn a_wrong_missing_short_or_newer_keyring_is_named() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let keyring = Keyring::create(folder.path()).unwrap();
    keyring.add(&entry("a")).unwrap();
    Keyring::create(other.path()).unwrap();
    std::fs::copy(other.path().join("kek.1"), folder.path().join("kek.1")).unwrap();
    assert!(keyring.entries().err().unwrap().to_string().contains("wrong keyring"));
    std::fs::write(folder.path().join("kek.1"), [0; 5]).unwrap();
    let short = Keyring::open(folder.path()).err().unwrap().to_string();
    assert!(short.contains("5 bytes, expected 32"), "{short}");
    std::fs::remove_file(folder.path().join("kek.1")).unwrap();
    assert!(Keyring::open(folder.path()).is_err());
    std::fs::write(folder.path().join("keys.toml"), "format = 99\nnew = 1\n").unwrap();
    let newer = Keyring::open(folder.path()).err();
    assert!(matches!(newer, Some(Error::NewerFormat { received: 99, .. })));
    std::fs::write(folder.path().join("keys.toml"), "\u{0}garbage").unwrap();
    assert!(Keyring::open(folder.path()).is_err());
}

#[test]
fn the_files_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    Keyring::create(folder.path()).unwrap();
    for name in ["kek.1", "keys.toml"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_damaged_entry_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::create(folder.path()).unwrap();
    let (hurt, sound) = (entry("hurt"), entry("sound"));
    [&hurt, &sound].iter().for_each(|entry| keyring.add(entry).unwrap());
    let path = folder.path().join("keys.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut text = text.into_bytes();
    for field in ["\nkey = \"", "\ncanary = \""] {
        let at = String::from_utf8_lossy(&text).find(field).unwrap() + 40;
        text[at] = if text[at] == b'0' { b'1' } else { b'0' };
    }
    std::fs::write(&path, text).unwrap();
    let names: Vec<String> =
        keyring.entries().unwrap().into_iter().map(|entry| entry.metadata.name).collect();
    assert_eq!((names, keyring.damaged().unwrap()), (vec!["sound".to_owned()], vec![hurt.id]));
    keyring.rotate().unwrap();
    assert_eq!(keyring.entries().unwrap()[0].data_key.bytes(), sound.data_key.bytes());
    keyring.destroy_key(hurt.id, None).unwrap();
    assert!(keyring.damaged().unwrap().is_empty());
    let purged = keyring.purged().unwrap();
    assert!(purged[0].key_fingerprint.is_empty() && purged[0].canary_key.is_none());
}

fn advance(keyring: &Keyring, number: u64) {
    let head = ChainHead { number, hash: "ab".repeat(32) };
    keyring.change_checkpoint(|checkpoint| checkpoint.receipts.advance(&head)).unwrap();
}

#[test]
fn a_checkpoint_only_advances_and_outlives_rotations_and_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::create(folder.path()).unwrap();
    assert_eq!(keyring.checkpoint().unwrap(), Checkpoint::default());
    advance(&keyring, 3);
    advance(&keyring, 2);
    keyring.rotate().unwrap();
    keyring.add(&entry("a")).unwrap();
    let again = Keyring::open(folder.path()).unwrap();
    assert_eq!(again.checkpoint().unwrap().receipts.number, 3);
}

#[test]
fn a_checkpoint_that_was_changed_removed_or_borrowed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::create(folder.path()).unwrap();
    advance(&keyring, 3);
    let path = folder.path().join("keys.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("[checkpoint]").unwrap();
    let end = rest.find("\n[[").unwrap_or(rest.len());
    let without = format!("{before}{}", &rest[end..]);
    let other = tempfile::tempdir().unwrap();
    Keyring::create(other.path()).unwrap();
    let other = std::fs::read_to_string(other.path().join("keys.toml")).unwrap();
    let borrowed = format!("{before}[checkpoint]{}", other.split_once("[checkpoint]").unwrap().1);
    for bad in [
        text.replace("number = 3", "number = 2"),
        text.replace("erasures_lost = 0", "erasures_lost = 1"),
        without.clone(),
        // As a file of format 2, the checkpoint would be made from the records as they are found.
        without.replace("format = 3", "format = 2"),
        borrowed,
    ] {
        assert_ne!(bad, text);
        std::fs::write(&path, &bad).unwrap();
        let error = Keyring::open(folder.path()).err();
        assert!(matches!(error, Some(Error::Keyring { .. })), "{error:?}: {bad}");
    }
    std::fs::write(&path, text).unwrap();
    assert_eq!(Keyring::open(folder.path()).unwrap().checkpoint().unwrap().receipts.number, 3);
}

#[test]
fn an_export_is_restored_until_its_last_day_and_named_by_what_it_holds() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let keyring = Keyring::create(folder.path()).unwrap();
    let (one, two) = (entry("one"), entry("two"));
    keyring.add(&one).unwrap();
    let last = unix_now_s() + 1000;
    let (made, bytes) = keyring.export(b"a passphrase", last).unwrap();
    keyring.add(&two).unwrap();
    assert_eq!(keyring.exports_of(one.id).unwrap(), std::slice::from_ref(&made));
    assert!(keyring.exports_of(two.id).unwrap().is_empty(), "the export is older");
    for bad in [unix_now_s(), unix_now_s() + 367 * 86_400] {
        assert!(matches!(keyring.export(b"p", bad), Err(Error::KeyExport { .. })));
    }
    let restore = |known| Keyring::restore(other.path(), &bytes, b"a passphrase", known);
    // The data folder's last erasure shows that the clock is behind.
    let late = restore(last + 1).unwrap_err().to_string();
    assert!(late.contains("last day has passed") && !Keyring::exists(other.path()), "{late}");
    let restored = restore(last).unwrap();
    assert_eq!((restored.export, restored.collections), (made.clone(), 1));
    assert!(matches!(restore(0), Err(Error::Keyring { .. })), "a keyring is there");
    let copy = Keyring::open(other.path()).unwrap();
    assert_eq!(copy.entries().unwrap()[0].data_key.bytes(), one.data_key.bytes());
    assert_eq!(copy.signer().unwrap().public_key(), keyring.signer().unwrap().public_key());
    let kek = |folder: &Path, number| std::fs::read(folder.join(format!("kek.{number}"))).unwrap();
    assert_ne!(kek(folder.path(), 1), kek(other.path(), 2), "the old key leaves its keyring never");
    let known = copy.exports_of(one.id).unwrap();
    assert_eq!((known.len(), known[1].presumed), (2, true));
    // What the export holds stays known after the purge, and a cut list is noticed.
    keyring.destroy_key(one.id, None).unwrap();
    assert_eq!(keyring.purged().unwrap()[0].key_exports, [made]);
    let path = folder.path().join("keys.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replacen(&format!("expires_unix_s = {last}"), "expires_unix_s = 5", 1),
    )
    .unwrap();
    assert!(Keyring::open(folder.path()).is_err());
}
