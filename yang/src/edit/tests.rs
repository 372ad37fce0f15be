#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::Encoding;
use crate::read::Reader;
use crate::sample::{SCHEMA, json, lmap, path, printed, tree};
use crate::validate::{Check, validate};

#[allow(clippy::unnecessary_wraps, reason = "as `edit` takes it")]
fn value(uri: &str, body: &str) -> Option<Instance> {
    let reader = Reader::new(SCHEMA, Encoding::Json);
    Some(reader.target(&path(uri), body.as_bytes()).unwrap())
}

fn event(name: &str, inside: &str) -> String {
    format!(r#"{{"ietf-lmap-control:event":[{{"name":"{name}"{inside}}}]}}"#)
}

#[test]
fn each_operation_on_what_is_there_and_what_is_not() {
    use Edited::{Changed, Created, Nothing, Removed};
    use Operation::{Create, Delete, Merge, Remove, Replace};
    for (operation, name, wanted) in [
        (Create, "new", Ok(Created)),
        (Create, "E1", Err(Tag::DataExists)),
        (Merge, "new", Ok(Created)),
        (Merge, "E1", Ok(Changed)),
        (Replace, "new", Ok(Created)),
        (Replace, "E1", Ok(Changed)),
        (Delete, "new", Err(Tag::DataMissing)),
        (Delete, "E1", Ok(Removed)),
        (Remove, "new", Ok(Nothing)),
        (Remove, "E1", Ok(Removed)),
    ] {
        let before = tree();
        let mut after = before.clone();
        let uri = format!("/events/event={name}");
        let given = value(&uri, &event(name, r#","random-spread":3"#));
        let done = edit(&mut after, &path(&uri), operation, given, None);
        assert_eq!(
            done.map_err(|error| error.tag),
            wanted,
            "{operation:?} {name}"
        );
        match wanted {
            Err(_) | Ok(Nothing) => assert_eq!(after, before),
            Ok(Removed) => assert!(after.find(&path(&uri)).is_none()),
            Ok(Created | Changed) => {
                let entry = after.find(&path(&uri)).unwrap();
                let count = if operation == Merge && wanted == Ok(Changed) {
                    5
                } else {
                    3
                };
                assert_eq!(entry.count(), count);
            }
        }
    }
}

#[test]
fn lmap_check_46_another_case_takes_the_place() {
    let mut tree = lmap(
        r#""events":{"event":[{"name":"E"}]},"schedules":{"schedule":[{"name":"S","start":"E","end":"E"}]}"#,
    );
    let uri = "/schedules/schedule=S";
    let given = value(
        uri,
        r#"{"ietf-lmap-control:schedule":[{"name":"S","duration":5}]}"#,
    );
    edit(&mut tree, &path(uri), Operation::Merge, given, None).unwrap();
    assert!(
        printed(&tree).contains(r#"{"name":"S","start":"E","duration":5}"#),
        "{}",
        printed(&tree)
    );
    let given = value(
        "/schedules/schedule=S/end",
        r#"{"ietf-lmap-control:end":"E"}"#,
    );
    edit(
        &mut tree,
        &path("/schedules/schedule=S/end"),
        Operation::Create,
        given,
        None,
    )
    .unwrap();
    assert!(
        printed(&tree).contains(r#"{"name":"S","start":"E","end":"E"}"#),
        "{}",
        printed(&tree)
    );
    assert_eq!(validate(&tree, Check::Configuration, None), []);
}

#[test]
fn containers_above_are_made_and_entries_are_not() {
    let mut tree = Tree::new(SCHEMA);
    let given = value("/agent/group-id", r#"{"ietf-lmap-control:group-id":"g"}"#);
    assert_eq!(
        edit(
            &mut tree,
            &path("/agent/group-id"),
            Operation::Create,
            given,
            None
        ),
        Ok(Edited::Created)
    );
    let uri = "/events/event=E/random-spread";
    let before = tree.clone();
    let given = value(uri, r#"{"ietf-lmap-control:random-spread":1}"#);
    let error = edit(&mut tree, &path(uri), Operation::Replace, given, None).unwrap_err();
    assert_eq!(
        (error.tag, error.path),
        (Tag::DataMissing, Some(path("/events/event=E")))
    );
    assert_eq!(tree, before);
    // A parent may be another case of a choice than what is there.
    let mut tree = lmap(r#""events":{"event":[{"name":"E","immediate":[null]}]}"#);
    let uri = "/events/event=E/periodic/interval";
    let given = value(uri, r#"{"ietf-lmap-control:interval":1}"#);
    edit(&mut tree, &path(uri), Operation::Merge, given, None).unwrap();
    assert!(
        printed(&tree).ends_with(r#""periodic":{"interval":1}}]}}}"#),
        "{}",
        printed(&tree)
    );
}

#[test]
fn keys_stay() {
    let mut tree = tree();
    let uri = "/events/event=E1/name";
    let error = edit(&mut tree, &path(uri), Operation::Remove, None, None).unwrap_err();
    assert_eq!(error.tag, Tag::OperationNotSupported);
    let given = value(uri, r#"{"ietf-lmap-control:name":"E9"}"#);
    let error = edit(&mut tree, &path(uri), Operation::Replace, given, None).unwrap_err();
    assert_eq!(error.tag, Tag::InvalidValue);
    let error = edit(
        &mut tree,
        &path("/events/event"),
        Operation::Delete,
        None,
        None,
    )
    .unwrap_err();
    assert_eq!(error.tag, Tag::InvalidValue);
}

#[test]
fn lmap_check_37_places() {
    let uri = |id: &str| format!("/tasks/task=T2/option={id}");
    let ids = |tree: &Tree| -> String {
        let found = tree.select(&path("/tasks/task=T2/option"));
        found
            .iter()
            .flat_map(|option| option.keys(SCHEMA))
            .collect()
    };
    let key = |id: &str| Select::Keys(vec![id.to_owned()]);
    for (place, wanted) in [
        (None, "zan"),
        (Some(Place::First), "nza"),
        (Some(Place::Last), "zan"),
        (Some(Place::Before(key("a"))), "zna"),
        (Some(Place::After(key("z"))), "zna"),
    ] {
        let mut tree = tree();
        let given = value(&uri("n"), r#"{"ietf-lmap-control:option":[{"id":"n"}]}"#);
        edit(
            &mut tree,
            &path(&uri("n")),
            Operation::Create,
            given,
            place.as_ref(),
        )
        .unwrap();
        assert_eq!(ids(&tree), wanted, "{place:?}");
    }
    let mut tree = tree();
    move_to(&mut tree, &path(&uri("z")), &Place::Last).unwrap();
    assert_eq!(ids(&tree), "az");
    move_to(&mut tree, &path(&uri("z")), &Place::Before(key("a"))).unwrap();
    assert_eq!(ids(&tree), "za");
    for select in [key("nope"), key("z"), Select::All] {
        let error = move_to(&mut tree, &path(&uri("z")), &Place::After(select)).unwrap_err();
        assert_eq!(
            (error.tag, error.app_tag.as_deref()),
            (Tag::BadAttribute, Some("missing-instance"))
        );
    }
    // `action` is ordered by the system.
    let error = move_to(
        &mut tree,
        &path("/schedules/schedule=S1/action=late"),
        &Place::Last,
    )
    .unwrap_err();
    assert_eq!(error.tag, Tag::InvalidValue);
}

#[test]
fn lmap_trap_05_an_edit_keeps_the_order_of_others() {
    let mut tree = tree();
    let uri = "/schedules/schedule=S1/action=late";
    let given = value(
        uri,
        r#"{"ietf-lmap-control:action":[{"name":"late","task":"T1"}]}"#,
    );
    edit(&mut tree, &path(uri), Operation::Replace, given, None).unwrap();
    let names: Vec<_> = tree
        .select(&path("/schedules/schedule=S1/action"))
        .into_iter()
        .flat_map(|action| action.keys(SCHEMA))
        .collect();
    assert_eq!(names, ["late", "early"]);
}

#[test]
fn lmap_check_29_whole_datastores() {
    let mut merged = tree();
    let patch = lmap(
        r#""tasks":{"task":[{"name":"T3"},{"name":"T1","program":"p"}]},"events":{"event":[{"name":"E1","startup":[null]}]}"#,
    );
    merge_all(&mut merged, patch.clone());
    assert_eq!(validate(&merged, Check::Configuration, None), []);
    let text = printed(&merged);
    assert!(
        text.contains(r#"{"name":"T1","program":"p"},{"name":"T3"}"#),
        "{text}"
    );
    assert!(text.contains(r#"{"name":"E1","startup":[null]}"#), "{text}");
    // To merge again changes nothing.
    let mut again = merged.clone();
    merge_all(&mut again, patch.clone());
    assert_eq!(again, merged);
    replace_all(&mut again, patch.clone());
    assert_eq!(again, patch);
}

#[test]
fn what_is_tagged_as_default_is_taken_off() {
    let mut tree = lmap(r#""suppressions":{"suppression":[{"name":"q","stop-running":true}]}"#);
    let body = br#"{"ietf-lmap-control:lmap":{"suppressions":{"suppression":[{"name":"q","stop-running":false,"@stop-running":{"ietf-netconf-with-defaults:default":true}}]}}}"#;
    let patch = json().data(body).unwrap();
    merge_all(&mut tree, patch.clone());
    assert_eq!(
        tree,
        lmap(r#""suppressions":{"suppression":[{"name":"q"}]}"#)
    );
    replace_all(&mut tree, patch);
    assert_eq!(
        tree,
        lmap(r#""suppressions":{"suppression":[{"name":"q"}]}"#)
    );
}
