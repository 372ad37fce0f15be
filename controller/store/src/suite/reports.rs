//! Reports, and as whom agents send them.

use super::{agent_id, now, result};
use crate::{Coding, Identity, Ingest, Known, NewReport, Store};

pub(super) async fn all(store: &dyn Store) {
    reports_are_stored_once(store).await;
    an_agent_reports_as_its_configuration_has_it(store).await;
}

async fn reports_are_stored_once(store: &dyn Store) {
    let agent = agent_id("r-1");
    let raw = || NewReport {
        media_type: "application/yang-data+json".into(),
        coding: Coding::Identity,
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
    assert_eq!(
        store.count_reports(&agent).await.unwrap(),
        2,
        "a sign of life leaves nothing"
    );
    // The agents of old reports are not asked for: what was read in them stays.
    assert_eq!(store.forget_reports(now()).await.unwrap(), 0);
    let later = now().plus_micros(1);
    assert_eq!(store.forget_reports(later).await.unwrap(), 2);
    assert_eq!(store.count_reports(&agent).await.unwrap(), 0);
    assert!(store.count_results(Some(&agent)).await.unwrap() >= 3);
}

async fn an_agent_reports_as_its_configuration_has_it(store: &dyn Store) {
    let agent = agent_id("r-3");
    assert_eq!(
        store.identity(&agent_id("nobody")).await.unwrap(),
        Identity::default()
    );
    let identity = Identity {
        agent_id: Some("id".into()),
        group_id: Some("group".into()),
    };
    let known = Known {
        identity: identity.clone(),
        ..super::restconf::known()
    };
    store.know(agent.clone(), known).await.unwrap();
    assert_eq!(store.identity(&agent).await.unwrap(), identity);
}
