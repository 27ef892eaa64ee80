//! Everything that can go wrong in the engine, in one enum.
//!
//! Each variant names the thing, what was expected and what came. Knows nothing of HTTP or of the
//! command line, and never carries face data, keys or contact data.

use std::path::PathBuf;

use crate::ids::PhotoId;

/// The engine's result type.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. `Display` gives one sentence fit for a person; `source` the cause below it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("the operating system's random source is not available")]
    Random,
    #[error("'{received}' is not a {kind} id: expected 32 hexadecimal digits")]
    Id { kind: &'static str, received: String },

    /// A file or folder could not be read, written, made or removed.
    #[error("{action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    /// Another process holds the folder.
    #[error("{} is in use by another picpick process; wait for it to finish or stop it", path.display())]
    InUse { path: PathBuf },
    #[error("{} is not a picpick data folder and not empty; choose another folder", path.display())]
    NotData { path: PathBuf },
    /// A data folder, store or record written by a newer program.
    #[error("{what} has format {received}, this program reads up to {expected}; update picpick")]
    NewerFormat { what: String, expected: u32, received: u32 },
    /// Stored bytes that do not read as they should.
    #[error("{what} is damaged: {reason}")]
    Damaged { what: String, reason: String },
    #[error("the store of collection {collection}: {reason}")]
    Store { collection: String, reason: String },

    /// Where backups go cannot be used; never carries a credential.
    #[error("{place}: {reason}")]
    Place { place: String, reason: String },

    /// No key for a collection, or a key that does not open it.
    #[error("keyring {}: {reason}", path.display())]
    Keyring { path: PathBuf, reason: String },
    #[error("{what} does not open with this key: wrong keyring, or damaged bytes")]
    Seal { what: String },

    #[error("'{received}' is not a public key: expected 64 hexadecimal digits")]
    PublicKey { received: String },

    #[error("the receipt does not hold: {reason}")]
    Receipt { reason: String },
    /// A purge that left something; it stays open and is taken up again.
    #[error(
        "the purge of collection {collection} is not complete: {found} pieces of it are still in {}; it is taken up again when the data folder is opened next", path.display()
    )]
    Residue { collection: String, found: usize, path: PathBuf },
    #[error(
        "the time for which collection '{name}' was to be kept is over; purge it with 'picpick retention run', or keep it longer with 'picpick collections keep'"
    )]
    Ended { name: String },

    #[error("there is no collection '{name}'{hint}")]
    NoCollection { name: String, hint: String },
    #[error(
        "collection '{name}' is there and would be replaced by its backup; say so with --replace"
    )]
    Exists { name: String },
    #[error("there is no backup of collection '{name}' to restore in {place}: {reason}")]
    NoBackup { name: String, place: String, reason: String },
    #[error("a collection '{name}' exists already")]
    CollectionExists { name: String },
    #[error(
        "'{received}' is not a collection name: expected 1 to 100 printable characters, not starting with '-'"
    )]
    CollectionName { received: String },
    #[error("there is no {kind} {id} in this collection")]
    NotFound { kind: &'static str, id: String },
    #[error(
        "collection '{collection}' was indexed with model pack '{expected}', this query uses '{received}'"
    )]
    WrongPack { collection: String, expected: String, received: String },

    #[error("there is no model pack '{received}'; known: {known}")]
    NoPack { received: String, known: String },
    #[error("manifest {name}: {reason}")]
    Manifest { name: String, reason: String },
    #[error("{name} is not here: expected {}; run 'picpick models fetch {arguments}'", path.display())]
    ModelMissing { name: String, arguments: String, path: PathBuf },
    #[error("{name} has the wrong content: expected SHA-256 {expected}, received {received}")]
    WrongHash { name: String, expected: String, received: String },
    #[error("fetching {package}: {reason}")]
    Fetch { package: String, reason: String },
    #[error("model {name}: {reason}")]
    Model { name: String, reason: String },
    #[error("inference runtime: {reason}")]
    Runtime { reason: String },

    /// A file that is not a photo this program reads, or one it refuses to decode.
    #[error("{reason}")]
    Image { reason: String },
    #[error("no face found in {photo}")]
    NoFace { photo: String },
    #[error(
        "{photo} shows {faces} faces and none is clearly the subject; choose one with --face 1 to {faces} (from left to right)"
    )]
    ManyFaces { photo: String, faces: usize },
    #[error("{photo} shows {faces} faces, there is no face {received}")]
    NoSuchFace { photo: String, faces: usize, received: usize },
    #[error(
        "the selfies do not show one person: {first} and {second} have similarity {similarity:.2}, expected at least {expected:.2}"
    )]
    NotOnePerson { first: String, second: String, similarity: f32, expected: f32 },
    #[error("face {face} belongs to no person: it is of poor quality, or was not compared yet")]
    NoPerson { face: String },
    #[error("faces {first} and {second} are of two people; expected faces of one")]
    ManyPeople { first: String, second: String },
    #[error("these are all {faces} faces of the person; expected that some stay")]
    WholePerson { faces: usize },
    #[error(
        "photo {photo} shows two of these people together, so they are two; expected to be told that they are one all the same, as in a mirror or a collage"
    )]
    TogetherInPhoto { photo: PhotoId },
    #[error(
        "more was said of people than is kept: expected {most} {what} at most, received {received}"
    )]
    TooMuchSaid { what: &'static str, most: usize, received: usize },

    #[error("embedding of {received} numbers, expected {expected}")]
    Dimension { expected: usize, received: usize },
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// Wraps an I/O error with what was tried on which path; `action` is a verb ("read", "create").
    pub fn io(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { action, path: path.into(), source }
    }
}
