//! The compiled schemas, generated from `yang/modules` by `cargo xtask gen-yang`, and the short names that their rows are written
//! with. What each row says stands in `table/*.txt`, by path, for people to read and review.

#[rustfmt::skip]
mod agent;
#[rustfmt::skip]
mod controller;

pub use agent::AGENT;
pub use controller::CONTROLLER;

use crate::schema::{
    Bounds, Condition, Identity, Kind, Module, ModuleId, Name, Node, NodeId, Path, Pattern, Rules,
    Span, Test, Text, TypeId,
};

const fn t(at: u16, length: u16) -> Text {
    Text { at, length }
}

const fn s(first: u16, count: u16) -> Span {
    Span { first, count }
}

const fn p(up: u8, down: Span) -> Path {
    Path { up, down }
}

const fn m(
    texts: [Text; 4],
    implemented: bool,
    client: bool,
    features: Span,
    children: Span,
) -> Module {
    let [name, namespace, prefix, revision] = texts;
    Module {
        name,
        namespace,
        prefix,
        revision,
        implemented,
        client,
        features,
        children,
    }
}

/// The numbers: flags, parent, first child, children, type, rules.
const fn n(name: Text, module: u8, kind: Kind, numbers: [u16; 6]) -> Node {
    let [flags, parent, first, count, kind_of_value, rules] = numbers;
    Node {
        name,
        module: ModuleId(module),
        kind,
        flags,
        parent: NodeId(parent),
        children: s(first, count),
        kind_of_value: TypeId(kind_of_value),
        rules,
    }
}

/// The elements: least, most.
const fn r(
    defaults: Span,
    elements: [u32; 2],
    keys: u16,
    unique: Span,
    must: Span,
    when: Span,
) -> Rules {
    let [min_elements, max_elements] = elements;
    Rules {
        defaults,
        min_elements,
        max_elements,
        keys,
        unique,
        must,
        when,
    }
}

const fn c(test: Test, message: Text, app_tag: Text, expression: Text) -> Condition {
    Condition {
        test,
        message,
        app_tag,
        expression,
    }
}

const fn b(low: i128, high: i128) -> Bounds {
    Bounds { low, high }
}

const fn x(expression: Text, inverted: bool, message: Text, app_tag: Text) -> Pattern {
    Pattern {
        expression,
        inverted,
        message,
        app_tag,
    }
}

const fn v(name: Text, number: i32) -> Name {
    Name { name, number }
}

const fn id(name: Text, module: u8, bases: Span) -> Identity {
    Identity {
        name,
        module: ModuleId(module),
        bases,
    }
}
