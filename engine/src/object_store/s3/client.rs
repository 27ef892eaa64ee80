use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Config, Credentials, Region, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls;

use crate::object_store::s3_config::S3Access;

/// Maximum attempts per request, including the first. The SDK retries with exponential back-off, some seconds
/// in total. A host that accepts no connection fails after about `ATTEMPTS` × `CONNECT`.
pub(super) const ATTEMPTS: u32 = 3;
/// Maximum time to establish a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Maximum time from the request to the first byte of the response, in addition to the time allowed for the
/// upload.
const ANSWER: Duration = Duration::from_secs(10);
/// Maximum time for all attempts of one request, in addition to the time allowed for their uploads.
const OPERATION: Duration = Duration::from_secs(45);
/// Minimum upload rate for which time is allowed: 1 Mbit/s, about nine minutes for 64 MiB.
const SLOWEST_BYTES_S: u64 = 128 * 1024;
/// Maximum time without progress in a transfer; then it is aborted and retried.
const STALLED: Duration = Duration::from_secs(10);

/// Returns the SDK's configuration for one service. It sets everything explicitly: no value comes from the
/// environment.
pub(super) fn config(s3_config: &S3Access) -> Config {
    let credentials = Credentials::new(
        s3_config.access_key_id.as_str(),
        s3_config.secret_access_key.reveal(),
        s3_config.session_token.as_ref().map(|token| token.reveal().to_owned()),
        None,
        "picpick",
    );
    let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let mut config = Builder::new()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(s3_config.region.clone()))
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().tls_provider(tls).build_https())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts(0))
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled().grace_period(STALLED).build(),
        )
        .force_path_style(s3_config.path_style);
    config.set_endpoint_url(s3_config.endpoint.clone());
    config.build()
}

/// Returns the time limits for a request that sends `bytes` bytes.
pub(super) fn timeouts(bytes: usize) -> TimeoutConfig {
    let upload = Duration::from_secs(bytes as u64 / SLOWEST_BYTES_S);
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(ANSWER + upload)
        .operation_timeout(OPERATION + upload * ATTEMPTS)
        .build()
}
