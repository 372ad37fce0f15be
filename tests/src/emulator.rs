//! A whole internet behind one interface: a topology file played as a discrete simulation.
//!
//! ```text
//!   data/topologies/*.toml ─▶ Topology ─┬─▶ Network   send(now, packet) / next_ns / receive(now)      pure
//!                                       └─▶ paths, graph, mtu, round trips: the truth of that file     pure
//!                                 edge      Network behind a TUN device in real time                   the edge
//!                                 played    the traceroute machine in a Network, in virtual time       pure
//! ```
//! [`Network`] takes raw IP packets as they leave the vantage point and hands out those that come back, with the moment each
//! is due. Time is nanoseconds from any origin and an argument; all that is random comes from one seed. The same calls
//! with the same seed give the same packets, byte for byte.
//!
//! ```
//! use glimpse_tests::emulator::{Network, Topology, packet};
//! let topology = Topology::load("line").unwrap();
//! let target = topology.truths()[0].target;
//! let vantage = topology.vantage(target).unwrap();
//! let mut network = Network::new(&topology, 1);
//! network.send(0, &packet::encode_echo_request(vantage, target, 64, 7, 1, b"glimpse"));
//! let due_ns = network.next_ns().unwrap();
//! assert!(network.receive(due_ns).is_some());
//! ```

pub mod dns;
pub mod edge;
pub mod network;
pub mod packet;
mod plan;
pub mod played;
mod random;
pub mod topology;
pub mod truth;

pub use network::{Departure, Network, Outlet};
pub use topology::{Topology, TopologyError};
pub use truth::{Graph, Hop, Path, Truth};
