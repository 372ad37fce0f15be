//! What goes over the TCP control connection: a length of two bytes, big-endian, and a JSON document of at most 4 KiB.

use std::io;

use glimpse_model::read::{self, Cursor, Members, Refused};
use glimpse_model::token::{MAX_LEN, MeasureId};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::plan::BulkPlan;
use super::{Direction, Limits};

/// Longest document, in bytes.
pub const FRAME_LIMIT: usize = 4096;
/// Longest reason of a refusal, in bytes.
const REASON_LIMIT: usize = 200;

/// By which the connection of a flow is known to belong to its session.
pub type Key = u64;

/// What the receiver of a flow counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowReceived {
    /// Payload in all, ramp-up included, in bytes.
    pub bytes: u64,
    /// Length of each slice, in nanoseconds.
    pub slice_ns: u64,
    /// Payload of each whole slice, in bytes.
    pub slices: Vec<u64>,
}

/// What the sender of a flow knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowSent {
    /// Payload that the kernel took, in bytes.
    pub bytes: u64,
    /// Segments sent again.
    pub retransmits: Option<u32>,
    /// Smallest round trip that the connection saw, in microseconds.
    pub rtt_min_us: Option<u32>,
    /// Name of the congestion control in force.
    pub congestion_control: Option<String>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Initiator, first on the control connection.
    Start {
        /// The token's text.
        token: String,
        /// The session to be.
        session: MeasureId,
        /// What is wanted.
        plan: BulkPlan,
    },
    /// Responder: it begins.
    Accepted {
        /// For the connections of the flows.
        key: Key,
        /// What the session may use.
        limits: Limits,
    },
    /// Responder: not now.
    Refused {
        /// Why.
        reason: String,
    },
    /// Initiator, first and only on the connection of a flow.
    Flow {
        /// The session.
        session: MeasureId,
        /// From the acceptance.
        key: Key,
        /// Which of its flows.
        direction: Direction,
    },
    /// The receiver of a flow, when it has ended.
    Received(FlowReceived),
    /// The sender of a flow, in answer.
    Sent(FlowSent),
}

impl Frame {
    /// Reads a document. Members that are not known are refused: both ends speak this version.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let document = read::json(bytes)?;
        let members = Cursor::root(&document).object()?;
        let kind = members.required("type")?;
        match kind.text(16)? {
            "start" => {
                members.only(&["type", "token", "session", "plan"])?;
                Ok(Self::Start {
                    token: members.required("token")?.text(MAX_LEN)?.to_owned(),
                    session: MeasureId::read(&members.required("session")?)?,
                    plan: BulkPlan::read(&members.required("plan")?)?,
                })
            }
            "accepted" => {
                members.only(&[
                    "type",
                    "key",
                    "max_bytes",
                    "max_rate_bps",
                    "max_duration_ms",
                ])?;
                Ok(Self::Accepted {
                    key: key(&members)?,
                    limits: Limits {
                        max_bytes: members.required("max_bytes")?.unsigned()?,
                        max_rate_bps: members.required("max_rate_bps")?.unsigned()?,
                        max_duration_ms: unsigned_32(&members.required("max_duration_ms")?)?,
                    },
                })
            }
            "refused" => {
                members.only(&["type", "reason"])?;
                let reason = members.required("reason")?.text(REASON_LIMIT)?.to_owned();
                Ok(Self::Refused { reason })
            }
            "flow" => {
                members.only(&["type", "session", "key", "direction"])?;
                let direction = members.required("direction")?;
                Ok(Self::Flow {
                    session: MeasureId::read(&members.required("session")?)?,
                    key: key(&members)?,
                    direction: Direction::parse(direction.text(8)?)
                        .ok_or_else(|| direction.refuse("must be down or up"))?,
                })
            }
            "received" => {
                members.only(&["type", "bytes", "slice_ns", "slices"])?;
                let slices = members.required("slices")?.array(BulkPlan::MAX_SLICES)?;
                Ok(Self::Received(FlowReceived {
                    bytes: members.required("bytes")?.unsigned()?,
                    slice_ns: members.required("slice_ns")?.unsigned()?,
                    slices: slices
                        .iter()
                        .map(Cursor::unsigned)
                        .collect::<Result<_, _>>()?,
                }))
            }
            "sent" => {
                members.only(&[
                    "type",
                    "bytes",
                    "retransmits",
                    "rtt_min_us",
                    "congestion_control",
                ])?;
                let number = |name| {
                    members
                        .optional(name)
                        .map(|number| unsigned_32(&number))
                        .transpose()
                };
                Ok(Self::Sent(FlowSent {
                    bytes: members.required("bytes")?.unsigned()?,
                    retransmits: number("retransmits")?,
                    rtt_min_us: number("rtt_min_us")?,
                    congestion_control: members
                        .optional("congestion_control")
                        .map(|name| name.text(16).map(str::to_owned))
                        .transpose()?,
                }))
            }
            _ => Err(kind.refuse("is not known here")),
        }
    }

    /// The message with its length before it.
    pub fn encode(&self) -> Vec<u8> {
        let document = match self {
            Self::Start {
                token,
                session,
                plan,
            } => {
                json!({"type": "start", "token": token, "session": session.to_string(), "plan": plan.to_json()})
            }
            Self::Accepted { key, limits } => json!({
                "type": "accepted",
                "key": key,
                "max_bytes": limits.max_bytes,
                "max_rate_bps": limits.max_rate_bps,
                "max_duration_ms": limits.max_duration_ms,
            }),
            Self::Refused { reason } => {
                let reason: String = reason
                    .chars()
                    .filter(|letter| !letter.is_control())
                    .take(REASON_LIMIT / 4)
                    .collect();
                json!({"type": "refused", "reason": reason})
            }
            Self::Flow {
                session,
                key,
                direction,
            } => {
                json!({"type": "flow", "session": session.to_string(), "key": key, "direction": direction.as_str()})
            }
            Self::Received(flow) => {
                json!({"type": "received", "bytes": flow.bytes, "slice_ns": flow.slice_ns, "slices": flow.slices})
            }
            Self::Sent(flow) => json!({
                "type": "sent",
                "bytes": flow.bytes,
                "retransmits": flow.retransmits,
                "rtt_min_us": flow.rtt_min_us,
                "congestion_control": flow.congestion_control,
            }),
        };
        prefixed(&document)
    }
}

fn prefixed(document: &Value) -> Vec<u8> {
    let text = document.to_string();
    // The longest, `received` with all slices, is half of the limit.
    let length = u16::try_from(text.len()).unwrap_or_default();
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn key(members: &Members<'_>) -> Result<Key, Refused> {
    members.required("key")?.unsigned()
}

fn unsigned_32(cursor: &Cursor<'_>) -> Result<u32, Refused> {
    u32::try_from(cursor.unsigned()?).map_err(|_| cursor.refuse("must be < 2^32"))
}

/// Reads one message. The caller bounds the time.
///
/// # Errors
/// Of the connection; `InvalidData` where it is no message.
pub async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let invalid = |words: String| io::Error::new(io::ErrorKind::InvalidData, words);
    let mut length = [0; 2];
    stream.read_exact(&mut length).await?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > FRAME_LIMIT {
        return Err(invalid(format!("a message of {length} bytes is too long")));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Frame::parse(&bytes).map_err(|refused| invalid(refused.to_string()))
}

/// Writes one message. The caller bounds the time.
pub async fn send(stream: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> io::Result<()> {
    stream.write_all(&frame.encode()).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    fn frames() -> Vec<Frame> {
        let session = MeasureId::from_random([1; 16]);
        vec![
            Frame::Start {
                token: "t".repeat(MAX_LEN),
                session,
                plan: BulkPlan::default(),
            },
            Frame::Accepted {
                key: u64::MAX,
                limits: Limits {
                    max_bytes: u64::MAX,
                    max_rate_bps: 1,
                    max_duration_ms: u32::MAX,
                },
            },
            Frame::Refused {
                reason: "quiet hours".to_owned(),
            },
            Frame::Flow {
                session,
                key: 7,
                direction: Direction::Up,
            },
            Frame::Received(FlowReceived {
                bytes: u64::MAX,
                slice_ns: u64::MAX,
                slices: vec![u64::MAX; BulkPlan::MAX_SLICES],
            }),
            Frame::Sent(FlowSent {
                bytes: 1,
                retransmits: Some(2),
                rtt_min_us: None,
                congestion_control: Some("cubic".to_owned()),
            }),
        ]
    }

    #[tokio::test]
    async fn every_message_reads_back() {
        for frame in frames() {
            let bytes = frame.encode();
            assert!(bytes.len() <= FRAME_LIMIT, "{frame:?}");
            assert_eq!(receive(&mut bytes.as_slice()).await.unwrap(), frame);
            let cut = receive(&mut &bytes[..bytes.len() - 1]).await.unwrap_err();
            assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[tokio::test]
    async fn garbage_is_no_message() {
        for bytes in [
            &[0xff; 5000][..],
            b"\x00\x02[]",
            b"\x00\x00",
            b"\x00\x0f{\"type\":\"nuke\"}",
            b"\x00\x25{\"type\":\"refused\",\"reason\":\"\",\"x\":0}   ",
        ] {
            let error = receive(&mut &*bytes).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), place in 0_usize..500, byte in any::<u8>()) {
            let _ = Frame::parse(&bytes);
            for frame in frames() {
                let mut bytes = frame.encode().split_off(2);
                let place = place % bytes.len();
                bytes[place] = byte;
                let _ = Frame::parse(&bytes);
            }
        }
    }
}
