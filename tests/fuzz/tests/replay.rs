//! Every seed through its target, as it is, cut short, and with single bytes altered.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_fuzz::TARGETS;
use std::fs;
use std::path::Path;

/// Cuts and alterations of one seed, spread over its length.
const VARIANTS: usize = 16;

#[test]
fn no_seed_and_nothing_near_one_upsets_a_parser() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let mut seeds = 0;
    for target in TARGETS {
        (target.run)(&[]);
        for entry in fs::read_dir(folder.join(target.name)).unwrap() {
            let path = entry.unwrap().path();
            let seed = fs::read(&path).unwrap();
            let step = seed.len() / VARIANTS + 1;
            let run = |what: &str, at: usize, bytes: &[u8]| {
                let ended = std::panic::catch_unwind(|| (target.run)(bytes));
                assert!(ended.is_ok(), "{} {what} {at}", path.display());
            };
            run("whole", seed.len(), &seed);
            for at in (0..seed.len()).step_by(step) {
                run("cut at", at, &seed[..at]);
                for mask in [0x01, 0x80, 0xff] {
                    let mut altered = seed.clone();
                    altered[at] ^= mask;
                    run("altered at", at, &altered);
                }
            }
            seeds += 1;
        }
    }
    assert!(seeds > TARGETS.len(), "{seeds} seeds");
}
