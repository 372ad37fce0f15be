//! libyang: the same modules in its hands, and its view of every node against ours.

use crate::expand::Tree;
use crate::kinds::Kind;
use crate::types::Type;
use crate::{Error, Modules};
use std::fs;
use yang5::context::{Context, ContextFlags};
use yang5::schema::{DataValueType, SchemaNode, SchemaNodeKind};

/// A context with the modules of the set, in the revisions of the set: libyang brings newer ones of some with it, which it would
/// prefer for imports that name none.
pub fn context(modules: &Modules) -> Result<Context, Error> {
    let refused = |error: yang5::Error| {
        Error::Judge(match (&error.msg, &error.path) {
            (Some(message), Some(path)) => format!("{message} ({path})"),
            _ => error.to_string(),
        })
    };
    let folder = tempfile::tempdir().map_err(|source| Error::File {
        path: "a folder for the modules".to_owned(),
        source,
    })?;
    for module in &modules.all {
        let path = folder
            .path()
            .join(format!("{}@{}.yang", module.name, module.revision));
        fs::write(&path, &module.pinned).map_err(|source| Error::read(&path, source))?;
    }
    let mut context =
        Context::new(ContextFlags::NO_YANGLIBRARY | ContextFlags::DISABLE_SEARCHDIR_CWD)
            .map_err(refused)?;
    context.set_searchdir(folder.path()).map_err(refused)?;
    for module in &modules.all {
        if module.implemented {
            let features: Vec<&str> = module.features.iter().map(String::as_str).collect();
            context
                .load_module(&module.name, Some(&module.revision), &features)
                .map_err(refused)?;
        }
    }
    context.unset_searchdir(folder.path()).map_err(refused)?;
    Ok(context)
}

/// Compares every node of the implemented modules with libyang's.
pub(crate) fn agree(context: &Context, modules: &Modules, tops: &[Vec<Tree>]) -> Result<(), Error> {
    for (module, top) in modules.all.iter().zip(tops) {
        if !module.implemented {
            continue;
        }
        let theirs = context
            .get_module_implemented(&module.name)
            .ok_or_else(|| Error::Judge(format!("{} is not implemented", module.name)))?;
        if theirs.revision() != Some(&module.revision) {
            return Err(Error::Judge(format!(
                "{}: revision {:?} instead of {}",
                module.name,
                theirs.revision(),
                module.revision
            )));
        }
        let mut nodes: Vec<SchemaNode<'_>> = theirs.data().collect();
        nodes.extend(theirs.rpcs());
        nodes.extend(theirs.notifications());
        let judge = Judge { modules };
        judge.siblings(&format!("/{}", module.name), top, &nodes)?;
    }
    Ok(())
}

struct Judge<'a> {
    modules: &'a Modules,
}

impl Judge<'_> {
    fn siblings(&self, path: &str, ours: &[Tree], theirs: &[SchemaNode<'_>]) -> Result<(), Error> {
        // libyang keeps data, operations and notifications of one parent in three lists.
        let place = |kind: Kind| match kind {
            Kind::Rpc | Kind::Action => 1,
            Kind::Notification => 2,
            _ => 0,
        };
        let mut ours: Vec<&Tree> = ours
            .iter()
            .filter(|tree| tree.kind != Kind::Structure)
            .collect();
        ours.sort_by_key(|tree| place(tree.kind));
        let names: Vec<(&str, &str)> = ours
            .iter()
            .map(|tree| {
                (
                    self.modules.all[tree.module].name.as_str(),
                    tree.name.as_str(),
                )
            })
            .collect();
        let their_names: Vec<(String, String)> = theirs
            .iter()
            .map(|node| (node.module().name().to_owned(), node.name().to_owned()))
            .collect();
        let same = names.len() == their_names.len()
            && names
                .iter()
                .zip(&their_names)
                .all(|(ours, theirs)| ours.0 == theirs.0 && ours.1 == theirs.1);
        if !same {
            return Err(Error::Judge(format!(
                "{path}: children {their_names:?} instead of {names:?}"
            )));
        }
        for (tree, node) in ours.into_iter().zip(theirs) {
            self.node(&format!("{path}/{}", tree.name), tree, node)?;
        }
        Ok(())
    }

    fn node(&self, path: &str, tree: &Tree, node: &SchemaNode<'_>) -> Result<(), Error> {
        let check = |what: &str, ours: String, theirs: String| {
            if ours == theirs {
                Ok(())
            } else {
                Err(Error::Judge(format!(
                    "{path}: {what} {theirs} instead of {ours}"
                )))
            }
        };
        macro_rules! same {
            ($what:literal, $ours:expr, $theirs:expr) => {
                check($what, format!("{:?}", $ours), format!("{:?}", $theirs))?
            };
        }
        same!("kind", tree.kind, kind(node.kind()));
        if !matches!(tree.kind, Kind::Rpc | Kind::Action | Kind::Notification) {
            same!("config", tree.config == Some(true), node.is_config());
            same!("state", tree.config == Some(false), node.is_state());
        }
        same!("deprecated", tree.deprecated, !node.is_status_current());
        same!("keys", tree.keys, node_keys(node, tree.kind));
        if matches!(tree.kind, Kind::Leaf | Kind::Choice | Kind::Any) && !node.is_list_key() {
            same!("mandatory", tree.mandatory, node.is_mandatory());
        }
        if tree.kind == Kind::Container {
            same!("presence", tree.presence, !node.is_np_container());
        }
        if matches!(tree.kind, Kind::List | Kind::LeafList) {
            same!(
                "min-elements",
                tree.min_elements,
                node.min_elements().unwrap_or(0)
            );
            same!(
                "max-elements",
                tree.max_elements,
                node.max_elements().unwrap_or(u32::MAX)
            );
            if tree.config == Some(true) {
                same!("user-ordered", tree.user_ordered, node.is_user_ordered());
            }
        }
        // libyang says only of defaults of the leaf itself that they are there, not of those of its type.
        if tree.kind == Kind::Leaf && node.has_default() && !node.is_list_key() {
            let theirs = node
                .default_value_canonical()
                .map_err(|error| Error::Judge(format!("{path}: {error}")))?;
            same!("default", tree.defaults.first(), theirs.as_ref());
        }
        if tree.kind == Kind::Choice {
            let theirs = node.default_case().map(|case| case.name().to_owned());
            same!("default case", tree.defaults.first(), theirs.as_ref());
        }
        if let Some(value) = &tree.kind_of_value {
            same!(
                "type",
                Some(base(value)),
                node.leaf_type().map(|kind| kind.base_type())
            );
        }
        if tree.kind.is_data() {
            same!(
                "must",
                tree.must.len(),
                node.musts().into_iter().flatten().count()
            );
        }
        same!("when", tree.when.len(), node.whens().count());
        if matches!(tree.kind, Kind::Rpc | Kind::Action) {
            for part in &tree.children {
                let theirs: Option<Vec<_>> = if part.kind == Kind::Input {
                    node.input().map(|(nodes, _)| nodes.collect())
                } else {
                    node.output().map(|(nodes, _)| nodes.collect())
                };
                self.siblings(
                    &format!("{path}/{}", part.name),
                    &part.children,
                    &theirs.unwrap_or_default(),
                )?;
            }
            return Ok(());
        }
        let children: Vec<_> = node.all_children().collect();
        self.siblings(path, &tree.children, &children)
    }
}

fn node_keys(node: &SchemaNode<'_>, kind: Kind) -> Vec<String> {
    if kind != Kind::List {
        return Vec::new();
    }
    node.list_keys().map(|key| key.name().to_owned()).collect()
}

fn kind(kind: SchemaNodeKind) -> Kind {
    match kind {
        SchemaNodeKind::Container => Kind::Container,
        SchemaNodeKind::Case => Kind::Case,
        SchemaNodeKind::Choice => Kind::Choice,
        SchemaNodeKind::Leaf => Kind::Leaf,
        SchemaNodeKind::LeafList => Kind::LeafList,
        SchemaNodeKind::List => Kind::List,
        SchemaNodeKind::AnyXml | SchemaNodeKind::AnyData => Kind::Any,
        SchemaNodeKind::Rpc => Kind::Rpc,
        SchemaNodeKind::Input => Kind::Input,
        SchemaNodeKind::Output => Kind::Output,
        SchemaNodeKind::Action => Kind::Action,
        SchemaNodeKind::Notification => Kind::Notification,
    }
}

fn base(kind: &Type) -> DataValueType {
    match kind {
        Type::Signed(8, _) => DataValueType::Int8,
        Type::Signed(16, _) => DataValueType::Int16,
        Type::Signed(32, _) => DataValueType::Int32,
        Type::Signed(..) => DataValueType::Int64,
        Type::Unsigned(8, _) => DataValueType::Uint8,
        Type::Unsigned(16, _) => DataValueType::Uint16,
        Type::Unsigned(32, _) => DataValueType::Uint32,
        Type::Unsigned(..) => DataValueType::Uint64,
        Type::Decimal(..) => DataValueType::Dec64,
        Type::String { .. } => DataValueType::String,
        Type::Boolean => DataValueType::Bool,
        Type::Empty => DataValueType::Empty,
        Type::Binary(_) => DataValueType::Binary,
        Type::Enumeration(_) => DataValueType::Enum,
        Type::Bits(_) => DataValueType::Bits,
        Type::Identity(_) => DataValueType::IdentityRef,
        Type::LeafRef { .. } => DataValueType::LeafRef,
        Type::Instance(_) => DataValueType::InstanceId,
        Type::Union(_) => DataValueType::Union,
    }
}
