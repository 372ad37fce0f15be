//! The repository: results come in, receipts go out once they are durable.

mod batch;
mod error;
pub(crate) mod measured;
mod routes;
mod service;
#[cfg(test)]
mod tests;

pub use error::RepositoryError;
pub(crate) use routes::routes;
pub(crate) use service::{Repository, allow, is_suspect, place};
