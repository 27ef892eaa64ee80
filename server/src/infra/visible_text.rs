//! Invisible characters in names. They reorder or hide text: with U+202E, `gpj.exe` is displayed as
//! `exe.jpg`, and two names that differ in U+200B only look equal (Unicode Technical Report 36, "Unicode
//! Security Considerations").

/// Returns `text` without invisible characters. Keeps joiners and variation selectors where they change what is
/// displayed: U+200C and U+200D inside words of Arabic and Indic scripts (Unicode Standard Annex 31, section
/// 2.3), and U+200D and U+FE0F in emoji.
pub fn visible(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let before = kept.chars().next_back();
        let after = rest.peek().copied();
        let shapes = match c {
            '\u{200c}' | '\u{200d}' if both(before, after, joins) => true,
            '\u{200d}' => both(before, after, |c| is_emoji(c) || c == '\u{fe0f}'),
            '\u{fe0f}' => before.is_some_and(is_emoji),
            _ => false,
        };
        if shapes || !is_invisible(c) {
            kept.push(c);
        }
    }
    kept
}

/// Returns whether `c` changes the direction of the text around it.
pub fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns whether `c` has no glyph of its own: the property `Default_Ignorable_Code_Point` of Unicode 16
/// (DerivedCoreProperties.txt), the line and paragraph separators, and the annotation characters.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn both(before: Option<char>, after: Option<char>, fits: impl Fn(char) -> bool) -> bool {
    before.is_some_and(&fits) && after.is_some_and(&fits)
}

/// Returns whether `c` belongs to a block whose letters join: Arabic to Sinhala, Myanmar, Khmer, Mongolian.
fn joins(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{dff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{18af}')
        && !is_invisible(c)
}

/// Returns whether `c` belongs to a block with emoji.
fn is_emoji(c: char) -> bool {
    matches!(c, '\u{203c}'..='\u{3299}' | '\u{1f000}'..='\u{1faff}') && !is_invisible(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_removed() {
        for (text, expected) in [
            ("evil\u{202e}gpj.exe", "evilgpj.exe"),
            ("a\u{2066}b\u{2069}c", "abc"),
            ("A\u{200b}nna\u{feff}", "Anna"),
            ("\u{3164}\u{2060}\u{ad}", ""),
            ("a\u{2028}b", "ab"),
            ("Anna\u{e0041} Ben", "Anna Ben"),
            ("A\u{200d}B \u{200c}Ж\u{fe0f}", "AB Ж"),
            ("क\u{200d}", "क"),
            ("क\u{61c}\u{200d}ष", "क\u{200d}ष"),
        ] {
            assert_eq!(visible(text), expected, "{text:?}");
            assert_eq!(visible(expected), expected, "{expected:?}");
        }
    }

    #[test]
    fn names_keep_what_is_displayed() {
        for name in [
            "Anna & Ben",
            "Straße \"1\"",
            "नमस्ते",
            "क्\u{200d}ष",
            "می\u{200c}خواهم",
            "❤\u{fe0f} 2026",
            "👩\u{200d}❤\u{fe0f}\u{200d}👩",
            "婚礼",
        ] {
            assert_eq!(visible(name), name);
        }
    }

    #[test]
    fn no_bidirectional_control_is_visible() {
        let all = (0..=0x0001_ffff).filter_map(char::from_u32).filter(|c| is_bidi_control(*c));
        assert_eq!(all.map(|c| visible(&format!("ب{c}ب"))).collect::<Vec<_>>(), ["بب"; 12]);
    }
}
