use crate::models::manifest::Matching;
use crate::quality::Quality;

/// Increase of the threshold, as a cosine, for a face of quality 0. The increase falls linearly to 0 at
/// `Quality::LOW`. Range 0 to 0.15: a higher value loses low-quality faces, a lower value lets blurred faces
/// match strangers. Measure with `picpick-bench accuracy`.
const LOW_QUALITY_PENALTY: f32 = 0.08;

/// A threshold offset, 0 to 0.20, that the owner adds to the threshold of the pack's formula.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct ThresholdOffset(f32);

impl ThresholdOffset {
    /// The highest offset, 0.20. Two pictures of one person have a cosine of about 0.67 (LFW), and thresholds
    /// are 0.36 to 0.58. A higher offset could raise the threshold far above 0.67 and reject true matches.
    pub const MAX: ThresholdOffset = ThresholdOffset(0.2);

    /// Creates an offset; `None` unless `value` is 0 to 0.20.
    pub fn new(value: f32) -> Option<Self> {
        (0.0..=Self::MAX.0).contains(&value).then_some(Self(value))
    }

    /// Returns the number that is added to the threshold.
    pub fn value(self) -> f32 {
        self.0
    }

    /// Encodes the offset: a format byte, 1, and an f32, little endian.
    pub(crate) fn to_bytes(self) -> [u8; 5] {
        let [a, b, c, d] = self.0.to_le_bytes();
        [1, a, b, c, d]
    }

    /// Decodes bytes that `to_bytes` produced; `None` for any other bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [1, a, b, c, d] => Self::new(f32::from_le_bytes([a, b, c, d])),
            _ => None,
        }
    }
}

impl Matching {
    /// Returns the similarity that a good face must reach in a collection of `faces` faces.
    ///
    /// With a false match rate m per comparison and N faces, a search returns a photo to a stranger with the
    /// probability FPIR = 1 − (1 − m)^N ≈ m · N (false positive identification rate). The tail of the
    /// impostor similarities falls about exponentially, so a constant FPIR requires a constant increase for
    /// each tenfold N: threshold = base + per_decade · log10(N), with N clamped to 100 to 1,000,000. The
    /// constants of each pack are fitted to an FPIR of 0.3 % with `picpick-bench accuracy`.
    pub fn threshold(&self, faces: usize) -> f32 {
        let decades = (faces.clamp(100, 1_000_000) as f32).log10();
        self.threshold_base + self.threshold_per_decade * decades
    }
}

/// Returns the threshold for a face of `quality`, where `threshold` is the threshold for good faces.
pub fn threshold_for(threshold: f32, quality: f32) -> f32 {
    threshold + LOW_QUALITY_PENALTY * (1.0 - quality / Quality::LOW).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_rises_with_the_collection_and_stops_at_the_ends() {
        let matching =
            Matching { threshold_base: 0.3, threshold_per_decade: 0.05, ..Matching::default() };
        assert!((matching.threshold(10_000) - 0.5).abs() < 1e-6);
        assert_eq!(matching.threshold(0), matching.threshold(100));
        assert!(matching.threshold(50_000) > matching.threshold(500));
        assert_eq!(matching.threshold(usize::MAX), matching.threshold(1_000_000));
    }

    #[test]
    fn an_offset_never_lowers_the_threshold_and_reads_back() {
        for added in [0.0, 0.05, 0.2] {
            let offset = ThresholdOffset::new(added).unwrap_or(ThresholdOffset::MAX);
            assert_eq!(offset.value(), added);
            assert_eq!(ThresholdOffset::from_bytes(&offset.to_bytes()), Some(offset));
        }
        for wrong in [-0.01, 0.21, 5.0, f32::NAN, f32::INFINITY] {
            assert_eq!(ThresholdOffset::new(wrong), None, "{wrong}");
            let [a, b, c, d] = wrong.to_le_bytes();
            assert_eq!(ThresholdOffset::from_bytes(&[1, a, b, c, d]), None, "{wrong}");
        }
        for wrong in [&[][..], &[1], &[2, 0, 0, 0, 0], &[1, 0, 0, 0, 0, 0]] {
            assert_eq!(ThresholdOffset::from_bytes(wrong), None);
        }
    }
}
