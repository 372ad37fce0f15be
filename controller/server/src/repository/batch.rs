//! A batch as it comes: records stay text until each is read by itself, so that one bad record does
//! not cost the others, and the text can be stored as it was received.

use super::RepositoryError;
use glimpse_model::SCHEMA;
use glimpse_model::id::ResultId;
use glimpse_model::read::{self, Cursor, Refused};
use glimpse_model::record::{MAX_BATCH, Record, Rejected};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Longest record; a longer one is rejected by itself.
const MAX_RECORD_BYTES: usize = 1 << 20;
/// Longest reason in a receipt: what agents read.
const MAX_REASON_BYTES: usize = 1000;
/// Said by the visitor, looked for by the caller.
const TOO_MANY: &str = "too many records";

/// What was understood of a batch.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Records and their text as received.
    pub(super) records: Vec<(Record, String)>,
    /// Those that are not stored.
    pub(super) rejected: Vec<Rejected>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    schema: Option<u64>,
    #[serde(borrow)]
    records: Option<Records<'a>>,
}

struct Records<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Records<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of records")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut records = Vec::new();
                while let Some(record) = seq.next_element()? {
                    if records.len() == MAX_BATCH {
                        return Err(A::Error::custom(TOO_MANY));
                    }
                    records.push(record);
                }
                Ok(records)
            }
        }
        deserializer.deserialize_seq(Bounded).map(Self)
    }
}

/// Reads a batch.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, RepositoryError> {
    let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(|error| {
        if error.to_string().starts_with(TOO_MANY) {
            return RepositoryError::TooMany;
        }
        Refused::new("document", error.to_string()).into()
    })?;
    match envelope.schema {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        None => return Err(Refused::new("schema", "is missing").into()),
        Some(_) => return Err(Refused::new("schema", format!("must be {SCHEMA}")).into()),
    }
    let Some(Records(records)) = envelope.records else {
        return Err(Refused::new("records", "is missing").into());
    };
    let mut parsed = Parsed::default();
    for (i, raw) in records.into_iter().enumerate() {
        let place = format!("records[{i}]");
        match read(raw.get(), &place) {
            Ok(record) => parsed.records.push((record, raw.get().to_owned())),
            Err((id, refused)) => parsed.rejected.push(Rejected {
                id: id.map_or(place, |id| id.to_string()),
                reason: reason(&refused),
            }),
        }
    }
    Ok(parsed)
}

fn read(text: &str, place: &str) -> Result<Record, (Option<ResultId>, Refused)> {
    if text.len() > MAX_RECORD_BYTES {
        let reason = format!("must be at most {MAX_RECORD_BYTES} bytes long");
        return Err((None, Refused::new(place, reason)));
    }
    let value = read::json(text.as_bytes()).map_err(|r| (None, Refused::new(place, r.reason)))?;
    Record::read(&Cursor::at(&value, place)).map_err(|refused| {
        let id = value.get("id").and_then(|id| id.as_str());
        (id.and_then(|id| ResultId::parse(id).ok()), refused)
    })
}

/// Path and reason in a form that every agent reads: bounded, without control characters.
fn reason(refused: &Refused) -> String {
    let mut text: String = refused
        .to_string()
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.len() > MAX_REASON_BYTES {
        text.truncate(text.floor_char_boundary(MAX_REASON_BYTES));
    }
    text
}
