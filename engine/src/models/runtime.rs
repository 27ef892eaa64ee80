//! Runs ONNX models with ONNX Runtime (`ort`).
//!
//! A `Model` pools idle sessions per input shape and is shared by all workers. Each run has a session of its
//! own with one thread, so N workers use N cores.

use ndarray::{Array4, ArrayD};
use ort::environment::Environment;
use ort::ep::ArbitrarilyConfigurableExecutionProvider;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::error::{Error, Result};

/// The execution provider and precision of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// OpenVINO in bfloat16 on AMX tiles: about four times as fast per face as f32.
    OpenVinoBf16,
    /// OpenVINO in f32.
    OpenVinoF32,
    /// ONNX Runtime's own CPU kernels in f32, with denormals flushed to zero.
    Cpu,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Provider::OpenVinoBf16 => "OpenVINO bf16",
            Provider::OpenVinoF32 => "OpenVINO f32",
            Provider::Cpu => "CPU f32",
        })
    }
}

/// The loaded inference library. There is one per process, because ONNX Runtime allows one environment.
#[derive(Clone)]
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
}

static RUNTIME: OnceLock<std::result::Result<Runtime, String>> = OnceLock::new();

impl Runtime {
    /// Loads `library` (an absolute path to libonnxruntime). A later call in the process returns the result of
    /// the first call.
    ///
    /// # Errors
    /// - `Error::Runtime` if the library cannot be loaded or initialised.
    pub fn open(library: &Path) -> Result<Self> {
        let opened = RUNTIME.get_or_init(|| {
            let builder = ort::init_from(library).map_err(|error| error.to_string())?;
            let environment =
                builder.with_name("picpick").build().map_err(|error| error.to_string())?;
            environment.set_log_level(LogLevel::Fatal);
            Ok(Runtime { environment, library: library.to_path_buf() })
        });
        opened.clone().map_err(|reason| Error::Runtime { reason })
    }

    /// Returns the version and build information that the library reports.
    pub fn version(&self) -> &'static str {
        ort::info()
    }

    /// Returns the library's path.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Returns the providers to try on this machine, fastest first. The last is the CPU provider, which is
    /// always available.
    pub fn candidates(&self) -> Vec<Provider> {
        let folder = self.library.parent().unwrap_or(Path::new("/"));
        let openvino = folder.join("libonnxruntime_providers_openvino.so").exists();
        let mut found = Vec::new();
        if openvino && Self::has_amx_bf16() {
            found.push(Provider::OpenVinoBf16);
        }
        if openvino {
            found.push(Provider::OpenVinoF32);
        }
        found.push(Provider::Cpu);
        found
    }

    /// Loads the model in `file` for `provider`. Compiles the session for `shape` [N, 3, H, W], so that a
    /// provider that cannot run the model fails here. Sessions for other shapes are compiled at their first
    /// run.
    ///
    /// # Errors
    /// - `Error::Model` if the provider does not load the model.
    pub fn model(
        &self,
        name: &str,
        file: &Path,
        provider: Provider,
        shape: [usize; 4],
    ) -> Result<Model> {
        let model = Model(Arc::new(LoadedModel {
            runtime: self.clone(),
            name: name.to_owned(),
            file: file.to_path_buf(),
            provider,
            idle: Mutex::new(HashMap::new()),
        }));
        let session = model.0.session(shape)?;
        model.0.give_back(shape, session);
        Ok(model)
    }

    /// Loads the model with the first of `providers` that can load it.
    ///
    /// # Errors
    /// - `Error::Model` of the last provider if none loads the model.
    /// - `Error::Runtime` if `providers` is empty.
    pub fn first_model(
        &self,
        name: &str,
        file: &Path,
        providers: impl IntoIterator<Item = Provider>,
        shape: [usize; 4],
    ) -> Result<Model> {
        let mut last = Error::Runtime { reason: "no execution provider".into() };
        for provider in providers {
            match self.model(name, file, provider, shape) {
                Ok(model) => return Ok(model),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Returns the processor's feature flags as Linux lists them; empty on other systems.
    pub fn cpu_flags() -> String {
        cpu_line(&["flags", "Features"])
    }

    /// Returns the processor's name as Linux lists it; empty on other systems.
    pub fn cpu_name() -> String {
        cpu_line(&["model name", "CPU part"])
    }

    /// Returns whether the processor has AMX tiles with bfloat16 arithmetic.
    fn has_amx_bf16() -> bool {
        // `is_x86_feature_detected!("amx-bf16")` is not stable; Linux lists the features that it enabled.
        Self::cpu_flags().split(' ').any(|flag| flag == "amx_bf16")
    }
}

fn cpu_line(keys: &[&str]) -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |line: &str| {
        let (key, value) = line.split_once(':')?;
        keys.contains(&key.trim()).then(|| value.trim().to_owned())
    };
    info.lines().find_map(value).unwrap_or_default()
}

/// A model that any number of threads may run concurrently.
#[derive(Clone)]
pub struct Model(Arc<LoadedModel>);

struct LoadedModel {
    runtime: Runtime,
    name: String,
    file: PathBuf,
    provider: Provider,
    /// Idle sessions by input shape. A shape never has more sessions than it had concurrent callers.
    idle: Mutex<HashMap<[usize; 4], Vec<Session>>>,
}

impl Model {
    /// Runs the model on `input` [N, 3, H, W]. Every new shape compiles a session, which takes up to a
    /// second, so callers should use few shapes.
    ///
    /// # Errors
    /// - `Error::Model` if the session cannot be compiled or the run fails.
    pub fn run(&self, input: Array4<f32>) -> Result<Outputs> {
        let (n, channels, height, width) = input.dim();
        let shape = [n, channels, height, width];
        let mut session = match self.0.take_idle(shape) {
            Some(session) => session,
            None => self.0.session(shape)?,
        };
        let outputs = self.0.run(&mut session, input);
        // A session whose run failed is dropped, not reused.
        if outputs.is_ok() {
            self.0.give_back(shape, session);
        }
        outputs
    }

    /// Runs each idle session once on zeros, so that its buffers no longer hold pictures and results of earlier
    /// runs. Sessions in use are skipped; their runs overwrite the buffers. A session that fails is dropped.
    pub(crate) fn overwrite_buffers(&self) {
        let idle: Vec<([usize; 4], usize)> =
            self.0.idle.lock().iter().map(|(shape, sessions)| (*shape, sessions.len())).collect();
        for (shape, count) in idle {
            // One session at a time, so that other threads find the others and compile no new ones.
            for _ in 0..count {
                let Some(mut session) = self.0.take_oldest(shape) else { break };
                if self.0.run(&mut session, Array4::zeros(shape)).is_ok() {
                    self.0.give_back(shape, session);
                }
            }
        }
    }

    /// Returns the provider that runs the model.
    pub fn provider(&self) -> Provider {
        self.0.provider
    }
}

impl LoadedModel {
    fn take_idle(&self, shape: [usize; 4]) -> Option<Session> {
        self.idle.lock().get_mut(&shape)?.pop()
    }

    /// Takes the idle session that was given back first.
    fn take_oldest(&self, shape: [usize; 4]) -> Option<Session> {
        let mut idle = self.idle.lock();
        let sessions = idle.get_mut(&shape).filter(|sessions| !sessions.is_empty())?;
        Some(sessions.remove(0))
    }

    fn give_back(&self, shape: [usize; 4], session: Session) {
        self.idle.lock().entry(shape).or_default().push(session);
    }

    fn session(&self, shape: [usize; 4]) -> Result<Session> {
        let built = builder(&self.runtime.environment, self.provider, shape)
            .and_then(|mut builder| builder.commit_from_file(&self.file));
        built.map_err(|error| self.failed(&format!("{} does not load: {error}", self.provider)))
    }

    fn run(&self, session: &mut Session, input: Array4<f32>) -> Result<Outputs> {
        let batch = input.dim().0;
        let failed = |error: ort::Error| self.failed(&error.to_string());
        let tensor = ort::value::Tensor::from_array(input).map_err(failed)?;
        let outputs = session.run(ort::inputs![tensor]).map_err(failed)?;
        let mut values = Vec::with_capacity(outputs.len());
        for (name, value) in outputs.iter() {
            values.push((
                name.to_owned(),
                value.try_extract_array::<f32>().map_err(failed)?.into_owned(),
            ));
        }
        Ok(Outputs { model: self.name.clone(), batch, values })
    }

    fn failed(&self, reason: &str) -> Error {
        Error::Model { name: self.name.clone(), reason: reason.to_owned() }
    }
}

fn builder(
    environment: &Environment,
    provider: Provider,
    shape: [usize; 4],
) -> ort::Result<SessionBuilder> {
    let mut builder = Session::builder(environment)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_memory_pattern(true)?
        .with_flush_to_zero()?;
    let [n, _, height, width] = shape.map(|size| size as i64);
    for (name, size) in [("batch", n), ("height", height), ("width", width)] {
        builder = builder.with_dimension_override(name, size)?;
    }
    let precision = match provider {
        Provider::OpenVinoBf16 => "bf16",
        Provider::OpenVinoF32 => "f32",
        Provider::Cpu => return Ok(builder),
    };
    // Pinning is disabled because OpenVINO would pin the thread of every session to the first core.
    let config = format!(
        r#"{{"CPU":{{"INFERENCE_PRECISION_HINT":"{precision}","INFERENCE_NUM_THREADS":"1","NUM_STREAMS":"1","ENABLE_CPU_PINNING":"NO"}}}}"#
    );
    let openvino = ort::ep::OpenVINO::default()
        .with_device_type("CPU")
        .with_arbitrary_config("load_config", config)
        .build()
        .error_on_failure();
    Ok(builder.with_execution_providers([openvino])?)
}

/// The outputs of one run: arrays by name, in the model's order.
pub struct Outputs {
    model: String,
    batch: usize,
    values: Vec<(String, ArrayD<f32>)>,
}

impl Outputs {
    /// Returns the output called `name`.
    ///
    /// # Errors
    /// - `Error::Model` if there is no output called `name`; it lists the names of the outputs.
    pub fn get(&self, name: &str) -> Result<&ArrayD<f32>> {
        let found = self.values.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, array)| array).ok_or_else(|| {
            let names: Vec<_> = self.values.iter().map(|(name, _)| name.as_str()).collect();
            Error::Model {
                name: self.model.clone(),
                reason: format!("expected an output '{name}', received {}", names.join(", ")),
            }
        })
    }

    /// Returns the number of pictures in the run.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Returns all outputs in the model's order.
    pub fn values(&self) -> impl Iterator<Item = &ArrayD<f32>> {
        self.values.iter().map(|(_, array)| array)
    }
}
