//! TLS termination: TLS 1.3 only, with a certificate that is reloaded without a restart. Keys are never
//! logged.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, anyhow};
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::infra::file_permissions::check_secret_file;

/// Interval at which the modification times of the files are checked: 60 s.
const POLL_INTERVAL: Duration = Duration::from_secs(60);

/// The paths of the certificate chain and the key, both PEM.
type CertificateFiles = (PathBuf, PathBuf);

/// Reads certificate and key. Returns the TLS configuration and the files, for [`reload_certificate`].
///
/// # Errors
/// - A file cannot be read or is not PEM; the error names the file.
/// - Other users may read the key; the error names the command that mends it.
/// - Certificate and key do not belong together; the error names both files.
pub fn open(files: &CertificateFiles) -> Result<(RustlsConfig, CertificateFiles)> {
    Ok((RustlsConfig::from_config(Arc::new(read(files)?)), files.clone()))
}

fn read((chain, key): &CertificateFiles) -> Result<ServerConfig> {
    check_secret_file(key)
        .map_err(|problem| anyhow!(problem))
        .context("checking the certificate's key")?;
    let at = || format!("reading the certificate {}", chain.display());
    let certificates = CertificateDer::pem_file_iter(chain)
        .with_context(at)?
        .collect::<Result<Vec<_>, _>>()
        .with_context(at)?;
    let secret = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("reading the certificate's key {}", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(certificates, secret)
        .with_context(|| {
            format!("using the certificate {} with the key {}", chain.display(), key.display())
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Reloads a renewed certificate without a restart. Runs until the service stops.
pub async fn reload_certificate(config: RustlsConfig, files: CertificateFiles) {
    let mut seen = changed(&files);
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let now = changed(&files);
        if now == seen {
            continue;
        }
        match read(&files) {
            Ok(renewed) => {
                config.reload_from_config(Arc::new(renewed));
                tracing::info!(certificate = %files.0.display(), "certificate reloaded");
                seen = now;
            }
            // An operator replaces chain and key one after the other; the next check may find a matching
            // pair.
            Err(error) => {
                tracing::warn!(
                    reason = format!("{error:#}"),
                    "certificate reload failed; the current certificate stays in use; the reload will be retried"
                );
            }
        }
    }
}

fn changed((chain, key): &CertificateFiles) -> [Option<SystemTime>; 2] {
    [chain, key].map(|file| file.metadata().and_then(|file| file.modified()).ok())
}
