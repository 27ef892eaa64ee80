use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::*;
use crate::ids::PhotoId;
use crate::people::form::PartId;
use crate::people::{People, PersonFace};
use crate::quality::Quality;

const CUT: f32 = 0.45;

struct TestRandom(u64);

impl TestRandom {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % end
    }

    fn share(&mut self) -> f32 {
        self.below(1 << 20) as f32 / (1 << 20) as f32
    }
}

fn faces_of(samples: &[SampleFace]) -> Vec<PersonFace<'_>> {
    fn face(of: &SampleFace) -> PersonFace<'_> {
        let SampleFace { id, photo, quality, embedding } = of;
        PersonFace { id: *id, photo: *photo, quality: *quality, embedding }
    }
    samples.iter().map(face).collect()
}

#[derive(Clone)]
struct SampleFace {
    id: FaceId,
    photo: PhotoId,
    quality: f32,
    embedding: Vec<f32>,
}

/// Makes face `n`, near the axis of `person`; all faces differ in quality.
fn sample(random: &mut TestRandom, n: usize, person: usize, quality: f32) -> SampleFace {
    let mut embedding: Vec<f32> = (0..24).map(|_| (random.share() - 0.5) * 0.34).collect();
    embedding[person] += 0.75;
    let norm = embedding.iter().map(|value| value * value).sum::<f32>().sqrt();
    embedding.iter_mut().for_each(|value| *value /= norm);
    let number = (n as u128).to_be_bytes();
    // Two consecutive faces share a photo, whether they are of one person or of two.
    let photo = PhotoId((n as u128 / 2).to_be_bytes());
    SampleFace { id: FaceId(number), photo, quality: quality + n as f32 * 1e-5, embedding }
}

fn id(n: usize) -> FaceId {
    FaceId((n as u128).to_be_bytes())
}

/// A collection's people, managed as in `collection/people.rs` but without a store.
#[derive(Clone, Default)]
struct SimulatedPeople {
    samples: Vec<SampleFace>,
    people: People,
}

impl SimulatedPeople {
    fn of(people: &[(usize, f32)]) -> Self {
        let mut random = TestRandom(3);
        // Each face is in another photo.
        let samples = people.iter().enumerate();
        let samples =
            samples.map(|(n, (person, quality))| sample(&mut random, n, *person, *quality));
        let own = |mut sample: SampleFace| {
            sample.photo = PhotoId(sample.id.0);
            sample
        };
        let mut world = Self { samples: samples.map(own).collect(), people: People::default() };
        world.update();
        world
    }

    fn faces(&self) -> Vec<PersonFace<'_>> {
        faces_of(&self.samples)
    }

    fn update(&mut self) {
        let mut people = std::mem::take(&mut self.people);
        people.update(&self.faces(), CUT);
        self.people = people;
    }

    /// Returns this world clustered again from the faces and the corrections alone, without known parts.
    fn reclustered(&self) -> Self {
        let mut people = People::with_corrections(self.people.corrections.clone());
        people.update(&self.faces(), CUT);
        Self { samples: self.samples.clone(), people }
    }

    fn quality(&self, face: &FaceId) -> f32 {
        self.samples.iter().find(|of| of.id == *face).map_or(0.0, |of| of.quality)
    }

    fn is_good(&self, face: &FaceId) -> bool {
        self.quality(face) >= Quality::LOW
    }

    fn person(&self, face: FaceId) -> Option<BTreeSet<FaceId>> {
        Some(self.people.person_of(&face)?.faces.iter().copied().collect())
    }

    fn hidden(&self, face: usize) -> bool {
        self.people.person_of(&id(face)).is_some_and(|person| person.hidden)
    }

    fn person_ref(&self, face: FaceId) -> PersonRef {
        let Some(faces) = self.person(face) else {
            return PersonRef { faces: self.people.corrections.must_link_group(&face), best: face };
        };
        let best = self.best(&faces);
        PersonRef { faces: faces.into_iter().collect(), best }
    }

    fn best(&self, faces: &BTreeSet<FaceId>) -> FaceId {
        let best = faces.iter().max_by(|a, b| self.quality(a).total_cmp(&self.quality(b)));
        *best.unwrap()
    }

    fn apply(&mut self, corrections: Corrections, touched: &BTreeSet<FaceId>) {
        assert!(corrections.is_consistent(), "{corrections:?}");
        let mut faces = faces_of(&self.samples);
        faces.retain(|face| touched.contains(&face.id));
        self.people.correct(corrections, &faces, CUT);
    }

    fn merge(&mut self, faces: &[FaceId]) -> BTreeSet<FaceId> {
        let people: Vec<PersonRef> = faces.iter().map(|face| self.person_ref(*face)).collect();
        let mut corrections = self.people.corrections.clone();
        corrections.merge(&people, true, |face| self.people.has_no_person(face));
        let touched: BTreeSet<FaceId> =
            people.into_iter().flat_map(|person| person.faces).collect();
        self.apply(corrections, &touched);
        touched
    }

    /// Splits faces off their person. Returns the person's other faces.
    fn split(&mut self, split: &BTreeSet<FaceId>) -> BTreeSet<FaceId> {
        let person = self.person(*split.first().unwrap()).unwrap();
        let rest: BTreeSet<FaceId> = person.difference(split).copied().collect();
        let good: Vec<FaceId> = rest.iter().copied().filter(|face| self.is_good(face)).collect();
        let parts = self.people.by_part(&good);
        let of_rest: Vec<FaceId> =
            parts.into_iter().map(|part| self.best(&part.into_iter().collect())).collect();
        let mut corrections = self.people.corrections.clone();
        let (split, all): (Vec<_>, Vec<_>) =
            (split.iter().copied().collect(), rest.iter().copied().collect());
        corrections.split(&split, &all, &of_rest, self.best(&rest));
        self.apply(corrections, &person);
        rest
    }

    fn hide(&mut self, face: usize, hidden: bool) {
        let mut corrections = self.people.corrections.clone();
        corrections.hide(&self.person_ref(id(face)), hidden);
        self.apply(corrections, &BTreeSet::new());
    }

    fn one(&self, faces: &[usize]) -> bool {
        let people: HashSet<_> = faces.iter().map(|face| self.person(id(*face))).collect();
        people.len() == 1 && !people.contains(&None)
    }
}

fn set(faces: &[usize]) -> BTreeSet<FaceId> {
    faces.iter().map(|face| id(*face)).collect()
}

/// Makes a world of two people with three faces each.
fn two() -> SimulatedPeople {
    SimulatedPeople::of(&[(0, 0.9), (0, 0.8), (0, 0.7), (1, 0.9), (1, 0.8), (1, 0.7)])
}

#[test]
fn a_merge_and_a_split_alternate_and_the_later_correction_wins() {
    let mut world = two();
    assert!(world.one(&[0, 1, 2]) && world.one(&[3, 4, 5]) && !world.one(&[0, 3]));
    world.merge(&[id(0), id(4)]);
    assert!(world.one(&[0, 1, 2, 3, 4, 5]) && world.reclustered().one(&[0, 1, 2, 3, 4, 5]));
    world.split(&set(&[3, 4, 5]));
    for world in [&world, &world.reclustered()] {
        assert!(world.one(&[0, 1, 2]) && world.one(&[3, 4, 5]) && !world.one(&[0, 3]));
    }
    world.merge(&[id(1), id(5)]);
    assert!(world.one(&[0, 1, 2, 3, 4, 5]) && world.reclustered().one(&[0, 1, 2, 3, 4, 5]));
    assert!(world.people.corrections.cannot_links.is_empty(), "the cannot-link is retracted");
}

#[test]
fn similar_faces_split_off_by_the_owner_stay_another_person() {
    let mut world = two();
    world.split(&set(&[2]));
    for world in [&world, &world.reclustered()] {
        assert!(world.one(&[0, 1]) && !world.one(&[0, 2]) && world.person(id(2)).is_some());
    }
    world.merge(&[id(2), id(3)]);
    assert!(world.one(&[2, 3, 4, 5]) && world.reclustered().one(&[2, 3, 4, 5]));
    assert!(!world.one(&[0, 2]), "merging 2 with 3 does not retract the split of 0 and 2");
    // A merge of face 2 with its first person also adds the faces of its second person.
    world.merge(&[id(0), id(2)]);
    assert!(world.one(&[0, 1, 2, 3, 4, 5]) && world.reclustered().one(&[0, 1, 2, 3, 4, 5]));
}

#[test]
fn the_rest_of_a_split_stays_one_person_without_the_face_that_named_it() {
    let mut world = two();
    world.merge(&[id(0), id(3)]);
    world.split(&set(&[0]));
    for world in [&world, &world.reclustered()] {
        assert!(world.one(&[1, 2, 3, 4, 5]) && !world.one(&[0, 1]));
    }
}

#[test]
fn low_quality_faces_follow_corrections_and_found_no_person() {
    let mut world = SimulatedPeople::of(&[(0, 0.9), (0, 0.8), (0, 0.1), (0, 0.12), (1, 0.9)]);
    assert!(world.one(&[0, 1, 2, 3]));
    world.split(&set(&[2, 3]));
    for world in [&world, &world.reclustered()] {
        assert!(world.one(&[0, 1]) && world.person(id(2)).is_none());
        assert!(world.person(id(3)).is_none());
    }
    // A must-link assigns a low-quality face to a person, whatever their similarity.
    world.merge(&[id(4), id(2)]);
    for world in [&world, &world.reclustered()] {
        assert!(world.one(&[2, 3, 4]) && !world.one(&[0, 2]));
    }
    // The opposite split leaves a low-quality face, which belongs to no person.
    let mut world = SimulatedPeople::of(&[(0, 0.9), (0, 0.8), (0, 0.1), (1, 0.9)]);
    world.split(&set(&[0, 1]));
    for world in [&world, &world.reclustered()] {
        assert!(world.one(&[0, 1]) && world.person(id(2)).is_none());
    }
    world.merge(&[id(0), id(2)]);
    assert!(world.one(&[0, 1, 2]) && world.reclustered().one(&[0, 1, 2]));
}

#[test]
fn a_hidden_person_stays_hidden_until_that_is_retracted() {
    let mut world = two();
    world.hide(1, true);
    assert!(
        world.hidden(0) && world.hidden(2) && !world.hidden(3) && world.reclustered().hidden(2)
    );
    world.merge(&[id(0), id(3)]);
    assert!(!world.hidden(0), "one of them was listed");
    world.hide(5, true);
    world.split(&set(&[0]));
    assert!(!world.hidden(0) && world.hidden(1) && world.hidden(5), "only the rest stays hidden");
    world.hide(0, true);
    world.merge(&[id(0), id(1)]);
    assert!(world.hidden(0) && world.hidden(5), "both were hidden");
    world.hide(2, false);
    assert!(!world.hidden(5) && !world.reclustered().hidden(0));
}

#[test]
fn a_correction_of_other_faces_stays_when_a_part_is_retracted() {
    let person = |faces: &[usize]| {
        let faces: Vec<FaceId> = faces.iter().map(|face| id(*face)).collect();
        PersonRef { best: faces[0], faces }
    };
    let mut corrections = Corrections::default();
    let (split, rest) = ([id(1), id(2)], [id(3), id(4)]);
    corrections.split(&split, &rest, &[], id(3));
    // Faces 1 and 3 are merged. Faces 2 and 4 are not part of the merged people.
    corrections.merge(&[person(&[1]), person(&[3])], false, |_| false);
    let apart: Vec<_> = corrections.cannot_links.iter().map(|one| one.sides.clone()).collect();
    assert_eq!(apart, [[set(&[2]), set(&[3, 4])], [set(&[1]), set(&[4])]]);
    assert!(corrections.forget(|face| [id(3), id(4)].contains(face)));
    assert!(corrections.cannot_links.is_empty() && corrections.must_links.len() == 1);
    assert!(!corrections.forget(|_| false));
}

#[test]
fn too_many_corrections_are_refused() {
    let mut corrections =
        Corrections { hidden: (0..10_000).map(id).collect(), ..Default::default() };
    assert!(corrections.check().is_ok());
    corrections.hidden.insert(id(10_000));
    assert!(matches!(
        corrections.check(),
        Err(Error::TooManyCorrections { what: "corrections", .. })
    ));
    let faces = (0..FACES_MAX).map(id).collect();
    let sides = [BTreeSet::from([id(FACES_MAX)]), faces];
    let corrections =
        Corrections { cannot_links: vec![CannotLink { sides }], ..Default::default() };
    assert!(matches!(corrections.check(), Err(Error::TooManyCorrections { what: "faces", .. })));
}

/// The last correction of each pair of faces (true for one person), recorded independently of `Corrections`.
type Pairs = BTreeMap<(FaceId, FaceId), bool>;

fn record(pairs: &mut Pairs, a: &BTreeSet<FaceId>, b: &BTreeSet<FaceId>, one: Option<bool>) {
    for (x, y) in a.iter().flat_map(|x| b.iter().map(move |y| (*x, *y))).filter(|(x, y)| x != y) {
        match one {
            Some(one) => drop(pairs.insert((x.min(y), x.max(y)), one)),
            None => {
                if pairs.get(&(x.min(y), x.max(y))) == Some(&false) {
                    pairs.remove(&(x.min(y), x.max(y)));
                }
            }
        }
    }
}

fn check(world: &SimulatedPeople, pairs: &Pairs, when: &str) {
    let places: HashMap<FaceId, PartId> = world.people.of.clone();
    for ((a, b), one) in pairs {
        let (x, y) = (places.get(a).map(|at| at.person), places.get(b).map(|at| at.person));
        let known = x.is_some() && y.is_some();
        if *one {
            let good = world.is_good(a) || world.is_good(b);
            assert!(x == y && known || !good, "{when}: {a} and {b} are not one");
        } else {
            assert!(!known || x != y, "{when}: {a} and {b} are one");
        }
    }
}

/// Checks `pairs` in `world`, in `world` clustered from scratch, and in `world` encoded and decoded.
fn check_all_forms(world: &SimulatedPeople, pairs: &Pairs, when: &str) {
    check(world, pairs, when);
    check(&world.reclustered(), pairs, &format!("{when}, clustered from scratch"));
    let (bytes, corrections) = (world.people.to_bytes(), world.people.corrections.to_bytes());
    let corrections = Corrections::from_bytes(&corrections).unwrap();
    let back = People::read(&bytes, &world.faces(), corrections).unwrap();
    assert_eq!(back.to_bytes(), bytes, "{when}: read again");
    check(
        &SimulatedPeople { people: back, ..world.clone() },
        pairs,
        &format!("{when}, read again"),
    );
}

#[test]
fn the_last_correction_holds_through_every_change_of_faces() {
    for seed in 0..30 {
        let mut random = TestRandom(seed);
        let (mut world, mut pairs, mut next) = (SimulatedPeople::default(), Pairs::new(), 0);
        for step in 0..60 {
            let when = format!("seed {seed}, step {step}");
            let some = |random: &mut TestRandom, world: &SimulatedPeople| {
                world.samples[random.below(world.samples.len())].id
            };
            match random.below(10) {
                _ if world.samples.len() < 8 => {}
                0..3 => {
                    let faces = [some(&mut random, &world), some(&mut random, &world)];
                    let best: BTreeSet<FaceId> =
                        faces.iter().map(|face| world.person_ref(*face).best).collect();
                    if best.len() == 2 && faces.iter().any(|face| world.person(*face).is_some()) {
                        let unassigned = world.samples.iter().map(|of| of.id);
                        let mut released: BTreeSet<FaceId> =
                            unassigned.filter(|face| world.people.has_no_person(face)).collect();
                        let merged = world.merge(&faces);
                        // Faces without a person are released from the retracted cannot-links too.
                        released.extend(&merged);
                        record(&mut pairs, &released, &released, None);
                        record(&mut pairs, &best, &best, Some(true));
                        let good = merged.iter().find(|face| world.is_good(face));
                        let one = world.person(*good.unwrap()).unwrap();
                        // Low-quality faces are assigned again, and may then fit no person.
                        let is_there = |face: &FaceId| one.contains(face) || !world.is_good(face);
                        assert!(one.is_subset(&merged), "{when}: merged");
                        assert!(merged.iter().all(is_there), "{when}: merged");
                    }
                }
                3..6 => {
                    let Some(person) = world.person(some(&mut random, &world)) else { continue };
                    let split: BTreeSet<FaceId> =
                        person.iter().copied().filter(|_| random.below(3) == 0).collect();
                    if !split.is_empty() && split.len() < person.len() {
                        let rest = world.split(&split);
                        record(&mut pairs, &split, &split, Some(true));
                        record(&mut pairs, &split, &rest, Some(false));
                    }
                }
                6 => {
                    let gone = world.samples.remove(random.below(world.samples.len())).id;
                    world.people.forget(&HashSet::from([gone]));
                    pairs.retain(|(a, b), _| *a != gone && *b != gone);
                    world.update();
                }
                _ => {}
            }
            for _ in 0..random.below(3) {
                let quality = if random.below(4) == 0 { 0.1 } else { 0.5 };
                let person = random.below(4);
                world.samples.push(sample(&mut random, next, person, quality));
                next += 1;
            }
            if random.below(2) == 0 {
                world.update();
            }
            check_all_forms(&world, &pairs, &when);
        }
    }
}
