//! Simulates presentation attacks: a picture that is shown on a screen or printed, and photographed again.
//!
//! Rates measured on simulations compare models and help to choose a threshold. They do not predict the
//! success of real attackers, because no frame is a recording of a real attack. The result is deterministic.

use picpick_engine::Picture;
use std::f32::consts::TAU;

/// Size of a camera frame, pixels.
const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

/// A kind of presentation attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttackKind {
    /// A screen that fills the frame: RGB stripes with a period of 1.9 to 2.6 camera pixels (moiré), more
    /// contrast, a cold tint, a soft reflection.
    Screen,
    /// A tilted screen whose dark border and surroundings are visible.
    Device,
    /// A tilted colour print: halftone dots, grain, low contrast, a white edge.
    Print,
    /// A print in grey with weaker dots, which fills the frame.
    GreyPrint,
}

impl AttackKind {
    pub const ALL: [AttackKind; 4] =
        [AttackKind::Screen, AttackKind::Device, AttackKind::Print, AttackKind::GreyPrint];

    pub fn name(self) -> &'static str {
        match self {
            AttackKind::Screen => "screen",
            AttackKind::Device => "device",
            AttackKind::Print => "print",
            AttackKind::GreyPrint => "grey print",
        }
    }

    /// Returns the height of the presented picture as a multiple of the frame's height.
    fn relative_height(self) -> f32 {
        match self {
            AttackKind::Screen | AttackKind::GreyPrint => 1.15,
            AttackKind::Device => 0.72,
            AttackKind::Print => 0.8,
        }
    }
}

/// A pseudo-random number generator: SplitMix64 (Steele, Lea, Flood 2014).
struct Rng(u64);

impl Rng {
    /// Returns a uniform number from `low` to `high`.
    fn between(&mut self, low: f32, high: f32) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (high - low) * ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 24) as f32
    }
}

/// Returns the frame of a camera that sees `picture` as an attack of `kind`. `number` seeds tilt, moiré and
/// light.
pub fn simulate_attack(
    picture: &Picture,
    kind: AttackKind,
    number: u64,
) -> picpick_engine::Result<Picture> {
    let mut rng = Rng(number.wrapping_mul(4).wrapping_add(kind as u64));
    let tilt = if matches!(kind, AttackKind::Device | AttackKind::Print) { 0.12 } else { 0.03 };
    let (tilt_x, tilt_y) = (rng.between(-tilt, tilt), rng.between(-tilt, tilt));
    let period = rng.between(1.9, 2.6);
    let (phase, turn) = (rng.between(0.0, TAU), rng.between(-0.06, 0.06));
    let glare = [rng.between(0.1, 0.9), rng.between(0.1, 0.9), rng.between(10.0, 45.0)];
    let light = rng.between(70.0, 170.0);
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let scale = kind.relative_height() * HEIGHT as f32 / height;
    let border = 0.07 * height;
    let mut pixels = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
    for v in 0..HEIGHT {
        for u in 0..WIDTH {
            let (x, y) = (u as f32 - WIDTH as f32 / 2.0, v as f32 - HEIGHT as f32 / 2.0);
            // Perspective of the tilt: one side is nearer than the other.
            let depth = 1.0 + (tilt_x * x + tilt_y * y) / WIDTH as f32;
            let (px, py) = (x / scale / depth + width / 2.0, y / scale / depth + height / 2.0);
            let outside = (-px).max(px - width).max(-py).max(py - height);
            let grain = rng.between(-4.0, 4.0);
            let colour = if outside > border && kind.relative_height() < 1.0 {
                // A wall in the background, brighter at the top.
                [light + grain - y / 16.0; 3]
            } else if outside > 0.0 && kind.relative_height() < 1.0 {
                [if kind == AttackKind::Device { 18.0 } else { 225.0 } + grain; 3]
            } else {
                let source = bilinear(picture, px, py);
                let across = x * turn.cos() - y * turn.sin();
                let down = x * turn.sin() + y * turn.cos();
                let wave = |at: f32, shift: f32| (TAU * at / period + phase + shift).cos();
                match kind {
                    AttackKind::Screen | AttackKind::Device => screen(source, across, wave),
                    AttackKind::Print => print(source, across, down, wave, 26.0),
                    AttackKind::GreyPrint => {
                        let grey = 0.299 * source[0] + 0.587 * source[1] + 0.114 * source[2];
                        print([grey; 3], across, down, wave, 14.0)
                    }
                }
                .map(|value| value + grain + reflection(u, v, glare, kind))
            };
            pixels.extend(colour.map(|value| value.clamp(0.0, 255.0) as u8));
        }
    }
    Picture::new(WIDTH, HEIGHT, pixels)
}

/// Returns the colour of a pixel on a screen: stripes of red, green and blue side by side, a gamma of 1.15
/// and a cold white.
fn screen(source: [f32; 3], across: f32, wave: impl Fn(f32, f32) -> f32) -> [f32; 3] {
    let mut out = [0.0; 3];
    for ((out, value), (tint, shift)) in
        out.iter_mut().zip(source).zip([(0.95, 0.0), (0.99, TAU / 3.0), (1.06, 2.0 * TAU / 3.0)])
    {
        let linear = (value / 255.0).powf(1.15) * 255.0 * tint;
        *out = linear * (1.0 + 0.12 * wave(across, shift));
    }
    out
}

/// Returns the colour of a printed pixel: halftone dots of amplitude `dots`, and a range of 200 of 255 above
/// a black of 30.
fn print(
    source: [f32; 3],
    across: f32,
    down: f32,
    wave: impl Fn(f32, f32) -> f32,
    dots: f32,
) -> [f32; 3] {
    let dot = wave(across + down, 0.0) * wave(across - down, 0.0);
    // Dots are visible in middle tones, but neither on bare paper nor in full ink.
    source.map(|value| {
        let middle = 1.0 - (value / 127.5 - 1.0).powi(2);
        30.0 + value * 200.0 / 255.0 + dots * dot * middle
    })
}

/// Returns the brightness that the reflection of a soft light adds to a pixel. Paper reflects a tenth as much
/// as a screen.
fn reflection(u: u32, v: u32, [x, y, strength]: [f32; 3], kind: AttackKind) -> f32 {
    let (dx, dy) = (u as f32 / WIDTH as f32 - x, v as f32 / HEIGHT as f32 - y);
    let gloss = if matches!(kind, AttackKind::Screen | AttackKind::Device) { 1.0 } else { 0.1 };
    gloss * strength * (-(dx * dx + dy * dy) / 0.03).exp()
}

/// Returns the colour at (x, y) by bilinear interpolation. A point outside the picture gets the colour of the
/// nearest edge pixel.
fn bilinear(picture: &Picture, x: f32, y: f32) -> [f32; 3] {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (x, y) = (x.clamp(0.0, width as f32 - 1.0), y.clamp(0.0, height as f32 - 1.0));
    let (left, top) = (x as usize, y as usize);
    let (dx, dy) = (x - left as f32, y - top as f32);
    let at = |x: usize, y: usize, channel: usize| {
        let start = (y.min(height - 1) * width + x.min(width - 1)) * 3;
        f32::from(picture.pixels().get(start + channel).copied().unwrap_or_default())
    };
    [0, 1, 2].map(|channel| {
        let upper = at(left, top, channel) * (1.0 - dx) + at(left + 1, top, channel) * dx;
        let lower = at(left, top + 1, channel) * (1.0 - dx) + at(left + 1, top + 1, channel) * dx;
        upper * (1.0 - dy) + lower * dy
    })
}
