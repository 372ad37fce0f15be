//! What the agent says it can measure.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_tests::program;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

const METHODS: [&str; 10] = [
    "ping",
    "traceroute",
    "httpdownload",
    "httpupload",
    "latencyload",
    "btc_ma",
    "packettrains_ma",
    "dnslookup",
    "reversednslookup",
    "upnp",
];

fn capabilities() -> Value {
    let mut command = Command::new(program::path("glimpse-agent"));
    command.args(["capabilities", "--json", "--config", "/nowhere/glimpse"]);
    program::json(&mut command).unwrap()
}

#[test]
fn all_methods_are_announced() {
    let document = capabilities();
    let methods = document["methods"].as_array().unwrap();
    let names: BTreeSet<&str> = methods
        .iter()
        .map(|method| method["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), methods.len(), "each once");
    for name in METHODS {
        assert!(names.contains(name), "{name} is missing among {names:?}");
    }
}

#[test]
fn each_method_says_what_it_takes_and_that_nothing_else_is_taken() {
    for method in capabilities()["methods"].as_array().unwrap() {
        let name = &method["name"];
        assert!(method["functions"].is_array(), "{name}");
        assert!(method["needs"].is_array(), "{name}");
        let options = &method["options"];
        assert_eq!(options["additionalProperties"], false, "{name}");
        for (option, schema) in options["properties"].as_object().unwrap() {
            assert!(schema["type"].is_string(), "{name}.{option}");
            let help = schema["description"].as_str().unwrap_or_default();
            assert!(!help.is_empty(), "{name}.{option} has no description");
            if schema["type"] == "integer" {
                let (least, most) = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
                assert!(least.unwrap() <= most.unwrap(), "{name}.{option}");
            }
        }
    }
}
