//! What is found of agents' places.

use super::{agent_id, enrol, now, result};
use crate::{Labels, Measured, NewResult, Store};

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

/// ISP and region of the agent's measurement.
async fn place(store: &dyn Store, agent: &str) -> (Option<String>, Option<String>) {
    let mut rows = store.measurements(now(), now().plus_micros(1));
    let mut place = None;
    while let Some(row) = rows.next().await.unwrap() {
        if &*row.agent == agent {
            let text = |label: Option<std::sync::Arc<str>>| label.map(|label| label.to_string());
            place = Some((text(row.isp), text(row.region)));
        }
    }
    place.unwrap()
}

pub(super) async fn all(store: &dyn Store) {
    enrol(store, 0xd0, "p-1").await;
    let agent = agent_id("p-1");
    let measured = NewResult {
        measured: Some(Measured::default()),
        ..result(800_000)
    };
    let stored = store.ingest(agent.clone(), vec![measured], now()).await;
    assert_eq!(stored.unwrap().len(), 1);
    let known = |isp: &str, region: &str| (Some(isp.to_owned()), Some(region.to_owned()));
    assert_eq!(place(store, "p-1").await, (Some("as1".into()), None));
    let found = labels(&[("isp", "as2"), ("region", "de-by")]);
    assert!(store.found(agent.clone(), found).await.unwrap());
    assert_eq!(
        place(store, "p-1").await,
        known("as1", "de-by"),
        "what the operator gave wins"
    );
    assert!(
        store
            .label(vec![(agent.clone(), Labels::new())])
            .await
            .unwrap()
    );
    assert_eq!(place(store, "p-1").await, known("as2", "de-by"));
    let elsewhere = labels(&[("isp", "as3"), ("region", "de-be")]);
    assert!(store.found(agent.clone(), elsewhere.clone()).await.unwrap());
    assert_eq!(
        place(store, "p-1").await,
        known("as3", "de-be"),
        "the newest is in force"
    );
    let shown = store.agent(&agent).await.unwrap().unwrap();
    assert_eq!(
        shown.labels,
        Labels::new(),
        "it is no label of the operator's"
    );
    assert!(
        !store
            .found(agent_id("p-none"), elsewhere.clone())
            .await
            .unwrap()
    );
    assert!(
        store
            .forget(agent.clone(), "wish".into(), now())
            .await
            .unwrap()
    );
    assert!(
        !store.found(agent, elsewhere).await.unwrap(),
        "nothing is found of who is forgotten"
    );
    while store.delete_forgotten().await.unwrap() > 0 {}
}
