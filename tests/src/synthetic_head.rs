//! Makes frames of a turning head, and of a tilted flat photo, from one photo. The head is a paraboloid with
//! a nose, placed on the photo by the five landmarks and rotated about an axis in the plane of eyes and
//! mouth; beyond its rim the displacement fades out. The flat attack tilts the photo as a plane.

use std::sync::OnceLock;

use picpick_engine::liveness::Liveness;
use picpick_engine::{DecodeLimits, Pack, Picture, Pipeline, Precision, Provider};

use crate::rng::Rng;
use crate::samples::{models, sample as sample_photo};

/// Eye at the picture's left, eye at its right, nose, mouth corners left and right; px.
pub type Landmarks = [[f32; 2]; 5];

/// Size of a frame, px, as cameras in browsers deliver it.
pub const FRAME: (u32, u32) = (640, 480);
/// Height of the face in a frame, as a share of the frame's height.
const FACE_SHARE: f32 = 0.4;

// Measures of a head in units of the distance from eyes to mouth (about 65 mm).

/// Half the width of the head.
const HALF_WIDTH: f32 = 1.2;
/// Half the height of the head.
const HALF_HEIGHT: f32 = 1.75;
/// Distance of the head's centre in front of its rim.
const DEPTH: f32 = 0.95;
/// Distance of the nose in front of the head's surface.
const NOSE: f32 = 0.6;
const NOSE_WIDTH: f32 = 0.2;
const NOSE_HEIGHT: f32 = 0.3;
/// Distance beyond the head's rim over which the displacement of the photo fades to 0.
const FADE: f32 = 0.9;

/// The models of face analysis and of liveness.
pub struct LightStudio {
    pub pipeline: Pipeline,
    pub liveness: Liveness,
}

/// Returns the models, loaded once, on the CPU provider, which gives equal results on every machine.
pub fn studio() -> &'static LightStudio {
    static STUDIO: OnceLock<LightStudio> = OnceLock::new();
    STUDIO.get_or_init(|| {
        let pack = Pack::builtin(Pack::DEFAULT).unwrap();
        let cpu = Precision::Only(Provider::Cpu);
        LightStudio {
            pipeline: Pipeline::load(models(), &pack, cpu, DecodeLimits::default()).unwrap(),
            liveness: Liveness::load(models(), cpu).unwrap(),
        }
    })
}

/// Returns the head of the largest face of the sample photo called `name`.
pub fn head_of(name: &str) -> Head {
    let LightStudio { pipeline, liveness } = studio();
    Head::of(pipeline, liveness, &std::fs::read(sample_photo(name)).unwrap())
}

/// A frame with one face, and the yaw that makes it look straight ahead.
#[derive(Clone)]
pub struct Head {
    pub frame: Picture,
    pub landmarks: Landmarks,
    straight_yaw_deg: f32,
}

impl Head {
    /// Creates a frame with the largest face of the photo in `bytes` at its centre.
    pub fn of(pipeline: &Pipeline, liveness: &Liveness, bytes: &[u8]) -> Self {
        Self::try_of(pipeline, liveness, bytes).expect("one face in the frame")
    }

    /// As [`Head::of`]; `None` if the photo or the frame shows no clear face.
    pub fn try_of(pipeline: &Pipeline, liveness: &Liveness, bytes: &[u8]) -> Option<Self> {
        let limits = DecodeLimits::default();
        let photo = Picture::decode(bytes, &limits).unwrap();
        let found = pipeline.analyse(bytes).unwrap();
        let face = found.faces.iter().max_by_key(|face| face.bbox[3])?;
        let [x, y, width, high] = face.bbox.map(|side| side as f32);
        let height = high / FACE_SHARE;
        let scale = height / FRAME.1 as f32;
        let (left, top) =
            (x + width / 2.0 - FRAME.0 as f32 * scale / 2.0, y + (high - height) / 2.0);
        // Outside the photo its border pixels are repeated: a black bar would look like the edge of a device.
        let frame = drawn(FRAME, |u, v| sample(&photo, left + u * scale, top + v * scale));
        let landmarks = face.landmarks.map(|[x, y]| [(x - left) / scale, (y - top) / scale]);
        let jpeg = frame.to_jpeg(u32::MAX, 95).unwrap();
        let seen = pipeline.analyse_frame(liveness, &jpeg).unwrap().face?;
        Some(Self { frame, landmarks, straight_yaw_deg: -seen.pose.yaw })
    }

    /// Returns the head turned to its own left and up, each by at most about 35 degrees, with the camera
    /// moved by `sway` px: no two frames of a hand-held camera are equal.
    pub fn turned(&self, yaw_deg: f32, pitch_deg: f32, sway: [f32; 2]) -> Picture {
        let yaw_deg = yaw_deg + self.straight_yaw_deg;
        moved(&turned(&self.frame, &self.landmarks, yaw_deg, pitch_deg), sway)
    }

    /// Returns a flat picture of the head looking straight ahead, tilted by these angles.
    pub fn flat(&self, yaw_deg: f32, pitch_deg: f32, sway: [f32; 2]) -> Picture {
        let straight = turned(&self.frame, &self.landmarks, self.straight_yaw_deg, 0.0);
        moved(&tilted(&straight, yaw_deg, pitch_deg), sway)
    }
}

/// Returns `picture` with the noise of a camera's sensor, up to 3 of 255 in each pixel.
pub fn noisy(picture: &Picture, seed: u64) -> Picture {
    let mut rng = Rng::new(seed);
    let grain = |value: &u8| value.saturating_add((rng.throw(7)) as u8).saturating_sub(3);
    let pixels = picture.pixels().iter().map(grain).collect();
    Picture::new(picture.width(), picture.height(), pixels).unwrap()
}

/// Returns `picture` with its head turned; see `Head::turned`.
pub fn turned(picture: &Picture, landmarks: &Landmarks, yaw_deg: f32, pitch_deg: f32) -> Picture {
    let [left, right, nose, mouth_left, mouth_right] = *landmarks;
    let eyes = [(left[0] + right[0]) / 2.0, (left[1] + right[1]) / 2.0];
    let mouth = [(mouth_left[0] + mouth_right[0]) / 2.0, (mouth_left[1] + mouth_right[1]) / 2.0];
    let unit = (mouth[0] - eyes[0]).hypot(mouth[1] - eyes[1]);
    let down = [(mouth[0] - eyes[0]) / unit, (mouth[1] - eyes[1]) / unit];
    // Unit vectors along the eyes, to the picture's right, and across them, down (`down`).
    let right_of = [down[1], -down[0]];
    let into_face = |x: f32, y: f32| {
        let (dx, dy) = ((x - eyes[0]) / unit, (y - eyes[1]) / unit);
        [dx * right_of[0] + dy * right_of[1], dx * down[0] + dy * down[1]]
    };
    let nose = into_face(nose[0], nose[1]);
    let axis_depth = DEPTH * 0.72;
    let (yaw, pitch) = (yaw_deg.to_radians(), pitch_deg.to_radians());
    // The displacement of the photo's point at `p`.
    let shift = |p: [f32; 2]| {
        let rim = (p[0] / HALF_WIDTH).powi(2) + ((p[1] - 0.15) / HALF_HEIGHT).powi(2);
        let bump =
            ((p[0] - nose[0]) / NOSE_WIDTH).powi(2) + ((p[1] - nose[1]) / NOSE_HEIGHT).powi(2);
        let depth = DEPTH * (1.0 - rim.min(1.0)) + NOSE * (-bump / 2.0).exp() - axis_depth;
        let (x, y) = (p[0], p[1] - 0.5);
        let turned_x = x * yaw.cos() + depth * yaw.sin();
        let deep = depth * yaw.cos() - x * yaw.sin();
        let turned_y = y * pitch.cos() - deep * pitch.sin();
        let still = ((rim.sqrt() - 1.0) / FADE).clamp(0.0, 1.0);
        let share = 1.0 - still * still * (3.0 - 2.0 * still);
        [(turned_x - x) * share, (turned_y - y) * share]
    };
    drawn((picture.width(), picture.height()), |u, v| {
        let goal = into_face(u, v);
        let mut source = goal;
        // The displacement changes slowly, so a fixed-point iteration with damping 0.5 converges to its
        // inverse. A step of 1e-4 is less than a hundredth of a pixel.
        for _ in 0..40 {
            let shift = shift(source);
            let step = [0, 1].map(|axis| 0.5 * (goal[axis] - shift[axis] - source[axis]));
            source = [source[0] + step[0], source[1] + step[1]];
            if step[0].abs().max(step[1].abs()) < 1e-4 {
                break;
            }
        }
        let x = eyes[0] + unit * (source[0] * right_of[0] + source[1] * down[0]);
        let y = eyes[1] + unit * (source[0] * right_of[1] + source[1] * down[1]);
        sample(picture, x, y)
    })
}

/// Returns `picture` as a plane rotated about its centre, seen from a distance of three times its width.
pub fn tilted(picture: &Picture, yaw_deg: f32, pitch_deg: f32) -> Picture {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let far = 3.0 * width;
    let (yaw, pitch) = (yaw_deg.to_radians(), pitch_deg.to_radians());
    // The plane's axes in space; depth increases away from the camera.
    let along = [yaw.cos(), yaw.sin() * pitch.sin(), yaw.sin() * pitch.cos()];
    let across = [0.0, pitch.cos(), -pitch.sin()];
    drawn((picture.width(), picture.height()), |u, v| {
        // Solves for the point of the plane that the ray through (u, v) meets.
        let (x, y) = ((u - width / 2.0) / far, (v - height / 2.0) / far);
        let a = [along[0] - x * along[2], across[0] - x * across[2], x * far];
        let b = [along[1] - y * along[2], across[1] - y * across[2], y * far];
        let determinant = a[0] * b[1] - a[1] * b[0];
        let s = (a[2] * b[1] - a[1] * b[2]) / determinant;
        let t = (a[0] * b[2] - a[2] * b[0]) / determinant;
        sample(picture, s + width / 2.0, t + height / 2.0)
    })
}

/// Returns the frame of a camera moved by `[right, down]` px.
fn moved(picture: &Picture, [right, down]: [f32; 2]) -> Picture {
    drawn((picture.width(), picture.height()), |u, v| sample(picture, u - right, v - down))
}

/// Returns a picture whose pixel at (x, y) is `colour(x, y)`.
pub fn drawn((width, height): (u32, u32), colour: impl Fn(f32, f32) -> [f32; 3]) -> Picture {
    let pixels = (0..height).flat_map(|y| {
        let colour = &colour;
        (0..width).flat_map(move |x| colour(x as f32, y as f32).map(|value| (value + 0.5) as u8))
    });
    Picture::new(width, height, pixels.collect()).unwrap()
}

/// Samples `picture` bilinearly; outside of it the border pixels are repeated.
pub fn sample(picture: &Picture, x: f32, y: f32) -> [f32; 3] {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (x, y) = (x.clamp(0.0, (width - 1) as f32), y.clamp(0.0, (height - 1) as f32));
    let (left, top) = (x as usize, y as usize);
    let (dx, dy) = (x - left as f32, y - top as f32);
    let at = |x: usize, y: usize, channel: usize| {
        let start = (y.min(height - 1) * width + x.min(width - 1)) * 3;
        f32::from(picture.pixels()[start + channel])
    };
    [0, 1, 2].map(|channel| {
        let upper = at(left, top, channel) * (1.0 - dx) + at(left + 1, top, channel) * dx;
        let lower = at(left, top + 1, channel) * (1.0 - dx) + at(left + 1, top + 1, channel) * dx;
        upper * (1.0 - dy) + lower * dy
    })
}
