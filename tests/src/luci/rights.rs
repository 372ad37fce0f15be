//! What a session may do, by the application's own files: `menu.d` says which pages there are and what they need,
//! `acl.d` what its readers and its writers may call.

use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

/// Pages and rights of the application.
#[derive(Debug, Clone)]
pub struct Rights {
    menu: Map<String, Value>,
    groups: Map<String, Value>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// May do all that the application's list of rights has.
    Write,
    /// May do what stands there under `read`.
    Read,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// `admin/status/glimpse/overview`.
    pub path: String,
    /// As the menu has it, in English.
    pub title: String,
    /// The view, such as `glimpse/overview`; `None` where it only leads to the first below it.
    pub view: Option<String>,
    /// Its place among its siblings.
    pub order: i64,
    /// Groups of rights that must be readable.
    pub groups: Vec<String>,
}

impl Session {
    /// The identifier by which a request names it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Write => "77726974657277726974657277726974",
            Self::Read => "72656164657272656164657272656164",
        }
    }

    /// The session of an identifier.
    pub fn of(id: &str) -> Option<Self> {
        [Self::Write, Self::Read]
            .into_iter()
            .find(|session| session.id() == id)
    }
}

impl Rights {
    /// Reads the files of the application in `dir`.
    ///
    /// # Errors
    /// What is missing, or no JSON.
    pub fn read(dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            menu: merged(&dir.join("root/usr/share/luci/menu.d"))?,
            groups: merged(&dir.join("root/usr/share/rpcd/acl.d"))?,
        })
    }

    /// The pages, in the order of the menu.
    pub fn nodes(&self) -> Vec<Node> {
        let mut nodes: Vec<Node> = self
            .menu
            .iter()
            .map(|(path, node)| Node {
                path: path.clone(),
                title: node["title"].as_str().unwrap_or_default().to_owned(),
                view: (node["action"]["type"] == "view").then(|| {
                    node["action"]["path"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned()
                }),
                order: node["order"].as_i64().unwrap_or(i64::MAX),
                groups: strings(&node["depends"]["acl"]),
            })
            .collect();
        nodes.sort_by_key(|node| node.order);
        nodes
    }

    /// The page at `path`; of one that only leads on, the first below it.
    pub fn node(&self, path: &str) -> Option<Node> {
        let nodes = self.nodes();
        let found = nodes.iter().find(|node| node.path == path)?;
        match found.view {
            Some(_) => Some(found.clone()),
            None => nodes
                .iter()
                .find(|node| {
                    node.view.is_some()
                        && node
                            .path
                            .strip_prefix(path)
                            .is_some_and(|rest| rest.starts_with('/') && !rest[1..].contains('/'))
                })
                .cloned(),
        }
    }

    /// Whether a session that may only read has something to lose at this page.
    pub fn is_readonly(&self, node: &Node, session: Session) -> bool {
        session == Session::Read && !node.groups.is_empty()
    }

    /// Whether `session` may call `method` of the ubus object `object`.
    pub fn may_call(&self, session: Session, object: &str, method: &str) -> bool {
        self.parts(session).any(|part| {
            part["ubus"].as_object().is_some_and(|objects| {
                objects.iter().any(|(pattern, methods)| {
                    matches(pattern, object)
                        && strings(methods).iter().any(|one| matches(one, method))
                })
            })
        })
    }

    /// Whether `session` may read, or with `write` change, the settings file `config`.
    pub fn may_config(&self, session: Session, config: &str, write: bool) -> bool {
        let part = if write { "write" } else { "read" };
        (session == Session::Write || !write)
            && self.groups.values().any(|group| {
                strings(&group[part]["uci"])
                    .iter()
                    .any(|one| matches(one, config))
            })
    }

    /// Whether `session` may run the program at `path`.
    pub fn may_run(&self, session: Session, path: &str) -> bool {
        let runs = |list: &Value| strings(list).iter().any(|one| one == "exec");
        self.parts(session).any(|part| runs(&part["cgi-io"]))
            && self.parts(session).any(|part| runs(&part["file"][path]))
    }

    fn parts(&self, session: Session) -> impl Iterator<Item = &Value> {
        self.groups.values().flat_map(move |group| {
            [Some("read"), (session == Session::Write).then_some("write")]
                .into_iter()
                .flatten()
                .map(move |part| &group[part])
        })
    }
}

fn merged(dir: &Path) -> anyhow::Result<Map<String, Value>> {
    use anyhow::Context;
    let mut all = Map::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let members: Map<String, Value> =
            serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        all.extend(members);
    }
    Ok(all)
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn readers_may_look_and_writers_may_do() {
        let rights = Rights::read(&crate::luci::application()).unwrap();
        for (method, reader) in [
            ("status", true),
            ("export", true),
            ("run", false),
            ("erase", false),
        ] {
            assert_eq!(
                rights.may_call(Session::Read, "glimpse", method),
                reader,
                "{method}"
            );
            assert!(
                rights.may_call(Session::Write, "glimpse", method),
                "{method}"
            );
        }
        assert!(!rights.may_call(Session::Write, "system", "reboot"));
        assert!(!rights.may_call(Session::Write, "glimpse", "nacm-reset"));
        assert!(rights.may_config(Session::Read, "glimpse", false));
        assert!(!rights.may_config(Session::Read, "glimpse", true));
        assert!(!rights.may_config(Session::Write, "network", true));
        assert!(rights.may_run(Session::Write, "/usr/libexec/luci-peeraddr"));
        assert!(!rights.may_run(Session::Read, "/usr/libexec/luci-peeraddr"));
        assert!(!rights.may_run(Session::Write, "/bin/sh"));
    }

    #[test]
    fn the_menu_leads_to_a_view() {
        let rights = Rights::read(&crate::luci::application()).unwrap();
        let node = rights.node("admin/status/glimpse").unwrap();
        assert_eq!(node.view.as_deref(), Some("glimpse/overview"));
        assert!(rights.is_readonly(&node, Session::Read));
        assert!(rights.node("admin/status/other").is_none());
    }
}
