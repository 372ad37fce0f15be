//! `yanglint` of libyang over the modules of the agent.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Configuration alone, whole.
    Configuration,
    /// What a server shows of its datastore.
    Reply,
    /// The input of an operation.
    Operation,
    /// A notification.
    Notification,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "config",
            Self::Reply => "get",
            Self::Operation => "rpc",
            Self::Notification => "notif",
        }
    }
}

/// The modules.
pub(crate) fn modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../yang/modules")
}

/// Why a document is not valid, if it is not.
pub(crate) fn refusal(kind: Kind, encoding: &str, document: &str) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("document").with_extension(encoding);
    fs::write(&file, document).unwrap();
    let mut schemas: Vec<PathBuf> = fs::read_dir(modules())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yang")
        })
        .collect();
    schemas.sort();
    let output = Command::new("yanglint")
        .arg("-p")
        .arg(modules())
        .args(["-t", kind.name()])
        .args(schemas)
        .arg(&file)
        .output()
        .expect("yanglint, of the package libyang2-tools, runs");
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Holds a document against the modules.
pub(crate) fn yanglint(kind: Kind, encoding: &str, document: &str) {
    if let Some(refusal) = refusal(kind, encoding, document) {
        panic!("{kind:?} in {encoding}: {refusal}\n{document}");
    }
}

/// What is inside the only member.
pub(crate) fn unwrapped_json(body: &str, member: &str) -> String {
    let mut value: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        value.as_object().map(serde_json::Map::len),
        Some(1),
        "{body}"
    );
    value[member].take().to_string()
}

/// What is inside the only element.
pub(crate) fn unwrapped_xml(body: &str) -> String {
    let body = body.trim();
    let from = body.find('>').unwrap() + 1;
    let to = body.rfind("</").unwrap();
    body[from..to].to_owned()
}
