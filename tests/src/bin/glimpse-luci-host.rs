//! `glimpse-luci-host`: the LuCI application with a real daemon, without a router.

use anyhow::Result;
use clap::Parser;
use glimpse_tests::luci::Bench;
use glimpse_tests::luci::bench::Options;
use nix::sys::signal::{SigSet, Signal};
use std::io::Read;
use std::net::SocketAddr;
use std::sync::mpsc;

/// Serves the pages of luci-app-glimpse with a stand-in for LuCI, in front of a daemon that runs in a directory of its own.
///
/// It prints the address, and ends with its standard input or at Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "glimpse-luci-host", version)]
struct Arguments {
    /// Where to serve.
    #[arg(long, default_value = "127.0.0.1:8099")]
    listen: SocketAddr,
    /// Sessions that may only look.
    #[arg(long)]
    read_only: bool,
    /// Start no daemon.
    #[arg(long)]
    no_daemon: bool,
    /// The language, such as `de`, instead of the browser's.
    #[arg(long)]
    lang: Option<String>,
    /// Measure nothing at the start: an agent that is new.
    #[arg(long)]
    bare: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let end = endings()?;
    let bench = Bench::start(Options {
        read_only: arguments.read_only,
        no_daemon: arguments.no_daemon,
        language: arguments.lang,
    })?;
    let address = bench.listen(arguments.listen)?;
    println!("http://{address}/");
    if !arguments.no_daemon && !arguments.bare {
        bench.measure();
        println!("measured");
    }
    // The daemon ends with the bench.
    end.recv()?;
    drop(bench);
    Ok(())
}

/// Tells when it is time to end: at the end of the standard input, or at a signal that asks for it.
fn endings() -> Result<mpsc::Receiver<()>> {
    let (ended, end) = mpsc::channel();
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let by_signal = ended.clone();
    std::thread::spawn(move || {
        if signals.wait().is_ok() {
            // Nobody listens any more when it ends already.
            let _ = by_signal.send(());
        }
    });
    std::thread::spawn(move || {
        let mut rest = [0; 64];
        while std::io::stdin().read(&mut rest).is_ok_and(|read| read > 0) {}
        let _ = ended.send(());
    });
    Ok(end)
}
