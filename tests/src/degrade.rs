//! Photos that guests will not find, each made from a real portrait in a known way, and one without anybody.
//!
//! Knows nothing of what is said of them.

use crate::pictures::Drawing;
use crate::sample;

/// The real portrait behind all of them.
const PORTRAIT: &str = "obama2.jpg";

/// What is wrong with a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worse {
    /// The eyes are some 8 px apart.
    Small,
    /// Out of focus by a sixteenth of the distance between the eyes.
    Blurred,
    /// As narrow as a face seen from the side.
    Turned,
    /// A landscape.
    Nobody,
}

impl Worse {
    /// The file's name.
    pub fn file(self) -> &'static str {
        match self {
            Worse::Small => "small.jpg",
            Worse::Blurred => "blurred.jpg",
            Worse::Turned => "turned.jpg",
            Worse::Nobody => "landscape.jpg",
        }
    }
}

/// The photo as JPEG.
pub fn jpeg(what: Worse) -> Vec<u8> {
    let portrait = Drawing::open(&sample(PORTRAIT)).within(600);
    match what {
        Worse::Small => portrait.within(70).jpeg(),
        Worse::Blurred => portrait.blurred(7.0).jpeg(),
        Worse::Turned => portrait.narrowed(0.25).jpeg(),
        Worse::Nobody => landscape().jpeg(),
    }
}

/// Sky over two ranges of hills.
fn landscape() -> Drawing {
    Drawing::of(640, 480, |x, y| {
        let hills = |far: f32, high: f32| 300.0 - high * (x as f32 / far).sin();
        match y as f32 {
            y if y > hills(90.0, 30.0) + 60.0 => [70, 110, 60],
            y if y > hills(60.0, 40.0) => [90, 120, 140],
            _ => [150, 180, (200 + y / 12) as u8],
        }
    })
}

/// A JPEG with the head and the end of a photo, and half of its pixels: it is taken in, and cannot be searched.
pub fn broken() -> Vec<u8> {
    let whole = Drawing::open(&sample("biden.jpg")).within(600).jpeg();
    [&whole[..whole.len() / 2], &[0xff, 0xd9]].concat()
}
