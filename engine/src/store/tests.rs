use super::*;
use crate::fs::residue_scan::PatternSet;

/// A folder for a store, and its keys.
struct StoreFolder {
    folder: tempfile::TempDir,
    data: Secret,
    canary: Secret,
}

const ID: CollectionId = CollectionId([5; 16]);

impl StoreFolder {
    fn new() -> Self {
        let (data, canary) = (Secret::random().unwrap(), Secret::random().unwrap());
        Self { folder: tempfile::tempdir().unwrap(), data, canary }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("c")
    }

    fn keys(&self) -> StoreKeys<'_> {
        StoreKeys { data: &self.data, canary: &self.canary }
    }

    fn create(&self) -> Store {
        Store::create(&self.path(), ID, self.keys()).unwrap()
    }

    fn open(&self) -> Store {
        Store::open(&self.path(), ID, self.keys()).unwrap()
    }
}

fn photo(n: u8) -> Photo {
    Photo {
        id: PhotoId([n; 16]),
        path: PathBuf::from(format!("{n}.jpg")),
        width: 1,
        height: 1,
        faces: Vec::new(),
    }
}

fn get(store: &Store, n: u8) -> Option<Photo> {
    store.get_by_key(&store.photo_key(&PhotoId([n; 16])).unwrap()).unwrap()
}

fn all(store: &Store) -> (Vec<u8>, usize) {
    let (mut ids, mut damaged) = (Vec::new(), 0);
    store.scan(|photo| ids.push(photo.id.0[0]), |_| damaged += 1).unwrap();
    ids.sort_unstable();
    (ids, damaged)
}

#[test]
fn photos_are_put_found_scanned_and_erased() {
    let folder = StoreFolder::new();
    let store = folder.create();
    store.put(&[photo(1), photo(2), photo(3)]).unwrap();
    let gone = [2, 77].map(|n| store.photo_key(&PhotoId([n; 16])).unwrap());
    let thinned = Photo { width: 9, ..photo(3) };
    store.erase(4, &gone, std::slice::from_ref(&thinned), &[], None).unwrap();
    store.rewrite().unwrap();
    store.mark_completed(4).unwrap();
    drop(store);
    let store = folder.open();
    assert_eq!(all(&store), (vec![1, 3], 0));
    assert_eq!(get(&store, 1), Some(photo(1)));
    assert_eq!(get(&store, 3), Some(thinned));
    assert!(!store.has(&PhotoId([2; 16])).unwrap());
    assert_eq!(store.state(), RecoveryState { canaries: 1, applied: 4, completed: 4 });
}

#[test]
fn erased_rows_are_in_no_file_after_the_rewrite() {
    let folder = StoreFolder::new();
    let store = folder.create();
    let photos: Vec<Photo> = (0..200).map(photo).collect();
    photos.chunks(20).for_each(|photos| store.put(photos).unwrap());
    let (mut sealed, mut keys) = (PatternSet::new(), PatternSet::new());
    let mut gone = Vec::new();
    for photo in photos.iter().step_by(3) {
        let key = store.photo_key(&photo.id).unwrap();
        sealed.add(&store.sealed(&key).unwrap().unwrap());
        keys.add(&key[1..]);
        gone.push(key);
    }
    let found = |patterns: &PatternSet| patterns.scan(&folder.path()).found.len();
    assert!(found(&sealed) >= gone.len(), "the scanner finds rows that are not deleted");
    store.erase(1, &gone, &[], &[], None).unwrap();
    assert!(found(&sealed) >= gone.len(), "deleting alone removes nothing from the files");
    store.rewrite().unwrap();
    assert_eq!((found(&sealed), found(&keys)), (0, 0));
    assert_eq!(all(&store).0.len(), 200 - gone.len());
}

#[test]
fn canaries_are_planted_found_by_a_scan_and_never_taken_for_photos() {
    let folder = StoreFolder::new();
    let store = folder.create();
    (0..100).for_each(|n| store.put(&[photo(n)]).unwrap());
    drop(store);
    let store = folder.open();
    store.put(&(100..200).map(photo).collect::<Vec<_>>()).unwrap();
    let planted = store.state().canaries;
    assert!((12..=16).contains(&planted), "{planted}");
    let mut patterns = PatternSet::new();
    for number in 0..planted {
        patterns.add(&canary::value(&folder.canary, number).unwrap());
    }
    let pieces = |scan: &crate::fs::residue_scan::Scan| {
        scan.found.iter().map(|(piece, _)| *piece).collect::<HashSet<_>>().len() as u64
    };
    assert_eq!(pieces(&patterns.scan(&folder.path())), planted, "in the log");
    store.rewrite().unwrap();
    assert_eq!(pieces(&patterns.scan(&folder.path())), planted, "in the tables");
    assert_eq!(all(&store), ((0..200).collect(), 0));
}

#[test]
fn a_damaged_state_row_gives_a_warning_and_costs_nothing_else() {
    let folder = StoreFolder::new();
    let store = folder.create();
    (0..40).for_each(|n| store.put(&[photo(n)]).unwrap());
    store.erase(3, &[], &[], &[], None).unwrap();
    let state = store.state();
    store.rocks.write(&[RowChange::Put(keys::state(), vec![1; 60])]).unwrap();
    drop(store);
    let store = folder.open();
    assert_eq!(
        store.state(),
        RecoveryState { canaries: state.canaries, ..RecoveryState::default() }
    );
    assert!(store.warning().unwrap().contains("damaged"));
    assert_eq!(all(&store), ((0..40).collect(), 0));
}

#[test]
fn another_key_opens_nothing_and_a_second_opener_is_refused() {
    let folder = StoreFolder::new();
    let store = folder.create();
    store.put(&[photo(1)]).unwrap();
    let data = Secret::random().unwrap();
    let other = StoreKeys { data: &data, canary: &folder.canary };
    let second = Store::open(&folder.path(), ID, other).err();
    assert!(matches!(second, Some(Error::InUse { .. })));
    drop(store);
    assert_eq!(all(&Store::open(&folder.path(), ID, other).unwrap()), (vec![], 1));
}

#[test]
fn derived_state_is_replaced_whole() {
    let store = StoreFolder::new().create();
    assert_eq!(store.get_derived(DerivedState::Index).unwrap(), None);
    let long: Vec<u8> = (0..3 * CHUNK_BYTES + 5).map(|i| i as u8).collect();
    store.put_derived(DerivedState::Index, &long).unwrap();
    assert_eq!(store.get_derived(DerivedState::Index).unwrap(), Some(long));
    store.put_derived(DerivedState::Index, b"short").unwrap();
    assert_eq!(store.get_derived(DerivedState::Index).unwrap(), Some(b"short".to_vec()));
    assert_eq!(store.get_derived(DerivedState::People).unwrap(), None);
}

#[test]
fn a_newer_store_is_refused_and_an_older_one_raised() {
    let folder = StoreFolder::new();
    let store = folder.create();
    store.put(&[photo(1)]).unwrap();
    let format = |number: u32| RowChange::Put(keys::format(), number.to_be_bytes().to_vec());
    store.rocks.write(&[format(9)]).unwrap();
    drop(store);
    let newer = Store::open(&folder.path(), ID, folder.keys()).err();
    assert!(matches!(newer, Some(Error::NewerFormat { received: 9, .. })));
    let rocks = Rocks::open(&folder.path()).unwrap();
    // A store of format 1 has no state and no canaries.
    rocks
        .write(&[
            format(1),
            RowChange::Delete(keys::state()),
            RowChange::Delete(canary::key(&folder.canary, 0).unwrap()),
        ])
        .unwrap();
    drop(rocks);
    let store = folder.open();
    assert_eq!(all(&store), (vec![1], 0));
    assert_eq!(
        store.rocks.get(&keys::format()).unwrap(),
        Some(format_version::STORE_FORMAT.to_be_bytes().to_vec())
    );
}

#[test]
fn a_note_is_kept_replaced_and_sealed() {
    let folder = StoreFolder::new();
    let store = folder.create();
    assert_eq!(store.setting(OwnerSetting::People).unwrap(), None);
    store.put_setting(OwnerSetting::People, b"these two are one").unwrap();
    store.put_setting(OwnerSetting::Matching, b"stricter").unwrap();
    store.put_setting(OwnerSetting::People, b"these two are two").unwrap();
    drop(store);
    let store = folder.open();
    assert_eq!(store.setting(OwnerSetting::People).unwrap().unwrap(), b"these two are two");
    assert_eq!(store.setting(OwnerSetting::Matching).unwrap().unwrap(), b"stricter");
    let heads = store.sealed_heads().unwrap();
    assert_eq!(heads.len(), 2);
    assert!(heads.iter().all(|(_, head)| !head.windows(5).any(|part| part == b"these")));
    assert_eq!(all(&store), (Vec::new(), 0), "notes are no photos");
}
