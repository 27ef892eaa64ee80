use super::*;
use crate::erasure_log::{PurgeSubject, Receipt, Requester};
use crate::face::{Face, Photo};
use crate::ids::{FaceId, PhotoId};

fn retention() -> RetentionPolicy {
    RetentionPolicy { purpose: "tests".into(), legal_basis: "consent".into(), ends_unix_s: None }
}

fn photo(n: u8, embedding: f32) -> Photo {
    let id = PhotoId([n; 16]);
    let bbox = [0, 0, 9, 9];
    let face = Face {
        id: FaceId::of(id, "p", bbox),
        bbox,
        landmarks: [[1.0; 2]; 5],
        score: 0.9,
        quality: 0.9,
        embedding: (0..128).map(|i| embedding + i as f32 / 7.0).collect(),
    };
    Photo { id, path: format!("{n}.jpg").into(), width: 9, height: 9, faces: vec![face] }
}

fn fill(data: &DataDir, name: &str) -> CollectionInfo {
    let info = data.create(name, "p", &retention()).unwrap();
    let (_, store) = data.store(name).unwrap();
    (0..100).for_each(|n| store.put(&[photo(n, 0.25)]).unwrap());
    info
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

#[test]
fn collections_are_made_listed_and_purged_without_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/data");
    let data = DataDir::open(&path, None).unwrap();
    let made = fill(&data, "Wedding");
    let twice = data.create("Wedding", "p", &retention());
    assert!(matches!(twice, Err(Error::CollectionExists { .. })));
    assert_eq!(data.collection("Wedding").unwrap().id, made.id);
    assert!(matches!(data.collection("wedding"), Err(Error::NoCollection { .. })));
    let open = data.store("Wedding").unwrap();
    assert!(matches!(data.purge("Wedding", Requester::Operator), Err(Error::InUse { .. })));
    drop(open);
    let before = data.scan(&[]).unwrap();
    let control = &before.collections[0];
    assert_eq!((control.canaries, before.found()), (Some(control.found), 0), "{before:?}");
    assert!(control.found >= 6);
    let fingerprint = data.key_fingerprint("Wedding").unwrap();
    let receipt = data.purge("Wedding", Requester::Operator).unwrap();
    let body = &receipt.receipt;
    assert_eq!((body.photos, body.faces, body.residue), (Some(100), Some(100), 0));
    assert_eq!((body.subject, &body.key_fingerprint), (PurgeSubject::Collection, &fingerprint));
    assert!(body.scanned.files > 0 && body.scanned.needles >= 6 * 30, "{:?}", body.scanned);
    assert!(data.collections().unwrap().is_empty());
    assert_eq!(count(&path.join("collections")), 0);
    let after = data.scan(&[]).unwrap();
    assert_eq!((after.found(), after.collections[0].found), (0, 0));
    let bytes = std::fs::read(&data.receipts().unwrap()[0]).unwrap();
    assert_eq!(Receipt::verify(&bytes, &data.public_key().unwrap()).unwrap(), receipt);
}

#[test]
fn an_old_copy_of_everything_but_the_keys_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, keys, old) =
        (folder.path().join("data"), folder.path().join("keys"), folder.path().join("old"));
    let data = DataDir::open(&path, Some(&keys)).unwrap();
    let gone = fill(&data, "gone");
    fill(&data, "kept");
    copy(&path, &old);
    data.purge("gone", Requester::Operator).unwrap();
    // The old copy replaces the data folder; the keyring is the current one.
    std::fs::remove_dir_all(&path).unwrap();
    copy(&old, &path);
    let data = DataDir::open(&path, Some(&keys)).unwrap();
    let [receipt, removed] = data.warnings() else { panic!("{:?}", data.warnings()) };
    assert!(receipt.contains("receipt 1 is missing"), "{receipt}");
    assert!(removed.contains(&gone.id.to_string()), "{removed}");
    assert_eq!(data.collections().unwrap().len(), 1);
    assert_eq!(count(&path.join("collections")), 1);
    let scan = data.scan(std::slice::from_ref(&old)).unwrap();
    let of_gone = scan.collections.iter().find(|one| one.name.is_none()).unwrap();
    assert!(of_gone.found >= 6, "the old copy still has the sealed bytes: {of_gone:?}");
}

#[test]
fn an_old_keyring_brought_back_is_purged_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, keys, old) =
        (folder.path().join("data"), folder.path().join("keys"), folder.path().join("old"));
    let data = DataDir::open(&path, Some(&keys)).unwrap();
    fill(&data, "gone");
    copy(&keys, &old);
    let receipt = data.purge("gone", Requester::Operator).unwrap();
    std::fs::remove_dir_all(&keys).unwrap();
    copy(&old, &keys);
    let data = DataDir::open(&path, Some(&keys)).unwrap();
    assert!(data.warnings().iter().any(|remark| remark.contains("purged again")));
    assert!(data.collections().unwrap().is_empty());
    assert_eq!(data.receipts().unwrap().len(), 1, "the erasure already has its receipt");
    let bytes = std::fs::read(&data.receipts().unwrap()[0]).unwrap();
    assert_eq!(bytes, receipt.to_bytes().unwrap());
}

#[test]
fn receipts_of_several_purges_are_chained() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::open(folder.path(), None).unwrap();
    for name in ["a", "b", "c"] {
        data.create(name, "p", &retention()).unwrap();
        data.purge(name, Requester::Operator).unwrap();
    }
    let files: Vec<Vec<u8>> =
        data.receipts().unwrap().iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert_eq!(Receipt::verify_chain(&files, &data.public_key().unwrap()).unwrap().len(), 3);
}

#[test]
fn residue_of_a_purged_collection_is_reported_and_gets_no_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::open(folder.path(), None).unwrap();
    let info = fill(&data, "Wedding");
    let stray = folder.path().join("forgotten copy");
    let store = folder.path().join("collections").join(info.id.to_string());
    copy(&store, &stray);
    let error = data.purge("Wedding", Requester::Operator).unwrap_err();
    assert!(matches!(&error, Error::Residue { path, .. } if path.starts_with(&stray)), "{error}");
    assert!(data.receipts().unwrap().is_empty() && data.collections().unwrap().is_empty());
    let again = DataDir::open(folder.path(), None).unwrap();
    assert!(again.warnings()[0].contains("not complete"), "{:?}", again.warnings());
    std::fs::remove_dir_all(&stray).unwrap();
    let again = DataDir::open(folder.path(), None).unwrap();
    assert!(again.warnings()[0].contains("completed"), "{:?}", again.warnings());
    assert_eq!(again.receipts().unwrap().len(), 1);
}

#[test]
fn an_embedding_that_is_not_sealed_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::open(folder.path(), None).unwrap();
    fill(&data, "Wedding");
    assert_eq!(data.scan(&[]).unwrap().found(), 0);
    let embedding = photo(3, 0.25).faces[0].embedding.clone();
    let bytes: Vec<u8> = embedding.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(folder.path().join("leak.log"), [b"face: ".as_slice(), &bytes].concat())
        .unwrap();
    let scan = data.scan(&[]).unwrap();
    assert_eq!(scan.collections[0].unsealed, [folder.path().join("leak.log")]);
}

#[test]
fn a_guests_template_that_is_not_sealed_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::open(folder.path(), None).unwrap();
    data.create("Wedding", "p", &retention()).unwrap();
    let face = photo(1, 0.5).faces.remove(0);
    let template = crate::template::Template::of(&[("selfie", &face)], "p").unwrap();
    let leaked: Vec<u8> = template.embedding.iter().flat_map(|value| value.to_le_bytes()).collect();
    let (_, store) = data.store("Wedding").unwrap();
    let id = crate::ids::GuestId([7; 16]);
    store.put_guest(&crate::guest::Guest::new(id, template)).unwrap();
    drop(store);
    assert_eq!(data.scan(&[]).unwrap().found(), 0, "a sealed template is not found");
    std::fs::write(folder.path().join("leak"), leaked).unwrap();
    assert_eq!(data.scan(&[]).unwrap().found(), 1);
}

#[test]
fn a_collection_is_kept_until_its_end_and_can_be_kept_longer() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::open(folder.path(), None).unwrap();
    let over = RetentionPolicy { ends_unix_s: Some(unix_now_s() - 1), ..retention() };
    assert_eq!(data.create("a", "p", &over).unwrap().retention, over);
    assert!(matches!(data.store("a").err(), Some(Error::RetentionEnded { .. })));
    let longer = RetentionPolicy { ends_unix_s: Some(unix_now_s() + 100), ..retention() };
    data.set_retention("a", &longer).unwrap();
    assert_eq!(data.store("a").unwrap().0.retention, longer);
    data.set_retention("a", &over).unwrap();
    data.purge("a", Requester::Operator).unwrap();
}

#[test]
fn bad_names_newer_folders_and_foreign_folders_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::open(folder.path(), None).unwrap();
    for bad in ["", "  ", "-x", "a\nb", &"x".repeat(101)] {
        let made = data.create(bad, "p", &retention());
        assert!(matches!(made, Err(Error::CollectionName { .. })), "{bad:?}");
    }
    std::fs::write(folder.path().join("format"), "picpick data folder, format 2\n").unwrap();
    assert!(matches!(
        DataDir::open(folder.path(), None).err(),
        Some(Error::NewerFormat { received: 2, .. })
    ));
    std::fs::write(folder.path().join("format"), "nonsense").unwrap();
    assert!(matches!(DataDir::open(folder.path(), None).err(), Some(Error::Damaged { .. })));
    let foreign = tempfile::tempdir().unwrap();
    std::fs::write(foreign.path().join("taxes.pdf"), "x").unwrap();
    assert!(DataDir::open(foreign.path(), None).is_err());
}

#[test]
fn a_missing_keyring_is_never_silently_replaced() {
    let folder = tempfile::tempdir().unwrap();
    DataDir::open(folder.path(), None).unwrap().create("a", "p", &retention()).unwrap();
    std::fs::rename(folder.path().join("keyring"), folder.path().join("elsewhere")).unwrap();
    let missing = DataDir::open(folder.path(), None).err().unwrap().to_string();
    assert!(missing.contains("missing"), "{missing}");
    let found = DataDir::open(folder.path(), Some(&folder.path().join("elsewhere"))).unwrap();
    assert_eq!(found.collections().unwrap().len(), 1);
}
