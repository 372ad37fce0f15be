//! Where the workspace is, and what cargo says of it.

use crate::process;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the root manifest.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map_or_else(PathBuf::new, Path::to_path_buf)
}

/// A path as it is typed in the workspace's folder.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// The triple of this machine.
pub(crate) fn host() -> Result<String> {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let said = process::read(command.arg("-vV"))?;
    String::from_utf8_lossy(&said)
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc does not say what it builds for")
}

/// The part of `cargo metadata` that the checks read.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// Every package of the graph.
    pub(crate) packages: Vec<Package>,
    /// Ids of our own.
    pub(crate) workspace_members: BTreeSet<String>,
    /// Who uses whom.
    pub(crate) resolve: Resolve,
    /// Where cargo builds.
    pub(crate) target_directory: PathBuf,
}

/// A package of the graph.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// Cargo's own id of it.
    pub(crate) id: String,
    /// Name on the registry.
    pub(crate) name: String,
    /// Version.
    pub(crate) version: String,
    /// SPDX expression.
    pub(crate) license: Option<String>,
    /// Registry or repository; none for a path.
    pub(crate) source: Option<String>,
    /// Oldest compiler it promises to build with.
    pub(crate) rust_version: Option<String>,
}

/// The resolved graph.
#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Metadata {
    /// Asks cargo about the workspace as it is built for `target`, all features on.
    pub(crate) fn read(target: &str) -> Result<Self> {
        let answer = process::read(
            process::cargo()
                .args([
                    "metadata",
                    "--format-version",
                    "1",
                    "--locked",
                    "--all-features",
                ])
                .args(["--filter-platform", target]),
        )?;
        serde_json::from_slice(&answer).context("cargo metadata is not as expected")
    }

    /// Whether the package is one of ours.
    pub(crate) fn is_member(&self, package: &Package) -> bool {
        self.workspace_members.contains(&package.id)
    }

    /// Ids of everything that is linked into the package called `name`, itself included.
    pub(crate) fn linked_by(&self, name: &str) -> BTreeSet<&str> {
        let nodes: BTreeMap<&str, &Node> = self
            .resolve
            .nodes
            .iter()
            .map(|node| (node.id.as_str(), node))
            .collect();
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = self
            .packages
            .iter()
            .filter(|package| package.name == name && self.is_member(package))
            .map(|package| package.id.as_str())
            .collect();
        while let Some(id) = open.pop() {
            if !found.insert(id) {
                continue;
            }
            if let Some(node) = nodes.get(id) {
                open.extend(
                    node.deps
                        .iter()
                        .filter(|dep| {
                            dep.dep_kinds
                                .iter()
                                .any(|k| k.kind.as_deref() != Some("dev"))
                        })
                        .map(|dep| dep.pkg.as_str()),
                );
            }
        }
        found
    }

    /// A way from one of our packages to the one with `id`, for messages: `ours > … > it`.
    pub(crate) fn way_to(&self, id: &str) -> String {
        let name = |id: &str| {
            self.packages
                .iter()
                .find(|package| package.id == id)
                .map_or_else(|| id.to_owned(), |package| package.name.clone())
        };
        let mut way = vec![name(id)];
        let mut seen = BTreeSet::from([id.to_owned()]);
        let mut at = id.to_owned();
        while !self.workspace_members.contains(&at) {
            let user =
                self.resolve.nodes.iter().find(|node| {
                    !seen.contains(&node.id) && node.deps.iter().any(|dep| dep.pkg == at)
                });
            let Some(user) = user else { break };
            at.clone_from(&user.id);
            seen.insert(at.clone());
            way.push(name(&at));
        }
        way.reverse();
        way.join(" > ")
    }
}
