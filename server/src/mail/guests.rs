//! What letters to guests say, in the language that they registered in.
//!
//! Plain text, one link at most. Sends nothing, and names no photo.

use super::{Letter, Post};
use crate::words::Language;

/// There are `count` photos more of somebody.
pub fn new_photos(
    post: &Post,
    to: &str,
    language: Language,
    event: &str,
    studio: &str,
    count: usize,
) -> Letter {
    let link = post.address("/g");
    let (subject, text) = match language {
        Language::English => (
            "New photos of you".to_owned(),
            format!(
                "Hello,\n\nthere {} of you from \"{event}\" by {studio}.\n\nSee them here; you will be asked to \
                 show your face again, so that nobody else opens your page:\n{link}\n\nYou can stop these e-mails on the \
                 same page. They stop by themselves when the event ends there.\n",
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
    Letter { to: to.to_owned(), subject, text }
}

/// Whether letters about new photos are really wanted: by the link's `token`.
pub fn letters_wanted(
    post: &Post,
    to: &str,
    language: Language,
    event: &str,
    token: &str,
) -> Letter {
    let link = post.link("g/notify", token);
    let (subject, text) = match language {
        Language::English => (
            "Do you want e-mails about new photos?".to_owned(),
            format!(
                "Hello,\n\nsomebody, hopefully you, asked to be told of new photos of them from \"{event}\".\n\n\
                 Confirm it here, within two days:\n{link}\n\nIf it was not you, do nothing: no more e-mails come.\n"
            ),
        ),
        Language::Hindi => (
            "क्या आपको नई फ़ोटो के ईमेल चाहिए?".to_owned(),
            format!(
                "नमस्ते,\n\nकिसी ने, उम्मीद है आपने ही, \"{event}\" की अपनी नई फ़ोटो के बारे में सूचना माँगी है।\n\nदो दिन के अंदर \
                 यहाँ पुष्टि करें:\n{link}\n\nअगर सूचना आपने नहीं माँगी, तो कुछ न करें: और कोई ईमेल नहीं आएगा।\n"
            ),
        ),
    };
    Letter { to: to.to_owned(), subject, text }
}

/// The studio lets somebody in without a camera: by the link's `token`.
pub fn let_in(post: &Post, to: &str, language: Language, event: &str, token: &str) -> Letter {
    let link = post.link("g/enter", token);
    let (subject, text) = match language {
        Language::English => (
            "Your photos".to_owned(),
            format!(
                "Hello,\n\nyou asked for your photos from \"{event}\", and the studio has found you.\n\nThey are \
                 here; the link works once, within two weeks:\n{link}\n\nOn the same page you can have your face \
                 data deleted; later the studio does it for you. If it was not you, please tell the studio.\n"
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
    Letter { to: to.to_owned(), subject, text }
}
