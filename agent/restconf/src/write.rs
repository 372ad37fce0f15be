//! `POST`, `PUT`, `PATCH` and `DELETE` of the datastore and of data (RFC 8040 §4.4 to §4.7).

use crate::access::{Access, Counters, step};
use crate::error::{Error, Errors, Tag};
use crate::exchange::{Exchange, Refusal};
use crate::media::Encoding;
use crate::message::{Finished, Method, Response};
use crate::patch::PatchStatus;
use crate::query::{Insert, Purpose, Query};
use crate::read::{absent, failed, implied, validators};
use crate::server::{Asked, Plan};
use crate::tags::{self, Conditions, Marks, Verdict};
use crate::{date, path};
use glimpse_yang::diff::{Change, What, diff};
use glimpse_yang::edit::{Edited, Operation, Place, edit as edit_tree, merge_all, replace_all};
use glimpse_yang::read::Reader;
use glimpse_yang::schema::{Kind, Node, NodeId, Schema};
use glimpse_yang::validate::{Check, validate};
use glimpse_yang::{DataPath, Instance, Select, Tree};

/// A valid new configuration that waits to be taken over.
#[derive(Clone, Debug)]
pub struct Commit {
    /// All of it.
    pub tree: Tree,
    /// What is different; never empty.
    pub changes: Vec<Change>,
    /// When what changed, to be kept with it.
    pub marks: Marks,
    /// The [`tags::version`] of the configuration it was made from.
    pub base: u64,
    exchange: Exchange,
    success: Response,
    status: Option<PatchStatus>,
}

impl Commit {
    /// The response, once the configuration was taken over or not.
    pub fn finish(self, outcome: Result<(), Errors>) -> Finished {
        let errors = match outcome {
            Ok(()) => return self.exchange.finish(self.success),
            Err(errors) => errors,
        };
        let denied = denied_writes(&errors);
        let refusal = Refusal {
            errors,
            headers: Vec::new(),
            denied,
        };
        match self.status {
            None => self.exchange.refuse(refusal),
            Some(status) => status.refuse(&self.exchange, refusal),
        }
    }

    /// Who edits; `None` never happens where authentication is asked for.
    pub fn user(&self) -> Option<&str> {
        self.exchange.user()
    }
}

fn denied_writes(errors: &Errors) -> Counters {
    Counters {
        data_writes: u32::from(errors.tag() == Tag::AccessDenied),
        ..Counters::default()
    }
}

/// Plans an edit.
pub(crate) fn edit(
    asked: &Asked<'_>,
    path: &DataPath,
    encoding: Option<Encoding>,
) -> Result<Plan, Refusal> {
    let method = asked.request.method;
    let purpose = match method {
        Method::Post | Method::Put => Purpose::Edit,
        _ => Purpose::Nothing,
    };
    let query = asked.query(purpose)?;
    let schema = asked.exchange.schema;
    if method != Method::Post {
        demand_instance(schema, path)?;
    }
    may_try(asked, path)?;
    let (_, now) = validators(asked, path);
    demand_current(asked, path)?;
    let reader = Reader::new(schema, encoding.unwrap_or(Encoding::Json));
    let mut tree = asked.store.running().clone();
    let body = asked.request.body.as_slice();
    let exists = now.version.is_some();
    let (target, response) = match method {
        Method::Post => {
            if !exists {
                return Err(absent());
            }
            let child = reader.child(path, body)?;
            let mut target = path.clone();
            target.steps.push(step(schema, &child));
            let place = place(schema, &target, &query)?;
            if !asked.rights.data(&target.steps, Access::Create) && !bare(schema, target.node()) {
                return Err(refuse_write(None));
            }
            edit_tree(
                &mut tree,
                &target,
                Operation::Create,
                Some(child),
                place.as_ref(),
            )
            .map_err(|error| posted_twice(error.into()))?;
            let uri = target.to_uri(schema);
            let uri = format!("{}/data/{uri}", asked.server.settings().root);
            let response = asked.exchange.empty(201);
            (
                target,
                response.with("Location", asked.request.location(&uri)),
            )
        }
        Method::Put if path.steps.is_empty() => {
            replace_all(&mut tree, reader.datastore(body)?);
            (path.clone(), asked.exchange.empty(204))
        }
        Method::Put => {
            let value = reader.target(path, body)?;
            let place = place(schema, path, &query)?;
            let edited = edit_tree(
                &mut tree,
                path,
                Operation::Replace,
                Some(value),
                place.as_ref(),
            )?;
            let status = if edited == Edited::Created { 201 } else { 204 };
            (path.clone(), asked.exchange.empty(status))
        }
        Method::Patch if path.steps.is_empty() => {
            merge_all(&mut tree, reader.datastore(body)?);
            (path.clone(), asked.exchange.empty(204))
        }
        Method::Patch => {
            if !exists {
                return Err(absent());
            }
            let value = reader.target(path, body)?;
            edit_tree(&mut tree, path, Operation::Merge, Some(value), None)?;
            (path.clone(), asked.exchange.empty(204))
        }
        _ => {
            edit_tree(&mut tree, path, Operation::Delete, None, None)?;
            return conclude(asked, tree, asked.exchange.empty(204), None, None);
        }
    };
    conclude(asked, tree, response, Some(&target), None)
}

/// A list or leaf-list takes edits entry by entry (RFC 8040 §4.5 to §4.7); keys are not edited at all.
pub(crate) fn demand_instance(schema: &'static Schema, path: &DataPath) -> Result<(), Error> {
    if path.steps.is_empty() || path.is_instance(schema) {
        return Ok(());
    }
    let message = "the edit needs one instance: name its keys";
    Err(Error::protocol(Tag::InvalidValue, message))
}

/// A container without `presence` has no right of its own.
fn bare(schema: &'static Schema, node: NodeId) -> bool {
    let node = schema.node(node);
    node.kind == Kind::Container && !node.is(Node::PRESENCE)
}

/// Who may neither see nor touch the target learns nothing of it, not even whether it is there.
fn may_try(asked: &Asked<'_>, path: &DataPath) -> Result<(), Refusal> {
    let rights = &asked.rights;
    let may = match asked.request.method {
        Method::Delete => rights.data(&path.steps, Access::Delete) || bare_target(asked, path),
        _ => {
            rights.reads(&path.steps)
                || rights.data(&path.steps, Access::Create)
                || rights.data(&path.steps, Access::Update)
        }
    };
    if may { Ok(()) } else { Err(refuse_write(None)) }
}

fn bare_target(asked: &Asked<'_>, path: &DataPath) -> bool {
    bare(asked.exchange.schema, path.node()) && asked.rights.reads(&path.steps)
}

/// 403 `access-denied`.
pub(crate) fn refuse_write(at: Option<DataPath>) -> Refusal {
    let error = Error::denied("access control does not allow this edit");
    let mut refusal = Refusal::from(match at {
        Some(path) => error.at(path),
        None => error,
    });
    refusal.denied.data_writes = 1;
    refusal
}

/// The conditions of the request, on its target (RFC 9110 §13).
pub(crate) fn demand_current(asked: &Asked<'_>, path: &DataPath) -> Result<(), Refusal> {
    let (_, now) = validators(asked, path);
    let conditions = Conditions::from_headers(|name| asked.request.header(name));
    match conditions.judge(now, false, asked.exchange.encoding) {
        Verdict::Failed if asked.rights.reads(&path.steps) => Err(failed(asked, now)),
        Verdict::Failed => Err(failed(
            asked,
            tags::Validators {
                version: None,
                modified: 0,
            },
        )),
        _ => Ok(()),
    }
}

/// RFC 8040 §4.4.1 has its own tag for it.
fn posted_twice(mut error: Error) -> Error {
    if error.tag == Tag::DataExists {
        error.tag = Tag::ResourceDenied;
        error.status = Tag::ResourceDenied.status();
    }
    error
}

/// Whether a path ends in an entry of a list that is ordered by the user.
pub(crate) fn user_ordered(schema: &'static Schema, path: &DataPath) -> bool {
    !path.steps.is_empty() && schema.node(path.node()).is(Node::USER_ORDERED)
}

/// Where `insert` and `point` put an entry (RFC 8040 §4.8.5, §4.8.6).
fn place(
    schema: &'static Schema,
    target: &DataPath,
    query: &Query,
) -> Result<Option<Place>, Error> {
    let Some(insert) = &query.insert else {
        return Ok(None);
    };
    if !user_ordered(schema, target) {
        let message = "insert goes with lists that are ordered by the user";
        return Err(Error::protocol(Tag::InvalidValue, message));
    }
    Ok(Some(match insert {
        Insert::First => Place::First,
        Insert::Last => Place::Last,
        Insert::Before(point) => Place::Before(entry(schema, target, point)?),
        Insert::After(point) => Place::After(entry(schema, target, point)?),
    }))
}

/// The entry beside the target that a point names.
pub(crate) fn entry(
    schema: &'static Schema,
    target: &DataPath,
    point: &str,
) -> Result<Select, Error> {
    let point = path::data(schema, point.strip_prefix('/').unwrap_or(point))
        .map_err(|error| error.with_status(400))?;
    beside(target, &point).ok_or_else(|| {
        let message = "point names another entry of the list of the target";
        Error::protocol(Tag::InvalidValue, message)
    })
}

/// The last step of `point`, if it is an entry of the list that `target` is in.
pub(crate) fn beside(target: &DataPath, point: &DataPath) -> Option<Select> {
    let (own, above) = target.steps.split_last()?;
    let (other, other_above) = point.steps.split_last()?;
    let same = above == other_above && own.node == other.node;
    (same && !matches!(other.select, Select::All)).then(|| other.select.clone())
}

/// Checks what was edited against access control and the schema, and plans to take it over.
pub(crate) fn conclude(
    asked: &Asked<'_>,
    tree: Tree,
    response: Response,
    target: Option<&DataPath>,
    status: Option<PatchStatus>,
) -> Result<Plan, Refusal> {
    let old = asked.store.running();
    let changes = diff(old, &tree);
    if status.is_none() {
        allow(asked, old, &tree, &changes)?;
    }
    let errors = faults(asked, &tree);
    if !errors.0.is_empty() {
        return Err(errors.into());
    }
    let seconds = asked.request.time.div_euclid(1_000_000);
    let schema = asked.exchange.schema;
    let mut marks = asked.store.marks().clone();
    for change in &changes {
        match change.what {
            What::Deleted => marks.remove(schema, &change.path, seconds),
            What::Created | What::Replaced | What::Moved => {
                marks.touch(schema, &change.path, seconds);
            }
        }
    }
    let mut success = response;
    if let Some(target) = target
        && asked.rights.reads(&target.steps)
    {
        success = with_validators(asked, success, &tree, &marks, target);
    }
    if changes.is_empty() {
        return Ok(asked.exchange.reply(success));
    }
    Ok(Plan::Commit(Box::new(Commit {
        base: tags::version(schema, &old.top),
        tree,
        changes,
        marks,
        exchange: asked.exchange.clone(),
        success,
        status,
    })))
}

fn with_validators(
    asked: &Asked<'_>,
    response: Response,
    tree: &Tree,
    marks: &Marks,
    target: &DataPath,
) -> Response {
    let schema = asked.exchange.schema;
    let found: Vec<&Instance> = if target.steps.is_empty() {
        tree.top.iter().collect()
    } else {
        tree.select(target)
    };
    if found.is_empty() && !target.steps.is_empty() && !implied(tree, target) {
        return response;
    }
    let version = tags::version(schema, found);
    response
        .with("ETag", tags::entity_tag(version, asked.exchange.encoding))
        .with(
            "Last-Modified",
            date::http_date(marks.modified(schema, target)),
        )
}

/// 403 when a change is not this user's to make.
pub(crate) fn allow(
    asked: &Asked<'_>,
    old: &Tree,
    new: &Tree,
    changes: &[Change],
) -> Result<(), Refusal> {
    match asked.rights.refuses(old, new, changes) {
        None => Ok(()),
        Some(path) => {
            let shown = asked.rights.reads(&path.steps).then_some(path);
            Err(refuse_write(shown))
        }
    }
}

/// What is wrong with a configuration. Faults at places that the user may not see are told without them.
pub(crate) fn faults(asked: &Asked<'_>, tree: &Tree) -> Errors {
    validate(tree, Check::Configuration, None)
        .into_iter()
        .map(|error| {
            let hidden = error
                .path
                .as_ref()
                .is_some_and(|path| !asked.rights.reads(&path.steps));
            let mut error = Error::from(error);
            if hidden {
                error.path = None;
                "the configuration would not be valid".clone_into(&mut error.message);
            }
            error
        })
        .collect()
}
