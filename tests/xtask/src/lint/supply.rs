//! Bans, licences and sources of everything that is linked, by the lists of `deny.toml`.

use super::licence;
use crate::workspace::Metadata;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// The part of `deny.toml` that is checked here.
#[derive(Debug, Deserialize)]
pub(super) struct Rules {
    graph: Graph,
    bans: Bans,
    licenses: Licenses,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Debug, Deserialize)]
struct Ban {
    name: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

/// Licences that one package may have beside those of all.
#[derive(Debug, Deserialize)]
struct Exception {
    name: String,
    allow: Vec<String>,
}

impl Licenses {
    fn of(&self, package: &str) -> Vec<String> {
        let own = self.exceptions.iter().filter(|own| own.name == package);
        let own = own.flat_map(|own| own.allow.iter());
        self.allow.iter().chain(own).cloned().collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

impl Rules {
    /// Reads `deny.toml`.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let rules: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let empty = rules.bans.deny.is_empty() || rules.licenses.allow.is_empty();
        ensure!(
            !empty && !rules.graph.targets.is_empty(),
            "{}: a list is empty",
            path.display()
        );
        Ok(rules)
    }

    /// The platforms whose dependencies count.
    pub(super) fn targets(&self) -> impl Iterator<Item = &str> {
        self.graph.targets.iter().map(String::as_str)
    }

    /// What breaks the rules, one line each.
    pub(super) fn faults(&self, metadata: &Metadata) -> Vec<String> {
        let mut faults = Vec::new();
        for package in &metadata.packages {
            let named = format!("{} {}", package.name, package.version);
            if let Some(ban) = self.bans.deny.iter().find(|ban| ban.name == package.name) {
                let way = metadata.way_to(&package.id);
                faults.push(format!("{named} is banned ({}): {way}", ban.reason));
            }
            match &package.license {
                Some(expression)
                    if licence::is_met(expression, &self.licenses.of(&package.name)) => {}
                Some(expression) => {
                    faults.push(format!("{named}: licence {expression} is not on the list"));
                }
                None => faults.push(format!("{named} names no licence")),
            }
            if let Some(source) = &package.source {
                let registry = source.strip_prefix("registry+");
                if !registry
                    .is_some_and(|url| self.sources.allow_registry.iter().any(|known| known == url))
                {
                    faults.push(format!("{named} comes from {source}"));
                }
            } else if !metadata.is_member(package) {
                faults.push(format!("{named} comes from a path outside the workspace"));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn rules() -> Rules {
        Rules::read(&crate::workspace::root().join("deny.toml")).unwrap()
    }

    fn graph(name: &str, license: &str, source: &str) -> Metadata {
        serde_json::from_value(json!({
            "target_directory": "/t",
            "workspace_members": ["ours"],
            "packages": [
                {"id": "ours", "name": "glimpse-x", "version": "1.0.0", "license": "Apache-2.0", "source": null,
                 "rust_version": "1.95"},
                {"id": "theirs", "name": name, "version": "2.0.0", "license": license, "source": source,
                 "rust_version": null},
            ],
            "resolve": {"nodes": [
                {"id": "ours", "deps": [{"pkg": "theirs", "dep_kinds": [{"kind": null}]}]},
                {"id": "theirs", "deps": []},
            ]},
        }))
        .unwrap()
    }

    const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

    #[test]
    fn each_rule_names_what_breaks_it() {
        for (name, license, source, said) in [
            (
                "openssl-sys",
                "MIT",
                CRATES_IO,
                "openssl-sys 2.0.0 is banned",
            ),
            ("aws-lc-sys", "ISC", CRATES_IO, "glimpse-x > aws-lc-sys"),
            ("native-tls", "MIT", CRATES_IO, "is banned"),
            (
                "x",
                "GPL-3.0-only",
                CRATES_IO,
                "licence GPL-3.0-only is not on the list",
            ),
            (
                "x",
                "MIT",
                "git+https://example.net/x",
                "comes from git+https",
            ),
            (
                "x",
                "MIT",
                "registry+https://example.net",
                "comes from registry+",
            ),
        ] {
            let faults = rules().faults(&graph(name, license, source));
            assert!(faults.len() == 1 && faults[0].contains(said), "{faults:?}");
        }
        for (name, license, said) in [
            ("serde", "MIT OR Apache-2.0", None),
            ("libfuzzer-sys", "(MIT OR Apache-2.0) AND NCSA", None),
            (
                "x",
                "MIT AND NCSA",
                Some("x 2.0.0: licence MIT AND NCSA is not on the list"),
            ),
        ] {
            let faults = rules().faults(&graph(name, license, CRATES_IO));
            assert_eq!(
                faults,
                Vec::from_iter(said),
                "an exception is for one package"
            );
        }
    }
}
