//! Queries as messages.

use std::net::IpAddr;

use hickory_proto::ProtoError;
use hickory_proto::op::{Edns, Header, HeaderCounts, MessageType, Metadata, OpCode, Query};
use hickory_proto::rr::rdata::opt::{EdnsOption, NSIDPayload};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};

/// Length of a message's header, in bytes (RFC 1035 §4.1.1).
pub const HEADER: usize = 12;
/// Longest query that this module builds, in bytes: header, the longest question, and an OPT record with an empty NSID.
pub const QUERY_LIMIT: usize = HEADER + 255 + 4 + 11 + 4;

/// What is said beside the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wishes {
    /// Recursion desired.
    pub recursion: bool,
    /// Longest answer by UDP that is offered to be taken, in bytes (RFC 6891); `None` sends no OPT record.
    pub edns_bytes: Option<u16>,
    /// DNSSEC records are wanted (RFC 3225); needs EDNS.
    pub dnssec: bool,
    /// The name server's identifier is wanted (RFC 5001); needs EDNS.
    pub nsid: bool,
}

/// The message that asks for `kind` of `name` in class IN. The name goes out in the letter case given.
///
/// # Errors
/// When the name is too long for a message, which [`name()`] does not let pass.
pub fn build(id: u16, name: &Name, kind: u16, wishes: Wishes) -> Result<Vec<u8>, ProtoError> {
    let mut bytes = Vec::with_capacity(QUERY_LIMIT);
    let mut encoder = BinEncoder::new(&mut bytes);
    let mut metadata = Metadata::new(id, MessageType::Query, OpCode::Query);
    metadata.recursion_desired = wishes.recursion;
    let counts = HeaderCounts {
        queries: 1,
        additionals: u16::from(wishes.edns_bytes.is_some()),
        ..HeaderCounts::default()
    };
    Header { metadata, counts }.emit(&mut encoder)?;
    Query::query(name.clone(), RecordType::from(kind)).emit(&mut encoder)?;
    if let Some(size) = wishes.edns_bytes {
        let mut edns = Edns::new();
        edns.set_max_payload(size).set_dnssec_ok(wishes.dnssec);
        if wishes.nsid {
            // An empty payload is the request (RFC 5001 §2.1).
            let empty = NSIDPayload::new(Vec::new())?;
            edns.options_mut().insert(EdnsOption::NSID(empty));
        }
        edns.emit(&mut encoder)?;
    }
    Ok(bytes)
}

/// A host name as [`Host`](crate::resolve::Host) has let it pass, or `.` for the root. `None` for anything longer.
pub fn name(text: &str) -> Option<Name> {
    if text == "." {
        return Some(Name::root());
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    Name::from_labels(text.split('.').map(str::as_bytes)).ok()
}

/// The name below which the names of an address stand (RFC 1035 §3.5, RFC 3596 §2.5).
pub fn reverse_name(address: IpAddr) -> Name {
    Name::from(address)
}
