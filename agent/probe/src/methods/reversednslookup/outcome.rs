//! The figures of the record.

use std::net::IpAddr;

use glimpse_model::outcome::{ByteCount, Outcome};
use serde_json::{Map, Value, json};

use crate::methods::dns::kinds::{self, number};
use crate::methods::dns::lookup::Exchange;
use crate::methods::dns::outcome::{outcome as shared, records};

/// `hostname`, the first name, and `hostnames`, all of them; `address`, `records`, and `queries` with every exchange.
pub(super) fn outcome(ip: IpAddr, exchanges: &[Exchange], bytes: ByteCount) -> Outcome {
    let records = records(exchanges);
    let pointer = kinds::name(number::PTR);
    let names: Vec<Value> = records
        .iter()
        .filter(|record| record["type"] == *pointer)
        .map(|record| record["value"].clone())
        .collect();
    let mut map = Map::new();
    map.insert(
        "hostname".to_owned(),
        names.first().cloned().unwrap_or(Value::Null),
    );
    map.insert("hostnames".to_owned(), names.into());
    map.insert("address".to_owned(), json!([ip.to_string()]));
    map.insert("records".to_owned(), records.into());
    shared(exchanges, map, bytes)
}
