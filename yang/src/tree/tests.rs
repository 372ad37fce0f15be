#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::draft::Draft;
use crate::sample::{SCHEMA, json, lmap, path, printed, tree};

#[test]
fn lmap_trap_05_entries_keep_their_order() {
    let tree = tree();
    let schedule = tree
        .view("ietf-lmap-control:lmap")
        .unwrap()
        .container("schedules")
        .unwrap();
    let schedule = schedule.entry("schedule", &["S1"]).unwrap();
    let names: Vec<_> = schedule
        .list("action")
        .filter_map(|action| action.leaf("name"))
        .collect();
    assert_eq!(names, ["late", "early"]);
}

#[test]
fn views_read_by_name() {
    let tree = tree();
    let lmap = tree.view("ietf-lmap-control:lmap").unwrap();
    assert_eq!(
        lmap.container("agent").unwrap().leaf("report-agent-id"),
        Some("true")
    );
    let task = lmap
        .container("tasks")
        .unwrap()
        .entry("task", &["T2"])
        .unwrap();
    assert_eq!(task.leaf_list("tag").collect::<Vec<_>>(), ["x", "y"]);
    assert!(
        task.has("ietf-lmap-control:program") && !task.has("nope") && !task.has("nope:program")
    );
    assert!(tree.view("lmap").is_none());
    let events = lmap.container("events").unwrap();
    assert!(events.list("event").any(|event| event.has("immediate")));
    assert_eq!(events.qualified(), "ietf-lmap-control:events");
}

#[test]
fn drafts_build_what_reading_builds() {
    let mut draft = Draft::new(SCHEMA, NodeId::NONE, "ietf-lmap-control:lmap").unwrap();
    draft
        .container("events", |events| {
            events.entry("event", |event| {
                assert!(event.container("name", |_| Ok(())).is_err());
                event.leaf("immediate", "")?.leaf("name", "E")?;
                Ok(())
            })?;
            Ok(())
        })
        .unwrap()
        .container("tasks", |tasks| {
            tasks.entry("task", |task| {
                task.leaf_list("tag", ["b", "a"])?
                    .leaf("name", "T")?
                    .maybe("program", None)?;
                Ok(())
            })?;
            Ok(())
        })
        .unwrap();
    assert!(draft.leaf("nope", "").is_err());
    assert!(draft.leaf("agent", "").is_err());

    let mut built = Tree::new(SCHEMA);
    built.push(draft.done());
    let read = lmap(
        r#""tasks":{"task":[{"name":"T","tag":["b","a"]}]},"events":{"event":[{"name":"E","immediate":[null]}]}"#,
    );
    assert_eq!(built, read);
}

#[test]
fn lmap_check_32_parts() {
    let tree = json().data(br#"{"ietf-lmap-control:lmap":{"agent":{"group-id":"g","last-started":"2026-01-01T00:00:00Z"},
        "tasks":{"task":[{"name":"T"}]},
        "schedules":{"schedule":[{"name":"S","start":"E","state":"enabled","action":[{"name":"A","task":"T"}]}]}}}"#).unwrap();
    assert_eq!(
        printed(&tree.content(Part::NonConfig)),
        r#"{"ietf-lmap-control:lmap":{"agent":{"last-started":"2026-01-01T00:00:00+00:00"},"schedules":{"schedule":[{"name":"S","state":"enabled"}]}}}"#
    );
    assert_eq!(
        printed(&tree.content(Part::Config)),
        r#"{"ietf-lmap-control:lmap":{"agent":{"group-id":"g"},"tasks":{"task":[{"name":"T"}]},"schedules":{"schedule":[{"name":"S","start":"E","action":[{"name":"A","task":"T"}]}]}}}"#
    );
    assert_eq!(tree.content(Part::All), tree);
}

#[test]
fn what_is_not_retained_goes_with_all_inside() {
    let mut tree = tree();
    let task = path("/tasks/task").node();
    tree.retain(&mut |above, instance| instance.node != task || above.len() != 2);
    assert!(tree.select(&path("/tasks/task")).is_empty());
    assert!(tree.find(&path("/tasks")).is_some());
    let entry = path("/events/event=E1");
    tree.find_mut(&entry)
        .unwrap()
        .children_mut()
        .unwrap()
        .truncate(1);
    assert_eq!(tree.find(&entry).unwrap().count(), 2);
    assert!(tree.find(&path("/events/event=E9")).is_none());
}
