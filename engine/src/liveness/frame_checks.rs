//! The checks on a single frame: usable, facing the camera, turned, flat, same person.
//!
//! All thresholds of the challenge that concern frames are here.

use super::planarity::relief;
use super::protocol::{Guidance, HeadTurn};
use super::{FrameAnalysis, LiveFace};
use crate::detect::Landmarks;
use crate::embed::cosine;

/// Limits the ratio of the face's height to the frame's height to at least 0.18. A smaller face has too few
/// pixels for the pose model and the attack model.
const SHARE_MIN: f32 = 0.18;
/// Limits the ratio of the face's height to the frame's height to at most 0.85. A larger face leaves no
/// surroundings for the attack model.
const SHARE_MAX: f32 = 0.85;
/// Limits the height of the face to at least 64 px. In frames lower than 356 px, this limit is stricter than
/// `SHARE_MIN`.
const HEIGHT_PX_MIN: i32 = 64;
/// Limits the mean brightness of the face, 0 to 1, to at least 0.15. The darkest face of 1,013 LFW photos has
/// 0.22.
const BRIGHTNESS_MIN: f32 = 0.15;
/// Limits the sharpness of the face, 0 to 1, to at least 0.55. Below, landmarks and embeddings become
/// unreliable. The least sharp face of 500 LFW photos has 0.59, and an enlarged face of 25 px has 0.5. The
/// limit rejects a picture that is out of focus, but not motion blur along one direction.
const SHARPNESS_MIN: f32 = 0.55;

/// Limits the yaw of the first frame to ±12 degrees.
const FRONT_YAW_MAX: f32 = 12.0;
/// Limits the pitch of the first frame to −30 to 18 degrees. The range is wide, because pitch includes the
/// tilt of the camera. The pitch of the people in LFW is −8 ± 9.
const FRONT_PITCH: std::ops::RangeInclusive<f32> = -30.0..=18.0;
/// Limits the roll of straight frames to ±25 degrees.
const FRONT_ROLL_MAX: f32 = 25.0;
/// Limits the difference in yaw between a later straight frame and the first frame to 10 degrees.
const BACK_YAW_MAX: f32 = 10.0;
/// Limits the difference in pitch between a later straight frame and the first frame to 7 degrees.
const BACK_PITCH_MAX: f32 = 7.0;

/// Limits the yaw of a complete turn to a side to at least 20 degrees from the last straight frame. The
/// model's error between two frames is 3 degrees, and a comfortable turn has 30. Of 528 LFW photos, tilted by
/// 25 to 55 degrees as flat pictures, 0.2 % reach the limit.
const TURN_YAW: f32 = 20.0;
/// Limits the pitch of a complete turn up or down to at least 10 degrees from the last straight frame. The
/// model's error between two frames is 2 degrees. A comfortable turn has 20 degrees; for a turn up, the model
/// gives only 15. Of the tilted LFW photos, 9 % reach the limit.
const TURN_PITCH: f32 = 10.0;
/// Limits a wrong turn, one in another direction than requested, to at least 1.25 complete turns. A turn must
/// be larger to count as wrong than to count as right.
const WRONG_MIN: f32 = 1.25;
/// Limits the turn in the requested direction, in a frame whose turn counts as wrong, to less than 0.5
/// complete turns.
const WRONG_REQUESTED_MAX: f32 = 0.5;

/// Limits the relief of a turn to a side to at least 0.12. The relief is the distance by which the nose moves
/// ahead of the plane of eyes and mouth, in distances from eyes to mouth (`planarity.rs`).
///
/// Of pairs of LFW photos of one person, one straight and one turned by 18 degrees or more, 1 % have a relief
/// below 0.115, and the median is 0.23. Of these photos tilted as flat pictures, 99 % have a relief below
/// 0.126 and half below 0.03, and nearly none reach `TURN_YAW` as well. Turns up and down have no such limit,
/// because a smile changes the relief as much as the turn does (median 0.03, noise 0.03). Therefore every
/// challenge has a turn to a side.
const RELIEF_MIN: f32 = 0.12;
/// Limits the width of a face over its height, relative to the straight frame, to at least 0.85. A narrower
/// face without relief is treated as a picture tilted by 32 degrees or more. The rule rejects one frame in
/// 0.4 % of 2,581 pairs of LFW photos of one person.
const NARROW_MAX: f32 = 0.85;

/// Limits the cosine of a frame and the first frame to at least 0.3 if both show one person. The cosine of
/// strangers is 0.0 ± 0.1.
const SAME_PERSON_MIN: f32 = 0.3;

/// Limits the second lowest live score of a challenge's six frames to at least 0.1. Range: 0 to 1. Measure
/// with `picpick-bench attack`.
///
/// On 900 LFW pictures (107 groups of six pictures of one person) and attacks simulated from these pictures,
/// the BPCER is 2.8 %. The APCER is 0 % for a device or a sheet of paper with a visible edge, 68 % for a
/// screen that fills the frame, and 81 % for a fine grey print that fills the frame: the model responds to
/// surroundings rather than texture.
///
/// With a limit of 0.5, half as many attacks pass (30 %), but 16 % of people are rejected. If the lowest
/// score had to reach 0.1, 21 % of people would be rejected, because the score of one in twenty frames of a
/// person is below 0.1.
pub const ATTACK_LIVE_MIN: f32 = 0.1;
/// Limits the frames of a challenge with a live score below `ATTACK_LIVE_MIN` to 1.
const ATTACK_FRAMES_MAX: usize = 1;

/// Limits the mean difference of two encodings of one frame to 0.8, in luma steps of 0 to 255. An encoding as
/// JPEG of quality 80 to 25 changes a frame by 0.3 to 0.8. A face that moves by half a pixel changes it by
/// 1.0, and a face that moves by a pixel by 2.
pub(super) const SAME_FRAME_MAX: f32 = 0.8;

/// Returns the one face of a frame, or the guidance that makes the next frame usable.
pub(super) fn usable_face(frame: &FrameAnalysis) -> Result<&LiveFace, Guidance> {
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

/// Returns whether a first frame is straight.
pub(super) fn is_straight(face: &LiveFace) -> bool {
    let pose = face.pose;
    pose.yaw.abs() <= FRONT_YAW_MAX
        && FRONT_PITCH.contains(&pose.pitch)
        && pose.roll.abs() <= FRONT_ROLL_MAX
}

/// Returns whether the pose of a later frame is close to the pose of the first frame.
pub(super) fn is_back_in_front(first: &LiveFace, now: &LiveFace) -> bool {
    (now.pose.yaw - first.pose.yaw).abs() <= BACK_YAW_MAX
        && (now.pose.pitch - first.pose.pitch).abs() <= BACK_PITCH_MAX
        && now.pose.roll.abs() <= FRONT_ROLL_MAX
}

/// Returns the turn of the head in the direction `turn` since `front`, in complete turns; negative for the
/// opposite direction.
fn reach(turn: HeadTurn, front: &LiveFace, now: &LiveFace) -> f32 {
    let yaw = (now.pose.yaw - front.pose.yaw) / TURN_YAW;
    let pitch = (now.pose.pitch - front.pose.pitch) / TURN_PITCH;
    match turn {
        HeadTurn::Left => yaw,
        HeadTurn::Right => -yaw,
        HeadTurn::Up => pitch,
        HeadTurn::Down => -pitch,
    }
}

/// Returns the relief along the eyes in the direction of the turn; `None` for a turn up or down, which needs
/// no relief.
fn relief_of(turn: HeadTurn, front: &LiveFace, now: &LiveFace) -> Option<f32> {
    let [along, _] = relief(&front.face.landmarks, &now.face.landmarks).unwrap_or_default();
    match turn {
        HeadTurn::Left => Some(along),
        HeadTurn::Right => Some(-along),
        HeadTurn::Up | HeadTurn::Down => None,
    }
}

/// The state of a requested turn in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TurnState {
    /// The head has not turned far enough.
    NotYet,
    /// The turn is complete.
    Complete,
    /// The head has clearly turned in another direction.
    WrongDirection,
    /// The pose model measures a complete turn, but the nose stayed in the plane of the face.
    Flat,
}

/// Compares the turn since `front` with the requested one.
pub(super) fn turn_state(requested: HeadTurn, front: &LiveFace, now: &LiveFace) -> TurnState {
    if reach(requested, front, now) >= 1.0 {
        let has_relief = relief_of(requested, front, now).is_none_or(|relief| relief >= RELIEF_MIN);
        return if has_relief { TurnState::Complete } else { TurnState::Flat };
    }
    let another = |turn: &HeadTurn| *turn != requested && reach(*turn, front, now) >= WRONG_MIN;
    if reach(requested, front, now) < WRONG_REQUESTED_MAX && HeadTurn::ALL.iter().any(another) {
        return TurnState::WrongDirection;
    }
    TurnState::NotYet
}

/// Returns whether the face became narrower like a tilted picture, and not like a turning head.
pub(super) fn is_tilted(front: &LiveFace, now: &LiveFace) -> bool {
    let (front, now) = (&front.face.landmarks, &now.face.landmarks);
    let narrower = slimness(now) < NARROW_MAX * slimness(front);
    narrower && relief(front, now).is_some_and(|[along, _]| along.abs() < RELIEF_MIN)
}

/// Returns the distance between the eyes divided by the distance from eyes to mouth.
fn slimness([left, right, _, mouth_left, mouth_right]: &Landmarks) -> f32 {
    let high = ((mouth_left[0] + mouth_right[0] - left[0] - right[0]) / 2.0)
        .hypot((mouth_left[1] + mouth_right[1] - left[1] - right[1]) / 2.0);
    (right[0] - left[0]).hypot(right[1] - left[1]) / high
}

pub(super) fn same_person(first: &LiveFace, now: &LiveFace) -> bool {
    cosine(&first.face.embedding, &now.face.embedding) >= SAME_PERSON_MIN
}

/// Returns whether a challenge shows a live person: at most `ATTACK_FRAMES_MAX` of `scores`, the live scores
/// of the frames that passed, are below `ATTACK_LIVE_MIN`.
pub(super) fn is_live(scores: impl Iterator<Item = f32>) -> bool {
    scores.filter(|score| *score < ATTACK_LIVE_MIN).count() <= ATTACK_FRAMES_MAX
}
