//! An agent's datastore as it is known here: its tree, and RESTCONF over it.

use super::loads;
use crate::admission::Target;
use crate::config::Operator;
use glimpse_restconf::access::Rules;
use glimpse_restconf::tags::Marks;
use glimpse_restconf::{Datastore, Plan, Request, Server, Settings, User};
use glimpse_yang::edit::merge_all;
use glimpse_yang::read::Reader;
use glimpse_yang::schema::{Kind, Node};
use glimpse_yang::table::AGENT;
use glimpse_yang::write::Writer;
use glimpse_yang::{DataPath, Encoding, Error, Instance, Limits, Part, Tag, Tree};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock};
use tokio::sync::Semaphore;

/// Bytes of a body for an agent.
pub(super) const BODY_BYTES: usize = 1 << 20;

/// Nodes of an agent's tree: its configuration is that of a router.
const NODES: u32 = 50_000;

/// What the agent describes itself by, kept as it was read.
const LIBRARY: &str = "ietf-yang-library";

/// Modules whose state the server describes itself.
const DESCRIBED: [&str; 3] = [LIBRARY, "ietf-restconf-monitoring", "ietf-netconf-acm"];

/// How an agent is called in its own answers; in a tree that is kept, with the path that its root has here.
const AUTHORITY: &str = "https://agent.invalid";

/// What an agent that nobody has configured lets the controller do. Operators who are confined to some agents may do no more, though a
/// household lets the controller: it has not chosen them.
const FACTORY: &str = r#"{"ietf-netconf-acm:nacm": {"rule-list": [
    {"name": "controller", "group": ["controller"], "rule": [
        {"name": "program", "path": "/ietf-lmap-control:lmap/tasks/task/program", "access-operations": "create update delete", "action": "deny"},
        {"name": "lmap", "module-name": "ietf-lmap-control", "access-operations": "*", "action": "permit"},
        {"name": "agent", "module-name": "glimpse-agent", "access-operations": "*", "action": "permit"}]}]}}"#;

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let tree = Reader::new(&AGENT, Encoding::Json).data(FACTORY.as_bytes());
    // The rules of an empty tree refuse every write, and a test reads these.
    tree.map_or_else(|_| Rules::default(), |tree| Rules::from_tree(&tree))
});

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

fn reader() -> Reader {
    let mut reader = Reader::new(&AGENT, Encoding::Json).with_state();
    reader.limits = Limits {
        nodes: NODES,
        ..Limits::default()
    };
    reader
}

/// Pieces of work on trees at once: each takes tens of megabytes.
const WORKERS: usize = 8;
static PLACES: Semaphore = Semaphore::const_new(WORKERS);

/// Does what takes its time beside what serves. What has begun goes on when nobody waits for it any more, and takes its place till then.
///
/// # Errors
/// It panicked, or the program ends.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let failed = || Error::new(Tag::OperationFailed, "the request could not be worked on");
    let place = PLACES.acquire().await.map_err(|_| failed())?;
    let done = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    done.await.map_err(|_| failed())
}

/// A tree of an agent at a moment.
#[derive(Debug, Clone)]
pub(super) struct Known {
    running: Tree,
    state: Arc<Tree>,
    library: Arc<Tree>,
    marks: Marks,
}

impl Known {
    /// Reads what [`Known::text`] wrote, at a time in microseconds since 1970.
    pub(super) fn read(text: &[u8], at_us: i64) -> Result<Self, Error> {
        let tree = reader().datastore(text)?;
        Ok(Self::new(tree.content(Part::Config), &tree, at_us))
    }

    /// Reads what an agent gave: its configuration and its state. What is only in the latter is no configuration, though it has keys
    /// of lists: a device may show more than it is configured to have. `roots` are the path of the agent's API there and here.
    pub(super) fn of(
        running: &[u8],
        state: &[u8],
        roots: (&str, &str),
        at_us: i64,
    ) -> Result<Self, Error> {
        let running = reader().datastore(running)?.content(Part::Config);
        let (there, here) = roots;
        let there = format!("{AUTHORITY}{there}/");
        let state = match std::str::from_utf8(state) {
            Ok(text) if text.contains(&there) => {
                let text = text.replace(&there, &format!("{AUTHORITY}{here}/"));
                reader().datastore(text.as_bytes())?
            }
            _ => reader().datastore(state)?,
        };
        Ok(Self::new(running, &state, at_us))
    }

    fn new(running: Tree, all: &Tree, at_us: i64) -> Self {
        let mut state = all.content(Part::NonConfig);
        let mut library = Tree::new(&AGENT);
        state.top.retain(|top| {
            let module = AGENT.module_name(top.node);
            if module == LIBRARY {
                library.push(top.clone());
            }
            !DESCRIBED.contains(&module)
        });
        drop_orphans(&mut state.top, &running.top);
        Self {
            running,
            state: Arc::new(state),
            library: Arc::new(library),
            marks: Marks::new(at_us.div_euclid(1_000_000)),
        }
    }

    /// `content-id` of the library as it was read (RFC 8525), or `module-set-id` (RFC 7895).
    pub(super) fn module_set(&self) -> Option<String> {
        let leaf = |container: &str, name: &str| {
            let container = self.library.view(container)?;
            container.leaf(name).map(str::to_owned)
        };
        leaf("ietf-yang-library:yang-library", "content-id")
            .or_else(|| leaf("ietf-yang-library:modules-state", "module-set-id"))
            .filter(|text| text.len() <= 256)
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
            state: Arc::clone(&self.state),
            library: Arc::clone(&self.library),
            marks,
        }
    }

    /// All of it, as JSON.
    pub(super) fn text(&self) -> String {
        let mut all = self.running.clone();
        let mut state = Tree::clone(&self.state);
        drop_orphans(&mut state.top, &all.top);
        merge_all(&mut all, state);
        merge_all(&mut all, Tree::clone(&self.library));
        Writer::new(&AGENT, Encoding::Json).datastore(&all)
    }

    /// What the configuration makes the agent send, as instructions. `own` are the names of the controller.
    ///
    /// # Errors
    /// A value that no clock knows, or more targets than can be judged.
    pub(super) fn loads(&self, own: &[Target]) -> Result<Vec<String>, Error> {
        loads::of(&self.running, own)
    }

    /// A leaf below `/lmap` that tells something of the agent itself.
    pub(super) fn leaf(&self, container: &str, name: &str) -> Option<String> {
        [&*self.state, &self.running].into_iter().find_map(|tree| {
            let lmap = tree.view("ietf-lmap-control:lmap")?;
            lmap.container(container)?.leaf(name).map(str::to_owned)
        })
    }

    /// As whom it has the agent report.
    pub(super) fn identity(&self) -> glimpse_store::Identity {
        let short = |name| self.leaf("agent", name).filter(|text| text.len() <= 256);
        glimpse_store::Identity {
            agent_id: short("agent-id"),
            group_id: short("group-id"),
        }
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
        Tree::clone(&self.state)
    }

    fn library(&self) -> Option<Tree> {
        (!self.library.is_empty()).then(|| Tree::clone(&self.library))
    }

    fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Who may do what with which agent was decided before; the agent's own rules are the agent's to enforce.
    fn rules(&self) -> Rules {
        RULES.clone()
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

/// An operator who edits.
pub(super) fn editor(operator: &Operator) -> User {
    if !is_confined(operator) {
        return unlimited(&operator.name);
    }
    User {
        name: operator.name.clone(),
        groups: vec!["controller".to_owned()],
        recovery: false,
    }
}

/// Whether an operator has some agents only.
pub(super) fn is_confined(operator: &Operator) -> bool {
    !(operator.groups.is_empty() && operator.agents.is_empty())
}

/// The URIs of a tree that was kept as they are called from outside.
pub(super) fn called(body: &[u8], host: Option<&str>) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let here = host.map_or_else(String::new, |host| format!("https://{host}"));
    text.contains(AUTHORITY)
        .then(|| text.replace(AUTHORITY, &here).into_bytes())
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
    pub(super) fn request(&self, root: &str, user: User, time: i64) -> Request {
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
            user: Some(user),
            time,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use glimpse_yang::validate::{Check, validate};

    #[test]
    fn the_rules_for_confined_operators_are_valid() {
        let tree = Reader::new(&AGENT, Encoding::Json).data(FACTORY.as_bytes());
        assert_eq!(validate(&tree.unwrap(), Check::Configuration, None), []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_that_nobody_waits_for_any_more_keeps_its_place_until_it_ends() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let asked: Vec<_> = (0..4 * WORKERS)
            .map(|_| {
                let (begun, gate) = (Arc::clone(&begun), Arc::clone(&gate));
                tokio::spawn(aside(move || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    let opened = tokio::runtime::Handle::current().block_on(gate.acquire());
                    assert!(opened.is_err());
                }))
            })
            .collect();
        let some = std::time::Duration::from_millis(200);
        tokio::time::sleep(some).await;
        asked.iter().for_each(tokio::task::JoinHandle::abort);
        let more = tokio::spawn(aside(|| ()));
        tokio::time::sleep(some).await;
        let found = (begun.load(Ordering::SeqCst), more.is_finished());
        gate.close();
        assert_eq!(found, (WORKERS, false));
        more.await.unwrap().unwrap();
    }

    #[test]
    fn a_tree_that_no_router_has_is_not_read() {
        let entry = |n: usize| format!(r#"{{"name": "e{n}", "immediate": [null]}}"#);
        let of = |n: usize| {
            let events: Vec<String> = (0..n).map(entry).collect();
            let events = events.join(",");
            let text = format!(
                r#"{{"ietf-restconf:data": {{"ietf-lmap-control:lmap": {{"events": {{"event": [{events}]}}}}}}}}"#
            );
            Known::of(
                text.as_bytes(),
                br#"{"ietf-restconf:data": {}}"#,
                ("/r", "/h"),
                0,
            )
        };
        assert!(of(1000).is_ok());
        assert!(of(20_000).is_err());
    }

    #[test]
    fn the_library_is_kept_as_it_was_read() {
        let state = br#"{"ietf-restconf:data": {"ietf-yang-library:modules-state": {"module-set-id": "theirs",
            "module": [{"name": "x", "revision": "2020-01-01", "namespace": "urn:x", "conformance-type": "import",
                "schema": "https://agent.invalid/top/restconf/yang/x"}]}}}"#;
        let known = Known::of(
            br#"{"ietf-restconf:data": {}}"#,
            state,
            ("/top/restconf", "/agents/a/restconf"),
            0,
        );
        let again = Known::read(known.unwrap().text().as_bytes(), 0).unwrap();
        assert_eq!(again.module_set().as_deref(), Some("theirs"));
        let root = root("a");
        let request = Written {
            method: "GET".to_owned(),
            path: "/data/ietf-yang-library:modules-state".to_owned(),
            query: None,
            content_type: None,
            body: String::new(),
        };
        let Plan::Reply(finished) = again.plan(&root, &request.request(&root, unlimited("o"), 0))
        else {
            panic!()
        };
        let body = called(&finished.response.body, Some("c.example")).unwrap();
        let text = String::from_utf8(body).unwrap();
        assert!(
            text.contains("https://c.example/agents/a/restconf/yang/x"),
            "{text}"
        );
        assert!(!text.contains("ietf-lmap-control"), "{text}");
        // It has no other: ours is not put in its place.
        let request = Written {
            path: "/data".to_owned(),
            ..request
        };
        let Plan::Reply(finished) = again.plan(&root, &request.request(&root, unlimited("o"), 0))
        else {
            panic!()
        };
        let all = String::from_utf8(finished.response.body).unwrap();
        assert!(
            all.contains("theirs") && !all.contains(&module_set()),
            "{all}"
        );
    }
}
