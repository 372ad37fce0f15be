//! Ways through the schema: from a node to its data parent, its data children and its name.

use crate::schema::{Kind, ModuleId, Node, NodeId, Rules, Schema, TypeId};

/// Why there is no schema node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// There is no module of that name, or it has no data here.
    Module,
    /// The module has no such node here.
    Name,
}

impl Kind {
    /// Whether instances of it are part of data trees.
    pub const fn is_data(self) -> bool {
        matches!(
            self,
            Self::Container | Self::List | Self::Leaf | Self::LeafList | Self::Any
        )
    }

    /// Whether there can be several instances side by side.
    pub const fn is_many(self) -> bool {
        matches!(self, Self::List | Self::LeafList)
    }
}

impl Schema {
    /// The node above, choices and cases left out; [`NodeId::NONE`] at the top.
    pub fn data_parent(&self, id: NodeId) -> NodeId {
        let mut at = id;
        loop {
            at = self.node(at).parent;
            if at == NodeId::NONE || !matches!(self.node(at).kind, Kind::Choice | Kind::Case) {
                return at;
            }
        }
    }

    /// The data nodes below, those of choices among them, in the order of the schema; below [`NodeId::NONE`] the top-level data
    /// nodes of the implemented modules.
    pub fn data_children(&self, parent: NodeId) -> Vec<NodeId> {
        let mut found = Vec::new();
        self.each_child(parent, &mut |id| {
            found.push(id);
            false
        });
        found
    }

    /// The schema nodes directly below, choices as such.
    pub fn schema_children(&self, parent: NodeId) -> Vec<NodeId> {
        if parent == NodeId::NONE {
            self.modules
                .iter()
                .filter(|module| module.implemented)
                .flat_map(|module| Self::span(module.children))
                .filter(|id| {
                    let kind = self.node(*id).kind;
                    kind.is_data() || kind == Kind::Choice
                })
                .collect()
        } else {
            Self::span(self.node(parent).children).collect()
        }
    }

    /// Shows the data nodes below `parent` until `stop` says yes; whether it did.
    fn each_child(&self, parent: NodeId, stop: &mut dyn FnMut(NodeId) -> bool) -> bool {
        let mut each = |id: NodeId| match self.node(id).kind {
            Kind::Choice | Kind::Case => self.each_child(id, stop),
            kind if kind.is_data() => stop(id),
            _ => false,
        };
        if parent == NodeId::NONE {
            self.modules
                .iter()
                .filter(|module| module.implemented)
                .any(|module| Self::span(module.children).any(&mut each))
        } else {
            Self::span(self.node(parent).children).any(each)
        }
    }

    /// The data node of that name below `parent`; without a module, that of the parent is meant.
    pub fn child(
        &self,
        parent: NodeId,
        module: Option<&str>,
        name: &str,
    ) -> Result<NodeId, Unknown> {
        let module = match module {
            Some(module) => self.module_named(module).ok_or(Unknown::Module)?,
            None if parent == NodeId::NONE => return Err(Unknown::Module),
            None => self.node(parent).module,
        };
        self.child_of(parent, module, name).ok_or(Unknown::Name)
    }

    /// The data node of that module and name below `parent`.
    pub fn child_of(&self, parent: NodeId, module: ModuleId, name: &str) -> Option<NodeId> {
        let mut found = None;
        self.each_child(parent, &mut |id| {
            let node = self.node(id);
            let same = node.module == module && self.text(node.name) == name;
            if same {
                found = Some(id);
            }
            same
        });
        found
    }

    /// A top-level schema node of that kind.
    fn top(&self, module: &str, kind: Kind, name: &str) -> Option<NodeId> {
        let module = self.module(self.module_named(module)?);
        Self::span(module.children).find(|id| self.node(*id).kind == kind && self.name(*id) == name)
    }

    /// The `rpc` of that name.
    pub fn operation(&self, module: &str, name: &str) -> Option<NodeId> {
        self.top(module, Kind::Rpc, name)
    }

    /// The `notification` of that name.
    pub fn notification(&self, module: &str, name: &str) -> Option<NodeId> {
        self.top(module, Kind::Notification, name)
    }

    /// The template of `yang-data` or `structure` of that name.
    pub fn structure(&self, module: &str, name: &str) -> Option<NodeId> {
        self.top(module, Kind::Structure, name)
    }

    /// `input` or `output` of an operation.
    pub fn part(&self, operation: NodeId, kind: Kind) -> Option<NodeId> {
        Self::span(self.node(operation).children).find(|id| self.node(*id).kind == kind)
    }

    /// Every `rpc` that this program implements.
    pub fn operations(&self) -> Vec<NodeId> {
        self.modules
            .iter()
            .filter(|module| module.implemented && !module.client)
            .flat_map(|module| Self::span(module.children))
            .filter(|id| self.node(*id).kind == Kind::Rpc)
            .collect()
    }

    /// The name of a node.
    pub fn name(&self, id: NodeId) -> &'static str {
        self.text(self.node(id).name)
    }

    /// The name of the module whose namespace a node is in.
    pub fn module_name(&self, id: NodeId) -> &'static str {
        self.text(self.module(self.node(id).module).name)
    }

    /// `module:name`.
    pub fn qualified(&self, id: NodeId) -> String {
        format!("{}:{}", self.module_name(id), self.name(id))
    }

    /// The name as JSON has it below a node of `above`: with the module where that changes.
    pub fn short(&self, id: NodeId, above: Option<ModuleId>) -> String {
        if above == Some(self.node(id).module) {
            self.name(id).to_owned()
        } else {
            self.qualified(id)
        }
    }

    /// The module of a node; nothing at the top.
    pub fn module_of(&self, id: NodeId) -> Option<ModuleId> {
        (id != NodeId::NONE).then(|| self.node(id).module)
    }

    /// The keys of a list, in their order.
    pub fn keys(&self, list: NodeId) -> impl Iterator<Item = NodeId> + use<> {
        let node = self.node(list);
        let keys = if node.kind == Kind::List {
            self.rules_of(node).map_or(0, |rules| rules.keys)
        } else {
            0
        };
        Self::span(node.children).take(usize::from(keys))
    }

    /// The rules of a node by number.
    pub fn rules_at(&self, id: NodeId) -> Option<&'static Rules> {
        self.rules_of(self.node(id))
    }

    /// The type of a leaf or leaf-list.
    pub fn type_at(&self, id: NodeId) -> TypeId {
        self.node(id).kind_of_value
    }

    /// The module of that namespace.
    pub fn module_by_namespace(&self, namespace: &str) -> Option<ModuleId> {
        let at = self
            .modules
            .iter()
            .position(|module| self.text(module.namespace) == namespace)?;
        u8::try_from(at).ok().map(ModuleId)
    }

    /// Whether a node is state: a data node of the datastore that is not configuration.
    pub fn is_state(&self, id: NodeId) -> bool {
        let mut at = id;
        if at == NodeId::NONE || self.node(at).is(Node::CONFIG) {
            return false;
        }
        while at != NodeId::NONE {
            let node = self.node(at);
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
}
