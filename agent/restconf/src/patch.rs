//! YANG Patch (RFC 8072): edits in order, all of them or none.

use crate::commit::{self, Unfit};
use crate::error::{Error, Errors, Tag};
use crate::escape;
use crate::exchange::{Exchange, Refusal, unsupported};
use crate::media::Encoding;
use crate::message::Finished;
use crate::path;
use crate::query::Purpose;
use crate::read::{absent, validators};
use crate::server::{Asked, Plan};
use crate::write::{self, Tries};
use glimpse_yang::edit::{Operation, Place, edit as edit_tree, move_to};
use glimpse_yang::read::Reader;
use glimpse_yang::schema::{NodeId, Schema};
use glimpse_yang::validate::{Check, validate};
use glimpse_yang::view::View;
use glimpse_yang::{Any, Content, DataPath, Instance, Tree};
use std::fmt::Write;

/// Edits of one patch.
const MOST_EDITS: usize = 256;

/// The template of the body; `None` in a schema without `ietf-yang-patch`.
pub(crate) fn template(schema: &'static Schema) -> Option<NodeId> {
    schema.structure("ietf-yang-patch", "yang-patch")
}

/// How `yang-patch-status` answers.
#[derive(Clone, Debug)]
pub(crate) struct PatchStatus {
    id: String,
}

impl PatchStatus {
    fn body(&self, encoding: Encoding, json: &str, xml: &str) -> String {
        match encoding {
            Encoding::Json => format!(
                "{{\"ietf-yang-patch:yang-patch-status\":{{\"patch-id\":{},{json}}}}}",
                escape::json(&self.id)
            ),
            Encoding::Xml => format!(
                "<yang-patch-status xmlns=\"urn:ietf:params:xml:ns:yang:ietf-yang-patch\">\
                 <patch-id>{}</patch-id>{xml}</yang-patch-status>",
                escape::xml(&self.id)
            ),
        }
    }

    fn ok(&self, encoding: Encoding) -> String {
        self.body(encoding, "\"ok\":[null]", "<ok/>")
    }

    /// Errors of no edit in particular.
    pub(crate) fn refuse(&self, exchange: &Exchange, refusal: Refusal) -> Finished {
        let schema = exchange.schema;
        let json = format!("\"errors\":{}", refusal.errors.json(schema));
        let xml = format!("<errors>{}</errors>", refusal.errors.xml(schema));
        let body = self.body(exchange.encoding, &json, &xml);
        exchange.refuse_with(refusal, body)
    }

    /// Errors of one edit each.
    fn refuse_edits(
        &self,
        exchange: &Exchange,
        edits: &[(String, Errors)],
        refusal: Refusal,
    ) -> Finished {
        let schema = exchange.schema;
        let (mut json, mut xml) = (String::new(), String::new());
        for (id, errors) in edits {
            if !json.is_empty() {
                json.push(',');
            }
            let _ = write!(
                json,
                "{{\"edit-id\":{},\"errors\":{}}}",
                escape::json(id),
                errors.json(schema)
            );
            let _ = write!(
                xml,
                "<edit><edit-id>{}</edit-id><errors>{}</errors></edit>",
                escape::xml(id),
                errors.xml(schema)
            );
        }
        let json = format!("\"edit-status\":{{\"edit\":[{json}]}}");
        let xml = format!("<edit-status>{xml}</edit-status>");
        let body = self.body(exchange.encoding, &json, &xml);
        exchange.refuse_with(refusal, body)
    }
}

/// An edit of the list.
struct Edit<'a> {
    id: &'a str,
    operation: &'a str,
    target: DataPath,
    point: Option<DataPath>,
    position: Option<&'a str>,
    value: Option<&'a Any>,
}

fn missing(leaf: &str) -> Error {
    let message = format!("an edit of this kind has a {leaf}");
    Error::protocol(Tag::MissingElement, message)
}

/// A path of an edit, which begins at the target of the request (`target-resource-offset`).
fn offset(schema: &'static Schema, base: &DataPath, text: &str) -> Result<DataPath, Error> {
    let Some(tail) = text.strip_prefix('/') else {
        let message = "target and point begin with a slash";
        return Err(Error::protocol(Tag::InvalidValue, message));
    };
    if tail.is_empty() {
        return Ok(base.clone());
    }
    let base = base.to_uri(schema);
    let separator = if base.is_empty() { "" } else { "/" };
    path::data(schema, &format!("{base}{separator}{tail}")).map_err(|error| error.with_status(400))
}

impl<'a> Edit<'a> {
    fn new(schema: &'static Schema, base: &DataPath, edit: &View<'a>) -> Result<Self, Error> {
        let target = edit.leaf("target").ok_or_else(|| missing("target"))?;
        let value = edit.instance().children().iter().find_map(|child| {
            match (&child.content, schema.name(child.node)) {
                (Content::Any(any), "value") => Some(any),
                _ => None,
            }
        });
        Ok(Self {
            id: edit.leaf("edit-id").unwrap_or_default(),
            operation: edit.leaf("operation").ok_or_else(|| missing("operation"))?,
            target: offset(schema, base, target)?,
            point: edit
                .leaf("point")
                .map(|point| offset(schema, base, point))
                .transpose()?,
            position: edit.leaf("where"),
            value,
        })
    }

    fn place(&self) -> Result<Place, Error> {
        let point = || {
            let point = self.point.as_ref().ok_or_else(|| missing("point"))?;
            write::beside(&self.target, point).ok_or_else(|| {
                let message = "point names another entry of the list of the target";
                Error::protocol(Tag::InvalidValue, message)
            })
        };
        Ok(match self.position {
            Some("first") => Place::First,
            Some("before") => Place::Before(point()?),
            Some("after") => Place::After(point()?),
            _ => Place::Last,
        })
    }

    fn value(&self, asked: &Asked<'_>, reader: &Reader) -> Result<Option<Instance>, Refusal> {
        let value = self.value.ok_or_else(|| missing("value"))?;
        let value = reader.any_target(&self.target, value)?;
        write::may_send(asked, &self.target, &value)?;
        Ok(Some(value))
    }

    fn tries(&self) -> Tries {
        match self.operation {
            "create" | "insert" => Tries::Create,
            "delete" | "remove" => Tries::Delete,
            "move" => Tries::Move,
            _ => Tries::Write,
        }
    }

    /// Carries it out, if this user may try to. Whether the result is allowed is seen when all are done.
    fn apply(&self, asked: &Asked<'_>, reader: &Reader, tree: &mut Tree) -> Result<(), Refusal> {
        let schema = tree.schema;
        if self.target.steps.is_empty() {
            let message = "the datastore itself is not the target of an edit";
            return Err(Error::protocol(Tag::InvalidValue, message).into());
        }
        write::demand_instance(schema, &self.target)?;
        write::may_try(asked, &self.target, self.tries())?;
        let ordered = matches!(self.operation, "insert" | "move");
        if ordered && !write::user_ordered(schema, &self.target) {
            let message = "insert and move are for lists that are ordered by the user";
            return Err(Error::protocol(Tag::InvalidValue, message).into());
        }
        let (operation, value, place) = match self.operation {
            "create" => (Operation::Create, self.value(asked, reader)?, None),
            "insert" => {
                let value = self.value(asked, reader)?;
                (Operation::Create, value, Some(self.place()?))
            }
            "merge" => (Operation::Merge, self.value(asked, reader)?, None),
            "replace" => (Operation::Replace, self.value(asked, reader)?, None),
            "delete" => (Operation::Delete, None, None),
            "remove" => (Operation::Remove, None, None),
            _ => {
                let place = self.place()?;
                return move_to(tree, &self.target, &place).map_err(|error| self.refusal(error));
            }
        };
        edit_tree(tree, &self.target, operation, value, place.as_ref())
            .map_err(|error| self.refusal(error))?;
        Ok(())
    }

    /// What is not there is 404, unless it is to be created (RFC 8072 §2.2).
    fn refusal(&self, error: glimpse_yang::Error) -> Refusal {
        let error = Error::from(error);
        let absent = error.tag == Tag::DataMissing && self.operation != "create";
        if absent {
            error.with_status(404).into()
        } else {
            error.into()
        }
    }
}

/// Plans a patch of the resource at `path`.
pub(crate) fn edit(
    asked: &Asked<'_>,
    path: &DataPath,
    encoding: Encoding,
) -> Result<Plan, Refusal> {
    asked.query(Purpose::Nothing)?;
    asked.demand_acceptable()?;
    let schema = asked.exchange.schema;
    let Some(template) = template(schema) else {
        return Err(unsupported("yang-patch is not known here"));
    };
    write::demand_instance(schema, path)?;
    write::may_try(asked, path, Tries::Write)?;
    let (_, now) = validators(asked, path);
    if now.version.is_none() || !asked.rights.reads(&path.steps) {
        return Err(absent());
    }
    write::demand_current(asked, path)?;
    let reader = asked.reader(encoding);
    let body = reader.structure(template, &asked.request.body)?;
    let Some(view) = body.view("ietf-yang-patch:yang-patch") else {
        return Err(Error::protocol(Tag::MissingElement, "the body is a yang-patch").into());
    };
    let Some(id) = view.leaf("patch-id") else {
        return Err(missing("patch-id").into());
    };
    let status = PatchStatus { id: id.to_owned() };
    let count = view.list("edit").count();
    if count > MOST_EDITS {
        let message = format!("a patch has at most {MOST_EDITS} edits, not {count}: divide it");
        let refusal = Error::protocol(Tag::TooBig, message).into();
        let finished = status.refuse(&asked.exchange, refusal);
        return Ok(Plan::Reply(Box::new(finished)));
    }
    let faults = validate(&body, Check::Operation, None);
    if !faults.is_empty() {
        let faults: Errors = faults.into_iter().map(Error::from).collect();
        return Err(faults.into());
    }
    let mut tree = asked.store.running().clone();
    let mut targets: Vec<(String, DataPath)> = Vec::with_capacity(count);
    for entry in view.list("edit") {
        let done = Edit::new(schema, path, &entry)
            .map_err(Refusal::from)
            .and_then(|edit| {
                edit.apply(asked, &reader, &mut tree)?;
                Ok((edit.id.to_owned(), edit.target))
            });
        match done {
            Ok(done) => targets.push(done),
            Err(refusal) => {
                let id = entry.leaf("edit-id").unwrap_or_default().to_owned();
                let edits = [(id, refusal.errors.clone())];
                let finished = status.refuse_edits(&asked.exchange, &edits, refusal);
                return Ok(Plan::Reply(Box::new(finished)));
            }
        }
    }
    match commit::judge(asked, tree) {
        Ok(judged) => {
            let response = asked.exchange.ok(status.ok(asked.exchange.encoding));
            let (path, status) = (Some(path), Some(status));
            Ok(commit::conclude(asked, judged, response, path, status))
        }
        Err(unfit) => {
            let finished = refuse_result(asked, &status, &targets, unfit);
            Ok(Plan::Reply(Box::new(finished)))
        }
    }
}

/// The last edit that a place was in.
fn cause<'a>(targets: &'a [(String, DataPath)], path: &DataPath) -> Option<&'a str> {
    targets
        .iter()
        .rfind(|(_, target)| path.steps.starts_with(&target.steps))
        .map(|(id, _)| id.as_str())
}

/// Tells each fault of the result with the last edit that its place was in; all together when one was in none.
fn refuse_result(
    asked: &Asked<'_>,
    status: &PatchStatus,
    targets: &[(String, DataPath)],
    unfit: Unfit,
) -> Finished {
    let exchange = &asked.exchange;
    let faults = match unfit {
        Unfit::Denied(path) => {
            let own = cause(targets, &path).map(str::to_owned);
            let refusal = Unfit::Denied(path).refusal(asked);
            return match own {
                Some(id) => status.refuse_edits(exchange, &[(id, refusal.errors.clone())], refusal),
                None => status.refuse(exchange, refusal),
            };
        }
        Unfit::Invalid(faults) => faults,
    };
    let mut edits: Vec<(String, Errors)> = Vec::new();
    for fault in &faults.0 {
        let cause = fault.path.as_ref().and_then(|path| cause(targets, path));
        let Some(id) = cause else {
            return status.refuse(exchange, faults.into());
        };
        match edits.iter_mut().find(|(own, _)| own == id) {
            Some((_, errors)) => errors.0.push(fault.clone()),
            None => edits.push((id.to_owned(), Errors(vec![fault.clone()]))),
        }
    }
    status.refuse_edits(exchange, &edits, faults.into())
}
