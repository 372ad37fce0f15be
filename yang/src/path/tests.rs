#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::sample::{SCHEMA, tree};

#[test]
fn lmap_check_20_keys_in_uris() {
    for (uri, json) in [
        ("", "/"),
        ("ietf-lmap-control:lmap", "/ietf-lmap-control:lmap"),
        (
            "ietf-lmap-control:lmap/ietf-lmap-control:events",
            "/ietf-lmap-control:lmap/events",
        ),
        (
            "ietf-lmap-control:lmap/events/event=a%2Fb",
            "/ietf-lmap-control:lmap/events/event[name='a/b']",
        ),
        (
            "ietf-lmap-control:lmap/events/event=a%2Cb",
            "/ietf-lmap-control:lmap/events/event[name='a,b']",
        ),
        (
            "ietf-lmap-control:lmap/events/event=%22x%22",
            "/ietf-lmap-control:lmap/events/event[name='\"x\"']",
        ),
        (
            "ietf-lmap-control:lmap/events/event=it's",
            "/ietf-lmap-control:lmap/events/event[name=\"it's\"]",
        ),
        (
            "ietf-lmap-control:lmap/events/event=%c3%bc:%20=",
            "/ietf-lmap-control:lmap/events/event[name='ü: =']",
        ),
        (
            "ietf-lmap-control:lmap/tasks/task=t/tag=a",
            "/ietf-lmap-control:lmap/tasks/task[name='t']/tag[.='a']",
        ),
        (
            "ietf-lmap-control:lmap/tasks/task",
            "/ietf-lmap-control:lmap/tasks/task",
        ),
    ] {
        let path = DataPath::from_uri(SCHEMA, uri).unwrap();
        assert_eq!(path.json(SCHEMA), json);
        assert_eq!(DataPath::parse(SCHEMA, json), Ok(path.clone()));
        assert_eq!(DataPath::from_uri(SCHEMA, &path.to_uri(SCHEMA)), Ok(path));
    }
}

#[test]
fn uris_that_lead_nowhere() {
    for (uri, tag) in [
        ("lmap", Tag::UnknownElement),
        ("nope:lmap", Tag::UnknownNamespace),
        ("ietf-lmap-control:lamp", Tag::UnknownElement),
        ("ietf-lmap-control:lmap/nope:events", Tag::UnknownNamespace),
        ("ietf-lmap-control:lmap=1", Tag::InvalidValue),
        ("ietf-lmap-control:lmap/events/event=a,b", Tag::InvalidValue),
        // The empty key, which no event can have.
        ("ietf-lmap-control:lmap/events/event=", Tag::InvalidValue),
        ("ietf-lmap-control:lmap/events/event=%zz", Tag::InvalidValue),
        ("ietf-lmap-control:lmap/events/event=%00", Tag::InvalidValue),
        ("ietf-lmap-control:lmap/events/event=%ff", Tag::InvalidValue),
    ] {
        assert_eq!(
            DataPath::from_uri(SCHEMA, uri).unwrap_err().tag,
            tag,
            "{uri}"
        );
    }
}

#[test]
fn the_xml_form_has_prefixes() {
    let path = DataPath::parse(SCHEMA, "/ietf-lmap-control:lmap/events/event[name='E1']").unwrap();
    let (text, declared) = path.xml(SCHEMA);
    assert_eq!(
        text,
        "/lmapc:lmap/lmapc:events/lmapc:event[lmapc:name='E1']"
    );
    assert_eq!(
        declared,
        [(
            "lmapc".to_owned(),
            "urn:ietf:params:xml:ns:yang:ietf-lmap-control"
        )]
    );
}

#[test]
fn a_path_to_every_instance_finds_it() {
    let tree = tree();
    let mut found = 0;
    let mut stack: Vec<(DataPath, &[crate::Instance])> = vec![(DataPath::default(), &tree.top)];
    while let Some((above, siblings)) = stack.pop() {
        for instance in siblings {
            let path = above.child(instance.node, instance.select(SCHEMA, siblings));
            assert!(
                std::ptr::eq(tree.find(&path).unwrap(), instance),
                "{}",
                path.json(SCHEMA)
            );
            assert_eq!(
                DataPath::from_uri(SCHEMA, &path.to_uri(SCHEMA)).as_ref(),
                Ok(&path)
            );
            assert_eq!(
                DataPath::parse(SCHEMA, &path.json(SCHEMA)).as_ref(),
                Ok(&path)
            );
            stack.push((path, instance.children()));
            found += 1;
        }
    }
    assert_eq!(found, tree.nodes());
}

proptest! {
    #[test]
    fn random_text_does_no_harm(text in "[/a-z:='\\[\\]%0-9.$US -]{0,40}") {
        for start in ["", "/ietf-lmap-control:lmap", "ietf-lmap-control:lmap/events/event"] {
            let text = format!("{start}{text}");
            let _ = DataPath::from_uri(SCHEMA, &text);
            let _ = DataPath::parse(SCHEMA, &text);
            let _ = NodeIdentifier::parse(SCHEMA, &text);
        }
    }

    #[test]
    fn any_key_reads_back(key in "\\PC{1,12}") {
        let step = crate::sample::path("/events/event=x");
        let events = step.parent().unwrap();
        let path = events.child(step.node(), Select::Keys(vec![key]));
        prop_assert_eq!(DataPath::from_uri(SCHEMA, &path.to_uri(SCHEMA)), Ok(path));
    }
}

fn node_path(text: &str) -> Result<NodeIdentifier, Error> {
    NodeIdentifier::parse(SCHEMA, text)
}

fn steps(text: &str) -> Vec<Step> {
    DataPath::parse(SCHEMA, text).unwrap().steps
}

#[test]
fn a_node_identifier_may_leave_out_keys() {
    const MODULE: &str = "/ietf-yang-library:modules-state/module";
    let one = steps(&format!("{MODULE}[name='a'][revision='2020-01-01']/schema"));
    let all = steps(MODULE);
    for (text, fit_one, fit_all) in [
        ("", Fit::All, Fit::All),
        ("[name='a']", Fit::All, Fit::Some),
        ("[revision='2020-01-01']", Fit::All, Fit::Some),
        (
            "[ revision = \"2020-01-01\" ][name='a']",
            Fit::All,
            Fit::Some,
        ),
        ("[revision='2020-01-02']", Fit::No, Fit::Some),
        ("[name=$USER]", Fit::No, Fit::Some),
        ("/schema", Fit::All, Fit::No),
        ("/namespace", Fit::No, Fit::No),
    ] {
        let own = node_path(&format!("{MODULE}{text}")).unwrap();
        assert_eq!(own.fits(&one, "me"), fit_one, "{text}");
        assert_eq!(own.fits(&all, "me"), fit_all, "{text}");
    }
    assert_eq!(node_path("/").unwrap().fits(&all, "me"), Fit::All);
    let elsewhere = node_path("/ietf-lmap-control:lmap").unwrap();
    assert_eq!(elsewhere.fits(&one, "me"), Fit::No);
    let user = node_path(&format!("{MODULE}[name=$USER]")).unwrap();
    assert_eq!(user.fits(&one, "a"), Fit::All);
    // An instance-identifier leaves out nothing.
    assert!(DataPath::parse(SCHEMA, &format!("{MODULE}[name='a']")).is_err());
    assert!(
        DataPath::parse(
            SCHEMA,
            &format!("{MODULE}[name=$USER][revision='2020-01-01']")
        )
        .is_err()
    );
}

#[test]
fn what_is_no_node_identifier_is_refused() {
    for text in [
        "",
        "x",
        "/x",
        "/x:y",
        "/ietf-lmap-control:lmap/",
        "/ietf-lmap-control:lmap/x",
        "/ietf-lmap-control:lmap/events/event[1]",
        "/ietf-lmap-control:lmap/events/event[name='a'][name='b']",
        "/ietf-lmap-control:lmap/events/event[name='a'][name=$USER]",
        "/ietf-lmap-control:lmap/events/event[name=$USERS]",
        "/ietf-lmap-control:lmap/events/event[.='a']",
        "/ietf-lmap-control:lmap/tasks/task/tag[.='a'][.='b']",
        "/ietf-lmap-control:lmap/events/event[name='']",
        "/ietf-lmap-control:lmap/events/event[random-spread='3']",
    ] {
        assert_eq!(
            node_path(text).unwrap_err().tag,
            Tag::InvalidValue,
            "{text}"
        );
    }
}

#[test]
fn paths_with_both_quotes_cannot_be_said() {
    for (uri, expressible) in [
        ("/events/event=a%27b", true),
        ("/events/event=a%22b", true),
        ("/events/event=a%27%22", false),
        ("/events/event=a%27%22/random-spread", false),
        ("/tasks/task=t/tag=%22%27", false),
        ("/tasks/task", true),
    ] {
        assert_eq!(
            crate::sample::path(uri).is_expressible(),
            expressible,
            "{uri}"
        );
    }
}
