//! Whole requests, one after the other, to a server whose datastore they change.

use crate::pieces;
use glimpse_restconf::filter::Filter;
use glimpse_restconf::stream::Offer;
use glimpse_restconf::tags::{self, Marks};
use glimpse_restconf::{Datastore, Finished, Method, Plan, Request, Server, Settings, User};
use glimpse_yang::edit::merge_all;
use glimpse_yang::read::Reader;
use glimpse_yang::table::AGENT;
use glimpse_yang::validate::{Check, validate};
use glimpse_yang::{DataPath, Encoding, Tree};
use std::sync::LazyLock;

/// 2026-09-21, in microseconds.
const NOW: i64 = 1_790_000_000_000_000;
/// Requests of one input.
const MOST: usize = 8;
/// Longest body.
const BODY_BYTES: usize = 64 << 10;

const RULES: &str = r#"{"ietf-netconf-acm:nacm": {
    "groups": {"group": [{"name": "operator", "user-name": ["olga"]}, {"name": "controller", "user-name": ["carl"]}]},
    "rule-list": [
        {"name": "operators", "group": ["operator"], "rule": [
            {"name": "all", "module-name": "*", "access-operations": "*", "action": "permit"}]},
        {"name": "controllers", "group": ["controller"], "rule": [
            {"name": "program", "path": "/ietf-lmap-control:lmap/tasks/task/program", "access-operations": "create update delete",
             "action": "deny"},
            {"name": "lmap", "module-name": "ietf-lmap-control", "access-operations": "*", "action": "permit"}]}]}}"#;

static RUNNING: LazyLock<Option<Tree>> = LazyLock::new(|| {
    let reader = Reader::new(&AGENT, Encoding::Json);
    let example = include_str!("../../../yang/examples/instruction.json");
    let mut tree = reader.data(example.as_bytes()).ok()?;
    merge_all(&mut tree, reader.data(RULES.as_bytes()).ok()?);
    Some(tree)
});

/// A datastore in memory.
struct Memory {
    running: Tree,
    state: Tree,
    marks: Marks,
}

impl Datastore for Memory {
    fn running(&self) -> &Tree {
        &self.running
    }

    fn state(&self, _: &DataPath) -> Tree {
        self.state.clone()
    }

    fn marks(&self) -> &Marks {
        &self.marks
    }
}

/// `METHOD PATH?QUERY`, header fields, an empty line, the body; the field `user` says who asks.
fn request(bytes: &[u8]) -> Request {
    let at = bytes.windows(2).position(|two| two == b"\n\n");
    let (head, body) = at.map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + 2..]));
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default();
    let (method, target) = line.split_once(' ').unwrap_or((line, ""));
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let user = headers.iter().find(|(name, _)| name == "user");
    let user = user.map(|(_, name)| User {
        name: name.clone(),
        groups: Vec::new(),
        recovery: name == "root",
    });
    Request {
        method: Method::parse(method),
        path: path.to_owned(),
        query,
        headers,
        body: body.to_vec(),
        user,
        time: NOW,
    }
}

fn server() -> Server {
    Server::new(Settings {
        root: "/restconf".to_owned(),
        schema: &AGENT,
        modules: Vec::new(),
        streams: vec![Offer {
            name: "NETCONF".to_owned(),
            description: String::new(),
            replay_from: None,
        }],
        body_limit: BODY_BYTES,
        challenge: None,
    })
}

/// Requests in pieces. What is to be committed is valid, and is what the next one meets.
///
/// # Panics
/// When the example is not valid.
pub fn requests(bytes: &[u8]) {
    answered(bytes);
}

/// The statuses of what [`requests`] asked.
pub fn answered(bytes: &[u8]) -> Vec<u16> {
    let Some(running) = RUNNING.as_ref() else {
        panic!("the example and the rules are read");
    };
    let server = server();
    let mut store = Memory {
        running: running.clone(),
        state: Tree::new(&AGENT),
        marks: Marks::new(NOW / 1_000_000),
    };
    let mut statuses = Vec::new();
    for piece in pieces::split(bytes).take(MOST) {
        let request = request(piece);
        let finished = match server.plan(&request, &store) {
            Plan::Reply(finished) => *finished,
            Plan::Commit(commit) => {
                let before = tags::version(&AGENT, &store.running.top);
                assert_eq!(commit.base, before, "planned from what is there");
                assert!(!commit.changes.is_empty());
                let faults = validate(&commit.tree, Check::Configuration, None);
                assert!(faults.is_empty(), "{:?}", faults[0].message);
                store.running = commit.tree.clone();
                store.marks = commit.marks.clone();
                commit.finish(Ok(()))
            }
            Plan::Invoke(invoke) => invoke.finish(Ok(Tree::new(&AGENT))),
            Plan::Stream(stream) => Finished {
                response: stream.response,
                audit: stream.audit,
            },
        };
        check(&finished);
        statuses.push(finished.response.status);
    }
    statuses
}

fn check(finished: &Finished) {
    let response = &finished.response;
    assert!((200..600).contains(&response.status), "{}", response.status);
    assert_eq!(response.status, finished.audit.status);
    for (name, value) in &response.headers {
        let shown = |byte: u8| (b' '..=b'~').contains(&byte);
        assert!(value.bytes().all(shown), "{name}: {value:?}");
    }
    let kind = response.header("content-type").unwrap_or_default();
    if kind.ends_with("json") && !response.body.is_empty() {
        let read = serde_json::from_slice::<serde_json::Value>(&response.body);
        assert!(read.is_ok(), "{}", String::from_utf8_lossy(&response.body));
    }
}

/// A filter in the first line, a notification in JSON behind it.
pub fn filter(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (expression, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let Some(filter) = Filter::parse(expression) else {
        return;
    };
    let reader = Reader::new(&AGENT, Encoding::Json).with_state();
    if let Ok((_, notification)) = reader.notification(rest.as_bytes()) {
        let passes = filter.passes(&notification);
        let inverse = Filter::Not(Box::new(filter));
        assert_ne!(inverse.passes(&notification), passes);
    }
}
