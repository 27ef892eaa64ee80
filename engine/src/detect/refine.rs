//! Runs the detector again on two crops of each candidate: one confirms the face, one sets its landmarks.
//!
//! Recognition depends on the landmarks, and a detector places them best on a face of a certain size.

use super::scales::transformed;
use super::{Detection, Detector, Landmarks};
use crate::error::Result;
use crate::picture::{Picture, Region};

/// The geometry of a crop ("chip") for a detector pass: a square of `side_px` that covers `factor` times the
/// longer side of the face's box.
struct ChipGeometry {
    side_px: u32,
    factor: f32,
}

/// The confirming pass, which decides whether a candidate is a face; the face fills half of the chip. Range
/// of the side: 160 to 320, a multiple of 64. Cost grows with its square (256: about 1.3 ms with bf16).
const CONFIRM: ChipGeometry = ChipGeometry { side_px: CHIP_SIDE_PX, factor: 2.0 };
/// The landmark pass: the face has about 200 px, where YuNet places landmarks best.
const LANDMARK: ChipGeometry = ChipGeometry { side_px: 320, factor: 1.6 };
/// The passes over a selfie's face. Sizes and surroundings differ, so the landmarks have different errors. A
/// pass takes 1 to 3 ms with bf16, once per query. On LFW, the mean of the landmarks raises the true positive
/// identification rate of searches through people by 0.005.
const QUERY_PASSES: [ChipGeometry; 6] = [
    CONFIRM,
    LANDMARK,
    ChipGeometry { side_px: 320, factor: 2.0 },
    ChipGeometry { side_px: 256, factor: 1.6 },
    ChipGeometry { side_px: 384, factor: 1.6 },
    ChipGeometry { side_px: 320, factor: 2.6 },
];
/// Weight of the confirming pass in the landmarks, 0 to 1. The errors of two passes differ, so the mean has a
/// smaller error. On LFW the mean gains as much recall as a second embedding, at a third of the cost. Measure
/// with `picpick-bench accuracy`.
const CONFIRM_WEIGHT: f32 = 0.4;
/// Lowest size in the model's input, px, at which a candidate needs no confirming pass, because the pass over
/// the photo is as reliable. Range 48 to 128; a higher value costs up to 1.3 ms per face.
const SINGLE_PASS_PX_MIN: f32 = 56.0;
/// Side of the confirming pass's chip, px.
pub(crate) const CHIP_SIDE_PX: u32 = 256;
/// Lowest score that passes the confirming pass.
const FACE_SCORE_MIN: f32 = 0.6;
/// Lowest score of the landmark pass alone. It is below `FACE_SCORE_MIN`, because the mean must also reach
/// `BOTH_SCORE_MIN`.
const LANDMARK_SCORE_MIN: f32 = 0.3;
/// Lowest mean score of both passes.
const BOTH_SCORE_MIN: f32 = 0.58;
/// Lowest score of a pass over a selfie's face. It is low because the face is already confirmed; a pass with
/// a lower score places the landmarks badly.
const QUERY_SCORE_MIN: f32 = 0.2;
/// Lowest intersection over union with the candidate's box at which a detection is the candidate's face.
const SAME_FACE_IOU_MIN: f32 = 0.35;
/// Lowest intersection over union at which two confirmed faces are one face.
const DOUBLE_IOU_MIN: f32 = 0.45;
/// Number of chips in a full batch, which one run of the model processes.
const CHIPS_MAX: usize = 8;

/// A confirmed face and the chip of its landmark pass.
pub(crate) struct Refined {
    /// The face in the photo's pixels, with the mean score of both passes.
    pub(crate) face: Detection,
    /// The chip of the landmark pass, square.
    pub(crate) chip: Picture,
    /// Landmarks in the chip's pixels.
    pub(crate) chip_landmarks: Landmarks,
    /// Photo pixels per chip pixel.
    scale: f32,
}

impl Detector {
    /// Confirms `candidates` (best first) and passes each confirmed face to `take`, in batches of at most 8,
    /// so that memory does not grow with the number of faces.
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
            batch.iter().cloned().partition(|face| face.input_side_px >= SINGLE_PASS_PX_MIN);
        let mut first = large;
        for group in self.groups(&small) {
            let confirmed = self.run_on_chips(picture, group, &CONFIRM, FACE_SCORE_MIN)?;
            first.extend(confirmed.into_iter().flatten().map(|refined| refined.face));
        }
        let mut all = Vec::with_capacity(first.len());
        for group in self.groups(&first) {
            let second = self.run_on_chips(picture, group, &LANDMARK, LANDMARK_SCORE_MIN)?;
            let both = second.into_iter().zip(group);
            let both = both.filter_map(|(second, first)| Some(averaged(second?, first)));
            all.extend(both.filter(|refined| refined.face.score >= BOTH_SCORE_MIN));
        }
        Ok(all)
    }

    /// Runs the detector on a chip of each of `faces`. Returns `None` for each face that the detector does
    /// not find.
    fn run_on_chips(
        &self,
        picture: &Picture,
        faces: &[Detection],
        pass: &ChipGeometry,
        score_min: f32,
    ) -> Result<Vec<Option<Refined>>> {
        let side = self.fixed_side_px.unwrap_or(pass.side_px);
        let regions: Vec<Region> =
            faces.iter().map(|face| face.region.square(pass.factor)).collect();
        let cut = |region: &Region| picture.cut(*region, side, side, (side, side));
        let chips = regions.iter().map(cut).collect::<Result<Vec<_>>>()?;
        let seen = self.run(&chips, score_min)?;
        let all = chips.into_iter().zip(seen).zip(regions).zip(faces);
        Ok(all.map(|(((chip, seen), region), face)| confirm(chip, seen, region, face)).collect())
    }

    /// Returns the chip of a face and the landmarks in chip pixels, averaged over `QUERY_PASSES`. Returns
    /// `None` if no pass finds the face.
    pub(crate) fn refine_for_query(
        &self,
        picture: &Picture,
        face: &Detection,
    ) -> Result<Option<(Picture, Landmarks)>> {
        let (mut seen, mut sum) = (0.0, [[0.0; 2]; 5]);
        for pass in &QUERY_PASSES {
            let again =
                self.run_on_chips(picture, std::slice::from_ref(face), pass, QUERY_SCORE_MIN)?;
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

    /// Splits `faces` into full batches and single faces, so that the runtime compiles two shapes only.
    fn groups<'a>(&self, faces: &'a [Detection]) -> Vec<&'a [Detection]> {
        if self.fixed_side_px.is_some() {
            return faces.chunks(1).collect();
        }
        let (batches, rest) = faces.as_chunks::<CHIPS_MAX>();
        batches.iter().map(|batch| batch.as_slice()).chain(rest.chunks(1)).collect()
    }
}

/// Combines both passes on the chip of the second pass: averages the landmarks with weights, and the scores.
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

/// Finds the candidate among the detections in its chip, and converts the detection to the photo's
/// coordinates.
fn confirm(
    chip: Picture,
    pass: Vec<Detection>,
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
    let best = pass
        .into_iter()
        .max_by(|a, b| a.region.iou(&in_chip).total_cmp(&b.region.iou(&in_chip)))?;
    if best.region.iou(&in_chip) < SAME_FACE_IOU_MIN
        || !best.landmarks.iter().flatten().all(|at| at.is_finite())
    {
        return None;
    }
    let chip_landmarks = best.landmarks;
    let face = transformed(best, [scale, scale], [region.x, region.y]);
    Some(Refined { face, chip, chip_landmarks, scale })
}
