use super::screen_light::ScreenLight;
use super::*;
use crate::ids::FaceId;
use crate::template::Template;

const ONE: [HeadTurn; 3] = [HeadTurn::Left, HeadTurn::Up, HeadTurn::Right];

/// Returns a challenge with the turns `ONE`.
fn one() -> Challenge {
    Challenge::of(ONE.to_vec(), ScreenLight::random().unwrap())
}

/// Returns the analysis of a frame with a head of `yaw` and `pitch` degrees; `number` makes the frame unique.
pub(super) fn look(number: u32, yaw: f32, pitch: f32) -> FrameAnalysis {
    let pixels =
        (0..96 * 96 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761 + number * 77) >> 13) as u8);
    let picture = Picture::new(96, 96, pixels.collect()).unwrap();
    let landmarks = landmarks(yaw, pitch, 0.5);
    let face = Face {
        id: FaceId([number as u8; 16]),
        bbox: [200, 100, 150, 200],
        landmarks,
        score: 0.9,
        quality: 0.9,
        embedding: vec![1.0, 0.0],
    };
    let pose = Pose { yaw, pitch: pitch - 8.0, roll: 0.0 };
    let mut frame_digest = [0; 32];
    frame_digest[..4].copy_from_slice(&number.to_le_bytes());
    FrameAnalysis {
        faces: 1,
        face: Some(LiveFace { face, pose, live_score: 0.9, share: 0.4, sharpness: 1.0 }),
        brightness: 0.5,
        frame_digest,
        print: FramePrint::of(&picture, picture.frame(), frame_digest).ok(),
        fingerprint: FrameFingerprint::of(&picture, picture.frame()).unwrap(),
        chroma: None,
    }
}

/// Projects the landmarks of a head whose nose protrudes by `nose` times the distance from eyes to mouth.
fn landmarks(yaw: f32, pitch: f32, nose: f32) -> [[f32; 2]; 5] {
    let (yaw, pitch) = (yaw.to_radians(), pitch.to_radians());
    let points =
        [[-0.47, 0.0, 0.0], [0.47, 0.0, 0.0], [0.0, 0.55, nose], [-0.4, 1.0, 0.0], [0.4, 1.0, 0.0]];
    points.map(|[x, y, z]: [f32; 3]| {
        let (x, z) = (x * yaw.cos() + z * yaw.sin(), z * yaw.cos() - x * yaw.sin());
        [300.0 + 80.0 * x, 180.0 + 80.0 * (y * pitch.cos() - z * pitch.sin())]
    })
}

fn angles(awaited: Guidance) -> [f32; 2] {
    match awaited {
        Guidance::Turn(HeadTurn::Left) => [25.0, 0.0],
        Guidance::Turn(HeadTurn::Right) => [-25.0, 0.0],
        Guidance::Turn(HeadTurn::Up) => [0.0, 16.0],
        Guidance::Turn(HeadTurn::Down) => [0.0, -16.0],
        _ => [0.0, 0.0],
    }
}

/// Follows the guidance until a verdict, with one frame every `every_ms`, each modified by `change`.
fn obey(
    challenge: &mut Challenge,
    every_ms: u64,
    change: impl Fn(u32, &mut FrameAnalysis),
) -> Progress {
    for number in 0..40 {
        let [yaw, pitch] = angles(challenge.awaited());
        let mut frame = look(number, yaw, pitch);
        change(number, &mut frame);
        let progress = challenge.advance(&frame, 5_000 + u64::from(number) * every_ms);
        if !matches!(progress, Progress::Wait(_)) {
            return progress;
        }
    }
    Progress::Wait(challenge.awaited())
}

#[test]
fn turns_in_the_order_asked_for_pass_and_the_verdict_stays() {
    let mut challenge = one();
    let mut replies = Vec::new();
    for (number, awaited) in (0..6).zip([None, Some(0), None, Some(1), None, Some(2)]) {
        let expected = awaited.map_or(Guidance::Front, |nth: usize| Guidance::Turn(ONE[nth]));
        assert_eq!(challenge.awaited(), expected);
        let [yaw, pitch] = angles(expected);
        replies.push(challenge.advance(&look(number, yaw, pitch), u64::from(number) * 500));
    }
    assert_eq!(replies.pop(), Some(Progress::Passed));
    assert!(replies.iter().all(|progress| matches!(progress, Progress::Wait(_))), "{replies:?}");
    assert_eq!(challenge.done(), 3);
    assert_eq!(challenge.advance(&look(0, 0.0, 0.0), u64::MAX), Progress::Passed);
    assert_eq!(challenge.template("pack").unwrap().pictures, 6);
}

#[test]
fn a_turn_counts_only_while_it_is_awaited() {
    let mut challenge = one();
    for number in 0..5 {
        let progress = challenge.advance(&look(number, 25.0, 0.0), u64::from(number) * 500);
        assert_eq!(progress, Progress::Wait(Guidance::Front));
    }
    assert_eq!(challenge.done(), 0);
    challenge.advance(&look(5, 0.0, 0.0), 2_500);
    challenge.advance(&look(6, 25.0, 0.0), 3_000);
    // The head is still turned. The next turn is requested only after the head is straight again.
    assert_eq!(challenge.advance(&look(7, 22.0, 0.0), 3_500), Progress::Wait(Guidance::Front));
    assert_eq!((challenge.done(), challenge.awaited()), (1, Guidance::Front));
}

#[test]
fn a_turn_faster_than_a_person_is_refused() {
    for (every_ms, expected) in
        [(299, Progress::Failed(FailureReason::TooFast)), (300, Progress::Passed)]
    {
        assert_eq!(obey(&mut one(), every_ms, |_, _| ()), expected);
    }
}

#[test]
fn a_challenge_ends_ninety_seconds_after_the_first_frame() {
    for (late_ms, expected) in [
        (90_000, Progress::Wait(Guidance::Turn(HeadTurn::Left))),
        (90_001, Progress::Failed(FailureReason::TooLate)),
    ] {
        let mut challenge = one();
        challenge.advance(&look(0, 0.0, 0.0), 7_000);
        assert_eq!(challenge.advance(&look(1, 0.0, 0.0), 7_000 + late_ms), expected);
    }
    // A clock that goes back must not cause a panic.
    let mut challenge = one();
    challenge.advance(&look(0, 0.0, 0.0), u64::MAX);
    assert!(matches!(challenge.advance(&look(1, 0.0, 0.0), 0), Progress::Wait(_)));
}

#[test]
fn frames_faster_than_a_camera_are_refused() {
    let mut challenge = one();
    let last = (0..2_000).map(|number| {
        let mut frame = look(0, 0.0, 0.0);
        frame.frame_digest[..4].copy_from_slice(&(number as u32).to_le_bytes());
        challenge.advance(&frame, number)
    });
    let verdicts: Vec<Progress> = last.collect();
    assert!(matches!(verdicts[899], Progress::Wait(_)));
    assert_eq!(verdicts[900], Progress::Failed(FailureReason::TooLate));
}

#[test]
fn no_face_and_several_faces_are_waited_for_but_not_for_ever() {
    for (faces, guidance, refusal) in [
        (0, Guidance::NoFace, FailureReason::NoFace),
        (2, Guidance::OneFaceOnly, FailureReason::ManyFaces),
    ] {
        let absent = |number| {
            let mut frame = look(number, 0.0, 0.0);
            frame.faces = faces;
            frame.face = None;
            frame
        };
        let mut challenge = one();
        assert_eq!(challenge.advance(&absent(0), 0), Progress::Wait(guidance));
        assert_eq!(challenge.advance(&absent(1), 15_000), Progress::Wait(guidance));
        challenge.advance(&look(2, 0.0, 0.0), 15_001);
        // One frame with a single face restarts the time limit.
        assert_eq!(challenge.advance(&absent(3), 15_002), Progress::Wait(guidance));
        assert_eq!(challenge.advance(&absent(4), 30_002), Progress::Wait(guidance));
        assert_eq!(challenge.advance(&absent(5), 30_003), Progress::Failed(refusal));
    }
}

#[test]
fn a_doubt_needs_three_frames_in_a_row() {
    type FrameChange = fn(&mut FrameAnalysis);
    let doubts: [(FrameChange, FailureReason); 4] = [
        (
            |frame| change(frame, |face| face.face.embedding = vec![0.0, 1.0]),
            FailureReason::AnotherPerson,
        ),
        (|frame| change(frame, |face| face.pose.yaw = -27.0), FailureReason::WrongTurn),
        // The first change is a turn without relief, the second is a tilted picture.
        (
            |frame| change(frame, |face| face.face.landmarks = landmarks(25.0, 0.0, 0.0)),
            FailureReason::Flat,
        ),
        (
            |frame| {
                change(frame, |face| {
                    face.pose.yaw = 3.0;
                    face.face.landmarks = landmarks(50.0, 0.0, 0.0);
                });
            },
            FailureReason::Flat,
        ),
    ];
    for (doubt, refusal) in doubts {
        let doubtful = |number| {
            let mut frame = look(number, 25.0, 0.0);
            doubt(&mut frame);
            frame
        };
        let mut challenge = one();
        let mut number = 0;
        let mut see = |challenge: &mut Challenge, frame: FrameAnalysis| {
            number += 1;
            challenge.advance(&frame, number * 500)
        };
        see(&mut challenge, look(0, 0.0, 0.0));
        let waits = Progress::Wait(Guidance::Turn(HeadTurn::Left));
        assert_eq!(see(&mut challenge, doubtful(1)), waits);
        assert_eq!(see(&mut challenge, doubtful(2)), waits);
        assert_eq!(see(&mut challenge, look(3, 5.0, 0.0)), waits);
        assert_eq!(see(&mut challenge, doubtful(4)), waits);
        assert_eq!(see(&mut challenge, doubtful(5)), waits);
        assert_eq!(see(&mut challenge, doubtful(6)), Progress::Failed(refusal));
    }
}

fn change(frame: &mut FrameAnalysis, change: impl Fn(&mut LiveFace)) {
    frame.face.iter_mut().for_each(change);
}

#[test]
fn one_frame_may_look_like_an_attack_and_two_may_not() {
    let with = |low: u32| {
        obey(&mut one(), 500, move |number, frame| {
            let live = if number < low { 0.02 } else { 0.9 };
            change(frame, |face| face.live_score = live);
        })
    };
    assert_eq!(with(0), Progress::Passed);
    assert_eq!(with(1), Progress::Passed);
    assert_eq!(with(2), Progress::Failed(FailureReason::Attack));
}

#[test]
fn a_frame_counts_once() {
    let mut challenge = one();
    challenge.advance(&look(0, 0.0, 0.0), 0);
    assert_eq!(
        challenge.advance(&look(0, 25.0, 0.0), 500),
        Progress::Failed(FailureReason::Replay)
    );
    // The client sends the first picture again after a turn, in other bytes.
    let mut challenge = one();
    challenge.advance(&look(0, 0.0, 0.0), 0);
    challenge.advance(&look(1, 25.0, 0.0), 500);
    let mut again = look(0, 0.0, 0.0);
    again.frame_digest = [9; 32];
    assert_eq!(challenge.advance(&again, 1_000), Progress::Failed(FailureReason::Replay));
}

#[test]
fn turned_frames_too_far_from_the_others_stay_out_of_the_template() {
    let mut challenge = one();
    let progress = obey(&mut challenge, 500, |number, frame| {
        let likeness: f32 = match number {
            1 => 0.35,
            5 => -0.35,
            _ => return,
        };
        let across = (1.0 - likeness * likeness).sqrt() * likeness.signum();
        change(frame, |face| face.face.embedding = vec![likeness.abs(), across]);
    });
    assert_eq!(progress, Progress::Passed);
    let template: Template = challenge.template("pack").unwrap();
    assert_eq!(template.pictures, 3);
    assert!((template.embedding[0] - 1.0).abs() < 1e-6);
}

#[test]
fn names_are_stable_and_differ() {
    let refusals = [
        FailureReason::TooLate,
        FailureReason::TooFast,
        FailureReason::AnotherPerson,
        FailureReason::ManyFaces,
        FailureReason::NoFace,
        FailureReason::WrongTurn,
        FailureReason::Flat,
        FailureReason::Attack,
        FailureReason::Replay,
    ];
    let names: std::collections::HashSet<_> = refusals.iter().map(|it| it.code()).collect();
    assert_eq!(names.len(), refusals.len());
    assert_eq!(FailureReason::AnotherPerson.code(), "another_person");
    assert_eq!(HeadTurn::ALL.map(HeadTurn::code), ["left", "right", "up", "down"]);
    assert_eq!(HeadTurn::ALL.map(|turn| Guidance::Turn(turn).code())[0], "turn_left");
}
