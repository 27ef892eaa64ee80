//! A second look at each candidate on a crop of its own, where the face has the detector's best size.
//!
//! Confirms or drops the candidate and sets its landmarks anew: landmarks decide recognition
//! (`matching` figures). Knows nothing of tiles, alignment targets or embeddings.

use super::scales::moved;
use super::{Detection, Detector, Landmarks};
use crate::error::Result;
use crate::picture::{Picture, Region};

/// Side of the square crop ("chip") a face is looked at on, px. Range 160 to 320, multiple of 64;
/// cost grows with its square (256: about 1.3 ms with bf16). Measure with `picpick-bench accuracy`.
pub(crate) const CHIP_SIDE_PX: u32 = 256;
/// Side of the chip in longer sides of the candidate's box: the face fills half of the chip.
const CHIP_FACTOR: f32 = 2.0;
/// A candidate is a face when the second look gives it at least this score.
const FACE_SCORE_MIN: f32 = 0.6;
/// The second look must mean the same face: overlap with the candidate's box.
const SAME_FACE_IOU_MIN: f32 = 0.35;
/// Two confirmed faces that overlap more than this are one.
const DOUBLE_IOU_MIN: f32 = 0.45;
/// Chips looked at in one run of the model.
const CHIPS_MAX: usize = 8;

/// A confirmed face and the crop it was confirmed on.
pub(crate) struct Refined {
    /// Box and landmarks in the photo's pixels; score of the second look.
    pub(crate) face: Detection,
    /// The crop, `CHIP_SIDE_PX` square (the model's fixed side for fixed models).
    pub(crate) chip: Picture,
    /// Landmarks in the chip's pixels.
    pub(crate) chip_landmarks: Landmarks,
}

impl Detector {
    /// Looks at `candidates` (best first) again and hands each confirmed face to `take`, a few at a
    /// time, so that memory does not grow with the number of faces.
    pub(crate) fn refine(
        &self,
        picture: &Picture,
        candidates: &[Detection],
        mut take: impl FnMut(Refined) -> Result<()>,
    ) -> Result<()> {
        let mut known: Vec<Region> = Vec::new();
        let (batches, rest) = candidates.as_chunks::<CHIPS_MAX>();
        let batches: Vec<&[Detection]> = match self.fixed_side_px {
            None => batches.iter().map(|batch| batch.as_slice()).chain(rest.chunks(1)).collect(),
            Some(_) => candidates.chunks(1).collect(),
        };
        for batch in batches {
            for refined in self.refine_batch(picture, batch)?.into_iter().flatten() {
                if known.iter().all(|other| other.iou(&refined.face.region) < DOUBLE_IOU_MIN) {
                    known.push(refined.face.region);
                    take(refined)?;
                }
            }
        }
        Ok(())
    }

    fn refine_batch(&self, picture: &Picture, batch: &[Detection]) -> Result<Vec<Option<Refined>>> {
        let side = self.fixed_side_px.unwrap_or_else(|| std::env::var("PP_SIDE").ok().and_then(|v| v.parse().ok()).unwrap_or(CHIP_SIDE_PX));
        let regions: Vec<Region> = batch.iter().map(|face| face.region.square(std::env::var("PP_FACTOR").ok().and_then(|v| v.parse().ok()).unwrap_or(CHIP_FACTOR))).collect();
        let cut = |region: &Region| picture.cut(*region, side, side, (side, side));
        let chips = regions.iter().map(cut).collect::<Result<Vec<_>>>()?;
        let looks = self.run(&chips, FACE_SCORE_MIN)?;
        let all = chips.into_iter().zip(looks).zip(regions).zip(batch);
        Ok(all.map(|(((chip, look), region), face)| confirm(chip, look, region, face)).collect())
    }
}

/// The face of `look` that is the candidate, moved from the chip into the photo.
fn confirm(chip: Picture, look: Vec<Detection>, region: Region, candidate: &Detection) -> Option<Refined> {
    let scale = region.width / chip.width() as f32;
    let in_chip = Region {
        x: (candidate.region.x - region.x) / scale,
        y: (candidate.region.y - region.y) / scale,
        width: candidate.region.width / scale,
        height: candidate.region.height / scale,
    };
    let best = look.into_iter().max_by(|a, b| a.region.iou(&in_chip).total_cmp(&b.region.iou(&in_chip)))?;
    if best.region.iou(&in_chip) < SAME_FACE_IOU_MIN || !best.landmarks.iter().flatten().all(|at| at.is_finite()) {
        return None;
    }
    let chip_landmarks = best.landmarks;
    let face = moved(best, [scale, scale], [region.x, region.y]);
    Some(Refined { face, chip, chip_landmarks })
}
