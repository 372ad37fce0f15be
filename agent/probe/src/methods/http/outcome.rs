//! From transfers to the figures of the record.

use std::net::IpAddr;

use glimpse_model::outcome::{ByteCount, Ending, Outcome};
use serde_json::{Map, Value};

use super::connection::Origin;
use super::error::HttpError;
use super::load::{Direction, Thread, Transfer};
use super::slots::bits_per_second;

/// Share of the measured time that a connection must have lasted for `results_ok`, in percent.
const OK_PERCENT: u64 = 75;
/// Different faults that are told.
const FAULT_LIMIT: usize = 8;

/// The sum of the connections' averages; `None` when nothing was measured.
pub(crate) fn average(transfer: &Transfer) -> Option<u64> {
    let rates = transfer
        .threads
        .iter()
        .map(|thread| thread.lane.rates(transfer.ended_ns).avg);
    rates.flatten().reduce(u64::saturating_add)
}

/// Whether each connection that was asked for was there, and lasted for three quarters of the measured time.
pub(crate) fn is_ok(transfer: &Transfer) -> bool {
    let lasted = |thread: &Thread| {
        let measured = transfer.span.measured_ns(thread.ended_ns);
        thread.lane.total() > 0 && measured >= transfer.span.target_ns / 100 * OK_PERCENT
    };
    transfer.unmade.is_empty()
        && !transfer.threads.is_empty()
        && transfer.threads.iter().all(lasted)
}

/// What went wrong, each fault once with how often; running out of bytes is no fault.
pub(crate) fn faults(transfer: &Transfer) -> Option<String> {
    let all = transfer
        .threads
        .iter()
        .filter_map(|thread| thread.fault.as_ref());
    let mut told: Vec<(String, u32)> = Vec::new();
    for fault in all.chain(&transfer.unmade) {
        if matches!(fault, HttpError::Limit(_)) {
            continue;
        }
        let fault = fault.to_string();
        let room = told.len() < FAULT_LIMIT;
        match told.iter_mut().find(|(known, _)| *known == fault) {
            Some((_, times)) => *times += 1,
            None if room => told.push((fault, 1)),
            None => {}
        }
    }
    let words = told.into_iter().map(|(fault, times)| match times {
        1 => fault,
        times => format!("{fault} ({times} times)"),
    });
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// Why the transfer ended: `target_time`, `byte_limit` or `fault`.
pub(crate) fn stopped(transfer: &Transfer) -> &'static str {
    if transfer.at_limit {
        "byte_limit"
    } else if transfer.ended_ns < transfer.span.end_ns() {
        "fault"
    } else {
        "target_time"
    }
}

/// The outcome of a download or upload. It is done when one of its connections was answered, be it not to the end, and has
/// failed when none was; `error` tells what is missing.
pub(crate) fn outcome(
    origin: &Origin,
    redirected_from: &[String],
    transfer: Transfer,
    bytes: ByteCount,
) -> Outcome {
    let answered = is_answered(&transfer);
    let error = faults(&transfer);
    Outcome {
        exit: None,
        error: error.or_else(|| (!answered).then(|| HttpError::Nothing.to_string())),
        ending: if answered {
            Ending::Done
        } else {
            Ending::Failed
        },
        probe_result: figures(origin, redirected_from, transfer),
        bytes,
    }
}

/// Whether a connection of the transfer was answered: by a good status or, of an upload whose body was still under way when
/// its time or its bytes ended, by acknowledgements. A server that has all of a body and never says so has not answered,
/// whatever its system has acknowledged.
pub(crate) fn is_answered(transfer: &Transfer) -> bool {
    transfer.threads.iter().any(|thread| {
        let under_way = transfer.direction != Direction::Down
            && thread.status.is_none()
            && matches!(thread.fault, None | Some(HttpError::Limit(_)))
            && thread.lane.total() > 0;
        thread.answered || under_way
    })
}

/// By which algorithm our side, when it sends, avoids congestion.
pub(crate) fn congestion_control(transfer: &Transfer) -> Value {
    let first = transfer.threads.first();
    first
        .and_then(|thread| thread.congestion_control.clone())
        .into()
}

fn figures(origin: &Origin, redirected_from: &[String], transfer: Transfer) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    put("destination_ip", address(origin.address.ip()));
    put("url", origin.url.to_string().into());
    if !redirected_from.is_empty() {
        put("redirected_from", redirected_from.into());
    }
    put("actual_num_threads", transfer.threads.len().into());
    put("results_ok", is_ok(&transfer).into());
    put("stopped", stopped(&transfer).into());
    put("bandwidth_bps_avg", average(&transfer).into());
    let whole_ns = transfer.ended_ns.saturating_sub(transfer.span.start_ns);
    let total = transfer
        .threads
        .iter()
        .map(|thread| thread.lane.total())
        .sum();
    put(
        "bandwidth_bps_whole",
        bits_per_second(total, whole_ns).into(),
    );
    put("transferred_bytes", total.into());
    put("transfer_us", microseconds(whole_ns));
    put("dns_us", microseconds(origin.dns_ns));
    // Of the first connection; those of the others stand beside their rates.
    let first = transfer.threads.first();
    let time = |time: Option<u64>| time.map_or(Value::Null, microseconds);
    put("connect_us", time(first.map(|thread| thread.connect_ns)));
    put("tls_us", time(first.and_then(|thread| thread.tls_ns)));
    put(
        "first_byte_us",
        time(first.and_then(|thread| thread.first_byte_ns)),
    );
    put(
        "tls_version",
        first.and_then(|thread| thread.tls_version).into(),
    );
    put("http_status", first.and_then(|thread| thread.status).into());
    if transfer.direction != Direction::Down {
        put("congestion_control", congestion_control(&transfer));
    }
    let each = || transfer.threads.iter();
    put(
        "retransmits",
        each()
            .filter_map(|thread| thread.retransmits)
            .reduce(u32::saturating_add)
            .into(),
    );
    put(
        "min_rtt_us",
        each().filter_map(|thread| thread.min_rtt_us).min().into(),
    );
    put(
        "requests",
        each().map(|thread| thread.requests).sum::<u32>().into(),
    );
    put(
        "server_bytes",
        each()
            .filter_map(|thread| thread.server_bytes)
            .reduce(u64::saturating_add)
            .into(),
    );
    let ended_ns = transfer.ended_ns;
    let threads = transfer
        .threads
        .into_iter()
        .map(|thread| thread_map(thread, ended_ns));
    put("bandwidth_bps_per_thread", threads.collect());
    map
}

fn thread_map(thread: Thread, ended_ns: u64) -> Value {
    let mut map = thread.lane.rates(ended_ns).into_map();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    let time = |time: Option<u64>| time.map_or(Value::Null, microseconds);
    put("transferred_bytes", thread.lane.total().into());
    put("connect_us", microseconds(thread.connect_ns));
    put("tls_us", time(thread.tls_ns));
    put("first_byte_us", time(thread.first_byte_ns));
    put("http_status", thread.status.into());
    put("requests", thread.requests.into());
    put("retransmits", thread.retransmits.into());
    put("min_rtt_us", thread.min_rtt_us.into());
    put("server_bytes", thread.server_bytes.into());
    put("error", thread.fault.map(|fault| fault.to_string()).into());
    Value::Object(map)
}

fn address(address: IpAddr) -> Value {
    address.to_string().into()
}

fn microseconds(ns: u64) -> Value {
    (ns / 1000).into()
}
