#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn valid() -> Value {
    json!({
        "contract": 1,
        "name": "speed-2_x",
        "functions": ["https://example.net/metrics/speed"],
        "options": [
            {"name": "host", "type": "text", "max_len": 253, "help": "whom"},
            {"name": "count", "type": "integer", "default": 3, "min": 1, "max": 10, "unit": "packets", "help": "how many"},
            {"name": "size", "type": "integer", "default": 64, "min": 0, "max": 1400, "help": "how large"},
            {"name": "quick", "type": "boolean", "help": "be quick"},
            {"name": "mode", "type": "choice", "choices": ["a", "b", "c"], "default": "b", "help": "how"},
        ],
        "needs": ["exclusive_line"],
        "worst_case_bytes": {"base": 100, "per": {"count": 1500, "size": 2}},
        "longest_run_ms": 5000,
    })
}

fn parse(document: &Value) -> Result<Description, Refused> {
    Description::parse(document.to_string().as_bytes())
}

/// What is said when the member at `pointer` is `value`.
fn refusal(pointer: &str, value: Value) -> String {
    let mut document = valid();
    if let Some(member) = document.pointer_mut(pointer) {
        *member = value;
    } else {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[name] = value;
    }
    parse(&document).unwrap_err().to_string()
}

#[test]
fn a_description_becomes_a_table_like_that_of_a_built_in_method() {
    let description = parse(&valid()).unwrap();
    assert_eq!(description.name, "speed-2_x");
    assert_eq!(description.needs, [Need::ExclusiveLine]);
    assert!(description.has_host());
    let options = Options::from_words(&description.options, ["host=a", "count=10"]).unwrap();
    assert_eq!(options.text("mode"), "b", "the default, wherever it stands");
    assert!(!options.boolean("quick"));
    assert_eq!(
        description.worst_case_bytes.of(&options),
        100 + 10 * 1500 + 64 * 2
    );
    assert_eq!(description.longest_run_ms.of(&options), 5000);
    for (words, said) in [
        (["host=a", "count=11"], "count: must be <= 10"),
        (["host=a", "mode=d"], "mode: must be one of b, a, c"),
        (["count=1", "size=1"], "host: is missing"),
    ] {
        let refused = Options::from_words(&description.options, words).unwrap_err();
        assert_eq!(refused.to_string(), said);
    }
}

#[test]
fn the_least_description_is_a_name_and_two_bounds() {
    let document = json!({"contract": 1, "name": "x", "worst_case_bytes": 0, "longest_run_ms": 1});
    let description = parse(&document).unwrap();
    assert_eq!(
        description.functions,
        ["https://www.measure-it.net/functions/plugin/x"]
    );
    assert_eq!((description.options.len(), description.needs.len()), (0, 0));
    assert!(!description.has_host());
}

#[test]
fn an_option_may_be_secret() {
    let mut document = valid();
    document["options"][4]["secret"] = json!(true);
    let options = parse(&document).unwrap().options;
    let secret: Vec<&str> = options
        .iter()
        .filter(|spec| spec.secret)
        .map(|spec| &*spec.name)
        .collect();
    assert_eq!(secret, ["mode"]);
    assert_eq!(
        refusal("/options/4/secret", json!("yes")),
        "options[4].secret: must be true or false"
    );
}

#[test]
fn what_breaks_the_contract_is_named() {
    for (pointer, value, said) in [
        ("/contract", json!(2), "contract: must be 1"),
        ("/contract", Value::Null, "contract: is missing"),
        (
            "/name",
            json!("Speed"),
            "name: must be 1 to 32 of a-z, 0-9, _ and -",
        ),
        (
            "/name",
            json!(""),
            "name: must be 1 to 32 of a-z, 0-9, _ and -",
        ),
        (
            "/name",
            json!("ping"),
            "name: 'ping' is a method of the agent",
        ),
        (
            "/name",
            json!("ping_mp"),
            "name: 'ping_mp' is a method of the agent",
        ),
        (
            "/name",
            json!("x".repeat(33)),
            "name: must be at most 32 bytes long",
        ),
        ("/functions/0", json!("a b"), "functions[0]: must be a URI"),
        ("/cap", json!(1), "cap: is not known here"),
        (
            "/needs/0",
            json!("root"),
            "needs[0]: must be one of raw_socket, peer, exclusive_line",
        ),
        ("/longest_run_ms", Value::Null, "longest_run_ms: is missing"),
        (
            "/worst_case_bytes",
            json!(-1),
            "worst_case_bytes: must be an object",
        ),
        (
            "/worst_case_bytes/per/mode",
            json!(1),
            "worst_case_bytes.per.mode: is no integer option with a min >= 0",
        ),
        (
            "/worst_case_bytes/per/count",
            json!(-1),
            "worst_case_bytes.per.count: must be a whole number >= 0",
        ),
        (
            "/options/1/min",
            json!(-1),
            "worst_case_bytes.per.count: is no integer option with a min >= 0",
        ),
    ] {
        assert_eq!(refusal(pointer, value), said);
    }
}

#[test]
fn what_is_no_option_is_named() {
    for (pointer, value, said) in [
        (
            "/options/1/default",
            json!(11),
            "options[1].default: must be <= 10",
        ),
        ("/options/1/max", json!(0), "options[1].max: must be > 0"),
        (
            "/options/1/step",
            json!(2),
            "options[1].step: is not known here",
        ),
        (
            "/options/1/type",
            json!("float"),
            "options[1].type: must be one of boolean, integer, text, choice",
        ),
        (
            "/options/2/name",
            json!("count"),
            "options: has 'count' twice",
        ),
        (
            "/options/0/name",
            json!("url"),
            "options[0].name: hides where it leads: take host, and the rest beside it",
        ),
        (
            "/options/0/name",
            json!("address"),
            "options[0].name: is what the agent adds to a host",
        ),
        (
            "/options/0/name",
            json!("0"),
            "options[0].name: must be 1 to 32 of a-z, 0-9 and _, a letter first",
        ),
        (
            "/options/0/max_len",
            json!(254),
            "options[0].type: must be text of at most 253 bytes where the option is called host",
        ),
        (
            "/options/4/default",
            json!("d"),
            "options[4].default: must be one of the choices",
        ),
        (
            "/options/4/choices",
            json!([]),
            "options[4].choices: must have at least one element",
        ),
        (
            "/options/3/help",
            Value::Null,
            "options[3].help: is missing",
        ),
    ] {
        assert_eq!(refusal(pointer, value), said);
    }
}

#[test]
fn a_formula_does_not_run_over() {
    let mut document = valid();
    document["worst_case_bytes"] = json!({"base": u64::MAX, "per": {"count": u64::MAX}});
    let description = parse(&document).unwrap();
    let options = Options::from_words(&description.options, ["host=a"]).unwrap();
    assert_eq!(description.worst_case_bytes.of(&options), u64::MAX);
}

proptest! {
    #[test]
    fn anything_printed_is_read_or_refused(printed in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Description::parse(&printed).is_err());
    }

    #[test]
    fn any_change_of_a_byte_is_read_or_refused(index in 0_usize..700, byte: u8) {
        let mut printed = valid().to_string().into_bytes();
        let index = index % printed.len();
        printed[index] = byte;
        let _ = Description::parse(&printed);
    }
}
