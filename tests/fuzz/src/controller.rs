//! What agents and applications send to the controller, what it hands on of that, and its settings.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use glimpse_controller::admission::{OptOuts, Target};
use glimpse_controller::config::Config;
use glimpse_controller::export::{self, COLUMNS, Format};
use glimpse_controller::pairing::Joiner;
use glimpse_controller::pki::{AgentCertificate, CertificateRequest};
use glimpse_controller::repository::RepositoryError;
use glimpse_controller::restconf::root_of;
use glimpse_model::record::{MAX_BATCH, Receipt, Record};
use glimpse_model::time::Timestamp;
use glimpse_store::{Figures, ResultRow};

/// The reader of batches, which the controller keeps to itself.
#[path = "../../../controller/server/src/repository/batch.rs"]
mod reader;

/// 2026-01-02T00:00:00Z
const NOW_US: i64 = 1_767_312_000_000_000;

/// A batch. Agents can read what is said of records that are refused; those that are stored can be exported and joined.
pub fn batch(bytes: &[u8]) {
    let Ok(parsed) = reader::parse(bytes) else {
        return;
    };
    assert!(parsed.records.len() + parsed.rejected.len() <= MAX_BATCH);
    let receipt = Receipt {
        accepted: parsed.records.iter().map(|(record, _)| record.id).collect(),
        rejected: parsed.rejected,
        ..Receipt::new()
    };
    let written = serde_json::to_vec(&receipt).unwrap_or_default();
    assert!(Receipt::parse(&written).is_ok_and(|read| read == receipt));
    let mut joiner = Joiner::default();
    for (record, document) in parsed.records {
        let row = stored(record, document);
        exported(&row);
        assert!(joiner.take(row, |_| None), "room for few");
    }
    assert_eq!(joiner.finish().len(), 0, "nobody was asked to measure");
}

/// A record as the store gives it back.
fn stored(record: Record, document: String) -> ResultRow {
    let figures = Figures::of_ping(&record.probe_result, None, None);
    ResultRow {
        id: record.id,
        agent: "agent".to_owned(),
        instruction: record.instruction_id.map(|id| id.to_string()),
        task: record.task_id.map(|id| id.to_string()),
        method: record.method,
        status: record.status.as_str().to_owned(),
        start: record.start_time,
        received: Timestamp::from_micros(NOW_US),
        clock_suspect: false,
        figures,
        document,
    }
}

/// A row is one row in either format, whatever the record holds.
fn exported(row: &ResultRow) {
    let (mut csv, mut lines) = (Vec::new(), Vec::new());
    assert!(export::row(Format::Csv, row, &mut csv).is_ok());
    assert!(export::row(Format::Jsonl, row, &mut lines).is_ok());
    let mut quoted = false;
    let outside: Vec<u8> = csv
        .into_iter()
        .filter(|&byte| {
            quoted ^= byte == b'"';
            !quoted
        })
        .collect();
    assert!(!quoted, "a quote is left open");
    let fields = outside.split(|&byte| byte == b',').count();
    assert_eq!(fields, COLUMNS.len());
    let ends = outside
        .iter()
        .position(|&byte| byte == b'\r' || byte == b'\n');
    assert_eq!(ends, outside.len().checked_sub(2), "one row");
    assert_eq!(lines.split(|&byte| byte == b'\n').count(), 2, "one line");
    assert!(serde_json::from_slice::<serde_json::Value>(&lines).is_ok());
}

/// The settings of the controller.
pub fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Config::parse(&text, Path::new("/controller.toml")) {
        Ok(config) => {
            assert!(config.uploads.parallel > 0 && !config.alto.interval.is_zero());
        }
        Err(error) => assert!(error.to_string().contains("controller.toml")),
    }
}

/// Those who want no packets, one in a line: whoever is named is covered, an address by its prefix too.
pub fn opt_out(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let entries: Vec<&str> = text.lines().collect();
    let Ok(list) = OptOuts::new(&entries) else {
        return;
    };
    for entry in entries {
        let (target, length) = entry.split_once('/').unwrap_or((entry, "128"));
        let target = Target::of(target);
        // A prefix of IPv6 that begins before an IPv4 address within it is none of IPv4.
        let mapped =
            matches!(target, Target::Address(address) if address.is_ipv4()) && entry.contains(':');
        if !mapped || length.parse().is_ok_and(|length: u8| length >= 96) {
            assert!(list.covers(&target), "{entry:?}");
        }
    }
}

/// The body of `simpleenroll`: as it comes, and in base64.
pub fn certificate_request(bytes: &[u8]) {
    let _ = CertificateRequest::parse(bytes);
    let _ = CertificateRequest::parse(STANDARD.encode(bytes).as_bytes());
}

/// A certificate that the TLS layer has verified.
pub fn agent_certificate(bytes: &[u8]) {
    if let Ok(certificate) = AgentCertificate::parse(bytes) {
        let _ = certificate.is_valid_at(certificate.not_before);
        assert_ne!(certificate.agent.as_str(), "");
    }
}

/// What an agent that called home says of where its API is.
pub fn host_meta(bytes: &[u8]) {
    let answer = http::Response::new(bytes.to_vec().into());
    let root = root_of(&answer);
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'?' && byte != b'#';
    assert!(root.len() <= 256 && root.bytes().all(plain), "{root:?}");
    assert!(root.is_empty() || root.starts_with('/'), "{root:?}");
}
