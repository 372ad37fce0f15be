//! Operations and actions (RFC 8040 §3.6, §4.4.2).

use crate::access::{Access, Counters};
use crate::error::{Error, Errors, Tag};
use crate::exchange::{Exchange, Refusal, unsupported};
use crate::media::{Content, Encoding};
use crate::message::Finished;
use crate::query::Purpose;
use crate::read::{absent, implied, merged};
use crate::server::{Asked, Plan};
use glimpse_yang::schema::{Kind, NodeId};
use glimpse_yang::validate::{Check, validate};
use glimpse_yang::write::Writer;
use glimpse_yang::{DataPath, Part, Tree};

/// An operation or action that waits to be carried out.
#[derive(Clone, Debug)]
pub struct Invoke {
    /// Which one.
    pub operation: NodeId,
    /// The instance that an action is invoked on; `None` for an operation.
    pub on: Option<DataPath>,
    /// Its input, valid; empty where it has none.
    pub input: Tree,
    /// The body as it came, and how it is written.
    pub body: (Vec<u8>, Encoding),
    exchange: Exchange,
}

impl Invoke {
    /// The response, once it was carried out or not.
    pub fn finish(self, outcome: Result<Tree, Errors>) -> Finished {
        match outcome {
            Ok(output) if output.is_empty() => self.exchange.finish(self.exchange.empty(204)),
            Ok(output) => {
                let writer = Writer::new(self.exchange.schema, self.exchange.encoding);
                let body = writer.operation(&output);
                self.exchange.finish(self.exchange.ok(body))
            }
            Err(errors) => self.exchange.refuse(errors.into()),
        }
    }

    /// Who invokes it; `None` never happens where authentication is asked for.
    pub fn user(&self) -> Option<&str> {
        self.exchange.user()
    }
}

/// Plans an operation.
pub(crate) fn operation(asked: &Asked<'_>, operation: NodeId) -> Result<Plan, Refusal> {
    if !asked.rights.operation(operation) {
        return Err(refuse());
    }
    plan(asked, operation, None)
}

/// Plans an action. Its instance has to be there, and everything above it to be readable (RFC 8341 §3.1.3).
pub(crate) fn action(asked: &Asked<'_>, path: &DataPath) -> Result<Plan, Refusal> {
    let mut on = path.clone();
    on.steps.pop();
    if !asked.rights.reads(&on.steps) {
        return Err(absent());
    }
    if !asked.rights.data(&path.steps, Access::Execute) {
        return Err(refuse());
    }
    let tree = merged(asked, &on, Part::All, false);
    if tree.find(&on).is_none() && !implied(&tree, &on) {
        return Err(absent());
    }
    plan(asked, path.node(), Some(on))
}

fn refuse() -> Refusal {
    let mut refusal = Refusal::from(Error::denied(
        "access control does not allow this operation",
    ));
    refusal.denied = Counters {
        operations: 1,
        ..Counters::default()
    };
    refusal
}

fn plan(asked: &Asked<'_>, operation: NodeId, on: Option<DataPath>) -> Result<Plan, Refusal> {
    asked.query(Purpose::Nothing)?;
    asked.demand_acceptable()?;
    let schema = asked.exchange.schema;
    let body = &asked.request.body;
    let encoding = if body.is_empty() {
        asked.exchange.encoding
    } else {
        match asked.content_of_body()? {
            Content::Data(encoding) => encoding,
            Content::Patch(_) => return Err(unsupported("yang-patch goes with PATCH")),
        }
    };
    let input = match schema.part(operation, Kind::Input) {
        Some(part) => asked.reader(encoding).operation(part, body)?,
        None if body.is_empty() => Tree::new(schema),
        None => {
            let message = "this operation has no input";
            return Err(Error::new(Tag::UnknownElement, message).into());
        }
    };
    let faults: Errors = validate(&input, Check::Operation, Some(asked.store.running()))
        .into_iter()
        .map(Error::from)
        .map(|mut error| {
            // Mandatory input that is missing is the message's fault (RFC 7950 §8.3.1), not the datastore's.
            if error.tag == Tag::DataMissing
                && error.app_tag.as_deref() != Some("instance-required")
            {
                error.tag = Tag::MissingElement;
                error.status = Tag::MissingElement.status();
            }
            error
        })
        .collect();
    if !faults.0.is_empty() {
        return Err(faults.into());
    }
    Ok(Plan::Invoke(Box::new(Invoke {
        operation,
        on,
        input,
        body: (body.clone(), encoding),
        exchange: asked.exchange.clone(),
    })))
}
