//! libFuzzer's program for all targets; `GLIMPSE_FUZZ_TARGET` names the one to run. `cargo xtask fuzz` builds and starts it.
#![no_main]

use glimpse_fuzz::Target;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

#[expect(
    clippy::expect_used,
    reason = "without a target there is nothing to run, and nobody to hand an error to"
)]
static CHOSEN: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("GLIMPSE_FUZZ_TARGET").unwrap_or_default();
    glimpse_fuzz::find(&name).expect("GLIMPSE_FUZZ_TARGET must name a target")
});

fuzz_target!(|bytes: &[u8]| (CHOSEN.run)(bytes));
