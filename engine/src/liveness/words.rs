//! What a challenge asks for, says and decides, each with a stable name for programs.
//!
//! Plain data without scores. Knows nothing of how anything is decided.

/// A turn of the head, as the person does it: `Left` is towards their own left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

impl Turn {
    /// All of them.
    pub const ALL: [Turn; 4] = [Turn::Left, Turn::Right, Turn::Up, Turn::Down];

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
