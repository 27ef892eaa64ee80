use super::Language;

/// All texts of the album pages in one language. A text that contains values is a function.
pub struct AlbumTexts {
    pub skip: &'static str,
    pub language: &'static str,
    // The entry page.
    /// Takes the studio's name.
    pub by_studio: fn(&str) -> String,
    pub pin_title: &'static str,
    pub pin_label: &'static str,
    pub pin_hint: &'static str,
    pub open: &'static str,
    pub wrong_pin: &'static str,
    /// The browser must first do a proof of work.
    pub enter_again: &'static str,
    /// Shown while the browser does a proof of work.
    pub working: &'static str,
    pub work_needs_script: &'static str,
    /// Takes the minutes until the next attempt is allowed.
    pub wait: fn(u64) -> String,
    pub closed_title: &'static str,
    pub closed: &'static str,
    pub failed_title: &'static str,
    pub failed: &'static str,
    // The photo grid.
    /// Takes the number of photos.
    pub photos: fn(i64) -> String,
    /// Takes the day on which the album closes.
    pub open_until: fn(&str) -> String,
    pub all: &'static str,
    pub my_picks: &'static str,
    pub folders: &'static str,
    pub empty: &'static str,
    /// Takes the photo's number.
    pub photo: fn(i64) -> String,
    pub pages: &'static str,
    /// Takes the page's number and the number of pages.
    pub page: fn(i64, i64) -> String,
    pub earlier: &'static str,
    pub later: &'static str,
    pub leave: &'static str,
    // One photo.
    pub back: &'static str,
    /// Takes the photo's number and the number of photos.
    pub position: fn(i64, i64) -> String,
    pub previous: &'static str,
    pub next: &'static str,
    pub download: &'static str,
    pub download_all: &'static str,
    /// Takes the number of downloads left.
    pub downloads_left: fn(i64) -> String,
    // Annotations.
    pub annotate_title: &'static str,
    pub annotate_intro: &'static str,
    pub annotate_pin: &'static str,
    pub your_name: &'static str,
    pub begin: &'static str,
    /// Takes the visitor's name.
    pub annotating_as: fn(&str) -> String,
    pub pick: &'static str,
    pub picked: &'static str,
    pub unpick: &'static str,
    pub important: &'static str,
    pub mark_important: &'static str,
    pub not_important: &'static str,
    pub comments: &'static str,
    pub comment_label: &'static str,
    pub spot: &'static str,
    pub whole_photo: &'static str,
    /// Names of the nine fields of a photo, row by row from the top left.
    pub spots: [&'static str; 9],
    pub spot_hint: &'static str,
    pub send: &'static str,
    pub resolve: &'static str,
    pub resolved: &'static str,
    pub reopen: &'static str,
    pub delete: &'static str,
    pub no_comment: &'static str,
}

/// Returns the texts in `language`.
pub fn texts(language: Language) -> &'static AlbumTexts {
    match language {
        Language::English => &ENGLISH,
        Language::Hindi => &HINDI,
    }
}

static ENGLISH: AlbumTexts = AlbumTexts {
    skip: "Skip to content",
    language: "Language",
    by_studio: |studio| format!("Photographs by {studio}"),
    pin_title: "A private album",
    pin_label: "PIN",
    pin_hint: "Ask the person who sent you this link for the PIN.",
    open: "Open the album",
    wrong_pin: "The PIN is wrong. Please check it and try again.",
    enter_again: "Many wrong PINs were entered here. Please enter the PIN again; this time it takes a few seconds longer.",
    working: "One moment: your browser is doing a short calculation that slows down people who guess PINs.",
    work_needs_script: "Many wrong PINs were entered here. Please turn on JavaScript, then reload the page.",
    wait: |minutes| match minutes {
        1 => "Too many attempts. Please wait 1 minute, then try again.".to_owned(),
        _ => format!("Too many attempts. Please wait {minutes} minutes, then try again."),
    },
    closed_title: "This album is not available",
    closed: "The link has expired, was turned off, or is incomplete. Please ask the person who sent it to you for a new one.",
    failed_title: "That did not work",
    failed: "Please go back and try again.",
    photos: |count| if count == 1 { "1 photo".to_owned() } else { format!("{count} photos") },
    open_until: |day| format!("Open until {day}"),
    all: "All photos",
    my_picks: "My picks",
    folders: "Folders of the album",
    empty: "There are no photos here yet.",
    photo: |number| format!("Photo {number}"),
    pages: "Pages",
    page: |page, of| format!("Page {page} of {of}"),
    earlier: "Previous page",
    later: "Next page",
    leave: "Sign out",
    back: "All photos",
    position: |number, of| format!("{number} of {of}"),
    previous: "Previous photo",
    next: "Next photo",
    download: "Download",
    download_all: "Download all photos (ZIP)",
    downloads_left: |count| match count {
        1 => "1 download left".to_owned(),
        _ => format!("{count} downloads left"),
    },
    annotate_title: "Choose your favourites",
    annotate_intro: "Enter the second PIN to pick photos and to write notes for the studio.",
    annotate_pin: "PIN for notes",
    your_name: "Your name",
    begin: "Start",
    annotating_as: |name| format!("Picks and notes by {name}"),
    pick: "Pick",
    picked: "Picked",
    unpick: "Remove pick",
    important: "Important",
    mark_important: "Mark as important",
    not_important: "Not important",
    comments: "Notes",
    comment_label: "Note for the studio",
    spot: "Where in the photo",
    whole_photo: "The whole photo",
    spots: [
        "Top left",
        "Top",
        "Top right",
        "Left",
        "Middle",
        "Right",
        "Bottom left",
        "Bottom",
        "Bottom right",
    ],
    spot_hint: "Or tap the spot on the photo.",
    send: "Send note",
    resolve: "Mark as done",
    resolved: "Done",
    reopen: "Reopen",
    delete: "Delete",
    no_comment: "No notes on this photo yet.",
};

static HINDI: AlbumTexts = AlbumTexts {
    skip: "सीधे मुख्य हिस्से पर जाएँ",
    language: "भाषा",
    by_studio: |studio| format!("फ़ोटो: {studio}"),
    pin_title: "निजी एल्बम",
    pin_label: "पिन",
    pin_hint: "पिन उन्हीं से पूछें जिन्होंने आपको यह लिंक भेजा है।",
    open: "एल्बम खोलें",
    wrong_pin: "यह पिन सही नहीं है। कृपया इसे जाँचकर फिर से कोशिश करें।",
    enter_again: "यहाँ कई बार ग़लत पिन डाला गया है। कृपया पिन फिर से डालें; इस बार कुछ सेकंड ज़्यादा लगेंगे।",
    working: "एक पल रुकें: पिन का अंदाज़ा लगाने वालों को रोकने के लिए आपका ब्राउज़र एक छोटी गणना कर रहा है।",
    work_needs_script: "यहाँ कई बार ग़लत पिन डाला गया है। कृपया JavaScript चालू करें, फिर पेज को रीलोड करें।",
    wait: |minutes| format!("बहुत बार कोशिश हो चुकी है। कृपया {minutes} मिनट रुककर फिर से कोशिश करें।"),
    closed_title: "यह एल्बम उपलब्ध नहीं है",
    closed: "लिंक का समय खत्म हो गया है, उसे बंद कर दिया गया है, या वह अधूरा है। कृपया जिन्होंने लिंक भेजा था, उनसे नया लिंक माँगें।",
    failed_title: "यह नहीं हो पाया",
    failed: "कृपया वापस जाएँ और फिर से कोशिश करें।",
    photos: |count| format!("{count} फ़ोटो"),
    open_until: |day| format!("{day} तक खुला है"),
    all: "सभी फ़ोटो",
    my_picks: "मेरी पसंद",
    folders: "एल्बम के हिस्से",
    empty: "यहाँ अभी कोई फ़ोटो नहीं है।",
    photo: |number| format!("फ़ोटो {number}"),
    pages: "पेज",
    page: |page, of| format!("{of} में से पेज {page}"),
    earlier: "पिछला पेज",
    later: "अगला पेज",
    leave: "साइन आउट करें",
    back: "सभी फ़ोटो",
    position: |number, of| format!("{of} में से {number}"),
    previous: "पिछली फ़ोटो",
    next: "अगली फ़ोटो",
    download: "डाउनलोड करें",
    download_all: "सभी फ़ोटो डाउनलोड करें (ZIP)",
    downloads_left: |count| format!("{count} डाउनलोड बाकी"),
    annotate_title: "अपनी पसंदीदा फ़ोटो चुनें",
    annotate_intro: "दूसरे पिन से फ़ोटो चुनें और स्टूडियो के लिए नोट लिखें।",
    annotate_pin: "नोट के लिए पिन",
    your_name: "आपका नाम",
    begin: "शुरू करें",
    annotating_as: |name| format!("{name} की पसंद और नोट"),
    pick: "चुनें",
    picked: "चुनी हुई",
    unpick: "पसंद से हटाएँ",
    important: "ज़रूरी",
    mark_important: "ज़रूरी मार्क करें",
    not_important: "ज़रूरी नहीं",
    comments: "नोट",
    comment_label: "स्टूडियो के लिए नोट",
    spot: "फ़ोटो में कहाँ",
    whole_photo: "पूरी फ़ोटो",
    spots: ["ऊपर बाएँ", "ऊपर", "ऊपर दाएँ", "बाएँ", "बीच में", "दाएँ", "नीचे बाएँ", "नीचे", "नीचे दाएँ"],
    spot_hint: "या फ़ोटो में जिस जगह की बात है, वहाँ दबाएँ।",
    send: "नोट भेजें",
    resolve: "पूरा मार्क करें",
    resolved: "पूरा हुआ",
    reopen: "फिर से खोलें",
    delete: "मिटाएँ",
    no_comment: "इस फ़ोटो पर अभी कोई नोट नहीं है।",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_contain_their_values() {
        for language in Language::ALL {
            let words = texts(language);
            assert!((words.page)(3, 12).contains('3') && (words.page)(3, 12).contains("12"));
            assert!(
                (words.position)(7, 40).contains('7') && (words.position)(7, 40).contains("40")
            );
            assert!((words.by_studio)("Lumen").contains("Lumen"));
            assert!((words.photos)(1).starts_with("1 ") && (words.photos)(0).starts_with("0 "));
        }
        assert_ne!(texts(Language::English).open, texts(Language::Hindi).open);
    }
}
