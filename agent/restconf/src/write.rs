//! `POST`, `PUT`, `PATCH` and `DELETE` of the datastore and of data (RFC 8040 §4.4 to §4.7).

use crate::access::{Access, is_bare, step};
use crate::commit;
use crate::error::{Error, Tag};
use crate::exchange::Refusal;
use crate::media::Encoding;
use crate::message::Method;
use crate::path;
use crate::query::{Insert, Purpose, Query};
use crate::read::{absent, failed, validators};
use crate::server::{Asked, Plan};
use crate::tags::{self, Conditions, Verdict};
use glimpse_yang::edit::{Edited, Operation, Place, edit as edit_tree, merge_all, replace_all};
use glimpse_yang::schema::{Node, Schema};
use glimpse_yang::tree::is_hollow;
use glimpse_yang::{DataPath, Instance, Select, Tree};

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
    demand_instance(schema, path)?;
    let tries = match method {
        Method::Delete => Tries::Delete,
        _ => Tries::Write,
    };
    may_try(asked, path, tries)?;
    let (_, now) = validators(asked, path);
    demand_current(asked, path)?;
    let reader = asked.reader(encoding.unwrap_or(Encoding::Json));
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
            let place = place(asked, &target, &query)?;
            may_try(asked, &target, Tries::Create)?;
            may_send(asked, &target, &child)?;
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
            place(asked, path, &query)?;
            let new = reader.datastore(body)?;
            may_send_all(asked, &new)?;
            replace_all(&mut tree, new);
            (path.clone(), asked.exchange.empty(204))
        }
        Method::Put => {
            let value = reader.target(path, body)?;
            let place = place(asked, path, &query)?;
            may_send(asked, path, &value)?;
            let empty = is_hollow(schema, &value);
            let edited = edit_tree(
                &mut tree,
                path,
                Operation::Replace,
                Some(value),
                place.as_ref(),
            )?;
            // An empty container is there without being created.
            let created = edited == Edited::Created && !(empty && exists);
            let status = if created { 201 } else { 204 };
            (path.clone(), asked.exchange.empty(status))
        }
        Method::Patch if path.steps.is_empty() => {
            let new = reader.datastore(body)?;
            may_send_all(asked, &new)?;
            merge_all(&mut tree, new);
            (path.clone(), asked.exchange.empty(204))
        }
        Method::Patch => {
            if !exists {
                return Err(absent());
            }
            let value = reader.part(path, body)?;
            may_send(asked, path, &value)?;
            edit_tree(&mut tree, path, Operation::Merge, Some(value), None)?;
            (path.clone(), asked.exchange.empty(204))
        }
        _ => {
            edit_tree(&mut tree, path, Operation::Delete, None, None)?;
            let judged = judge(asked, tree)?;
            let response = asked.exchange.empty(204);
            return Ok(commit::conclude(asked, judged, response, None, None));
        }
    };
    let judged = judge(asked, tree)?;
    let target = Some(&target);
    Ok(commit::conclude(asked, judged, response, target, None))
}

fn judge(asked: &Asked<'_>, tree: Tree) -> Result<commit::Judged, Refusal> {
    commit::judge(asked, tree).map_err(|unfit| unfit.refusal(asked))
}

/// A list or leaf-list takes edits entry by entry (RFC 8040 §4.4 to §4.7); keys are not edited at all.
pub(crate) fn demand_instance(schema: &'static Schema, path: &DataPath) -> Result<(), Error> {
    if path.steps.is_empty() || path.is_instance(schema) {
        return Ok(());
    }
    let message = "the edit needs one instance: name its keys";
    Err(Error::protocol(Tag::InvalidValue, message))
}

/// What somebody is about to do to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tries {
    /// To make it.
    Create,
    /// To change it or what is below it.
    Write,
    /// To move it.
    Move,
    /// To take it away.
    Delete,
}

/// Asked before anything is tried: who has no right to write there learns nothing of it, not even whether it is there, and cannot
/// make edits without effect.
pub(crate) fn may_try(asked: &Asked<'_>, path: &DataPath, tries: Tries) -> Result<(), Refusal> {
    let rights = &asked.rights;
    let own = |access| rights.data(&path.steps, access);
    let bare = !path.steps.is_empty() && is_bare(asked.exchange.schema, path.node());
    let may = match tries {
        Tries::Create if !bare => own(Access::Create),
        Tries::Delete if !bare => own(Access::Delete),
        Tries::Delete => rights.reads(&path.steps) && rights.writes(&path.steps),
        Tries::Move => own(Access::Update),
        Tries::Create | Tries::Write => rights.writes(&path.steps),
    };
    if may { Ok(()) } else { Err(refuse(None)) }
}

/// Asked before an edit that sends `value`: if there is something in it that the user could neither see nor set, the outcome would
/// tell whether it is so.
pub(crate) fn may_send(
    asked: &Asked<'_>,
    path: &DataPath,
    value: &Instance,
) -> Result<(), Refusal> {
    if asked.rights.is_blind(&path.steps, value) {
        return Err(refuse(None));
    }
    Ok(())
}

fn may_send_all(asked: &Asked<'_>, new: &Tree) -> Result<(), Refusal> {
    new.top.iter().try_for_each(|value| {
        let steps = vec![step(asked.exchange.schema, value)];
        may_send(asked, &DataPath { steps }, value)
    })
}

/// 403 `access-denied`.
pub(crate) fn refuse(at: Option<DataPath>) -> Refusal {
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
fn place(asked: &Asked<'_>, target: &DataPath, query: &Query) -> Result<Option<Place>, Error> {
    let Some(insert) = &query.insert else {
        return Ok(None);
    };
    if !user_ordered(asked.exchange.schema, target) {
        let message = "insert goes with lists that are ordered by the user";
        return Err(Error::protocol(Tag::InvalidValue, message));
    }
    Ok(Some(match insert {
        Insert::First => Place::First,
        Insert::Last => Place::Last,
        Insert::Before(point) => Place::Before(entry(asked, target, point)?),
        Insert::After(point) => Place::After(entry(asked, target, point)?),
    }))
}

/// The entry beside the target that a point names: by a data path, or by the path of a resource, which it is to look like.
fn entry(asked: &Asked<'_>, target: &DataPath, point: &str) -> Result<Select, Error> {
    let tail = point
        .strip_prefix(asked.server.settings().root.as_str())
        .and_then(|tail| tail.strip_prefix("/data"))
        .unwrap_or(point);
    let point = path::data(
        asked.exchange.schema,
        tail.strip_prefix('/').unwrap_or(tail),
    )
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
