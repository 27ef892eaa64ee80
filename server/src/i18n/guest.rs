//! Texts of the guest pages: entry, camera, photos.
//!
//! Each guidance code and each failure reason of the API has a text. The text of a failure states what went
//! wrong and what the guest can do.

mod english;
mod hindi;

use super::Language;

/// The guidance codes of a challenge, as the API sends them.
pub const GUIDANCE: [&str; 11] = [
    "look_straight",
    "turn_left",
    "turn_right",
    "turn_up",
    "turn_down",
    "no_face",
    "one_face_only",
    "closer",
    "further",
    "brighter",
    "hold_still",
];
/// The failure reasons of a challenge, as the API sends them.
pub const REASONS: [&str; 9] = [
    "too_late",
    "too_fast",
    "another_person",
    "many_faces",
    "no_face",
    "wrong_turn",
    "flat",
    "attack",
    "replay",
];

/// An error text: what went wrong, and what the guest can do.
pub struct GuestErrorText {
    pub what: &'static str,
    pub remedy: &'static str,
}

/// All texts of the guest pages in one language. A text that contains values is a function, or has
/// placeholders that the page's script replaces.
pub struct GuestTexts {
    pub door: EntryTexts,
    pub camera: CameraTexts,
    pub code: CodeTexts,
    pub ask: AccessRequestTexts,
    pub photos: PhotosTexts,
    pub letters: EmailTexts,
}

/// The page behind an event's QR code.
pub struct EntryTexts {
    pub skip: &'static str,
    pub language: &'static str,
    pub by_studio: fn(&str) -> String,
    pub lead: &'static str,
    /// The three steps of finding photos, in order.
    pub steps: [&'static str; 3],
    /// The second step in an event that sends a code.
    pub step_with_code: &'static str,
    pub begin: &'static str,
    pub without_camera: &'static str,
    /// In an event whose faces are analysed after the first search.
    pub first_search: &'static str,
    /// The alternative for a guest who does not want a face search.
    pub neither: &'static str,
    pub no_script: &'static str,
    pub go_on: &'static str,
    pub you_title: &'static str,
    pub name: &'static str,
    pub contact: &'static str,
    pub contact_hint: &'static str,
    /// In an event that sends a code.
    pub email: &'static str,
    pub email_hint: &'static str,
    pub email_wrong: &'static str,
    pub next: &'static str,
    pub back: &'static str,
    pub consent_title: &'static str,
    pub i_agree: &'static str,
    pub i_am_adult: &'static str,
    pub both_needed: &'static str,
    pub consent_changed: &'static str,
    pub contact_wrong: &'static str,
    pub closed_title: &'static str,
    pub closed: &'static str,
    pub failed_title: &'static str,
    pub failed: &'static str,
    pub no_line: &'static str,
}

/// The camera step.
pub struct CameraTexts {
    pub title: &'static str,
    pub intro: &'static str,
    pub open: &'static str,
    pub opening: &'static str,
    pub preview: &'static str,
    pub cancel: &'static str,
    /// In the order of `GUIDANCE`.
    pub guidance: [&'static str; 11],
    /// In the order of `REASONS`.
    pub reasons: [GuestErrorText; 9],
    /// The script replaces `{done}` and `{of}`.
    pub progress: &'static str,
    pub passed: &'static str,
    pub try_again: &'static str,
    pub failed_title: &'static str,
    pub refused: GuestErrorText,
    pub absent: GuestErrorText,
    pub busy: GuestErrorText,
    pub insecure: GuestErrorText,
    /// The script replaces `{minutes}`.
    pub wait: GuestErrorText,
    pub many_people: GuestErrorText,
    /// The contact is a telephone number, and the event sends a code.
    pub needs_email: GuestErrorText,
    pub ended: GuestErrorText,
    pub broken: GuestErrorText,
    pub no_line: GuestErrorText,
    pub vibrate: &'static str,
}

/// The code that proves the contact, and the wait while many guests come.
pub struct CodeTexts {
    pub title: &'static str,
    pub intro: &'static str,
    pub label: &'static str,
    pub send: &'static str,
    pub again: &'static str,
    pub sent_again: &'static str,
    /// Shown if no e-mail has come.
    pub not_come: &'static str,
    pub wrong: &'static str,
    /// The script replaces `{minutes}`.
    pub too_many: &'static str,
    /// The script replaces `{minutes}`.
    pub too_soon: &'static str,
    pub queue_title: &'static str,
    pub queue: &'static str,
}

/// The access request without a camera.
pub struct AccessRequestTexts {
    pub title: &'static str,
    pub intro: &'static str,
    pub email: &'static str,
    pub email_hint: &'static str,
    pub email_wrong: &'static str,
    pub message: &'static str,
    pub message_hint: &'static str,
    pub i_agree: &'static str,
    pub both_needed: &'static str,
    pub consent_changed: &'static str,
    pub send: &'static str,
    pub sent_title: &'static str,
    pub sent: &'static str,
    pub with_camera: &'static str,
}

/// The page with the guest's photos.
pub struct PhotosTexts {
    pub title: &'static str,
    /// Singular and plural. The script replaces `{count}`.
    pub count: [&'static str; 2],
    pub looking: &'static str,
    /// Shown while photos are being searched for faces.
    pub searching: &'static str,
    pub none: &'static str,
    pub none_hint: &'static str,
    /// Singular and plural. The script replaces `{count}`.
    pub new: [&'static str; 2],
    /// The script replaces `{count}` by the photo's number.
    pub photo: &'static str,
    pub not_me: &'static str,
    pub taken_out: &'static str,
    pub undo: &'static str,
    pub also_me: &'static str,
    pub also_me_hint: &'static str,
    pub face: &'static str,
    pub yes: &'static str,
    pub no: &'static str,
    pub thanks: &'static str,
    pub previous: &'static str,
    pub next: &'static str,
    pub close: &'static str,
    /// The script replaces `{number}` by the photo's number and `{count}` by the number of photos.
    pub position: &'static str,
    pub download: &'static str,
    pub download_all: &'static str,
    pub no_downloads: &'static str,
    pub tell_title: &'static str,
    /// Takes the day on which the event ends.
    pub tell_intro: fn(&str) -> String,
    pub tell: &'static str,
    pub tell_asked: &'static str,
    pub tell_on: &'static str,
    pub tell_stop: &'static str,
    pub tell_cannot: &'static str,
    pub group_title: &'static str,
    pub group_intro: &'static str,
    pub group_make: &'static str,
    pub group_code: &'static str,
    pub group_code_hint: &'static str,
    pub group_join: &'static str,
    pub group_yours: &'static str,
    pub group_wrong: &'static str,
    pub group_in: &'static str,
    pub group_leave: &'static str,
    pub all: &'static str,
    pub together: &'static str,
    pub data_title: &'static str,
    pub data_intro: &'static str,
    /// Takes the day on which the event ends.
    pub open_until: fn(&str) -> String,
    /// Takes the day on which the guest's data is erased, and the later day on which the event ends.
    pub kept_until: fn(&str, &str) -> String,
    pub leave: &'static str,
    pub delete: &'static str,
    pub delete_title: &'static str,
    pub delete_what: [&'static str; 3],
    pub delete_faces: &'static str,
    pub delete_faces_hint: &'static str,
    pub keep_out: &'static str,
    pub keep_out_hint: &'static str,
    pub delete_now: &'static str,
    pub keep: &'static str,
    pub deleting: &'static str,
    pub deleted_title: &'static str,
    pub deleted: &'static str,
    /// For a guest who is kept out of later photos.
    pub deleted_kept_out: &'static str,
    pub receipt: &'static str,
    pub receipt_save: &'static str,
    pub signed_out_title: &'static str,
    pub signed_out: &'static str,
    pub come_again: &'static str,
    pub failed: &'static str,
}

/// The pages that e-mail links open.
pub struct EmailTexts {
    pub enter_title: &'static str,
    pub enter: &'static str,
    pub enter_button: &'static str,
    pub notify_title: &'static str,
    pub notify: &'static str,
    pub notify_button: &'static str,
    pub notified: &'static str,
    pub undo_title: &'static str,
    pub undo: &'static str,
    pub undo_button: &'static str,
    pub undone: &'static str,
    pub gone: &'static str,
    pub needs_script: &'static str,
}

/// Returns the texts in `language`.
pub fn texts(language: Language) -> &'static GuestTexts {
    match language {
        Language::English => &english::WORDS,
        Language::Hindi => &hindi::WORDS,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_code_has_a_text_of_its_own() {
        for language in Language::ALL {
            let camera = &texts(language).camera;
            let guidance: HashSet<_> = camera.guidance.into_iter().collect();
            assert_eq!(guidance.len(), GUIDANCE.len());
            let reasons: HashSet<_> = camera.reasons.iter().map(|it| it.what).collect();
            assert_eq!(reasons.len(), REASONS.len());
            assert!(camera.reasons.iter().all(|it| !it.remedy.is_empty()));
            assert!(camera.progress.contains("{done}") && camera.progress.contains("{of}"));
            assert!(camera.wait.remedy.contains("{minutes}"));
            let code = &texts(language).code;
            assert!([code.too_many, code.too_soon].iter().all(|it| it.contains("{minutes}")));
            let photos = &texts(language).photos;
            assert!(photos.count.iter().chain(&photos.new).all(|it| it.contains("{count}")));
        }
    }
}
