//! The LuCI application in a real browser, in front of a real daemon.
//!
//! What is checked stands in `tests/luci`; pictures of every page go to `target/luci`. With `LUCI_URL=http://router`,
//! `LUCI_USER` and `LUCI_PASSWORD` the same checks run against a real LuCI instead of ours.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_tests::luci::bench::{Bench, Options};
use glimpse_tests::luci::{lab, workspace};
use glimpse_tests::namespace::{End, Namespace};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

/// Where `cargo xtask test` has put the browser's driver, and where pictures go.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let folder = program
        .ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").is_file())
        .expect("tests lie in cargo's target directory");
    folder.to_owned()
}

/// Root has a home of its own for it, where a device can announce itself; for others that one check is skipped.
#[test]
fn luci_pages_in_a_browser() {
    let real = std::env::var_os("LUCI_URL").is_some();
    if real || !nix::unistd::geteuid().is_root() {
        return pages();
    }
    let [home, rest] = ["luci", "luci-rest"].map(|name| Namespace::new(name).unwrap());
    let [here, there] = [lab::HOME, Ipv4Addr::new(192, 168, 77, 2)];
    let end = |addresses| End {
        device: "lan0",
        addresses,
    };
    home.join(end(&[(here.into(), 24)]), &rest, end(&[(there.into(), 24)]))
        .unwrap();
    home.enter(pages).unwrap();
}

fn pages() {
    let driver = target().join("luci/node/node_modules/playwright-core");
    assert!(
        driver.is_dir(),
        "{} is missing: run `cargo xtask test`, or: mkdir -p {folder}; cp tests/luci/package*.json {folder}; \
         npm ci --ignore-scripts --prefix {folder}",
        driver.display(),
        folder = target().join("luci/node").display(),
    );
    let mut node = Command::new("node");
    node.arg(workspace().join("tests/luci/pages.mjs"))
        .env("CARGO_TARGET_DIR", target());
    let bench = std::env::var_os("LUCI_URL").is_none().then(|| {
        let bench = Bench::start(Options::default()).expect("a daemon and its bus");
        bench.measure();
        bench
    });
    if let Some(bench) = &bench {
        let address = bench
            .listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .unwrap();
        node.env("LUCI_HOST", format!("http://{address}"));
    }
    let output = node.output().expect("node runs: apt-get install nodejs");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    if let (false, Some(bench)) = (output.status.success(), &bench) {
        let log = bench.agent().log();
        let warnings = log.lines().filter(|line| !line.starts_with("debug"));
        println!(
            "what the daemon said:\n{}",
            warnings.collect::<Vec<_>>().join("\n")
        );
    }
    let failed: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("not ok"))
        .collect();
    assert!(
        output.status.success() && failed.is_empty(),
        "{}",
        failed.join("\n")
    );
    let passed = said
        .lines()
        .filter(|line| line.starts_with("ok ") && !line.contains("# SKIP"))
        .count();
    assert!(passed >= 30, "only {passed} checks were made");
}
