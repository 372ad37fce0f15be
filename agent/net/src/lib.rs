//! Packets, sockets, kernel timestamps, byte counting and interfaces: what the measurement methods stand on.
//!
//! ```text
//!   packet   bytes <-> values          pure: no sockets, no clock
//!   target   what kind of address      pure
//!   count    bytes on the line         pure
//!   stamp    two clocks, never mixed   pure, but for `monotonic_ns`
//!   socket   UDP, ICMP and TCP probes  the edge: file descriptors in tokio
//!   stream   TCP streams that count    bytes on the line, up to a limit
//!   tcp      what the kernel knows of a connection
//!   train    paced datagrams           the plan is pure; one thread, joined when dropped
//!   interface  default route, link kind, counters from `/proc` and `/sys`; the texts are parsed by pure functions
//! ```
//!
//! Invariants: nothing here knows a configuration, a task or a record; no parser panics or reads past its input; a round
//! trip is the difference of two stamps of one clock. The kernel is reached by `nix` and `socket2`, and for three
//! socket options that they lack by the two calls in `sys`, the only `unsafe` there is.
//!
//! ```
//! use glimpse_net::target::{AddressClass, classify};
//! // A mapped address is what it embeds, so it cannot slip past a rule about private targets.
//! assert_eq!(classify("::ffff:192.168.1.1".parse().unwrap()), AddressClass::Private);
//! ```

pub mod count;
pub mod interface;
pub mod packet;
pub mod socket;
pub mod stamp;
pub mod stream;
mod sys;
pub mod target;
pub mod tcp;
pub mod train;
