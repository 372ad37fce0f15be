//! A host for the LuCI application, where LuCI itself cannot be had: the page, the session and the settings are ours,
//! what the pages show is the daemon's.
//!
//! ```text
//!  browser ── GET  /cgi-bin/luci/admin/status/glimpse/… ── [page] with tests/luci/host (the stand-in for LuCI's client)
//!     │       GET  /luci-static/resources/…             ── files of luci/luci-app-glimpse
//!     └────── POST /ubus/ ── [rpc]: may this session? ([rights], from the application's menu.d and acl.d)
//!                              ├ uci, session, file  ── [config], on the daemon's settings file; apply sends SIGHUP
//!                              └ everything else     ── ubus broker ── glimpse-agent daemon
//! ```
//! Sessions are of the browser: a cookie `host_rights=read` makes one that may only look. The language is that of the
//! request, as LuCI's `auto`.

pub mod bench;
pub mod config;
pub mod http;
pub mod lab;
pub mod page;
pub mod po;
pub mod rights;
pub mod rpc;

pub use bench::Bench;

use std::path::PathBuf;

/// The application's files in the source tree.
///
/// # Panics
/// When this crate lies elsewhere than in the workspace.
pub fn application() -> PathBuf {
    workspace().join("luci/luci-app-glimpse")
}

/// The files of the stand-in.
pub fn stand_in() -> PathBuf {
    workspace().join("tests/luci/host")
}

/// The workspace.
///
/// # Panics
/// When this crate lies elsewhere than in the workspace.
pub fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}
