//! What each step does: sockets, files and waiting. What it means is for [`super::down`] and [`super::slow`].

mod clock;
mod compare;
mod delay;
mod gateway;
mod line;
mod line_use;
mod load;
mod names;
mod packet_size;
mod page;
mod path;
mod wifi;

pub(super) use clock::clock;
pub(super) use compare::{families, lookups, path_change};
pub(super) use delay::{delay, idle};
pub(super) use gateway::gateway;
pub(super) use line::{address, link};
pub(super) use line_use::line_use;
pub(super) use load::{Processor, load, loads};
pub(super) use names::{names, servers};
pub(super) use packet_size::packet_size;
pub(super) use page::page;
pub(super) use path::{Reached, path};
pub(super) use wifi::wifi;
