use maud::{Markup, html};

use super::layout::{event_head, layout, outcome};

/// The weaknesses of faces: name in the API, title, advice.
const FACES: [(&str, &str, &str); 3] = [
    (
        "small",
        "Face too small",
        "These faces have too few pixels. Upload originals instead of web sizes, and take photos from closer next time.",
    ),
    (
        "blurred",
        "Face blurred",
        "These faces are out of focus or have moved. Upload originals instead of web sizes, and use a shorter exposure \
         next time.",
    ),
    (
        "turned",
        "Face turned away",
        "These faces are seen from the side. Also upload a photo of the same moment taken more from the front.",
    ),
];
/// The reasons why no guest finds a photo: name in the API, title, advice.
const PHOTOS: [(&str, &str, &str); 2] = [
    (
        "without_face",
        "No face found",
        "This is normal for photos of rooms or rings. If the photo shows people, their faces are too small or turned \
         away: upload the original.",
    ),
    (
        "unreadable",
        "Could not be read",
        "The file is damaged or not a photo. Export the photo as JPEG and upload it again.",
    ),
];

pub fn page() -> Markup {
    let main = html! {
        (event_head("coverage"))
        section.card aria-labelledby="found-title" {
            h2 #found-title { "What guests will find" }
            p #sentence .lead { "…" }
            meter #found-bar min="0" max="1" value="0" aria-labelledby="found-title" {}
            p.hint {
                "This is an estimate from public photos with faces of similar quality. It assumes a clear selfie and leaves out \
                 faces that were not detected. For guests who appear in many photos, a larger share is found."
            }
        }
        section aria-labelledby="faces-title" {
            h2 #faces-title { "Faces that are likely to be missed" }
            p #faces-about {}
            ul.rows { @for kind in FACES { (row(kind)) } }
        }
        section aria-labelledby="photos-title" {
            h2 #photos-title { "Photos that no guest can find" }
            p #photos-about {}
            ul.rows { @for kind in PHOTOS { (row(kind)) } }
        }
        section #listed hidden aria-labelledby="listed-title" {
            h2 #listed-title tabindex="-1" {}
            (outcome())
            ul #list .photos {}
            button #more .quiet type="button" hidden { "Show more" }
        }
        section #by-folder hidden aria-labelledby="folders-title" {
            h2 #folders-title { "By folder" }
            div.scroll tabindex="0" role="region" aria-labelledby="folders-title" {
                table {
                    thead { tr { @for name in ["Folder", "Photos", "Faces", "Likely missed", "Found"] { th scope="col" { (name) } } }  }
                    tbody #folders {}
                }
            }
        }
    };
    layout("Coverage", "/assets/coverage.js", true, &main)
}

fn row((what, name, help): (&str, &str, &str)) -> Markup {
    let id = |part: &str| format!("{what}-{part}");
    html! {
        li {
            div {
                h3 id=(id("title")) { (name) }
                meter id=(id("bar")) min="0" max="1" low="0.001" high="0.1" optimum="0" value="0" aria-labelledby=(id("title")) aria-describedby=(id("count")) {}
                p id=(id("count")) { "…" }
                p.hint { (help) }
            }
            div.deeds {
                button.quiet data-what=(what) type="button" hidden aria-describedby=(id("title")) { "Show photos" }
            }
        }
    }
}
