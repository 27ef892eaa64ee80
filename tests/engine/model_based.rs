//! Model-based test: applies random operations to a collection and to a plain map, and compares photos, faces
//! and search results. The tests in `tests/faults` add faults. `PICPICK_TEST_OPERATIONS` sets the number of
//! operations (default 100,000; the long run is 1,000,000).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use picpick_engine::indexing::Sink;
use picpick_engine::receipts::Requester;
use picpick_engine::{Collection, DataDir, FaceId, Pack, Photo, PhotoId, Scoring, Template};
use picpick_tests::{Rng, synthetic, times};

/// Number of different photos, which have 621 faces. The number is small, so that photos are put repeatedly.
const NUMBERS: u64 = 250;
/// Search threshold. One in a hundred pairs of random embeddings of 128 numbers reaches it.
const SIMILARITY_MIN: f32 = 0.2;
/// Upper bound of the error in similarity that 8-bit codes cause (`index::Hit`).
const CODE_ERROR: f32 = 0.01;
/// Maximum increase of the threshold for a low-quality face (`matcher`).
const POOR_FACE_BAR: f32 = 0.08;

/// Operations after which a new data folder is created, because each erasure makes the ledger's chain longer
/// and the next erasure slower.
const OPERATIONS_PER_FOLDER: usize = 100_000;

/// The expected state: photos by number, with the indices of their faces.
#[derive(Default)]
struct Model {
    photos: BTreeMap<u32, BTreeSet<u8>>,
    erased: BTreeSet<(u32, u8)>,
}

/// A collection under test, and its model.
struct ModelTest {
    folder: PathBuf,
    pack: Pack,
    data: DataDir,
    collection: Option<Collection>,
    model: Model,
    /// All photos with all their faces, by number.
    whole: Vec<Photo>,
    rng: Rng,
    counts: BTreeMap<&'static str, usize>,
}

impl ModelTest {
    fn new(folder: &Path, rng: Rng) -> Self {
        let (data, pack) =
            (DataDir::open(folder, None).unwrap(), Pack::builtin(Pack::DEFAULT).unwrap());
        data.create("Event", pack.id(), &synthetic::keep()).unwrap();
        let collection = Some(Collection::open(&data, "Event", &pack).unwrap());
        let photo = |number| synthetic::photo(number as u32, pack.id());
        let whole = (0..NUMBERS).map(photo).collect();
        let (folder, model, counts) = (folder.to_path_buf(), Model::default(), BTreeMap::new());
        Self { folder, pack, data, collection, model, whole, rng, counts }
    }

    fn collection(&self) -> &Collection {
        self.collection.as_ref().unwrap()
    }

    fn step(&mut self) {
        let kind = match self.rng.throw(10_000) {
            0..4500 => self.put(),
            4500..7000 => self.has(),
            7000..9850 => self.search(),
            9850..9910 => self.delete_photos(),
            9910..9960 => self.delete_faces(),
            9960..9980 => self.settle(),
            9980..9998 => self.reopen(),
            _ => self.purge(),
        };
        *self.counts.entry(kind).or_default() += 1;
    }

    fn number(&mut self) -> u32 {
        self.rng.throw(NUMBERS) as u32
    }

    fn put(&mut self) -> &'static str {
        let numbers: BTreeSet<u32> = (0..=self.rng.throw(3)).map(|_| self.number()).collect();
        let photos = numbers.iter().map(|number| self.whole[*number as usize].clone());
        self.collection().put(photos.collect()).unwrap();
        for number in numbers {
            let mut faces: BTreeSet<u8> = (0..synthetic::face_count(number)).collect();
            faces.retain(|which| !self.model.erased.contains(&(number, *which)));
            self.model.photos.insert(number, faces);
        }
        "put"
    }

    fn has(&mut self) -> &'static str {
        let number = self.number();
        let there = self.collection().has(&synthetic::photo_id(number)).unwrap();
        assert_eq!(there, self.model.photos.contains_key(&number), "photo {number}");
        "has"
    }

    /// Searches for a face. Checks that the search finds each photo with a face above the threshold by such a
    /// face, and no other photo.
    fn search(&mut self) -> &'static str {
        let number = self.number() | 1;
        let probe = synthetic::face(number, 0, self.pack.id());
        let template = Template::of(&[("probe", &probe)], self.pack.id()).unwrap();
        let answer =
            self.collection().search(&template, Scoring::Direct, Some(SIMILARITY_MIN), None);
        let found: BTreeMap<PhotoId, FaceId> =
            answer.unwrap().matches.iter().map(|found| (found.photo, found.face)).collect();
        for (&number, faces) in &self.model.photos {
            let photo = synthetic::photo_id(number);
            let faces =
                faces.iter().map(|which| &self.whole[number as usize].faces[usize::from(*which)]);
            let mut near = Vec::new();
            let (mut must, mut may) = (false, false);
            for face in faces {
                let similarity = face.similarity(&probe);
                let poor = if face.quality < 0.25 { POOR_FACE_BAR } else { 0.0 };
                must |= similarity >= SIMILARITY_MIN + poor + CODE_ERROR;
                if similarity >= SIMILARITY_MIN - CODE_ERROR {
                    may = true;
                    near.push(face.id);
                }
            }
            match found.get(&photo) {
                Some(face) => assert!(may && near.contains(face), "photo {number} is no match"),
                None => assert!(!must, "photo {number} is a match and was not found"),
            }
        }
        let known = |photo: &PhotoId| {
            self.model.photos.keys().any(|number| synthetic::photo_id(*number) == *photo)
        };
        assert!(found.keys().all(known), "the search found a photo that is not in the collection");
        "search"
    }

    fn some_photos(&mut self, most: u64) -> Vec<u32> {
        let there: Vec<u32> = self.model.photos.keys().copied().collect();
        if there.is_empty() {
            return Vec::new();
        }
        let chosen: BTreeSet<u32> =
            (0..=self.rng.throw(most)).map(|_| *self.rng.pick(&there)).collect();
        chosen.into_iter().collect()
    }

    fn delete_photos(&mut self) -> &'static str {
        let numbers = self.some_photos(20);
        let ids: Vec<PhotoId> = numbers.iter().map(|number| synthetic::photo_id(*number)).collect();
        let receipt = self.collection().delete_photos(&ids).unwrap().receipt;
        let faces: usize =
            numbers.iter().filter_map(|n| self.model.photos.remove(n)).map(|f| f.len()).sum();
        assert_eq!(
            (receipt.photos, receipt.faces),
            (Some(numbers.len() as u64), Some(faces as u64))
        );
        "delete photos"
    }

    fn delete_faces(&mut self) -> &'static str {
        let mut ids = Vec::new();
        for number in self.some_photos(4) {
            let faces = self.model.photos.get_mut(&number).unwrap();
            if let Some(which) = faces.pop_first() {
                ids.push(synthetic::face_id(number, which, self.pack.id()));
                self.model.erased.insert((number, which));
            }
        }
        let receipt = self.collection().delete_faces(&ids).unwrap().receipt;
        assert_eq!(receipt.faces, Some(ids.len() as u64));
        "delete faces"
    }

    fn settle(&mut self) -> &'static str {
        self.collection().refresh().unwrap();
        "settle"
    }

    fn reopen(&mut self) -> &'static str {
        self.collection = None;
        self.data = DataDir::open(&self.folder, None).unwrap();
        assert!(self.data.warnings().is_empty(), "{:?}", self.data.warnings());
        let collection = Collection::open(&self.data, "Event", &self.pack).unwrap();
        assert!(collection.warnings().is_empty(), "{:?}", collection.warnings());
        self.collection = Some(collection);
        self.compare();
        "reopen"
    }

    fn purge(&mut self) -> &'static str {
        self.collection = None;
        let receipt = self.data.purge("Event", Requester::Operator).unwrap().receipt;
        assert_eq!(receipt.photos, Some(self.model.photos.len() as u64));
        self.model = Model::default();
        self.data.create("Event", self.pack.id(), &synthetic::keep()).unwrap();
        self.collection = Some(Collection::open(&self.data, "Event", &self.pack).unwrap());
        "purge"
    }

    /// Checks that store and index have exactly the model's photos and faces.
    fn compare(&self) {
        self.collection().read_gallery(|gallery| {
            let expected: BTreeMap<PhotoId, BTreeSet<FaceId>> = self
                .model
                .photos
                .iter()
                .map(|(number, faces)| {
                    let id = |which: &u8| synthetic::face_id(*number, *which, self.pack.id());
                    (synthetic::photo_id(*number), faces.iter().map(id).collect())
                })
                .collect();
            let received: BTreeMap<PhotoId, BTreeSet<FaceId>> = gallery
                .photos()
                .into_iter()
                .map(|(id, known)| (id, known.faces.iter().copied().collect()))
                .collect();
            assert_eq!(received, expected);
            let faces: usize = expected.values().map(BTreeSet::len).sum();
            assert_eq!(gallery.face_count(), faces);
        });
    }
}

#[test]
fn a_collection_behaves_like_a_plain_map() {
    let operations = times("PICPICK_TEST_OPERATIONS", 100_000);
    let mut rng = Rng::seeded("model");
    let mut done = 0;
    while done < operations {
        let some = OPERATIONS_PER_FOLDER.min(operations - done);
        let sandbox = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut test = ModelTest::new(&sandbox.path().join("data"), rng);
        (0..some).for_each(|_| test.step());
        test.reopen();
        done += some;
        println!("{done} operations, 0 divergences: {:?}", test.counts);
        assert!(test.counts.len() == 8 || some < 50_000, "{:?}", test.counts);
        rng = test.rng;
    }
}
