//! What the agent reads on its own machine, and of its controller's certificates: settings, spool, history, the tokens that were
//! used, `/proc`, what `ping` prints, EST answers.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use glimpse_agent::host::proc as texts;
use glimpse_agent::identity::{Fingerprint, MAX_CERTIFICATES, Trust, Validity, certificates};
use glimpse_agent::local::history::{Rollups, Span};
use glimpse_agent::local::service::Request;
use glimpse_agent::local::survey::Survey;
use glimpse_agent::local::uci;
use glimpse_agent::spool::codec::{self, Damage, FRAME_HEADER, SEGMENT_HEADER};
use glimpse_agent::uplink::backoff;
use glimpse_model::time::Timestamp;
use glimpse_net::interface::{parse_ipv4_routes, parse_ipv6_routes};
use glimpse_probe::methods::ping::SystemReport;
use glimpse_probe::responder::memory::{TOKENS, Used};

use crate::pieces;

/// The number of the segment of inputs.
pub const SEGMENT: u32 = 3;

/// A settings file.
pub fn uci(bytes: &[u8]) {
    let _ = uci::syntax::parse(bytes);
    let _ = uci::settings::parse(bytes);
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines() {
        let _ = uci::QuietHours::parse(line);
        let _ = uci::QuietZone::parse(line);
    }
}

/// The survey's file, and answers as they come by the bus.
pub fn survey(bytes: &[u8]) {
    if let Ok(survey) = Survey::parse(bytes) {
        let printed = survey.json().to_string();
        assert_eq!(Survey::parse(printed.as_bytes()), Ok(survey));
    }
}

/// A segment of the spool after whatever happened to it. What is called sound is where it is said to be.
pub fn spool_segment(bytes: &[u8]) {
    let scan = codec::scan(SEGMENT, bytes);
    let length = bytes.len() as u64;
    for frame in &scan.frames {
        let at = usize::try_from(frame.offset).unwrap_or(usize::MAX);
        let found = bytes
            .get(at..)
            .and_then(|bytes| codec::decode(bytes, SEGMENT, frame.offset));
        assert!(found.is_some_and(|(found, body)| found == *frame
            && body.len() as u64 + FRAME_HEADER as u64 == frame.bytes()));
    }
    for damage in &scan.damaged {
        let end = match damage {
            Damage::Body(frame) => u64::from(frame.offset) + frame.bytes(),
            Damage::Region { offset, len } => u64::from(*offset) + u64::from(*len),
        };
        assert!(end <= length);
    }
    assert!(u64::from(scan.sound_end) + u64::from(scan.torn) <= length);
    assert!(codec::acks(bytes).count() <= bytes.len() / codec::ACK_LEN);
}

/// Entries that were written, then altered: the first piece is the alterations (place in two bytes, then what is turned
/// over), the others are the bodies. Whatever was not touched is found again.
pub fn spool_repair(bytes: &[u8]) {
    let mut pieces = pieces::split(bytes);
    let alterations = pieces.next().unwrap_or_default();
    let mut segment = SEGMENT_HEADER.to_vec();
    let mut entries = Vec::new();
    for (body, number) in pieces.zip(0..=u8::MAX) {
        let begin = segment.len();
        let offset = u32::try_from(begin).unwrap_or(u32::MAX);
        codec::encode(&mut segment, SEGMENT, offset, &[number; 16], 1, body);
        entries.push((begin..segment.len(), number));
    }
    let mut touched = BTreeSet::new();
    for [high, low, mask] in alterations.as_chunks().0 {
        let place = usize::from(u16::from_be_bytes([*high, *low]));
        if let Some(byte) = segment.get_mut(place).filter(|_| *mask != 0) {
            *byte ^= mask;
            // Twice the same undoes it; it counts as touched all the same.
            touched.insert(place);
        }
    }
    spool_segment(&segment);
    let scan = codec::scan(SEGMENT, &segment);
    for (range, number) in entries {
        let sound = scan.frames.iter().any(|frame| {
            usize::try_from(frame.offset) == Ok(range.start) && frame.id == [number; 16]
        });
        let whole = touched.range(range).next().is_none();
        assert!(sound || !whole, "entry {number} was lost untouched");
    }
}

/// The file of roll-ups; its checksum is mended. What is read is written as it was.
pub fn history(bytes: &[u8]) {
    let mut mended = bytes.to_vec();
    if let Some((body, _)) = bytes.split_last_chunk::<4>() {
        mended.truncate(body.len());
        mended.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    }
    for bytes in [bytes, &mended] {
        if let Some(mut rollups) = Rollups::decode(bytes) {
            assert_eq!(rollups.encoded_len(), rollups.encode().len());
            assert_eq!(Rollups::decode(&rollups.encode()).as_ref(), Some(&rollups));
            rollups.close(i64::from(u32::MAX) * 1_000_000, 4_096);
            for row in rollups.list(Span::Hour, 0) {
                assert!(row.loss_permille().is_none_or(|loss| loss <= 1_000));
            }
        }
    }
}

/// The answer of `cacerts`: base64 as it comes, and the same for plain bytes.
pub fn cacerts(bytes: &[u8]) {
    let wrapped = STANDARD.encode(bytes);
    for body in [bytes, wrapped.as_bytes()] {
        if let Ok(found) = certificates(body) {
            assert!((1..=MAX_CERTIFICATES).contains(&found.len()));
            for certificate in &found {
                let _ = Validity::of(certificate);
                let _ = Trust::from_cacerts(body, Some(&Fingerprint::of(certificate)));
            }
        }
        let _ = Trust::from_cacerts(body, None);
    }
    let _ = Trust::from_pem(bytes);
}

/// A request by the control socket. What is read is read back.
pub fn control_request(bytes: &[u8]) {
    if let Ok(request) = Request::parse(bytes) {
        let written = request.to_json().to_string();
        let again = Request::parse(written.as_bytes());
        assert!(again.is_ok(), "{written}");
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = backoff::retry_after(&text);
}

/// Texts of `/proc`.
pub fn proc(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(times) = texts::cpu_times(&text) {
        assert!(times.busy <= times.total);
        let idle = texts::CpuTimes::default();
        let usage = texts::cpu_usage(&idle, &times);
        assert!(usage.is_none_or(|usage| (0.0..=1.0).contains(&usage)));
    }
    let _ = texts::free_memory(&text);
    assert!(texts::signal_strength(&text, "wlan0").is_none_or(|strength| strength <= 100));
}

/// Tables of routes.
pub fn routes(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = parse_ipv4_routes(&text);
    let _ = parse_ipv6_routes(&text);
}

/// What `ping` prints.
pub fn ping_output(bytes: &[u8]) {
    let report = SystemReport::read(&String::from_utf8_lossy(bytes));
    assert!(report.trips.len() <= 1000 && report.faults.len() <= 8);
    assert!(
        report.trips.is_sorted_by(|a, b| a.0 < b.0),
        "one answer twice"
    );
    let _ = report.received();
    for (words, times) in &report.faults {
        assert!(words.chars().count() <= 120 && !words.chars().any(char::is_control));
        assert_ne!(*times, 0);
    }
}

/// The file of the tokens that were used. What is read is written and read alike.
pub fn used_tokens(bytes: &[u8]) {
    let Ok(used) = Used::parse(bytes) else {
        return;
    };
    let document = used.document(Timestamp::from_micros(i64::MIN));
    if let Ok(again) = Used::parse(&document) {
        assert_eq!(again, used);
    }
    let mut later = used.clone();
    later.forget(Timestamp::from_micros(i64::MAX));
    assert!(later.is_empty());
    assert!(used.len() <= TOKENS);
}
