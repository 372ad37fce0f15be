#![allow(clippy::unwrap_used)]

use super::*;
use crate::cli;
use crate::config;
use std::ffi::OsString;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A controller made by `init` that listens on free ports of loopback.
async fn made(directory: &Path) -> Config {
    let words = ["glimpse-controller", "init", "--dir"].map(OsString::from);
    let words = words.into_iter().chain([directory.as_os_str().to_owned()]);
    let code = cli::run(words, &mut Vec::new(), &mut Vec::new()).await;
    assert_eq!(code, cli::DONE);
    let mut config = Config::load(&directory.join(config::FILE)).unwrap();
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    config.agent_listen = free;
    config.alto_listen = free;
    config.admin_listen = free;
    config
}

async fn health(at: SocketAddr) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn serves_and_stops_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let config = made(directory.path()).await;
    let running = Running::start(config.clone()).await.unwrap();
    let answer = health(running.admin).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let ports = [
        running.agent.port(),
        running.alto.port(),
        running.admin.port(),
    ];
    assert!(!ports.contains(&0));
    // A connection that says nothing must not hold the program up.
    let silent = TcpStream::connect(running.agent).await.unwrap();
    let admin = running.admin;
    let stopped = tokio::time::timeout(Duration::from_secs(5), running.stop()).await;
    assert!(stopped.is_ok(), "took more than 5 s");
    drop(silent);
    assert!(TcpStream::connect(admin).await.is_err());
    // The database was closed in order: its log is folded in.
    assert!(!directory.path().join("glimpse.db-wal").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_says_what_and_where() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = made(directory.path()).await;
    let taken = tokio::net::TcpListener::bind(config.admin_listen)
        .await
        .unwrap();
    config.admin_listen = taken.local_addr().unwrap();
    let said = Running::start(config.clone())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("listen.admin") && said.contains(&config.admin_listen.to_string()),
        "{said}"
    );
    config.database = directory.path().join("elsewhere.db");
    let said = Running::start(config).await.unwrap_err().to_string();
    assert!(said.contains("elsewhere.db"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_follow_the_database() {
    let fixture = crate::fixture::Fixture::new().await;
    fixture.enrol("a-1").await;
    let revocations = Revocations::default();
    let following = tokio::spawn(follow(Arc::clone(&fixture.shared), revocations.clone()));
    let path = fixture.directory.path().join("glimpse.db");
    let program = Sqlite::open(&path, &Options::default()).await.unwrap();
    let id = glimpse_model::id::AgentId::new("a-1").unwrap();
    program
        .revoke(id.clone(), fixture.shared.now())
        .await
        .unwrap();
    let certificate = crate::pki::AgentCertificate {
        agent: id,
        serial: "01".into(),
        not_before: 0,
        not_after: i64::MAX,
        sha256: [0; 32],
        key: Box::default(),
    };
    let seen = tokio::time::timeout(Duration::from_secs(5), revocations.revoked(&certificate));
    assert!(seen.await.is_ok());
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withheld_is_given_when_the_limits_leave_room() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = made(directory.path()).await;
    let enrol = async |store: &Sqlite, id: &str| {
        let token = glimpse_store::NewToken {
            hash: [id.as_bytes()[0]; 32],
            agent: None,
            group: None,
            labels: glimpse_store::Labels::new(),
            created: clock::now(),
            expires: clock::now().plus_micros(60_000_000),
        };
        let enrolment = glimpse_store::Enrolment {
            hash: token.hash,
            agent: glimpse_model::id::AgentId::new(id).unwrap(),
            certificate: glimpse_store::Certificate {
                serial: "01".into(),
                not_after: clock::now(),
            },
            at: clock::now(),
        };
        store.add_token(token).await.unwrap();
        store.enrol(enrolment).await.unwrap().unwrap().withheld
    };
    let instruction = glimpse_store::NewInstruction {
        id: glimpse_model::id::InstructionId::new("i").unwrap(),
        document: serde_json::json!({"id": "i", "timing": {"periodic": {"interval": 10_000}},
            "task": {"id": "t", "method": "ping", "options": {"host": "192.0.2.1"}}})
        .to_string(),
        audience: glimpse_store::Audience::default(),
        created: clock::now(),
    };

    config.limits.runs_per_hour = 360.0;
    let running = Running::start(config.clone()).await.unwrap();
    let admit: glimpse_store::Admit = Box::new(|_| Ok(()));
    let added = running.store.add_instructions(vec![instruction], admit);
    added.await.unwrap();
    assert_eq!(enrol(&running.store, "a").await, []);
    let withheld = enrol(&running.store, "b").await;
    assert!(withheld[0].reason.contains("720 runs per hour"));
    running.stop().await;

    config.limits.runs_per_hour = 720.0;
    let running = Running::start(config).await.unwrap();
    let b = glimpse_model::id::AgentId::new("b").unwrap();
    let given = async {
        while running
            .store
            .visible_to(&b)
            .await
            .unwrap()
            .documents
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let given = tokio::time::timeout(Duration::from_secs(5), given).await;
    assert!(given.is_ok(), "is still withheld");
    running.stop().await;
}
