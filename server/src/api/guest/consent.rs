//! The consent texts for processing a guest's face: one text with a version for each way of access and
//! language.
//!
//! A change of a text's meaning needs a new version. A stored consent names the version of the text and the
//! event's end in the text, so that the text can be shown again even if the studio moves the end.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::event::terms::Purpose;
use crate::error::{ApiError, ErrorKind, Result};
use crate::i18n::Language;

/// The way in which a guest gets access. The way determines how the face is processed and which consent text
/// applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentKind {
    /// The guest verifies their face by camera.
    Camera,
    /// The guest uses no camera, and the studio picks the face by hand.
    Studio,
}

impl ConsentKind {
    /// Returns the current version of the text. Every change of the text's meaning changes the version.
    pub fn version(self) -> &'static str {
        match self {
            Self::Camera => "3",
            Self::Studio => "3-ask",
        }
    }
}

/// The values of an event that a consent text contains.
#[derive(Clone, Copy)]
pub struct ConsentNames<'a> {
    pub event: &'a str,
    pub studio: &'a str,
    pub ends_unix_s: i64,
    pub purpose: Purpose,
}

/// A consent text.
#[derive(Serialize, ToSchema)]
pub struct Consent {
    pub version: String,
    /// The event's end, seconds since the Unix epoch. The text contains its date.
    pub ends_unix_s: i64,
    // The event's purpose, which the text contains. A doc comment would become a second schema, of type `object`.
    #[schema(inline)]
    pub purpose: Purpose,
    /// The text's paragraphs.
    pub text: Vec<String>,
}

/// A guest's declaration of consent.
pub struct ConsentAnswer<'a> {
    pub version: &'a str,
    /// The event's end in the text that the guest read, if the client sent it.
    pub ends_unix_s: Option<i64>,
    /// The purpose in the text that the guest read, if the client sent it.
    pub purpose: Option<Purpose>,
    pub adult: bool,
}

/// Checks that a guest has agreed to the current text, which contains the values `named`.
///
/// # Errors
/// - `Conflict` if the guest read another version of the text, or a text with another end or purpose.
/// - `Invalid` if the guest did not confirm to be 18 or older.
pub fn check_agreed(
    way: ConsentKind,
    answer: &ConsentAnswer<'_>,
    named: ConsentNames<'_>,
) -> Result<()> {
    let same_end = answer.ends_unix_s.is_none_or(|read| read == named.ends_unix_s);
    let same_purpose = answer.purpose.is_none_or(|read| read == named.purpose);
    if answer.version != way.version() || !same_end || !same_purpose {
        let detail = "The consent text has changed; read the new text and agree to it.";
        return Err(ApiError::new(ErrorKind::Conflict, detail));
    }
    if !answer.adult {
        return Err(ApiError::invalid("adult: expected true; a guest must be 18 or older."));
    }
    Ok(())
}

/// Returns the consent text for guests who get access by `way`.
pub fn text(way: ConsentKind, language: Language, named: ConsentNames<'_>) -> Consent {
    let text = match way {
        ConsentKind::Camera => camera(language, named),
        ConsentKind::Studio => studio(language, named),
    };
    let ConsentNames { ends_unix_s, purpose, .. } = named;
    Consent { version: way.version().to_owned(), ends_unix_s, purpose, text }
}

fn camera(
    language: Language,
    ConsentNames { event, studio, ends_unix_s, purpose }: ConsentNames<'_>,
) -> Vec<String> {
    let kept = kept(language, ends_unix_s, purpose);
    match language {
        Language::English => vec![
            format!(
                "To find the photos of \u{201c}{event}\u{201d} that show you, {studio} asks to look at your face \
                 with this device's camera."
            ),
            "Your face is turned into a list of numbers, a face template. It is biometric data. It is compared \
             with the faces in this event's photos, also in those still to come, and, to see whether you have \
             been here before, with the templates of guests who gave the same e-mail address or phone number. \
             It is compared with nothing else. It is never used to train AI, never sold and never given away."
                .to_owned(),
            "Turning your head makes it harder to show a picture in place of a person. It does not prove who you \
             are: someone with a photo of you and the right program could still be taken for you. Therefore the \
             studio can ask for a code that is sent to your e-mail address, and no photo is shown before the code \
             is entered. Tell the studio if you think that someone else came in your name."
                .to_owned(),
            format!(
                "The camera's pictures of your face are thrown away at once. A check number of each is kept for up \
                 to 90 days, so that the same picture does not work again; neither your face nor the picture can be \
                 made from it, and it is not linked to you. {kept}"
            ),
            "You agree of your own free will, you are at least 18 years old, and the face is your own. If you \
             would rather not, choose the way without the camera, or ask the studio in person for your photos."
                .to_owned(),
        ],
        Language::Hindi => vec![
            format!(
                "“{event}” की जिन फ़ोटो में आप हैं, उन्हें ढूँढने के लिए {studio} को इस डिवाइस के कैमरे से \
                 आपका चेहरा देखने की अनुमति चाहिए।"
            ),
            "आपके चेहरे को संख्याओं की एक सूची, यानी फ़ेस टेम्पलेट, में बदला जाता है। यह बायोमेट्रिक डेटा है। इसकी तुलना इस इवेंट की \
             फ़ोटो में मौजूद चेहरों से की जाती है, आगे आने वाली फ़ोटो में भी। यह देखने के लिए कि आप यहाँ पहली बार हैं या नहीं, इसकी \
             तुलना उन मेहमानों के टेम्पलेट से भी की जाती है जिन्होंने यही ईमेल पता या फ़ोन नंबर दिया है। किसी और चीज़ से इसकी तुलना \
             नहीं की जाती। इससे कभी भी AI को ट्रेन नहीं किया जाता, और इसे न बेचा जाता है, न किसी को दिया जाता है।"
                .to_owned(),
            "सिर घुमाने से किसी व्यक्ति की जगह उसकी तस्वीर दिखाना मुश्किल हो जाता है। इससे यह साबित नहीं होता कि आप कौन हैं: जिसके पास \
             आपकी फ़ोटो और सही प्रोग्राम हो, उसे फिर भी आप समझा जा सकता है। इसलिए स्टूडियो आपके ईमेल पते पर भेजा गया कोड माँग सकता है, \
             और कोड डाले बिना किसी को फ़ोटो नहीं दिखतीं। अगर आपको लगे कि आपके नाम से कोई और आया है, तो स्टूडियो को बताएँ।"
                .to_owned(),
            format!(
                "आपके चेहरे की कैमरे से ली गई तस्वीरें तुरंत मिटा दी जाती हैं। हर तस्वीर का एक जाँच नंबर 90 दिन तक रखा जाता है, ताकि वही तस्वीर \
                 दोबारा काम न करे; उससे न आपका चेहरा बन सकता है, न वह तस्वीर, और वह आपसे जुड़ा नहीं होता। {kept}"
            ),
            "आप अपनी मर्ज़ी से सहमत हैं, आपकी उम्र कम से कम 18 साल है, और चेहरा आपका अपना है। अगर आप ऐसा न चाहें, तो बिना \
             कैमरे वाला तरीका चुनें, या सीधे स्टूडियो से मिलकर अपनी फ़ोटो माँगें।"
                .to_owned(),
        ],
    }
}

fn studio(
    language: Language,
    ConsentNames { event, studio, ends_unix_s, purpose }: ConsentNames<'_>,
) -> Vec<String> {
    let kept = kept(language, ends_unix_s, purpose);
    match language {
        Language::English => vec![
            format!(
                "To find the photos of \u{201c}{event}\u{201d} that show you, a person at {studio} reads what you \
                 write here, looks through the faces in this event's photos by hand and picks yours. No camera \
                 looks at you."
            ),
            "The face that was picked is turned into a list of numbers, a face template. It is biometric data. \
             It is used to find the other photos of this event that show you, also those still to come, and to \
             know you again should you come by camera with the same e-mail address. It is used for nothing \
             else: never to train AI, and it is never sold and never given away. The link to your photos goes to your \
             e-mail address, and the person who opens that e-mail sees them: the studio looks at faces, and does not check \
             who you are."
                .to_owned(),
            format!(
                "{kept} If the studio does not let you in, no template is made, and your request is deleted, on \
                 that day at the latest."
            ),
            "You agree of your own free will, you are at least 18 years old, and the face to be looked for is \
             your own. If you would rather not, ask the studio in person for your photos."
                .to_owned(),
        ],
        Language::Hindi => vec![
            format!(
                "“{event}” की जिन फ़ोटो में आप हैं, उन्हें ढूँढने के लिए {studio} के लोग आपका यहाँ लिखा हुआ पढ़ते हैं, इस इवेंट की \
                 फ़ोटो में मौजूद चेहरे खुद देखते हैं और उनमें से आपका चेहरा चुनते हैं। इसमें कैमरे का इस्तेमाल नहीं होता।"
            ),
            "चुने गए चेहरे को संख्याओं की एक सूची, यानी फ़ेस टेम्पलेट, में बदला जाता है। यह बायोमेट्रिक डेटा है। इससे इस इवेंट की वे बाकी \
             फ़ोटो ढूँढी जाती हैं जिनमें आप हैं, आगे आने वाली भी, और अगर आप बाद में इसी ईमेल पते के साथ कैमरे से आएँ, तो आपको \
             पहचाना जाता है। इसका और कोई इस्तेमाल नहीं होता: इससे कभी भी AI को ट्रेन नहीं किया जाता, और इसे न बेचा जाता है, न \
             किसी को दिया जाता है। आपकी फ़ोटो का लिंक आपके ईमेल पते पर जाता है, और जो वह ईमेल खोले, उसे फ़ोटो दिखती हैं: स्टूडियो चेहरे देखता \
             है, यह नहीं जाँचता कि आप कौन हैं।"
                .to_owned(),
            format!(
                "{kept} अगर स्टूडियो आपका अनुरोध न माने, तो कोई टेम्पलेट नहीं बनता, और आपका अनुरोध मिटा दिया जाता है, ज़्यादा से \
                 ज़्यादा उसी तारीख तक।"
            ),
            "आप अपनी मर्ज़ी से सहमत हैं, आपकी उम्र कम से कम 18 साल है, और जो चेहरा ढूँढना है वह आपका अपना है। अगर आप ऐसा न \
             चाहें, तो सीधे स्टूडियो से मिलकर अपनी फ़ोटो माँगें।"
                .to_owned(),
        ],
    }
}

/// Returns the words for a purpose in the sentence about it.
pub fn purpose_text(language: Language, purpose: Purpose) -> &'static str {
    match (language, purpose) {
        (Language::English, Purpose::EventGallery) => "guests find their own photos",
        (Language::English, Purpose::Press) => {
            "editorial offices find photos of people at the event"
        }
        (Language::English, Purpose::Personal) => "photos are sorted for private use",
        (Language::Hindi, Purpose::EventGallery) => "मेहमान अपनी फ़ोटो ढूँढ सकें",
        (Language::Hindi, Purpose::Press) => "समाचार संस्थान इवेंट में आए लोगों की फ़ोटो ढूँढ सकें",
        (Language::Hindi, Purpose::Personal) => "निजी इस्तेमाल के लिए फ़ोटो छाँटी जा सकें",
    }
}

/// Returns the paragraph about the purpose, the template's retention and the withdrawal of the consent.
/// The texts of both ways contain it.
fn kept(language: Language, ends_unix_s: i64, purpose: Purpose) -> String {
    let (day, purpose) = (language.day(ends_unix_s), purpose_text(language, purpose));
    match language {
        Language::English => format!(
            "The studio's purpose with the faces in this event's photos: {purpose}. The template is kept, \
             encrypted, until {day}, when the studio lets this event end, or until you take this consent back, \
             whichever comes first. If the studio wants to keep it longer, or for another purpose, it needs a new \
             consent from you; without one, the template is deleted on {day}, and no later than 7 days after a change \
             of the purpose. You can take the consent back at any time, on that page or through the \
             studio; the template is then deleted. On the page that happens at once, and you get a signed receipt."
        ),
        Language::Hindi => format!(
            "इस इवेंट की फ़ोटो में मौजूद चेहरों के इस्तेमाल का मकसद: {purpose}। टेम्पलेट को एन्क्रिप्ट करके {day} तक रखा जाता है, जब स्टूडियो इस इवेंट को खत्म करता है, या तब तक, जब तक आप यह सहमति \
             वापस न ले लें, इनमें से जो भी पहले हो। अगर स्टूडियो इसे ज़्यादा समय तक या किसी और मकसद के लिए रखना चाहे, तो आपसे नई सहमति ली जाती है; उसके \
             बिना टेम्पलेट {day} को, और मकसद बदलने के ज़्यादा से ज़्यादा 7 दिन बाद, मिटा दिया जाता है। यह सहमति \
             कभी भी वापस ली जा सकती है, उसी पेज पर या स्टूडियो से कहकर; तब टेम्पलेट मिटा दिया जाता है। पेज पर यह तुरंत होता है, और \
             आपको हस्ताक्षर वाली रसीद मिलती है।"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMED: ConsentNames<'static> = ConsentNames {
        event: "Our day",
        studio: "Studio One",
        ends_unix_s: 1_798_761_599,
        purpose: Purpose::EventGallery,
    };

    #[test]
    fn every_language_says_whose_event_it_is_and_until_when_in_as_many_paragraphs() {
        for way in [ConsentKind::Camera, ConsentKind::Studio] {
            let texts = Language::ALL.map(|language| (language, text(way, language, NAMED)));
            for (language, consent) in &texts {
                let whole = consent.text.join(" ");
                let day = language.day(NAMED.ends_unix_s);
                for part in ["Our day", "Studio One", "18", "AI", day.as_str()] {
                    assert!(whole.contains(part), "{part}: {whole}");
                }
                assert_eq!(consent.text.len(), texts[0].1.text.len());
                // Line continuations in the source leave no double spaces in the text.
                assert!(!whole.contains("  "), "{whole}");
            }
        }
        assert_ne!(ConsentKind::Camera.version(), ConsentKind::Studio.version());
    }

    #[test]
    fn only_the_text_as_it_is_now_is_agreed_to() {
        let checked = |version, ends_unix_s, adult| {
            let answer = ConsentAnswer { version, ends_unix_s, purpose: None, adult };
            let named = ConsentNames { ends_unix_s: 7, ..NAMED };
            check_agreed(ConsentKind::Studio, &answer, named).map_err(|failure| failure.kind)
        };
        assert!(checked("3-ask", None, true).is_ok() && checked("3-ask", Some(7), true).is_ok());
        for (version, ends) in [("3", None), ("2-ask", None), ("", None), ("3-ask", Some(8))] {
            assert_eq!(
                checked(version, ends, true),
                Err(ErrorKind::Conflict),
                "{version} {ends:?}"
            );
        }
        assert_eq!(checked("3-ask", Some(7), false), Err(ErrorKind::Invalid));
        for (purpose, agreed) in [(Purpose::EventGallery, true), (Purpose::Press, false)] {
            let answer = ConsentAnswer {
                version: "3",
                ends_unix_s: None,
                purpose: Some(purpose),
                adult: true,
            };
            assert_eq!(check_agreed(ConsentKind::Camera, &answer, NAMED).is_ok(), agreed);
        }
    }
}
