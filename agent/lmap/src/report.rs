//! `ietf-lmap-report:report`: from results to bodies, and back.

pub mod received;
pub mod table;
#[cfg(test)]
mod tests;

use crate::control::write::put_parameters;
use crate::control::{Agent, OptionEntry};
use crate::function;
use crate::names::clean;
use crate::output::Output;
use glimpse_model::sorted::SortedSet;
use glimpse_model::time::Timestamp;
use glimpse_yang::draft::Draft;
use glimpse_yang::schema::{Kind, NodeId, Schema};
use glimpse_yang::write::Writer;
use glimpse_yang::{Encoding, Error, Instance, Tag, Tree};
use std::sync::Arc;

/// Longest body sent, in bytes.
pub const MAX_BODY: usize = 1 << 20;

/// How a collector is written to.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// A schema with the report operation.
    pub schema: &'static Schema,
    /// The encoding it reads.
    pub encoding: Encoding,
    /// It lists `glimpse-report`, so that typed parameters tell it something.
    pub parameters: bool,
}

/// The input of the report operation.
///
/// # Errors
/// [`Tag::UnknownElement`] where the schema has no such operation.
pub fn input(schema: &'static Schema) -> Result<NodeId, Error> {
    schema
        .operation("ietf-lmap-report", "report")
        .and_then(|operation| schema.part(operation, Kind::Input))
        .ok_or_else(|| Error::new(Tag::UnknownElement, "the schema has no operation report"))
}

/// The report of `outputs`, sent at `date`.
///
/// # Errors
/// [`Tag::InvalidValue`] for a value that its type does not have; results of the machine have none such.
pub fn tree(
    form: &Form,
    agent: &Agent,
    date: Timestamp,
    outputs: &[Arc<Output>],
) -> Result<Tree, Error> {
    let node = input(form.schema)?;
    let mut tree = Tree::under(form.schema, node);
    let mut leaf = |name: &str, text: Option<&str>| -> Result<(), Error> {
        let Some(text) = text else {
            return Ok(());
        };
        let leaf = form
            .schema
            .child(node, None, name)
            .map_err(|_| Error::new(Tag::UnknownElement, format!("a report has no {name}")))?;
        tree.push(Instance::leaf(form.schema, leaf, text)?);
        Ok(())
    };
    leaf("date", Some(&date.to_string()))?;
    let told = |flag: bool, text: &Option<String>| text.clone().filter(|_| flag);
    leaf(
        "agent-id",
        told(agent.report_agent_id, &agent.agent_id).as_deref(),
    )?;
    leaf(
        "group-id",
        told(agent.report_group_id, &agent.group_id).as_deref(),
    )?;
    leaf(
        "measurement-point",
        told(agent.report_measurement_point, &agent.measurement_point).as_deref(),
    )?;
    for output in outputs {
        tree.push(result(form, node, output)?);
    }
    Ok(tree)
}

/// The body of a report of as many of `outputs` as fit into `limit` bytes, one at least, and how many those are.
///
/// # Errors
/// As [`tree`].
pub fn body(
    form: &Form,
    agent: &Agent,
    date: Timestamp,
    outputs: &[Arc<Output>],
    limit: usize,
) -> Result<(String, usize), Error> {
    let mut count = outputs.len();
    loop {
        let tree = tree(form, agent, date, &outputs[..count])?;
        let body = Writer::new(form.schema, form.encoding).operation(&tree);
        if body.len() <= limit || count <= 1 {
            return Ok((body, count));
        }
        // By proportion, and always fewer.
        let share = count.saturating_mul(limit) / body.len();
        count = share.clamp(1, count - 1);
    }
}

fn result(form: &Form, input: NodeId, output: &Output) -> Result<Instance, Error> {
    let record = &output.record;
    let mut d = Draft::new(form.schema, input, "result")?;
    d.leaf("schedule", &output.schedule)?
        .leaf("action", &output.action)?
        .leaf("task", &output.task)?;
    if let Some(parameters) = output.parameters.as_ref().filter(|_| form.parameters) {
        d.container("parameters", |d| {
            let name = format!("glimpse-report:{}", parameters.method);
            d.container(&name, |d| put_parameters(parameters, d))?;
            Ok(())
        })?;
    }
    for option in distinct(&output.options) {
        d.entry("option", |d| {
            d.leaf("id", &option.id)?
                .maybe("name", option.name.as_deref())?
                .maybe("value", option.value.as_deref())?;
            Ok(())
        })?;
    }
    d.leaf_list("tag", &output.tags)?
        .leaf("event", &output.event.to_string())?;
    let start = record.start_time.unwrap_or(output.event);
    d.leaf("start", &start.to_string())?
        .maybe("end", record.end_time.map(|end| end.to_string()).as_deref())?
        .maybe("cycle-number", output.cycle.as_deref())?
        .leaf("status", &output.status.to_string())?;
    for conflict in &output.conflicts {
        d.entry("conflict", |d| {
            d.leaf("schedule-name", &conflict.schedule)?
                .leaf("action-name", &conflict.action)?
                .leaf("task-name", &conflict.task)?;
            Ok(())
        })?;
    }
    for table in table::tables(record) {
        d.entry("table", |d| {
            for uri in &output.functions {
                d.entry("function", |d| {
                    d.leaf("uri", uri)?.maybe("role", function::role(uri))?;
                    Ok(())
                })?;
            }
            d.leaf_list("column", table.columns.iter().map(|column| clean(column)))?;
            for row in &table.rows {
                d.entry("row", |d| {
                    d.leaf_list("value", row.iter().map(|value| clean(value)))
                        .map(drop)
                })?;
            }
            Ok(())
        })?;
    }
    Ok(d.done())
}

/// Options of task and action in one list, whose key is `id`: the second of an id becomes `id#2`. Names and values stay.
fn distinct(options: &[OptionEntry]) -> Vec<OptionEntry> {
    let mut used: SortedSet<String> = SortedSet::new();
    let given: SortedSet<&str> = options.iter().map(|option| option.id.as_str()).collect();
    let mut out = Vec::new();
    for option in options {
        let mut option = option.clone();
        let id = option.id.clone();
        let mut n = 1_u32;
        while used.contains(&option.id) || (n > 1 && given.contains(option.id.as_str())) {
            n += 1;
            option.id = format!("{id}#{n}");
        }
        used.insert(option.id.clone());
        out.push(option);
    }
    out
}
