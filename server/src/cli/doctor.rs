use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use picpick_engine::{Collection, DataDir, Pack, Pipeline, Provider, Runtime};
use serde::Serialize;

use super::context::Context;
use super::doctor_selftest::{self, ProviderCheck};
use super::format;
use super::report::{ExitStatus, Report};
use crate::config::{Config, secret_files};
use crate::infra::file_permissions::check_secret_file;

const AFTER: &str = "\
Without PHOTO, uses the sample photos of 'picpick demo' if they were downloaded.
Times are for one core. Cosines compare the embeddings of each provider with
those of the last provider in the list; each provider detects the faces itself.
No data is changed.

With --json: {\"version\", \"processor\", \"memory\", \"runtime\", \"models\",
\"packs\", \"data\", \"advice\"}. The exit status is 1 if the default model
pack cannot run, or if receipts or entries of the erasure log are missing or
changed.";

/// Processor features that the models and the index use.
const FEATURES: [&str; 8] =
    ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimd", "asimddp"];

/// Checks processor, models and folders, runs PHOTOs through the models, and reports the models'
/// speed and whether their results agree.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct DoctorArguments {
    /// Photos with faces
    #[arg(value_name = "PHOTO")]
    photos: Vec<PathBuf>,
}

#[derive(Serialize)]
struct DoctorDocument {
    version: &'static str,
    processor: Processor,
    memory: Memory,
    runtime: Option<RuntimeLibrary>,
    models: FolderFindings,
    packs: Vec<PackFindings>,
    data: FolderFindings,
    /// Actions for the operator, most important first.
    advice: Vec<String>,
}

#[derive(Serialize)]
struct Processor {
    name: String,
    cores: usize,
    features: Vec<&'static str>,
    index_kernel: &'static str,
}

#[derive(Serialize)]
struct Memory {
    total_bytes: Option<u64>,
    available_bytes: Option<u64>,
    /// Size of the active swap areas; `null` if the system does not list them.
    swap_bytes: Option<u64>,
    /// Whether keys are in memory that is not swapped out.
    keys_locked: bool,
}

#[derive(Serialize)]
struct RuntimeLibrary {
    path: String,
    build: String,
}

#[derive(Serialize)]
struct FolderFindings {
    path: String,
    exists: bool,
    writable: bool,
    free_bytes: Option<u64>,
    /// Content of the folder's `format` file, at most 80 characters; `null` without that file.
    format: Option<String>,
    collections: Option<usize>,
}

#[derive(Serialize)]
struct PackFindings {
    pack: String,
    id: String,
    licence: String,
    fetched: bool,
    provider: Option<String>,
    bf16: String,
    error: Option<String>,
    checks: Vec<ProviderCheck>,
}

pub fn run(context: &Context, arguments: &DoctorArguments) -> Result<Report> {
    let mut advice = Vec::new();
    let photos = match arguments.photos.as_slice() {
        [] => doctor_selftest::samples(&context.models),
        given => given.to_vec(),
    };
    let runtime = context.models.resolve_runtime().and_then(|path| Runtime::open(&path));
    if let Err(error) = &runtime {
        advice.push(error.to_string());
    }
    let runtime = runtime.ok();
    let mut packs = Vec::new();
    for pack in Pack::all_builtin()? {
        packs.push(examine(context, &pack, runtime.as_ref(), &photos, &mut advice));
    }
    permissions(context, &mut advice);
    let memory = memory();
    advice.extend(memory.advice());
    let (data, faults) = data_folder(context, &mut advice);
    let findings = DoctorDocument {
        version: env!("CARGO_PKG_VERSION"),
        processor: processor(),
        memory,
        runtime: runtime.map(|runtime| RuntimeLibrary {
            path: runtime.library().to_string_lossy().into_owned(),
            build: runtime.version().to_owned(),
        }),
        models: folder(&context.config.models),
        packs,
        data,
        advice,
    };
    let runs =
        findings.packs.iter().any(|pack| pack.pack == Pack::DEFAULT && pack.provider.is_some());
    let status = if runs && faults == 0 { ExitStatus::Done } else { ExitStatus::Failed };
    Ok(Report::new(&findings, findings.text(photos.len()))?.with(status))
}

fn processor() -> Processor {
    let flags = Runtime::cpu_flags();
    let has = |feature: &&str| flags.split_whitespace().any(|flag| flag == *feature);
    Processor {
        name: Runtime::cpu_name(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        features: FEATURES.into_iter().filter(has).collect(),
        index_kernel: Collection::kernel(),
    }
}

fn memory() -> Memory {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 =
            line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    };
    Memory {
        total_bytes: value("MemTotal"),
        available_bytes: value("MemAvailable"),
        swap_bytes: DataDir::swap_bytes(),
        keys_locked: DataDir::memory_is_locked(),
    }
}

fn folder(path: &Path) -> FolderFindings {
    let probe = path.join(format!(".doctor-{}", std::process::id()));
    let writable = std::fs::File::create(&probe).is_ok() && std::fs::remove_file(&probe).is_ok();
    let format = std::fs::read_to_string(path.join("format")).ok();
    FolderFindings {
        path: path.to_string_lossy().into_owned(),
        exists: path.is_dir(),
        writable,
        free_bytes: DataDir::free_bytes(path),
        format: format.map(|text| text.trim().chars().take(80).collect()),
        collections: None,
    }
}

/// Advises on files with secrets that other users may read. Runs before the data folder is opened, because
/// opening it restricts the keyring's permissions.
fn permissions(context: &Context, advice: &mut Vec<String>) {
    let Config { data, keyring, .. } = &context.config;
    match DataDir::exposed_keys(data, keyring.as_deref()) {
        Ok(exposed) => advice.extend(exposed.iter().map(|path| {
            format!(
                "other users may use the keys in {path}: this command restricts its permissions; a copy that another user made opens copies of the collections, also after a purge",
                path = path.display()
            )
        })),
        Err(error) => advice.push(error.to_string()),
    }
    advice.extend(secret_files().iter().filter_map(|path| check_secret_file(path).err()));
}

/// Returns the findings about the data folder, and the number of faults of its receipts and its erasure log.
fn data_folder(context: &Context, advice: &mut Vec<String>) -> (FolderFindings, usize) {
    let mut found = folder(&context.config.data);
    let reviewed = context.data_if_there().and_then(|data| match data {
        Some(data) => {
            let inside = data.keyring_is_inside();
            Ok((Some(data.collections()?.len()), data.review_records()?, inside))
        }
        None => Ok((None, Vec::new(), false)),
    });
    let mut faults = 0;
    match reviewed {
        Ok((collections, records, inside)) => {
            (found.collections, faults) = (collections, records.len());
            advice.extend(records);
            if inside {
                advice.push(keyring_inside(&found.path));
            }
        }
        Err(error) => advice.push(error.to_string()),
    }
    if found.exists && !found.writable {
        advice.push(format!(
            "the data folder {} is read-only; allow this user to write to it",
            found.path
        ));
    }
    (found, faults)
}

fn keyring_inside(data: &str) -> String {
    format!(
        "the keyring lies inside the data folder {data}: every snapshot or copy of the folder holds the keys of what \
         is purged later; move the folder 'keyring' out of it, for instance to another disk, and name it with \
         --keyring or PICPICK_KEYRING"
    )
}

fn examine(
    context: &Context,
    pack: &Pack,
    runtime: Option<&Runtime>,
    photos: &[PathBuf],
    advice: &mut Vec<String>,
) -> PackFindings {
    let status = context.models.status(pack);
    let candidates = runtime.map(Runtime::candidates).unwrap_or_default();
    let loaded = status.fetched.then(|| context.pipeline(pack));
    let (provider, error) = match loaded {
        Some(Ok(pipeline)) => (Some(pipeline.provider().to_string()), None),
        Some(Err(error)) => (None, Some(error.to_string())),
        None => (None, None),
    };
    if let Some(error) = &error {
        advice.push(error.clone());
    } else if !status.fetched && pack.reference() == Pack::DEFAULT {
        advice.push("download the default models with 'picpick models fetch'".into());
    }
    // Compares the providers of OpenVINO; compares the plain CPU provider only if there is no other.
    let compared: Vec<Provider> = match candidates.as_slice() {
        [rest @ .., Provider::Cpu] if !rest.is_empty() => rest.to_vec(),
        all => all.to_vec(),
    };
    let checks = match provider {
        Some(_) if !photos.is_empty() => {
            doctor_selftest::check(&context.models, pack, &compared, photos)
        }
        _ => Ok(Vec::new()),
    };
    let checks = checks.unwrap_or_else(|error| {
        advice.push(error.to_string());
        Vec::new()
    });
    PackFindings {
        pack: pack.reference().to_owned(),
        id: pack.id().to_owned(),
        licence: pack.licence.clone(),
        fetched: status.fetched,
        provider,
        bf16: bf16(context, pack, &candidates),
        error,
        checks,
    }
}

fn bf16(context: &Context, pack: &Pack, candidates: &[Provider]) -> String {
    if !candidates.contains(&Provider::OpenVinoBf16) {
        return "not used: it needs a processor with AMX and the OpenVINO runtime".into();
    }
    match Pipeline::bf16_check(&context.models, pack) {
        None => {
            "not measured yet: the first 16 faces or more will be used for the measurement".into()
        }
        Some(verdict) => {
            let outcome =
                if verdict.passed { "passed" } else { "off, because it differs from f32" };
            let (faces, min, mean) = (verdict.faces, verdict.cosine_min, verdict.cosine_mean);
            format!("{outcome}: cosine to f32 on {faces} faces at least {min:.4}, mean {mean:.4}")
        }
    }
}

impl Memory {
    fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        if self.swap_bytes.is_some_and(|bytes| bytes > 0) {
            advice.push(
                "swap is on: memory with faces, photos and names may be written to disk and outlive a purge; switch it \
                 off with 'swapoff -a' or encrypt it with a random key"
                    .into(),
            );
        }
        if !self.keys_locked {
            advice.push(
                "this user may not lock memory, so keys may be swapped to disk; raise the limit that 'ulimit -l' shows"
                    .into(),
            );
        }
        advice
    }
}

impl DoctorDocument {
    fn text(&self, photos: usize) -> String {
        let size = |bytes: Option<u64>| bytes.map_or_else(|| "unknown".to_owned(), format::bytes);
        let Processor { name, cores, features, index_kernel } = &self.processor;
        let memory = (size(self.memory.total_bytes), size(self.memory.available_bytes));
        let mut text = format!("picpick    {}\n", self.version);
        text += &format!("Processor  {name}, {}\n", format::count(*cores, "core"));
        text += &format!("           {}\n", features.join(" "));
        text += &format!("           index kernel: {index_kernel}\n");
        let swap = match self.memory.swap_bytes {
            Some(0) => "no swap".to_owned(),
            bytes => format!("swap {}", size(bytes)),
        };
        text += &format!("Memory     {}, {} available, {swap}\n", memory.0, memory.1);
        text += &format!(
            "Runtime    {}\n",
            self.runtime.as_ref().map_or("not downloaded", |library| &library.path)
        );
        text += &format!("Models     {}\n", self.models.text());
        for pack in &self.packs {
            text += &pack.text(photos);
        }
        text += &format!("Data       {}\n", self.data.text());
        if self.advice.is_empty() {
            return text + "\nNo problems found.\n";
        }
        text += "\nTo do:\n";
        for advice in &self.advice {
            text += &format!("- {}\n", super::report::printable(advice));
        }
        text
    }
}

impl FolderFindings {
    fn text(&self) -> String {
        let path = super::report::printable(&self.path);
        let mut parts = vec![match (self.exists, self.writable) {
            (false, _) => "not created yet".to_owned(),
            (true, false) => "read-only".to_owned(),
            (true, true) => "writable".to_owned(),
        }];
        parts.extend(self.format.as_ref().map(|text| super::report::printable(text)));
        parts.extend(self.collections.map(|number| format::count(number, "collection")));
        parts.extend(self.free_bytes.map(|bytes| format!("{} free", format::bytes(bytes))));
        format!("{path}\n           {}", parts.join(", "))
    }
}

impl PackFindings {
    fn text(&self, photos: usize) -> String {
        let state = match (&self.provider, &self.error) {
            (Some(provider), _) => format!("runs with {provider}"),
            (None, Some(error)) => format!("does not run: {error}"),
            (None, None) => format!("not downloaded (picpick models fetch --pack {})", self.pack),
        };
        let mut text = format!("  {}: {state}\n", self.pack);
        if self.provider.is_some() {
            text += &format!("    bf16: {}\n", self.bf16);
        }
        if !self.checks.is_empty() {
            text += &format!("    self-check on {}:\n", format::count(photos, "photo"));
            for line in doctor_selftest::text(&self.checks).lines() {
                text += &format!("      {line}\n");
            }
        }
        text
    }
}
