//! The daemon's one owner of plan, guard and runs.
//!
//! ```text
//!  alarm ────────▶ ┌────────┐ ──▶ executor ──▶ runs
//!  supervisor ───▶ │ Daemon │ ◀── run events ──┘
//!  local service ▶ │        │ ──▶ spooler ──▶ repository
//!  signals ──────▶ └────────┘ ──▶ history
//! ```
//! Everything arrives as a message and is dealt with before the next; nothing here waits for the
//! network or for flash.

mod answers;
mod demand;
mod household;
mod keeping;
mod line;
mod listing;
#[cfg(feature = "lmap")]
mod lmap;
#[cfg(not(feature = "lmap"))]
#[path = "daemon/lmap_absent.rs"]
mod lmap;
mod own;
mod parts;
mod runs;
mod settings;
mod stopping;
mod surroundings;
mod visits;

pub use lmap::Links;
pub use parts::{Ending, Inboxes, Membership, Parts};
pub use settings::{last_configuration, limits, rules, run_dir, spool_options};
pub use surroundings::Surroundings;

use crate::clock;
use crate::executor::Executor;
use crate::files;
use crate::guard::Guard;
use crate::guard::accounts::AccountFiles;
use crate::local::history::{EventKind, History};
use crate::local::service::{Asked, Event};
use crate::local::survey::{self, Survey};
use crate::local::ubus::Bus;
use crate::local::uci::Settings;
use crate::random;
use crate::responder::SessionFiles;
use crate::scheduler::plan::{Plan, Seen};
use crate::scheduler::skips::Skips;
use crate::scheduler::state::{OpenRun, StateFiles};
use crate::spooler::Spooler;
use crate::uplink::http::Traffic;
use crate::uplink::repository::Upload;
use crate::uplink::supervisor::Heard;
use crate::uplink::{Contact, countable};
use glimpse_model::configuration::Configuration;
use glimpse_model::id::{InstructionId, ResultId};
use glimpse_model::instruction::InstructionSet;
use glimpse_model::read::Refused;
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_model::token::MeasureId;
use glimpse_probe::registry::Registry;
use keeping::{CONFIGURATION, INSTRUCTIONS};
use lmap::Lmap;
use own::Household;
use runs::Running;
use settings::upload;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, watch};
use visits::Visit;

/// The alarm rings at least this often, for what is done by the way: roll-ups, gathered skips.
const LONGEST_SLEEP: i64 = 600 * SECOND;

/// The same while the clock is not set.
const UNSET_SLEEP: i64 = 5 * SECOND;

/// How long the answer to whoever erased everything has for its way out.
const LAST_ANSWER: std::time::Duration = std::time::Duration::from_millis(500);

/// How often the spool is forced to the device where its policy is to do so in batches.
const SYNC: i64 = 60 * SECOND;

/// The owner. [`Daemon::run`] is its life.
pub struct Daemon {
    settings: Settings,
    registry: watch::Receiver<Arc<Registry>>,
    plan: Plan,
    state_files: StateFiles,
    guard: Guard,
    account_files: AccountFiles,
    skips: Skips,
    executor: Executor,
    running: BTreeMap<ResultId, Running>,
    /// The household's own measurements.
    own: Household,
    /// What the household told of its line.
    survey: Survey,
    /// How the line was seen last.
    line_seen: line::Seen,
    /// The system bus, where there is one.
    bus: Option<Bus>,
    /// What is wrong with the settings file; those read before stand.
    settings_error: watch::Receiver<Option<String>>,
    /// Sessions that other agents opened here.
    visits: BTreeMap<MeasureId, Visit>,
    lmap: Lmap,
    session_files: SessionFiles,
    /// The controller's key for their tokens, for the responder.
    peer_key: watch::Sender<Option<[u8; 32]>>,
    /// Runs that have no record on the device yet.
    open: BTreeMap<ResultId, OpenRun>,
    spooler: Spooler,
    history: History,
    /// Where events are told.
    tell: broadcast::Sender<Event>,
    surroundings: Surroundings,
    configuration: Configuration,
    upload: watch::Sender<Upload>,
    traffic: Arc<Traffic>,
    pulling: Contact,
    sending: Contact,
    membership: Membership,
    /// Why the last instruction set was not taken.
    set_error: Option<String>,
    /// Refusals that were reported, as path and reason by instruction.
    reported: BTreeSet<(Option<InstructionId>, String)>,
    state_dir: PathBuf,
    /// The clock has been seen set.
    clock_trusted: bool,
    /// Everything is to be deleted.
    erasing: bool,
    /// When the spool was last forced to the device.
    synced: Timestamp,
    started: Timestamp,
}

/// Takes no more questions: who has asked, or asks from now on, hears at once that the daemon is stopping.
fn send_home(asked: &mut mpsc::Receiver<Asked>) {
    asked.close();
    while asked.try_recv().is_ok() {}
}

impl Daemon {
    /// A daemon that takes up where the last one stopped: configuration, instructions, accounts and
    /// the runs that were cut off.
    pub async fn new(parts: Parts) -> Self {
        let now = clock::now();
        let state_dir = parts.settings.controller.state_dir.clone();
        let run_dir = run_dir(&parts.settings).to_owned();
        let configuration = last_configuration(&state_dir);
        let mut account_files = AccountFiles::new(&state_dir, &run_dir);
        let accounts = account_files.load(now);
        let state_files = StateFiles::new(&state_dir, &run_dir);
        let session_files = SessionFiles::new(&state_dir, &run_dir);
        let remembered = state_files.load();
        parts.upload.send_replace(upload(&configuration));
        parts.peer_key.send_replace(configuration.peer_key);
        let registry = parts.registry.borrow().clone();
        let mut daemon = Self {
            lmap: Lmap::new(&parts.settings, registry, parts.links, now),
            guard: Guard::new(rules(&parts.settings, &configuration), accounts),
            account_files,
            plan: Plan::new(random::seed()),
            state_files,
            skips: Skips::default(),
            executor: parts.executor,
            running: BTreeMap::new(),
            own: Household::new(&state_dir, parts.tell.clone()),
            survey: known_survey(&state_dir),
            line_seen: line::Seen::default(),
            bus: parts.bus,
            settings_error: parts.settings_error,
            visits: BTreeMap::new(),
            session_files,
            peer_key: parts.peer_key,
            open: BTreeMap::new(),
            spooler: parts.spooler,
            history: parts.history,
            tell: parts.tell,
            surroundings: parts.surroundings,
            configuration,
            upload: parts.upload,
            traffic: parts.traffic,
            pulling: Contact::default(),
            sending: Contact::default(),
            membership: Membership::default(),
            set_error: None,
            reported: BTreeSet::new(),
            settings: parts.settings,
            registry: parts.registry,
            state_dir,
            clock_trusted: clock::is_trusted(now),
            erasing: false,
            synced: now,
            started: now,
        };
        for run in remembered.open {
            daemon.cut_off(run).await;
        }
        let mut seen = remembered.seen;
        if !remembered.current {
            // The machine went down without notice: which slots passed before that, nobody knows.
            for seen in seen.values_mut() {
                seen.last_slot = Some(now);
            }
        }
        let saved = files::read_bounded(&daemon.state_dir.join(INSTRUCTIONS), 4 << 20);
        let in_force = match saved {
            Ok(bytes) => daemon.instruct(&bytes, Some(&seen)).await,
            Err(_) => false,
        };
        if !in_force {
            daemon.plan.replace(&InstructionSet::default(), &seen, now);
            daemon.note_instructions();
        }
        daemon.plan_own(true, now);
        if daemon.clock_trusted {
            daemon.plan.clock_was_set(clock::WRITTEN, now);
            daemon.own_clock_was_set(now);
        }
        daemon.note_event(EventKind::Restart, "the agent started".to_owned());
        daemon
    }

    /// Serves until told to stop, then stops within some seconds.
    pub async fn run(mut self, mut inboxes: Inboxes) -> std::io::Result<Ending> {
        let mut alarm = clock::Alarm::new()?;
        let ended = loop {
            self.follow_lmap().await;
            let now = clock::now();
            // Without a set clock nothing is planned; the alarm rings when it is set to another time, not when it turns
            // out to have been right.
            let longest = if clock::is_trusted(now) {
                LONGEST_SLEEP
            } else {
                UNSET_SLEEP
            };
            let longest = now.plus_micros(longest);
            let planned = self
                .plan
                .wake_at()
                .into_iter()
                .chain(self.own_wake_at())
                .min();
            let wake = match planned {
                Some(at) if clock::is_trusted(now) => at.min(longest),
                _ => longest,
            };
            let wake = self.next_look(now).map_or(wake, |look| look.min(wake));
            let wake = self.lmap.wake_at(now).map_or(wake, |at| at.min(wake));
            // Whoever comes first by chance: firings that follow each other closely must not silence the others.
            tokio::select! {
                _ = &mut inboxes.stop => break Ok(()),
                rang = alarm.wait(wake) => match rang {
                    Ok(()) => self.tick().await,
                    Err(error) => break Err(error),
                },
                Some(event) = inboxes.runs.recv() => self.run_event(event).await,
                Some(id) = inboxes.written.recv() => self.written(&id).await,
                Some(heard) = inboxes.heard.recv() => self.heard(heard).await,
                Some(told) = inboxes.told.recv() => self.told(told).await,
                Some(event) = self.own.next() => self.job_event(event).await,
                Some(happened) = self.lmap.next() => self.happened(happened).await,
                Some(contact) = inboxes.uploads.recv() => self.sending = contact,
                Some((request, reply)) = inboxes.asked.recv() => {
                    let answer = self.answer(request).await;
                    // A client that has gone away needs no answer.
                    let _ = reply.send(answer);
                    if self.erasing {
                        send_home(&mut inboxes.asked);
                        tokio::time::sleep(LAST_ANSWER).await;
                        break Ok(());
                    }
                }
                Ok(()) = inboxes.membership.changed() => {
                    self.membership = inboxes.membership.borrow_and_update().clone();
                }
                Ok(()) = inboxes.settings.changed() => {
                    let settings = inboxes.settings.borrow_and_update().clone();
                    self.reload(settings);
                }
            }
        };
        let ending = if self.erasing {
            Ending::Erase
        } else {
            Ending::Stop
        };
        self.stop(inboxes).await;
        ended.map(|()| ending)
    }

    /// What time brings: firings, missed slots, and the hourly duties.
    async fn tick(&mut self) {
        let now = clock::now();
        self.lmap.tick(now);
        self.weigh_door();
        self.send_due();
        if !clock::is_trusted(now) {
            return;
        }
        if !self.clock_trusted {
            self.clock_trusted = true;
            self.plan.clock_was_set(clock::WRITTEN, now);
            self.own_clock_was_set(now);
        }
        self.look_at_line();
        self.guard.accounts_mut().roll(now);
        self.recall_unwanted(now);
        let due = self.plan.due(now);
        self.tick_own(now);
        let any = !due.firings.is_empty() || !due.missed.is_empty();
        let once = due
            .firings
            .iter()
            .any(|firing| firing.instruction.timing.fires_once());
        let mut ready = Vec::new();
        for firing in due.firings {
            ready.extend(self.prepare(firing, now).await);
        }
        for missed in due.missed {
            self.missed(missed, now).await;
        }
        if any {
            let noted = self.note_open().await;
            self.note_accounts(false).await;
            if once {
                // Noted before they run: whatever happens, they do not run twice, nor unseen.
                let _ = noted.await;
                self.save_seen(false);
            }
        }
        let at_target = self.guard.rules().target_parallel;
        for (execution, jobs) in ready {
            self.executor.start(execution, jobs, at_target);
        }
        if now.since(self.synced) >= SYNC || now < self.synced {
            self.synced = now;
            self.spooler.sync().await;
            self.note_accounts(false).await;
        }
        for skipped in self.skips.ripe(now) {
            self.record_skip(skipped).await;
        }
        if let Err(error) = self.history.tick(now.as_micros()) {
            log::warn!("history: {error}");
        }
    }

    async fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Configuration(configuration, bytes) => {
                let configuration = *configuration;
                self.save_state(CONFIGURATION, &bytes);
                self.upload.send_replace(upload(&configuration));
                self.peer_key.send_replace(configuration.peer_key);
                self.guard.set_rules(rules(&self.settings, &configuration));
                self.configuration = configuration;
            }
            Heard::Instructions(bytes) => {
                if self.instruct(&bytes, None).await {
                    self.save_state(INSTRUCTIONS, &bytes);
                    self.save_seen(false);
                }
            }
            Heard::Contact(contact) => {
                if contact.last_success > self.pulling.last_success {
                    self.lmap.contact(clock::now());
                }
                self.pulling = contact;
            }
        }
    }

    /// Puts an instruction set in force; the old one stands when it does not parse. A set that a
    /// former process had in force comes with what that process had `seen`.
    async fn instruct(
        &mut self,
        bytes: &[u8],
        seen: Option<&BTreeMap<InstructionId, Seen>>,
    ) -> bool {
        let registry = self.registry.borrow().clone();
        let check = move |task: &glimpse_model::instruction::Task| {
            let method = registry.find(&task.method).ok_or_else(|| {
                let name = glimpse_model::read::printable(&task.method);
                Refused::new("method", format!("'{name}' is not a method of this agent"))
            })?;
            method
                .read(&task.options)
                .map(|_| ())
                .map_err(|refused| refused.within("options"))
        };
        let read = countable(bytes).and_then(|()| InstructionSet::parse_checked(bytes, &check));
        match read {
            Ok(mut set) => {
                demand::bound(&mut set);
                self.set_error = None;
                log::info!(
                    "{} instructions in force, {} refused",
                    set.instructions.len(),
                    set.refused.len()
                );
                let nothing = BTreeMap::new();
                self.plan
                    .replace(&set, seen.unwrap_or(&nothing), clock::now());
                self.note_instructions();
                for refused in set.refused {
                    self.report_refusal(refused, seen.is_some()).await;
                }
                true
            }
            Err(refused) => {
                log::error!(
                    "the instruction set is not understood, the last one stands: {refused}"
                );
                self.set_error = Some(refused.to_string());
                false
            }
        }
    }

    fn agent_limits(&self) -> glimpse_model::capability::Limits {
        limits(&self.settings, self.executor.parallel())
    }
}

/// What the household told of its line before.
fn known_survey(state_dir: &Path) -> Survey {
    survey::load(state_dir).unwrap_or_else(|error| {
        log::warn!("the survey cannot be read: {error}; it counts as not answered");
        Survey::default()
    })
}

#[cfg(test)]
mod tests;
