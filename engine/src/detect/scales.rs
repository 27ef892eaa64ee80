//! Finds candidate faces: runs the detector on the whole photo at two scales, then on tiles with small faces.
//!
//! Assumes a detector that finds faces of about 10 to 300 px, as YuNet does. `refine` decides which
//! candidates are faces.

use super::{Detection, Detector, suppress};
use crate::error::Result;
use crate::picture::{Picture, Region};

/// Longer side of the photo in the coarse pass, px, for photos up to `LARGE_PHOTO_PX`. Range 320 to 1280;
/// cost grows with its square (640: about 8 ms with bf16). Measure with `picpick-bench pipeline`.
const FRAME_SIDE_PX: u32 = 640;
/// Longer side of a photo, px, above which the coarse pass runs at twice the side. In such photos faces are
/// smaller in relation to the frame, and decoding costs ten times the larger pass.
const LARGE_PHOTO_PX: u32 = 2600;
/// Longer side of the photo, px, in the close-up pass, which finds faces that fill the frame (over 300 px at
/// 640).
const CLOSE_UP_SIDE_PX: u32 = 320;
/// Face size in the coarse pass, px, above which a detector for 10 to 300 px begins to miss faces.
const LARGE_FACE_PX: f32 = 180.0;
/// Limits the enlargement of small photos in the coarse pass to a factor of 2. A higher factor adds cost and
/// finds no further face.
const ENLARGE_MAX: f32 = 2.0;
/// Size in the coarse pass, px, below which a hint of a face makes the fine pass run on its tile.
const SMALL_FACE_PX: f32 = 18.0;
/// Lowest score of a hint.
const HINT_SCORE_MIN: f32 = 0.2;
/// Lowest score of a candidate.
const CANDIDATE_SCORE_MIN: f32 = 0.4;
/// Limits the longer side of the photo, px, in the fine pass, which runs on tiles.
const FINE_SIDE_PX_MAX: u32 = 3840;
/// Side of a tile, px.
const TILE_SIDE_PX: u32 = 640;
/// Overlap of adjacent tiles, px, so that at least one tile contains the whole of a small face.
const TILE_OVERLAP_PX: u32 = 96;
/// Limits a photo to 2,000 candidates, and thereby memory and time; the candidates with the lowest scores are
/// dropped.
pub(super) const CANDIDATES_MAX: usize = 2000;

impl Detector {
    /// Returns the candidates of `picture` in its pixels, best first, after non-maximum suppression.
    pub(crate) fn candidates(&self, picture: &Picture) -> Result<Vec<Detection>> {
        let longer = picture.width().max(picture.height());
        let side = self.fixed_side_px.unwrap_or(if longer > LARGE_PHOTO_PX {
            2 * FRAME_SIDE_PX
        } else {
            FRAME_SIDE_PX
        });
        let scale = (side as f32 / longer as f32).min(ENLARGE_MAX);
        let hints = self.detect_at(picture, scale, HINT_SCORE_MIN)?;
        let mut found = self.fine(picture, scale, &hints)?;
        let close_up = CLOSE_UP_SIDE_PX as f32 / longer as f32;
        // The close-up pass is for faces that fill the frame. If the coarse pass found faces and none of
        // them is near its upper size limit, there are no such faces.
        let large = |hint: &Detection| hint.input_side_px > LARGE_FACE_PX;
        let sure = |hint: &Detection| hint.score >= CANDIDATE_SCORE_MIN;
        let needed = hints.iter().any(large) || !hints.iter().any(sure);
        if needed && self.fixed_side_px.is_none() && close_up < scale {
            found.extend(self.detect_at(picture, close_up, CANDIDATE_SCORE_MIN)?);
        }
        found.extend(hints.into_iter().filter(|hint| hint.score >= CANDIDATE_SCORE_MIN));
        let mut found = suppress(found, 0.4);
        found.truncate(CANDIDATES_MAX);
        Ok(found)
    }

    /// Runs the detector on the whole photo at `scale`.
    fn detect_at(&self, picture: &Picture, scale: f32, score_min: f32) -> Result<Vec<Detection>> {
        let scaled = |side: u32| ((side as f32 * scale).round() as u32).max(1);
        let (width, height) = (scaled(picture.width()), scaled(picture.height()));
        let input = picture.cut(picture.frame(), width, height, self.canvas(width, height))?;
        let found = self.run(&[input], score_min)?.pop().unwrap_or_default();
        let (x, y) =
            (picture.width() as f32 / width as f32, picture.height() as f32 / height as f32);
        Ok(found.into_iter().map(|face| transformed(face, [x, y], [0.0, 0.0])).collect())
    }

    /// Runs the fine pass on the tiles that contain a hint of a small face.
    fn fine(&self, picture: &Picture, coarse: f32, hints: &[Detection]) -> Result<Vec<Detection>> {
        let longer = picture.width().max(picture.height());
        let fine = (FINE_SIDE_PX_MAX as f32 / longer as f32).min(1.0);
        if fine < coarse * 1.5 {
            return Ok(Vec::new());
        }
        let small =
            |hint: &&Detection| hint.region.width.max(hint.region.height) * coarse < SMALL_FACE_PX;
        let small: Vec<_> = hints.iter().filter(small).map(|hint| hint.region.centre()).collect();
        let mut found = Vec::new();
        for y in starts(picture.height(), fine) {
            for x in starts(picture.width(), fine) {
                let side = TILE_SIDE_PX as f32 / fine;
                let tile = Region { x, y, width: side, height: side };
                if small.iter().any(|&centre| inside(&tile, centre)) {
                    found.extend(self.tile(picture, tile)?);
                }
            }
        }
        Ok(found)
    }

    fn tile(&self, picture: &Picture, tile: Region) -> Result<Vec<Detection>> {
        let (side, scale) = (TILE_SIDE_PX, tile.width / TILE_SIDE_PX as f32);
        let input = picture.cut(tile, side, side, self.canvas(side, side))?;
        let found = self.run(&[input], CANDIDATE_SCORE_MIN)?.pop().unwrap_or_default();
        let found =
            found.into_iter().map(|face| transformed(face, [scale, scale], [tile.x, tile.y]));
        Ok(found.filter(|face| !cut_off(&face.region, &tile, picture)).collect())
    }
}

/// Returns the left (or top) edges, in photo px, of the tiles along a side of `length` px at scale `fine`.
fn starts(length: u32, fine: f32) -> Vec<f32> {
    let scaled = (length as f32 * fine).ceil() as u32;
    if scaled <= TILE_SIDE_PX {
        return vec![0.0];
    }
    let count = (scaled - TILE_OVERLAP_PX).div_ceil(TILE_SIDE_PX - TILE_OVERLAP_PX).max(2);
    let step = (scaled - TILE_SIDE_PX) as f32 / (count - 1) as f32;
    (0..count).map(|i| i as f32 * step / fine).collect()
}

fn inside(tile: &Region, [x, y]: [f32; 2]) -> bool {
    x >= tile.x && x < tile.x + tile.width && y >= tile.y && y < tile.y + tile.height
}

/// Returns whether an inner edge of `tile` cuts `face`, which the neighbouring tile then contains entirely.
fn cut_off(face: &Region, tile: &Region, picture: &Picture) -> bool {
    let slack = tile.width / TILE_SIDE_PX as f32 * 2.0;
    let overlap = slack / 2.0 * TILE_OVERLAP_PX as f32;
    let near = |edge: f32, side: f32, limit: f32| {
        (edge - side).abs() < slack && (side - limit).abs() > slack
    };
    let right = (face.x + face.width, tile.x + tile.width, picture.width() as f32);
    let bottom = (face.y + face.height, tile.y + tile.height, picture.height() as f32);
    let at_edge = (face.x - tile.x < slack && tile.x > slack)
        || (face.y - tile.y < slack && tile.y > slack)
        || near(right.0.min(right.1), right.1, right.2)
        || near(bottom.0.min(bottom.1), bottom.1, bottom.2);
    at_edge && face.width.max(face.height) < overlap
}

/// Scales a detection and then shifts it.
pub(super) fn transformed(mut face: Detection, scale: [f32; 2], by: [f32; 2]) -> Detection {
    let region = &mut face.region;
    (region.x, region.y) = (region.x * scale[0] + by[0], region.y * scale[1] + by[1]);
    (region.width, region.height) = (region.width * scale[0], region.height * scale[1]);
    for point in &mut face.landmarks {
        *point = [point[0] * scale[0] + by[0], point[1] * scale[1] + by[1]];
    }
    face
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_side_and_overlap() {
        for length in [1, 640, 641, 1000, 1920, 2000, 3840] {
            let starts = starts(length, 1.0);
            assert_eq!(starts[0], 0.0);
            let end = starts.last().unwrap() + TILE_SIDE_PX as f32;
            assert!(end >= length as f32 - 0.5, "{length}: tiles end at {end}");
            for pair in starts.windows(2) {
                assert!(
                    pair[1] - pair[0] <= (TILE_SIDE_PX - TILE_OVERLAP_PX) as f32 + 0.5,
                    "{length}: {pair:?}"
                );
            }
        }
    }

    #[test]
    fn a_face_cut_by_an_inner_tile_edge_is_left_to_the_neighbour() {
        let picture = Picture::new(1280, 700, vec![0; 1280 * 700 * 3]).unwrap();
        let tile = Region { x: 0.0, y: 0.0, width: 640.0, height: 640.0 };
        let face = |x| Region { x, y: 100.0, width: 40.0, height: 40.0 };
        assert!(cut_off(&face(605.0), &tile, &picture));
        assert!(!cut_off(&face(300.0), &tile, &picture));
        assert!(!cut_off(&face(0.0), &tile, &picture), "the photo's own edge cuts nothing off");
        let wide = Region { x: 400.0, width: 240.0, ..face(0.0) };
        assert!(!cut_off(&wide, &tile, &picture), "too large for the overlap: kept");
    }
}
