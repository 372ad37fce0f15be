//! Conformance of what is published: the numbered checks, each by a request where one is possible.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conformance {
    mod directory;
    mod endpoint_property;
    mod http;
    mod maps;
    mod shelves;
    mod succession;
    pub(crate) mod world;
}
