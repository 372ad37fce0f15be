//! Names of `glimpse_yang::schema`, which the generator writes but does not link: it has to run when the table of old no longer
//! fits the schema of new.

/// Kinds of schema nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Container,
    List,
    Leaf,
    LeafList,
    Choice,
    Case,
    Any,
    Rpc,
    Action,
    Input,
    Output,
    Notification,
    Structure,
}

impl Kind {
    /// Whether it is a choice or a case, which data does not show.
    pub(crate) fn is_schema_only(self) -> bool {
        matches!(self, Self::Choice | Self::Case)
    }

    /// Whether instances of it are children in data trees.
    pub(crate) fn is_data(self) -> bool {
        matches!(
            self,
            Self::Container | Self::List | Self::Leaf | Self::LeafList | Self::Any
        )
    }
}

/// Canonical forms of strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Canonical {
    Verbatim,
    LowerCase,
    DateAndTime,
    Address,
    XPath,
}

/// Flags of a node, as bits.
pub(crate) mod flag {
    pub(crate) const CONFIG: u16 = 1;
    pub(crate) const MANDATORY: u16 = 1 << 1;
    pub(crate) const USER_ORDERED: u16 = 1 << 2;
    pub(crate) const PRESENCE: u16 = 1 << 3;
    pub(crate) const KEY: u16 = 1 << 4;
    pub(crate) const DENY_WRITE: u16 = 1 << 5;
    pub(crate) const DENY_ALL: u16 = 1 << 6;
    pub(crate) const DEPRECATED: u16 = 1 << 7;

    /// Their names in the listing, by bit.
    pub(crate) const NAMES: [&str; 8] = [
        "config",
        "mandatory",
        "user-ordered",
        "presence",
        "key",
        "default-deny-write",
        "default-deny-all",
        "deprecated",
    ];
}
