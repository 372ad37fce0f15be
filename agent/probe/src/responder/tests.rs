//! Both ends in one process, over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;

use glimpse_model::options::Options;
use glimpse_model::outcome::Ending;
use glimpse_model::token::{PeerMethod, Token};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

mod echo;

use super::*;
use crate::context::Context;
use crate::peer::datagram::{Datagram, Tag, parse};
use crate::peer::plan::Request;
use crate::registry::Registry;

fn controller() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap()
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T12:00:00Z").unwrap()
}

fn claims(method: PeerMethod) -> Claims {
    Claims {
        id: MeasureId::from_random([3; 16]),
        initiator: AgentId::new("one").unwrap(),
        responder: AgentId::new("two").unwrap(),
        method,
        not_before: now(),
        expires: now().plus_micros(60_000_000),
        sessions: 1,
        max_bytes: 1 << 40,
        max_rate_bps: 1 << 40,
        max_duration_ms: 60_000,
    }
}

fn issue(claims: &Claims) -> String {
    let signature = controller().sign(claims.unsigned().as_bytes());
    let signature = signature.as_ref().try_into().unwrap();
    Token::encode(claims, &signature)
        .unwrap()
        .as_str()
        .to_owned()
}

/// Wide limits, two places.
fn config() -> Config {
    Config {
        key: controller().public_key().as_ref().try_into().unwrap(),
        agent: AgentId::new("two").unwrap(),
        port: 0,
        limits: Limits {
            max_bytes: 1 << 40,
            max_rate_bps: 1 << 40,
            max_duration_ms: 600_000,
        },
        max_sessions: 2,
        memory: Memory::default(),
        clock: Arc::new(now),
    }
}

/// A responder with an owner that lets everybody in, or nobody.
struct Bench {
    port: u16,
    refused: Box<dyn Fn() -> SortedMap<Reason, u64> + Send + Sync>,
    ended: mpsc::UnboundedReceiver<(Ask, Outcome)>,
    /// By which the sessions are ended that were let in, the last one last.
    recalls: Arc<Mutex<Vec<Recall>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Bench {
    async fn new(verdict: Result<(), &'static str>) -> Self {
        Self::of(verdict, config()).await
    }

    async fn with(verdict: Result<(), &'static str>, limits: Limits) -> Self {
        Self::of(verdict, Config { limits, ..config() }).await
    }

    async fn of(verdict: Result<(), &'static str>, config: Config) -> Self {
        let responder = Responder::bind(config).await.unwrap();
        let recalls = Arc::new(Mutex::new(Vec::new()));
        let recallable = recalls.clone();
        let (port, refused) = (responder.port(), Box::new(responder.refused()));
        let (events, mut heard) = mpsc::channel(8);
        let (over, ended) = mpsc::unbounded_channel();
        let serving = tokio::spawn(async move { responder.serve(events).await.unwrap() });
        let owner = tokio::spawn(async move {
            let mut asked: Vec<Ask> = Vec::new();
            while let Some(event) = heard.recv().await {
                match event {
                    Event::Asks(ask, reply) => {
                        recallable.lock().unwrap().push(ask.recall.clone());
                        asked.push(ask);
                        let _ = reply.send(verdict.map_err(str::to_owned));
                    }
                    Event::Ended(session, outcome) => {
                        let place = asked.iter().position(|ask| ask.session == session);
                        let ask = asked.remove(place.expect("it asked"));
                        let _ = over.send((ask, outcome));
                    }
                }
            }
        });
        Self {
            port,
            refused,
            ended,
            recalls,
            tasks: vec![serving, owner],
        }
    }

    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Ends the first session as soon as it has been let in and has run for a moment.
    async fn recall(&self, reason: &str) {
        loop {
            let first = self.recalls.lock().unwrap().first().cloned();
            if let Some(recall) = first {
                tokio::time::sleep(Duration::from_millis(300)).await;
                return recall.end(reason);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs a method against it, bytes within the announcement.
    async fn measure(&self, method: &str, seed: u64, words: &[&str]) -> Outcome {
        let registry = Registry::built_in();
        let method = registry.find(method).unwrap();
        let option = if method.name == "ping" {
            "destination_port"
        } else {
            "port"
        };
        let port = format!("{option}={}", self.port);
        let words = words.iter().copied().chain([port.as_str()]);
        let options = Options::from_words(&method.options, words).unwrap();
        method.check(&options).unwrap();
        let worst = method.worst_case_bytes(&options);
        let context = Context {
            byte_limit: worst,
            ..Context::unlimited(method.longest_run(&options), seed)
        };
        let outcome = method.run(&options, &context).await;
        assert!(
            outcome.bytes.total() <= worst,
            "{} > {worst}",
            outcome.bytes.total()
        );
        outcome
    }

    async fn btc(&self, token: &str, more: &[&str]) -> Outcome {
        let token = format!("token={token}");
        let mut words = vec!["host=127.0.0.1", &token, "ramp_up_ms=100"];
        if !more.iter().any(|word| word.starts_with("duration_ms=")) {
            words.push("duration_ms=500");
        }
        words.extend(more);
        self.measure("btc_ma", 11, &words).await
    }

    async fn other_end(&mut self) -> (Ask, Outcome) {
        let end = tokio::time::timeout(Duration::from_secs(15), self.ended.recv());
        let (ask, outcome) = end.await.expect("it ends").unwrap();
        assert!(outcome.bytes.total() <= ask.worst_bytes, "{outcome:?}");
        (ask, outcome)
    }
}

fn number(outcome: &Outcome, name: &str) -> u64 {
    let value = outcome.probe_result.get(name).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("{name}: {outcome:?}"))
}

#[tokio::test]
async fn a_flow_in_each_direction_and_both_ends_say_the_same() {
    let mut bench = Bench::new(Ok(())).await;
    let token = issue(&claims(PeerMethod::Btc));
    let outcome = bench
        .btc(&token, &["direction=both", "max_bytes=20000000000"])
        .await;
    assert_eq!((outcome.ending, &outcome.error), (Ending::Done, &None));
    let result = &outcome.probe_result;
    for way in ["down", "up"] {
        let flow = &result[way];
        assert_eq!(flow["kBs"].as_array().unwrap().len(), 10, "{flow}");
        // Loopback carries more than 100 Mbit/s even in a debug build.
        assert!(
            flow["bandwidth_bps_avg"].as_u64().unwrap() > 100_000_000,
            "{flow}"
        );
        assert!(flow["congestion_control"].is_string(), "{flow}");
        assert!(flow["retransmits"].is_u64(), "{flow}");
    }
    assert_eq!(result["kBs"], result["down"]["kBs"]);
    let (ask, other) = bench.other_end().await;
    assert_eq!((ask.method, ask.initiator.as_str()), ("btc_mp", "one"));
    assert_eq!(ask.peer, IpAddr::from([127, 0, 0, 1]));
    assert_eq!(other.ending, Ending::Done);
    assert_eq!(&other.probe_result, result, "one measurement, two records");
    assert!(other.bytes.sent > 5_000_000 && other.bytes.received > 5_000_000);
    assert_eq!(ask.meter.read(), other.bytes);
}

#[tokio::test]
async fn the_bytes_of_a_token_are_kept_to() {
    let mut bench = Bench::new(Ok(())).await;
    let token = issue(&Claims {
        max_bytes: 1_000_000,
        ..claims(PeerMethod::Btc)
    });
    for direction in ["direction=down", "direction=up"] {
        let token = if direction == "direction=up" {
            issue(&Claims {
                id: MeasureId::from_random([4; 16]),
                max_bytes: 1_000_000,
                ..claims(PeerMethod::Btc)
            })
        } else {
            token.clone()
        };
        let outcome = bench.btc(&token, &[direction]).await;
        let (_, other) = bench.other_end().await;
        for bytes in [outcome.bytes, other.bytes] {
            assert!(bytes.sent.max(bytes.received) <= 1_000_000, "{outcome:?}");
        }
        assert!(number(&outcome, "payload_bytes") > 500_000);
    }
}

#[tokio::test]
async fn the_households_limits_hold_beside_the_tokens() {
    let mut bench = Bench::with(
        Ok(()),
        Limits {
            max_bytes: 1 << 30,
            max_rate_bps: 40_000_000,
            max_duration_ms: 500,
        },
    )
    .await;
    for (number_of, direction) in [(4, "direction=down"), (5, "direction=up")] {
        let token = issue(&Claims {
            id: MeasureId::from_random([number_of; 16]),
            ..claims(PeerMethod::Btc)
        });
        let outcome = bench.btc(&token, &[direction]).await;
        assert_eq!(outcome.error, None);
        let rate = number(&outcome, "bandwidth_bps_avg");
        assert!((34_000_000..46_000_000).contains(&rate), "{rate}");
        // 500 ms of which 100 are the ramp-up.
        assert_eq!(number(&outcome, "slice_ms"), 40);
        bench.other_end().await;
    }
}

#[tokio::test]
async fn who_may_not_is_told_why_or_not_answered() {
    let mut bench = Bench::new(Err("quiet hours")).await;
    let good = claims(PeerMethod::Btc);
    let denied = bench.btc(&issue(&good), &[]).await;
    assert_eq!(
        denied.error.as_deref(),
        Some("the responder refuses: quiet hours")
    );
    let replayed = bench.btc(&issue(&good), &[]).await;
    assert!(replayed.error.unwrap().contains("closed the connection"));
    let stranger = Claims {
        responder: AgentId::new("three").unwrap(),
        ..good.clone()
    };
    let late = Claims {
        expires: now(),
        not_before: now().plus_micros(-1),
        ..good.clone()
    };
    for claims in [stranger, late] {
        let outcome = bench.btc(&issue(&claims), &[]).await;
        assert!(outcome.error.unwrap().contains("closed the connection"));
    }
    let refused = (bench.refused)();
    for reason in [Reason::Replayed, Reason::Misdirected, Reason::Expired] {
        assert_eq!(refused.get(&reason), Some(&1), "{refused:?}");
    }
    assert!(bench.ended.try_recv().is_err(), "nothing was let in");
}

#[tokio::test]
async fn a_responder_that_follows_another_knows_its_sessions() {
    let memory = Memory::default();
    let good = issue(&claims(PeerMethod::Btc));
    for said in [None, Some("closed the connection")] {
        let config = Config {
            memory: memory.clone(),
            ..config()
        };
        let mut bench = Bench::of(Ok(()), config).await;
        let outcome = bench.btc(&good, &["max_bytes=100000"]).await;
        match said {
            None => {
                assert_eq!(outcome.error, None);
                bench.other_end().await;
            }
            Some(said) => {
                assert!(outcome.error.unwrap().contains(said));
                assert_eq!((bench.refused)()[&Reason::Replayed], 1);
            }
        }
    }
}

#[tokio::test]
async fn one_initiator_does_not_hold_the_places_of_all() {
    let bench = Bench::new(Ok(())).await;
    let token = |number, initiator: &str| {
        issue(&Claims {
            id: MeasureId::from_random([number; 16]),
            initiator: AgentId::new(initiator).unwrap(),
            sessions: 100,
            ..claims(PeerMethod::Ping)
        })
    };
    let request = Request::Echo.encode();
    let mut caller = Caller::new(&bench).await;
    let session = |number| MeasureId::from_random([number; 16]);
    let first = token(1, "one");
    assert!(caller.open(session(1), &first, &request).await.is_some());
    // The same token, then another of the same initiator.
    for (number, token) in [(2, &first), (3, &token(2, "one"))] {
        assert_eq!(caller.open(session(number), token, &request).await, None);
    }
    let other = token(3, "three");
    assert!(caller.open(session(4), &other, &request).await.is_some());
}

#[tokio::test]
async fn a_flow_that_is_ended_says_why_at_both_ends() {
    for direction in ["direction=down", "direction=up"] {
        let mut bench = Bench::new(Ok(())).await;
        let token = issue(&Claims {
            max_rate_bps: 40_000_000,
            ..claims(PeerMethod::Btc)
        });
        let words = ["duration_ms=8000", "max_bytes=2000000000", direction];
        let begun = monotonic_ns();
        let (outcome, ()) = tokio::join!(
            bench.btc(&token, &words),
            bench.recall("these are the household's quiet hours")
        );
        let said = "the peer ended the session: these are the household's quiet hours";
        assert_eq!(
            (outcome.ending, outcome.error.as_deref()),
            (Ending::Failed, Some(said)),
            "{direction}"
        );
        let (_, other) = bench.other_end().await;
        assert_eq!(
            (other.ending, other.error.as_deref()),
            (
                Ending::Aborted,
                Some("these are the household's quiet hours")
            )
        );
        assert!(other.bytes.total() > 100_000, "what was used is charged");
        assert!(monotonic_ns() - begun < 1_500_000_000);
    }
}

#[tokio::test]
async fn datagrams_of_a_session_that_is_ended_go_unanswered_and_its_initiator_hears_why() {
    let mut bench = Bench::new(Ok(())).await;
    let mut caller = Caller::new(&bench).await;
    let session = MeasureId::from_random([5; 16]);
    let token = issue(&claims(PeerMethod::Ping));
    let request = Request::Echo.encode();
    let tag = caller.open(session, &token, &request).await.unwrap();
    bench.recall("quiet hours").await;
    let farewell = async {
        loop {
            if let Some(heard) = caller.hear().await {
                let reason = "quiet hours";
                assert_eq!(heard, Datagram::Refused { session, reason });
                break;
            }
        }
    };
    let farewell = tokio::time::timeout(Duration::from_secs(30), farewell);
    farewell.await.expect("it hears why");
    caller.say(&Datagram::Echo { tag, body: b"x" }).await;
    assert_eq!(caller.hear().await, None);
    let (_, outcome) = bench.other_end().await;
    assert_eq!(outcome.error.as_deref(), Some("quiet hours"));
}

#[tokio::test]
async fn trains_that_are_ended_say_why() {
    let mut bench = Bench::new(Ok(())).await;
    let token = format!("token={}", issue(&claims(PeerMethod::PacketTrains)));
    // Twenty seconds of pauses.
    let words = [
        "host=127.0.0.1",
        &token,
        "iterations=20",
        "delay=1000000000",
    ];
    let (outcome, ()) = tokio::join!(
        bench.measure("packettrains_ma", 1, &words),
        bench.recall("quiet hours")
    );
    assert_eq!(
        outcome.error.as_deref(),
        Some("the peer ended the session: quiet hours")
    );
    let (_, other) = bench.other_end().await;
    assert_eq!(other.error.as_deref(), Some("quiet hours"));
}

#[tokio::test]
async fn glimpse_check_37_a_session_without_a_flow_is_given_up_within_ten_seconds() {
    let mut bench = Bench::new(Ok(())).await;
    let mut control = TcpStream::connect(bench.address()).await.unwrap();
    let start = crate::peer::frame::Frame::Start {
        token: issue(&claims(PeerMethod::Btc)),
        session: MeasureId::from_random([6; 16]),
        plan: crate::peer::plan::BulkPlan::default(),
    };
    control.write_all(&start.encode()).await.unwrap();
    let mut first = [0; 2];
    control.read_exact(&mut first).await.unwrap();
    // While it waits, the line is taken; afterwards it is free.
    let other = |number| {
        issue(&Claims {
            id: MeasureId::from_random([number; 16]),
            ..claims(PeerMethod::Btc)
        })
    };
    let busy = bench.btc(&other(7), &["max_bytes=100000"]).await;
    assert_eq!(
        busy.error.as_deref(),
        Some("the responder refuses: the responder is busy")
    );
    let begun = monotonic_ns();
    let (_, outcome) = bench.other_end().await;
    assert_eq!(
        outcome.error.as_deref(),
        Some("the peer opened no connection")
    );
    assert!(monotonic_ns() - begun < 10_500_000_000);
    let next = bench.btc(&other(8), &["max_bytes=100000"]).await;
    assert_eq!(next.error, None);
}

#[tokio::test]
async fn garbage_and_one_byte_a_second_are_got_rid_of() {
    let bench = Bench::new(Ok(())).await;
    let mut garbage = TcpStream::connect(bench.address()).await.unwrap();
    garbage.write_all(&[0xff; 100]).await.unwrap();
    let mut answer = Vec::new();
    // A reset or an end, and nothing before it.
    let _ = garbage.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
    let mut slow = TcpStream::connect(bench.address()).await.unwrap();
    let begun = monotonic_ns();
    // A message of 200 bytes is announced.
    slow.write_all(&[0, 200]).await.unwrap();
    for _ in 0..30 {
        let _ = slow.write_all(b" ").await;
        let mut byte = [0];
        let read = tokio::time::timeout(Duration::from_secs(1), slow.read(&mut byte));
        match read.await {
            Err(_) => {}
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(_)) => panic!("it was answered"),
        }
    }
    let lasted = monotonic_ns() - begun;
    assert!(
        (9_000_000_000..25_000_000_000).contains(&lasted),
        "{lasted} ns"
    );
    assert!((bench.refused)()[&Reason::Garbage] >= 2);
}

#[tokio::test]
async fn one_host_does_not_hold_the_connections_of_all() {
    let mut bench = Bench::new(Ok(())).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        silent.push(socket.connect(bench.address()).await.unwrap());
    }
    let token = issue(&claims(PeerMethod::Btc));
    let outcome = bench.btc(&token, &["max_bytes=100000"]).await;
    assert_eq!(outcome.error, None);
    bench.other_end().await;
    assert_eq!((bench.refused)()[&Reason::Throttled], 32);
}

#[tokio::test]
async fn trains_go_both_ways_and_both_ends_say_the_same() {
    let mut bench = Bench::new(Ok(())).await;
    for (seed, direction) in [(21, "up"), (22, "down")] {
        let id = MeasureId::from_random([u8::try_from(seed).unwrap(); 16]);
        let token = issue(&Claims {
            id,
            ..claims(PeerMethod::PacketTrains)
        });
        let words = [
            "host=127.0.0.1",
            &format!("token={token}"),
            &format!("direction={direction}"),
            "iterations=3",
            "train_length=20",
            "rate_min=200000",
            "rate_max=400000",
            "delay=1000000",
        ];
        let begun = monotonic_ns();
        let outcome = bench.measure("packettrains_ma", seed, &words).await;
        let taken = monotonic_ns() - begun;
        assert_eq!((outcome.ending, &outcome.error), (Ending::Done, &None));
        let (ask, other) = bench.other_end().await;
        assert_eq!(ask.method, "packettrains_mp");
        assert_eq!(other.probe_result, outcome.probe_result, "glimpse check 39");
        assert_eq!(number(&outcome, "packets_received"), 60);
        let result = &outcome.probe_result;
        let sending = result["sending_bps"].as_array().unwrap();
        assert!(
            sending.len() == 3 && sending.iter().all(Value::is_u64),
            "{direction}: {sending:?}"
        );
        // Whatever else the machine does, no packet leaves before it is due: 19 intervals at 200, 300 and 400 kB/s. What
        // rates come of that is tested in virtual time.
        let paced_ns = 95_000_000 + 63_333_333 + 47_500_000;
        assert!(taken > paced_ns, "{direction}: {taken} ns");
        assert_eq!(result["receiving_speed"].as_array().unwrap().len(), 3);
        assert_eq!(result["dispersion_ns"][0].as_array().unwrap().len(), 19);
        assert_eq!(result["measure_uuid"], ask.session.to_string());
    }
}

#[tokio::test]
async fn a_train_without_leave_is_told_why() {
    let bench = Bench::new(Err("the monthly cap leaves no room")).await;
    let token = format!("token={}", issue(&claims(PeerMethod::PacketTrains)));
    let outcome = bench
        .measure("packettrains_ma", 1, &["host=127.0.0.1", &token])
        .await;
    let said = "the responder refuses: the monthly cap leaves no room";
    assert_eq!(
        (outcome.ending, outcome.error.as_deref()),
        (Ending::Failed, Some(said))
    );
    let nobody = Bench::new(Ok(())).await;
    let port = nobody.port;
    drop(nobody);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let registry = Registry::built_in();
    let method = registry.find("packettrains_ma").unwrap();
    let port = format!("port={port}");
    let options = Options::from_words(&method.options, ["host=127.0.0.1", &token, &port]).unwrap();
    let context = Context::unlimited(Duration::from_secs(30), 1);
    let outcome = method.run(&options, &context).await;
    assert!(outcome.error.unwrap().contains("refused"), "icmp says so");
}

/// Somebody who speaks the protocol by hand.
struct Caller {
    socket: UdpSocket,
    sent: usize,
    received: usize,
    out: Vec<u8>,
    buffer: Vec<u8>,
}

impl Caller {
    async fn new(bench: &Bench) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(bench.address()).await.unwrap();
        Self {
            socket,
            sent: 0,
            received: 0,
            out: Vec::new(),
            buffer: vec![0; 2048],
        }
    }

    async fn say(&mut self, datagram: &Datagram<'_>) {
        datagram.write(&mut self.out);
        self.sent += self.socket.send(&self.out).await.unwrap();
    }

    async fn hear(&mut self) -> Option<Datagram<'_>> {
        let heard = self.socket.recv(&mut self.buffer);
        let length = tokio::time::timeout(Duration::from_millis(300), heard)
            .await
            .ok()?
            .unwrap();
        self.received += length;
        Some(parse(&self.buffer[..length]).unwrap())
    }

    async fn open(&mut self, session: MeasureId, token: &str, request: &[u8]) -> Option<Tag> {
        self.say(&Datagram::Hello { session, token }).await;
        let Some(Datagram::Challenge { time, cookie, .. }) = self.hear().await else {
            return None;
        };
        assert!(self.received < self.sent);
        let start = Datagram::Start {
            session,
            time,
            cookie,
            token,
            request,
        };
        self.say(&start).await;
        match self.hear().await {
            Some(Datagram::Accepted { tag, .. }) => Some(tag),
            _ => None,
        }
    }
}

#[tokio::test]
async fn whatever_comes_no_more_goes_back_before_the_handshake_is_done() {
    let bench = Bench::new(Err("no")).await;
    let good = issue(&claims(PeerMethod::PacketTrains));
    let request = Request::Trains(crate::peer::plan::TrainPlan::default()).encode();
    let bad = format!("{}A", &good[..good.len() - 1]);
    let mut random = fastrand::Rng::with_seed(9);
    let mut caller = Caller::new(&bench).await;
    for round in 0..60_u8 {
        let session = MeasureId::from_random([round; 16]);
        let token = if round % 3 == 0 { &good } else { &bad };
        match round % 4 {
            0 => caller.say(&Datagram::Hello { session, token }).await,
            1 => {
                let cookie = random.u128(..).to_be_bytes();
                let start = Datagram::Start {
                    session,
                    time: random.u32(..100),
                    cookie,
                    token: &good,
                    request: &request,
                };
                caller.say(&start).await;
            }
            2 => {
                let mut bytes = vec![0; random.usize(..1400)];
                random.fill(&mut bytes);
                caller.sent += caller.socket.send(&bytes).await.unwrap();
            }
            _ => {
                let tag = random.u64(..).to_be_bytes();
                caller.say(&Datagram::Echo { tag, body: b"?" }).await;
            }
        }
        if round % 8 == 0 {
            while caller.hear().await.is_some() {}
            assert!(caller.received <= caller.sent);
        }
    }
    // And with the handshake done, a refusal is shorter than the question.
    let before = (caller.sent, caller.received);
    let session = MeasureId::from_random([99; 16]);
    assert_eq!(caller.open(session, &good, &request).await, None);
    assert!(caller.received - before.1 < caller.sent - before.0);
    let refused = (bench.refused)();
    for reason in [Reason::Garbage, Reason::Cookie] {
        assert!(refused[&reason] > 5, "{refused:?}");
    }
}
