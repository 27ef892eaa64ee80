//! Tracks the required content of a data folder from the output of the processes that worked on the folder. A
//! completed operation has taken effect. An interrupted operation may have taken effect for any of its photos,
//! but a put of new photos is atomic. A state that a check has found must persist. Uses only the engine's
//! public functions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use picpick_engine::{Collection, DataDir, FaceId, Gallery, Pack, Scoring, Template};

use crate::synthetic::{face, face_count, face_id, photo_id};
use crate::workload::{Line, Op};

/// Search threshold that only the face itself reaches: its similarity is 1, and no other face is similar.
const ITSELF: f32 = 0.8;
/// Maximum number of deleted photos per collection that are searched for.
const GONE_MAX: usize = 12;

/// The faces of a photo; `None` if the photo does not exist.
type State = Option<BTreeSet<u8>>;

/// The erased faces of a photo.
type ErasedFaces = BTreeSet<u8>;

/// The possible states of one collection. Photos without an entry do not exist.
#[derive(Clone, Default)]
struct Expected {
    may_be_absent: bool,
    may_be_present: bool,
    photos: BTreeMap<u32, BTreeSet<State>>,
    /// The possible sets of erased faces per photo. Erased faces are not restored when the photo is put
    /// again.
    erased: BTreeMap<u32, BTreeSet<ErasedFaces>>,
    /// Groups of new photos, each of one put that was begun: either all photos of a group exist or none.
    together: Vec<Vec<u32>>,
    gone: BTreeSet<u32>,
}

/// All collections, and the operation that was begun last.
#[derive(Clone)]
pub struct Oracle {
    pack: Pack,
    collections: BTreeMap<String, Expected>,
    begun: Option<Op>,
}

/// The counts of a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub collections: usize,
    pub photos: usize,
    pub faces: usize,
}

/// A value, or a description of the contradiction.
type Verdict<T> = Result<T, String>;

impl Oracle {
    /// Creates an oracle for a data folder that does not exist yet.
    pub fn new(pack: Pack) -> Self {
        Self { pack, collections: BTreeMap::new(), begun: None }
    }

    /// Processes a line that the process printed. Errors if the line contradicts the known state.
    pub fn observe(&mut self, line: &Line) -> Verdict<()> {
        match line {
            Line::Begin(op) => {
                self.begin(op)?;
                self.begun = Some(op.clone());
            }
            Line::Failed(_) => self.begun = None,
            Line::Done(photos, faces) => {
                let op = self.begun.take().ok_or("an operation is done that was not begun")?;
                let Some(name) = op.collection() else { return Ok(()) };
                let expected = self.collections.entry(name.to_owned()).or_default();
                expected.done(&op);
                expected.compare(*photos, *faces).map_err(|wrong| format!("{op}: {wrong}"))?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, op: &Op) -> Verdict<()> {
        let Some(name) = op.collection() else { return Ok(()) };
        let absent = || Expected { may_be_absent: true, ..Expected::default() };
        let expected = self.collections.entry(name.to_owned()).or_insert_with(absent);
        let possible = match op {
            Op::Create(_) => expected.may_be_absent,
            _ => expected.may_be_present,
        };
        if !possible {
            return Err(format!("the operation contradicts the known state: {op}"));
        }
        expected.begin(op);
        Ok(())
    }

    /// Opens the data folder as a program does after a crash, checks it against the known state, and sets the
    /// known state to the state found.
    pub fn check(&mut self, data: &Path) -> Verdict<Seen> {
        let folder = DataDir::open(data, None).map_err(|error| format!("opening: {error}"))?;
        if let Some(remark) = folder.warnings().iter().find(|remark| remark.contains("could not")) {
            return Err(format!("the data folder warns: {remark}"));
        }
        let listed = folder.collections().map_err(|error| format!("listing: {error}"))?;
        let listed: BTreeSet<&str> = listed.iter().map(|info| info.name.as_str()).collect();
        if let Some(unknown) = listed.iter().find(|name| !self.collections.contains_key(**name)) {
            return Err(format!("collection {unknown} was never created"));
        }
        let mut seen = Seen::default();
        self.begun = None;
        for (name, expected) in &mut self.collections {
            let about = |wrong| format!("collection {name}: {wrong}");
            if listed.contains(name.as_str()) {
                let opened = Collection::open(&folder, name, &self.pack);
                let opened = opened.map_err(|error| about(format!("opening: {error}")))?;
                let photos = expected.check(&opened, &self.pack).map_err(about)?;
                seen.collections += 1;
                seen.photos += photos.len();
                seen.faces += photos.values().map(BTreeSet::len).sum::<usize>();
                expected.settle(Some(photos));
            } else if expected.may_be_absent {
                expected.settle(None);
            } else {
                return Err(about("the collection must exist and is lost".to_owned()));
            }
        }
        Ok(seen)
    }
}

impl Expected {
    /// Adds the states in which the operation has taken effect.
    fn begin(&mut self, op: &Op) {
        self.remove_groups(op);
        match op {
            Op::Create(_) => {
                self.may_be_present = true;
                self.photos.values_mut().for_each(|states| states.extend([None]));
                let none = ErasedFaces::new;
                self.erased.values_mut().for_each(|erased| erased.extend([none()]));
            }
            Op::Put(_, numbers) => {
                let new = numbers.iter().all(|number| !self.photos.contains_key(number));
                for number in numbers {
                    let whole = self.whole(*number);
                    self.states(*number).extend(whole);
                }
                if new {
                    self.together.push(numbers.clone());
                }
            }
            Op::DeletePhotos(_, numbers) => {
                numbers.iter().for_each(|number| self.states(*number).extend([None]));
            }
            Op::DeleteFaces(_, faces) => {
                for (number, taken) in by_photo(faces) {
                    let states = self.states(number);
                    let thinned: Vec<State> = thinned(states, &taken).collect();
                    states.extend(thinned);
                    let more: Vec<ErasedFaces> = self.erased_with(number, &taken).collect();
                    let erased = self.erased.entry(number).or_default();
                    if erased.is_empty() {
                        erased.insert(ErasedFaces::new());
                    }
                    erased.extend(more);
                }
            }
            Op::Purge(_) => self.may_be_absent = true,
            Op::Start | Op::Open(_) | Op::Settle(_) | Op::Read(_) => {}
        }
    }

    /// Keeps only the states in which the operation has taken effect.
    fn done(&mut self, op: &Op) {
        self.remove_groups(op);
        match op {
            Op::Create(_) | Op::Purge(_) => {
                self.gone.extend(std::mem::take(&mut self.photos).into_keys());
                self.together.clear();
                self.erased.clear();
                self.may_be_present = matches!(op, Op::Create(_));
                self.may_be_absent = !self.may_be_present;
            }
            Op::Put(_, numbers) => {
                for number in numbers {
                    let whole = self.whole(*number);
                    self.photos.insert(*number, whole);
                    self.gone.remove(number);
                }
            }
            Op::DeletePhotos(_, numbers) => {
                for number in numbers {
                    self.photos.remove(number);
                    self.gone.insert(*number);
                }
            }
            Op::DeleteFaces(_, faces) => {
                for (number, taken) in by_photo(faces) {
                    let states = self.states(number);
                    *states = thinned(states, &taken).collect();
                    let erased = self.erased_with(number, &taken).collect();
                    self.erased.insert(number, erased);
                }
            }
            Op::Start | Op::Open(_) | Op::Settle(_) | Op::Read(_) => {}
        }
        while self.gone.len() > GONE_MAX {
            self.gone.pop_first();
        }
    }

    /// Returns the possible states of a photo after a put: all its faces except the erased ones.
    fn whole(&self, number: u32) -> BTreeSet<State> {
        let all: BTreeSet<u8> = (0..face_count(number)).collect();
        match self.erased.get(&number) {
            Some(erased) => erased.iter().map(|erased| Some(&all - erased)).collect(),
            None => BTreeSet::from([Some(all)]),
        }
    }

    /// Returns the possible sets of erased faces of a photo, with `taken` added to each.
    fn erased_with<'a>(
        &'a self,
        number: u32,
        taken: &'a ErasedFaces,
    ) -> impl Iterator<Item = ErasedFaces> + 'a {
        let known = self.erased.get(&number);
        let none = known.is_none().then(|| taken.clone());
        known.into_iter().flatten().map(move |erased| erased | taken).chain(none)
    }

    fn states(&mut self, number: u32) -> &mut BTreeSet<State> {
        self.photos.entry(number).or_insert_with(|| BTreeSet::from([None]))
    }

    /// Removes the groups with photos that a later operation changes, because they need no longer be atomic.
    fn remove_groups(&mut self, op: &Op) {
        let touched: BTreeSet<u32> = match op {
            Op::Put(_, numbers) | Op::DeletePhotos(_, numbers) => numbers.iter().copied().collect(),
            Op::DeleteFaces(_, faces) => faces.iter().map(|(number, _)| *number).collect(),
            _ => return,
        };
        self.together.retain(|group| group.iter().all(|number| !touched.contains(number)));
    }

    /// Checks the counts that the running process printed, if the state of every photo is known.
    fn compare(&self, photos: usize, faces: usize) -> Verdict<()> {
        let mut expected = (0, 0);
        for states in self.photos.values() {
            match (states.len(), states.first()) {
                (1, Some(Some(faces))) => expected = (expected.0 + 1, expected.1 + faces.len()),
                (1, Some(None)) => {}
                _ => return Ok(()),
            }
        }
        if expected == (photos, faces) {
            return Ok(());
        }
        Err(format!("expected {expected:?} photos and faces, received {:?}", (photos, faces)))
    }

    /// Checks an opened collection against the possible states. Returns its photos.
    fn check(&self, collection: &Collection, pack: &Pack) -> Verdict<BTreeMap<u32, BTreeSet<u8>>> {
        if !self.may_be_present {
            return Err("the collection was deleted and exists again".to_owned());
        }
        let harmless = |remark: &&String| remark.contains("interrupted erasures were completed");
        if let Some(remark) = collection.warnings().iter().find(|remark| !harmless(remark)) {
            return Err(format!("it warns: {remark}"));
        }
        let photos = collection.read_gallery(|gallery| photos_of(gallery, pack))?;
        for number in self.photos.keys().chain(photos.keys()) {
            let (state, absent) = (photos.get(number).cloned(), BTreeSet::from([None]));
            let allowed = self.photos.get(number).unwrap_or(&absent);
            if !allowed.contains(&state) {
                return Err(format!(
                    "photo {number}: expected the faces to be one of {allowed:?}, received {state:?}"
                ));
            }
        }
        for group in &self.together {
            let there = group.iter().filter(|number| photos.contains_key(number)).count();
            if there != 0 && there != group.len() {
                return Err(format!("of the photos {group:?} of one put, {there} exist"));
            }
        }
        check_index(collection, &photos, pack)?;
        let gone = self.gone.iter().filter(|number| !photos.contains_key(number));
        for (number, which) in
            gone.flat_map(|&number| (0..face_count(number)).map(move |i| (number, i)))
        {
            if !find(collection, number, which, pack)?.is_empty() {
                return Err(format!("face {which} of deleted photo {number} is found"));
            }
        }
        Ok(photos)
    }

    /// Sets the known state to the state that a check has found.
    fn settle(&mut self, seen: Option<BTreeMap<u32, BTreeSet<u8>>>) {
        self.may_be_present = seen.is_some();
        self.may_be_absent = seen.is_none();
        self.together.clear();
        let seen = seen.unwrap_or_default();
        let lost = self.photos.keys().filter(|number| !seen.contains_key(number));
        self.gone.extend(lost);
        if !self.may_be_present {
            self.erased.clear();
        }
        for (number, faces) in &seen {
            // Only an erasure removes a face from a photo that stays.
            let erased = &(0..face_count(*number)).collect() - faces;
            if self.erased.contains_key(number) || !erased.is_empty() {
                self.erased.insert(*number, BTreeSet::from([erased]));
            }
        }
        self.photos = seen
            .into_iter()
            .map(|(number, faces)| (number, BTreeSet::from([Some(faces)])))
            .collect();
    }
}

fn by_photo(faces: &[(u32, u8)]) -> BTreeMap<u32, BTreeSet<u8>> {
    let mut photos: BTreeMap<u32, BTreeSet<u8>> = BTreeMap::new();
    faces.iter().for_each(|(number, which)| photos.entry(*number).or_default().extend([*which]));
    photos
}

/// Returns `states` with the faces `taken` removed.
fn thinned(states: &BTreeSet<State>, taken: &BTreeSet<u8>) -> impl Iterator<Item = State> {
    states.iter().flatten().map(move |faces| Some(faces - taken))
}

/// Returns the photos of a gallery by number, with the indices of their faces.
fn photos_of(gallery: &Gallery, pack: &Pack) -> Verdict<BTreeMap<u32, BTreeSet<u8>>> {
    let mut photos = BTreeMap::new();
    for (id, known) in gallery.photos() {
        let number = known.path.to_str().and_then(|path| path.parse().ok());
        let number = number.filter(|number| photo_id(*number) == id);
        let number = number.ok_or_else(|| format!("photo {id} was never put"))?;
        let which = |id: &FaceId| {
            let known = gallery.face(id).filter(|face| face.photo == photo_id(number));
            known.and(
                (0..face_count(number)).find(|which| face_id(number, *which, pack.id()) == *id),
            )
        };
        let faces: Option<BTreeSet<u8>> = known.faces.iter().map(which).collect();
        let faces = faces.filter(|faces| faces.len() == known.faces.len());
        let faces =
            faces.ok_or_else(|| format!("photo {number} has faces that are not its own"))?;
        if photos.insert(number, faces).is_some() {
            return Err(format!("photo {number} exists twice"));
        }
    }
    Ok(photos)
}

/// Checks that the index has exactly these faces, and that a search for each embedding finds that face alone.
pub fn check_index(
    collection: &Collection,
    photos: &BTreeMap<u32, BTreeSet<u8>>,
    pack: &Pack,
) -> Verdict<()> {
    let stored: usize = photos.values().map(BTreeSet::len).sum();
    let indexed = collection.read_gallery(|gallery| gallery.face_count());
    if stored != indexed {
        return Err(format!("the store has {stored} faces, the index {indexed}"));
    }
    for (&number, faces) in photos {
        for &which in faces {
            let (found, itself) =
                (find(collection, number, which, pack)?, face_id(number, which, pack.id()));
            if found != [itself] {
                return Err(format!("face {which} of photo {number}: found {found:?}"));
            }
        }
    }
    collection.read_gallery(|gallery| {
        let people = gallery.people();
        match people.iter().flat_map(|person| &person.faces).find(|id| gallery.face(id).is_none()) {
            Some(ghost) => Err(format!("a person has the face {ghost}, which does not exist")),
            None => Ok(()),
        }
    })
}

/// Checks that the index of a collection agrees with its store.
pub fn check_itself(collection: &Collection, pack: &Pack) -> Verdict<()> {
    let photos = collection.read_gallery(|gallery| photos_of(gallery, pack))?;
    check_index(collection, &photos, pack)
}

fn find(collection: &Collection, number: u32, which: u8, pack: &Pack) -> Verdict<Vec<FaceId>> {
    let probe = face(number, which, pack.id());
    let template = Template::of(&[("probe", &probe)], pack.id());
    let answer = template
        .and_then(|template| collection.search(&template, Scoring::Direct, Some(ITSELF), None))
        .map_err(|error| format!("searching face {which} of photo {number}: {error}"))?;
    Ok(answer.matches.iter().map(|found| found.face).collect())
}
