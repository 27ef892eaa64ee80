//! Liveness challenges on frames made from real photos (`synthetic_head`) and analysed by the real models.

use std::collections::HashSet;

use picpick_engine::liveness::{
    Challenge, FailureReason, FrameAnalysis, Guidance, HeadTurn, Progress,
};
use picpick_engine::{Error, Picture};
use picpick_tests::guest::{angles, sway};
use picpick_tests::synthetic_head::{drawn, head_of, studio};

/// Time between frames, ms. The tests pass it to the challenge; no clock is read.
const FRAME_MS: u64 = 700;

fn look(picture: &Picture) -> FrameAnalysis {
    let jpeg = picture.to_jpeg(u32::MAX, 90).unwrap();
    studio().pipeline.analyse_frame(&studio().liveness, &jpeg).unwrap()
}

/// Sends frames to a challenge until the challenge ends or `frames_max` frames were sent. `frame` returns the
/// frame for the requested yaw and pitch, degrees, and the frame's number. Returns the last progress.
fn show(
    challenge: &mut Challenge,
    frames_max: usize,
    mut frame: impl FnMut([f32; 2], usize) -> Picture,
) -> Progress {
    let mut progress = Progress::Wait(Guidance::Front);
    let (mut last, mut waited) = (Guidance::Front, 0);
    for nth in 0..frames_max {
        waited = if challenge.awaited() == last { waited + 1 } else { 0 };
        last = challenge.awaited();
        let picture = frame(angles(last.code(), waited), nth);
        progress = challenge.advance(&look(&picture), 1_000 + nth as u64 * FRAME_MS);
        if !matches!(progress, Progress::Wait(_)) {
            break;
        }
    }
    progress
}

/// Returns a challenge that begins with a turn to the left or right.
fn sideways() -> Challenge {
    loop {
        let challenge = Challenge::random().unwrap();
        if matches!(challenge.turns()[0], HeadTurn::Left | HeadTurn::Right) {
            return challenge;
        }
    }
}

#[test]
fn a_head_that_turns_as_asked_passes_and_gives_a_template() {
    let head = head_of("obama3.jpg");
    let mut seen = HashSet::new();
    // Runs challenges until each of the four turns was requested once.
    while seen.len() < 4 {
        let mut challenge = Challenge::random().unwrap();
        if challenge.turns().iter().all(|turn| seen.contains(turn)) {
            continue;
        }
        assert!(challenge.template("pack").is_err());
        let progress =
            show(&mut challenge, 30, |[yaw, pitch], nth| head.turned(yaw, pitch, sway(nth)));
        assert_eq!(progress, Progress::Passed, "{:?}", challenge.turns());
        assert_eq!(challenge.done(), challenge.turns().len());
        seen.extend(challenge.turns().iter().copied());
        let pack = studio().pipeline.pack_id();
        let template = challenge.template(pack).unwrap();
        assert!(template.pictures >= 3 && template.pack == pack && template.quality > 0.5);
        // The result of a challenge is final.
        assert_eq!(challenge.advance(&look(&head.frame), u64::MAX), Progress::Passed);
    }
}

#[test]
fn a_waved_photo_is_refused_as_flat() {
    let head = head_of("biden.jpg");
    let mut challenge = sideways();
    let progress = show(&mut challenge, 12, |[yaw, pitch], nth| {
        head.flat((2.4 * yaw).clamp(-56.0, 56.0) + nth as f32 / 3.0, pitch, sway(nth))
    });
    assert_eq!(progress, Progress::Failed(FailureReason::Flat));
}

#[test]
fn a_change_of_person_is_refused() {
    let (first, second) = (head_of("biden.jpg"), head_of("obama.jpg"));
    let mut challenge = sideways();
    let progress = show(&mut challenge, 12, |[yaw, pitch], nth| {
        if nth == 0 { &first } else { &second }.turned(yaw, pitch, sway(nth))
    });
    assert_eq!(progress, Progress::Failed(FailureReason::AnotherPerson));
}

#[test]
fn turning_the_other_way_is_a_wrong_turn() {
    let head = head_of("biden.jpg");
    let mut challenge = sideways();
    let progress = show(&mut challenge, 12, |[yaw, pitch], nth| {
        head.turned((-1.3 * yaw).clamp(-36.0, 36.0), -pitch, sway(nth))
    });
    assert_eq!(progress, Progress::Failed(FailureReason::WrongTurn));
}

#[test]
fn the_same_frame_in_another_file_is_a_replay() {
    let head = head_of("biden.jpg");
    let jpeg = head.turned(0.0, 0.0, [0.0; 2]).to_jpeg(u32::MAX, 90).unwrap();
    // `other` is the same picture with a comment segment in its JPEG.
    let other = picpick_tests::album::variant(&jpeg, 7);
    assert_ne!(jpeg, other);
    let [first, second] = [jpeg, other]
        .map(|jpeg| studio().pipeline.analyse_frame(&studio().liveness, &jpeg).unwrap());
    assert_eq!(first.frame_digest, second.frame_digest);
    let mut challenge = sideways();
    assert!(matches!(challenge.advance(&first, 0), Progress::Wait(Guidance::Turn(_))));
    assert_eq!(challenge.advance(&second, 900), Progress::Failed(FailureReason::Replay));
}

#[test]
fn a_reencoded_frame_is_a_replay() {
    let head = head_of("biden.jpg");
    let (straight, again) = (head.turned(0.0, 0.0, [0.0; 2]), head.turned(0.0, 0.0, [0.0; 2]));
    let coarse = again.to_jpeg(u32::MAX, 60).unwrap();
    let coarse = studio().pipeline.analyse_frame(&studio().liveness, &coarse).unwrap();
    let mut challenge = sideways();
    let Progress::Wait(guidance) = challenge.advance(&look(&straight), 0) else {
        panic!("not straight")
    };
    let [yaw, pitch] = angles(guidance.code(), 2);
    let turned = challenge.advance(&look(&head.turned(yaw, pitch, sway(1))), 900);
    assert_eq!(turned, Progress::Wait(Guidance::Front));
    assert_eq!(challenge.advance(&coarse, 1_800), Progress::Failed(FailureReason::Replay));
}

#[test]
fn guidance_names_what_is_wrong_with_the_frame() {
    let head = head_of("biden.jpg");
    let (width, height) = (head.frame.width(), head.frame.height());
    let zoomed = |factor: f32| {
        let (w, h) = (width as f32, height as f32);
        drawn((width, height), |u, v| {
            let (x, y) = ((u - w / 2.0) / factor + w / 2.0, (v - h / 2.0) / factor + h / 2.0);
            picpick_tests::synthetic_head::sample(&head.frame, x, y)
        })
    };
    let dark = drawn((width, height), |u, v| {
        picpick_tests::synthetic_head::sample(&head.frame, u, v).map(|value| value * 0.2)
    });
    let blurred = {
        let small = head.frame.cut(head.frame.frame(), 48, 36, (48, 36)).unwrap();
        small.cut(small.frame(), width, height, (width, height)).unwrap()
    };
    let two = drawn((width, height), |u, v| {
        let half = width as f32 / 2.0;
        picpick_tests::synthetic_head::sample(&head.frame, u % half + half / 2.0, v)
    });
    let empty = drawn((width, height), |u, v| [u % 256.0, v % 256.0, 90.0]);
    let guidance = |picture: &Picture| {
        let look = look(picture);
        (Challenge::random().unwrap().advance(&look, 0), look)
    };
    for (what, picture, expected) in [
        ("turned", head.turned(20.0, 0.0, [0.0; 2]), Guidance::Front),
        ("far", zoomed(0.35), Guidance::Closer),
        ("near", zoomed(2.3), Guidance::Further),
        ("dark", dark, Guidance::Brighter),
        ("blurred", blurred, Guidance::HoldStill),
        ("two", two, Guidance::OneFaceOnly),
        ("no face", empty, Guidance::NoFace),
    ] {
        let (progress, look) = guidance(&picture);
        assert_eq!(progress, Progress::Wait(expected), "{what}: {look:?}");
    }
    let (progress, _) = guidance(&head.frame);
    assert!(matches!(progress, Progress::Wait(Guidance::Turn(_) | Guidance::Front)));
}

#[test]
fn turned_heads_have_the_pose_that_they_were_given() {
    for name in ["obama.jpg", "biden.jpg"] {
        let head = head_of(name);
        let straight = look(&head.turned(0.0, 0.0, [0.0; 2])).face.expect(name);
        assert!(straight.pose.yaw.abs() < 6.0, "{name}: {:?}", straight.pose);
        for yaw in [-30.0f32, -20.0, 20.0, 30.0] {
            let turned = look(&head.turned(yaw, 0.0, [3.0, -2.0])).face.expect(name);
            let seen = turned.pose.yaw - straight.pose.yaw;
            assert!((seen - yaw).abs() < 9.0, "{name}: given {yaw}, seen {seen}");
            let likeness = turned.face.similarity(&straight.face);
            assert!(likeness > 0.4, "{name} at {yaw}: {likeness}");
        }
    }
    {
        let name = "biden.jpg";
        let head = head_of(name);
        let straight = look(&head.turned(0.0, 0.0, [0.0; 2])).face.expect(name);
        for pitch in [-20.0f32, 20.0] {
            let turned = look(&head.turned(0.0, pitch, [0.0; 2])).face.expect(name);
            let seen = turned.pose.pitch - straight.pose.pitch;
            assert!((seen - pitch).abs() < 10.0, "{name}: given {pitch}, seen {seen}");
        }
    }
}

#[test]
fn challenges_differ() {
    let drawn: Vec<Vec<HeadTurn>> =
        (0..800).map(|_| Challenge::random().unwrap().turns().to_vec()).collect();
    for turns in &drawn {
        assert!(turns.windows(2).all(|pair| pair[0] != pair[1]), "{turns:?}");
        assert!(
            turns.iter().any(|turn| matches!(turn, HeadTurn::Left | HeadTurn::Right)),
            "{turns:?}"
        );
    }
    let orders = |count: usize| -> (usize, HashSet<&Vec<HeadTurn>>) {
        let of_count = drawn.iter().filter(|turns| turns.len() == count);
        (of_count.clone().count(), of_count.collect())
    };
    let ((three, orders_of_three), (four, orders_of_four)) = (orders(3), orders(4));
    // Half of the challenges have three turns: 400 ± 14 of 800.
    assert_eq!(three + four, 800);
    assert!(three.abs_diff(400) < 100, "{three}");
    // There are 34 orders of three turns and 106 of four. About 400 draws miss at most 2 and about 2.4 of
    // them; the probability that they miss 10 and 20 is less than 1 in 10^9.
    assert!(orders_of_three.len() > 24, "{}", orders_of_three.len());
    assert!(orders_of_four.len() > 86, "{}", orders_of_four.len());
}

#[test]
fn every_direction_is_drawn_at_every_position() {
    let mut counts = [[0usize; 4]; 4];
    for _ in 0..2_000 {
        for (position, turn) in Challenge::random().unwrap().turns().iter().enumerate() {
            counts[position][HeadTurn::ALL.iter().position(|one| one == turn).unwrap()] += 1;
        }
    }
    // At a position, a direction has a share of 0.22 to 0.28; of the last position, half of 2,000 are drawn.
    for (position, counts) in counts.iter().enumerate() {
        let drawn: usize = counts.iter().sum();
        for times in counts {
            let share = *times as f64 / drawn as f64;
            assert!((0.17..0.33).contains(&share), "position {position}: {counts:?}");
        }
    }
}

#[test]
fn hostile_bytes_are_an_error() {
    let jpeg = head_of("biden.jpg").frame.to_jpeg(u32::MAX, 80).unwrap();
    for bytes in [&b""[..], b"\xff\xd8\xff", &[0; 4096], &jpeg[..jpeg.len() / 40], b"<svg/>"] {
        let error = studio().pipeline.analyse_frame(&studio().liveness, bytes).unwrap_err();
        assert!(matches!(error, Error::Image { .. }), "{error}");
    }
    // Frames of the smallest sizes are decoded and show no face.
    for side in [1, 2, 7] {
        let shown = look(&drawn((side, side), |_, _| [128.0; 3]));
        assert!(shown.faces == 0 && shown.face.is_none());
    }
}

#[test]
fn frames_are_analysed_in_parallel() {
    let head = head_of("biden.jpg");
    let frames: Vec<Vec<u8>> = (0..8)
        .map(|nth| head.turned(nth as f32 * 4.0 - 14.0, 0.0, [0.0; 2]).to_jpeg(640, 90).unwrap())
        .collect();
    let yaw = |jpeg: &Vec<u8>| {
        studio().pipeline.analyse_frame(&studio().liveness, jpeg).unwrap().face.unwrap().pose.yaw
    };
    let alone: Vec<f32> = frames.iter().map(yaw).collect();
    let together: Vec<f32> = std::thread::scope(|scope| {
        let running: Vec<_> = frames.iter().map(|jpeg| scope.spawn(move || yaw(jpeg))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
}

#[test]
fn a_video_has_the_frames_that_it_was_given() {
    let head = head_of("biden.jpg");
    let frames = [head.turned(0.0, 0.0, [0.0; 2]), head.turned(20.0, 0.0, [0.0; 2])];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("head.y4m");
    picpick_tests::video::y4m(&path, &frames, 5);
    let bytes = std::fs::read(&path).unwrap();
    let text = b"YUV4MPEG2 W640 H480 F5:1 Ip A1:1 C420jpeg\n";
    let frame = 6 + 640 * 480 * 3 / 2;
    assert!(bytes.starts_with(text));
    assert_eq!(bytes.len(), text.len() + 2 * frame);
    assert_eq!(&bytes[text.len() + frame..][..6], b"FRAME\n");
    // The luma of a pixel is close to its brightness.
    let luma = |at: usize| bytes[text.len() + 6 + at];
    let pixel = &frames[0].pixels()[..3];
    let mean = pixel.iter().map(|&value| f32::from(value)).sum::<f32>() / 3.0;
    assert!((f32::from(luma(0)) - (16.0 + mean * 219.0 / 255.0)).abs() < 25.0);
}
