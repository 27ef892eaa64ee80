//! Hidden and opted-out people: random orders of hiding, lifting, erasing, adding and deleting photos, restores
//! and restarts, compared with a plain model. `PICPICK_TEST_SUPPRESSIONS` sets the number of operations (default
//! 600).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use picpick_engine::guests::Guest;
use picpick_engine::indexing::Sink;
use picpick_engine::object_store;
use picpick_engine::receipts::{Receipt, Requester};
use picpick_engine::suppressions::SuppressionKind;
use picpick_engine::{
    Collection, DataDir, Error, Face, FaceId, GuestId, Pack, Photo, PhotoId, Scoring,
    SuppressionId, Template,
};
use picpick_tests::synthetic::keep;
use picpick_tests::{Rng, times};
use tempfile::TempDir;

const PEOPLE: usize = 4;
const PHOTOS: u64 = 24;

/// The stored faces of each photo, by person.
type StoredFaces = BTreeMap<u64, BTreeSet<usize>>;

/// A face: the number of its photo, and its person.
type Seen = (u64, usize);

fn pack() -> Pack {
    Pack::builtin(Pack::DEFAULT).unwrap()
}

fn photo_id(number: u64) -> PhotoId {
    PhotoId::of(format!("photo {number}").as_bytes())
}

/// Returns the people of a photo: one, or two in every third photo.
fn shown(number: u64) -> BTreeSet<usize> {
    let first = number as usize % PEOPLE;
    let second = number.is_multiple_of(3).then_some((number / 3) as usize % PEOPLE);
    second.into_iter().chain([first]).collect()
}

/// Returns an embedding of a person: two of one person have a cosine of 0.81, two of different people 0.
fn embedding(person: usize, own: Option<u64>) -> Vec<f32> {
    let mut embedding = vec![0.0; pack().embedder.dim];
    embedding[person] = own.map_or(1.0, |_| 0.9);
    if let Some(own) = own {
        embedding[PEOPLE + own as usize] = 0.19_f32.sqrt();
    }
    embedding
}

fn bbox(person: usize) -> [i32; 4] {
    [person as i32 * 200, 10, 150, 150]
}

fn face_id((number, person): Seen) -> FaceId {
    FaceId::of(photo_id(number), pack().id(), bbox(person))
}

fn face(number: u64, person: usize) -> Face {
    Face {
        id: face_id((number, person)),
        bbox: bbox(person),
        landmarks: [[1.0, 2.0]; 5],
        score: 0.9,
        quality: 0.9,
        embedding: embedding(person, Some(number)),
    }
}

fn photo(number: u64) -> Photo {
    let faces = shown(number).into_iter().map(|person| face(number, person)).collect();
    let (id, path) = (photo_id(number), PathBuf::from(number.to_string()));
    Photo { id, path, width: 6000, height: 4000, faces }
}

fn template(person: usize) -> Template {
    let face = Face { embedding: embedding(person, None), ..face(0, person) };
    Template::of(&[("probe", &face)], pack().id()).unwrap()
}

/// The suppression of a person.
#[derive(Clone)]
struct Suppressed {
    id: SuppressionId,
    kind: SuppressionKind,
    /// The faces that are listed as hidden.
    faces: BTreeSet<Seen>,
}

/// The expected state.
#[derive(Clone, Default)]
struct Model {
    /// The stored faces of each photo.
    photos: StoredFaces,
    suppressed: BTreeMap<usize, Suppressed>,
    erased: BTreeSet<Seen>,
}

impl Model {
    fn hides(&self, seen: Seen) -> bool {
        self.suppressed.values().any(|of| of.faces.contains(&seen))
    }

    fn visible(&self) -> BTreeMap<u64, BTreeSet<usize>> {
        let shown = |number: u64, people: &BTreeSet<usize>| {
            people.iter().copied().filter(|person| !self.hides((number, *person))).collect()
        };
        self.photos.iter().map(|(number, people)| (*number, shown(*number, people))).collect()
    }
}

struct Event {
    folder: TempDir,
    data: DataDir,
    collection: Option<Collection>,
    guests: Vec<GuestId>,
    model: Model,
    /// The photos of the last backup, and the photos deleted since.
    backup: Option<(StoredFaces, BTreeSet<u64>)>,
    ids: u8,
    rng: Rng,
}

impl Event {
    fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let data = DataDir::open(&folder.path().join("data"), None).unwrap();
        data.create("Event", pack().id(), &keep()).unwrap();
        let collection = Collection::open(&data, "Event", &pack()).unwrap();
        let guest = |person| {
            let guest = Guest::new(GuestId::random().unwrap(), template(person));
            collection.put_guest(&guest).unwrap();
            guest.id
        };
        let guests = (0..PEOPLE).map(guest).collect();
        Self {
            folder,
            data,
            collection: Some(collection),
            guests,
            model: Model::default(),
            backup: None,
            ids: 0,
            rng: Rng::seeded("suppressions"),
        }
    }

    fn collection(&self) -> &Collection {
        self.collection.as_ref().unwrap()
    }

    fn put(&mut self) -> &'static str {
        let numbers: BTreeSet<u64> = (0..3).map(|_| self.rng.throw(PHOTOS)).collect();
        self.collection().put(numbers.iter().map(|number| photo(*number)).collect()).unwrap();
        for number in numbers {
            let mut people = shown(number);
            people.retain(|person| !self.model.erased.contains(&(number, *person)));
            people.retain(|person| {
                let Some(of) = self.model.suppressed.get_mut(person) else { return true };
                if of.kind == SuppressionKind::Hidden {
                    of.faces.insert((number, *person));
                }
                of.kind == SuppressionKind::Hidden
            });
            self.model.photos.insert(number, people);
        }
        if self.rng.throw(2) == 0 {
            self.collection().refresh().unwrap();
        }
        "put"
    }

    fn delete(&mut self) -> &'static str {
        let there: Vec<u64> = self.model.photos.keys().copied().collect();
        if there.is_empty() {
            return "delete nothing";
        }
        let number = *self.rng.pick(&there);
        self.collection().delete_photos(&[photo_id(number)]).unwrap();
        self.model.photos.remove(&number);
        if let Some((_, deleted)) = &mut self.backup {
            deleted.insert(number);
        }
        "delete"
    }

    fn hide(&mut self) -> &'static str {
        let person = self.rng.throw(PEOPLE as u64) as usize;
        let visible = self.model.visible();
        let mut own = visible.iter().filter(|(_, people)| people.contains(&person));
        let face = own.next().map(|(number, _)| (*number, person));
        if self.model.suppressed.contains_key(&person) {
            return "hide no person";
        }
        self.ids += 1;
        let id = SuppressionId([self.ids; 16]);
        let own = visible.iter().filter(|(_, people)| people.contains(&person));
        let faces: BTreeSet<Seen> = own.map(|(number, _)| (*number, person)).collect();
        // By the guest's own template, or by a face that the studio has picked.
        let by_guest = face.is_none() || self.rng.throw(2) == 0;
        for _ in 0..2 {
            let hidden = match face {
                Some(face) if !by_guest => {
                    // A face is picked among people, which are up to date after a refresh.
                    self.collection().refresh().unwrap();
                    self.collection().suppress_person(id, &face_id(face))
                }
                _ => self.collection().suppress_guest(id, &self.guests[person]),
            };
            assert_eq!(hidden.unwrap().faces, faces.len(), "also if it is repeated");
        }
        let kind = SuppressionKind::Hidden;
        self.model.suppressed.insert(person, Suppressed { id, kind, faces });
        "hide"
    }

    fn some_suppressed(&mut self, kind: Option<SuppressionKind>) -> Option<(usize, Suppressed)> {
        let of = |(person, of): (&usize, &Suppressed)| (*person, of.clone());
        let all: Vec<(usize, Suppressed)> = self.model.suppressed.iter().map(of).collect();
        let fits = |(_, of): &&(usize, Suppressed)| kind.is_none_or(|kind| of.kind == kind);
        let some: Vec<_> = all.iter().filter(fits).cloned().collect();
        (!some.is_empty()).then(|| self.rng.pick(&some).clone())
    }

    fn lift(&mut self) -> &'static str {
        let Some((person, of)) = self.some_suppressed(None) else { return "lift nothing" };
        self.collection().lift_suppression(&of.id).unwrap();
        let again = self.collection().lift_suppression(&of.id);
        assert!(matches!(again, Err(Error::NotFound { kind: "suppression", .. })));
        self.model.suppressed.remove(&person);
        "lift"
    }

    fn erase(&mut self) -> &'static str {
        let hidden = self.some_suppressed(Some(SuppressionKind::Hidden));
        let Some((person, of)) = hidden else { return "erase no person" };
        let opt_out = self.rng.throw(2) == 0;
        let receipt =
            self.collection().erase_suppressed(&of.id, opt_out, Requester::Person).unwrap();
        let there = |(number, person): &&Seen| {
            self.model.photos.get(number).is_some_and(|people| people.contains(person))
        };
        let stored = of.faces.iter().filter(there).count();
        assert_eq!(receipt.receipt.faces, Some(stored as u64));
        let details = receipt.receipt.details.clone().unwrap();
        assert_eq!((details.requested_by, details.opt_out), (Some(Requester::Person), opt_out));
        Receipt::verify(&receipt.to_bytes().unwrap(), &self.data.public_key().unwrap()).unwrap();
        for (number, person) in &of.faces {
            if let Some(people) = self.model.photos.get_mut(number) {
                people.remove(person);
            }
        }
        self.model.erased.extend(&of.faces);
        self.model.suppressed.remove(&person);
        if opt_out {
            let kind = SuppressionKind::OptOut;
            let of = Suppressed { id: of.id, kind, faces: BTreeSet::new() };
            self.model.suppressed.insert(person, of);
        }
        "erase"
    }

    fn reopen(&mut self) -> &'static str {
        self.collection = None;
        let path = self.folder.path().join("data");
        self.data = DataDir::open(&path, None).unwrap();
        self.collection = Some(Collection::open(&self.data, "Event", &pack()).unwrap());
        "reopen"
    }

    fn place(&self) -> Box<dyn object_store::ObjectStore> {
        object_store::open(&self.folder.path().join("backups").to_string_lossy(), None).unwrap()
    }

    fn back_up(&mut self) -> &'static str {
        self.data.back_up("Event", &*self.place(), 1_000_000).unwrap();
        self.backup = Some((self.model.photos.clone(), BTreeSet::new()));
        // Two backups of one second have no order.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        "back up"
    }

    fn restore(&mut self) -> &'static str {
        let Some((mut photos, deleted)) = self.backup.clone() else { return "restore nothing" };
        self.collection = None;
        self.data.restore("Event", &*self.place(), None, true).unwrap();
        self.reopen();
        for (number, people) in &mut photos {
            people.retain(|person| !self.model.erased.contains(&(*number, *person)));
        }
        photos.retain(|number, _| !deleted.contains(number));
        self.model.photos = photos;
        // A backup holds no guests.
        for (person, guest) in self.guests.clone().into_iter().enumerate() {
            self.collection().put_guest(&Guest::new(guest, template(person))).unwrap();
        }
        "restore"
    }

    fn step(&mut self) -> &'static str {
        match self.rng.throw(100) {
            0..40 => self.put(),
            40..50 => self.delete(),
            50..65 => self.hide(),
            65..75 => self.lift(),
            75..83 => self.erase(),
            83..95 => self.reopen(),
            95..98 => self.restore(),
            _ => self.back_up(),
        }
    }

    /// Checks that no result contains a hidden or erased face, and that each other stored face is found.
    fn compare(&self) {
        let visible = self.model.visible();
        let expected: BTreeSet<FaceId> = visible
            .iter()
            .flat_map(|(number, people)| people.iter().map(|person| face_id((*number, *person))))
            .collect();
        self.collection().read_gallery(|gallery| {
            let received: BTreeSet<FaceId> = gallery
                .photos_with_faces()
                .flat_map(|(_, faces)| faces.map(|(face, _)| face).collect::<Vec<_>>())
                .collect();
            assert_eq!(received, expected);
            assert_eq!(gallery.face_count(), expected.len());
            assert_eq!(gallery.photos().len(), visible.len(), "photos stay");
            let of_people = gallery.people().into_iter().flat_map(|person| person.faces.clone());
            let grouped: BTreeSet<FaceId> = of_people.collect();
            assert!(grouped.is_subset(&expected), "people have no hidden face");
        });
        for person in 0..PEOPLE {
            let own: BTreeSet<PhotoId> = visible
                .iter()
                .filter(|(_, people)| people.contains(&person))
                .map(|(number, _)| photo_id(*number))
                .collect();
            for scoring in [Scoring::Direct, Scoring::People, Scoring::Expand] {
                let found = self.collection().search(&template(person), scoring, None, None);
                let found = found.unwrap().matches.into_iter().map(|found| found.photo);
                assert_eq!(found.collect::<BTreeSet<_>>(), own, "{scoring:?}");
            }
            let seen = self.collection().photos_of_guest(&self.guests[person]).unwrap().matches;
            assert_eq!(seen.iter().map(|found| found.photo).collect::<BTreeSet<_>>(), own);
        }
        for number in self.model.photos.keys() {
            for person in shown(*number) {
                let face = face_id((*number, person));
                let there = expected.contains(&face);
                assert_eq!(self.collection().template_of(&face).is_ok(), there);
                assert!(there || self.collection().person(&face).is_err());
            }
        }
        let overviews = self.collection().suppression_overviews();
        assert_eq!(overviews.len(), self.model.suppressed.len());
        for of in self.model.suppressed.values() {
            let one = overviews.iter().find(|one| one.id == of.id).unwrap();
            assert_eq!((one.kind, one.faces), (of.kind, of.faces.len()));
        }
    }
}

#[test]
fn suppressed_faces_are_in_no_result_until_they_are_lifted() {
    let operations = times("PICPICK_TEST_SUPPRESSIONS", 600);
    let mut event = Event::new();
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for _ in 0..operations {
        *counts.entry(event.step()).or_default() += 1;
        event.compare();
    }
    event.reopen();
    event.compare();
    assert_eq!(event.data.scan(&[]).unwrap().found(), 0, "no unsealed template or embedding");
    println!("{counts:?}");
    let all = ["put", "delete", "hide", "lift", "erase", "reopen", "back up", "restore"];
    assert!(operations < 600 || all.iter().all(|kind| counts.contains_key(kind)), "{counts:?}");
}

/// The owner's corrections of a person hold again after the person was hidden, also over a restart.
#[test]
fn corrections_outlive_a_suppression() {
    let mut event = Event::new();
    event.collection().put((0..PHOTOS).map(photo).collect()).unwrap();
    event.collection().refresh().unwrap();
    // Photos 4 and 8 show person 0 alone; photo 5 shows person 1 alone.
    let [a, b] = [face_id((4, 0)), face_id((5, 1))];
    event.collection().merge_people(&[a, b], true).unwrap();
    let size = |event: &Event, face: &FaceId| event.collection().person(face).unwrap().faces.len();
    let merged = size(&event, &a);
    let id = SuppressionId([1; 16]);
    event.collection().suppress_guest(id, &event.guests[0].clone()).unwrap();
    assert!(event.collection().person(&a).is_err());
    let alone = size(&event, &b);
    assert!(alone < merged, "{alone} of {merged}");
    event.reopen();
    assert!(event.collection().person(&a).is_err());
    event.collection().lift_suppression(&id).unwrap();
    assert_eq!((size(&event, &a), size(&event, &b)), (merged, merged));
}
