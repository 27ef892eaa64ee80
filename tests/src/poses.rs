use std::path::{Path, PathBuf};

use picpick_engine::Picture;
use serde_json::{Map, Value};

use crate::video::y4m;

/// Yaw and pitch for each guidance, degrees, positive to the head's own left and up.
const POSES: [(&str, f32, f32); 5] = [
    ("look_straight", 0.0, 0.0),
    ("turn_left", 27.0, 0.0),
    ("turn_right", -27.0, 0.0),
    ("turn_up", 0.0, 20.0),
    ("turn_down", 0.0, -20.0),
];
/// Factors of the angle while the guidance does not change. People try different angles, because they do not
/// know which angle is sufficient.
const SHARES: [f32; 4] = [0.8, 0.95, 1.1, 1.25];

/// A folder of video files with the poses that a challenge requests. The browser plays them as its camera;
/// the scripts in `browser/` choose the file.
pub struct Poses {
    folder: PathBuf,
}

impl Poses {
    /// Creates `folder`, which must not exist.
    pub fn new(folder: &Path) -> Self {
        std::fs::create_dir(folder).unwrap();
        Self { folder: folder.to_owned() }
    }

    /// Writes a picture as a video. Returns the file's path.
    pub fn keep(&self, name: &str, picture: Picture) -> Value {
        let path = self.folder.join(format!("{name}.y4m"));
        y4m(&path, &[picture], 20);
        Value::from(path.to_string_lossy())
    }

    /// Writes the five poses of the head that `posed` draws for yaw and pitch. Returns the paths by guidance.
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
