#![allow(clippy::unwrap_used, clippy::expect_used)]
// Values of the `json!` macro are made where they are used.
#![allow(clippy::needless_pass_by_value)]

use super::*;
use crate::bench::{action, at, control, lmap, tens, tree};
use glimpse_yang::edit::{Operation, edit};
use glimpse_yang::read::Reader;
use glimpse_yang::table::AGENT;
use glimpse_yang::validate::{Check, validate};
use glimpse_yang::write::Writer;
use glimpse_yang::{DataPath, Encoding, Error, Tag, Tree};
use serde_json::{Value, json};

/// What is wrong with `/lmap`, reading and validating it.
fn faults(lmap: &Value) -> Vec<Error> {
    let body = json!({"ietf-lmap-control:lmap": lmap}).to_string();
    match Reader::new(&AGENT, Encoding::Json).data(body.as_bytes()) {
        Ok(tree) => validate(&tree, Check::Configuration, None),
        Err(error) => vec![error],
    }
}

fn fault(lmap: &Value) -> (Tag, String) {
    let all = faults(lmap);
    let first = all.first().expect("something is wrong with it");
    (first.tag, first.app_tag.clone().unwrap_or_default())
}

fn events(event: &Value) -> Value {
    json!({"events": {"event": [event]}})
}

#[test]
fn lmap_check_42_reporting_an_id_that_is_not_there_is_refused() {
    let bad = json!({"agent": {"report-agent-id": true}});
    assert_eq!(
        fault(&bad),
        (Tag::OperationFailed, "must-violation".to_owned())
    );
    let good = json!({"agent": {"agent-id": "5B1C1F5E-3D0B-4F6E-9A3E-2F1D8C7B6A50", "report-agent-id": true}});
    assert!(faults(&good).is_empty());
    assert_eq!(
        control(&good).agent.agent_id.as_deref(),
        Some("5b1c1f5e-3d0b-4f6e-9a3e-2f1d8c7b6a50"),
        "canonical"
    );
}

#[test]
fn lmap_check_43_a_start_must_exist_and_may_come_in_the_same_edit() {
    let schedule = json!({"name": "s", "start": "e", "action": [action("a", "t")]});
    let alone = json!({"tasks": {"task": [{"name": "t"}]}, "schedules": {"schedule": [schedule]}});
    assert_eq!(
        fault(&alone),
        (Tag::DataMissing, "instance-required".to_owned())
    );
    let mut together = alone;
    together["events"] = json!({"event": [{"name": "e", "immediate": [null]}]});
    assert!(faults(&together).is_empty());
}

#[test]
fn lmap_check_44_an_event_that_is_referred_to_cannot_be_deleted() {
    let mut tree = tree(&lmap(
        &json!([tens()]),
        &json!([{"name": "s", "start": "tens", "action": [action("a", "p")]}]),
        &json!([]),
    ));
    let path = DataPath::from_uri(&AGENT, "ietf-lmap-control:lmap/events/event=tens").unwrap();
    edit(&mut tree, &path, Operation::Delete, None, None).unwrap();
    let errors = validate(&tree, Check::Configuration, None);
    assert_eq!(errors[0].app_tag.as_deref(), Some("instance-required"));
}

#[test]
fn lmap_check_45_calendars_need_all_sets_and_hours_end_at_23() {
    let all = json!({"month": ["*"], "day-of-month": ["*"], "day-of-week": ["*"], "hour": [4, "*"], "minute": [0], "second": [0]});
    let mut lacking = all.clone();
    lacking.as_object_mut().unwrap().remove("second");
    let of = |calendar: &Value| events(&json!({"name": "c", "calendar": calendar}));
    assert_eq!(
        fault(&of(&lacking)),
        (Tag::OperationFailed, "too-few-elements".to_owned())
    );
    let mut late = all.clone();
    late["hour"] = json!([24]);
    assert_eq!(fault(&of(&late)).0, Tag::InvalidValue);
    let EventKind::Calendar(read) = control(&of(&all)).events[0].kind.clone() else {
        panic!("a calendar");
    };
    assert!(
        read.times.hours.is_empty(),
        "a star among values stands for all"
    );
}

#[test]
fn lmap_check_46_end_and_duration_exclude_each_other() {
    let with = |changes: Value| {
        let mut schedule = json!({"name": "s", "start": "tens", "action": [action("a", "p")]});
        schedule
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        lmap(&json!([tens()]), &json!([schedule]), &json!([]))
    };
    assert_eq!(
        fault(&with(json!({"end": "tens", "duration": 5}))).0,
        Tag::BadElement
    );
    let mut tree = tree(&with(json!({"end": "tens"})));
    let path = DataPath::from_uri(&AGENT, "ietf-lmap-control:lmap/schedules/schedule=s").unwrap();
    let body = br#"{"ietf-lmap-control:schedule":[{"name":"s","duration":5}]}"#;
    let patch = Reader::new(&AGENT, Encoding::Json)
        .target(&path, body)
        .unwrap();
    edit(&mut tree, &path, Operation::Merge, Some(patch), None).unwrap();
    assert!(validate(&tree, Check::Configuration, None).is_empty());
    assert_eq!(
        Control::read(&tree).unwrap().schedules[0].stop,
        Some(Stop::Duration(5))
    );
}

/// All there is to configure.
fn everything() -> Control {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../yang/examples/instruction.json"
    );
    let instruction = std::fs::read(path).unwrap();
    let tree = Reader::new(&AGENT, Encoding::Json)
        .data(&instruction)
        .unwrap();
    Control::read(&tree).unwrap()
}

#[test]
fn what_is_read_is_written_again_in_both_encodings() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../yang/examples/parameters.json"
    );
    let tree = Reader::new(&AGENT, Encoding::Json)
        .data(&std::fs::read(path).unwrap())
        .unwrap();
    for control in [everything(), Control::read(&tree).unwrap()] {
        let tree = control.tree(&AGENT).unwrap();
        assert!(validate(&tree, Check::Configuration, None).is_empty());
        assert_eq!(Control::read(&tree).unwrap(), control);
        for encoding in [Encoding::Json, Encoding::Xml] {
            let body = Writer::new(&AGENT, encoding).data(&tree);
            let again: Tree = Reader::new(&AGENT, encoding).data(body.as_bytes()).unwrap();
            assert_eq!(Control::read(&again).unwrap(), control);
        }
    }
    let control = everything();
    assert_eq!(
        control.schedules[0].actions[1].options[0].name.as_deref(),
        Some("types")
    );
    assert_eq!(control.agent.controller_timeout_s, Some(172_800));
    let EventKind::Calendar(calendar) = &control.events[1].kind else {
        panic!("a calendar");
    };
    assert_eq!(
        (calendar.offset_minutes, &calendar.times.days_of_week[..]),
        (Some(60), &[1, 2, 3, 4, 5][..])
    );
}

#[test]
fn lmap_trap_05_actions_keep_the_order_in_which_they_came() {
    let names = ["z", "a", "m", "B", "10", "9"];
    let actions: Vec<Value> = names.iter().map(|name| action(name, "p")).collect();
    let schedule = json!({"name": "s", "start": "tens", "action": actions});
    let read = control(&lmap(&json!([tens()]), &json!([schedule]), &json!([])));
    let order = |control: &Control| -> Vec<String> {
        let actions = control.schedules[0].actions.iter();
        actions.map(|action| action.name.clone()).collect()
    };
    assert_eq!(order(&read), names);
    for encoding in [Encoding::Json, Encoding::Xml] {
        let body = Writer::new(&AGENT, encoding).data(&read.tree(&AGENT).unwrap());
        let again = Reader::new(&AGENT, encoding).data(body.as_bytes()).unwrap();
        assert_eq!(order(&Control::read(&again).unwrap()), names);
    }
    // A merge into one of them moves none.
    let mut tree = read.tree(&AGENT).unwrap();
    let path = DataPath::from_uri(&AGENT, "ietf-lmap-control:lmap/schedules/schedule=s").unwrap();
    let body =
        br#"{"ietf-lmap-control:schedule":[{"name":"s","action":[{"name":"a","tag":["x"]}]}]}"#;
    let patch = Reader::new(&AGENT, Encoding::Json)
        .target(&path, body)
        .unwrap();
    edit(&mut tree, &path, Operation::Merge, Some(patch), None).unwrap();
    assert_eq!(order(&Control::read(&tree).unwrap()), names);
}

#[test]
fn lmap_trap_19_times_with_fractions_and_offsets_are_read_and_written_in_utc() {
    for (text, written) in [
        ("2026-12-01T00:00:00.25Z", "2026-12-01T00:00:00.25Z"),
        ("2026-12-01T02:00:00+02:00", "2026-12-01T00:00:00Z"),
        (
            "2026-07-01T00:30:00.000001-05:45",
            "2026-07-01T06:15:00.000001Z",
        ),
    ] {
        let control = control(&events(&json!({"name": "o", "one-off": {"time": text}})));
        assert_eq!(
            control.events[0].kind,
            EventKind::OneOff { time: at(written) }
        );
        let body = Writer::new(&AGENT, Encoding::Json).data(&control.tree(&AGENT).unwrap());
        // The canonical form of the type has +00:00 for Z.
        assert!(body.contains(&written.replace('Z', "+00:00")), "{body}");
    }
}

#[test]
fn lmap_trap_20_numbers_are_numbers_and_64_bit_ones_are_strings() {
    let with = |duration: Value| {
        lmap(
            &json!([tens()]),
            &json!([{"name": "s", "start": "tens", "duration": duration, "action": [action("a", "p")]}]),
            &json!([]),
        )
    };
    assert_eq!(
        control(&with(json!(5))).schedules[0].stop,
        Some(Stop::Duration(5))
    );
    assert_eq!(fault(&with(json!("5"))).0, Tag::InvalidValue);
}

/// A calendar with this zone, as each encoding writes it.
fn zoned(zone: &str) -> [(Encoding, String); 2] {
    let calendar = json!({"month": ["*"], "day-of-month": ["*"], "day-of-week": ["*"], "hour": ["*"], "minute": ["*"],
        "second": [0], "timezone-offset": zone});
    let event = json!({"name": "c", "calendar": calendar});
    let json = json!({"ietf-lmap-control:lmap": events(&event)}).to_string();
    let sets = "<month>*</month><day-of-month>*</day-of-month><day-of-week>*</day-of-week><hour>*</hour>\
                <minute>*</minute><second>0</second>";
    let xml = format!(
        "<lmap xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-control\"><events><event><name>c</name><calendar>{sets}\
         <timezone-offset>{zone}</timezone-offset></calendar></event></events></lmap>"
    );
    [(Encoding::Json, json), (Encoding::Xml, xml)]
}

#[test]
fn lmap_trap_30_zones_that_no_place_has_are_refused_with_their_path() {
    for (zone, minutes) in [
        ("Z", Some(0)),
        ("+14:00", Some(840)),
        ("-09:30", Some(-570)),
        ("+14:59", Some(899)),
        ("+15:00", None),
        ("-00:60", None),
        ("+99:99", None),
    ] {
        for (encoding, body) in zoned(zone) {
            let tree = Reader::new(&AGENT, encoding).data(body.as_bytes()).unwrap();
            match (Control::read(&tree), minutes) {
                (Ok(control), Some(minutes)) => {
                    let EventKind::Calendar(calendar) = &control.events[0].kind else {
                        panic!("a calendar");
                    };
                    assert_eq!(calendar.offset_minutes, Some(minutes), "{zone}");
                }
                (Err(error), None) => {
                    assert_eq!(error.tag, Tag::InvalidValue);
                    let path = error.path.unwrap().json(&AGENT);
                    assert_eq!(
                        path,
                        "/ietf-lmap-control:lmap/events/event[name='c']/calendar/timezone-offset"
                    );
                }
                (read, _) => panic!("{zone}: {read:?}"),
            }
        }
    }
}

#[test]
fn lmap_trap_30_digits_of_other_scripts_are_none() {
    // XSD's \d is any decimal digit of Unicode: Arabic-Indic, full-width, Devanagari, and one among ASCII digits.
    for zone in ["+٠٥:٣٠", "+０５:３０", "-०५:००", "+0५:30"] {
        for (encoding, body) in zoned(zone) {
            let error = Reader::new(&AGENT, encoding)
                .data(body.as_bytes())
                .unwrap_err();
            assert_eq!(error.tag, Tag::InvalidValue, "{encoding:?} {zone}");
            let path = error.path.unwrap().json(&AGENT);
            assert!(path.ends_with("/calendar/timezone-offset"), "{path}");
        }
    }
}
