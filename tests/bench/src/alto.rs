//! The publisher of maps, at the work of a large platform.
//!
//! ```text
//!  a child        states of 10 million records ─▶ figures ─▶ maps ─▶ patches   → time, memory
//!  this process ══TLS══▶ controller   GET, 304      ┐ in turn, the same bytes
//!               ══TLS══▶ nginx        GET, 304      ┴→ ratio
//!               ══TLS══▶ controller   FCM, ECS, EPS at a steady rate           → 99th percentile
//!               ══TLS══▶ controller   5 000 update streams, one change         → memory of each, time to the last
//! ```

mod client;
mod maps;
mod nginx;
mod publish;
mod questions;
mod streams;
mod work;

use crate::report::{Figure, Limit, Report, quantile};
use crate::{clock, machine};
use anyhow::{Context, Result, ensure};
use clap::Args;
use client::{Caller, Question};
use glimpse_store::{Options, Sqlite};
use glimpse_tests::Controller;
use maps::Compared;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use publish::{Published, Version};
use questions::Times;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use streams::Streamed;

/// Ours to nginx.
const RATIO_GATE: f64 = 0.8;
/// Bytes of a patch when one cell has changed.
const PATCH_GATE: f64 = 300.0;
/// Seconds from the states to the patches.
const PUBLICATION_AIM: f64 = 5.0;
/// Bytes that may be resident at most.
const MEMORY_AIM: f64 = 400e6;
/// Nanoseconds to find the PID of an address.
const LOOKUP_AIM: f64 = 200.0;
/// Milliseconds, 99th percentile, of a filtered cost map, and of questions about endpoints.
const MAP_AIM: f64 = 5.0;
const ENDPOINT_AIM: f64 = 20.0;
/// Bytes of the controller's memory for an open stream.
const STREAM_AIM: f64 = 20_000.0;
/// Seconds until the last stream has a change.
const CHANGE_AIM: f64 = 2.0;
/// Files a process needs beside its connections.
const OTHER_FILES: u64 = 200;
/// Until the controller shows what is in its database.
const PATIENCE: Duration = Duration::from_mins(1);
const MEGABYTE: f64 = 1e6;

/// How much to measure.
#[derive(Debug, Args)]
pub(crate) struct Alto {
    /// Rounds of each side that count; one more of each comes before.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Update streams that are open at once.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=15_000))]
    streams: u32,
    /// The nginx that maps are compared with (default: Debian's).
    #[arg(long, value_name = "FILE")]
    nginx: Option<PathBuf>,
    /// Publishes by the configuration in this directory and prints what it took.
    #[arg(long, value_name = "DIR", hide = true)]
    publish_in: Option<PathBuf>,
    /// Makes the second version of what was published in this directory.
    #[arg(long, value_name = "DIR", hide = true)]
    change_in: Option<PathBuf>,
}

/// What was found.
struct Taken {
    published: Published,
    compared: Vec<Compared>,
    lookup_ns: f64,
    prefixes: usize,
    times: Vec<Times>,
    streamed: Streamed,
    server_peak: u64,
}

impl Alto {
    pub(crate) fn run(self) -> Result<Report> {
        let runtime = tokio::runtime::Runtime::new()?;
        if let Some(dir) = &self.publish_in {
            let published = runtime.block_on(publish::run(dir))?;
            println!("{}", json!(published));
            std::process::exit(0);
        }
        if let Some(dir) = &self.change_in {
            publish::change(dir)?;
            std::process::exit(0);
        }
        let before = machine::describe()?;
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        ensure!(
            most >= u64::from(self.streams) + OTHER_FILES,
            "{} streams need more files than the {most} that a process may open here",
            self.streams
        );
        // The controller inherits it.
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
        let nginx = nginx::program(self.nginx);
        let against = nginx::describe(&nginx)?;
        let count = usize::try_from(self.streams)?;
        let taken = runtime.block_on(measure(&nginx, self.rounds, count))?;
        Ok(Report {
            title: "Publisher of maps",
            conditions: conditions(before, &against, self.rounds, &taken),
            figures: figures(&taken),
        })
    }
}

async fn measure(nginx: &Path, rounds: u32, streams: usize) -> Result<Taken> {
    let mut controller = Controller::init(&sections(streams));
    let dir = controller.dir().to_owned();
    std::fs::write(dir.join("prefixes.json"), work::prefixes().to_string())?;
    let published = publish::in_child(&dir)?;
    let store = Sqlite::open(&dir.join("glimpse.db"), &Options::default()).await?;
    Version::read(&dir, publish::FIRST)?
        .store(&store, 0)
        .await?;
    controller.serve();
    let (port, pid) = (controller.alto_port(), controller.pid());
    let pid = pid.context("the controller runs")?;
    let caller = Caller::new(&dir)?;
    shown(&caller, port).await?;

    let compared = maps::compare(&caller, &dir, port, nginx, rounds).await?;
    let times = questions::ask(&caller, port).await?;
    let map = Question::get("/networkmap/nm-seg");
    let map = caller.open(port).await?.body(&map).await?;
    let (lookup_ns, prefixes) = questions::longest_prefix(&map)?;
    let second = Version::read(&dir, publish::SECOND)?;
    let streamed = streams::run(&caller, port, pid, streams, &store, &second).await?;
    let server_peak = machine::memory(pid)?.peak;
    controller.kill();
    Ok(Taken {
        published,
        compared,
        lookup_ns,
        prefixes,
        times,
        streamed,
        server_peak,
    })
}

/// The controller's configuration: what is new is looked for each second, and one address may ask as much as all the world.
fn sections(streams: usize) -> String {
    let of_one = streams::STREAMS_OF_ONE;
    format!(
        "[alto]\ninterval_s = 1\nspans = [\"7-days\"]\nprefixes = \"prefixes.json\"\n\n\
         [alto.limits]\nrequests_per_minute = 100000000\nstreams = {streams}\nclient_streams = {of_one}\n"
    )
}

/// Until the server answers from its first publication.
async fn shown(caller: &Caller, port: u16) -> Result<()> {
    let began = clock::steady();
    let mut client = caller.open(port).await?;
    while client.ask(&Question::get("/")).await?.status != hyper::StatusCode::OK {
        ensure!(began.elapsed() < PATIENCE, "nothing is published");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn conditions(before: String, against: &str, rounds: u32, taken: &Taken) -> Vec<String> {
    let Published {
        records,
        places,
        cells,
        documents,
        document_bytes,
        gzip_bytes,
        ..
    } = taken.published;
    vec![
        before,
        format!(
            "{records} records of {} subscribers, k = 10: {places} PIDs of places, {} clusters, 12 metrics, {cells} cells; \
             {} prefixes in the file, {} in the map",
            work::subscribers(),
            work::CLUSTERS,
            work::PREFIXES,
            taken.prefixes
        ),
        format!("{documents} documents of {document_bytes} bytes, {gzip_bytes} packed"),
        format!(
            "maps: {} connections, TLS 1.3, keep-alive, {rounds} rounds of {} s on each side in turn after one to warm up, medians; {against}, \
             as many workers as cores",
            maps::CONNECTIONS,
            maps::ROUND.as_secs()
        ),
        format!(
            "streams: {} open in {:.1} s, one connection each, TLS 1.3; the controller looks into its database each second, and {:.1} s after \
             the commit it showed the change",
            taken.streamed.count, taken.streamed.opened_s, taken.streamed.shown_s
        ),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "bytes are below 2^52")]
fn figures(taken: &Taken) -> Vec<Figure> {
    let Taken {
        published,
        streamed,
        ..
    } = taken;
    let seconds = |name: &str, value: f64| Figure::new(name, value, "s").decimals(2);
    let megabytes =
        |name: &str, bytes: u64| Figure::new(name, bytes as f64 / MEGABYTE, "MB").decimals(1);
    let mut figures = vec![
        seconds("publication, from states to patches", published.whole_s())
            .aim(Limit::AtMost(PUBLICATION_AIM)),
        seconds(
            "  of it: figures that may be published",
            published.released_s,
        ),
        seconds(
            "  of it: ledger and figures packed and durable",
            published.written_s,
        ),
        seconds(
            "  of it: read back, maps, tags, JSON, gzip",
            published.made_s,
        ),
        seconds("  of it: patches to a second version", published.patched_s),
        megabytes("peak memory of publication", published.first_peak_bytes)
            .aim(Limit::AtMost(MEMORY_AIM / MEGABYTE)),
        megabytes("  states alone", published.states_bytes),
        megabytes("  with a second version and patches", published.peak_bytes)
            .aim(Limit::AtMost(MEMORY_AIM / MEGABYTE)),
        Figure::new("patch of one cell", published.patch_bytes as f64, "bytes")
            .gate(Limit::AtMost(PATCH_GATE)),
    ];
    for compared in &taken.compared {
        let Compared {
            name,
            bytes,
            ours,
            nginx,
        } = compared;
        let ratio = Figure::new(format!("{name}, ratio to nginx"), ours / nginx, "");
        figures.push(ratio.decimals(2).gate(Limit::AtLeast(RATIO_GATE)));
        figures.push(Figure::new(format!("  ours, {bytes} bytes"), *ours, "/s"));
        figures.push(Figure::new("  nginx", *nginx, "/s"));
    }
    figures.push(
        Figure::new("longest-prefix match", taken.lookup_ns, "ns").aim(Limit::AtMost(LOOKUP_AIM)),
    );
    for times in &taken.times {
        let aim = if times.rate == questions::MAP_RATE {
            MAP_AIM
        } else {
            ENDPOINT_AIM
        };
        let name = format!("{} at {}/s, 99th percentile", times.name, times.rate);
        let p99 = Figure::new(name, quantile(&times.ms, 0.99), "ms");
        figures.push(p99.decimals(2).aim(Limit::AtMost(aim)));
        let median = format!("  median, {} bytes", times.bytes);
        figures.push(Figure::new(median, quantile(&times.ms, 0.5), "ms").decimals(2));
    }
    let grown = streamed.after.saturating_sub(streamed.before) as f64;
    figures.extend([
        Figure::new(
            "memory for an open stream",
            grown / streamed.count as f64,
            "bytes",
        )
        .aim(Limit::AtMost(STREAM_AIM)),
        seconds("a change, until the last stream has it", streamed.last_s)
            .aim(Limit::AtMost(CHANGE_AIM)),
        seconds("  until the first has it", streamed.first_s),
        seconds(
            "  from the commit to the last",
            streamed.shown_s + streamed.last_s,
        ),
        megabytes("controller before streams", streamed.before),
        megabytes("controller, peak", taken.server_peak).aim(Limit::AtMost(MEMORY_AIM / MEGABYTE)),
    ]);
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(ours: f64, patch_bytes: usize) -> Taken {
        Taken {
            published: Published {
                patch_bytes,
                released_s: 3.0,
                made_s: 1.5,
                patched_s: 1.0,
                ..Published::default()
            },
            compared: vec![Compared {
                name: "GET".into(),
                bytes: 1,
                ours,
                nginx: 100.0,
            }],
            lookup_ns: 100.0,
            prefixes: 0,
            times: Vec::new(),
            streamed: Streamed {
                count: 1000,
                before: 5_000_000,
                after: 30_000_000,
                ..Streamed::default()
            },
            server_peak: 0,
        }
    }

    fn report(taken: &Taken) -> Report {
        Report {
            title: "",
            conditions: Vec::new(),
            figures: figures(taken),
        }
    }

    #[test]
    fn ratios_and_patches_are_gates_and_the_rest_are_aims() {
        assert!(report(&taken(80.0, 300)).keeps_gates());
        assert!(!report(&taken(79.9, 300)).keeps_gates());
        assert!(!report(&taken(80.0, 301)).keeps_gates());
        let said = report(&taken(80.0, 300)).json();
        assert_eq!(said["figures"][0]["value"], 5.5);
        assert_eq!(said["figures"][0]["verdict"], "aim missed");
    }

    #[test]
    fn memory_is_shared_out_among_the_streams() {
        let said = report(&taken(80.0, 300)).json();
        let figures = said["figures"].as_array().map_or(&[][..], Vec::as_slice);
        let found = figures
            .iter()
            .find(|f| f["figure"] == "memory for an open stream");
        assert_eq!(found.map(|f| &f["value"]), Some(&json!(25_000.0)));
    }
}
