//! What is wrong with data, in the words of RFC 6241 App. A and RFC 7950 §15.

use crate::path::DataPath;

/// `error-tag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tag {
    /// `malformed-message`: neither JSON nor XML, or not of the shape the schema asks for.
    MalformedMessage,
    /// `too-big`: more nodes than the reader's limits.
    TooBig,
    /// `invalid-value`: a value that its type does not have.
    InvalidValue,
    /// `bad-attribute`: an annotation with a value it does not have.
    BadAttribute,
    /// `unknown-attribute`: an annotation nobody defined.
    UnknownAttribute,
    /// `missing-element`: a key or a mandatory parameter of an operation. RFC 8040 §7 has no status for it; 400 fits.
    MissingElement,
    /// `bad-element`: an element where it may not be: twice, or beside another case of its choice.
    BadElement,
    /// `unknown-element`: no such node.
    UnknownElement,
    /// `unknown-namespace`: no such module.
    UnknownNamespace,
    /// `data-exists`: to be created, but there.
    DataExists,
    /// `data-missing`: to be changed or referred to, but not there.
    DataMissing,
    /// `operation-failed`: a rule about the whole tree does not hold.
    OperationFailed,
    /// `operation-not-supported`: not on this node.
    OperationNotSupported,
}

impl Tag {
    /// The text of `error-tag`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedMessage => "malformed-message",
            Self::TooBig => "too-big",
            Self::InvalidValue => "invalid-value",
            Self::BadAttribute => "bad-attribute",
            Self::UnknownAttribute => "unknown-attribute",
            Self::MissingElement => "missing-element",
            Self::BadElement => "bad-element",
            Self::UnknownElement => "unknown-element",
            Self::UnknownNamespace => "unknown-namespace",
            Self::DataExists => "data-exists",
            Self::DataMissing => "data-missing",
            Self::OperationFailed => "operation-failed",
            Self::OperationNotSupported => "operation-not-supported",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// `error-tag`.
    pub tag: Tag,
    /// `error-app-tag`.
    pub app_tag: Option<String>,
    /// `error-path`: the node, or the node above if there is no such node; nothing where the message as a whole is meant.
    pub path: Option<DataPath>,
    /// `error-message`: what is wrong, and what would be right.
    pub message: String,
}

impl Error {
    /// An error about no node in particular.
    pub fn new(tag: Tag, message: impl Into<String>) -> Self {
        Self {
            tag,
            app_tag: None,
            path: None,
            message: message.into(),
        }
    }

    /// The same about a node, unless it names one already.
    #[must_use]
    pub fn at(mut self, path: DataPath) -> Self {
        self.path.get_or_insert(path);
        self
    }

    /// The same with an `error-app-tag`; none if it is empty.
    #[must_use]
    pub fn app_tag(mut self, app_tag: &str) -> Self {
        self.app_tag = (!app_tag.is_empty()).then(|| app_tag.to_owned());
        self
    }
}
