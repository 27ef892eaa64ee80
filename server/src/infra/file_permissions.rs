use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::geteuid;

/// Permission bits that a secret file of this process's user must not have: all of group and others.
const OWN_FORBIDDEN: u32 = 0o077;
/// Permission bits that a secret file of another user must not have: all except reading by its group, through
/// which that user lends the file to this process.
const LENT_FORBIDDEN: u32 = 0o037;

/// Checks that only this process's user or, for a file of another user, the file's group may read a secret
/// file.
///
/// # Errors
/// - A sentence that names the file and the command that mends it, if other users have a permission, or if
///   the file cannot be found.
pub fn check_secret_file(path: &Path) -> Result<(), String> {
    let name = path.display();
    let file = path.metadata().map_err(|error| {
        format!("{name} cannot be read: {error}; name a file that this user may read")
    })?;
    let mode = file.mode() & 0o777;
    let (forbidden, command) = match file.uid() == geteuid().as_raw() {
        true => (OWN_FORBIDDEN, "chmod 0600"),
        false => (LENT_FORBIDDEN, "chmod 0640"),
    };
    if mode & forbidden == 0 {
        return Ok(());
    }
    Err(format!(
        "{name} holds a secret, and other users may use it (mode {mode:04o}); run '{command} {name}'"
    ))
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_file_is_for_its_owner_only() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("key.pem");
        assert!(check_secret_file(&path).unwrap_err().contains("key.pem"));
        std::fs::write(&path, "key").unwrap();
        for (mode, closed) in
            [(0o600, true), (0o400, true), (0o640, false), (0o644, false), (0o606, false)]
        {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let checked = check_secret_file(&path);
            assert_eq!(checked.is_ok(), closed, "{mode:o}");
            if let Err(problem) = checked {
                assert!(problem.contains("chmod 0600") && problem.contains("key.pem"), "{problem}");
            }
        }
    }
}
