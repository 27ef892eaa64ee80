//! The texts of e-mails about hidden faces: plain text with at most one link, without names of guests.

use super::{EmailMessage, Mailer, quoted};
use crate::i18n::Language;

/// The faces that a guest's erasure hides.
pub struct HiddenFacesNotice<'a> {
    pub event: &'a str,
    pub photos: i64,
    pub faces: i64,
    /// The time after which the faces are erased.
    pub due_unix_s: i64,
}

/// Composes the e-mail that tells an owner or admin of a studio about a guest's erasure. `page` is the path of the
/// studio's page.
pub fn faces_hidden(
    post: &Mailer,
    to: &str,
    page: &str,
    notice: &HiddenFacesNotice<'_>,
) -> EmailMessage {
    let (link, event) = (post.address(page), quoted(notice.event));
    let (photos, faces) = (notice.photos, notice.faces);
    let day = Language::English.day(notice.due_unix_s);
    EmailMessage {
        to: to.to_owned(),
        subject: "A guest had face data deleted from an event".to_owned(),
        text: format!(
            "Hello,\n\na guest of \"{event}\" has requested that their face data be deleted from its photos. \
             {faces} faces in {photos} photos are hidden from search, people and guests now, and are deleted for good \
             on {day}. The photos stay.\n\nThe guest has shown a face, and a face can be forged. If you have reason to \
             believe that another person asked, show the faces again before that day:\n{link}\n\nOtherwise there is \
             nothing to do.\n"
        ),
    }
}

/// Composes the e-mail that tells a guest about the erasure of their faces. `token` is the single-use token of the
/// link that undoes it.
pub fn erasure_begun(
    post: &Mailer,
    to: &str,
    language: Language,
    token: &str,
    notice: &HiddenFacesNotice<'_>,
) -> EmailMessage {
    let (link, event) = (post.link("g/undo", token), quoted(notice.event));
    let (photos, day) = (notice.photos, language.day(notice.due_unix_s));
    let (subject, text) = match language {
        Language::English => (
            "Your face data is being deleted".to_owned(),
            format!(
                "Hello,\n\nyour face template for \"{event}\" is deleted. Your face in {photos} of its photos is hidden \
                 now and is deleted for good on {day}. The studio keeps the photos.\n\nIf you did not request this, undo \
                 it before that day:\n{link}\n\nThis address is kept for this e-mail and that link only, and is deleted \
                 with the faces.\n"
            ),
        ),
        Language::Hindi => (
            "आपके चेहरे का डेटा मिटाया जा रहा है".to_owned(),
            format!(
                "नमस्ते,\n\n\"{event}\" से आपका फ़ेस टेम्पलेट मिटा दिया गया है। उसकी {photos} फ़ोटो में आपका चेहरा अब छिपा है और {day} को \
                 हमेशा के लिए मिटा दिया जाएगा। फ़ोटो स्टूडियो के पास रहती हैं।\n\nअगर यह अनुरोध आपका नहीं है, तो उस दिन से पहले इसे \
                 रद्द करें:\n{link}\n\nयह पता सिर्फ़ इस ईमेल और इस लिंक के लिए रखा गया है और चेहरों के साथ मिटा दिया जाएगा।\n"
            ),
        ),
    };
    EmailMessage { to: to.to_owned(), subject, text }
}

/// Composes the e-mail that tells a guest that the studio has undone the erasure of their faces.
pub fn erasure_undone(to: &str, language: Language, event: &str) -> EmailMessage {
    let event = quoted(event);
    let (subject, text) = match language {
        Language::English => (
            "The deletion of your face data was undone".to_owned(),
            format!(
                "Hello,\n\nthe studio has undone the deletion of your face in the photos of \"{event}\", because it had \
                 reason to believe that another person requested it. Your face template and your contact details stay \
                 deleted.\n\nIf you did request it, please write to the studio, or request it again with the event's \
                 link.\n"
            ),
        ),
        Language::Hindi => (
            "आपके चेहरे का डेटा मिटाना रद्द किया गया".to_owned(),
            format!(
                "नमस्ते,\n\nस्टूडियो ने \"{event}\" की फ़ोटो से आपके चेहरे का डेटा मिटाना रद्द किया है, क्योंकि उसे लगा कि अनुरोध किसी और \
                 का था। आपका फ़ेस टेम्पलेट और संपर्क मिटे रहेंगे।\n\nअगर अनुरोध आपका ही था, तो कृपया स्टूडियो को लिखें, या इवेंट के लिंक \
                 से फिर से अनुरोध करें।\n"
            ),
        ),
    };
    EmailMessage { to: to.to_owned(), subject, text }
}

/// Composes the e-mail that answers a request to be taken out of an event's photos.
pub fn removal_answered(
    to: &str,
    language: Language,
    event: &str,
    answer: RemovalAnswer,
) -> EmailMessage {
    let event = quoted(event);
    let (subject, text) = match language {
        Language::English => {
            let answer = match answer {
                RemovalAnswer::Erased => "The studio has deleted your face data from its photos.",
                RemovalAnswer::Declined => {
                    "The studio has not deleted face data: it did not find you, or could not tell that the request is \
                     yours. You can write to the studio, or ask again and describe where you are in the photos."
                }
            };
            (
                "Your request about photos".to_owned(),
                format!(
                    "Hello,\n\nyou asked to be taken out of the photos of \"{event}\".\n\n{answer}\n\nYour name, your \
                     address and your message are deleted now.\n"
                ),
            )
        }
        Language::Hindi => {
            let answer = match answer {
                RemovalAnswer::Erased => "स्टूडियो ने फ़ोटो से आपके चेहरे का डेटा मिटा दिया है।",
                RemovalAnswer::Declined => {
                    "स्टूडियो ने डेटा नहीं मिटाया: आप नहीं मिले, या पक्का नहीं हुआ कि अनुरोध आपका है। आप स्टूडियो को लिख सकते हैं, या फिर से \
                     अनुरोध करके बता सकते हैं कि आप फ़ोटो में कहाँ हैं।"
                }
            };
            (
                "फ़ोटो के बारे में आपका अनुरोध".to_owned(),
                format!(
                    "नमस्ते,\n\nआपने \"{event}\" की फ़ोटो से हटाए जाने का अनुरोध किया था।\n\n{answer}\n\nआपका नाम, पता और संदेश अब मिटा दिए \
                     गए हैं।\n"
                ),
            )
        }
    };
    EmailMessage { to: to.to_owned(), subject, text }
}

/// The studio's answer to a request to be taken out of an event's photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalAnswer {
    Erased,
    Declined,
}
