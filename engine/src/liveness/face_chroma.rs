use crate::error::Result;
use crate::picture::{Picture, Region};

/// The part of the aligned crop with cheeks and nose, px: left, top, right, bottom.
const SKIN: [u32; 4] = [34, 56, 78, 90];
/// Distance in pixels of the samples of the background, in both directions.
const BACKGROUND_STEP: usize = 4;
/// Minimum share of the frame that is usable background. Much of it may be dark, at a party.
const BACKGROUND_MIN: f32 = 0.03;
/// Minimum share of the face's samples that are usable.
const FACE_MIN: f32 = 0.5;
/// Range of the values of usable samples, in each channel. Dark and clipped samples have no chroma.
const USABLE: std::ops::RangeInclusive<u8> = 6..=250;

/// The log chroma of a face minus that of its background: ln(red/green) and ln(blue/green) in linear light.
pub(super) type Chroma = [f32; 2];

/// Measures the chroma of a face against its background. `face` is its region, px of `picture`; `crop` is the
/// aligned crop of 112 × 112 px. `None` if either is too small, too dark or overexposed.
///
/// # Errors
/// `Error::Image` if the crop has another size.
pub(super) fn measure(picture: &Picture, face: Region, crop: &Picture) -> Result<Option<Chroma>> {
    let linear: [f32; 256] = std::array::from_fn(|value| to_linear(value as u8));
    let [left, top, right, bottom] = SKIN.map(|side| side as f32);
    let skin = Region { x: left, y: top, width: right - left, height: bottom - top };
    let (wide, high) = (SKIN[2] - SKIN[0], SKIN[3] - SKIN[1]);
    let skin = crop.cut(skin, wide, high, (wide, high))?;
    let mut of_face = ChannelSums::default();
    skin.pixels().chunks_exact(3).for_each(|pixel| of_face.add(pixel, &linear));
    // Hair, neck and shoulders are lit by the screen as well.
    let keep_out = Region {
        x: face.x - 0.6 * face.width,
        y: face.y - 0.5 * face.height,
        width: 2.2 * face.width,
        height: f32::INFINITY,
    };
    let mut of_background = ChannelSums::default();
    let width = picture.width() as usize;
    let rows = picture.pixels().chunks_exact(width * 3).enumerate().step_by(BACKGROUND_STEP);
    for (y, row) in rows.take_while(|(y, _)| (*y as f32) < face.y + face.height) {
        for (x, pixel) in row.chunks_exact(3).enumerate().step_by(BACKGROUND_STEP) {
            let inside = (keep_out.x..keep_out.x + keep_out.width).contains(&(x as f32))
                && y as f32 >= keep_out.y;
            if !inside {
                of_background.add(pixel, &linear);
            }
        }
    }
    let samples = width * picture.height() as usize / (BACKGROUND_STEP * BACKGROUND_STEP);
    if of_background.usable < samples as f32 * BACKGROUND_MIN
        || of_face.usable < of_face.seen * FACE_MIN
    {
        return Ok(None);
    }
    let both = log_chroma(of_face.sums).zip(log_chroma(of_background.sums));
    Ok(both.map(|(face, background)| [face[0] - background[0], face[1] - background[1]]))
}

/// Sums of red, green and blue in linear light.
#[derive(Default)]
struct ChannelSums {
    sums: [f32; 3],
    usable: f32,
    seen: f32,
}

impl ChannelSums {
    fn add(&mut self, pixel: &[u8], linear: &[f32; 256]) {
        self.seen += 1.0;
        if !pixel.iter().all(|value| USABLE.contains(value)) {
            return;
        }
        self.usable += 1.0;
        for (sum, value) in self.sums.iter_mut().zip(pixel) {
            *sum += linear.get(usize::from(*value)).copied().unwrap_or_default();
        }
    }
}

/// Returns ln(red/green) and ln(blue/green); `None` if one of them is not finite.
pub(super) fn log_chroma([red, green, blue]: [f32; 3]) -> Option<Chroma> {
    let chroma = [(red / green).ln(), (blue / green).ln()];
    chroma.iter().all(|value| value.is_finite()).then_some(chroma)
}

/// Converts a value of sRGB to linear light, 0 to 1 (IEC 61966-2-1).
pub(super) fn to_linear(value: u8) -> f32 {
    let value = f32::from(value) / 255.0;
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_of_the_camera_leave_the_chroma_unchanged() {
        let face = Region { x: 240.0, y: 120.0, width: 120.0, height: 160.0 };
        let room = |gains: [f32; 3], scale: f32| {
            let colour = |skin: bool| {
                let light = if skin { [0.4f32, 0.28, 0.2] } else { [0.3, 0.33, 0.4] };
                [0, 1, 2].map(|c| {
                    let linear = light[c] * gains[c] * scale;
                    (255.0 * (1.055 * linear.powf(1.0 / 2.4) - 0.055) + 0.5) as u8
                })
            };
            let pixels = (0..480 * 640).flat_map(|at: u32| {
                let (x, y) = ((at % 640) as f32, (at / 640) as f32);
                let inside = (face.x..face.x + face.width).contains(&x)
                    && (face.y..face.y + face.height).contains(&y);
                colour(inside)
            });
            let picture = Picture::new(640, 480, pixels.collect()).unwrap();
            let skin = (0..112 * 112).flat_map(|_| colour(true)).collect();
            (picture, Picture::new(112, 112, skin).unwrap())
        };
        let measured = |gains, scale| {
            let (picture, crop) = room(gains, scale);
            measure(&picture, face, &crop).unwrap()
        };
        let [red, blue] = measured([1.0; 3], 1.0).unwrap();
        assert!((red - (0.4f32 / 0.28 / (0.3 / 0.33)).ln()).abs() < 0.02, "{red}");
        for gains in [[1.3, 1.0, 0.7], [0.8, 1.1, 1.2]] {
            let [red_now, blue_now] = measured(gains, 0.7).unwrap();
            assert!((red - red_now).abs() < 0.02 && (blue - blue_now).abs() < 0.02, "{gains:?}");
        }
        // Darkness, glare and a face that fills the frame have no chroma.
        assert_eq!(measured([1.0; 3], 1e-4), None);
        assert_eq!(measured([3.0; 3], 1.0), None);
        let (picture, crop) = room([1.0; 3], 1.0);
        let close = Region { x: 20.0, y: 0.0, width: 600.0, height: 480.0 };
        assert_eq!(measure(&picture, close, &crop).unwrap(), None);
    }
}
