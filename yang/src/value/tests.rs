#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::sample::SCHEMA;
use crate::schema::Kind;

/// A leaf by the names on the way to it.
fn leaf(names: &[&str]) -> NodeId {
    names.iter().fold(NodeId::NONE, |parent, name| {
        let (module, local) = name
            .split_once(':')
            .map_or((None, *name), |(module, local)| (Some(module), local));
        if parent == NodeId::NONE
            && let Some(structure) = SCHEMA.structure(module.unwrap_or_default(), local)
        {
            return structure;
        }
        SCHEMA.child(parent, module, local).unwrap()
    })
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn canonical_forms() {
    const LMAP: &str = "ietf-lmap-control:lmap";
    const NACM: &str = "ietf-netconf-acm:nacm";
    for (names, text, wanted) in [
        (
            &[LMAP, "agent", "controller-timeout"][..],
            " +007 ",
            Some("7"),
        ),
        (&[LMAP, "agent", "controller-timeout"], "-0", Some("0")),
        (&[LMAP, "agent", "controller-timeout"], "4294967296", None),
        (&[LMAP, "agent", "controller-timeout"], "0x10", None),
        (&[LMAP, "agent", "report-agent-id"], "true", Some("true")),
        (&[LMAP, "agent", "report-agent-id"], "1", None),
        (
            &[LMAP, "agent", "last-started"],
            "2020-06-01T10:00:00.120+05:30",
            Some("2020-06-01T04:30:00.120+00:00"),
        ),
        (
            &[LMAP, "agent", "last-started"],
            "2020-06-01T10:00:00-00:00",
            Some("2020-06-01T10:00:00-00:00"),
        ),
        (
            &[LMAP, "agent", "last-started"],
            "2016-12-31T23:59:60Z",
            Some("2017-01-01T00:00:00+00:00"),
        ),
        (
            &[LMAP, "agent", "last-started"],
            "2023-02-29T00:00:00Z",
            None,
        ),
        (
            &[LMAP, "agent", "last-started"],
            "2023-02-28T24:00:00Z",
            None,
        ),
        (
            &[LMAP, "agent", "last-started"],
            "2023-02-28T00:00:00+24:00",
            None,
        ),
        (
            &[LMAP, "agent", "last-started"],
            "2023-02-28 00:00:00Z",
            None,
        ),
        (&[LMAP, "events", "event", "name"], "", None),
        (
            &[LMAP, "events", "event", "name"],
            "../ü 'x'",
            Some("../ü 'x'"),
        ),
        (&[LMAP, "events", "event", "name"], "a\u{7}", None),
        (&[LMAP, "events", "event", "name"], "a\u{fffe}", None),
        (
            &[LMAP, "events", "event", "calendar", "hour"],
            "23",
            Some("23"),
        ),
        (&[LMAP, "events", "event", "calendar", "hour"], "24", None),
        (
            &[LMAP, "events", "event", "calendar", "hour"],
            "*",
            Some("*"),
        ),
        (
            &[LMAP, "events", "event", "calendar", "month"],
            "may",
            Some("may"),
        ),
        (&[LMAP, "events", "event", "immediate"], "", Some("")),
        (&[LMAP, "events", "event", "immediate"], "x", None),
        (&[LMAP, "schedules", "schedule", "start"], "", None),
        (
            &[LMAP, "schedules", "schedule", "storage"],
            "18446744073709551615",
            Some("18446744073709551615"),
        ),
        (
            &[LMAP, "schedules", "schedule", "storage"],
            "18446744073709551616",
            None,
        ),
        (
            &[NACM, "rule-list", "rule", "access-operations"],
            "exec  create",
            Some("create exec"),
        ),
        (
            &[NACM, "rule-list", "rule", "access-operations"],
            "exec exec",
            None,
        ),
        (
            &[NACM, "rule-list", "rule", "access-operations"],
            "*",
            Some("*"),
        ),
        (
            &[NACM, "rule-list", "rule", "path"],
            "/ietf-lmap-control:lmap/ietf-lmap-control:tasks/task[name='a:b/c']",
            Some("/ietf-lmap-control:lmap/tasks/task[name='a:b/c']"),
        ),
        (&[NACM, "rule-list", "rule", "path"], "/nope:lmap", None),
        (
            &["ietf-yang-library:yang-library", "datastore", "name"],
            "ietf-datastores:running",
            Some("ietf-datastores:running"),
        ),
        (
            &["ietf-yang-library:yang-library", "datastore", "name"],
            "running",
            None,
        ),
        (
            &["ietf-yang-library:yang-library", "datastore", "name"],
            "ietf-datastores:datastore",
            None,
        ),
        (
            &[
                "ietf-restconf:yang-errors",
                "ietf-restconf:errors",
                "error",
                "error-path",
            ],
            "/ietf-lmap-control:lmap/ietf-lmap-control:events/event[ name = \"a'b\" ]/immediate",
            Some("/ietf-lmap-control:lmap/events/event[name=\"a'b\"]/immediate"),
        ),
        (
            &[
                "ietf-restconf:yang-errors",
                "ietf-restconf:errors",
                "error",
                "error-path",
            ],
            "/ietf-lmap-control:lmap/events/event[nome='a']",
            None,
        ),
        (
            &["glimpse-agent:agent", "doors", "listen", "address"],
            "2001:DB8:0:0::1",
            Some("2001:db8::1"),
        ),
        (
            &["glimpse-agent:agent", "doors", "listen", "address"],
            "fe80::1%eth0",
            Some("fe80::1%eth0"),
        ),
        (
            &["glimpse-agent:agent", "doors", "listen", "address"],
            "1.2.3.256",
            None,
        ),
    ] {
        let node = leaf(names);
        let found = Value::parse(SCHEMA, node, text);
        assert_eq!(
            found.as_ref().ok().map(Value::text),
            wanted,
            "{names:?} '{text}': {found:?}"
        );
    }
}

#[test]
fn numbers() {
    for (text, digits, wanted) in [
        ("3", 2, Some("3.0")),
        ("-0.50", 2, Some("-0.5")),
        ("+10.25", 2, Some("10.25")),
        ("10.255", 2, None),
        ("10.250", 2, Some("10.25")),
        (".5", 2, None),
        ("5.", 2, None),
        ("", 2, None),
        ("-", 2, None),
        ("92233720368547758.07", 2, Some("92233720368547758.07")),
        ("92233720368547758.08", 2, None),
        ("-92233720368547758.08", 2, Some("-92233720368547758.08")),
        ("-9.223372036854775808", 18, Some("-9.223372036854775808")),
        ("99999999999999999999999999999999999999999999", 1, None),
    ] {
        let found = number::decimal(text, digits).ok();
        let found = found.map(|number| number::print_decimal(number, digits));
        assert_eq!(found.as_deref(), wanted, "{text}");
    }
    for (text, wanted) in [
        ("1e1", "10"),
        ("15e-1", "1.5"),
        ("-1.50E+1", "-15"),
        ("1.0", "1.0"),
        ("0e0", "0"),
        ("1e999", "1e999"),
        ("5e-3", "5e-3"),
    ] {
        assert_eq!(number::plain(text), wanted);
    }
}

#[test]
fn prefixes_and_binaries() {
    for (text, wanted) in [
        ("192.0.2.129/25", Some("192.0.2.128/25")),
        ("10.1.2.3/0", Some("0.0.0.0/0")),
        ("2001:db8::ff/120", Some("2001:db8::/120")),
        ("::1/129", None),
        ("1.2.3.4/33", None),
    ] {
        assert_eq!(address::canonical(text).ok().as_deref(), wanted);
    }
    for (text, bytes) in [
        ("", Some(0)),
        ("QQ==", Some(1)),
        ("QU\nJD", Some(3)),
        ("QQ=", None),
        ("Q===", None),
        ("Q-==", None),
    ] {
        assert_eq!(binary(text).ok().map(|(_, bytes)| bytes), bytes, "{text}");
    }
}

#[test]
fn names_in_expressions() {
    let node = leaf(&["ietf-netconf-acm:nacm", "rule-list", "rule", "path"]);
    let context = Context::modules(SCHEMA, node);
    let text = "/ietf-lmap-control:lmap/schedules[count(schedule) > 2 and name='x:y']/ietf-netconf-acm:a | //ietf-lmap-control:b/c";
    let canonical = xpath::to_modules(&context, text).unwrap();
    assert_eq!(canonical, text);
    let printed = xpath::to_prefixes(SCHEMA, &canonical, &mut |module| {
        SCHEMA.text(SCHEMA.module(module).prefix).to_owned()
    });
    assert_eq!(
        printed,
        "/lmapc:lmap/lmapc:schedules[count(lmapc:schedule) > 2 and lmapc:name='x:y']/nacm:a | //lmapc:b/lmapc:c"
    );
    // Variables have no prefix.
    let text = "/ietf-lmap-control:lmap/tasks/task[name=$USER]/tag[.=$x or $y]";
    let canonical = xpath::to_modules(&context, text).unwrap();
    assert_eq!(canonical, text);
    let printed = xpath::to_prefixes(SCHEMA, &canonical, &mut |_| "p".to_owned());
    assert_eq!(
        printed,
        "/p:lmap/p:tasks/p:task[p:name=$USER]/p:tag[.=$x or $y]"
    );
}

proptest! {
    #[test]
    fn canonical_text_is_its_own(node in 0..SCHEMA.nodes.len(), text in "[a-z0-9:./+TZ*' -]{0,24}") {
        let node = NodeId(u16::try_from(node).unwrap());
        if matches!(SCHEMA.node(node).kind, Kind::Leaf | Kind::LeafList)
            && let Ok(value) = Value::parse(SCHEMA, node, &text)
        {
            prop_assert_eq!(Value::parse(SCHEMA, node, value.text()), Ok(value));
        }
    }

    #[test]
    fn offsets_are_taken_off(seconds in 0..86_400_i64, offset in -1439..1440_i64) {
        let sign = if offset < 0 { '-' } else { '+' };
        let text = format!(
            "2024-02-29T{:02}:{:02}:{:02}{sign}{:02}:{:02}",
            seconds / 3600, seconds / 60 % 60, seconds % 60, offset.abs() / 60, offset.abs() % 60
        );
        let canonical = date::canonical(&text).unwrap();
        let day: i64 = canonical[8..10].parse().unwrap();
        let month: i64 = canonical[5..7].parse().unwrap();
        let day = if month == 3 { day } else { day - 29 };
        let hour: i64 = canonical[11..13].parse().unwrap();
        let minute: i64 = canonical[14..16].parse().unwrap();
        let second: i64 = canonical[17..19].parse().unwrap();
        let found = ((day * 24 + hour) * 60 + minute) * 60 + second;
        prop_assert_eq!(found, seconds - offset * 60);
    }
}
