#![allow(clippy::unwrap_used)]
use super::*;
use serde_json::json;

fn sample() -> Record {
    let now = Timestamp::parse("2026-11-21T22:48:32.396Z").unwrap();
    let mut record = Record::new(ResultId::from_parts(now, [3; 10]), Status::Skipped);
    record.instruction_id = InstructionId::new("i-1").ok();
    record.planned_time = Some(now);
    record.skip = Some(Skip {
        reason: SkipReason::QuietHours,
        count: 3,
        last: now,
    });
    record
        .probe_result
        .insert("round_trip_avg".to_owned(), json!(0.047));
    record
}

#[test]
fn what_is_printed_reads_back() {
    let record = sample();
    let value = serde_json::to_value(&record).unwrap();
    assert_eq!(Record::read(&Cursor::root(&value)).unwrap(), record);
    for reason in SkipReason::ALL {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
    }
}

#[test]
fn foreign_records_are_checked() {
    for (member, value, said) in [
        ("id", json!(7), "id: must be a string"),
        (
            "status",
            json!("fine"),
            "status: must be one of ok, failed, aborted, skipped, refused, gap",
        ),
        (
            "duration",
            json!(-1),
            "duration: must be a whole number >= 0",
        ),
        (
            "probe_result",
            json!({"a": ["x\u{0}"]}),
            "probe_result: must not contain NUL characters",
        ),
        (
            "error",
            json!("a\u{0}b"),
            "error: must not contain control characters",
        ),
    ] {
        let mut document = serde_json::to_value(sample()).unwrap();
        document[member] = value;
        assert_eq!(
            Record::read(&Cursor::root(&document))
                .unwrap_err()
                .to_string(),
            said
        );
    }
}

#[test]
fn glimpse_check_46_an_empty_answer_acknowledges_nothing() {
    for body in [&b""[..], b"{}", b"null", b"{\"schema\":2}"] {
        assert!(Receipt::parse(body).is_err());
    }
}

#[test]
fn receipts_read_back() {
    let mut receipt = Receipt::new();
    receipt.accepted.push(sample().id);
    receipt.rejected.push(Rejected {
        id: "records[3]".into(),
        reason: "no".into(),
    });
    assert_eq!(
        Receipt::parse(&serde_json::to_vec(&receipt).unwrap()).unwrap(),
        receipt
    );
}
