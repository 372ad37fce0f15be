//! The committed tables.

use crate::folders;
use glimpse_gen_yang::{AGENT, CONTROLLER, Folders, generate};
use glimpse_yang::table;
use std::path::{Path, PathBuf};

fn committed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../yang/src/table")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn tables_are_those_of_the_modules() {
    for set in [AGENT, CONTROLLER] {
        let made = generate(&set, &folders()).unwrap();
        assert!(
            made.source == committed(set.file),
            "{} is not what yang/modules say: cargo xtask gen-yang",
            set.file
        );
    }
}

/// Where the canonical modules are, which their licence keeps out of the workspace: as `GLIMPSE_YANG_DIR` says, else beside it.
fn canonical() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("GLIMPSE_YANG_DIR").map(PathBuf::from) {
        assert!(named.is_dir(), "GLIMPSE_YANG_DIR: {}", named.display());
        return Some(named);
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/yang");
    beside.is_dir().then_some(beside)
}

#[test]
fn the_canonical_modules_give_the_same_table() {
    let Some(canonical) = canonical() else {
        println!("GLIMPSE_YANG_DIR does not say where the canonical modules are");
        return;
    };
    let folders = Folders {
        canonical: Some(canonical),
        ..folders()
    };
    for set in [AGENT, CONTROLLER] {
        assert_eq!(
            generate(&set, &folders).unwrap().source,
            committed(set.file)
        );
    }
}

#[test]
fn sizes_are_counted_as_they_are() {
    assert_eq!(
        generate(&AGENT, &folders()).unwrap().bytes,
        table::AGENT.bytes()
    );
    assert_eq!(
        generate(&CONTROLLER, &folders()).unwrap().bytes,
        table::CONTROLLER.bytes()
    );
    assert!(table::AGENT.bytes() <= 60_000);
}

#[test]
fn rows_have_the_sizes_that_are_counted() {
    use glimpse_yang::schema::{
        Bounds, Condition, Identity, Module, Name, Node, Pattern, Rules, Span, Test, Text, Type,
    };
    let sizes = [
        ("modules", size_of::<Module>()),
        ("nodes", size_of::<Node>()),
        ("types", size_of::<Type>()),
        ("rules", size_of::<Rules>()),
        ("conditions", size_of::<Condition>()),
        ("tests", size_of::<Test>()),
        ("ranges", size_of::<Bounds>()),
        ("patterns", size_of::<Pattern>()),
        ("names", size_of::<Name>()),
        ("identities", size_of::<Identity>()),
        ("texts", size_of::<Text>()),
        ("spans", size_of::<Span>()),
        ("numbers", size_of::<u16>()),
    ];
    assert_eq!(glimpse_gen_yang::SIZES, sizes);
}

/// The error for the modules with `from` replaced by `to` in one of them.
fn error(module: &str, from: &str, to: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut replaced = false;
    for entry in std::fs::read_dir(folders().ours).unwrap() {
        let path = entry.unwrap().path();
        let mut text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with(module) {
            replaced = text.contains(from);
            text = text.replacen(from, to, 1);
        }
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    assert!(replaced, "{module} has no `{from}`");
    let folders = Folders {
        ours: folder.path().to_owned(),
        canonical: None,
    };
    generate(&AGENT, &folders).unwrap_err().to_string()
}

#[test]
fn what_is_not_supported_is_named() {
    for (module, from, to, said) in [
        (
            "ietf-lmap-control",
            ". != \"true\" or ../agent-id",
            "count(../agent-id) = 1",
            "/ietf-lmap-control:lmap/agent/report-agent-id: the condition `count(../agent-id) = 1`: the function `count`",
        ),
        (
            "ietf-lmap-control",
            "path \"/lmap/events/event/name\"",
            "path \"/lmap/events/event/no-such\"",
            "a path names `no-such`, which is not there",
        ),
        (
            "ietf-lmap-control",
            "container tasks {",
            "no-such-statement x; container tasks {",
            "`no-such-statement x`: this statement is not supported",
        ),
        (
            "ietf-lmap-control",
            "prefix lmapc;",
            "prefix lmapc; include other;",
            "`include` is not supported",
        ),
        (
            "ietf-lmap-common",
            "typedef identifier {",
            "typedef no-identifier {",
            "there is no typedef",
        ),
        (
            "ietf-lmap-control",
            "mandatory true;",
            "mandatory true; default \"x\";",
            "libyang: ",
        ),
    ] {
        let error = error(module, from, to);
        assert!(error.contains(said), "{from}: {error}");
    }
}
