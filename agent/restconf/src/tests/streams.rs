//! Event streams, their frames and filters.

use super::*;
use crate::filter::Filter;
use crate::stream::{HEARTBEAT, Stream, event};
use serde_json::json;

const HOUR: i64 = 3_600_000_000;

fn streaming(replay: bool) -> World {
    World::of(
        &AGENT,
        vec![Offer {
            name: "NETCONF".to_owned(),
            description: "all of them".to_owned(),
            replay_from: replay.then_some(NOW - HOUR),
        }],
    )
}

fn open(world: &World, call: &Call) -> Stream {
    match world.plan(call) {
        Plan::Stream(stream) => *stream,
        other => panic!("{other:?}"),
    }
}

fn notification() -> Tree {
    let text = r#"{"ietf-restconf:notification":{"eventTime":"2026-09-21T10:00:00Z",
        "ietf-yang-library:yang-library-update":{"content-id":"0123"}}}"#;
    let reader = Reader::new(&AGENT, Encoding::Json);
    reader.notification(text.as_bytes()).unwrap().1
}

#[test]
fn frames_have_data_on_every_line() {
    assert_eq!(event("a\nb\n"), "data: a\ndata: b\ndata: \n\n");
    assert!(HEARTBEAT.starts_with(':') && HEARTBEAT.ends_with("\n\n"));
    let world = streaming(false);
    for (encoding, begins) in [
        (
            "json",
            r#"{"ietf-restconf:notification":{"eventTime":"2026-09-21T14:13:20Z","ietf-yang-library:yang-library-update":{"#,
        ),
        (
            "xml",
            r#"<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"><eventTime>2026-09-21T14:13:20Z</eventTime><yang-library-update xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-library">"#,
        ),
    ] {
        let call = Call::new("GET", &format!("/restconf/streams/NETCONF/{encoding}"));
        let stream = open(&world, &call.accept("text/event-stream"));
        assert_eq!(
            stream.response.header("content-type"),
            Some("text/event-stream")
        );
        assert_eq!(stream.response.header("cache-control"), Some("no-cache"));
        let mut denied = Counters::default();
        let frame = stream.frame(NOW, &notification(), &mut denied).unwrap();
        assert!(frame.ends_with("\n\n"));
        let lines: Vec<_> = frame.trim_end().lines().collect();
        assert!(
            lines.iter().all(|line| line.starts_with("data: ")),
            "{frame}"
        );
        let joined: String = lines.iter().map(|line| &line[6..]).collect();
        assert!(joined.starts_with(begins), "{joined}");
    }
}

#[test]
fn streams_are_listed_with_their_places() {
    let mut world = streaming(true);
    let state = format!("{D}/ietf-restconf-monitoring:restconf-state");
    let body = world.json(&format!("{state}/streams/stream=NETCONF"));
    let stream = &body["ietf-restconf-monitoring:stream"][0];
    assert_eq!(stream["replay-support"], true);
    let from = stream["replay-log-creation-time"].as_str().unwrap();
    let from = crate::date::parse_date_and_time(from);
    assert_eq!(from, Some(NOW - HOUR));
    let place = "https://agent.example:8443/restconf/streams/NETCONF/json";
    assert_eq!(
        stream["access"][0],
        json!({"encoding": "json", "location": place})
    );
    let body = world.json(&format!("{state}/capabilities"));
    let list = body.to_string();
    assert!(list.contains("capability:filter:1.0") && list.contains("capability:replay:1.0"));
}

#[test]
fn a_stream_is_opened_by_get_with_parameters_that_fit() {
    let mut world = streaming(false);
    let path = "/restconf/streams/NETCONF/json";
    fails(
        &world.send(Call::new("GET", path).accept(JSON)),
        406,
        "invalid-value",
    );
    fails(
        &world.send(Call::new("POST", path).json("{}")),
        405,
        "operation-not-supported",
    );
    for query in [
        "start-time=2026-09-21T10:00:00Z",
        "stop-time=2026-09-21T10:00:00Z",
        "filter=count(/a)",
        "depth=1",
    ] {
        fails(&world.get(&format!("{path}?{query}")), 400, "invalid-value");
    }
    let replaying = streaming(true);
    let mut world = streaming(true);
    for query in [
        "start-time=2026-09-21T10:00:00Z&stop-time=2026-09-21T10:00:00Z",
        "start-time=2027-09-21T10:00:00Z",
        "start-time=yesterday",
    ] {
        fails(&world.get(&format!("{path}?{query}")), 400, "invalid-value");
    }
    let query = "start-time=2026-09-21T14:00:00Z&stop-time=2026-09-21T16:13:20%2B02:00";
    let stream = open(&replaying, &Call::new("GET", &format!("{path}?{query}")));
    assert_eq!(stream.start, Some(NOW - 800_000_000));
    assert_eq!(stream.stop, Some(NOW));
    let mut denied = Counters::default();
    assert!(stream.frame(NOW, &notification(), &mut denied).is_some());
    assert!(
        stream
            .frame(NOW + 1, &notification(), &mut denied)
            .is_none()
    );
    assert!(
        stream
            .frame(NOW - 900_000_000, &notification(), &mut denied)
            .is_none()
    );
    assert!(!stream.ended(NOW) && stream.ended(NOW + 1));
    assert_eq!(world.send(Call::new("HEAD", path)).status, 200);
}

#[test]
fn who_may_not_see_a_notification_gets_none() {
    let mut world = streaming(false);
    let deny = r#"{"ietf-restconf:data":{"ietf-netconf-acm:nacm":{"groups":{"group":[{"name":"deaf","user-name":["dave"]}]},
        "rule-list":[{"name":"n","group":["deaf"],"rule":[{"name":"1","notification-name":"yang-library-update","action":"deny"}]}]}}}"#;
    assert_eq!(world.send(Call::new("PATCH", D).json(deny)).status, 204);
    let call = Call::new("GET", "/restconf/streams/NETCONF/json");
    let mut denied = Counters::default();
    let deaf = open(&world, &call.clone().user("dave"));
    assert_eq!(deaf.frame(NOW, &notification(), &mut denied), None);
    assert_eq!(denied.notifications, 1);
    let all = open(&world, &call);
    assert!(all.frame(NOW, &notification(), &mut denied).is_some());
}

#[test]
fn filters_of_the_simple_shapes_are_understood() {
    let tree = notification();
    for (text, passes) in [
        ("/ietf-yang-library:yang-library-update", true),
        ("/yang-library-update", true),
        ("/ietf-yang-library:yang-library-change", false),
        ("/other:yang-library-update", false),
        ("/ietf-yang-library:yang-library-update/content-id", true),
        (
            "/ietf-yang-library:yang-library-update/content-id = '0123'",
            true,
        ),
        (
            "/ietf-yang-library:yang-library-update/content-id='x'",
            false,
        ),
        (
            "/ietf-yang-library:yang-library-update/content-id != \"x\"",
            true,
        ),
        (
            "/ietf-yang-library:yang-library-update[content-id='0123']",
            true,
        ),
        (
            "/ietf-yang-library:yang-library-update[content-id='x']",
            false,
        ),
        ("/a or /yang-library-update", true),
        ("/a and /yang-library-update", false),
        ("not(/a) and (/b or /yang-library-update)", true),
        // The shapes of RFC 8040 App. B.3.6.
        ("/yang-library-update/content-id<=123", true),
        ("/yang-library-update/content-id < 123", false),
        ("/yang-library-update/content-id >= 122.999", true),
        ("/yang-library-update/content-id>'123'", false),
        ("/yang-library-update/content-id=123.0", true),
        ("/yang-library-update/content-id!=123", false),
        ("/yang-library-update/content-id!=-123", true),
        ("/linkUp|/yang-library-update", true),
        ("/linkUp | /linkDown", false),
        ("/linkUp/content-id|/*/content-id = '0123'", true),
        ("/*/content-id!='Ethernet0'", true),
        ("/*/content-id[contains(.,'12')]", true),
        ("/*/content-id[contains(., 'company.com')]", false),
        ("starts-with(/*/content-id, '01')", true),
        ("starts-with(/*/content-id, '12')", false),
        ("contains(/*/nothing, '')", true),
        ("contains(/*/nothing, '0')", false),
        (
            "(/ietf-yang-library:yang-library-update/content-id='0123' and /ietf-yang-library:yang-library-update/content-id='1')",
            false,
        ),
        ("(/m1:* or /ietf-yang-library:*)", true),
        ("(/m1:* or /m2:*)", false),
        // The context is the root.
        ("./yang-library-update/content-id", true),
        ("*[not(content-id = '1') and (content-id or nothing)]", true),
        ("*[content-id[. = '0123']]", true),
        ("*[./content-id = '0124']", false),
    ] {
        let filter = Filter::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(filter.passes(&tree), passes, "{text}");
    }
    let deep = format!("{}/a{}", "(".repeat(100), ")".repeat(100));
    for text in [
        "",
        "//a",
        "/a/",
        "/a or",
        "/a[b",
        "/a='x",
        "/a = b",
        "count(/a)",
        "/a |",
        "/a | count(/b)",
        "/a[/b]",
        "/a[1]",
        "/a/..",
        "/a <",
        "/a < 'x'",
        "/a = 1-",
        "/a = 123456789012345678901",
        "/a:",
        "/a::b",
        "contains(/a)",
        "contains(/a, b)",
        &deep,
    ] {
        assert_eq!(Filter::parse(text), None, "{text}");
    }
}
