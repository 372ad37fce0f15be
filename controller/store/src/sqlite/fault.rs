//! SQLite's result codes as the store's errors.

use crate::Error;

const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const READ_ONLY: u32 = 8;
const IO_ERROR: u32 = 10;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANNOT_OPEN: u32 = 14;
const NOT_A_DATABASE: u32 = 26;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => Self::Full,
            sqlx::Error::Io(io) => Self::Unusable(io.to_string()),
            sqlx::Error::Database(database) => {
                let message = database.message().to_owned();
                let code = database.code().and_then(|code| code.parse::<u32>().ok());
                // The low byte is the primary code (sqlite.org/rescode.html).
                match code.map(|code| code & 0xff) {
                    Some(BUSY | LOCKED) => Self::Busy,
                    Some(FULL) => Self::Full,
                    Some(CORRUPT | NOT_A_DATABASE) => Self::Corrupt(message),
                    Some(READ_ONLY | IO_ERROR | CANNOT_OPEN) => Self::Unusable(message),
                    _ => Self::Other(message),
                }
            }
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error)
            | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::Unusable(other.to_string()),
        }
    }
}
