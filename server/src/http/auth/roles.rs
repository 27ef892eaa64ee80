use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::error::{ApiError, Result};

/// The role of a member or an API key in a studio, or in one event of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May do everything, including managing owners.
    Owner,
    /// May do everything except managing owners.
    Admin,
    /// Uploads and views photos; searches faces.
    Photographer,
    /// Uploads, arranges and removes photos; searches faces; manages events and guests.
    Editor,
    /// Reads members and the audit log, for bookkeeping; sees no photos.
    Accountant,
    /// Views events and photos.
    Viewer,
}

/// The action that a route performs, which the caller's role must include.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    ReadStudio,
    ManageStudio,
    ReadMembers,
    ManageMembers,
    ManageKeys,
    ReadAudit,
    CreateEvent,
    ReadEvent,
    ManageEvent,
    /// Moves an event's end later; changes the purpose or the legal basis of processing its faces, or when they are
    /// embedded.
    ChangeEventTerms,
    /// Changes how the guests of an event prove who they are.
    ChangeGuestProof,
    /// Deletes an event, or moves its end earlier.
    DeleteEvent,
    ReadPhotos,
    UploadPhotos,
    ManagePhotos,
    /// Searches photos by face; reads people, matching settings and coverage.
    SearchFaces,
    /// Searches with a threshold below the event's threshold.
    SearchBelowThreshold,
    /// Erases all faces of a person in an event's photos.
    EraseFaces,
    /// Undoes an erasure that waits, such as one on a guest's word.
    UndoErasures,
    ExportEvent,
    /// Reads guests and their contacts, manages guest links, decides access requests, removes guests.
    ManageGuests,
}

impl Action {
    /// Returns whether only users may perform the action's changes: an API key must not outlive or widen
    /// the rights of its creator.
    pub fn changes_by_users_only(self) -> bool {
        matches!(self, Action::ManageMembers | Action::ManageKeys)
    }
}

use Action as A;

impl Role {
    pub const ALL: [Role; 6] = [
        Role::Owner,
        Role::Admin,
        Role::Photographer,
        Role::Editor,
        Role::Accountant,
        Role::Viewer,
    ];

    /// Returns the actions of this role.
    pub fn actions(self) -> &'static [Action] {
        match self {
            Role::Owner | Role::Admin => &[
                A::ReadStudio,
                A::ManageStudio,
                A::ReadMembers,
                A::ManageMembers,
                A::ManageKeys,
                A::ReadAudit,
                A::CreateEvent,
                A::ReadEvent,
                A::ManageEvent,
                A::ChangeEventTerms,
                A::ChangeGuestProof,
                A::DeleteEvent,
                A::ReadPhotos,
                A::UploadPhotos,
                A::ManagePhotos,
                A::SearchFaces,
                A::SearchBelowThreshold,
                A::EraseFaces,
                A::UndoErasures,
                A::ExportEvent,
                A::ManageGuests,
            ],
            Role::Photographer => {
                &[A::ReadStudio, A::ReadEvent, A::ReadPhotos, A::UploadPhotos, A::SearchFaces]
            }
            Role::Editor => &[
                A::ReadStudio,
                A::ReadEvent,
                A::ManageEvent,
                A::ReadPhotos,
                A::UploadPhotos,
                A::ManagePhotos,
                A::SearchFaces,
                A::ManageGuests,
            ],
            Role::Accountant => &[A::ReadStudio, A::ReadMembers, A::ReadAudit],
            Role::Viewer => &[A::ReadStudio, A::ReadEvent, A::ReadPhotos],
        }
    }

    pub fn may(self, action: Action) -> bool {
        self.actions().contains(&action)
    }

    /// Returns whether a caller with this role may grant `other`: an owner any role, an admin any role but
    /// owner.
    pub fn may_grant(self, other: Role) -> bool {
        match self {
            Role::Owner => true,
            Role::Admin => other != Role::Owner,
            _ => false,
        }
    }

    /// Returns the name under which the role is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Admin => "admin",
            Role::Photographer => "photographer",
            Role::Editor => "editor",
            Role::Accountant => "accountant",
            Role::Viewer => "viewer",
        }
    }

    /// Reads the column `role`.
    ///
    /// # Errors
    /// - `Internal` if the column is missing or holds no role.
    pub fn of_row(row: &AnyRow) -> Result<Role> {
        Role::stored(&row.try_get::<String, _>("role")?)
    }

    /// Parses a role that the database stores.
    ///
    /// # Errors
    /// - `Internal` if `text` is no role.
    pub fn stored(text: &str) -> Result<Role> {
        Role::parse(text).ok_or_else(|| ApiError::internal(format!("no role '{text}'")))
    }

    /// Parses a name that `as_str` returns; `None` for any other text.
    fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// A role that a caller holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldRole {
    pub role: Role,
    /// For an API key: a current role of its creator, which limits the key's role. `None` for a user.
    pub limit: Option<Role>,
}

impl HeldRole {
    pub fn may(self, action: Action) -> bool {
        self.role.may(action) && self.limit.is_none_or(|limit| limit.may(action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_reads_back_and_none_grants_more_than_it_has() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
            for other in Role::ALL.into_iter().filter(|other| role.may_grant(*other)) {
                assert!(
                    other.actions().iter().all(|action| role.may(*action)),
                    "{role:?} {other:?}"
                );
            }
        }
        assert_eq!(Role::parse("Owner"), None);
        assert!(!Role::Admin.may_grant(Role::Owner) && !Role::Viewer.may_grant(Role::Viewer));
    }

    #[test]
    fn a_limited_role_has_the_actions_of_both_roles() {
        let held = |role, limit| HeldRole { role, limit: Some(limit) };
        let key = held(Role::Admin, Role::Editor);
        assert!(key.may(A::ManageEvent) && !key.may(A::DeleteEvent));
        let key = held(Role::Accountant, Role::Editor);
        assert!(key.may(A::ReadStudio) && !key.may(A::ReadAudit) && !key.may(A::ReadPhotos));
        assert!(HeldRole { role: Role::Editor, limit: None }.may(A::ManageEvent));
    }

    #[test]
    fn those_who_only_look_change_nothing() {
        let changing = [
            A::UploadPhotos,
            A::ManagePhotos,
            A::DeleteEvent,
            A::EraseFaces,
            A::UndoErasures,
            A::ManageKeys,
        ];
        for role in [Role::Viewer, Role::Accountant] {
            assert!(changing.iter().all(|action| !role.may(*action)), "{role:?}");
        }
        assert!(!Role::Accountant.may(A::ReadPhotos), "an accountant sees no photos");
    }
}
