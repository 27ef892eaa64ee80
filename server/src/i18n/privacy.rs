//! The texts of an event's public privacy page in every language.

use super::Language;

/// The texts of the privacy page. A text that contains values is a function.
pub struct PrivacyTexts {
    pub skip: &'static str,
    pub language: &'static str,
    /// Takes the event's name.
    pub title: fn(&str) -> String,
    /// Takes the studio's name.
    pub responsible: fn(&str) -> String,
    pub what_title: &'static str,
    pub what: &'static [&'static str],
    /// In an event whose faces are analysed after the first search.
    pub first_search: &'static str,
    pub why_title: &'static str,
    /// Takes the purpose.
    pub purpose: fn(&str) -> String,
    /// Consent, contract, legal obligation, legitimate interest.
    pub bases: [&'static str; 4],
    pub how_long_title: &'static str,
    /// Takes the day on which the event ends.
    pub how_long: fn(&str) -> [String; 5],
    pub who_title: &'static str,
    pub who: &'static [&'static str],
    pub out_title: &'static str,
    pub out: &'static [&'static str],
    pub ask: &'static str,
    pub studio_says: &'static str,
    pub rights: &'static str,
    /// The link to the page.
    pub link: &'static str,
    // The form.
    pub form_title: &'static str,
    pub form_intro: &'static str,
    pub name: &'static str,
    pub contact: &'static str,
    pub contact_hint: &'static str,
    pub message: &'static str,
    pub message_hint: &'static str,
    pub send: &'static str,
    pub back: &'static str,
    pub wrong: &'static str,
    pub sent_title: &'static str,
    pub sent: &'static str,
    pub closed_title: &'static str,
    pub closed: &'static str,
    pub failed_title: &'static str,
    pub failed: &'static str,
}

/// Returns the texts in `language`.
pub fn texts(language: Language) -> &'static PrivacyTexts {
    match language {
        Language::English => &ENGLISH,
        Language::Hindi => &HINDI,
    }
}

static ENGLISH: PrivacyTexts = PrivacyTexts {
    skip: "Skip to content",
    language: "Language",
    title: |event| format!("Photos and privacy: {event}"),
    responsible: |studio| {
        format!("{studio} takes photos at this event and is responsible for them.")
    },
    what_title: "What is collected",
    what: &[
        "Photos of the event, with all people who are in them.",
        "For each face in a photo, a computer calculates numbers that describe it (a face template). These are biometric data. They are stored encrypted and are not used to train models.",
        "Of guests who look for their photos: a name, one contact, and a face template from their phone's camera, after they have agreed. The camera pictures are not kept.",
    ],
    first_search: "In this event no face is analysed, and no face template of anyone in the photos is made, before a first guest has agreed and looks for their photos. From then on the faces in all photos are analysed.",
    why_title: "Why",
    purpose: |purpose| format!("Purpose: {purpose}."),
    bases: [
        "Legal basis: consent.",
        "Legal basis: a contract with the people who ordered the photos.",
        "Legal basis: a legal obligation.",
        "Legal basis: the legitimate interest of the people who ordered the photos.",
    ],
    how_long_title: "How long",
    how_long: |day| {
        [
            format!("Photos and face data: until {day} at the latest. Then the key is destroyed, and no backup can be read any more."),
            format!("A guest's template, name and contact: until the guest deletes them, and until {day} at the latest."),
            "Faces that a guest asks to delete: hidden at once, deleted after 72 hours.".to_owned(),
            "Your request below: your name, contact and message are deleted when it is answered.".to_owned(),
            "Kept afterwards, without names, contacts and faces: which requests there were and when they were answered, and signed receipts of the deletions.".to_owned(),
        ]
    },
    who_title: "Who sees what",
    who: &[
        "The studio sees the photos.",
        "A guest who passes the camera check sees photos that show the same face, and no others. That check deters fraud; it is no proof of identity.",
        "People with a link to an album see that album's photos.",
    ],
    out_title: "How to be taken out",
    out: &[
        "You need no account and no camera. Write to the studio with the form: it looks for you, deletes the face data of you in all photos, and can keep it out of later photos. This is also the way for children, through a parent or guardian.",
        "As a guest you can delete your data yourself at any time on your page.",
    ],
    ask: "Take me out of these photos",
    studio_says: "From the studio",
    rights: "You can also ask the studio what it stores about you, have it corrected or deleted, or object. If you are not content with the answer, you can turn to the data protection authority where you live.",
    link: "Photos and privacy",
    form_title: "Take me out of these photos",
    form_intro: "The studio looks for you in the photos and answers. Your name, contact and message are stored encrypted and deleted with the answer.",
    name: "Your name",
    contact: "Your e-mail address or telephone number",
    contact_hint: "For the answer, and for nothing else.",
    message: "How the studio recognises you",
    message_hint: "For example: blue coat, standing at the left of the stage. For a child: say that you are the parent or guardian.",
    send: "Send request",
    back: "Back",
    wrong: "Please check your name and your contact. A telephone number needs its country code.",
    sent_title: "Request sent",
    sent: "The studio answers by e-mail or telephone.",
    closed_title: "This page is not available",
    closed: "The event has ended, and its photos and face data are deleted, or the address is incomplete.",
    failed_title: "That did not work",
    failed: "Please go back and try again later.",
};

static HINDI: PrivacyTexts = PrivacyTexts {
    skip: "सीधे सामग्री पर जाएँ",
    language: "भाषा",
    title: |event| format!("फ़ोटो और निजता: {event}"),
    responsible: |studio| format!("इस इवेंट में {studio} फ़ोटो लेता है और उनके लिए ज़िम्मेदार है।"),
    what_title: "क्या इकट्ठा होता है",
    what: &[
        "इवेंट की फ़ोटो, उनमें दिखने वाले सभी लोगों के साथ।",
        "फ़ोटो के हर चेहरे के लिए कंप्यूटर कुछ संख्याएँ निकालता है (फ़ेस टेम्पलेट)। यह बायोमेट्रिक डेटा है। इसे एन्क्रिप्ट करके रखा जाता है और इससे मॉडल नहीं सिखाए जाते।",
        "जो मेहमान अपनी फ़ोटो ढूँढते हैं, उनकी सहमति के बाद: नाम, एक संपर्क, और फ़ोन के कैमरे से बना फ़ेस टेम्पलेट। कैमरे की तस्वीरें नहीं रखी जातीं।",
    ],
    first_search: "इस इवेंट में तब तक किसी चेहरे की जाँच नहीं होती, और फ़ोटो में दिखने वाले किसी व्यक्ति का फ़ेस टेम्पलेट नहीं बनता, जब तक कोई पहला मेहमान सहमति देकर अपनी फ़ोटो न ढूँढे। उसके बाद सभी फ़ोटो के चेहरों की जाँच होती है।",
    why_title: "क्यों",
    purpose: |purpose| format!("मकसद: {purpose}।"),
    bases: [
        "कानूनी आधार: सहमति।",
        "कानूनी आधार: फ़ोटो का ऑर्डर देने वालों के साथ अनुबंध।",
        "कानूनी आधार: कानूनी दायित्व।",
        "कानूनी आधार: फ़ोटो का ऑर्डर देने वालों का वैध हित।",
    ],
    how_long_title: "कब तक",
    how_long: |day| {
        [
            format!("फ़ोटो और चेहरों का डेटा: ज़्यादा से ज़्यादा {day} तक। फिर चाबी मिटा दी जाती है, और कोई बैकअप भी नहीं पढ़ा जा सकता।"),
            format!("मेहमान का टेम्पलेट, नाम और संपर्क: जब तक मेहमान उन्हें न मिटाए, और ज़्यादा से ज़्यादा {day} तक।"),
            "जिन चेहरों को मिटाने के लिए मेहमान कहे: तुरंत छिपाए जाते हैं, 72 घंटे बाद मिटाए जाते हैं।".to_owned(),
            "नीचे का आपका अनुरोध: जवाब मिलते ही आपका नाम, संपर्क और संदेश मिटा दिए जाते हैं।".to_owned(),
            "बाद में भी, नाम, संपर्क और चेहरों के बिना: कौन-से अनुरोध आए और कब उनका जवाब दिया गया, और मिटाने की हस्ताक्षरित रसीदें।".to_owned(),
        ]
    },
    who_title: "कौन क्या देखता है",
    who: &[
        "स्टूडियो फ़ोटो देखता है।",
        "कैमरे की जाँच पास करने वाला मेहमान सिर्फ़ वही फ़ोटो देखता है जिनमें वही चेहरा है। यह जाँच धोखाधड़ी को मुश्किल बनाती है; यह पहचान का सबूत नहीं है।",
        "जिनके पास एल्बम का लिंक है, वे उस एल्बम की फ़ोटो देखते हैं।",
    ],
    out_title: "फ़ोटो से कैसे हटें",
    out: &[
        "न खाता चाहिए, न कैमरा। फ़ॉर्म से स्टूडियो को लिखें: वह आपको ढूँढता है, सभी फ़ोटो से आपके चेहरे का डेटा मिटाता है, और बाद की फ़ोटो से भी उसे बाहर रख सकता है। बच्चों के लिए भी यही रास्ता है, माता-पिता या अभिभावक के ज़रिए।",
        "मेहमान अपना डेटा अपने पेज पर कभी भी खुद मिटा सकते हैं।",
    ],
    ask: "मुझे इन फ़ोटो से हटाएँ",
    studio_says: "स्टूडियो की ओर से",
    rights: "आप स्टूडियो से पूछ सकते हैं कि आपका क्या डेटा रखा है, उसे सुधरवा या मिटवा सकते हैं, या आपत्ति कर सकते हैं। जवाब ठीक न लगे, तो अपने यहाँ के डेटा सुरक्षा प्राधिकरण से शिकायत कर सकते हैं।",
    link: "फ़ोटो और निजता",
    form_title: "मुझे इन फ़ोटो से हटाएँ",
    form_intro: "स्टूडियो आपको फ़ोटो में ढूँढता है और जवाब देता है। आपका नाम, संपर्क और संदेश एन्क्रिप्ट करके रखे जाते हैं और जवाब के साथ मिटा दिए जाते हैं।",
    name: "आपका नाम",
    contact: "आपका ईमेल पता या फ़ोन नंबर",
    contact_hint: "सिर्फ़ जवाब के लिए।",
    message: "स्टूडियो आपको कैसे पहचाने",
    message_hint: "जैसे: नीला कोट, मंच के बाईं ओर। बच्चे के लिए: लिखें कि आप माता-पिता या अभिभावक हैं।",
    send: "अनुरोध भेजें",
    back: "वापस",
    wrong: "कृपया अपना नाम और संपर्क जाँचें। फ़ोन नंबर के साथ देश का कोड चाहिए।",
    sent_title: "अनुरोध भेज दिया गया",
    sent: "स्टूडियो ईमेल या फ़ोन से जवाब देगा।",
    closed_title: "यह पेज उपलब्ध नहीं है",
    closed: "इवेंट खत्म हो गया है और उसकी फ़ोटो और चेहरों का डेटा मिटा दिया गया है, या पता अधूरा है।",
    failed_title: "यह नहीं हो पाया",
    failed: "कृपया वापस जाएँ और बाद में फिर कोशिश करें।",
};
