//! A report as its collector reads it. Any conforming agent may send one, and most know nothing of GLIMPSE.

use super::table::Table;
use crate::control::OptionEntry;
use crate::output::Conflict;
use glimpse_model::time::Timestamp;
use glimpse_yang::view::View;
use glimpse_yang::{Error, Tag, Tree};

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// When it was sent, by the agent's clock.
    pub date: Timestamp,
    /// Who sent it, if it says so: RFC 8194 has agents anonymous unless configured.
    pub agent_id: Option<String>,
    /// Its group.
    pub group_id: Option<String>,
    /// Where it measures from.
    pub measurement_point: Option<String>,
    /// What it reports; nothing is a sign of life.
    pub results: Vec<Received>,
}

/// One result of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The schedule.
    pub schedule: Option<String>,
    /// The action.
    pub action: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// The options used.
    pub options: Vec<OptionEntry>,
    /// Labels.
    pub tags: Vec<String>,
    /// When it was due.
    pub event: Option<Timestamp>,
    /// When it started.
    pub start: Timestamp,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// The cycle it belongs to.
    pub cycle: Option<String>,
    /// How it ended.
    pub status: i32,
    /// What ran at the same time.
    pub conflicts: Vec<Conflict>,
    /// Each table with the URIs of what it holds. Unknown ones are stored like others.
    pub tables: Vec<(Vec<String>, Table)>,
}

/// Reads the input of a valid report operation.
///
/// # Errors
/// [`Tag::InvalidValue`] for a time that no clock shows, [`Tag::MissingElement`] where a mandatory leaf is missing.
pub fn read(tree: &Tree) -> Result<Report, Error> {
    let schema = tree.schema;
    let top = |name: &str| {
        let node = schema.child(tree.root, None, name).ok();
        tree.top
            .iter()
            .filter(move |instance| Some(instance.node) == node)
    };
    let text = |name: &str| top(name).next().and_then(|leaf| leaf.text());
    Ok(Report {
        date: time(text("date"), "date")?.ok_or_else(|| missing("date"))?,
        agent_id: text("agent-id").map(str::to_ascii_lowercase),
        group_id: text("group-id").map(str::to_owned),
        measurement_point: text("measurement-point").map(str::to_owned),
        results: top("result")
            .map(|instance| read_result(&View::new(schema, instance)))
            .collect::<Result<_, _>>()?,
    })
}

fn missing(name: &str) -> Error {
    Error::new(Tag::MissingElement, format!("a report needs {name}"))
}

fn time(text: Option<&str>, name: &str) -> Result<Option<Timestamp>, Error> {
    text.map(|text| {
        Timestamp::parse(text)
            .ok_or_else(|| Error::new(Tag::InvalidValue, format!("no clock shows this {name}")))
    })
    .transpose()
}

fn read_result(view: &View<'_>) -> Result<Received, Error> {
    let text = |name: &str| view.leaf(name).map(str::to_owned);
    let status = view.leaf("status").ok_or_else(|| missing("status"))?;
    Ok(Received {
        schedule: text("schedule"),
        action: text("action"),
        task: text("task"),
        options: view
            .list("option")
            .map(|option| OptionEntry {
                id: option.leaf("id").unwrap_or_default().to_owned(),
                name: option.leaf("name").map(str::to_owned),
                value: option.leaf("value").map(str::to_owned),
            })
            .collect(),
        tags: view.leaf_list("tag").map(str::to_owned).collect(),
        event: time(view.leaf("event"), "event")?,
        start: time(view.leaf("start"), "start")?.ok_or_else(|| missing("start"))?,
        end: time(view.leaf("end"), "end")?,
        cycle: text("cycle-number"),
        status: status
            .parse()
            .map_err(|_| Error::new(Tag::InvalidValue, "a status is a number of 32 bits"))?,
        conflicts: view
            .list("conflict")
            .map(|conflict| {
                let name = |leaf| conflict.leaf(leaf).unwrap_or_default().to_owned();
                Conflict {
                    schedule: name("schedule-name"),
                    action: name("action-name"),
                    task: name("task-name"),
                }
            })
            .collect(),
        tables: view
            .list("table")
            .map(|table| {
                let uris = table.list("function");
                let uris = uris.filter_map(|function| function.leaf("uri").map(str::to_owned));
                let texts =
                    |view: &View<'_>, name| view.leaf_list(name).map(str::to_owned).collect();
                let content = Table {
                    columns: texts(&table, "column"),
                    rows: table.list("row").map(|row| texts(&row, "value")).collect(),
                };
                (uris.collect(), content)
            })
            .collect(),
    })
}

impl Report {
    /// By what the copies of each result are known, `identity` being that of the connection. Reports come at least once: a copy is
    /// answered like the first and not stored. An agent that says who it is, is known by that.
    pub fn keys(&self, identity: &str) -> Vec<String> {
        let who = self.agent_id.as_deref().unwrap_or(identity);
        self.results.iter().map(|result| result.key(who)).collect()
    }
}

impl Received {
    fn key(&self, who: &str) -> String {
        let micros = |at: Option<Timestamp>| at.map(|at| at.as_micros().to_string());
        let parts = [
            Some(who.to_owned()),
            self.schedule.clone(),
            self.action.clone(),
            micros(self.event),
            micros(Some(self.start)),
            self.task.clone(),
        ];
        // With their lengths, so that no two lists of names run together into one.
        parts
            .iter()
            .map(|part| match part {
                Some(text) => format!("{}:{text};", text.len()),
                None => "-;".to_owned(),
            })
            .collect()
    }
}
