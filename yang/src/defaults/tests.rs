#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::sample::{SCHEMA, json, lmap, path, printed};

const SET: &str =
    r#""schedules":{"schedule":[{"name":"S","start":"E","execution-mode":"pipelined"}]}"#;

#[test]
fn modes() {
    let tree = lmap(SET);
    for (mode, mode_text, shown, hidden) in [
        (
            WithDefaults::Explicit,
            "explicit",
            "pipelined",
            "report-agent-id",
        ),
        (WithDefaults::Trim, "trim", "start", "pipelined"),
        (
            WithDefaults::ReportAll,
            "report-all",
            r#""agent":{"report-agent-id":false"#,
            "@",
        ),
        (
            WithDefaults::ReportAllTagged,
            "report-all-tagged",
            r#""execution-mode":"pipelined""#,
            "nope",
        ),
    ] {
        assert_eq!(WithDefaults::parse(mode_text), Some(mode));
        let text = printed(&with_defaults(&tree, mode, Part::Config));
        assert!(
            text.contains(shown) && !text.contains(hidden),
            "{mode:?} {text}"
        );
    }
    assert_eq!(WithDefaults::parse("Trim"), None);
    // What a client has set is no default in the basic mode `explicit`.
    let tagged = with_defaults(&tree, WithDefaults::ReportAllTagged, Part::Config);
    assert!(
        !tagged
            .find(&path("/schedules/schedule=S/execution-mode"))
            .unwrap()
            .default
    );
    assert!(
        tagged
            .find(&path("/agent/report-agent-id"))
            .unwrap()
            .default
    );
    // Trimming takes off exactly what filling has added.
    let mut trimmed = with_defaults(&tagged, WithDefaults::Trim, Part::Config);
    trimmed.retain(&mut |_, instance| !instance.default);
    assert_eq!(
        trimmed,
        with_defaults(&tree, WithDefaults::Trim, Part::Config)
    );
}

#[test]
fn lmap_check_36_a_leaf_that_is_not_set() {
    let tree = lmap(SET);
    let found = in_use(&tree, &path("/agent/report-agent-id"));
    assert_eq!(
        found.iter().map(|leaf| leaf.text()).collect::<Vec<_>>(),
        [Some("false")]
    );
    assert!(in_use(&tree, &path("/agent/group-id")).is_empty());
    // Only below parents that are there.
    assert!(in_use(&tree, &path("/suppressions/suppression=x/stop-running")).is_empty());
}

#[test]
fn a_default_needs_its_condition() {
    let structure = SCHEMA.structure("ietf-yang-patch", "yang-patch").unwrap();
    for (operation, wanted) in [("insert", true), ("delete", false)] {
        let body = format!(
            r#"{{"ietf-yang-patch:yang-patch":{{"patch-id":"p","edit":[{{"edit-id":"1","operation":"{operation}","target":"/"}}]}}}}"#
        );
        let tree = json().structure(structure, body.as_bytes()).unwrap();
        let text = printed(&with_defaults(&tree, WithDefaults::ReportAll, Part::All));
        assert_eq!(text.contains(r#""where":"last""#), wanted, "{text}");
    }
}

#[test]
fn state_has_its_own_defaults() {
    let tree = json().data(br#"{"ietf-restconf-monitoring:restconf-state":{"streams":{"stream":[{"name":"NETCONF"}]}}}"#).unwrap();
    for (part, wanted) in [(Part::Config, false), (Part::NonConfig, true)] {
        let text = printed(&with_defaults(&tree, WithDefaults::ReportAll, part));
        assert_eq!(text.contains("replay-support"), wanted, "{text}");
        assert_eq!(text.contains("report-agent-id"), !wanted, "{text}");
        let text = printed(&with_defaults(&tree, WithDefaults::Explicit, part));
        assert_eq!(text.contains("replay-support"), wanted, "{text}");
        assert!(!text.contains("report-agent-id"), "{text}");
    }
}
