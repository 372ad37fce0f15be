//! The running configuration: where it is kept, and how requests see it.

use super::factory;
use super::starts::Suspect;
use crate::files;
use glimpse_lmap::Control;
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_restconf::tags::Marks;
use glimpse_restconf::{Counters, Datastore};
use glimpse_yang::read::Reader;
use glimpse_yang::schema::{Kind, Node, Schema};
use glimpse_yang::validate::{Check, validate};
use glimpse_yang::write::Writer;
use glimpse_yang::{DataPath, Encoding, Instance, Limits, Select, Step, Tree};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// File of the durable directory: dates of what changed, an empty line, the configuration in JSON.
const FILE: &str = "running.lmap";
/// Largest configuration kept, in bytes: as a tree, and as what the machine makes of it, it takes many times that.
const LIMIT: u64 = 512 << 10;
/// Most nodes of it.
const NODES: usize = 50_000;
/// What the factory's access control may take beyond that: whoever has filled a configuration does not keep it from being put back.
const RESERVE: (u64, usize) = (8 << 10, 500);
/// Bounds of a document that may become a configuration.
pub(super) const LIMITS: Limits = Limits {
    depth: 32,
    nodes: 200_000,
};

/// The running configuration and its file.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) tree: Arc<Tree>,
    pub(super) marks: Arc<Marks>,
    /// Which configuration it is, of those of this process.
    pub(super) generation: u32,
    path: PathBuf,
}

/// Why a configuration is not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unkept {
    /// It is larger than any may be.
    #[error("a configuration has at most {LIMIT} bytes and {NODES} nodes")]
    Large,
    /// The device does not take it.
    #[error("the configuration cannot be kept: {0}")]
    Device(#[from] io::Error),
}

impl Stored {
    /// The configuration that was in force last. Where there is none that is valid, that of the factory holds; what was there is
    /// kept beside, for people to look at.
    pub(super) fn load(
        schema: &'static Schema,
        dir: &Path,
        suspect: Suspect,
        now: Timestamp,
    ) -> (Self, Control) {
        let path = dir.join(FILE);
        let read = match files::read_bounded(&path, LIMIT + RESERVE.0) {
            _ if suspect == Suspect::All => Some(Err("the agent did not last with it".to_owned())),
            Ok(bytes) => Some(parse(schema, &bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(Err(error.to_string())),
        };
        let (tree, marks, control) = match read {
            Some(Ok(read)) if suspect == Suspect::Instructions => {
                log::error!(
                    "{}: the agent did not last with it; its access control alone holds",
                    path.display()
                );
                let aside = dir.join(format!("{FILE}.bad"));
                let _ = fs::rename(&path, aside);
                return Self::with_access_of(read.0, path, now);
            }
            Some(Ok(read)) => read,
            Some(Err(error)) => {
                log::error!(
                    "{}: {error}; the configuration of the factory holds",
                    path.display()
                );
                // Where that fails too, the next edit replaces it.
                let _ = fs::rename(&path, dir.join(format!("{FILE}.bad")));
                default(schema, now)
            }
            None => default(schema, now),
        };
        let stored = Self {
            tree: Arc::new(tree),
            marks: Arc::new(marks),
            generation: 0,
            path,
        };
        (stored, control)
    }

    /// Nothing but the access control of a configuration: whoever makes an agent fail is not to open its door by that.
    fn with_access_of(mut tree: Tree, path: PathBuf, now: Timestamp) -> (Self, Control) {
        let schema = tree.schema;
        let access = |instance: &Instance| schema.module_name(instance.node) == "ietf-netconf-acm";
        tree.top.retain(access);
        let marks = Marks::new(now.as_micros().div_euclid(SECOND));
        let mut stored = Self {
            tree: Arc::new(Tree::new(schema)),
            marks: Arc::new(marks.clone()),
            generation: 0,
            path,
        };
        if let Err(error) = stored.put(tree.clone(), marks.clone(), true) {
            log::error!("{}: {error}", stored.path.display());
            (stored.tree, stored.marks) = (Arc::new(tree), Arc::new(marks));
        }
        stored.generation = 0;
        (stored, Control::default())
    }

    /// The file of a durable directory.
    pub(super) fn file(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// Puts a configuration on the device, where it is when this returns; until then the old one is.
    pub(super) fn replace(&mut self, tree: Tree, marks: Marks) -> Result<(), Unkept> {
        self.put(tree, marks, false)
    }

    fn put(&mut self, tree: Tree, marks: Marks, reserve: bool) -> Result<(), Unkept> {
        let (bytes, nodes) = if reserve { RESERVE } else { (0, 0) };
        if tree.nodes() > NODES + nodes {
            return Err(Unkept::Large);
        }
        let json = Writer::new(tree.schema, Encoding::Json).data(&tree);
        let text = format!("{}\n{json}", marks.to_text());
        if text.len() as u64 > LIMIT + bytes {
            return Err(Unkept::Large);
        }
        files::replace(&self.path, text.as_bytes(), 0o600)?;
        self.tree = Arc::new(tree);
        self.marks = Arc::new(marks);
        self.generation = self.generation.wrapping_add(1);
        Ok(())
    }

    /// Puts the factory's access control in place of what is there, for whoever has locked everybody out.
    pub(super) fn reset_access(&mut self, now: Timestamp) -> Result<(), Unkept> {
        let schema = self.tree.schema;
        let (factory, ..) = default(schema, now);
        let mut tree = Tree::clone(&self.tree);
        let mut marks = Marks::clone(&self.marks);
        let seconds = now.as_micros().div_euclid(SECOND);
        for instance in factory.top {
            let node = instance.node;
            tree.top.retain(|old| old.node != node);
            tree.push(instance);
            let steps = vec![Step {
                node,
                select: Select::All,
            }];
            marks.touch(schema, &DataPath { steps }, seconds);
        }
        self.put(tree, marks, true)
    }

    /// What requests that edit see.
    pub(super) fn moment(&self, denied: Counters) -> Still {
        Still {
            tree: self.tree.clone(),
            marks: self.marks.clone(),
            denied,
        }
    }
}

/// The configuration of one moment: all that an edit is planned from.
#[derive(Debug)]
pub(super) struct Still {
    tree: Arc<Tree>,
    marks: Arc<Marks>,
    denied: Counters,
}

impl Datastore for Still {
    fn running(&self) -> &Tree {
        &self.tree
    }

    /// Edits look at configuration alone.
    fn state(&self, _wanted: &DataPath) -> Tree {
        Tree::new(self.tree.schema)
    }

    fn marks(&self) -> &Marks {
        &self.marks
    }

    fn counters(&self) -> Counters {
        self.denied
    }
}

type Read = (Tree, Marks, Control);

fn parse(schema: &'static Schema, bytes: &[u8]) -> Result<Read, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let (marks, json) = text.split_once("\n\n").ok_or("it has no dates")?;
    let marks = Marks::from_text(marks).ok_or("its dates are damaged")?;
    let reader = Reader {
        limits: LIMITS,
        ..Reader::new(schema, Encoding::Json)
    };
    let tree = reader
        .data(json.as_bytes())
        .map_err(|error| error.to_string())?;
    if tree.nodes() > NODES + RESERVE.1 {
        return Err(Unkept::Large.to_string());
    }
    if let Some(fault) = validate(&tree, Check::Configuration, None).first() {
        return Err(fault.to_string());
    }
    let control = Control::read(&tree).map_err(|error| error.to_string())?;
    Ok((tree, marks, control))
}

fn default(schema: &'static Schema, now: Timestamp) -> Read {
    let marks = Marks::new(now.as_micros().div_euclid(SECOND));
    let tree = Reader::new(schema, Encoding::Json).data(factory::CONFIGURATION.as_bytes());
    let tree = tree.unwrap_or_else(|error| {
        // Access control without configuration lets nobody write.
        log::error!("the configuration of the factory: {error}");
        Tree::new(schema)
    });
    (tree, marks, Control::default())
}

/// Takes from `state` what `running` has already. What running has no entry for, such as instructions of the other door, stays whole.
fn keep_state(schema: &'static Schema, running: &[Instance], state: &mut Vec<Instance>) {
    state.retain_mut(|instance| {
        let node = schema.node(instance.node);
        if matches!(node.kind, Kind::Leaf | Kind::LeafList) {
            return !node.is(Node::CONFIG) || node.is(Node::KEY);
        }
        let own = running
            .iter()
            .find(|own| own.node == instance.node && own.keys(schema) == instance.keys(schema));
        if let Some(own) = own
            && let Some(children) = instance.children_mut()
        {
            keep_state(schema, own.children(), children);
        }
        true
    });
}

/// One moment of the agent, as those see it who read.
#[derive(Debug)]
pub(super) struct View {
    pub(super) running: Still,
    /// The state of `/lmap`, configuration and all, where somebody may ask for it.
    pub(super) lmap: Option<Tree>,
    /// `/glimpse-agent:agent`, likewise.
    pub(super) agent: Option<Tree>,
}

impl Datastore for View {
    fn running(&self) -> &Tree {
        self.running.running()
    }

    fn state(&self, wanted: &DataPath) -> Tree {
        let schema = self.running().schema;
        let module = wanted
            .steps
            .first()
            .map(|step| schema.module_name(step.node));
        let mut tree = Tree::new(schema);
        if module.is_none_or(|module| module == "ietf-lmap-control")
            && let Some(lmap) = &self.lmap
        {
            tree = lmap.clone();
            keep_state(schema, &self.running().top, &mut tree.top);
        }
        if module.is_none_or(|module| module == "glimpse-agent")
            && let Some(agent) = &self.agent
        {
            for instance in &agent.top {
                tree.push(instance.clone());
            }
        }
        tree
    }

    fn marks(&self) -> &Marks {
        self.running.marks()
    }

    fn counters(&self) -> Counters {
        self.running.counters()
    }
}
