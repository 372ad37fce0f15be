//! Resources that are asked by POST.

use std::net::IpAddr;

use crate::{Fault, Limits};

/// What of the moment of a request matters to an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    /// The client's address, which stands for an empty list of endpoints (RFC 7285 §11.5.1.3); `None` if the edge does not know it.
    pub(crate) peer: Option<IpAddr>,
    /// Bounds on the work.
    pub(crate) limits: &'a Limits,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request is wrong: 400.
    Fault(Fault),
    /// The request is right but too much work: 413.
    TooMany,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A resource that answers a question.
pub(crate) trait Query: std::fmt::Debug + Send + Sync {
    /// Media type of the question.
    fn accepts(&self) -> &'static str;

    /// Media type of the answer.
    fn media_type(&self) -> &'static str;

    /// The body of the answer to the body of a question.
    ///
    /// # Errors
    /// [`Refusal`].
    fn answer(&self, body: &[u8], asking: &Asking<'_>) -> Result<Vec<u8>, Refusal>;
}
