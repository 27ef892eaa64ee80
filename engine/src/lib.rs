//! PicPick's engine: indexes the faces in photos and finds the photos that show one person.
//!
//! A photo passes through `decode` → `detect` → `align` → `embed` → `store` (source of truth, encrypted) →
//! `index` (derived, rebuildable). A selfie passes through `decode` to `embed`, then through `template` and
//! `matcher`, which selects the photos.

mod align;
pub mod backup;
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
pub mod liveness;
mod matcher;
mod models;
pub mod object_store;
mod people;
mod picture;
mod pipeline;
mod quality;
mod split_mix;
mod store;
mod suppression;
mod template;

pub use collection::{
    Collection, FaceOfPerson, Gallery, KnownFace, KnownPhoto, Match, Scoring, SearchOutcome,
    SearchQuery,
};
pub use coverage::{Coverage, Weakness};
pub use crypto::{BlobSealer, KeyExport, RestoredKeys, Vault};
pub use data_dir::{CollectionInfo, DataDir, RetentionPolicy};
pub use decode::DecodeLimits;
pub use embed::Precision;
pub use error::{Error, Result};
pub use face::{Face, Photo};
pub use ids::{CollectionId, FaceId, GuestId, PhotoId, SuppressionId};
pub use matcher::MatchKind;
pub use models::manifest::Pack;
pub use models::runtime::{Provider, Runtime};
pub use models::{Models, PackStatus};
pub use people::Person;
pub use picture::{Picture, Region};
pub use pipeline::{Analysis, Pipeline, Probe, ProbeImage};
pub use quality::Quality;
pub use template::{Subject, Template};

/// The guests of a collection: visitors who passed verification and see only their own photos.
pub mod guests {
    pub use crate::collection::GuestPhotos;
    pub use crate::guest::{Claim, Guest, NewMatch};
}

/// People whose faces a collection does not show.
pub mod suppressions {
    pub use crate::suppression::{SuppressionKind, SuppressionOverview};
}

/// Indexing of many photos, with bounded queues and bounded memory.
pub mod indexing {
    pub use crate::pipeline::{
        LastStage, PhotoSource, ProgressEvent, RunOptions, Sink, Summary, index_photos,
    };
}

/// The keyring's part in the service's audit log: the key of its entries, and its signed checkpoint.
pub mod audit {
    pub use crate::crypto::{AuditCheckpoint, ChainKey};
}

/// Signed receipts of erasures, and scans of a data folder for residue of erased data.
pub mod receipts {
    pub use crate::crypto::{ChainHead, PublicKey};
    pub use crate::data_dir::{CollectionResidue, Residue};
    pub use crate::erasure_log::{
        ErasureDetails, Exclusion, PurgeSubject, Receipt, ReceiptBody, Requester, ScanExtent,
        declare_freed_memory_overwritten,
    };
}

/// The match threshold of a collection: its estimate from the collection's own photos, and the owner's offset.
pub mod thresholds {
    pub use crate::calibrate::{Estimate, Histogram};
    pub use crate::collection::{Calibration, LostMatch, PreviewCounts, ThresholdPreview};
    pub use crate::matcher::ThresholdOffset;
}

/// Exposes private types to the benchmarks in `benches`. Not part of the public interface.
#[doc(hidden)]
pub mod bench {
    pub use crate::matcher::Accepted;
}
