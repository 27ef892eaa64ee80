use std::path::{Path, PathBuf};
use std::time::Duration;

use picpick_engine::{
    DecodeLimits, Face, Models, Pack, Pipeline, Precision, Provider, Region, Result,
};
use serde::Serialize;

use super::context::read_file;
use super::table::Table;

/// Minimum intersection over union, 0 to 1, of two boxes that count as one face.
const SAME_FACE_IOU: f32 = 0.5;

/// The self-check's result for one provider.
#[derive(Debug, Serialize)]
pub struct ProviderCheck {
    pub provider: String,
    pub photos: usize,
    pub faces: usize,
    /// Mean time of detection with refinement, milliseconds.
    pub detect_ms_per_photo: f64,
    pub embed_ms_per_face: f64,
    /// Number of faces that the reference provider detected too. The cosines compare the two embeddings of
    /// each of these faces.
    pub faces_compared: usize,
    pub cosine_min: Option<f32>,
    pub cosine_mean: Option<f32>,
}

/// The faces of each photo, and the total times of detection and embedding.
struct ProviderMeasurement {
    photos: Vec<Vec<Face>>,
    detect: Duration,
    embed: Duration,
}

/// Runs `photos` through `pack` with each of `providers` and compares the results with those of the last
/// provider, the reference. Measures the whole pipeline, because a provider may also miss faces. Leaves out
/// photos that cannot be read. Stores no face.
///
/// # Errors
/// The errors of `Pipeline::load` and `Pipeline::analyse`.
pub fn check(
    models: &Models,
    pack: &Pack,
    providers: &[Provider],
    photos: &[PathBuf],
) -> Result<Vec<ProviderCheck>> {
    let limits = DecodeLimits::default();
    let bytes: Vec<Vec<u8>> =
        photos.iter().filter_map(|path| read_file(path, limits.file_bytes_max).ok()).collect();
    let measure =
        |&provider| measure(models, pack, provider, &bytes).map(|measured| (provider, measured));
    let all = providers.iter().map(measure).collect::<Result<Vec<_>>>()?;
    let Some((_, exact)) = all.last() else { return Ok(Vec::new()) };
    Ok(all.iter().map(|(provider, measured)| measured.against(exact, *provider)).collect())
}

fn measure(
    models: &Models,
    pack: &Pack,
    provider: Provider,
    photos: &[Vec<u8>],
) -> Result<ProviderMeasurement> {
    let pipeline =
        Pipeline::load(models, pack, Precision::Only(provider), DecodeLimits::default())?;
    // The first pass prepares the models for each input size, so only the second pass is timed.
    let readable: Vec<&Vec<u8>> =
        photos.iter().filter(|bytes| pipeline.analyse(bytes).is_ok()).collect();
    let mut measured =
        ProviderMeasurement { photos: Vec::new(), detect: Duration::ZERO, embed: Duration::ZERO };
    for bytes in readable {
        let analysis = pipeline.analyse(bytes)?;
        measured.detect += analysis.timings.detect;
        measured.embed += analysis.timings.embed;
        measured.photos.push(analysis.faces);
    }
    Ok(measured)
}

impl ProviderMeasurement {
    fn against(&self, exact: &ProviderMeasurement, provider: Provider) -> ProviderCheck {
        let mut cosines = Vec::new();
        for (faces, expected) in self.photos.iter().zip(&exact.photos) {
            for face in faces {
                let same =
                    expected.iter().find(|other| region(face).iou(&region(other)) >= SAME_FACE_IOU);
                cosines.extend(same.map(|other| face.similarity(other)));
            }
        }
        let faces: usize = self.photos.iter().map(Vec::len).sum();
        let per = |time: Duration, things: usize| {
            let ms = time.as_secs_f64() * 1000.0 / things.max(1) as f64;
            (ms * 10.0).round() / 10.0
        };
        ProviderCheck {
            provider: provider.to_string(),
            photos: self.photos.len(),
            faces,
            detect_ms_per_photo: per(self.detect, self.photos.len()),
            embed_ms_per_face: per(self.embed, faces),
            faces_compared: cosines.len(),
            cosine_min: cosines.iter().copied().reduce(f32::min),
            cosine_mean: (!cosines.is_empty())
                .then(|| cosines.iter().sum::<f32>() / cosines.len() as f32),
        }
    }
}

fn region(face: &Face) -> Region {
    let [x, y, width, height] = face.bbox.map(|side| side as f32);
    Region { x, y, width, height }
}

/// Returns the checks as a table.
pub fn text(checks: &[ProviderCheck]) -> String {
    let mut table =
        Table::new(&["provider", ">faces", ">ms/photo", ">ms/face", ">cosine min", ">mean"]);
    let cosine =
        |value: Option<f32>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    for check in checks {
        table.row([
            check.provider.clone(),
            check.faces.to_string(),
            format!("{:.1}", check.detect_ms_per_photo),
            format!("{:.1}", check.embed_ms_per_face),
            cosine(check.cosine_min),
            cosine(check.cosine_mean),
        ]);
    }
    table.text()
}

/// Returns the sample photos in the model cache.
pub fn samples(models: &Models) -> Vec<PathBuf> {
    super::file_walk::walk(&[models.folder().join("samples")])
        .files
        .into_iter()
        .filter(|path| is_photo(path))
        .collect()
}

fn is_photo(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "jpg")
}

#[cfg(test)]
mod tests {
    use super::*;
    use picpick_engine::{FaceId, PhotoId};

    fn face(bbox: [i32; 4], embedding: [f32; 2]) -> Face {
        let id = FaceId::of(PhotoId([0; 16]), "p", bbox);
        Face {
            id,
            bbox,
            landmarks: [[0.0; 2]; 5],
            score: 0.9,
            quality: 0.5,
            embedding: embedding.to_vec(),
        }
    }

    #[test]
    fn faces_are_compared_where_both_see_them() {
        let measured = |faces| ProviderMeasurement {
            photos: vec![faces],
            detect: Duration::from_millis(30),
            embed: Duration::ZERO,
        };
        let exact = measured(vec![face([0, 0, 10, 10], [1.0, 0.0])]);
        let fast =
            measured(vec![face([1, 0, 10, 10], [0.6, 0.8]), face([50, 0, 10, 10], [0.0, 1.0])]);
        let check = fast.against(&exact, Provider::OpenVinoBf16);
        assert_eq!((check.faces, check.faces_compared, check.detect_ms_per_photo), (2, 1, 30.0));
        assert_eq!(check.cosine_min, Some(0.6));
        assert_eq!(measured(Vec::new()).against(&exact, Provider::Cpu).cosine_mean, None);
    }
}
