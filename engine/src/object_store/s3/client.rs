use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Config, Credentials, Region, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls;

use crate::object_store::s3_config::S3Config;

/// Limits the attempts of a request to 3, including the first. The SDK retries with exponential back-off. A
/// request to a host that accepts no connection fails after about 15 s (`ATTEMPTS` × `CONNECT_TIMEOUT`).
pub(super) const ATTEMPTS: u32 = 3;
/// Limits the time to establish a connection to 5 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Limits the time from the request to the first byte of the response to 10 s, in addition to the time
/// allowed for the upload.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Limits the time for all attempts of one request to 45 s, in addition to the time allowed for their
/// uploads.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(45);
/// Limits the allowed upload time from above: an upload at 128 KiB/s, about 1 Mbit/s, still succeeds. At this
/// rate, 64 MiB take about nine minutes.
const SLOWEST_BYTES_S: u64 = 128 * 1024;
/// Limits the time without progress in a transfer to 10 s. A stalled transfer is aborted and retried.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns the SDK's configuration for one service. No value comes from the environment.
pub(super) fn config(s3_config: &S3Config) -> Config {
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
            StalledStreamProtectionConfig::enabled().grace_period(STALL_TIMEOUT).build(),
        )
        .force_path_style(s3_config.path_style);
    config.set_endpoint_url(s3_config.endpoint.clone());
    config.build()
}

/// Returns the time limits for a request that sends `bytes` bytes.
pub(super) fn timeouts(bytes: usize) -> TimeoutConfig {
    let upload = Duration::from_secs(bytes as u64 / SLOWEST_BYTES_S);
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(RESPONSE_TIMEOUT + upload)
        .operation_timeout(OPERATION_TIMEOUT + upload * ATTEMPTS)
        .build()
}
