//! ALTO: stored pings become a publication every few minutes; requests are answered from it.

mod error;
mod routes;
mod service;
#[cfg(test)]
mod tests;

pub use error::AltoError;
pub(crate) use routes::routes;
pub use service::{Published, compute};
