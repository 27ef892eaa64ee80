//! The texts of e-mails to guests, in the language of their registration: plain text with at most one link
//! and no photo names.

use super::{EmailMessage, Mailer, quoted};
use crate::i18n::Language;

/// Composes the e-mail that notifies a guest of `count` new photos.
pub fn new_photos(
    post: &Mailer,
    to: &str,
    language: Language,
    event: &str,
    studio: &str,
    count: usize,
) -> EmailMessage {
    let (link, event, studio) = (post.address("/g"), quoted(event), quoted(studio));
    let (subject, text) = match language {
        Language::English => (
            "New photos of you".to_owned(),
            format!(
                "Hello,\n\nthere {} of you from \"{event}\" by {studio}.\n\nOpen them here. You will be asked to show \
                 your face again, so that only you can open your page:\n{link}\n\nYou can turn these e-mails off on the \
                 same page. They stop automatically when the event ends.\n",
                if count == 1 {
                    "is 1 new photo".to_owned()
                } else {
                    format!("are {count} new photos")
                }
            ),
        ),
        Language::Hindi => (
            "आपकी नई फ़ोटो".to_owned(),
            format!(
                "नमस्ते,\n\n\"{event}\" ({studio}) की {count} नई फ़ोटो में आप हैं।\n\nउन्हें यहाँ देखें; आपसे फिर से चेहरा दिखाने को कहा \
                 जाएगा, ताकि कोई और आपका पेज न खोल सके:\n{link}\n\nये ईमेल उसी पेज पर बंद किए जा सकते हैं। वहाँ इवेंट खत्म होने पर ये \
                 अपने-आप बंद हो जाते हैं।\n"
            ),
        ),
    };
    EmailMessage { to: to.to_owned(), subject, text }
}

/// Composes the e-mail that asks a guest to confirm e-mails about new photos (double opt-in). `token` is the
/// single-use token of the link.
pub fn letters_wanted(
    post: &Mailer,
    to: &str,
    language: Language,
    event: &str,
    token: &str,
) -> EmailMessage {
    let (link, event) = (post.link("g/notify", token), quoted(event));
    let (subject, text) = match language {
        Language::English => (
            "Do you want e-mails about new photos?".to_owned(),
            format!(
                "Hello,\n\ne-mails about your new photos from \"{event}\" were requested for this address.\n\n\
                 Confirm the request here within two days:\n{link}\n\nIf you did not request them, ignore this e-mail; \
                 you will receive no others.\n"
            ),
        ),
        Language::Hindi => (
            "क्या आपको नई फ़ोटो के ईमेल चाहिए?".to_owned(),
            format!(
                "नमस्ते,\n\nइस पते के लिए \"{event}\" की आपकी नई फ़ोटो के ईमेल माँगे गए हैं।\n\nदो दिन के अंदर \
                 यहाँ पुष्टि करें:\n{link}\n\nअगर ईमेल आपने नहीं माँगे, तो कुछ न करें: और कोई ईमेल नहीं आएगा।\n"
            ),
        ),
    };
    EmailMessage { to: to.to_owned(), subject, text }
}

/// Composes the e-mail that notifies a guest of a granted access request without a camera. `token` is the
/// single-use token of the link.
pub fn access_granted(
    post: &Mailer,
    to: &str,
    language: Language,
    event: &str,
    token: &str,
) -> EmailMessage {
    let (link, event) = (post.link("g/enter", token), quoted(event));
    let (subject, text) = match language {
        Language::English => (
            "Your photos".to_owned(),
            format!(
                "Hello,\n\nyou requested your photos from \"{event}\", and the studio has found them.\n\nOpen them here; \
                 the link works once, within two weeks:\n{link}\n\nOn the same page you can delete your face data; later, \
                 ask the studio to delete it. If you did not request your photos, please inform the studio.\n"
            ),
        ),
        Language::Hindi => (
            "आपकी फ़ोटो".to_owned(),
            format!(
                "नमस्ते,\n\nआपने \"{event}\" की अपनी फ़ोटो माँगी थीं, और स्टूडियो ने आपको ढूँढ लिया है।\n\nवे यहाँ हैं; यह लिंक दो हफ़्ते \
                 के अंदर सिर्फ़ एक बार काम करता है:\n{link}\n\nअपने चेहरे का डेटा मिटाने का विकल्प भी उसी पेज पर है; बाद में स्टूडियो से \
                 कहकर इसे मिटाया जा सकता है। अगर फ़ोटो आपने नहीं माँगी थीं, तो कृपया स्टूडियो को बताएँ।\n"
            ),
        ),
    };
    EmailMessage { to: to.to_owned(), subject, text }
}
