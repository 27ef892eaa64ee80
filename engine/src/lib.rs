//! PicPick's engine: photos in, one person's photos out.
//!
//! A photo passes through `decode` → `detect` → `align` → `embed` → `store` (source of truth, encrypted) →
//! `index` (derived, rebuildable). A selfie passes through the first four, then `template` → `matcher` → photos.

mod align;
mod backup;
mod calibrate;
mod clock;
mod collection;
mod coverage;
mod crypto;
mod data_dir;
mod decode;
mod detect;
mod embed;
mod encode;
mod erasure_log;
mod error;
mod face;
mod format_version;
mod fs;
#[doc(hidden)]
pub mod fuzz;
mod guest;
mod ids;
mod index;
mod liveness;
mod matcher;
mod models;
mod object_store;
mod people;
mod picture;
mod pipeline;
mod quality;
mod store;
mod template;

pub use backup::{BackedUp, Backup, Restored};
pub use calibrate::{Estimate, FPIR, Histogram, PAIRS_MIN};
pub use collection::{
    Answer, Calibration, Collection, Counted, Dropped, FaceOfPerson, Gallery, GuestPhotos,
    KnownFace, KnownPhoto, Match, PersonShown, Preview, Scoring, Search, free_bytes,
};
pub use coverage::{Coverage, RECALL_WEAK, Weakness, recall_expected, weakness};
pub use crypto::{
    BLOB_CHUNK_BYTES, BLOB_CHUNK_EXTRA_BYTES, BlobSealer, PublicKey, Vault, memory_is_locked,
};
pub use data_dir::{CollectionInfo, CollectionResidue, DataFolder, Keep, Residue};
pub use decode::{DecodeLimits, decode, media_type, probe};
pub use embed::{Precision, Verdict, cosine};
pub use encode::to_jpeg;
pub use erasure_log::{
    RECEIPT_SCHEMA, Receipt, ReceiptBody, Scanned, Subject as PurgeSubject, verify_chain,
};
pub use error::{Error, Result};
pub use face::{Face, Photo};
pub use guest::{Claim, Guest, Sighting};
pub use ids::{CollectionId, FaceId, GuestId, PhotoId};
pub use index::{EXACT_FACES_MAX, ExactIndex, Hit, HnswIndex, Index, kernel_name};
pub use liveness::{
    ATTACK_LIVE_MIN, Challenge, Guidance, LiveFace, Liveness, Look, Pose, Progress, Refusal, Turn,
};
pub use matcher::{Accepted, MatchKind, Stricter, threshold};
pub use models::manifest::{DEFAULT_PACK, Matching, Pack};
pub use models::runtime::{Provider, Runtime, cpu_flags, cpu_name, has_amx_bf16};
pub use models::{Models, PackStatus};
pub use object_store::{Encryption, Object, Place, S3Access, SecretText, is_s3, open_place};
pub use people::{People, Person, PersonFace};
pub use picture::{Picture, Region};
pub use pipeline::{
    Analysis, Event, PhotoSource, Pipeline, RunOptions, Sink, Summary, Timings, run, verdict,
};
pub use quality::{QUALITY_LOW, Quality};
pub use template::{Subject, Template, subject};
