//! What of options gets into results.

use super::*;
use crate::bench::{Bench, lmap, tens};
use crate::collectors::Collectors;
use crate::output::MAX_VALUE;
use crate::resolve::Method;
use crate::run::Step;
use glimpse_model::options::OptionSpec;

/// The result of one run of `action`, whose task is `task`, on an agent with these methods, as it is stored and reported.
fn result_of(methods: Vec<Method>, task: Value, action: Value) -> (String, Value) {
    let mut lmap = lmap(
        &json!([tens()]),
        &json!([{"name": "s", "start": "tens", "action": [action]}, {"name": "out", "start": "tens"}]),
        &json!([]),
    );
    lmap["tasks"]["task"] = json!([task]);
    let mut bench = Bench::new(&json!({}));
    let known = Collectors::default();
    bench.machine.equip(methods, known, &bench.now);
    bench.configure(&lmap);
    bench.pass(10);
    // One that is wrong has failed at once.
    if bench.names() == ["s/a"] {
        bench.play("a", 0);
    }
    let kept = bench.log.iter().find_map(|(_, step)| match step {
        Step::Keep(output, places) => Some((output.clone(), places.clone())),
        _ => None,
    });
    let (output, places) = kept.expect("it is kept");
    let stored = String::from_utf8(output.document(&places)).unwrap();
    let body = json_body(&[output], &JSON, &agent());
    receive(&body.to_string(), Encoding::Json);
    (stored, body["ietf-lmap-report:input"]["result"][0].clone())
}

/// A method with a secret option, and `ping`.
fn methods_with_secret() -> Vec<Method> {
    const OPTIONS: &[OptionSpec] = &[
        OptionSpec::text("host", 253, "target"),
        OptionSpec::optional_text("key", "", 64, "opens a door").secret(),
        OptionSpec::optional_text("token", "", 1024, "the leave").secret(),
    ];
    let mut all = crate::bench::methods();
    all.push(Method {
        name: "btc_ma".to_owned(),
        functions: vec!["https://example.net/f".to_owned()],
        options: OPTIONS.into(),
        needs: Vec::new(),
    });
    all
}

#[test]
fn secret_options_are_neither_stored_nor_reported() {
    let task = json!({"name": "t", "program": "btc_ma", "option": [{"id": "1", "name": "token", "value": "HUSH"},
        {"id": "2", "name": "host", "value": "h.example"}]});
    let action = json!({"name": "a", "task": "t", "destination": ["out"], "option": [{"id": "3", "name": "key", "value": "HUSH"}]});
    let (stored, result) = result_of(methods_with_secret(), task.clone(), action.clone());
    assert!(!stored.contains("HUSH"), "{stored}");
    assert_eq!(
        result["option"],
        json!([{"id": "2", "name": "host", "value": "h.example"}])
    );
    assert_eq!(result["status"], 0, "the method had them all the same");
    // A task that nothing can run has its secrets, too: of other methods', and of methods that are not there.
    let mut unknown = task.clone();
    unknown["program"] = json!("btc");
    let (stored, result) = result_of(methods_with_secret(), unknown, action);
    assert_eq!(result["status"], 127);
    assert!(!stored.contains("HUSH"), "{stored}");
    let action = json!({"name": "a", "task": "t", "destination": ["out"]});
    let (stored, result) = result_of(crate::bench::methods(), task, action);
    assert_eq!(result["status"], 127);
    assert!(!stored.contains("HUSH"), "{stored}");
    assert_eq!(result["option"][0]["id"], "2");
}

#[test]
fn secret_parameters_are_neither_stored_nor_reported() {
    let task = json!({"name": "t", "program": "btc_ma"});
    let action = json!({"name": "a", "task": "t", "destination": ["out"],
        "parameters": {"glimpse-agent:btc_ma": {"host": "h.example", "token": "HUSH"}}});
    let (stored, result) = result_of(methods_with_secret(), task.clone(), action);
    assert!(!stored.contains("HUSH"), "{stored}");
    assert_eq!(
        result["parameters"]["glimpse-report:btc_ma"],
        json!({"host": "h.example"})
    );
    let action = json!({"name": "a", "task": "t", "destination": ["out"], "parameters": {"glimpse-agent:plugin": {"option":
        [{"name": "host", "value": "h.example"}, {"name": "key", "value": "HUSH"}]}}});
    let (stored, result) = result_of(methods_with_secret(), task, action);
    assert!(!stored.contains("HUSH"), "{stored}");
    assert_eq!(
        result["parameters"]["glimpse-report:plugin"]["option"],
        json!([{"name": "host", "value": "h.example"}])
    );
}

#[test]
fn long_values_are_not_repeated_with_every_result() {
    let of = |length: usize| {
        let task = json!({"name": "t", "program": "ping", "option": [{"id": "1", "name": "host", "value": "192.0.2.1"},
            {"id": "2", "name": "note", "value": "n".repeat(length)}]});
        let action = json!({"name": "a", "task": "t", "destination": ["out"]});
        result_of(crate::bench::methods(), task, action)
    };
    let (_, result) = of(MAX_VALUE);
    assert_eq!(result["option"][1]["value"], "n".repeat(MAX_VALUE));
    let (stored, result) = of(MAX_VALUE + 1);
    assert_eq!(result["option"][1], json!({"id": "2", "name": "note"}));
    assert!(stored.len() < MAX_VALUE + 1, "{stored}");
    // Nor are many short ones.
    let options: Vec<Value> = (0..1000)
        .map(|n| json!({"id": n.to_string(), "name": "n", "value": "v".repeat(512)}))
        .collect();
    let task = json!({"name": "t", "program": "ping", "option": options});
    let action = json!({"name": "a", "task": "t", "destination": ["out"], "parameters": {"glimpse-agent:plugin": {"option":
        (0..100).map(|n| json!({"name": format!("p{n}"), "value": "v".repeat(512)})).collect::<Vec<_>>()}}});
    let (stored, result) = result_of(crate::bench::methods(), task, action);
    assert!(stored.len() < 24 << 10, "{}", stored.len());
    assert!(result["option"].as_array().unwrap().len() > 20);
}
