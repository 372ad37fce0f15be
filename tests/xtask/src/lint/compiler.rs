//! The oldest compiler each crate promises to build with. What the agent links is built by OpenWrt's compiler.

use crate::workspace::Metadata;

/// For everything the agent links: that of `OpenWrt` 24.10.
const AGENT: (u32, u32) = (1, 94);
/// For everything else.
const OTHERS: (u32, u32) = (1, 95);
/// The program whose links count.
const PROGRAM: &str = "glimpse-agent";

/// What breaks the promise, one line each: our own crates must state exactly the version, the others none above it.
pub(super) fn faults(metadata: &Metadata) -> Vec<String> {
    let linked = metadata.linked_by(PROGRAM);
    let mut faults = Vec::new();
    if linked.is_empty() {
        faults.push(format!("there is no crate {PROGRAM}"));
    }
    for package in &metadata.packages {
        let (wanted, by) = if linked.contains(package.id.as_str()) {
            (AGENT, "the agent links it")
        } else {
            (OTHERS, "the agent does not link it")
        };
        let ours = metadata.is_member(package);
        let stated = package.rust_version.as_deref();
        let wrong = stated.map_or(ours, |text| {
            version(text).is_none_or(|version| version > wanted || (ours && version != wanted))
        });
        if wrong {
            faults.push(format!(
                "{} {} has the rust-version {}; {}.{} is wanted ({by})",
                package.name,
                package.version,
                stated.unwrap_or("(none)"),
                wanted.0,
                wanted.1
            ));
        }
    }
    faults
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn package(name: &str, rust_version: &Value) -> Value {
        json!({"id": name, "name": name, "version": "1.0.0", "license": "MIT", "source": null, "rust_version": rust_version})
    }

    fn said(model: &str, library: &Value, server: &str) -> Vec<String> {
        let metadata: Metadata = serde_json::from_value(json!({
            "target_directory": "/t",
            "workspace_members": [PROGRAM, "model", "server"],
            "packages": [package(PROGRAM, &json!("1.94")), package("model", &json!(model)), package("library", library),
                package("server", &json!(server)), package("test-library", &json!("1.95.0"))],
            "resolve": {"nodes": [
                {"id": PROGRAM, "deps": [{"pkg": "model", "dep_kinds": [{"kind": null}]},
                    {"pkg": "test-library", "dep_kinds": [{"kind": "dev"}]}]},
                {"id": "model", "deps": [{"pkg": "library", "dep_kinds": [{"kind": null}]}]},
                {"id": "library", "deps": []}, {"id": "test-library", "deps": []},
                {"id": "server", "deps": [{"pkg": "model", "dep_kinds": [{"kind": null}]}]},
            ]},
        }))
        .unwrap();
        faults(&metadata)
    }

    #[test]
    fn what_the_agent_links_builds_with_its_compiler() {
        assert_eq!(said("1.94", &json!(null), "1.95"), Vec::<String>::new());
        assert_eq!(said("1.94", &json!("1.85.1"), "1.95"), Vec::<String>::new());
        for (faults, fault) in [
            (
                said("1.95", &json!(null), "1.95"),
                "model 1.0.0 has the rust-version 1.95; 1.94 is wanted",
            ),
            (
                said("1.94", &json!("1.95"), "1.95"),
                "library 1.0.0 has the rust-version 1.95; 1.94",
            ),
            (
                said("1.94", &json!(null), "1.94"),
                "server 1.0.0 has the rust-version 1.94; 1.95",
            ),
            (
                said("1.94", &json!("new"), "1.95"),
                "library 1.0.0 has the rust-version new",
            ),
        ] {
            assert!(
                faults.len() == 1 && faults[0].starts_with(fault),
                "{faults:?}"
            );
        }
    }
}
