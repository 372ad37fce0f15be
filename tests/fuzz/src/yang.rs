//! Data of YANG modules in both encodings, and the languages inside it.

use glimpse_restconf::access::{Access, Rules};
use glimpse_restconf::{User, path, query};
use glimpse_yang::pattern::Pattern;
use glimpse_yang::read::Reader;
use glimpse_yang::schema::{Kind, NodeId, Schema};
use glimpse_yang::table::{AGENT, CONTROLLER};
use glimpse_yang::validate::{Check, validate};
use glimpse_yang::write::Writer;
use glimpse_yang::{DataPath, Encoding, Select, Step, Tree};
use std::fmt::Write;

/// The schemas that foreign bytes are read against.
const SCHEMAS: [&Schema; 2] = [&AGENT, &CONTROLLER];
/// Characters that an expression is matched against: the time is the product of both lengths.
const MATCHED: usize = 200;

/// RFC 7951.
pub fn json(bytes: &[u8]) {
    body(Encoding::Json, bytes);
}

/// XML as RFC 7950 has it.
pub fn xml(bytes: &[u8]) {
    body(Encoding::Xml, bytes);
}

fn body(encoding: Encoding, bytes: &[u8]) {
    for schema in SCHEMAS {
        let reader = Reader::new(schema, encoding).with_state();
        if let Ok(tree) = reader.data(bytes) {
            round(&tree);
            let _ = validate(&tree, Check::Reply, None);
            let _ = validate(&tree, Check::Configuration, None);
        }
        if let Ok(tree) = reader.datastore(bytes) {
            let _ = validate(&tree, Check::Everything, None);
        }
        if let Ok((_, tree)) = reader.notification(bytes) {
            let _ = validate(&tree, Check::Operation, None);
        }
        for operation in schema.operations() {
            let Some(input) = schema.part(operation, Kind::Input) else {
                continue;
            };
            if let Ok(tree) = reader.operation(input, bytes) {
                let _ = validate(&tree, Check::Operation, None);
            }
        }
    }
}

/// What was read can be written in both encodings, and is then read alike.
fn round(tree: &Tree) {
    let text = |tree: &Tree| Writer::new(tree.schema, Encoding::Json).data(tree);
    let before = text(tree);
    for encoding in [Encoding::Json, Encoding::Xml] {
        let written = Writer::new(tree.schema, encoding).data(tree);
        if written.is_empty() {
            continue;
        }
        let again = Reader::new(tree.schema, encoding)
            .with_state()
            .data(written.as_bytes());
        match again {
            Ok(again) => assert_eq!(text(&again), before, "{encoding:?}"),
            Err(error) => panic!("{encoding:?} {written}: {}", error.message),
        }
    }
}

/// A regular expression of XML Schema, in the first line, on the rest.
pub fn pattern(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (expression, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let rest: String = rest.chars().take(MATCHED).collect();
    match Pattern::new(expression) {
        Ok(pattern) => {
            let _ = pattern.matches(&rest);
        }
        Err(error) => assert!(!error.is_empty()),
    }
    // What is quoted is matched by itself alone.
    let quoted = rest.chars().fold(String::new(), |mut quoted, character| {
        if character.is_ascii_punctuation() {
            quoted.push('\\');
        }
        quoted.push(character);
        quoted
    });
    if rest
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || ".?*+()|[]{}-".contains(c))
    {
        let pattern = Pattern::new(&quoted);
        assert!(
            pattern.is_ok_and(|pattern| pattern.matches(&rest)),
            "{quoted}"
        );
    }
}

/// The path of a request. Whatever it names has an instance-identifier, by which it is found again.
pub fn request_path(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for schema in SCHEMAS {
        let Ok(path::Target::Data(found)) = path::Target::parse(schema, "/restconf", &text) else {
            continue;
        };
        let _ = found.xml(schema);
        let identifier = found.json(schema);
        // A literal of XPath has no way to hold both quotes.
        let both = identifier.contains('"') && identifier.contains('\'');
        if found.is_instance(schema) && !found.steps.is_empty() && !both {
            assert_eq!(
                DataPath::parse(schema, &identifier),
                Ok(found),
                "{identifier}"
            );
        }
    }
}

/// Query parameters.
pub fn request_query(bytes: &[u8]) {
    use query::Purpose::{Api, Data, Edit, Nothing, Stream};
    let text = String::from_utf8_lossy(bytes);
    for purpose in [Api, Data, Edit, Stream, Nothing] {
        match query::Query::parse(Some(&text), purpose) {
            Ok(query) => {
                let given = text.split('&').any(|pair| !pair.is_empty());
                assert!(!given || purpose != Nothing, "{query:?}");
            }
            Err(error) => assert_eq!(error.status, 400, "{}", error.message),
        }
    }
}

/// The path of a rule of access control: one that denies what it names.
pub fn rule_path(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut quoted = String::new();
    glimpse_yang::json::quote(&text, &mut quoted);
    let mut rules = String::new();
    let _ = write!(
        rules,
        r#"{{"ietf-netconf-acm:nacm":{{"rule-list":[{{"name":"l","group":["g"],"rule":[{{"name":"r","path":{quoted},
            "access-operations":"*","action":"deny"}}]}}]}}}}"#
    );
    let reader = Reader::new(&AGENT, Encoding::Json);
    let Ok(tree) = reader.data(rules.as_bytes()) else {
        return;
    };
    let _ = validate(&tree, Check::Configuration, None);
    let user = User {
        name: "u".to_owned(),
        groups: vec!["g".to_owned()],
        recovery: false,
    };
    let rules = Rules::from_tree(&tree);
    for schema in SCHEMAS {
        let rights = rules.of(schema, &user);
        let Ok(path) = DataPath::parse(schema, &text) else {
            continue;
        };
        if path.steps.is_empty() {
            // All of the datastore.
            for node in schema.data_children(NodeId::NONE) {
                let select = Select::All;
                assert!(!rights.data(&[Step { node, select }], Access::Update));
            }
        } else if path.is_instance(schema) {
            assert!(!rights.data(&path.steps, Access::Update), "{text}");
        }
    }
}
