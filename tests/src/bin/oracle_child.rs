//! Performs random operations on a data folder and prints the begin and the end of each. Arguments:
//! data folder, seed, number of operations, lowest unused photo number, and `purge` to purge a collection at
//! the end. Tests kill this process, simulate power cuts or inject faults, and then check the folder against
//! its output.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use picpick_engine::indexing::Sink;
use picpick_engine::receipts::Requester;
use picpick_engine::{Collection, DataDir, Error, FaceId, Pack, PhotoId, Result};
use picpick_tests::oracle::check_itself;
use picpick_tests::workload::{Line, Op};
use picpick_tests::{Rng, synthetic};

const NAMES: [&str; 3] = ["A", "B", "C"];
/// Number of photos above which half of a collection's photos are deleted.
const PHOTOS_MAX: usize = 45;

struct Worker {
    pack: Pack,
    data: DataDir,
    open: BTreeMap<String, Collection>,
    rng: Rng,
    next: u32,
}

fn print_line(line: &Line) {
    // Write errors are ignored, because a parent that has ended needs no output.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}

/// Runs an operation and prints its begin and its result. Returns the value if it succeeded.
fn report<T>(op: Op, does: impl FnOnce() -> Result<(T, usize, usize)>) -> Option<T> {
    print_line(&Line::Begin(op));
    match does() {
        Ok((value, photos, faces)) => {
            print_line(&Line::Done(photos, faces));
            Some(value)
        }
        Err(error) => {
            print_line(&Line::Failed(error.to_string()));
            None
        }
    }
}

fn counts(collection: &Collection) -> (usize, usize) {
    collection.read_gallery(|gallery| (gallery.photos().len(), gallery.face_count()))
}

/// Returns the photos of a collection by number, with the indices of their faces.
fn contents(collection: &Collection, pack: &Pack) -> Vec<(u32, Vec<u8>)> {
    collection.read_gallery(|gallery| {
        let numbered = gallery.photos().into_iter().map(|(_, known)| {
            let number = known.path.to_str().unwrap().parse().unwrap();
            let has =
                |which: &u8| known.faces.contains(&synthetic::face_id(number, *which, pack.id()));
            (number, (0..synthetic::face_count(number)).filter(has).collect())
        });
        numbered.collect()
    })
}

impl Worker {
    fn work(&mut self, ops: usize) -> Result<()> {
        for name in NAMES {
            if self.data.collection(name).is_ok() {
                self.open(name);
            }
        }
        for _ in 0..ops {
            let name = *self.rng.pick(&NAMES);
            match self.data.collection(name) {
                Err(Error::NoCollection { .. }) => self.create(name),
                Err(error) => return Err(error),
                Ok(_) if !self.open.contains_key(name) => self.open(name),
                Ok(_) => {
                    let op = self.choose(name);
                    self.op(op)?;
                }
            }
        }
        self.read()
    }

    fn read(&mut self) -> Result<()> {
        let names: Vec<String> = self.open.keys().cloned().collect();
        names.into_iter().try_for_each(|name| self.op(Op::Read(name)))
    }

    fn open(&mut self, name: &str) {
        let opened = report(Op::Open(name.to_owned()), || {
            let collection = Collection::open(&self.data, name, &self.pack)?;
            let (photos, faces) = counts(&collection);
            Ok((collection, photos, faces))
        });
        self.open.extend(opened.map(|collection| (name.to_owned(), collection)));
    }

    fn create(&mut self, name: &str) {
        let made = report(Op::Create(name.to_owned()), || {
            self.data.create(name, self.pack.id(), &synthetic::keep()).map(|_| ((), 0, 0))
        });
        if made.is_some() {
            self.open(name);
        }
    }

    fn purge(&mut self, name: &str) {
        self.open.remove(name);
        report(Op::Purge(name.to_owned()), || {
            self.data.purge(name, Requester::Operator).map(|_| ((), 0, 0))
        });
    }

    fn choose(&mut self, name: &str) -> Op {
        let photos = contents(self.open.get(name).unwrap(), &self.pack);
        let owned = name.to_owned();
        let rng = &mut self.rng;
        if photos.len() > PHOTOS_MAX {
            let half = photos.iter().step_by(2).map(|(number, _)| *number).collect();
            return Op::DeletePhotos(owned, half);
        }
        let some = |rng: &mut Rng, most: u64| {
            let mut numbers: Vec<u32> =
                (0..=rng.throw(most)).map(|_| rng.pick(&photos).0).collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        match rng.throw(100) {
            chance if chance < 45 || photos.is_empty() => {
                let first = self.next;
                self.next += 1 + rng.throw(8) as u32;
                Op::Put(owned, (first..self.next).collect())
            }
            chance if chance < 50 => Op::Put(owned, some(rng, 3)),
            chance if chance < 55 => {
                // `again` is the number of any earlier photo, which may have been deleted.
                let again = rng.throw(u64::from(self.next)) as u32;
                Op::Put(owned, vec![again])
            }
            chance if chance < 68 => Op::DeletePhotos(owned, some(rng, 3)),
            chance if chance < 80 => {
                let with_faces: Vec<_> =
                    photos.iter().filter(|(_, faces)| !faces.is_empty()).collect();
                let Some((number, faces)) =
                    with_faces.get(rng.throw(1 + with_faces.len() as u64) as usize)
                else {
                    return Op::Settle(owned);
                };
                let mut taken: Vec<u8> = faces.iter().copied().filter(|_| rng.one_in(2)).collect();
                if taken.is_empty() {
                    taken.extend(faces.first());
                }
                Op::DeleteFaces(owned, taken.into_iter().map(|which| (*number, which)).collect())
            }
            chance if chance < 85 => Op::Settle(owned),
            chance if chance < 93 => Op::Read(owned),
            _ => Op::Purge(owned),
        }
    }

    fn op(&mut self, op: Op) -> Result<()> {
        let name = op.collection().unwrap().to_owned();
        if let Op::Purge(_) = op {
            self.purge(&name);
            return Ok(());
        }
        let (pack, collection) = (&self.pack, self.open.get(&name).unwrap());
        let done = |()| {
            let (photos, faces) = counts(collection);
            Ok(((), photos, faces))
        };
        report(op.clone(), || match &op {
            Op::Put(_, numbers) => {
                let photos = numbers.iter().map(|number| synthetic::photo(*number, pack.id()));
                collection.put(photos.collect()).and_then(done)
            }
            Op::DeletePhotos(_, numbers) => {
                let ids: Vec<PhotoId> =
                    numbers.iter().map(|number| synthetic::photo_id(*number)).collect();
                collection.delete_photos(&ids).map(drop).and_then(done)
            }
            Op::DeleteFaces(_, faces) => {
                let id =
                    |(number, which): &(u32, u8)| synthetic::face_id(*number, *which, pack.id());
                collection
                    .delete_faces(&faces.iter().map(id).collect::<Vec<FaceId>>())
                    .map(drop)
                    .and_then(done)
            }
            Op::Settle(_) => collection.refresh().and_then(done),
            _ => {
                for (number, _) in contents(collection, pack) {
                    collection.has(&synthetic::photo_id(number))?;
                }
                let wrong = check_itself(collection, pack).err();
                let damaged =
                    |reason| Error::Damaged { what: format!("collection {name}"), reason };
                wrong.map_or(Ok(()), |reason| Err(damaged(reason))).and_then(done)
            }
        });
        Ok(())
    }
}

fn run(arguments: &[String]) -> Option<Result<()>> {
    let [_, data, seed, ops, next, rest @ ..] = arguments else { return None };
    let (seed, ops, next) = (seed.parse().ok()?, ops.parse().ok()?, next.parse().ok()?);
    let pack = Pack::builtin(Pack::DEFAULT).ok()?;
    let opened = report(Op::Start, || Ok((DataDir::open(Path::new(data), None)?, 0, 0)));
    let Some(data) = opened else { return Some(Ok(())) };
    let mut worker = Worker { pack, data, open: BTreeMap::new(), rng: Rng::new(seed), next };
    let mut ended = worker.work(ops);
    if rest == ["purge"] && ended.is_ok() {
        let name = worker.rng.pick(&NAMES);
        if worker.data.collection(name).is_ok() {
            worker.purge(name);
        }
        ended = worker.read();
    }
    Some(ended)
}

fn main() -> ExitCode {
    match run(&std::env::args().collect::<Vec<_>>()) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("usage: picpick-oracle-child DATA SEED OPS NEXT [purge]");
            ExitCode::from(2)
        }
    }
}
