//! No bytes of a request break the server, and no edit leaves what is not valid.
//!
//! These take more than a second in an unoptimised build: they are hundreds of whole requests.

use super::*;
use crate::query::{Purpose, Query};
use glimpse_yang::validate::{Check, validate};
use proptest::prelude::*;
use std::sync::LazyLock;

static WORLD: LazyLock<World> = LazyLock::new(World::new);

fn method() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "BREW",
    ])
}

/// Paths that are nearly right, and then some.
fn path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/",
        "restconf",
        "data",
        "operations",
        "streams",
        "yang",
        "ietf-lmap-control:lmap",
        "events",
        "event",
        "=",
        "E1",
        "%2F",
        "%",
        "%zz",
        ",",
        ":",
        "schedules/schedule=S1/action=A2/option",
        "=one",
        "agent",
        "?",
        "depth=1",
        "&",
        "fields=",
        "a(b;c)/d",
        "content=config",
        "insert=first",
        "point=",
        "with-defaults=trim",
        "ü",
        "..",
        "ietf-netconf-acm:nacm",
        "capabilities",
        "ietf-lmap-report:report",
        "NETCONF/json",
        "filter=",
        "\u{0}",
    ]);
    let noise = "\\PC{0,12}";
    prop_oneof![
        prop::collection::vec(piece.clone(), 0..12)
            .prop_map(|pieces| format!("/{}", pieces.concat())),
        (prop::collection::vec(piece, 0..6), noise)
            .prop_map(|(pieces, noise)| format!("{L}/{}{noise}", pieces.concat())),
        any::<String>(),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let near = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"ietf-lmap-control:event\"",
        "\"name\"",
        "\"E1\"",
        "null",
        "1",
        "<event",
        " xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-control\"",
        ">",
        "</event>",
        "<name>",
        "</name>",
        "&lt;",
        "\"ietf-yang-patch:yang-patch\"",
        "\"edit\"",
        "\"ietf-lmap-control:agent\":{\"group-id\":\"x\"}",
        "\\u0000",
    ]);
    prop_oneof![
        prop::collection::vec(near, 0..20).prop_map(|pieces| pieces.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..60),
    ]
}

fn media() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(JSON.to_owned()),
        Just(XML.to_owned()),
        Just("application/yang-patch+json".to_owned()),
        Just("application/yang-patch+xml".to_owned()),
        "\\PC{0,20}",
    ]
}

/// An edit that may do something.
fn edit() -> impl Strategy<Value = (&'static str, String, String)> {
    let name = prop::sample::select(vec!["E1", "a/b", "N", "M"]);
    let kind = prop::sample::select(vec![
        r#""startup":[null]"#,
        r#""immediate":[null]"#,
        r#""periodic":{"interval":9}"#,
        r#""random-spread":4"#,
    ]);
    let method = prop::sample::select(vec!["PUT", "PATCH", "DELETE", "POST"]);
    (method, name, kind).prop_map(|(method, name, kind)| {
        let body = format!(r#"{{"ietf-lmap-control:event":[{{"name":"{name}",{kind}}}]}}"#);
        let path = match method {
            "POST" => format!("{L}/events"),
            _ => format!("{L}/events/event={}", name.replace('/', "%2F")),
        };
        (method, path, body)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_request_breaks_the_server(
        method in method(),
        path in path(),
        content in media(),
        accept in media(),
        tag in "\\PC{0,20}",
        body in body(),
    ) {
        let world = &*WORLD;
        let mut call = Call::new(method, &path)
            .header("content-type", &content)
            .header("accept", &accept)
            .header("if-match", &tag)
            .header("if-modified-since", &tag);
        call.body = body;
        match world.plan(&call) {
            Plan::Reply(finished) => {
                prop_assert!((200..600).contains(&finished.response.status));
                prop_assert!(finished.response.status < 500, "{:?}", finished);
            }
            Plan::Commit(commit) => {
                prop_assert_eq!(validate(&commit.tree, Check::Configuration, None), vec![]);
            }
            Plan::Invoke(_) | Plan::Stream(_) => {}
        }
    }

    #[test]
    fn no_query_breaks_its_reader(text in "\\PC{0,60}", fields in "[a-c:;()/]{0,40}") {
        for purpose in [Purpose::Api, Purpose::Data, Purpose::Edit, Purpose::Stream] {
            let _ = Query::parse(Some(&text), purpose);
        }
        let _ = Query::parse(Some(&format!("fields={fields}")), Purpose::Data);
        let _ = crate::filter::Filter::parse(&text);
        let _ = crate::cert_to_name::Fingerprint::parse(&text);
        let _ = Marks::from_text(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn tags_move_exactly_when_configuration_does(edits in prop::collection::vec(edit(), 1..8)) {
        let mut world = World::new();
        let mut time = 0;
        for (method, path, body) in edits {
            time += 1;
            let before = world.running.clone();
            let (tag, commits) = (world.tag(D), world.commits);
            let call = Call::new(method, &path).at(time);
            let call = if method == "DELETE" { call } else { call.json(&body) };
            let response = world.send(call);
            let changed = !glimpse_yang::diff::diff(&before, &world.running).is_empty();
            prop_assert_eq!(changed, world.tag(D) != tag);
            prop_assert_eq!(changed, world.commits != commits);
            prop_assert!(response.status < 300 || !changed);
            prop_assert_eq!(validate(&world.running, Check::Configuration, None), vec![]);
            // What is around a change is as young as the change.
            let date = |world: &mut World, path: &str| world.get(path).header("Last-Modified").map(str::to_owned);
            if changed {
                let now = crate::date::http_date(NOW / 1_000_000 + time);
                prop_assert_eq!(date(&mut world, D), Some(now.clone()));
                prop_assert_eq!(date(&mut world, &format!("{L}/events")), Some(now));
            }
        }
    }
}
