//! Enrolment over secure transport (RFC 7030): `cacerts`, `simpleenroll` by a one-time token,
//! `simplereenroll` by the certificate in use.

mod error;
mod routes;
mod service;
#[cfg(test)]
mod tests;

pub use error::EnrolmentError;
pub(crate) use routes::routes;
pub use service::{Token, TokenError};
