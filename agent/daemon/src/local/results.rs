//! The household's results, page by page, within the bounds of a message. Pure.

#[cfg(test)]
mod tests;

use super::history::{History, Raw};
use super::service::{ANSWER_BYTES, ResultsQuery};
use serde_json::{Map, Value, json};

/// Bytes from which on a record is shortened in a list.
const RECORD_BYTES: usize = 24 << 10;
/// Bytes that a member of a shortened `probe_result` may have.
const MEMBER_BYTES: usize = 1 << 10;
/// Most results in an answer that has to fit into a message.
const MOST_IN_MESSAGE: usize = 100;

/// The results that `query` asks for, newest first, and whether there are more.
pub fn results(history: &History, query: &ResultsQuery) -> Value {
    if let Some(id) = query.id {
        let found = history.raw().rev().find(|raw| raw.id == id);
        let found = found.and_then(|raw| record(raw, ANSWER_BYTES));
        return json!({"results": found.map_or(Vec::new(), |record| vec![record]), "more": false});
    }
    let bound = if query.limit > MOST_IN_MESSAGE {
        usize::MAX
    } else {
        ANSWER_BYTES
    };
    let mut found = after(history, query).filter(|raw| is_asked_for(raw, query));
    let (mut results, mut bytes) = (Vec::new(), 0);
    let mut more = false;
    for raw in found.by_ref() {
        let Some(record) = record(raw, RECORD_BYTES) else {
            continue;
        };
        let length = record.to_string().len() + 1;
        if results.len() >= query.limit || bytes + length > bound {
            more = true;
            break;
        }
        bytes += length;
        results.push(record);
    }
    json!({"results": results, "more": more})
}

/// Newest first, from after the last of the page before. Where that one has gone, so have those after it.
fn after<'a>(history: &'a History, query: &ResultsQuery) -> impl Iterator<Item = &'a Raw> {
    let skip = query.before.map_or(0, |before| {
        let mut newest_first = history.raw().rev();
        let place = newest_first.position(|raw| raw.id == before);
        place.map_or(usize::MAX, |place| place + 1)
    });
    history.raw().rev().skip(skip)
}

fn is_asked_for(raw: &Raw, query: &ResultsQuery) -> bool {
    let method = query.method.as_deref();
    query.since.is_none_or(|at| raw.time_us >= at.as_micros())
        && query.until.is_none_or(|at| raw.time_us < at.as_micros())
        && method.is_none_or(|method| raw.method.as_deref() == Some(method))
        && query.status.is_none_or(|status| raw.status == status)
        && query.own.is_none_or(|own| raw.own == own)
}

/// The record as it is shown, in at most so many bytes: a longer one keeps the small members of its figures.
pub fn record(raw: &Raw, most: usize) -> Option<Value> {
    let mut record: Value = serde_json::from_str(&raw.json).ok()?;
    if raw.json.len() <= most {
        return Some(record);
    }
    let mut room = most;
    let figures = record.get_mut("probe_result").map(Value::take);
    let rest = record.to_string().len();
    room = room.saturating_sub(rest + 64);
    let mut kept = Map::new();
    for (name, value) in figures.as_ref().and_then(Value::as_object)? {
        let length = value.to_string().len() + name.len() + 4;
        if length <= MEMBER_BYTES && length <= room {
            room -= length;
            kept.insert(name.clone(), value.clone());
        }
    }
    record["probe_result"] = kept.into();
    record["shortened"] = true.into();
    Some(record)
}
