//! Two more looks at each candidate on crops of its own: one confirms it, one sets its landmarks.
//!
//! Landmarks decide recognition, and a detector places them best on a face of its favourite size.
//! Knows nothing of tiles, alignment targets or embeddings.

use super::scales::moved;
use super::{Detection, Detector, Landmarks};
use crate::error::Result;
use crate::picture::{Picture, Region};

/// One look: a square crop ("chip") of `side_px`, as wide as `factor` longer sides of the face's box.
struct Look {
    side_px: u32,
    factor: f32,
}

/// The look that decides whether a candidate is a face, which then fills half of the chip. Side 160 to
/// 320, multiple of 64; cost grows with its square (256: about 1.3 ms with bf16).
const CONFIRM: Look = Look { side_px: CHIP_SIDE_PX, factor: 2.0 };
/// The look that sets the landmarks: the face has some 200 px, where YuNet places them best.
const LANDMARK: Look = Look { side_px: 320, factor: 1.6 };
/// The looks at a selfie's face: sizes and surroundings differ, so their landmarks err apart. Each costs
/// 1 to 3 ms with bf16, once a query; on LFW their mean lifts TPIR through people by .005.
const CLOSE: [Look; 6] = [
    CONFIRM,
    LANDMARK,
    Look { side_px: 320, factor: 2.0 },
    Look { side_px: 256, factor: 1.6 },
    Look { side_px: 384, factor: 1.6 },
    Look { side_px: 320, factor: 2.6 },
];
/// Share of the confirming look in the landmarks. Two looks err apart, so their mean errs less: on LFW
/// it is worth as much recall as a second embedding, at a third of its cost (`picpick-bench accuracy`).
const CONFIRM_WEIGHT: f32 = 0.4;
/// A candidate that the photo's look saw at this size or more needs no confirming look: that look
/// was as good. Range 48 to 128 px; higher costs up to 1.3 ms a face.
const FIRST_LOOK_PX_MIN: f32 = 56.0;
/// Side of the first chip, px.
pub(crate) const CHIP_SIDE_PX: u32 = 256;
/// The confirming look's lowest score.
const FACE_SCORE_MIN: f32 = 0.6;
/// The landmark look need not be as sure by itself, but both looks together must be.
const LANDMARK_SCORE_MIN: f32 = 0.3;
const BOTH_SCORE_MIN: f32 = 0.58;
/// The face is known to be there; a look that hardly sees it places its landmarks badly.
const CLOSE_SCORE_MIN: f32 = 0.2;
/// A look must mean the same face: overlap with the candidate's box.
const SAME_FACE_IOU_MIN: f32 = 0.35;
/// Two confirmed faces that overlap more than this are one.
const DOUBLE_IOU_MIN: f32 = 0.45;
/// Chips looked at in one run of the model.
const CHIPS_MAX: usize = 8;

/// A confirmed face and the crop it was confirmed on.
pub(crate) struct Refined {
    /// Box and landmarks in the photo's pixels; the mean score of both looks.
    pub(crate) face: Detection,
    /// The crop of the landmark look, square.
    pub(crate) chip: Picture,
    /// Landmarks in the chip's pixels.
    pub(crate) chip_landmarks: Landmarks,
    /// Photo pixels per chip pixel.
    scale: f32,
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
        for batch in self.groups(candidates) {
            for refined in self.refine_batch(picture, batch)? {
                if known.iter().all(|other| other.iou(&refined.face.region) < DOUBLE_IOU_MIN) {
                    known.push(refined.face.region);
                    take(refined)?;
                }
            }
        }
        Ok(())
    }

    fn refine_batch(&self, picture: &Picture, batch: &[Detection]) -> Result<Vec<Refined>> {
        let (large, small): (Vec<Detection>, Vec<Detection>) =
            batch.iter().cloned().partition(|face| face.seen_px >= FIRST_LOOK_PX_MIN);
        let mut first = large;
        for group in self.groups(&small) {
            let confirmed = self.look_again(picture, group, &CONFIRM, FACE_SCORE_MIN)?;
            first.extend(confirmed.into_iter().flatten().map(|refined| refined.face));
        }
        let mut all = Vec::with_capacity(first.len());
        for group in self.groups(&first) {
            let second = self.look_again(picture, group, &LANDMARK, LANDMARK_SCORE_MIN)?;
            let both = second.into_iter().zip(group);
            let both = both.filter_map(|(second, first)| Some(averaged(second?, first)));
            all.extend(both.filter(|refined| refined.face.score >= BOTH_SCORE_MIN));
        }
        Ok(all)
    }

    /// Looks at each of `faces` on a chip of its own; `None` where that face is not seen.
    fn look_again(
        &self,
        picture: &Picture,
        faces: &[Detection],
        look: &Look,
        score_min: f32,
    ) -> Result<Vec<Option<Refined>>> {
        let side = self.fixed_side_px.unwrap_or(look.side_px);
        let regions: Vec<Region> =
            faces.iter().map(|face| face.region.square(look.factor)).collect();
        let cut = |region: &Region| picture.cut(*region, side, side, (side, side));
        let chips = regions.iter().map(cut).collect::<Result<Vec<_>>>()?;
        let seen = self.run(&chips, score_min)?;
        let all = chips.into_iter().zip(seen).zip(regions).zip(faces);
        Ok(all.map(|(((chip, seen), region), face)| confirm(chip, seen, region, face)).collect())
    }

    /// A face's chip with landmarks, in its pixels, that are the mean of many looks; `None` where no
    /// look sees the face again.
    pub(crate) fn closely(
        &self,
        picture: &Picture,
        face: &Detection,
    ) -> Result<Option<(Picture, Landmarks)>> {
        let (mut seen, mut sum) = (0.0, [[0.0; 2]; 5]);
        for look in &CLOSE {
            let again =
                self.look_again(picture, std::slice::from_ref(face), look, CLOSE_SCORE_MIN)?;
            for landmarks in again.into_iter().flatten().map(|again| again.face.landmarks) {
                seen += 1.0;
                for (sum, point) in sum.as_flattened_mut().iter_mut().zip(landmarks.as_flattened())
                {
                    *sum += point;
                }
            }
        }
        if seen == 0.0 {
            return Ok(None);
        }
        let side = self.fixed_side_px.unwrap_or(LANDMARK.side_px);
        let region = face.region.square(LANDMARK.factor);
        let chip = picture.cut(region, side, side, (side, side))?;
        let scale = region.width / side as f32;
        let in_chip =
            |[x, y]: [f32; 2]| [(x / seen - region.x) / scale, (y / seen - region.y) / scale];
        Ok(Some((chip, sum.map(in_chip))))
    }

    /// `faces` in full batches and then one by one: two shapes only reach the runtime.
    fn groups<'a>(&self, faces: &'a [Detection]) -> Vec<&'a [Detection]> {
        if self.fixed_side_px.is_some() {
            return faces.chunks(1).collect();
        }
        let (batches, rest) = faces.as_chunks::<CHIPS_MAX>();
        batches.iter().map(|batch| batch.as_slice()).chain(rest.chunks(1)).collect()
    }
}

/// The second look with the mean of both looks' landmarks and score.
fn averaged(mut second: Refined, first: &Detection) -> Refined {
    let scale = second.scale;
    let landmarks =
        second.face.landmarks.iter_mut().zip(&mut second.chip_landmarks).zip(&first.landmarks);
    for ((in_photo, in_chip), first) in landmarks {
        for axis in 0..2 {
            let shift = CONFIRM_WEIGHT * (first[axis] - in_photo[axis]);
            in_photo[axis] += shift;
            in_chip[axis] += shift / scale;
        }
    }
    second.face.score = f32::midpoint(second.face.score, first.score);
    second
}

/// The face of `look` that is the candidate, moved from the chip into the photo.
fn confirm(
    chip: Picture,
    look: Vec<Detection>,
    region: Region,
    candidate: &Detection,
) -> Option<Refined> {
    let scale = region.width / chip.width() as f32;
    let in_chip = Region {
        x: (candidate.region.x - region.x) / scale,
        y: (candidate.region.y - region.y) / scale,
        width: candidate.region.width / scale,
        height: candidate.region.height / scale,
    };
    let best = look
        .into_iter()
        .max_by(|a, b| a.region.iou(&in_chip).total_cmp(&b.region.iou(&in_chip)))?;
    if best.region.iou(&in_chip) < SAME_FACE_IOU_MIN
        || !best.landmarks.iter().flatten().all(|at| at.is_finite())
    {
        return None;
    }
    let chip_landmarks = best.landmarks;
    let face = moved(best, [scale, scale], [region.x, region.y]);
    Some(Refined { face, chip, chip_landmarks, scale })
}
