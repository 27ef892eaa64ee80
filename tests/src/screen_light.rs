//! Lights frames of a head as a screen and a room do, and delivers them as a camera with automatic exposure and
//! white balance does.

use picpick_engine::Picture;

use crate::rng::Rng;
use crate::synthetic_head::{FRAME, Head};

/// Share of the screen's light that falls on the background, relative to the face.
const ON_BACKGROUND: f32 = 0.08;
/// Half the width and the height of the lit part of a head, in distances from eyes to mouth.
const LIT: [f32; 2] = [1.5, 2.1];
/// Distance beyond the lit part over which the screen's light fades, relative to the part.
const FADE: f32 = 0.35;

/// A room with a camera, whose light and gains drift from frame to frame.
pub struct Room {
    /// The light of a white screen on the face, relative to the light of the room: 0.1 is a phone in a bright
    /// room, 0.5 a phone in a dim one, 0 a screen that is not seen.
    screen: f32,
    /// Gains of the camera and colour of the room's light, which change face and background alike.
    gains: [f32; 3],
    /// Colour of light that falls on the face alone, such as a lamp beside it.
    beside: [f32; 3],
    /// Largest change of each of them per frame, relative.
    drift: f32,
    rng: Rng,
}

impl Room {
    pub fn new(screen: f32, drift: f32, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let gains = [0; 3].map(|_| 0.8 + rng.throw(1000) as f32 / 2500.0);
        Self { screen, gains, beside: [1.0; 3], drift, rng }
    }

    /// Returns `picture`, a frame of `head`, in the light of a screen with the sRGB colour `tint` (red, green,
    /// blue, 0 to 255). The next frame has other gains.
    pub fn lit(&mut self, head: &Head, picture: &Picture, tint: [u8; 3]) -> Picture {
        let drift = self.drift;
        let mut walk = |value: &mut f32, most: f32| {
            let step = (self.rng.throw(2001) as f32 / 1000.0 - 1.0) * most;
            *value = (*value * (1.0 + step)).clamp(0.6, 1.4);
        };
        self.gains.iter_mut().for_each(|gain| walk(gain, drift));
        // Light beside the face changes less than exposure and white balance do.
        self.beside.iter_mut().for_each(|light| walk(light, drift / 4.0));
        let linear: Vec<f32> = (0..=255u8).map(|value| to_linear(f32::from(value))).collect();
        let tint = tint.map(|value| linear[usize::from(value)]);
        let [left, right, _, mouth_left, mouth_right] = head.landmarks;
        let centre = [0, 1]
            .map(|axis| (left[axis] + right[axis] + mouth_left[axis] + mouth_right[axis]) / 4.0);
        let unit = (mouth_left[1] + mouth_right[1] - left[1] - right[1]) / 2.0;
        let width = picture.width() as usize;
        let mut pixels = Vec::with_capacity(picture.pixels().len());
        for (at, pixel) in picture.pixels().chunks_exact(3).enumerate() {
            let (x, y) = ((at % width) as f32, (at / width) as f32);
            let (dx, dy) = ((x - centre[0]) / unit / LIT[0], (y - centre[1]) / unit / LIT[1]);
            let on_face = 1.0 - ((dx.hypot(dy) - 1.0) / FADE).clamp(0.0, 1.0);
            let screen = self.screen * (ON_BACKGROUND + (1.0 - ON_BACKGROUND) * on_face);
            pixels.extend([0, 1, 2].map(|channel| {
                let room = 1.0 + (self.beside[channel] - 1.0) * on_face;
                let light = room + screen * tint[channel];
                let reflected = linear[usize::from(pixel[channel])] * light;
                // Automatic exposure keeps the mean brightness.
                let exposed = reflected * self.gains[channel] / (1.0 + 0.7 * self.screen);
                (from_linear(exposed) + 0.5).clamp(0.0, 255.0) as u8
            }));
        }
        assert_eq!((picture.width(), picture.height()), FRAME, "a frame of a head");
        Picture::new(picture.width(), picture.height(), pixels).unwrap()
    }
}

/// Returns the colour of `#rrggbb`.
pub fn parse_tint(hex: &str) -> [u8; 3] {
    assert!(hex.len() == 7 && hex.starts_with('#'), "{hex} is no colour");
    [1, 3, 5].map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
}

/// Converts a value of sRGB, 0 to 255, to linear light, 0 to 1.
fn to_linear(value: f32) -> f32 {
    let value = value / 255.0;
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

fn from_linear(light: f32) -> f32 {
    let light = light.max(0.0);
    255.0 * if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}
