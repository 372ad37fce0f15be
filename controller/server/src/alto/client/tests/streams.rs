use super::super::heaviest;
use super::super::mirror::{Change, Happening, Mirror, MirrorError, Update, changes, merge_patch};
use super::super::sse::{Event, Parser, SseError};
use super::{directories, named};
use proptest::prelude::*;
use serde_json::{Value, json};

/// RFC 8895 §8.1, with the ids of the directory.
const STREAM: &str = include_str!("stream.txt");

fn events(text: &str) -> Vec<Event> {
    Parser::new(1 << 16).feed(text.as_bytes()).unwrap()
}

fn event(name: &str, data: &Value) -> Event {
    Event {
        name: name.to_owned(),
        data: data.to_string(),
    }
}

fn mirror(ids: &[&str]) -> Mirror {
    bounded(ids, heaviest(1 << 20))
}

fn bounded(ids: &[&str], most: usize) -> Mirror {
    let found = directories();
    let resources: Vec<_> = ids
        .iter()
        .map(|id| found.choose(&named(id)).unwrap())
        .collect();
    Mirror::new(found.choose(&named("updates")).unwrap(), &resources, most)
}

fn both() -> Mirror {
    mirror(&["my-default-network-map", "numerical-routing-cost-map"])
}

fn updated(happening: Happening) -> Update {
    match happening {
        Happening::Updated(update) => update,
        other => panic!("{other:?}"),
    }
}

#[test]
fn events_are_read_as_browsers_read_them() {
    let text = "\u{feff}event:a\ndata: 1\ndata:2\n\n: comment\nid: 7\nretry: 5\nevent: lost\n\ndata\n\ndata:  x\r\ndata: y\r\revent: b\n\ndata: cut";
    let named = |name: &str, data: &str| Event {
        name: name.into(),
        data: data.into(),
    };
    assert_eq!(
        events(text),
        [named("a", "1\n2"), named("", ""), named("", " x\ny")]
    );
}

#[test]
fn an_event_without_an_end_is_bounded() {
    let mut parser = Parser::new(100);
    for _ in 0..9 {
        assert_eq!(parser.feed(b"data: 456\n"), Ok(Vec::new()));
    }
    // Nine lines hold 3 bytes each and 8 line ends between them.
    assert_eq!(parser.feed(&[b'x'; 66]), Err(SseError::TooLong(100)));
    assert_eq!(
        Parser::new(100).feed(b"data: \xff\n"),
        Err(SseError::Encoding)
    );
}

#[test]
fn the_stream_of_rfc_8895_is_followed() {
    let mut mirror = both();
    assert_eq!(
        mirror.request(),
        json!({"add": {
            // JSON patches may come for it, and are not understood.
            "s0": {"resource-id": "my-default-network-map", "incremental-changes": false},
            "s1": {"resource-id": "numerical-routing-cost-map"}}})
    );
    let mut happenings = events(STREAM)
        .into_iter()
        .map(|event| mirror.take(&event).unwrap());
    assert_eq!(
        happenings.next(),
        Some(Happening::Control(Some(
            "https://alto.example.com/updates/streams/3141592653589".into()
        )))
    );
    for id in ["my-default-network-map", "numerical-routing-cost-map"] {
        let first = updated(happenings.next().unwrap());
        assert_eq!(
            (first.resource_id.as_str(), first.is_first, first.is_patch),
            (id, true, false)
        );
    }
    let patched = updated(happenings.next().unwrap());
    assert_eq!(happenings.next(), None);
    let told: Vec<String> = patched
        .changes
        .iter()
        .map(
            |Change {
                 path,
                 before,
                 after,
             }| format!("{} {before:?} {after:?}", path.join("/")),
        )
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].starts_with("PID1/PID2 Some(Number(5)) Some(Number(9))"),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("PID3/PID1 Some(Number(20)) None"),
        "{told:?}"
    );
    assert!(
        told[2].starts_with("PID3/PID3 None Some(Number(1))"),
        "{told:?}"
    );
    assert!(patched.is_patch && !patched.is_first);
    assert_eq!(
        patched.versions.dependencies.len(),
        1,
        "a patch keeps what it does not name"
    );
    let map = &mirror.document("numerical-routing-cost-map").unwrap()["cost-map"];
    assert_eq!(
        map,
        &json!({"PID1": {"PID1": 1, "PID2": 9, "PID3": 10}, "PID2": {"PID1": 5, "PID2": 1, "PID3": 15}, "PID3": {"PID2": 15, "PID3": 1}})
    );
    // After a lost connection it goes on from here.
    let again = mirror.request();
    assert_eq!(
        again["add"]["s1"]["tag"],
        "c0ce023b8678a7b9ec00324673b98e54"
    );
    assert_eq!(
        again["add"]["s0"]["tag"],
        "da65eca2eb7a10ce8b059740b0b2e3f8"
    );
    mirror.clear();
    assert_eq!(mirror.request(), both().request());
}

fn followed() -> Mirror {
    let mut mirror = both();
    for event in events(STREAM) {
        mirror.take(&event).unwrap();
    }
    mirror
}

fn cost_map(tag: &str, of_map: &str, cost: u32) -> Value {
    json!({"meta": {"dependent-vtags": [{"resource-id": "my-default-network-map", "tag": of_map}],
        "vtag": {"resource-id": "numerical-routing-cost-map", "tag": tag}}, "cost-map": {"PID1": {"PID2": cost}}})
}

#[test]
fn alto_trap_8895_changed_data_with_an_old_tag_are_refused() {
    let mut mirror = followed();
    let old = "c0ce023b8678a7b9ec00324673b98e54";
    let name = "application/alto-costmap+json,s1";
    let refused = mirror.take(&event(
        name,
        &cost_map(old, "da65eca2eb7a10ce8b059740b0b2e3f8", 7),
    ));
    assert_eq!(
        refused,
        Err(MirrorError::TagKept("numerical-routing-cost-map".into()))
    );
    let patch = json!({"cost-map": {"PID1": {"PID2": 7}}});
    let refused = mirror.take(&event("application/merge-patch+json,s1", &patch));
    assert_eq!(
        refused,
        Err(MirrorError::TagKept("numerical-routing-cost-map".into()))
    );
    assert_eq!(
        mirror.document("numerical-routing-cost-map").unwrap()["cost-map"]["PID1"]["PID2"],
        9,
        "what was refused is not kept"
    );
    let patch = json!({"meta": {"vtag": null}});
    let refused = mirror.take(&event("application/merge-patch+json,s1", &patch));
    assert_eq!(
        refused,
        Err(MirrorError::NoTag("numerical-routing-cost-map".into()))
    );
    let again = cost_map("new", "da65eca2eb7a10ce8b059740b0b2e3f8", 7);
    assert!(
        !updated(mirror.take(&event(name, &again)).unwrap())
            .changes
            .is_empty()
    );
    let again = updated(mirror.take(&event(name, &again)).unwrap());
    assert!(
        again.changes.is_empty() && !again.is_news,
        "no fault, and no news"
    );
}

#[test]
fn alto_trap_8895_a_cost_map_of_another_network_map_is_refused() {
    let mut mirror = followed();
    let name = "application/alto-costmap+json,s1";
    let refused = mirror
        .take(&event(name, &cost_map("new", "other", 7)))
        .unwrap_err();
    assert!(
        matches!(&refused, MirrorError::Dependency { wanted, sent, .. } if wanted == "other" && sent.starts_with("da65"))
    );
    let map = json!({"meta": {"vtag": {"resource-id": "my-default-network-map", "tag": "other"}}, "network-map": {}});
    mirror
        .take(&event("application/alto-networkmap+json,s0", &map))
        .unwrap();
    mirror
        .take(&event(name, &cost_map("new", "other", 7)))
        .unwrap();
}

/// A server may send patches for ever: what they add up to is bounded, and so is each of them.
#[test]
fn copies_that_grow_without_an_end_are_refused() {
    const MOST: usize = 20_000;
    const MAP: &str = "application/alto-networkmap+json,s0";
    const PATCH: &str = "application/merge-patch+json,s0";
    let map = |tag: String, pids: Value| json!({"meta": {"vtag": {"resource-id": "my-default-network-map", "tag": tag}}, "network-map": pids});
    let mut mirror = bounded(&["my-default-network-map"], MOST);
    mirror
        .take(&event(MAP, &map("0".into(), json!({"a": {}}))))
        .unwrap();
    // Patches that only replace may come as often as they like.
    for n in 1..100 {
        let patch = map(n.to_string(), json!({"a": {"ipv4": [n.to_string()]}}));
        mirror.take(&event(PATCH, &patch)).unwrap();
    }
    let grown = (0..100).find_map(|n| {
        let patch = map(format!("x{n}"), json!({format!("p{n}"): {}}));
        mirror.take(&event(PATCH, &patch)).err()
    });
    let heavy = MirrorError::Heavy {
        id: "my-default-network-map".into(),
        most: MOST,
    };
    assert_eq!(grown, Some(heavy));
    let kept = mirror.document("my-default-network-map").unwrap();
    assert!(
        kept["network-map"].as_object().unwrap().len() > 10,
        "it is as it was"
    );
    mirror.clear();
    let anew = event(MAP, &map("y".into(), json!({"a": {}})));
    assert!(mirror.take(&anew).is_ok());
}

/// A long name with much below it is told again with each change below it.
#[test]
fn changes_are_bounded() {
    let long = "x".repeat(1000);
    let below = |value: u32| -> Value {
        let row: serde_json::Map<String, Value> =
            (0..100).map(|n| (n.to_string(), json!(value))).collect();
        json!({long.clone(): row})
    };
    assert_eq!(changes(&below(1), &below(2), 100_000), None);
    assert_eq!(changes(&below(1), &below(2), 200_000).unwrap().len(), 100);
}

#[test]
fn events_that_were_not_asked_for_are_refused() {
    let mut mirror = both();
    let map = cost_map("t", "m", 1);
    for (name, said) in [
        (
            "application/alto-costmap+json,s7",
            "no resource that was asked for",
        ),
        (
            "application/alto-costmap+json",
            "no resource that was asked for",
        ),
        (
            "application/alto-networkmap+json,s1",
            "neither the resource nor a merge patch",
        ),
        (
            "application/json-patch+json,s1",
            "neither the resource nor a merge patch",
        ),
        (
            "application/merge-patch+json,s1",
            "a patch came before the resource",
        ),
        (
            "application/alto-networkmap+json,s0",
            "network-map is missing",
        ),
    ] {
        let refused = mirror.take(&event(name, &map)).unwrap_err().to_string();
        assert!(refused.contains(said), "{name}: {refused}");
    }
    let broken = Event {
        name: "application/alto-costmap+json,s1".into(),
        data: "{".into(),
    };
    assert!(matches!(
        mirror.take(&broken),
        Err(MirrorError::Document { .. })
    ));
    let foreign = json!({"meta": {"vtag": {"resource-id": "x", "tag": "t"}}, "cost-map": {}});
    let refused = mirror.take(&event("application/alto-costmap+json,s1", &foreign));
    assert!(matches!(refused, Err(MirrorError::OtherTag { .. })));
    let stopped = event(
        "application/alto-updatestreamcontrol+json",
        &json!({"stopped": ["s1", "s9"]}),
    );
    assert_eq!(
        mirror.take(&stopped),
        Ok(Happening::Substreams {
            started: Vec::new(),
            stopped: vec!["numerical-routing-cost-map".into()]
        })
    );
}

#[test]
fn merge_patches_are_those_of_rfc_7396() {
    for (before, patch, after) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (
            json!({"a": "b"}),
            json!({"b": "c"}),
            json!({"a": "b", "b": "c"}),
        ),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (
            json!({"a": "b", "b": "c"}),
            json!({"a": null}),
            json!({"b": "c"}),
        ),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (
            json!({"a": {"b": "c"}}),
            json!({"a": {"b": "d", "c": null}}),
            json!({"a": {"b": "d"}}),
        ),
        (
            json!({"a": [{"b": "c"}]}),
            json!({"a": [1]}),
            json!({"a": [1]}),
        ),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
        (json!({"a": "foo"}), Value::Null, Value::Null),
        (json!({"a": "foo"}), json!("bar"), json!("bar")),
        (
            json!({"e": null}),
            json!({"a": 1}),
            json!({"e": null, "a": 1}),
        ),
        (
            json!([1, 2]),
            json!({"a": "b", "c": null}),
            json!({"a": "b"}),
        ),
        (
            json!({}),
            json!({"a": {"bb": {"ccc": null}}}),
            json!({"a": {"bb": {}}}),
        ),
    ] {
        let mut patched = before.clone();
        merge_patch(&mut patched, patch.clone());
        assert_eq!(patched, after, "{before} {patch}");
    }
}

/// Documents of the shape of maps.
fn map() -> impl Strategy<Value = Value> {
    let row = prop::collection::btree_map("[a-c]", 0_u8..3, 0..3);
    prop::collection::btree_map("[a-c]", row, 0..3).prop_map(|map| json!(map))
}

proptest! {
    #[test]
    fn a_stream_reads_the_same_wherever_it_is_cut(text in "(event|data|:|\n|\r|\r\n| |x|,){0,40}", cut in 0_usize..200) {
        let bytes = text.as_bytes();
        let cut = cut.min(bytes.len());
        let mut parser = Parser::new(1 << 16);
        let mut pieces = parser.feed(&bytes[..cut]).unwrap();
        pieces.extend(parser.feed(&bytes[cut..]).unwrap());
        let mut parser = Parser::new(1 << 16);
        let mut single = Vec::new();
        for byte in bytes {
            single.extend(parser.feed(std::slice::from_ref(byte)).unwrap());
        }
        prop_assert_eq!(&pieces, &events(&text));
        prop_assert_eq!(&single, &pieces);
    }

    #[test]
    fn no_stream_makes_a_follower_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), name in ".{0,60}", data in ".{0,60}") {
        let _ = Parser::new(256).feed(&bytes);
        let _ = both().take(&Event { name, data });
    }

    #[test]
    fn changes_are_all_that_differs(before in map(), after in map()) {
        let found = changes(&before, &after, usize::MAX).unwrap();
        prop_assert_eq!(found.is_empty(), before == after);
        for Change { path, before: was, after: is } in &found {
            let at = |document: &Value| path.iter().try_fold(document.clone(), |value, name| value.get(name).cloned());
            prop_assert_eq!(&at(&before), was);
            prop_assert_eq!(&at(&after), is);
        }
    }
}
