//! The checks on a single frame: usable, facing the camera, turned, flat, same person.
//!
//! All thresholds of the challenge that concern frames are here.

use super::planarity::relief;
use super::protocol::{Guidance, Turn};
use super::{LiveFace, Look};
use crate::detect::Landmarks;
use crate::embed::cosine;

/// Lowest height of the face over that of the frame; a smaller face has too few pixels for the pose model and
/// the attack model.
const SHARE_MIN: f32 = 0.18;
/// Highest height of the face over that of the frame; a larger face leaves no surroundings for the attack
/// model.
const SHARE_MAX: f32 = 0.85;
/// Lowest height of the face, px; it matters in small frames.
const HEIGHT_PX_MIN: i32 = 64;
/// Lowest mean brightness of the face, 0 to 1. The darkest face of 1,013 LFW photos has 0.22.
const BRIGHTNESS_MIN: f32 = 0.15;
/// Lowest sharpness of the face, 0 to 1; below it landmarks and embeddings become unreliable. The least sharp
/// face of 500 LFW photos has 0.59, an enlarged face of 25 px has 0.5. Detects a picture that is out of
/// focus, but not motion blur along one direction.
const SHARPNESS_MIN: f32 = 0.55;

/// Limits the yaw of the first frame, degrees.
const FRONT_YAW_MAX: f32 = 12.0;
/// Limits the pitch of the first frame, degrees. The range is wide, because pitch includes the tilt of the
/// camera, and LFW's people have −8 ± 9.
const FRONT_PITCH: std::ops::RangeInclusive<f32> = -30.0..=18.0;
/// Limits the roll of straight frames, degrees.
const FRONT_ROLL_MAX: f32 = 25.0;
/// Limits the difference in yaw between a later straight frame and the first one, degrees.
const BACK_YAW_MAX: f32 = 10.0;
/// Limits the difference in pitch between a later straight frame and the first one, degrees.
const BACK_PITCH_MAX: f32 = 7.0;

/// Lowest yaw of a complete turn to a side, degrees from the last straight frame. The model's error between
/// two frames is 3; a comfortable turn is 30. Of 528 LFW photos tilted by 25 to 55 degrees as flat pictures,
/// 0.2 % reach it.
const TURN_YAW: f32 = 20.0;
/// Lowest pitch of a complete turn up or down, degrees from the last straight frame. The model's error
/// between two frames is 2; a comfortable turn is 20, of which the model measures 15 upwards. Of the tilted
/// LFW photos, 9 % reach it.
const TURN_PITCH: f32 = 10.0;
/// Lowest turn in another direction that counts as wrong, where 1 is a complete turn: a wrong turn must be
/// clearer than a right one.
const WRONG_MIN: f32 = 1.25;
/// Limits the turn in the requested direction for a turn to count as wrong, where 1 is a complete turn.
const WRONG_ASKED_MAX: f32 = 0.5;

/// Lowest relief of a turn to a side: how far the nose moves ahead of the plane of eyes and mouth, in
/// distances from eyes to mouth (`plane`). Pairs of LFW photos of one person, straight and turned by 18
/// degrees or more: 1 % below 0.115, median 0.23. These photos tilted as flat pictures: 99 % below 0.126,
/// half below 0.03, and nearly none of them reach the turn's yaw as well. Turns up and down have no such
/// threshold, because a smile changes the relief as much as the turn does (median 0.03, noise 0.03);
/// therefore every challenge has a turn to a side.
const RELIEF_MIN: f32 = 0.12;
/// Ratio of width to height, relative to the straight frame, below which a face without relief is a picture
/// tilted by 32 degrees or more. It occurs in 0.4 % of 2,581 pairs of LFW photos of one person, for one
/// frame.
const NARROW_MAX: f32 = 0.85;

/// Lowest similarity to the first frame at which a frame shows that person. Strangers have 0.0 ± 0.1.
const SAME_PERSON_MIN: f32 = 0.3;

/// The live score that the second worst of a challenge's six frames must reach. Range 0 to 1. Measured with
/// `picpick-bench attack` on 900 LFW pictures (107 groups of six of one person) and attacks simulated from
/// them: BPCER 2.8 %; APCER 0 % for a device or a sheet of paper with a visible edge, but 68 % for a screen
/// and 81 % for a fine grey print that fills the frame. The model responds to surroundings rather than
/// texture. At a threshold of 0.5 half as many attacks pass (30 %), but 16 % of people are rejected. If the
/// worst frame decided, 0.1 would reject 21 % of people, because one of twenty frames of a person has a score
/// below it.
pub const ATTACK_LIVE_MIN: f32 = 0.1;
/// Limits the frames of a challenge with a live score below `ATTACK_LIVE_MIN`.
const UNLIKE_MAX: usize = 1;

/// Mean difference, in steps of 255, up to which two frames are one frame encoded twice. JPEG of quality 80
/// to 25 differs by 0.3 to 0.8, a face that moved by half a pixel by 1.0, by a whole pixel by 2.
pub(super) const SAME_FRAME_MAX: f32 = 0.8;

/// Returns the one face of a frame, or the guidance that makes the next frame usable.
pub(super) fn fit(frame: &Look) -> Result<&LiveFace, Guidance> {
    let face = match (&frame.face, frame.faces) {
        (_, 0) => return Err(Guidance::NoFace),
        (Some(face), 1) => face,
        _ => return Err(Guidance::OneFaceOnly),
    };
    if face.share < SHARE_MIN || face.face.bbox[3] < HEIGHT_PX_MIN {
        Err(Guidance::Closer)
    } else if face.share > SHARE_MAX {
        Err(Guidance::Further)
    } else if frame.brightness < BRIGHTNESS_MIN {
        Err(Guidance::Brighter)
    } else if face.sharpness < SHARPNESS_MIN {
        Err(Guidance::HoldStill)
    } else {
        Ok(face)
    }
}

/// Whether the first frame is straight.
pub(super) fn straight(face: &LiveFace) -> bool {
    let pose = face.pose;
    pose.yaw.abs() <= FRONT_YAW_MAX
        && FRONT_PITCH.contains(&pose.pitch)
        && pose.roll.abs() <= FRONT_ROLL_MAX
}

/// Whether a later frame is about as straight as the first one.
pub(super) fn back(first: &LiveFace, now: &LiveFace) -> bool {
    (now.pose.yaw - first.pose.yaw).abs() <= BACK_YAW_MAX
        && (now.pose.pitch - first.pose.pitch).abs() <= BACK_PITCH_MAX
        && now.pose.roll.abs() <= FRONT_ROLL_MAX
}

/// Returns how far the head turned since `front`, where 1 is a complete turn.
fn reach(turn: Turn, front: &LiveFace, now: &LiveFace) -> f32 {
    let yaw = (now.pose.yaw - front.pose.yaw) / TURN_YAW;
    let pitch = (now.pose.pitch - front.pose.pitch) / TURN_PITCH;
    match turn {
        Turn::Left => yaw,
        Turn::Right => -yaw,
        Turn::Up => pitch,
        Turn::Down => -pitch,
    }
}

/// Returns the relief along the eyes in the direction of the turn; `None` for a turn up or down, which needs
/// none.
fn relief_of(turn: Turn, front: &LiveFace, now: &LiveFace) -> Option<f32> {
    let [along, _] = relief(&front.face.landmarks, &now.face.landmarks).unwrap_or_default();
    match turn {
        Turn::Left => Some(along),
        Turn::Right => Some(-along),
        Turn::Up | Turn::Down => None,
    }
}

/// The state of a requested turn in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    /// Not far enough.
    NotYet,
    /// Complete.
    Yes,
    /// Clearly in another direction.
    AnotherWay,
    /// Far enough by the pose model, but the nose stayed in the plane of the face.
    Flatly,
}

/// Compares the turn since `front` with the requested one.
pub(super) fn turned(requested: Turn, front: &LiveFace, now: &LiveFace) -> Turned {
    if reach(requested, front, now) >= 1.0 {
        let has_relief = relief_of(requested, front, now).is_none_or(|relief| relief >= RELIEF_MIN);
        return if has_relief { Turned::Yes } else { Turned::Flatly };
    }
    let another = |turn: &Turn| *turn != requested && reach(*turn, front, now) >= WRONG_MIN;
    if reach(requested, front, now) < WRONG_ASKED_MAX && Turn::ALL.iter().any(another) {
        return Turned::AnotherWay;
    }
    Turned::NotYet
}

/// Whether the face became narrower like a tilted picture, not like a turning head.
pub(super) fn tilted(front: &LiveFace, now: &LiveFace) -> bool {
    let (front, now) = (&front.face.landmarks, &now.face.landmarks);
    let narrower = slimness(now) < NARROW_MAX * slimness(front);
    narrower && relief(front, now).is_some_and(|[along, _]| along.abs() < RELIEF_MIN)
}

/// Returns the distance between the eyes over the distance from eyes to mouth.
fn slimness([left, right, _, mouth_left, mouth_right]: &Landmarks) -> f32 {
    let high = ((mouth_left[0] + mouth_right[0] - left[0] - right[0]) / 2.0)
        .hypot((mouth_left[1] + mouth_right[1] - left[1] - right[1]) / 2.0);
    (right[0] - left[0]).hypot(right[1] - left[1]) / high
}

pub(super) fn same_person(first: &LiveFace, now: &LiveFace) -> bool {
    cosine(&first.face.embedding, &now.face.embedding) >= SAME_PERSON_MIN
}

/// Whether the live scores of the frames that passed are those of a person.
pub(super) fn is_live(scores: impl Iterator<Item = f32>) -> bool {
    scores.filter(|score| *score < ATTACK_LIVE_MIN).count() <= UNLIKE_MAX
}
