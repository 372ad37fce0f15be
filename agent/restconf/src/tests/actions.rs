//! Actions, over a schema of one container `m:c` with an action `go` that answers with a leaf `y`.

use super::*;
use glimpse_yang::Instance;
use glimpse_yang::schema::{Kind, Module, ModuleId, Node, NodeId, Span, Text, Type, TypeId};

const NOTHING: Span = Span { first: 0, count: 0 };

const fn name_at(at: u16, length: u16) -> Text {
    Text { at, length }
}

const fn node(name: Text, kind: Kind, flags: u16, parent: NodeId, children: Span) -> Node {
    Node {
        name,
        module: ModuleId(0),
        kind,
        flags,
        parent,
        children,
        kind_of_value: match kind {
            Kind::Leaf => TypeId(0),
            _ => TypeId::NONE,
        },
        rules: Node::NO_RULES,
    }
}

const fn one(first: u16) -> Span {
    Span { first, count: 1 }
}

static SCHEMA: Schema = Schema {
    pool: "m urn:m c go output y",
    modules: &[Module {
        name: name_at(0, 1),
        namespace: name_at(2, 5),
        prefix: name_at(0, 1),
        revision: name_at(0, 0),
        implemented: true,
        client: false,
        features: NOTHING,
        children: one(0),
    }],
    nodes: &[
        node(
            name_at(8, 1),
            Kind::Container,
            Node::CONFIG,
            NodeId::NONE,
            one(1),
        ),
        node(name_at(10, 2), Kind::Action, 0, NodeId(0), one(2)),
        node(name_at(13, 6), Kind::Output, 0, NodeId(1), one(3)),
        node(name_at(20, 1), Kind::Leaf, 0, NodeId(2), NOTHING),
    ],
    types: &[Type::Boolean],
    rules: &[],
    conditions: &[],
    tests: &[],
    ranges: &[],
    patterns: &[],
    names: &[],
    identities: &[],
    texts: &[],
    spans: &[],
    numbers: &[],
};

struct Acting {
    running: Tree,
    marks: Marks,
}

impl Datastore for Acting {
    fn running(&self) -> &Tree {
        &self.running
    }

    fn state(&self, _: &DataPath) -> Tree {
        Tree::new(&SCHEMA)
    }

    fn marks(&self) -> &Marks {
        &self.marks
    }
}

#[test]
fn actions_are_invoked_on_what_is_there() {
    let mut server = World::new().server;
    server.settings.schema = &SCHEMA;
    let store = Acting {
        running: Tree::new(&SCHEMA),
        marks: Marks::new(0),
    };
    let call = Call::new("POST", "/restconf/data/m:c/go");
    let Plan::Invoke(invoke) = server.plan(&call.request(), &store) else {
        panic!("an action is planned");
    };
    assert_eq!(invoke.operation, NodeId(1));
    let on = invoke.on.clone().unwrap();
    assert_eq!(on.to_uri(&SCHEMA), "m:c");
    let mut output = Tree::under(&SCHEMA, NodeId(2));
    output.push(Instance::leaf(&SCHEMA, NodeId(3), "true").unwrap());
    let finished = invoke.clone().finish(Ok(output));
    assert_eq!(text(&finished.response), r#"{"m:output":{"y":true}}"#);
    let finished = invoke.finish(Ok(Tree::new(&SCHEMA)));
    assert_eq!(finished.response.status, 204);
    for (method, body, status) in [("GET", "", 405), ("PUT", "{}", 405), ("POST", "{}", 400)] {
        let call = Call::new(method, "/restconf/data/m:c/go").json(body);
        let Plan::Reply(finished) = server.plan(&call.request(), &store) else {
            panic!("{method} is refused");
        };
        assert_eq!(finished.response.status, status, "{method}");
    }
}
