//! What agents say to each other, and the tokens that let them.

use std::net::SocketAddr;

use futures_util::FutureExt as _;
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use glimpse_model::token::{Claims, MeasureId, Token};
use glimpse_net::packet::Family;
use glimpse_net::stamp::Stamp;
use glimpse_probe::peer::datagram::{self, Datagram, LONGEST, Tag};
use glimpse_probe::peer::frame::{self, FRAME_LIMIT, Frame};
use glimpse_probe::peer::opening::Opening;
use glimpse_probe::peer::plan::{Request, TrainPlan};
use glimpse_probe::peer::receiver::Receiver;
use glimpse_probe::peer::sender::{Sender, Step};
use glimpse_probe::peer::{report as report_bytes, trains};
use glimpse_probe::responder::Gate;

use crate::pieces;

/// The session of inputs.
pub const SESSION: MeasureId = MeasureId::from_bytes([0x5e; 16]);
/// The tag of inputs.
pub const TAG: Tag = [0x7a; 8];
const SECOND_NS: u64 = 1_000_000_000;

/// The plan of inputs: short trains, so that a few datagrams say much.
pub fn plan() -> TrainPlan {
    TrainPlan {
        packet_size: 100,
        train_length: 8,
        iterations: 2,
        ..TrainPlan::default()
    }
}

/// The text of a token; whether it says what it said when it is written anew; what a gate makes of it, which has another key.
pub fn token(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let parsed = Token::parse(&text);
    if let Ok(token) = &parsed {
        assert_eq!(token.as_str(), text);
        let again = Token::encode(token.claims(), token.signature());
        if let Ok(again) = again {
            assert_eq!(again.claims(), token.claims());
        }
    }
    if let Ok(claims) = Claims::parse(bytes) {
        let signed = Token::encode(&claims, &[0; 64]);
        assert!(signed.is_err() || signed.is_ok_and(|token| token.claims() == &claims));
    }
    let agent = match &parsed {
        Ok(token) => token.claims().responder.clone(),
        Err(_) => match AgentId::new("agent") {
            Ok(agent) => agent,
            Err(_) => return,
        },
    };
    let now = parsed.map_or(Timestamp::from_micros(0), |token| token.claims().not_before);
    let mut gate = Gate::new([9; 32], agent, &[3; 32]);
    assert!(
        gate.read(&text, SESSION, now, 0).is_err(),
        "nobody signed this"
    );
}

/// A datagram: read, written, read again.
pub fn datagram(bytes: &[u8]) {
    let Ok(datagram) = datagram::parse(bytes) else {
        return;
    };
    let mut out = Vec::new();
    datagram.write(&mut out);
    assert!(out.len() <= LONGEST);
    // What is longer than it may be grows no more when it is written again.
    assert_eq!(datagram::parse(&out), Ok(datagram.clone()));
    if let Datagram::Start {
        session,
        time,
        cookie,
        ..
    } = datagram
        && let Ok(agent) = AgentId::new("agent")
    {
        let gate = Gate::new([9; 32], agent, &[3; 32]);
        let from = SocketAddr::from(([192, 0, 2, 1], 1));
        assert!(
            !gate.knows(from, session, time, &cookie, SECOND_NS),
            "a cookie that was never made"
        );
    }
}

/// A message of a control connection, with its length before it.
pub fn frame(bytes: &[u8]) {
    let Some(Ok(frame)) = frame::receive(&mut &*bytes).now_or_never() else {
        let _ = Frame::parse(bytes);
        return;
    };
    let written = frame.encode();
    assert!(written.len() <= FRAME_LIMIT + 2);
    let again = frame::receive(&mut &*written).now_or_never();
    assert!(again.is_some_and(|again| again.is_ok_and(|again| again == frame)));
}

/// What is asked for in a START.
pub fn request(bytes: &[u8]) {
    let Ok(request) = Request::parse(bytes) else {
        return;
    };
    assert_eq!(Request::parse(&request.encode()), Ok(request.clone()));
    if let Request::Trains(plan) = request {
        for train in [0, plan.iterations.saturating_sub(1)] {
            let rate = plan.rate(train);
            assert!((plan.rate_min..=plan.rate_max).contains(&rate));
            assert!(plan.due_ns(train, 0) <= plan.due_ns(train, plan.train_length - 1));
        }
        assert!(plan.worst_case_bytes() >= u64::from(plan.packets()));
    }
}

/// A report of trains, and its figures.
pub fn report(bytes: &[u8]) {
    let plan = plan();
    let Some(trains) = report_bytes::decode(bytes, &plan) else {
        return;
    };
    assert!(bytes.len() <= plan.report_bytes());
    assert_eq!(report_bytes::encode(&trains).len(), bytes.len());
    for train in &trains {
        let figures = trains::figures(train, plan.packet_size, Family::V4);
        assert!(figures.received <= figures.sent);
    }
}

/// Datagrams, each a piece, to all three machines of a session. Each ends by itself, and sends no more than it may.
pub fn session(bytes: &[u8]) {
    let plan = plan();
    let mut sender = Sender::new(plan.clone(), TAG, 0);
    let mut receiver = Receiver::new(plan.clone(), TAG, 0);
    let mut opening = Opening::new(SESSION, "g1.x.y", Request::Echo.encode(), 0);
    let mut out = Vec::new();
    let mut now_ns = 0;
    let mut sent = 0;
    for piece in pieces::split(bytes) {
        now_ns += SECOND_NS / 50;
        for _ in 0..8 {
            match sender.poll(now_ns, &mut out) {
                Step::Packet { .. } => {
                    sender.sent(Stamp::monotonic(now_ns));
                    sent += 1;
                }
                Step::Control => {}
                _ => break,
            }
        }
        for _ in 0..8 {
            if receiver.poll(now_ns, &mut out) != Step::Control {
                break;
            }
            assert!(out.len() <= LONGEST);
        }
        opening.poll(now_ns, &mut out);
        if let Ok(datagram) = datagram::parse(piece) {
            sender.heard(&datagram, now_ns);
            receiver.heard(&datagram, Stamp::monotonic(now_ns), now_ns);
            opening.heard(&datagram, now_ns);
        }
    }
    assert!(sent <= plan.packets());
    let deadline_ns = now_ns + 600 * SECOND_NS;
    let (mut ended, mut steps) = ([false; 3], 0);
    while ended != [true; 3] {
        assert!(steps < 100_000, "a session does not end: {ended:?}");
        steps += 1;
        let mut next_ns = deadline_ns;
        let polled = [
            sender.poll(now_ns, &mut out),
            receiver.poll(now_ns, &mut out),
            opening.poll(now_ns, &mut out),
        ];
        for (end, step) in ended.iter_mut().zip(polled) {
            match step {
                Step::Packet { .. } => {
                    sender.sent(Stamp::monotonic(now_ns));
                    next_ns = now_ns;
                }
                Step::Control => next_ns = now_ns,
                Step::Pace(until_ns) | Step::Wait(until_ns) => next_ns = next_ns.min(until_ns),
                Step::Done | Step::Failed(_) => *end = true,
            }
        }
        now_ns = now_ns.max(next_ns);
    }
    for train in sender.trains().iter().chain(receiver.trains()) {
        trains::figures(train, plan.packet_size, Family::V6);
    }
}
