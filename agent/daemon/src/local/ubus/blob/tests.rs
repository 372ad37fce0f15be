#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn written(document: &Value) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.members(document.as_object().unwrap());
    writer.into_bytes()
}

#[test]
fn values_have_the_size_of_their_type() {
    let integer = |value: i64| written(&json!({ "n": value }));
    for (value, code, size) in [
        (0, 5, 4),
        (-1, 5, 4),
        (i64::from(i32::MAX), 5, 4),
        (i64::from(i32::MIN), 5, 4),
        (i64::from(i32::MAX) + 1, 4, 8),
        (i64::from(i32::MIN) - 1, 4, 8),
        (i64::MAX, 4, 8),
        (i64::MIN, 4, 8),
    ] {
        let bytes = integer(value);
        let field = fields(&bytes).next().unwrap().unwrap();
        assert_eq!(
            (field.kind.code(), field.value.len()),
            (code, size),
            "{value}"
        );
        assert_eq!(to_json(&bytes).unwrap()["n"], value);
    }
    // What fits into no integer of the bus.
    assert_eq!(
        to_json(&written(&json!({"n": u64::MAX}))).unwrap()["n"],
        18_446_744_073_709_551_615.0
    );
    assert_eq!(
        written(&json!({"b": true})),
        b"\x87\0\0\x09\0\x01b\0\x01\0\0\0"
    );
    assert_eq!(
        written(&json!({"a": [null]})),
        b"\x81\0\0\x10\0\x01a\0\x80\0\0\x08\0\0\0\0"
    );
    assert_eq!(
        written(&json!({"d": 1.5})),
        b"\x88\0\0\x10\0\x01d\0\x3f\xf8\0\0\0\0\0\0"
    );
}

#[test]
fn integers_of_16_bits_and_infinities_of_others_are_read() {
    assert_eq!(
        to_json(b"\x86\0\0\x0a\0\x01s\0\xff\xfe\0\0").unwrap(),
        json!({"s": -2})
    );
    assert_eq!(
        to_json(b"\x88\0\0\x10\0\x01d\0\x7f\xf0\0\0\0\0\0\0").unwrap(),
        json!({"d": null})
    );
}

#[test]
fn texts_are_those_of_c() {
    assert_eq!(
        written(&json!({"t": "a\0b"})),
        b"\x83\0\0\x0a\0\x01t\0a\0\0\0"
    );
    let read = |value: &[u8]| {
        let mut bytes = vec![
            0x83,
            0,
            0,
            8 + u8::try_from(value.len()).unwrap(),
            0,
            1,
            b't',
            0,
        ];
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        to_json(&bytes)
    };
    assert_eq!(read(b"ssid \xff\0").unwrap()["t"], "ssid \u{fffd}");
    assert_eq!(read(b"a\0b\0").unwrap()["t"], "a");
    assert_eq!(read(b"ab"), Err(Malformed::Value));
    assert_eq!(read(b""), Err(Malformed::Value));
}

#[test]
fn lies_are_told_apart() {
    for (bytes, fault) in [
        (&b"\x83\0\0"[..], Malformed::Length),
        (b"\x83\0\0\x03", Malformed::Length),
        (b"\x83\0\0\x10\0\0\0\0", Malformed::Length),
        // Without its padding.
        (b"\x87\0\0\x09\0\x01b\0\x01", Malformed::Length),
        // Not a named value; no name; a name that does not end.
        (b"\x03\0\0\x08\0\0\0\0", Malformed::Name),
        (b"\x83\0\0\x04", Malformed::Name),
        (b"\x83\0\0\x0c\0\x09name\0\0", Malformed::Name),
        (b"\x83\0\0\x08\0\x01nn", Malformed::Name),
        (b"\x80\0\0\x0c\0\x02\0n\0\0\0\0", Malformed::Name),
        (b"\x89\0\0\x08\0\x01n\0", Malformed::Type),
        (b"\x85\0\0\x0a\0\x01n\0\0\0\0\0", Malformed::Value),
    ] {
        assert_eq!(to_json(bytes), Err(fault), "{bytes:?}");
    }
}

#[test]
fn depth_and_number_are_bounded() {
    let nested = |depth| {
        let value = (0..depth).fold(json!(1), |inner, _| json!([inner]));
        let mut writer = Writer::default();
        writer.value("v", &value);
        writer.into_bytes()
    };
    assert!(
        to_json(&nested(MAX_DEPTH))
            .unwrap()
            .to_string()
            .contains('1')
    );
    // Deeper is cut off when written,
    assert!(
        !to_json(&nested(MAX_DEPTH + 1))
            .unwrap()
            .to_string()
            .contains('1')
    );
    // and refused when read.
    let mut deep = Vec::new();
    for _ in 0..=MAX_DEPTH {
        let length = u32::try_from(8 + deep.len()).unwrap();
        let mut outer = (0x8100_0000 | length).to_be_bytes().to_vec();
        outer.extend_from_slice(&[0; 4]);
        outer.extend_from_slice(&deep);
        deep = outer;
    }
    assert_eq!(to_json(&deep), Err(Malformed::Excess));
    assert_eq!(
        to_json(&deep[8..])
            .unwrap()
            .to_string()
            .matches('[')
            .count(),
        MAX_DEPTH
    );
    let many = |number| {
        let mut writer = Writer::default();
        writer.array("a", |inner| {
            for _ in 0..number {
                inner.value("", &Value::Null);
            }
        });
        to_json(&writer.into_bytes())
    };
    assert!(many(MAX_VALUES - 1).is_ok());
    assert_eq!(many(MAX_VALUES), Err(Malformed::Excess));
}

/// Documents that travel unaltered.
fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-1e300_f64..1e300).prop_map(Value::from),
        "[^\0]{0,9}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[^\0]{0,5}", inner, 0..6)
                .prop_map(|members| members.into_iter().collect()),
        ]
    });
    proptest::collection::btree_map("[^\0]{0,9}", value, 0..6)
        .prop_map(|members| members.into_iter().collect())
}

proptest! {
    #[test]
    fn documents_are_read_as_written(document in documents()) {
        let bytes = written(&document);
        prop_assert_eq!(bytes.len() % 4, 0);
        prop_assert_eq!(to_json(&bytes).unwrap(), document);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = to_json(&bytes);
    }

    #[test]
    fn altered_documents_are_read_without_panic(document in documents(), at: proptest::sample::Index, byte: u8) {
        let mut bytes = written(&document);
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(read) = to_json(&bytes) {
            prop_assert_eq!(to_json(&written(&read)).unwrap(), read);
        }
    }
}
