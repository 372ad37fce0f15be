//! Instances of a schema: data trees at random, printed in either encoding as a peer might.

use crate::value::{Scalar, value};
use fastrand::Rng;
use glimpse_yang::schema::{Kind, Node, NodeId, Path, Schema, Type};
use std::fmt::Write;

/// One data node of a document.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The schema node; `None` for what no schema knows.
    pub(crate) node: Option<NodeId>,
    pub(crate) module: String,
    pub(crate) name: String,
    pub(crate) item: Item,
}

#[derive(Debug, Clone)]
pub(crate) enum Item {
    Branch(Vec<Entry>),
    Scalar(Scalar),
    /// Has to be given the value of another leaf.
    Open,
}

/// Makes instances.
pub(crate) struct Maker<'a> {
    pub(crate) schema: &'static Schema,
    pub(crate) rng: &'a mut Rng,
    /// Whether state is wanted.
    pub(crate) state: bool,
    /// How many of 256 optional nodes are there.
    pub(crate) density: u8,
    /// Optional nodes that may still come.
    pub(crate) budget: u32,
}

impl Maker<'_> {
    /// A document: the content of the datastore, or of the input of an operation.
    pub(crate) fn document(&mut self, top: NodeId) -> Vec<Entry> {
        let mut entries = self.below(top);
        for _ in 0..6 {
            self.refer(&mut entries);
            if !prune(self.schema, &mut entries).0 {
                break;
            }
        }
        entries
    }

    fn wanted(&mut self) -> bool {
        let wanted = self.budget > 0 && self.rng.u8(..) < self.density;
        self.budget -= u32::from(wanted);
        wanted
    }

    fn below(&mut self, parent: NodeId) -> Vec<Entry> {
        let mut entries = Vec::new();
        for child in self.schema.schema_children(parent) {
            self.child(child, &mut entries);
        }
        entries
    }

    fn child(&mut self, id: NodeId, entries: &mut Vec<Entry>) {
        let node = self.schema.node(id);
        let is_state = !node.is(Node::CONFIG) && self.in_datastore(id);
        if is_state && !self.state {
            return;
        }
        let rules = self.schema.rules_of(node);
        if rules.is_some_and(|rules| rules.when.count > 0) && self.rng.u8(..) < 160 {
            return;
        }
        let required = node.is(Node::MANDATORY) || node.is(Node::KEY);
        match node.kind {
            Kind::Container if !node.is(Node::PRESENCE) || self.wanted() => {
                let inner = self.below(id);
                if node.is(Node::PRESENCE) || !inner.is_empty() {
                    entries.push(self.entry(id, Item::Branch(inner)));
                }
            }
            Kind::List | Kind::LeafList => {
                let least = rules.map_or(0, |rules| rules.min_elements);
                let most = rules.map_or(u32::MAX, |rules| rules.max_elements);
                let more = if self.wanted() { self.rng.u32(1..4) } else { 0 };
                let count = (least + more).min(most);
                let mut seen: Vec<String> = Vec::new();
                for _ in 0..count {
                    for _ in 0..10 {
                        let item = if node.kind == Kind::List {
                            Item::Branch(self.below(id))
                        } else {
                            self.leaf(id)
                        };
                        let key = self.identity(&item);
                        if key.as_ref().is_none_or(|key| !seen.contains(key)) {
                            seen.extend(key);
                            entries.push(self.entry(id, item));
                            break;
                        }
                    }
                }
            }
            Kind::Leaf if required || self.wanted() => {
                let item = self.leaf(id);
                entries.push(self.entry(id, item));
            }
            Kind::Choice if required || self.wanted() => {
                let cases: Vec<NodeId> = Schema::span(node.children).collect();
                if !cases.is_empty() {
                    let case = cases[self.rng.usize(..cases.len())];
                    for child in Schema::span(self.schema.node(case).children) {
                        self.child(child, entries);
                    }
                }
            }
            _ => {}
        }
    }

    fn in_datastore(&self, id: NodeId) -> bool {
        let mut at = id;
        while at != NodeId::NONE {
            let node = self.schema.node(at);
            if matches!(
                node.kind,
                Kind::Input | Kind::Output | Kind::Notification | Kind::Structure
            ) {
                return false;
            }
            at = node.parent;
        }
        true
    }

    fn leaf(&mut self, id: NodeId) -> Item {
        let node = self.schema.node(id);
        let conditioned = self
            .schema
            .rules_of(node)
            .is_some_and(|rules| rules.must.count > 0);
        if conditioned && self.rng.u8(..) < 200 {
            return Item::Scalar(Scalar {
                json: "false".to_owned(),
                xml: "false".to_owned(),
            });
        }
        value(self.schema, self.rng, node.kind_of_value).map_or(Item::Open, Item::Scalar)
    }

    /// What must differ between entries: the keys, or the value of configuration.
    fn identity(&self, item: &Item) -> Option<String> {
        match item {
            Item::Scalar(scalar) => Some(scalar.xml.clone()),
            Item::Open => None,
            Item::Branch(children) => {
                let mut keys = String::new();
                let mut any = false;
                for child in children {
                    let is_key = child
                        .node
                        .is_some_and(|node| self.schema.node(node).is(Node::KEY));
                    if let (true, Item::Scalar(scalar)) = (is_key, &child.item) {
                        any = true;
                        let _ = write!(keys, "{}|", scalar.xml);
                    }
                }
                any.then_some(keys)
            }
        }
    }

    pub(crate) fn entry(&self, id: NodeId, item: Item) -> Entry {
        let node = self.schema.node(id);
        Entry {
            node: Some(id),
            module: self
                .schema
                .text(self.schema.module(node.module).name)
                .to_owned(),
            name: self.schema.text(node.name).to_owned(),
            item,
        }
    }

    /// Gives every leafref the value of a leaf that it may refer to, where there is one.
    fn refer(&mut self, entries: &mut [Entry]) {
        let mut places = Vec::new();
        references(self.schema, entries, &mut Vec::new(), &mut places);
        for (place, path) in places {
            let mut found = Vec::new();
            let from = if path.up == Path::ABSOLUTE {
                &[][..]
            } else {
                &place[..place.len() - usize::from(path.up).min(place.len())]
            };
            let at = usize::from(path.down.first);
            let down = &self.schema.numbers[at..at + usize::from(path.down.count)];
            targets(inside(entries, from), down, &mut found);
            let item = if found.is_empty() {
                Item::Open
            } else {
                Item::Scalar(found[self.rng.usize(..found.len())].clone())
            };
            at_mut(entries, &place).item = item;
        }
    }
}

/// The entries below a place.
fn inside<'e>(entries: &'e [Entry], place: &[usize]) -> &'e [Entry] {
    match place.split_first() {
        None => entries,
        Some((first, rest)) => match &entries[*first].item {
            Item::Branch(children) => inside(children, rest),
            _ => &[],
        },
    }
}

/// The entry at a place.
pub(crate) fn at_mut<'e>(entries: &'e mut [Entry], place: &[usize]) -> &'e mut Entry {
    let (first, rest) = place.split_first().unwrap();
    let entry = &mut entries[*first];
    if rest.is_empty() {
        return entry;
    }
    match &mut entry.item {
        Item::Branch(children) => at_mut(children, rest),
        _ => unreachable!("a place leads through branches"),
    }
}

fn references(
    schema: &'static Schema,
    entries: &[Entry],
    above: &mut Vec<usize>,
    found: &mut Vec<(Vec<usize>, Path)>,
) {
    for (number, entry) in entries.iter().enumerate() {
        above.push(number);
        let kind = entry.node.map(|id| schema.node(id).kind_of_value);
        match (&entry.item, kind) {
            (Item::Branch(children), _) => references(schema, children, above, found),
            (_, Some(kind)) => {
                if let Type::LeafRef { path, .. } = schema.type_of(kind) {
                    found.push((above.clone(), *path));
                }
            }
            _ => {}
        }
        above.pop();
    }
}

fn targets(entries: &[Entry], down: &[u16], found: &mut Vec<Scalar>) {
    let Some((first, rest)) = down.split_first() else {
        return;
    };
    for entry in entries
        .iter()
        .filter(|entry| entry.node == Some(NodeId(*first)))
    {
        match &entry.item {
            Item::Scalar(scalar) if rest.is_empty() => found.push(scalar.clone()),
            Item::Branch(children) => targets(children, rest, found),
            _ => {}
        }
    }
}

/// Drops leafrefs that refer to nothing, and the list entries that need them: whether there were any, and whether the node above
/// has to go too.
fn prune(schema: &'static Schema, entries: &mut Vec<Entry>) -> (bool, bool) {
    let mut any = false;
    let mut fatal = false;
    entries.retain_mut(|entry| {
        let node = entry.node.map(|id| schema.node(id));
        match &mut entry.item {
            Item::Open => {
                any = true;
                fatal |= node.is_some_and(|node| node.is(Node::MANDATORY) || node.is(Node::KEY));
                false
            }
            Item::Branch(children) => {
                let (inner, up) = prune(schema, children);
                any |= inner;
                let goes = up && node.is_some_and(|node| node.kind == Kind::List);
                fatal |= up && !goes;
                !goes
            }
            Item::Scalar(_) => true,
        }
    });
    (any, fatal)
}

/// The document as JSON; `wrapper` is a member around it.
pub(crate) fn json(schema: &'static Schema, entries: &[Entry], module: &str) -> String {
    let mut out = String::from("{");
    let mut done = vec![false; entries.len()];
    for (at, entry) in entries.iter().enumerate() {
        if done[at] {
            continue;
        }
        if out.len() > 1 {
            out.push(',');
        }
        if entry.module == module {
            let _ = write!(out, "{:?}:", entry.name);
        } else {
            let _ = write!(out, "\"{}:{}\":", entry.module, entry.name);
        }
        let many = entry
            .node
            .is_some_and(|id| matches!(schema.node(id).kind, Kind::List | Kind::LeafList));
        if !many {
            out.push_str(&token(schema, entry));
            continue;
        }
        out.push('[');
        let mut first = true;
        for (number, other) in entries.iter().enumerate().skip(at) {
            if other.node == entry.node && other.module == entry.module && other.name == entry.name
            {
                done[number] = true;
                if !first {
                    out.push(',');
                }
                first = false;
                out.push_str(&token(schema, other));
            }
        }
        out.push(']');
    }
    out.push('}');
    out
}

fn token(schema: &'static Schema, entry: &Entry) -> String {
    match &entry.item {
        Item::Branch(children) => json(schema, children, &entry.module),
        Item::Scalar(scalar) => scalar.json.clone(),
        Item::Open => "null".to_owned(),
    }
}

/// The document as XML.
pub(crate) fn xml(schema: &'static Schema, entries: &[Entry], above: Option<&str>) -> String {
    let mut out = String::new();
    for entry in entries {
        let _ = write!(out, "<{}", entry.name);
        if above != Some(&entry.module) {
            let namespace = schema
                .modules
                .iter()
                .find(|module| schema.text(module.name) == entry.module)
                .map_or("urn:unknown", |module| schema.text(module.namespace));
            let _ = write!(out, " xmlns=\"{namespace}\"");
        }
        if above.is_none() {
            out.push_str(&prefixes(schema));
        }
        out.push('>');
        match &entry.item {
            Item::Branch(children) => out.push_str(&xml(schema, children, Some(&entry.module))),
            Item::Scalar(scalar) => out.push_str(&scalar.xml),
            Item::Open => {}
        }
        let _ = write!(out, "</{}>", entry.name);
    }
    out
}

/// Declarations of a prefix for every module.
pub(crate) fn prefixes(schema: &'static Schema) -> String {
    let mut out = String::new();
    for (number, module) in schema.modules.iter().enumerate() {
        let _ = write!(
            out,
            " xmlns:m{number}=\"{}\"",
            schema.text(module.namespace)
        );
    }
    out
}
