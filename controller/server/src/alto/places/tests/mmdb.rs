//! A writer of small MMDB files (format 2.0): a binary tree of 24-bit records, then the data they point to.

use glimpse_alto::Prefix;
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// Zero bytes between tree and data.
const SEPARATOR: usize = 16;
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

#[derive(Clone, Copy)]
enum Child {
    Nothing,
    Node(usize),
    Data(usize),
}

/// A file of that type with these prefixes; IPv4 stands in `::/96`.
pub(super) fn mmdb(kind: &str, entries: &[(&str, Value)]) -> Vec<u8> {
    let mut nodes = vec![[Child::Nothing; 2]];
    let mut data = Vec::new();
    for (prefix, record) in entries {
        let bits = bits(prefix.parse().unwrap());
        let (last, path) = bits.split_last().unwrap();
        let mut node = 0;
        for bit in path {
            node = if let Child::Node(next) = nodes[node][*bit] {
                next
            } else {
                nodes.push([Child::Nothing; 2]);
                let next = nodes.len() - 1;
                nodes[node][*bit] = Child::Node(next);
                next
            };
        }
        nodes[node][*last] = Child::Data(data.len());
        encode(&mut data, record);
    }
    let count = nodes.len();
    let mut file = Vec::new();
    for child in nodes.into_iter().flatten() {
        let record = match child {
            Child::Nothing => count,
            Child::Node(node) => node,
            Child::Data(offset) => count + SEPARATOR + offset,
        };
        file.extend_from_slice(&u32::try_from(record).unwrap().to_be_bytes()[1..]);
    }
    file.extend_from_slice(&[0; SEPARATOR]);
    file.append(&mut data);
    file.extend_from_slice(MARKER);
    let metadata = json!({
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1_767_225_600,
        "database_type": kind, "description": {"en": "a test"}, "ip_version": 6, "languages": ["en"],
        "node_count": count, "record_size": 24,
    });
    encode(&mut file, &metadata);
    file
}

fn bits(prefix: Prefix) -> Vec<usize> {
    let text = prefix.to_string();
    let address: IpAddr = text.split_once('/').unwrap().0.parse().unwrap();
    let (number, length) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), prefix.length() + 96),
        IpAddr::V6(v6) => (v6.to_bits(), prefix.length()),
    };
    (0..length)
        .map(|bit| usize::from(number >> (127 - bit) & 1 == 1))
        .collect()
}

fn encode(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Object(members) => map(out, members),
        Value::Array(elements) => {
            head(out, 11, elements.len());
            for element in elements {
                encode(out, element);
            }
        }
        Value::String(text) => string(out, text),
        other => panic!("{other} is not written without a name"),
    }
}

/// Readers want numbers of the format's own in their types; those of records are as wide as their makers liked.
fn map(out: &mut Vec<u8>, members: &Map<String, Value>) {
    head(out, 7, members.len());
    for (name, value) in members {
        string(out, name);
        let Some(number) = value.as_u64() else {
            encode(out, value);
            continue;
        };
        let (kind, bytes) = match name.as_str() {
            "build_epoch" => (9, 8),
            "node_count" | "autonomous_system_number" => (6, 4),
            _ => (5, 2),
        };
        head(out, kind, bytes);
        out.extend_from_slice(&number.to_be_bytes()[8 - bytes..]);
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    head(out, 2, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Type and size: types from 8 on have a byte of their own, and so have sizes from 29 on.
fn head(out: &mut Vec<u8>, kind: u8, size: usize) {
    let short = u8::try_from(size.min(29)).unwrap();
    match kind {
        1..=7 => out.push(kind << 5 | short),
        _ => out.extend_from_slice(&[short, kind - 7]),
    }
    if short == 29 {
        out.push(u8::try_from(size - 29).unwrap());
    }
}
