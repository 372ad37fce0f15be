//! A daemon without its surroundings.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::executor::RunEvent;
use crate::local::history;
use crate::local::uci::{QuietHours, QuietZone};
use crate::spool::Spool;
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;

/// A daemon and the ends of its channels.
pub(super) struct Bench {
    pub(super) daemon: Daemon,
    pub(super) runs: mpsc::Receiver<RunEvent>,
    spooler: Spooler,
    _dir: TempDir,
}

impl Bench {
    pub(super) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.controller.state_dir = dir.path().join("state");
        std::fs::create_dir(dir.path().join("state")).unwrap();
        settings.local.socket = dir.path().join("agent.sock");
        settings.consent.enabled = true;
        settings.lab.targets = true;
        settings.limits.monthly_bytes = 1 << 40;
        let spool = Spool::open(&dir.path().join("spool"), crate::spool::Options::default());
        let spooler = Spooler::start(spool.unwrap(), mpsc::unbounded_channel().0).unwrap();
        let (events, runs) = mpsc::channel(32);
        let daemon = Daemon::new(Parts {
            registry: watch::channel(Arc::new(Registry::built_in())).1,
            executor: Executor::new(4, events),
            spooler: spooler.clone(),
            history: History::open(history::Options::default(), 0).0,
            tell: broadcast::channel(16).0,
            bus: None,
            settings_error: watch::channel(None).1,
            surroundings: Surroundings::new(dir.path(), dir.path()),
            upload: watch::channel(Upload::default()).0,
            traffic: Arc::default(),
            peer_key: watch::channel(None).0,
            links: Links::default(),
            settings,
        })
        .await;
        Self {
            daemon,
            runs,
            spooler,
            _dir: dir,
        }
    }

    /// What it would send.
    pub(super) async fn records(&self) -> Vec<Value> {
        let entries = self.spooler.batch(1 << 20, 100).await;
        let read = |body: &[u8]| serde_json::from_slice(body).unwrap();
        entries.iter().map(|entry| read(&entry.body)).collect()
    }

    /// Its settings with a change.
    pub(super) fn settings(&self, change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = self.daemon.settings.clone();
        change(&mut settings);
        settings
    }

    /// Its settings with quiet hours in UTC.
    pub(super) fn quiet(&self, span: &str) -> Settings {
        self.settings(|settings| {
            settings.limits.quiet_hours = vec![QuietHours::parse(span).unwrap()];
            settings.limits.quiet_zone = QuietZone::parse("UTC").unwrap();
        })
    }
}

#[tokio::test]
async fn glimpse_check_35_more_threads_than_the_bound_are_refused_with_their_name() {
    let mut bench = Bench::new().await;
    // The original's bound of six belongs to its own protocol.
    let task = |threads| json!({"id": "1", "method": "httpdownload", "options": {"url": "http://192.0.2.1/", "threads": threads}});
    let set = json!({"schema": 2, "instructions": [
        {"id": "bound", "task": task(16), "timing": {"ondemand": {}}},
        {"id": "beyond", "task": task(17), "timing": {"immediate": {}}},
    ]});
    assert!(
        bench
            .daemon
            .instruct(set.to_string().as_bytes(), None)
            .await
    );
    bench.daemon.tick().await;
    let [refused] = &bench.records().await[..] else {
        panic!("one record");
    };
    assert_eq!(
        (&refused["instruction_id"], &refused["status"]),
        (&json!("beyond"), &json!("refused"))
    );
    let error = refused["error"].as_str().unwrap();
    assert!(error.ends_with("options.threads: must be <= 16"), "{error}");
    assert!(bench.daemon.running.is_empty());
}

#[tokio::test]
async fn quiet_hours_end_a_run_of_the_agents_own_instructions_too() {
    let mut bench = Bench::new().await;
    let set = json!({"schema": 2, "instructions": [{
        "id": "long",
        "task": {"id": "1", "method": "ping", "options": {"host": "127.0.0.1", "count": 300, "interval": 1000}},
        "timing": {"immediate": {}},
    }]});
    assert!(
        bench
            .daemon
            .instruct(set.to_string().as_bytes(), None)
            .await
    );
    bench.daemon.tick().await;
    let begins = bench.runs.recv().await.unwrap();
    assert!(matches!(begins, RunEvent::Begins(..)));
    bench.daemon.run_event(begins).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let all_day = bench.quiet("00:00-24:00");
    bench.daemon.reload(all_day);
    let ended = tokio::time::timeout(Duration::from_secs(30), bench.runs.recv()).await;
    bench.daemon.run_event(ended.unwrap().unwrap()).await;
    let record = &bench.records().await[0];
    assert_eq!(
        (&record["status"], &record["error"]),
        (
            &json!("aborted"),
            &json!("these are the household's quiet hours")
        )
    );
    assert!(record["bytes"]["sent"].as_u64().unwrap() > 0, "{record}");
}
