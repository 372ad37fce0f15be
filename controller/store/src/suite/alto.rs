//! What the publisher of maps reads and keeps.

use super::{agent_id, enrol, now, result};
use crate::{AltoPublic, Ingest, Labels, Measured, MeasuredRow, NewResult, Store};
use glimpse_model::record::Status;
use glimpse_model::time::{SECOND, Timestamp};
use std::collections::BTreeMap;

pub(super) async fn all(store: &dyn Store) {
    measurements_come_out_with_labels(store).await;
    of_two_publishers_one_is_first(store).await;
    windows_have_their_newest_version(store).await;
}

fn epoch() -> Timestamp {
    now().plus_micros(1_000_000 * SECOND)
}

fn measured(n: u32, method: &str, seconds: i64, measured: Option<Measured>) -> NewResult {
    NewResult {
        method: Some(method.into()),
        start: Some(epoch().plus_micros(seconds * SECOND)),
        measured,
        ..result(700_000 + n)
    }
}

async fn read(store: &dyn Store, from: i64, to: i64) -> Vec<MeasuredRow> {
    let at = |seconds: i64| epoch().plus_micros(seconds * SECOND);
    let mut rows = store.measurements(at(from), at(to));
    let mut found = Vec::new();
    while let Some(row) = rows.next().await.unwrap() {
        found.push(row);
    }
    found.sort_by_key(|row| row.start);
    found
}

async fn measurements_come_out_with_labels(store: &dyn Store) {
    enrol(store, 0xa1, "m-1").await;
    let labels: Labels = ["isp", "region", "technology", "contract"]
        .map(|label| (label.to_owned(), format!("{label}-1")))
        .into();
    let label = vec![(agent_id("m-1"), labels)];
    assert!(store.label(label).await.unwrap());
    let full = Measured {
        target: Some("anchor.example".into()),
        between_agents: true,
        cpu_percent: Some(7),
        cross_traffic_bps: Some(1 << 40),
        wifi_dbm: Some(-60),
        clock_offset_us: Some(-5),
        figures: vec![(6, vec![1, (1 << 48) - 1]), (0, vec![0])],
    };
    let mut failed = measured(4, "ping", 3, Some(full.clone()));
    failed.status = Status::Failed;
    let mut suspect = measured(3, "a-plugin", 2, Some(Measured::default()));
    suspect.clock_suspect = true;
    let batch = vec![
        measured(1, "httpdownload", 0, Some(full.clone())),
        suspect,
        failed,
        measured(5, "wifi", 3, None),
        measured(6, "ping", 10, Some(full.clone())),
    ];
    let received = epoch().plus_micros(60 * SECOND);
    let stored = store.ingest(agent_id("m-1"), batch, received);
    assert_eq!(stored.await.unwrap(), [Ingest::Stored; 5]);
    // Of somebody who never enrolled.
    let anonymous = vec![measured(7, "traceroute", 1, Some(full.clone()))];
    let stored = store.ingest(agent_id("anonymous:x"), anonymous, received);
    stored.await.unwrap();

    let rows = read(store, 0, 10).await;
    assert_eq!(rows.len(), 3, "{rows:?}");
    let label = |name: &str| Some(name.into());
    assert_eq!(
        rows[0],
        MeasuredRow {
            agent: "m-1".into(),
            isp: label("isp-1"),
            region: label("region-1"),
            technology: label("technology-1"),
            contract: label("contract-1"),
            target: "anchor.example".into(),
            between_agents: true,
            start: epoch(),
            received,
            clock_suspect: false,
            cpu_percent: Some(7),
            cross_traffic_bps: Some(1 << 40),
            wifi_dbm: Some(-60),
            clock_offset_us: Some(-5),
            figures: full.figures,
        }
    );
    assert_eq!((&*rows[1].agent, &rows[1].isp), ("anonymous:x", &None));
    assert!(rows[2].clock_suspect && rows[2].figures.is_empty());
    assert_eq!(rows[2].target, "");
    // Half-open.
    assert_eq!(read(store, 10, 11).await.len(), 1);
    assert!(read(store, 11, 12).await.is_empty());
}

fn public(span: &str, hour: i64, version: u64) -> AltoPublic {
    AltoPublic {
        span: span.into(),
        start_us: hour * 3_600 * SECOND,
        end_us: (hour + 1) * 3_600 * SECOND,
        version,
        document: format!("{span} {hour} {version}").into_bytes(),
    }
}

async fn of_two_publishers_one_is_first(store: &dyn Store) {
    assert_eq!(store.alto_ledger("one").await.unwrap(), None);
    let publish = |expected: u64, ledger: &str, publics: Vec<AltoPublic>| {
        store.alto_publish("one".into(), expected, ledger.into(), publics)
    };
    let (first, second) = tokio::join!(
        publish(0, "a", vec![public("hour", 0, 1)]),
        publish(0, "b", vec![public("hour", 1, 1)])
    );
    assert_eq!((first.unwrap(), second.unwrap()), (true, false));
    assert_eq!(
        store.alto_ledger("one").await.unwrap(),
        Some((1, b"a".to_vec()))
    );
    let before = store.alto_publics("one", None, now()).await.unwrap();
    assert!(before.is_empty(), "they ended long before");
    let ever = Timestamp::from_micros(0);
    let before = store.alto_publics("one", None, ever).await.unwrap();
    assert_eq!(before, [public("hour", 0, 1)], "nothing of who was late");

    for wrong in [0, 2, u64::MAX] {
        assert!(!publish(wrong, "c", Vec::new()).await.unwrap());
    }
    assert!(publish(1, "d", Vec::new()).await.unwrap());
    assert_eq!(
        store.alto_ledger("one").await.unwrap(),
        Some((2, b"d".to_vec()))
    );
    // Another ledger has revisions and windows of its own.
    let lab = store.alto_publish("lab".into(), 0, b"l".to_vec(), vec![public("hour", 0, 9)]);
    assert!(lab.await.unwrap());
    let of_lab = store.alto_publics("lab", None, ever).await.unwrap();
    assert_eq!(of_lab, [public("hour", 0, 9)]);
    let after = store.alto_publics("one", None, ever).await.unwrap();
    assert_eq!(after, before);
}

async fn windows_have_their_newest_version(store: &dyn Store) {
    let windows = vec![
        public("day", 0, 1),
        public("hour", 2, 1),
        public("hour", 1, 1),
        public("hour", 2, 2),
    ];
    let published = store.alto_publish("one".into(), 2, b"e".to_vec(), windows);
    assert!(published.await.unwrap());
    let after = |hours: i64| Timestamp::from_micros(hours * 3_600 * SECOND);
    let read = async |span: Option<&str>, hours: i64| {
        let found = store.alto_publics("one", span, after(hours)).await.unwrap();
        found
            .into_iter()
            .map(|found| {
                let text = String::from_utf8(found.document.clone()).unwrap();
                assert_eq!(text.split(' ').next(), Some(found.span.as_str()));
                text
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        read(None, 0).await,
        ["day 0 1", "hour 0 1", "hour 1 1", "hour 2 2"]
    );
    assert_eq!(
        read(Some("hour"), 2).await,
        ["hour 2 2"],
        "the hour that ends then is not after it"
    );
    let prune = |span: &str, hours: i64| store.alto_prune("one".into(), span.into(), after(hours));
    assert_eq!(prune("hour", 2).await.unwrap(), 2);
    assert_eq!(prune("hour", 2).await.unwrap(), 0);
    assert_eq!(read(None, 0).await, ["day 0 1", "hour 2 2"]);
    let left = store.alto_publics("lab", None, after(0)).await.unwrap();
    let versions: BTreeMap<i64, u64> = left.iter().map(|p| (p.start_us, p.version)).collect();
    assert_eq!(versions, BTreeMap::from([(0, 9)]));
}
