//! The Prometheus metrics of the service: all names, and a function for each measurement. A new metric needs
//! a constant, an entry in `NAMES` and a function.
//!
//! Without `--metrics-listen` no recorder is installed and each call costs one comparison. Label values come
//! from small fixed sets (route templates, methods, request classes) and never contain an id, an address or a
//! name.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::Method;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

const REQUESTS: &str = "picpick_http_requests_total";
const SECONDS: &str = "picpick_http_request_duration_seconds";
const AT_WORK: &str = "picpick_requests_in_flight";
const TURNED_AWAY: &str = "picpick_requests_rejected_total";
const LIMITED: &str = "picpick_requests_rate_limited_total";
const CONNECTIONS: &str = "picpick_connections";
const ALERTS: &str = "picpick_alerts_total";
const CHALLENGES: &str = "picpick_guest_challenges_total";
const LIGHT: &str = "picpick_guest_challenge_light_score";
const POSTS: &str = "picpick_alert_delivery_attempts_total";
const MEMORY: &str = "process_resident_memory_bytes";
const POOL: &str = "picpick_database_connections";
const JOBS: &str = "picpick_indexing_attempts_total";
const WAITING: &str = "picpick_jobs_pending";
const SEARCH: &str = "picpick_search_stage_duration_seconds";
const OPEN: &str = "picpick_collections_open";
const DISK_FREE: &str = "picpick_data_free_bytes";
const MAILS: &str = "picpick_mail_delivery_attempts_total";
const MAILS_WAITING: &str = "picpick_mails_pending";
const MAIL_OLDEST: &str = "picpick_mail_oldest_age_seconds";

#[derive(Clone, Copy)]
enum Sort {
    Counter,
    Gauge,
    Histogram,
}

/// Name, type and description of every metric.
const NAMES: [(&str, Sort, &str); 20] = [
    (REQUESTS, Sort::Counter, "Requests completed, by route, method and status"),
    (SECONDS, Sort::Histogram, "Time until the response begins, seconds, by route and method"),
    (AT_WORK, Sort::Gauge, "Requests in flight, by class"),
    (TURNED_AWAY, Sort::Counter, "Requests and connections rejected at capacity, by class"),
    (LIMITED, Sort::Counter, "Requests over a rate limit, by kind of subject"),
    (CONNECTIONS, Sort::Gauge, "Open connections"),
    (ALERTS, Sort::Counter, "Alerts raised, by pattern"),
    (CHALLENGES, Sort::Counter, "Guest challenges ended, by outcome"),
    (
        LIGHT,
        Sort::Histogram,
        "Score of the screen's light at the end of a challenge, by outcome and agreement",
    ),
    (POSTS, Sort::Counter, "Webhook delivery attempts, by outcome: delivered, retry, failed"),
    (JOBS, Sort::Counter, "Indexing attempts, by outcome: done, rejected, retry"),
    (WAITING, Sort::Gauge, "Indexing jobs that are ready to run, in all events"),
    (SEARCH, Sort::Histogram, "Duration of each stage of a selfie search, seconds"),
    (OPEN, Sort::Gauge, "Open collections"),
    (MEMORY, Sort::Gauge, "Resident memory of the process, bytes"),
    (POOL, Sort::Gauge, "Database connections, by state"),
    (DISK_FREE, Sort::Gauge, "Free space of the data folder's file system, bytes"),
    (MAILS, Sort::Counter, "Mail delivery attempts, by outcome: sent, failed, retry"),
    (MAILS_WAITING, Sort::Gauge, "Mails waiting to be sent"),
    (MAIL_OLDEST, Sort::Gauge, "Age of the oldest waiting mail, seconds; 0 if none waits"),
];

/// Upper bounds of the histogram buckets, seconds. Acceptance targets are tens of milliseconds; the buckets
/// of 5 and 30 seconds cover searches that wait for admission.
const SECONDS_BUCKETS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Upper bounds of the histogram buckets of scores, −1 to 1.
const SCORE_BUCKETS: [f64; 11] = [-0.5, -0.2, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0];

/// Installs the Prometheus recorder, once for the whole process. Returns its handle.
///
/// Errors if another recorder is installed.
pub fn collect() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let recorder = builder()?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)
        .map_err(|_| anyhow::anyhow!("another metrics recorder is already installed"))?;
    for (name, sort, words) in NAMES {
        match sort {
            Sort::Counter => describe_counter!(name, words),
            Sort::Gauge => describe_gauge!(name, words),
            Sort::Histogram => describe_histogram!(name, words),
        }
    }
    Ok(HANDLE.get_or_init(|| handle).clone())
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let seconds = Matcher::Full(SECONDS.to_owned());
    let stages = Matcher::Full(SEARCH.to_owned());
    let scores = Matcher::Full(LIGHT.to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(scores, &SCORE_BUCKETS)?
        .set_buckets_for_metric(seconds, &SECONDS_BUCKETS)?
        .set_buckets_for_metric(stages, &SECONDS_BUCKETS)
}

/// Records a completed request. `route` is a template such as `/api/v1/events/{event}`.
pub fn count_request(method: &Method, route: &str, status: u16, elapsed: Duration) {
    let (method, route) = (known(method), route.to_owned());
    counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    histogram!(SECONDS, "method" => method, "route" => route).record(elapsed);
}

/// Maps a method to a label value. Unknown methods become `other`, so that clients cannot create new time
/// series.
fn known(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// Records that `AdmissionControl` admitted work of `class`.
pub fn request_started(class: &'static str) {
    gauge!(AT_WORK, "class" => class).increment(1.0);
}

/// Records that admitted work of `class` ended.
pub fn request_ended(class: &'static str) {
    gauge!(AT_WORK, "class" => class).decrement(1.0);
}

/// Records a request or connection rejected for lack of capacity.
pub fn count_rejected(class: &'static str) {
    counter!(TURNED_AWAY, "class" => class).increment(1);
}

/// Records a request over a rate limit. `subject` is `address`, `account`, `key` or `visitor`.
pub fn count_limited(subject: &'static str) {
    counter!(LIMITED, "subject" => subject).increment(1);
}

pub fn set_connections(open: usize) {
    gauge!(CONNECTIONS).set(number(open));
}

pub fn count_alert(pattern: &'static str) {
    counter!(ALERTS, "pattern" => pattern).increment(1);
}

/// Records the end of a guest's challenge. `outcome` is `passed`, `abandoned` or the code of a failure.
pub fn count_challenge(outcome: &'static str) {
    counter!(CHALLENGES, "outcome" => outcome).increment(1);
}

/// Records what the light of the screen said at the end of a challenge. `agreement` is `agrees`, `differs` or
/// `unclear`; `score` is −1 to 1, and 0 without enough frames.
pub fn record_challenge_light(outcome: &'static str, agreement: &'static str, score: f32) {
    histogram!(LIGHT, "outcome" => outcome, "agreement" => agreement).record(f64::from(score));
}

/// Records a webhook delivery attempt. `outcome` is `delivered`, `retry` or `failed` (permanently).
pub fn count_webhook(outcome: &'static str) {
    counter!(POSTS, "outcome" => outcome).increment(1);
}

/// Records an indexing attempt. `outcome` is `done`, `rejected` or `retry`.
pub fn count_indexed(outcome: &'static str) {
    counter!(JOBS, "outcome" => outcome).increment(1);
}

pub fn set_jobs_pending(photos: i64) {
    gauge!(WAITING).set(photos as f64);
}

/// Records the duration of a stage of a search. `stage` is `decode`, `detect`, `embed` or `match`.
pub fn time_search(stage: &'static str, elapsed: Duration) {
    histogram!(SEARCH, "stage" => stage).record(elapsed);
}

pub fn set_open_collections(open: usize) {
    gauge!(OPEN).set(number(open));
}

/// Sets the gauges that are measured at each scrape.
pub fn set_process(resident_bytes: Option<u64>, free_bytes: Option<u64>) {
    if let Some(bytes) = resident_bytes {
        gauge!(MEMORY).set(bytes as f64);
    }
    if let Some(bytes) = free_bytes {
        gauge!(DISK_FREE).set(bytes as f64);
    }
}

/// Records a mail delivery attempt. `outcome` is `sent`, `failed` (permanently) or `retry`.
pub fn count_mail(outcome: &'static str) {
    counter!(MAILS, "outcome" => outcome).increment(1);
}

pub fn set_mails_pending(mails: i64, oldest_s: i64) {
    gauge!(MAILS_WAITING).set(mails as f64);
    gauge!(MAIL_OLDEST).set(oldest_s as f64);
}

pub fn set_pool(open: usize, idle: usize) {
    gauge!(POOL, "state" => "idle").set(number(idle));
    gauge!(POOL, "state" => "busy").set(number(open.saturating_sub(idle)));
}

fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_collected_under_their_names() {
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            count_request(&Method::GET, "/api/v1/events/{event}", 200, Duration::from_millis(3));
            count_request(&"BREW".parse().unwrap(), "-", 405, Duration::from_millis(3));
            request_started("searches");
            count_limited("key");
            set_pool(5, 2);
        });
        let text = recorder.handle().render();
        for line in [
            r#"picpick_http_requests_total{method="GET",route="/api/v1/events/{event}",status="200"} 1"#,
            r#"picpick_http_requests_total{method="other",route="-",status="405"} 1"#,
            r#"picpick_http_request_duration_seconds_bucket{method="GET",route="/api/v1/events/{event}",le="0.005"} 1"#,
            r#"picpick_requests_in_flight{class="searches"} 1"#,
            r#"picpick_requests_rate_limited_total{subject="key"} 1"#,
            r#"picpick_database_connections{state="busy"} 3"#,
        ] {
            assert!(text.contains(line), "expected {line} in\n{text}");
        }
        let names: std::collections::HashSet<_> = NAMES.iter().map(|(name, ..)| name).collect();
        assert_eq!(names.len(), NAMES.len());
    }
}
