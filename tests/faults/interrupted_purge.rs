//! Interrupts purges. Each purge is killed at another system call; a power cut follows every second kill. The
//! next opening must complete the purge. Then the residue scan must find no canary, the purged collection must
//! not open in a copy of the data folder from before the purge, and one receipt must exist.
//! `PICPICK_TEST_PURGES` sets the number of purges (default 100; the long run is 1000).

use std::path::Path;
use std::process::{Command, Stdio};

use picpick_engine::indexing::Sink;
use picpick_engine::receipts::{Receipt, Requester};
use picpick_engine::{Collection, DataDir, Pack};
use picpick_tests::harness::copy;
use picpick_tests::power_cut::{Cut, Power};
use picpick_tests::shim::{FaultKind, Faults, read_trace};
use picpick_tests::{Rng, synthetic, times};

const PHOTOS: u32 = 96;

/// A simulated disk with a data folder, its keyring beside it, and the two collections `gone` and `kept`.
struct PurgeScene {
    sandbox: tempfile::TempDir,
}

impl PurgeScene {
    fn new() -> Self {
        let sandbox = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let scene = Self { sandbox };
        std::fs::create_dir(scene.path("disk")).unwrap();
        let (data, pack) = (scene.open(), Pack::builtin(Pack::DEFAULT).unwrap());
        for name in ["gone", "kept"] {
            data.create(name, pack.id(), &synthetic::keep()).unwrap();
            let collection = Collection::open(&data, name, &pack).unwrap();
            let numbers: Vec<u32> = (0..PHOTOS).collect();
            for numbers in numbers.chunks(7) {
                let photos = numbers.iter().map(|number| synthetic::photo(*number, pack.id()));
                collection.put(photos.collect()).unwrap();
            }
            collection.refresh().unwrap();
        }
        scene
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.sandbox.path().join(name)
    }

    fn open(&self) -> DataDir {
        open(&self.path("disk"))
    }
}

fn open(disk: &Path) -> DataDir {
    DataDir::open(&disk.join("data"), Some(&disk.join("keys"))).unwrap()
}

/// Runs a child process that purges the collection `gone`. Returns its exit status.
fn purge(scene: &PurgeScene, faults: &Faults) -> std::process::ExitStatus {
    let disk = scene.path("disk").canonicalize().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_picpick-under-test"));
    command.arg("--data").arg(disk.join("data")).arg("--keyring").arg(disk.join("keys"));
    command.args(["collections", "delete", "gone", "--yes"]);
    faults.arm(&mut command, &disk);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap()
}

/// Scans `data` and the folders `also`. Returns the numbers of canaries found and planted, first of existing
/// collections, then of purged ones.
fn canaries(data: &DataDir, also: &[std::path::PathBuf]) -> [(u64, u64); 2] {
    let mut sums = [(0, 0); 2];
    for one in data.scan(also).unwrap().collections {
        let sum = &mut sums[usize::from(one.name.is_none())];
        *sum = (sum.0 + one.found, sum.1 + one.canaries.unwrap());
    }
    sums
}

#[test]
fn a_purge_interrupted_at_any_call_is_completed_and_leaves_nothing() {
    let purges = times("PICPICK_TEST_PURGES", 100);
    let mut rng = Rng::seeded("purges");
    let scene = PurgeScene::new();
    let before = scene.path("before");
    copy(&scene.path("disk"), &before);
    let controls = canaries(&open(&before), &[]);
    assert!(controls[0].1 >= 12 && controls[0].0 == controls[0].1, "the control: {controls:?}");
    let trace = scene.path("trace");
    assert!(purge(&scene, &Faults { trace: Some(trace.clone()), ..Faults::default() }).success());
    let calls = read_trace(&trace).0.len();
    let (mut killed, mut key_gone, mut cut, mut needles) = (0, 0, 0, 0);
    for round in 0..purges {
        std::fs::remove_dir_all(scene.path("disk")).unwrap();
        copy(&before, &scene.path("disk"));
        let power = Power::new(&scene.path("disk"), &scene.path("shadow"));
        // The rounds kill at each call in order, and then start again at the first call with other cuts.
        let call = 1 + (round % calls) as u64;
        let shadow = Some(power.shadow().to_path_buf());
        let status = purge(
            &scene,
            &Faults { shadow, at: Some((call, FaultKind::Kill)), ..Faults::default() },
        );
        killed += usize::from(!status.success());
        if round % 2 == 1 {
            power.cut(if rng.one_in(2) { Cut::Strict } else { Cut::Random(&mut rng) });
            cut += 1;
        }
        std::fs::remove_dir_all(scene.path("shadow")).unwrap();
        let data = scene.open();
        let about = format!("killed at call {call}, round {round}: {:?}", data.warnings());
        assert!(!data.warnings().iter().any(|remark| remark.contains("could not")), "{about}");
        if data.collection("gone").is_ok() {
            data.purge("gone", Requester::Operator)
                .unwrap_or_else(|error| panic!("{about}: {error}"));
        } else {
            key_gone += 1;
        }
        let [living, purged] = canaries(&data, &[]);
        assert_eq!(purged.0, 0, "{about}: canaries of the purged collection are found");
        assert_eq!(living.0, living.1, "{about}: the other collection is whole");
        needles += purged.1;
        let receipts: Vec<Vec<u8>> =
            data.receipts().unwrap().iter().map(|path| std::fs::read(path).unwrap()).collect();
        let receipts = Receipt::verify_chain(&receipts, &data.public_key().unwrap()).unwrap();
        assert_eq!(receipts.len(), 1, "{about}: one purge, one receipt");
        check_whole(&data, &about);
        check_old_copy(&scene, &before, &receipts[0], &about);
    }
    println!(
        "{purges} purges over {calls} calls: {killed} killed, {cut} power cuts, {key_gone} with the key \
         gone already, {needles} canaries searched for, 0 found; controls {controls:?}"
    );
    assert!(killed * 2 > purges && key_gone > 0);
}

/// Checks that the collection that was not purged has all its photos.
fn check_whole(data: &DataDir, about: &str) {
    let pack = Pack::builtin(Pack::DEFAULT).unwrap();
    let kept = Collection::open(data, "kept", &pack).unwrap();
    assert!(kept.warnings().is_empty(), "{about}: {:?}", kept.warnings());
    assert_eq!(kept.read_gallery(|gallery| gallery.photos().len()), PHOTOS as usize, "{about}");
}

/// Checks a copy of the data folder from before the purge with the keyring from after the purge. The purged
/// collection must not open, and opening the copy must remove the collection's files.
fn check_old_copy(scene: &PurgeScene, before: &Path, receipt: &Receipt, about: &str) {
    let disk = scene.path("restored");
    copy(&before.join("data"), &disk.join("data"));
    copy(&scene.path("disk").join("keys"), &disk.join("keys"));
    let data = open(&disk);
    assert!(data.collection("gone").is_err(), "{about}: the purged collection opens");
    assert!(!disk.join("data/collections").join(&receipt.receipt.collection).exists(), "{about}");
    assert_eq!(canaries(&data, &[])[1].0, 0, "{about}: the copy still contains canaries");
    std::fs::remove_dir_all(disk).unwrap();
}
