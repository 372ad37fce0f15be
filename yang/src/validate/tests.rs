#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::sample::{SCHEMA, json, lmap, path, tree};

fn verdicts(tree: &Tree, check: Check) -> Vec<(Tag, String, String)> {
    validate(tree, check, None)
        .into_iter()
        .map(|error| {
            let path = error.path.unwrap().json(SCHEMA);
            let path = path.replace("/ietf-lmap-control:lmap", "");
            (error.tag, error.app_tag.unwrap_or_default(), path)
        })
        .collect()
}

#[test]
fn the_sample_is_valid() {
    assert_eq!(validate(&tree(), Check::Configuration, None), []);
    assert_eq!(validate(&Tree::new(SCHEMA), Check::Configuration, None), []);
}

#[test]
fn lmap_check_42_to_46_rules_of_the_model() {
    let calendar = |leave_out: &str| {
        let fields = [
            "month",
            "day-of-month",
            "day-of-week",
            "hour",
            "minute",
            "second",
        ];
        let fields: Vec<String> = fields
            .iter()
            .filter(|field| **field != leave_out)
            .map(|field| format!("\"{field}\":[\"*\"]"))
            .collect();
        format!(
            r#""events":{{"event":[{{"name":"E","calendar":{{{}}}}}]}}"#,
            fields.join(",")
        )
    };
    for (inside, wanted) in [
        (r#""agent":{"report-agent-id":true}"#.to_owned(), vec![(Tag::OperationFailed, "must-violation", "/agent/report-agent-id")]),
        (r#""agent":{"report-agent-id":false}"#.to_owned(), vec![]),
        (r#""schedules":{"schedule":[{"name":"S","start":"E"}]}"#.to_owned(), vec![(Tag::DataMissing, "instance-required", "/schedules/schedule[name='S']/start")]),
        (r#""schedules":{"schedule":[{"name":"S"}]}"#.to_owned(), vec![(Tag::DataMissing, "", "/schedules/schedule[name='S']/start")]),
        (calendar("none"), vec![]),
        (calendar("second"), vec![(Tag::OperationFailed, "too-few-elements", "/events/event[name='E']/calendar/second")]),
        (calendar("month"), vec![(Tag::OperationFailed, "too-few-elements", "/events/event[name='E']/calendar/month")]),
        (r#""events":{"event":[{"name":"E","calendar":{"hour":[1],"month":["*"],"day-of-month":[1],"day-of-week":["*"],"minute":[1]}}]}"#.to_owned(), vec![(Tag::OperationFailed, "too-few-elements", "/events/event[name='E']/calendar/second")]),
        (r#""events":{"event":[{"name":"E","periodic":{"start":"2026-01-01T00:00:00Z"}}]}"#.to_owned(), vec![(Tag::DataMissing, "", "/events/event[name='E']/periodic/interval")]),
        // An empty container is none, and an event needs no type.
        (r#""events":{"event":[{"name":"E","one-off":{}}]}"#.to_owned(), vec![]),
        (r#""events":{"event":[{"name":"E"}]},"suppressions":{"suppression":[{"name":"only"}]}"#.to_owned(), vec![]),
        (
            r#""tasks":{"task":[{"name":"T"}]},"events":{"event":[{"name":"E"}]},"schedules":{"schedule":[{"name":"S","start":"E","action":[{"name":"A","task":"U","destination":["S","V"]}]}]}"#.to_owned(),
            vec![
                (Tag::DataMissing, "instance-required", "/schedules/schedule[name='S']/action[name='A']/task"),
                (Tag::DataMissing, "instance-required", "/schedules/schedule[name='S']/action[name='A']/destination[.='V']"),
            ],
        ),
    ] {
        let wanted: Vec<(Tag, String, String)> = wanted
            .into_iter()
            .map(|(tag, app_tag, path)| (tag, app_tag.to_owned(), path.to_owned()))
            .collect();
        assert_eq!(verdicts(&lmap(&inside), Check::Configuration), wanted, "{inside}");
    }
}

#[test]
fn lmap_check_44_a_reference_to_what_went() {
    let mut tree = tree();
    let event = path("/events/event=E1");
    crate::edit::edit(
        &mut tree,
        &event,
        crate::edit::Operation::Delete,
        None,
        None,
    )
    .unwrap();
    let errors = validate(&tree, Check::Configuration, None);
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].app_tag.as_deref(), Some("instance-required"));
    assert!(errors[0].message.contains("'E1'"), "{}", errors[0]);
}

#[test]
fn lmap_trap_04_state_may_lack_what_is_not_known() {
    let state = lmap(
        r#""events":{"event":[{"name":"E"}]},"schedules":{"schedule":[{"name":"S","start":"E","state":"enabled"}]}"#,
    );
    assert_eq!(verdicts(&state, Check::Reply), []);
    let missing = verdicts(&state, Check::Everything);
    assert!(
        missing.contains(&(
            Tag::DataMissing,
            String::new(),
            "/agent/last-started".to_owned()
        )),
        "{missing:?}"
    );
    assert!(missing.contains(&(
        Tag::DataMissing,
        String::new(),
        "/schedules/schedule[name='S']/storage".to_owned()
    )));
    assert_eq!(
        verdicts(&state, Check::Configuration),
        [(
            Tag::UnknownElement,
            String::new(),
            "/schedules/schedule[name='S']/state".to_owned()
        )]
    );
}

#[test]
fn operations_and_conditions() {
    let rpc = SCHEMA.operation("ietf-lmap-report", "report").unwrap();
    let input = SCHEMA.part(rpc, Kind::Input).unwrap();
    let body = br#"{"ietf-lmap-report:input":{"result":[{"start":"2026-12-01T00:00:00Z"}]}}"#;
    let tree = json().operation(input, body).unwrap();
    let tags: Vec<Tag> = validate(&tree, Check::Operation, None)
        .into_iter()
        .map(|error| error.tag)
        .collect();
    assert_eq!(tags, [Tag::MissingElement, Tag::MissingElement]);
    let structure = SCHEMA.structure("ietf-yang-patch", "yang-patch").unwrap();
    let body = br#"{"ietf-yang-patch:yang-patch":{"patch-id":"p","edit":[{"edit-id":"1","operation":"delete","target":"/","value":{}},
        {"edit-id":"2","operation":"move","target":"/","where":"after","point":"/x"}]}}"#;
    let tree = json().structure(structure, body).unwrap();
    let errors = validate(&tree, Check::Operation, None);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].tag, Tag::UnknownElement);
    assert!(errors[0].message.contains("'value'"));
}

#[test]
fn siblings_put_there_by_hand_are_looked_at_too() {
    let mut tree = tree();
    let event = tree.find(&path("/events/event=E1")).unwrap().clone();
    let events = tree.find_mut(&path("/events")).unwrap();
    events.push(SCHEMA, event);
    let immediate = path("/events/event=x/immediate").node();
    let leaf = Instance::leaf(SCHEMA, immediate, "").unwrap();
    tree.find_mut(&path("/events/event=E3"))
        .unwrap()
        .push(SCHEMA, leaf);
    let tags: Vec<Tag> = validate(&tree, Check::Configuration, None)
        .into_iter()
        .map(|error| error.tag)
        .collect();
    assert_eq!(tags, [Tag::BadElement, Tag::BadElement]);
}

#[test]
fn errors_are_bounded() {
    let events: Vec<String> = (0..100)
        .map(|at| format!(r#"{{"name":"{at}","periodic":{{"start":"2026-01-01T00:00:00Z"}}}}"#))
        .collect();
    let tree = lmap(&format!(r#""events":{{"event":[{}]}}"#, events.join(",")));
    assert_eq!(validate(&tree, Check::Configuration, None).len(), MOST);
}
