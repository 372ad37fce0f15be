#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn patch(old: &Value, new: &Value) -> Option<Value> {
    let bytes = |value: &Value| serde_json::to_vec(value).unwrap();
    diff(&bytes(old), &bytes(new)).map(|patch| serde_json::from_slice(&patch).unwrap())
}

/// Something unchanged and long, next to which every patch is short.
fn beside(value: Value) -> Value {
    let long = Value::from("z".repeat(200));
    Value::Object(
        [("a".to_owned(), value), ("zzz".to_owned(), long)]
            .into_iter()
            .collect(),
    )
}

#[test]
fn examples_of_rfc_7396_are_applied_as_it_says() {
    for (document, patch, result) in [
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
        (json!({"a": "foo"}), json!(null), json!(null)),
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
        let mut patched = document.clone();
        apply(&mut patched, patch.clone());
        assert_eq!(patched, result, "{document} and {patch}");
    }
}

#[test]
fn only_what_changed_is_in_a_patch() {
    let old = beside(json!({"x": {"y": 1, "z": [1, 2]}, "w": 1}));
    let new = beside(json!({"x": {"y": 1, "z": [1, 3]}, "v": {}}));
    assert_eq!(
        patch(&old, &new),
        Some(json!({"a": {"x": {"z": [1, 3]}, "w": null, "v": {}}}))
    );
    assert_eq!(patch(&old, &old), Some(json!({})));
    assert_eq!(
        patch(&beside(json!({"x": 1})), &beside(json!({}))),
        Some(json!({"a": {"x": null}}))
    );
    assert_eq!(
        patch(&beside(json!([1])), &beside(json!({}))),
        Some(json!({"a": {}}))
    );
}

#[test]
fn what_a_patch_cannot_say_has_none() {
    for new in [json!(null), json!({"x": null}), json!({"x": {"y": null}})] {
        assert_eq!(
            patch(&beside(json!(1)), &beside(new.clone())),
            None,
            "{new}"
        );
    }
    let same = beside(json!({"x": null}));
    assert_eq!(
        patch(&same, &same),
        Some(json!({})),
        "null stands on both sides"
    );
    let (old, new) = (
        beside(json!({"x": [1, null]})),
        beside(json!({"x": [null, 2], "s": "null"})),
    );
    assert_eq!(
        patch(&old, &new),
        Some(json!({"a": {"x": [null, 2], "s": "null"}})),
        "null in an array is a value"
    );
    assert_eq!(
        patch(&json!({"a": 1}), &json!({"b": 1})),
        None,
        "longer than the document"
    );
    assert_eq!(patch(&json!([1]), &json!({"b": 1})), None);
    assert_eq!(diff(b"{", b"{}"), None);
    assert_eq!(diff(b"\xff", b"{}"), None);
}

#[test]
fn depth_is_bounded() {
    let deep = |end: &str| format!("{}{end}{}", r#"{"a":"#.repeat(5_000), "}".repeat(5_000));
    assert_eq!(diff(deep("1").as_bytes(), deep("2").as_bytes()), None);
}

#[test]
fn values_stand_as_they_are_written() {
    let filler = "z".repeat(200);
    let old = format!(r#"{{"a":{{"b":0.1,"c":1}},"z":"{filler}"}}"#);
    let new =
        format!(r#"{{"a":{{"b":0.30000000000000004,"c":1e2,"\u0001é":"\n"}},"z":"{filler}"}}"#);
    assert_eq!(
        String::from_utf8(diff(old.as_bytes(), new.as_bytes()).unwrap()).unwrap(),
        r#"{"a":{"\u0001é":"\n","b":0.30000000000000004,"c":1e2}}"#
    );
}

#[test]
fn a_member_is_restated_whole() {
    let document = br#"{"meta":{"vtag":{"tag":"t"},"cost-type":{}},"x":{"y":null}}"#;
    assert_eq!(
        restate(document, "meta"),
        Some(br#"{"meta":{"vtag":{"tag":"t"},"cost-type":{}}}"#.to_vec())
    );
    assert_eq!(restate(document, "x"), None);
    assert_eq!(restate(document, "y"), None);
    assert_eq!(
        names_within(document, "meta"),
        Some(vec!["cost-type".to_owned(), "vtag".to_owned()])
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c\\\\\"é\n]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[ab\"é]{1,2}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_patch_gives_the_new_version_byte_for_byte(old in value(), new in value()) {
        let (old, new) = (beside(old), beside(new));
        let bytes = serde_json::to_vec(&new).unwrap();
        match diff(&serde_json::to_vec(&old).unwrap(), &bytes) {
            Some(patch) => {
                prop_assert!(patch.len() < bytes.len());
                let mut patched = old;
                apply(&mut patched, serde_json::from_slice(&patch).unwrap());
                prop_assert_eq!(serde_json::to_vec(&patched).unwrap(), bytes);
            }
            None => prop_assert!(bytes.windows(4).any(|w| w == b"null") || bytes.len() < 400),
        }
    }

    #[test]
    fn any_bytes_have_a_patch_or_none(old in prop::collection::vec(any::<u8>(), 0..60), new in "[{}\":,a\\[\\]n]{0,60}") {
        let _ = diff(&old, new.as_bytes());
        let _ = diff(new.as_bytes(), &old);
    }
}
