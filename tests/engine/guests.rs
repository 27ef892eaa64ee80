use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use picpick_engine::guests::{Claim, Guest};
use picpick_engine::indexing::{RunOptions, index_photos};
use picpick_engine::receipts::{PurgeSubject, Requester};
use picpick_engine::thresholds::ThresholdOffset;
use picpick_engine::{
    Collection, DataDir, DecodeLimits, Error, Face, FaceId, GuestId, Pack, PhotoId, Pipeline,
    Precision, Provider, Scoring, Subject, Template,
};
use picpick_tests::synthetic::keep;
use picpick_tests::{PARTY, models, sample};
use tempfile::TempDir;

/// Two portraits of the man in the selfie `obama.jpg`, one of another man, and a party photo.
const PHOTOS: [&str; 4] = ["obama2.jpg", "obama3.jpg", "biden.jpg", "sample4.jpg"];

fn pack() -> Pack {
    Pack::builtin(Pack::DEFAULT).unwrap()
}

fn pipeline() -> &'static Arc<Pipeline> {
    static PIPELINE: OnceLock<Arc<Pipeline>> = OnceLock::new();
    PIPELINE.get_or_init(|| {
        let cpu = Precision::Only(Provider::Cpu);
        Arc::new(Pipeline::load(models(), &pack(), cpu, DecodeLimits::default()).unwrap())
    })
}

/// A data folder with one collection, "Event".
struct Event {
    folder: TempDir,
    data: DataDir,
    collection: Collection,
}

impl Event {
    fn of(photos: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(&folder.path().join("data"), None).unwrap();
        data.create("Event", pack().id(), &keep()).unwrap();
        let collection = Collection::open(&data, "Event", &pack()).unwrap();
        let event = Self { folder, data, collection };
        event.add(photos);
        event
    }

    fn add(&self, photos: &[&str]) {
        let paths: Vec<PathBuf> = photos.iter().map(|name| sample(name)).collect();
        let load = || Ok(Arc::clone(pipeline()));
        let options = RunOptions::default();
        index_photos(&load, paths.into_iter(), &self.collection, &options, &|_| {}).unwrap();
        self.collection.refresh().unwrap();
    }

    fn reopened(self) -> Self {
        let Self { folder, data, collection } = self;
        drop((collection, data));
        let data = DataDir::open(&folder.path().join("data"), None).unwrap();
        let collection = Collection::open(&data, "Event", &pack()).unwrap();
        Self { folder, data, collection }
    }

    fn add_guest(&self, selfie: &str) -> Guest {
        let guest = Guest::new(GuestId::random().unwrap(), template(selfie));
        self.collection.put_guest(&guest).unwrap();
        guest
    }

    /// Returns the file names of the photos that a guest may see, and checks that `guest_sees` agrees for
    /// each photo.
    fn seen(&self, guest: &Guest) -> BTreeSet<String> {
        let photos = self.collection.photos_of_guest(&guest.id).unwrap();
        let listed: BTreeSet<PhotoId> = photos.matches.iter().map(|found| found.photo).collect();
        let all: Vec<PhotoId> = self
            .collection
            .read_gallery(|gallery| gallery.photos().into_iter().map(|(id, _)| id).collect());
        for photo in all {
            let sees = self.collection.guest_sees(&guest.id, &photo).unwrap();
            assert_eq!(sees, listed.contains(&photo), "{photo}");
        }
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        photos.matches.iter().map(|found| name(&found.path)).collect()
    }

    fn face_in(&self, photo: &str) -> FaceId {
        let id = PhotoId::of(&std::fs::read(sample(photo)).unwrap());
        self.collection.read_gallery(|gallery| gallery.photo(&id).unwrap().faces[0])
    }
}

fn face_of(selfie: &str) -> Face {
    let seen = pipeline().analyse_query(&std::fs::read(sample(selfie)).unwrap()).unwrap();
    let size = (seen.width, seen.height);
    Subject::Clear.choose(&seen.faces, size, selfie).unwrap().clone()
}

fn template(selfie: &str) -> Template {
    Template::of(&[(selfie, &face_of(selfie))], pack().id()).unwrap()
}

fn names(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_guest_sees_only_photos_that_show_them() {
    let event = Event::of(&PHOTOS);
    let (one, other) = (event.add_guest("obama.jpg"), event.add_guest("biden.jpg"));
    assert_eq!(event.seen(&one), names(&["obama2.jpg", "obama3.jpg"]));
    assert_eq!(event.seen(&other), names(&["biden.jpg"]));
    let event = event.reopened();
    assert_eq!(event.seen(&one), names(&["obama2.jpg", "obama3.jpg"]), "guests survive a restart");
    let unknown = Guest::new(GuestId::random().unwrap(), template("obama.jpg"));
    let missing = event.collection.photos_of_guest(&unknown.id);
    assert!(matches!(missing, Err(Error::NotFound { kind: "guest", .. })));
    let nowhere = PhotoId([7; 16]);
    assert!(!event.collection.guest_sees(&one.id, &nowhere).unwrap());
}

#[test]
fn claims_of_a_guest_are_durable() {
    let event = Event::of(&PHOTOS);
    let guest = event.add_guest("obama.jpg");
    let (mine, stranger) = (event.face_in("obama2.jpg"), event.face_in("biden.jpg"));
    event.collection.claim(&guest.id, &mine, Claim::Reject).unwrap();
    assert!(!event.seen(&guest).contains("obama2.jpg"));
    assert!(!event.collection.guest_sees_face(&guest.id, &mine).unwrap());
    let event = event.reopened();
    event.add(&["sample1.jpg"]);
    assert!(
        !event.seen(&guest).contains("obama2.jpg"),
        "an added photo does not restore the rejected one"
    );
    // A claim cannot give a guest access to another person's photos.
    for claim in [Claim::Confirm, Claim::Reject, Claim::Clear] {
        let refused = event.collection.claim(&guest.id, &stranger, claim);
        assert!(matches!(refused, Err(Error::NotFound { kind: "face", .. })), "{claim:?}");
    }
    event.collection.claim(&guest.id, &mine, Claim::Confirm).unwrap();
    assert!(event.seen(&guest).contains("obama2.jpg"));
    let stored = event.collection.guest(&guest.id).unwrap();
    assert!(
        stored.confirmed.is_empty(),
        "the rejection is withdrawn; the face is not confirmed, its similarity decides"
    );
}

#[test]
fn a_wrong_merge_of_two_people_shows_neither_the_others_photos() {
    let event = Event::of(&PHOTOS);
    let (one, other) = (event.add_guest("obama.jpg"), event.add_guest("biden.jpg"));
    let faces = [event.face_in("obama2.jpg"), event.face_in("biden.jpg")];
    event.collection.merge_people(&faces, false).unwrap();
    let merged = event.collection.person(&faces[0]).unwrap().faces;
    assert_eq!(merged.len(), 3, "the faces are merged into one person");
    // In a person merged by the owner, a face is shown only if its own similarity reaches two thirds of the
    // threshold.
    let neither = |event: &Event| {
        assert!(!event.seen(&one).contains("biden.jpg"));
        assert!(event.seen(&other).is_subset(&names(&["biden.jpg"])));
    };
    neither(&event);
    neither(&event.reopened());
}

/// Adds a guest whose template is a mixture of two people. The similarity of the template and `face`, minus the
/// event's threshold, is in `above`.
fn guest_between(event: &Event, face: FaceId, above: Range<f32>) -> Guest {
    let threshold = event.collection.read_gallery(|gallery| gallery.threshold());
    let (near, far) = (face_of("obama2.jpg"), face_of("biden.jpg"));
    let mixture = |share: f32| {
        let pairs = near.embedding.iter().zip(&far.embedding);
        let embedding = pairs.map(|(near, far)| near * (1.0 - share) + far * share).collect();
        Template::of(&[("both", &Face { embedding, ..near.clone() })], pack().id()).unwrap()
    };
    let score = |template: &Template| event.collection.score(template, &face, Scoring::People);
    let template = (1..200)
        .map(|step| mixture(step as f32 / 200.0))
        .find(|template| above.contains(&(score(template).unwrap() - threshold)))
        .expect("a mixture has a similarity in the range");
    let guest = Guest::new(GuestId::random().unwrap(), template);
    event.collection.put_guest(&guest).unwrap();
    guest
}

/// Returns the range of similarity, relative to the threshold, in which a face is a candidate that the guest
/// is asked to confirm.
fn candidate_range() -> Range<f32> {
    let margin = pack().matching.threshold_per_decade / 2.0;
    -margin * 0.9..-margin * 0.1
}

#[test]
fn a_guest_erases_only_the_faces_they_are_shown() {
    let (yes, no) = (names(&["obama2.jpg"]), names(&[]));
    let mine = |event: &Event, guest: &Guest| &event.seen(guest) & &yes;
    // If a stricter threshold hides a face from the guest, the guest's erasure does not include the face.
    let event = Event::of(&["obama2.jpg", "biden.jpg"]);
    let face = event.face_in("obama2.jpg");
    let guest = guest_between(&event, face, 0.02..0.1);
    assert_eq!(mine(&event, &guest), yes);
    event.collection.set_threshold_offset(ThresholdOffset::MAX).unwrap();
    assert_eq!(mine(&event, &guest), no);
    let shown = event.seen(&guest).len() as u64;
    let receipt = event.collection.erase_guest(&guest.id, true, Requester::Guest).unwrap();
    assert_eq!(receipt.receipt.faces, Some(shown));
    event.collection.set_threshold_offset(ThresholdOffset::default()).unwrap();
    let again = guest_between(&event, face, 0.02..0.1);
    assert_eq!(mine(&event, &again), yes, "the face can still be found");
    // A candidate that the guest confirmed is erased too, unless a stricter threshold has since put its
    // similarity below the range of candidates.
    for (stricter, retained) in [(ThresholdOffset::default(), 0), (ThresholdOffset::MAX, 1)] {
        let event = Event::of(&["obama2.jpg", "biden.jpg"]);
        let face = event.face_in("obama2.jpg");
        let guest = guest_between(&event, face, candidate_range());
        assert_eq!(mine(&event, &guest), no);
        event.collection.claim(&guest.id, &face, Claim::Confirm).unwrap();
        event.collection.set_threshold_offset(stricter).unwrap();
        assert_eq!(mine(&event, &guest), yes, "shown as confirmed");
        let shown = event.seen(&guest).len() as u64;
        let receipt = event.collection.erase_guest(&guest.id, true, Requester::Guest).unwrap();
        assert_eq!(receipt.receipt.faces, Some(shown - retained), "{stricter:?}");
    }
}

#[test]
fn a_borderline_face_is_a_candidate_until_it_is_confirmed() {
    let event = Event::of(&["obama2.jpg", "biden.jpg"]);
    let face = event.face_in("obama2.jpg");
    let guest = guest_between(&event, face, candidate_range());
    let photos = event.collection.photos_of_guest(&guest.id).unwrap();
    assert_eq!(photos.candidates.iter().map(|found| found.face).collect::<Vec<_>>(), [face]);
    assert!(!event.seen(&guest).contains("obama2.jpg"));
    assert!(event.collection.guest_sees_face(&guest.id, &face).unwrap());
    event.collection.claim(&guest.id, &face, Claim::Confirm).unwrap();
    assert!(event.seen(&guest).contains("obama2.jpg"));
    assert!(event.collection.photos_of_guest(&guest.id).unwrap().candidates.is_empty());
    event.collection.claim(&guest.id, &face, Claim::Reject).unwrap();
    assert!(!event.seen(&guest).contains("obama2.jpg"));
}

#[test]
fn new_photos_are_matched_with_known_guests_once() {
    let event = Event::of(&["biden.jpg"]);
    let (one, other) = (event.add_guest("obama.jpg"), event.add_guest("biden.jpg"));
    assert!(event.collection.take_new_matches().is_empty());
    event.add(&["obama2.jpg", "obama3.jpg", "sample4.jpg"]);
    let met = event.collection.take_new_matches();
    assert_eq!(met.len(), 2, "{met:?}");
    assert!(met.iter().all(|sighting| sighting.guest == one.id && sighting.guest != other.id));
    assert!(event.collection.take_new_matches().is_empty(), "each match is returned once");
    let photos: Vec<PhotoId> = met.iter().map(|sighting| sighting.photo).collect();
    assert_eq!(event.collection.mark_notified(&one.id, &photos).unwrap(), photos);
    let event = event.reopened();
    assert!(
        event.collection.mark_notified(&one.id, &photos).unwrap().is_empty(),
        "the guest is notified once"
    );
}

#[test]
fn an_erased_guest_leaves_nothing_and_does_not_come_back() {
    let event = Event::of(&PHOTOS);
    let (one, other) = (event.add_guest("obama.jpg"), event.add_guest("biden.jpg"));
    let receipt = event.collection.erase_guest(&one.id, false, Requester::Guest).unwrap();
    assert_eq!(receipt.receipt.subject, PurgeSubject::Person);
    assert_eq!((receipt.receipt.faces, receipt.receipt.residue), (Some(0), 0));
    let gone = |event: &Event| {
        let missing = event.collection.photos_of_guest(&one.id);
        assert!(matches!(missing, Err(Error::NotFound { kind: "guest", .. })));
        let claimed = event.collection.mark_notified(&one.id, &[PhotoId([1; 16])]);
        assert!(matches!(claimed, Err(Error::NotFound { kind: "guest", .. })));
        assert_eq!(event.seen(&other), names(&["biden.jpg"]));
    };
    gone(&event);
    let event = event.reopened();
    gone(&event);
    // The erasure with `false` has left the faces in the photos, so a new guest finds them.
    let again = event.add_guest("obama.jpg");
    assert_eq!(event.seen(&again).len(), 2);
    let receipt = event.collection.erase_guest(&again.id, true, Requester::Guest).unwrap();
    assert_eq!(receipt.receipt.faces, Some(2));
    let third = event.add_guest("obama.jpg");
    assert!(event.seen(&third).is_empty());
    event.add(&PHOTOS);
    assert!(event.seen(&third).is_empty(), "photos that are put again do not restore the faces");
    let missing = event.collection.erase_guest(&one.id, false, Requester::Guest);
    assert!(matches!(missing, Err(Error::NotFound { kind: "guest", .. })));
    event.add(&PARTY);
    assert_eq!(event.data.scan(&[]).unwrap().found(), 0);
}
