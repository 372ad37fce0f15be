#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::sample::{SCHEMA, lmap, tree};

fn changes(old: &Tree, new: &Tree) -> Vec<(What, String)> {
    diff(old, new)
        .into_iter()
        .map(|change| {
            let path = change.path.json(SCHEMA);
            (change.what, path.replace("/ietf-lmap-control:lmap", ""))
        })
        .collect()
}

#[test]
fn each_kind_of_change() {
    let old = lmap(
        r#""agent":{"group-id":"g","measurement-point":"m"},"tasks":{"task":[{"name":"A"},{"name":"B","tag":["x"]},{"name":"C"}]}"#,
    );
    let new = lmap(
        r#""agent":{"group-id":"h"},"tasks":{"task":[{"name":"C"},{"name":"B","tag":["y"],"program":"p"},{"name":"D","program":"q"}]}"#,
    );
    let wanted = [
        (What::Replaced, "/agent/group-id"),
        (What::Deleted, "/agent/measurement-point"),
        (What::Created, "/tasks/task[name='B']/program"),
        (What::Created, "/tasks/task[name='B']/tag[.='y']"),
        (What::Deleted, "/tasks/task[name='B']/tag[.='x']"),
        (What::Created, "/tasks/task[name='D']"),
        (What::Moved, "/tasks/task[name='B']"),
        (What::Deleted, "/tasks/task[name='A']"),
    ];
    assert_eq!(
        changes(&old, &new),
        wanted.map(|(what, path)| (what, path.to_owned()))
    );
    assert_eq!(changes(&old, &old), []);
    assert_eq!(
        changes(&tree(), &Tree::new(SCHEMA)),
        [(What::Deleted, String::new())]
    );
    assert_eq!(
        changes(&Tree::new(SCHEMA), &tree()),
        [(What::Created, String::new())]
    );
}
