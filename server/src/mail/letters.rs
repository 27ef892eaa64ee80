//! What mails say.
//!
//! Plain text, one link at most, and nothing in a subject that a stranger chose. Sends nothing.

use super::{Letter, Post};

/// Somebody is invited to `studio` by the link's `token`.
pub fn invitation(post: &Post, to: &str, studio: &str, role: &str, token: &str) -> Letter {
    let link = post.link("invitation", token);
    Letter {
        to: to.to_owned(),
        subject: "You are invited to a studio on PicPick".to_owned(),
        text: format!(
            "Hello,\n\nyou are invited to the studio \"{studio}\" on PicPick, as {role}.\n\n\
             Accept here, within a week:\n{link}\n\n\
             If you do not know the studio, do nothing: the invitation ends by itself.\n"
        ),
    }
}

/// The way to a new password.
pub fn reset(post: &Post, to: &str, token: &str) -> Letter {
    let link = post.link("reset", token);
    Letter {
        to: to.to_owned(),
        subject: "A new password for PicPick".to_owned(),
        text: format!(
            "Hello,\n\na new password was asked for, for your account on PicPick.\n\n\
             Choose it here, within an hour:\n{link}\n\n\
             If it was not you, do nothing: your password stays as it is.\n"
        ),
    }
}

/// The password of the account was replaced.
pub fn password_changed(to: &str) -> Letter {
    Letter {
        to: to.to_owned(),
        subject: "Your password on PicPick was changed".to_owned(),
        text: "Hello,\n\nthe password of your account on PicPick was just replaced, and the account's other \
               sessions have ended.\n\nIf it was not you, ask for a new password at once, and tell the owner \
               of your studio.\n"
            .to_owned(),
    }
}
