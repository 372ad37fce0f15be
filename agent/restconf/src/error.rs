//! Errors as RESTCONF says them (RFC 8040 §7): tags, their status codes, and the body `ietf-restconf:errors`.

use crate::escape;
use crate::media::Encoding;
use glimpse_yang::DataPath;
use glimpse_yang::schema::Schema;
use std::fmt::{self, Write};

/// Where an error arose (`error-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The transport.
    Transport,
    /// The HTTP message.
    Rpc,
    /// RESTCONF.
    Protocol,
    /// The data.
    Application,
}

impl Layer {
    /// Its name in `error-type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Rpc => "rpc",
            Self::Protocol => "protocol",
            Self::Application => "application",
        }
    }
}

macro_rules! tags {
    ($($variant:ident $name:literal $status:literal $about:literal,)*) => {
        /// `error-tag` (RFC 6241 App. A).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Tag { $(#[doc = $about] $variant,)* }

        impl Tag {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its status by the table of RFC 8040 §7; where that allows several, the one that is right without more to go by.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }
    };
}

tags! {
    InUse "in-use" 409 "Somebody else uses it.",
    InvalidValue "invalid-value" 400 "A value that cannot be; with 404 a resource that is not there.",
    TooBig "too-big" 413 "More than is taken.",
    MissingAttribute "missing-attribute" 400 "An attribute is missing.",
    BadAttribute "bad-attribute" 400 "An attribute's value is wrong.",
    UnknownAttribute "unknown-attribute" 400 "An attribute that nobody knows.",
    MissingElement "missing-element" 400 "A parameter of an operation is missing.",
    BadElement "bad-element" 400 "An element's content is wrong.",
    UnknownElement "unknown-element" 400 "An element that the schema does not have.",
    UnknownNamespace "unknown-namespace" 400 "A namespace or module that the schema does not have.",
    AccessDenied "access-denied" 403 "Not allowed; with 401 not known.",
    LockDenied "lock-denied" 409 "A lock is held.",
    ResourceDenied "resource-denied" 409 "Resources are exhausted, or the resource exists (RFC 8040 §4.4.1).",
    RollbackFailed "rollback-failed" 500 "What went wrong could not be undone.",
    DataExists "data-exists" 409 "It is there already.",
    DataMissing "data-missing" 409 "It is not there.",
    OperationNotSupported "operation-not-supported" 405 "This cannot be done to it.",
    // Of 412 and 500, the first: a request that cannot be fulfilled is not the server's fault.
    OperationFailed "operation-failed" 412 "It was tried and did not work.",
    PartialOperation "partial-operation" 500 "Some of it worked.",
    MalformedMessage "malformed-message" 400 "Not even readable.",
}

impl Tag {
    /// The tag of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|tag| tag.as_str() == name)
    }
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// `error-type`.
    pub layer: Layer,
    /// `error-tag`.
    pub tag: Tag,
    /// The HTTP status; the first error's counts.
    pub status: u16,
    /// `error-app-tag`.
    pub app_tag: Option<String>,
    /// `error-path`; names nothing that the reader may not see. Left out where no instance-identifier can say it.
    pub path: Option<DataPath>,
    /// `error-message`: what, and what to do about it.
    pub message: String,
}

impl Error {
    /// An error of the data, with the usual status of its tag.
    pub fn new(tag: Tag, message: impl Into<String>) -> Self {
        Self {
            layer: Layer::Application,
            tag,
            status: tag.status(),
            app_tag: None,
            path: None,
            message: message.into(),
        }
    }

    /// An error of the request rather than of its data.
    pub fn protocol(tag: Tag, message: impl Into<String>) -> Self {
        Self {
            layer: Layer::Protocol,
            ..Self::new(tag, message)
        }
    }

    /// 404 `invalid-value`: no such resource, or none that this user may see.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::protocol(Tag::InvalidValue, message).with_status(404)
    }

    /// 403 `access-denied`.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::protocol(Tag::AccessDenied, message)
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same about a node.
    #[must_use]
    pub fn at(mut self, path: DataPath) -> Self {
        self.path = Some(path);
        self
    }

    fn sayable_path(&self) -> Option<&DataPath> {
        self.path.as_ref().filter(|path| path.is_expressible())
    }

    /// The same with an `error-app-tag`.
    #[must_use]
    pub fn with_app_tag(mut self, app_tag: impl Into<String>) -> Self {
        self.app_tag = Some(app_tag.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.tag.as_str(), self.message)
    }
}

impl From<glimpse_yang::Error> for Error {
    fn from(error: glimpse_yang::Error) -> Self {
        let tag = Tag::named(error.tag.as_str()).unwrap_or(Tag::OperationFailed);
        Self {
            app_tag: error.app_tag,
            path: error.path,
            ..Self::new(tag, error.message)
        }
    }
}

/// Why a request failed: at least one error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.first().map(ToString::to_string).unwrap_or_default())]
pub struct Errors(
    /// In the order in which they were found.
    pub Vec<Error>,
);

impl<E: Into<Error>> From<E> for Errors {
    fn from(error: E) -> Self {
        Self(vec![error.into()])
    }
}

impl FromIterator<Error> for Errors {
    fn from_iter<I: IntoIterator<Item = Error>>(errors: I) -> Self {
        Self(errors.into_iter().collect())
    }
}

impl Errors {
    /// The status of the response: the first error's.
    pub fn status(&self) -> u16 {
        self.0.first().map_or(500, |error| error.status)
    }

    /// The first error's tag, for the log.
    pub fn tag(&self) -> Tag {
        self.0
            .first()
            .map_or(Tag::OperationFailed, |error| error.tag)
    }

    /// The body of an error response.
    pub fn body(&self, schema: &'static Schema, encoding: Encoding) -> String {
        match encoding {
            Encoding::Json => {
                format!("{{\"ietf-restconf:errors\":{}}}", self.json(schema))
            }
            Encoding::Xml => format!(
                "<errors xmlns=\"urn:ietf:params:xml:ns:yang:ietf-restconf\">{}</errors>",
                self.xml(schema)
            ),
        }
    }

    /// The value of a member `errors`.
    pub(crate) fn json(&self, schema: &'static Schema) -> String {
        let mut out = String::from("{\"error\":[");
        for (number, error) in self.0.iter().enumerate() {
            if number > 0 {
                out.push(',');
            }
            let _ = write!(
                out,
                "{{\"error-type\":\"{}\",\"error-tag\":\"{}\"",
                error.layer.as_str(),
                error.tag.as_str()
            );
            if let Some(app_tag) = &error.app_tag {
                let _ = write!(out, ",\"error-app-tag\":{}", escape::json(app_tag));
            }
            if let Some(path) = error.sayable_path() {
                let _ = write!(out, ",\"error-path\":{}", escape::json(&path.json(schema)));
            }
            if !error.message.is_empty() {
                let _ = write!(out, ",\"error-message\":{}", escape::json(&error.message));
            }
            out.push('}');
        }
        out.push_str("]}");
        out
    }

    /// The content of an element `errors`.
    pub(crate) fn xml(&self, schema: &'static Schema) -> String {
        let mut out = String::new();
        for error in &self.0 {
            let _ = write!(
                out,
                "<error><error-type>{}</error-type><error-tag>{}</error-tag>",
                error.layer.as_str(),
                error.tag.as_str()
            );
            if let Some(app_tag) = &error.app_tag {
                let app_tag = escape::xml(app_tag);
                let _ = write!(out, "<error-app-tag>{app_tag}</error-app-tag>");
            }
            if let Some(path) = error.sayable_path() {
                let (text, namespaces) = path.xml(schema);
                out.push_str("<error-path");
                for (prefix, namespace) in namespaces {
                    let _ = write!(out, " xmlns:{prefix}=\"{}\"", escape::xml(namespace));
                }
                let _ = write!(out, ">{}</error-path>", escape::xml(&text));
            }
            if !error.message.is_empty() {
                let message = escape::xml(&error.message);
                let _ = write!(out, "<error-message>{message}</error-message>");
            }
            out.push_str("</error>");
        }
        out
    }
}
