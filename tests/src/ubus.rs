//! A system bus like that of OpenWrt, for tests without a router: a broker, a client, and objects out of files.
//!
//! ```text
//!  Client ──┐                        ┌── provider ◀── tests/data/ubus/*.json
//!           ├──▶ Broker ──▶ Bus ◀────┤
//!  agent ───┘    sockets    pure     └── whoever offers an object
//! ```
//! The bytes are those of the agent's own codec, which exchanges captured from a real bus prove; what the bus does with
//! them was read in the source of `ubusd`.

pub mod access;
pub mod broker;
pub mod bus;
pub mod client;
pub mod provider;

pub use access::Access;
pub use broker::Broker;
pub use client::Client;
