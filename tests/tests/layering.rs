//! What may depend on what, read from `cargo metadata`. A fault names the offender and the way to it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A crate, its folder, whether it is pure, and what of ours it may use.
struct Row {
    name: &'static str,
    folder: &'static str,
    pure: bool,
    may_use: &'static [&'static str],
}

const fn row(
    name: &'static str,
    folder: &'static str,
    pure: bool,
    may_use: &'static [&'static str],
) -> Row {
    Row {
        name,
        folder,
        pure,
        may_use,
    }
}

const TABLE: &[Row] = &[
    row("glimpse-yang", "yang", true, &[]),
    row("glimpse-model", "agent/model", true, &[]),
    row(
        "glimpse-lmap",
        "agent/lmap",
        true,
        &["glimpse-yang", "glimpse-model"],
    ),
    row(
        "glimpse-restconf",
        "agent/restconf",
        true,
        &["glimpse-yang"],
    ),
    row("glimpse-net", "agent/net", false, &[]),
    row(
        "glimpse-probe",
        "agent/probe",
        false,
        &["glimpse-model", "glimpse-net"],
    ),
    row(
        "glimpse-agent",
        "agent/daemon",
        false,
        &[
            "glimpse-yang",
            "glimpse-model",
            "glimpse-lmap",
            "glimpse-restconf",
            "glimpse-net",
            "glimpse-probe",
        ],
    ),
    row(
        "glimpse-store",
        "controller/store",
        false,
        &["glimpse-model"],
    ),
    row(
        "glimpse-aggregate",
        "controller/aggregate",
        true,
        &["glimpse-model"],
    ),
    row("glimpse-alto", "controller/alto", true, &[]),
    row(
        "glimpse-reason",
        "controller/reason",
        true,
        &["glimpse-model"],
    ),
    row(
        "glimpse-mba",
        "controller/mba",
        false,
        &[
            "glimpse-model",
            "glimpse-aggregate",
            "glimpse-alto",
            "glimpse-store",
        ],
    ),
    row(
        "glimpse-analytics",
        "controller/analytics",
        false,
        &[
            "glimpse-model",
            "glimpse-aggregate",
            "glimpse-alto",
            "glimpse-store",
        ],
    ),
    row(
        "glimpse-controller",
        "controller/server",
        false,
        &[
            "glimpse-store",
            "glimpse-aggregate",
            "glimpse-alto",
            "glimpse-reason",
            "glimpse-mba",
            "glimpse-yang",
            "glimpse-model",
            "glimpse-lmap",
            "glimpse-restconf",
        ],
    ),
];

/// These may use everything and are used by nothing but each other.
const TESTS: &[&str] = &[
    "glimpse-tests",
    "glimpse-bench",
    "glimpse-fuzz",
    "glimpse-gen-yang",
    "glimpse-truth",
    "xtask",
];

/// What a pure crate must not link, directly or by way of others.
const IMPURE: &[(&str, &str)] = &[
    ("tokio", "a runtime"),
    ("mio", "a runtime"),
    ("async-std", "a runtime"),
    ("smol", "a runtime"),
    ("socket2", "sockets"),
    ("nix", "the system"),
    ("rustix", "the system"),
    ("rustls", "TLS"),
    ("native-tls", "TLS"),
    ("openssl", "TLS"),
    ("openssl-sys", "TLS"),
    ("hyper", "HTTP"),
    ("h2", "HTTP"),
    ("http", "HTTP"),
    ("axum", "HTTP"),
    ("reqwest", "HTTP"),
    ("ureq", "HTTP"),
    ("tower", "HTTP"),
    ("sqlx", "SQL"),
    ("sqlx-core", "SQL"),
    ("rusqlite", "SQL"),
    ("libsqlite3-sys", "SQL"),
    ("getrandom", "randomness"),
    ("rand", "randomness"),
    ("fastrand", "randomness"),
    ("chrono", "a clock"),
    ("time", "a clock"),
    ("quanta", "a clock"),
    ("tempfile", "files"),
];

/// What a pure module inside a crate that is not pure must not name.
const IMPURE_PATHS: &[&str] = &[
    "tokio::",
    "socket2::",
    "nix::",
    "std::fs",
    "std::process",
    "std::thread",
    "UdpSocket",
    "TcpStream",
    "SystemTime",
    "Instant",
    "crate::socket",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--all-features",
        ])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Our own crates by name: where their manifests lie, and what they depend on in any way, tests and build scripts too.
struct Graph {
    manifests: BTreeMap<String, String>,
    direct: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read(metadata: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let members = metadata["workspace_members"].as_array().unwrap();
        let mut graph = Self {
            manifests: BTreeMap::new(),
            direct: BTreeMap::new(),
        };
        for package in metadata["packages"].as_array().unwrap() {
            if members.contains(&package["id"]) {
                let name = text(&package["name"]);
                graph
                    .manifests
                    .insert(name.clone(), text(&package["manifest_path"]));
                let direct = package["dependencies"].as_array().unwrap();
                graph
                    .direct
                    .insert(name, direct.iter().map(|dep| text(&dep["name"])).collect());
            }
        }
        graph
    }
}

fn faults(metadata: &Value) -> Vec<String> {
    let graph = Graph::read(metadata);
    let mut faults = Vec::new();
    for (name, manifest) in &graph.manifests {
        if TESTS.contains(&name.as_str()) {
            continue;
        }
        let Some(row) = TABLE.iter().find(|row| row.name == name) else {
            faults.push(format!("{name} ({manifest}) has no row in the table"));
            continue;
        };
        if !manifest.ends_with(&format!("/{}/Cargo.toml", row.folder)) {
            faults.push(format!("{name} lies at {manifest}, not in {}", row.folder));
        }
        for used in graph.direct[name]
            .iter()
            .filter(|used| graph.manifests.contains_key(*used))
        {
            if !row.may_use.contains(&used.as_str()) {
                faults.push(format!("{name} must not use {used}"));
            }
        }
    }
    faults
}

/// What a crate links, as `cargo tree` prints it: the depth, then the name. `cargo metadata` knows only the features that
/// all crates of the workspace switch on together, so that it would blame one crate for another's.
fn tree(name: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            name,
            "--all-features",
            "--edges",
            "normal",
            "--locked",
        ])
        .args([
            "--target",
            "x86_64-unknown-linux-gnu",
            "--prefix",
            "depth",
            "--format",
            " {p}",
            "--no-dedupe",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The impure crates of a tree, each with what it stands for and the way to it.
fn impurities(tree: &str) -> BTreeSet<String> {
    let mut way: Vec<&str> = Vec::new();
    let mut found = BTreeSet::new();
    for line in tree.lines() {
        let mut words = line.split(' ');
        let depth: usize = words.next().unwrap().parse().unwrap();
        let name = words.next().unwrap();
        way.truncate(depth);
        way.push(name);
        if let Some((_, what)) = IMPURE.iter().find(|(impure, _)| *impure == name) {
            found.insert(format!(
                "{} is pure but links {what}: {}",
                way[0],
                way.join(" > ")
            ));
        }
    }
    found
}

#[test]
fn pure_crates_link_nothing_impure() {
    let ours = Graph::read(&metadata()).manifests;
    let mut seen = 0;
    for row in TABLE
        .iter()
        .filter(|row| row.pure && ours.contains_key(row.name))
    {
        let tree = tree(row.name);
        assert!(tree.starts_with(&format!("0 {} ", row.name)), "{tree}");
        assert_eq!(impurities(&tree), BTreeSet::new());
        seen += 1;
    }
    assert!(seen >= 3, "pure crates were found: {seen}");
}

#[test]
fn an_impure_crate_is_named_with_the_way_to_it() {
    let tree = "0 glimpse-model v0.1.0 (/x)\n1 jiff v0.2.0\n1 serde_json v1.0.0\n2 itoa v1.0.0\n2 socket2 v0.6.0\n1 sqlx v0.9.0\n";
    let said = [
        "glimpse-model is pure but links SQL: glimpse-model > sqlx",
        "glimpse-model is pure but links sockets: glimpse-model > serde_json > socket2",
    ];
    assert_eq!(impurities(tree), said.map(String::from).into());
    // A crate that really is impure.
    let net = impurities(&self::tree("glimpse-net"));
    assert!(
        net.contains("glimpse-net is pure but links a runtime: glimpse-net > tokio"),
        "{net:?}"
    );
}

#[test]
fn every_crate_uses_only_what_its_row_lists() {
    assert_eq!(faults(&metadata()), Vec::<String>::new());
}

#[test]
fn the_table_itself_points_one_way() {
    let row_of = |name: &str| TABLE.iter().find(|row| row.name == name).unwrap();
    for row in TABLE {
        for used in row.may_use {
            let used = row_of(used);
            assert!(
                !(row.folder.starts_with("agent/") && used.folder.starts_with("controller/")),
                "{} names {}",
                row.name,
                used.name
            );
            assert!(
                !used.may_use.contains(&row.name),
                "{} and {} use each other",
                row.name,
                used.name
            );
            assert!(
                !row.pure || used.pure,
                "{} is pure, {} is not",
                row.name,
                used.name
            );
        }
    }
}

/// Adds to real metadata a dependency of `user` on the package called `used`, as cargo would print it.
fn with_dependency(metadata: &Value, user: &str, used: &str, kind: &Value) -> Value {
    let mut metadata = metadata.clone();
    let packages = metadata["packages"].as_array_mut().unwrap();
    let package = packages
        .iter_mut()
        .find(|package| package["name"] == user)
        .unwrap();
    package["dependencies"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": used, "kind": kind}));
    metadata
}

#[test]
fn each_kind_of_fault_names_its_offender() {
    let real = metadata();
    for (user, used, kind, said) in [
        (
            "glimpse-agent",
            "glimpse-controller",
            Value::Null,
            "glimpse-agent must not use glimpse-controller",
        ),
        (
            "glimpse-net",
            "glimpse-model",
            Value::Null,
            "glimpse-net must not use glimpse-model",
        ),
        (
            "glimpse-alto",
            "glimpse-aggregate",
            Value::Null,
            "glimpse-alto must not use glimpse-aggregate",
        ),
        (
            "glimpse-controller",
            "glimpse-tests",
            Value::Null,
            "glimpse-controller must not use glimpse-tests",
        ),
        (
            "glimpse-probe",
            "glimpse-store",
            json!("dev"),
            "glimpse-probe must not use glimpse-store",
        ),
    ] {
        assert_eq!(faults(&with_dependency(&real, user, used, &kind)), [said]);
    }
    assert_eq!(
        faults(&with_dependency(
            &real,
            "glimpse-tests",
            "glimpse-store",
            &Value::Null
        )),
        Vec::<String>::new()
    );

    for (member, value, said) in [
        ("name", "glimpse-new", "glimpse-new ("),
        (
            "manifest_path",
            "/x/agent/alto/Cargo.toml",
            "glimpse-alto lies at /x/agent/alto/Cargo.toml, not in controller/alto",
        ),
    ] {
        let mut doctored = real.clone();
        let packages = doctored["packages"].as_array_mut().unwrap();
        packages
            .iter_mut()
            .find(|package| package["name"] == "glimpse-alto")
            .unwrap()[member] = json!(value);
        assert!(
            faults(&doctored)
                .iter()
                .any(|fault| fault.starts_with(said)),
            "{said}"
        );
    }
}

#[test]
fn only_net_may_hold_unsafe_code() {
    let forbidding = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(
        forbidding.contains("unsafe_code = \"forbid\""),
        "the workspace forbids unsafe code"
    );
    for (name, manifest) in Graph::read(&metadata()).manifests {
        if name == "glimpse-net" {
            continue;
        }
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(
            takes_the_workspaces_lints(&text),
            "{manifest} must say [lints] workspace = true and nothing else there"
        );
    }
}

fn takes_the_workspaces_lints(manifest: &str) -> bool {
    let lines: Vec<&str> = manifest.lines().map(str::trim).collect();
    let tables = lines
        .iter()
        .filter(|line| line.starts_with("[lints"))
        .count();
    let at = lines.iter().position(|line| *line == "[lints]");
    tables == 1 && at.is_some_and(|at| lines.get(at + 1) == Some(&"workspace = true"))
}

#[test]
fn manifests_with_lints_of_their_own_are_seen() {
    assert!(takes_the_workspaces_lints(
        "[package]\n\n[lints]\nworkspace = true\n"
    ));
    assert!(!takes_the_workspaces_lints("[package]\n"));
    assert!(!takes_the_workspaces_lints(
        "[lints]\n[lints.rust]\nunsafe_code = \"allow\"\n"
    ));
    assert!(!takes_the_workspaces_lints(
        "[lints]\nworkspace = true\n[lints.rust]\nunsafe_code = \"allow\"\n"
    ));
}

#[test]
fn the_packet_codecs_are_pure() {
    let folder = root().join("agent/net/src");
    let mut files = vec![folder.join("packet.rs")];
    let mut folders = vec![folder.join("packet")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 2, "the module was found: {files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            impure_lines(&text),
            Vec::<String>::new(),
            "{}",
            path.display()
        );
    }
}

/// Lines of code that name something impure; comments are left out.
fn impure_lines(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .filter(|line| IMPURE_PATHS.iter().any(|path| line.contains(path)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn an_impure_line_is_seen() {
    assert_eq!(
        impure_lines("use std::net::UdpSocket;\n/// as an `Instant`\nfn a() {}\n"),
        ["use std::net::UdpSocket;"]
    );
}
