//! Datastores and edits that wait for their agents.

use super::{agent_id, enrol, now};
use crate::{
    AdmitLoads, Identity, Intended, Intention, Known, LoadChange, NewEdit, Outcome, Settled,
    Standing, Store, Withholding,
};
use glimpse_model::time::{SECOND, Timestamp};
use std::sync::{Arc, Mutex};

pub(super) fn known() -> Known {
    Known {
        module_set: Some("m-1".into()),
        version: Some("v".into()),
        address: Some("192.0.2.1".into()),
        identity: Identity::default(),
        tree: "{}".into(),
        at: now(),
    }
}

pub(super) fn intention(agent: &str, loads: &[&str], request: Option<&str>) -> Intention {
    Intention {
        agent: agent_id(agent),
        before: Vec::new(),
        loads: Some(loads.iter().map(|load| (*load).to_owned()).collect()),
        once: false,
        delivered: false,
        edit: request.map(|request| NewEdit {
            operator: "olga".into(),
            request: request.into(),
        }),
    }
}

pub(super) type Seen = Arc<Mutex<Vec<(Standing, Vec<LoadChange>)>>>;

/// Lets everything pass but what begins with `no`, and notes what it was asked.
pub(super) fn judge(seen: &Seen) -> AdmitLoads {
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

pub(super) fn settled(edit: i64, agent: &str, outcome: Outcome) -> Settled {
    Settled {
        edit,
        agent: agent_id(agent),
        outcome,
        errors: "[]".into(),
        at: later(),
        known: None,
    }
}

pub(super) fn later() -> Timestamp {
    now().plus_micros(SECOND)
}

pub(crate) async fn all(store: &dyn Store) {
    for (hash, agent) in [(200, "r-1"), (201, "r-2"), (202, "r-3")] {
        enrol(store, hash, agent).await;
    }
    super::loads::all(store).await;
    a_tree_that_is_the_same_is_not_written_again(store).await;
    edits_wait_in_order(store).await;
    no_more_waits_for_an_agent_than_may(store).await;
    labels_are_exchanged_for_all_or_for_none(store).await;
    super::jobs::all(store).await;
    super::reports::all(store).await;
}

async fn a_tree_that_is_the_same_is_not_written_again(store: &dyn Store) {
    let agent = agent_id("r-3");
    let know = async |tree: &str, seconds: i64| {
        let known = Known {
            tree: tree.into(),
            at: now().plus_micros(seconds * SECOND),
            ..known()
        };
        store.know(agent.clone(), known).await.unwrap();
        let (found, tree) = store.datastore(&agent).await.unwrap().unwrap();
        (found.known.unwrap().since(now()) / SECOND, tree.unwrap())
    };
    assert_eq!(know("{\"a\":1}", 0).await, (0, "{\"a\":1}".into()));
    assert_eq!(know("{\"a\":1}", 59).await.0, 0, "that is no news");
    assert_eq!(know("{\"a\":1}", 61).await, (61, "{\"a\":1}".into()));
    assert_eq!(know("{\"a\":2}", 62).await, (62, "{\"a\":2}".into()));
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
        ..known()
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
    let all = store.datastores().await.unwrap();
    assert!(all.iter().any(|datastore| datastore.agent == agent));
}

async fn no_more_waits_for_an_agent_than_may(store: &dyn Store) {
    let seen = Seen::default();
    let write = async |request: String, loads: &[&str]| {
        let edit = intention("r-2", loads, Some(&request));
        let verdicts = store.intend(vec![edit], now(), judge(&seen)).await.unwrap();
        verdicts.into_iter().next().unwrap()
    };
    let forget = async || {
        for edit in store.pending(&agent_id("r-2")).await.unwrap() {
            let done = settled(edit.id, "r-2", Outcome::Refused);
            store.settle(done).await.unwrap();
        }
    };
    for n in 0..64 {
        write(n.to_string(), &["a"]).await.unwrap();
    }
    let refused = write("one more".into(), &["z"]).await.unwrap_err();
    assert!(refused.reason.contains("64 edits"), "{refused:?}");
    assert_eq!(store.pending(&agent_id("r-2")).await.unwrap().len(), 64);
    // What it would have sent is not counted either.
    seen.lock().unwrap().clear();
    let probe = intention("r-1", &["q"], None);
    store
        .intend(vec![probe], now(), judge(&seen))
        .await
        .unwrap();
    let (standing, _) = seen.lock().unwrap().remove(0);
    assert!(standing.loads.iter().all(|load| load.document != "z"));
    forget().await;
    let long = "x".repeat(2 << 20);
    write(long.clone(), &["a"]).await.unwrap();
    write(long, &["a"]).await.unwrap();
    assert!(write("y".into(), &["a"]).await.is_err(), "4 MiB are full");
    forget().await;
}

async fn labels_are_exchanged_for_all_or_for_none(store: &dyn Store) {
    let labels = |id: &str, value: &str| {
        let labels = [("k".to_owned(), value.to_owned())];
        (agent_id(id), labels.into())
    };
    let of = async |id: &str| {
        let agent = store.agent(&agent_id(id)).await.unwrap().unwrap();
        agent.labels.get("k").cloned()
    };
    let both = vec![labels("r-1", "v"), labels("r-2", "w")];
    assert!(store.label(both).await.unwrap());
    assert_eq!(
        (of("r-1").await.as_deref(), of("r-2").await.as_deref()),
        (Some("v"), Some("w"))
    );
    let half = vec![labels("r-1", "x"), labels("nobody", "x")];
    assert!(!store.label(half).await.unwrap());
    assert_eq!(of("r-1").await.as_deref(), Some("v"));
}
