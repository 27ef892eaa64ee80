//! Configuration: raw options and environment → validated types.
//!
//! Only this module reads the environment. The folders that options and variables name are neither read nor
//! created here.

mod client;
mod database;
pub mod mail;
mod protection;
mod quotas;
mod renamed;
mod service;
pub mod settings;
mod usage_error;

use std::env;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use picpick_engine::object_store::{S3Config, SecretString, is_s3};
use picpick_engine::{Precision, Provider};
use zeroize::Zeroizing;

pub use client::api_key;
pub use service::{RawService, database_url, public_url};
pub use usage_error::UsageError;

/// The options that every command takes, as given.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
pub struct RawConfig {
    /// Folder with the collections [env: PICPICK_DATA] [default: ~/.local/share/picpick]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder with the collections' keys, for instance on another disk [env: PICPICK_KEYRING]
    /// [default: 'keyring' in the data folder]
    #[arg(long, global = true, value_name = "DIR")]
    keyring: Option<PathBuf>,
    /// Print exactly one JSON document on standard output; everything else goes to standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// Folder for downloaded models [env: PICPICK_CACHE] [default: ~/.cache/picpick]
    #[arg(long, global = true, value_name = "DIR", hide_short_help = true)]
    cache: Option<PathBuf>,
    /// Folder with the model files, to use instead of downloading them [env: PICPICK_MODELS_MIRROR]
    #[arg(long, global = true, value_name = "DIR", hide_short_help = true)]
    models_mirror: Option<PathBuf>,
    /// Precision of the models, for measurements; 'auto' takes the fastest that passes its check
    #[arg(long, global = true, value_enum, default_value = "auto", hide_short_help = true)]
    precision: Arithmetic,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Arithmetic {
    #[default]
    Auto,
    Bf16,
    F32,
    Cpu,
}

/// The folders that environment variables name, as given.
#[derive(Debug, Default)]
struct Environment {
    data: Option<PathBuf>,
    keyring: Option<PathBuf>,
    cache: Option<PathBuf>,
    offline: Option<PathBuf>,
    xdg_data: Option<PathBuf>,
    xdg_cache: Option<PathBuf>,
    home: Option<PathBuf>,
}

/// Validated configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data folder: one encrypted store for each collection.
    pub data: PathBuf,
    /// The keyring's folder; `None` for the folder `keyring` inside `data`.
    pub keyring: Option<PathBuf>,
    /// Folder with verified model files, runtime and sample photos.
    pub models: PathBuf,
    /// Folder with original model files that were copied to this machine.
    pub offline: Option<PathBuf>,
    pub precision: Precision,
}

impl RawConfig {
    /// Completes the options from the environment and the defaults.
    ///
    /// # Errors
    /// - `UsageError` if a folder is not given and HOME is not set, or if a renamed variable is still set
    ///   under its old name.
    pub fn validate(self) -> Result<Config, UsageError> {
        renamed::check(|name| env::var_os(name)).map_err(UsageError)?;
        self.validate_in(Environment::read())
    }

    fn validate_in(self, environment: Environment) -> Result<Config, UsageError> {
        let Environment { home, xdg_data, xdg_cache, .. } = environment;
        let below = |base: Option<PathBuf>, fallback: &str, option: &str, name: &str| {
            // XDG Base Directory Specification: a relative base folder must be ignored.
            let base = base.filter(|base| base.is_absolute());
            let base = base.or_else(|| home.as_ref().map(|home| home.join(fallback)));
            let unknown = || {
                UsageError(format!(
                    "no {name} folder: HOME is not set; name the folder with {option} DIR"
                ))
            };
            base.map(|base| base.join("picpick")).ok_or_else(unknown)
        };
        let data = match self.data.or(environment.data) {
            Some(data) => data,
            None => below(xdg_data, ".local/share", "--data", "data")?,
        };
        let cache = match self.cache.or(environment.cache) {
            Some(cache) => cache,
            None => below(xdg_cache, ".cache", "--cache", "cache")?,
        };
        let precision = match self.precision {
            Arithmetic::Auto => Precision::Auto,
            Arithmetic::Bf16 => Precision::Only(Provider::OpenVinoBf16),
            Arithmetic::F32 => Precision::Only(Provider::OpenVinoF32),
            Arithmetic::Cpu => Precision::Only(Provider::Cpu),
        };
        let keyring = self.keyring.or(environment.keyring);
        let offline = self.models_mirror.or(environment.offline);
        Ok(Config { data, keyring, models: cache.join("models"), offline, precision })
    }
}

impl Environment {
    fn read() -> Self {
        // An empty variable counts as not set.
        let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            data: folder("PICPICK_DATA"),
            keyring: folder("PICPICK_KEYRING"),
            cache: folder("PICPICK_CACHE"),
            offline: folder("PICPICK_MODELS_MIRROR"),
            xdg_data: folder("XDG_DATA_HOME"),
            xdg_cache: folder("XDG_CACHE_HOME"),
            home: folder("HOME"),
        }
    }
}

/// Reads a secret from the variable `name`, or from the file that the variable `file` names. Returns `None` if
/// neither variable is set.
fn secret(name: &str, file: &str) -> Result<Option<Zeroizing<String>>, UsageError> {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let text = match (set(name), set(file)) {
        (Some(text), _) => text,
        (None, Some(path)) => std::fs::read_to_string(&path).map_err(|error| {
            UsageError(format!("{file}: cannot read {path}: {error}; name a readable file"))
        })?,
        (None, None) => return Ok(None),
    };
    Ok(Some(Zeroizing::new(text.trim().to_owned())))
}

/// Returns the passphrase of an export of the keyring from PICPICK_KEYS_PASSPHRASE, or from the file that
/// PICPICK_KEYS_PASSPHRASE_FILE names; `None` if neither is set.
///
/// # Errors
/// - `UsageError` if the file cannot be read.
pub fn keys_passphrase() -> Result<Option<Zeroizing<String>>, UsageError> {
    secret("PICPICK_KEYS_PASSPHRASE", "PICPICK_KEYS_PASSPHRASE_FILE")
}

/// Returns the files with secrets that the environment names.
pub fn secret_files() -> Vec<PathBuf> {
    let names = [
        "PICPICK_TLS_KEY",
        "PICPICK_DATABASE_URL_FILE",
        "PICPICK_SMTP_URL_FILE",
        "PICPICK_KEYS_PASSPHRASE_FILE",
    ];
    let set = names.into_iter().filter_map(env::var_os).filter(|value| !value.is_empty());
    set.map(PathBuf::from).collect()
}

/// The S3 settings of the environment, as given. Has no `Debug`, because it holds credentials.
#[derive(Default)]
struct S3Environment {
    endpoint: Option<String>,
    region: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<SecretString>,
    session_token: Option<SecretString>,
    encryption: Option<String>,
}

/// Returns the S3 settings for the bucket `at`; `None` if `at` is a folder. Reads the environment only
/// for a bucket, so that other commands never hold credentials.
///
/// # Errors
/// - `UsageError` if a variable is missing.
/// - The engine's `Error::ObjectStore` if a variable is invalid.
pub fn s3_access(at: &str) -> anyhow::Result<Option<S3Config>> {
    if !is_s3(at) {
        return Ok(None);
    }
    S3Environment::read().validate(at).map(Some)
}

impl S3Environment {
    /// Reads the variables of AWS's own tools, by the same names and with the same precedence, and
    /// PICPICK_S3_ENCRYPTION.
    fn read() -> Self {
        let text = |name| {
            let value = env::var_os(name).and_then(|value| value.into_string().ok());
            value.filter(|value| !value.is_empty())
        };
        Self {
            endpoint: text("AWS_ENDPOINT_URL_S3").or_else(|| text("AWS_ENDPOINT_URL")),
            region: text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION")),
            access_key_id: text("AWS_ACCESS_KEY_ID"),
            secret_access_key: text("AWS_SECRET_ACCESS_KEY").map(SecretString::new),
            session_token: text("AWS_SESSION_TOKEN").map(SecretString::new),
            encryption: text("PICPICK_S3_ENCRYPTION"),
        }
    }

    fn validate(self, at: &str) -> anyhow::Result<S3Config> {
        let (Some(id), Some(secret)) = (self.access_key_id, self.secret_access_key) else {
            return Err(UsageError(format!(
                "{at} needs credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ))
            .into());
        };
        // Servers other than Amazon's usually ignore the region, but the signature must contain a region.
        let assumed = self.endpoint.as_ref().map(|_| "us-east-1".to_owned());
        let Some(region) = self.region.or(assumed) else {
            return Err(UsageError(format!(
                "the region of {at} is unknown: set AWS_REGION or, for a service other than Amazon's, \
                 AWS_ENDPOINT_URL_S3"
            ))
            .into());
        };
        let encryption = self.encryption.as_deref().unwrap_or("bucket").parse()?;
        let access =
            S3Config::new(self.endpoint.as_deref(), &region, &id, secret, self.session_token)?;
        Ok(access.with_encryption(encryption))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn s3(endpoint: Option<&str>, region: Option<&str>) -> S3Environment {
        S3Environment {
            endpoint: endpoint.map(str::to_owned),
            region: region.map(str::to_owned),
            access_key_id: Some("AKID".into()),
            secret_access_key: Some(SecretString::new("secret".into())),
            session_token: None,
            encryption: None,
        }
    }

    #[test]
    fn a_folder_needs_no_credentials_and_a_bucket_says_what_is_missing() {
        assert!(s3_access("/backup").unwrap().is_none());
        let missing = |environment: S3Environment| {
            let error = environment.validate("s3://bucket/a").err().unwrap();
            assert!(error.is::<UsageError>(), "{error}");
            error.to_string()
        };
        assert!(missing(S3Environment::default()).contains("AWS_SECRET_ACCESS_KEY"));
        let half = S3Environment { secret_access_key: None, ..s3(None, Some("eu-central-1")) };
        assert!(missing(half).contains("AWS_SECRET_ACCESS_KEY"));
        assert!(missing(s3(None, None)).contains("AWS_REGION"));
    }

    #[test]
    fn a_bucket_of_another_service_needs_no_region_but_encryption() {
        assert!(s3(Some("https://example.org"), None).validate("s3://bucket").is_ok());
        assert!(s3(None, Some("eu-central-1")).validate("s3://bucket").is_ok());
        let open = s3(Some("http://example.org"), None).validate("s3://bucket").err().unwrap();
        assert!(open.to_string().contains("not encrypted"), "{open}");
        assert!(!open.to_string().contains("secret"), "{open}");
    }

    fn folder(path: &str) -> Option<PathBuf> {
        Some(PathBuf::from(path))
    }

    #[test]
    fn an_option_beats_a_variable_beats_the_default() {
        let environment = || Environment { home: folder("/home/a"), ..Environment::default() };
        let config = RawConfig::default().validate_in(environment()).unwrap();
        assert_eq!(config.data, Path::new("/home/a/.local/share/picpick"));
        assert_eq!(config.models, Path::new("/home/a/.cache/picpick/models"));
        let given = Environment { data: folder("env"), cache: folder("/c"), ..environment() };
        let config = RawConfig::default().validate_in(given).unwrap();
        assert_eq!((config.data, config.models), ("env".into(), "/c/models".into()));
        let given = Environment { data: folder("env"), ..environment() };
        let raw = RawConfig { data: folder("option"), ..RawConfig::default() };
        assert_eq!(raw.validate_in(given).unwrap().data, Path::new("option"));
    }

    #[test]
    fn xdg_folders_count_only_when_absolute_and_no_home_is_an_error() {
        let environment = Environment {
            xdg_data: folder("/x"),
            xdg_cache: folder("rel"),
            ..Environment::default()
        };
        let error = RawConfig::default().validate_in(environment).unwrap_err();
        assert!(error.0.contains("--cache"), "{}", error.0);
        let environment = Environment {
            xdg_data: folder("/x"),
            xdg_cache: folder("/y"),
            ..Environment::default()
        };
        let config = RawConfig::default().validate_in(environment).unwrap();
        assert_eq!((config.data, config.models), ("/x/picpick".into(), "/y/picpick/models".into()));
    }
}
