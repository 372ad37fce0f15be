//! A datastore in memory, and the conformance checks against it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::access::Counters;
use crate::error::Errors;
use crate::message::{Finished, Method, Request, Response, User};
use crate::server::{Apply, Datastore, ModuleText, Plan, Server, Settings};
use crate::stream::Offer;
use crate::tags::Marks;
use crate::{Commit, Invoke};
use glimpse_yang::read::Reader;
use glimpse_yang::schema::Schema;
use glimpse_yang::table::{AGENT, CONTROLLER};
use glimpse_yang::{DataPath, Encoding, Tree};
use serde_json::Value;

mod access;
mod actions;
mod edits;
mod faults;
mod patches;
mod properties;
mod reads;
mod rights;
mod rules;
mod streams;
mod text;
mod traps;

const NOW: i64 = 1_790_000_000_000_000;
const JSON: &str = "application/yang-data+json";
const XML: &str = "application/yang-data+xml";
const L: &str = "/restconf/data/ietf-lmap-control:lmap";
const D: &str = "/restconf/data";

const RUNNING: &str = r#"{
"ietf-netconf-acm:nacm": {
  "groups": {"group": [{"name": "operator", "user-name": ["olga"]}, {"name": "controller", "user-name": ["carl"]}]},
  "rule-list": [
    {"name": "operators", "group": ["operator"], "rule": [
      {"name": "all", "module-name": "*", "access-operations": "*", "action": "permit"}]},
    {"name": "controllers", "group": ["controller"], "rule": [
      {"name": "program", "path": "/ietf-lmap-control:lmap/tasks/task/program", "access-operations": "create update delete", "action": "deny"},
      {"name": "lmap", "module-name": "ietf-lmap-control", "access-operations": "*", "action": "permit"}]}]},
"ietf-lmap-control:lmap": {
  "agent": {"group-id": "lab"},
  "tasks": {"task": [{"name": "ping", "program": "/usr/bin/ping"}]},
  "events": {"event": [
    {"name": "E1", "periodic": {"interval": 60}},
    {"name": "a/b", "immediate": [null]},
    {"name": "a,b", "startup": [null]},
    {"name": "\"x\"", "random-spread": 5, "controller-lost": [null]},
    {"name": "Größe", "controller-connected": [null]}]},
  "schedules": {"schedule": [
    {"name": "S1", "start": "E1", "action": [
      {"name": "A2", "task": "ping", "option": [{"id": "one", "value": "1"}, {"id": "two"}, {"id": "three"}]},
      {"name": "A1", "task": "ping"}]},
    {"name": "S2", "start": "E1", "execution-mode": "pipelined"}]}}}"#;

const STATE: &str = r#"{"ietf-lmap-control:lmap": {
  "capabilities": {"version": "glimpse 1"},
  "agent": {"last-started": "2026-09-21T10:00:00Z"},
  "schedules": {"schedule": [
    {"name": "S1", "state": "enabled", "storage": "0", "invocations": INVOCATIONS, "suppressions": 0, "overlaps": 0, "failures": 0,
     "action": [{"name": "A1", "state": "enabled", "storage": "4096", "invocations": 0, "suppressions": 0, "overlaps": 0, "failures": 0}]},
    {"name": "S2", "state": "enabled", "storage": "0", "invocations": 0, "suppressions": 0, "overlaps": 0, "failures": 0}]}}}"#;

/// A server with its datastore.
struct World {
    server: Server,
    running: Tree,
    marks: Marks,
    invocations: u32,
    counters: Counters,
    commits: u32,
    /// What the next commit or invocation answers.
    refuse: Option<Errors>,
    invoked: Vec<String>,
}

impl Datastore for World {
    fn running(&self) -> &Tree {
        &self.running
    }

    fn state(&self, _: &DataPath) -> Tree {
        let schema = self.server.settings().schema;
        let text = STATE.replace("INVOCATIONS", &self.invocations.to_string());
        let reader = Reader::new(schema, Encoding::Json).with_state();
        reader.data(text.as_bytes()).unwrap()
    }

    fn marks(&self) -> &Marks {
        &self.marks
    }

    fn counters(&self) -> Counters {
        self.counters
    }
}

impl Apply for World {
    fn commit(&mut self, commit: &Commit) -> Result<(), Errors> {
        if let Some(errors) = self.refuse.take() {
            return Err(errors);
        }
        assert!(!commit.changes.is_empty());
        self.running = commit.tree.clone();
        self.marks = commit.marks.clone();
        self.commits += 1;
        Ok(())
    }

    fn invoke(&mut self, invoke: &Invoke) -> Result<Tree, Errors> {
        if let Some(errors) = self.refuse.take() {
            return Err(errors);
        }
        let schema = self.server.settings().schema;
        self.invoked.push(schema.qualified(invoke.operation));
        Ok(Tree::new(schema))
    }
}

impl World {
    fn new() -> Self {
        Self::of(&AGENT, Vec::new())
    }

    fn of(schema: &'static Schema, streams: Vec<Offer>) -> Self {
        let running = Reader::new(schema, Encoding::Json)
            .data(RUNNING.as_bytes())
            .unwrap();
        Self {
            server: Server::new(Settings {
                root: "/restconf".to_owned(),
                schema,
                modules: vec![ModuleText {
                    name: "ietf-lmap-control@2017-08-08".to_owned(),
                    text: "module ietf-lmap-control {}".into(),
                }],
                streams,
                body_limit: 100_000,
                challenge: None,
            }),
            running,
            marks: Marks::new(NOW / 1_000_000 - 1000),
            invocations: 7,
            counters: Counters::default(),
            commits: 0,
            refuse: None,
            invoked: Vec::new(),
        }
    }

    fn controller() -> Self {
        Self::of(&CONTROLLER, Vec::new())
    }

    fn plan(&self, call: &Call) -> Plan {
        self.server.plan(&call.request(), self)
    }

    fn finish(&mut self, call: &Call) -> Finished {
        let server = self.server.clone();
        let finished = server.answer(&call.request(), self).unwrap();
        self.counters.add(finished.audit.denied);
        finished
    }

    fn send(&mut self, call: impl std::borrow::Borrow<Call>) -> Response {
        let response = self.finish(call.borrow()).response;
        for required in ["Cache-Control", "Date"] {
            assert!(response.header(required).is_some(), "{required} missing");
        }
        let names: Vec<_> = response.headers.iter().map(|(name, _)| *name).collect();
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(
            names.len(),
            once.len(),
            "a header field comes twice: {names:?}"
        );
        response
    }

    fn get(&mut self, path: &str) -> Response {
        self.send(Call::new("GET", path))
    }

    fn json(&mut self, path: &str) -> Value {
        let response = self.get(path);
        assert_eq!(response.status, 200, "{path}: {}", text(&response));
        serde_json::from_slice(&response.body).unwrap()
    }

    fn tag(&mut self, path: &str) -> String {
        let response = self.get(path);
        response.header("ETag").unwrap().to_owned()
    }
}

/// A request in the making, by the operator unless said otherwise.
#[derive(Clone)]
struct Call {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    user: Option<User>,
    time: i64,
}

impl Call {
    fn new(method: &'static str, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: vec![("Host".to_owned(), "agent.example:8443".to_owned())],
            body: Vec::new(),
            user: None,
            time: NOW,
        }
        .user("olga")
    }

    fn user(mut self, name: &str) -> Self {
        self.user = Some(User {
            name: name.to_owned(),
            ..User::default()
        });
        self
    }

    fn nobody(mut self) -> Self {
        self.user = None;
        self
    }

    fn at(mut self, seconds_later: i64) -> Self {
        self.time = NOW + seconds_later * 1_000_000;
        self
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn accept(self, value: &str) -> Self {
        self.header("accept", value)
    }

    fn body(self, media_type: &str, body: &str) -> Self {
        let mut call = self.header("content-type", media_type);
        call.body = body.as_bytes().to_vec();
        call
    }

    fn json(self, body: &str) -> Self {
        self.body(JSON, body)
    }

    fn request(&self) -> Request {
        let (path, query) = match self.path.split_once('?') {
            Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
            None => (self.path.clone(), None),
        };
        Request {
            method: Method::parse(self.method),
            path,
            query,
            headers: self.headers.clone(),
            body: self.body.clone(),
            user: self.user.clone(),
            time: self.time,
        }
    }
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

/// Asserts the status and tag of a failure, in a well-formed body.
#[track_caller]
fn fails(response: &Response, status: u16, tag: &str) {
    assert_eq!(response.status, status, "{}", text(response));
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    let error = &body["ietf-restconf:errors"]["error"][0];
    assert_eq!(error["error-tag"], tag, "{body}");
    assert!(error["error-type"].is_string(), "{body}");
}

fn put(path: &str, body: &str) -> Call {
    Call::new("PUT", path).json(body)
}
