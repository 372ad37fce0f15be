//! `GET` and `HEAD` of the datastore and of data (RFC 8040 §4.3).

use crate::error::{Error, Tag};
use crate::exchange::Refusal;
use crate::media::Encoding;
use crate::query::{Field, Purpose, Query};
use crate::server::{Asked, Plan};
use crate::tags::{self, Conditions, Validators, Verdict};
use crate::{access, date};
use glimpse_yang::defaults::{self, WithDefaults};
use glimpse_yang::schema::{Kind, Node, NodeId, Schema};
use glimpse_yang::write::Writer;
use glimpse_yang::{Content, DataPath, Instance, Part, Select, Step, Tree};

mod merged;

pub(crate) use merged::merged;

/// Answers a read.
pub(crate) fn data(asked: &Asked<'_>, path: &DataPath) -> Result<Plan, Refusal> {
    let query = asked.query(Purpose::Data)?;
    let schema = asked.exchange.schema;
    let part = query.content.unwrap_or(Part::All);
    let selection = Selected::compile(schema, path.node(), &query.fields)?;
    let Some(mut instances) = visible(asked, path, &query) else {
        return Err(absent());
    };
    instances.retain_mut(|instance| of_part(schema, instance, part, true));
    if instances.is_empty() && !path.steps.is_empty() {
        return Err(absent());
    }
    let (config, now) = validators(asked, path);
    let config = config && part != Part::NonConfig;
    if config {
        let conditions = Conditions::from_headers(|name| asked.request.header(name));
        match conditions.judge(now, true, asked.exchange.encoding) {
            Verdict::Proceed => {}
            Verdict::NotModified => {
                let response = validated(asked, asked.exchange.empty(304), now);
                return Ok(asked.exchange.reply(response));
            }
            Verdict::Failed => return Err(failed(asked, now)),
        }
    }
    let deepest = query.depth.unwrap_or(u16::MAX);
    if path.steps.is_empty() {
        below(schema, &mut instances, selection.as_deref(), deepest);
    } else {
        for instance in &mut instances {
            prune(schema, instance, selection.as_deref(), deepest);
        }
    }
    let body = print(asked, path, instances, &query)?;
    let mut response = asked.exchange.ok(body);
    if config {
        response = validated(asked, response, now);
    }
    Ok(asked.exchange.reply(response))
}

/// 404, for what is not there and for what may not be seen alike (RFC 8040 §4.3).
pub(crate) fn absent() -> Refusal {
    Error::not_found("there is no such instance").into()
}

/// 412 with what is current (RFC 8040 App. B.2.2).
pub(crate) fn failed(asked: &Asked<'_>, now: Validators) -> Refusal {
    let mut refusal = Refusal::from(Error::protocol(
        Tag::OperationFailed,
        "the resource is not what the request expects: read it again",
    ));
    if let Some(version) = now.version {
        refusal = refusal
            .with("ETag", tags::entity_tag(version, asked.exchange.encoding))
            .with("Last-Modified", date::http_date(now.modified));
    }
    refusal
}

fn validated(
    asked: &Asked<'_>,
    response: crate::message::Response,
    now: Validators,
) -> crate::message::Response {
    match now.version {
        Some(version) => response
            .with("ETag", tags::entity_tag(version, asked.exchange.encoding))
            .with("Last-Modified", date::http_date(now.modified)),
        None => response,
    }
}

/// Whether a resource is configuration with a tag and a date, and what these are. Several instances have none: it would have to be
/// the first one's (RFC 8040 §4.3), and so say nothing of the others.
pub(crate) fn validators(asked: &Asked<'_>, path: &DataPath) -> (bool, Validators) {
    let running = asked.store.running();
    let schema = asked.exchange.schema;
    if !path.is_instance(schema) {
        if let [only] = running.select(path).as_slice() {
            let mut path = path.clone();
            path.steps.pop();
            path.steps.push(access::step(schema, only));
            return validators(asked, &path);
        }
        let nothing = Validators {
            version: None,
            modified: 0,
        };
        return (false, nothing);
    }
    let modified = asked.store.marks().modified(schema, path);
    if path.steps.is_empty() {
        let version = Some(tags::version(schema, &running.top));
        return (true, Validators { version, modified });
    }
    let config = schema.node(path.node()).is(Node::CONFIG);
    let found = running.select(path);
    let exists = !found.is_empty() || implied(running, path);
    let version = (config && exists).then(|| tags::version(schema, found));
    (config, Validators { version, modified })
}

/// Whether a container that is not there exists nevertheless: one without `presence` whose parent does (RFC 7950 §7.5.1).
pub(crate) fn implied(tree: &Tree, path: &DataPath) -> bool {
    let schema = tree.schema;
    let mut path = path.clone();
    while let Some(last) = path.steps.pop() {
        let node = schema.node(last.node);
        let conditional = schema
            .rules_of(node)
            .is_some_and(|rules| rules.when.count > 0);
        let bare = node.kind == Kind::Container
            && !node.is(Node::PRESENCE)
            && !conditional
            && node.parent == schema.data_parent(last.node);
        if !bare {
            return false;
        }
        if path.steps.is_empty() || tree.find(&path).is_some() {
            return true;
        }
    }
    true
}

/// The instances at a path that the user may see, pruned; the top level for the datastore. `None`: there is nothing to be seen.
fn visible(asked: &Asked<'_>, path: &DataPath, query: &Query) -> Option<Vec<Instance>> {
    let schema = asked.exchange.schema;
    let part = query.content.unwrap_or(Part::All);
    let leaf = path
        .steps
        .last()
        .is_some_and(|last| matches!(schema.node(last.node).kind, Kind::Leaf | Kind::LeafList));
    // Defaults may depend on what is elsewhere.
    let whole = leaf || query.with_defaults.is_some();
    let mut tree = merged(asked, path, part, whole);
    // A leaf that is not set has its default, whatever the basic mode (RFC 8040 §3.5.4).
    let unset = leaf && tree.select(path).is_empty();
    let mode = query.with_defaults.unwrap_or(if unset {
        WithDefaults::ReportAll
    } else {
        WithDefaults::Explicit
    });
    if mode != WithDefaults::Explicit {
        tree = defaults::with_defaults(&tree, mode, part);
    }
    let empty = implied(&tree, path) && !path.steps.is_empty();
    let found = select(asked, tree, path);
    if found.is_empty() && !path.steps.is_empty() {
        let stands = empty && asked.rights.reads(&path.steps);
        return stands.then(|| vec![Instance::container(path.node())]);
    }
    Some(found)
}

fn select(asked: &Asked<'_>, tree: Tree, path: &DataPath) -> Vec<Instance> {
    let schema = asked.exchange.schema;
    let mut at: Vec<Step> = Vec::with_capacity(path.steps.len() + 8);
    let mut level = tree.top;
    for (number, wanted) in path.steps.iter().enumerate() {
        level.retain(|instance| {
            if instance.node != wanted.node {
                return false;
            }
            let own = access::step(schema, instance);
            if !matches!(wanted.select, Select::All) && own.select != wanted.select {
                return false;
            }
            at.push(own);
            let visible = asked.rights.data(&at, access::Access::Read);
            at.pop();
            visible
        });
        if number + 1 == path.steps.len() {
            for instance in &mut level {
                at.push(access::step(schema, instance));
                if let Content::Children(children) = &mut instance.content {
                    asked.rights.prune(&mut at, children);
                }
                at.pop();
            }
            return level;
        }
        let Some(first) = level.into_iter().next() else {
            return Vec::new();
        };
        at.push(access::step(schema, &first));
        match first.content {
            Content::Children(children) => level = children,
            _ => return Vec::new(),
        }
    }
    asked.rights.prune(&mut at, &mut level);
    level
}

/// Keeps configuration or state; keys and what is around the rest stay. Whether anything is left, or it is the target itself.
fn of_part(schema: &'static Schema, instance: &mut Instance, part: Part, target: bool) -> bool {
    let node = schema.node(instance.node);
    let config = node.is(Node::CONFIG);
    match (part, config) {
        (Part::All, _) | (Part::NonConfig, false) => return true,
        (Part::Config, false) => return false,
        _ => {}
    }
    let Content::Children(children) = &mut instance.content else {
        return part == Part::Config || !target && node.is(Node::KEY);
    };
    children.retain_mut(|child| of_part(schema, child, part, false));
    part == Part::Config
        || target
        || children
            .iter()
            .any(|child| !schema.node(child.node).is(Node::KEY))
}

/// `fields`, resolved against the schema.
struct Selected {
    node: NodeId,
    below: Vec<Selected>,
}

impl Selected {
    fn compile(
        schema: &'static Schema,
        parent: NodeId,
        fields: &[Field],
    ) -> Result<Option<Vec<Self>>, Error> {
        let mut found: Vec<Self> = Vec::with_capacity(fields.len());
        for field in fields {
            let node = schema
                .child(parent, field.module.as_deref(), &field.name)
                .map_err(|_| {
                    let message = format!("fields: there is no {:?} there", field.name);
                    Error::protocol(Tag::InvalidValue, message)
                })?;
            let below = Self::compile(schema, node, &field.below)?.unwrap_or_default();
            Self::add(&mut found, Self { node, below });
        }
        Ok((!found.is_empty()).then_some(found))
    }

    /// Adds what is selected; what leads through the same nodes becomes one.
    fn add(all: &mut Vec<Self>, more: Self) {
        match all.iter_mut().find(|own| own.node == more.node) {
            // All of a node and a part of it is all of it.
            Some(own) if own.below.is_empty() || more.below.is_empty() => own.below.clear(),
            Some(own) => {
                for below in more.below {
                    Self::add(&mut own.below, below);
                }
            }
            None => all.push(more),
        }
    }
}

/// Cuts an instance, which is at level 1, down to the fields selected of it and to so many levels (RFC 8040 §4.8.2, §4.8.3).
fn prune(
    schema: &'static Schema,
    instance: &mut Instance,
    selected: Option<&[Selected]>,
    levels: u16,
) {
    if let Content::Children(children) = &mut instance.content {
        below(schema, children, selected, levels);
    }
}

/// The same for what is below an instance at level 1. The keys of an entry stay: it could not be told from others.
fn below(
    schema: &'static Schema,
    children: &mut Vec<Instance>,
    selected: Option<&[Selected]>,
    levels: u16,
) {
    children.retain_mut(|child| {
        let key = schema.node(child.node).is(Node::KEY);
        match selected {
            None if levels <= 1 => key,
            None => {
                prune(schema, child, None, levels - 1);
                true
            }
            // A field and all above it are at level 1.
            Some(fields) => {
                let Some(field) = fields.iter().find(|field| field.node == child.node) else {
                    return key;
                };
                let further = (!field.below.is_empty()).then_some(field.below.as_slice());
                prune(schema, child, further, levels);
                true
            }
        }
    });
}

fn print(
    asked: &Asked<'_>,
    path: &DataPath,
    instances: Vec<Instance>,
    query: &Query,
) -> Result<String, Refusal> {
    let exchange = &asked.exchange;
    let mut writer = Writer::new(exchange.schema, exchange.encoding);
    writer.tagged = query.with_defaults == Some(WithDefaults::ReportAllTagged);
    writer.hollow = query.depth.is_some();
    if path.steps.is_empty() {
        let mut tree = Tree::new(exchange.schema);
        tree.top = instances;
        return Ok(writer.datastore(&tree));
    }
    // An XML document has one root element (RFC 8040 §4.3).
    if exchange.encoding == Encoding::Xml && instances.len() > 1 {
        let message = "XML shows one instance: name its keys, or ask for JSON";
        return Err(Error::protocol(Tag::InvalidValue, message).into());
    }
    let instances: Vec<&Instance> = instances.iter().collect();
    Ok(writer.instances(&instances))
}
