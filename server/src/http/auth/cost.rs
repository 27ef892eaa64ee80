use axum::http::Method;

use crate::http::auth::{Action, Right, Rule, Stage};
use crate::infra::rate_limit::Class;

/// Returns the cost class of a request, from the access rule of its route and its method.
pub fn request_class(rule: Rule, method: &Method) -> Class {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match rule {
        // A change by an anonymous client submits or requests a secret. A change to one's own account
        // concerns a secret. A visitor with view permission can only submit a PIN.
        Rule::Open | Rule::SignedIn | Rule::Album(Right::View) if !reads => Class::Secret,
        // A guest who is not verified yet sends camera frames, and models process each of them.
        Rule::Guest(Stage::Registered) if !reads => Class::Heavy,
        Rule::Studio(action) | Rule::Event(action) => match action {
            Action::SearchFaces => Class::Heavy,
            Action::UploadPhotos if !reads => Class::Upload,
            Action::DeleteEvent | Action::EraseFaces | Action::ExportEvent => Class::Long,
            _ if reads => Class::Read,
            _ => Class::Write,
        },
        _ if reads => Class::Read,
        _ => Class::Write,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_have_a_class_of_their_own_and_reads_are_reads() {
        let of = |rule, method| request_class(rule, &method);
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
    }
}
