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

/// Composes the e-mail with the code that proves a guest's contact.
pub fn contact_code(
    to: &str,
    language: Language,
    event: &str,
    studio: &str,
    code: &str,
) -> EmailMessage {
    let (event, studio) = (quoted(event), quoted(studio));
    let (subject, text) = match language {
        Language::English => (
            format!("Your code: {code}"),
            format!(
                "Hello,\n\nyour code for your photos from \"{event}\" by {studio}:\n\n{code}\n\nEnter it on the page \
                 where you showed your face. It shows that this address is yours, so that no one else finds photos \
                 of you in your name. It is valid for 15 minutes and works once; a newer code replaces it.\n\n\
                 If you did not ask for your photos, ignore this e-mail and give the code to no one: without it, \
                 no photo is shown.\n"
            ),
        ),
        Language::Hindi => (
            format!("आपका कोड: {code}"),
            format!(
                "नमस्ते,\n\n\"{event}\" ({studio}) की आपकी फ़ोटो के लिए कोड:\n\n{code}\n\nइसे उसी पेज पर लिखें जहाँ आपने अपना चेहरा \
                 दिखाया। इससे पता चलता है कि यह पता आपका है, ताकि कोई और आपके नाम से आपकी फ़ोटो न ढूँढ सके। यह 15 मिनट तक और \
                 सिर्फ़ एक बार काम करता है; नया कोड आने पर पुराना काम नहीं करता।\n\nअगर फ़ोटो आपने नहीं माँगीं, तो इस ईमेल को अनदेखा करें और \
                 कोड किसी को न दें: इसके बिना किसी को कोई फ़ोटो नहीं दिखती।\n"
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

/// The current terms of an event, for the e-mail about their change. Days and purpose are words of the
/// guest's language.
pub struct TermsNotice<'a> {
    pub event: &'a str,
    pub studio: &'a str,
    pub purpose: &'a str,
    /// The day on which the event ends.
    pub ends: &'a str,
    /// The day on which the guest's data is erased, if that is before the event's end because the guest's
    /// consent covers no more.
    pub kept_until: Option<String>,
}

/// Composes the e-mail that notifies a guest of a changed end, purpose or legal basis of an event.
pub fn terms_changed(
    post: &Mailer,
    to: &str,
    language: Language,
    notice: &TermsNotice<'_>,
) -> EmailMessage {
    let TermsNotice { event, studio, purpose, ends, kept_until } = notice;
    let (link, event, studio) = (post.address("/g"), quoted(event), quoted(studio));
    let (subject, text) = match language {
        Language::English => {
            let consent = match kept_until {
                Some(day) => format!(
                    "You have not agreed to this. Your face template, your name and your contact details are deleted \
                     on {day}. To keep your page, open the event's link again before that day and agree to the new \
                     text."
                ),
                None => "Your face template, your name and your contact details are deleted on that day at the \
                         latest. You can delete them now on your page."
                    .to_owned(),
            };
            (
                "An event with your photos was changed".to_owned(),
                format!(
                    "Hello,\n\n{studio} has changed the terms of \"{event}\".\n\nThe event and its photos are deleted on \
                     {ends}. The purpose of the faces in its photos: {purpose}.\n\n{consent}\n\nYour page, which asks for \
                     your face again:\n{link}\n"
                ),
            )
        }
        Language::Hindi => {
            let consent = match kept_until {
                Some(day) => format!(
                    "आपने इसके लिए सहमति नहीं दी है। आपका फ़ेस टेम्पलेट, नाम और ईमेल {day} को मिटा दिए जाएँगे। अपना पेज बनाए रखने के लिए \
                     उससे पहले इवेंट का लिंक फिर से खोलें और नए पाठ पर सहमति दें।"
                ),
                None => "आपका फ़ेस टेम्पलेट, नाम और ईमेल ज़्यादा से ज़्यादा उसी दिन मिटा दिए जाएँगे। अपने पेज पर आप इन्हें अभी भी मिटा \
                         सकते हैं।"
                    .to_owned(),
            };
            (
                "आपकी फ़ोटो वाले इवेंट में बदलाव".to_owned(),
                format!(
                    "नमस्ते,\n\n{studio} ने \"{event}\" की शर्तें बदली हैं।\n\nइवेंट और उसकी फ़ोटो {ends} को मिटा दी जाएँगी। फ़ोटो में मौजूद \
                     चेहरों के इस्तेमाल का मकसद: {purpose}।\n\n{consent}\n\nआपका पेज, जो फिर से चेहरा दिखाने को कहेगा:\n{link}\n"
                ),
            )
        }
    };
    EmailMessage { to: to.to_owned(), subject, text }
}
