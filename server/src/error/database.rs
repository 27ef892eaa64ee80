//! What an error of the database means: SQLite's result codes (sqlite.org/rescode.html) and PostgreSQL's SQLSTATE
//! (appendix A of its manual).

use std::io;

use super::{ApiError, DISK_FULL, ErrorKind};

/// The cause of a database error, as far as a client or the operator can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseFault {
    /// No such row.
    Absent,
    /// The disk of the database is full.
    Full,
    /// A lock, a connection or a serialisation was not to be had; the same request succeeds later.
    Busy,
    /// The database does not answer, or cannot read or write its files.
    Away,
    ReadOnly,
    /// The files of the database are damaged.
    Damaged,
    /// Another request has made the same row, or removed the row that this one refers to.
    Conflict,
    /// A defect of the program.
    Defect,
}

impl DatabaseFault {
    pub fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::RowNotFound => Self::Absent,
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::Io(cause) if cause.kind() == io::ErrorKind::StorageFull => Self::Full,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Away,
            sqlx::Error::Database(cause) => {
                let code = cause.code();
                let code = code.as_deref().unwrap_or_default();
                // SQLSTATE has five characters; SQLite's codes are numbers of at most four digits.
                match code.parse::<u32>() {
                    Ok(number) if code.len() < 5 => Self::of_sqlite(number),
                    _ => Self::of_sqlstate(code),
                }
            }
            _ => Self::Defect,
        }
    }

    /// `code` is an extended result code; its lowest byte is the primary one.
    fn of_sqlite(code: u32) -> Self {
        match (code & 0xff, code) {
            // SQLITE_FULL, and SQLITE_IOERR_SHMSIZE: the shared memory file of the log cannot grow.
            (13, _) | (_, 4874) => Self::Full,
            // SQLITE_BUSY, _LOCKED, _PROTOCOL (a race for locks).
            (5 | 6 | 15, _) => Self::Busy,
            (8, _) => Self::ReadOnly,
            // SQLITE_NOMEM, _IOERR, _CANTOPEN, _PERM, _AUTH.
            (7 | 10 | 14 | 3 | 23, _) => Self::Away,
            // SQLITE_CORRUPT, _NOTADB.
            (11 | 26, _) => Self::Damaged,
            // SQLITE_CONSTRAINT_UNIQUE, _PRIMARYKEY, _FOREIGNKEY.
            (_, 2067 | 1555 | 787) => Self::Conflict,
            _ => Self::Defect,
        }
    }

    fn of_sqlstate(code: &str) -> Self {
        match code {
            "53100" => Self::Full,
            "25006" => Self::ReadOnly,
            // Serialisation, deadlock, lock not available, statement time-out.
            "40001" | "40P01" | "55P03" | "57014" => Self::Busy,
            // Unique and foreign keys.
            "23505" | "23503" => Self::Conflict,
            // Damaged data and indexes.
            "XX001" | "XX002" => Self::Damaged,
            _ => match code.get(..2) {
                // Insufficient resources: memory, connections.
                Some("53") => Self::Busy,
                // Connections; interventions of the operator; system errors (files).
                Some("08" | "57" | "58") => Self::Away,
                _ => Self::Defect,
            },
        }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        let reason = format!("database: {error}");
        let failure = |kind, detail: &str| Self::caused(kind, detail, &reason);
        match DatabaseFault::of(&error) {
            DatabaseFault::Absent => Self::not_found(),
            DatabaseFault::Full => failure(ErrorKind::DiskFull, DISK_FULL),
            DatabaseFault::Busy => {
                Self::new(ErrorKind::Busy, "The database is busy; try again in 2 seconds.")
                    .retry_after(2)
            }
            DatabaseFault::Away => failure(
                ErrorKind::DatabaseAway,
                "The database does not answer; try again in 5 seconds. If it fails again, tell the operator.",
            )
            .retry_after(5),
            DatabaseFault::ReadOnly => failure(
                ErrorKind::ReadOnly,
                "The database can be read and not written at the moment; try again in 60 seconds, or tell the operator.",
            )
            .retry_after(60),
            DatabaseFault::Damaged => failure(
                ErrorKind::DatabaseDamaged,
                "The database is damaged; tell the operator, who finds the next steps in the operations manual.",
            ),
            DatabaseFault::Conflict => failure(
                ErrorKind::Conflict,
                "Another request has changed the same thing at the same time; reload it and try again.",
            ),
            DatabaseFault::Defect => Self::internal(&reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    fn status(error: sqlx::Error) -> StatusCode {
        ApiError::from(error).kind.status()
    }

    #[test]
    fn codes_of_both_databases_have_causes() {
        use DatabaseFault::*;
        for (code, fault) in [
            (13, Full),
            (4874, Full),
            (5, Busy),
            (517, Busy),
            (8, ReadOnly),
            (1032, ReadOnly),
            (10, Away),
            (778, Away),
            (14, Away),
            (11, Damaged),
            (779, Damaged),
            (26, Damaged),
            (2067, Conflict),
            (1555, Conflict),
            (787, Conflict),
            (275, Defect),
            (1, Defect),
        ] {
            assert_eq!(DatabaseFault::of_sqlite(code), fault, "{code}");
        }
        for (code, fault) in [
            ("53100", Full),
            ("53300", Busy),
            ("40001", Busy),
            ("40P01", Busy),
            ("25006", ReadOnly),
            ("57P01", Away),
            ("57P03", Away),
            ("57014", Busy),
            ("08006", Away),
            ("58030", Away),
            ("23505", Conflict),
            ("23514", Defect),
            ("42P01", Defect),
            ("XX001", Damaged),
            ("", Defect),
            ("€€", Defect),
        ] {
            assert_eq!(DatabaseFault::of_sqlstate(code), fault, "{code}");
        }
    }

    #[test]
    fn errors_without_a_code_have_causes() {
        assert_eq!(status(sqlx::Error::RowNotFound), StatusCode::NOT_FOUND);
        assert_eq!(status(sqlx::Error::PoolTimedOut), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status(sqlx::Error::WorkerCrashed), StatusCode::SERVICE_UNAVAILABLE);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(status(sqlx::Error::Io(full)), StatusCode::INSUFFICIENT_STORAGE);
        let broken = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert_eq!(status(sqlx::Error::Io(broken)), StatusCode::SERVICE_UNAVAILABLE);
        let defect = sqlx::Error::ColumnNotFound("x".into());
        assert_eq!(status(defect), StatusCode::INTERNAL_SERVER_ERROR);
    }

    /// A real full disk is in `tests/faults`; here the page limit makes SQLite report the same.
    #[tokio::test]
    async fn a_full_database_of_sqlite_is_full() {
        sqlx::any::install_default_drivers();
        let pool = sqlx::any::AnyPoolOptions::new().max_connections(1);
        let pool = pool.connect("sqlite::memory:").await.unwrap();
        sqlx::query("PRAGMA max_page_count = 4").execute(&pool).await.unwrap();
        sqlx::query("CREATE TABLE t (a TEXT)").execute(&pool).await.unwrap();
        let filled = sqlx::query("INSERT INTO t VALUES ($1)").bind("x".repeat(100_000));
        let error = filled.execute(&pool).await.unwrap_err();
        assert_eq!(DatabaseFault::of(&error), DatabaseFault::Full, "{error}");
        assert_eq!(status(error), StatusCode::INSUFFICIENT_STORAGE);
    }
}
