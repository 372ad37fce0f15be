//! Values of a type, valid by construction but for what only patterns together can tell.

use crate::pattern;
use fastrand::Rng;
use glimpse_yang::schema::{Canonical, Schema, Span, Type, TypeId};

/// A value in both encodings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    /// The JSON token.
    pub(crate) json: String,
    /// The content of the XML element, escaped; prefixes are `m` and the number of the module.
    pub(crate) xml: String,
}

impl Scalar {
    pub(crate) fn text(text: &str) -> Self {
        Self {
            json: serde_json::to_string(text).unwrap(),
            xml: escaped(text),
        }
    }

    fn bare(text: &str) -> Self {
        Self {
            json: text.to_owned(),
            xml: escaped(text),
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

const WORDS: &[&str] = &[
    "a",
    "b",
    "x1",
    "ping",
    "a b",
    "a/b,c=%2F",
    "\"quoted\" 'text'",
    "<&>",
    "grüße",
    "中文",
    "😀",
    "tab\there",
    "{}[]:",
    "..",
    "true",
    "42",
    "null",
];

const ADDRESSES: &[&str] = &[
    "192.0.2.1",
    "0.0.0.0",
    "255.255.255.255",
    "192.0.2.1%eth0",
    "::",
    "::1",
    "2001:db8::1",
    "2001:0DB8:0:0:0:0:0:1",
    "2001:db8:0:0:1::",
    "fe80::1%eth0",
    "::ffff:192.0.2.1",
    "1:2:3:4:5:6:7:8",
    "256.1.1.1",
    "1:2:3",
    "::1::",
    "g::1",
];

/// Paths, in JSON and in XML.
const PATHS: &[(&str, &str)] = &[
    (
        "/ietf-lmap-control:lmap/agent",
        "/{ietf-lmap-control}:lmap/{ietf-lmap-control}:agent",
    ),
    ("/ietf-netconf-acm:nacm", "/{ietf-netconf-acm}:nacm"),
];

/// A value of the type; `None` where another leaf has to have it.
pub(crate) fn value(schema: &'static Schema, rng: &mut Rng, id: TypeId) -> Option<Scalar> {
    Some(match *schema.type_of(id) {
        Type::Signed(bits, ranges) | Type::Unsigned(bits, ranges) => {
            let number = number(schema, rng, ranges).to_string();
            if bits == 64 {
                Scalar::text(&number)
            } else {
                Scalar::bare(&number)
            }
        }
        Type::Decimal(digits, ranges) => {
            let number = number(schema, rng, ranges);
            let scale = 10_i128.pow(u32::from(digits));
            Scalar::text(&format!(
                "{}{}.{:0width$}",
                if number < 0 { "-" } else { "" },
                number.abs() / scale,
                number.abs() % scale,
                width = usize::from(digits)
            ))
        }
        Type::String {
            lengths,
            patterns,
            canonical,
        } => string(schema, rng, lengths, patterns, canonical),
        Type::Boolean => Scalar::bare(if rng.bool() { "true" } else { "false" }),
        Type::Empty => Scalar {
            json: "[null]".to_owned(),
            xml: String::new(),
        },
        Type::Binary(_) => Scalar::text("AAEC"),
        Type::Enumeration(names) => {
            let at = names.first + rng.u16(0..names.count);
            Scalar::text(schema.text(schema.names[usize::from(at)].name))
        }
        Type::Bits(names) => {
            let set: Vec<&str> = (names.first..names.first + names.count)
                .filter(|_| rng.bool())
                .map(|at| schema.text(schema.names[usize::from(at)].name))
                .collect();
            Scalar::text(&set.join(" "))
        }
        Type::Identity(allowed) => {
            let number = schema.numbers[usize::from(allowed.first + rng.u16(0..allowed.count))];
            let identity = &schema.identities[usize::from(number)];
            let name = schema.text(identity.name);
            Scalar {
                json: format!(
                    "\"{}:{name}\"",
                    schema.text(schema.module(identity.module).name)
                ),
                xml: format!("m{}:{name}", identity.module.0),
            }
        }
        Type::Instance(_) => path(schema, rng),
        Type::LeafRef { .. } => return None,
        Type::Union(members) => {
            let at = members.first + rng.u16(0..members.count);
            return value(schema, rng, TypeId(schema.numbers[usize::from(at)]));
        }
    })
}

fn number(schema: &'static Schema, rng: &mut Rng, ranges: Span) -> i128 {
    let bounds = schema.ranges[usize::from(ranges.first + rng.u16(0..ranges.count))];
    match rng.u8(0..4) {
        0 => bounds.low,
        1 => bounds.high,
        2 => bounds.high.min(bounds.low + i128::from(rng.u8(..))),
        _ => bounds.low + i128::from(rng.u64(..)) % (bounds.high - bounds.low + 1),
    }
}

fn path(schema: &'static Schema, rng: &mut Rng) -> Scalar {
    let (json, xml) = PATHS[rng.usize(..PATHS.len())];
    let mut xml = xml.to_owned();
    for (number, module) in schema.modules.iter().enumerate() {
        xml = xml.replace(
            &format!("{{{}}}", schema.text(module.name)),
            &format!("m{number}"),
        );
    }
    Scalar {
        json: serde_json::to_string(json).unwrap(),
        xml,
    }
}

fn string(
    schema: &'static Schema,
    rng: &mut Rng,
    lengths: Span,
    patterns: Span,
    canonical: Canonical,
) -> Scalar {
    match canonical {
        Canonical::DateAndTime => return Scalar::text(&date(rng)),
        Canonical::Address => return Scalar::text(ADDRESSES[rng.usize(..ADDRESSES.len())]),
        Canonical::XPath => return path(schema, rng),
        Canonical::Verbatim | Canonical::LowerCase => {}
    }
    let least = if lengths.count == 0 {
        0
    } else {
        schema.ranges[usize::from(lengths.first)].low
    };
    let at = usize::from(patterns.first);
    let patterns = &schema.patterns[at..at + usize::from(patterns.count)];
    let Some(first) = patterns.iter().find(|pattern| !pattern.inverted) else {
        if least == 0 && rng.u8(..) < 8 {
            return Scalar::text("");
        }
        return Scalar::text(WORDS[rng.usize(..WORDS.len())]);
    };
    Scalar::text(&pattern::sample(schema.text(first.expression), rng))
}

fn date(rng: &mut Rng) -> String {
    let zone = match rng.u8(0..5) {
        0 | 1 => "Z".to_owned(),
        2 => "+00:00".to_owned(),
        3 => "-00:00".to_owned(),
        _ => format!(
            "{}{:02}:{:02}",
            if rng.bool() { '+' } else { '-' },
            rng.u8(0..15),
            rng.u8(0..4) * 15
        ),
    };
    let fraction = match rng.u8(0..4) {
        0 => ".5",
        1 => ".123456",
        _ => "",
    };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{fraction}{zone}",
        rng.u16(1970..2038),
        rng.u8(1..13),
        rng.u8(1..29),
        rng.u8(0..24),
        rng.u8(0..60),
        rng.u8(0..60)
    )
}
