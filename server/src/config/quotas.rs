use clap::Args;

use crate::config::settings::QuotaSettings;

/// Bytes of a GiB.
const GIB: i64 = 1 << 30;

/// The options of quotas, as given.
#[derive(Args, Debug)]
#[command(next_help_heading = "Quotas of each studio")]
pub struct RawQuotas {
    /// Storage for the photos of one studio, GiB
    #[arg(long, env = "PICPICK_STUDIO_STORAGE_GIB", value_name = "GIB", default_value = "1000",
        value_parser = clap::value_parser!(i64).range(1..=1_000_000_000), hide_short_help = true)]
    studio_storage_gib: i64,
    /// Unfinished uploads of one studio
    #[arg(long, env = "PICPICK_STUDIO_OPEN_UPLOADS", value_name = "N", default_value = "10000",
        value_parser = clap::value_parser!(i64).range(1..=1_000_000_000), hide_short_help = true)]
    studio_open_uploads: i64,
    /// Bytes that the unfinished uploads of one studio may announce, GiB
    #[arg(long, env = "PICPICK_STUDIO_UPLOAD_GIB", value_name = "GIB", default_value = "100",
        value_parser = clap::value_parser!(i64).range(1..=1_000_000_000), hide_short_help = true)]
    studio_upload_gib: i64,
    /// Guests that one studio may register; their consents are kept
    #[arg(long, env = "PICPICK_STUDIO_GUESTS", value_name = "N", default_value = "1000000",
        value_parser = clap::value_parser!(i64).range(1..=1_000_000_000_000), hide_short_help = true)]
    studio_guests: i64,
    /// Disk space that uploads leave free on the data folder's disk, MiB
    #[arg(long, env = "PICPICK_DISK_FREE_MIB", value_name = "MIB", default_value = "1024",
        value_parser = clap::value_parser!(u64).range(64..=1_000_000_000), hide_short_help = true)]
    disk_free_mib: u64,
}

impl RawQuotas {
    /// Returns the quotas in bytes.
    pub fn settings(&self) -> QuotaSettings {
        QuotaSettings {
            storage_bytes_max: self.studio_storage_gib.saturating_mul(GIB),
            open_uploads_max: self.studio_open_uploads,
            upload_bytes_max: self.studio_upload_gib.saturating_mul(GIB),
            guests_max: self.studio_guests,
            disk_free_bytes_min: self.disk_free_mib.saturating_mul(1 << 20),
        }
    }
}
