//! The example documents beside the modules are what they say to be, in both encodings.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::PathBuf;

use glimpse_yang::read::Reader;
use glimpse_yang::schema::{Kind, NodeId, Schema};
use glimpse_yang::table::{AGENT, CONTROLLER};
use glimpse_yang::validate::{Check, validate};
use glimpse_yang::write::Writer;
use glimpse_yang::{Content, Encoding, Instance, Tree};

fn documents() -> Vec<(String, Encoding, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let encoding = match path.extension()?.to_str()? {
                "json" => Encoding::Json,
                "xml" => Encoding::Xml,
                _ => return None,
            };
            let name = path.file_name()?.to_str()?.to_owned();
            Some((name, encoding, fs::read(path).unwrap()))
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// The document as data, as notification or as input of an operation, and how it is checked.
fn read(schema: &'static Schema, encoding: Encoding, body: &[u8]) -> Option<(Tree, Check)> {
    let reader = Reader::new(schema, encoding).with_state();
    if let Ok(tree) = reader.data(body) {
        let check = if Reader::new(schema, encoding).data(body).is_ok() {
            Check::Configuration
        } else {
            Check::Reply
        };
        return Some((tree, check));
    }
    if let Ok((_, tree)) = reader.notification(body) {
        return Some((tree, Check::Operation));
    }
    schema.operations().into_iter().find_map(|operation| {
        let input = schema.part(operation, Kind::Input)?;
        let tree = reader.operation(input, body).ok()?;
        (!tree.is_empty()).then_some((tree, Check::Operation))
    })
}

fn printed(tree: &Tree, encoding: Encoding) -> String {
    let writer = Writer::new(tree.schema, encoding);
    if tree.root == NodeId::NONE {
        writer.data(tree)
    } else if tree.schema.node(tree.root).kind == Kind::Notification {
        writer.notification("2026-12-01T00:00:00Z", tree)
    } else {
        writer.operation(tree)
    }
}

fn has_any(instance: &Instance) -> bool {
    matches!(instance.content, Content::Any(_)) || instance.children().iter().any(has_any)
}

#[test]
fn every_example_is_valid_and_the_same_in_both_encodings() {
    let documents = documents();
    assert!(documents.len() >= 4, "{}", documents.len());
    for (name, encoding, body) in documents {
        let mut known = false;
        for schema in [&AGENT, &CONTROLLER] {
            let Some((tree, check)) = read(schema, encoding, &body) else {
                continue;
            };
            known = true;
            assert_eq!(validate(&tree, check, None), [], "{name}");
            for other in [Encoding::Json, Encoding::Xml] {
                let text = printed(&tree, other);
                let (again, _) = read(schema, other, text.as_bytes()).expect(&name);
                // `anydata` does not say what in it is a number or an array.
                if !tree.top.iter().any(has_any) {
                    assert_eq!(again, tree, "{name}");
                }
                assert_eq!(again.nodes(), tree.nodes(), "{name}");
            }
        }
        assert!(known, "{name} is no instance of either schema");
    }
}
