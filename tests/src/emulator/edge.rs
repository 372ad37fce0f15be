//! The simulation behind TUN devices, in real time.
//!
//! One thread reads what the kernel sends, hands it to the [`Network`], and writes what comes back at the moment it is due.
//! It sleeps until shortly before, and watches the clock for the rest: a sleep ends late by tens of microseconds.

use super::{Departure, Network, Outlet, Topology};
use glimpse_net::stamp::monotonic_ns;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::prctl::set_timerslack;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;
use tun_rs::{DeviceBuilder, SyncDevice};

/// How long before a packet is due the thread wakes up.
const WATCH_NS: u64 = 100_000;
/// Longest IP packet.
const PACKET_LIMIT: usize = 65_535;
/// Packets read from a device before others get their turn.
const BATCH: usize = 64;
/// Packets whose lateness is remembered; of more, the first.
const LATENESS_LIMIT: usize = 1_000_000;

/// Why the simulation cannot be put behind devices.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The topology has no such outlet.
    #[error("host {0:?} is no outlet of this topology: give it `outlet = true`")]
    Outlet(String),
    /// The device cannot be opened.
    #[error("cannot open the TUN device {device}: {source} (it needs root and /dev/net/tun)")]
    Device {
        /// Its name.
        device: String,
        /// What the system said.
        source: io::Error,
    },
    /// `ip` did not do what was asked.
    #[error("`{command}` failed: {said}")]
    Ip {
        /// The command line.
        command: String,
        /// What it said.
        said: String,
    },
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn system(what: &'static str) -> impl Fn(nix::Error) -> EdgeError {
    move |error| EdgeError::System {
        what,
        source: error.into(),
    }
}

/// A device at which packets enter and leave.
pub struct Edge {
    outlet: Outlet,
    device: SyncDevice,
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge")
            .field("outlet", &self.outlet)
            .finish_non_exhaustive()
    }
}

impl Edge {
    /// Opens the device `name` for the vantage point of `topology`, with its addresses and a default route through it.
    pub fn vantage(topology: &Topology, name: &str) -> Result<Self, EdgeError> {
        let addresses: Vec<IpAddr> = topology.vantages().collect();
        Self::open(Outlet::VANTAGE, name, None, &addresses)
    }

    /// Opens the device `name` for an outlet of `topology`; it is moved to the network namespace `namespace`.
    pub fn outlet(
        topology: &Topology,
        host: &str,
        name: &str,
        namespace: Option<&str>,
    ) -> Result<Self, EdgeError> {
        let outlet = Network::new(topology, 0)
            .outlet(host)
            .ok_or_else(|| EdgeError::Outlet(host.to_owned()))?;
        Self::open(outlet, name, namespace, &topology.addresses(host))
    }

    fn open(
        outlet: Outlet,
        name: &str,
        namespace: Option<&str>,
        addresses: &[IpAddr],
    ) -> Result<Self, EdgeError> {
        let fault = |source| EdgeError::Device {
            device: name.to_owned(),
            source,
        };
        let device = DeviceBuilder::new()
            .name(name)
            .enable(false)
            .build_sync()
            .map_err(fault)?;
        device.set_nonblocking(true).map_err(fault)?;
        if let Some(namespace) = namespace {
            ip(None, &["link", "set", "dev", name, "netns", namespace])?;
        }
        let up = [
            "link",
            "set",
            "dev",
            name,
            "mtu",
            "1500",
            "txqueuelen",
            "1000",
            "up",
        ];
        ip(namespace, &up)?;
        for address in addresses {
            let (family, prefix) = if address.is_ipv4() {
                ("-4", 32)
            } else {
                ("-6", 128)
            };
            let prefix = format!("{address}/{prefix}");
            let mut add = vec![family, "address", "add", &prefix, "dev", name];
            if address.is_ipv6() {
                // Nobody else is there to ask about duplicates, and until that is done the address cannot be used.
                add.push("nodad");
            }
            ip(namespace, &add)?;
            let source = address.to_string();
            ip(
                namespace,
                &[
                    family, "route", "add", "default", "dev", name, "src", &source,
                ],
            )?;
        }
        Ok(Self { outlet, device })
    }
}

fn ip(namespace: Option<&str>, arguments: &[&str]) -> Result<(), EdgeError> {
    let mut command = Command::new("ip");
    if let Some(namespace) = namespace {
        command.args(["-n", namespace]);
    }
    command.args(arguments);
    let failed = |said: String| EdgeError::Ip {
        command: format!("ip {}", arguments.join(" ")),
        said,
    };
    let output = command
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

/// What the thread does while nothing is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It sleeps; the first packet after a pause is taken late, by the time that it takes a thread to wake up.
    Sleep,
    /// It watches on, and keeps a processor busy.
    Never,
}

/// How a run went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Packets handed to the kernel.
    pub delivered: u64,
    /// Packets that links lost.
    pub lost: u64,
    /// How much later than due they were handed over, as the median.
    pub late_median_ns: u64,
    /// And at the 99th percentile.
    pub late_p99_ns: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "delivered {} lost {} late_median_ns {} late_p99_ns {}",
            self.delivered, self.lost, self.late_median_ns, self.late_p99_ns
        )
    }
}

impl FromStr for Report {
    type Err = io::Error;

    fn from_str(line: &str) -> io::Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |name: &str| {
            let at = words.iter().position(|word| *word == name);
            at.and_then(|at| words.get(at + 1)?.parse().ok())
                .ok_or_else(|| io::Error::other(format!("no {name} in {line:?}")))
        };
        Ok(Self {
            delivered: number("delivered")?,
            lost: number("lost")?,
            late_median_ns: number("late_median_ns")?,
            late_p99_ns: number("late_p99_ns")?,
        })
    }
}

/// Plays `network` behind `edges` until SIGTERM or SIGINT comes or standard input ends. What leaves links with a rate goes
/// to `log`, a line each (see [`Departure`]), on the clock `CLOCK_MONOTONIC_RAW`. `ready` is called when signals are heeded
/// and packets taken.
pub fn play(
    network: &mut Network,
    edges: &[Edge],
    log: Option<File>,
    rest: Rest,
    ready: impl FnOnce(),
) -> Result<Report, EdgeError> {
    let signals = stop_signals()?;
    // By default the kernel may let any sleep last 50 µs longer.
    set_timerslack(1).map_err(system("cannot ask for exact timers"))?;
    ready();
    play_until(network, edges, log, rest, &signals)
}

/// Blocks the signals that end a run and makes them readable.
fn stop_signals() -> Result<SignalFd, EdgeError> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.add(Signal::SIGINT);
    set.thread_block().map_err(system("cannot block signals"))?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(system("cannot wait for signals"))
}

fn play_until(
    network: &mut Network,
    edges: &[Edge],
    log: Option<File>,
    rest: Rest,
    signals: &SignalFd,
) -> Result<Report, EdgeError> {
    let stdin = io::stdin();
    let mut log = log.map(BufWriter::new);
    let mut late_ns: Vec<u64> = Vec::new();
    let mut delivered = 0;
    let mut buffer = vec![0; PACKET_LIMIT];
    loop {
        for edge in edges {
            for _ in 0..BATCH {
                match edge.device.recv(&mut buffer) {
                    Ok(length) => network.send_at(edge.outlet, monotonic_ns(), &buffer[..length]),
                    Err(_) => break,
                }
            }
        }
        for edge in edges {
            while let Some((due_ns, packet)) = network.receive_at(edge.outlet, monotonic_ns()) {
                if late_ns.len() < LATENESS_LIMIT {
                    late_ns.push(monotonic_ns().saturating_sub(due_ns));
                }
                // What a full queue of the kernel drops, a real interface would drop too.
                if edge.device.send(&packet).is_ok() {
                    delivered += 1;
                }
            }
        }
        let next_ns = match rest {
            Rest::Sleep => network.next_ns(),
            Rest::Never => Some(0),
        };
        let wait_ns = next_ns.map(|next_ns| {
            next_ns
                .saturating_sub(monotonic_ns())
                .saturating_sub(WATCH_NS)
        });
        write_departures(network, log.as_mut(), wait_ns != Some(0))?;
        let mut watched: Vec<PollFd> = edges
            .iter()
            .map(|edge| PollFd::new(edge.device.as_fd(), PollFlags::POLLIN))
            .collect();
        watched.push(PollFd::new(signals.as_fd(), PollFlags::POLLIN));
        watched.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        let timeout = wait_ns.map(|ns| TimeSpec::from(Duration::from_nanos(ns)));
        match ppoll(&mut watched, timeout, None) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(system("cannot wait")(error)),
        }
        let ready = |at: usize| watched[at].any() == Some(true);
        if ready(edges.len())
            || ready(edges.len() + 1) && stdin.lock().read(&mut [0; 64]).unwrap_or(0) == 0
        {
            break;
        }
    }
    write_departures(network, log.as_mut(), true)?;
    late_ns.sort_unstable();
    let quantile = |percent: usize| {
        let at = late_ns.len() * percent / 100;
        late_ns.get(at).copied().unwrap_or(0)
    };
    Ok(Report {
        delivered,
        lost: network.lost(),
        late_median_ns: quantile(50),
        late_p99_ns: quantile(99),
    })
}

fn write_departures(
    network: &mut Network,
    log: Option<&mut BufWriter<File>>,
    flush: bool,
) -> Result<(), EdgeError> {
    let departures = network.departures();
    let Some(log) = log else {
        return Ok(());
    };
    let written = departures
        .iter()
        .try_for_each(|departure| writeln!(log, "{departure}"))
        .and_then(|()| if flush { log.flush() } else { Ok(()) });
    written.map_err(|source| EdgeError::System {
        what: "cannot write the log",
        source,
    })
}

/// The log of departures at `path`, as [`play`] wrote it.
///
/// # Errors
/// When it cannot be read or has another form.
pub fn read_log(path: &Path) -> io::Result<Vec<Departure>> {
    std::fs::read_to_string(path)?
        .lines()
        .map(|line| {
            Departure::from_str(line).map_err(|error| io::Error::other(format!("{error}: {line}")))
        })
        .collect()
}
