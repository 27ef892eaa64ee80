//! The challenge: three head turns in a random order, requested one by one and judged frame by frame.
//!
//! A state machine without a clock: the input is the analysis of a frame and its arrival time, the output is
//! guidance or a verdict.

use std::collections::HashSet;

use super::frame_checks::{self, Turned};
use super::frame_fingerprint::Print;
use super::protocol::{Guidance, Progress, Refusal, Turn};
use super::{LiveFace, Look};
use crate::error::{Error, Result};
use crate::template::Template;

/// Limits the time of a challenge from its first frame, ms.
const TIME_MAX_MS: u64 = 90_000;
/// Shortest time between the request of a turn and the turn, ms. A person needs about 300 ms to choose among
/// directions before the head begins to move (Hick 1952); a recording does not react and may turn sooner.
const TURN_MIN_MS: u64 = 300;
/// Limits how long frames may show no face, ms.
const NO_FACE_MAX_MS: u64 = 15_000;
/// Limits how long frames may show several faces, ms.
const MANY_FACES_MAX_MS: u64 = 15_000;
/// Consecutive doubtful frames that fail the challenge: the landmarks or the embedding of one frame may be
/// wrong.
const DOUBTS_MAX: u32 = 3;
/// Limits the frames of a challenge: ten per second for 90 s. A further frame fails it as too late.
const LOOKS_MAX: usize = 900;
/// Turns of a challenge.
const TURNS: usize = 3;

/// A challenge in progress: look straight and turn, three times. It has embeddings of the person until it is
/// dropped, so it does not implement `Debug`.
pub struct Challenge {
    turns: [Turn; TURNS],
    /// The frames that passed, straight and turned alternating.
    kept: Vec<Kept>,
    began_ms: Option<u64>,
    /// When the current step was requested.
    asked_ms: u64,
    /// Digests of all frames, to detect replays.
    seen: HashSet<[u8; 32]>,
    no_face_since_ms: Option<u64>,
    many_faces_since_ms: Option<u64>,
    doubts: Doubts,
    verdict: Option<Progress>,
}

struct Kept {
    face: LiveFace,
    print: Print,
}

/// Consecutive doubtful frames, by kind of doubt.
#[derive(Default)]
struct Doubts {
    person: u32,
    flat: u32,
    turn: u32,
}

impl Challenge {
    /// Creates a challenge of three turns from the operating system's random source. No two consecutive turns
    /// are equal, and at least one is to a side, because only those show that a face is not flat; 34 orders
    /// in all.
    ///
    /// # Errors
    /// `Error::Random` if the random source is not available.
    pub fn random() -> Result<Self> {
        loop {
            let mut byte = [0];
            getrandom::fill(&mut byte).map_err(|_| Error::Random)?;
            // Rejection sampling: two bits per turn, 64 equally likely orders, until one is allowed.
            let turn = |nth: u32| match byte[0] >> (2 * nth) & 3 {
                0 => Turn::Left,
                1 => Turn::Right,
                2 => Turn::Up,
                _ => Turn::Down,
            };
            let turns = [0, 1, 2].map(turn);
            if is_challenging(&turns) {
                return Ok(Self::of(turns));
            }
        }
    }

    pub(super) fn of(turns: [Turn; TURNS]) -> Self {
        Self {
            turns,
            kept: Vec::new(),
            began_ms: None,
            asked_ms: 0,
            seen: HashSet::new(),
            no_face_since_ms: None,
            many_faces_since_ms: None,
            doubts: Doubts::default(),
            verdict: None,
        }
    }

    /// Returns the turns of the challenge, in order.
    pub fn turns(&self) -> [Turn; 3] {
        self.turns
    }

    /// Returns the number of completed turns, 0 to 3.
    pub fn done(&self) -> usize {
        self.kept.len() / 2
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
    fn turn(&self) -> Option<Turn> {
        let straight = self.kept.len().is_multiple_of(2);
        if straight { None } else { self.turns.get(self.done()).copied() }
    }

    /// Judges the next frame. `at_ms` is the arrival time, in milliseconds of a monotonic clock of the
    /// caller; the time limit starts with the first frame. No frame may be sent twice: a client that samples
    /// its camera faster than the camera delivers frames gets `Refusal::Replay`. After a verdict, returns it
    /// again.
    pub fn see(&mut self, frame: &Look, at_ms: u64) -> Progress {
        if let Some(verdict) = self.verdict {
            return verdict;
        }
        let progress = self.judge(frame, at_ms).unwrap_or_else(Progress::Failed);
        if !matches!(progress, Progress::Wait(_)) {
            self.verdict = Some(progress);
        }
        progress
    }

    /// Returns the template of the person, from the frames that passed, for a search in collections of `pack`
    /// (an id as `Pipeline::pack_id` returns it). If the frames differ too much for one template, turned
    /// frames are left out.
    ///
    /// # Errors
    /// - `Error::NoFace` if the challenge has not passed.
    /// - `Error::NotOnePerson` if the straight frames differ too much.
    pub fn template(&self, pack: &str) -> Result<Template> {
        if self.verdict != Some(Progress::Passed) {
            return Err(Error::NoFace { photo: "a challenge that has not passed".into() });
        }
        let named = |kept: &'_ Kept| ("a frame", kept.face.face.clone());
        let all: Vec<_> = self.kept.iter().map(named).collect();
        let straight: Vec<_> = self.kept.iter().step_by(2).map(named).collect();
        let of = |faces: &[(&str, crate::face::Face)]| {
            let faces: Vec<_> = faces.iter().map(|(name, face)| (*name, face)).collect();
            Template::of(&faces, pack)
        };
        match of(&all) {
            Err(Error::NotOnePerson { .. }) => of(&straight),
            template => template,
        }
    }

    fn judge(&mut self, frame: &Look, at_ms: u64) -> std::result::Result<Progress, Refusal> {
        let began_ms = *self.began_ms.get_or_insert(at_ms);
        if at_ms.saturating_sub(began_ms) > TIME_MAX_MS || self.seen.len() >= LOOKS_MAX {
            return Err(Refusal::TooLate);
        }
        if !self.seen.insert(frame.frame_digest) {
            return Err(Refusal::Replay);
        }
        self.presence(frame, at_ms)?;
        let face = match frame_checks::fit(frame) {
            Ok(face) => face,
            Err(guidance) => return Ok(Progress::Wait(guidance)),
        };
        if self.doubtful(face)? {
            return Ok(Progress::Wait(self.awaited()));
        }
        let passes = match (self.turn(), self.kept.last(), self.kept.first()) {
            (Some(turn), Some(front), _) => {
                let turned = frame_checks::turned(turn, &front.face, face);
                self.turned(turned, at_ms)?
            }
            (_, _, Some(first)) => frame_checks::back(&first.face, face),
            _ => frame_checks::straight(face),
        };
        if passes {
            self.keep(face, &frame.print, at_ms)
        } else {
            Ok(Progress::Wait(self.awaited()))
        }
    }

    /// Fails the challenge if no face, or several, were in the frames for more than 15 s.
    fn presence(&mut self, frame: &Look, at_ms: u64) -> std::result::Result<(), Refusal> {
        let lasts = |holds: bool, since: &mut Option<u64>, max_ms: u64| {
            if !holds {
                *since = None;
                return false;
            }
            at_ms.saturating_sub(*since.get_or_insert(at_ms)) > max_ms
        };
        if lasts(frame.faces == 0, &mut self.no_face_since_ms, NO_FACE_MAX_MS) {
            return Err(Refusal::NoFace);
        }
        if lasts(frame.faces > 1, &mut self.many_faces_since_ms, MANY_FACES_MAX_MS) {
            return Err(Refusal::ManyFaces);
        }
        Ok(())
    }

    /// Whether this frame does not count, because it may show another person or a tilted picture. Fails the
    /// challenge at the third such frame in a row.
    fn doubtful(&mut self, face: &LiveFace) -> std::result::Result<bool, Refusal> {
        let (Some(first), Some(last)) =
            (self.kept.first(), self.kept.iter().step_by(2).next_back())
        else {
            return Ok(false);
        };
        let another = !frame_checks::same_person(&first.face, face);
        let tilted = frame_checks::tilted(&last.face, face);
        if lasts(&mut self.doubts.person, another) {
            return Err(Refusal::AnotherPerson);
        }
        if lasts(&mut self.doubts.flat, tilted) {
            return Err(Refusal::Flat);
        }
        Ok(another || tilted)
    }

    /// Whether the frame shows the requested turn. Fails the challenge if the turn comes too soon, is
    /// repeatedly a wrong one, or is repeatedly flat.
    fn turned(&mut self, turned: Turned, at_ms: u64) -> std::result::Result<bool, Refusal> {
        if turned == Turned::Flatly {
            self.doubts.turn += 1;
            return if self.doubts.turn >= DOUBTS_MAX { Err(Refusal::Flat) } else { Ok(false) };
        }
        if lasts(&mut self.doubts.turn, turned == Turned::AnotherWay) {
            return Err(Refusal::WrongTurn);
        }
        let passes = turned == Turned::Yes;
        if passes && at_ms.saturating_sub(self.asked_ms) < TURN_MIN_MS {
            return Err(Refusal::TooFast);
        }
        Ok(passes)
    }

    /// Stores a frame that passed its step, and returns the next step or the verdict.
    fn keep(
        &mut self,
        face: &LiveFace,
        fingerprint: &Print,
        at_ms: u64,
    ) -> std::result::Result<Progress, Refusal> {
        let same =
            |kept: &Kept| fingerprint.difference(&kept.print) <= frame_checks::SAME_FRAME_MAX;
        if self.kept.iter().any(same) {
            return Err(Refusal::Replay);
        }
        self.kept.push(Kept { face: face.clone(), print: fingerprint.clone() });
        self.doubts = Doubts::default();
        self.asked_ms = at_ms;
        if self.done() < TURNS {
            return Ok(Progress::Wait(self.awaited()));
        }
        if frame_checks::is_live(self.kept.iter().map(|kept| kept.face.live)) {
            Ok(Progress::Passed)
        } else {
            Err(Refusal::Attack)
        }
    }
}

/// Counts consecutive doubtful frames; returns whether they reach the limit.
fn lasts(count: &mut u32, doubt: bool) -> bool {
    *count = if doubt { *count + 1 } else { 0 };
    *count >= DOUBTS_MAX
}

/// Whether no two consecutive turns are equal and at least one is to a side.
fn is_challenging(turns: &[Turn; TURNS]) -> bool {
    let differ = turns.windows(2).all(|pair| pair.first() != pair.last());
    differ && turns.iter().any(|turn| matches!(turn, Turn::Left | Turn::Right))
}
