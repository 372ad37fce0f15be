//! The supervisor: what agents are told, and what they say they can do.

mod error;
mod routes;
mod service;
#[cfg(test)]
mod tests;

pub use error::SupervisorError;
pub(crate) use routes::routes;
pub(crate) use service::{Seen, admit_caller, delete_forgotten};
