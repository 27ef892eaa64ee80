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

pub use backup::{Backup, BackupSummary, RestoreSummary};
pub use calibrate::{Estimate, FPIR, Histogram, PAIRS_MIN};
pub use collection::{
    Calibration, Collection, FaceOfPerson, Gallery, GuestPhotos, KnownFace, KnownPhoto, LostMatch,
    Match, PersonDetails, PreviewCounts, Scoring, SearchOutcome, SearchQuery, ThresholdPreview,
    free_bytes,
};
pub use coverage::{Coverage, RECALL_WEAK, Weakness, recall_expected, weakness};
pub use crypto::{
    BLOB_CHUNK_BYTES, BLOB_CHUNK_EXTRA_BYTES, BlobSealer, PublicKey, Vault, memory_is_locked,
};
pub use data_dir::{CollectionInfo, CollectionResidue, DataDir, Residue, RetentionPolicy};
pub use decode::{DecodeLimits, decode, media_type, probe};
pub use embed::{Bf16Check, Precision, cosine};
pub use encode::to_jpeg;
pub use erasure_log::{
    PurgeSubject, RECEIPT_SCHEMA, Receipt, ReceiptBody, ScanExtent, verify_chain,
};
pub use error::{Error, Result};
pub use face::{Face, Photo};
pub use guest::{Claim, Guest, NewMatch};
pub use ids::{CollectionId, FaceId, GuestId, PhotoId};
pub use index::{EXACT_FACES_MAX, ExactIndex, Hit, HnswIndex, Index, kernel_name};
pub use liveness::{
    ATTACK_LIVE_MIN, Challenge, FailureReason, FrameAnalysis, Guidance, HeadTurn, LiveFace,
    Liveness, Pose, Progress,
};
pub use matcher::{Accepted, MatchKind, ThresholdOffset, threshold};
pub use models::manifest::{DEFAULT_PACK, Matching, Pack};
pub use models::runtime::{Provider, Runtime, cpu_flags, cpu_name, has_amx_bf16};
pub use models::{Models, PackStatus};
pub use object_store::{
    Encryption, ObjectMeta, ObjectStore, S3Config, SecretString, is_s3, open_object_store,
};
pub use people::{People, Person, PersonFace};
pub use picture::{Picture, Region};
pub use pipeline::{
    Analysis, PhotoSource, Pipeline, ProgressEvent, RunOptions, Sink, Summary, Timings, bf16_check,
    index_photos,
};
pub use quality::{QUALITY_LOW, Quality};
pub use template::{Subject, Template, subject};
