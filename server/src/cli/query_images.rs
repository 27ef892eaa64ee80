use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use picpick_engine::{Analysis, DecodeLimits, Face, Pipeline, Subject, Template, Timings};

use super::context::read_file;
use super::format;

/// One analysed picture and the face that was chosen in it.
pub struct QueryImage {
    pub path: PathBuf,
    pub analysis: Analysis,
    /// Position among the faces of `analysis`.
    chosen: usize,
}

/// All pictures of the person that is searched for, and the template computed from them.
pub struct QueryImages {
    pub all: Vec<QueryImage>,
    pub template: Template,
}

impl QueryImage {
    /// Analyses the picture at `path` and chooses its subject: face number `face`, counted from 1 from
    /// left to right, or the only clear one. The errors name the picture.
    pub fn read(pipeline: &Pipeline, path: &Path, face: Option<usize>) -> Result<Self> {
        Self::choose(path, analyse(pipeline, path)?, face)
    }

    fn choose(path: &Path, analysis: Analysis, face: Option<usize>) -> Result<Self> {
        let choice = face.map_or(Subject::Clear, Subject::Nth);
        let size = (analysis.width, analysis.height);
        let id = choice.choose(&analysis.faces, size, &format::path(path))?.id;
        let chosen = analysis.faces.iter().position(|face| face.id == id).unwrap_or_default();
        Ok(Self { path: path.to_path_buf(), analysis, chosen })
    }

    /// Returns the chosen face.
    pub fn face(&self) -> Option<&Face> {
        self.analysis.faces.get(self.chosen)
    }
}

fn analyse(pipeline: &Pipeline, path: &Path) -> Result<Analysis> {
    let bytes = read_file(path, DecodeLimits::default().file_bytes_max)?;
    pipeline.analyse_query(&bytes).with_context(|| format::path(path))
}

impl QueryImages {
    /// Computes one template from all pictures at `paths`. With several pictures, `face` applies only to
    /// those that show several faces.
    pub fn read(pipeline: &Pipeline, paths: &[PathBuf], face: Option<usize>) -> Result<Self> {
        let mut all = Vec::with_capacity(paths.len());
        for path in paths {
            let analysis = analyse(pipeline, path)?;
            let applies = paths.len() == 1 || analysis.faces.len() > 1;
            all.push(QueryImage::choose(path, analysis, face.filter(|_| applies))?);
        }
        let names: Vec<String> = all.iter().map(|selfie| format::path(&selfie.path)).collect();
        let faces: Vec<(&str, &Face)> = names
            .iter()
            .zip(&all)
            .filter_map(|(name, selfie)| Some((name.as_str(), selfie.face()?)))
            .collect();
        let template = Template::of(&faces, pipeline.pack_id())?;
        Ok(Self { all, template })
    }

    /// Returns the number of faces in all pictures.
    pub fn faces(&self) -> usize {
        self.all.iter().map(|selfie| selfie.analysis.faces.len()).sum()
    }

    /// Returns the time spent on all pictures.
    pub fn timings(&self) -> Timings {
        self.all.iter().map(|selfie| selfie.analysis.timings).fold(
            Timings::default(),
            |sum, one| Timings {
                decode: sum.decode + one.decode,
                detect: sum.detect + one.detect,
                embed: sum.embed + one.embed,
            },
        )
    }
}
