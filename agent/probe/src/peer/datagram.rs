//! The datagrams, bytes to values and back. Pure. All numbers are big-endian.
//!
//! Every datagram begins with `GLP` and the number of its kind. Until the responder has seen its own cookie come back,
//! everything it answers is shorter than what it answers to: [`HELLO_LENGTH`] and [`START_LENGTH`] see to that.

use glimpse_model::token::{MAX_LEN, MeasureId};

use super::Limits;

/// Length of every HELLO, in bytes: filled up with zeros.
pub const HELLO_LENGTH: usize = 1100;
/// Least length of a START, in bytes.
pub const START_LENGTH: usize = 400;
/// Longest request within a START, in bytes.
pub const REQUEST_LIMIT: usize = 512;
/// Longest reason of a REFUSED, in bytes.
pub const REASON_LIMIT: usize = 200;
/// Bytes of a report in one REPORT.
pub const CHUNK: usize = 1000;
/// Bytes before the payload of a PACKET.
pub const PACKET_HEADER: usize = 24;
/// Bytes before the payload of an ECHO.
pub const ECHO_HEADER: usize = 12;
/// Longest datagram of this protocol, in bytes.
pub const LONGEST: usize = 1472;

const MAGIC: &[u8; 3] = b"GLP";

/// By which the packets of a session are known; the responder draws it.
pub type Tag = [u8; 8];
/// What proves that an address is the sender's own.
pub type Cookie = [u8; 16];

/// A datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datagram<'a> {
    /// Initiator: may I?
    Hello {
        /// The session to be.
        session: MeasureId,
        /// The token's text.
        token: &'a str,
    },
    /// Responder: prove that this address is yours.
    Challenge {
        /// The session to be.
        session: MeasureId,
        /// Seconds of the responder's own clock.
        time: u32,
        /// To be brought back.
        cookie: Cookie,
    },
    /// Initiator: here is the proof, and this is what I want.
    Start {
        /// The session to be.
        session: MeasureId,
        /// As in the challenge.
        time: u32,
        /// As in the challenge.
        cookie: Cookie,
        /// The token's text.
        token: &'a str,
        /// What is wanted: JSON.
        request: &'a [u8],
    },
    /// Responder: it begins.
    Accepted {
        /// The session.
        session: MeasureId,
        /// By which its packets are known.
        tag: Tag,
        /// What it may use.
        limits: Limits,
    },
    /// Responder: not now.
    Refused {
        /// The session that is not to be.
        session: MeasureId,
        /// Why.
        reason: &'a str,
    },
    /// Sender: a packet of a train; what follows is fill.
    Packet {
        /// The session.
        tag: Tag,
        /// Number of the train, from 0.
        train: u16,
        /// Number of the packet in it, from 0.
        sequence: u16,
        /// When it was sent, in nanoseconds of the sender's clock.
        sent_ns: u64,
    },
    /// Sender: the train is out.
    TrainEnd {
        /// The session.
        tag: Tag,
        /// What was sent.
        sent: SentTrain,
    },
    /// Receiver: heard.
    TrainEndAck {
        /// The session.
        tag: Tag,
        /// Number of the train.
        train: u16,
    },
    /// Receiver: a piece of what came.
    Report {
        /// The session.
        tag: Tag,
        /// Number of the piece, from 0.
        chunk: u16,
        /// How many there are.
        chunks: u16,
        /// The piece.
        bytes: &'a [u8],
    },
    /// Sender: heard.
    ReportAck {
        /// The session.
        tag: Tag,
        /// Number of the piece.
        chunk: u16,
    },
    /// Initiator: send this back.
    Echo {
        /// The session.
        tag: Tag,
        /// Anything.
        body: &'a [u8],
    },
    /// Responder: the same.
    EchoReply {
        /// The session.
        tag: Tag,
        /// The same.
        body: &'a [u8],
    },
    /// Initiator: no more echoes will come.
    EchoEnd {
        /// The session.
        tag: Tag,
    },
}

/// A train as its sender knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentTrain {
    /// Number of the train, from 0.
    pub train: u16,
    /// Packets that the kernel took.
    pub packets: u16,
    /// From the first to the last of them, in nanoseconds.
    pub span_ns: u64,
    /// Whether the kernel's stamps gave the span.
    pub kernel: bool,
}

/// Why bytes are no datagram of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not ours at all.
    #[error("is no datagram of this protocol")]
    Foreign,
    /// Shorter than its kind is, or than it says itself.
    #[error("is too short")]
    Short,
    /// Longer than its kind may be.
    #[error("is too long")]
    Long,
    /// A text that is none.
    #[error("has a text that is no text")]
    Text,
}

/// Takes fields off the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Unreadable::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u16(&mut self) -> Result<u16, Unreadable> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Unreadable> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Unreadable> {
        self.array().map(u64::from_be_bytes)
    }

    fn session(&mut self) -> Result<MeasureId, Unreadable> {
        self.array().map(MeasureId::from_bytes)
    }

    /// A length of two bytes and so many bytes.
    fn counted(&mut self, limit: usize) -> Result<&'a [u8], Unreadable> {
        let length = usize::from(self.u16()?);
        if length > limit {
            return Err(Unreadable::Long);
        }
        let (head, rest) = self.0.split_at_checked(length).ok_or(Unreadable::Short)?;
        self.0 = rest;
        Ok(head)
    }

    fn text(&mut self, limit: usize) -> Result<&'a str, Unreadable> {
        std::str::from_utf8(self.counted(limit)?).map_err(|_| Unreadable::Text)
    }
}

/// Reads a datagram. What follows the fields of its kind is fill and not looked at.
pub fn parse(bytes: &[u8]) -> Result<Datagram<'_>, Unreadable> {
    let kind = match bytes.split_first_chunk() {
        Some((magic, [kind, ..])) if magic == MAGIC => *kind,
        _ => return Err(Unreadable::Foreign),
    };
    if bytes.len() > LONGEST {
        return Err(Unreadable::Long);
    }
    let mut fields = Fields(&bytes[MAGIC.len() + 1..]);
    Ok(match kind {
        1 if bytes.len() < HELLO_LENGTH => return Err(Unreadable::Short),
        1 => Datagram::Hello {
            session: fields.session()?,
            token: fields.text(MAX_LEN)?,
        },
        2 => Datagram::Challenge {
            session: fields.session()?,
            time: fields.u32()?,
            cookie: fields.array()?,
        },
        3 if bytes.len() < START_LENGTH => return Err(Unreadable::Short),
        3 => Datagram::Start {
            session: fields.session()?,
            time: fields.u32()?,
            cookie: fields.array()?,
            token: fields.text(MAX_LEN)?,
            request: fields.counted(REQUEST_LIMIT)?,
        },
        4 => Datagram::Accepted {
            session: fields.session()?,
            tag: fields.array()?,
            limits: Limits {
                max_bytes: fields.u64()?,
                max_rate_bps: fields.u64()?,
                max_duration_ms: fields.u32()?,
            },
        },
        5 => Datagram::Refused {
            session: fields.session()?,
            reason: fields.text(REASON_LIMIT)?,
        },
        6 => Datagram::Packet {
            tag: fields.array()?,
            train: fields.u16()?,
            sequence: fields.u16()?,
            sent_ns: fields.u64()?,
        },
        7 => Datagram::TrainEnd {
            tag: fields.array()?,
            sent: SentTrain {
                train: fields.u16()?,
                packets: fields.u16()?,
                span_ns: fields.u64()?,
                kernel: fields.array::<1>()? == [1],
            },
        },
        8 => Datagram::TrainEndAck {
            tag: fields.array()?,
            train: fields.u16()?,
        },
        9 => Datagram::Report {
            tag: fields.array()?,
            chunk: fields.u16()?,
            chunks: fields.u16()?,
            bytes: fields.counted(CHUNK)?,
        },
        10 => Datagram::ReportAck {
            tag: fields.array()?,
            chunk: fields.u16()?,
        },
        11 => Datagram::Echo {
            tag: fields.array()?,
            body: fields.0,
        },
        12 => Datagram::EchoReply {
            tag: fields.array()?,
            body: fields.0,
        },
        13 => Datagram::EchoEnd {
            tag: fields.array()?,
        },
        _ => return Err(Unreadable::Foreign),
    })
}

impl Datagram<'_> {
    /// The session's tag, of the kinds that have one.
    pub const fn tag(&self) -> Option<Tag> {
        match self {
            Self::Hello { .. }
            | Self::Challenge { .. }
            | Self::Start { .. }
            | Self::Accepted { .. }
            | Self::Refused { .. } => None,
            Self::Packet { tag, .. }
            | Self::TrainEnd { tag, .. }
            | Self::TrainEndAck { tag, .. }
            | Self::Report { tag, .. }
            | Self::ReportAck { tag, .. }
            | Self::Echo { tag, .. }
            | Self::EchoReply { tag, .. }
            | Self::EchoEnd { tag } => Some(*tag),
        }
    }

    /// Writes the datagram over `out`. Texts and pieces beyond their limits are cut.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(MAGIC);
        let mut head = |kind: u8, id: &[u8]| {
            out.push(kind);
            out.extend_from_slice(id);
        };
        match self {
            Self::Hello { session, token } => {
                head(1, session.as_bytes());
                counted(out, token.as_bytes(), MAX_LEN);
                out.resize(HELLO_LENGTH, 0);
            }
            Self::Challenge {
                session,
                time,
                cookie,
            } => {
                head(2, session.as_bytes());
                out.extend_from_slice(&time.to_be_bytes());
                out.extend_from_slice(cookie);
            }
            Self::Start {
                session,
                time,
                cookie,
                token,
                request,
            } => {
                head(3, session.as_bytes());
                out.extend_from_slice(&time.to_be_bytes());
                out.extend_from_slice(cookie);
                counted(out, token.as_bytes(), MAX_LEN);
                counted(out, request, REQUEST_LIMIT);
                out.resize(out.len().max(START_LENGTH), 0);
            }
            Self::Accepted {
                session,
                tag,
                limits,
            } => {
                head(4, session.as_bytes());
                out.extend_from_slice(tag);
                out.extend_from_slice(&limits.max_bytes.to_be_bytes());
                out.extend_from_slice(&limits.max_rate_bps.to_be_bytes());
                out.extend_from_slice(&limits.max_duration_ms.to_be_bytes());
            }
            Self::Refused { session, reason } => {
                head(5, session.as_bytes());
                counted(out, reason.as_bytes(), REASON_LIMIT);
            }
            Self::Packet {
                tag,
                train,
                sequence,
                sent_ns,
            } => {
                head(6, tag);
                out.extend_from_slice(&train.to_be_bytes());
                out.extend_from_slice(&sequence.to_be_bytes());
                out.extend_from_slice(&sent_ns.to_be_bytes());
            }
            Self::TrainEnd { tag, sent } => {
                head(7, tag);
                out.extend_from_slice(&sent.train.to_be_bytes());
                out.extend_from_slice(&sent.packets.to_be_bytes());
                out.extend_from_slice(&sent.span_ns.to_be_bytes());
                out.push(u8::from(sent.kernel));
            }
            Self::TrainEndAck { tag, train } => {
                head(8, tag);
                out.extend_from_slice(&train.to_be_bytes());
            }
            Self::Report {
                tag,
                chunk,
                chunks,
                bytes,
            } => {
                head(9, tag);
                out.extend_from_slice(&chunk.to_be_bytes());
                out.extend_from_slice(&chunks.to_be_bytes());
                counted(out, bytes, CHUNK);
            }
            Self::ReportAck { tag, chunk } => {
                head(10, tag);
                out.extend_from_slice(&chunk.to_be_bytes());
            }
            Self::Echo { tag, body } => {
                head(11, tag);
                out.extend_from_slice(body);
            }
            Self::EchoReply { tag, body } => {
                head(12, tag);
                out.extend_from_slice(body);
            }
            Self::EchoEnd { tag } => head(13, tag),
        }
    }
}

fn counted(out: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    let bytes = &bytes[..bytes.len().min(limit)];
    let length = u16::try_from(bytes.len()).unwrap_or_default();
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_reads_back() {
        let session = MeasureId::from_random([5; 16]);
        let (tag, cookie) = ([1, 2, 3, 4, 5, 6, 7, 8], [9; 16]);
        let limits = Limits {
            max_bytes: 1 << 40,
            max_rate_bps: 7,
            max_duration_ms: 30_000,
        };
        let sent = SentTrain {
            train: 3,
            packets: 48,
            span_ns: 1 << 33,
            kernel: true,
        };
        let token = &"t".repeat(MAX_LEN);
        let kinds = [
            Datagram::Hello { session, token },
            Datagram::Challenge {
                session,
                time: 77,
                cookie,
            },
            Datagram::Start {
                session,
                time: 77,
                cookie,
                token: "short",
                request: b"{}",
            },
            Datagram::Accepted {
                session,
                tag,
                limits,
            },
            Datagram::Refused {
                session,
                reason: "busy",
            },
            Datagram::Packet {
                tag,
                train: 1,
                sequence: 47,
                sent_ns: 5,
            },
            Datagram::TrainEnd { tag, sent },
            Datagram::TrainEndAck { tag, train: 9 },
            Datagram::Report {
                tag,
                chunk: 1,
                chunks: 2,
                bytes: &[8; CHUNK],
            },
            Datagram::ReportAck { tag, chunk: 1 },
            Datagram::Echo { tag, body: b"x" },
            Datagram::EchoReply { tag, body: b"x" },
            Datagram::EchoEnd { tag },
        ];
        let mut bytes = Vec::new();
        for datagram in &kinds {
            datagram.write(&mut bytes);
            assert_eq!(parse(&bytes).as_ref(), Ok(datagram));
            assert!(bytes.len() <= LONGEST, "{datagram:?}");
            let fields = match datagram {
                Datagram::Hello { .. } => HELLO_LENGTH,
                Datagram::Start { .. } => START_LENGTH,
                // Their bodies may be of any length.
                Datagram::Echo { .. } | Datagram::EchoReply { .. } => ECHO_HEADER,
                _ => bytes.len(),
            };
            for length in 0..fields {
                assert!(
                    parse(&bytes[..length]).is_err(),
                    "{datagram:?} cut to {length}"
                );
            }
        }
    }

    #[test]
    fn answers_before_the_handshake_is_done_are_shorter_than_their_questions() {
        let session = MeasureId::from_random([5; 16]);
        let (mut challenge, mut refused) = (Vec::new(), Vec::new());
        Datagram::Challenge {
            session,
            time: 0,
            cookie: [0; 16],
        }
        .write(&mut challenge);
        Datagram::Refused {
            session,
            reason: &"x".repeat(1000),
        }
        .write(&mut refused);
        assert!(challenge.len() < HELLO_LENGTH && refused.len() < START_LENGTH);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(kind in 0_u8..14, rest in proptest::collection::vec(any::<u8>(), 0..1600)) {
            let mut bytes = b"GLP".to_vec();
            bytes.push(kind);
            bytes.extend(&rest);
            let _ = parse(&bytes);
            let _ = parse(&rest);
        }
    }
}
