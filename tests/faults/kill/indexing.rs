//! Kills an indexing child with signal 9 at random times and checks that all acknowledged photos are there.
//! The random seed is printed; `PICPICK_TEST_KILLS` sets the number of kills (default 50).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use picpick_engine::{Collection, DataDir, Pack, PhotoId};
use picpick_tests::{Rng, Sandbox, cache, crowd, sandbox, times};

const PHOTOS: usize = 200;
/// Upper bound of the lines of acknowledged photos that a child prints before it is killed.
const LINES_MAX: u64 = 12;
/// Upper bound of the random time between the last of these lines and the kill, ms.
const DELAY_MS_MAX: u64 = 400;

/// The photos known to be durable, with their number of faces.
type Acknowledged = BTreeMap<PhotoId, usize>;

fn child(sandbox: &Sandbox, photos: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_picpick-index-reporter"));
    command.arg(sandbox.data()).arg("Event").arg(photos).arg(cache().join("models"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Reads acknowledged photos from a child: at most `lines` lines, or all if `None`. Returns the number of
/// lines read.
fn read_acknowledged(
    reader: &mut impl BufRead,
    lines: Option<u64>,
    acknowledged: &mut Acknowledged,
) -> u64 {
    let mut lines_read = 0;
    let mut line = String::new();
    while lines.is_none_or(|lines| lines_read < lines) && reader.read_line(&mut line).unwrap() > 0 {
        // A line that the kill truncated does not count.
        if let Some((id, faces)) = line.strip_suffix('\n').and_then(|line| line.split_once(' ')) {
            acknowledged.insert(id.parse().unwrap(), faces.parse().unwrap());
        }
        lines_read += 1;
        line.clear();
    }
    lines_read
}

/// Starts a child and kills it at a random time. Returns whether the child was still running.
fn kill_once(
    sandbox: &Sandbox,
    photos: &Path,
    rng: &mut Rng,
    acknowledged: &mut Acknowledged,
) -> bool {
    let mut child = child(sandbox, photos);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let lines = rng.throw(LINES_MAX);
    read_acknowledged(&mut out, Some(lines), acknowledged);
    std::thread::sleep(Duration::from_millis(rng.throw(DELAY_MS_MAX)));
    child.kill().unwrap();
    read_acknowledged(&mut out, None, acknowledged);
    let mut complaints = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(complaints, "", "a child complained");
    assert!(status.success() || status.code().is_none(), "{status}");
    !status.success()
}

fn open(sandbox: &Sandbox) -> Collection {
    let data = DataDir::open(&sandbox.data(), None).unwrap();
    Collection::open(&data, "Event", &Pack::builtin(Pack::DEFAULT).unwrap()).unwrap()
}

/// Checks the reopened collection against the acknowledged photos, and its store against its index.
fn check(collection: &Collection, acknowledged: &Acknowledged, round: usize) {
    assert!(collection.warnings().is_empty(), "round {round}: {:?}", collection.warnings());
    collection.read_gallery(|gallery| {
        for (id, faces) in acknowledged {
            let photo = gallery
                .photo(id)
                .unwrap_or_else(|| panic!("round {round}: {id} was acknowledged and is lost"));
            assert_eq!(photo.faces.len(), *faces, "round {round}: faces of {id}");
            assert!(
                photo.faces.iter().all(|face| gallery.face(face).is_some()),
                "round {round}: {id}"
            );
        }
        let all = gallery.photos();
        let paths: BTreeSet<&Path> = all.iter().map(|(_, photo)| photo.path.as_path()).collect();
        assert_eq!(paths.len(), all.len(), "round {round}: no photo twice");
        let faces: usize = all.iter().map(|(_, photo)| photo.faces.len()).sum();
        assert_eq!(gallery.face_count(), faces, "round {round}: the index has the store's faces");
        let in_people: usize = gallery.people().iter().map(|person| person.faces.len()).sum();
        assert!(in_people <= faces, "round {round}");
    });
}

/// Deletes every second photo, so that the next child has work, and removes them from `acknowledged`.
fn thin_out(collection: &Collection, acknowledged: &mut Acknowledged) {
    let ids: Vec<PhotoId> = collection
        .read_gallery(|gallery| gallery.photos().iter().map(|(id, _)| *id).step_by(2).collect());
    collection.delete_photos(&ids).unwrap();
    acknowledged.retain(|id, _| !ids.contains(id));
}

#[test]
fn nothing_acknowledged_is_lost_to_kill_9() {
    let kills = times("PICPICK_TEST_KILLS", 50);
    let sandbox = sandbox!();
    let photos = crowd(&sandbox, PHOTOS);
    sandbox.done(["collections", "create", "Event"]);
    let (mut rng, mut acknowledged) = (Rng::seeded("crash"), Acknowledged::new());
    let (mut killed, mut finished, mut gone) = (0, 0, 0);
    while killed < kills {
        let at_work = kill_once(&sandbox, &photos, &mut rng, &mut acknowledged);
        let collection = open(&sandbox);
        check(&collection, &acknowledged, killed);
        let stored = collection.read_gallery(|gallery| gallery.photos().len());
        (killed, finished) = if at_work { (killed + 1, finished) } else { (killed, finished + 1) };
        assert!(finished <= kills, "children finish before they are killed: raise PHOTOS");
        if stored + 2 * LINES_MAX as usize > PHOTOS {
            thin_out(&collection, &mut acknowledged);
            gone += 1;
            check(&collection, &acknowledged, killed);
        }
    }
    println!("{killed} kills, {finished} children finished first, thinned out {gone} times");
    let mut last = child(&sandbox, &photos);
    read_acknowledged(&mut BufReader::new(last.stdout.take().unwrap()), None, &mut acknowledged);
    assert!(last.wait().unwrap().success());
    let collection = open(&sandbox);
    check(&collection, &acknowledged, kills);
    assert_eq!(
        collection.read_gallery(|gallery| gallery.photos().len()),
        PHOTOS,
        "the run completes"
    );
    assert!(
        collection.read_gallery(|gallery| gallery.face_count()) > PHOTOS * 9 / 10,
        "most face crops have a detected face"
    );
    drop(collection);
    let again = sandbox.index(&[photos]);
    assert_eq!(
        (&again["photos"], &again["already_indexed"]),
        (&0.into(), &PHOTOS.into()),
        "{again}"
    );
}
