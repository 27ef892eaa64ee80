//! The memory of camera frames of an event, with frames of real photos and the real models.

use picpick_engine::liveness::{FrameAnalysis, FrameHistory, FramePrint};
use picpick_engine::receipts::Requester;
use picpick_engine::{Collection, DataDir, Pack, Picture, RetentionPolicy};
use picpick_tests::guest::posed_frame;
use picpick_tests::synthetic_head::{head_of, noisy, studio};

/// The distance up to which two prints are similar, as in the engine.
const SIMILAR_MAX: u32 = 48;

fn analysed(picture: &Picture, quality: i32) -> FrameAnalysis {
    let jpeg = picture.to_jpeg(u32::MAX, quality).unwrap();
    studio().pipeline.analyse_frame(&studio().liveness, &jpeg).unwrap()
}

fn print(picture: &Picture, quality: i32) -> FramePrint {
    analysed(picture, quality).print().expect("a face")
}

fn open(data: &DataDir) -> Collection {
    Collection::open(data, "event", &Pack::builtin(Pack::DEFAULT).unwrap()).unwrap()
}

/// Measures the distance of prints: of one frame in several encodings, and of fresh frames of one head in one
/// pose, which is the hardest case of a guest who comes again.
#[test]
fn encodings_of_a_frame_are_similar_and_fresh_frames_are_not() {
    let (mut same, mut fresh, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let mut first = Vec::new();
    for name in ["obama3.jpg", "biden.jpg"] {
        let head = head_of(name);
        let mut frames = Vec::new();
        for pose in [[0.0, 0.0], [24.0, 0.0], [0.0, 14.0]] {
            for _ in 0..6 {
                frames.push((pose, posed_frame(&head, pose)));
            }
        }
        let prints: Vec<_> = frames.iter().map(|(pose, frame)| (*pose, print(frame, 90))).collect();
        for ((_, frame), (_, print_90)) in frames.iter().zip(&prints).step_by(3) {
            for again in [print(frame, 70), print(frame, 40), print(&noisy(frame, 5), 90)] {
                same.push(print_90.distance_to(&again));
            }
        }
        for (nth, (pose, one)) in prints.iter().enumerate() {
            for (other_pose, other) in &prints[nth + 1..] {
                if pose == other_pose {
                    fresh.push(one.distance_to(other));
                }
            }
            others.extend(first.iter().map(|other| one.distance_to(other)));
        }
        first = prints.into_iter().map(|(_, print)| print).collect();
    }
    fresh.sort_unstable();
    same.sort_unstable();
    println!("same {same:?}\nfresh {fresh:?}");
    let near = |all: &[u32]| all.iter().filter(|bits| **bits <= SIMILAR_MAX).count();
    // The poses are drawn at random, so rates are asserted. A replay needs three similar frames.
    assert!(near(&same) * 4 >= same.len() * 3, "encodings: {} of {}", near(&same), same.len());
    assert!(near(&fresh) * 50 <= fresh.len(), "fresh: {} of {}", near(&fresh), fresh.len());
    assert_eq!(near(&others), 0, "frames of two heads");
}

#[test]
fn a_frame_is_remembered_after_a_restart_and_forgotten_with_the_collection() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::open(folder.path(), None).unwrap();
    let pack = Pack::builtin(Pack::DEFAULT).unwrap();
    let keep = RetentionPolicy {
        purpose: "event_gallery".into(),
        legal_basis: "consent".into(),
        ends_unix_s: None,
    };
    data.create("event", pack.id(), &keep).unwrap();
    let head = head_of("biden.jpg");
    let frames: Vec<Picture> = (0..6).map(|_| posed_frame(&head, [0.0, 0.0])).collect();
    let prints: Vec<FramePrint> = frames.iter().map(|frame| print(frame, 90)).collect();
    let coarse: Vec<FramePrint> = frames.iter().map(|frame| print(frame, 60)).collect();
    let collection = open(&data);
    assert_eq!(collection.frame_history(&prints[0]).unwrap(), FrameHistory::New);
    assert!(!collection.remember_frames(&prints).unwrap());
    drop(collection);
    let collection = open(&data);
    assert_eq!(collection.frame_history(&prints[0]).unwrap(), FrameHistory::Shown);
    let similar =
        |print: &&FramePrint| collection.frame_history(print).unwrap() == FrameHistory::Similar;
    let near: Vec<FramePrint> = coarse.iter().filter(similar).copied().collect();
    assert!(near.len() >= 4, "{} of {} encodings are similar", near.len(), coarse.len());
    let fresh = print(&posed_frame(&head, [0.0, 0.0]), 90);
    assert_eq!(collection.frame_history(&fresh).unwrap(), FrameHistory::New);
    // One similar frame is chance, three are a replay, and so is one equal frame.
    assert!(!collection.remember_frames(&[near[0], fresh]).unwrap());
    assert!(collection.remember_frames(&near[1..]).unwrap());
    assert!(collection.remember_frames(&prints[..1]).unwrap());
    drop(collection);
    data.purge("event", Requester::Studio).unwrap();
    data.create("event", pack.id(), &keep).unwrap();
    assert_eq!(open(&data).frame_history(&prints[0]).unwrap(), FrameHistory::New);
}
