use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The result of the readiness check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub ready: bool,
    /// The failed checks: `database`, `data_folder`, `disk_full`, `models`.
    pub reasons: Vec<&'static str>,
}

/// The latest readiness and the time of its check. Its lock makes the check a single flight.
pub type ReadinessCache = Mutex<Option<(Instant, Readiness)>>;
