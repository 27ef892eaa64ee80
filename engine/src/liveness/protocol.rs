/// A turn of the head, from the person's view: `Left` is to the person's own left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeadTurn {
    Left,
    Right,
    Up,
    Down,
}

/// The instruction to the person for the next frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guidance {
    /// Look straight into the camera.
    Front,
    /// Turn the head in this direction.
    Turn(HeadTurn),
    /// No face was found.
    NoFace,
    /// Several faces were found.
    OneFaceOnly,
    Closer,
    Further,
    Brighter,
    /// The picture is blurred.
    HoldStill,
}

/// The reason why a challenge failed. The reason is final: every later frame gets it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureReason {
    /// The challenge took more than 90 s or more than 900 frames.
    TooLate,
    /// A turn was complete within 300 ms of its request, sooner than a person can react.
    TooFast,
    /// The face was not the face of the first frame, in 3 consecutive usable frames.
    AnotherPerson,
    /// The frames showed several faces for more than 15 s.
    ManyFaces,
    /// The frames showed no face for more than 15 s.
    NoFace,
    /// The turn was clearly not the requested turn, in 3 consecutive usable frames.
    WrongTurn,
    /// The face moved like a flat picture, in 3 consecutive usable frames.
    Flat,
    /// The presentation attack detection model rejected two or more frames that passed their steps.
    Attack,
    /// A frame was sent twice, or a frame that passed was encoded again.
    Replay,
}

/// The state of a challenge after a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Wait(Guidance),
    Passed,
    Failed(FailureReason),
}

impl HeadTurn {
    /// All four turns.
    pub const ALL: [HeadTurn; 4] = [HeadTurn::Left, HeadTurn::Right, HeadTurn::Up, HeadTurn::Down];

    /// Returns the stable name for the API.
    pub fn code(self) -> &'static str {
        match self {
            HeadTurn::Left => "left",
            HeadTurn::Right => "right",
            HeadTurn::Up => "up",
            HeadTurn::Down => "down",
        }
    }
}

impl Guidance {
    /// Returns the stable name for the API.
    pub fn code(self) -> &'static str {
        match self {
            Guidance::Front => "look_straight",
            Guidance::Turn(HeadTurn::Left) => "turn_left",
            Guidance::Turn(HeadTurn::Right) => "turn_right",
            Guidance::Turn(HeadTurn::Up) => "turn_up",
            Guidance::Turn(HeadTurn::Down) => "turn_down",
            Guidance::NoFace => "no_face",
            Guidance::OneFaceOnly => "one_face_only",
            Guidance::Closer => "closer",
            Guidance::Further => "further",
            Guidance::Brighter => "brighter",
            Guidance::HoldStill => "hold_still",
        }
    }
}

impl FailureReason {
    /// Returns the stable name for the API.
    pub fn code(self) -> &'static str {
        match self {
            FailureReason::TooLate => "too_late",
            FailureReason::TooFast => "too_fast",
            FailureReason::AnotherPerson => "another_person",
            FailureReason::ManyFaces => "many_faces",
            FailureReason::NoFace => "no_face",
            FailureReason::WrongTurn => "wrong_turn",
            FailureReason::Flat => "flat",
            FailureReason::Attack => "attack",
            FailureReason::Replay => "replay",
        }
    }
}
