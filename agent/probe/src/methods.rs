//! The built-in methods, one folder each.

#[cfg(feature = "ping")]
pub mod ping;

use crate::registry::Descriptor;

/// Every method that was compiled in.
pub(crate) fn all() -> Vec<Descriptor> {
    vec![
        #[cfg(feature = "ping")]
        ping::descriptor(),
    ]
}
