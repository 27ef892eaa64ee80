use image::ColorType;

/// Pixels that are converted at a time. Each block is copied first, because input and output share memory.
const BLOCK_PX: usize = 4096;

/// Returns the peak memory of [`from_samples`], bytes per pixel; `None` for an unsupported colour type.
pub(super) fn bytes_per_pixel(colour: ColorType) -> Option<u64> {
    let stored = u64::from(colour.bytes_per_pixel());
    let grows = stored < 3 || matches!(colour, ColorType::La16);
    is_known(colour).then_some(if grows { stored + 3 } else { stored })
}

fn is_known(colour: ColorType) -> bool {
    use ColorType::{L8, L16, La8, La16, Rgb8, Rgb16, Rgba8, Rgba16};
    matches!(colour, L8 | La8 | Rgb8 | Rgba8 | L16 | La16 | Rgb16 | Rgba16)
}

/// Converts samples of any supported colour type, 16-bit ones in native byte order, to 8-bit RGB.
///
/// Works in place where a pixel does not grow, so that no second copy of the picture exists. The result equals
/// that of `image` byte for byte. Transparency is dropped, not blended.
pub(super) fn from_samples(colour: ColorType, samples: Vec<u8>) -> Vec<u8> {
    match colour {
        ColorType::L8 => spread(&samples, |&[grey]: &[u8; 1]| grey),
        ColorType::La8 => spread(&samples, |&[grey, _]: &[u8; 2]| grey),
        ColorType::L16 => spread(&samples, |&[a, b]: &[u8; 2]| eight([a, b])),
        ColorType::La16 => spread(&samples, |&[a, b, ..]: &[u8; 4]| eight([a, b])),
        ColorType::Rgba8 => packed(samples, |&[r, g, b, _]: &[u8; 4]| [r, g, b]),
        ColorType::Rgb16 => packed(samples, |&[a, b, c, d, e, f]: &[u8; 6]| {
            [eight([a, b]), eight([c, d]), eight([e, f])]
        }),
        ColorType::Rgba16 => packed(samples, |&[a, b, c, d, e, f, ..]: &[u8; 8]| {
            [eight([a, b]), eight([c, d]), eight([e, f])]
        }),
        _ => samples,
    }
}

/// Converts CMYK to RGB. The values are inverted, as Adobe programs store them: 255 is no ink.
pub(super) fn from_cmyk(cmyk: Vec<u8>) -> Vec<u8> {
    let over = |ink: u8, black: u8| ((u32::from(ink) * u32::from(black) + 127) / 255) as u8;
    packed(cmyk, |&[c, m, y, k]: &[u8; 4]| [over(c, k), over(m, k), over(y, k)])
}

/// Rounds a 16-bit sample to 8 bits.
fn eight(sample: [u8; 2]) -> u8 {
    ((u32::from(u16::from_ne_bytes(sample)) + 128) / 257) as u8
}

fn spread<const N: usize>(samples: &[u8], grey: impl Fn(&[u8; N]) -> u8) -> Vec<u8> {
    let pixels = samples.as_chunks::<N>().0;
    let mut out = vec![0; pixels.len() * 3];
    for (to, from) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
        *to = [grey(from); 3];
    }
    out
}

/// Converts in place. An output pixel must not be longer than an input pixel.
fn packed<const N: usize>(mut samples: Vec<u8>, colour: impl Fn(&[u8; N]) -> [u8; 3]) -> Vec<u8> {
    let pixels = samples.len() / N;
    let mut aside = vec![0; BLOCK_PX * N];
    for start in (0..pixels).step_by(BLOCK_PX) {
        let count = BLOCK_PX.min(pixels - start);
        let from = samples.get(start * N..(start + count) * N).unwrap_or_default();
        let Some(block) = aside.get_mut(..from.len()) else { break };
        block.copy_from_slice(from);
        let to = samples.get_mut(start * 3..(start + count) * 3).unwrap_or_default();
        for (to, from) in to.as_chunks_mut::<3>().0.iter_mut().zip(block.as_chunks::<N>().0) {
            *to = colour(from);
        }
    }
    samples.truncate(pixels * 3);
    samples.shrink_to_fit();
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::DynamicImage;

    #[test]
    fn every_colour_type_becomes_what_image_makes_of_it() {
        use ColorType::{L8, L16, La8, La16, Rgb8, Rgb16, Rgba8, Rgba16};
        let (width, height) = (331, 199);
        for colour in [L8, La8, Rgb8, Rgba8, L16, La16, Rgb16, Rgba16] {
            let mut picture = DynamicImage::new(width, height, colour);
            let mut state = 0x2545_f491_4f6c_dd1d_u64;
            let mut samples = picture.as_bytes().to_vec();
            for sample in &mut samples {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *sample = state as u8;
            }
            let words: Vec<u16> =
                samples.as_chunks::<2>().0.iter().map(|pair| u16::from_ne_bytes(*pair)).collect();
            match &mut picture {
                DynamicImage::ImageLuma16(p) => p.copy_from_slice(&words),
                DynamicImage::ImageLumaA16(p) => p.copy_from_slice(&words),
                DynamicImage::ImageRgb16(p) => p.copy_from_slice(&words),
                DynamicImage::ImageRgba16(p) => p.copy_from_slice(&words),
                DynamicImage::ImageLuma8(p) => p.copy_from_slice(&samples),
                DynamicImage::ImageLumaA8(p) => p.copy_from_slice(&samples),
                DynamicImage::ImageRgb8(p) => p.copy_from_slice(&samples),
                DynamicImage::ImageRgba8(p) => p.copy_from_slice(&samples),
                _ => unreachable!("the test uses only the types above"),
            }
            let expected = picture.into_rgb8().into_raw();
            assert!(from_samples(colour, samples) == expected, "{colour:?}");
        }
    }

    #[test]
    fn bare_paper_is_white_and_full_ink_is_black() {
        assert_eq!(
            from_cmyk(vec![255, 255, 255, 255, 0, 255, 128, 255]),
            [255, 255, 255, 0, 255, 128]
        );
        assert_eq!(from_cmyk(vec![255, 128, 0, 0, 200, 100, 50, 128]), [0, 0, 0, 100, 50, 25]);
    }
}
