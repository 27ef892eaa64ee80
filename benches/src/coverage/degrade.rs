use anyhow::Result;
use picpick_engine::Picture;

/// A degradation of a photo: a Gaussian blur, then a reduction of its size. The default changes nothing.
#[derive(Clone, Copy, Default, PartialEq)]
pub struct Degradation {
    /// Distance between the eyes after the reduction, pixels. Photos are never enlarged.
    pub eyes_px: Option<f32>,
    /// Standard deviation of the blur, as a fraction of the distance between the eyes, so that it does not
    /// depend on the picture's size.
    pub blur: Option<f32>,
}

impl Degradation {
    pub fn kind(self) -> &'static str {
        match (self.eyes_px, self.blur) {
            (None, None) => "unchanged",
            (Some(_), None) => "reduced",
            (None, Some(_)) => "blurred",
            (Some(_), Some(_)) => "both",
        }
    }

    pub fn name(self) -> String {
        let eyes = self.eyes_px.map(|eyes| format!("eyes {eyes} px"));
        let blur = self.blur.map(|blur| format!("blur {blur}"));
        let name = [eyes, blur].into_iter().flatten().collect::<Vec<_>>().join(", ");
        if name.is_empty() { self.kind().to_owned() } else { name }
    }

    /// Degrades a picture of a face whose eyes are `eyes_px` pixels apart.
    pub fn apply(self, picture: &Picture, eyes_px: f32) -> Result<Picture> {
        let blurred = self.blur.map(|share| gaussian_blur(picture, share * eyes_px)).transpose()?;
        let picture = blurred.as_ref().unwrap_or(picture);
        let scale = self.eyes_px.map_or(1.0, |to_px| (to_px / eyes_px).min(1.0));
        let side = |side: u32| ((side as f32 * scale).round() as u32).max(1);
        let (width, height) = (side(picture.width()), side(picture.height()));
        Ok(picture.cut(picture.frame(), width, height, (width, height))?)
    }
}

/// Blurs with a Gaussian kernel of standard deviation `sigma`, pixels, truncated at 3 sigma. A point outside
/// the picture has the colour of the nearest edge pixel.
fn gaussian_blur(picture: &Picture, sigma: f32) -> Result<Picture> {
    let radius = (3.0 * sigma).ceil() as i64;
    let weight = |at: i64| (-0.5 * (at as f32 / sigma).powi(2)).exp();
    let sum: f32 = (-radius..=radius).map(weight).sum();
    let weights: Vec<(i64, f32)> = (-radius..=radius).map(|at| (at, weight(at) / sum)).collect();
    let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
    let pass = |from: &[f32], along: (i64, i64)| -> Vec<f32> {
        let value = |nth: i64| {
            let (x, y, channel) = (nth / 3 % width, nth / 3 / width, nth % 3);
            let weighted = weights.iter().map(|(at, weight)| {
                let x = (x + at * along.0).clamp(0, width - 1);
                let y = (y + at * along.1).clamp(0, height - 1);
                let index = usize::try_from((y * width + x) * 3 + channel).unwrap_or(usize::MAX);
                from.get(index).copied().unwrap_or(0.0) * weight
            });
            weighted.sum()
        };
        (0..width * height * 3).map(value).collect()
    };
    let sharp: Vec<f32> = picture.pixels().iter().map(|&value| f32::from(value)).collect();
    let soft = pass(&pass(&sharp, (1, 0)), (0, 1));
    let pixels = soft.into_iter().map(|value| value.round() as u8).collect();
    Ok(Picture::new(picture.width(), picture.height(), pixels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_keeps_a_uniform_picture_and_spreads_a_dot() -> Result<()> {
        let uniform = Picture::new(9, 9, vec![77; 9 * 9 * 3])?;
        assert!(gaussian_blur(&uniform, 2.0)?.pixels().iter().all(|&value| value == 77));
        let dot = |nth: usize| if nth / 3 == 40 { 255 } else { 0 };
        let soft = gaussian_blur(&Picture::new(9, 9, (0..9 * 9 * 3).map(dot).collect())?, 1.0)?;
        let at = |x: usize, y: usize| soft.pixels().get((y * 9 + x) * 3).copied();
        // The centre of a two-dimensional Gaussian of sigma 1 is 1 / (2 π), so 255 becomes 41.
        assert!(at(4, 4).is_some_and(|value| value.abs_diff(41) <= 2), "{:?}", at(4, 4));
        assert_eq!((at(3, 4), at(4, 3)), (at(5, 4), at(4, 5)));
        Ok(())
    }

    #[test]
    fn a_reduction_sets_the_distance_between_the_eyes() -> Result<()> {
        let picture = Picture::new(200, 100, vec![77; 200 * 100 * 3])?;
        let reduction = Degradation { eyes_px: Some(10.0), blur: None };
        let reduced = reduction.apply(&picture, 40.0)?;
        assert_eq!((reduced.width(), reduced.height()), (50, 25));
        assert_eq!(reduction.apply(&picture, 5.0)?.width(), 200, "never enlarged");
        assert_eq!(reduction.name(), "eyes 10 px");
        assert_eq!(Degradation::default().name(), "unchanged");
        Ok(())
    }
}
