//! The steps that bring a database's tables up to date, in order; none is ever changed once released.
//!
//! Compiled in, so that the program needs no files beside it. Knows nothing of what the tables mean.

use std::borrow::Cow;

use sqlx::AnyPool;
use sqlx::error::BoxDynError;
use sqlx::migrate::{Migration, MigrationSource, MigrationType, Migrator};

const STEPS: [(&str, &str); 5] = [
    ("accounts", include_str!("../../migrations/0001_accounts.sql")),
    ("photos", include_str!("../../migrations/0002_photos.sql")),
    ("limits", include_str!("../../migrations/0003_limits.sql")),
    ("mail", include_str!("../../migrations/0004_mail.sql")),
    ("email", include_str!("../../migrations/0005_email.sql")),
];

#[derive(Debug)]
struct Steps;

type Resolved<'s> =
    std::pin::Pin<Box<dyn Future<Output = Result<Vec<Migration>, BoxDynError>> + Send + 's>>;

impl<'s> MigrationSource<'s> for Steps {
    fn resolve(self) -> Resolved<'s> {
        let step = |((name, sql), version): (&(&'static str, &'static str), i64)| {
            let (name, sql) = (Cow::Borrowed(*name), Cow::Borrowed(*sql));
            Migration::new(version, name, MigrationType::Simple, sql, false)
        };
        let steps = STEPS.iter().zip(1..).map(step).collect();
        Box::pin(async move { Ok(steps) })
    }
}

/// Applies the steps that the database does not have yet. Several servers may start at once: each step
/// happens once.
pub async fn run(pool: &AnyPool) -> Result<(), sqlx::migrate::MigrateError> {
    Migrator::new(Steps).await?.run(pool).await
}
