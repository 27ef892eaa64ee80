//! Draws a watermark: a text repeated over a whole picture, so that a crop of a third of the width by half of
//! the height shows part of the text.
//!
//! The text rises at 30 degrees, in white with a dark edge, so that it is visible on bright and dark photos.

use ab_glyph::{Font as _, FontRef, Point, PxScale, ScaleFont as _, point};
use picpick_engine::Picture;

use crate::error::{ApiError, Result};

/// Noto Sans Medium, reduced to Latin letters and signs. SIL Open Font License (`font/OFL.txt`).
const FONT: &[u8] = include_bytes!("font/NotoSans-Medium.ttf");
/// Height of a text line, as a fraction of the picture's shorter side.
const HEIGHT: f32 = 0.045;
/// Opacity of the white text and of its dark edge, 0 to 1. Below 0.2, a text is hard to read on a busy
/// picture; above 0.5, it hides faces.
const WHITE: f32 = 0.42;
const DARK: f32 = 0.28;
/// Spacing after a text and below a line, in line heights.
const AFTER: f32 = 3.0;
const BELOW: f32 = 4.0;
/// Sine and cosine of 30 degrees.
const TILT: (f32, f32) = (0.5, 0.866_025_4);

fn font() -> Result<FontRef<'static>> {
    FontRef::try_from_slice(FONT).map_err(ApiError::internal)
}

/// Returns the first character of `text` that the font lacks; `None` if the font has all of them.
pub fn undrawable(text: &str) -> Result<Option<char>> {
    let font = font()?;
    Ok(text.chars().find(|&c| font.glyph_id(c).0 == 0))
}

/// The coverage of each pixel by a text, 0 to 1, with the spacing after and below it.
struct TextMask {
    width: usize,
    height: usize,
    cover: Vec<f32>,
}

impl TextMask {
    /// Renders `text`. `line_px` is the height of a line, pixels.
    fn of(text: &str, line_px: f32) -> Result<Self> {
        let font = font()?;
        let scaled = font.as_scaled(PxScale::from(line_px));
        let mut glyphs = Vec::new();
        let (mut at, mut before) = (0.0, None);
        for character in text.chars() {
            let id = scaled.glyph_id(character);
            at += before.map_or(0.0, |before| scaled.kern(before, id));
            let position: Point = point(at, scaled.ascent());
            glyphs.push(id.with_scale_and_position(line_px, position));
            at += scaled.h_advance(id);
            before = Some(id);
        }
        let width = ((at + AFTER * line_px).ceil() as usize).max(1);
        let height = ((line_px * (1.0 + BELOW)).ceil() as usize).max(1);
        let mut cover = vec![0.0_f32; width * height];
        for outline in glyphs.into_iter().filter_map(|glyph| font.outline_glyph(glyph)) {
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, part| {
                let (x, y) = (corner.x + x as f32, corner.y + y as f32);
                if x >= 0.0 && y >= 0.0 && (x as usize) < width {
                    let place = y as usize * width + x as usize;
                    if let Some(covered) = cover.get_mut(place) {
                        *covered = covered.max(part.clamp(0.0, 1.0));
                    }
                }
            });
        }
        Ok(Self { width, height, cover })
    }

    /// Returns the coverage at a point of the plane that the mask tiles. Every second row is shifted by half a
    /// width.
    fn at(&self, u: f32, v: f32) -> f32 {
        let (width, height) = (self.width as f32, self.height as f32);
        let row = (v / height).floor();
        let shift = if row.rem_euclid(2.0) >= 1.0 { width / 2.0 } else { 0.0 };
        let x = ((u + shift).rem_euclid(width) as usize).min(self.width - 1);
        let y = (v.rem_euclid(height) as usize).min(self.height - 1);
        self.cover.get(y * self.width + x).copied().unwrap_or(0.0)
    }
}

/// Returns `picture` with `text` drawn over it.
pub fn draw_watermark(picture: &Picture, text: &str) -> Result<Picture> {
    let (width, height) = (picture.width(), picture.height());
    let line_px = (width.min(height) as f32 * HEIGHT).max(10.0);
    let stamp = TextMask::of(text, line_px)?;
    let edge_px = (line_px / 18.0).max(1.0);
    let mut pixels = picture.pixels().to_vec();
    let (sine, cosine) = TILT;
    let rows = pixels.chunks_exact_mut(width.max(1) as usize * 3);
    for (y, row) in rows.enumerate() {
        for (x, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let (x, y) = (x as f32, y as f32);
            let (u, v) = (x * cosine - y * sine, x * sine + y * cosine);
            let (white, dark) = (stamp.at(u, v), stamp.at(u - edge_px, v - edge_px));
            for value in pixel {
                let below = f32::from(*value);
                let edged = below * (1.0 - DARK * dark);
                *value = (edged + (255.0 - edged) * WHITE * white).round() as u8;
            }
        }
    }
    Ok(Picture::new(width, height, pixels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_picture_is_marked_and_most_of_it_stays() {
        let (width, height) = (900_u32, 600_u32);
        for grey in [20, 128, 240] {
            let plain =
                Picture::new(width, height, vec![grey; (width * height * 3) as usize]).unwrap();
            let marked = draw_watermark(&plain, "Studio Müller").unwrap();
            let changed = |x: u32, y: u32| {
                let at = ((y * width + x) * 3) as usize;
                marked.pixels()[at].abs_diff(grey) > 8
            };
            // Each tile of 300 by 300 pixels, a third of the width by half of the height, shows part of the
            // text.
            for (left, top) in [(0, 0), (300, 0), (600, 0), (0, 300), (300, 300), (600, 300)] {
                let points = (left..left + 300).flat_map(|x| (top..top + 300).map(move |y| (x, y)));
                let count = points.filter(|&(x, y)| changed(x, y)).count();
                assert!((100..30_000).contains(&count), "{grey} {left} {top}: {count}");
            }
        }
    }

    #[test]
    fn nothing_is_drawn_for_no_text_and_small_pictures_do_no_harm() {
        let plain = Picture::new(40, 30, vec![90; 3600]).unwrap();
        assert_eq!(draw_watermark(&plain, "").unwrap().pixels(), plain.pixels());
        for (width, height) in [(1, 1), (1, 500), (500, 1)] {
            let tiny = Picture::new(width, height, vec![9; (width * height * 3) as usize]).unwrap();
            assert_eq!(draw_watermark(&tiny, "Text").unwrap().width(), width);
        }
    }
}
