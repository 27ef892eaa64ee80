//! Photos made worse in known ways: fewer pixels, less detail.
//!
//! Pictures in, pictures out; knows nothing of faces but how far apart their eyes are.

use anyhow::Result;
use picpick_engine::Picture;

/// What is done to a photo.
#[derive(Clone, Copy, Default, PartialEq)]
pub struct Step {
    /// It is made smaller, so that the eyes are so far apart, in pixels; never larger.
    pub eyes_px: Option<f32>,
    /// Before that it is blurred: the standard deviation as a share of the distance between the eyes, so that
    /// pictures of other sizes give the same figures.
    pub blur: Option<f32>,
}

impl Step {
    pub fn kind(self) -> &'static str {
        match (self.eyes_px, self.blur) {
            (None, None) => "as it is",
            (Some(_), None) => "smaller",
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

    /// The picture of a face whose eyes are `eyes_px` apart.
    pub fn of(self, picture: &Picture, eyes_px: f32) -> Result<Picture> {
        let soft = self.blur.map(|share| blurred(picture, share * eyes_px)).transpose()?;
        let picture = soft.as_ref().unwrap_or(picture);
        let scale = self.eyes_px.map_or(1.0, |to_px| (to_px / eyes_px).min(1.0));
        let side = |side: u32| ((side as f32 * scale).round() as u32).max(1);
        let (width, height) = (side(picture.width()), side(picture.height()));
        Ok(picture.cut(picture.frame(), width, height, (width, height))?)
    }
}

/// Gaussian blur of `sigma` px, out to three of them; beyond the edge its pixels go on.
fn blurred(picture: &Picture, sigma: f32) -> Result<Picture> {
    let reach = (3.0 * sigma).ceil() as i64;
    let weight = |at: i64| (-0.5 * (at as f32 / sigma).powi(2)).exp();
    let sum: f32 = (-reach..=reach).map(weight).sum();
    let weights: Vec<(i64, f32)> = (-reach..=reach).map(|at| (at, weight(at) / sum)).collect();
    let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
    let pass = |from: &[f32], along: (i64, i64)| -> Vec<f32> {
        let value = |nth: i64| {
            let (x, y, channel) = (nth / 3 % width, nth / 3 / width, nth % 3);
            let near = weights.iter().map(|(at, weight)| {
                let x = (x + at * along.0).clamp(0, width - 1);
                let y = (y + at * along.1).clamp(0, height - 1);
                let place = usize::try_from((y * width + x) * 3 + channel).unwrap_or(usize::MAX);
                from.get(place).copied().unwrap_or(0.0) * weight
            });
            near.sum()
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
    fn blur_keeps_what_is_even_and_spreads_what_is_not() -> Result<()> {
        let even = Picture::new(9, 9, vec![77; 9 * 9 * 3])?;
        assert!(blurred(&even, 2.0)?.pixels().iter().all(|&value| value == 77));
        let dot = |nth: usize| if nth / 3 == 40 { 255 } else { 0 };
        let soft = blurred(&Picture::new(9, 9, (0..9 * 9 * 3).map(dot).collect())?, 1.0)?;
        let at = |x: usize, y: usize| soft.pixels().get((y * 9 + x) * 3).copied();
        // The middle of a Gaussian of one pixel is 1 / (2 π).
        assert!(at(4, 4).is_some_and(|value| value.abs_diff(41) <= 2), "{:?}", at(4, 4));
        assert_eq!((at(3, 4), at(4, 3)), (at(5, 4), at(4, 5)));
        Ok(())
    }

    #[test]
    fn a_smaller_picture_has_the_eyes_where_they_were_asked_for() -> Result<()> {
        let picture = Picture::new(200, 100, vec![77; 200 * 100 * 3])?;
        let step = Step { eyes_px: Some(10.0), blur: None };
        let smaller = step.of(&picture, 40.0)?;
        assert_eq!((smaller.width(), smaller.height()), (50, 25));
        assert_eq!(step.of(&picture, 5.0)?.width(), 200, "never larger");
        assert_eq!(step.name(), "eyes 10 px");
        assert_eq!(Step::default().name(), "as it is");
        Ok(())
    }
}
