//! The LMAP door within the daemon: the configuration that RESTCONF edits, and the machine that follows it.
//!
//! ```text
//!  Told ──▶ plan ──▶ commit ──▶ machine ──Step──▶ guard, executor (runs)
//!                      │           ▲      └─────▶ results, collectors, streams
//!                 running.lmap     └── begins, ended, denied, delivered, contact
//! ```
//!
//! What the machine wants done is done after each message of the daemon, in one place ([`Daemon::follow_lmap`]).

mod agent_state;
mod collect;
mod datastore;
mod factory;
mod requests;
mod results;
mod steps;

use super::Daemon;
use crate::clock;
use crate::files;
use crate::local::uci::{Settings, system_zone};
use crate::random;
use crate::restconf::doors::Doors;
use crate::restconf::{self, BODY_LIMIT, Noticed, Sources, Told};
use crate::scheduler::skips::Skipped;
use crate::scheduler::state::OpenRun;
use crate::uplink::http::Traffic;
use collect::Posted;
use datastore::Stored;
use glimpse_lmap::output::status_of;
use glimpse_lmap::resolve::Method;
use glimpse_lmap::run::{Ended, Parts, Planned, RunId};
use glimpse_lmap::state::snapshot::Snapshot;
use glimpse_lmap::{Machine, Moment};
use glimpse_model::id::ResultId;
use glimpse_model::record::{Record, SkipReason};
use glimpse_model::time::{SECOND, Timestamp, Zone};
use glimpse_probe::registry::Registry;
use glimpse_restconf::stream::Offer;
use glimpse_restconf::tags::Marks;
use glimpse_restconf::{Counters, Server};
use glimpse_yang::Tree;
use glimpse_yang::schema::Schema;
use glimpse_yang::table::AGENT;
use results::Results;
use rustls::ClientConfig;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;

/// Messages that may wait.
const WAITING: usize = 32;
/// Notifications that a slow reader may be behind.
const NOTICES: usize = 64;
/// How often counters are written down while nothing urgent is: flash wears by writing.
const WRITE: i64 = 3600 * SECOND;
/// File of the durable directory.
const STATE: &str = "lmap.json";
/// What waits for collectors may take this part of the spool's bytes: it is held in memory too.
const QUOTA_PART: u64 = 4;

/// What leads from the wire to the daemon.
#[derive(Debug)]
pub struct Links {
    inbox: mpsc::Receiver<Told>,
    doors: Arc<Doors>,
}

impl Default for Links {
    /// They lead nowhere.
    fn default() -> Self {
        Self {
            inbox: mpsc::channel(1).1,
            doors: Arc::default(),
        }
    }
}

impl Links {
    /// Opens the door by the household's settings, for as long as the process lives.
    pub fn open(settings: watch::Receiver<Settings>, traffic: Arc<Traffic>) -> Self {
        let (told, inbox) = mpsc::channel(WAITING);
        let doors = Arc::new(Doors::default());
        let sources = Sources {
            settings,
            traffic,
            doors: doors.clone(),
        };
        tokio::spawn(restconf::follow(sources, told));
        Self { inbox, doors }
    }
}

/// Something that came from outside.
#[derive(Debug)]
pub(super) enum Happened {
    Told(Told),
    Posted(Posted),
}

/// The part of the daemon that is the LMAP door.
pub(super) struct Lmap {
    schema: &'static Schema,
    server: Server,
    machine: Machine,
    stored: Stored,
    /// What access control refused.
    denied: Counters,
    /// Runs of the machine by the ids of their records.
    runs: BTreeMap<ResultId, RunId>,
    registry: Arc<Registry>,
    results: Results,
    inbox: mpsc::Receiver<Told>,
    doors: Arc<Doors>,
    notices: broadcast::Sender<Arc<Noticed>>,
    /// How the agent shows itself to collectors, while the door is open.
    client: Option<Arc<ClientConfig>>,
    posts: JoinSet<Posted>,
    file: PathBuf,
    written: Snapshot,
    written_at: Timestamp,
    /// Where the steady clock is counted from.
    origin: Instant,
}

fn methods(registry: &Registry) -> Vec<Method> {
    registry
        .iter()
        .map(|method| Method {
            name: method.name.to_string(),
            functions: method.functions.iter().map(ToString::to_string).collect(),
            options: method.options.clone(),
            needs: method.needs.to_vec(),
        })
        .collect()
}

impl Lmap {
    /// The door as a former process left it.
    pub(super) fn new(
        settings: &Settings,
        registry: Arc<Registry>,
        links: Links,
        now: Timestamp,
    ) -> Self {
        let schema = &AGENT;
        let state_dir = &settings.controller.state_dir;
        let file = state_dir.join(STATE);
        let mut snapshot = load(&file);
        let (stored, control) = Stored::load(schema, state_dir, now);
        let (results, outputs) = Results::open(&settings.storage.spool_dir);
        let origin = clock::steady();
        let parts = Parts {
            seed: random::seed(),
            zone: Zone::of(system_zone(Path::new("/"))),
            methods: methods(&registry),
            channels: settings.restconf.channels.iter().cloned().collect(),
            quota: settings.storage.spool_bytes / QUOTA_PART,
            registered: false,
        };
        let moment = Moment {
            wall: now,
            steady_us: 0,
            trusted: clock::is_trusted(now),
        };
        let machine = Machine::new(parts, control, snapshot.clone(), outputs, &moment);
        // From now on a crash leaves what was not written: nobody may take it for a clean end.
        if snapshot.clean {
            snapshot.clean = false;
            save(&file, &snapshot);
        }
        let server = Server::new(glimpse_restconf::Settings {
            root: "/restconf".to_owned(),
            schema,
            modules: Vec::new(),
            streams: vec![Offer {
                name: "NETCONF".to_owned(),
                description: "States of schedules, suppressions and the controller; results; what did not run".to_owned(),
                replay_from: None,
            }],
            body_limit: BODY_LIMIT,
            challenge: None,
        });
        Self {
            schema,
            server,
            machine,
            stored,
            denied: Counters::default(),
            runs: BTreeMap::new(),
            registry,
            results,
            inbox: links.inbox,
            doors: links.doors,
            notices: broadcast::channel(NOTICES).0,
            client: None,
            posts: JoinSet::new(),
            file,
            written: snapshot,
            written_at: now,
            origin,
        }
    }

    /// The next message from outside; `None` when there will be none.
    pub(super) async fn next(&mut self) -> Option<Happened> {
        tokio::select! {
            told = self.inbox.recv() => told.map(Happened::Told),
            Some(posted) = self.posts.join_next() => posted.ok().map(Happened::Posted),
        }
    }

    fn moment(&self, now: Timestamp) -> Moment {
        let steady = clock::steady().saturating_duration_since(self.origin);
        Moment {
            wall: now,
            steady_us: i64::try_from(steady.as_micros()).unwrap_or(i64::MAX),
            trusted: clock::is_trusted(now),
        }
    }

    /// When time next brings something.
    pub(super) fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.machine.wake_at(&self.moment(now))
    }

    /// What time brings.
    pub(super) fn tick(&mut self, now: Timestamp) {
        let moment = self.moment(now);
        self.machine.tick(&moment);
        if now.since(self.written_at) >= WRITE || now < self.written_at {
            self.write(false, now);
        }
    }

    /// The controller was heard.
    pub(super) fn contact(&mut self, now: Timestamp) {
        let moment = self.moment(now);
        self.machine.contact(&moment);
    }

    /// Other settings, or other methods.
    pub(super) fn equip(&mut self, settings: &Settings, registry: &Arc<Registry>, now: Timestamp) {
        let moment = self.moment(now);
        let channels = settings.restconf.channels.iter().cloned().collect();
        self.machine.equip(methods(registry), channels, &moment);
        self.registry = registry.clone();
    }

    /// A run measures from now on.
    pub(super) fn began(&mut self, run: &OpenRun, now: Timestamp) {
        if let Some(id) = self.runs.get(&run.result).copied() {
            let moment = self.moment(now);
            self.machine.began(id, &moment);
        } else {
            self.machine.note_began(&planned(run), now);
        }
    }

    /// A run is over; whether it was the machine's, whose record is not the other door's.
    pub(super) fn ended(&mut self, run: &OpenRun, record: &Record, now: Timestamp) -> bool {
        if let Some(id) = self.runs.remove(&run.result) {
            let moment = self.moment(now);
            let ended = Ended {
                record: record.clone(),
                status: exit_status(record),
            };
            self.machine.ended(id, ended, &moment);
            return true;
        }
        let status = status_of(record.status);
        self.machine
            .note_ended(&planned(run), status, &record.error, now);
        false
    }

    /// A run does not take place; whether it was the machine's, which says so itself.
    pub(super) fn denied(
        &mut self,
        run: ResultId,
        reason: SkipReason,
        words: &str,
        now: Timestamp,
    ) -> bool {
        let Some(id) = self.runs.remove(&run) else {
            return false;
        };
        let moment = self.moment(now);
        self.machine.denied(id, reason, words, &moment);
        true
    }

    /// A firing of the other door did not take place.
    pub(super) fn skipped(&mut self, skipped: &Skipped) {
        let planned = Planned {
            instruction: skipped.instruction.clone(),
            task: skipped.task.clone(),
            slot: skipped.skip.last,
        };
        let overlap = skipped.skip.reason == SkipReason::Overlap;
        self.machine
            .note_skipped(&planned, overlap, skipped.skip.count);
    }

    /// Writes down what must outlive the process, unless it is there already.
    fn write(&mut self, clean: bool, now: Timestamp) {
        let snapshot = self.machine.snapshot(clean);
        self.written_at = now;
        if snapshot != self.written {
            save(&self.file, &snapshot);
            self.written = snapshot;
        }
    }

    /// Writes down at once what must not happen twice.
    fn write_urgent(&mut self, now: Timestamp) {
        let snapshot = self.machine.snapshot(false);
        if snapshot.is_urgent_after(&self.written) {
            save(&self.file, &snapshot);
            self.written = snapshot;
            self.written_at = now;
        }
    }

    fn running(&self) -> &Tree {
        &self.stored.tree
    }

    fn marks(&self) -> &Marks {
        &self.stored.marks
    }
}

fn planned(run: &OpenRun) -> Planned {
    Planned {
        instruction: run.instruction.clone(),
        task: Some(run.task.clone()),
        slot: run.slot,
    }
}

/// The exit status of a method that is a program of its own, or minus the signal that ended it: its record has them in words alone.
fn exit_status(record: &Record) -> Option<i32> {
    let said = record.error.strip_prefix("the plug-in ")?;
    let number = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit());
        text[..end.unwrap_or(text.len())].parse::<i32>().ok()
    };
    match said.strip_prefix("ended with code ") {
        Some(code) => number(code),
        None => number(said.strip_prefix("was killed by signal ")?).map(|signal| -signal),
    }
}

fn load(path: &Path) -> Snapshot {
    let limit = glimpse_lmap::state::snapshot::MAX_BYTES as u64;
    let Ok(bytes) = files::read_bounded(path, limit) else {
        return Snapshot::default();
    };
    Snapshot::parse(&bytes).unwrap_or_else(|error| {
        log::warn!("{}: {error}", path.display());
        Snapshot::default()
    })
}

fn save(path: &Path, snapshot: &Snapshot) {
    if let Err(error) = files::replace(path, &snapshot.document(), 0o600) {
        log::warn!("cannot keep {}: {error}", path.display());
    }
}

impl Daemon {
    /// Instructions of the other door changed.
    pub(super) fn note_instructions(&mut self) {
        let ids: Vec<_> = self
            .plan
            .upcoming()
            .map(|(instruction, _)| instruction.id.clone())
            .collect();
        self.lmap.machine.note_instructions(&ids);
    }

    /// Notes everything at the end of the process.
    pub(super) async fn stop_lmap(&mut self) {
        self.lmap.posts.abort_all();
        self.keep_results().await;
        self.lmap.write(true, clock::now());
    }
}

#[cfg(test)]
mod tests;
