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

use crate::lab::{self, Lab, Scale};
use crate::row::{Row, Verdict};
use anyhow::{Context, Result};
use serde_json::Value;
use std::iter;
use std::time::Duration;

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

/// How often rows are taken at most.
const TAKES: usize = 3;
/// What takes longer than this is not taken again in a quick run, which has to stay quick.
const QUICK_TAKE: Duration = Duration::from_secs(31);

/// Takes rows whose figures depend on what else the machine does: where a limit is broken, all of them are taken again,
/// ours and theirs in turn as before, and the take that breaks least counts. Rows that were broken in any say so.
fn again(scale: Scale, mut take: impl FnMut() -> Result<Vec<Row>>) -> Result<Vec<Row>> {
    let mut takes = Vec::new();
    for _ in 0..scale.of(TAKES - 1, TAKES) {
        let start = lab::now();
        takes.push(take());
        let kept = takes.last().is_some_and(|last| broken(last).0 == 0);
        if kept || scale == Scale::Quick && lab::since(start) > QUICK_TAKE {
            break;
        }
    }
    best(takes)
}

/// How many limits a take breaks, and by how much of them in all; one that failed, more than any other.
fn broken(take: &Result<Vec<Row>>) -> (usize, f64) {
    take.as_ref().map_or((usize::MAX, f64::INFINITY), |rows| {
        let broken = || rows.iter().filter(|row| row.verdict() == Verdict::Broken);
        (broken().count(), broken().map(Row::excess).sum())
    })
}

fn best(mut takes: Vec<Result<Vec<Row>>>) -> Result<Vec<Row>> {
    let best = (0..takes.len())
        .min_by(|&one, &other| {
            let (one, other) = (broken(&takes[one]), broken(&takes[other]));
            one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))
        })
        .context("nothing was taken")?;
    // Of each row by its place: the errors of all takes.
    let errors = |place: usize| {
        let of_take = |take: &Result<Vec<Row>>| match take {
            Ok(rows) => rows
                .get(place)
                .and_then(|row| row.error)
                .map_or_else(|| "none".to_owned(), |error| error.to_string()),
            Err(_) => "failed".to_owned(),
        };
        takes.iter().map(of_take).collect::<Vec<_>>().join(", ")
    };
    let was_broken = |place: usize| {
        takes.iter().any(|take| match take {
            Ok(rows) => rows
                .get(place)
                .is_some_and(|row| row.verdict() == Verdict::Broken),
            Err(_) => true,
        })
    };
    let notes: Vec<Option<String>> = (0..takes[best].as_ref().map_or(0, Vec::len))
        .map(|place| {
            let several = takes.len() > 1 && was_broken(place);
            several.then(|| format!("taken {} times: {}", takes.len(), errors(place)))
        })
        .collect();
    let rows = takes.swap_remove(best)?;
    Ok(iter::zip(rows, notes)
        .map(|(row, note)| match (row.limit, note) {
            (Some(_), Some(note)) => row.further_remark(&note),
            _ => row,
        })
        .collect())
}

/// The record of this type among the lines that `scamper -O json` writes.
fn scamper_record(out: &str, kind: &str) -> Result<Value> {
    out.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|record| record["type"] == kind)
        .with_context(|| format!("scamper wrote no record of type {kind}: {out:?}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::row::{Figure, Limit};
    use anyhow::bail;

    fn row(ratio: f64) -> Row {
        Row::new("a", Figure::count(1)).gate(Figure::ratio(ratio), Limit::AtMost(1.5))
    }

    #[test]
    fn what_keeps_its_limits_is_taken_once() {
        let mut taken = 0;
        let rows = again(Scale::Full, || {
            taken += 1;
            Ok(vec![row(1.4)])
        });
        assert_eq!(rows.unwrap(), [row(1.4)]);
        assert_eq!(taken, 1);
    }

    #[test]
    fn what_breaks_one_is_taken_again_and_says_so() {
        let mut ratios = [1.7, f64::NAN, 1.4].into_iter();
        let rows = again(Scale::Full, || match ratios.next() {
            Some(ratio) if ratio.is_nan() => bail!("not this time"),
            Some(ratio) => Ok(vec![row(ratio), row(1.0)]),
            None => bail!("too often"),
        })
        .unwrap();
        assert_eq!(rows[0].verdict(), Verdict::Kept);
        let said = "taken 3 times: 1.700 ×, failed, 1.400 ×";
        assert_eq!(rows[0].remark.as_deref(), Some(said));
    }

    #[test]
    fn what_breaks_it_always_stays_broken_by_the_least_that_was_found() {
        let mut ratios = [1.8, 1.6, 1.7].into_iter();
        let rows = again(Scale::Full, || Ok(vec![row(ratios.next().unwrap())])).unwrap();
        assert_eq!(rows[0].verdict(), Verdict::Broken);
        assert_eq!(rows[0].error, Some(Figure::ratio(1.6)));
        assert!(again(Scale::Quick, || bail!("never")).is_err());
    }
}
