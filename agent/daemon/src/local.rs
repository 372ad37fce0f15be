//! What belongs to the household: its settings, the history of its line, and the service by which
//! programs on this machine ask the daemon.

pub mod history;
pub mod service;
pub mod socket;
pub mod uci;
