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

/// The way to another address for an account, sent to that address.
pub fn new_email(post: &Post, to: &str, token: &str) -> Letter {
    let link = post.link("email", token);
    Letter {
        to: to.to_owned(),
        subject: "Confirm your new address for PicPick".to_owned(),
        text: format!(
            "Hello,\n\nsomebody wants their account on PicPick to have this address.\n\n\
             Confirm it here, within an hour:\n{link}\n\n\
             If it was not you, do nothing: the account keeps the address it has.\n"
        ),
    }
}

/// Another address was asked for, sent to the one that the account has.
pub fn email_asked(to: &str) -> Letter {
    Letter {
        to: to.to_owned(),
        subject: "Another address for your account on PicPick".to_owned(),
        text: "Hello,\n\nanother e-mail address was asked for, for your account on PicPick. The account gets it \
               once the link that was sent there is used.\n\nIf it was not you, change your password at once: \
               that ends the link, and all other sessions.\n"
            .to_owned(),
    }
}

/// The account has another address, sent to the one it had.
pub fn email_changed(to: &str) -> Letter {
    Letter {
        to: to.to_owned(),
        subject: "Your address on PicPick was changed".to_owned(),
        text: "Hello,\n\nyour account on PicPick has another e-mail address now, and no longer this one.\n\n\
               If it was not you, tell the owner of your studio, or whoever runs PicPick, at once.\n"
            .to_owned(),
    }
}
