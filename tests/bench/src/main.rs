//! GLIMPSE.
fn main() {}
