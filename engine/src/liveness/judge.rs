//! What a single look says: fit to be judged, facing the camera, turned which way, flat, the same person.
//!
//! Pure functions of looks, with every bar in one place. Knows nothing of order or time.

use super::plane::relief;
use super::words::{Guidance, Turn};
use super::{LiveFace, Look};
use crate::detect::Landmarks;
use crate::embed::cosine;

/// A smaller face has too few pixels for pose and attack model, a larger one leaves nothing around it for
/// the attack model to see. Shares of the frame's height.
const SHARE_MIN: f32 = 0.18;
const SHARE_MAX: f32 = 0.85;
/// The same in pixels, for small frames.
const HEIGHT_PX_MIN: i32 = 64;
/// Of 1,013 LFW photos the darkest face had 0.22.
const BRIGHTNESS_MIN: f32 = 0.15;
/// Below it landmarks and embeddings drift. Of 500 LFW photos the least sharp face had 0.59, a face of 25 px
/// made large has 0.5. It sees a picture out of focus; a smear along one direction it does not see.
const SHARPNESS_MIN: f32 = 0.55;

/// How straight the first look must be, degrees. Pitch is wide: it has the camera's own tilt in it, and
/// LFW's people have −8 ± 9.
const FRONT_YAW_MAX: f32 = 12.0;
const FRONT_PITCH: std::ops::RangeInclusive<f32> = -30.0..=18.0;
const FRONT_ROLL_MAX: f32 = 25.0;
/// How near to the first look a later one must come back, degrees.
const BACK_YAW_MAX: f32 = 10.0;
const BACK_PITCH_MAX: f32 = 7.0;

/// What counts as turned, degrees from the last straight look. The models' error between two frames is 3
/// (yaw) and 2 (pitch); a comfortable turn is 30 and 20, of which it sees 15 upwards. Of 528 LFW photos
/// tilted by 25 to 55 degrees as flat pictures, 0.2 % reach this yaw and 9 % this pitch.
const TURN_YAW: f32 = 20.0;
const TURN_PITCH: f32 = 10.0;
/// A wrong turn is clearer than a right one, and hardly goes the way that was asked.
const WRONG_MIN: f32 = 1.25;
const WRONG_ASKED_MAX: f32 = 0.5;

/// The nose's way ahead of the plane of eyes and mouth that a turn to a side must show, in distances from
/// eyes to mouth (`plane`). Pairs of LFW photos of one person, straight and turned by 18 degrees or more:
/// 1 % below 0.115, median 0.23. The same photos tilted as flat pictures: 99 % below 0.126 and half below
/// 0.03, nearly none of them with the pose. Pitch has no such bar: its relief drowns in smiles (median
/// 0.03, noise 0.03), which is why every challenge has a turn to a side.
const RELIEF_MIN: f32 = 0.12;
/// A face that became this much narrower against its height without relief is a picture tilted by 32
/// degrees or more; 0.4 % of 2,581 pairs of LFW photos of one person look so, for one frame.
const NARROW_MAX: f32 = 0.85;

/// Likeness to the first look below which a look is not of that person. Strangers have 0.0 ± 0.1.
const SAME_PERSON_MIN: f32 = 0.3;

/// The attack score that the second worst of a challenge's six frames must reach. Range 0 to 1. Measured by
/// `picpick-bench attack` on 900 LFW pictures (107 groups of six of one person) and attacks imitated from
/// them: BPCER 2.8 %; APCER 0 % for a device or a sheet whose edge is seen, but 68 % for a screen and 81 %
/// for a fine grey print that fill the frame. The model sees surroundings rather than texture; at a bar of
/// 0.5 half as many pass (30 %) and 16 % of people are refused. Had the worst frame decided, 0.1 would
/// refuse 21 % of people, for one frame in twenty of a person has a score below it.
pub const ATTACK_LIVE_MIN: f32 = 0.1;
/// How many of a challenge's frames may have a lower score.
const UNLIKE_MAX: usize = 1;

/// Frames that count and differ less than this, in mean steps of 255, are one frame encoded anew: JPEG of
/// quality 80 to 25 differs by 0.3 to 0.8, a face moved by half a pixel by 1.0, by a whole one by 2.
pub(super) const SAME_FRAME_MAX: f32 = 0.8;

/// Why a look cannot be judged, or its one face.
pub(super) fn fit(look: &Look) -> Result<&LiveFace, Guidance> {
    let face = match (&look.face, look.faces) {
        (_, 0) => return Err(Guidance::NoFace),
        (Some(face), 1) => face,
        _ => return Err(Guidance::OneFaceOnly),
    };
    if face.share < SHARE_MIN || face.face.bbox[3] < HEIGHT_PX_MIN {
        Err(Guidance::Closer)
    } else if face.share > SHARE_MAX {
        Err(Guidance::Further)
    } else if look.brightness < BRIGHTNESS_MIN {
        Err(Guidance::Brighter)
    } else if face.sharpness < SHARPNESS_MIN {
        Err(Guidance::HoldStill)
    } else {
        Ok(face)
    }
}

/// Whether the first look is straight.
pub(super) fn straight(face: &LiveFace) -> bool {
    let pose = face.pose;
    pose.yaw.abs() <= FRONT_YAW_MAX
        && FRONT_PITCH.contains(&pose.pitch)
        && pose.roll.abs() <= FRONT_ROLL_MAX
}

/// Whether a later look is as straight as the first one was.
pub(super) fn back(first: &LiveFace, now: &LiveFace) -> bool {
    (now.pose.yaw - first.pose.yaw).abs() <= BACK_YAW_MAX
        && (now.pose.pitch - first.pose.pitch).abs() <= BACK_PITCH_MAX
        && now.pose.roll.abs() <= FRONT_ROLL_MAX
}

/// How far the head turned since `front`: 1 is what counts.
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

/// Relief along the eyes in the turn's direction; `None` for a turn that needs none.
fn relief_of(turn: Turn, front: &LiveFace, now: &LiveFace) -> Option<f32> {
    let [along, _] = relief(&front.face.landmarks, &now.face.landmarks).unwrap_or_default();
    match turn {
        Turn::Left => Some(along),
        Turn::Right => Some(-along),
        Turn::Up | Turn::Down => None,
    }
}

/// What a look says of the turn that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    NotYet,
    Yes,
    AnotherWay,
    /// Far enough for the pose model, but the nose stayed in the plane of the face.
    Flatly,
}

pub(super) fn turned(asked: Turn, front: &LiveFace, now: &LiveFace) -> Turned {
    if reach(asked, front, now) >= 1.0 {
        let stands_out = relief_of(asked, front, now).is_none_or(|relief| relief >= RELIEF_MIN);
        return if stands_out { Turned::Yes } else { Turned::Flatly };
    }
    let another = |turn: &Turn| *turn != asked && reach(*turn, front, now) >= WRONG_MIN;
    if reach(asked, front, now) < WRONG_ASKED_MAX && Turn::ALL.iter().any(another) {
        return Turned::AnotherWay;
    }
    Turned::NotYet
}

/// Whether the face became narrower as a tilted picture does, and not as a turning head.
pub(super) fn tilted(front: &LiveFace, now: &LiveFace) -> bool {
    let (front, now) = (&front.face.landmarks, &now.face.landmarks);
    let narrower = slimness(now) < NARROW_MAX * slimness(front);
    narrower && relief(front, now).is_some_and(|[along, _]| along.abs() < RELIEF_MIN)
}

/// Distance between the eyes in distances from eyes to mouth.
fn slimness([left, right, _, mouth_left, mouth_right]: &Landmarks) -> f32 {
    let high = ((mouth_left[0] + mouth_right[0] - left[0] - right[0]) / 2.0)
        .hypot((mouth_left[1] + mouth_right[1] - left[1] - right[1]) / 2.0);
    (right[0] - left[0]).hypot(right[1] - left[1]) / high
}

pub(super) fn same_person(first: &LiveFace, now: &LiveFace) -> bool {
    cosine(&first.face.embedding, &now.face.embedding) >= SAME_PERSON_MIN
}

/// Whether the attack scores of the frames that count are those of a person.
pub(super) fn is_live(scores: impl Iterator<Item = f32>) -> bool {
    scores.filter(|score| *score < ATTACK_LIVE_MIN).count() <= UNLIKE_MAX
}
