use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{ContactSheet, FaceMark, FaceRole, SheetPhoto, Thumbnail};
use crate::cli::contact_sheet::model;
use crate::cli::format;

const STYLE: &str = include_str!("style.css");
/// Limits the faces of a photo in a normal card. The card of a photo with more faces has the page's whole
/// width, so that the labels are legible.
const FACES_PER_CARD_MAX: usize = 7;
/// Limits a card's aspect ratio, width over height. A photo outside the range gets the nearest limit.
const SHAPE_MIN: f32 = 0.5;
const SHAPE_MAX: f32 = 2.4;
/// Limits the distance that counts as near an edge, as a share of the picture's height. A face whose box ends
/// near the bottom edge has its label above the box, or inside the box if the box also starts near the top
/// edge.
const EDGE_SHARE: f32 = 0.14;

/// Renders the page. Each list of pictures must be in the order of the sheet's photos. maud escapes all text,
/// file names included.
pub fn page(
    sheet: &ContactSheet,
    selfies: &[Thumbnail],
    matched: &[Thumbnail],
    others: &[Thumbnail],
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'";
                title { (sheet.title) " · PicPick" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(sheet, selfies))
                main {
                    h2 { "Photos of this person" }
                    @if sheet.matched.is_empty() {
                        p { "No photo reaches the threshold." }
                    }
                    div.grid {
                        @for (i, (shot, shown)) in sheet.matched.iter().zip(matched).enumerate() {
                            (card(shot, shown, Some(i + 1)))
                        }
                    }
                    @if !sheet.others.is_empty() {
                        h2 { "Other photos" }
                        div.grid {
                            @for (shot, shown) in sheet.others.iter().zip(others) { (card(shot, shown, None)) }
                        }
                    }
                    @if sheet.left_out > 0 {
                        p { "Not shown: " (format::count(sheet.left_out, "photo")) " that did not match." }
                    }
                }
                (foot(sheet))
            }
        }
    }
}

fn head(sheet: &ContactSheet, selfies: &[Thumbnail]) -> Markup {
    let found = sheet.matched.len();
    let verb = if found == 1 { "shows" } else { "show" };
    html! {
        header {
            div.intro {
                p.brand { "PicPick contact sheet" }
                h1 { (sheet.title) }
                p.lead {
                    strong { (format::count(found, "photo")) } " of " (format::thousands(sheet.photos)) " "
                    (verb) " the person in the " @if sheet.selfies.len() == 1 { "selfie" } @else { "selfies" } "."
                }
                dl {
                    div { dt { "Threshold" } dd { (number(sheet.threshold)) } }
                    div { dt { "Photos" } dd { (format::thousands(sheet.photos)) } }
                    div { dt { "Faces" } dd { (format::thousands(sheet.faces)) } }
                    div { dt { "Matches" } dd { (format::thousands(found)) } }
                }
                (legend())
            }
            div.selfies {
                @for (shot, shown) in sheet.selfies.iter().zip(selfies) {
                    figure.selfie {
                        (picture(shot, shown))
                        figcaption { strong { "Selfie" } " " span.name title=(format::path(&shot.path)) { (name(shot)) } }
                    }
                }
            }
        }
    }
}

fn legend() -> Markup {
    html! {
        ul.legend {
            li { span.key.match {} " matched face" }
            li { span.key.other {} " other face" }
            li { span.key.poor {} " quality too low to be found reliably" }
            li { span.tag { b { "0.62" } i { "q 0.80" } } " similarity −1 to 1, quality 0 to 1" }
        }
    }
}

fn card(shot: &SheetPhoto, shown: &Thumbnail, rank: Option<usize>) -> Markup {
    let wide = shot.faces.len() > FACES_PER_CARD_MAX;
    let best =
        shot.faces.iter().filter_map(|face| face.similarity).fold(f32::NEG_INFINITY, f32::max);
    let matched = shot.faces.iter().find(|face| face.role == FaceRole::Match);
    let shape = (shot.width as f32 / shot.height.max(1) as f32).clamp(SHAPE_MIN, SHAPE_MAX);
    html! {
        figure.card.matched[rank.is_some()].wide[wide] style=(format!("--shape:{shape:.3}")) {
            (picture(shot, shown))
            figcaption {
                @if let Some(rank) = rank { span.badge { "✓ Match " (rank) } }
                span.name title=(format::path(&shot.path)) { (name(shot)) }
                span.detail {
                    (faces(shot))
                    @if let Some(mark) = matched {
                        @if let Some(similarity) = mark.similarity { " · similarity " (number(similarity)) }
                        " · quality " (number(mark.quality))
                        @if let Some(why) = shot.why { " · by " (why) }
                    } @else if best.is_finite() {
                        " · nearest " (number(best))
                    }
                }
            }
        }
    }
}

fn faces(shot: &SheetPhoto) -> String {
    if shot.faces.is_empty() { "no face".into() } else { format::count(shot.faces.len(), "face") }
}

fn picture(shot: &SheetPhoto, shown: &Thumbnail) -> Markup {
    let shape = format!("aspect-ratio:{}/{}", shot.width.max(1), shot.height.max(1));
    match shown {
        Thumbnail::Missing(reason) => html! {
            div.picture.missing style=(shape) role="img" aria-label=(model::words(shot)) {
                p { "No picture: " (reason) }
            }
        },
        Thumbnail::Jpeg { base64, width, height } => html! {
            div.picture style=(shape) {
                img src=(PreEscaped(format!("data:image/jpeg;base64,{base64}"))) width=(width) height=(height)
                    alt=(model::words(shot));
                @for mark in &shot.faces { (face(mark, shot)) }
            }
        },
    }
}

fn face(mark: &FaceMark, shot: &SheetPhoto) -> Markup {
    let role = match mark.role {
        FaceRole::Match => "match",
        FaceRole::Other => "other",
        FaceRole::Poor => "poor",
        FaceRole::Subject => "subject",
    };
    let (left, width) = span(mark.bbox[0], mark.bbox[2], shot.width);
    let (top, height) = span(mark.bbox[1], mark.bbox[3], shot.height);
    let place = match (top + height > 1.0 - EDGE_SHARE, top < EDGE_SHARE) {
        (true, true) => "inside",
        (true, false) => "above",
        _ => "below",
    };
    let [left_pc, top_pc, width_pc, height_pc] =
        [left, top, width, height].map(|share| share * 100.0);
    let style =
        format!("left:{left_pc:.2}%;top:{top_pc:.2}%;width:{width_pc:.2}%;height:{height_pc:.2}%");
    html! {
        div class={ "face " (role) " " (place) } style=(style) {
            span.tag {
                @if let Some(similarity) = mark.similarity { b { (number(similarity)) } }
                i { "q " (number(mark.quality)) }
            }
        }
    }
}

/// Converts start and length in pixels to shares of `side`, 0..1. Cuts them at the picture's edge.
fn span(start: i32, length: i32, side: u32) -> (f32, f32) {
    let side = side.max(1) as f32;
    let (from, to) = (start as f32 / side, start.saturating_add(length) as f32 / side);
    let (from, to) = (from.clamp(0.0, 1.0), to.clamp(0.0, 1.0));
    (from, (to - from).max(0.0))
}

fn foot(sheet: &ContactSheet) -> Markup {
    html! {
        footer {
            p { "Models: " (sheet.models) "." }
            @if let Some(notice) = &sheet.notice { p { strong { "Note: " (notice) "." } } }
            p { "Made by picpick " (env!("CARGO_PKG_VERSION")) " on this machine. This file shows people's faces: share it only with people who may see these faces." }
        }
    }
}

fn name(shot: &SheetPhoto) -> String {
    shot.path
        .file_name()
        .map_or_else(|| format::path(&shot.path), |name| format::path(name.as_ref()))
}

/// Formats a number with two decimals and a typographic minus sign (U+2212).
fn number(value: f32) -> String {
    format!("{value:.2}").replace('-', "−").replace("−0.00", "0.00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_cut_at_the_edge() {
        assert_eq!(span(-10, 30, 100), (0.0, 0.2));
        assert_eq!(span(90, 30, 100).0, 0.9);
        assert_eq!(span(200, 30, 100), (1.0, 0.0));
        assert_eq!(span(i32::MAX, i32::MAX, 0), (1.0, 0.0));
    }

    #[test]
    fn numbers_have_two_decimals() {
        assert_eq!(
            (number(0.714), number(-0.05), number(-0.001)),
            ("0.71".into(), "−0.05".into(), "0.00".into())
        );
    }
}
