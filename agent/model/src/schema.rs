//! JSON Schemas (draft 2020-12) of the documents of the JSON door.

use crate::capability::Capabilities;
use crate::configuration::Configuration;
use crate::instruction::InstructionDocument;
use crate::record::{Batch, Receipt};
use schemars::Schema;
use serde_json::{Value, json};

/// Each document's file name in `docs/schema/` and its schema.
pub fn documents() -> Vec<(&'static str, Schema)> {
    let mut instructions = schemars::schema_for!(InstructionDocument<'static>);
    optional(
        &mut instructions,
        &[
            "execution",
            "lan",
            "min_charge",
            "on_cellular",
            "on_wire",
            "on_wireless",
            "options",
            "precondition",
            "randomSpread",
            "tasks",
        ],
    );
    short_form(&mut instructions);
    let mut configuration = schemars::schema_for!(Configuration);
    optional(
        &mut configuration,
        &["pull", "randomSpread", "upload", "wait_s"],
    );
    let mut results = schemars::schema_for!(Batch);
    optional(
        &mut results,
        &[
            "bytes",
            "duration",
            "error",
            "post_info",
            "pre_info",
            "probe_result",
        ],
    );
    let mut receipt = schemars::schema_for!(Receipt);
    optional(&mut receipt, &["rejected"]);
    vec![
        ("configuration.json", configuration),
        ("instructions.json", instructions),
        ("capabilities.json", schemars::schema_for!(Capabilities)),
        ("results.json", results),
        ("receipt.json", receipt),
    ]
}

/// Takes `names` out of every list of required members: the readers have defaults for them.
fn optional(schema: &mut Schema, names: &[&str]) {
    fn walk(value: &mut Value, names: &[&str]) {
        match value {
            Value::Object(map) => {
                if let Some(Value::Array(required)) = map.get_mut("required") {
                    required.retain(|name| name.as_str().is_none_or(|name| !names.contains(&name)));
                    if required.is_empty() {
                        map.remove("required");
                    }
                }
                map.values_mut().for_each(|value| walk(value, names));
            }
            Value::Array(items) => items.iter_mut().for_each(|value| walk(value, names)),
            _ => {}
        }
    }
    for value in schema.ensure_object().values_mut() {
        walk(value, names);
    }
}

/// An instruction names its tasks as `tasks`, or a single one as `task`.
fn short_form(schema: &mut Schema) {
    let Some(instruction) = schema
        .ensure_object()
        .get_mut("$defs")
        .and_then(|defs| defs.get_mut("Instruction"))
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    if let Some(Value::Object(properties)) = instruction.get_mut("properties") {
        let single = json!({"description": "Short form of `tasks` for a single one.", "$ref": "#/$defs/Task"});
        properties.insert("task".to_owned(), single);
    }
    let either = json!([{"required": ["task"]}, {"required": ["tasks"]}]);
    instruction.insert("oneOf".to_owned(), either);
}
