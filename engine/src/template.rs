use crate::embed::{cosine, unit};
use crate::error::{Error, Result};
use crate::face::Face;

/// Lowest ratio of the areas of the largest and the next largest face at which the largest face is the
/// subject.
const SUBJECT_AREA_RATIO: f32 = 2.0;
/// Lowest similarity (cosine) of two selfies of one person. Strangers have 0.0 ± 0.1. Selfies of one person in
/// bad light may have 0.35, so this limit is lower than the threshold of a search.
const ONE_PERSON_MIN: f32 = 0.25;

/// The rule that chooses the subject among the faces of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// The only face, or the face with at least twice the area of every other face.
    #[default]
    Clear,
    /// The face nearest to the picture's middle.
    Central,
    /// The n-th face from left to right, from 1.
    Nth(usize),
}

/// The template of a person: a unit embedding, the mean over one or more pictures.
#[derive(Clone)]
pub struct Template {
    /// Shape `[D]`, L2 norm 1.
    pub(crate) embedding: Vec<f32>,
    /// Quality of the best picture, 0..1.
    pub quality: f32,
    /// Number of pictures in the mean.
    pub pictures: usize,
    /// Id of the pack that computed the embeddings.
    pub pack: String,
}

impl Subject {
    /// Chooses the subject among `faces` of a picture of `size` (width, height); `photo` names the picture in
    /// errors.
    ///
    /// # Errors
    /// - `Error::NoFace` if there is no face.
    /// - `Error::ManyFaces` if no face is clearly the largest.
    /// - `Error::NoSuchFace` if there is no n-th face.
    pub fn choose<'a>(self, faces: &'a [Face], size: (u32, u32), photo: &str) -> Result<&'a Face> {
        let area = |face: &Face| face.bbox[2].max(0) as f32 * face.bbox[3].max(0) as f32;
        let none = || Error::NoFace { photo: photo.to_owned() };
        match self {
            Subject::Clear => {
                let largest =
                    faces.iter().max_by(|a, b| area(a).total_cmp(&area(b))).ok_or_else(none)?;
                let clear = |other: &Face| {
                    other.id == largest.id || area(largest) >= SUBJECT_AREA_RATIO * area(other)
                };
                if faces.iter().all(clear) {
                    return Ok(largest);
                }
                Err(Error::ManyFaces { photo: photo.to_owned(), faces: faces.len() })
            }
            Subject::Central => {
                let off_centre = |face: &Face| {
                    let [x, y, width, height] = face.bbox.map(|side| side as f32);
                    (x + width / 2.0 - size.0 as f32 / 2.0)
                        .hypot(y + height / 2.0 - size.1 as f32 / 2.0)
                };
                faces.iter().min_by(|a, b| off_centre(a).total_cmp(&off_centre(b))).ok_or_else(none)
            }
            Subject::Nth(received) => {
                let mut sorted: Vec<&Face> = faces.iter().collect();
                sorted.sort_by_key(|face| face.bbox);
                let missing = || match faces.len() {
                    0 => none(),
                    faces => Error::NoSuchFace { photo: photo.to_owned(), faces, received },
                };
                received.checked_sub(1).and_then(|i| sorted.get(i).copied()).ok_or_else(missing)
            }
        }
    }
}

impl Template {
    /// Returns the cosine of two templates, -1..1.
    pub fn similarity(&self, other: &Template) -> f32 {
        cosine(&self.embedding, &other.embedding)
    }

    /// Computes the quality-weighted mean of one person's faces, each given with the name of its picture.
    ///
    /// # Errors
    /// - `Error::NotOnePerson` if two faces have a similarity below 0.25; it names the two pictures that
    ///   differ most.
    /// - `Error::NoFace` if there is no face, or if the mean is zero.
    pub fn of(faces: &[(&str, &Face)], pack: &str) -> Result<Self> {
        let mut worst = (f32::INFINITY, "", "");
        for (i, (first, a)) in faces.iter().enumerate() {
            for (second, b) in faces.iter().skip(i + 1) {
                let similarity = cosine(&a.embedding, &b.embedding);
                if similarity < worst.0 {
                    worst = (similarity, first, second);
                }
            }
        }
        if worst.0 < ONE_PERSON_MIN {
            let (similarity, first, second) = (worst.0, worst.1.to_owned(), worst.2.to_owned());
            return Err(Error::NotOnePerson {
                first,
                second,
                similarity,
                expected: ONE_PERSON_MIN,
            });
        }
        let dim = faces.first().map_or(0, |(_, face)| face.embedding.len());
        let mut sum = vec![0.0; dim];
        for (_, face) in faces {
            // A minimum weight, because with weights of 0 the mean would be a zero vector.
            let weight = face.quality.max(0.05);
            sum.iter_mut().zip(&face.embedding).for_each(|(sum, value)| *sum += weight * value);
        }
        let embedding = unit(&sum).ok_or_else(|| Error::NoFace { photo: "the selfies".into() })?;
        let quality = faces.iter().map(|(_, face)| face.quality).fold(0.0, f32::max);
        Ok(Self { embedding, quality, pictures: faces.len(), pack: pack.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::FaceId;

    fn face(n: u8, bbox: [i32; 4], embedding: [f32; 2], quality: f32) -> Face {
        let embedding = unit(&embedding).unwrap();
        Face { id: FaceId([n; 16]), bbox, landmarks: [[0.0; 2]; 5], score: 0.9, quality, embedding }
    }

    #[test]
    fn the_subject_is_the_only_or_the_clearly_larger_face() {
        let (large, small) = (
            face(1, [300, 0, 100, 100], [1.0, 0.0], 0.9),
            face(2, [0, 0, 60, 60], [1.0, 0.0], 0.9),
        );
        let near = face(3, [600, 0, 90, 90], [1.0, 0.0], 0.9);
        let choose = |faces: &[Face], choice: Subject| {
            choice.choose(faces, (400, 200), "p").map(|face| face.id.0[0])
        };
        assert_eq!(choose(&[large.clone(), small.clone()], Subject::Clear).unwrap(), 1);
        assert!(matches!(
            choose(&[large.clone(), near.clone()], Subject::Clear),
            Err(Error::ManyFaces { faces: 2, .. })
        ));
        assert!(matches!(choose(&[], Subject::Clear), Err(Error::NoFace { .. })));
        assert_eq!(
            choose(&[near.clone(), large.clone(), small.clone()], Subject::Nth(1)).unwrap(),
            2
        );
        assert_eq!(
            choose(&[near.clone(), large.clone(), small.clone()], Subject::Nth(3)).unwrap(),
            3
        );
        for wrong in [0, 4, usize::MAX] {
            let error = choose(&[near.clone(), large.clone(), small.clone()], Subject::Nth(wrong));
            assert!(matches!(error, Err(Error::NoSuchFace { .. })));
        }
        assert_eq!(choose(&[near, large, small], Subject::Central).unwrap(), 1);
    }

    #[test]
    fn a_template_leans_to_the_better_picture() {
        let (good, poor) = (face(1, [0; 4], [1.0, 0.0], 0.9), face(2, [0; 4], [0.6, 0.8], 0.1));
        let template = Template::of(&[("a", &good), ("b", &poor)], "pack").unwrap();
        assert!(
            cosine(&template.embedding, &good.embedding)
                > cosine(&template.embedding, &poor.embedding)
        );
        assert!((cosine(&template.embedding, &template.embedding) - 1.0).abs() < 1e-5);
        assert_eq!((template.quality, template.pictures), (0.9, 2));
    }

    #[test]
    fn pictures_of_two_people_are_refused_by_name() {
        let (a, b) = (face(1, [0; 4], [1.0, 0.0], 0.9), face(2, [0; 4], [0.0, 1.0], 0.9));
        let refused =
            Template::of(&[("a.jpg", &a), ("b.jpg", &b)], "pack").err().unwrap().to_string();
        assert!(refused.contains("a.jpg") && refused.contains("b.jpg"), "{refused}");
        assert!(Template::of(&[], "pack").is_err());
    }
}
