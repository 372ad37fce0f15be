//! Agents whose households wanted to be forgotten.

use super::{agent_id, enrol, now, result};
use crate::{Coding, Filter, Known, Labels, Measured, NewReport, NewResult, Store};
use std::collections::BTreeMap;

fn measured(n: u32) -> NewResult {
    NewResult {
        measured: Some(Measured::default()),
        ..result(n)
    }
}

/// How many measurements there are of each of the two.
async fn measurements(store: &dyn Store) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut rows = store.measurements(now(), now().plus_micros(1));
    while let Some(row) = rows.next().await.unwrap() {
        if row.agent.starts_with("f-") {
            *found.entry(row.agent.to_string()).or_default() += 1;
        }
    }
    found
}

pub(super) async fn all(store: &dyn Store) {
    for (hash, agent) in [(0xf0, "f-1"), (0xf1, "f-2")] {
        enrol(store, hash, agent).await;
        let id = agent_id(agent);
        let first = u32::from(hash) * 10_000;
        let results = (0..2_500).map(|n| measured(first + n)).collect();
        store.ingest(id.clone(), results, now()).await.unwrap();
        let report = NewReport {
            media_type: "application/yang-data+json".into(),
            coding: Coding::Identity,
            body: b"{}".to_vec(),
        };
        let read = vec![measured(first + 9_000)];
        store
            .add_report(id.clone(), report, read, now())
            .await
            .unwrap();
        store
            .announce(id.clone(), "{}".into(), now())
            .await
            .unwrap();
        store
            .know(
                id,
                Known {
                    ..super::restconf::known()
                },
            )
            .await
            .unwrap();
    }
    let (gone, other) = (agent_id("f-1"), agent_id("f-2"));
    assert_eq!(measurements(store).await["f-1"], 2_501);
    assert!(
        store
            .forget(gone.clone(), "wish".into(), now())
            .await
            .unwrap()
    );
    assert!(
        !store
            .forget(gone.clone(), "again".into(), now())
            .await
            .unwrap()
    );
    assert!(
        !store
            .forget(agent_id("nobody"), "wish".into(), now())
            .await
            .unwrap()
    );

    let agent = store.agent(&gone).await.unwrap().unwrap();
    assert_eq!((agent.forgotten, agent.revoked), (Some(now()), Some(now())));
    assert_eq!((agent.group, agent.labels), (None, Labels::new()));
    assert_eq!(store.capabilities(&gone).await.unwrap(), None);
    assert!(store.datastore(&gone).await.unwrap().is_none());
    // At once, though its results still wait to be deleted.
    let others = BTreeMap::from([("f-2".to_owned(), 2_501)]);
    assert_eq!(measurements(store).await, others);
    // In pieces, until all is gone.
    let mut pieces = Vec::new();
    loop {
        match store.delete_forgotten().await.unwrap() {
            0 => break,
            deleted => pieces.push(deleted),
        }
    }
    assert_eq!(pieces.iter().sum::<u64>(), 2_502);
    assert!(pieces.len() > 1);
    assert_eq!(store.count_results(Some(&gone)).await.unwrap(), 0);
    assert_eq!(store.count_reports(&gone).await.unwrap(), 0);
    let filter = Filter {
        agent: Some(gone),
        ..Filter::default()
    };
    assert!(store.results(filter).next().await.unwrap().is_none());
    // Nobody else's.
    assert_eq!(measurements(store).await, others);
    assert_eq!(store.count_results(Some(&other)).await.unwrap(), 2_501);
    assert_eq!(store.count_reports(&other).await.unwrap(), 1);
    assert!(store.capabilities(&other).await.unwrap().is_some());
    assert!(store.datastore(&other).await.unwrap().is_some());
}
