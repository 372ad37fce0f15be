//! JSON Schemas (draft 2020-12) of the documents of the JSON door.

use crate::capability::Capabilities;
use crate::configuration::Configuration;
use crate::instruction::InstructionDocument;
use crate::record::{Batch, Receipt};
use schemars::Schema;

/// Each document's file name in `docs/schema/` and its schema.
pub fn documents() -> Vec<(&'static str, Schema)> {
    vec![
        ("configuration.json", schemars::schema_for!(Configuration)),
        (
            "instructions.json",
            schemars::schema_for!(InstructionDocument<'static>),
        ),
        ("capabilities.json", schemars::schema_for!(Capabilities)),
        ("results.json", schemars::schema_for!(Batch)),
        ("receipt.json", schemars::schema_for!(Receipt)),
    ]
}
