//! The JSON Schemas in `docs/schema/` are those of the types, and the examples of `docs/protocol.md` are read by the
//! types and fit the schemas. `UPDATE_SCHEMA=1` writes the schemas anew.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_model::configuration::Configuration;
use glimpse_model::instruction::InstructionSet;
use glimpse_model::read::Cursor;
use glimpse_model::record::{Receipt, Record};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("docs")
}

fn printed(schema: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(schema).unwrap();
    text.push('\n');
    text
}

#[test]
fn the_schemas_are_those_of_the_types() {
    let folder = docs().join("schema");
    let documents = glimpse_model::schema::documents();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for (name, schema) in &documents {
            fs::write(folder.join(name), printed(schema)).unwrap();
        }
    }
    for (name, schema) in &documents {
        let kept = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            kept == printed(schema),
            "docs/schema/{name} is not what the types say; look at the change, then:\n  \
             UPDATE_SCHEMA=1 cargo nextest run -p glimpse-tests the_schemas"
        );
    }
    let known: BTreeSet<String> = documents
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let there: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        there, known,
        "files without a type, or types without a file"
    );
}

/// A JSON block of a page: what its fence says after `json`, its first line, its text.
#[derive(Debug, PartialEq)]
struct Example {
    mark: String,
    line: usize,
    text: String,
}

fn examples(page: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((i, line)) = lines.next() {
        if let Some(mark) = line.strip_prefix("```json") {
            let text: Vec<&str> = lines
                .by_ref()
                .map(|(_, line)| line)
                .take_while(|line| *line != "```")
                .collect();
            found.push(Example {
                mark: mark.trim().to_owned(),
                line: i + 2,
                text: text.join("\n"),
            });
        }
    }
    found
}

/// Whether the agent's or the repository's own reader takes the document whole.
fn read(document: &str, text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let said = |refused: glimpse_model::read::Refused| refused.to_string();
    match document {
        "configuration" => Configuration::parse(bytes).map(|_| ()).map_err(said),
        "instructions" => {
            let set = InstructionSet::parse(bytes).map_err(said)?;
            match set.refused.first() {
                Some(first) => Err(first.refused.to_string()),
                None if set.instructions.is_empty() => Err("holds no instruction".to_owned()),
                None => Ok(()),
            }
        }
        "results" => {
            let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
            for record in Cursor::root(&value["records"]).array(1000).map_err(said)? {
                Record::read(&record).map_err(said)?;
            }
            Ok(())
        }
        "receipt" => Receipt::parse(bytes).map(|_| ()).map_err(said),
        // Agents announce and nobody of ours reads them into types: the schema alone speaks.
        "capabilities" => Ok(()),
        other => Err(format!("there is no document called {other}")),
    }
}

fn fits(document: &str, text: &str) -> Result<(), String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let schemas = glimpse_model::schema::documents();
    let (_, schema) = schemas
        .iter()
        .find(|(name, _)| *name == format!("{document}.json"))
        .ok_or_else(|| format!("there is no schema called {document}"))?;
    let validator =
        jsonschema::draft202012::new(schema.as_value()).map_err(|error| error.to_string())?;
    let faults: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("; "))
    }
}

/// `schema=X`: the schema X and the reader of X must both take it. `reads=X`: a short form, for the reader only.
fn check(example: &Example) -> Result<(), String> {
    if let Some(document) = example.mark.strip_prefix("schema=") {
        read(document, &example.text)?;
        return fits(document, &example.text);
    }
    if let Some(document) = example.mark.strip_prefix("reads=") {
        return read(document, &example.text);
    }
    if example.mark.is_empty() {
        return serde_json::from_str::<Value>(&example.text)
            .map(|_| ())
            .map_err(|error| error.to_string());
    }
    Err(format!("the mark {:?} is not known", example.mark))
}

#[test]
fn the_examples_of_the_protocol_hold() {
    let page = fs::read_to_string(docs().join("protocol.md")).unwrap();
    let examples = examples(&page);
    for (name, _) in glimpse_model::schema::documents() {
        let mark = format!("schema={}", name.trim_end_matches(".json"));
        assert!(
            examples.iter().any(|example| example.mark == mark),
            "no example is marked {mark}"
        );
    }
    let faults: Vec<String> = examples
        .iter()
        .filter_map(|example| {
            let fault = check(example).err()?;
            Some(format!("docs/protocol.md:{}: {fault}", example.line))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_page_names_every_status_and_every_reason() {
    let page = fs::read_to_string(docs().join("protocol.md")).unwrap();
    let results = printed(
        &glimpse_model::schema::documents()
            .iter()
            .find(|(name, _)| *name == "results.json")
            .unwrap()
            .1,
    );
    let results: Value = serde_json::from_str(&results).unwrap();
    for kind in ["Status", "SkipReason"] {
        let mut words = Vec::new();
        words_of(&results["$defs"][kind], &mut words);
        assert!(words.len() > 5, "{kind}: {words:?}");
        for word in words {
            assert!(
                page.contains(&format!("| `{word}` |")),
                "docs/protocol.md has no row for {kind} `{word}`"
            );
        }
    }
}

/// The constants of an enumeration, with or without descriptions of their own.
fn words_of(schema: &Value, words: &mut Vec<String>) {
    for word in schema["enum"]
        .as_array()
        .into_iter()
        .flatten()
        .chain(schema.get("const"))
    {
        words.push(word.as_str().unwrap().to_owned());
    }
    for branch in schema["oneOf"].as_array().into_iter().flatten() {
        words_of(branch, words);
    }
}

#[test]
fn wrong_examples_are_seen() {
    let example = |mark: &str, text: &str| Example {
        mark: mark.to_owned(),
        line: 1,
        text: text.to_owned(),
    };
    for (mark, text, said) in [
        ("", "{", "EOF"),
        ("schema=receipt", r#"{"schema": 2}"#, "accepted: is missing"),
        (
            "schema=capabilities",
            r#"{"schema": 2, "agent_version": 7, "methods": []}"#,
            "/agent_version",
        ),
        (
            "reads=instructions",
            r#"{"schema": 2, "instructions": [{"id": "a"}]}"#,
            "instructions[0].timing: is missing",
        ),
        (
            "reads=configuration",
            r#"{"schema": 2, "wait_s": 301}"#,
            "wait_s: must be <= 300",
        ),
        ("schema=nothing", "{}", "no document called nothing"),
        ("sketch", "{}", "mark"),
    ] {
        let fault = check(&example(mark, text)).unwrap_err();
        assert!(fault.contains(said), "{mark} {text}: {fault}");
    }
    let page = "a\n```json reads=x\n{}\n```\nb\n```\nno\n```\n";
    assert_eq!(
        examples(page),
        [Example {
            line: 3,
            ..example("reads=x", "{}")
        }]
    );
}
