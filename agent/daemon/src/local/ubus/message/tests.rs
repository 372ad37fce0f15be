#![allow(clippy::unwrap_used)]
use super::*;
use crate::local::ubus::blob::to_json;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Bytes from hexadecimal digits with anything else between them.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
    let (head, rest) = bytes.split_first_chunk().ok_or(Malformed::Length)?;
    let header = Header::parse(head)?;
    let rest = rest.get(..header.length).ok_or(Malformed::Length)?;
    Message::parse(&header, rest)
}

fn same(message: &Message, captured: &str) {
    let captured = hex(captured);
    assert_eq!(message.encode().unwrap(), captured);
    assert_eq!(&parse(&captured).unwrap(), message);
}

fn document(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    fill(&mut writer);
    writer.into_bytes()
}

fn method(name: &str, arguments: &[(&str, Kind)]) -> Method {
    let arguments = arguments
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), *kind));
    Method {
        name: name.to_owned(),
        arguments: arguments.collect(),
    }
}

#[test]
fn a_captured_look_up_and_call() {
    let hello = Message::new(Verb::Hello, 0, 0x03de_54e4, Attributes::default());
    same(&hello, "00 00 0000 03de54e4 | 00000004");
    let lookup = Message::lookup(1, "hello");
    same(
        &lookup,
        "00 04 0001 00000000 | 00000010 | 0200000a 68656c6c6f00 0000",
    );
    let methods = [method("status", &[]), method("run", &[("n", Kind::Int32)])];
    let found = Attributes {
        path: Some("hello".to_owned()),
        object: Some(0xdf53_7cea),
        object_type: Some(0x6a58_e114),
        signature: Some(encode_signature(&methods)),
        ..Attributes::default()
    };
    assert_eq!(
        signature(found.signature.as_deref().unwrap()).unwrap(),
        methods
    );
    same(
        &Message::new(Verb::Data, 1, 0, found),
        "00 02 0001 00000000 | 0000004c | 0200000a 68656c6c6f00 0000 03000008 df537cea
         05000008 6a58e114 0600002c 82000010 0006 737461747573 00 000000
         82000018 0003 72756e 00 0000 8500000c 0001 6e 00 00000005",
    );
    let done = Message::status(1, 0, None, Status::Ok);
    same(&done, "00 01 0001 00000000 | 0000000c | 01000008 00000000");
    let call = Message::invoke(
        2,
        0xdf53_7cea,
        "run",
        document(|data| data.integer("n", 21)),
    );
    same(
        &call,
        "00 05 0002 df537cea | 00000024 | 03000008 df537cea 04000008 72756e00
         07000010 8500000c 0001 6e 00 00000015",
    );
    assert_eq!(
        to_json(call.attributes.data.as_deref().unwrap()).unwrap(),
        json!({"n": 21})
    );
    let answer = document(|data| data.integer("twice", 42));
    same(
        &Message::data(2, 0xdf53_7cea, 0xdf53_7cea, answer),
        "00 02 0002 df537cea | 00000020 | 03000008 df537cea
         07000014 85000010 0005 7477696365 00 0000002a",
    );
    let done = Message::status(2, 0xdf53_7cea, Some(0xdf53_7cea), Status::Ok);
    same(
        &done,
        "00 01 0002 df537cea | 00000014 | 01000008 00000000 | 03000008 df537cea",
    );
}

#[test]
fn a_captured_registration_and_incoming_call() {
    let arguments = [("test", Kind::Text), ("count", Kind::Int32)];
    let methods = [method("status", &[]), method("run", &arguments)];
    same(
        &Message::add_object(1, Some("glimpse"), &methods),
        "00 06 0001 00000000 | 00000050 | 0200000c 676c696d70736500
         06000040 82000010 0006 737461747573 00 000000 8200002c 0003 72756e 00 0000
         85000010 0004 74657374 00 00 00000003 85000010 0005 636f756e74 00 00000005",
    );
    let added = Attributes {
        object: Some(0xf5d5_7686),
        object_type: Some(0x421c_1fb2),
        ..Attributes::default()
    };
    same(
        &Message::new(Verb::Data, 1, 0, added),
        "00 02 0001 00000000 | 00000014 | 03000008 f5d57686 | 05000008 421c1fb2",
    );
    let mut call = Message::invoke(
        2,
        0xf5d5_7686,
        "run",
        document(|data| {
            data.text("test", "ping");
            data.integer("count", 3);
        }),
    );
    call.peer = 0xa494_7983;
    call.attributes.user = Some("root".to_owned());
    call.attributes.group = Some("root".to_owned());
    same(
        &call,
        "00 05 0002 a4947983 | 00000054 | 03000008 f5d57686 04000008 72756e00
         0c000009 726f6f7400 000000 | 0d000009 726f6f7400 000000
         07000028 83000011 0004 74657374 00 00 70696e6700 000000
         85000010 0005 636f756e74 00 00000003",
    );
    same(
        &Message::data(
            2,
            0xa494_7983,
            0xf5d5_7686,
            document(|data| data.integer("id", 7)),
        ),
        "00 02 0002 a4947983 | 00000020 | 03000008 f5d57686 | 07000014 85000010 0002 6964 00 000000 00000007",
    );
    same(
        &Message::status(2, 0xa494_7983, Some(0xf5d5_7686), Status::Ok),
        "00 01 0002 a4947983 | 00000014 | 01000008 00000000 | 03000008 f5d57686",
    );
}

#[test]
fn a_captured_event() {
    let data = document(|data| {
        data.text("id", "hello.event");
        data.value("data", &json!({"a": 1}));
    });
    same(
        &Message::invoke(1, EVENTS, "send", data),
        "00050001 00000001 0000004c 03000008 00000001 04000009 73656e6400 000000 07000034 83000018 0002
         6964 00 000000 68656c6c6f2e6576656e7400 82000018 0004 64617461 00 00 8500000c 0001 61 00 00000001",
    );
}

#[test]
fn messages_end_where_they_say() {
    let mut bytes = Message::lookup(1, "hello").encode().unwrap();
    bytes[0] = 1;
    assert_eq!(parse(&bytes), Err(Malformed::Version));
    let header = |length: u32| {
        let mut bytes = [0; HEADER];
        bytes[8..].copy_from_slice(&length.to_be_bytes());
        Header::parse(&bytes)
    };
    assert_eq!(header(3), Err(Malformed::Length));
    assert_eq!(header(1 << 20).unwrap().length, (1 << 20) - 4);
    assert_eq!(header((1 << 20) + 1), Err(Malformed::TooLong));
    let text = "x".repeat(MAX_LENGTH);
    let long = Message::data(1, 2, 3, document(|data| data.text("t", &text)));
    assert_eq!(long.encode(), Err(Malformed::TooLong));
    // The longest that is written is taken.
    let fits = Message::data(1, 2, 3, document(|data| data.text("t", &text[28..])));
    assert_eq!(fits.encode().unwrap().len(), 8 + MAX_LENGTH);
    assert!(parse(&fits.encode().unwrap()).is_ok());
}

#[test]
fn what_is_not_known_is_passed_over() {
    let mut bytes = Message::lookup(1, "hello").encode().unwrap();
    bytes.extend_from_slice(&hex("7e000006 abcd 0000"));
    bytes[11] += 8;
    assert_eq!(parse(&bytes).unwrap(), Message::lookup(1, "hello"));
    bytes[1] = 99;
    let header = Header::parse(bytes.first_chunk().unwrap()).unwrap();
    assert_eq!((header.verb, header.length), (None, 20));
}

#[test]
fn every_status_has_its_code() {
    for code in 0..=10 {
        assert_eq!(Status::from_code(code).code(), code);
    }
    assert_eq!(Status::from_code(99), Status::Unknown);
}

fn attributes_of_a_message() -> impl Strategy<Value = Attributes> {
    let text = || proptest::option::of("[a-zA-Z.*_-]{0,12}");
    let numbers = proptest::array::uniform4(proptest::option::of(any::<u32>()));
    let texts = (text(), text(), text(), text());
    let rest = (
        any::<bool>(),
        proptest::option::of(any::<bool>()),
        proptest::option::of(proptest::collection::vec(any::<u32>(), 0..4)),
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
    );
    (numbers, texts, rest).prop_map(|(numbers, texts, rest)| Attributes {
        no_reply: rest.0,
        status: numbers[0],
        path: texts.0,
        object: numbers[1],
        method: texts.1,
        object_type: numbers[2],
        signature: rest.3.clone(),
        target: numbers[3],
        active: rest.1,
        subscribers: rest.2,
        user: texts.2,
        group: texts.3,
        data: rest.3,
    })
}

proptest! {
    #[test]
    fn messages_are_read_as_written(verb in 0_u8..12, seq: u16, peer: u32, attributes in attributes_of_a_message()) {
        let message = Message::new(Verb::from_code(verb).unwrap(), seq, peer, attributes);
        prop_assert_eq!(parse(&message.encode().unwrap()).unwrap(), message);
    }

    #[test]
    fn any_bytes_are_read_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), tidy: bool) {
        if tidy && bytes.len() >= HEADER {
            let length = u8::try_from(bytes.len() - 8).unwrap();
            bytes[0] = 0;
            bytes[1] %= 12;
            bytes[8..HEADER].copy_from_slice(&[0, 0, 0, length]);
        }
        if let Ok(message) = parse(&bytes) {
            let again = parse(&message.encode().unwrap()).unwrap();
            prop_assert_eq!(&again, &message);
            let _: Option<Result<Value, _>> = message.attributes.data.as_deref().map(to_json);
            let _ = message.attributes.signature.as_deref().map(signature);
        }
    }
}
