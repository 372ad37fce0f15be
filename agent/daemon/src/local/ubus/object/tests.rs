#![allow(clippy::unwrap_used)]
use super::*;
use crate::local::ubus::blob::MAX_DEPTH;
use proptest::prelude::*;

fn document(value: &Value) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.members(value.as_object().unwrap());
    writer.into_bytes()
}

fn ask(method: &str, arguments: &Value) -> Decision {
    read(method, &document(arguments), Some("root"))
}

#[test]
fn every_method_is_one_of_the_service() {
    for (name, _) in METHODS {
        assert!(Request::of_call(name, &Map::new()).is_some(), "{name}");
    }
    assert_eq!(methods().len(), 15);
    // What is the control socket's alone.
    for name in ["own", "nacm-reset"] {
        let Decision::Fail(status, _) = ask(name, &json!({})) else {
            panic!("{name}");
        };
        assert_eq!(status, Status::MethodNotFound);
    }
}

/// No argument that is announced is refused as unknown.
#[test]
fn every_argument_is_known_to_the_service() {
    for (method, arguments) in METHODS {
        for (name, kind) in *arguments {
            let value = match kind {
                Kind::Text => json!("x"),
                Kind::Bool => json!(true),
                Kind::Table => json!({}),
                _ => json!(1),
            };
            if let Decision::Refuse(said) = ask(method, &json!({ *name: value })) {
                assert!(!said.contains("unknown"), "{method}.{name}: {said}");
            }
        }
        let Decision::Refuse(_) = ask(method, &json!({"nonsense": 1})) else {
            panic!("{method} takes anything");
        };
    }
}

#[test]
fn arguments_of_another_type_are_invalid() {
    for (method, arguments, said) in [
        (
            "results",
            json!({"limit": "20"}),
            "limit: must be a whole number",
        ),
        (
            "results",
            json!({"limit": true}),
            "limit: must be a whole number",
        ),
        ("results", json!({"own": 1}), "own: must be true or false"),
        ("run", json!({"method": 5}), "method: must be a string"),
        (
            "run",
            json!({"method": "ping", "options": []}),
            "options: must be an object",
        ),
    ] {
        let failed = Decision::Fail(Status::InvalidArgument, said.to_owned());
        assert_eq!(ask(method, &arguments), failed, "{arguments}");
    }
    let garbled = read("status", b"\x83\0\0\x03", None);
    assert!(matches!(
        garbled,
        Decision::Fail(Status::InvalidArgument, _)
    ));
}

#[test]
fn integers_of_any_width_are_taken_and_null_is_nothing() {
    let Decision::Ask(expected) = ask("results", &json!({"limit": 7})) else {
        panic!("a limit is taken");
    };
    let wide = b"\x84\0\0\x14\0\x05limit\0\0\0\0\0\0\0\0\x07".to_vec();
    assert_eq!(wide.len(), 0x18 - 4);
    assert_eq!(
        read("results", &wide, None),
        Decision::Ask(expected.clone())
    );
    let session = "0123456789abcdef0123456789abcdef";
    let form = json!({"limit": 7, "method": null, "ubus_rpc_session": session});
    assert_eq!(ask("results", &form), Decision::Ask(expected));
}

#[test]
fn what_is_the_owners_is_for_root() {
    let arguments = document(&json!({"confirm": "erase"}));
    assert!(matches!(
        read("erase", &arguments, Some("root")),
        Decision::Ask(_)
    ));
    for user in [None, Some("nobody"), Some("glimpse")] {
        let refused = Decision::Refuse("only root may do this".to_owned());
        assert_eq!(read("erase", &arguments, user), refused);
    }
    let token = document(&json!({"token": "secret"}));
    let Decision::Refuse(said) = read("enrol", &token, Some("nobody")) else {
        panic!("nobody may not enrol");
    };
    assert!(!said.contains("secret"));
}

#[test]
fn answers_that_are_too_long_say_so() {
    let text = |length: usize| answer(&json!({"t": "x".repeat(length)}));
    assert_eq!(text(MAX_ANSWER - 16).len(), MAX_ANSWER - 4);
    let long = to_json(&text(MAX_ANSWER)).unwrap();
    assert!(
        long["error"]
            .as_str()
            .unwrap()
            .starts_with("the answer is too long")
    );
    assert_eq!(
        to_json(&answer(&json!([1]))).unwrap(),
        json!({"answer": [1]})
    );
}

#[test]
fn options_as_deep_as_they_may_be_do_no_harm() {
    let deep = (0..MAX_DEPTH * 2).fold(json!(1), |inner, _| json!({ "o": inner }));
    let _ = ask("run", &json!({"method": "ping", "options": deep}));
}

proptest! {
    #[test]
    fn any_arguments_are_read_without_panic(
        method in 0..METHODS.len(),
        data in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let _ = read(METHODS[method].0, &data, None);
    }
}
