//! Three head turns in a random order, asked for one by one and judged look by look.
//!
//! A state machine: looks and times come in, guidance or a verdict goes out. Runs no model, reads no
//! clock, and knows nothing of pictures, sessions or HTTP.

use std::collections::HashSet;

use super::judge::{self, Turned};
use super::print::Print;
use super::words::{Guidance, Progress, Refusal, Turn};
use super::{LiveFace, Look};
use crate::error::{Error, Result};
use crate::query::Template;

/// Time for the whole challenge from its first look, ms.
const TIME_MAX_MS: u64 = 90_000;
/// Sooner after it was asked for nobody has turned: choosing among directions takes some 300 ms before a
/// head begins to move (Hick 1952). A recording that turns by itself may be sooner.
const TURN_MIN_MS: u64 = 300;
/// How long no face, or several, are waited for, ms.
const NO_FACE_MAX_MS: u64 = 15_000;
const MANY_FACES_MAX_MS: u64 = 15_000;
/// Looks in a row that make a doubt a refusal: landmarks and embeddings of a single frame may be off.
const DOUBTS_MAX: u32 = 3;
/// Looks of one challenge; ten a second for its whole time. More are refused as too late.
const LOOKS_MAX: usize = 900;
/// Turns of a challenge.
const TURNS: usize = 3;

/// A challenge under way: look straight, turn, look straight, turn, look straight, turn. Holds embeddings
/// of the person until it is dropped, hence no `Debug`.
pub struct Challenge {
    turns: [Turn; TURNS],
    /// The frames that passed, straight and turned by turns.
    kept: Vec<Kept>,
    began_ms: Option<u64>,
    /// When what is awaited now was asked for.
    asked_ms: u64,
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

/// Doubtful looks in a row, by doubt.
#[derive(Default)]
struct Doubts {
    person: u32,
    flat: u32,
    turn: u32,
}

impl Challenge {
    /// A new challenge: three turns from the operating system's random source, no two equal in a row and
    /// one of them to a side at least, because only those show that a face is not flat; 34 orders in all.
    /// `Error::Random` where that source is not available.
    pub fn random() -> Result<Self> {
        loop {
            let mut byte = [0];
            getrandom::fill(&mut byte).map_err(|_| Error::Random)?;
            // Two bits a turn; 64 orders, all equally likely, of which those that fit are taken.
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

    /// The turns asked for, in order.
    pub fn turns(&self) -> [Turn; 3] {
        self.turns
    }

    /// How many of the turns are done, 0 to 3.
    pub fn done(&self) -> usize {
        self.kept.len() / 2
    }

    /// How it ended; `None` while it has not.
    pub fn verdict(&self) -> Option<Progress> {
        self.verdict
    }

    /// What is awaited now, whatever the last look was.
    pub fn awaited(&self) -> Guidance {
        match self.turn() {
            Some(turn) => Guidance::Turn(turn),
            None => Guidance::Front,
        }
    }

    /// The turn that is awaited now; `None` while a straight look is.
    fn turn(&self) -> Option<Turn> {
        let straight = self.kept.len().is_multiple_of(2);
        if straight { None } else { self.turns.get(self.done()).copied() }
    }

    /// Judges the next look. `at_ms` is when its frame arrived, in milliseconds by a clock of the
    /// caller's that never goes back; the time allowed counts from the first look. No frame may be sent
    /// twice: whoever samples a camera faster than it delivers gets `Refusal::Replay`.
    pub fn see(&mut self, look: &Look, at_ms: u64) -> Progress {
        if let Some(verdict) = self.verdict {
            return verdict;
        }
        let progress = self.judge(look, at_ms).unwrap_or_else(Progress::Failed);
        if !matches!(progress, Progress::Wait(_)) {
            self.verdict = Some(progress);
        }
        progress
    }

    /// The person of a passed challenge, from the frames that passed, for a search in collections of
    /// `pack` (an id as `Pipeline::pack_id` gives it). Turned frames are left out where they are too far
    /// from each other to be one template. `Error::NoFace` before it passed.
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

    fn judge(&mut self, look: &Look, at_ms: u64) -> std::result::Result<Progress, Refusal> {
        let began_ms = *self.began_ms.get_or_insert(at_ms);
        if at_ms.saturating_sub(began_ms) > TIME_MAX_MS || self.seen.len() >= LOOKS_MAX {
            return Err(Refusal::TooLate);
        }
        if !self.seen.insert(look.frame_digest) {
            return Err(Refusal::Replay);
        }
        self.presence(look, at_ms)?;
        let face = match judge::fit(look) {
            Ok(face) => face,
            Err(guidance) => return Ok(Progress::Wait(guidance)),
        };
        if self.doubtful(face)? {
            return Ok(Progress::Wait(self.awaited()));
        }
        let passes = match (self.turn(), self.kept.last(), self.kept.first()) {
            (Some(turn), Some(front), _) => {
                let turned = judge::turned(turn, &front.face, face);
                self.turned(turned, at_ms)?
            }
            (_, _, Some(first)) => judge::back(&first.face, face),
            _ => judge::straight(face),
        };
        if passes {
            self.keep(face, &look.print, at_ms)
        } else {
            Ok(Progress::Wait(self.awaited()))
        }
    }

    /// Nobody, or several people, for too long.
    fn presence(&mut self, look: &Look, at_ms: u64) -> std::result::Result<(), Refusal> {
        let lasts = |holds: bool, since: &mut Option<u64>, max_ms: u64| {
            if !holds {
                *since = None;
                return false;
            }
            at_ms.saturating_sub(*since.get_or_insert(at_ms)) > max_ms
        };
        if lasts(look.faces == 0, &mut self.no_face_since_ms, NO_FACE_MAX_MS) {
            return Err(Refusal::NoFace);
        }
        if lasts(look.faces > 1, &mut self.many_faces_since_ms, MANY_FACES_MAX_MS) {
            return Err(Refusal::ManyFaces);
        }
        Ok(())
    }

    /// Whether this look does not count, for it may be another person or a picture that is tilted.
    fn doubtful(&mut self, face: &LiveFace) -> std::result::Result<bool, Refusal> {
        let (Some(first), Some(last)) =
            (self.kept.first(), self.kept.iter().step_by(2).next_back())
        else {
            return Ok(false);
        };
        let another = !judge::same_person(&first.face, face);
        let tilted = judge::tilted(&last.face, face);
        if lasts(&mut self.doubts.person, another) {
            return Err(Refusal::AnotherPerson);
        }
        if lasts(&mut self.doubts.flat, tilted) {
            return Err(Refusal::Flat);
        }
        Ok(another || tilted)
    }

    /// Whether the look shows the turn that is awaited.
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

    /// Keeps a look that passed and says what is next.
    fn keep(
        &mut self,
        face: &LiveFace,
        print: &Print,
        at_ms: u64,
    ) -> std::result::Result<Progress, Refusal> {
        let same = |kept: &Kept| print.difference(&kept.print) <= judge::SAME_FRAME_MAX;
        if self.kept.iter().any(same) {
            return Err(Refusal::Replay);
        }
        self.kept.push(Kept { face: face.clone(), print: print.clone() });
        self.doubts = Doubts::default();
        self.asked_ms = at_ms;
        if self.done() < TURNS {
            return Ok(Progress::Wait(self.awaited()));
        }
        if judge::is_live(self.kept.iter().map(|kept| kept.face.live)) {
            Ok(Progress::Passed)
        } else {
            Err(Refusal::Attack)
        }
    }
}

/// Counts looks in a row; whether a doubt has lasted.
fn lasts(count: &mut u32, doubt: bool) -> bool {
    *count = if doubt { *count + 1 } else { 0 };
    *count >= DOUBTS_MAX
}

/// No two equal in a row, and one to a side.
fn is_challenging(turns: &[Turn; TURNS]) -> bool {
    let differ = turns.windows(2).all(|pair| pair.first() != pair.last());
    differ && turns.iter().any(|turn| matches!(turn, Turn::Left | Turn::Right))
}
