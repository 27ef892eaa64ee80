//! The texts of e-mails about accounts: plain text with at most one link. Subjects contain no text that a
//! user has chosen.

use super::{EmailMessage, Mailer};

/// Invites the recipient to `studio`. `token` is the single-use token of the link.
pub fn invitation(post: &Mailer, to: &str, studio: &str, role: &str, token: &str) -> EmailMessage {
    let link = post.link("invitation", token);
    EmailMessage {
        to: to.to_owned(),
        subject: "You are invited to a studio on PicPick".to_owned(),
        text: format!(
            "Hello,\n\nyou are invited to the studio \"{studio}\" on PicPick, as {role}.\n\n\
             Accept the invitation here within a week:\n{link}\n\n\
             If you do not know the studio, ignore this e-mail: the invitation expires.\n"
        ),
    }
}

/// Sends the link with which the recipient resets a password.
pub fn reset(post: &Mailer, to: &str, token: &str) -> EmailMessage {
    let link = post.link("reset", token);
    EmailMessage {
        to: to.to_owned(),
        subject: "A new password for PicPick".to_owned(),
        text: format!(
            "Hello,\n\na new password was requested for your account on PicPick.\n\n\
             Choose one here within an hour:\n{link}\n\n\
             If you did not request it, ignore this e-mail: your password does not change.\n"
        ),
    }
}

/// Notifies the recipient that the account's password was changed.
pub fn password_changed(to: &str) -> EmailMessage {
    EmailMessage {
        to: to.to_owned(),
        subject: "Your password on PicPick was changed".to_owned(),
        text: "Hello,\n\nthe password of your account on PicPick was just changed, and the account's other \
               sessions have ended.\n\nIf you did not change it, request a new password at once and inform the \
               owner of your studio.\n"
            .to_owned(),
    }
}

/// Sends the link that confirms a new address of an account, to that address.
pub fn new_email(post: &Mailer, to: &str, token: &str) -> EmailMessage {
    let link = post.link("email", token);
    EmailMessage {
        to: to.to_owned(),
        subject: "Confirm your new address for PicPick".to_owned(),
        text: format!(
            "Hello,\n\nthis address was entered as the new address of an account on PicPick.\n\n\
             Confirm it here within an hour:\n{link}\n\n\
             If it is not your account, ignore this e-mail: the account keeps its current address.\n"
        ),
    }
}

/// Notifies the recipient that a new address was requested for the account; sent to the current address.
pub fn email_change_requested(to: &str) -> EmailMessage {
    EmailMessage {
        to: to.to_owned(),
        subject: "A new address for your account on PicPick".to_owned(),
        text: "Hello,\n\na new e-mail address was requested for your account on PicPick. It takes effect when the \
               link that was sent to that address is opened.\n\nIf you did not request it, change your password at \
               once: that invalidates the link and ends all other sessions.\n"
            .to_owned(),
    }
}

/// Notifies the recipient that the account's address was changed; sent to the previous address.
pub fn email_changed(to: &str) -> EmailMessage {
    EmailMessage {
        to: to.to_owned(),
        subject: "Your address on PicPick was changed".to_owned(),
        text: "Hello,\n\nyour account on PicPick now has a different e-mail address and no longer this one.\n\n\
               If you did not change it, inform the owner of your studio or the operator of PicPick at once.\n"
            .to_owned(),
    }
}
