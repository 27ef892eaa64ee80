use std::collections::BTreeSet;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::data_dir::{DataDir, RetentionPolicy};
use crate::face::Face;
use crate::guest::Guest;
use crate::ids::GuestId;
use crate::models::manifest::Pack;
use crate::pipeline::Sink;
use crate::template::Template;

struct TestCollection {
    folder: TempDir,
    data: DataDir,
    collection: Collection,
}

fn pack() -> Pack {
    Pack::builtin(Pack::DEFAULT).unwrap()
}

fn id(n: u8) -> FaceId {
    FaceId([n; 16])
}

/// Makes a photo with one face: `to_guest` is its cosine to the first axis, the remainder is on axis `other`.
fn photo(n: u8, to_guest: f32, other: usize) -> Photo {
    let mut embedding = vec![0.0; pack().embedder.dim];
    embedding[0] = to_guest;
    embedding[other] = (1.0 - to_guest * to_guest).sqrt();
    let quality = 0.5 + f32::from(n) / 100.0;
    let face = Face {
        id: id(n),
        bbox: [0, 0, 90, 90],
        landmarks: [[1.0, 2.0]; 5],
        score: 0.9,
        quality,
        embedding,
    };
    let path = PathBuf::from(n.to_string());
    Photo { id: PhotoId([n; 16]), path, width: 600, height: 400, faces: vec![face] }
}

impl TestCollection {
    /// Makes a collection of three people. Faces 1 to 3 are the first, near the first axis; faces 4 and 5 are
    /// the second; face 6 is the third, between the other two.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path(), None).unwrap();
        let retention = RetentionPolicy {
            purpose: "tests".into(),
            legal_basis: "consent".into(),
            ends_unix_s: None,
        };
        data.create("Event", pack().id(), &retention).unwrap();
        let collection = Collection::open(&data, "Event", &pack()).unwrap();
        let event = Self { folder, data, collection };
        let threshold = event.collection.gallery().threshold();
        let photos = [
            photo(1, 0.9, 1),
            photo(2, 0.9, 2),
            photo(3, 0.9, 3),
            photo(4, 0.0, 4),
            photo(5, 0.1, 4),
            photo(6, threshold - 0.08, 6),
        ];
        event.collection.put(photos.to_vec()).unwrap();
        event.collection.refresh().unwrap();
        event
    }

    fn reopened(self) -> Self {
        let Self { folder, data, collection } = self;
        drop((collection, data));
        let data = DataDir::open(folder.path(), None).unwrap();
        let collection = Collection::open(&data, "Event", &pack()).unwrap();
        Self { folder, data, collection }
    }

    fn person(&self, face: u8) -> BTreeSet<u8> {
        let faces = self.collection.person(&id(face)).unwrap().faces;
        faces.iter().map(|of| of.face.0[0]).collect()
    }

    fn note(&self) -> Vec<u8> {
        self.collection.store.setting(OwnerSetting::People).unwrap().unwrap()
    }

    fn names(&self, face: u8) -> bool {
        self.note().windows(16).any(|part| part == [face; 16])
    }
}

#[test]
fn corrections_outlive_the_process_and_the_derived_state() {
    let event = TestCollection::new();
    assert_eq!([event.person(1), event.person(4)], [[1, 2, 3].into(), [4, 5].into()]);
    event.collection.merge_people(&[id(1), id(5)], false).unwrap();
    event.collection.split_person(&[id(2)]).unwrap();
    event.collection.hide_person(&id(2), true).unwrap();
    let check = |event: &TestCollection| {
        assert_eq!([event.person(1), event.person(2)], [[1, 3, 4, 5].into(), [2].into()]);
        assert!(event.collection.person(&id(2)).unwrap().hidden);
        assert!(!event.collection.person(&id(1)).unwrap().hidden);
    };
    check(&event);
    let event = event.reopened();
    check(&event);
    // The store is in this state after a crash between storing the correction and storing the people, and
    // after a restored backup.
    event.collection.store.put_derived(DerivedState::People, b"unreadable bytes").unwrap();
    let event = event.reopened();
    check(&event);
    event.collection.put(vec![photo(7, 0.9, 7), photo(8, 0.9, 8)]).unwrap();
    event.collection.refresh().unwrap();
    assert!(!event.person(1).contains(&2) && !event.person(7).is_empty());
}

#[test]
fn an_invalid_correction_is_refused_and_changes_nothing() {
    let event = TestCollection::new();
    let open = &event.collection;
    let nowhere = id(99);
    assert!(matches!(open.merge_people(&[id(1), nowhere], false), Err(Error::NotFound { .. })));
    assert!(matches!(open.split_person(&[nowhere]), Err(Error::NotFound { .. })));
    assert!(matches!(open.hide_person(&nowhere, true), Err(Error::NotFound { .. })));
    assert!(matches!(open.split_person(&[id(1), id(4)]), Err(Error::ManyPeople { .. })));
    assert!(matches!(
        open.split_person(&[id(4), id(5)]),
        Err(Error::SplitTakesAllFaces { faces: 2 })
    ));
    assert!(open.store.setting(OwnerSetting::People).unwrap().is_none());
    let mut two = photo(9, 0.9, 9);
    two.faces.push(Face { id: id(10), ..photo(10, 0.0, 4).faces.remove(0) });
    open.put(vec![two]).unwrap();
    open.refresh().unwrap();
    let together = open.merge_people(&[id(9), id(10)], false);
    assert!(matches!(together, Err(Error::SharedPhoto { photo }) if photo.starts_with("09")));
    open.merge_people(&[id(9), id(10)], true).unwrap();
    assert!(event.reopened().person(9).contains(&10), "the owner merged them");
}

#[test]
fn corrections_are_erased_with_their_faces_from_every_file() {
    let event = TestCollection::new();
    event.collection.merge_people(&[id(3), id(5)], false).unwrap();
    event.collection.split_person(&[id(2)]).unwrap();
    assert!(event.names(2) && event.names(3));
    let old = event.note();
    let receipt = event.collection.delete_faces(&[id(2)]).unwrap().receipt;
    assert_eq!(receipt.residue, 0);
    assert!(!event.names(2) && event.names(3));
    event.collection.delete_photos(&[PhotoId([3; 16])]).unwrap();
    assert!(!event.names(3));
    assert!(event.collection.gallery().people.corrections.to_bytes() == event.note());
    // A restored backup may contain an old note. Opening the collection removes the erased faces from it.
    event.collection.store.put_setting(OwnerSetting::People, &old).unwrap();
    let event = event.reopened();
    assert!(!event.names(2) && !event.names(3) && event.names(5) == event.names(4));
}

#[test]
fn a_damaged_setting_gives_a_warning_and_costs_nothing_else() {
    let event = TestCollection::new();
    event.collection.merge_people(&[id(1), id(5)], false).unwrap();
    event.collection.store.put_setting(OwnerSetting::People, b"\xff\xff\xff").unwrap();
    let event = event.reopened();
    let warnings = event.collection.warnings().join(" ");
    assert!(warnings.contains("have to be made again"), "{warnings}");
    assert_eq!(event.collection.gallery().face_count(), 6);
    event.collection.split_person(&[id(1)]).unwrap();
    let event = event.reopened();
    assert!(event.collection.warnings().is_empty() && event.person(1) == [1].into());
}

#[test]
fn a_guest_sees_a_merged_person_only_while_the_merge_holds() {
    let event = TestCollection::new();
    let face = photo(50, 1.0, 1).faces.remove(0);
    let template = Template::of(&[("the selfie", &face)], pack().id()).unwrap();
    let guest = Guest::new(GuestId::random().unwrap(), template);
    event.collection.put_guest(&guest).unwrap();
    let sees = |photo: u8| event.collection.guest_sees(&guest.id, &PhotoId([photo; 16])).unwrap();
    assert!(sees(1) && !sees(6) && !sees(4));
    event.collection.merge_people(&[id(1), id(6)], false).unwrap();
    assert!(sees(6), "its person's score counts at once");
    event.collection.split_person(&[id(6)]).unwrap();
    assert!(!sees(6), "its former person's score no longer counts");
    event.collection.merge_people(&[id(1), id(4)], false).unwrap();
    assert!(!sees(4), "a wrong merge must not show a stranger's photos");
}
