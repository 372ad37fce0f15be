//! What is compared: a file for each subject, in the order of the table.

mod cost;
mod dns;
mod latencyload;
mod loss;
mod multipath;
mod path;
mod ping;
mod throughput;
mod trains;
mod upnp;

use crate::lab::{Lab, Scale};
use crate::row::Row;
use anyhow::{Context, Result};
use serde_json::Value;

/// A group of rows that are run together.
#[derive(Debug)]
pub(crate) struct Subject {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// Its heading.
    pub(crate) title: &'static str,
    /// Takes its figures.
    pub(crate) run: fn(&Lab, Scale) -> Result<Vec<Row>>,
}

/// All of them.
pub(crate) const SUBJECTS: &[Subject] = &[
    Subject {
        name: "ping",
        title: "Round trips against the emulator's truth",
        run: ping::run,
    },
    Subject {
        name: "loss",
        title: "Loss to the packet",
        run: loss::run,
    },
    Subject {
        name: "path",
        title: "Traceroute: the paths of every topology, and the time for a long one",
        run: path::run,
    },
    Subject {
        name: "multipath",
        title: "Multipath discovery at 95 %: runs that missed something, and packets",
        run: multipath::run,
    },
    Subject {
        name: "throughput",
        title: "Throughput beside a token bucket, iperf3 and curl",
        run: throughput::run,
    },
    Subject {
        name: "latencyload",
        title: "What a queue of 200 ms adds",
        run: latencyload::run,
    },
    Subject {
        name: "trains",
        title: "The capacity of an emulated bottleneck",
        run: trains::run,
    },
    Subject {
        name: "upnp",
        title: "A gateway, beside what it was told",
        run: upnp::run,
    },
    Subject {
        name: "dns",
        title: "DNS: the median time of a query to a local server",
        run: dns::run,
    },
    Subject {
        name: "cost",
        title: "What the agent costs at 100 pings a second",
        run: cost::run,
    },
];

/// The record of this type among the lines that `scamper -O json` writes.
fn scamper_record(out: &str, kind: &str) -> Result<Value> {
    out.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|record| record["type"] == kind)
        .with_context(|| format!("scamper wrote no record of type {kind}: {out:?}"))
}
