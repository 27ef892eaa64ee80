//! The light of the screen in a challenge: tints in an order that is drawn for each challenge, and what the
//! frames show of them.

use super::light_evidence::{self, LightEvidence, Observation};
use super::{FrameAnalysis, LiveFace};
use crate::error::{Error, Result};

/// Minimum time for which a tint is shown, 400 ms: at most 2.5 changes a second. Changes of colour below
/// three a second are outside of the limits of WCAG 2.2, 2.3.1 (three flashes).
const TINT_MIN_MS: u64 = 400;
/// Minimum number of frames with one tint. The first one may show the change, because screen and camera are
/// late by 50 to 150 ms.
const TINT_FRAMES_MIN: usize = 2;
/// Maximum number of changes in a challenge: one per `TINT_MIN_MS` in 90 s, and some more. After them the tint
/// stays.
const CHANGES_MAX: usize = 256;
/// Maximum number of frames of a challenge that count as evidence, the first ones with one clear face.
const OBSERVATIONS_MAX: usize = 100;

/// The colour of the screen around the camera's picture.
///
/// The tints differ in chroma and hardly in luminance: 0.69 to 0.71 relative to white. A change is therefore no
/// flash in the sense of WCAG 2.2 (a change of luminance by 0.1 or more), and none is a saturated red.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScreenTint {
    Rose,
    Amber,
    Mint,
    Sky,
}

impl ScreenTint {
    /// All tints.
    pub const ALL: [ScreenTint; 4] =
        [ScreenTint::Rose, ScreenTint::Amber, ScreenTint::Mint, ScreenTint::Sky];

    /// Returns the tint in sRGB, red, green and blue.
    pub fn rgb(self) -> [u8; 3] {
        match self {
            ScreenTint::Rose => [255, 205, 215],
            ScreenTint::Amber => [255, 210, 120],
            ScreenTint::Mint => [165, 235, 190],
            ScreenTint::Sky => [165, 225, 255],
        }
    }

    /// Returns the tint `steps` further in the order of `ALL`, from the beginning after the end.
    fn further(self, steps: u8) -> Self {
        let [rose, amber, mint, sky] = Self::ALL;
        match (self as u8).wrapping_add(steps) % 4 {
            0 => rose,
            1 => amber,
            2 => mint,
            _ => sky,
        }
    }

    /// Returns the first tint of a sequence, equally likely for each value of `draw`.
    pub(super) fn first(draw: u8) -> Self {
        ScreenTint::Rose.further(draw % 4)
    }

    /// Returns the tint after this one: one of the three others, equally likely (within 0.4 %).
    pub(super) fn next(self, draw: u8) -> Self {
        self.further(1 + draw % 3)
    }
}

/// The tints of a challenge, and the frames that were lit by them.
pub(super) struct ScreenLight {
    draws: [u8; CHANGES_MAX],
    tint: ScreenTint,
    /// Number of changes so far.
    changes: usize,
    /// Arrival of the first frame after which this tint was shown.
    shown_ms: Option<u64>,
    /// Frames with this tint.
    frames: usize,
    observations: Vec<Observation>,
}

impl ScreenLight {
    /// Draws the order of the tints from the operating system's random source.
    ///
    /// # Errors
    /// `Error::Random` if the random source is not available.
    pub fn random() -> Result<Self> {
        let mut draws = [0; CHANGES_MAX];
        getrandom::fill(&mut draws).map_err(|_| Error::Random)?;
        Ok(Self::of(draws))
    }

    pub fn of(draws: [u8; CHANGES_MAX]) -> Self {
        Self {
            tint: ScreenTint::first(draws[0]),
            draws,
            changes: 0,
            shown_ms: None,
            frames: 0,
            observations: Vec::new(),
        }
    }

    /// Returns the tint that lights the next frame.
    pub fn tint(&self) -> ScreenTint {
        self.tint
    }

    /// Records a frame, which the present tint has lit, and changes the tint if it was shown long enough.
    /// `face` is the frame's usable face.
    pub fn observe(&mut self, frame: &FrameAnalysis, face: Option<&LiveFace>, at_ms: u64) {
        self.frames += 1;
        if let (Some(chroma), Some(face)) = (frame.chroma, face)
            && self.observations.len() < OBSERVATIONS_MAX
        {
            let turn_degrees = [face.pose.yaw, face.pose.pitch];
            let (tint, change) = (self.tint, self.changes);
            self.observations.push(Observation { chroma, turn_degrees, at_ms, tint, change });
        }
        let shown_ms = *self.shown_ms.get_or_insert(at_ms);
        let is_due =
            at_ms.saturating_sub(shown_ms) >= TINT_MIN_MS && self.frames >= TINT_FRAMES_MIN;
        let Some(draw) = self.draws.get(self.changes + 1).filter(|_| is_due) else { return };
        self.tint = self.tint.next(*draw);
        self.changes += 1;
        (self.shown_ms, self.frames) = (Some(at_ms), 0);
    }

    /// Compares the frames so far with the tints that lit them.
    pub fn evidence(&self) -> LightEvidence {
        light_evidence::of(&self.observations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::face_chroma::to_linear;

    /// Returns the relative luminance of a tint (WCAG 2.2), 0 to 1.
    fn luminance(tint: ScreenTint) -> f32 {
        let weights = [0.2126, 0.7152, 0.0722];
        tint.rgb().into_iter().zip(weights).map(|(value, weight)| to_linear(value) * weight).sum()
    }

    #[test]
    fn tints_differ_in_chroma_and_flash_nowhere() {
        let all = ScreenTint::ALL.map(luminance);
        let (least, most) =
            (all.iter().copied().fold(1.0, f32::min), all.iter().copied().fold(0.0, f32::max));
        assert!(most - least < 0.1 * most, "{all:?}");
        for tint in ScreenTint::ALL {
            let [red, green, blue] = tint.rgb().map(to_linear);
            assert!(red / (red + green + blue) < 0.8, "{tint:?} is a saturated red");
            // The page's text, #1c161b, stays readable on each tint.
            assert!((luminance(tint) + 0.05) / (0.009 + 0.05) > 7.0, "{tint:?}");
        }
    }

    #[test]
    fn the_tint_changes_at_most_every_400_ms_and_never_to_itself() {
        for (every_ms, frames_of_a_tint) in [(100, 5), (200, 3), (270, 3), (400, 2), (1_000, 2)] {
            let mut light = ScreenLight::of(std::array::from_fn(|nth| (nth * 89 % 251) as u8));
            let frame = super::super::tests::look(1, 0.0, 0.0);
            let (mut before, mut run, mut runs) = (light.tint(), 0, Vec::new());
            for nth in 0..60 {
                light.observe(&frame, None, nth * every_ms);
                run += 1;
                if light.tint() != before {
                    runs.push(std::mem::take(&mut run));
                }
                before = light.tint();
            }
            assert!(runs.len() > 8, "{every_ms}: {runs:?}");
            assert!(
                runs[1..].iter().all(|run| *run + 1 >= frames_of_a_tint),
                "{every_ms}: {runs:?}"
            );
        }
    }

    #[test]
    fn orders_are_drawn_and_tints_are_equally_frequent() {
        let mut first = [0usize; 4];
        let mut pairs = [[0usize; 4]; 4];
        for draw in 0..=255u8 {
            let tint = ScreenTint::first(draw);
            first[tint as usize] += 1;
            pairs[tint as usize]
                [tint.next(draw.wrapping_mul(7).wrapping_add(draw >> 2)) as usize] += 1;
        }
        assert_eq!(first, [64; 4]);
        for (tint, row) in pairs.iter().enumerate() {
            assert_eq!(row[tint], 0, "a tint follows itself");
            assert!(row.iter().filter(|times| **times > 10).count() == 3, "{row:?}");
        }
        let orders: std::collections::HashSet<_> =
            (0..50).map(|_| ScreenLight::random().unwrap().draws).collect();
        assert_eq!(orders.len(), 50);
    }
}
