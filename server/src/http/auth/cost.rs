use axum::http::Method;

use crate::http::auth::{Action, AlbumPermission, GuestStage, Rule};
use crate::infra::rate_limit::RequestClass;

/// Returns the cost class of a request, from the access rule of its route and its method.
pub fn request_class(rule: Rule, method: &Method) -> RequestClass {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match rule {
        // A change by an anonymous client submits or requests a secret. A change to one's own account
        // concerns a secret. A visitor with view permission can only submit a PIN.
        Rule::Open | Rule::SignedIn | Rule::Album(AlbumPermission::View) if !reads => {
            RequestClass::Secret
        }
        // A guest who is not verified yet sends camera frames, and models process each of them.
        Rule::Guest(GuestStage::Registered) if !reads => RequestClass::Heavy,
        Rule::Studio(action) | Rule::Event(action) => match action {
            Action::SearchFaces => RequestClass::Heavy,
            Action::UploadPhotos if !reads => RequestClass::Upload,
            Action::DeleteEvent | Action::EraseFaces | Action::ExportEvent => RequestClass::Long,
            // A new API key requires the password.
            Action::ManageKeys if !reads => RequestClass::Secret,
            _ if reads => RequestClass::Read,
            _ => RequestClass::Write,
        },
        _ if reads => RequestClass::Read,
        _ => RequestClass::Write,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_have_a_class_of_their_own_and_reads_are_reads() {
        let of = |rule, method| request_class(rule, &method);
        assert_eq!(of(Rule::Open, Method::POST), RequestClass::Secret);
        assert_eq!(of(Rule::Open, Method::GET), RequestClass::Read);
        assert_eq!(of(Rule::SignedIn, Method::PUT), RequestClass::Secret);
        assert_eq!(of(Rule::SignedIn, Method::GET), RequestClass::Read);
        assert_eq!(of(Rule::Event(Action::UploadPhotos), Method::PATCH), RequestClass::Upload);
        assert_eq!(of(Rule::Event(Action::UploadPhotos), Method::GET), RequestClass::Read);
        assert_eq!(of(Rule::Event(Action::SearchFaces), Method::POST), RequestClass::Heavy);
        assert_eq!(of(Rule::Event(Action::DeleteEvent), Method::DELETE), RequestClass::Long);
        assert_eq!(of(Rule::Studio(Action::CreateEvent), Method::POST), RequestClass::Write);
        assert_eq!(of(Rule::Studio(Action::ManageKeys), Method::POST), RequestClass::Secret);
        assert_eq!(of(Rule::Album(AlbumPermission::View), Method::POST), RequestClass::Secret);
        assert_eq!(of(Rule::Album(AlbumPermission::View), Method::GET), RequestClass::Read);
        assert_eq!(of(Rule::Album(AlbumPermission::Annotate), Method::PUT), RequestClass::Write);
        assert_eq!(of(Rule::Guest(GuestStage::Registered), Method::POST), RequestClass::Heavy);
        assert_eq!(of(Rule::Guest(GuestStage::Verified), Method::POST), RequestClass::Write);
    }
}
