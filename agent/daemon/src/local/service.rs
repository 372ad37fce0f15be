//! What the daemon answers to programs on the same machine. The control socket is one binding of
//! it; others (ubus) are further ones.

use glimpse_model::read::{self, Cursor, Refused};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

/// Most results given at a time.
pub const MOST_RESULTS: usize = 1000;

/// A question or a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// How the agent stands.
    Status,
    /// The last results, newest first.
    Results {
        /// How many.
        last: usize,
    },
    /// The monthly accounts.
    Budget,
    /// The instructions in force and when they fire next.
    Schedules,
    /// What can be measured.
    Capabilities,
    /// The household made a measurement of its own that used so many bytes.
    Own {
        /// Bytes in both directions.
        bytes: u64,
    },
    /// Access control of the LMAP door is to be the factory's again; only for the owner of this machine.
    ResetAccess,
}

impl Request {
    /// Parses `{"op": …}`.
    ///
    /// # Errors
    /// [`Refused`] naming the member.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let document = read::json(bytes)?;
        let members = Cursor::root(&document).object()?;
        let op = members.required("op")?;
        match op.text(32)? {
            "status" => Ok(Self::Status),
            "results" => {
                let most = i64::try_from(MOST_RESULTS).unwrap_or(i64::MAX);
                let last = members
                    .optional("last")
                    .map_or(Ok(20), |last| last.integer(1, most))?;
                Ok(Self::Results {
                    last: usize::try_from(last).unwrap_or(1),
                })
            }
            "budget" => Ok(Self::Budget),
            "schedules" => Ok(Self::Schedules),
            "capabilities" => Ok(Self::Capabilities),
            "own" => Ok(Self::Own {
                bytes: members.required("bytes")?.unsigned()?,
            }),
            "nacm-reset" => Ok(Self::ResetAccess),
            _ => Err(op.refuse(
                "must be one of status, results, budget, schedules, capabilities, own, nacm-reset",
            )),
        }
    }

    /// The request as a document.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Status => json!({"op": "status"}),
            Self::Results { last } => json!({"op": "results", "last": last}),
            Self::Budget => json!({"op": "budget"}),
            Self::Schedules => json!({"op": "schedules"}),
            Self::Capabilities => json!({"op": "capabilities"}),
            Self::Own { bytes } => json!({"op": "own", "bytes": bytes}),
            Self::ResetAccess => json!({"op": "nacm-reset"}),
        }
    }

    /// Whether only root, or the user of the agent, may ask for it, and not whoever else may use the socket.
    pub fn is_of_owner(&self) -> bool {
        matches!(self, Self::ResetAccess)
    }
}

/// A question under way to the daemon.
pub type Asked = (Request, oneshot::Sender<Value>);

/// A handle by which bindings ask.
#[derive(Debug, Clone)]
pub struct Service {
    daemon: mpsc::Sender<Asked>,
}

impl Service {
    /// A service whose questions arrive at the returned receiver.
    pub fn new() -> (Self, mpsc::Receiver<Asked>) {
        let (daemon, asked) = mpsc::channel(16);
        (Self { daemon }, asked)
    }

    /// Asks; `None` when the daemon is stopping.
    pub async fn ask(&self, request: Request) -> Option<Value> {
        let (reply, answer) = oneshot::channel();
        self.daemon.send((request, reply)).await.ok()?;
        answer.await.ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests_read_back() {
        for request in [
            Request::Status,
            Request::Results { last: 7 },
            Request::Budget,
            Request::Schedules,
            Request::Capabilities,
            Request::Own { bytes: 9 },
            Request::ResetAccess,
        ] {
            let bytes = request.to_json().to_string();
            assert_eq!(Request::parse(bytes.as_bytes()).unwrap(), request);
        }
    }

    #[test]
    fn what_is_no_request_is_said() {
        for (text, said) in [
            (
                r#"{"op":"reboot"}"#,
                "op: must be one of status, results, budget, schedules, capabilities, own, nacm-reset",
            ),
            (r#"{"op":"results","last":0}"#, "last: must be > 0"),
            (r#"{"op":"own"}"#, "bytes: is missing"),
            ("[]", "document: must be an object"),
        ] {
            assert_eq!(
                Request::parse(text.as_bytes()).unwrap_err().to_string(),
                said
            );
        }
    }
}
