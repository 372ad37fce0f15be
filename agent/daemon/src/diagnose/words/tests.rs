#![allow(clippy::unwrap_used)]

use super::super::finding::FindingCode;
use super::*;

fn values() -> Values {
    Values::new()
        .number("rtt_us", Some(14_320_u64))
        .number("near_us", Some(31_u64))
        .number("down_kbps", Some(43_210_u64))
        .number("up_kbps", Some(640_u64))
        .number("loss_ppm", Some(25_000_u64))
        .number("percent", Some(43_u64))
        .number("signal_dbm", Some(-78_i32))
        .number("mtu_bytes", Some(1492_u32))
        .number("added_us", Some(-3_100_i64))
        .flag("up", Some(true))
        .text("direction", Some("down"))
        .text("host", Some("c.example"))
}

#[test]
fn values_stand_in_their_units() {
    for (sentence, text) in [
        ("{rtt_us}", "14 ms"),
        ("{added_us}", "-3.1 ms"),
        ("{near_us}", "< 0.1 ms"),
        ("{down_kbps} and {up_kbps}", "43 Mbit/s and 640 kbit/s"),
        ("{loss_ppm} lost", "2.5 % lost"),
        ("{percent}", "43 %"),
        ("{signal_dbm}", "-78 dBm"),
        ("{mtu_bytes}", "1492 bytes"),
        ("on: {up}", "on: yes"),
        ("{direction}s", "downloads"),
        (
            "[{missing}][, {host}][ and {rtt_us}].",
            "c.example and 14 ms.",
        ),
        ("as known[ ({missing})].", "as known."),
        ("{missing}", ""),
    ] {
        assert_eq!(fill(sentence, &values()), text, "{sentence}");
    }
}

#[test]
fn every_finding_has_words_of_its_own() {
    let mut headings: Vec<&str> = Vec::new();
    for &code in FindingCode::ALL {
        let words = finding(code);
        assert!(
            words.heading.len() > 10 && words.heading.ends_with('.'),
            "{code:?}"
        );
        assert!(
            !headings.contains(&words.heading),
            "{code:?}: {}",
            words.heading
        );
        headings.push(words.heading);
        // Brackets and braces close, and none stands in another.
        for text in [words.heading, words.advice, words.tell] {
            let mut open = None;
            for c in text.chars().filter(|c| "[]{}".contains(*c)) {
                open = match (open, c) {
                    (None, '[') | (Some('g'), '}') => Some('['),
                    (None, '{') => Some('{'),
                    (Some('['), ']') | (Some('{'), '}') => None,
                    (Some('['), '{') => Some('g'),
                    other => panic!("{code:?}: {text}: {other:?}"),
                };
            }
            assert_eq!(open, None, "{code:?}: {text}");
        }
    }
}

#[test]
fn every_step_has_words_and_says_why_it_was_left_out() {
    for &step in Kind::ALL.iter().flat_map(|kind| kind.steps()) {
        assert!(!title(step).is_empty() && !method(step).is_empty());
    }
    let values = Values::new()
        .text("reason", Some("not_configured"))
        .text("option", Some("diagnose.page_url"));
    assert_eq!(
        seen(C::Page, State::Skipped, &values),
        "not looked at: set diagnose.page_url in the settings"
    );
    let values = Values::new()
        .text("ipv6", Some("2001:db8::1"))
        .text("protocol", Some("dhcp"));
    assert_eq!(
        seen(C::Address, State::Good, &values),
        "IPv6 2001:db8::1, by dhcp"
    );
}
