//! One fault in a document that had none.

use crate::instance::{Entry, Item, at_mut};
use crate::value::Scalar;
use fastrand::Rng;
use glimpse_yang::schema::{Kind, Node, NodeId, Schema, Type};

/// Classes of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    UnknownNode,
    WrongType,
    OutOfRange,
    Pattern,
    Length,
    MissingMandatory,
    MissingKey,
    DuplicateKey,
    DuplicateLeaf,
    DanglingReference,
    Must,
    TwoCases,
    TooFew,
    WrongModule,
    StateInConfiguration,
    NumberForm,
    EmptyForm,
    LeafForContainer,
    ContainerForLeaf,
    UnknownName,
    Syntax,
}

pub(crate) const ALL: &[Fault] = &[
    Fault::UnknownNode,
    Fault::WrongType,
    Fault::OutOfRange,
    Fault::Pattern,
    Fault::Length,
    Fault::MissingMandatory,
    Fault::MissingKey,
    Fault::DuplicateKey,
    Fault::DuplicateLeaf,
    Fault::DanglingReference,
    Fault::Must,
    Fault::TwoCases,
    Fault::TooFew,
    Fault::WrongModule,
    Fault::StateInConfiguration,
    Fault::NumberForm,
    Fault::EmptyForm,
    Fault::LeafForContainer,
    Fault::ContainerForLeaf,
    Fault::UnknownName,
    Fault::Syntax,
];

/// Where a fault can be, and the entry there.
struct Places<'a> {
    schema: &'static Schema,
    entries: &'a [Entry],
}

impl Places<'_> {
    fn all(
        &self,
        wanted: impl Fn(&'static Node, &'static Type, &Entry) -> bool,
    ) -> Vec<Vec<usize>> {
        let mut found = Vec::new();
        self.walk(self.entries, &mut Vec::new(), &wanted, &mut found);
        found
    }

    fn walk(
        &self,
        entries: &[Entry],
        above: &mut Vec<usize>,
        wanted: &impl Fn(&'static Node, &'static Type, &Entry) -> bool,
        found: &mut Vec<Vec<usize>>,
    ) {
        for (number, entry) in entries.iter().enumerate() {
            above.push(number);
            if let Some(id) = entry.node {
                let node = self.schema.node(id);
                let kind = self
                    .schema
                    .types
                    .get(usize::from(node.kind_of_value.0))
                    .unwrap_or(&Type::Empty);
                if wanted(node, kind, entry) {
                    found.push(above.clone());
                }
            }
            if let Item::Branch(children) = &entry.item {
                self.walk(children, above, wanted, found);
            }
            above.pop();
        }
    }
}

fn siblings<'e>(entries: &'e mut Vec<Entry>, place: &[usize]) -> &'e mut Vec<Entry> {
    match place.split_first() {
        None | Some((_, [])) => entries,
        Some((first, rest)) => match &mut entries[*first].item {
            Item::Branch(children) => siblings(children, rest),
            _ => unreachable!("a place leads through branches"),
        },
    }
}

/// Puts the fault in; `false` where the document has no place for it.
#[expect(clippy::too_many_lines, reason = "one arm for each class of faults")]
pub(crate) fn inject(
    fault: Fault,
    schema: &'static Schema,
    rng: &mut Rng,
    entries: &mut Vec<Entry>,
) -> bool {
    let is_leaf = |node: &Node| matches!(node.kind, Kind::Leaf | Kind::LeafList);
    let places = Places { schema, entries };
    let found = match fault {
        Fault::UnknownNode | Fault::StateInConfiguration | Fault::TwoCases => {
            places.all(|node, _, _| matches!(node.kind, Kind::Container | Kind::List))
        }
        Fault::WrongType => places.all(|node, kind, _| {
            is_leaf(node)
                && !matches!(
                    kind,
                    Type::String { .. } | Type::LeafRef { .. } | Type::Union(_)
                )
        }),
        Fault::OutOfRange => {
            places.all(|_, kind, _| matches!(kind, Type::Signed(..) | Type::Unsigned(..)))
        }
        Fault::Pattern => places
            .all(|_, kind, _| matches!(kind, Type::String { patterns, .. } if patterns.count > 0)),
        Fault::Length => places
            .all(|_, kind, _| matches!(kind, Type::String { lengths, .. } if lengths.count > 0)),
        Fault::MissingMandatory => places.all(|node, _, _| node.is(Node::MANDATORY)),
        Fault::MissingKey => places.all(|node, _, _| node.is(Node::KEY)),
        Fault::DuplicateKey => places.all(|node, _, _| node.kind == Kind::List),
        Fault::DuplicateLeaf => places.all(|node, _, _| is_leaf(node)),
        Fault::DanglingReference => places.all(|_, kind, _| matches!(kind, Type::LeafRef { .. })),
        Fault::Must => places.all(|node, _, _| {
            schema
                .rules_of(node)
                .is_some_and(|rules| rules.must.count > 0)
        }),
        Fault::TooFew => places.all(|node, _, _| {
            schema
                .rules_of(node)
                .is_some_and(|rules| rules.min_elements > 0)
        }),
        Fault::WrongModule | Fault::UnknownName => places.all(|_, _, _| true),
        Fault::NumberForm => places.all(|_, kind, _| {
            matches!(
                kind,
                Type::Signed(..) | Type::Unsigned(..) | Type::Boolean | Type::Decimal(..)
            )
        }),
        Fault::EmptyForm => {
            places.all(|node, kind, _| is_leaf(node) && matches!(kind, Type::Empty))
        }
        Fault::LeafForContainer => places.all(|node, _, _| node.kind == Kind::Container),
        Fault::ContainerForLeaf => places.all(|node, _, _| is_leaf(node)),
        Fault::Syntax => return true,
    };
    if found.is_empty() {
        return false;
    }
    let place = found[rng.usize(..found.len())].clone();
    let last = place[place.len() - 1];
    let id = at_mut(entries, &place).node.unwrap_or(NodeId::NONE);
    let scalar = |json: &str, xml: &str| {
        Item::Scalar(Scalar {
            json: json.to_owned(),
            xml: xml.to_owned(),
        })
    };
    match fault {
        Fault::UnknownNode => {
            let entry = at_mut(entries, &place);
            let unknown = Entry {
                node: None,
                module: entry.module.clone(),
                name: "no-such-node".to_owned(),
                item: scalar("1", "1"),
            };
            branch(entry).push(unknown);
        }
        Fault::StateInConfiguration => {
            let state: Vec<NodeId> = schema
                .data_children(id)
                .into_iter()
                .filter(|&child| {
                    let node = schema.node(child);
                    node.kind == Kind::Leaf && !node.is(Node::CONFIG)
                })
                .collect();
            if state.is_empty() || !schema.node(id).is(Node::CONFIG) {
                return false;
            }
            let child = state[rng.usize(..state.len())];
            let Some(value) = crate::value::value(schema, rng, schema.node(child).kind_of_value)
            else {
                return false;
            };
            let entry = named(schema, child, Item::Scalar(value));
            branch(at_mut(entries, &place)).push(entry);
        }
        Fault::TwoCases => {
            let mut choices = Vec::new();
            for child in Schema::span(schema.node(id).children) {
                if schema.node(child).kind == Kind::Choice {
                    choices.push(child);
                }
            }
            if choices.is_empty() {
                return false;
            }
            let choice = choices[rng.usize(..choices.len())];
            let leaves: Vec<NodeId> = Schema::span(schema.node(choice).children)
                .flat_map(|case| Schema::span(schema.node(case).children))
                .filter(|&child| schema.node(child).kind == Kind::Leaf)
                .collect();
            let entry = at_mut(entries, &place);
            for child in leaves {
                let there = branch(entry).iter().any(|other| other.node == Some(child));
                if !there
                    && let Some(value) =
                        crate::value::value(schema, rng, schema.node(child).kind_of_value)
                {
                    branch(entry).push(named(schema, child, Item::Scalar(value)));
                }
            }
        }
        Fault::WrongType => at_mut(entries, &place).item = scalar("\"?wrong\"", "?wrong"),
        Fault::OutOfRange => {
            let numbers = [
                "-1",
                "256",
                "65536",
                "4294967296",
                "99999999999999999999999",
                "0",
            ];
            let number = numbers[rng.usize(..numbers.len())];
            let wide = matches!(
                schema.type_of(schema.node(id).kind_of_value),
                Type::Signed(64, _) | Type::Unsigned(64, _)
            );
            let json = if wide {
                format!("\"{number}\"")
            } else {
                number.to_owned()
            };
            at_mut(entries, &place).item = scalar(&json, number);
        }
        Fault::Pattern => {
            let entry = at_mut(entries, &place);
            if let Item::Scalar(old) = &entry.item {
                let text: String = serde_json::from_str(&old.json).unwrap_or_default();
                let bad = ["!", "\u{e9}", " ", "x", "0"][rng.usize(..5)];
                let mut characters: Vec<char> = text.chars().collect();
                if characters.is_empty() || rng.bool() {
                    characters.extend(bad.chars());
                } else {
                    let at = rng.usize(..characters.len());
                    characters.splice(at..=at, bad.chars());
                }
                entry.item = Item::Scalar(Scalar::text(&characters.iter().collect::<String>()));
            }
        }
        Fault::Length => at_mut(entries, &place).item = Item::Scalar(Scalar::text("")),
        Fault::MissingMandatory | Fault::MissingKey | Fault::TooFew => {
            siblings(entries, &place).retain(|other| other.node != Some(id));
        }
        Fault::DuplicateKey | Fault::DuplicateLeaf => {
            let copy = at_mut(entries, &place).clone();
            let around = siblings(entries, &place);
            let at = rng.usize(last + 1..=around.len());
            around.insert(at, copy);
        }
        Fault::DanglingReference => {
            at_mut(entries, &place).item = Item::Scalar(Scalar::text("no such instance"));
        }
        Fault::Must => {
            let kind = schema.type_of(schema.node(id).kind_of_value);
            if !matches!(kind, Type::Boolean) {
                return false;
            }
            at_mut(entries, &place).item = scalar("true", "true");
            let around = siblings(entries, &place);
            if rng.bool() {
                around.retain(|other| {
                    other.node == Some(id)
                        || other
                            .node
                            .is_some_and(|node| schema.node(node).is(Node::KEY))
                });
            }
        }
        Fault::WrongModule => {
            let entry = at_mut(entries, &place);
            let module = &schema.modules[rng.usize(..schema.modules.len())];
            schema.text(module.name).clone_into(&mut entry.module);
        }
        Fault::UnknownName => {
            let entry = at_mut(entries, &place);
            if rng.bool() {
                entry.name.push_str("-x");
            } else {
                "no-such-module".clone_into(&mut entry.module);
            }
        }
        Fault::NumberForm => {
            let entry = at_mut(entries, &place);
            if let Item::Scalar(old) = &mut entry.item {
                old.json = match old.json.strip_prefix('"') {
                    Some(inner) => inner.trim_end_matches('"').to_owned(),
                    None => format!("\"{}\"", old.json),
                };
            }
        }
        Fault::EmptyForm => {
            let forms = [("null", "x"), ("[]", "x"), ("\"\"", "x"), ("true", "true")];
            let (json, xml) = forms[rng.usize(..forms.len())];
            at_mut(entries, &place).item = scalar(json, xml);
        }
        Fault::LeafForContainer => at_mut(entries, &place).item = scalar("5", "5"),
        Fault::ContainerForLeaf => {
            let entry = at_mut(entries, &place);
            let inner = Entry {
                node: None,
                module: entry.module.clone(),
                name: "x".to_owned(),
                item: scalar("1", "1"),
            };
            entry.item = Item::Branch(vec![inner]);
        }
        Fault::Syntax => {}
    }
    true
}

fn branch(entry: &mut Entry) -> &mut Vec<Entry> {
    match &mut entry.item {
        Item::Branch(children) => children,
        _ => unreachable!("containers and list entries are branches"),
    }
}

fn named(schema: &'static Schema, id: NodeId, item: Item) -> Entry {
    let node = schema.node(id);
    Entry {
        node: Some(id),
        module: schema.text(schema.module(node.module).name).to_owned(),
        name: schema.text(node.name).to_owned(),
        item,
    }
}

/// Breaks the text itself.
pub(crate) fn break_text(document: &str, rng: &mut Rng) -> String {
    let ends: Vec<usize> = document.char_indices().map(|(at, _)| at).collect();
    if ends.len() < 2 {
        return document.to_owned();
    }
    let at = ends[rng.usize(1..ends.len())];
    match rng.u8(0..3) {
        0 => document[..at].to_owned(),
        1 => format!("{}{}", &document[..at], &document[ends[1].max(at)..]).replacen(
            ['}', '>', '"'],
            "",
            1,
        ),
        _ => format!("{}\u{0}{}", &document[..at], &document[at..]),
    }
}
