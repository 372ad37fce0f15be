//! ALTO: stored results become a publication when a window closes; requests are answered from it.

pub mod client;
mod clients;
mod error;
mod figures;
mod places;
pub mod release;
mod routes;
mod service;
mod streams;
#[cfg(test)]
mod tests;

pub use error::AltoError;
pub use figures::Supplied;
pub(crate) use places::note;
pub use places::{PlaceError, Places, Prefixes};
pub(crate) use routes::{Edge, routes};
pub use service::{Kept, Published, compute, document};
pub(crate) use service::{published, renew, supplied};
