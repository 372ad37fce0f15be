#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::Code;

const WANTED: &[&str] = &["a", "b", "p/s", "p/d", "p/x/y"];

fn names(body: &str) -> Vec<String> {
    let members = Members::parse(body.as_bytes(), WANTED).unwrap();
    members.0.into_iter().map(|(name, _)| name).collect()
}

fn arrays(body: &str) -> Result<Vec<String>, Fault> {
    let members = Members::parse(body.as_bytes(), &["a", "b"])?;
    members.require(&["a"])?;
    let shown = |(name, elements): (&str, Vec<Json<'_>>)| format!("{name}{}", elements.len());
    Ok(members.arrays()?.into_iter().map(shown).collect())
}

#[test]
fn members_come_in_the_order_of_the_document() {
    assert_eq!(
        arrays(r#"{"b":[1],"x":{"a":1},"a":[]}"#).unwrap(),
        ["b1", "a0"]
    );
    assert_eq!(arrays(r#"{"a":1,"b":[],"a":[1,2]}"#).unwrap(), ["b0", "a2"]);
    assert_eq!(arrays(r#"{"b":1}"#), Err(Fault::missing("a")));
    assert_eq!(arrays(r#"{"b":1,"a":2}"#), Err(Fault::kind("b")));
}

#[test]
fn inner_members_have_paths() {
    assert_eq!(
        names(r#"{"p":{"d":1,"q":2,"s":3},"b":1}"#),
        ["p", "p/d", "p/s", "b"]
    );
    assert_eq!(names(r#"{"p":7}"#), ["p"]);
    assert_eq!(
        names(r#"{"p":{"s":1},"p":{"d":1}}"#),
        ["p", "p/d"],
        "the last counts as a whole"
    );
    assert_eq!(
        names(r#"{"p":{"x":{"y":[],"s":1}}}"#),
        ["p", "p/x", "p/x/y"]
    );
    assert_eq!(
        names(r#"{"p/s":1,"s":2,"":3,"p/":4}"#),
        [""; 0],
        "a path is no name"
    );
}

#[test]
fn what_is_missing_is_told_by_its_path() {
    let missing = |body: &str| {
        let members = Members::parse(body.as_bytes(), WANTED).unwrap();
        members.require(&["p", "p/s", "b"]).err()
    };
    assert_eq!(missing("{}"), Some(Fault::missing("p")));
    assert_eq!(missing(r#"{"p":{}}"#), Some(Fault::missing("p/s")));
    assert_eq!(
        missing(r#"{"p":[]}"#),
        Some(Fault::missing("b")),
        "an array lacks no member"
    );
    assert_eq!(missing(r#"{"p":{"s":null},"b":null}"#), None);
}

#[test]
fn types_and_faults_are_told_in_the_order_of_the_document() {
    let body = br#"{"b":"x","p":{"d":0,"s":"t"},"a":[]}"#;
    let members = Members::parse(body, WANTED).unwrap();
    let wrong = [
        ("a", Kind::Object),
        ("p/s", Kind::Array),
        ("p/d", Kind::Array),
        ("b", Kind::Text),
    ];
    assert_eq!(members.kinds(&wrong), Err(Fault::kind("p/d")));
    assert_eq!(members.kinds(&wrong[..1]), Err(Fault::kind("a")));
    assert_eq!(
        members.kinds(&[("p", Kind::Object), ("b", Kind::Text)]),
        Ok(())
    );
    let faults = ["a", "p/s", "p/d"]
        .map(|field| Fault::text(field, "v"))
        .to_vec();
    assert_eq!(members.earliest(faults), Err(Fault::text("p/d", "v")));
    assert_eq!(members.earliest(Vec::new()), Ok(()));
}

#[test]
fn values_are_what_was_written() {
    let of = |body: &'static str| {
        Members::parse(body.as_bytes(), &["a"])
            .unwrap()
            .get("a")
            .unwrap()
    };
    for (body, kind, shown) in [
        (r#"{"a": 1.50e3 }"#, Kind::Number, "1.50e3"),
        (r#"{"a":-0}"#, Kind::Number, "-0"),
        (r#"{"a":true}"#, Kind::Flag, "true"),
        (r#"{"a":null}"#, Kind::Null, "null"),
        (r#"{"a":"x\"\u00e9"}"#, Kind::Text, "x\"é"),
        (r#"{"a":"\ud800"}"#, Kind::Text, r#""\ud800""#),
        (r#"{"a":"\\"}"#, Kind::Text, r"\"),
        (r#"{"a":[ 1]}"#, Kind::Array, "[ 1]"),
        (r#"{"a":{}}"#, Kind::Object, "{}"),
    ] {
        assert_eq!(of(body).kind(), kind, "{body}");
        assert_eq!(of(body).fault("a"), Fault::text("a", shown), "{body}");
    }
    assert_eq!(of(r#"{"a":false}"#).flag(), Some(false));
    assert_eq!(of(r#"{"a":0}"#).flag(), None);
    let inner = of(r#"{"a":{"y":1,"x":2,"y":3}}"#);
    let members = inner.members(2).unwrap();
    let members: Vec<_> = members
        .iter()
        .map(|(name, v)| (name.as_str(), v.raw()))
        .collect();
    assert_eq!(members, [("x", "2"), ("y", "3")]);
    assert_eq!(inner.members(1), None);
}

#[test]
fn hostile_bodies_are_syntax_errors() {
    let deep = format!(r#"{{"a":{}"#, "[".repeat(10_000));
    let unbalanced = format!(r#"{{"a":{}{}}}"#, "[".repeat(10_000), "]".repeat(9_999));
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"a\"",
        "{}{}",
        "{\"a\":\0}",
        "\0",
        "{\"a\":[\"\u{0}\"]}",
        "{\"\\ud800\":1}",
        "{\"a\":01}",
        "{\"a\":[1,]}",
        "{\"a\":\"\\x\"}",
        "{a:1}",
        "\u{feff}{}",
        &deep,
        &unbalanced,
    ] {
        let Err(fault) = arrays(body) else {
            panic!("{body} was taken")
        };
        assert_eq!(fault.code(), Code::Syntax);
    }
    for body in [b"{\"\xff\":1}".as_slice(), b"{\"a\":\"\xff\"}"] {
        assert_eq!(
            Members::parse(body, &["a"]).unwrap_err().code(),
            Code::Syntax
        );
    }
}

#[test]
fn depth_upsets_nobody() {
    let nest = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let body = format!(r#"{{"x":{},"a":{}}}"#, nest(100_000), nest(100_000));
    assert_eq!(arrays(&body).unwrap(), ["a1"]);
}

proptest! {
    #[test]
    fn any_bytes_parse_or_fail(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Members::parse(&body, WANTED);
    }

    /// The naive reader keeps everything.
    #[test]
    fn values_are_those_of_a_naive_reader(text in r"\PC{0,12}", numbers in prop::collection::vec(any::<i64>(), 0..5), flag: bool) {
        let document = serde_json::json!({"a": [text, numbers, flag, null], "p": {"s": text, "z": numbers}});
        let body = document.to_string();
        let members = Members::parse(body.as_bytes(), WANTED).unwrap();
        let elements = members.array("a").unwrap();
        let read = |value: Json<'_>| value.text().map(Cow::into_owned);
        prop_assert_eq!(read(elements[0]), Some(text.clone()));
        prop_assert_eq!(elements[2].flag(), Some(flag));
        let values: Vec<Value> = elements.iter().map(|e| serde_json::from_str(e.raw()).unwrap()).collect();
        prop_assert_eq!(&Value::Array(values), &document["a"]);
        prop_assert_eq!(members.get("p/s").and_then(read), Some(text));
        prop_assert_eq!(members.get("p/z"), None);
    }
}
