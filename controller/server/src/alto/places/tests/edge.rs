//! What an upload leaves behind.

use super::mmdb::mmdb;
use crate::fixture::{Fixture, batch, by, record, start};
use crate::listener::Peer;
use axum::body::Body;
use axum::http::Request;
use glimpse_model::id::{AgentId, InstructionId};
use glimpse_store::{Audience, Labels, NewInstruction, Options};
use serde_json::{Value, json};
use std::path::Path;

const HOME: [u8; 4] = [203, 0, 113, 77];
const ELSEWHERE: [u8; 4] = [198, 51, 100, 5];
const UNKNOWN: [u8; 4] = [192, 0, 2, 8];

/// A controller whose operator has both databases, and an agent.
async fn controller(files: &Path) -> Fixture {
    let entry = |prefix, record: Value| (prefix, record);
    let systems = [
        entry(
            "203.0.113.0/24",
            json!({"autonomous_system_number": 64_500}),
        ),
        entry(
            "198.51.100.0/24",
            json!({"autonomous_system_number": 64_501}),
        ),
    ];
    let regions = [
        entry(
            "203.0.113.0/24",
            json!({"country_code": "US", "state1": "Illinois"}),
        ),
        entry(
            "198.51.100.0/24",
            json!({"country": {"iso_code": "DE"}, "subdivisions": [{"iso_code": "BY"}]}),
        ),
    ];
    let (asn, geo) = (files.join("asn.mmdb"), files.join("geo.mmdb"));
    std::fs::write(&asn, mmdb("Systems", &systems)).unwrap();
    std::fs::write(&geo, mmdb("Regions", &regions)).unwrap();
    let config = format!("[alto]\nasn_databases = [{asn:?}]\ngeo_databases = [{geo:?}]");
    let fixture = Fixture::with(&config, Options::default()).await;
    let instruction = NewInstruction {
        id: InstructionId::new("i-1").unwrap(),
        document: json!({"id": "i-1", "timing": {"immediate": {}}, "tasks": [{"id": "t-1",
            "method": "ping", "options": {"host": "192.0.2.1"}}]})
        .to_string(),
        audience: Audience::default(),
        created: start(),
    };
    let store = &fixture.shared.store;
    let added = store.add_instructions(vec![instruction], Box::new(|_| Ok(())));
    added.await.unwrap();
    fixture.enrol("a-1").await;
    label(&fixture, &[]).await;
    fixture
}

async fn label(fixture: &Fixture, labels: &[(&str, &str)]) {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let labels: Labels = labels.iter().map(owned).collect();
    let agent = AgentId::new("a-1").unwrap();
    let store = &fixture.shared.store;
    assert!(store.label(vec![(agent, labels)]).await.unwrap());
}

async fn upload(fixture: &Fixture, n: u8, address: [u8; 4]) {
    let request = Request::post("/agent/v2/results");
    let mut request = by(
        "a-1",
        request.body(Body::from(batch(&[record(n)]))).unwrap(),
    );
    let peer = request.extensions_mut().get_mut::<Peer>().unwrap();
    peer.addr = (address, 4_711).into();
    assert_eq!(fixture.send(request).await.status, 200);
}

/// ISP and region with which the agent's results come out.
async fn place(fixture: &Fixture) -> [Option<String>; 2] {
    let store = &fixture.shared.store;
    let mut rows = store.measurements(start(), start().plus_micros(1));
    let row = rows.next().await.unwrap().unwrap();
    [row.isp, row.region].map(|label| label.map(|label| label.to_string()))
}

fn known(isp: &str, region: &str) -> [Option<String>; 2] {
    [isp, region].map(|label| Some(label.to_owned()))
}

#[tokio::test]
async fn an_agent_without_labels_has_those_of_the_address_it_uploads_from() {
    let files = tempfile::tempdir().unwrap();
    let fixture = controller(files.path()).await;
    upload(&fixture, 1, UNKNOWN).await;
    assert_eq!(place(&fixture).await, [None, None]);
    upload(&fixture, 2, HOME).await;
    assert_eq!(place(&fixture).await, known("as64500", "us-il"));
    upload(&fixture, 3, ELSEWHERE).await;
    assert_eq!(
        place(&fixture).await,
        known("as64501", "de-by"),
        "it has moved"
    );
    upload(&fixture, 4, UNKNOWN).await;
    assert_eq!(
        place(&fixture).await,
        known("as64501", "de-by"),
        "nothing is known that is newer"
    );
}

#[tokio::test]
async fn what_the_operator_labelled_stays_and_is_completed() {
    let files = tempfile::tempdir().unwrap();
    let fixture = controller(files.path()).await;
    label(&fixture, &[("isp", "as1")]).await;
    upload(&fixture, 1, HOME).await;
    assert_eq!(place(&fixture).await, known("as1", "us-il"));
    label(&fixture, &[("isp", "as1"), ("region", "x")]).await;
    assert_eq!(place(&fixture).await, known("as1", "x"));
    label(&fixture, &[]).await;
    assert_eq!(place(&fixture).await, known("as64500", "us-il"));
}

#[tokio::test]
async fn the_address_of_an_upload_is_kept_nowhere() {
    let files = tempfile::tempdir().unwrap();
    let fixture = controller(files.path()).await;
    upload(&fixture, 1, HOME).await;
    assert_eq!(place(&fixture).await, known("as64500", "us-il"));
    fixture.shared.store.close().await.unwrap();
    let database = &fixture.shared.config.database;
    let mut looked_at = 0;
    for entry in std::fs::read_dir(database.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.to_string_lossy().contains("glimpse.db") {
            let bytes = std::fs::read(&path).unwrap();
            let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
            assert!(
                !holds(b"203.0.113.77") && !holds(&HOME),
                "{}",
                path.display()
            );
            looked_at += usize::from(holds(b"as64500"));
        }
    }
    assert!(looked_at > 0, "the labels were to be found");
}
