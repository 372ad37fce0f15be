//! The figures of the record.

use glimpse_model::outcome::{ByteCount, Outcome};
use serde_json::Map;

use crate::methods::dns::lookup::Exchange;
use crate::methods::dns::outcome::{outcome as shared, records};

/// `records` of all answers, and `queries` with every exchange.
pub(super) fn outcome(exchanges: &[Exchange], bytes: ByteCount) -> Outcome {
    let mut map = Map::new();
    map.insert("records".to_owned(), records(exchanges).into());
    shared(exchanges, map, bytes)
}
