use std::path::PathBuf;

/// The engine's result type.
pub type Result<T> = std::result::Result<T, Error>;

/// The engine's errors. `Display` writes one sentence for the user. The sentence names the fault, the
/// expected and the received value, and where possible an action. No variant contains face data, keys or
/// contact data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(
        "the operating system's random source is not available; permit the system call 'getrandom'"
    )]
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
    #[error(
        "{what} has format {received}, but this program reads only formats up to {expected}; update picpick"
    )]
    NewerFormat { what: String, expected: u32, received: u32 },
    /// Stored bytes could not be decoded.
    #[error("{what} is damaged: {reason}")]
    Damaged { what: String, reason: String },
    #[error("the store of collection {collection}: {reason}")]
    Store { collection: String, reason: String },

    /// An object store (the target of backups) failed. The text contains no credential.
    #[error("{place}: {reason}")]
    ObjectStore { place: String, reason: String },

    /// The keyring cannot be read, or has no key that decrypts a collection.
    #[error("keyring {}: {reason}", path.display())]
    Keyring { path: PathBuf, reason: String },
    #[error(
        "{what} does not open with this key: wrong keyring, or damaged bytes; use the keyring of this data folder, or restore a backup"
    )]
    Seal { what: String },

    #[error("'{received}' is not an Ed25519 public key: expected 64 hexadecimal digits")]
    PublicKey { received: String },

    #[error("the receipt is not valid: {reason}")]
    Receipt { reason: String },
    /// An export of the keyring that cannot be used.
    #[error("the export of the keyring cannot be used: {reason}")]
    KeyExport { reason: String },
    /// The residue scan found data after a purge; the purge stays pending and is retried.
    #[error(
        "the purge of collection {collection} is not complete: {found} pieces of its data are still in {}; the purge is retried when the data folder is opened next", path.display()
    )]
    Residue { collection: String, found: usize, path: PathBuf },
    #[error(
        "the retention period of collection '{name}' has ended; purge it with 'picpick retention run', or extend the period with 'picpick collections keep'"
    )]
    RetentionEnded { name: String },

    #[error("there is no collection '{name}'{hint}")]
    NoCollection { name: String, hint: String },
    #[error("collection '{name}' exists; pass --replace to replace it with its backup")]
    Exists { name: String },
    #[error(
        "{place} has no restorable backup of collection '{name}': {reason}; choose another place or a later time"
    )]
    NoBackup { name: String, place: String, reason: String },
    #[error("a collection '{name}' exists already; choose another name")]
    CollectionExists { name: String },
    #[error(
        "'{received}' is not a collection name: expected 1 to 100 printable characters, not starting with '-'"
    )]
    CollectionName { received: String },
    #[error("there is no {kind} {id} in this collection; check the id")]
    NotFound { kind: &'static str, id: String },
    #[error(
        "collection '{collection}' has embeddings of model pack '{expected}', but '{received}' was chosen; choose the collection's pack"
    )]
    WrongPack { collection: String, expected: String, received: String },

    #[error("there is no model pack '{received}'; choose one of: {known}")]
    NoPack { received: String, known: String },
    #[error("manifest {name}: {reason}")]
    Manifest { name: String, reason: String },
    #[error("{name} is missing: expected {}; run 'picpick models fetch {arguments}'", path.display())]
    ModelMissing { name: String, arguments: String, path: PathBuf },
    #[error(
        "{name} has the wrong content: expected SHA-256 {expected}, received {received}; replace the file, or run 'picpick models fetch'"
    )]
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
    /// One of several pictures is not a supported photo, or exceeds the limits of decoding.
    #[error("{photo}: {reason}")]
    NamedImage { photo: String, reason: String },
    #[error("no face found in {photo}; use a picture that shows a face clearly")]
    NoFace { photo: String },
    #[error(
        "{photo} shows {faces} faces and none is clearly the subject; choose one with --face 1 to {faces} (from left to right)"
    )]
    ManyFaces { photo: String, faces: usize },
    #[error(
        "{photo} shows {faces} faces, so there is no face {received}; choose one with --face 1 to {faces}"
    )]
    NoSuchFace { photo: String, faces: usize, received: usize },
    #[error(
        "the selfies do not show one person: {first} and {second} have similarity {similarity:.2}, expected at least {expected:.2}; use pictures of one person"
    )]
    NotOnePerson { first: String, second: String, similarity: f32, expected: f32 },
    #[error(
        "face {face} belongs to no person: its quality is too low, or it has not been clustered yet; choose another face"
    )]
    NoPerson { face: String },
    #[error("faces {first} and {second} belong to two people; choose faces of one person")]
    ManyPeople { first: String, second: String },
    #[error(
        "these are all {faces} faces of the person; choose fewer, because at least one face must stay"
    )]
    SplitTakesAllFaces { faces: usize },
    #[error(
        "photo {photo} shows two of these people together, so they count as two people; if it shows one person twice, as in a mirror or a collage, allow the merge explicitly"
    )]
    SharedPhoto { photo: String },
    #[error("too many corrections of people: expected at most {most} {what}, received {received}")]
    TooManyCorrections { what: &'static str, most: usize, received: usize },

    #[error("the embedding has {received} numbers, but {expected} were expected")]
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
