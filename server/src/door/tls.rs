//! Encryption by the service itself: TLS 1.3 and nothing older, with a certificate that may be renewed while
//! the service runs.
//!
//! Never logs a key; certificates are named by their files.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Certificate chain and key.
type Files = (PathBuf, PathBuf);

/// What a listener needs. Errors: what is wrong with the files, by name.
pub fn open(files: &Files) -> Result<(RustlsConfig, Files)> {
    Ok((RustlsConfig::from_config(Arc::new(read(files)?)), files.clone()))
}

fn read((chain, key): &Files) -> Result<ServerConfig> {
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

/// Takes up a renewed certificate without a restart, for as long as the service runs.
pub async fn keep_fresh(config: RustlsConfig, files: Files) {
    let mut seen = changed(&files);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = changed(&files);
        if now == seen {
            continue;
        }
        match read(&files) {
            Ok(renewed) => {
                config.reload_from_config(Arc::new(renewed));
                tracing::info!(certificate = %files.0.display(), "certificate renewed");
                seen = now;
            }
            // Chain and key are replaced one after the other; the next look may find both.
            Err(error) => {
                tracing::warn!(reason = format!("{error:#}"), "the certificate in use stays");
            }
        }
    }
}

fn changed((chain, key): &Files) -> [Option<SystemTime>; 2] {
    [chain, key].map(|file| file.metadata().and_then(|file| file.modified()).ok())
}
