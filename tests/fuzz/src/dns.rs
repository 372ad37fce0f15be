//! Answers of name servers, and the file that names the servers.

use glimpse_probe::methods::dns::answer::{RECORD_LIMIT, TEXT_LIMIT, judge};
use glimpse_probe::methods::dns::framing::{Framed, LENGTH, LONGEST, next};
use glimpse_probe::methods::dns::kinds;
use glimpse_probe::methods::dns::query::{self, Wishes};
use glimpse_probe::methods::dns::server::{self, SystemServers};
use glimpse_probe::methods::dns::value::{name_text, read_name, text};

/// The identifier of [`question`].
pub const ID: u16 = 0x1234;
/// Text of one name or value beyond the limit of all together: the last one is let through whole.
const LAST: usize = 4 * 65_536;

/// The query to which inputs are answers: the addresses of `www.example.net`, with everything asked for beside.
pub fn question() -> Vec<u8> {
    let wishes = Wishes {
        recursion: true,
        edns_bytes: Some(1232),
        dnssec: true,
        nsid: true,
    };
    query::name("www.example.net")
        .and_then(|name| query::build(ID, &name, kinds::number::A, wishes).ok())
        .unwrap_or_default()
}

/// An answer, as it comes and with the identifier that it must have.
pub fn answer(bytes: &[u8]) {
    let question = question();
    judged(&question, bytes);
    let mut mended = bytes.to_vec();
    if let Some(id) = mended.first_chunk_mut() {
        *id = ID.to_be_bytes();
        judged(&question, &mended);
    }
}

fn judged(question: &[u8], bytes: &[u8]) {
    let Some(answer) = judge(question, bytes) else {
        return;
    };
    assert!(answer.records.len() <= RECORD_LIMIT);
    let all: usize = answer
        .records
        .iter()
        .map(|record| record.name.len() + record.value.len())
        .sum();
    assert!(all <= TEXT_LIMIT + LAST, "{all} bytes of text");
    for record in &answer.records {
        let shown = |c: char| c == ' ' || c.is_ascii_graphic();
        assert!(record.name.chars().all(shown), "{:?}", record.name);
        assert!(record.value.chars().all(shown), "{:?}", record.value);
    }
}

/// Answers on a stream, each with its length before it; the first byte says how many bytes come at a time. What comes out is
/// the same as of all bytes at once.
pub fn framing(bytes: &[u8]) {
    let Some((&most, line)) = bytes.split_first() else {
        return;
    };
    let (mut messages, mut rest) = (Vec::new(), line);
    let open = loop {
        match next(rest) {
            Framed::Whole { message, used } => {
                assert_eq!(used, LENGTH + message.len());
                messages.push(message);
                rest = &rest[used..];
            }
            Framed::Partial { missing, announced } => {
                let whole = LENGTH + announced.unwrap_or_default();
                assert_eq!(rest.len() + missing, whole, "of {announced:?}");
                break rest;
            }
        }
    };
    let (mut come, mut found, mut line) = (Vec::new(), Vec::new(), line);
    loop {
        assert!(come.len() <= LONGEST);
        match next(&come) {
            Framed::Whole { message, used } => {
                found.push(message.to_vec());
                come.drain(..used);
                assert!(come.is_empty(), "read into the next message");
            }
            Framed::Partial { missing, .. } => {
                assert_ne!(missing, 0);
                let length = missing.min(usize::from(most) + 1).min(line.len());
                let (part, after) = line.split_at(length);
                if part.is_empty() {
                    break;
                }
                come.extend_from_slice(part);
                line = after;
            }
        }
    }
    assert_eq!(
        (found, come.as_slice()),
        (
            messages.iter().map(|message| message.to_vec()).collect(),
            open
        )
    );
    messages.into_iter().for_each(answer);
}

/// A name within a message; the first byte says where it begins.
pub fn name(bytes: &[u8]) {
    let Some((&at, message)) = bytes.split_first() else {
        return;
    };
    if let Ok((name, end)) = read_name(message, at.into()) {
        assert!(end <= message.len());
        assert!(name_text(&name).is_ascii());
    }
}

/// The data of a record: type and class in two bytes each, then where it begins, then the message. Data of every known
/// type are tried too.
pub fn value(bytes: &[u8]) {
    let Some((&[k0, k1, c0, c1, from], message)) = bytes.split_first_chunk() else {
        return;
    };
    let class = u16::from_be_bytes([c0, c1]);
    let given = u16::from_be_bytes([k0, k1]);
    for kind in (0..=65).chain([given, 99, 108, 109, 256, 257]) {
        let text = text(kind, class, message, from.into(), message.len());
        assert!(text.is_ascii(), "{text:?}");
        assert!(text.len() <= 8 * message.len() + 1024);
    }
}

/// `resolv.conf`, and its words as servers and types in options.
pub fn servers(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let servers = SystemServers::parse(&text);
    for line in text.lines() {
        servers.is_local(line);
        let _ = server::parse(line, 53);
        let _ = kinds::parse_list(line, 16);
        if let Some(name) = query::name(line) {
            let text = name_text(&name);
            assert!(text.len() <= 4 * 255);
        }
    }
}
