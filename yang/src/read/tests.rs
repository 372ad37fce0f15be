#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::sample::{CONFIGURATION, SCHEMA, json, path, tree, xml};
use crate::table::AGENT;
use crate::write::Writer;

const NS: &str = "urn:ietf:params:xml:ns:yang:ietf-lmap-control";

/// Errors of a body inside `lmap`: the tag, and the path below.
fn refused(reader: &Reader, inside: &str) -> (Tag, String) {
    let body = match reader.encoding {
        Encoding::Json => format!(r#"{{"ietf-lmap-control:lmap":{{{inside}}}}}"#),
        Encoding::Xml => format!("<lmap xmlns='{NS}'>{inside}</lmap>"),
    };
    let error = reader.data(body.as_bytes()).expect_err(inside);
    let path = error.path.map(|path| path.json(SCHEMA)).unwrap_or_default();
    (error.tag, path.replace("/ietf-lmap-control:lmap", ""))
}

#[test]
fn what_json_bodies_may_not_hold() {
    let edit = Reader::new(SCHEMA, Encoding::Json);
    for (inside, tag, path) in [
        (r#""nope":1"#, Tag::UnknownElement, ""),
        (r#""nope:agent":{}"#, Tag::UnknownNamespace, ""),
        (r#""agent":[]"#, Tag::MalformedMessage, "/agent"),
        (
            r#""agent":{"controller-timeout":"5"}"#,
            Tag::InvalidValue,
            "/agent/controller-timeout",
        ),
        (
            r#""agent":{"controller-timeout":1.5}"#,
            Tag::InvalidValue,
            "/agent/controller-timeout",
        ),
        (
            r#""agent":{"report-agent-id":"true"}"#,
            Tag::InvalidValue,
            "/agent/report-agent-id",
        ),
        (
            r#""agent":{"group-id":5}"#,
            Tag::InvalidValue,
            "/agent/group-id",
        ),
        (
            r#""agent":{"group-id":"a","ietf-lmap-control:group-id":"b"}"#,
            Tag::BadElement,
            "/agent/group-id",
        ),
        (
            r#""agent":{"last-started":"2026-01-01T00:00:00Z"}"#,
            Tag::UnknownElement,
            "/agent/last-started",
        ),
        (
            r#""agent":{"@group-id":{"x:y":1}}"#,
            Tag::BadAttribute,
            "/agent/group-id",
        ),
        (
            r#""agent":{"group-id":"a","@group-id":{"x:y":1}}"#,
            Tag::UnknownAttribute,
            "/agent/group-id",
        ),
        (
            r#""agent":{"report-agent-id":true,"@report-agent-id":{"ietf-netconf-with-defaults:default":true}}"#,
            Tag::InvalidValue,
            "/agent/report-agent-id",
        ),
        (
            r#""tasks":{"task":{"name":"a"}}"#,
            Tag::MalformedMessage,
            "/tasks/task",
        ),
        (
            r#""tasks":{"task":[{}]}"#,
            Tag::MissingElement,
            "/tasks/task[1]",
        ),
        (
            r#""tasks":{"task":[{"name":"a"},{"name":"b","x":1}]}"#,
            Tag::UnknownElement,
            "/tasks/task[name='b']",
        ),
        (
            r#""tasks":{"task":[{"name":"a"},{"name":"a"}]}"#,
            Tag::BadElement,
            "/tasks/task[name='a']",
        ),
        (
            r#""tasks":{"task":[{"name":"a","tag":["x","y","x"]}]}"#,
            Tag::BadElement,
            "/tasks/task[name='a']/tag[.='x']",
        ),
        (
            r#""events":{"event":[{"name":"a","immediate":null}]}"#,
            Tag::InvalidValue,
            "/events/event[name='a']/immediate",
        ),
        (
            r#""events":{"event":[{"name":"a","immediate":[null],"startup":[null]}]}"#,
            Tag::BadElement,
            "/events/event[name='a']/startup",
        ),
        (
            r#""events":{"event":[{"name":"a","calendar":{"hour":["4"]}}]}"#,
            Tag::InvalidValue,
            "/events/event[name='a']/calendar/hour",
        ),
        (
            r#""schedules":{"schedule":[{"name":"a","start":"e","end":"e","duration":5}]}"#,
            Tag::BadElement,
            "/schedules/schedule[name='a']/duration",
        ),
    ] {
        assert_eq!(refused(&edit, inside), (tag, path.to_owned()), "{inside}");
    }
}

#[test]
fn what_xml_bodies_may_not_hold() {
    let edit = Reader::new(SCHEMA, Encoding::Xml);
    for (inside, tag, path) in [
        ("<nope/>", Tag::UnknownElement, ""),
        ("<agent xmlns='urn:nope'/>", Tag::UnknownNamespace, ""),
        ("<agent>x</agent>", Tag::MalformedMessage, "/agent"),
        ("<agent/><agent/>", Tag::BadElement, "/agent"),
        ("<agent x='1'/>", Tag::UnknownAttribute, "/agent"),
        (
            "<agent><group-id><a/></group-id></agent>",
            Tag::MalformedMessage,
            "/agent/group-id",
        ),
        (
            "<agent><controller-timeout>x</controller-timeout></agent>",
            Tag::InvalidValue,
            "/agent/controller-timeout",
        ),
        (
            "<agent><last-started>2026-01-01T00:00:00Z</last-started></agent>",
            Tag::UnknownElement,
            "/agent/last-started",
        ),
        (
            "<tasks><task><name>a</name><x/></task></tasks>",
            Tag::UnknownElement,
            "/tasks/task[name='a']",
        ),
        (
            "<tasks><task/></tasks>",
            Tag::MissingElement,
            "/tasks/task[1]",
        ),
        (
            "<events><event><name>a</name><immediate>x</immediate></event></events>",
            Tag::InvalidValue,
            "/events/event[name='a']/immediate",
        ),
    ] {
        assert_eq!(refused(&edit, inside), (tag, path.to_owned()), "{inside}");
    }
}

#[test]
fn lmap_check_48_forms_of_json_values() {
    let reader = json();
    let storage = |value: &str| {
        format!(r#""schedules":{{"schedule":[{{"name":"a","start":"e","storage":{value}}}]}}"#)
    };
    assert_eq!(refused(&reader, &storage("0")).0, Tag::InvalidValue);
    for inside in [
        storage("\"0\""),
        r#""events":{"event":[{"name":"a","immediate":[null],"random-spread":1e1}]}"#.to_owned(),
    ] {
        let body = format!(r#"{{"ietf-lmap-control:lmap":{{{inside}}}}}"#);
        let tree = reader.data(body.as_bytes()).unwrap();
        assert_eq!(
            Writer::new(SCHEMA, Encoding::Json).data(&tree),
            body.replace("1e1", "10").replace(
                r#""immediate":[null],"random-spread":10"#,
                r#""random-spread":10,"immediate":[null]"#
            )
        );
    }
}

#[test]
fn a_root_needs_its_module() {
    let error = json().data(br#"{"lmap":{}}"#).unwrap_err();
    assert_eq!(error.tag, Tag::UnknownElement);
    assert!(error.message.contains("module:lmap"), "{error}");
    assert!(json().data(b"[]").is_err());
    assert_eq!(json().data(b" ").unwrap_err().tag, Tag::InvalidValue);
}

#[test]
fn both_encodings_say_the_same() {
    let tree = tree();
    let text = Writer::new(SCHEMA, Encoding::Xml).data(&tree);
    assert_eq!(xml().data(text.as_bytes()).unwrap(), tree);
    assert!(
        text.starts_with(&format!("<lmap xmlns=\"{NS}\"><agent><agent-id>")),
        "{text}"
    );
}

#[test]
fn lmap_check_24_and_26_bodies_and_targets() {
    let reader = Reader::new(SCHEMA, Encoding::Json);
    let parent = path("/events");
    let event = |names: &[&str]| {
        let entries: Vec<String> = names
            .iter()
            .map(|name| format!("{{\"name\":\"{name}\"}}"))
            .collect();
        format!(r#"{{"ietf-lmap-control:event":[{}]}}"#, entries.join(","))
    };
    assert_eq!(
        reader
            .child(&parent, event(&["a"]).as_bytes())
            .unwrap()
            .keys(SCHEMA),
        ["a"]
    );
    for names in [&[][..], &["a", "b"]] {
        let error = reader.child(&parent, event(names).as_bytes()).unwrap_err();
        assert_eq!(
            (error.tag, error.path),
            (Tag::MalformedMessage, Some(parent.clone()))
        );
    }
    let target = path("/events/event=a");
    assert!(reader.target(&target, event(&["a"]).as_bytes()).is_ok());
    assert_eq!(
        reader
            .target(&target, event(&["b"]).as_bytes())
            .unwrap_err()
            .tag,
        Tag::InvalidValue
    );
    assert_eq!(
        reader.target(&target, b"").unwrap_err().tag,
        Tag::InvalidValue
    );
    assert_eq!(
        reader
            .target(&target, br#"{"event":[{"name":"a"}]}"#)
            .unwrap_err()
            .tag,
        Tag::UnknownElement
    );
    let error = reader
        .target(
            &target,
            br#"{"ietf-lmap-control:event":[{"name":"a","random-spread":-1}]}"#,
        )
        .unwrap_err();
    assert_eq!(
        error.path.unwrap().json(SCHEMA),
        "/ietf-lmap-control:lmap/events/event[name='a']/random-spread"
    );
    let leaf = path("/agent/group-id");
    assert_eq!(
        reader
            .target(&leaf, br#"{"ietf-lmap-control:group-id":"g"}"#)
            .unwrap()
            .text(),
        Some("g")
    );
    let xml = Reader::new(SCHEMA, Encoding::Xml);
    let body = format!("<event xmlns='{NS}'><name>a</name></event>");
    assert!(xml.target(&target, body.as_bytes()).is_ok());
    assert!(xml.target(&target, body.repeat(2).as_bytes()).is_err());
}

#[test]
fn keys_of_the_target_may_be_left_out_of_a_part() {
    let read = |target: &str, encoding, body: &str| {
        let path = DataPath::from_uri(&AGENT, target).unwrap();
        let reader = Reader::new(&AGENT, encoding).with_state();
        let entry = reader
            .part(&path, body.as_bytes())
            .map_err(|error| error.tag)?;
        let keys = entry.keys(&AGENT).into_iter().map(str::to_owned);
        Ok::<Vec<String>, Tag>(keys.collect())
    };
    let library = "urn:ietf:params:xml:ns:yang:ietf-yang-library";
    let module = "ietf-yang-library:modules-state/module=m,2026-01-02";
    let json = r#"{"ietf-yang-library:module":[{"revision":"2026-01-02","namespace":"urn:m"}]}"#;
    let both = vec!["m".to_owned(), "2026-01-02".to_owned()];
    assert_eq!(read(module, Encoding::Json, json), Ok(both.clone()));
    let xml = format!("<module xmlns='{library}'><namespace>urn:m</namespace></module>");
    assert_eq!(read(module, Encoding::Xml, &xml), Ok(both));
    let other = json.replace("2026-01-02", "2026-01-03");
    assert_eq!(read(module, Encoding::Json, &other), Err(Tag::InvalidValue));
    // As their types have them: this one is a number.
    let name = "glimpse-agent:agent/doors/cert-to-name=7";
    let json = r#"{"glimpse-agent:cert-to-name":[{"name":"x"}]}"#;
    assert_eq!(read(name, Encoding::Json, json), Ok(vec!["7".to_owned()]));
    // This one a name of a module, for which XML may have no prefix.
    let name = "ietf-yang-library:yang-library/datastore=ietf-datastores:running";
    let json = r#"{"ietf-yang-library:datastore":[{"schema":"all"}]}"#;
    let running = vec!["ietf-datastores:running".to_owned()];
    assert_eq!(read(name, Encoding::Json, json), Ok(running));
    let xml = format!("<datastore xmlns='{library}'><schema>all</schema></datastore>");
    assert_eq!(read(name, Encoding::Xml, &xml), Err(Tag::MissingElement));
    for odd in ["{}", "[]", r#"{"ietf-yang-library:datastore":{}}"#] {
        assert_eq!(
            read(name, Encoding::Json, odd),
            Err(Tag::MalformedMessage),
            "{odd}"
        );
    }
}

#[test]
fn operations_and_notifications() {
    let rpc = SCHEMA.operation("ietf-lmap-report", "report").unwrap();
    let input = SCHEMA.part(rpc, Kind::Input).unwrap();
    let reader = Reader::new(SCHEMA, Encoding::Json);
    // Equal values in a row are legal: it is no configuration.
    let body = r#"{"ietf-lmap-report:input":{"date":"2026-12-01T00:00:00+00:00","result":[{"start":"2026-12-01T00:00:00+00:00","status":-9,"table":[{"row":[{"value":["1","1"]}]}]}]}}"#;
    let tree = reader.operation(input, body.as_bytes()).unwrap();
    assert_eq!(Writer::new(SCHEMA, Encoding::Json).operation(&tree), body);
    let text = Writer::new(SCHEMA, Encoding::Xml).operation(&tree);
    assert!(
        text.starts_with("<input xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-report\"><date>"),
        "{text}"
    );
    assert_eq!(
        Reader::new(SCHEMA, Encoding::Xml)
            .operation(input, text.as_bytes())
            .unwrap(),
        tree
    );
    assert!(reader.operation(input, b"").unwrap().is_empty());
    for wrong in [
        r#"{"ietf-lmap-report:report":{}}"#,
        r#"{"input":{}}"#,
        r#"{"ietf-lmap-report:input":{},"a:b":1}"#,
    ] {
        assert_eq!(
            reader.operation(input, wrong.as_bytes()).unwrap_err().tag,
            Tag::MalformedMessage
        );
    }
    let error = reader
        .operation(
            input,
            br#"{"ietf-lmap-report:input":{"result":[{"status":0},{"status":"x"}]}}"#,
        )
        .unwrap_err();
    assert_eq!(
        error
            .path
            .unwrap()
            .steps
            .last()
            .map(|step| SCHEMA.name(step.node)),
        Some("status")
    );

    let node = SCHEMA
        .notification("glimpse-agent", "schedule-state")
        .unwrap();
    let mut told = Tree::under(SCHEMA, node);
    for (name, text) in [("schedule", "S 1"), ("state", "running")] {
        let leaf = SCHEMA.child(node, None, name).unwrap();
        told.push(Instance::leaf(SCHEMA, leaf, text).unwrap());
    }
    for encoding in [Encoding::Json, Encoding::Xml] {
        let body = Writer::new(SCHEMA, encoding).notification("2026-12-01T00:00:00Z", &told);
        let (time, read) = Reader::new(SCHEMA, encoding)
            .notification(body.as_bytes())
            .unwrap();
        assert_eq!(
            (time.as_str(), &read),
            ("2026-12-01T00:00:00Z", &told),
            "{body}"
        );
    }
}

#[test]
fn a_patch_holds_data_of_any_kind() {
    let structure = SCHEMA.structure("ietf-yang-patch", "yang-patch").unwrap();
    let target = path("/events/event=a");
    let json_body = r#"{"ietf-yang-patch:yang-patch":{"patch-id":"p","edit":[{"edit-id":"1","operation":"merge","target":"/x","value":{"ietf-lmap-control:event":[{"name":"a","random-spread":7}]}}]}}"#;
    let xml_body = format!(
        "<yang-patch xmlns='urn:ietf:params:xml:ns:yang:ietf-yang-patch'><patch-id>p</patch-id><edit><edit-id>1</edit-id><operation>merge</operation><target>/x</target><value><l:event xmlns:l='{NS}'><l:name>a</l:name><l:random-spread>7</l:random-spread></l:event></value></edit></yang-patch>"
    );
    let mut found = Vec::new();
    for (encoding, body) in [(Encoding::Json, json_body), (Encoding::Xml, &xml_body)] {
        let reader = Reader::new(SCHEMA, encoding);
        let tree = reader.structure(structure, body.as_bytes()).unwrap();
        assert!(
            crate::validate::validate(&tree, crate::validate::Check::Operation, None).is_empty()
        );
        let patch = tree.view("ietf-yang-patch:yang-patch").unwrap();
        let edit = patch.entry("edit", &["1"]).unwrap();
        let value = edit.container("value").unwrap();
        let Content::Any(any) = &value.instance().content else {
            panic!("not anydata")
        };
        let instance = reader.any_target(&target, any).unwrap();
        assert_eq!(reader.any_child(&path("/events"), any).unwrap(), instance);
        found.push(instance);
        // What came in one encoding can go in the other.
        for other in [Encoding::Json, Encoding::Xml] {
            let text = Writer::new(SCHEMA, other).data(&tree);
            let again = Reader::new(SCHEMA, other)
                .structure(structure, text.as_bytes())
                .unwrap();
            assert_eq!(again.nodes(), tree.nodes(), "{text}");
        }
    }
    assert_eq!(found[0], found[1]);
}

#[test]
fn a_long_list_is_read_in_linear_time() {
    let entries: Vec<String> = (0..20_000)
        .map(|at| format!(r#"{{"name":"{at}"}}"#))
        .collect();
    let body = format!(
        r#"{{"ietf-lmap-control:lmap":{{"events":{{"event":[{}]}}}}}}"#,
        entries.join(",")
    );
    let tree = json().data(body.as_bytes()).unwrap();
    assert_eq!(tree.nodes(), 40_002);
    assert!(
        crate::validate::validate(&tree, crate::validate::Check::Configuration, None).is_empty()
    );
}

proptest! {
    #[test]
    fn damaged_bodies_do_no_harm(at in 0..CONFIGURATION.len(), byte in any::<u8>(), cut in 0..40_usize) {
        let whole = tree();
        for encoding in [Encoding::Json, Encoding::Xml] {
            let writer = Writer::new(SCHEMA, encoding);
            let mut bytes = writer.data(&whole).into_bytes();
            let at = at % bytes.len();
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, [byte]);
            let reader = Reader::new(SCHEMA, encoding).with_state();
            if let Ok(tree) = reader.data(&bytes) {
                // What could be read says the same again.
                prop_assert_eq!(reader.data(writer.data(&tree).as_bytes()), Ok(tree));
            }
        }
    }
}
