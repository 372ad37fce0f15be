//! The documents of the JSON door, and the hosts that they name.

use glimpse_agent::uplink;
use glimpse_agent::uplink::http::Answer;
use glimpse_model::configuration::Configuration;
use glimpse_model::instruction::InstructionSet;
use glimpse_model::ping::{PingFigures, round_trips_us};
use glimpse_model::read::{self, Cursor, Refused};
use glimpse_model::record::{Receipt, Record};
use glimpse_model::time::Timestamp;
use glimpse_probe::registry::Registry;
use glimpse_probe::resolve::{HOST_LIMIT, Host};

/// When inputs are first seen: 2026-11-21T00:00:00Z.
const SEEN: Timestamp = Timestamp::from_unix_seconds(1_795_219_200);
/// Slots of a timing that are looked at.
const SLOTS: usize = 8;

/// An instruction set, its options checked by the methods. Slots of timings lie strictly one behind the other.
pub fn instructions(bytes: &[u8]) {
    let registry = Registry::built_in();
    let set = InstructionSet::parse_checked(bytes, &|task| {
        let method = registry
            .find(task.method.as_str())
            .ok_or_else(|| Refused::new("method", "is not known"))?;
        let options = method.read(&task.options)?;
        method.check(&options)?;
        assert!(!method.longest_run(&options).is_zero());
        let _ = method.worst_case_bytes(&options);
        Ok(())
    });
    let Ok(set) = set else { return };
    for instruction in &set.instructions {
        let timing = &instruction.timing;
        let mut slot = timing.first(SEEN);
        for seed in 0..SLOTS {
            let Some(at) = slot else { break };
            assert!(timing.fire_at(at, seed as u64) >= at);
            slot = timing.next(at, SEEN);
            assert!(slot.is_none_or(|next| next > at), "{timing:?} stands still");
        }
        let _ = timing.count(SEEN, SEEN.plus_micros(86_400_000_000), SEEN, 1_000);
        assert!(timing.per_hour() >= 0.0);
    }
    for refused in &set.refused {
        assert!(!refused.refused.to_string().is_empty());
    }
    // Whatever is read can be printed, and is then read alike.
    for instruction in set.instructions {
        let document =
            serde_json::json!({"schema": glimpse_model::SCHEMA, "instructions": [instruction]});
        let again = InstructionSet::parse(document.to_string().as_bytes());
        assert!(
            again.is_ok_and(|again| again.instructions == [instruction]),
            "{document}"
        );
    }
}

/// A configuration.
pub fn configuration(bytes: &[u8]) {
    let _ = uplink::countable(bytes);
    if let Ok(configuration) = Configuration::parse(bytes) {
        let _ = uplink::supervisor::usable(configuration);
    }
}

/// A receipt.
pub fn receipt(bytes: &[u8]) {
    let _ = Receipt::parse(bytes);
}

/// A record, as the repository reads those of a batch. What is read can be written, and is then read alike.
pub fn record(bytes: &[u8]) {
    let Ok(document) = read::json(bytes) else {
        return;
    };
    let Ok(record) = Record::read(&Cursor::root(&document)) else {
        return;
    };
    figures(&record);
    let written = serde_json::to_value(&record);
    assert!(written.is_ok_and(|document| {
        Record::read(&Cursor::root(&document)).is_ok_and(|again| again == record)
    }));
}

/// What is picked out of a result is in order, whoever wrote it.
fn figures(record: &Record) {
    let figures = PingFigures::from_result(&record.probe_result);
    assert!(figures.loss_ppm.is_none_or(|loss| loss <= 1_000_000));
    assert!(figures.rtt_min_us <= figures.rtt_median_us);
    assert!(figures.rtt_median_us <= figures.rtt_max_us);
    let all = round_trips_us(&record.probe_result);
    assert_eq!(all.iter().max().copied(), figures.rtt_max_us);
}

/// A host that an instruction names.
pub fn host(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Host::parse(&text) {
        Ok(Host::Address(address)) => assert_eq!(text.parse(), Ok(address)),
        Ok(Host::Name(name)) => {
            assert_eq!(name, text);
            assert!(name.len() <= HOST_LIMIT + 1 && !name.starts_with('-'));
            let shown = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            assert!(name.bytes().all(shown), "{name:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The body of a refusal, as people are told of it.
pub fn problem(bytes: &[u8]) {
    let answer = Answer {
        status: http::StatusCode::FORBIDDEN,
        etag: None,
        retry_after: None,
        body: bytes.to_vec().into(),
    };
    let told = answer.describe();
    assert!(told.chars().count() <= 100, "{told:?}");
    assert!(!told.chars().any(char::is_control), "{told:?}");
}
