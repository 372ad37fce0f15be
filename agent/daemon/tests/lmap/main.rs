//! The LMAP door from outside: an agent as a program, RESTCONF over TLS, collectors and controllers of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_input;
mod call_home;
mod client;
mod collector;
mod door;
mod edits;
mod place;
mod programs;
mod reports;
mod runs;
