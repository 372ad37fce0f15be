#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture::{Fixture, batch, record, start};
use glimpse_store::Store;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

struct Ran {
    code: u8,
    out: String,
    err: String,
}

async fn run(words: &[&str]) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let words = ["glimpse-controller"]
        .iter()
        .chain(words)
        .map(OsString::from);
    let code = super::run(words, &mut out, &mut err).await;
    Ran {
        code,
        out: String::from_utf8(out).unwrap(),
        err: String::from_utf8(err).unwrap(),
    }
}

async fn json(words: &[&str]) -> Value {
    let ran = run(&[words, &["--json"]].concat()).await;
    assert_eq!(ran.code, DONE, "{}", ran.err);
    assert_eq!(ran.out.lines().count(), 1, "one document: {}", ran.out);
    serde_json::from_str(&ran.out).unwrap()
}

fn controller() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().join("c").to_str().unwrap().to_owned();
    (directory, dir)
}

fn instruction(dir: &str, id: &str, interval_ms: u32) -> String {
    let file = format!("{dir}/{id}.json");
    let document = json!({"id": id, "timing": {"periodic": {"interval": interval_ms}},
        "task": {"id": "t", "method": "ping", "options": {"host": "192.0.2.1", "count": 1}}});
    std::fs::write(&file, document.to_string()).unwrap();
    file
}

#[tokio::test]
async fn init_makes_a_controller_once() {
    let (_keep, dir) = controller();
    let made = json(&["init", "--dir", &dir, "--name", "c.example"]).await;
    assert!(
        made["ca_fingerprint"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
    assert_eq!(made["names"], json!(["c.example"]));
    let database = std::fs::metadata(format!("{dir}/glimpse.db")).unwrap();
    assert_eq!(database.permissions().mode() & 0o777, 0o600);
    let again = run(&["init", "--dir", &dir]).await;
    assert_eq!(again.code, FAILED);
    assert!(again.err.starts_with("error: ") && again.err.contains("exists already"));
    assert!(again.err.contains("hint: "));
    let other = tempfile::tempdir().unwrap();
    let text = run(&["init", "--dir", other.path().to_str().unwrap()]).await;
    assert!(text.out.contains("CA fingerprint: sha256:"), "{}", text.out);
    assert!(
        text.out
            .lines()
            .all(|line| line.chars().count() < 100 || line.contains('/'))
    );
}

#[tokio::test]
async fn agents_are_invited_listed_shown_and_revoked() {
    let (_keep, dir) = controller();
    json(&["init", "--dir", &dir]).await;
    let text = run(&["agent", "invite", "--dir", &dir, "--label", "isp=as1"]).await;
    assert_eq!(text.out.trim().len(), 43, "the token alone: {}", text.out);
    assert!(text.err.contains("CA fingerprint"));
    let invited = json(&[
        "agent", "invite", "--dir", &dir, "--group", "g", "--ttl", "60",
    ])
    .await;
    assert_eq!(invited["group"], "g");

    let config = Config::load(&Path::new(&dir).join(config::FILE)).unwrap();
    let store = open(&config).await.unwrap();
    let token = glimpse_store::Enrolment {
        hash: sha256(invited["token"].as_str().unwrap()),
        agent: agent::agent_id("a-1").unwrap(),
        certificate: glimpse_store::Certificate {
            serial: "01".into(),
            not_after: crate::clock::now().plus_micros(86_400_000_000),
        },
        at: crate::clock::now(),
    };
    store.enrol(token).await.unwrap().unwrap();
    let listed = json(&["agent", "list", "--dir", &dir]).await;
    assert_eq!(listed[0]["id"], "a-1");
    let table = run(&["agent", "list", "--dir", &dir]).await.out;
    assert!(
        table.starts_with("AGENT  GROUP  LABELS  LAST SEEN  STATE\na-1    g"),
        "{table}"
    );
    let shown = run(&["agent", "show", "a-1", "--dir", &dir]).await.out;
    assert!(shown.contains("methods      not announced yet"), "{shown}");

    let back = json(&["agent", "invite", "--dir", &dir, "--agent", "a-1"]).await;
    assert_eq!(back["agent"], "a-1");
    let revoked = json(&["agent", "revoke", "a-1", "--dir", &dir]).await;
    assert!(revoked["revoked"].is_string());
    for (words, code, said) in [
        (
            vec!["agent", "show", "b", "--dir", &dir],
            FAILED,
            "there is no agent b",
        ),
        (
            vec!["agent", "invite", "--agent", "a-1", "--dir", &dir],
            FAILED,
            "was revoked",
        ),
        (
            vec!["agent", "invite", "--agent", "b", "--dir", &dir],
            FAILED,
            "no agent b",
        ),
        (
            vec!["agent", "invite", "--label", "x", "--dir", &dir],
            USAGE,
            "key=value",
        ),
        (
            vec!["agent", "invite", "--group", "a b", "--dir", &dir],
            USAGE,
            "group",
        ),
        (
            vec!["agent", "invite", "--ttl", "0", "--dir", &dir],
            USAGE,
            "--ttl",
        ),
    ] {
        let ran = run(&words).await;
        assert_eq!(ran.code, code, "{words:?}: {}", ran.err);
        assert!(ran.err.contains(said), "{words:?}: {}", ran.err);
    }
}

fn sha256(text: &str) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(text).into()
}

#[tokio::test]
async fn instructions_are_given_listed_and_taken_back() {
    let (_keep, dir) = controller();
    json(&["init", "--dir", &dir]).await;
    let file = instruction(&dir, "i-1", 10_000);
    let added = json(&["instruction", "add", &file, "--dir", &dir, "--group", "g"]).await;
    assert_eq!(added, json!([{"id": "i-1", "agents": 0}]));
    let listed = json(&["instruction", "list", "--dir", &dir]).await;
    assert_eq!(listed[0]["groups"], json!(["g"]));
    assert_eq!(
        listed[0]["instruction"]["tasks"][0]["options"]["host"],
        "192.0.2.1"
    );
    let table = run(&["instruction", "list", "--dir", &dir]).await.out;
    assert!(
        table.contains("i-1          ping 192.0.2.1  every 10 s  g"),
        "{table}"
    );

    // 1 s: 3600 runs an hour, with the 360 that stand over the limit of 3600.
    let greedy = instruction(&dir, "i-2", 1000);
    let ran = run(&["instruction", "add", &greedy, "--dir", &dir]).await;
    assert_eq!(ran.code, FAILED);
    assert!(
        ran.err
            .contains("not admitted: 192.0.2.1: 3960 runs per hour"),
        "{}",
        ran.err
    );
    json(&["instruction", "cancel", "i-1", "--dir", &dir]).await;
    assert_eq!(
        run(&["instruction", "add", &greedy, "--dir", &dir])
            .await
            .code,
        DONE
    );

    let set = format!("{dir}/set.json");
    let bad = json!({"schema": 2, "instructions": [{"id": "x", "timing": {"periodic": {"interval": 0}},
        "task": {"id": "t", "method": "ping"}}]});
    std::fs::write(&set, bad.to_string()).unwrap();
    for (words, said) in [
        (
            vec!["add", &set],
            "instructions[0].timing.periodic.interval: must be > 0",
        ),
        (vec!["add", &file], "there is an instruction i-1 already"),
        (vec!["add", "/nowhere.json"], "/nowhere.json: "),
        (vec!["add", &file, "--agent", "ghost"], "already"),
        (vec!["cancel", "i-1"], "no instruction i-1 in force"),
    ] {
        let words = [&["instruction"], words.as_slice(), &["--dir", &dir]].concat();
        let ran = run(&words).await;
        assert_eq!(ran.code, FAILED, "{words:?}");
        assert!(ran.err.contains(said), "{words:?}: {}", ran.err);
    }
    let all = json(&["instruction", "list", "--all", "--dir", &dir]).await;
    assert_eq!(all.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn results_are_exported() {
    let fixture = Fixture::new().await;
    fixture.enrol("a-1").await;
    assert_eq!(
        fixture
            .post("a-1", batch(&[record(1), record(2)]))
            .await
            .status,
        200
    );
    let dir = fixture.directory.path().to_str().unwrap();
    let file = format!("{dir}/controller.toml");
    std::fs::write(&file, "").unwrap();

    let export = ["results", "export", "--config", &file];
    let csv = run(&[&export[..], &["--format", "csv"]].concat()).await.out;
    assert_eq!(csv.lines().count(), 3);
    let lines = run(&[&export[..], &["--json"]].concat()).await.out;
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["record"]["probe_result"]["round_trip_sent"], 3);
    for (words, rows) in [
        (["--method", "dns"], 0),
        (["--agent", "a-1"], 2),
        (["--agent", "a-2"], 0),
        (["--since", "2026-06-01T00:00:00Z"], 2),
        (["--since", "2026-06-01T00:00:01Z"], 0),
    ] {
        let ran = run(&[&export[..], &["--format", "jsonl"], &words[..]].concat()).await;
        assert_eq!(ran.out.lines().count(), rows, "{words:?}");
    }
    assert_eq!(
        run(&[&export[..], &["--since", "soon"]].concat())
            .await
            .code,
        USAGE
    );
}

#[tokio::test]
async fn pairs_are_made_and_their_records_joined() {
    let fixture = Fixture::new().await;
    for id in ["a-1", "a-2"] {
        fixture.enrol(id).await;
    }
    let dir = fixture.directory.path().to_str().unwrap();
    let file = format!("{dir}/controller.toml");
    std::fs::write(&file, "").unwrap();
    let add = |to: &'static str| {
        let file = file.clone();
        async move {
            let words = [
                "pair",
                "add",
                "btc",
                "--config",
                &file,
                "--from",
                "a-1",
                "--to",
                to,
                "--host",
                "192.0.2.2",
                "--id",
                "p1",
                "--option",
                "slices=5",
            ];
            run(&words).await
        }
    };
    let stranger = add("a-3").await;
    assert!(
        stranger.err.contains("there is no agent a-3"),
        "{}",
        stranger.err
    );
    let ran = add("a-2").await;
    assert_eq!(ran.code, DONE, "{}", ran.err);
    assert!(
        ran.out.contains("a-1 measures with a-2 at 192.0.2.2"),
        "{}",
        ran.out
    );

    let told = fixture.get("a-1", "/agent/v2/instructions").await.json();
    let options = &told["instructions"][0]["tasks"][0]["options"];
    assert_eq!(options["slices"], 5);
    assert!(options["token"].as_str().unwrap().starts_with("g1."));
    let other = fixture.get("a-2", "/agent/v2/instructions").await.json();
    assert_eq!(other["instructions"], json!([]));

    let measured = |n, method: &str, instruction: Option<&str>| {
        let mut made = record(n);
        made["method"] = method.into();
        made["instruction_id"] = instruction.into();
        made["probe_result"] =
            json!({"measure_uuid": "m", "down": {"bandwidth_bps_avg": 94_100_000}});
        made
    };
    let results = ["pair", "results", "--config", &file];
    assert_eq!(json(&results).await, json!([]));
    let sent = fixture
        .post("a-1", batch(&[measured(1, "btc_ma", Some("p1"))]))
        .await;
    assert_eq!(sent.status, 200);
    assert_eq!(json(&results).await[0]["responder"]["record"], Value::Null);
    let sent = fixture
        .post("a-2", batch(&[measured(2, "btc_mp", None)]))
        .await;
    assert_eq!(sent.status, 200);
    let joined = json(&results).await;
    assert_eq!(joined[0]["responder"]["agent"], "a-2");
    assert_eq!(joined[0]["responder"]["record"]["method"], "btc_mp");
    let table = run(&results).await.out;
    assert!(
        table.contains("down 94.10 Mbit/s") && table.contains("both"),
        "{table}"
    );
}

#[test]
fn ages_and_times() {
    let now = start();
    for (text, seconds) in [("90s", 90), ("30m", 1800), ("6h", 21_600), ("7d", 604_800)] {
        let since = results::since(text, now).unwrap();
        assert_eq!(now.since(since), seconds * 1_000_000, "{text}");
    }
    for bad in ["", "d", "-1d", "6x", "6 h", "ü", "99999999999999999999d"] {
        assert_eq!(results::since(bad, now), None, "{bad}");
    }
}

#[tokio::test]
async fn usage_is_told_apart_from_failure() {
    for (words, code) in [
        (&["--help"][..], DONE),
        (&["--version"], DONE),
        (&[], USAGE),
        (&["agents"], USAGE),
        (&["agent", "list", "--dir", "/nowhere"], FAILED),
        (&["agent", "list", "--dir", "a", "--config", "b"], USAGE),
    ] {
        assert_eq!(run(words).await.code, code, "{words:?}");
    }
    let missing = run(&["agent", "list", "--dir", "/nowhere"]).await;
    assert!(missing.out.is_empty());
    assert!(missing.err.contains("/nowhere/controller.toml") && missing.err.contains("init --dir"));
}
