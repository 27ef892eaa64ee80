use crate::pictures::Drawing;
use crate::sample;

/// The real portrait that the degraded photos are made from.
const PORTRAIT: &str = "obama2.jpg";

/// The defect of a photo that guests will not find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The eyes are about 8 px apart.
    Small,
    /// The face is blurred by a sixteenth of the distance between the eyes.
    Blurred,
    /// The face is as narrow as one seen from the side.
    Turned,
    /// The photo is a landscape without people.
    NoFace,
}

impl Defect {
    /// Returns the photo's file name.
    pub fn file(self) -> &'static str {
        match self {
            Defect::Small => "small.jpg",
            Defect::Blurred => "blurred.jpg",
            Defect::Turned => "turned.jpg",
            Defect::NoFace => "landscape.jpg",
        }
    }
}

/// Returns a photo with this defect as JPEG.
pub fn jpeg(what: Defect) -> Vec<u8> {
    let portrait = Drawing::open(&sample(PORTRAIT)).within(600);
    match what {
        Defect::Small => portrait.within(70).jpeg(),
        Defect::Blurred => portrait.blurred(7.0).jpeg(),
        Defect::Turned => portrait.narrowed(0.25).jpeg(),
        Defect::NoFace => landscape().jpeg(),
    }
}

/// Draws a sky over two ranges of hills.
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

/// Returns a JPEG with header and end marker but only half of its pixels: it can be uploaded, but not
/// indexed.
pub fn broken() -> Vec<u8> {
    let whole = Drawing::open(&sample("biden.jpg")).within(600).jpeg();
    [&whole[..whole.len() / 2], &[0xff, 0xd9]].concat()
}
