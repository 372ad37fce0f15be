//! The running configuration: where it is kept, and how requests see it.

use super::{Lmap, factory};
use crate::files;
use glimpse_lmap::shown::Shown;
use glimpse_lmap::state::About;
use glimpse_lmap::{Control, Moment};
use glimpse_model::instruction::MAX_INSTRUCTIONS;
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_restconf::tags::Marks;
use glimpse_restconf::{Counters, Datastore};
use glimpse_yang::read::Reader;
use glimpse_yang::schema::{Kind, Node, Schema};
use glimpse_yang::validate::{Check, validate};
use glimpse_yang::write::Writer;
use glimpse_yang::{DataPath, Encoding, Instance, Tree};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// File of the durable directory: dates of what changed, an empty line, the configuration in JSON.
const FILE: &str = "running.lmap";
/// Largest configuration kept, in bytes.
const LIMIT: u64 = 4 << 20;

/// The running configuration and its file.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) tree: Tree,
    pub(super) marks: Marks,
    path: PathBuf,
}

impl Stored {
    /// The configuration that was in force last. Where there is none that is valid, that of the factory holds; what was there is
    /// kept beside, for people to look at.
    pub(super) fn load(schema: &'static Schema, dir: &Path, now: Timestamp) -> (Self, Control) {
        let path = dir.join(FILE);
        let read = match files::read_bounded(&path, LIMIT) {
            Ok(bytes) => Some(parse(schema, &bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(Err(error.to_string())),
        };
        let (tree, marks, control) = match read {
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
        (Self { tree, marks, path }, control)
    }

    /// Puts a configuration on the device, where it is when this returns; until then the old one is.
    pub(super) fn replace(&mut self, tree: &Tree, marks: &Marks) -> Result<(), String> {
        let json = Writer::new(tree.schema, Encoding::Json).data(tree);
        let text = format!("{}\n{json}", marks.to_text());
        if text.len() as u64 > LIMIT {
            return Err(format!("the configuration is larger than {LIMIT} bytes"));
        }
        files::replace(&self.path, text.as_bytes(), 0o600).map_err(|error| error.to_string())?;
        self.tree = tree.clone();
        self.marks = marks.clone();
        Ok(())
    }
}

type Read = (Tree, Marks, Control);

fn parse(schema: &'static Schema, bytes: &[u8]) -> Result<Read, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let (marks, json) = text.split_once("\n\n").ok_or("it has no dates")?;
    let marks = Marks::from_text(marks).ok_or("its dates are damaged")?;
    let tree = Reader::new(schema, Encoding::Json)
        .data(json.as_bytes())
        .map_err(|error| error.to_string())?;
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

/// One moment of the agent, as requests see it.
pub(super) struct View<'a> {
    pub(super) lmap: &'a Lmap,
    /// Instructions of the other door.
    pub(super) shown: &'a Shown,
    /// `/glimpse-agent:agent`, where somebody may ask for it.
    pub(super) agent: Option<Tree>,
    pub(super) parallel: u32,
    pub(super) now: Moment,
}

impl Datastore for View<'_> {
    fn running(&self) -> &Tree {
        self.lmap.running()
    }

    fn state(&self, wanted: &DataPath) -> Tree {
        let schema = self.lmap.schema;
        let module = wanted
            .steps
            .first()
            .map(|step| schema.module_name(step.node));
        let mut tree = Tree::new(schema);
        if module.is_none_or(|module| module == "ietf-lmap-control") {
            let about = About {
                version: crate::VERSION,
                tags: &[],
                max_schedules: u32::try_from(MAX_INSTRUCTIONS).unwrap_or(u32::MAX),
                max_parallel: self.parallel,
            };
            let lmap = &self.lmap.machine;
            match lmap.operational(schema, self.shown, &about, &self.now) {
                Ok(operational) => {
                    tree = operational;
                    keep_state(schema, &self.running().top, &mut tree.top);
                }
                Err(error) => log::error!("the state of /lmap cannot be shown: {error}"),
            }
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
        self.lmap.marks()
    }

    fn counters(&self) -> Counters {
        self.lmap.denied
    }
}
