use std::path::PathBuf;

/// The engine's result type.
pub type Result<T> = std::result::Result<T, Error>;

/// The engine's errors. `Display` gives one sentence for the user: what is wrong, what was expected and
/// received, and where possible what to do. No variant contains face data, keys or contact data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("the operating system's random source is not available")]
    Random,
    #[error("'{received}' is not a {kind} id: expected 32 hexadecimal digits")]
    Id { kind: &'static str, received: String },

    /// A file or folder could not be read, written, created or removed.
    #[error("{action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    /// Another process has locked the folder.
    #[error("{} is in use by another picpick process; wait for it to finish or stop it", path.display())]
    InUse { path: PathBuf },
    #[error("{} is not a picpick data folder and not empty; choose another folder", path.display())]
    NotData { path: PathBuf },
    /// A data folder, store or record was written by a newer version of the program.
    #[error("{what} has format {received}, this program reads up to {expected}; update picpick")]
    NewerFormat { what: String, expected: u32, received: u32 },
    /// Stored bytes could not be decoded.
    #[error("{what} is damaged: {reason}")]
    Damaged { what: String, reason: String },
    #[error("the store of collection {collection}: {reason}")]
    Store { collection: String, reason: String },

    /// An object store (the target of backups) failed. The text contains no credential.
    #[error("{place}: {reason}")]
    ObjectStore { place: String, reason: String },

    /// The keyring has no key for a collection, or one that does not decrypt it.
    #[error("keyring {}: {reason}", path.display())]
    Keyring { path: PathBuf, reason: String },
    #[error("{what} does not open with this key: wrong keyring, or damaged bytes")]
    Seal { what: String },

    #[error("'{received}' is not a public key: expected 64 hexadecimal digits")]
    PublicKey { received: String },

    #[error("the receipt is not valid: {reason}")]
    Receipt { reason: String },
    /// The residue scan found data after a purge; the purge stays pending and is retried.
    #[error(
        "the purge of collection {collection} is not complete: {found} pieces of it are still in {}; it is retried when the data folder is opened next", path.display()
    )]
    Residue { collection: String, found: usize, path: PathBuf },
    #[error(
        "the retention period of collection '{name}' has ended; purge it with 'picpick retention run', or extend the period with 'picpick collections keep'"
    )]
    RetentionEnded { name: String },

    #[error("there is no collection '{name}'{hint}")]
    NoCollection { name: String, hint: String },
    #[error(
        "collection '{name}' exists and would be replaced by its backup; pass --replace to allow that"
    )]
    Exists { name: String },
    #[error("{place} has no restorable backup of collection '{name}': {reason}")]
    NoBackup { name: String, place: String, reason: String },
    #[error("a collection '{name}' exists already; choose another name")]
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
    #[error("{name} is missing: expected {}; run 'picpick models fetch {arguments}'", path.display())]
    ModelMissing { name: String, arguments: String, path: PathBuf },
    #[error("{name} has the wrong content: expected SHA-256 {expected}, received {received}")]
    WrongHash { name: String, expected: String, received: String },
    #[error("fetching {package}: {reason}")]
    Fetch { package: String, reason: String },
    #[error("model {name}: {reason}")]
    Model { name: String, reason: String },
    #[error("inference runtime: {reason}")]
    Runtime { reason: String },

    /// A file is not a supported photo, or exceeds the limits of decoding.
    #[error("{reason}")]
    Image { reason: String },
    /// As `Image`, for one of several pictures.
    #[error("{photo}: {reason}")]
    NamedImage { photo: String, reason: String },
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
    #[error(
        "face {face} belongs to no person: its quality is too low, or it has not been clustered yet"
    )]
    NoPerson { face: String },
    #[error("faces {first} and {second} belong to two people; expected faces of one person")]
    ManyPeople { first: String, second: String },
    #[error("these are all {faces} faces of the person; at least one face must stay")]
    SplitTakesAllFaces { faces: usize },
    #[error(
        "photo {photo} shows two of these people together, so they count as two people; if it shows one person twice, as in a mirror or a collage, allow the merge explicitly"
    )]
    SharedPhoto { photo: String },
    #[error("too many corrections of people: expected at most {most} {what}, received {received}")]
    TooManyCorrections { what: &'static str, most: usize, received: usize },

    #[error("the embedding has {received} numbers, expected {expected}")]
    Dimension { expected: usize, received: usize },
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// Wraps an I/O error with its path and the failed action, a verb ("read", "create").
    pub fn io(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { action, path: path.into(), source }
    }
}
