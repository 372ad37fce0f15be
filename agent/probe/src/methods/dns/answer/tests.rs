#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use glimpse_net::stamp::monotonic_ns;
use hickory_proto::op::Message;
use proptest::prelude::*;

use super::*;
use crate::methods::dns::query::{Wishes, build, name};

const WISHES: Wishes = Wishes {
    recursion: true,
    edns_bytes: Some(1232),
    dnssec: true,
    nsid: true,
};

fn query() -> Vec<u8> {
    build(0x1234, &name("WWW.example").unwrap(), 1, WISHES).unwrap()
}

/// The query turned into an answer that claims `counts` and ends in `tail`.
fn answer(rcode: u8, counts: [u16; 3], tail: &[u8]) -> Vec<u8> {
    let query = query();
    let mut message = query[..HEADER + 13 + 4].to_vec();
    message[2] |= 0x80;
    message[3] = 0x80 | rcode;
    for (place, count) in counts.into_iter().enumerate() {
        message[6 + 2 * place..8 + 2 * place].copy_from_slice(&count.to_be_bytes());
    }
    message.extend_from_slice(tail);
    message
}

/// A record whose owner is a pointer to the question.
fn record(kind: u16, class: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xc0, 12];
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&class.to_be_bytes());
    bytes.extend_from_slice(&ttl.to_be_bytes());
    bytes.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(data);
    bytes
}

#[test]
fn the_query_is_what_another_library_reads() {
    let bytes = query();
    assert!(bytes.len() <= crate::methods::dns::query::QUERY_LIMIT);
    let message = Message::from_vec(&bytes).unwrap();
    assert_eq!(
        message.queries[0].name().to_ascii(),
        "WWW.example.",
        "letter case is kept"
    );
    assert!(message.metadata.recursion_desired);
    let edns = message.edns.unwrap();
    assert!(edns.flags().dnssec_ok);
    assert_eq!(
        (
            edns.max_payload(),
            edns.version(),
            edns.options().options.len()
        ),
        (1232, 0, 1)
    );
    // By hand: id, RD, one question, one OPT with an empty NSID.
    assert_eq!(
        bytes,
        b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x03WWW\x07example\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\x80\0\0\x04\0\x03\0\0"
    );
    let plain = Wishes {
        recursion: false,
        edns_bytes: None,
        dnssec: false,
        nsid: false,
    };
    let bytes = build(1, &name(".").unwrap(), 731, plain).unwrap();
    assert_eq!(bytes, b"\0\x01\0\0\0\x01\0\0\0\0\0\0\0\x02\xdb\0\x01");
}

#[test]
fn the_longest_query_fits_its_limit() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", &label[..61]);
    let bytes = build(1, &name(&longest).unwrap(), 1, WISHES).unwrap();
    assert_eq!(bytes.len(), crate::methods::dns::query::QUERY_LIMIT);
    assert!(name(&format!("{longest}a")).is_none());
}

#[test]
fn an_answer_is_read_with_its_flags_records_and_edns() {
    let opt = b"\0\0\x29\x10\0\x01\0\x80\0\0\x0e\0\x03\0\x04ns-1\0\x0f\0\x02\0\x16";
    let tail = [
        record(5, 1, 300, b"\x01b\xc0\x10"),
        record(1, 1, 60, &[192, 0, 2, 7]),
        record(731, 1, u32::MAX, &[1, 2]),
        opt.to_vec(),
    ]
    .concat();
    let mut message = answer(3, [3, 0, 1], &tail);
    message[2] |= 0x04;
    message[3] |= 0x30;
    let read = judge(&query(), &message).unwrap();
    assert_eq!(read.fault, None);
    assert_eq!(read.rcode, 3 + 16, "the upper bits stand in the OPT record");
    let all = Flags {
        aa: true,
        tc: false,
        rd: true,
        ra: true,
        ad: true,
        cd: true,
    };
    assert_eq!((read.flags, read.counts), (all, [1, 3, 0, 1]));
    let shown: Vec<_> = read
        .records
        .iter()
        .map(|record| {
            (
                record.name.as_str(),
                record.ttl_s,
                record.kind,
                record.value.as_str(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("WWW.example", 300, 5, "b.example"),
            ("WWW.example", 60, 1, "192.0.2.7"),
            ("WWW.example", 0, 731, "\\# 2 0102"),
        ]
    );
    let edns = read.edns.unwrap();
    assert_eq!((edns.version, edns.udp_bytes, edns.dnssec), (0, 4096, true));
    assert_eq!(edns.nsid.as_deref(), Some(&b"ns-1"[..]));
    assert_eq!(edns.error, Some((22, String::new())));
}

#[test]
fn only_a_message_with_our_identifier_and_question_answers() {
    let good = answer(0, [0, 0, 0], b"");
    assert!(judge(&query(), &good).is_some());
    let spoilt = |at: usize, bits: u8| {
        let mut message = good.clone();
        message[at] ^= bits;
        message
    };
    for (message, why) in [
        (spoilt(1, 1), "identifier"),
        (spoilt(2, 0x80), "a query"),
        (spoilt(2, 0x08), "operation"),
        (spoilt(HEADER + 1, 0x20), "letter case"),
        (spoilt(good.len() - 3, 1), "type"),
        (spoilt(good.len() - 1, 2), "class"),
        (spoilt(5, 3), "two questions"),
        (spoilt(5, 1), "no question without an error"),
        (good[..good.len() - 1].to_vec(), "cut within the question"),
        (good[..11].to_vec(), "cut within the header"),
        (Vec::new(), "empty"),
    ] {
        assert_eq!(judge(&query(), &message), None, "{why}");
    }
    let mut silent = answer(1, [0, 0, 0], b"")[..HEADER].to_vec();
    silent[5] = 0;
    assert_eq!(
        judge(&query(), &silent).unwrap().rcode,
        1,
        "FORMERR may leave the question out"
    );
}

#[test]
fn lies_about_sizes_and_names_are_told_and_what_came_before_stands() {
    let good = record(1, 1, 60, &[192, 0, 2, 7]);
    let lying = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\xff\xff\xc0\0";
    let own = u8::try_from(HEADER + 17 + good.len()).unwrap();
    let looping = [
        &[0xc0, own][..],
        b"\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01",
    ]
    .concat();
    let forward = b"\xc0\xf0\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";
    for (counts, second, fault) in [
        (
            [9, 0, 0],
            &b""[..],
            "ends within record 2 of the answer section",
        ),
        (
            [1, 65_535, 0],
            b"",
            "ends within record 1 of the authority section",
        ),
        (
            [2, 0, 0],
            lying,
            "ends within record 2 of the answer section",
        ),
        (
            [2, 0, 0],
            &looping,
            "name of record 2: label points to data not prior",
        ),
        (
            [2, 0, 0],
            forward,
            "name of record 2: label points to data not prior",
        ),
        ([2, 0, 0], b"\x40a\0", "ends within record 2"),
        ([2, 0, 0], b"\x3fa", "ends within record 2"),
    ] {
        let message = answer(0, counts, &[&good, second].concat());
        let read = judge(&query(), &message).unwrap();
        let told = read.fault.unwrap();
        assert!(
            told.starts_with("malformed answer: ") && told.contains(fault),
            "{told}"
        );
        assert_eq!(read.records.len(), 1, "{told}");
    }
    // A loop within the data costs that record its presentation only.
    let alias = record(5, 1, 60, &[0xc0, own + 12]);
    let read = judge(&query(), &answer(0, [2, 0, 0], &[good, alias].concat())).unwrap();
    assert_eq!(
        (read.fault, read.records[1].value.as_str()),
        (None, "\\# 2 c039")
    );
}

#[test]
fn a_truncated_answer_may_end_anywhere() {
    let mut message = answer(0, [5, 0, 0], &record(1, 1, 60, &[192, 0, 2, 7]));
    message[2] |= 0x02;
    let read = judge(&query(), &message).unwrap();
    assert!(read.flags.tc);
    assert_eq!((read.fault, read.records.len()), (None, 1));
}

#[test]
fn a_huge_answer_is_kept_within_bounds() {
    let records: Vec<u8> = (0..1000)
        .flat_map(|_| record(1, 1, 60, &[192, 0, 2, 7]))
        .collect();
    let read = judge(&query(), &answer(0, [1000, 0, 0], &records)).unwrap();
    assert_eq!(
        (read.records.len(), read.omitted, read.fault),
        (RECORD_LIMIT, 744, None)
    );
    let long = record(10, 1, 60, &vec![0xab; 30_000]);
    let read = judge(
        &query(),
        &answer(0, [2, 0, 0], &[long.clone(), long].concat()),
    )
    .unwrap();
    assert_eq!((read.records.len(), read.omitted), (1, 1));
}

/// Every record's owner leads down a ladder of four thousand pointers: legal, and about the dearest message there is,
/// since a longer ladder would use up the text that is shown.
#[test]
fn a_ladder_of_pointers_costs_no_more_than_its_bound() {
    let start = HEADER + 17;
    let mut ladder = Vec::new();
    let mut last = 12;
    while ladder.len() < 8000 {
        let here = start + 12 + ladder.len();
        ladder.extend_from_slice(&u16::try_from(0xc000 | last).unwrap().to_be_bytes());
        last = here;
    }
    let mut tail = record(10, 1, 0, &ladder);
    let mut count = 1;
    while tail.len() < 60_000 {
        tail.extend_from_slice(&u16::try_from(0xc000 | last).unwrap().to_be_bytes());
        tail.extend_from_slice(b"\0\x01\0\x01\0\0\0\0\0\x04\xc0\0\x02\x01");
        count += 1;
    }
    let begun = monotonic_ns();
    let read = judge(&query(), &answer(0, [count, 0, 0], &tail)).unwrap();
    let taken = Duration::from_nanos(monotonic_ns() - begun);
    assert_eq!((read.fault, read.records.len()), (None, RECORD_LIMIT));
    assert_eq!(read.records[RECORD_LIMIT - 1].name, "WWW.example");
    assert!(taken < Duration::from_secs(2), "{taken:?}");
}

proptest! {
    #[test]
    fn any_bytes_are_judged_within_bounds(tail in proptest::collection::vec(any::<u8>(), 0..700), counts in any::<[u16; 3]>(), rcode in 0..16_u8) {
        let message = answer(rcode, counts, &tail);
        let read = judge(&query(), &message).unwrap();
        prop_assert!(read.records.len() <= RECORD_LIMIT);
        for record in &read.records {
            prop_assert!(record.value.chars().chain(record.name.chars()).all(|c| c == ' ' || c.is_ascii_graphic()));
        }
        let _ = judge(&query(), &tail);
        let _ = judge(&tail, &message);
    }

    /// A whole answer is read to the same records by a library that shares only names with this module.
    #[test]
    fn records_agree_with_another_library(addresses in proptest::collection::vec((any::<[u8; 4]>(), 0..0x7fff_ffff_u32), 0..20)) {
        let tail: Vec<u8> = addresses.iter().flat_map(|(address, ttl)| record(1, 1, *ttl, address)).collect();
        let message = answer(0, [u16::try_from(addresses.len()).unwrap(), 0, 0], &tail);
        let ours = judge(&query(), &message).unwrap();
        let theirs = Message::from_vec(&message).unwrap();
        prop_assert_eq!(ours.records.len(), theirs.answers.len());
        for (our, their) in ours.records.iter().zip(&theirs.answers) {
            prop_assert_eq!(&our.value, &their.data.to_string());
            prop_assert_eq!(our.ttl_s, their.ttl);
        }
    }

    /// Bytes spoilt anywhere in a whole answer.
    #[test]
    fn spoilt_answers_are_survived(at in 0..120_usize, byte in any::<u8>()) {
        let tail = [
            record(6, 1, 1, b"\x01a\xc0\x0c\xc0\x0c\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05"),
            record(65, 1, 1, b"\0\x01\0\0\x01\0\x03\x02h2\0\x04\0\x04\xc0\0\x02\x01"),
            record(16, 1, 1, b"\x03abc"),
        ].concat();
        let mut message = answer(0, [3, 0, 0], &tail);
        let at = at % message.len();
        message[at] = byte;
        let _ = judge(&query(), &message);
    }
}
