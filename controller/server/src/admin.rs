//! Health and metrics, on a listener of their own.

mod metrics;
mod routes;
#[cfg(test)]
mod tests;

pub use metrics::{Counter, Gauge, Metrics};
pub(crate) use routes::routes;
