use std::borrow::Cow;

use sqlx::AnyPool;
use sqlx::error::BoxDynError;
use sqlx::migrate::{Migration, MigrationSource, MigrationType, Migrator};

/// The schema migrations in order: version, name and SQL. Compiled into the program. A released migration
/// never changes.
const STEPS: &[(i64, &str, &str)] = &[
    (1, "accounts", include_str!("../../../migrations/0001_accounts.sql")),
    (2, "photos", include_str!("../../../migrations/0002_photos.sql")),
    (3, "limits", include_str!("../../../migrations/0003_limits.sql")),
    (4, "mail", include_str!("../../../migrations/0004_mail.sql")),
    (5, "email", include_str!("../../../migrations/0005_email.sql")),
    (6, "guests", include_str!("../../../migrations/0006_guests.sql")),
    (7, "albums", include_str!("../../../migrations/0007_albums.sql")),
    (8, "leaking tries", include_str!("../../../migrations/0008_leaking_tries.sql")),
    (9, "album takers", include_str!("../../../migrations/0009_album_takers.sql")),
    (10, "consent ends", include_str!("../../../migrations/0010_consent_ends.sql")),
    (11, "budgets", include_str!("../../../migrations/0011_budgets.sql")),
    (12, "standard terms", include_str!("../../../migrations/0012_standard_terms.sql")),
    (13, "secrets", include_str!("../../../migrations/0013_secrets.sql")),
    (14, "audit keys", include_str!("../../../migrations/0014_audit_keys.sql")),
    (15, "terms and creators", include_str!("../../../migrations/0015_terms_and_creators.sql")),
    (16, "contact proof", include_str!("../../../migrations/0016_contact_proof.sql")),
    (17, "limits of studios", include_str!("../../../migrations/0017_limits.sql")),
    (18, "guest proof", include_str!("../../../migrations/0018_guest_proof.sql")),
    (19, "erasures", include_str!("../../../migrations/0019_erasures.sql")),
    (20, "proof of work", include_str!("../../../migrations/0020_proof_of_work.sql")),
    (21, "analysis at the first search", include_str!("../../../migrations/0021_analysis.sql")),
    (22, "write probe", include_str!("../../../migrations/0022_write_probe.sql")),
];

#[derive(Debug)]
struct MigrationList;

type Resolved<'s> =
    std::pin::Pin<Box<dyn Future<Output = Result<Vec<Migration>, BoxDynError>> + Send + 's>>;

impl<'s> MigrationSource<'s> for MigrationList {
    fn resolve(self) -> Resolved<'s> {
        let step = |(version, name, sql): &(i64, &'static str, &'static str)| {
            let (name, sql) = (Cow::Borrowed(*name), Cow::Borrowed(*sql));
            Migration::new(*version, name, MigrationType::Simple, sql, false)
        };
        let steps = STEPS.iter().map(step).collect();
        Box::pin(async move { Ok(steps) })
    }
}

/// Applies the pending migrations. Safe when several servers start at once: each migration is applied once.
pub async fn run(pool: &AnyPool) -> Result<(), sqlx::migrate::MigrateError> {
    Migrator::new(MigrationList).await?.run(pool).await
}
