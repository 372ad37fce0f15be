//! From exchanges to the figures of the record.

use glimpse_model::outcome::{ByteCount, Ending, Outcome};
use glimpse_net::stamp::Clocking;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Edns, printable, rcode_name};
use super::kinds;
use super::lookup::Exchange;
use super::options::Transport;
use super::value::hexadecimal;

const NS_PER_US: u64 = 1000;

/// The outcome of exchanges: `more` are the members that the method adds. It is done when one of the questions was
/// answered, whatever the answer says, and has failed when none was: of a query the answer is all there is to measure, so
/// silence and a message cut short are none. `error` tells what is missing of each type.
pub(crate) fn outcome(
    exchanges: &[Exchange],
    more: Map<String, Value>,
    bytes: ByteCount,
) -> Outcome {
    let answered = exchanges.iter().any(|exchange| exchange.result.is_ok());
    let mut map = more;
    map.insert(
        "queries".to_owned(),
        exchanges.iter().map(figures).collect(),
    );
    Outcome {
        exit: None,
        ending: if answered {
            Ending::Done
        } else {
            Ending::Failed
        },
        probe_result: map,
        error: errors(exchanges),
        bytes,
    }
}

/// The records of all answers, those that came twice (aliases, by the answer for each type) once. Of a truncated answer,
/// those that it has are taken only if asking over TCP brought no better.
pub(crate) fn records(exchanges: &[Exchange]) -> Vec<Value> {
    let mut found = Vec::new();
    let mut keys = Vec::new();
    for answer in
        exchanges_that_count(exchanges).filter_map(|exchange| exchange.result.as_ref().ok())
    {
        for record in &answer.records {
            let key = (record.name.to_ascii_lowercase(), record.kind, &record.value);
            if !keys.contains(&key) {
                keys.push(key);
                found.push(json!({
                    "name": record.name,
                    "ttl": record.ttl_s,
                    "type": kinds::name(record.kind),
                    "value": record.value,
                }));
            }
        }
    }
    found
}

/// Exchanges but those whose answer was replaced by another over TCP.
pub(crate) fn exchanges_that_count(exchanges: &[Exchange]) -> impl Iterator<Item = &Exchange> {
    exchanges
        .iter()
        .enumerate()
        .filter_map(|(place, exchange)| {
            let replaced = exchanges
                .get(place + 1)
                .is_some_and(|next| next.after_truncation && next.result.is_ok());
            (!replaced).then_some(exchange)
        })
}

/// What went wrong: of every type, how its last exchange ended.
fn errors(exchanges: &[Exchange]) -> Option<String> {
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for (place, exchange) in exchanges.iter().enumerate() {
        let next = exchanges.get(place + 1);
        let is_last = next.is_none_or(|next| next.kind != exchange.kind);
        if !is_last {
            continue;
        }
        let words = match &exchange.result {
            Ok(Answer {
                fault: Some(fault), ..
            }) => fault.clone(),
            Ok(Answer { rcode: 0, .. }) => continue,
            Ok(answer) => rcode_name(answer.rcode),
            Err(failure) => failure.to_string(),
        };
        let kind = kinds::name(exchange.kind);
        match told.iter_mut().find(|(known, _)| *known == words) {
            Some((_, kinds)) => kinds.push(kind),
            None => told.push((words, vec![kind])),
        }
    }
    let parts: Vec<String> = told
        .into_iter()
        .map(|(words, kinds)| format!("{}: {words}", kinds.join(", ")))
        .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The members of one exchange.
fn figures(exchange: &Exchange) -> Value {
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    put("type", kinds::name(exchange.kind).into());
    put("attempt", exchange.attempt.into());
    put("server", exchange.server.to_string().into());
    put("transport", exchange.transport.as_str().into());
    if exchange.after_truncation {
        put("after_truncation", true.into());
    }
    put("query_us", microseconds(exchange.query_ns));
    if exchange.transport != Transport::Udp {
        put("connect_us", microseconds(exchange.connect_ns));
    }
    if !matches!(exchange.transport, Transport::Udp | Transport::Tcp) {
        put("tls_us", microseconds(exchange.tls_ns));
    }
    let clocking: Clocking = exchange.clocking;
    put("timestamps", clocking.as_str().into());
    put("request_bytes", exchange.request_bytes.into());
    put(
        "response_bytes",
        exchange.response_bytes.map_or(Value::Null, Value::from),
    );
    put("mismatched", exchange.mismatched.into());
    match &exchange.result {
        Ok(answer) => said(answer, &mut map),
        Err(failure) => {
            map.insert("error".to_owned(), failure.to_string().into());
        }
    }
    Value::Object(map)
}

fn said(answer: &Answer, map: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    let flags = answer.flags;
    let [question, records, authority, additional] = answer.counts;
    put("rcode", rcode_name(answer.rcode).into());
    put(
        "flags",
        json!({
            "aa": flags.aa, "tc": flags.tc, "rd": flags.rd, "ra": flags.ra, "ad": flags.ad, "cd": flags.cd,
        }),
    );
    put(
        "counts",
        json!({
            "question": question, "answer": records, "authority": authority, "additional": additional,
        }),
    );
    put("records_omitted", answer.omitted.into());
    put("edns", answer.edns.as_ref().map_or(Value::Null, extension));
    if let Some(fault) = &answer.fault {
        put("error", fault.clone().into());
    }
}

fn extension(edns: &Edns) -> Value {
    let mut value = json!({
        "version": edns.version,
        "udp_bytes": edns.udp_bytes,
        "dnssec": edns.dnssec,
    });
    if let Some(nsid) = &edns.nsid {
        let mut digits = String::new();
        hexadecimal(nsid, &mut digits);
        value["nsid"] = printable(nsid).into();
        value["nsid_hex"] = digits.into();
    }
    if let Some((code, words)) = &edns.error {
        value["error_code"] = (*code).into();
        value["error_text"] = words.clone().into();
    }
    value
}

/// Nanoseconds as whole microseconds, rounded.
fn microseconds(ns: Option<u64>) -> Value {
    ns.map_or(Value::Null, |ns| {
        Value::from((ns + NS_PER_US / 2) / NS_PER_US)
    })
}
