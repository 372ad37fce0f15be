//! A controller that means harm, with a controller's certificate: the agent stays small, quiet and answers its household.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_tests::wire::{self, Request, Rogue, Served, respond};
use glimpse_tests::{Agent, Controller, eventually, pause};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// The most memory that the agent may ever have resident.
const ROOM: u64 = 48 << 20;

/// What the rogue says where it is not told otherwise.
struct Script {
    configuration: Value,
    instructions: Value,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            configuration: json!({"schema": 2, "pull": {"periodic": {"interval": 1000}}, "wait_s": 0}),
            instructions: json!({"schema": 2, "instructions": []}),
        }
    }
}

impl Script {
    fn answer(&self, request: &Request, stream: &mut Served) -> io::Result<()> {
        if request.is("GET /agent/v2/configuration") {
            respond(stream, 200, "", self.configuration.to_string().as_bytes())
        } else if request.is("GET /agent/v2/instructions") {
            respond(stream, 200, "", self.instructions.to_string().as_bytes())
        } else if request.is("POST /agent/v2/results") {
            respond(
                stream,
                200,
                "",
                receipt(&ids(request)).to_string().as_bytes(),
            )
        } else {
            respond(stream, 204, "", b"")
        }
    }
}

fn receipt(accepted: &[String]) -> Value {
    json!({"schema": 2, "accepted": accepted, "rejected": []})
}

/// Ids of the records in an upload.
fn ids(request: &Request) -> Vec<String> {
    let mut text = String::new();
    let mut inflate = flate2::read::GzDecoder::new(&request.body[..]);
    io::Read::read_to_string(&mut inflate, &mut text).unwrap();
    let batch: Value = serde_json::from_str(&text).unwrap();
    let records = batch["records"].as_array().unwrap();
    records
        .iter()
        .map(|record| record["id"].as_str().unwrap().to_owned())
        .collect()
}

/// An agent that is enrolled and meets a rogue when it starts.
fn met<F>(reply: F) -> (Agent, Rogue, Controller)
where
    F: Fn(&Request, &mut Served) -> io::Result<()> + Send + Sync + 'static,
{
    let mut controller = Controller::serving();
    let mut agent = Agent::new(&controller.url(), "");
    let token = controller.invite(&[]);
    agent
        .enrol(&controller.url(), &token, &controller.fingerprint)
        .unwrap();
    let rogue = Rogue::replacing(&mut controller, reply);
    agent.start_and_wait();
    (agent, rogue, controller)
}

/// Memory, log and answers are as they should be.
#[track_caller]
fn is_well(agent: &Agent) -> Value {
    let peak = wire::peak(agent.pid().unwrap());
    println!("peak: {} kB", peak >> 10);
    assert!(peak < ROOM, "{} MB at the peak", peak >> 20);
    let log = agent.log();
    let bad = log.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(bad, None, "in the log: {log}");
    agent.status().unwrap()
}

fn contact_error(agent: &Agent, side: &str) -> String {
    eventually("the agent says so", PATIENCE, || {
        agent.status().ok()?["controller"][side]["error"]
            .as_str()
            .map(str::to_owned)
    })
}

fn ping(id: &str, timing: &Value) -> Value {
    json!({"id": id, "timing": timing, "task": {"id": "t", "method": "ping",
        "options": {"host": "127.0.0.1", "type": "Udp", "count": 1, "timeout": 50}}})
}

/// For `GET instructions`, writes what `write` writes; everything else is as usual.
fn instructions_by<F>(write: F) -> impl Fn(&Request, &mut Served) -> io::Result<()> + Send + Sync
where
    F: Fn(&mut Served) -> io::Result<()> + Send + Sync,
{
    move |request, stream| {
        if request.is("GET /agent/v2/instructions") {
            write(stream)
        } else {
            Script::default().answer(request, stream)
        }
    }
}

#[test]
fn a_set_without_end_is_cut_off() {
    for announced in [true, false] {
        let (agent, _rogue, _controller) = met(instructions_by(move |stream| {
            let head = if announced {
                "content-length: 104857600"
            } else {
                "x: y"
            };
            write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n")?;
            (0..1600).try_for_each(|_| stream.write_all(&b" ".repeat(0x10000)))
        }));
        let error = contact_error(&agent, "instructions");
        assert!(error.contains("more than"), "{error}");
        is_well(&agent);
    }
}

#[test]
fn sets_that_are_none_change_nothing() {
    let good = json!({"schema": 2, "instructions": [ping("good", &json!({"periodic": {"interval": 60_000}}))]});
    let many = |element: &str| {
        format!(
            "{{\"schema\":2,\"instructions\":[{}0]}}",
            element.repeat((1_990_000) / element.len())
        )
        .into_bytes()
    };
    let bodies = [
        vec![b'['; 1 << 20],
        many("0,"),
        many("[],"),
        many("[0],"),
        many("{\"\":0},"),
        many("\"\","),
        b"\0".to_vec(),
        b"{\"schema\":2,\"instructions\":{}}".to_vec(),
        Vec::new(),
        b"\xff".to_vec(),
    ];
    for body in bodies {
        let next = Arc::new(AtomicUsize::new(0));
        let (good, shown) = (
            good.to_string(),
            String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned(),
        );
        let (agent, _rogue, _controller) = met(instructions_by(move |stream| {
            match next.fetch_add(1, Ordering::Relaxed) {
                0 => respond(stream, 200, "", good.as_bytes()),
                _ => respond(stream, 200, "", &body),
            }
        }));
        let status = eventually("it refuses", PATIENCE, || {
            let status = agent.status().ok()?;
            status["instructions"]["error"]
                .is_string()
                .then_some(status)
        });
        assert_eq!(status["instructions"]["in_force"], 1, "{shown}");
        println!("{shown}");
        is_well(&agent);
    }
}

#[test]
fn instructions_by_the_millisecond_leave_the_agent_alive() {
    for timing in [
        json!({"periodic": {"interval": 1}}),
        json!({"periodic": {"interval": 1, "randomSpread": 3_600_000}}),
        json!({"periodic": {"interval": 20}}),
        json!({"periodic": {"interval": 1000, "randomSpread": 34_000_000_000_i64}}),
    ] {
        let set: Vec<Value> = (0..1000)
            .map(|i| ping(&format!("i-{i}"), &timing))
            .collect();
        let script = Script {
            instructions: json!({"schema": 2, "instructions": set}),
            ..Script::default()
        };
        let (agent, _rogue, _controller) =
            met(move |request, stream| script.answer(request, stream));
        pause(Duration::from_secs(8));
        println!(
            "{timing}: {} lines of log, {} ms of processor",
            agent.log().lines().count(),
            wire::processor_ms(agent.pid().unwrap())
        );
        let status = is_well(&agent);
        assert!(
            status["spool"]["waiting"].as_u64().unwrap() < 5000,
            "{status:#}"
        );
        let mut agent = agent;
        assert_eq!(agent.stop(), Some(0));
    }
}

#[test]
fn escapes_do_not_reach_the_log() {
    let evil = "x\n\u{1b}[2Jinfo: all is well\r\u{7}\u{9b}";
    let set: Vec<Value> = [
        json!({"id": evil, "timing": {"immediate": {}}, "task": {"id": "t", "method": "ping", "options": {"host": "h"}}}),
        json!({"id": "a", "timing": {"immediate": {}}, "task": {"id": "t", "method": evil, "options": {"host": "h"}}}),
        json!({"id": "b", "timing": {"immediate": {}}, "task": {"id": "t", "method": "ping", "options": {"host": evil}}}),
        json!({"id": "c", "timing": {"immediate": {}}, "task": {"id": "t", "method": "ping", "options": {evil: 1, "host": "h"}}}),
        json!({"id": "d", "timing": {evil: {}}, "task": {"id": "t", "method": "ping", "options": {"host": "h"}}}),
        json!({"id": "e", "timing": {"immediate": {}}, "task": {"id": "t", "method": "ping", "options": {"host": "h", "type": evil}}}),
        json!({"id": "f", "timing": {"oneoff": {"time": evil}}, "task": {"id": "t", "method": "ping", "options": {"host": "h"}}}),
        json!({"id": "g", "timing": {"immediate": {}}, "task": {"id": "t", "method": "ping", "options": {"host": "-f", "type": "System"}}}),
        json!({"id": "h", "timing": {"immediate": {}}, "task": {"id": "t", "method": "ping", "options": {"host": "-oProxyCommand=x"}}}),
        json!({"id": "i", "timing": {"immediate": {}}, "task": {"id": "t", "method": "ping", "options": {"host": "a b;reboot", "type": "System"}}}),
        json!({"id": "j", "timing": {"immediate": {}}, "precondition": {evil: true}, "task": {"id": "t", "method": "ping", "options": {"host": "h"}}}),
    ].into();
    let refused = set.len();
    let script = Script {
        instructions: json!({"schema": 2, "instructions": set}),
        ..Script::default()
    };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&seen);
    let (agent, _rogue, _controller) = met(move |request, stream| {
        if request.is("POST /agent/v2/results") {
            heard.lock().unwrap().extend(ids(request));
            let reason = "no\n\u{1b}[31m";
            let rejected: Vec<Value> = ids(request)
                .iter()
                .map(|id| json!({"id": id, "reason": reason}))
                .collect();
            let problem = json!({"title": evil_text(), "status": 400, "detail": evil_text()});
            return match heard.lock().unwrap().len() {
                0..20 => respond(stream, 400, "", problem.to_string().as_bytes()),
                _ => respond(
                    stream,
                    200,
                    "",
                    json!({"schema": 2, "accepted": [], "rejected": rejected})
                        .to_string()
                        .as_bytes(),
                ),
            };
        }
        script.answer(request, stream)
    });
    eventually("all are reported", PATIENCE, || {
        (agent.spooled().len() >= refused).then_some(())
    });
    eventually("the reports are sent", PATIENCE, || {
        (seen.lock().unwrap().len() > 20).then_some(())
    });
    let status = is_well(&agent);
    assert_eq!(status["measurements"]["running"], 0);
    let results = agent.ask(&["results", "--json"]).unwrap();
    for result in results["results"].as_array().unwrap() {
        assert!(
            !result["error"].as_str().unwrap().contains(char::is_control),
            "{result}"
        );
        assert_ne!(result["status"], "ok");
    }
}

fn evil_text() -> &'static str {
    "x\n\u{1b}[2Jinfo: all is well\r\u{7}\u{9b}"
}

#[test]
fn absurd_headers_are_refused_and_tags_are_bounded() {
    for length in [300 << 10, 1 << 20] {
        let longest = Arc::new(AtomicUsize::new(0));
        let echoed = Arc::clone(&longest);
        let (agent, _rogue, _controller) = met(move |request, stream| {
            let tag = request.field("if-none-match").map_or(0, str::len);
            echoed.fetch_max(tag, Ordering::Relaxed);
            if request.is("GET /agent/v2/instructions") {
                let tag = format!("etag: \"{}\"\r\n", "a".repeat(length));
                return respond(stream, 200, &tag, b"{\"schema\":2,\"instructions\":[]}");
            }
            Script::default().answer(request, stream)
        });
        pause(Duration::from_secs(4));
        assert!(
            longest.load(Ordering::Relaxed) < 1024,
            "{longest:?} bytes echoed"
        );
        is_well(&agent);
    }
}

#[test]
fn a_pull_by_the_millisecond_does_not_make_the_agent_hammer() {
    for wait in [0, 300] {
        let script = Script {
            configuration: json!({"schema": 2, "pull": {"periodic": {"interval": 1}}, "upload": {"periodic": {"interval": 1}}, "wait_s": wait}),
            ..Script::default()
        };
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let (agent, _rogue, _controller) = met(move |request, stream| {
            count.fetch_add(1, Ordering::Relaxed);
            script.answer(request, stream)
        });
        pause(Duration::from_secs(2));
        let (before, ms) = (
            asked.load(Ordering::Relaxed),
            wire::processor_ms(agent.pid().unwrap()),
        );
        pause(Duration::from_secs(5));
        let more = asked.load(Ordering::Relaxed) - before;
        let ms = wire::processor_ms(agent.pid().unwrap()) - ms;
        println!("{more} requests and {ms} ms of processor in 5 s");
        assert!((3..=20).contains(&more), "{more} requests in 5 s");
        assert!(ms < 1000, "{ms} ms of processor in 5 s");
        is_well(&agent);
    }
}

/// Answers to uploads, each with how often an agent may come back within 8 s.
#[test]
fn receipts_that_name_nothing_or_little_do_not_make_the_agent_hammer() {
    type Say = fn(&Request) -> (u16, &'static str, Value);
    let says: [(&str, Say); 6] = [
        ("nothing", |_| (200, "", receipt(&[]))),
        ("foreign ids", |_| {
            (
                200,
                "",
                receipt(&["019aa8c1-5d2c-7000-8000-0123456789ab".to_owned()]),
            )
        }),
        ("one of many", |request| {
            (200, "", receipt(&ids(request)[..1]))
        }),
        ("elsewhere", |_| {
            (307, "location: https://127.0.0.1:1/\r\n", json!({}))
        }),
        ("much later", |_| {
            (503, "retry-after: 99999999999\r\n", json!({}))
        }),
        ("never", |_| {
            (
                429,
                "retry-after: 99999999999999999999999999\r\n",
                json!({}),
            )
        }),
    ];
    // Side by side: each of them mostly waits.
    std::thread::scope(|scope| {
        for (name, say) in says {
            scope.spawn(move || {
                let set: Vec<Value> = (0..60)
                    .map(|i| ping(&format!("i-{i}"), &json!({"immediate": {}})))
                    .collect();
                let script = Script {
                    instructions: json!({"schema": 2, "instructions": set}),
                    ..Script::default()
                };
                let uploads = Arc::new(AtomicUsize::new(0));
                let count = Arc::clone(&uploads);
                let (agent, _rogue, _controller) = met(move |request, stream| {
                    if request.is("POST /agent/v2/results") {
                        count.fetch_add(1, Ordering::Relaxed);
                        let (status, fields, body) = say(request);
                        return respond(stream, status, fields, body.to_string().as_bytes());
                    }
                    script.answer(request, stream)
                });
                eventually("it sends", PATIENCE, || {
                    (uploads.load(Ordering::Relaxed) > 0).then_some(())
                });
                pause(Duration::from_secs(8));
                let uploads = uploads.load(Ordering::Relaxed);
                println!("{name}: {uploads} uploads in 8 s");
                assert!(uploads <= 8, "{name}: {uploads} uploads");
                let status = is_well(&agent);
                let waiting = status["spool"]["waiting"].as_u64().unwrap();
                assert!(waiting >= 50, "{name}: nothing is lost, {waiting} wait");
            });
        }
    });
}

#[test]
fn a_repository_elsewhere_is_none_and_does_not_last() {
    for url in [
        "http://127.0.0.1:1",
        "https://",
        "file:///etc/passwd",
        "https://127.0.0.1:1/x",
        "\u{202e}",
    ] {
        let script = Script {
            configuration: json!({"schema": 2, "repository": url, "pull": {"periodic": {"interval": 1000}}, "wait_s": 0}),
            ..Script::default()
        };
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let (mut agent, _rogue, _controller) = met(move |request, stream| {
            count.fetch_add(1, Ordering::Relaxed);
            script.answer(request, stream)
        });
        pause(Duration::from_secs(2));
        assert_eq!(agent.stop(), Some(0));
        let before = asked.load(Ordering::Relaxed);
        agent.start_and_wait();
        eventually("it still calls its controller", PATIENCE, || {
            (asked.load(Ordering::Relaxed) > before).then_some(())
        });
        is_well(&agent);
    }
}

#[test]
fn a_configuration_that_is_none_does_not_freeze_the_instructions() {
    let script = Script {
        configuration: json!({"schema": 2, "pull": {"daily": {}}}),
        instructions: json!({"schema": 2, "instructions": [{"id": "i", "timing": {"ondemand": {}},
            "task": {"id": "t", "method": "ping", "options": {"host": "127.0.0.1"}}}]}),
    };
    let (agent, _rogue, _controller) = met(move |request, stream| script.answer(request, stream));
    let status = eventually("the set is in force", PATIENCE, || {
        let status = agent.status().ok()?;
        let told = status["controller"]["instructions"]["error"].as_str();
        (status["instructions"]["in_force"] == 1 && told.is_some()).then_some(status.clone())
    });
    let error = status["controller"]["instructions"]["error"]
        .as_str()
        .unwrap();
    assert!(
        error.contains("configuration") && error.contains("pull"),
        "{error}"
    );
}
