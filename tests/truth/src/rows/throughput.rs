//! Throughput: against what a token bucket lets through, and unshaped beside iperf3 and curl.
//!
//! tbf counts Ethernet frames: of its rate, the payload of full segments is 1448 of every 1514 bytes.

mod theirs;

use crate::far::line::{FAR, FRAME, Line, SEGMENT};
use crate::far::responder::Peer;
use crate::far::{Server, http};
use crate::lab::{Cost, Lab, Scale};
use crate::row::{Figure, Limit, Row};
use crate::statistics::median;
use anyhow::{Context, Result};
use glimpse_model::token::PeerMethod;
use glimpse_tests::namespace::Tbf;
use serde_json::{Value, json};

/// Rates of the shaped lines, in Mbit/s.
const RATES: [u32; 3] = [10, 100, 500];
/// What the shaped goodput may be off, in per cent.
const ERROR_PERCENT: f64 = 2.0;
/// What the unshaped rate of ours has to be of theirs.
const RATE_SHARE: f64 = 0.95;
/// What a byte of ours may cost of theirs.
const COST_SHARE: f64 = 1.3;
/// Time before what counts, and how long it counts.
const RAMP_UP_MS: u32 = 1000;
const SHAPED_MS: u32 = 3000;
const SHAPED_QUICK_MS: u32 = 2000;
const UNSHAPED_MS: u32 = 2000;
/// What the queue of a shaped line holds, in milliseconds of its rate: as long as payload behind a lost segment waits, which
/// the measured time has at its edges.
const QUEUE_MS: u64 = 20;
/// How much passes at once after a pause, likewise; not less than a few frames.
const BURST_MS: u64 = 1;
const BURST_LEAST: u64 = 16 * FRAME as u64;

/// Who is measured: the method, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    BtcDown,
    BtcUp,
    Download,
}

const KINDS: [Kind; 3] = [Kind::BtcDown, Kind::BtcUp, Kind::Download];

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::BtcDown => "btc down",
            Self::BtcUp => "btc up",
            Self::Download => "httpdownload",
        }
    }
}

/// One transfer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    /// Bits of payload in a second of the measured time.
    pub(super) bps: f64,
    /// Payload of the whole run, in bytes.
    pub(super) bytes: f64,
    /// CPU time and memory.
    pub(super) cost: Cost,
}

/// Transfers of one tool.
#[derive(Clone, Debug, Default)]
struct Series(Vec<Transfer>);

impl Series {
    fn of(&self, figure: fn(&Transfer) -> f64) -> f64 {
        median(&self.0.iter().map(figure).collect::<Vec<_>>())
    }

    fn mbps(&self) -> f64 {
        self.of(|transfer| transfer.bps / 1e6)
    }

    fn cpu_per_gb(&self) -> f64 {
        self.of(|transfer| transfer.cost.cpu.as_secs_f64() / transfer.bytes * 1e9)
    }

    fn cost(&self) -> Cost {
        self.0.iter().map(|transfer| transfer.cost).sum()
    }
}

/// A line with all servers at its end.
struct Bench<'a> {
    lab: &'a Lab,
    line: Line,
    peer: Peer,
    http: Server,
}

impl<'a> Bench<'a> {
    fn new(lab: &'a Lab, line: Line) -> Result<Self> {
        Ok(Self {
            lab,
            peer: Peer::start(line.far())?,
            http: http::serve(line.far())?,
            line,
        })
    }

    fn ours(&self, kind: Kind, measured_ms: u32) -> Result<Transfer> {
        match kind {
            Kind::BtcDown => self.btc("down", measured_ms),
            Kind::BtcUp => self.btc("up", measured_ms),
            Kind::Download => self.download(measured_ms),
        }
    }

    fn theirs(&self, kind: Kind) -> Result<Transfer> {
        match kind {
            Kind::BtcDown => theirs::iperf3(&self.line, true),
            Kind::BtcUp => theirs::iperf3(&self.line, false),
            Kind::Download => theirs::curl(&self.line, self.http.port()),
        }
    }

    /// Through a token bucket of `mbps`, which lets `truth` Mbit/s of payload through.
    fn beside_truth(&self, kind: Kind, (mbps, truth): (u32, f64), scale: Scale) -> Result<Row> {
        let mut series = Series::default();
        for _ in 0..scale.of(1, 3) {
            let measured_ms = scale.of(SHAPED_QUICK_MS, SHAPED_MS);
            series.0.push(self.ours(kind, measured_ms)?);
        }
        let error = (series.mbps() / truth - 1.0).abs() * 100.0;
        let name = format!("{}, {mbps} Mbit/s", kind.name());
        let row = Row::new(name, Figure::new(series.mbps(), "Mbit/s", 2));
        Ok(row
            .truth(Figure::new(truth, "Mbit/s", 2))
            .gate(Figure::percent(error), Limit::AtMost(ERROR_PERCENT))
            .cost(series.cost(), None))
    }

    /// As fast as this machine is, and what a byte costs it.
    fn beside_theirs(&self, kind: Kind, rounds: usize) -> Result<Vec<Row>> {
        let [mut ours, mut theirs] = [Series::default(), Series::default()];
        for round in 0..rounds {
            // Who comes first has a machine in another state: they take turns.
            if round % 2 == 0 {
                theirs.0.push(self.theirs(kind)?);
                ours.0.push(self.ours(kind, UNSHAPED_MS)?);
            } else {
                ours.0.push(self.ours(kind, UNSHAPED_MS)?);
                theirs.0.push(self.theirs(kind)?);
            }
        }
        let tool = match kind {
            Kind::BtcDown | Kind::BtcUp => "iperf3",
            Kind::Download => "curl",
        };
        let row = |what: &str, ours: Figure, theirs: Figure| {
            Row::new(format!("{} {what}", kind.name()), ours).reference(tool, theirs)
        };
        let gbps = |series: &Series| Figure::new(series.mbps() / 1000.0, "Gbit/s", 2);
        let rate = Figure::ratio(ours.mbps() / theirs.mbps());
        let each = |series: &Series| Figure::new(series.cpu_per_gb(), "s/GB", 3);
        let cpu = Figure::ratio(ours.cpu_per_gb() / theirs.cpu_per_gb());
        Ok(vec![
            row("unshaped", gbps(&ours), gbps(&theirs))
                .gate(rate, Limit::AtLeast(RATE_SHARE))
                .cost(ours.cost(), Some(theirs.cost())),
            row("CPU", each(&ours), each(&theirs)).gate(cpu, Limit::AtMost(COST_SHARE)),
        ])
    }

    fn btc(&self, direction: &str, measured_ms: u32) -> Result<Transfer> {
        let options = json!({
            "host": FAR.to_string(), "port": self.peer.port(), "token": self.peer.token(PeerMethod::Btc)?,
            "direction": direction, "duration_ms": measured_ms, "ramp_up_ms": RAMP_UP_MS, "slices": 5,
        });
        self.measure("btc_ma", &options, "payload_bytes")
    }

    fn download(&self, measured_ms: u32) -> Result<Transfer> {
        let options = json!({
            "url": format!("http://{FAR}:{}/", self.http.port()),
            "target_time": measured_ms, "ramp_up_time": RAMP_UP_MS, "max_bytes": 64_000_000_000_u64,
        });
        self.measure("httpdownload", &options, "transferred_bytes")
    }

    fn measure(&self, method: &str, options: &Value, bytes: &str) -> Result<Transfer> {
        let measured = self.lab.measure(Some(self.line.near()), method, options)?;
        Ok(Transfer {
            bps: number(&measured.result, "bandwidth_bps_avg")?,
            bytes: number(&measured.result, bytes)?,
            cost: measured.cost,
        })
    }
}

fn number(result: &Value, name: &str) -> Result<f64> {
    result[name]
        .as_f64()
        .with_context(|| format!("no figure {name} in {result}"))
}

pub(super) fn run(lab: &Lab, scale: Scale) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for mbps in RATES {
        rows.extend(shaped(lab, mbps, scale)?);
    }
    rows.extend(unshaped(lab, scale)?);
    Ok(rows)
}

fn shaped(lab: &Lab, mbps: u32, scale: Scale) -> Result<Vec<Row>> {
    let rate_bps = u64::from(mbps) * 1_000_000;
    let tbf = Tbf {
        rate_bps,
        burst_bytes: (rate_bps / 8000 * BURST_MS).max(BURST_LEAST),
        limit_bytes: rate_bps / 8000 * QUEUE_MS,
    };
    let bench = Bench::new(lab, Line::shaped(tbf)?)?;
    let truth = f64::from(mbps) * f64::from(SEGMENT) / f64::from(FRAME);
    let mut rows = Vec::new();
    for kind in KINDS {
        rows.extend(super::again(scale, || {
            Ok(vec![bench.beside_truth(kind, (mbps, truth), scale)?])
        })?);
    }
    Ok(rows)
}

fn unshaped(lab: &Lab, scale: Scale) -> Result<Vec<Row>> {
    let bench = Bench::new(lab, Line::direct()?)?;
    let mut rows = Vec::new();
    for kind in KINDS {
        let rounds = scale.of(2, 7);
        rows.extend(super::again(scale, || bench.beside_theirs(kind, rounds))?);
    }
    Ok(rows)
}
