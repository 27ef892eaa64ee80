//! Who may do what: the one table of roles and actions.
//!
//! Knows nothing of people, studios or requests.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::error::{Failure, Result};

/// What somebody is in a studio, or in one event of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, other owners included.
    Owner,
    /// Everything but owners.
    Admin,
    /// Brings photos in.
    Photographer,
    /// Arranges and removes photos.
    Editor,
    /// Reads what happened, for the books.
    Accountant,
    /// Looks.
    Viewer,
}

/// What a route lets somebody do.
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
    DeleteEvent,
    ReadPhotos,
    UploadPhotos,
    ManagePhotos,
    /// Looks for people by their faces.
    SearchFaces,
    EraseFaces,
    ExportEvent,
    /// Reads who the guests are and how to reach them; answers and removes them.
    ManageGuests,
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

    /// What this role may do.
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
                A::DeleteEvent,
                A::ReadPhotos,
                A::UploadPhotos,
                A::ManagePhotos,
                A::SearchFaces,
                A::EraseFaces,
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

    /// Whether somebody with this role may give `other` away: never more than one has oneself.
    pub fn may_grant(self, other: Role) -> bool {
        match self {
            Role::Owner => true,
            Role::Admin => other != Role::Owner,
            _ => false,
        }
    }

    /// As it is stored.
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

    /// The column `role`. Errors: `Internal` where it holds none.
    pub fn of_row(row: &AnyRow) -> Result<Role> {
        let text: String = row.try_get("role")?;
        Role::parse(&text).ok_or_else(|| Failure::internal(format!("no role '{text}'")))
    }

    /// Reads what `as_str` writes.
    fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
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
    fn those_who_only_look_change_nothing() {
        let changing =
            [A::UploadPhotos, A::ManagePhotos, A::DeleteEvent, A::EraseFaces, A::ManageKeys];
        for role in [Role::Viewer, Role::Accountant] {
            assert!(changing.iter().all(|action| !role.may(*action)), "{role:?}");
        }
        assert!(!Role::Accountant.may(A::ReadPhotos), "the books need no faces");
    }
}
