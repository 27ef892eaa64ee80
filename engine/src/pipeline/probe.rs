use super::{Analysis, Pipeline, Timings};
use crate::error::{Error, Result};
use crate::face::Face;
use crate::template::{Subject, Template};

/// A probe: the template of the person to search for, and the pictures from which it was computed.
pub struct Probe {
    pub template: Template,
    /// The analysed pictures, in the order given.
    pub images: Vec<ProbeImage>,
}

/// An analysed picture of a probe.
pub struct ProbeImage {
    pub analysis: Analysis,
    /// The face of `analysis` that was chosen as the subject.
    pub subject: Face,
}

impl Pipeline {
    /// Makes a template from one or more pictures (name, encoded bytes) of one person. `choice` selects the
    /// person's face in each picture. With several pictures, [`Subject::Nth`] applies only to pictures that
    /// show several faces. Errors name the picture.
    ///
    /// # Errors
    /// - `Error::NamedImage` if a picture does not decode.
    /// - `Error::NoFace` if a picture shows no face, or if there is no picture.
    /// - `Error::ManyFaces` if no face of a picture is clearly the largest.
    /// - `Error::NoSuchFace` if a picture has no n-th face.
    /// - `Error::NotOnePerson` if two pictures show different people.
    /// - `Error::Model` if a model fails.
    pub fn template(&self, images: &[(&str, &[u8])], choice: Subject) -> Result<Probe> {
        let several = images.len() > 1;
        let analysed = images.iter().map(|(name, bytes)| {
            let named = |error| match error {
                Error::Image { reason } => Error::NamedImage { photo: (*name).to_owned(), reason },
                error => error,
            };
            let analysis = self.analyse_query(bytes).map_err(named)?;
            let choice = match choice {
                Subject::Nth(_) if several && analysis.faces.len() < 2 => Subject::Clear,
                choice => choice,
            };
            let size = (analysis.width, analysis.height);
            let subject = choice.choose(&analysis.faces, size, name)?.clone();
            Ok(ProbeImage { analysis, subject })
        });
        let analysed = analysed.collect::<Result<Vec<_>>>()?;
        let names = images.iter().map(|(name, _)| *name);
        let faces: Vec<(&str, &Face)> =
            names.zip(analysed.iter().map(|image| &image.subject)).collect();
        let template = Template::of(&faces, &self.pack_id)?;
        Ok(Probe { template, images: analysed })
    }
}

impl Probe {
    /// Returns the number of faces in all pictures.
    pub fn faces(&self) -> usize {
        self.images.iter().map(|image| image.analysis.faces.len()).sum()
    }

    /// Returns the time spent in each stage, summed over all pictures.
    pub fn timings(&self) -> Timings {
        self.images.iter().map(|image| image.analysis.timings).fold(
            Timings::default(),
            |sum, one| Timings {
                decode: sum.decode + one.decode,
                detect: sum.detect + one.detect,
                embed: sum.embed + one.embed,
            },
        )
    }
}
