//! Datastores, edits that wait, jobs, and reports.

use super::{agent_id, enrol, now, result};
use crate::{
    AdmitLoads, Ingest, Intended, Intention, Known, LoadChange, NewEdit, NewJob, NewReport,
    Outcome, Settled, Standing, Store, Withholding,
};
use glimpse_model::time::{SECOND, Timestamp};
use std::sync::{Arc, Mutex};

fn known(loads: Option<&[&str]>) -> Known {
    Known {
        module_set: Some("m-1".into()),
        version: Some("v".into()),
        address: Some("192.0.2.1".into()),
        tree: "{}".into(),
        at: now(),
        loads: loads.map(|loads| loads.iter().map(|load| (*load).to_owned()).collect()),
    }
}

fn intention(agent: &str, loads: &[&str], request: Option<&str>) -> Intention {
    Intention {
        agent: agent_id(agent),
        loads: Some(loads.iter().map(|load| (*load).to_owned()).collect()),
        once: false,
        edit: request.map(|request| NewEdit {
            operator: "olga".into(),
            request: request.into(),
        }),
    }
}

type Seen = Arc<Mutex<Vec<(Standing, Vec<LoadChange>)>>>;

/// Lets everything pass but what begins with `no`, and notes what it was asked.
fn judge(seen: &Seen) -> AdmitLoads {
    let seen = Arc::clone(seen);
    Box::new(move |standing, changes| {
        seen.lock()
            .unwrap()
            .push((standing.clone(), changes.to_vec()));
        let verdict = |change: &LoadChange| {
            if change.new.iter().any(|load| load.starts_with("no")) {
                return Err(Withholding {
                    target: "t".into(),
                    reason: "too much".into(),
                });
            }
            Ok(())
        };
        changes.iter().map(verdict).collect()
    })
}

fn settled(edit: i64, agent: &str, outcome: Outcome) -> Settled {
    Settled {
        edit,
        agent: agent_id(agent),
        outcome,
        errors: "[]".into(),
        at: later(),
        known: None,
    }
}

fn later() -> Timestamp {
    now().plus_micros(SECOND)
}

pub(crate) async fn all(store: &dyn Store) {
    for (hash, agent) in [(200, "r-1"), (201, "r-2"), (202, "r-3")] {
        enrol(store, hash, agent).await;
    }
    loads_are_exchanged_and_judged(store).await;
    edits_wait_in_order(store).await;
    jobs_end_when_all_have_answered(store).await;
    reports_are_stored_once(store).await;
}

async fn loads_are_exchanged_and_judged(store: &dyn Store) {
    let seen = Seen::default();
    store
        .know(agent_id("r-1"), known(Some(&["a", "b", "b"])))
        .await
        .unwrap();
    store
        .know(agent_id("r-2"), known(Some(&["a"])))
        .await
        .unwrap();
    let intentions = vec![
        intention("r-1", &["b", "c"], None),
        intention("r-2", &["a", "no"], Some("{}")),
        intention("r-3", &["c"], Some("{}")),
    ];
    let verdicts = store
        .intend(intentions, later(), judge(&seen))
        .await
        .unwrap();
    assert!(verdicts[0].is_ok() && verdicts[2].is_ok());
    assert_eq!(verdicts[1].as_ref().unwrap_err().reason, "too much");
    let (standing, changes) = seen.lock().unwrap().remove(0);
    let of = |standing: &Standing, document: &str| {
        let load = standing.loads.iter().find(|load| load.document == document);
        load.map_or(0, |load| load.agents)
    };
    assert_eq!((of(&standing, "a"), of(&standing, "b")), (2, 2));
    assert_eq!(changes[0].new, ["c"]);
    let gone: Vec<&str> = changes[0]
        .gone
        .iter()
        .map(|(load, _)| load.as_str())
        .collect();
    assert_eq!(gone, ["a", "b"], "one of two equal ones stays");
    // What was refused has left nothing, what was let pass counts.
    assert!(store.pending(&agent_id("r-2")).await.unwrap().is_empty());
    let once = Intention {
        once: true,
        ..intention("r-3", &["x"], None)
    };
    store
        .intend(vec![once], later(), judge(&seen))
        .await
        .unwrap();
    let (standing, _) = seen.lock().unwrap().remove(0);
    assert_eq!(
        (of(&standing, "a"), of(&standing, "b"), of(&standing, "c")),
        (1, 1, 2)
    );
    store
        .count_loads(agent_id("r-3"), vec!["d".into()], later())
        .await
        .unwrap();
    let probe = intention("r-1", &["e"], None);
    store
        .intend(vec![probe.clone()], later(), judge(&seen))
        .await
        .unwrap();
    let (standing, _) = seen.lock().unwrap().remove(0);
    assert_eq!(
        (of(&standing, "x"), of(&standing, "d")),
        (1, 1),
        "what ran once is not taken back"
    );
    // Nor for ever: after its hour it counts no more.
    let hours = now().plus_micros(7200 * SECOND);
    store
        .intend(vec![intention("r-1", &["f"], None)], hours, judge(&seen))
        .await
        .unwrap();
    let (standing, _) = seen.lock().unwrap().remove(0);
    assert_eq!(of(&standing, "x"), 0);
    // Where nothing is new, nothing of the fleet is read.
    store
        .intend(vec![intention("r-1", &[], None)], hours, judge(&seen))
        .await
        .unwrap();
    assert_eq!(seen.lock().unwrap().remove(0).0, Standing::default());
}

async fn edits_wait_in_order(store: &dyn Store) {
    let agent = agent_id("r-2");
    let seen = Seen::default();
    for request in ["one", "two"] {
        let edit = intention("r-2", &["a"], Some(request));
        store.intend(vec![edit], now(), judge(&seen)).await.unwrap();
    }
    let pending = store.pending(&agent).await.unwrap();
    let requests: Vec<&str> = pending.iter().map(|edit| edit.request.as_str()).collect();
    assert_eq!(requests, ["one", "two"]);
    assert!(store.awaited().await.unwrap().contains(&agent));
    let state = async || store.datastore(&agent).await.unwrap().unwrap().0;
    assert_eq!(state().await.intended, Intended::Pending);
    store
        .settle(settled(pending[0].id, "r-2", Outcome::Delivered))
        .await
        .unwrap();
    assert_eq!(
        state().await.intended,
        Intended::Pending,
        "the other one waits"
    );
    let mut last = settled(pending[1].id, "r-2", Outcome::Refused);
    last.errors = "[1]".into();
    last.known = Some(Known {
        tree: "{\"new\":1}".into(),
        ..known(None)
    });
    store.settle(last).await.unwrap();
    let found = state().await;
    assert_eq!(
        (found.intended, found.errors.as_str()),
        (Intended::Refused, "[1]")
    );
    assert_eq!(
        (found.written, found.answered),
        (Some(now()), Some(later()))
    );
    let (_, tree) = store.datastore(&agent).await.unwrap().unwrap();
    assert_eq!(tree.as_deref(), Some("{\"new\":1}"));
    assert_eq!(store.datastores().await.unwrap().len(), 3);
    assert!(
        store
            .label(agent.clone(), [("k".to_owned(), "v".to_owned())].into())
            .await
            .unwrap()
    );
    assert_eq!(store.agent(&agent).await.unwrap().unwrap().labels["k"], "v");
    assert!(!store.label(agent_id("nobody"), [].into()).await.unwrap());
}

async fn jobs_end_when_all_have_answered(store: &dyn Store) {
    let agents = ["r-1", "r-2", "r-3"].map(agent_id);
    let new = NewJob {
        patch_id: "p".into(),
        operator: "olga".into(),
        request: "job".into(),
        agents: agents.to_vec(),
        created: now(),
    };
    let id = store.add_job(new).await.unwrap();
    let edit = async |agent: &str| {
        let pending = store.pending(&agent_id(agent)).await.unwrap();
        pending
            .into_iter()
            .find(|edit| edit.job == Some(id))
            .unwrap()
            .id
    };
    let first = edit("r-1").await;
    store.attempt(first).await.unwrap();
    store
        .settle(settled(first, "r-1", Outcome::Delivered))
        .await
        .unwrap();
    store
        .settle(settled(edit("r-2").await, "r-2", Outcome::Withheld))
        .await
        .unwrap();
    let job = async || {
        store
            .jobs()
            .await
            .unwrap()
            .into_iter()
            .find(|job| job.id == id)
            .unwrap()
    };
    assert!(job().await.ended.is_none());
    assert_eq!(
        store
            .cancel_job(id, vec![agent_id("r-1")], later())
            .await
            .unwrap(),
        Some(0)
    );
    assert_eq!(
        store.cancel_job(id, Vec::new(), later()).await.unwrap(),
        Some(1)
    );
    let found = job().await;
    assert_eq!(found.ended, Some(later()));
    let outcomes: Vec<(Outcome, u32)> = found
        .agents
        .iter()
        .map(|agent| (agent.outcome, agent.attempts))
        .collect();
    assert_eq!(
        outcomes,
        [
            (Outcome::Delivered, 1),
            (Outcome::Withheld, 0),
            (Outcome::Cancelled, 0)
        ]
    );
    let waiting = store.pending(&agent_id("r-3")).await.unwrap();
    assert!(
        waiting.iter().all(|edit| edit.job != Some(id)),
        "it was taken back"
    );
    assert_eq!(
        store.retry_job(id, Vec::new(), later()).await.unwrap(),
        Some(2)
    );
    assert!(job().await.ended.is_none());
    edit("r-3").await;
    assert_eq!(
        store.retry_job(id + 1, Vec::new(), later()).await.unwrap(),
        None
    );
    assert_eq!(
        store.cancel_job(id + 1, Vec::new(), later()).await.unwrap(),
        None
    );
}

async fn reports_are_stored_once(store: &dyn Store) {
    let agent = agent_id("r-1");
    let raw = || NewReport {
        media_type: "application/yang-data+json".into(),
        body: b"{}".to_vec(),
    };
    let send = async |results: &[u32]| {
        let results = results.iter().map(|n| result(*n)).collect();
        store
            .add_report(agent.clone(), raw(), results, now())
            .await
            .unwrap()
    };
    assert_eq!(
        send(&[9_001, 9_002]).await,
        [Ingest::Stored, Ingest::Stored]
    );
    assert_eq!(
        send(&[9_001, 9_002]).await,
        [Ingest::Duplicate, Ingest::Duplicate]
    );
    assert_eq!(store.count_reports(&agent).await.unwrap(), 1);
    assert_eq!(
        send(&[9_001, 9_003]).await,
        [Ingest::Duplicate, Ingest::Stored]
    );
    assert_eq!(send(&[]).await, []);
    assert_eq!(store.count_reports(&agent).await.unwrap(), 3);
}
