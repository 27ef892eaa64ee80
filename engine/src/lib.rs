//! PicPick's engine: photos in, one person's photos out.
//!
//! A photo passes through `decode` → `detect` → `align` → `embed` → `store` (source of truth, encrypted) →
//! `index` (derived, rebuildable). A selfie passes through the first four, then `query` → `matcher` → photos.

mod align;
mod backup;
mod books;
mod calibrate;
mod clock;
mod collection;
mod coverage;
mod crypto;
mod data;
mod decode;
mod derive;
mod detect;
mod embed;
mod error;
mod face;
mod files;
mod format_version;
#[doc(hidden)]
pub mod fuzz;
mod guest;
mod ids;
mod index;
mod liveness;
mod locked;
mod manifest;
mod matcher;
mod models;
mod people;
mod picture;
mod pipeline;
mod place;
mod quality;
mod query;
mod reserve;
mod residue;
mod runtime;
mod store;

pub use backup::{BackedUp, Backup, Restored};
pub use books::{
    RECEIPT_SCHEMA, Receipt, ReceiptBody, Scanned, Subject as PurgeSubject, verify_chain,
};
pub use calibrate::{Estimate, FPIR, Histogram, PAIRS_MIN};
pub use collection::{
    Answer, Calibration, Collection, Counted, Dropped, FaceOfPerson, Gallery, GuestPhotos,
    KnownFace, KnownPhoto, Match, PersonShown, Preview, Scoring, Search, free_bytes,
};
pub use coverage::{Coverage, RECALL_WEAK, Weakness, recall_expected, weakness};
pub use crypto::{
    BLOB_CHUNK_BYTES, BLOB_CHUNK_EXTRA_BYTES, BlobSealer, PublicKey, Vault, memory_is_locked,
};
pub use data::{CollectionInfo, CollectionResidue, DataFolder, Keep, Residue};
pub use decode::{DecodeLimits, decode, media_type, probe};
pub use derive::to_jpeg;
pub use embed::{Precision, Verdict, cosine};
pub use error::{Error, Result};
pub use face::{Face, Photo};
pub use guest::{Claim, Guest, Sighting};
pub use ids::{CollectionId, FaceId, GuestId, PhotoId};
pub use index::{EXACT_FACES_MAX, ExactIndex, Hit, HnswIndex, Index, kernel_name};
pub use liveness::{
    ATTACK_LIVE_MIN, Challenge, Guidance, LiveFace, Liveness, Look, Pose, Progress, Refusal, Turn,
};
pub use manifest::{DEFAULT_PACK, Matching, Pack};
pub use matcher::{Accepted, MatchKind, Stricter, threshold};
pub use models::{Models, PackStatus};
pub use people::{People, Person, PersonFace};
pub use picture::{Picture, Region};
pub use pipeline::{
    Analysis, Event, PhotoSource, Pipeline, RunOptions, Sink, Summary, Timings, run, verdict,
};
pub use place::{Encryption, Object, Place, S3Access, SecretText, is_s3, open_place};
pub use quality::{QUALITY_LOW, Quality};
pub use query::{Subject, Template, subject};
pub use runtime::{Provider, Runtime, cpu_flags, cpu_name, has_amx_bf16};
