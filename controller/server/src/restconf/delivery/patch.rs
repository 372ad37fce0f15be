//! An edit as a YANG Patch (RFC 8072) of the whole datastore: the agent is asked for exactly what was judged, on condition that
//! nothing of its configuration is another than the one that it was judged by. A condition on the target alone would not see an
//! event or a task that has changed.

use crate::restconf::engine::{BODY_BYTES, Known, Written, unlimited};
use glimpse_restconf::{Commit, Plan};
use glimpse_yang::diff::{Change, What};
use glimpse_yang::schema::{Kind, Node};
use glimpse_yang::table::AGENT;
use glimpse_yang::write::Writer;
use glimpse_yang::{DataPath, Encoding, Instance, Select, Tree};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// More edits than an agent takes in one patch.
const MOST: usize = 256;

#[derive(serde::Serialize)]
struct Body<'a> {
    #[serde(rename = "ietf-yang-patch:yang-patch")]
    patch: Patch<'a>,
}

#[derive(serde::Serialize)]
struct Patch<'a> {
    #[serde(rename = "patch-id")]
    id: &'a str,
    edit: Vec<Edit>,
}

#[derive(serde::Serialize)]
struct Edit {
    #[serde(flatten)]
    leaves: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
}

/// The patch that makes of `known` what was planned for the target of `written`: change by change, or the target as a whole where the
/// order of entries is another. `None` where none does so for certain.
pub(super) fn of(known: &Known, commit: &Commit, written: &Written, root: &str) -> Option<Written> {
    let edits = commit.changes.iter().zip(1..).take(MOST + 1);
    let edits = edits.map(|(change, number)| edit(&commit.tree, change, number));
    checked(edits.collect::<Option<_>>(), known, commit, root).or_else(|| {
        let target = written.path.strip_prefix("/data/")?;
        let path = DataPath::from_uri(&AGENT, target).ok()?;
        let whole = Change {
            what: What::Replaced,
            path,
        };
        let edits = edit(&commit.tree, &whole, 1).map(|edit| vec![edit]);
        checked(edits, known, commit, root)
    })
}

fn checked(
    edits: Option<Vec<Edit>>,
    known: &Known,
    commit: &Commit,
    root: &str,
) -> Option<Written> {
    let edit = edits.filter(|edits| edits.len() <= MOST)?;
    let body = Body {
        patch: Patch {
            id: "glimpse",
            edit,
        },
    };
    let body = serde_json::to_string(&body).ok()?;
    if body.len() > BODY_BYTES {
        return None;
    }
    let written = Written {
        method: "PATCH".to_owned(),
        path: "/data".to_owned(),
        query: None,
        content_type: Some("application/yang-patch+json".to_owned()),
        body,
    };
    let request = written.request(root, unlimited("glimpse"), 0);
    match known.plan(root, &request) {
        Plan::Commit(again) if again.tree.top == commit.tree.top => Some(written),
        _ => None,
    }
}

fn target(path: &DataPath) -> Value {
    Value::from(format!("/{}", path.to_uri(&AGENT)))
}

fn edit(tree: &Tree, change: &Change, number: u32) -> Option<Edit> {
    let node = AGENT.node(change.path.node());
    let ordered = node.is(Node::USER_ORDERED);
    let (operation, with_value) = match change.what {
        What::Deleted => ("remove", false),
        What::Moved => ("move", false),
        What::Replaced => ("replace", true),
        What::Created if ordered => ("insert", true),
        What::Created => match node.kind {
            // It may be there, and hollow.
            Kind::Container if !node.is(Node::PRESENCE) => ("merge", true),
            Kind::Leaf => ("replace", true),
            _ => ("create", true),
        },
    };
    let mut leaves = Map::new();
    leaves.insert("edit-id".to_owned(), json!(number.to_string()));
    leaves.insert("operation".to_owned(), json!(operation));
    leaves.insert("target".to_owned(), target(&change.path));
    if matches!(operation, "insert" | "move") {
        let entries = entries(tree, &change.path)?;
        let own = entries.iter().position(|entry| *entry == change.path)?;
        if let Some(point) = own.checked_sub(1).and_then(|before| entries.get(before)) {
            leaves.insert("where".to_owned(), json!("after"));
            leaves.insert("point".to_owned(), target(point));
        } else {
            leaves.insert("where".to_owned(), json!("first"));
        }
    }
    let value = if with_value {
        let instance = tree.find(&change.path)?;
        let text = Writer::new(&AGENT, Encoding::Json).instances(&[instance]);
        Some(RawValue::from_string(text).ok()?)
    } else {
        None
    };
    Some(Edit { leaves, value })
}

/// The entries of the list that one is in, in their order.
fn entries(tree: &Tree, path: &DataPath) -> Option<Vec<DataPath>> {
    let last = path.steps.last()?;
    let above = path.parent()?;
    let siblings: &[Instance] = if above.steps.is_empty() {
        &tree.top
    } else {
        tree.find(&above)?.children()
    };
    let entries = siblings.iter().filter(|entry| entry.node == last.node);
    entries
        .map(|entry| {
            let select = match AGENT.node(entry.node).kind {
                Kind::LeafList => Select::Value(entry.text()?.to_owned()),
                _ => Select::Keys(entry.keys(&AGENT).into_iter().map(str::to_owned).collect()),
            };
            Some(above.child(entry.node, select))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ROOT: &str = "/agents/a/restconf";
    const BASE: &str = r#"{"ietf-restconf:data": {"ietf-lmap-control:lmap": {
        "tasks": {"task": [{"name": "t", "program": "ping", "option": [
            {"id": "1", "name": "host", "value": "a.example"}, {"id": "2", "value": "x"}, {"id": "3", "value": "y"}]}]},
        "events": {"event": [{"name": "e/1", "periodic": {"interval": 60}}]},
        "schedules": {"schedule": [{"name": "s", "start": "e/1", "action": [
            {"name": "a", "task": "t"}, {"name": "b", "task": "t"}]}]}}}}"#;

    fn planned(
        method: &str,
        path: &str,
        query: Option<&str>,
        body: &Value,
    ) -> (Known, Box<Commit>, Written) {
        let known = Known::of(
            BASE.as_bytes(),
            b"{\"ietf-restconf:data\":{}}",
            ("/r", ROOT),
            0,
        );
        let known = known.unwrap();
        let written = Written {
            method: method.to_owned(),
            path: format!("/data/ietf-lmap-control:lmap{path}"),
            query: query.map(str::to_owned),
            content_type: Some("application/yang-data+json".to_owned()),
            body: if body.is_null() {
                String::new()
            } else {
                body.to_string()
            },
        };
        match known.plan(ROOT, &written.request(ROOT, unlimited("o"), 0)) {
            Plan::Commit(commit) => (known, commit, written),
            other => panic!("{other:?}"),
        }
    }

    /// What the patch does is compared by [`of`] itself.
    #[test]
    fn every_edit_has_a_patch_that_comes_to_the_same() {
        let action = json!({"ietf-lmap-control:action": [{"name": "c", "task": "t"}]});
        let option = json!({"ietf-lmap-control:option": [{"id": "4", "value": "z"}]});
        let event = json!({"ietf-lmap-control:event": [{"name": "e/1", "immediate": [null]}]});
        for (method, path, query, body) in [
            ("PUT", "/events/event=e%2F1", None, event),
            ("POST", "/schedules/schedule=s", None, action),
            ("POST", "/tasks/task=t", None, option.clone()),
            (
                "POST",
                "/tasks/task=t",
                Some("insert=first"),
                option.clone(),
            ),
            (
                "POST",
                "/tasks/task=t",
                Some("insert=before&point=/ietf-lmap-control:lmap/tasks/task=t/option=3"),
                option.clone(),
            ),
            (
                "PUT",
                "/tasks/task=t",
                None,
                json!({"ietf-lmap-control:task": [{"name": "t", "option": [
                {"id": "3", "value": "y"}, {"id": "5"}, {"id": "1", "name": "host", "value": "b.example"}]}]}),
            ),
            (
                "PUT",
                "/schedules/schedule=s",
                None,
                json!({"ietf-lmap-control:schedule": [{"name": "s", "start": "e/1",
                "execution-mode": "parallel", "action": [{"name": "b", "task": "t"}, {"name": "a", "task": "t"}]}]}),
            ),
            ("DELETE", "/schedules", None, Value::Null),
            (
                "PATCH",
                "/agent",
                None,
                json!({"ietf-lmap-control:agent": {"agent-id": "5b1c1f5e-3d0b-4f6e-9a3e-2f1d8c7b6a50"}}),
            ),
            (
                "PUT",
                "/events/event=e%2F1/periodic/interval",
                None,
                json!({"ietf-lmap-control:interval": 90}),
            ),
            (
                "POST",
                "/suppressions",
                None,
                json!({"ietf-lmap-control:suppression": [{"name": "x", "match": ["m", "n"]}]}),
            ),
        ] {
            let (known, commit, written) = planned(method, path, query, &body);
            let patch = of(&known, &commit, &written, ROOT);
            let patch = patch.unwrap_or_else(|| panic!("{method} {path}: {:?}", commit.changes));
            assert_eq!(patch.path, "/data");
        }
    }
}
