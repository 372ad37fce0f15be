//! What several tests begin with.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::read::Reader;
use crate::schema::Schema;
use crate::table::AGENT;
use crate::write::Writer;
use crate::{DataPath, Encoding, Tree};

/// A small configuration.
pub(crate) const CONFIGURATION: &str = r#"{"ietf-lmap-control:lmap":{
  "agent":{"agent-id":"5b1c1f5e-3d0b-4f6e-9a3e-2f1d8c7b6a50","report-agent-id":true},
  "tasks":{"task":[
    {"name":"T2","program":"ping","option":[{"id":"z","name":"host","value":"a<b>&\"c'"},{"id":"a"}],"tag":["x","y"]},
    {"name":"T1"}]},
  "schedules":{"schedule":[
    {"name":"S1","start":"E1","duration":5,"action":[
      {"name":"late","task":"T2","destination":["S1"]},
      {"name":"early","task":"T1"}]}]},
  "suppressions":{"suppression":[{"name":"quiet"}]},
  "events":{"event":[
    {"name":"E1","periodic":{"interval":10}},
    {"name":"E 2/ü,'q'","immediate":[null]},
    {"name":"E3","calendar":{"month":["*"],"day-of-month":[4,"*"],"day-of-week":["monday"],"hour":[0],"minute":[30],"second":[0],
      "start":"2026-12-01T05:30:00.250+05:30"}}]}}}"#;

pub(crate) const SCHEMA: &Schema = &AGENT;

/// A reader that takes state.
pub(crate) fn json() -> Reader {
    Reader::new(SCHEMA, Encoding::Json).with_state()
}

/// A reader that takes state.
pub(crate) fn xml() -> Reader {
    Reader::new(SCHEMA, Encoding::Xml).with_state()
}

pub(crate) fn tree() -> Tree {
    json().data(CONFIGURATION.as_bytes()).unwrap()
}

/// A tree from the inside of `lmap`.
pub(crate) fn lmap(inside: &str) -> Tree {
    json()
        .data(format!(r#"{{"ietf-lmap-control:lmap":{{{inside}}}}}"#).as_bytes())
        .unwrap()
}

/// A path from its URI, below `lmap`.
pub(crate) fn path(uri: &str) -> DataPath {
    DataPath::from_uri(SCHEMA, &format!("ietf-lmap-control:lmap{uri}")).unwrap()
}

pub(crate) fn printed(tree: &Tree) -> String {
    Writer::new(tree.schema, Encoding::Json).data(tree)
}
