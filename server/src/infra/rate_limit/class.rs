use std::time::Duration;

use axum::http::Method;

use crate::http::auth::{Action, Right, Rule, Stage};

/// The cost class of a request, derived from the access rule of its route and its method. It determines the
/// rate limit cost, the admission queue and the time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Reads a list or a photo.
    Read,
    /// Changes a few rows.
    Write,
    /// Uploads bytes of a photo; has no time limit.
    Upload,
    /// Runs models or searches faces.
    Heavy,
    /// Erases, purges or exports: rare, and minutes of work.
    Long,
    /// Submits a password, a PIN, a code or a link's token, or changes one.
    Secret,
}

/// Time limit of an erasure, a purge or an export.
const TIME_LONG: Duration = Duration::from_secs(600);

impl Class {
    pub fn of(rule: Rule, method: &Method) -> Self {
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        match rule {
            // A change by an anonymous client submits or requests a secret. A change to one's own account
            // concerns a secret. A visitor with view permission can only submit a PIN.
            Rule::Open | Rule::SignedIn | Rule::Album(Right::View) if !reads => Self::Secret,
            // A guest who is not verified yet sends camera frames, and models process each of them.
            Rule::Guest(Stage::Registered) if !reads => Self::Heavy,
            Rule::Studio(action) | Rule::Event(action) => match action {
                Action::SearchFaces => Self::Heavy,
                Action::UploadPhotos if !reads => Self::Upload,
                Action::DeleteEvent | Action::EraseFaces | Action::ExportEvent => Self::Long,
                _ if reads => Self::Read,
                _ => Self::Write,
            },
            _ if reads => Self::Read,
            _ => Self::Write,
        }
    }

    /// Returns the rate limit cost in units. Costs follow processor time (a read takes well under 1 ms, a
    /// password hash about 30 ms); secrets cost more, so that guessing is slow.
    pub fn units(self) -> u32 {
        match self {
            Self::Read => 1,
            Self::Write | Self::Upload => 2,
            Self::Heavy => 20,
            Self::Long | Self::Secret => 50,
        }
    }

    /// Returns the time limit until the response begins; `None` for an upload, which has a minimum rate
    /// instead. `ordinary` is the limit from the settings.
    pub fn time_max(self, ordinary: Duration) -> Option<Duration> {
        match self {
            Self::Upload => None,
            Self::Long => Some(ordinary.max(TIME_LONG)),
            _ => Some(ordinary),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_cost_most_and_reads_least() {
        let of = |rule, method| Class::of(rule, &method);
        assert_eq!(of(Rule::Open, Method::POST), Class::Secret);
        assert_eq!(of(Rule::Open, Method::GET), Class::Read);
        assert_eq!(of(Rule::SignedIn, Method::PUT), Class::Secret);
        assert_eq!(of(Rule::SignedIn, Method::GET), Class::Read);
        assert_eq!(of(Rule::Event(Action::UploadPhotos), Method::PATCH), Class::Upload);
        assert_eq!(of(Rule::Event(Action::UploadPhotos), Method::GET), Class::Read);
        assert_eq!(of(Rule::Event(Action::SearchFaces), Method::POST), Class::Heavy);
        assert_eq!(of(Rule::Event(Action::DeleteEvent), Method::DELETE), Class::Long);
        assert_eq!(of(Rule::Studio(Action::CreateEvent), Method::POST), Class::Write);
        assert_eq!(of(Rule::Album(Right::View), Method::POST), Class::Secret);
        assert_eq!(of(Rule::Album(Right::View), Method::GET), Class::Read);
        assert_eq!(of(Rule::Album(Right::Annotate), Method::PUT), Class::Write);
        assert_eq!(of(Rule::Guest(Stage::Registered), Method::POST), Class::Heavy);
        assert_eq!(of(Rule::Guest(Stage::Verified), Method::POST), Class::Write);
        assert!(Class::Secret.units() > 10 * Class::Read.units());
        let ordinary = Duration::from_secs(30);
        assert_eq!(Class::Upload.time_max(ordinary), None);
        assert_eq!(Class::Write.time_max(ordinary), Some(ordinary));
        assert_eq!(Class::Long.time_max(ordinary), Some(TIME_LONG));
    }
}
