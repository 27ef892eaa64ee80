//! What every measurement needs: the models, the precision, and faces of many pictures at once.
//!
//! The only place of this program that reads the environment. Knows nothing of protocols or figures.

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use picpick_engine::{
    DecodeLimits, Face, Liveness, Models, Pack, Pipeline, Precision, Provider, Subject, subject,
};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct Setup {
    /// Model pack: a built-in name or the path of a pack file
    #[arg(long, global = true, default_value = picpick_engine::DEFAULT_PACK)]
    pack: String,
    /// Arithmetic of the models
    #[arg(long, global = true, value_enum, default_value = "auto")]
    precision: Wanted,
    /// Folder with the model cache [default: the user's cache folder]
    #[arg(long, global = true, env = "PICPICK_CACHE")]
    cache: Option<PathBuf>,
    /// Folder that already holds the model files (no network)
    #[arg(long, global = true, env = "PICPICK_MODELS_DIR")]
    offline: Option<PathBuf>,
    /// Print one JSON document instead of tables
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Wanted {
    Auto,
    Bf16,
    F32,
    Cpu,
}

impl Setup {
    /// The pack that is measured.
    pub fn pack(&self) -> Result<Pack> {
        if self.pack.ends_with(".toml") {
            return Ok(Pack::from_file(Path::new(&self.pack))?);
        }
        Ok(Pack::builtin(&self.pack)?)
    }

    /// The loaded pipeline.
    pub fn pipeline(&self) -> Result<Pipeline> {
        let limits = DecodeLimits::default();
        Ok(Pipeline::load(&self.models()?, &self.pack()?, self.arithmetic(), limits)?)
    }

    /// The loaded models of liveness.
    pub fn liveness(&self) -> Result<Liveness> {
        Ok(Liveness::load(&self.models()?, self.arithmetic())?)
    }

    fn arithmetic(&self) -> Precision {
        match self.precision {
            Wanted::Auto => Precision::Auto,
            Wanted::Bf16 => Precision::Only(Provider::OpenVinoBf16),
            Wanted::F32 => Precision::Only(Provider::OpenVinoF32),
            Wanted::Cpu => Precision::Only(Provider::Cpu),
        }
    }

    fn models(&self) -> Result<Models> {
        Ok(Models::new(self.cache_folder()?.join("models"), self.offline.clone()))
    }

    fn cache_folder(&self) -> Result<PathBuf> {
        if let Some(folder) = &self.cache {
            return Ok(folder.clone());
        }
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let base =
            base.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
        Ok(base.context("neither XDG_CACHE_HOME nor HOME is set; use --cache DIR")?.join("picpick"))
    }
}

/// The program whose service is measured.
#[derive(Args)]
pub struct Program {
    /// The service's program [default: 'picpick' beside this one]
    #[arg(long)]
    program: Option<PathBuf>,
}

impl Program {
    /// Where it lies. Errors: it is not there.
    pub fn path(&self) -> Result<PathBuf> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        let program = std::env::current_exe()?.with_file_name("picpick");
        if !program.is_file() {
            bail!("no {}: build picpick-server too, or name it by --program", program.display());
        }
        Ok(program)
    }
}

/// The way a picture takes through the pipeline.
#[derive(Clone, Copy, PartialEq)]
pub enum Way {
    /// Of a photo that is indexed.
    Photo,
    /// Of a selfie that asks.
    Selfie,
}

/// The most central face of each picture, `None` where there is none, in order; on all cores.
pub fn central_faces(
    pipeline: &Pipeline,
    way: Way,
    images: &Path,
    pictures: &[String],
) -> Result<Vec<Option<Face>>> {
    let face = |picture: &String| {
        let path = images.join(picture);
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let found = match way {
            Way::Photo => pipeline.analyse(&bytes),
            Way::Selfie => pipeline.analyse_selfie(&bytes),
        };
        let found = found.with_context(|| format!("analysing {}", path.display()))?;
        Ok(subject(&found.faces, (found.width, found.height), Subject::Central, picture)
            .ok()
            .cloned())
    };
    pictures.par_iter().map(face).collect()
}
