//! Entity tags and dates of change (RFC 8040 §3.4.1, §3.5.1, §3.5.2) and the conditions of requests (RFC 9110 §13).
//!
//! A tag is a hash of the configuration below the resource, so it is the same after a restart, and state never moves it. The
//! letter behind it is the encoding: two representations are never equal byte for byte.
//!
//! It is over what is there, not over what its reader may see: who may not read a node notices that something is another, not what.

use crate::date;
use crate::media::Encoding;
use glimpse_yang::DataPath;
use glimpse_yang::schema::{Kind, Schema};
use glimpse_yang::tree::is_hollow;
use glimpse_yang::{Content, Instance};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::{Hash as _, Hasher};

/// FNV-1a of 64 bits, mixed at the end: stable over builds, cheap without 64-bit registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hash(u64);

impl Hash {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }

    /// A text and its end, which no text holds.
    pub(crate) fn text(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.byte(byte));
        self.byte(0xff);
    }

    /// Everything below some instances, and them.
    fn instances<'a>(
        &mut self,
        schema: &'static Schema,
        instances: impl IntoIterator<Item = &'a Instance>,
    ) {
        for instance in instances {
            if is_hollow(schema, instance) {
                continue;
            }
            self.text(schema.module_name(instance.node));
            self.text(schema.name(instance.node));
            match &instance.content {
                Content::Value(value) => self.text(value.text()),
                Content::Children(children) => self.instances(schema, children),
                Content::Any(any) => any.hash(self),
            }
            self.byte(0xfe);
        }
    }

    pub(crate) fn value(self) -> u64 {
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 33)
    }
}

impl Hasher for Hash {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.byte(byte);
        }
    }

    fn finish(&self) -> u64 {
        self.value()
    }
}

/// The version of some configuration: the same value for the same content. Containers that are as good as absent do not count.
pub fn version<'a>(
    schema: &'static Schema,
    instances: impl IntoIterator<Item = &'a Instance>,
) -> u64 {
    let mut hash = Hash::new();
    hash.instances(schema, instances);
    hash.value()
}

/// The entity tag of a version in an encoding, with its quotes; strong.
pub fn entity_tag(version: u64, encoding: Encoding) -> String {
    let letter = match encoding {
        Encoding::Json => 'j',
        Encoding::Xml => 'x',
    };
    format!("\"{version:016x}-{letter}\"")
}

/// The conditions of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `If-Match`.
    pub matching: Option<String>,
    /// `If-None-Match`.
    pub none_matching: Option<String>,
    /// `If-Modified-Since`, seconds since 1970.
    pub modified_since: Option<i64>,
    /// `If-Unmodified-Since`, seconds since 1970.
    pub unmodified_since: Option<i64>,
}

/// What conditions are about: a resource as it is.
#[derive(Clone, Copy, Debug)]
pub struct Validators {
    /// Its version; `None` when there is no such resource.
    pub version: Option<u64>,
    /// When it last changed, seconds since 1970.
    pub modified: i64,
}

/// What conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Proceed,
    /// 304: what the client has is current.
    NotModified,
    /// 412.
    Failed,
}

impl Conditions {
    /// Takes them from header fields. Dates that are none are passed over (RFC 9110 §13.1.3).
    pub fn from_headers(header: impl Fn(&str) -> Option<String>) -> Self {
        let date = |name| header(name).and_then(|text| date::parse_http_date(&text));
        Self {
            matching: header("if-match"),
            none_matching: header("if-none-match"),
            modified_since: date("if-modified-since"),
            unmodified_since: date("if-unmodified-since"),
        }
    }

    /// What they come to, in the order of RFC 9110 §13.2.2. A tag of either encoding names the resource to be edited; for a
    /// read it has to be the representation's own.
    pub fn judge(&self, now: Validators, reads: bool, encoding: Encoding) -> Verdict {
        let any_encoding = |list: &str| {
            now.version.is_some_and(|version| {
                names(list, &entity_tag(version, Encoding::Json), false)
                    || names(list, &entity_tag(version, Encoding::Xml), false)
            })
        };
        if let Some(list) = &self.matching {
            if !any_encoding(list) {
                return Verdict::Failed;
            }
        } else if let Some(since) = self.unmodified_since
            && (now.version.is_none() || now.modified > since)
        {
            return Verdict::Failed;
        }
        if let Some(list) = &self.none_matching {
            if reads {
                let current = now
                    .version
                    .is_some_and(|version| names(list, &entity_tag(version, encoding), true));
                if current {
                    return Verdict::NotModified;
                }
            } else if any_encoding(list) {
                return Verdict::Failed;
            }
        } else if let Some(since) = self.modified_since
            && reads
            && now.version.is_some()
            && now.modified <= since
        {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }
}

/// Whether a list of tags, or `*`, names this one. Weak tags count only where the comparison may be weak (RFC 9110 §8.8.3.2).
fn names(list: &str, tag: &str, weak: bool) -> bool {
    let mut rest = list.trim();
    if rest == "*" {
        return true;
    }
    while !rest.is_empty() {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        let (is_weak, quoted) = match rest.strip_prefix("W/") {
            Some(after) => (true, after),
            None => (false, rest),
        };
        let Some(inner) = quoted.strip_prefix('"') else {
            return false;
        };
        let Some(end) = inner.find('"') else {
            return false;
        };
        if quoted[..end + 2] == *tag && (weak || !is_weak) {
            return true;
        }
        rest = &inner[end + 1..];
    }
    false
}

/// When a node changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    /// It, or something below it.
    touched: i64,
    /// Everything below it that has no mark of its own.
    below: Option<i64>,
}

/// The container or list entry that a leaf is in; of those, they themselves.
fn holder(schema: &'static Schema, path: &DataPath) -> DataPath {
    let mut path = path.clone();
    while path
        .steps
        .last()
        .is_some_and(|step| !matches!(schema.node(step.node).kind, Kind::Container | Kind::List))
    {
        path.steps.pop();
    }
    path
}

/// When which part of the configuration last changed: kept next to it, and to be stored with it. Containers and list entries
/// have dates; leaves have those of what holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    base: i64,
    marks: BTreeMap<String, Mark>,
}

impl Marks {
    /// Everything is as old as this, seconds since 1970.
    pub const fn new(base: i64) -> Self {
        Self {
            base,
            marks: BTreeMap::new(),
        }
    }

    /// Notes that what is at this path, and all below it, changed at that second.
    pub fn touch(&mut self, schema: &'static Schema, path: &DataPath, seconds: i64) {
        let holder = holder(schema, path);
        if holder.steps.is_empty() {
            *self = Self::new(seconds);
            return;
        }
        if holder.steps.len() == path.steps.len() {
            let text = path.to_uri(schema);
            let inside = format!("{text}/");
            self.marks.retain(|own, _| !own.starts_with(&inside));
            self.marks.insert(
                text,
                Mark {
                    touched: seconds,
                    below: Some(seconds),
                },
            );
        }
        self.touch_above(schema, path, seconds);
    }

    /// Notes that something at this path is gone since that second.
    pub fn remove(&mut self, schema: &'static Schema, path: &DataPath, seconds: i64) {
        let text = path.to_uri(schema);
        let inside = format!("{text}/");
        self.marks
            .retain(|own, _| *own != text && !own.starts_with(&inside));
        // A container may be there still, with nothing in it.
        if schema.node(path.node()).kind == Kind::Container {
            let mark = Mark {
                touched: seconds,
                below: Some(seconds),
            };
            self.marks.insert(text, mark);
        }
        self.touch_above(schema, path, seconds);
    }

    fn touch_above(&mut self, schema: &'static Schema, path: &DataPath, seconds: i64) {
        let mut above = path.clone();
        while above.steps.pop().is_some() {
            let mark = self.marks.entry(above.to_uri(schema)).or_insert(Mark {
                touched: seconds,
                below: None,
            });
            mark.touched = seconds;
        }
    }

    /// When the resource last changed, seconds since 1970.
    pub fn modified(&self, schema: &'static Schema, path: &DataPath) -> i64 {
        let path = holder(schema, path);
        if let Some(mark) = self.marks.get(&path.to_uri(schema)) {
            return mark.touched;
        }
        let mut above = path.clone();
        while above.steps.pop().is_some() {
            let mark = self.marks.get(&above.to_uri(schema));
            if let Some(below) = mark.and_then(|mark| mark.below) {
                return below;
            }
        }
        self.base
    }

    /// A text that [`Marks::from_text`] reads: a line per mark.
    pub fn to_text(&self) -> String {
        let mut out = format!("{}\n", self.base);
        for (path, mark) in &self.marks {
            let _ = match mark.below {
                Some(below) => writeln!(out, "{} {below} {path}", mark.touched),
                None => writeln!(out, "{} - {path}", mark.touched),
            };
        }
        out
    }

    /// Reads what [`Marks::to_text`] wrote; `None` when it is damaged.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut marks = Self::new(lines.next()?.parse().ok()?);
        for line in lines {
            let mut words = line.splitn(3, ' ');
            let touched = words.next()?.parse().ok()?;
            let below = match words.next()? {
                "-" => None,
                seconds => Some(seconds.parse().ok()?),
            };
            marks
                .marks
                .insert(words.next()?.to_owned(), Mark { touched, below });
        }
        Some(marks)
    }
}
