//! How the SDK is set up: credentials, TLS, repetitions and time limits.
//!
//! Every setting is given here, none is read from the environment. Knows nothing of single requests.

use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Config, Credentials, Region, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls;

use crate::place::access::S3Access;

/// First try and repetitions together; the SDK waits longer and longer between them, some seconds in
/// all. A host that takes no connection is given up after about `ATTEMPTS` × `CONNECT`.
pub(super) const ATTEMPTS: u32 = 3;
const CONNECT: Duration = Duration::from_secs(5);
/// From the request to the first byte of its answer, beyond the time that the upload may take.
const ANSWER: Duration = Duration::from_secs(10);
/// All attempts of one request together, beyond the time that the uploads may take.
const OPERATION: Duration = Duration::from_secs(45);
/// The slowest upload that is waited for: 1 Mbit/s, some nine minutes for 64 MiB.
const SLOWEST_BYTES_S: u64 = 128 * 1024;
/// A transfer that moves no byte for this long is given up and repeated.
const STALLED: Duration = Duration::from_secs(10);

/// The SDK's settings for one service.
pub(super) fn config(access: &S3Access) -> Config {
    let credentials = Credentials::new(
        access.access_key_id.as_str(),
        access.secret_access_key.reveal(),
        access.session_token.as_ref().map(|token| token.reveal().to_owned()),
        None,
        "picpick",
    );
    let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let mut config = Builder::new()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(access.region.clone()))
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().tls_provider(tls).build_https())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts(0))
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled().grace_period(STALLED).build(),
        )
        .force_path_style(access.path_style);
    config.set_endpoint_url(access.endpoint.clone());
    config.build()
}

/// The limits for a request that sends `bytes`.
pub(super) fn timeouts(bytes: usize) -> TimeoutConfig {
    let upload = Duration::from_secs(bytes as u64 / SLOWEST_BYTES_S);
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(ANSWER + upload)
        .operation_timeout(OPERATION + upload * ATTEMPTS)
        .build()
}
