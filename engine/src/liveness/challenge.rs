//! The challenge: three or four head turns in a random order, requested one by one and judged frame by frame,
//! while the screen lights the face with tints in a random order.
//!
//! The challenge is a state machine without a clock. Its input is the analysis of a frame and the frame's
//! arrival time; its output is guidance or a verdict.

use std::collections::HashSet;

use super::frame_checks::{self, TurnState};
use super::frame_fingerprint::FrameFingerprint;
use super::frame_print::SIMILAR_FRAMES_MAX;
use super::light_evidence::LightEvidence;
use super::protocol::{FailureReason, Guidance, HeadTurn, Progress};
use super::screen_light::{ScreenLight, ScreenTint};
use super::{FrameAnalysis, FrameHistory, FramePrint, LiveFace};
use crate::error::{Error, Result};
use crate::template::Template;

/// Limits the time of a challenge from its first frame to 90 s, in ms.
const TIME_MAX_MS: u64 = 90_000;
/// Limits the time between the request of a turn and the turn to at least 300 ms. A person needs about 300 ms
/// to choose among directions before the head begins to move (Hick 1952). A recording does not react and may
/// turn sooner.
const TURN_MIN_MS: u64 = 300;
/// Limits the time in which frames show no face to 15 s, in ms.
const NO_FACE_MAX_MS: u64 = 15_000;
/// Limits the time in which frames show several faces to 15 s, in ms.
const MANY_FACES_MAX_MS: u64 = 15_000;
/// Number of consecutive doubtful frames that fails the challenge: 3, because the landmarks or the embedding
/// of a single frame may be wrong.
const DOUBTS_MAX: u32 = 3;
/// Limits the frames of a challenge to 900, ten per second for 90 s. The next frame fails the challenge as
/// too late.
const FRAMES_MAX: usize = 900;
/// Maximum number of prints of a challenge, 100. About ten frames are needed.
const PRINTS_MAX: usize = 100;
/// Minimum number of turns of a challenge. The number is this or one more, equally likely. A further turn takes
/// a person about 2 s.
const TURNS_MIN: usize = 3;

/// A challenge in progress: the person looks straight and turns the head, three or four times. The type does
/// not implement `Debug`, because it holds embeddings of the person.
pub struct Challenge {
    turns: Vec<HeadTurn>,
    light: ScreenLight,
    /// The frames that passed, alternately straight and turned.
    passed_frames: Vec<PassedFrame>,
    started_ms: Option<u64>,
    /// The time at which the current step was requested.
    requested_ms: u64,
    /// Digests of all frames, to detect replays.
    frame_digests: HashSet<[u8; 32]>,
    no_face_since_ms: Option<u64>,
    many_faces_since_ms: Option<u64>,
    doubts: DoubtfulFrames,
    verdict: Option<Progress>,
    /// The prints of the frames with a face, at most `PRINTS_MAX`.
    prints: Vec<FramePrint>,
    /// Number of frames that are similar to frames of earlier challenges.
    similar_frames: usize,
}

struct PassedFrame {
    face: LiveFace,
    fingerprint: FrameFingerprint,
}

/// Numbers of consecutive doubtful frames, by kind of doubt. `turn` counts frames with a flat or a wrong
/// turn.
#[derive(Default)]
struct DoubtfulFrames {
    person: u32,
    flat: u32,
    turn: u32,
}

impl Challenge {
    /// Creates a challenge of three or four turns from the operating system's random source. No two
    /// consecutive turns are equal. At least one turn is to a side, because only a turn to a side shows that a
    /// face is not flat. There are 34 such orders of three turns and 106 of four. The order of the screen's
    /// tints is drawn as well.
    ///
    /// # Errors
    /// `Error::Random` if the random source is not available.
    pub fn random() -> Result<Self> {
        let random_byte = || {
            let mut byte = [0];
            getrandom::fill(&mut byte).map_err(|_| Error::Random)?;
            Ok(byte[0])
        };
        let count = TURNS_MIN + usize::from(random_byte()? & 1);
        loop {
            let byte = random_byte()?;
            // Rejection sampling: two bits per turn give 64 or 256 equally likely orders, drawn until an order
            // is allowed.
            let turn = |nth: usize| match byte >> (2 * nth) & 3 {
                0 => HeadTurn::Left,
                1 => HeadTurn::Right,
                2 => HeadTurn::Up,
                _ => HeadTurn::Down,
            };
            let turns: Vec<HeadTurn> = (0..count).map(turn).collect();
            if is_challenging(&turns) {
                return Ok(Self::of(turns, ScreenLight::random()?));
            }
        }
    }

    pub(super) fn of(turns: Vec<HeadTurn>, light: ScreenLight) -> Self {
        Self {
            turns,
            light,
            passed_frames: Vec::new(),
            started_ms: None,
            requested_ms: 0,
            frame_digests: HashSet::new(),
            no_face_since_ms: None,
            many_faces_since_ms: None,
            doubts: DoubtfulFrames::default(),
            verdict: None,
            prints: Vec::new(),
            similar_frames: 0,
        }
    }

    /// Returns the tint that the screen shows while the next frame is taken.
    pub fn tint(&self) -> ScreenTint {
        self.light.tint()
    }

    /// Returns what the frames so far say about the light of the screen. It has no influence on the verdict.
    pub fn light_evidence(&self) -> LightEvidence {
        self.light.evidence()
    }

    /// Returns the prints of the frames with a face, which the caller remembers when the challenge ends.
    pub fn prints(&self) -> &[FramePrint] {
        &self.prints
    }

    /// Fails the challenge as a replay if the next frame was shown in an earlier challenge, or if
    /// `SIMILAR_FRAMES_MAX` frames are similar to earlier ones. Called before [`Challenge::advance`].
    pub(crate) fn note_history(&mut self, history: FrameHistory) {
        self.similar_frames += usize::from(history == FrameHistory::Similar);
        if history == FrameHistory::Shown || self.similar_frames >= SIMILAR_FRAMES_MAX {
            self.fail_as_replay();
        }
    }

    /// Fails the challenge as a replay, also after it has passed.
    pub(crate) fn fail_as_replay(&mut self) {
        if !matches!(self.verdict, Some(Progress::Failed(_))) {
            self.verdict = Some(Progress::Failed(FailureReason::Replay));
        }
    }

    /// Returns the turns of the challenge, in order.
    pub fn turns(&self) -> &[HeadTurn] {
        &self.turns
    }

    /// Returns the number of completed turns, 0 to the number of turns.
    pub fn done(&self) -> usize {
        self.passed_frames.len() / 2
    }

    /// Returns the verdict; `None` while the challenge is in progress.
    pub fn verdict(&self) -> Option<Progress> {
        self.verdict
    }

    /// Returns the guidance for the current step, whatever the last frame showed.
    pub fn awaited(&self) -> Guidance {
        match self.turn() {
            Some(turn) => Guidance::Turn(turn),
            None => Guidance::Front,
        }
    }

    /// Returns the turn of the current step; `None` if the step is to look straight.
    fn turn(&self) -> Option<HeadTurn> {
        let straight = self.passed_frames.len().is_multiple_of(2);
        if straight { None } else { self.turns.get(self.done()).copied() }
    }

    /// Judges the next frame, and returns guidance or the verdict. After a verdict, returns the verdict
    /// again.
    ///
    /// `at_ms` is the arrival time, in milliseconds of a monotonic clock of the caller. The time limit starts
    /// with the first frame. No frame may be sent twice: a client that samples its camera faster than the
    /// camera delivers frames gets `FailureReason::Replay`.
    pub fn advance(&mut self, frame: &FrameAnalysis, at_ms: u64) -> Progress {
        if let Some(verdict) = self.verdict {
            return verdict;
        }
        let progress = self.check_frame(frame, at_ms).unwrap_or_else(Progress::Failed);
        if !matches!(progress, Progress::Wait(_)) {
            self.verdict = Some(progress);
        }
        progress
    }

    /// Returns the template of the person, from the frames that passed, for a search in collections of
    /// `pack`, an id that `Pipeline::pack_id` returns. If the frames differ too much for one template, leaves
    /// out the turned frames.
    ///
    /// # Errors
    /// - `Error::NoFace` if the challenge has not passed.
    /// - `Error::NotOnePerson` if the straight frames differ too much.
    pub fn template(&self, pack: &str) -> Result<Template> {
        if self.verdict != Some(Progress::Passed) {
            return Err(Error::NoFace { photo: "a challenge that has not passed".into() });
        }
        let named = |kept: &'_ PassedFrame| ("a frame", kept.face.face.clone());
        let all: Vec<_> = self.passed_frames.iter().map(named).collect();
        let straight: Vec<_> = self.passed_frames.iter().step_by(2).map(named).collect();
        let of = |faces: &[(&str, crate::face::Face)]| {
            let faces: Vec<_> = faces.iter().map(|(name, face)| (*name, face)).collect();
            Template::of(&faces, pack)
        };
        match of(&all) {
            Err(Error::NotOnePerson { .. }) => of(&straight),
            template => template,
        }
    }

    fn check_frame(
        &mut self,
        frame: &FrameAnalysis,
        at_ms: u64,
    ) -> std::result::Result<Progress, FailureReason> {
        let began_ms = *self.started_ms.get_or_insert(at_ms);
        if at_ms.saturating_sub(began_ms) > TIME_MAX_MS || self.frame_digests.len() >= FRAMES_MAX {
            return Err(FailureReason::TooLate);
        }
        if !self.frame_digests.insert(frame.frame_digest) {
            return Err(FailureReason::Replay);
        }
        if self.prints.len() < PRINTS_MAX {
            self.prints.extend(frame.print());
        }
        let usable = frame_checks::usable_face(frame);
        self.light.observe(frame, usable.ok(), at_ms);
        self.check_face_count(frame, at_ms)?;
        let face = match usable {
            Ok(face) => face,
            Err(guidance) => return Ok(Progress::Wait(guidance)),
        };
        if self.is_doubtful(face)? {
            return Ok(Progress::Wait(self.awaited()));
        }
        let passes = match (self.turn(), self.passed_frames.last(), self.passed_frames.first()) {
            (Some(turn), Some(front), _) => {
                let turned = frame_checks::turn_state(turn, &front.face, face);
                self.check_turn(turned, at_ms)?
            }
            (_, _, Some(first)) => frame_checks::is_back_in_front(&first.face, face),
            _ => frame_checks::is_straight(face),
        };
        if passes {
            self.keep(face, &frame.fingerprint, at_ms)
        } else {
            Ok(Progress::Wait(self.awaited()))
        }
    }

    /// Checks how long the frames have shown no face or several faces.
    ///
    /// # Errors
    /// - `FailureReason::NoFace` if the frames have shown no face for more than 15 s.
    /// - `FailureReason::ManyFaces` if the frames have shown several faces for more than 15 s.
    fn check_face_count(
        &mut self,
        frame: &FrameAnalysis,
        at_ms: u64,
    ) -> std::result::Result<(), FailureReason> {
        let lasts = |holds: bool, since: &mut Option<u64>, max_ms: u64| {
            if !holds {
                *since = None;
                return false;
            }
            at_ms.saturating_sub(*since.get_or_insert(at_ms)) > max_ms
        };
        if lasts(frame.faces == 0, &mut self.no_face_since_ms, NO_FACE_MAX_MS) {
            return Err(FailureReason::NoFace);
        }
        if lasts(frame.faces > 1, &mut self.many_faces_since_ms, MANY_FACES_MAX_MS) {
            return Err(FailureReason::ManyFaces);
        }
        Ok(())
    }

    /// Returns whether this frame does not count, because it may show another person or a tilted picture.
    ///
    /// # Errors
    /// - `FailureReason::AnotherPerson` at the third consecutive frame that may show another person.
    /// - `FailureReason::Flat` at the third consecutive frame that may show a tilted picture.
    fn is_doubtful(&mut self, face: &LiveFace) -> std::result::Result<bool, FailureReason> {
        let (Some(first), Some(last)) =
            (self.passed_frames.first(), self.passed_frames.iter().step_by(2).next_back())
        else {
            return Ok(false);
        };
        let another = !frame_checks::same_person(&first.face, face);
        let tilted = frame_checks::is_tilted(&last.face, face);
        if lasts(&mut self.doubts.person, another) {
            return Err(FailureReason::AnotherPerson);
        }
        if lasts(&mut self.doubts.flat, tilted) {
            return Err(FailureReason::Flat);
        }
        Ok(another || tilted)
    }

    /// Returns whether the frame shows the requested turn.
    ///
    /// # Errors
    /// - `FailureReason::TooFast` if the turn is complete within 300 ms of its request.
    /// - `FailureReason::Flat` or `FailureReason::WrongTurn` at the third consecutive frame with a flat or a
    ///   wrong turn, by the turn of this frame.
    fn check_turn(
        &mut self,
        turned: TurnState,
        at_ms: u64,
    ) -> std::result::Result<bool, FailureReason> {
        if turned == TurnState::Flat {
            self.doubts.turn += 1;
            return if self.doubts.turn >= DOUBTS_MAX {
                Err(FailureReason::Flat)
            } else {
                Ok(false)
            };
        }
        if lasts(&mut self.doubts.turn, turned == TurnState::WrongDirection) {
            return Err(FailureReason::WrongTurn);
        }
        let passes = turned == TurnState::Complete;
        if passes && at_ms.saturating_sub(self.requested_ms) < TURN_MIN_MS {
            return Err(FailureReason::TooFast);
        }
        Ok(passes)
    }

    /// Stores a frame that passed its step, and returns the guidance for the next step, or
    /// `Progress::Passed`.
    ///
    /// # Errors
    /// - `FailureReason::Replay` if the frame is an earlier passed frame, encoded again.
    /// - `FailureReason::Attack` if two or more of the passed frames have a low live score.
    fn keep(
        &mut self,
        face: &LiveFace,
        fingerprint: &FrameFingerprint,
        at_ms: u64,
    ) -> std::result::Result<Progress, FailureReason> {
        let same = |kept: &PassedFrame| {
            fingerprint.difference(&kept.fingerprint) <= frame_checks::SAME_FRAME_MAX
        };
        if self.passed_frames.iter().any(same) {
            return Err(FailureReason::Replay);
        }
        self.passed_frames
            .push(PassedFrame { face: face.clone(), fingerprint: fingerprint.clone() });
        self.doubts = DoubtfulFrames::default();
        self.requested_ms = at_ms;
        if self.done() < self.turns.len() {
            return Ok(Progress::Wait(self.awaited()));
        }
        if frame_checks::is_live(self.passed_frames.iter().map(|kept| kept.face.live_score)) {
            Ok(Progress::Passed)
        } else {
            Err(FailureReason::Attack)
        }
    }
}

/// Counts consecutive doubtful frames. Returns whether the count has reached `DOUBTS_MAX`.
fn lasts(count: &mut u32, doubt: bool) -> bool {
    *count = if doubt { *count + 1 } else { 0 };
    *count >= DOUBTS_MAX
}

/// Returns whether no two consecutive turns are equal and at least one turn is to a side.
fn is_challenging(turns: &[HeadTurn]) -> bool {
    let differ = turns.windows(2).all(|pair| pair.first() != pair.last());
    differ && turns.iter().any(|turn| matches!(turn, HeadTurn::Left | HeadTurn::Right))
}
