#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;

#[test]
fn texts_that_are_json() {
    for (text, written) in [
        (" [ ] ", "[]"),
        (
            "{\"a\" : 1e-2 ,\"b\":[true,false,null]}",
            "{\"a\":1e-2,\"b\":[true,false,null]}",
        ),
        ("-0.50", "-0.50"),
        (r#""\u00fc\ud83d\ude00\/\n""#, "\"ü😀/\\n\""),
        ("18446744073709551616000", "18446744073709551616000"),
    ] {
        let mut out = String::new();
        parse(text.as_bytes(), Limits::default())
            .unwrap()
            .write(&mut out);
        assert_eq!(out, written, "{text}");
    }
}

#[test]
fn texts_that_are_none() {
    let deep = "[".repeat(65) + &"]".repeat(65);
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "nul",
        "\"a",
        "\"\t\"",
        "\"\\x\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "1 2",
        "{\"a\":1,\"a\":2}",
        "\u{feff}1",
        "'a'",
        &deep,
    ] {
        let error = parse(text.as_bytes(), Limits::default()).unwrap_err();
        assert_eq!(error.tag, Tag::MalformedMessage, "{text}: {error}");
    }
    assert!(parse(b"\"\xff\"", Limits::default()).is_err());
    assert!(parse(b"\"\xed\xa0\x80\"", Limits::default()).is_err());
}

#[test]
fn too_many_nodes() {
    let limits = Limits { depth: 4, nodes: 3 };
    assert!(parse(b"[1,2]", limits).is_ok());
    assert_eq!(parse(b"[1,2,3]", limits).unwrap_err().tag, Tag::TooBig);
}

#[test]
fn the_message_names_the_line() {
    let error = parse(b"{\n\"a\": 1,\n}", Limits::default()).unwrap_err();
    assert!(error.message.starts_with("line 3, byte 10"), "{error}");
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Number(number.to_string())),
        any::<String>().prop_map(|text| Value::String(text.replace('\0', ""))),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-z\"\\\\ü]{0,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(value in values()) {
        let mut out = String::new();
        value.write(&mut out);
        prop_assert_eq!(parse(out.as_bytes(), Limits::default()), Ok(value));
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "[\\[\\]{}\",:0-9a-z\\\\. -]{0,40}") {
        let _ = parse(&bytes, Limits::default());
        let _ = parse(text.as_bytes(), Limits::default());
    }
}
