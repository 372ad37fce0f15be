//! `glimpse-emulator`: a topology file behind a TUN device, in real time.

use anyhow::{Context, Result, bail};
use clap::Parser;
use glimpse_tests::emulator::edge::{Edge, Rest, play};
use glimpse_tests::emulator::{Network, Topology};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// Plays a whole internet behind one network interface.
///
/// The interface gets the addresses of the topology's vantage point, with the default route through it. In the files of
/// `tests/data/topologies` these are `192.0.2.1/32` and `2001:db8::1/128`; routers answer from `198.51.100.0/24` and
/// `2001:db8:1::/64`, targets are `203.0.113.1` and `2001:db8:2::1`. Run it in a network namespace of its own:
///
///   ip netns add lab; ip netns exec lab glimpse-emulator tests/data/topologies/line.toml --device lab0
///
/// It prints `ready`, runs until SIGTERM or until its standard input ends, and then prints how late packets were handed
/// over: `delivered N lost N late_median_ns N late_p99_ns N`.
#[derive(Debug, Parser)]
#[command(name = "glimpse-emulator", version, verbatim_doc_comment)]
struct Arguments {
    /// The topology file.
    topology: PathBuf,
    /// Name of the TUN device of the vantage point.
    #[arg(long)]
    device: String,
    /// A real system in the place of a host with `outlet = true`, in a network namespace if one is named. May be repeated.
    #[arg(long, value_name = "HOST=DEVICE[@NAMESPACE]")]
    outlet: Vec<String>,
    /// Never sleep: exact to a few microseconds, at the cost of a whole processor.
    #[arg(long)]
    busy: bool,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// File for what leaves links with a rate: `at_ns bytes head link` a line, on the clock `CLOCK_MONOTONIC_RAW`.
    #[arg(long)]
    log: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let topology = Topology::read(&arguments.topology)?;
    let mut edges = vec![Edge::vantage(&topology, &arguments.device)?];
    for outlet in &arguments.outlet {
        let Some((host, device)) = outlet.split_once('=') else {
            bail!("--outlet {outlet}: want HOST=DEVICE or HOST=DEVICE@NAMESPACE");
        };
        let (device, namespace) = match device.split_once('@') {
            Some((device, namespace)) => (device, Some(namespace)),
            None => (device, None),
        };
        edges.push(Edge::outlet(&topology, host, device, namespace)?);
    }
    let log = match &arguments.log {
        None => None,
        Some(path) => {
            let file =
                File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Some(file)
        }
    };
    let mut network = Network::new(&topology, arguments.seed);
    let mut out = std::io::stdout();
    let rest = if arguments.busy {
        Rest::Never
    } else {
        Rest::Sleep
    };
    let report = play(&mut network, &edges, log, rest, || {
        let _ = writeln!(out, "ready").and_then(|()| out.flush());
    })?;
    println!("{report}");
    Ok(())
}
