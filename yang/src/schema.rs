//! The compiled schema: what RFC 7950 calls schema nodes, with every `uses`, `augment`, `refine` and `deviation` applied.
//!
//! A [`Schema`] is constant data, generated from modules by `cargo xtask gen-yang`. It holds numbers into arrays and one pool of
//! text instead of references, so that it needs no relocation.

/// A piece of the pool of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// Where it begins.
    pub at: u16,
    /// How many bytes it has.
    pub length: u16,
}

/// Numbers of neighbours in an array: `first`, `first + 1`, … as many as `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first one.
    pub first: u16,
    /// How many.
    pub count: u16,
}

/// Number of a schema node in [`Schema::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u16);

/// Number of a module in [`Schema::modules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(pub u8);

/// Number of a type in [`Schema::types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeId(pub u16);

/// A module of the set (RFC 8525 `module` and `import-only-module`).
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// Its name.
    pub name: Text,
    /// Its XML namespace.
    pub namespace: Text,
    /// Its own prefix.
    pub prefix: Text,
    /// Its revision, `YYYY-MM-DD`; empty without one.
    pub revision: Text,
    /// Whether its data nodes are part of the schema; else only its types, groupings and document templates are used.
    pub implemented: bool,
    /// Whether its data nodes are in the schema only as those of a peer, who offers them: it is not part of what this program
    /// implements (RFC 8525), and its operations cannot be invoked here.
    pub client: bool,
    /// Features that are supported, in [`Schema::texts`].
    pub features: Span,
    /// Its top-level data nodes, operations and notifications.
    pub children: Span,
}

/// Kinds of schema nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `container`.
    Container,
    /// `list`.
    List,
    /// `leaf`.
    Leaf,
    /// `leaf-list`.
    LeafList,
    /// `choice`; not part of data.
    Choice,
    /// `case`; not part of data.
    Case,
    /// `anydata` or `anyxml`.
    Any,
    /// `rpc`.
    Rpc,
    /// `action`.
    Action,
    /// `input` of an operation.
    Input,
    /// `output` of an operation.
    Output,
    /// `notification`.
    Notification,
    /// A template of `yang-data` (RFC 8040 §8) or `structure` (RFC 8791): its children are the document's top level.
    Structure,
}

/// One schema node.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Its name.
    pub name: Text,
    /// The module whose namespace it is in.
    pub module: ModuleId,
    /// What it is.
    pub kind: Kind,
    /// A set of the constants of [`Node`].
    pub flags: u16,
    /// The node above; [`NodeId::NONE`] at the top.
    pub parent: NodeId,
    /// The nodes below, choices and cases among them, in [`Schema::nodes`]; the keys of a list go first, in their order.
    pub children: Span,
    /// The type of a leaf or leaf-list; else [`TypeId::NONE`].
    pub kind_of_value: TypeId,
    /// What few nodes have; [`Node::NO_RULES`] or a position in [`Schema::rules`].
    pub rules: u16,
}

impl NodeId {
    /// No node.
    pub const NONE: Self = Self(u16::MAX);
}

impl TypeId {
    /// No type.
    pub const NONE: Self = Self(u16::MAX);
}

impl Node {
    /// Configuration; else state. Not set in operations and notifications.
    pub const CONFIG: u16 = 1;
    /// `mandatory true` of leaf, choice, anydata.
    pub const MANDATORY: u16 = 1 << 1;
    /// `ordered-by user`.
    pub const USER_ORDERED: u16 = 1 << 2;
    /// A container with `presence`.
    pub const PRESENCE: u16 = 1 << 3;
    /// A key of its list.
    pub const KEY: u16 = 1 << 4;
    /// `nacm:default-deny-write` (RFC 8341 §3.4.5), here or above.
    pub const DENY_WRITE: u16 = 1 << 5;
    /// `nacm:default-deny-all`, here or above.
    pub const DENY_ALL: u16 = 1 << 6;
    /// `status deprecated` or `obsolete`.
    pub const DEPRECATED: u16 = 1 << 7;

    /// [`Node::rules`] of a node that has none.
    pub const NO_RULES: u16 = u16::MAX;

    /// Whether all of `flags` are set.
    pub const fn is(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }
}

/// What only some nodes have. Spans are empty where there is nothing.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// `default` values in canonical form, in [`Schema::texts`]; of a choice, the name of the default case.
    pub defaults: Span,
    /// `min-elements`, 0 without.
    pub min_elements: u32,
    /// `max-elements`, [`u32::MAX`] without.
    pub max_elements: u32,
    /// How many keys the list has: its first children.
    pub keys: u16,
    /// `unique` statements: each a span of [`Schema::spans`] of node numbers in [`Schema::numbers`].
    pub unique: Span,
    /// `must` statements in [`Schema::conditions`].
    pub must: Span,
    /// `when` statements in [`Schema::conditions`], those of `uses`, `augment`, choice and case among them.
    pub when: Span,
}

/// A `must` or `when` statement of a shape that is known.
#[derive(Clone, Copy, Debug)]
pub struct Condition {
    /// What has to be true.
    pub test: Test,
    /// `error-message`; empty without.
    pub message: Text,
    /// `error-app-tag`; empty without.
    pub app_tag: Text,
    /// The expression as the module has it.
    pub expression: Text,
}

/// A way to other nodes of the same tree: up so many data nodes, then down by names.
///
/// Up is counted from the node that has the condition or type; from a choice or case, which data does not show, from the nearest
/// data node above it. `input`, `output` and document templates count as the top of their own tree, a notification likewise.
/// Conditions of `uses` and `augment`, whose context is the node above (RFC 7950 §7.21.5), are counted from the node that has them too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Data nodes upwards; [`Path::ABSOLUTE`] begins at the top.
    pub up: u8,
    /// Data nodes downwards, choices and cases left out, in [`Schema::numbers`].
    pub down: Span,
}

impl Path {
    /// [`Path::up`] of a path that begins at the top.
    pub const ABSOLUTE: u8 = u8::MAX;
}

/// Shapes of `XPath` expressions that the modules use. Others stop the generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// `P`: there is an instance.
    Exists(Path),
    /// `not(P)`.
    Absent(Path),
    /// `P = 'text'`: some instance has this canonical value.
    Equals(Path, Text),
    /// `P != 'text'`: some instance has another one; false where there is none.
    Differs(Path, Text),
    /// `A or B or …`: a span of [`Schema::tests`].
    Any(Span),
    /// `A and B and …`: a span of [`Schema::tests`].
    All(Span),
    /// `not(…)` around another test, in [`Schema::tests`].
    Not(u16),
    /// `derived-from(P, identity)` and `derived-from-or-self`, by number in [`Schema::identities`].
    Derived {
        /// The leaf.
        path: Path,
        /// The base.
        identity: u16,
        /// Whether the base itself will do.
        or_self: bool,
    },
}

/// A type with its restrictions; of a derived type, all restrictions of its ancestors.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// `int8` … `int64` by number of bits, with the ranges in [`Schema::ranges`].
    Signed(u8, Span),
    /// `uint8` … `uint64` by number of bits.
    Unsigned(u8, Span),
    /// `decimal64` with its `fraction-digits`; ranges are of the number times ten to that power.
    Decimal(u8, Span),
    /// `string`: lengths in characters, in [`Schema::ranges`], patterns in [`Schema::patterns`] of which all must hold.
    String {
        /// Allowed lengths; empty for any.
        lengths: Span,
        /// Patterns.
        patterns: Span,
        /// What the canonical form is made by.
        canonical: Canonical,
    },
    /// `boolean`.
    Boolean,
    /// `empty`.
    Empty,
    /// `binary`, lengths in bytes.
    Binary(Span),
    /// `enumeration`: names and values in [`Schema::names`].
    Enumeration(Span),
    /// `bits`: names and positions in [`Schema::names`].
    Bits(Span),
    /// `identityref`: numbers of identities that may be named, in [`Schema::numbers`].
    Identity(Span),
    /// `leafref`: where an equal value must be, unless `require-instance false`, and the type there.
    LeafRef {
        /// The path.
        path: Path,
        /// Type of the leaf referred to.
        target: TypeId,
        /// `require-instance`.
        required: bool,
    },
    /// `instance-identifier`, with `require-instance`.
    Instance(bool),
    /// `union`: types in [`Schema::numbers`], in the order in which they are tried.
    Union(Span),
}

/// Canonical forms of RFC 6991 types that are not just the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canonical {
    /// The text itself.
    Verbatim,
    /// Letters in lower case: `uuid`, `hex-string`, `mac-address`, `phys-address`.
    LowerCase,
    /// `date-and-time`: as the judge prints it.
    DateAndTime,
    /// `ip-address`, `ipv6-address` and their prefixes (RFC 5952).
    Address,
    /// An `XPath` or node-instance-identifier with prefixes (`yang:xpath1.0`, `nacm:node-instance-identifier`).
    XPath,
}

/// A pattern of a string, as XML Schema regular expression.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// The expression.
    pub expression: Text,
    /// `modifier invert-match`.
    pub inverted: bool,
    /// `error-message`; empty without.
    pub message: Text,
    /// `error-app-tag`; empty without.
    pub app_tag: Text,
}

/// A name with a number: of an enumeration or of bits.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// The name.
    pub name: Text,
    /// The value or position.
    pub number: i32,
}

/// An identity.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Its name.
    pub name: Text,
    /// Its module.
    pub module: ModuleId,
    /// All it is derived from, at any distance, in [`Schema::numbers`].
    pub bases: Span,
}

/// A range or length, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Smallest value.
    pub low: i128,
    /// Greatest value.
    pub high: i128,
}

/// A set of modules, compiled.
#[derive(Debug)]
pub struct Schema {
    /// Every name, value and expression.
    pub pool: &'static str,
    /// The modules.
    pub modules: &'static [Module],
    /// The schema nodes; those of one parent lie side by side.
    pub nodes: &'static [Node],
    /// Types, each once.
    pub types: &'static [Type],
    /// What [`Node::rules`] points to.
    pub rules: &'static [Rules],
    /// Conditions.
    pub conditions: &'static [Condition],
    /// Parts of [`Test::Any`], [`Test::All`] and [`Test::Not`].
    pub tests: &'static [Test],
    /// Ranges and lengths.
    pub ranges: &'static [Bounds],
    /// Patterns.
    pub patterns: &'static [Pattern],
    /// Enumerations and bits.
    pub names: &'static [Name],
    /// Identities.
    pub identities: &'static [Identity],
    /// Lists of texts.
    pub texts: &'static [Text],
    /// Lists of spans.
    pub spans: &'static [Span],
    /// Lists of numbers.
    pub numbers: &'static [u16],
}

impl Schema {
    /// The text.
    pub fn text(&self, text: Text) -> &'static str {
        let at = usize::from(text.at);
        self.pool
            .get(at..at + usize::from(text.length))
            .unwrap_or_default()
    }

    /// The node.
    pub fn node(&self, id: NodeId) -> &'static Node {
        &self.nodes[usize::from(id.0)]
    }

    /// The module.
    pub fn module(&self, id: ModuleId) -> &'static Module {
        &self.modules[usize::from(id.0)]
    }

    /// The type.
    pub fn type_of(&self, id: TypeId) -> &'static Type {
        &self.types[usize::from(id.0)]
    }

    /// What only some nodes have.
    pub fn rules_of(&self, node: &Node) -> Option<&'static Rules> {
        self.rules.get(usize::from(node.rules))
    }

    /// The module of that name.
    pub fn module_named(&self, name: &str) -> Option<ModuleId> {
        let at = self
            .modules
            .iter()
            .position(|module| self.text(module.name) == name)?;
        u8::try_from(at).ok().map(ModuleId)
    }

    /// Bytes that the table takes in a program, relocations and alignment between arrays not counted.
    pub fn bytes(&self) -> usize {
        self.pool.len()
            + size_of_val(self.modules)
            + size_of_val(self.nodes)
            + size_of_val(self.types)
            + size_of_val(self.rules)
            + size_of_val(self.conditions)
            + size_of_val(self.tests)
            + size_of_val(self.ranges)
            + size_of_val(self.patterns)
            + size_of_val(self.names)
            + size_of_val(self.identities)
            + size_of_val(self.texts)
            + size_of_val(self.spans)
            + size_of_val(self.numbers)
    }

    /// The nodes of a span of [`Schema::nodes`].
    pub fn span(span: Span) -> impl Iterator<Item = NodeId> {
        (span.first..span.first + span.count).map(NodeId)
    }
}
