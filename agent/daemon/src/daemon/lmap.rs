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
mod edits;
mod factory;
mod keep;
mod pace;
mod reads;
mod requests;
mod results;
mod starts;
mod steps;

use super::Daemon;
use crate::clock;
use crate::identity::Identity;
use crate::local::uci::{Settings, system_zone};
use crate::random;
use crate::restconf::doors::Doors;
use crate::restconf::{self, BODY_LIMIT, Exchange, Noticed, Sources, Told};
use crate::scheduler::skips::Skipped;
use crate::scheduler::state::OpenRun;
use crate::uplink::http::Traffic;
pub(super) use collect::allowance;
use collect::{Due, Posted};
use datastore::Stored;
use edits::Planned;
use glimpse_lmap::names::instruction_id;
use glimpse_lmap::output::status_of;
use glimpse_lmap::resolve::Method;
use glimpse_lmap::run::{self, Ended, Parts, RunId};
use glimpse_lmap::state::snapshot::Snapshot;
use glimpse_lmap::{Collectors, Machine, Moment};
use glimpse_model::id::{InstructionId, ResultId};
use glimpse_model::record::{Record, SkipReason};
use glimpse_model::time::{SECOND, Timestamp, Zone};
use glimpse_probe::registry::Registry;
use glimpse_restconf::stream::Offer;
use glimpse_restconf::{Counters, Server};
use glimpse_yang::schema::Schema;
use glimpse_yang::table::AGENT;
use pace::Pace;
use reads::Read;
use results::Results;
use starts::Starts;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;

/// What a body may come to in memory.
const BODY_LIMITS: glimpse_yang::Limits = glimpse_yang::Limits {
    nodes: 50_000,
    ..glimpse_yang::Limits::USUAL
};
/// Messages that may wait.
const WAITING: usize = 32;
/// Notifications that a slow reader may be behind.
const NOTICES: usize = 64;
/// Edits that may be made at once, and how long until one more may follow: each is written to flash.
const EDITS: i64 = 20;
const EDITS_APART: i64 = 10 * SECOND;
/// Edits that may wait to be planned.
const EDITS_WAITING: usize = 16;
/// Lines of the log at once about requests that have changed nothing, and how long until one more: whoever knocks does not fill it.
const LINES: i64 = 30;
const LINES_APART: i64 = 2 * SECOND;
/// Notes of what has happened once, each written to flash before it happens, and how far apart they are after that.
const ONCE: i64 = 20;
const ONCE_APART: i64 = 60 * SECOND;
/// File of the durable directory.
const STATE: &str = "lmap.json";
/// What waits for collectors may take this part of the spool's bytes: it is held in memory too.
const QUOTA_PART: u64 = 4;

/// What leads from the wire to the daemon.
#[derive(Debug)]
pub struct Links {
    inbox: mpsc::Receiver<Told>,
    doors: Arc<Doors>,
    door: Arc<Traffic>,
}

impl Default for Links {
    /// They lead nowhere.
    fn default() -> Self {
        Self {
            inbox: mpsc::channel(1).1,
            doors: Arc::default(),
            door: Arc::default(),
        }
    }
}

impl Links {
    /// Opens the door by the household's settings, for as long as the process lives. What passes within the household is noted in
    /// `traffic`.
    pub fn open(settings: watch::Receiver<Settings>, traffic: Arc<Traffic>) -> Self {
        let (told, inbox) = mpsc::channel(WAITING);
        let (doors, door) = (Arc::new(Doors::default()), Arc::new(Traffic::default()));
        let sources = Sources {
            settings,
            traffic,
            door: door.clone(),
            doors: doors.clone(),
        };
        tokio::spawn(restconf::follow(sources, told));
        Self { inbox, doors, door }
    }
}

/// Something that came from outside.
#[derive(Debug)]
pub(super) enum Happened {
    Told(Told),
    Posted(Posted),
    /// What an edit comes to; none where planning it has failed altogether.
    Planned(Option<Box<Planned>>),
    /// What was asked for; none where looking for it has failed altogether.
    Read(Option<Box<Read>>),
}

/// The part of the daemon that is the LMAP door.
pub(super) struct Lmap {
    schema: &'static Schema,
    server: Arc<Server>,
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
    /// Bytes of reports and of connections from beyond the household.
    door: Arc<Traffic>,
    notices: broadcast::Sender<Arc<Noticed>>,
    /// How the agent shows itself to collectors, while the door is open.
    identity: Option<Arc<Identity>>,
    posts: JoinSet<Posted>,
    /// Reports that wait for their turn.
    due: Vec<Due>,
    /// When collectors are sent their reports.
    paces: BTreeMap<String, Pace>,
    /// Edits that wait to be planned, and the one that is.
    edits: VecDeque<Exchange>,
    planning: JoinSet<Planned>,
    /// Reads of data that wait, and the one that is under way.
    reads: VecDeque<Exchange>,
    reading: JoinSet<Read>,
    /// When configurations of the controller are written, and those of the household: neither keeps out the other.
    edit_paces: [Pace; 2],
    /// What is said of requests, and how many were not spoken of since.
    line_pace: Pace,
    unsaid: u32,
    starts: Starts,
    file: PathBuf,
    written: Snapshot,
    written_at: Timestamp,
    /// When a suppression or the controller's absence was last written at once, and whether another waits for that.
    flipped_us: Option<i64>,
    flip_waits: bool,
    /// When it was noted that something has happened once, and when that is to be noted that was not.
    once_pace: Pace,
    once_due_us: Option<i64>,
    /// Where the steady clock is counted from.
    origin: Instant,
}

/// The collectors that tasks may name.
fn collectors(settings: &Settings) -> Collectors {
    let named = settings.channels.iter();
    let named = named.map(|channel| (channel.name.as_str(), channel.url.as_str()));
    Collectors::new(settings.controller.url.as_deref(), named)
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
        let mut snapshot = keep::load(&file);
        let (starts, suspect) = Starts::note(state_dir, &Stored::file(state_dir));
        let (stored, control) = Stored::load(schema, state_dir, suspect, now);
        let quota = settings.storage.spool_bytes / QUOTA_PART;
        // Twice: with the places at which they wait they are longer than the machine counts them.
        let (results, outputs) = Results::open(&settings.storage.spool_dir, quota * 2);
        let origin = clock::steady();
        let parts = Parts {
            seed: random::seed(),
            zone: Zone::of(system_zone(Path::new("/"))),
            methods: methods(&registry),
            channels: collectors(settings),
            quota,
            block: results.block(),
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
            keep::save(&file, &snapshot);
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
        })
        .with_limits(BODY_LIMITS);
        Self {
            schema,
            server: Arc::new(server.with_limits(datastore::LIMITS)),
            machine,
            stored,
            denied: Counters::default(),
            runs: BTreeMap::new(),
            registry,
            results,
            inbox: links.inbox,
            doors: links.doors,
            door: links.door,
            notices: broadcast::channel(NOTICES).0,
            identity: None,
            posts: JoinSet::new(),
            due: Vec::new(),
            paces: BTreeMap::new(),
            edits: VecDeque::new(),
            planning: JoinSet::new(),
            reads: VecDeque::new(),
            reading: JoinSet::new(),
            edit_paces: [Pace::new(EDITS, EDITS_APART); 2],
            line_pace: Pace::new(LINES, LINES_APART),
            unsaid: 0,
            starts,
            file,
            written: snapshot,
            written_at: now,
            flipped_us: None,
            flip_waits: false,
            once_pace: Pace::new(ONCE, ONCE_APART),
            once_due_us: None,
            origin,
        }
    }

    /// The next message from outside; `None` when there will be none.
    pub(super) async fn next(&mut self) -> Option<Happened> {
        tokio::select! {
            Some(told) = self.inbox.recv() => Some(Happened::Told(told)),
            Some(posted) = self.posts.join_next() => posted.ok().map(Happened::Posted),
            Some(planned) = self.planning.join_next() => {
                Some(Happened::Planned(planned.ok().map(Box::new)))
            }
            Some(read) = self.reading.join_next() => {
                Some(Happened::Read(read.ok().map(Box::new)))
            }
            else => None,
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
        let moment = self.moment(now);
        let own = [self.starts.wake_us(), self.flip_us(), self.due_us()];
        let own = own.into_iter().flatten().map(|at| moment.wall_at(at));
        self.machine.wake_at(&moment).into_iter().chain(own).min()
    }

    /// What time brings.
    pub(super) fn tick(&mut self, now: Timestamp) {
        let moment = self.moment(now);
        self.machine.tick(&moment);
        self.starts.lasted(moment.steady_us);
        self.write_in_time(now);
    }

    /// Whether a schedule of this door has records by that id.
    pub(super) fn has(&self, id: &InstructionId) -> bool {
        let mut schedules = self.machine.control().schedules.iter();
        schedules.any(|schedule| instruction_id(&schedule.name).as_ref() == Some(id))
    }

    /// Bytes of the door since this was asked last.
    pub(super) fn take_bytes(&self) -> u64 {
        self.door.take()
    }

    /// The controller was heard.
    pub(super) fn contact(&mut self, now: Timestamp) {
        let moment = self.moment(now);
        self.machine.contact(&moment);
    }

    /// Other settings, or other methods.
    pub(super) fn equip(&mut self, settings: &Settings, registry: &Arc<Registry>, now: Timestamp) {
        let moment = self.moment(now);
        let channels = collectors(settings);
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
    pub(super) fn ended(
        &mut self,
        run: &OpenRun,
        record: &Record,
        exit: Option<i32>,
        now: Timestamp,
    ) -> bool {
        if let Some(id) = self.runs.remove(&run.result) {
            let moment = self.moment(now);
            let ended = Ended {
                record: record.clone(),
                status: exit,
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
        let planned = run::Planned {
            instruction: skipped.instruction.clone(),
            task: skipped.task.clone(),
            slot: skipped.skip.last,
        };
        let overlap = skipped.skip.reason == SkipReason::Overlap;
        self.machine
            .note_skipped(&planned, overlap, skipped.skip.count);
    }
}

fn planned(run: &OpenRun) -> run::Planned {
    run::Planned {
        instruction: run.instruction.clone(),
        task: Some(run.task.clone()),
        slot: run.slot,
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
        self.lmap.due.clear();
        self.lmap.edits.clear();
        self.keep_results().await;
        self.lmap.write(true, clock::now());
        self.lmap.starts.clear();
    }
}

#[cfg(test)]
mod tests;
