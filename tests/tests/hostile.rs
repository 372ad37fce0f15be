//! An agent with a valid certificate that means harm: the controller refuses, stays small, and serves the others.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use glimpse_tests::controller::LAB;
use glimpse_tests::wire::{self, Answer, Caller};
use glimpse_tests::{Agent, Controller, eventually};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// What an attack may add to the resident memory of its victim.
const ROOM: u64 = 64 << 20;

/// A controller, two agents of it that do not run, and what each of them can do by hand.
struct Scene {
    controller: Controller,
    hostile: Caller,
    other: Caller,
    ids: [String; 2],
    before: u64,
}

impl Scene {
    fn new() -> Self {
        Self::with(LAB)
    }

    fn with(sections: &str) -> Self {
        let mut controller = Controller::init(sections);
        controller.serve();
        let [(hostile, first), (other, second)] = [0; 2].map(|_| enrolled(&controller));
        // What a first request of each kind brings in stays.
        for caller in [&hostile, &other] {
            assert_eq!(caller.upload(&batch(&[])).unwrap().status, 200);
        }
        let before = wire::peak(controller.pid().unwrap());
        Self {
            controller,
            hostile,
            other,
            ids: [first, second],
            before,
        }
    }

    /// Memory is bounded, and somebody else's results are taken.
    #[track_caller]
    fn stands(&self) {
        self.is_bounded();
        let record = record(json!({}));
        let answer = self
            .other
            .upload(&batch(std::slice::from_ref(&record)))
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.head);
        assert_eq!(answer.json()["accepted"], json!([record["id"]]));
    }

    #[track_caller]
    fn is_bounded(&self) {
        let now = wire::peak(self.controller.pid().unwrap());
        let more = now.saturating_sub(self.before);
        println!("peak: {} kB, {} kB more", now >> 10, more >> 10);
        assert!(more <= ROOM, "{} MB more than before", more >> 20);
    }
}

fn enrolled(controller: &Controller) -> (Caller, String) {
    let agent = Agent::new(&controller.url(), "");
    let token = controller.invite(&[]);
    let enrolled = agent
        .enrol(&controller.url(), &token, &controller.fingerprint)
        .unwrap();
    let id = enrolled["agent"].as_str().unwrap().to_owned();
    (Caller::with_identity_of(&agent, controller), id)
}

/// A record that is as it should be, but for `changes`.
#[allow(clippy::needless_pass_by_value)] // calls read better
fn record(changes: Value) -> Value {
    let mut bytes = [0_u8; 10];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).unwrap();
    let hex = format!(
        "{:020x}",
        bytes
            .iter()
            .fold(0_u128, |n, byte| n << 8 | u128::from(*byte))
    );
    let mut record = json!({
        "id": format!("019aa8c1-5d2c-7{}-8{}-{}", &hex[..3], &hex[3..6], &hex[6..18]),
        "instruction_id": "i", "task_id": "t", "method": "ping", "status": "ok",
        "planned_time": "2026-11-21T22:48:32Z", "start_time": "2026-11-21T22:48:32.396Z",
        "end_time": "2026-11-21T22:48:32.999Z", "duration": 603, "error": "",
        "probe_result": {"round_trip_sent": 1, "round_trip_received": 1, "round_trip_ms": [1.5]},
        "pre_info": {}, "post_info": {}, "bytes": {"sent": 1, "received": 1}});
    for (name, value) in changes.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

fn batch(records: &[Value]) -> Vec<u8> {
    json!({"schema": 2, "records": records})
        .to_string()
        .into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zipped(caller: &Caller, body: &[u8]) -> Answer {
    let start = "POST /agent/v2/results";
    caller
        .ask(start, "content-encoding: gzip\r\n", body)
        .unwrap()
}

#[track_caller]
fn refused(answer: &Answer, status: u16) {
    assert_eq!(
        answer.status,
        status,
        "{} {:?}",
        answer.head,
        String::from_utf8_lossy(&answer.body)
    );
    assert!(answer.is_problem(), "{} {:?}", answer.head, answer.body);
}

#[test]
fn broken_gzip_and_bombs_are_refused() {
    let scene = Scene::new();
    let whole = gzip(&batch(&[record(json!({}))]));
    refused(&zipped(&scene.hostile, &whole[..whole.len() - 9]), 400);
    refused(
        &zipped(&scene.hostile, b"\x1f\x8b\x08\0\0\0\0\0\0\xff garbage"),
        400,
    );
    refused(&zipped(&scene.hostile, b""), 400);
    let mut wrong_sum = whole.clone();
    let place = wrong_sum.len() - 6;
    wrong_sum[place] ^= 0xff;
    refused(&zipped(&scene.hostile, &wrong_sum), 400);
    // A thousand times as long once inflated, in one member and in many.
    let bomb = gzip(&vec![b' '; 256 << 20]);
    refused(&zipped(&scene.hostile, &bomb), 413);
    refused(
        &zipped(&scene.hostile, &gzip(&vec![0; 1 << 20]).repeat(256)),
        413,
    );
    refused(&zipped(&scene.hostile, &gzip(&bomb)), 400);
    let brotli = scene
        .hostile
        .ask("POST /agent/v2/results", "content-encoding: br\r\n", b"x");
    refused(&brotli.unwrap(), 415);
    scene.stands();
}

#[test]
fn a_body_without_end_is_cut_off() {
    let scene = Scene::new();
    // Announced: refused before it is sent.
    let mut stream = scene.hostile.connect().unwrap();
    let head = "POST /agent/v2/results HTTP/1.1\r\nhost: c\r\ncontent-length: 104857600\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    refused(&wire::answer(&mut stream).unwrap(), 413);
    // Not announced: read up to the bound, never kept.
    let mut stream = scene.hostile.connect().unwrap();
    let head = "POST /agent/v2/results HTTP/1.1\r\nhost: c\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut chunk = b"10000\r\n".to_vec();
    chunk.resize(chunk.len() + 0x10000, b' ');
    chunk.extend(b"\r\n");
    let sent = (0..1600)
        .take_while(|_| stream.write_all(&chunk).is_ok())
        .count();
    assert!(sent < 1600, "all of 100 MB were taken");
    for start in [
        "PUT /agent/v2/capabilities",
        "POST /.well-known/est/simplereenroll",
    ] {
        let mut stream = scene.hostile.connect().unwrap();
        write!(
            stream,
            "{start} HTTP/1.1\r\nhost: c\r\ncontent-length: 2000000\r\n\r\n"
        )
        .unwrap();
        refused(&wire::answer(&mut stream).unwrap(), 413);
    }
    scene.stands();
}

#[test]
fn documents_that_are_none_are_refused_and_records_that_are_none_named() {
    let scene = Scene::new();
    let deep = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
    let nested = [br#"{"schema":2,"records":"#, deep(1 << 20).as_slice(), b"}"].concat();
    let unknown = [
        br#"{"schema":2,"records":[],"x":"#,
        deep(1 << 20).as_slice(),
        b"}",
    ]
    .concat();
    for body in [
        deep(1 << 20),
        vec![b'['; 1 << 20],
        vec![0; 1 << 10],
        b"\0{\"schema\":2,\"records\":[]}".to_vec(),
        b"{\"schema\":2,\"records\":[]}\0".to_vec(),
        b"\xff\xfe{".to_vec(),
        b"".to_vec(),
        b"null".to_vec(),
        br#"{"schema":"2","records":[]}"#.to_vec(),
        br#"{"schema":1,"records":[]}"#.to_vec(),
        br#"{"schema":2,"schema":2,"records":[]}"#.to_vec(),
        br#"{"schema":2,"records":{}}"#.to_vec(),
        br#"{"schema":1e400,"records":[]}"#.to_vec(),
        br#"{"records":[]}"#.to_vec(),
    ] {
        refused(&scene.hostile.upload(&body).unwrap(), 400);
    }
    for body in [&nested, &unknown] {
        let answer = scene.hostile.upload(body).unwrap();
        assert!(matches!(answer.status, 200 | 400), "{}", answer.head);
    }

    let good = record(json!({}));
    let mut bad: Vec<String> = [
        json!({"id": 7}),
        json!({"id": "019aa8c1-5d2c-7000-8000-0123456789"}),
        json!({"id": "x\u{0}"}),
        json!({"status": "fine"}),
        json!({"duration": -1}),
        json!({"duration": 1e300}),
        json!({"duration": "long"}),
        json!({"start_time": "yesterday"}),
        json!({"start_time": "+999999-01-01T00:00:00Z"}),
        json!({"probe_result": []}),
        json!({"pre_info": null, "post_info": 7}),
        json!({"bytes": {"sent": -1, "received": 0}}),
        json!({"method": "pi\u{1b}[2Jng"}),
        json!({"instruction_id": "a b\n"}),
        json!({"task_id": {"a": 1}}),
        json!({"skip": {"reason": "\n\u{1b}]0;x\u{7}", "count": 1, "last": "2026-11-21T22:48:32Z"}}),
    ]
    .into_iter()
    .map(|changes| record(changes).to_string())
    .collect();
    bad.push(String::from_utf8(deep(5000)).unwrap());
    bad.push("null".to_owned());
    bad.push(format!("\"{}\"", "A".repeat(3 << 20)));
    let mut body = format!("{{\"schema\":2,\"records\":[{}", bad.join(","));
    body.extend([",", &good.to_string(), "]}"]);
    let answer = scene.hostile.upload(body.as_bytes()).unwrap();
    assert_eq!(
        answer.status,
        200,
        "{:?}",
        String::from_utf8_lossy(&answer.body)
    );
    let receipt = answer.json();
    assert_eq!(receipt["accepted"], json!([good["id"]]), "{receipt:#}");
    let rejected = receipt["rejected"].as_array().unwrap();
    assert_eq!(rejected.len(), bad.len(), "{receipt:#}");
    let log = scene.controller.log();
    assert!(
        !log.contains(['\u{1b}', '\0', '\u{7}']),
        "escapes in the log"
    );
    scene.stands();
}

#[test]
fn ids_are_stored_once_and_nobody_takes_another_agents() {
    let scene = Scene::new();
    let (first, second) = (record(json!({})), record(json!({})));
    let mut changed = first.clone();
    changed["error"] = json!("another story");
    let body = batch(&[
        first.clone(),
        first.clone(),
        changed.clone(),
        second.clone(),
    ]);
    let receipt = scene.other.upload(&body).unwrap().json();
    assert_eq!(receipt["accepted"], json!([first["id"], second["id"]]));
    let receipt = scene.other.upload(&body).unwrap().json();
    assert_eq!(receipt["accepted"], json!([first["id"], second["id"]]));

    let mine = record(json!({}));
    let answer = scene
        .hostile
        .upload(&batch(&[changed, mine.clone()]))
        .unwrap();
    let receipt = answer.json();
    assert_eq!(receipt["accepted"], json!([mine["id"]]));
    assert_eq!(receipt["rejected"][0]["id"], first["id"]);

    let results = scene.controller.results();
    assert_eq!(results.len(), 3);
    let kept = results
        .iter()
        .find(|result| result["id"] == first["id"])
        .unwrap();
    assert_eq!(
        (&kept["error"], &kept["agent"]),
        (&json!(""), &json!(scene.ids[1]))
    );
    scene.stands();
}

#[test]
fn a_clock_a_year_off_costs_no_result_and_moves_no_map() {
    let scene = Scene::new();
    let records: Vec<Value> = [
        "2025-11-21T00:00:00Z",
        "2027-11-21T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",
    ]
    .map(|at| record(json!({"start_time": at, "end_time": at, "planned_time": at})))
    .to_vec();
    let answer = scene.hostile.upload(&batch(&records)).unwrap();
    assert_eq!(answer.status, 200);
    let receipt = answer.json();
    let named = receipt["accepted"].as_array().unwrap().len()
        + receipt["rejected"].as_array().unwrap().len();
    assert_eq!(named, 5, "{receipt:#}");
    assert!(
        receipt["accepted"].as_array().unwrap().len() >= 3,
        "{receipt:#}"
    );
    let export = |words: &[&str]| {
        let output = scene.controller.command(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for line in export(&["results", "export", "--format", "jsonl"]).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["clock_suspect"], true, "{line}");
    }
    scene.stands();
}

#[test]
fn an_agent_is_its_certificate_and_nobody_else() {
    let scene = Scene::new();
    let path = scene.controller.dir().join("i.json");
    let instruction = json!({"id": "secret", "timing": {"periodic": {"interval": 60_000}},
        "task": {"id": "t", "method": "ping", "options": {"host": "127.0.0.1"}}});
    std::fs::write(&path, instruction.to_string()).unwrap();
    let add = [
        "instruction",
        "add",
        "--json",
        path.to_str().unwrap(),
        "--agent",
        &scene.ids[1],
    ];
    scene.controller.ask(&add).unwrap();
    let told = scene
        .other
        .ask("GET /agent/v2/instructions", "", b"")
        .unwrap();
    assert!(told.json().to_string().contains("secret"));

    let other = &scene.ids[1];
    for path in [
        "/agent/v2/instructions".to_owned(),
        format!("/agent/v2/instructions?agent={other}&wait=0"),
        format!("/agent/v2/instructions?wait=0&id={other}"),
    ] {
        for fields in [
            String::new(),
            format!(
                "x-agent: {other}\r\nx-client-cert: {other}\r\nx-ssl-client-s-dn: CN={other}\r\nforwarded: for={other}\r\n"
            ),
            format!(
                "authorization: Basic {}\r\n",
                STANDARD.encode(format!("{other}:x"))
            ),
        ] {
            let told = scene
                .hostile
                .ask(&format!("GET {path}"), &fields, b"")
                .unwrap();
            assert_eq!(
                (told.status, &told.json()["instructions"]),
                (200, &json!([])),
                "{path} {fields}"
            );
        }
    }
    for path in [
        format!("/agent/v2/instructions/{other}"),
        format!("/agent/v2/{other}/instructions"),
        format!("/agent/v2/agents/{other}/configuration"),
    ] {
        refused(
            &scene.hostile.ask(&format!("GET {path}"), "", b"").unwrap(),
            404,
        );
    }
    // Nobody at all is told nothing.
    let unknown = Caller::unknown(&scene.controller);
    for call in [
        "GET /agent/v2/instructions",
        "GET /agent/v2/configuration",
        "PUT /agent/v2/capabilities",
        "POST /agent/v2/results",
        "POST /.well-known/est/simplereenroll",
    ] {
        refused(&unknown.ask(call, "", b"{}").unwrap(), 403);
    }
    // The certificate opens nothing elsewhere.
    let alto = scene.hostile.at(scene.controller.alto_port());
    for call in [
        "GET /agent/v2/instructions",
        "POST /agent/v2/results",
        "GET /metrics",
    ] {
        let answer = alto.ask(call, "", b"").unwrap();
        assert!(matches!(answer.status, 404 | 405), "{}", answer.head);
    }
    let mut admin =
        std::net::TcpStream::connect(("127.0.0.1", scene.controller.admin_port())).unwrap();
    admin
        .write_all(b"GET /agent/v2/instructions HTTP/1.1\r\nhost: c\r\n\r\n")
        .unwrap();
    assert_eq!(wire::answer(&mut admin).unwrap().status, 404);
    scene.stands();
}

#[test]
fn paths_and_methods_do_not_mislead() {
    let scene = Scene::new();
    for path in [
        "//agent/v2/results",
        "/agent//v2/results",
        "/agent/v2/results/",
        "/agent/v2/%72esults/x",
        "/agent/v2/%2e%2e/v2/results",
        "/agent/v2/../v2/results",
        "/x/../agent/v2/results",
        "/agent/v2/results%00",
        "/agent/v2/results%2f",
        "/AGENT/V2/RESULTS",
        "/metrics",
        "/health",
        "/agent/v2/results;a=b",
        "/.well-known/est/../../agent/v2/results",
        "/",
    ] {
        let answer = scene
            .hostile
            .ask(&format!("POST {path}"), "", &batch(&[]))
            .unwrap();
        refused(&answer, 404);
    }
    for call in [
        "GET /agent/v2/results",
        "DELETE /agent/v2/results",
        "PUT /agent/v2/results",
        "POST /agent/v2/instructions",
        "PATCH /agent/v2/configuration",
        "POST /agent/v2/capabilities",
        "GET /.well-known/est/simpleenroll",
        "TRACE /agent/v2/results",
        "PROPFIND /agent/v2/results",
        "BREW /agent/v2/results",
    ] {
        refused(
            &scene
                .hostile
                .ask(call, "x-http-method-override: POST\r\n", &batch(&[]))
                .unwrap(),
            405,
        );
    }
    for query in [
        "wait=-1",
        "wait=301",
        "wait=1e9",
        "wait=18446744073709551616",
        "wait=0&wait=1",
        "wait=%00",
        "wait=",
    ] {
        refused(
            &scene
                .hostile
                .ask(&format!("GET /agent/v2/instructions?{query}"), "", b"")
                .unwrap(),
            400,
        );
    }
    // Two lengths, two codings: the request ends or the connection does, nothing is smuggled behind it.
    for fields in [
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: +5\r\n",
        "transfer-encoding: gzip\r\n",
    ] {
        let mut stream = scene.hostile.connect().unwrap();
        let smuggled = "0\r\n\r\nGET /agent/v2/configuration HTTP/1.1\r\nhost: c\r\n\r\n";
        write!(
            stream,
            "POST /agent/v2/results HTTP/1.1\r\nhost: c\r\n{fields}\r\n{smuggled}"
        )
        .unwrap();
        let mut all = Vec::new();
        stream
            .sock
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let _ = stream.read_to_end(&mut all);
        let all = String::from_utf8_lossy(&all).into_owned();
        println!("{fields:?}: {:?}", all.lines().next());
        assert!(!all.contains("wait_s"), "{fields}: {all}");
    }
    scene.stands();
}

#[test]
fn absurd_headers_end_the_connection() {
    let scene = Scene::new();
    let long = "a".repeat(1 << 20);
    let many = "x: y\r\n".repeat(5000);
    for head in [
        format!("GET /{long} HTTP/1.1\r\nhost: c\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: c\r\nx: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: c\r\n{long}: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: c\r\n{many}\r\n"),
        "GET / HTTP/1.1\r\nhost: c\r\nx: \0\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\n host: c\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\nhost: c\r\n\r\n".to_owned(),
        "\r\n\r\n\r\nrubbish\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        let mut stream = scene.hostile.connect().unwrap();
        let _ = stream.write_all(head.as_bytes());
        stream
            .sock
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        if let Ok(answer) = wire::answer(&mut stream) {
            assert!((400..500).contains(&answer.status), "{}", answer.head);
        }
    }
    scene.stands();
}

#[test]
fn half_open_handshakes_and_slow_heads_keep_nobody_out() {
    let scene = Scene::new();
    let port = scene.controller.agent_port();
    let mut idle: Vec<_> = (0..900)
        .map(|_| std::net::TcpStream::connect(("127.0.0.1", port)).unwrap())
        .collect();
    // The beginning of a record, and a head that never ends.
    for stream in idle.iter_mut().take(300) {
        let _ = stream.write_all(&[0x16, 3, 1, 2, 0, 1]);
    }
    let mut slow: Vec<_> = (0..50).map(|_| scene.hostile.connect().unwrap()).collect();
    for byte in b"GET /a" {
        for stream in &mut slow {
            stream.write_all(&[*byte]).unwrap();
        }
        glimpse_tests::pause(Duration::from_millis(200));
    }
    scene.stands();
    // Silence is closed after ten seconds, whoever keeps it.
    let mut first = idle.swap_remove(500);
    first
        .set_read_timeout(Some(Duration::from_secs(15)))
        .unwrap();
    assert_eq!(first.read(&mut [0; 8]).unwrap(), 0, "closed in time");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let scene = Scene::new();
    let mut stream = scene.hostile.connect().unwrap();
    let mut requests = String::new();
    for i in 0..500 {
        let path = if i % 2 == 0 {
            "/agent/v2/configuration"
        } else {
            "/nothing"
        };
        requests.extend(["GET ", path, " HTTP/1.1\r\nhost: c\r\n\r\n"]);
    }
    stream.write_all(requests.as_bytes()).unwrap();
    let mut all = Vec::new();
    while all.windows(9).filter(|nine| nine == b"HTTP/1.1 ").count() < 500 {
        let mut buffer = [0; 16 << 10];
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&buffer[..count]);
    }
    let text = String::from_utf8_lossy(&all);
    let statuses: Vec<&str> = text
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|rest| &rest[..3])
        .collect();
    assert!(
        statuses.chunks(2).all(|two| two == ["200", "404"]),
        "{statuses:?}"
    );
    scene.stands();
}

#[test]
fn slow_uploads_of_one_agent_do_not_keep_out_the_others() {
    let scene = Scene::new();
    let head = "POST /agent/v2/results HTTP/1.1\r\nhost: c\r\ncontent-length: 1000\r\n\r\n{";
    let _slow: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = scene.hostile.connect().unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    glimpse_tests::pause(Duration::from_millis(500));
    scene.stands();
}

#[test]
fn bombs_by_somebody_who_hangs_up_do_not_pile_up() {
    let scene = Scene::with(&format!("{LAB}\n[uploads]\nparallel = 1\n"));
    // Legal in length, and slow to read: a million unknown members.
    let mut body = b"{\"schema\":2,\"records\":[".to_vec();
    body.extend(b"{\"id\":[[],[],[],[],[],[],[],[]]},".repeat(9_999));
    body.extend(b"0]}");
    body.resize(30 << 20, b' ');
    let body = gzip(&body);
    println!("{} bytes", body.len());
    for _ in 0..40 {
        let mut stream = scene.hostile.connect().unwrap();
        let length = body.len();
        let head = format!(
            "POST /agent/v2/results HTTP/1.1\r\nhost: c\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        drop(stream);
        scene.is_bounded();
    }
    let log = scene.controller.log();
    assert!(log.len() < 1 << 20, "a log of {} kB", log.len() >> 10);
    eventually("there is room again", PATIENCE, || {
        let answer = scene.other.upload(&batch(&[])).ok()?;
        (answer.status == 200).then_some(())
    });
    scene.stands();
}

#[test]
fn a_batch_of_rubbish_does_not_fill_the_log() {
    let scene = Scene::new();
    let rubbish = "A".repeat(60);
    let mut body = b"{\"schema\":2,\"records\":[".to_vec();
    for i in 0..10_000 {
        body.extend(format!("{{\"id\":\"{rubbish}{i}\"}},").as_bytes());
    }
    body.pop();
    body.extend(b"]}");
    assert_eq!(scene.hostile.upload(&body).unwrap().status, 200);
    let log = scene.controller.log();
    assert!(log.len() < 64 << 10, "a log of {} kB", log.len() >> 10);
    scene.stands();
}

#[test]
fn long_polls_of_one_agent_are_few() {
    let scene = Scene::new();
    let tag = tag(&scene.hostile);
    let mut held: Vec<_> = (0..300)
        .map(|_| {
            let mut stream = scene.hostile.connect().unwrap();
            write!(stream, "GET /agent/v2/instructions?wait=300 HTTP/1.1\r\nhost: c\r\nif-none-match: {tag}\r\n\r\n").unwrap();
            stream
        })
        .collect();
    glimpse_tests::pause(Duration::from_secs(1));
    let mut refusals = 0;
    for stream in &mut held {
        stream
            .sock
            .set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        if let Ok(answer) = wire::answer(stream) {
            assert_eq!(answer.status, 429);
            assert!(answer.head.contains("retry-after"), "{}", answer.head);
            refusals += 1;
        }
    }
    assert!((280..300).contains(&refusals), "{refusals} refused");
    // Those of others are held as ever, and a place is free again when a connection ends.
    drop(held);
    let ask = |wait| {
        let path = format!("GET /agent/v2/instructions?wait={wait}");
        scene
            .hostile
            .ask(&path, &format!("if-none-match: {tag}\r\n"), b"")
    };
    eventually("there is room again", PATIENCE, || {
        (ask(1).ok()?.status == 304).then_some(())
    });
    scene.stands();
}

#[test]
fn huge_announcements_are_bounded() {
    let scene = Scene::new();
    let start = "PUT /agent/v2/capabilities";
    let document =
        |methods: &str| format!("{{\"schema\":2,\"agent_version\":\"x\",\"methods\":[{methods}]}}");
    let method = "{\"name\":\"a\"},";
    refused(
        &scene
            .hostile
            .ask(
                start,
                "",
                document(method.repeat(101).trim_end_matches(',')).as_bytes(),
            )
            .unwrap(),
        400,
    );
    refused(
        &scene
            .hostile
            .ask(
                start,
                "content-encoding: gzip\r\n",
                &gzip(&vec![b' '; 64 << 20]),
            )
            .unwrap(),
        413,
    );
    for document in [
        document("{\"name\":\"a\\u001b\"}"),
        document("7"),
        document("{\"name\":7}"),
        "[]".to_owned(),
    ] {
        refused(
            &scene.hostile.ask(start, "", document.as_bytes()).unwrap(),
            400,
        );
    }
    // As many values as fit, from many sides at once.
    let options = "[0],".repeat(65_000);
    let body = document(&format!("{{\"name\":\"a\",\"options\":[{options}0]}}"));
    assert_eq!(
        scene
            .hostile
            .ask(start, "", body.as_bytes())
            .unwrap()
            .status,
        204
    );
    std::thread::scope(|scope| {
        for _ in 0..60 {
            scope.spawn(|| {
                let _ = scene.hostile.ask(start, "", body.as_bytes());
            });
        }
        for _ in 0..100 {
            scene.is_bounded();
            glimpse_tests::pause(Duration::from_millis(30));
        }
    });
    scene.stands();
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `GET path` with an entity tag, in literals without index (RFC 7541 §6.2.2).
fn header_block(path: &str, tag: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x87];
    for (name, value) in [(":authority", "c"), (":path", path), ("if-none-match", tag)] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The tag of the instructions that `caller` has.
fn tag(caller: &Caller) -> String {
    let known = caller.ask("GET /agent/v2/instructions", "", b"").unwrap();
    let tag = known
        .head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "));
    tag.unwrap().to_owned()
}

#[test]
fn a_flood_of_resets_ends_the_connection() {
    let scene = Scene::new();
    let hostile = scene.hostile.speaking_http2();
    let mut stream = hostile.connect().unwrap();
    let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    preface.extend(frame(4, 0, 0, &[]));
    stream.write_all(&preface).unwrap();
    let headers = header_block("/agent/v2/instructions?wait=300", &tag(&scene.hostile));
    let mut sent = 0;
    for i in 0..100_000_u32 {
        let id = 2 * i + 1;
        let mut both = frame(1, 5, id, &headers);
        both.extend(frame(3, 0, id, &[0, 0, 0, 8]));
        if stream.write_all(&both).is_err() {
            break;
        }
        sent = i;
    }
    println!("{sent} requests");
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    // GOAWAY with ENHANCE_YOUR_CALM, or the end of the connection.
    assert!(sent < 99_999, "the flood was taken");
    scene.stands();
}

#[test]
fn a_renewal_names_nobody_else_and_needs_the_key() {
    let scene = Scene::new();
    let renew = |body: &[u8]| {
        scene
            .hostile
            .ask("POST /.well-known/est/simplereenroll", "", body)
            .unwrap()
    };
    let key = rcgen::KeyPair::generate().unwrap();
    let mut asked = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    asked
        .distinguished_name
        .push(rcgen::DnType::CommonName, scene.ids[1].as_str());
    asked.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    asked.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let request = asked.serialize_request(&key).unwrap();
    let answer = renew(STANDARD.encode(request.der()).as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.head);
    let envelope: Vec<u8> = answer
        .body
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let der = STANDARD.decode(envelope).unwrap();
    let holds = |text: &str| {
        der.windows(text.len())
            .any(|bytes| bytes == text.as_bytes())
    };
    assert!(holds(&scene.ids[0]) && !holds(&scene.ids[1]) && !holds("localhost"));

    // With a key whose owner did not sign: the public half of another's certificate.
    let mut forged = request.der().to_vec();
    let place = forged.len() - 5;
    forged[place] ^= 1;
    refused(&renew(STANDARD.encode(&forged).as_bytes()), 400);
    let other = rcgen::KeyPair::generate().unwrap();
    let (mine, theirs) = (key.public_key_raw(), other.public_key_raw());
    let mut swapped = request.der().to_vec();
    let place = swapped
        .windows(mine.len())
        .position(|bytes| bytes == mine)
        .unwrap();
    swapped[place..place + mine.len()].copy_from_slice(theirs);
    refused(&renew(STANDARD.encode(&swapped).as_bytes()), 400);
    for body in [
        &b""[..],
        b"\0",
        b"-----BEGIN CERTIFICATE REQUEST-----",
        &[0x30; 16 << 10],
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
    ] {
        refused(&renew(body), 400);
    }
    scene.stands();
}

#[test]
fn guessed_tokens_are_refused_and_told_of() {
    let scene = Scene::new();
    let unknown = Caller::unknown(&scene.controller);
    let enrol = |value: &str| {
        let field = format!("authorization: {value}\r\n");
        unknown
            .ask("POST /.well-known/est/simpleenroll", &field, b"x")
            .unwrap()
    };
    let long = STANDARD.encode(format!("x:{}", "A".repeat(20_000)));
    let nul = STANDARD.encode("x:\0\u{1b}[2J");
    for value in [
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic Og==",
        "Bearer x",
        "basic\tx",
        "Basic /////w==",
        "Digest username=x",
        &format!("Basic {long}"),
        &format!("Basic {nul}"),
    ] {
        let answer = enrol(value);
        refused(&answer, 401);
        assert!(
            answer
                .head
                .to_ascii_lowercase()
                .contains("www-authenticate: basic"),
            "{}",
            answer.head
        );
    }
    for i in 0..100 {
        refused(
            &enrol(&format!(
                "Basic {}",
                STANDARD.encode(format!("x:guess-{i}"))
            )),
            401,
        );
    }
    let log = scene.controller.log();
    assert!(
        log.contains("enrolment refused") && log.contains("peer"),
        "{log}"
    );
    assert!(
        !log.contains("guess-") && !log.contains('\u{1b}'),
        "tokens in the log"
    );
    scene.stands();
}
