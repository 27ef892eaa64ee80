use std::collections::HashMap;
use std::path::Path;

use picpick_engine::{
    Collection, FaceId, KnownFace, KnownPhoto, Match, Pack, PhotoId, ProbeImage, Quality,
};

use super::{ContactSheet, FaceMark, FaceRole, SheetPhoto};
use crate::cli::format;
use crate::cli::search_outcome::{QueryOutcome, match_reason};

/// Limits the photos of a collection whose contact sheet shows photos that did not match. The sheet of a
/// larger collection shows the matches only, because a page with more photos is slow on a phone.
const PHOTOS_MAX: usize = 200;

/// Builds the contact sheet of `found`: the selfies, the matches and, in a collection of up to [`PHOTOS_MAX`]
/// photos, all other photos.
pub fn sheet_of(collection: &Collection, pack: &Pack, found: &QueryOutcome) -> ContactSheet {
    let photos = all_photos(collection);
    let matches: HashMap<PhotoId, &Match> =
        found.answer.matches.iter().map(|one| (one.photo, one)).collect();
    let shot = |(id, photo, faces): &PhotoFaces| {
        let matched = matches.get(id).copied();
        let mark = |(face, known): &(FaceId, KnownFace)| FaceMark {
            bbox: known.bbox,
            quality: known.quality,
            similarity: match matched.filter(|matched| matched.face == *face) {
                Some(matched) => Some(matched.similarity),
                None => collection.score(&found.selfies.probe.template, face, found.scoring),
            },
            role: role(known, matched.is_some_and(|matched| matched.face == *face)),
        };
        SheetPhoto {
            path: photo.path.clone(),
            id: Some(*id),
            width: photo.width,
            height: photo.height,
            faces: faces.iter().map(mark).collect(),
            why: matched.map(|matched| match_reason(matched.kind)),
        }
    };
    let by_id: HashMap<PhotoId, &PhotoFaces> =
        photos.iter().map(|photo| (photo.0, photo)).collect();
    let matched: Vec<SheetPhoto> = found
        .answer
        .matches
        .iter()
        .filter_map(|one| by_id.get(&one.photo))
        .map(|photo| shot(photo))
        .collect();
    let rest = || photos.iter().filter(|photo| !matches.contains_key(&photo.0));
    let others: Vec<SheetPhoto> =
        if photos.len() <= PHOTOS_MAX { rest().map(shot).collect() } else { Vec::new() };
    ContactSheet {
        title: collection.info().name.clone(),
        threshold: found.answer.threshold,
        photos: photos.len(),
        faces: photos.iter().map(|(_, _, faces)| faces.len()).sum(),
        left_out: photos.len() - matched.len() - others.len(),
        selfies: found.selfies.iter().map(selfie).collect(),
        matched,
        others,
        models: format!("{} ({}; licence: {})", pack.title, pack.id(), pack.licence),
        notice: pack.notice(),
    }
}

type PhotoFaces = (PhotoId, KnownPhoto, Vec<(FaceId, KnownFace)>);

fn all_photos(collection: &Collection) -> Vec<PhotoFaces> {
    collection.read_gallery(|gallery| {
        let faces = |photo: &KnownPhoto| {
            photo.faces.iter().filter_map(|id| Some((*id, *gallery.face(id)?))).collect()
        };
        gallery.photos().into_iter().map(|(id, photo)| (id, photo.clone(), faces(photo))).collect()
    })
}

fn role(known: &KnownFace, matched: bool) -> FaceRole {
    match matched {
        true => FaceRole::Match,
        false if known.quality < Quality::LOW => FaceRole::Poor,
        false => FaceRole::Other,
    }
}

fn selfie((path, selfie): (&Path, &ProbeImage)) -> SheetPhoto {
    let mark = |face: &picpick_engine::Face| FaceMark {
        bbox: face.bbox,
        quality: face.quality,
        similarity: None,
        role: if face.id == selfie.subject.id { FaceRole::Subject } else { FaceRole::Other },
    };
    SheetPhoto {
        path: path.to_path_buf(),
        id: None,
        width: selfie.analysis.width,
        height: selfie.analysis.height,
        faces: selfie.analysis.faces.iter().map(mark).collect(),
        why: None,
    }
}

/// Returns the alternative text of a photo, for screen readers.
pub fn words(shot: &SheetPhoto) -> String {
    let name = shot
        .path
        .file_name()
        .map_or_else(|| format::path(&shot.path), |name| format::path(name.as_ref()));
    let faces = match shot.faces.len() {
        0 => "no face".to_owned(),
        faces => format::count(faces, "face"),
    };
    let best = shot
        .faces
        .iter()
        .find(|face| face.role == FaceRole::Match)
        .and_then(|face| face.similarity);
    match best {
        Some(similarity) => format!("{name}: {faces}, one matches with similarity {similarity:.2}"),
        None => format!("{name}: {faces}"),
    }
}
