//! Answers: whether a message is one to our query, and what it says. Pure, and bounded for any bytes.

use super::kinds::number;
use super::query::HEADER;
use super::value::{self, name_text, read_name};

/// Records of the answer section that are shown; the rest are counted.
pub const RECORD_LIMIT: usize = 256;
/// Bytes of text of all values and names together; records beyond are counted.
pub const TEXT_LIMIT: usize = 32_768;
/// Bytes of an NSID or of an explanation that are kept.
const OPTION_LIMIT: usize = 255;

/// Option codes of EDNS (RFC 5001, RFC 8914).
const OPTION_NSID: u16 = 3;
const OPTION_ERROR: u16 = 15;

/// The flags of an answer (RFC 1035 §4.1.1, RFC 4035 §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Authoritative answer.
    pub aa: bool,
    /// Truncated.
    pub tc: bool,
    /// Recursion desired.
    pub rd: bool,
    /// Recursion available.
    pub ra: bool,
    /// Authentic data.
    pub ad: bool,
    /// Checking disabled.
    pub cd: bool,
}

/// One record of the answer section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Owner, as text.
    pub name: String,
    /// Time to live, in seconds.
    pub ttl_s: u32,
    /// Type.
    pub kind: u16,
    /// Data, as text; see [`value::text`].
    pub value: String,
}

/// The OPT record of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edns {
    /// Version of EDNS.
    pub version: u8,
    /// Longest datagram the server takes, in bytes.
    pub udp_bytes: u16,
    /// The DO bit.
    pub dnssec: bool,
    /// The server's identifier, as it chose it.
    pub nsid: Option<Vec<u8>>,
    /// Extended error: code and explanation in printable ASCII.
    pub error: Option<(u16, String)>,
}

/// What an answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Response code, with the upper bits of EDNS.
    pub rcode: u16,
    /// Flags.
    pub flags: Flags,
    /// Records that the header claims: question, answer, authority, additional.
    pub counts: [u16; 4],
    /// The answer section, as far as it was read and shown.
    pub records: Vec<Record>,
    /// Records of the answer section that were not shown.
    pub omitted: u16,
    /// The OPT record.
    pub edns: Option<Edns>,
    /// What is wrong with the message; what was read before stands.
    pub fault: Option<String>,
}

/// Reads `message` as an answer to `query`. `None` when it is none: another identifier, another question (letter case
/// counts), no answer at all. A server that could not read the query may leave the question out, if it says so.
pub fn judge(query: &[u8], message: &[u8]) -> Option<Answer> {
    let (head, asked) = (
        message.first_chunk::<HEADER>()?,
        query.first_chunk::<HEADER>()?,
    );
    let opcode_and_response = head[2] & 0xf8;
    if head[..2] != asked[..2] || opcode_and_response != 0x80 {
        return None;
    }
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let counts = [word(4), word(6), word(8), word(10)];
    let rcode = u16::from(head[3] & 0x0f);
    let at = match counts[0] {
        1 => {
            let end = skip_name(query, HEADER)? + 4;
            if message.get(HEADER..end)? != query.get(HEADER..end)? {
                return None;
            }
            end
        }
        // FORMERR, SERVFAIL, NOTIMP, REFUSED
        0 if matches!(rcode, 1 | 2 | 4 | 5) && counts[1] == 0 => HEADER,
        _ => return None,
    };
    let mut answer = Answer {
        rcode,
        flags: Flags {
            aa: head[2] & 0x04 != 0,
            tc: head[2] & 0x02 != 0,
            rd: head[2] & 0x01 != 0,
            ra: head[3] & 0x80 != 0,
            ad: head[3] & 0x20 != 0,
            cd: head[3] & 0x10 != 0,
        },
        counts,
        ..Answer::default()
    };
    // A truncated message may end anywhere (RFC 2181 §9).
    if let Err(fault) = answer.walk(message, at)
        && !answer.flags.tc
    {
        answer.fault = Some(fault);
    }
    Some(answer)
}

impl Answer {
    fn walk(&mut self, message: &[u8], mut at: usize) -> Result<(), String> {
        let mut text_bytes = 0;
        for (section, place) in sections(self.counts) {
            let short = || {
                format!(
                    "malformed answer: ends within record {} of the {section} section",
                    place + 1
                )
            };
            let fixed = skip_name(message, at).ok_or_else(short)?;
            let head = message
                .get(fixed..)
                .and_then(|rest| rest.first_chunk::<10>())
                .ok_or_else(short)?;
            let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
            let (kind, class, length) = (word(0), word(2), usize::from(word(8)));
            let ttl_s = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
            let from = fixed + head.len();
            let to = from + length;
            let data = message.get(from..to).ok_or_else(short)?;
            if section == "answer" {
                if self.records.len() == RECORD_LIMIT || text_bytes > TEXT_LIMIT {
                    self.omitted += 1;
                } else {
                    let (name, _) = read_name(message, at).map_err(|error| {
                        format!("malformed answer: name of record {}: {error}", place + 1)
                    })?;
                    let record = Record {
                        name: name_text(&name),
                        // A set top bit counts as zero (RFC 2181 §8).
                        ttl_s: if ttl_s >> 31 == 0 { ttl_s } else { 0 },
                        kind,
                        value: value::text(kind, class, message, from, to),
                    };
                    text_bytes += record.name.len() + record.value.len();
                    self.records.push(record);
                }
            } else if section == "additional" && kind == number::OPT && self.edns.is_none() {
                self.rcode |= u16::from(head[4]) << 4;
                self.edns = Some(Edns::read(class, ttl_s, data));
            }
            at = to;
        }
        Ok(())
    }
}

/// Every record that the header claims, with its section and its place in it.
fn sections(counts: [u16; 4]) -> impl Iterator<Item = (&'static str, u16)> {
    [
        ("answer", counts[1]),
        ("authority", counts[2]),
        ("additional", counts[3]),
    ]
    .into_iter()
    .flat_map(|(section, count)| (0..count).map(move |place| (section, place)))
}

impl Edns {
    /// Reads the fields of an OPT record (RFC 6891 §6.1.2); what follows a misshapen option is left.
    fn read(class: u16, ttl: u32, mut data: &[u8]) -> Self {
        let [_, version, high, _] = ttl.to_be_bytes();
        let mut found = Self {
            version,
            udp_bytes: class,
            dnssec: high & 0x80 != 0,
            ..Self::default()
        };
        while let Some((head, rest)) = data.split_first_chunk::<4>() {
            let code = u16::from_be_bytes([head[0], head[1]]);
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let Some((value, rest)) = rest.split_at_checked(length) else {
                break;
            };
            let kept = &value[..length.min(OPTION_LIMIT)];
            match (code, kept.split_first_chunk::<2>()) {
                (OPTION_NSID, _) => found.nsid = Some(kept.to_vec()),
                (OPTION_ERROR, Some((code, words))) => {
                    found.error = Some((u16::from_be_bytes(*code), printable(words)));
                }
                _ => {}
            }
            data = rest;
        }
        found
    }
}

/// The text with everything that is not printable ASCII as `?`.
pub(super) fn printable(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|&byte| {
            if byte.is_ascii_graphic() || byte == b' ' {
                char::from(byte)
            } else {
                '?'
            }
        })
        .collect()
}

/// Where the name at `at` ends, without following pointers; `None` when it is none.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length if length < 0x40 => at += 1 + usize::from(length),
            pointer if pointer >= 0xc0 => return message.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

/// The name of a response code (RFC 6895 §2.3), or `RCODEnnn`.
pub fn rcode_name(rcode: u16) -> String {
    let name = match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        16 => "BADVERS",
        23 => "BADCOOKIE",
        _ => return format!("RCODE{rcode}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests;
