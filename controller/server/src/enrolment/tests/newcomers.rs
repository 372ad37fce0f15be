//! What was there before an agent reaches it only within the limits of the fleet.

use super::{certificates, enrol, greedy_request};
use crate::fixture::{Fixture, by, start};
use crate::pki::AgentCertificate;
use crate::{admission, cli, config};
use axum::body::Body;
use axum::http::Request;
use glimpse_model::id::InstructionId;
use glimpse_store::{Addition, Admit, Audience, NewInstruction, Options};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::time::Duration;

const CONFIG: &str = "[limits]\nruns_per_hour = 720\nopt_out = [\"192.0.2.9\"]\n";
const PATH: &str = "/agent/v2/instructions";

/// A controller whose command line works too.
async fn controller() -> Fixture {
    let limits = config::Config::parse(CONFIG, "c/controller.toml".as_ref())
        .unwrap()
        .limits;
    let options = Options {
        judge: admission::newcomers(limits),
        ..Options::default()
    };
    let fixture = Fixture::with(CONFIG, options).await;
    std::fs::write(fixture.directory.path().join(config::FILE), CONFIG).unwrap();
    fixture
}

/// Gives a ping every 10 s, 360 an hour and agent: by the limits, or as if they had been wider.
async fn give(fixture: &Fixture, id: &str, host: &str, groups: &[&str], judged: bool) {
    let document = json!({"id": id, "timing": {"periodic": {"interval": 10_000}},
        "tasks": [{"id": "t", "method": "ping", "options": {"host": host, "count": 1}}]})
    .to_string();
    let limits = fixture.shared.config.limits.clone();
    let admit: Admit = if judged {
        admission::additions(vec![admission::stored(&document).unwrap()], limits, start())
    } else {
        Box::new(|_| Ok(()))
    };
    let new = NewInstruction {
        id: InstructionId::new(id).unwrap(),
        document,
        audience: Audience {
            agents: Vec::new(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        },
        created: start(),
    };
    let added = fixture.shared.store.add_instructions(vec![new], admit);
    assert!(matches!(added.await.unwrap(), Addition::Added(_)), "{id}");
}

/// Enrols an agent of the group `north` by the service.
async fn newcomer(fixture: &Fixture, token: &str) -> String {
    fixture.token(token, None).await;
    let given = certificates(&enrol(fixture, token, &greedy_request()).await);
    AgentCertificate::parse(&given[0])
        .unwrap()
        .agent
        .to_string()
}

async fn told(fixture: &Fixture, agent: &str) -> Vec<String> {
    let set = fixture.get(agent, PATH).await.json();
    let set = set["instructions"].as_array().unwrap().iter();
    set.map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn command(fixture: &Fixture, words: &[&str]) -> String {
    let dir = fixture.directory.path().to_str().unwrap();
    let words = [&["glimpse-controller"], words, &["--dir", dir]].concat();
    let words = words.into_iter().map(OsString::from);
    let mut out = Vec::new();
    let code = cli::run(words, &mut out, &mut Vec::new()).await;
    assert_eq!(code, cli::DONE);
    String::from_utf8(out).unwrap()
}

async fn document(fixture: &Fixture, words: &[&str]) -> Value {
    let text = command(fixture, &[words, &["--json"]].concat()).await;
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_newcomer_is_told_what_the_limits_leave_room_for_and_the_rest_later() {
    let fixture = controller().await;
    give(&fixture, "i-1", "192.0.2.1", &["north"], true).await;
    give(&fixture, "i-2", "192.0.2.1", &[], true).await;
    give(&fixture, "i-3", "192.0.2.3", &[], true).await;
    give(&fixture, "i-4", "192.0.2.4", &["south"], true).await;
    give(&fixture, "i-9", "192.0.2.9", &[], false).await;
    let first = newcomer(&fixture, "one").await;
    assert_eq!(told(&fixture, &first).await, ["i-1", "i-2", "i-3"]);
    // 720 runs an hour to 192.0.2.1 stand: there is no room for another agent.
    let second = newcomer(&fixture, "two").await;
    assert_eq!(told(&fixture, &second).await, ["i-3"]);

    let listed = document(&fixture, &["instruction", "list"]).await;
    let counts = listed.as_array().unwrap().iter().map(|row| {
        let count = |name: &str| row[name].as_u64().unwrap();
        (count("reach"), count("withheld"))
    });
    assert_eq!(
        counts.collect::<Vec<_>>(),
        [(1, 1), (1, 1), (2, 0), (0, 0), (0, 2)]
    );
    let table = command(&fixture, &["instruction", "list"]).await;
    assert_eq!(table.matches("1 (1 withheld)").count(), 2, "{table}");
    let shown = document(&fixture, &["agent", "show", &second]).await;
    let withheld = shown["withheld"].as_array().unwrap();
    assert_eq!(withheld.len(), 3);
    assert_eq!(withheld[0]["instruction"], "i-1");
    assert_eq!(withheld[0]["target"], "192.0.2.1");
    assert_eq!(withheld[0]["since"], start().to_string());
    let reason = withheld[0]["reason"].as_str().unwrap();
    assert!(reason.contains("1080 runs per hour over the fleet, the limit is 720"));
    assert_eq!(withheld[2]["target"], "192.0.2.9");
    let text = command(&fixture, &["agent", "show", &second]).await;
    let line = text.lines().find(|line| line.contains(" i-2 ")).unwrap();
    assert!(line.starts_with("withheld     i-2 since "), "{line}");
    assert!(line.contains(": 192.0.2.1: 1080 runs per hour"), "{line}");

    let known = fixture.get(&second, PATH).await;
    let known = known.header("etag").unwrap();
    let held = Request::get(format!("{PATH}?wait=60")).header("if-none-match", known);
    let held = fixture.send(by(&second, held.body(Body::empty()).unwrap()));
    let (woken, _) = tokio::join!(tokio::time::timeout(Duration::from_secs(10), held), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        command(&fixture, &["instruction", "cancel", "i-1"]).await
    });
    assert_eq!(woken.unwrap().status, 200, "a held request wakes");
    assert_eq!(told(&fixture, &second).await, ["i-2", "i-3"]);
    assert_eq!(told(&fixture, &first).await, ["i-2", "i-3"]);
    let shown = document(&fixture, &["agent", "show", &second]).await;
    let withheld = shown["withheld"].as_array().unwrap();
    assert_eq!(withheld.len(), 1, "opted out for good");
    assert_eq!(withheld[0]["instruction"], "i-9");
}

#[tokio::test]
async fn who_comes_back_is_told_what_it_was_told() {
    let fixture = controller().await;
    give(&fixture, "i-1", "192.0.2.1", &["north"], true).await;
    let agents = [
        newcomer(&fixture, "one").await,
        newcomer(&fixture, "two").await,
        newcomer(&fixture, "three").await,
    ];
    for (agent, token) in agents.iter().zip(["back one", "back two", "back three"]) {
        let before = told(&fixture, agent).await;
        fixture.token(token, Some(agent)).await;
        certificates(&enrol(&fixture, token, &greedy_request()).await);
        assert_eq!(told(&fixture, agent).await, before);
    }
    assert_eq!(told(&fixture, &agents[1]).await, ["i-1"]);
    assert_eq!(told(&fixture, &agents[2]).await, Vec::<String>::new());
}
