//! The texts of e-mails about accounts: plain text with at most one link. Subjects contain no text that a
//! user has chosen.

use super::{EmailMessage, Mailer, quoted};

/// Composes the e-mail that invites the recipient to `studio`. `token` is the single-use token of the link.
pub fn invitation(post: &Mailer, to: &str, studio: &str, role: &str, token: &str) -> EmailMessage {
    let (link, studio) = (post.link("invitation", token), quoted(studio));
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

/// Composes the e-mail with the link for a new password. `token` is the single-use token of the link.
pub fn reset(post: &Mailer, to: &str, token: &str) -> EmailMessage {
    let link = post.link("reset", token);
    EmailMessage {
        to: to.to_owned(),
        subject: "A new password for PicPick".to_owned(),
        text: format!(
            "Hello,\n\na new password was requested for your account on PicPick.\n\n\
             Choose the new password here within an hour:\n{link}\n\n\
             If you did not request it, ignore this e-mail: your password does not change.\n"
        ),
    }
}

/// Composes the e-mail that reports a changed password.
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

/// Composes the e-mail that reports a change of the second factor or of the recovery codes.
pub fn second_factor_changed(to: &str) -> EmailMessage {
    EmailMessage {
        to: to.to_owned(),
        subject: "The second factor of your account on PicPick was changed".to_owned(),
        text: "Hello,\n\nthe second factor of your account on PicPick, or its recovery codes, was just changed.\n\n\
               If you did not change it, request a new password at once and inform the operator of PicPick.\n"
            .to_owned(),
    }
}

/// Composes the e-mail that reports that the operator has removed the second factor.
pub fn second_factor_reset(to: &str) -> EmailMessage {
    EmailMessage {
        to: to.to_owned(),
        subject: "The second factor of your account on PicPick was removed".to_owned(),
        text: "Hello,\n\nthe operator of PicPick has removed the second factor of your account and its recovery \
               codes, and has ended all sessions of the account. You sign in with your password alone now; you can set \
               up a new second factor on the page of your account.\n\nIf you did not ask for this, inform the operator \
               at once.\n"
            .to_owned(),
    }
}

/// Composes the e-mail that reports the use of a recovery code.
pub fn recovery_code_used(to: &str) -> EmailMessage {
    EmailMessage {
        to: to.to_owned(),
        subject: "A recovery code of your account on PicPick was used".to_owned(),
        text: "Hello,\n\na recovery code of your account on PicPick was just used in place of a code of your \
               authenticator app. That code is now invalid.\n\nIf you did not use it, request a new password at once, \
               and replace the recovery codes on the page of your account.\n"
            .to_owned(),
    }
}

/// Composes the e-mail to a new address of an account, with the link that confirms the address.
pub fn new_email(post: &Mailer, to: &str, token: &str) -> EmailMessage {
    let link = post.link("email", token);
    EmailMessage {
        to: to.to_owned(),
        subject: "Confirm your new address for PicPick".to_owned(),
        text: format!(
            "Hello,\n\nthis address was entered as the new address of an account on PicPick.\n\n\
             Confirm the address here within an hour:\n{link}\n\n\
             If the account is not yours, ignore this e-mail: the account keeps its current address.\n"
        ),
    }
}

/// Composes the e-mail that reports the request of a new address; sent to the account's current address.
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

/// Composes the e-mail that reports a changed address; sent to the account's previous address.
pub fn email_changed(to: &str) -> EmailMessage {
    EmailMessage {
        to: to.to_owned(),
        subject: "Your address on PicPick was changed".to_owned(),
        text: "Hello,\n\nthe e-mail address of your account on PicPick was changed: the account no longer \
               uses this address.\n\n\
               If you did not change it, inform the owner of your studio or the operator of PicPick at once.\n"
            .to_owned(),
    }
}
