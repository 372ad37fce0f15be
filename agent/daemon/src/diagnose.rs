//! The trouble-shooter: three chains of checks, each of which ends with one finding.
//!
//! ```text
//!   chain (which steps, how long) ──▶ steps (sockets, files) ──▶ down, slow (what was seen, and what it means) ──▶ finding
//!                                        bench ──┘                              board (live) ◀──┘      └──▶ words, report
//! ```
//!
//! The steps measure with the methods of the registry, as the household's own: nothing is sent to the controller, and
//! nobody is contacted but the controller, the provider's own servers, and whom the section `diagnose` of the settings
//! names. What they have seen is judged by pure functions. Dropping a run's future ends all it has started.

mod bench;
mod board;
pub mod chain;
pub mod down;
pub mod finding;
pub mod means;
mod report;
pub mod slow;
mod steps;
pub mod values;
pub mod words;

pub use chain::{Kind, StepCode};
pub use means::Means;

use bench::{Bench, Target};
use board::Board;
use finding::{Judged, Reason};
use glimpse_model::time::{SECOND, Timestamp};
use serde_json::Value;
use slow::Direction;
use steps::Processor;
use tokio::sync::watch;
use values::Families;

/// Runs a chain. `progress` always has the whole document of `run_status` (`steps`, `finding`, `report`, `bytes`), and so
/// has what is returned, with finding and report.
pub async fn run(kind: Kind, means: Means, progress: &watch::Sender<Value>) -> Value {
    let bench = Bench::new(&means);
    let bytes = || bench.bytes();
    let mut board = Board::new(kind, progress, &bytes);
    let begun = (means.now)();
    match kind {
        Kind::Down => Box::pin(down(&bench, &mut board)).await,
        Kind::Slow => Box::pin(slow(&bench, &mut board)).await,
        Kind::Speed => Box::pin(speed(&bench, &mut board)).await,
    }
    let conclusion = board.conclude();
    let report = report::text(
        kind,
        [begun, (means.now)()].map(whole_second),
        board.seen(),
        &conclusion,
        bench.bytes(),
    );
    let document = board.json(&conclusion.json(), &report.into());
    progress.send_replace(document.clone());
    document
}

fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_unix_seconds(at.as_micros().div_euclid(SECOND))
}

/// What was seen, judged; or why nothing was.
fn judged<T>(seen: Result<T, Reason>, judge: impl FnOnce(T) -> Judged) -> Judged {
    match seen {
        Ok(seen) => judge(seen),
        Err(reason) => Judged::skipped(&reason),
    }
}

async fn down(bench: &Bench<'_>, board: &mut Board<'_>) {
    use StepCode as C;
    board
        .judge(C::Link, async { steps::link(bench).judge() })
        .await;
    board
        .judge(C::Address, async { steps::address(bench).judge() })
        .await;
    let mut targets: Vec<Target> = Vec::new();
    let gateways = async {
        targets = bench.targets().await;
        steps::gateway(bench, &targets).await
    };
    let mut first = Families::none();
    if let Some(seen) = board.run(C::Gateway, gateways).await {
        first = seen.clone().unwrap_or_default();
        board.settle(C::Gateway, judged(seen, |seen| down::gateway(&seen)));
    }
    let (servers, _) = steps::servers(bench);
    let routes = bench.routes();
    let routed = routes.ipv4.is_some() || routes.ipv6.is_some();
    let mut reached = steps::Reached::default();
    let path = async {
        if !routed {
            return Err(Reason::NoRoute);
        }
        steps::path(bench, &targets, &servers).await
    };
    if let Some(seen) = board.run(C::Path, path).await {
        let configured = !bench.references().is_empty();
        let seen = seen.and_then(|(ways, found)| {
            reached = found;
            match ways.iter().next() {
                None if !configured => Err(Reason::NotConfigured("diagnose.reference")),
                _ => Ok(Families {
                    ipv4: ways.ipv4.map(|way| way.behind(first.ipv4.as_ref())),
                    ipv6: ways.ipv6.map(|way| way.behind(first.ipv6.as_ref())),
                }),
            }
        });
        board.settle(C::Path, judged(seen, |ways| down::path(&ways)));
    }
    board
        .judge(C::Names, async {
            let seen = steps::names(bench).await;
            judged(seen, |seen| seen.judge())
        })
        .await;
    board
        .judge(C::Page, async {
            let seen = steps::page(bench).await;
            judged(seen, |seen| seen.judge())
        })
        .await;
    board
        .judge(C::PacketSize, async {
            let seen = steps::packet_size(bench, &reached.echoing).await;
            judged(seen, |seen| seen.judge())
        })
        .await;
    board
        .judge(C::Clock, async { steps::clock(bench).await.judge() })
        .await;
}

async fn slow(bench: &Bench<'_>, board: &mut Board<'_>) {
    use StepCode as C;
    let known = bench.means.known;
    board
        .judge(C::LineUse, async {
            judged(steps::line_use(bench).await, |seen| seen.judge(&known))
        })
        .await;
    board
        .judge(C::Wifi, async {
            judged(steps::wifi(bench).await, slow::Station::judge)
        })
        .await;
    let mut targets: Vec<Target> = Vec::new();
    let mut way = None;
    let delay = async {
        targets = bench.targets().await;
        steps::delay(bench, &targets).await
    };
    if let Some(seen) = board.run(C::Delay, delay).await {
        let configured = !bench.references().is_empty();
        let seen = seen.map(|seen| {
            way = seen.way;
            seen.delay
        });
        let unset = Reason::NotConfigured("diagnose.reference");
        let seen = judged(seen, |delay| {
            if !configured && delay.far.is_empty() && delay.near.is_empty() {
                Judged::skipped(&unset)
            } else {
                delay.judge()
            }
        });
        board.settle(C::Delay, seen);
    }
    board.begin(C::Processor);
    board.begin(C::Busy);
    let mut processor = Processor::new();
    let loads = processor.beside(bench, steps::loads(bench));
    let loads = board.run(C::Speed, loads).await;
    let loads = loads.unwrap_or(Err(Reason::TooLong));
    let skipped = |reason: &Reason| Judged::skipped(reason);
    let nothing = || Judged::skipped(&Reason::NoAnswer(None));
    let (speed, busy) = match &loads {
        Ok(loads) => (
            loads.speed(&known).unwrap_or_else(nothing),
            loads.busy().unwrap_or_else(nothing),
        ),
        Err(reason) => (skipped(reason), skipped(reason)),
    };
    let busy_percent = processor.busy_percent.filter(|_| loads.is_ok());
    let cpu = match (busy_percent, &loads) {
        (Some(percent), _) => slow::processor(percent),
        (None, Ok(_)) => skipped(&Reason::NoFacts),
        (None, Err(reason)) => skipped(reason),
    };
    board.settle(C::Processor, cpu);
    board.settle(C::Speed, speed);
    board.settle(C::Busy, busy);
    board
        .judge(C::Lookups, async {
            judged(steps::lookups(bench).await, |seen| seen.judge())
        })
        .await;
    board
        .judge(C::Families, async {
            let seen = steps::families(bench, &targets).await;
            judged(seen, |seen| slow::families(&seen))
        })
        .await;
    board.settle(C::PathChange, steps::path_change(bench, way.as_ref()));
}

async fn speed(bench: &Bench<'_>, board: &mut Board<'_>) {
    use StepCode as C;
    let known = bench.means.known;
    board
        .judge(C::LineUse, async {
            judged(steps::line_use(bench).await, |seen| seen.judge(&known))
        })
        .await;
    let configured = !bench.references().is_empty();
    board
        .judge(C::Idle, async {
            if !configured {
                return Judged::skipped(&Reason::NotConfigured("diagnose.reference"));
            }
            let targets = bench.targets().await;
            judged(steps::idle(bench, &targets).await, |seen| slow::idle(&seen))
        })
        .await;
    let mut loads = slow::Loads::default();
    for (code, direction) in [(C::Down, Direction::Down), (C::Up, Direction::Up)] {
        let Some(load) = board.run(code, steps::load(bench, direction)).await else {
            continue;
        };
        match load {
            Ok(load) => {
                loads.set(direction, load);
                let seen = loads.one(direction, &known);
                let nothing = || Judged::skipped(&Reason::NoAnswer(None));
                board.settle(code, seen.unwrap_or_else(nothing));
            }
            Err(reason) => board.settle(code, Judged::skipped(&reason)),
        }
    }
}

#[cfg(test)]
mod tests;
