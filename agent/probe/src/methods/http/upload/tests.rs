#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::super::head::Framing;
use super::*;

#[test]
fn what_servers_say_they_received_is_read() {
    assert_eq!(received(br#"{"ok": true, "bytes": 7}"#), Some(7));
    assert_eq!(received(br#"{"bytes": 7, "received_bytes": 8}"#), Some(8));
    for text in [
        "",
        "7",
        "[]",
        r#"{"bytes": "7"}"#,
        r#"{"bytes": -7}"#,
        "<html>",
    ] {
        assert_eq!(received(text.as_bytes()), None, "{text}");
    }
}

proptest! {
    #[test]
    fn wherever_the_sending_stops_the_chunks_end_well(steps in proptest::collection::vec(1..300_000_usize, 1..20)) {
        let content = Content::new(7);
        let mut sending = Sending::default();
        let mut out = Vec::new();
        for step in steps {
            let next = sending.next(&content);
            let part = &next[..next.len().min(step)];
            out.extend_from_slice(part);
            sending.sent += part.len() as u64;
        }
        out.extend_from_slice(sending.rest_of_chunk(&content));
        out.extend_from_slice(b"0\r\n\r\n");
        let mut body = Body::new(Framing::Chunked);
        prop_assert_eq!(body.take(&out, |_| ()), Ok(out.len()));
        prop_assert!(body.is_done());
        prop_assert_eq!(body.received() % CHUNK as u64, 0);
    }

    #[test]
    fn a_body_of_a_length_has_that_length(length in 1..2_000_000_u64, step in 1..300_000_usize) {
        let content = Content::new(7);
        let mut sending = Sending { announced: Some(length), sent: 0 };
        loop {
            let next = sending.next(&content);
            if next.is_empty() {
                break;
            }
            sending.sent += next.len().min(step) as u64;
        }
        prop_assert_eq!(sending.sent, length);
    }
}
