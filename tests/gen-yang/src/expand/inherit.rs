//! What nodes have from those above.

use super::Tree;
use crate::kinds::Kind;

#[derive(Clone, Copy)]
pub(super) struct Inherited {
    config: Option<bool>,
    deny_write: bool,
    deny_all: bool,
    deprecated: bool,
}

impl Default for Inherited {
    fn default() -> Self {
        Self {
            config: Some(true),
            deny_write: false,
            deny_all: false,
            deprecated: false,
        }
    }
}

/// Hands down what nodes inherit, and puts keys first.
pub(super) fn settle(tree: &mut Tree, mut above: Inherited) {
    match tree.kind {
        // In operations, notifications and documents there is no configuration.
        Kind::Rpc | Kind::Action | Kind::Notification | Kind::Structure => above.config = None,
        _ => {}
    }
    above.config = above
        .config
        .map(|inherited| tree.config.unwrap_or(inherited));
    above.deny_write |= tree.deny_write;
    above.deny_all |= tree.deny_all;
    above.deprecated |= tree.deprecated;
    tree.config = above.config;
    tree.deny_write = above.deny_write;
    tree.deny_all = above.deny_all;
    tree.deprecated = above.deprecated;
    let keys = tree.keys.clone();
    let place = |child: &Tree| {
        keys.iter()
            .position(|key| *key == child.name && child.module == tree.module)
            .unwrap_or(usize::MAX)
    };
    tree.children.sort_by_key(place);
    for child in &mut tree.children {
        if keys.contains(&child.name) {
            // RFC 7950 §7.8.2: a default of a key is ignored, and it is there in any case.
            child.defaults.clear();
            child.mandatory = false;
        }
        settle(child, above);
    }
}
