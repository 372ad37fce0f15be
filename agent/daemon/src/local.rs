//! What belongs to the household: its settings, the history of its line, and the service by which
//! programs on this machine ask the daemon.

pub mod erase;
pub mod export;
pub mod history;
pub mod jobs;
pub mod results;
pub mod series;
pub mod service;
pub mod socket;
pub mod survey;
pub mod ubus;
pub mod uci;
pub mod verdict;
