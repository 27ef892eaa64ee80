//! What a request weighs: its class, from its route's rule and its method.
//!
//! The one table of costs and times. Knows no route by name and nobody's allowance.

use std::time::Duration;

use axum::http::Method;

use crate::access::{Action, Right, Rule, Stage};

/// Requests that weigh the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Reads: a list, a photo.
    Read,
    /// Changes a few rows.
    Write,
    /// Brings bytes of a photo in, for as long as the line takes.
    Upload,
    /// Runs models or searches faces.
    Heavy,
    /// Erases, purges or exports: minutes of work, rarely.
    Long,
    /// Tries a password, a PIN, a code or a link, or changes one.
    Secret,
}

/// How long an erasure, a purge or an export may take.
const TIME_LONG: Duration = Duration::from_secs(600);

impl Class {
    pub fn of(rule: Rule, method: &Method) -> Self {
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        match rule {
            // Whoever changes something without having signed in shows a secret or asks for one, a person
            // changes nothing of their own account but secrets, and who only views an album shows a PIN.
            Rule::Open | Rule::SignedIn | Rule::Album(Right::View) if !reads => Self::Secret,
            // Before they are let in, guests send frames, and models look at each.
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

    /// Units of an allowance. Heavier classes come from processor time: a read takes well under a
    /// millisecond, a password's hash some 30 ms, and guessing must not pay.
    pub fn units(self) -> u32 {
        match self {
            Self::Read => 1,
            Self::Write | Self::Upload => 2,
            Self::Heavy => 20,
            Self::Long | Self::Secret => 50,
        }
    }

    /// How long a request may take until its answer begins; `None` for an upload, whose pace is watched
    /// instead. `ordinary` is what the settings say.
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
