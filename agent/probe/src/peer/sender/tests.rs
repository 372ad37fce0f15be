//! Both machines against each other over a line that delays, loses, repeats and serves at a rate, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::super::datagram::parse;
use super::super::receiver::Receiver;
use super::super::trains::figures;
use super::*;
use glimpse_net::count::datagram_bytes;
use glimpse_net::packet::Family;

const TAG: Tag = [9; 8];

/// A line in each direction.
struct Line {
    random: fastrand::Rng,
    delay_ns: u64,
    /// Nanoseconds a packet of a train takes at the bottleneck.
    service_ns: u64,
    lost_percent: u8,
    repeated_percent: u8,
    free_ns: u64,
    packet_size: u16,
    /// Everything put on the line, lost or not, in bytes at IP level.
    bytes: u64,
    /// When, to the receiver, what.
    queue: Vec<(u64, bool, Vec<u8>)>,
}

impl Line {
    fn new(seed: u64, service_ns: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            delay_ns: 15_000_000,
            service_ns,
            lost_percent: 0,
            repeated_percent: 0,
            free_ns: 0,
            packet_size: 1000,
            bytes: 0,
            queue: Vec::new(),
        }
    }

    fn carry(&mut self, now: u64, to_receiver: bool, bytes: Vec<u8>) {
        let length = match parse(&bytes) {
            Ok(Datagram::Packet { .. }) => self.packet_size.into(),
            _ => bytes.len(),
        };
        self.bytes += datagram_bytes(Family::V6, length);
        if self.random.u8(..100) < self.lost_percent {
            return;
        }
        let mut at = now + self.delay_ns;
        if matches!(parse(&bytes), Ok(Datagram::Packet { .. })) {
            self.free_ns = self.free_ns.max(now) + self.service_ns;
            at = self.free_ns + self.delay_ns;
        }
        if self.random.u8(..100) < self.repeated_percent {
            self.queue.push((at + 1_000, to_receiver, bytes.clone()));
        }
        self.queue.push((at, to_receiver, bytes));
    }
}

/// Runs both to their ends; gives both, why the sender failed, and when all was over.
fn run(plan: &TrainPlan, line: &mut Line) -> (Sender, Receiver, Option<String>, u64) {
    let mut sender = Sender::new(plan.clone(), TAG, 0);
    let mut receiver = Receiver::new(plan.clone(), TAG, 0);
    let (mut now, mut out) = (0, Vec::new());
    for _ in 0..1_000_000 {
        let mut wake = u64::MAX;
        let mut over = 0;
        let mut failed = None;
        loop {
            match sender.poll(now, &mut out) {
                Step::Packet { train, sequence } => {
                    Datagram::Packet {
                        tag: TAG,
                        train,
                        sequence,
                        sent_ns: now,
                    }
                    .write(&mut out);
                    sender.sent(Stamp::monotonic(now));
                    line.carry(now, true, out.clone());
                }
                Step::Control => line.carry(now, true, out.clone()),
                Step::Pace(until) | Step::Wait(until) => break wake = wake.min(until),
                Step::Done => break over += 1,
                Step::Failed(reason) => {
                    failed = Some(reason);
                    break over += 1;
                }
            }
        }
        loop {
            match receiver.poll(now, &mut out) {
                Step::Control => line.carry(now, false, out.clone()),
                Step::Wait(until) => break wake = wake.min(until),
                Step::Done | Step::Failed(_) => break over += 1,
                other => panic!("{other:?}"),
            }
        }
        if over == 2 {
            return (sender, receiver, failed, now);
        }
        line.queue.sort_by_key(|(at, _, _)| *at);
        now = line
            .queue
            .first()
            .map_or(wake, |(at, _, _)| (*at).min(wake));
        while line.queue.first().is_some_and(|(at, _, _)| *at <= now) {
            let (at, to_receiver, bytes) = line.queue.remove(0);
            let datagram = parse(&bytes).unwrap();
            if to_receiver {
                receiver.heard(&datagram, Stamp::monotonic(at), now);
            } else {
                sender.heard(&datagram, now);
            }
        }
    }
    panic!("it does not end");
}

#[test]
fn both_ends_know_the_same_and_read_the_bottleneck() {
    let plan = TrainPlan {
        iterations: 3,
        ..TrainPlan::default()
    };
    // 1028 bytes at 20 Mbit/s.
    let mut line = Line::new(1, 411_200);
    let (sender, receiver, failed, _) = run(&plan, &mut line);
    assert_eq!(failed, None);
    assert_eq!(sender.trains(), receiver.trains());
    for (number, train) in sender.trains().iter().enumerate() {
        let found = figures(train, 1000, Family::V4);
        assert_eq!((found.sent, found.received), (48, 48));
        assert_eq!(found.capacity_bps, Some(20_000_000));
        let asked = plan.rate(u16::try_from(number).unwrap()) * 8;
        let sending = found.sending_bps.unwrap();
        assert!(
            sending.abs_diff(asked) * 1000 < asked,
            "{sending} for {asked}"
        );
    }
}

#[test]
fn every_packet_leaves_when_it_is_due_and_lateness_is_not_passed_on() {
    let plan = TrainPlan {
        train_length: 20,
        rate_max: 300_000,
        ..TrainPlan::default()
    };
    let due = |sequence| LEAD_NS + plan.due_ns(0, sequence);
    for held_up in [None, Some(7)] {
        let mut sender = Sender::new(plan.clone(), TAG, 0);
        let (mut now, mut out, mut left) = (LEAD_NS, Vec::new(), Vec::new());
        loop {
            match sender.poll(now, &mut out) {
                Step::Packet { sequence, .. } => {
                    if held_up == Some(sequence) {
                        now = due(sequence + 3) + 1;
                    }
                    left.push(now);
                    sender.sent(Stamp::monotonic(now));
                }
                Step::Pace(until) => now = until,
                _ => break,
            }
        }
        let expected: Vec<u64> = (0..20)
            .map(|sequence| match held_up {
                Some(first) if (first..=first + 3).contains(&sequence) => due(first + 3) + 1,
                _ => due(sequence),
            })
            .collect();
        assert_eq!(left, expected);
    }
}

#[test]
fn losses_and_repetitions_on_the_way_are_got_over() {
    let plan = TrainPlan {
        iterations: 4,
        delay_ns: 1_000_000,
        ..TrainPlan::default()
    };
    for seed in 0..200 {
        let mut line = Line::new(seed, 100_000);
        line.lost_percent = 15;
        line.repeated_percent = 10;
        let (sender, receiver, failed, _) = run(&plan, &mut line);
        assert_eq!(failed, None, "seed {seed}");
        assert_eq!(sender.trains(), receiver.trains());
        let received: u16 = sender
            .trains()
            .iter()
            .map(|train| figures(train, 1000, Family::V4).received)
            .sum();
        assert!((130..190).contains(&received), "{received} of 192");
    }
}

#[test]
fn a_peer_that_is_gone_is_given_up() {
    let plan = TrainPlan::default();
    let mut line = Line::new(1, 1_000);
    line.lost_percent = 100;
    let (_, _, failed, now) = run(&plan, &mut line);
    assert_eq!(failed.as_deref(), Some("the peer fell silent"));
    assert_eq!(now, SILENCE_NS, "the receiver waits longer, and no more");
}

#[test]
fn the_kernels_stamps_are_preferred() {
    let plan = TrainPlan {
        train_length: 2,
        ..TrainPlan::default()
    };
    let mut sender = Sender::new(plan, TAG, 0);
    let mut out = Vec::new();
    assert_eq!(
        sender.poll(LEAD_NS, &mut out),
        Step::Packet {
            train: 0,
            sequence: 0
        }
    );
    sender.sent(Stamp::monotonic(LEAD_NS));
    assert!(matches!(sender.poll(LEAD_NS, &mut out), Step::Pace(_)));
    sender.sent(Stamp::monotonic(LEAD_NS + 4_000));
    sender.transmitted(0, 0, 7_000_000);
    sender.transmitted(1, 1, 9_000_000);
    sender.transmitted(0, 1, 7_003_500);
    assert!(matches!(
        sender.poll(LEAD_NS + 4_000, &mut out),
        Step::Wait(_)
    ));
    assert_eq!(
        sender.poll(LEAD_NS + 4_000 + SETTLE_NS, &mut out),
        Step::Control
    );
    let Ok(Datagram::TrainEnd { sent, .. }) = parse(&out) else {
        panic!("{out:?}");
    };
    assert_eq!((sent.span_ns, sent.kernel, sent.packets), (3_500, true, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn sent_bytes_keep_to_the_announcement(
        train_length in 2_u16..100,
        iterations in 1_u16..6,
        packet_size in 32_u16..1452,
        seed in any::<u64>(),
        lost_percent in 0_u8..60,
    ) {
        let plan = TrainPlan { packet_size, train_length, iterations, delay_ns: 0, ..TrainPlan::default() };
        let mut line = Line::new(seed, 1_000);
        line.lost_percent = lost_percent;
        line.packet_size = packet_size;
        let (_, _, _, now) = run(&plan, &mut line);
        prop_assert!(line.bytes <= plan.worst_case_bytes(), "{} > {}", line.bytes, plan.worst_case_bytes());
        prop_assert!(u128::from(now) <= plan.longest().as_nanos());
    }
}
