use std::fmt;

use super::visible_text::visible;

/// Maximum length of a file name, 255 characters.
const CHARS_MAX: usize = 255;
/// The media types of photos with their extensions; the first extension is added to names that have none of
/// them.
const EXTENSIONS: [(&str, &[&str]); 3] = [
    ("image/jpeg", &["jpg", "jpeg", "jpe", "jfif"]),
    ("image/png", &["png"]),
    ("image/webp", &["webp"]),
];
/// Extensions of other picture formats, which are removed from the names of files that have another media type.
const PICTURES: [&str; 14] = [
    "heic", "heif", "avif", "tif", "tiff", "gif", "bmp", "dng", "raw", "cr2", "cr3", "nef", "arw",
    "orf",
];

/// The name of a photo's file, for storage, downloads and archives: its only extension comes from the file's
/// media type. A file can be a valid photo and a valid page or program at the same time, and the extension
/// decides which program a visitor's computer opens it with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// Returns `name` with an extension of `media_type` and no other extension: `a.html` becomes `a_html.jpg`,
    /// `a.png.JPG` becomes `a.JPG`. Removes invisible characters, and cuts the name at 255 characters.
    pub fn of(name: &str, media_type: &str) -> Self {
        let known = EXTENSIONS.iter().find(|(of, _)| *of == media_type);
        let extensions = known.map_or(&["bin"][..], |(_, extensions)| *extensions);
        let name = visible(name);
        let mut stem = trimmed(&name);
        let mut extension = None;
        while let Some((before, last)) = stem.rsplit_once('.') {
            let lower = last.to_ascii_lowercase();
            let picture = EXTENSIONS.iter().any(|(_, all)| all.contains(&lower.as_str()));
            if extension.is_none() && extensions.contains(&lower.as_str()) {
                extension = Some(last);
            } else if !picture && !PICTURES.contains(&lower.as_str()) {
                break;
            }
            stem = trimmed(before);
        }
        let extension = extension.or(extensions.first().copied()).unwrap_or("bin");
        let room = CHARS_MAX.saturating_sub(extension.chars().count() + 1);
        let stem: String = stem.chars().take(room).collect();
        let stem = match trimmed(&stem) {
            "" => "photo".to_owned(),
            stem => without_extensions(stem),
        };
        Self(format!("{stem}.{extension}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Removes dots and white space at both ends: Windows ignores them at the end of a name, Unix hides files
/// that begin with a dot.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c == '.' || c.is_whitespace())
}

/// Replaces each dot that could begin an extension by `_`: the part after it has a letter and no white space.
/// Keeps the dots of dates, times and abbreviations, as in `2026-05-12 14.33.12` and `Dr. Rao`.
fn without_extensions(stem: &str) -> String {
    let mut parts = stem.split('.');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let word = part.trim_end();
        let extension =
            word.chars().any(char::is_alphabetic) && !word.contains(char::is_whitespace);
        whole.push(if extension { '_' } else { '.' });
        whole += part;
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(name: &str) -> String {
        FileName::of(name, "image/jpeg").to_string()
    }

    #[test]
    fn the_extension_is_the_one_of_the_media_type() {
        for (name, expected) in [
            ("a.jpg", "a.jpg"),
            ("IMG_1.JPG", "IMG_1.JPG"),
            ("a.jpeg", "a.jpeg"),
            ("a", "a.jpg"),
            ("a.png", "a.jpg"),
            ("a.HEIC", "a.jpg"),
            ("a.png.jpg", "a.jpg"),
            ("evil.html", "evil_html.jpg"),
            ("evil.exe", "evil_exe.jpg"),
            ("evil.exe.jpg", "evil_exe.jpg"),
            ("evil.exe .jpg", "evil_exe.jpg"),
            ("evil.jpg.hta", "evil_jpg_hta.jpg"),
            ("evil.settingcontent-ms.jpeg", "evil_settingcontent-ms.jpeg"),
            ("evil.hta. . .", "evil_hta.jpg"),
            ("\";filename=evil.html", "\";filename=evil_html.jpg"),
            ("evil\u{202e}gpj.exe", "evilgpj_exe.jpg"),
            (".htaccess", "htaccess.jpg"),
            (".jpg", "jpg.jpg"),
            ("..jpg", "jpg.jpg"),
            (" . ", "photo.jpg"),
            ("", "photo.jpg"),
            ("2026-05-12 14.33.12.jpg", "2026-05-12 14.33.12.jpg"),
            ("Dr. Rao.jpg", "Dr. Rao.jpg"),
        ] {
            assert_eq!(jpeg(name), expected, "{name}");
        }
        assert_eq!(FileName::of("a.jpg", "image/png").as_str(), "a.png");
        assert_eq!(FileName::of("a.WebP", "image/webp").as_str(), "a.WebP");
        assert_eq!(FileName::of("a.svg", "image/svg+xml").as_str(), "a_svg.bin");
    }

    #[test]
    fn a_name_is_stable_and_never_too_long() {
        for media_type in ["image/jpeg", "image/png", "image/webp", "text/html"] {
            for name in [
                "a.b.c.d",
                "x.exe.png.jpg",
                &"é".repeat(300),
                &"a.".repeat(200),
                "....",
                "a.7z",
                &format!("{}.exe b", "a".repeat(247)),
            ] {
                let once = FileName::of(name, media_type);
                assert!(once.as_str().chars().count() <= 255, "{name}");
                assert_eq!(FileName::of(once.as_str(), media_type), once, "{name}");
            }
        }
    }
}
