//! An agent's datastore as it is known here: its tree, and RESTCONF over it.

use super::loads;
use glimpse_restconf::access::Rules;
use glimpse_restconf::tags::Marks;
use glimpse_restconf::{Datastore, Plan, Request, Server, Settings, User};
use glimpse_yang::edit::merge_all;
use glimpse_yang::read::Reader;
use glimpse_yang::schema::{Kind, Node};
use glimpse_yang::table::AGENT;
use glimpse_yang::write::Writer;
use glimpse_yang::{DataPath, Encoding, Error, Instance, Part, Tree};
use serde::{Deserialize, Serialize};

/// Bytes of a body for an agent.
pub(super) const BODY_BYTES: usize = 1 << 20;

/// Modules whose state the server describes itself.
const DESCRIBED: [&str; 3] = [
    "ietf-yang-library",
    "ietf-restconf-monitoring",
    "ietf-netconf-acm",
];

/// The path under which an agent's root stands here.
pub(super) fn root(agent: &str) -> String {
    format!("/agents/{agent}/restconf")
}

/// RESTCONF as an agent speaks it, under that root.
pub(super) fn server(root: &str) -> Server {
    Server::new(Settings {
        root: root.to_owned(),
        schema: &AGENT,
        modules: Vec::new(),
        streams: Vec::new(),
        body_limit: BODY_BYTES,
        challenge: None,
    })
}

/// The content-id of an agent with the modules that are known here.
pub(super) fn module_set() -> String {
    glimpse_restconf::library::content_id(server("/restconf").settings())
}

/// A tree of an agent at a moment.
#[derive(Debug, Clone)]
pub(super) struct Known {
    running: Tree,
    state: Tree,
    marks: Marks,
}

impl Known {
    /// Reads what [`Known::text`] wrote, at a time in microseconds since 1970.
    pub(super) fn read(text: &[u8], at_us: i64) -> Result<Self, Error> {
        let reader = Reader::new(&AGENT, Encoding::Json).with_state();
        let tree = reader.datastore(text)?;
        Ok(Self::new(tree.content(Part::Config), &tree, at_us))
    }

    /// Reads what an agent gave: its configuration alone, and all of its datastore. What is only in the latter is no configuration,
    /// though it has keys of lists: a device may show more than it is configured to have.
    pub(super) fn of(running: &[u8], all: &[u8], at_us: i64) -> Result<Self, Error> {
        let reader = Reader::new(&AGENT, Encoding::Json).with_state();
        let running = reader.datastore(running)?.content(Part::Config);
        Ok(Self::new(running, &reader.datastore(all)?, at_us))
    }

    fn new(running: Tree, all: &Tree, at_us: i64) -> Self {
        let mut state = all.content(Part::NonConfig);
        state
            .top
            .retain(|top| !DESCRIBED.contains(&AGENT.module_name(top.node)));
        drop_orphans(&mut state.top, &running.top);
        Self {
            running,
            state,
            marks: Marks::new(at_us.div_euclid(1_000_000)),
        }
    }

    /// The configuration.
    pub(super) fn running(&self) -> &Tree {
        &self.running
    }

    /// The same state with another configuration.
    #[must_use]
    pub(super) fn with(&self, running: Tree, marks: Marks) -> Self {
        Self {
            running,
            state: self.state.clone(),
            marks,
        }
    }

    /// All of it, as JSON.
    pub(super) fn text(&self) -> String {
        let mut all = self.running.clone();
        let mut state = self.state.clone();
        drop_orphans(&mut state.top, &all.top);
        merge_all(&mut all, state);
        Writer::new(&AGENT, Encoding::Json).datastore(&all)
    }

    /// What the configuration makes the agent send, as instructions.
    ///
    /// # Errors
    /// A value that no clock knows.
    pub(super) fn loads(&self) -> Result<Vec<String>, Error> {
        loads::of(&self.running, &self.elsewhere())
    }

    /// Schedules that came by other doors and are only shown.
    fn elsewhere(&self) -> Vec<String> {
        let lmap = self.state.view("ietf-lmap-control:lmap");
        let schedules = lmap.and_then(|lmap| lmap.container("schedules"));
        schedules
            .into_iter()
            .flat_map(|schedules| schedules.list("schedule"))
            .filter(|schedule| {
                let origin = schedule.leaf("glimpse-agent:origin");
                matches!(origin, Some("json" | "household"))
            })
            .filter_map(|schedule| schedule.leaf("name").map(str::to_owned))
            .collect()
    }

    /// A leaf below `/lmap` that tells something of the agent itself.
    pub(super) fn leaf(&self, container: &str, name: &str) -> Option<String> {
        [&self.state, &self.running].into_iter().find_map(|tree| {
            let lmap = tree.view("ietf-lmap-control:lmap")?;
            lmap.container(container)?.leaf(name).map(str::to_owned)
        })
    }

    /// What a request comes to.
    pub(super) fn plan(&self, root: &str, request: &Request) -> Plan {
        server(root).plan(request, self)
    }
}

impl Datastore for Known {
    fn running(&self) -> &Tree {
        &self.running
    }

    fn state(&self, _: &DataPath) -> Tree {
        self.state.clone()
    }

    fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Who may do what with which agent was decided before; the agent's own rules are the agent's to enforce.
    fn rules(&self) -> Rules {
        Rules::default()
    }
}

/// State hangs on entries of lists: where the configuration has lost one, its state is lost, too.
fn drop_orphans(state: &mut Vec<Instance>, configuration: &[Instance]) {
    state.retain_mut(|instance| {
        let node = AGENT.node(instance.node);
        let keys: Vec<String> = instance
            .keys(&AGENT)
            .into_iter()
            .map(str::to_owned)
            .collect();
        let twin = configuration
            .iter()
            .find(|own| own.node == instance.node && own.keys(&AGENT) == keys);
        if node.kind == Kind::List && node.is(Node::CONFIG) && twin.is_none() {
            return false;
        }
        if let Some(children) = instance.children_mut() {
            drop_orphans(children, twin.map_or(&[], Instance::children));
        }
        true
    });
}

/// An operator, for whom access control was done before.
pub(super) fn unlimited(name: &str) -> User {
    User {
        name: name.to_owned(),
        groups: Vec::new(),
        recovery: true,
    }
}

/// An edit as it is stored: what is to be sent to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    pub(super) method: String,
    /// Below the root of the agent, such as `/data/ietf-lmap-control:lmap`.
    pub(super) path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) query: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
    #[serde(default)]
    pub(super) body: String,
}

impl Written {
    /// The same as a request to the root `root`.
    pub(super) fn request(&self, root: &str, operator: &str, time: i64) -> Request {
        let mut headers = vec![("accept".to_owned(), "application/yang-data+json".to_owned())];
        if let Some(kind) = &self.content_type {
            headers.push(("content-type".to_owned(), kind.clone()));
        }
        Request {
            method: glimpse_restconf::Method::parse(&self.method),
            path: format!("{root}{}", self.path),
            query: self.query.clone(),
            headers,
            body: self.body.clone().into_bytes(),
            user: Some(unlimited(operator)),
            time,
        }
    }
}
