//! What agents and applications send to the controller, what it hands on of that, and its settings.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use glimpse_alto::{
    Anonymity, Content, Cost, CostMap, Limits, NetworkMap, PidName, Provenance, Publication,
    Request, ResourceId, Serving, answer,
};
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

/// PID to address type to prefixes, as in a document.
type Groups = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// A map of RFC 7285, to which inputs are requests.
const MAP: &str = r#"{
    "mypid1": {"ipv4": ["192.0.2.0/24", "198.51.100.0/25"]},
    "mypid2": {"ipv4": ["198.51.100.128/25"]},
    "peeringpid1": {"ipv4": ["203.0.113.0/24"], "ipv6": ["2001:db8::/32"]},
    "rest": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}
}"#;

static PUBLICATION: LazyLock<Option<Publication>> = LazyLock::new(publication);

fn publication() -> Option<Publication> {
    let groups: Groups = serde_json::from_str(MAP).ok()?;
    let pid = |name| PidName::new(name).ok();
    let cells = [("mypid1", "mypid2", 20), ("mypid2", "peeringpid1", 35)]
        .into_iter()
        .filter_map(|(from, to, cost)| Some((pid(from)?, pid(to)?, Cost::new(cost))));
    let content = Content {
        network_map_id: ResourceId::new("nm").ok()?,
        network_map: NetworkMap::parse(&groups).ok()?,
        delay_rt: CostMap::new(cells),
        provenance: Provenance {
            window_start_us: NOW_US - 86_400_000_000,
            window_end_us: NOW_US,
            aggregation: "per-subscriber-first".into(),
            method: "udp-icmp-echo".into(),
            samples: 100,
            subscribers: 12,
            newest_us: Some(NOW_US),
            anonymity: Anonymity::K(10),
        },
    };
    Publication::new(content).ok()
}

/// A request of an ALTO client: lines with path, `Accept`, `Accept-Encoding`, `Content-Type` and `If-None-Match`, an empty
/// one for a field that is not there; the rest is the body.
///
/// # Panics
/// When there is nothing to ask for.
pub fn alto_request(bytes: &[u8]) {
    let mut parts = bytes.splitn(6, |&byte| byte == b'\n');
    let mut line = || {
        let part = parts.next().unwrap_or_default();
        std::str::from_utf8(part).unwrap_or_default()
    };
    let [path, accept, accept_encoding, content_type, if_none_match] = [(); 5].map(|()| line());
    let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let body = parts.next().unwrap_or_default();
    let Some(publication) = PUBLICATION.as_ref() else {
        panic!("the map of this module can be published");
    };
    let serving = Serving {
        now_us: NOW_US,
        next_us: NOW_US + 600_000_000,
        limits: Limits::default(),
    };
    for method in ["GET", "HEAD", "POST", "OPTIONS"] {
        let request = Request {
            method,
            path,
            accept: given(accept),
            accept_encoding: given(accept_encoding),
            content_type: given(content_type),
            if_none_match: given(if_none_match),
            body,
        };
        let response = answer(publication, &request, &serving);
        assert!(
            [200, 204, 304, 400, 404, 405, 406, 413, 415].contains(&response.status),
            "{}",
            response.status
        );
        if !response.body.is_empty() {
            let json = serde_json::from_slice::<serde_json::Value>(&response.body);
            assert!(json.is_ok());
        }
    }
}

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

/// A network map, as it stands in a document.
pub fn network_map(bytes: &[u8]) {
    let Ok(groups) = serde_json::from_slice::<Groups>(bytes) else {
        return;
    };
    if let Ok(map) = NetworkMap::parse(&groups) {
        for address in ["192.0.2.1", "2001:db8::1"] {
            let pid = address.parse().ok().and_then(|address| map.pid_of(address));
            assert!(pid.is_none_or(|pid| map.contains(pid)));
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

/// Whether there is a publication for requests to be answered from.
pub fn publishes() -> bool {
    PUBLICATION.is_some()
}
