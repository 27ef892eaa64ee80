use anyhow::Result;
use clap::Args;
use picpick_engine::{Collection, FaceId};
use serde::Serialize;

use super::format;
use super::report::Report;
use super::table::Table;

/// The corrections of `picpick people`, at most one in a call. Face ids are those of 'faces list'.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub struct CorrectionOptions {
    /// Merge the people of these faces into one person
    #[arg(long, value_name = "FACE", num_args = 2..)]
    merge: Vec<FaceId>,
    /// Split these faces of one person off as another person
    #[arg(long, value_name = "FACE", num_args = 1..)]
    split: Vec<FaceId>,
    /// Hide this face's person from the list
    #[arg(long, value_name = "FACE")]
    hide: Option<FaceId>,
    /// Show this face's person in the list again
    #[arg(long, value_name = "FACE")]
    unhide: Option<FaceId>,
    /// List the faces of this face's person, the least similar first
    #[arg(long, value_name = "FACE")]
    show: Option<FaceId>,
}

#[derive(Serialize)]
struct CorrectionDocument {
    collection: String,
    hidden: bool,
    faces: Vec<CorrectedPersonRow>,
}

#[derive(Serialize)]
struct CorrectedPersonRow {
    face_id: String,
    photo: String,
    quality: f32,
    similarity: f32,
}

impl CorrectionOptions {
    /// Applies the correction of these options; returns `None` without an option. `allow_same_photo` permits
    /// a merge of two people whom one photo shows together.
    pub fn carry_out(
        &self,
        collection: &Collection,
        allow_same_photo: bool,
    ) -> Result<Option<Report>> {
        let name = &collection.info().name;
        let (face, text) = if let Some(face) = self.merge.first() {
            collection.merge_people(&self.merge, allow_same_photo)?;
            (face, format!("Merged into one person in '{name}'.\n"))
        } else if let Some(face) = self.split.first() {
            collection.split_person(&self.split)?;
            let faces = format::count(self.split.len(), "face");
            (face, format!("Split {faces} off as another person in '{name}'.\n"))
        } else if let Some(face) = &self.hide {
            collection.hide_person(face, true)?;
            (face, format!("The person is hidden from the list of '{name}'.\n"))
        } else if let Some(face) = &self.unhide {
            collection.hide_person(face, false)?;
            (face, format!("The person is in the list of '{name}' again.\n"))
        } else if let Some(face) = &self.show {
            (face, String::new())
        } else {
            return Ok(None);
        };
        shown(collection, face, text).map(Some)
    }
}

fn shown(collection: &Collection, face: &FaceId, mut text: String) -> Result<Report> {
    // A face of low quality that was split off belongs to no person.
    let (hidden, person) = match collection.person(face) {
        Ok(person) => (person.hidden, person.faces),
        Err(picpick_engine::Error::NoPerson { .. }) if !text.is_empty() => (false, Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let name = &collection.info().name;
    collection.read_gallery(|gallery| {
        let path = |of: &picpick_engine::FaceOfPerson| {
            gallery.photo(&of.photo).map(|photo| photo.path.to_string_lossy().into_owned())
        };
        let of = |of: &picpick_engine::FaceOfPerson| {
            let (face_id, quality, similarity) = (of.face.to_string(), of.quality, of.similarity);
            Some(CorrectedPersonRow { face_id, photo: path(of)?, quality, similarity })
        };
        let faces: Vec<CorrectedPersonRow> = person.iter().filter_map(of).collect();
        let mut table = Table::new(&[">similarity", ">quality", "face", "photo"]);
        for face in &faces {
            let [similarity, quality] =
                [face.similarity, face.quality].map(|of| format!("{of:.2}"));
            table.row([
                similarity,
                quality,
                face.face_id.clone(),
                super::report::printable(&face.photo),
            ]);
        }
        text += &table.text();
        Report::new(&CorrectionDocument { collection: name.clone(), hidden, faces }, text)
    })
}
