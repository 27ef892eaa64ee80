//! Heads in the poses that a challenge asks for, as files that a browser's camera plays.
//!
//! Knows nothing of browsers: which file is shown when, the scripts in `browser/` decide.

use std::path::{Path, PathBuf};

use picpick_engine::Picture;
use serde_json::{Map, Value};

use crate::video::y4m;

/// How a head is turned for what is asked, in degrees to its own left and up.
const POSES: [(&str, f32, f32); 5] = [
    ("look_straight", 0.0, 0.0),
    ("turn_left", 27.0, 0.0),
    ("turn_right", -27.0, 0.0),
    ("turn_up", 0.0, 20.0),
    ("turn_down", 0.0, -20.0),
];
/// How far a head goes while what is asked stays the same: people do not know how far is enough.
const SHARES: [f32; 4] = [0.8, 0.95, 1.1, 1.25];

/// A folder of such files.
pub struct Poses {
    folder: PathBuf,
}

impl Poses {
    /// Makes `folder`, which is not there yet.
    pub fn new(folder: &Path) -> Self {
        std::fs::create_dir(folder).unwrap();
        Self { folder: folder.to_owned() }
    }

    /// Keeps one picture; its file's path.
    pub fn keep(&self, name: &str, picture: Picture) -> Value {
        let path = self.folder.join(format!("{name}.y4m"));
        y4m(&path, &[picture], 20);
        Value::from(path.to_string_lossy())
    }

    /// The five poses of a head, or of whatever `posed` makes of their angles.
    pub fn all(&self, name: &str, posed: impl Fn(f32, f32) -> Picture) -> Value {
        let pose = |(code, yaw, pitch): (&str, f32, f32)| {
            let further = |share: &f32| {
                self.keep(&format!("{name}-{code}-{share}"), posed(share * yaw, share * pitch))
            };
            let shares = if code == "look_straight" { &SHARES[..1] } else { &SHARES[..] };
            (code.to_owned(), shares.iter().map(further).collect())
        };
        Value::Object(POSES.map(pose).into_iter().collect::<Map<_, _>>())
    }
}
