//! Whether a face was lit by the screen's tints in the order that was drawn: active illumination.
//!
//! The face reflects the light of the screen and of the surroundings. With camera gains g and reflectances ρ,
//! a channel of the face is g·ρ·(ambient + screen) and one of the background is g·ρ'·ambient (the diagonal
//! model of von Kries, in linear light). In the difference of their log chroma, the gains cancel: exposure and
//! white balance change the frame alike. What remains follows the chroma of the screen. The score is the
//! correlation of both over the frames (Tang et al., Face Flashing, NDSS 2018, compare light and reflection in
//! the same way), after the parts that time and the head's pose explain (Frisch and Waugh 1933).
//!
//! Chance is measured by a randomization test (Fisher 1935): the score is compared with the scores for orders
//! that could have been drawn instead. Frames that do not depend on the drawn order agree with it with the
//! probability `CHANCE_MAX`, whatever they show.

use super::face_chroma::{Chroma, log_chroma, to_linear};
use super::screen_light::ScreenTint;
use crate::split_mix;

/// Chance of a score as high as the measured one, for frames that do not depend on the tints: at most 2 %.
const CHANCE_MAX: f32 = 0.02;
/// Minimum score of evidence that agrees.
const SCORE_MIN: f32 = 0.35;
/// Minimum number of frames with a measured chroma, for a score.
const FRAMES_MIN: usize = 7;
/// Minimum number of changes of the tint, for a score: 3 changes have 108 orders.
const CHANGES_MIN: usize = 3;
/// Number of other orders that the measured score is compared with.
const ORDERS: u64 = 499;
/// Minimum variation of evidence that differs. Synthetic heads have 0.01 to 0.03 without the light of a screen,
/// 0.07 to 0.09 with 0.3 of the room's light, and 0.14 to 0.17 with 0.6 (`tests/engine/light.rs`).
const VARIATION_MIN: f32 = 0.05;
/// Maximum score of evidence that differs.
const DIFFERS_MAX: f32 = 0.2;
/// Minimum number of frames of evidence that differs.
const DIFFERS_FRAMES_MIN: usize = 9;

/// A frame that the screen lit.
#[derive(Clone, Copy)]
pub(super) struct Observation {
    pub chroma: Chroma,
    /// Yaw and pitch, degrees.
    pub turn_degrees: [f32; 2],
    pub at_ms: u64,
    pub tint: ScreenTint,
    /// Number of changes of the tint before the frame.
    pub change: usize,
}

/// Whether the face followed the light of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LightAgreement {
    /// The face had the tints in the drawn order.
    Agrees,
    /// The face's tint changed much, and not in the drawn order.
    Differs,
    /// Too few frames, or no visible light of the screen: bright surroundings, reduced motion, a program.
    Unclear,
}

impl LightAgreement {
    /// Returns the stable name for records and metrics.
    pub fn code(self) -> &'static str {
        match self {
            LightAgreement::Agrees => "agrees",
            LightAgreement::Differs => "differs",
            LightAgreement::Unclear => "unclear",
        }
    }
}

/// What a challenge's frames say about the light of the screen. Evidence beside others: it refuses no guest,
/// because the thresholds were measured on synthetic heads alone. Must not be disclosed to the client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LightEvidence {
    /// Correlation of the face's chroma with the drawn tints, −1 to 1; 0 if there are too few frames.
    pub score: f32,
    /// Root mean square of the face's log chroma, without what time and pose explain; 0 if there are too few
    /// frames.
    pub variation: f32,
    pub agreement: LightAgreement,
}

/// Compares frames with the tints that lit them.
pub(super) fn of(frames: &[Observation]) -> LightEvidence {
    let unclear = LightEvidence { score: 0.0, variation: 0.0, agreement: LightAgreement::Unclear };
    let changes = frames.last().map_or(0, |frame| frame.change);
    if frames.len() < FRAMES_MIN || changes < CHANGES_MIN {
        return unclear;
    }
    let explained = basis(frames);
    let axes = [0, 1].map(|axis| {
        let values = frames.iter().map(|frame| f64::from(frame.chroma[axis])).collect();
        residual(values, &explained)
    });
    let score_of = |tints: &[ScreenTint]| {
        let (mut product, mut of_light, mut of_face) = (0.0, 0.0, 0.0);
        for (axis, face) in axes.iter().enumerate() {
            let light = tints.iter().map(|tint| f64::from(tint_chroma(*tint)[axis])).collect();
            let light = residual(light, &explained);
            product += dot(face, &light);
            of_light += dot(&light, &light);
            of_face += dot(face, face);
        }
        if of_face > 0.0 && of_light > 0.0 { product / (of_light * of_face).sqrt() } else { 0.0 }
    };
    let drawn: Vec<ScreenTint> = frames.iter().map(|frame| frame.tint).collect();
    let score = score_of(&drawn);
    let as_high = (1..=ORDERS).filter(|seed| score_of(&redrawn(frames, *seed)) >= score).count();
    let chance = (1 + as_high) as f32 / (1 + ORDERS) as f32;
    let score = score as f32;
    let squares: f64 = axes.iter().map(|axis| dot(axis, axis)).sum();
    let variation = (squares / frames.len() as f64).sqrt() as f32;
    let agreement = if score >= SCORE_MIN && chance <= CHANCE_MAX {
        LightAgreement::Agrees
    } else if frames.len() >= DIFFERS_FRAMES_MIN
        && variation >= VARIATION_MIN
        && score <= DIFFERS_MAX
    {
        LightAgreement::Differs
    } else {
        LightAgreement::Unclear
    };
    LightEvidence { score, variation, agreement }
}

/// Returns the tints of the frames in another order, drawn as a challenge draws it, with the same times of
/// change.
fn redrawn(frames: &[Observation], seed: u64) -> Vec<ScreenTint> {
    // Neighbouring seeds would give one sequence, moved by one number.
    let mut state = split_mix::nth(seed);
    let mut draw = || (split_mix::next(&mut state) >> 56) as u8;
    let (mut tint, mut change) = (ScreenTint::first(draw()), 0);
    let tint_of = |frame: &Observation| {
        while change < frame.change {
            tint = tint.next(draw());
            change += 1;
        }
        tint
    };
    frames.iter().map(tint_of).collect()
}

/// Returns the log chroma of a tint, as of a white surface that only the screen lights.
fn tint_chroma(tint: ScreenTint) -> Chroma {
    log_chroma(tint.rgb().map(to_linear)).unwrap_or_default()
}

/// Returns an orthonormal basis of what may change the chroma without the screen: a constant, drift in time,
/// and the head's pose (Gram–Schmidt).
fn basis(frames: &[Observation]) -> Vec<Vec<f64>> {
    let begun_ms = frames.first().map_or(0, |frame| frame.at_ms);
    let columns: [Vec<f64>; 4] = [
        vec![1.0; frames.len()],
        frames.iter().map(|frame| frame.at_ms.saturating_sub(begun_ms) as f64 / 1e3).collect(),
        frames.iter().map(|frame| f64::from(frame.turn_degrees[0]) / 30.0).collect(),
        frames.iter().map(|frame| f64::from(frame.turn_degrees[1]) / 30.0).collect(),
    ];
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for column in columns {
        let rest = residual(column, &basis);
        let length = dot(&rest, &rest).sqrt();
        if length > 1e-6 {
            basis.push(rest.into_iter().map(|value| value / length).collect());
        }
    }
    basis
}

/// Returns `values` without their projection on the orthonormal `basis`.
fn residual(mut values: Vec<f64>, basis: &[Vec<f64>]) -> Vec<f64> {
    for vector in basis {
        let along = dot(&values, vector);
        values.iter_mut().zip(vector).for_each(|(value, unit)| *value -= along * unit);
    }
    values
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Rng(u64);

    impl Rng {
        /// Returns a uniform number from −`most` to `most`.
        fn within(&mut self, most: f32) -> f32 {
            ((split_mix::next(&mut self.0) >> 40) as f32 / (1u32 << 23) as f32 - 1.0) * most
        }
    }

    /// A guest before a camera. All shares are relative to the light of the room.
    #[derive(Clone, Copy)]
    struct Setting {
        /// The light of a white screen on the face.
        screen: f32,
        /// Largest change of exposure, white balance and colour of the room from frame to frame.
        drift: f32,
        /// Noise of the measured chroma.
        noise: f32,
        /// Change of the face's chroma by a turn of 30 degrees: shadows and hair.
        by_turn: f32,
        frames: usize,
    }

    /// A guest in an ordinary room.
    const ROOM: Setting =
        Setting { screen: 0.15, drift: 0.05, noise: 0.01, by_turn: 0.04, frames: 14 };

    /// Returns the frames of a challenge with random tints. With `other`, the face is lit by tints of another
    /// challenge.
    fn frames(scene: Setting, other: bool, rng: &mut Rng) -> Vec<Observation> {
        let byte = |rng: &mut Rng| (rng.within(128.0) + 128.0) as u8;
        let mut tints = [0; 2].map(|_| ScreenTint::first(byte(rng)));
        let mut gains = [0; 3].map(|_| 1.0 + rng.within(0.3));
        let (mut beside, mut change) = ([1.0f32; 3], 0);
        let mut seen = Vec::new();
        for nth in 0..scene.frames {
            if nth > 0 && nth % 2 == 0 {
                tints = tints.map(|tint| tint.next(byte(rng)));
                change += 1;
            }
            gains.iter_mut().for_each(|gain| *gain *= 1.0 + rng.within(scene.drift));
            // Light that falls on the face alone changes less.
            beside.iter_mut().for_each(|light| *light *= 1.0 + rng.within(scene.drift / 8.0));
            let turn_degrees =
                if nth % 4 < 2 { [0.0; 2] } else { [rng.within(35.0), rng.within(15.0)] };
            let lit_by = tints[usize::from(other)].rgb().map(to_linear);
            let skin = [0.45f32, 0.3, 0.22];
            let face =
                [0, 1, 2].map(|c| gains[c] * skin[c] * (beside[c] + scene.screen * lit_by[c]));
            let background = [0, 1, 2].map(|c| gains[c] * 0.3);
            let (face, background) = (log_chroma(face).unwrap(), log_chroma(background).unwrap());
            let shade = scene.by_turn * turn_degrees[0] / 30.0;
            let chroma = [0, 1]
                .map(|axis| face[axis] - background[axis] + shade + rng.within(scene.noise * 1.7));
            let at_ms = 350 * nth as u64;
            seen.push(Observation { chroma, turn_degrees, at_ms, tint: tints[0], change });
        }
        seen
    }

    /// Returns the share of 200 challenges whose light agrees.
    fn share(scene: Setting, other: bool) -> f32 {
        let mut rng = Rng(7);
        let agrees =
            |_: &usize| of(&frames(scene, other, &mut rng)).agreement == LightAgreement::Agrees;
        (0..200).filter(agrees).count() as f32 / 200.0
    }

    #[test]
    fn a_lit_face_agrees_under_drifting_light_and_gains() {
        for (scene, least) in [
            (ROOM, 0.9),
            (Setting { drift: 0.2, ..ROOM }, 0.8),
            (Setting { frames: 30, screen: 0.08, ..ROOM }, 0.9),
            (Setting { frames: 10, screen: 0.5, ..ROOM }, 0.9),
            (Setting { by_turn: 0.2, ..ROOM }, 0.85),
        ] {
            let share = share(scene, false);
            assert!(share >= least, "screen {}, frames {}: {share}", scene.screen, scene.frames);
        }
    }

    #[test]
    fn a_face_in_no_or_another_light_agrees_by_chance_only() {
        for (what, scene, other) in [
            ("no light of the screen", Setting { screen: 0.0, ..ROOM }, false),
            ("little noise", Setting { screen: 0.0, noise: 1e-4, drift: 0.0, ..ROOM }, false),
            ("lamps beside the face", Setting { screen: 0.0, drift: 1.0, ..ROOM }, false),
            ("the light of another challenge", Setting { screen: 0.5, ..ROOM }, true),
            ("the same, of a long one", Setting { screen: 0.5, frames: 40, ..ROOM }, true),
        ] {
            let share = share(scene, other);
            // 2 % of 200, and four standard deviations.
            assert!(share <= 0.06, "{what}: {share}");
        }
    }

    #[test]
    fn few_frames_and_equal_frames_say_nothing() {
        let lit = frames(Setting { screen: 1.0, frames: 20, ..ROOM }, false, &mut Rng(3));
        assert_eq!(of(&lit).agreement, LightAgreement::Agrees);
        for few in [&lit[..0], &lit[..1], &lit[..FRAMES_MIN - 1]] {
            assert_eq!(
                of(few),
                LightEvidence { score: 0.0, variation: 0.0, agreement: LightAgreement::Unclear }
            );
        }
        let mut equal = lit.clone();
        equal.iter_mut().for_each(|frame| frame.chroma = [0.1, -0.2]);
        assert_eq!(of(&equal).agreement, LightAgreement::Unclear);
        // Frames at one time and in one pose leave only the constant to explain.
        let mut at_once = lit;
        at_once.iter_mut().for_each(|frame| (frame.at_ms, frame.turn_degrees) = (5, [0.0; 2]));
        assert!(of(&at_once).score.is_finite());
    }
}
