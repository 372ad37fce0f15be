//! From an edited tree to a configuration that waits to be taken over.

use crate::access::{self, Counters};
use crate::error::{Error, Errors, Tag};
use crate::exchange::{Exchange, Refusal};
use crate::message::{Finished, Response};
use crate::patch::PatchStatus;
use crate::read::implied;
use crate::server::{Asked, Plan};
use crate::tags::{self, Marks};
use crate::{date, write};
use glimpse_yang::diff::{Change, What, diff};
use glimpse_yang::edit::drop_hollow;
use glimpse_yang::tree::is_hollow;
use glimpse_yang::validate::{Check, validate};
use glimpse_yang::{DataPath, Instance, Tree};

/// A valid new configuration that waits to be taken over.
///
/// It may be planned anywhere, on a copy of the datastore, and taken over later: ask [`Commit::fits`] at the moment of taking over,
/// with nothing between the answer and the exchange, and plan the request again if it says no.
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
    /// Whether `running` is still the configuration it was made from: conditions, access control and validation were judged on that.
    /// Takes as long as reading all of it.
    pub fn fits(&self, running: &Tree) -> bool {
        self.base == tags::version(running.schema, &running.top)
    }

    /// Whether it changes who may do what: then event streams that are open are to be ended, as they go by the rules that held when
    /// they were opened.
    pub fn changes_access(&self) -> bool {
        access::is_changed(self.tree.schema, &self.changes)
    }

    /// The response, once the configuration was taken over or not.
    pub fn finish(self, outcome: Result<(), Errors>) -> Finished {
        let errors = match outcome {
            Ok(()) => return self.exchange.finish(self.success),
            Err(errors) => errors,
        };
        let denied = Counters {
            data_writes: u32::from(errors.tag() == Tag::AccessDenied),
            ..Counters::default()
        };
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

/// An edited configuration that may be taken over.
pub(crate) struct Judged {
    tree: Tree,
    changes: Vec<Change>,
}

/// Why one may not be.
pub(crate) enum Unfit {
    /// The user may not change what is there.
    Denied(DataPath),
    /// It is not valid.
    Invalid(Errors),
}

impl Unfit {
    /// As the answer to an edit that stands alone.
    pub(crate) fn refusal(self, asked: &Asked<'_>) -> Refusal {
        match self {
            Self::Denied(path) => {
                let shown = asked.rights.reads(&path.steps).then_some(path);
                write::refuse(shown)
            }
            Self::Invalid(errors) => errors.into(),
        }
    }
}

/// Checks what was edited against access control and the schema.
pub(crate) fn judge(asked: &Asked<'_>, mut tree: Tree) -> Result<Judged, Unfit> {
    let old = asked.store.running();
    drop_hollow(&mut tree);
    let mut changes = diff(old, &tree);
    changes.retain(|change| {
        let nothing = |gone: &Instance| is_hollow(old.schema, gone);
        change.what != What::Deleted
            || !access::is_bare(old.schema, change.path.node())
            || !old.find(&change.path).is_some_and(nothing)
    });
    if let Some(path) = asked.rights.refuses(old, &tree, &changes) {
        return Err(Unfit::Denied(path));
    }
    let errors = faults(asked, &tree, &changes);
    if errors.0.is_empty() {
        Ok(Judged { tree, changes })
    } else {
        Err(Unfit::Invalid(errors))
    }
}

/// What is wrong with a configuration. Faults at places that the user may not see are told without them.
fn faults(asked: &Asked<'_>, tree: &Tree, changes: &[Change]) -> Errors {
    let mut found = validate(tree, Check::Configuration, None);
    if access::is_changed(tree.schema, changes) {
        found.extend(access::unreadable(tree));
    }
    found
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

/// Plans to take over what was judged, if it changes anything.
pub(crate) fn conclude(
    asked: &Asked<'_>,
    judged: Judged,
    response: Response,
    target: Option<&DataPath>,
    status: Option<PatchStatus>,
) -> Plan {
    let Judged { tree, changes } = judged;
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
        return asked.exchange.reply(success);
    }
    Plan::Commit(Box::new(Commit {
        base: tags::version(schema, &asked.store.running().top),
        tree,
        changes,
        marks,
        exchange: asked.exchange.clone(),
        success,
        status,
    }))
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
