//! A machine in virtual time, for tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::collectors::Collectors;
use crate::control::Control;
use crate::moment::Moment;
use crate::output::{BLOCK, Output, Place};
use crate::resolve::Method;
use crate::run::{Ended, Machine, Parts, RunId, Start, Step};
use crate::state::snapshot::Snapshot;
use glimpse_model::id::ResultId;
use glimpse_model::options::OptionSpec;
use glimpse_model::record::{Record, Status};
use glimpse_model::sorted::SortedMap;
use glimpse_model::time::{SECOND, Timestamp, Zone};
use glimpse_yang::read::Reader;
use glimpse_yang::table::AGENT;
use glimpse_yang::validate::{Check, validate};
use glimpse_yang::{Encoding, Tree};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;

pub(crate) const COLLECTOR: &str = "https://collector.example.net/restconf";

/// The channel `lab`.
pub(crate) const LAB: &str = "https://b.example";

/// Options of the method `ping` of the bench.
pub(crate) const SPECS: &[OptionSpec] = &[
    OptionSpec::text("host", 253, "target"),
    OptionSpec::integer("count", 3, 1, 10, "packets", "how many"),
    OptionSpec::boolean("quick", false, "be quick"),
];

pub(crate) fn methods() -> Vec<Method> {
    vec![Method {
        name: "ping".to_owned(),
        functions: vec![format!(
            "{}Priv_RTDelay_Active_IP-UDP-Periodic__Seconds_Raw",
            crate::function::BASE
        )],
        options: Cow::Borrowed(SPECS),
        needs: Vec::new(),
    }]
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Reads `/lmap` and finds it valid.
pub(crate) fn tree(lmap: &Value) -> Tree {
    let body = json!({"ietf-lmap-control:lmap": lmap}).to_string();
    let tree = Reader::new(&AGENT, Encoding::Json)
        .data(body.as_bytes())
        .unwrap_or_else(|error| panic!("{error}: {body}"));
    let errors = validate(&tree, Check::Configuration, None);
    assert!(errors.is_empty(), "{errors:?}");
    tree
}

pub(crate) fn control(lmap: &Value) -> Control {
    Control::read(&tree(lmap)).unwrap()
}

/// Tasks of all tests: `p` pings, `r` reports, `x` is not backed by anything.
pub(crate) fn lmap(events: &Value, schedules: &Value, suppressions: &Value) -> Value {
    json!({
        "tasks": {"task": [
            {"name": "p", "program": "ping", "tag": ["t"], "option": [{"id": "target", "name": "host", "value": "192.0.2.1"}]},
            {"name": "r", "program": "glimpse-report", "option": [{"id": "to", "name": "collector", "value": COLLECTOR}]},
            {"name": "x", "program": "nothing of ours"},
        ]},
        "events": {"event": events},
        "schedules": {"schedule": schedules},
        "suppressions": {"suppression": suppressions},
    })
}

/// An event every ten seconds from midnight on.
pub(crate) fn tens() -> Value {
    json!({"name": "tens", "periodic": {"interval": 10, "start": "2026-12-01T00:00:00Z"}})
}

pub(crate) fn action(name: &str, task: &str) -> Value {
    json!({"name": name, "task": task})
}

pub(crate) struct Bench {
    pub machine: Machine,
    pub now: Moment,
    pub log: Vec<(Timestamp, Step)>,
    made: u8,
}

impl Bench {
    /// An agent that starts at midnight of 1 December 2026.
    pub(crate) fn new(lmap: &Value) -> Self {
        Self::restarted(
            lmap,
            Snapshot::default(),
            Vec::new(),
            "2026-12-01T00:00:00Z",
        )
    }

    pub(crate) fn restarted(
        lmap: &Value,
        snapshot: Snapshot,
        outputs: Vec<(Output, Vec<Place>)>,
        at: &str,
    ) -> Self {
        let now = Moment {
            wall: Timestamp::parse(at).unwrap(),
            steady_us: 5_000_000,
            trusted: true,
        };
        Self::with(lmap, snapshot, outputs, now, true)
    }

    pub(crate) fn with(
        lmap: &Value,
        snapshot: Snapshot,
        outputs: Vec<(Output, Vec<Place>)>,
        now: Moment,
        registered: bool,
    ) -> Self {
        let parts = Parts {
            seed: 7,
            zone: Zone::UTC,
            methods: methods(),
            channels: Collectors::new(Some(COLLECTOR), [("lab", LAB)]),
            quota: 1 << 20,
            block: BLOCK,
            registered,
        };
        let machine = Machine::new(parts, control(lmap), snapshot, outputs, &now);
        let mut bench = Self {
            machine,
            now,
            log: Vec::new(),
            made: 0,
        };
        bench.take();
        bench
    }

    pub(crate) fn take(&mut self) {
        let wall = self.now.wall;
        let steps = self.machine.steps();
        self.log.extend(steps.into_iter().map(|step| (wall, step)));
    }

    pub(crate) fn configure(&mut self, lmap: &Value) {
        self.machine.configure(control(lmap), &self.now);
        self.take();
    }

    /// Lets time pass, waking the machine when it asks and never else.
    pub(crate) fn pass_ms(&mut self, ms: i64) {
        let end = self.now.steady_us + ms * 1000;
        for _ in 0..100_000 {
            let wake = self.machine.wake_at(&self.now);
            let wait = wake.map_or(i64::MAX, |at| at.since(self.now.wall).max(0));
            let left = end - self.now.steady_us;
            let step = wait.min(left);
            self.now.steady_us += step;
            self.now.wall = self.now.wall.plus_micros(step);
            if wait > left {
                return;
            }
            self.machine.tick(&self.now);
            self.take();
        }
        panic!("the machine wants to be woken without end");
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.pass_ms(seconds * 1000);
    }

    /// Starts so far, as schedule/action with the seconds since midnight.
    pub(crate) fn started(&self) -> Vec<(String, i64)> {
        let midnight = at("2026-12-01T00:00:00Z");
        self.starts()
            .map(|(when, start)| {
                (
                    format!("{}/{}", start.schedule, start.action),
                    when.since(midnight) / SECOND,
                )
            })
            .collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.started().into_iter().map(|(name, _)| name).collect()
    }

    pub(crate) fn starts(&self) -> impl Iterator<Item = (Timestamp, &Start)> {
        self.log.iter().filter_map(|(when, step)| match step {
            Step::Start(start) => Some((*when, &**start)),
            _ => None,
        })
    }

    pub(crate) fn last(&self, action: &str) -> Start {
        let of_action = self.starts().filter(|(_, start)| start.action == action);
        of_action.last().expect("it was started").1.clone()
    }

    pub(crate) fn record(&mut self, status: Status) -> Record {
        self.made += 1;
        let id = ResultId::from_parts(self.now.wall, [self.made; 10]);
        let mut record = Record::new(id, status);
        record.method = Some("ping".to_owned());
        record.end_time = Some(self.now.wall);
        record.start_time = Some(self.now.wall);
        record
            .probe_result
            .insert("round_trip_sent".to_owned(), self.made.into());
        if status == Status::Failed {
            record.error = "no answer".to_owned();
        }
        record
    }

    /// The last run of an action begins.
    pub(crate) fn begin(&mut self, action: &str) -> RunId {
        let run = self.last(action).run;
        self.machine.began(run, &self.now);
        self.take();
        run
    }

    pub(crate) fn end(&mut self, run: RunId, status: i32) {
        let kind = match status {
            0 => Status::Ok,
            status if status < 0 => Status::Aborted,
            _ => Status::Failed,
        };
        let record = self.record(kind);
        let status = Some(status);
        self.machine.ended(run, Ended { record, status }, &self.now);
        self.take();
    }

    /// The last run of an action begins, takes a second and ends.
    pub(crate) fn play(&mut self, action: &str, status: i32) {
        let run = self.begin(action);
        self.pass(1);
        self.end(run, status);
    }

    pub(crate) fn counts(&self, schedule: &str) -> [u32; 4] {
        let of = self.machine.counters(schedule).unwrap();
        [of.invocations, of.suppressions, of.overlaps, of.failures]
    }

    pub(crate) fn action_counts(&self, schedule: &str, action: &str) -> [u32; 4] {
        let of = self.machine.counters(schedule).unwrap();
        let of = of.actions.get(action).cloned().unwrap_or_default();
        [of.invocations, of.suppressions, of.overlaps, of.failures]
    }

    pub(crate) fn state(&self, schedule: &str) -> &'static str {
        let control = self.machine.control();
        let schedule = control.schedule(schedule).unwrap();
        self.machine.schedule_state(schedule).as_str()
    }

    pub(crate) fn posts(&self) -> Vec<Vec<Arc<Output>>> {
        self.log
            .iter()
            .filter_map(|(_, step)| match step {
                Step::Post { outputs, .. } => Some(outputs.clone()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn stops(&self) -> Vec<(RunId, crate::run::End)> {
        self.log
            .iter()
            .filter_map(|(_, step)| match step {
                Step::Stop(run, end) => Some((*run, *end)),
                _ => None,
            })
            .collect()
    }

    /// A restart with what the machine leaves behind.
    pub(crate) fn restart(&self, lmap: &Value, clean: bool, at: &str) -> Self {
        let snapshot = self.machine.snapshot(clean);
        let snapshot = Snapshot::parse(&snapshot.document()).unwrap();
        let mut kept: SortedMap<ResultId, Vec<u8>> = SortedMap::new();
        for (_, step) in &self.log {
            match step {
                Step::Keep(output, places) => {
                    kept.insert(output.record.id, output.document(places));
                }
                Step::Forget(id) => drop(kept.remove(id)),
                _ => {}
            }
        }
        let outputs = kept.values().map(|bytes| Output::parse(bytes).unwrap());
        Self::restarted(lmap, snapshot, outputs.collect(), at)
    }
}
