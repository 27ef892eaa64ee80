//! What a guest agrees to before the camera opens: the text, in each language, and its version.
//!
//! Whoever changes the text gives it a new version: a consent names the one that was read. Knows no guest.

use serde::Serialize;
use utoipa::ToSchema;

use crate::words::Language;

/// The version in use. Raised with every change of meaning.
pub const VERSION: &str = "1";

/// A text to agree to.
#[derive(Serialize, ToSchema)]
pub struct Consent {
    pub version: String,
    /// Paragraphs.
    pub text: Vec<String>,
}

/// The text for the guests of an event called `event` of the studio called `studio`.
pub fn text(language: Language, event: &str, studio: &str) -> Consent {
    let text = match language {
        Language::English => vec![
            format!(
                "To find the photos of \u{201c}{event}\u{201d} that show you, {studio} asks to look at your face \
                 with this device's camera."
            ),
            "Your face is turned into a list of numbers, a face template. It is biometric data. It is compared \
             with the faces in this event's photos and with nothing else, and it is never used for training, \
             sold or given away."
                .to_owned(),
            "The pictures of your face are thrown away at once. The template is kept, encrypted, until the \
             event ends or you take this consent back, whichever comes first. You can take it back at any \
             time on the page with your photos; the template is then deleted at once, and you get a signed \
             receipt."
                .to_owned(),
            "You agree of your own free will, you are at least 18 years old, and the face is your own. If you \
             would rather not, you can ask the studio for your photos instead."
                .to_owned(),
        ],
        Language::Hindi => vec![
            format!(
                "“{event}” की जिन फ़ोटो में आप हैं, उन्हें ढूँढने के लिए {studio} को इस डिवाइस के कैमरे से \
                 आपका चेहरा देखने की अनुमति चाहिए।"
            ),
            "आपके चेहरे को संख्याओं की एक सूची, यानी फ़ेस टेम्पलेट, में बदला जाता है। यह बायोमेट्रिक डेटा है। इसकी तुलना सिर्फ़ इस इवेंट \
             की फ़ोटो में मौजूद चेहरों से की जाती है, किसी और चीज़ से नहीं। इसे कभी भी न ट्रेनिंग के लिए इस्तेमाल किया जाता है, न बेचा \
             जाता है, न किसी को दिया जाता है।"
                .to_owned(),
            "आपके चेहरे की कैमरे से ली गई तस्वीरें तुरंत मिटा दी जाती हैं। टेम्पलेट को एन्क्रिप्ट करके तब तक रखा जाता है, जब तक इवेंट \
             खत्म न हो जाए या आप यह सहमति वापस न ले लें, इनमें से जो भी पहले हो। यह सहमति आप अपनी फ़ोटो वाले पेज पर कभी भी \
             वापस ले सकते हैं; तब टेम्पलेट तुरंत मिटा दिया जाता है और आपको हस्ताक्षर वाली रसीद मिलती है।"
                .to_owned(),
            "आप अपनी मर्ज़ी से सहमत हैं, आपकी उम्र कम से कम 18 साल है, और चेहरा आपका अपना है। अगर आप ऐसा न चाहें, तो इसके \
             बजाय स्टूडियो से अपनी फ़ोटो माँग सकते हैं।"
                .to_owned(),
        ],
    };
    Consent { version: VERSION.to_owned(), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_says_whose_event_it_is_in_as_many_paragraphs() {
        let texts = Language::ALL.map(|language| text(language, "Our day", "Studio One"));
        for consent in &texts {
            let whole = consent.text.join(" ");
            assert!(whole.contains("Our day") && whole.contains("Studio One"), "{whole}");
            assert_eq!(consent.text.len(), texts[0].text.len());
            // A line break in the source leaves no gap in the text.
            assert!(!whole.contains("  "), "{whole}");
        }
    }
}
