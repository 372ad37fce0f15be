//! Messages between agents, written by their own encoders.

use crate::Seed;
use glimpse_fuzz::peers::{SESSION, TAG, plan};
use glimpse_fuzz::pieces;
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use glimpse_model::token::{Claims, MeasureId, PeerMethod, Token};
use glimpse_probe::peer::datagram::{Datagram, SentTrain};
use glimpse_probe::peer::frame::{FlowReceived, FlowSent, Frame};
use glimpse_probe::peer::plan::{BulkPlan, Request};
use glimpse_probe::peer::report::{self, Arrival, Train};
use glimpse_probe::peer::{Direction, Limits};
use glimpse_probe::responder::memory::Used;

const LIMITS: Limits = Limits {
    max_bytes: 1_000_000,
    max_rate_bps: 100_000_000,
    max_duration_ms: 10_000,
};

pub(crate) fn seeds() -> Vec<Seed> {
    let token = token();
    let mut seeds = vec![
        ("token", "trains", token.as_bytes().to_vec()),
        ("token", "claims", claims_document()),
        ("token", "no-claims", b"g1.e30.AAAA".to_vec()),
        ("peer_request", "trains", Request::Trains(plan()).encode()),
        ("peer_request", "echo", Request::Echo.encode()),
        ("peer_report", "two-trains", report()),
        (
            "peer_report",
            "nothing-came",
            report::encode(&[Train::default()]),
        ),
    ];
    seeds.push(("used_tokens", "one", used()));
    seeds.push((
        "used_tokens",
        "twice",
        br#"{"used":[["11111111-1111-1111-1111-111111111111","2026-11-21T00:00:00Z",["5e5e5e5e-5e5e-5e5e-5e5e-5e5e5e5e5e5e"]],["11111111-1111-1111-1111-111111111111","2026-11-22T00:00:00Z",[]]]}"#.to_vec(),
    ));
    seeds.extend(datagrams(&token));
    seeds.extend(frames(&token));
    seeds
}

fn claims() -> Claims {
    Claims {
        id: MeasureId::from_bytes([0x11; 16]),
        initiator: AgentId::new("one").unwrap(),
        responder: AgentId::new("two").unwrap(),
        method: PeerMethod::PacketTrains,
        not_before: Timestamp::from_unix_seconds(1_795_219_200),
        expires: Timestamp::from_unix_seconds(1_795_219_800),
        sessions: 2,
        max_bytes: 1_000_000,
        max_rate_bps: 100_000_000,
        max_duration_ms: 10_000,
    }
}

fn token() -> String {
    Token::encode(&claims(), &[0x55; 64])
        .unwrap()
        .as_str()
        .to_owned()
}

fn used() -> Vec<u8> {
    let mut used = Used::default();
    let now = Timestamp::from_unix_seconds(1_795_219_200);
    for session in [SESSION, MeasureId::from_bytes([0x5f; 16])] {
        used.enter(&claims(), session, now).unwrap();
    }
    used.document(now)
}

fn claims_document() -> Vec<u8> {
    let unsigned = claims().unsigned();
    let text = unsigned.strip_prefix("g1.").unwrap();
    base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text).unwrap()
}

fn trains() -> [Train; 2] {
    let train = |number, arrivals: &[(u16, u64)]| Train {
        sent: SentTrain {
            train: number,
            packets: 8,
            span_ns: 560_000,
            kernel: true,
        },
        kernel: number == 0,
        arrivals: arrivals
            .iter()
            .map(|&(sequence, at_ns)| Arrival { sequence, at_ns })
            .collect(),
    };
    let steady: Vec<(u16, u64)> = (0..8).map(|n| (n, u64::from(n) * 80_000)).collect();
    [
        train(0, &steady),
        train(1, &[(0, 0), (2, 90_000), (1, 95_000), (2, 99_000)]),
    ]
}

fn report() -> Vec<u8> {
    report::encode(&trains())
}

#[expect(clippy::too_many_lines, reason = "one row a datagram")]
fn datagrams(token: &str) -> Vec<Seed> {
    let report = report();
    let sent = trains()[0].sent;
    let request = Request::Trains(plan()).encode();
    let datagrams = [
        (
            "hello",
            Datagram::Hello {
                session: SESSION,
                token,
            },
        ),
        (
            "challenge",
            Datagram::Challenge {
                session: SESSION,
                time: 7,
                cookie: [9; 16],
            },
        ),
        (
            "start",
            Datagram::Start {
                session: SESSION,
                time: 7,
                cookie: [9; 16],
                token,
                request: &request,
            },
        ),
        (
            "accepted",
            Datagram::Accepted {
                session: SESSION,
                tag: TAG,
                limits: LIMITS,
            },
        ),
        (
            "refused",
            Datagram::Refused {
                session: SESSION,
                reason: "busy",
            },
        ),
        (
            "packet",
            Datagram::Packet {
                tag: TAG,
                train: 0,
                sequence: 3,
                sent_ns: 1_000_000,
            },
        ),
        ("train-end", Datagram::TrainEnd { tag: TAG, sent }),
        (
            "train-end-ack",
            Datagram::TrainEndAck { tag: TAG, train: 0 },
        ),
        (
            "report",
            Datagram::Report {
                tag: TAG,
                chunk: 0,
                chunks: 1,
                bytes: &report,
            },
        ),
        ("report-ack", Datagram::ReportAck { tag: TAG, chunk: 0 }),
        (
            "echo",
            Datagram::Echo {
                tag: TAG,
                body: b"measure-it.net",
            },
        ),
        (
            "echo-reply",
            Datagram::EchoReply {
                tag: TAG,
                body: b"measure-it.net",
            },
        ),
        ("echo-end", Datagram::EchoEnd { tag: TAG }),
    ];
    let written = |datagram: &Datagram<'_>| {
        let mut out = Vec::new();
        datagram.write(&mut out);
        out
    };
    let mut seeds: Vec<Seed> = datagrams
        .iter()
        .map(|(name, datagram)| ("peer_datagram", *name, written(datagram)))
        .collect();
    let session = |kinds: &[&str]| {
        let all: Vec<Vec<u8>> = kinds
            .iter()
            .map(|kind| {
                let (_, datagram) = datagrams.iter().find(|(name, _)| name == kind).unwrap();
                written(datagram)
            })
            .collect();
        pieces::joined(all.iter().map(Vec::as_slice))
    };
    seeds.push((
        "peer_session",
        "sender",
        session(&["train-end-ack", "train-end-ack", "report", "report"]),
    ));
    seeds.push((
        "peer_session",
        "receiver",
        session(&["packet", "packet", "train-end", "report-ack"]),
    ));
    seeds.push((
        "peer_session",
        "handshake",
        session(&["challenge", "accepted", "refused"]),
    ));
    seeds
}

fn frames(token: &str) -> Vec<Seed> {
    let frames = [
        (
            "start",
            Frame::Start {
                token: token.to_owned(),
                session: SESSION,
                plan: BulkPlan {
                    directions: vec![Direction::Down, Direction::Up],
                    ..BulkPlan::default()
                },
            },
        ),
        (
            "accepted",
            Frame::Accepted {
                key: 77,
                limits: LIMITS,
            },
        ),
        (
            "refused",
            Frame::Refused {
                reason: "off".to_owned(),
            },
        ),
        (
            "flow",
            Frame::Flow {
                session: SESSION,
                key: 77,
                direction: Direction::Up,
            },
        ),
        (
            "received",
            Frame::Received(FlowReceived {
                bytes: 1_000,
                slice_ns: 100_000_000,
                slices: vec![400, 600],
            }),
        ),
        (
            "sent",
            Frame::Sent(FlowSent {
                bytes: 1_000,
                retransmits: Some(0),
                rtt_min_us: None,
                congestion_control: Some("cubic".to_owned()),
            }),
        ),
    ];
    frames
        .iter()
        .map(|(name, frame)| ("peer_frame", *name, frame.encode()))
        .collect()
}
