//! The letters about hidden faces: to the studio's owners and admins, and to the guest's contact if it is proved.

use zeroize::Zeroizing;

use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Role;
use crate::i18n::Language;
use crate::infra::db::erasures::{ErasureRecord, HiddenFaces};
use crate::infra::db::{Tx, events, memberships};
use crate::infra::ids::new_token;
use crate::infra::mail::{self, HiddenFacesNotice, OutgoingMail};

/// Returns a new token for the link that undoes an erasure.
pub fn undo_token() -> Result<Zeroizing<String>> {
    new_token("ppu_")
}

/// Enqueues the letters about faces that are hidden and will be erased. `token` is the token of the guest's undo
/// link; without it the guest gets no letter.
pub async fn announce(
    app: &App,
    tx: &mut Tx,
    erasure: &ErasureRecord,
    found: &HiddenFaces<'_>,
    token: Option<&Zeroizing<String>>,
) -> Result<()> {
    let event = events::find_in(tx, &erasure.event).await?;
    let notice = HiddenFacesNotice {
        event: &event.name,
        photos: found.photos,
        faces: found.faces,
        due_unix_s: found.due_unix_s,
    };
    let page = format!("/studio/events/{}/privacy", erasure.event);
    for role in [Role::Owner, Role::Admin] {
        for to in memberships::emails_with_role(tx, &erasure.studio, role.as_str()).await? {
            let letter = mail::faces_hidden(&app.mailer, &to, &page, &notice);
            mail::enqueue(&app.mailer, tx, &OutgoingMail::Letter(letter)).await?;
        }
    }
    let Some(token) = token else { return Ok(()) };
    let Some((to, language)) = contact_of(app, erasure)? else { return Ok(()) };
    let letter = mail::erasure_begun(&app.mailer, &to, language, token, &notice);
    mail::enqueue(&app.mailer, tx, &OutgoingMail::Letter(letter)).await
}

/// Enqueues the letter that tells the guest that the studio has undone the erasure.
pub async fn announce_undone(app: &App, tx: &mut Tx, erasure: &ErasureRecord) -> Result<()> {
    let Some((to, language)) = contact_of(app, erasure)? else { return Ok(()) };
    let event = events::find_in(tx, &erasure.event).await?;
    let letter = mail::erasure_undone(&to, language, &event.name);
    mail::enqueue(&app.mailer, tx, &OutgoingMail::Letter(letter)).await
}

/// A proved contact, kept sealed until the erasure is closed: for the letter with the link that undoes it.
pub struct KeptContact {
    pub contact: Zeroizing<String>,
    /// A value of `Language::tag`.
    pub language: String,
}

/// Seals a contact for the row of the erasure `id`.
pub fn seal(app: &App, id: &str, kept: &KeptContact) -> Result<String> {
    app.seal(&context(id), kept.contact.as_bytes())
}

/// Returns the guest's e-mail address and language; `None` without a proved e-mail address.
fn contact_of(app: &App, erasure: &ErasureRecord) -> Result<Option<(Zeroizing<String>, Language)>> {
    let Some(sealed) = &erasure.contact else { return Ok(None) };
    let bytes =
        hex::decode(sealed).map_err(|_| ApiError::internal("a sealed field is not hexadecimal"))?;
    let plain = app.vault.open(&context(&erasure.id), &bytes)?;
    let contact = String::from_utf8(plain.to_vec()).map_err(ApiError::internal)?;
    let contact = Zeroizing::new(contact);
    let language = Language::of_tag(erasure.language.as_deref().unwrap_or_default());
    Ok(contact.contains('@').then_some((contact, language)))
}

fn context(id: &str) -> String {
    format!("erasure {id} contact")
}
