//! The proof of a guest's contact: a code of six digits that the server sends by e-mail.
//!
//! The code is sent at the registration, so that it arrives while the guest turns the head, and it is asked for
//! before any photo. It is compared through the lockout alone, works once and expires. Links in e-mails
//! (`email_tokens.rs`) prove the contact as well.

use std::net::IpAddr;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::contact::{Contact, open};
use super::guest_list;
use crate::api::event::guest_proof::GuestProof;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::GuestSession;
use crate::http::client_address::ClientAddress;
use crate::http::extract::Body;
use crate::i18n::Language;
use crate::infra::audit_log::record_guest;
use crate::infra::clock::now_s;
use crate::infra::db::guests::{self, GuestOverview};
use crate::infra::db::{Db, Tx};
use crate::infra::ids::{new_id, random};
use crate::infra::mail::{self, OutgoingMail};
use crate::infra::rate_limit::{
    CountedAttempt, Guess, GuessableSecret, Guesser, Quota, attempt, network,
};

/// Validity of a code, seconds (15 minutes).
const CODE_S: i64 = 900;
/// Quota of codes per contact, over all events and networks: 10, then one per 20 minutes.
const CONTACT_QUOTA: Quota = Quota { capacity: 10, refill_s: 1200 };
/// Quota of codes per contact and network: 4, then one per 10 minutes. Strangers in one network therefore
/// leave the contact's owner, who is in another one, most of `CONTACT_QUOTA`.
const CONTACT_NETWORK_QUOTA: Quota = Quota { capacity: 4, refill_s: 600 };
/// Quota of codes per guest link: 500, then one per 2 s. A link is no free mail relay.
const LINK_QUOTA: Quota = Quota { capacity: 500, refill_s: 2 };

/// The state of the proof of a guest's contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContactProof {
    /// The guest's face alone suffices.
    NotNeeded,
    /// The guest sees photos only after entering the code.
    Needed,
    Proved,
}

#[derive(Deserialize, ToSchema)]
pub struct ContactCode {
    /// The code of six digits in the newest e-mail.
    #[schema(max_length = 20)]
    code: String,
}

/// A guest who is to prove a contact.
pub struct CodeRecipient<'a> {
    pub guest: &'a str,
    pub event: &'a str,
    pub event_name: &'a str,
    pub studio_name: &'a str,
    pub contact: &'a Contact,
    pub language: Language,
    /// The guest link by which the guest came.
    pub link: Option<&'a str>,
    pub from: IpAddr,
    pub proof: GuestProof,
}

/// Sends a code to a guest's contact; an earlier code becomes invalid. If the event has a guest list and the
/// contact is not on it, does the same work and sends nothing.
///
/// # Errors
/// - `TooManyRequests` if the contact or the link has used its codes. The transaction stays valid.
/// - `Internal` if the contact is no e-mail address.
pub async fn send_code(app: &App, tx: &mut Tx, to: &CodeRecipient<'_>) -> Result<()> {
    let address =
        to.contact.email().ok_or_else(|| ApiError::internal("a contact without e-mail"))?;
    let hash = to.contact.hash(app)?;
    let detail = "This contact has used its codes for now; wait before you ask for another one.";
    // In the order of the names, so that concurrent transactions lock the rows in one order.
    CONTACT_NETWORK_QUOTA
        .take(tx, &format!("code:contact:{hash}:{}", network(to.from)), detail)
        .await?;
    CONTACT_QUOTA.take(tx, &format!("code:contact_total:{hash}"), detail).await?;
    if let Some(link) = to.link {
        LINK_QUOTA.take(tx, &format!("code:link:{link}"), detail).await?;
    }
    let is_listed = match to.proof {
        GuestProof::GuestList => guest_list::contains(tx, to.event, &hash).await?,
        GuestProof::ContactCode | GuestProof::Selfie => true,
    };
    let code = new_code()?;
    // No code matches the hash of an unlisted contact.
    let stored = if is_listed { code_hash(app, to.guest, &code)? } else { new_id()? };
    sqlx::query(
        "INSERT INTO guest_contact_codes (guest_id, code_hash, expires_unix_s) VALUES ($1, $2, $3) \
         ON CONFLICT (guest_id) DO UPDATE SET code_hash = excluded.code_hash, \
         expires_unix_s = excluded.expires_unix_s",
    )
    .bind(to.guest)
    .bind(stored)
    .bind(now_s() + CODE_S)
    .execute(&mut **tx)
    .await?;
    let letter = mail::contact_code(address, to.language, to.event_name, to.studio_name, &code);
    let mail = if is_listed { OutgoingMail::Letter(letter) } else { OutgoingMail::Nothing };
    mail::enqueue(&app.mailer, tx, &mail).await
}

/// Returns a code of six random digits.
fn new_code() -> Result<String> {
    // 2^64 is so much larger than 10^6 that the remainder's bias is below 10^-12.
    let number = u64::from_le_bytes(random::<8>()?) % 1_000_000;
    Ok(format!("{number:06}"))
}

/// Returns the stored form of a guest's code: a keyed hash, because a plain one would be found by trying all
/// codes.
fn code_hash(app: &App, guest: &str, code: &str) -> Result<String> {
    Ok(app.vault.name("guest contact code", format!("{guest} {code}").as_bytes())?)
}

/// Returns whether `guest` has a code that is still valid.
pub async fn has_code(db: &Db, guest: &str) -> Result<bool> {
    let row = sqlx::query(
        "SELECT guest_id FROM guest_contact_codes WHERE guest_id = $1 AND expires_unix_s > $2",
    )
    .bind(guest)
    .bind(now_s())
    .fetch_optional(db.read())
    .await?;
    Ok(row.is_some())
}

/// Sends a code to the guest of a session.
///
/// # Errors
/// - `Conflict` if the contact is a telephone number, because codes are sent by e-mail alone.
/// - `TooManyRequests` if the contact or the link has used its codes.
pub async fn send_to_visit(
    app: &App,
    visit: &GuestSession,
    own: &GuestOverview,
    from: IpAddr,
) -> Result<()> {
    let contact = Contact::parse(&open(app, &visit.guest, "contact", &own.guest.contact)?)?;
    check_email(&contact)?;
    let recipient = CodeRecipient {
        guest: &visit.guest,
        event: &visit.event,
        event_name: &own.event_name,
        studio_name: &own.studio_name,
        contact: &contact,
        language: Language::of_tag(&own.guest.language),
        link: own.guest.link.as_deref(),
        from,
        proof: GuestProof::stored(&own.guest_proof)?,
    };
    let mut tx = app.db.write().await?;
    send_code(app, &mut tx, &recipient).await?;
    tx.commit().await?;
    app.mailer.wake();
    Ok(())
}

/// Checks that a code can be sent to a contact.
///
/// # Errors
/// - `Conflict` if the contact is a telephone number.
pub fn check_email(contact: &Contact) -> Result<()> {
    if contact.email().is_some() {
        return Ok(());
    }
    let detail = "This event sends a code by e-mail; register again with an e-mail address.";
    Err(ApiError::new(ErrorKind::Conflict, detail))
}

/// Returns the state of the proof of a guest's contact. `holds_face` is whether a passed face of the session
/// waits for the proof, which it also does in an event without codes if other faces came with the contact.
pub fn state(own: &GuestOverview, holds_face: bool) -> Result<ContactProof> {
    let needed = GuestProof::stored(&own.guest_proof)?.needs_code() || holds_face;
    Ok(match own.guest.contact_proved_unix_s {
        Some(_) => ContactProof::Proved,
        None if needed => ContactProof::Needed,
        None => ContactProof::NotNeeded,
    })
}

/// Sends another code to the guest's contact. The earlier code becomes invalid. The response is the same
/// whether or not the contact is on the event's guest list.
#[utoipa::path(post, path = "/guest/contact-code", operation_id = "guest_contact_code_send", tag = "guest",
    responses((status = 204)))]
pub async fn send_again(
    State(app): State<App>,
    visit: GuestSession,
    ClientAddress(from): ClientAddress,
) -> Result<StatusCode> {
    let own = guests::overview(&app.db, &visit.guest).await?;
    let holds_face = app.passed_faces.holds(&visit.session, &visit.guest);
    if state(&own, holds_face)? == ContactProof::Needed {
        send_to_visit(&app, &visit, &own, from).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Proves the guest's contact by the code in the newest e-mail. A code works once and for 15 minutes.
#[utoipa::path(put, path = "/guest/contact-code", operation_id = "guest_contact_code_prove", tag = "guest",
    request_body = ContactCode, responses((status = 204)))]
pub async fn prove(
    State(app): State<App>,
    visit: GuestSession,
    Body(given): Body<ContactCode>,
) -> Result<StatusCode> {
    let digits: String = given.code.chars().filter(char::is_ascii_digit).collect();
    let guess = Guess {
        secret: GuessableSecret::ContactCode,
        subject: &visit.guest,
        guesser: Guesser::Known(&visit.session),
    };
    let proved =
        attempt(&app.db, guess, async |counted| prove_by(&app, &counted, &visit, &digits).await);
    let detail =
        "The code is wrong or has expired; check the newest e-mail, or ask for another code.";
    proved.await?.ok_or_else(|| ApiError::new(ErrorKind::WrongCredentials, detail))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Uses up the guest's code; `None` if the guest has no such code.
async fn prove_by(
    app: &App,
    _counted: &CountedAttempt,
    visit: &GuestSession,
    code: &str,
) -> Result<Option<()>> {
    let (hash, now) = (code_hash(app, &visit.guest, code)?, now_s());
    let mut tx = app.db.write().await?;
    let used = sqlx::query(
        "DELETE FROM guest_contact_codes WHERE guest_id = $1 AND code_hash = $2 AND expires_unix_s > $3",
    )
    .bind(&visit.guest)
    .bind(hash)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    if used.rows_affected() == 0 {
        return Ok(None);
    }
    guests::set_contact_proved(&mut tx, &visit.guest, now).await?;
    record_guest(&mut tx, &visit.studio, &visit.guest, "guest_contact_proved", "").await?;
    tx.commit().await?;
    Ok(Some(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_six_digits_and_differ() {
        let codes: std::collections::HashSet<String> =
            (0..50).map(|_| new_code().unwrap()).collect();
        assert!(
            codes.iter().all(|code| code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()))
        );
        assert!(codes.len() > 45);
    }
}
