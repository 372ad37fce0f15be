//! The house rules about files: what lies at the top level, how files are called, links and decisions in `docs/`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// What may lie at the top level beside the dot files of tools.
const TOP: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "agent",
    "controller",
    "yang",
    "openwrt",
    "luci",
    "tests",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "deny.toml",
    "rustfmt.toml",
    "docs",
    "target",
];

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] = &[
    "mod.rs",
    "util.rs",
    "utils.rs",
    "helper.rs",
    "helpers.rs",
    "common.rs",
    "misc.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// Every file below `folder` but builds and hidden folders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" {
                    open.push(path);
                }
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn with_end(end: &str) -> Vec<PathBuf> {
    files(&root())
        .into_iter()
        .filter(|path| path.extension().is_some_and(|known| known == end))
        .collect()
}

#[test]
fn the_top_level_holds_what_the_layout_names() {
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name.starts_with('.') || TOP.contains(&name.as_str()),
            "{name} has no place at the top level"
        );
    }
    for name in [
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "deny.toml",
        ".ci/run",
        ".config/nextest.toml",
    ] {
        assert!(root().join(name).is_file(), "{name} is missing");
    }
}

#[test]
fn file_names_say_what_is_inside() {
    for path in with_end("rs") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            !EMPTY_NAMES.contains(&name.as_str()) && !name.contains("manager"),
            "{}",
            path.display()
        );
    }
}

/// Targets of Markdown links `[…](target)` outside code blocks that lead to files.
fn links(page: &str) -> Vec<String> {
    let mut code = false;
    let mut found = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        for part in line.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") {
                found.push(file.to_owned());
            }
        }
    }
    found
}

#[test]
fn links_lead_somewhere_inside() {
    let mut seen = 0;
    for path in with_end("md") {
        for link in links(&fs::read_to_string(&path).unwrap()) {
            let target = path.parent().unwrap().join(&link);
            assert!(target.exists(), "{}: {link} leads nowhere", path.display());
            let depth =
                target
                    .strip_prefix(root())
                    .unwrap()
                    .components()
                    .fold(0_i32, |depth, part| match part {
                        Component::ParentDir => depth - 1,
                        _ => depth + 1,
                    });
            assert!(depth >= 0, "{}: {link} leads outside", path.display());
            seen += 1;
        }
    }
    assert!(seen > 10, "links were read: {seen}");
    assert_eq!(
        links("[a](b.md#c) [d](https://e) [f](#g)\n```\n[h](i)\n```\n"),
        ["b.md"]
    );
}

#[test]
fn decisions_are_numbered_without_gap_and_have_the_three_parts() {
    let folder = root().join("docs/adr");
    let mut numbers = BTreeSet::new();
    for path in files(&folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let number: usize = name
            .get(..3)
            .and_then(|n| n.parse().ok())
            .unwrap_or_else(|| panic!("{name}"));
        assert!(numbers.insert(number), "{name}: the number is used twice");
        let text = fs::read_to_string(&path).unwrap();
        for heading in ["# ", "## Context", "## Decision", "## Consequences"] {
            assert!(
                text.lines().any(|line| line.starts_with(heading)),
                "{name} has no {heading:?}"
            );
        }
    }
    assert!(!numbers.is_empty());
    assert_eq!(
        numbers.iter().copied().collect::<Vec<_>>(),
        (1..=numbers.len()).collect::<Vec<_>>()
    );
}
