use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use picpick_engine::liveness::Liveness;
use picpick_engine::{DecodeLimits, Face, Models, Pack, Pipeline, Precision, Provider, Subject};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// The options of every measurement.
#[derive(Args)]
pub struct Setup {
    /// Model pack: the name of a built-in pack, or the path of a pack file (.toml)
    #[arg(long, global = true, default_value = picpick_engine::Pack::DEFAULT)]
    pack: String,
    /// Precision of the models; 'auto' takes the fastest precision that passes its check
    #[arg(long, global = true, value_enum, default_value = "auto")]
    precision: Arithmetic,
    /// Folder with the downloaded models [default: ~/.cache/picpick]
    #[arg(long, global = true, env = "PICPICK_CACHE")]
    cache: Option<PathBuf>,
    /// Folder with the model files, to use instead of downloading them
    #[arg(long, global = true, env = "PICPICK_MODELS_MIRROR")]
    models_mirror: Option<PathBuf>,
    /// Print one JSON document instead of tables
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Arithmetic {
    Auto,
    Bf16,
    F32,
    Cpu,
}

impl Setup {
    /// Returns the pack to measure.
    pub fn pack(&self) -> Result<Pack> {
        if self.pack.ends_with(".toml") {
            return Ok(Pack::from_file(Path::new(&self.pack))?);
        }
        Ok(Pack::builtin(&self.pack)?)
    }

    /// Loads the pipeline.
    pub fn pipeline(&self) -> Result<Pipeline> {
        let limits = DecodeLimits::default();
        Ok(Pipeline::load(&self.models()?, &self.pack()?, self.precision(), limits)?)
    }

    /// Loads the liveness models.
    pub fn liveness(&self) -> Result<Liveness> {
        Ok(Liveness::load(&self.models()?, self.precision())?)
    }

    fn precision(&self) -> Precision {
        match self.precision {
            Arithmetic::Auto => Precision::Auto,
            Arithmetic::Bf16 => Precision::Only(Provider::OpenVinoBf16),
            Arithmetic::F32 => Precision::Only(Provider::OpenVinoF32),
            Arithmetic::Cpu => Precision::Only(Provider::Cpu),
        }
    }

    fn models(&self) -> Result<Models> {
        Ok(Models::new(self.cache_folder()?.join("models"), self.models_mirror.clone()))
    }

    fn cache_folder(&self) -> Result<PathBuf> {
        if let Some(folder) = &self.cache {
            return Ok(folder.clone());
        }
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let base =
            base.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
        let base = base
            .context("neither XDG_CACHE_HOME nor HOME is set; name the folder with --cache DIR")?;
        Ok(base.join("picpick"))
    }
}

/// The option for the program `picpick`, whose service is measured.
#[derive(Args)]
pub struct Program {
    /// The program 'picpick' [default: 'picpick' in the folder of this program]
    #[arg(long)]
    program: Option<PathBuf>,
}

impl Program {
    /// Returns the program's path. Errors if no path is given and the default program does not exist.
    pub fn path(&self) -> Result<PathBuf> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        let program = std::env::current_exe()?.with_file_name("picpick");
        if !program.is_file() {
            bail!(
                "{} does not exist: build picpick-server, or name the program with --program",
                program.display()
            );
        }
        Ok(program)
    }
}

/// The role of a picture, which determines its analysis.
#[derive(Clone, Copy, PartialEq)]
pub enum PictureRole {
    /// As a photo of the gallery.
    Photo,
    /// As the selfie of a search, which gets more detector passes.
    Selfie,
}

/// Returns the most central face of each picture, in order; `None` for a picture without a face. Uses all
/// cores. Errors if a picture cannot be read or analysed.
pub fn central_faces(
    pipeline: &Pipeline,
    role: PictureRole,
    images: &Path,
    pictures: &[String],
) -> Result<Vec<Option<Face>>> {
    let face = |picture: &String| {
        let path = images.join(picture);
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let found = match role {
            PictureRole::Photo => pipeline.analyse(&bytes),
            PictureRole::Selfie => pipeline.analyse_query(&bytes),
        };
        let found = found.with_context(|| format!("analysing {}", path.display()))?;
        Ok(Subject::Central
            .choose(&found.faces, (found.width, found.height), picture)
            .ok()
            .cloned())
    };
    pictures.par_iter().map(face).collect()
}
