use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, bail};
use clap::Subcommand;
use picpick_engine::receipts::ReceiptBody;
use picpick_engine::{Collection, Gallery, KnownPhoto, PhotoId};
use serde::Serialize;

use super::context::Context;
use super::report::Report;
use super::table::Table;
use super::{format, pack_option, receipt};
use crate::config::UsageError;

const LIST_AFTER: &str = "\
With --json: {\"collection\", \"photos\": [{\"photo\", \"photo_id\", \"width\",
\"height\", \"faces\": [face ids]}]}.";
const DELETE_AFTER: &str = "\
Removes the photos and their faces from the collection, so that searches no
longer find them. The photo files are not changed.

Example:
  picpick photos delete 'Anna & Ben' /photos/wedding/0123.jpg --yes

With --json: {\"collection\", \"deleted\": [photo ids], \"faces\",
\"receipt\"}.";

#[derive(Subcommand, Debug)]
pub enum PhotosCommand {
    /// List the photos in order of path
    #[command(after_help = LIST_AFTER)]
    List {
        /// Name of the collection
        name: String,
        /// List only these photos: paths as given to 'index', or photo ids
        #[arg(value_name = "PHOTO")]
        photos: Vec<OsString>,
        #[command(flatten)]
        pack: pack_option::PackOption,
    },
    /// Remove photos and their faces from the collection
    #[command(after_help = DELETE_AFTER)]
    Delete {
        /// Name of the collection
        name: String,
        /// Paths as given to 'index', or photo ids
        #[arg(required = true, value_name = "PHOTO")]
        photos: Vec<OsString>,
        /// Delete; without this option, only show the numbers of photos and faces to delete
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        pack: pack_option::PackOption,
    },
}

#[derive(Serialize)]
struct PhotoList {
    collection: String,
    photos: Vec<PhotoRow>,
}

#[derive(Serialize)]
struct PhotoRow {
    photo: String,
    photo_id: String,
    width: u32,
    height: u32,
    faces: Vec<String>,
}

#[derive(Serialize)]
struct DeletedPhotos {
    collection: String,
    deleted: Vec<String>,
    faces: usize,
    receipt: ReceiptBody,
}

pub fn run(context: &Context, command: PhotosCommand) -> Result<Report> {
    match command {
        PhotosCommand::List { name, photos, pack } => {
            list(&context.collection(&name, &pack)?.0, &photos)
        }
        PhotosCommand::Delete { name, photos, yes, pack } => {
            delete(&context.collection(&name, &pack)?.0, &photos, yes)
        }
    }
}

fn list(collection: &Collection, wanted: &[OsString]) -> Result<Report> {
    let name = &collection.info().name;
    collection.read_gallery(|gallery| {
        let mut all = gallery.photos();
        if !wanted.is_empty() {
            let chosen = choose(gallery, wanted)?;
            all.retain(|(id, _)| chosen.contains(id));
        }
        let mut table = Table::new(&["id", ">size", ">faces", "photo"]);
        for (id, photo) in &all {
            let size = format!("{}×{}", photo.width, photo.height);
            table.row([
                id.to_string(),
                size,
                photo.faces.len().to_string(),
                format::path(&photo.path),
            ]);
        }
        let count = format::count(all.len(), "photo");
        let text = if all.is_empty() {
            format!("{count}\n")
        } else {
            format!("{}\n{count}\n", table.text())
        };
        let photos = all.iter().map(|(id, photo)| shown(id, photo)).collect();
        Report::new(&PhotoList { collection: name.clone(), photos }, text)
    })
}

fn shown(id: &PhotoId, photo: &KnownPhoto) -> PhotoRow {
    PhotoRow {
        photo: photo.path.to_string_lossy().into_owned(),
        photo_id: id.to_string(),
        width: photo.width,
        height: photo.height,
        faces: photo.faces.iter().map(ToString::to_string).collect(),
    }
}

fn delete(collection: &Collection, wanted: &[OsString], yes: bool) -> Result<Report> {
    let (ids, faces) = collection.read_gallery(|gallery| {
        let ids = choose(gallery, wanted)?;
        let faces =
            ids.iter().filter_map(|id| gallery.photo(id)).map(|photo| photo.faces.len()).sum();
        anyhow::Ok((ids, faces))
    })?;
    let name = &collection.info().name;
    let what =
        format!("{} with {}", format::count(ids.len(), "photo"), format::count(faces, "face"));
    if !yes {
        return Err(UsageError(format!(
            "this would delete {what} from '{name}'; add --yes to confirm"
        ))
        .into());
    }
    let receipt = collection.delete_photos(&ids)?.receipt;
    let deleted = ids.iter().map(ToString::to_string).collect();
    let attested = receipt::describe(&receipt);
    let document = DeletedPhotos { collection: name.clone(), deleted, faces, receipt };
    Report::new(&document, format!("Deleted {what} from '{name}'; the files stay.\n{attested}"))
}

/// Returns the photos that `wanted` names by path or id. A path names several photos if the file at the path
/// was replaced between two runs of `index`. Errors if a name fits no photo.
pub fn choose(gallery: &Gallery, wanted: &[OsString]) -> Result<Vec<PhotoId>> {
    let all = gallery.photos();
    let mut chosen = Vec::new();
    for name in wanted {
        let path = Path::new(name);
        let before = chosen.len();
        chosen.extend(all.iter().filter(|(_, photo)| same(&photo.path, path)).map(|(id, _)| *id));
        if chosen.len() == before {
            let id = name.to_str().and_then(|text| text.parse::<PhotoId>().ok());
            match id.filter(|id| gallery.photo(id).is_some()) {
                Some(id) => chosen.push(id),
                None => bail!(
                    "no photo {} in this collection; see 'picpick photos list'",
                    path.display()
                ),
            }
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    Ok(chosen)
}

/// Returns whether two paths are equal, apart from a leading `./`.
fn same(a: &Path, b: &Path) -> bool {
    let bare = |path| Path::new(path).strip_prefix(".").unwrap_or(path).to_path_buf();
    bare(a) == bare(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_with_and_without_a_leading_dot() {
        assert!(same(Path::new("./a/b.jpg"), Path::new("a//b.jpg")));
        assert!(same(Path::new("/a/b.jpg"), Path::new("/a/./b.jpg")));
        assert!(!same(Path::new("/a/b.jpg"), Path::new("a/b.jpg")));
    }
}
