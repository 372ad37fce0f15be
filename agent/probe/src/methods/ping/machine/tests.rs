#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BinaryHeap;

use proptest::prelude::*;

use super::*;
use crate::methods::ping::payload;

const MS: u64 = 1_000_000;

fn pace(count: u32, interval_ms: u64, timeout_ms: u64) -> Pace {
    Pace {
        count,
        interval_ns: interval_ms * MS,
        timeout_ns: timeout_ms * MS,
        window: u32::MAX,
    }
}

fn text(index: u32) -> Vec<u8> {
    let mut text = Vec::new();
    payload::write(42, index, 74, &mut text);
    text
}

fn at(ns: u64) -> Stamp {
    Stamp::monotonic(ns)
}

/// Drives a machine in virtual time. `replies(index)` are the delays after which packet `index` is answered.
fn drive(
    mut machine: Machine,
    start: u64,
    mut replies: impl FnMut(u32) -> Vec<u64>,
) -> (Tally, Vec<u64>, u64) {
    let (mut now, mut sent_at) = (start, Vec::new());
    let mut coming: BinaryHeap<std::cmp::Reverse<(u64, u32)>> = BinaryHeap::new();
    loop {
        while let Some(&std::cmp::Reverse((due, index))) = coming.peek()
            && due <= now
        {
            coming.pop();
            machine.answered(
                Claim::Numbered {
                    index,
                    text: &text(index),
                },
                at(due),
            );
        }
        match machine.poll(now) {
            Action::Send(index) => {
                assert_eq!(usize::try_from(index).unwrap(), sent_at.len());
                machine.sent(&text(index), at(now));
                sent_at.push(now);
                coming.extend(
                    replies(index)
                        .into_iter()
                        .map(|delay| std::cmp::Reverse((now + delay, index))),
                );
            }
            Action::Wait(until) => {
                assert!(until > now, "a wait that has passed would spin");
                now = coming
                    .peek()
                    .map_or(until, |reply| until.min(reply.0.0))
                    .max(now);
            }
            Action::Done => return (machine.tally(), sent_at, now),
        }
    }
}

#[test]
fn packets_leave_on_schedule_and_the_last_answer_ends_the_run() {
    let (tally, sent_at, end) = drive(Machine::new(pace(4, 200, 1000), 5 * MS), 5 * MS, |_| {
        vec![30 * MS]
    });
    assert_eq!(
        sent_at,
        [5 * MS, 205 * MS, 405 * MS, 605 * MS],
        "not after the answers, but on the slots"
    );
    assert_eq!(end, 635 * MS, "no interval is slept after the last packet");
    assert_eq!((tally.sent, tally.received), (4, 4));
    assert!(
        tally
            .trips
            .iter()
            .all(|(sent, received)| received.monotonic_since(sent) == 30 * MS)
    );
}

#[test]
fn a_silent_target_loses_all_and_ends_at_the_last_timeout() {
    let (tally, _, end) = drive(Machine::new(pace(3, 100, 1000), 0), 0, |_| vec![]);
    assert_eq!((tally.sent, tally.received, tally.trips.len()), (3, 0, 0));
    assert_eq!(end, 1200 * MS);
}

#[test]
fn answers_may_overtake_each_other() {
    let (tally, _, _) = drive(Machine::new(pace(5, 10, 1000), 0), 0, |index| {
        vec![(100 - 15 * u64::from(index)) * MS]
    });
    let trips: Vec<u64> = tally
        .trips
        .iter()
        .map(|(sent, received)| received.monotonic_since(sent) / MS)
        .collect();
    assert_eq!(
        trips,
        [100, 85, 70, 55, 40],
        "each answer keeps its packet, in the order of sending"
    );
}

#[test]
fn duplicates_count_once() {
    let (tally, _, _) = drive(Machine::new(pace(3, 100, 1000), 0), 0, |_| {
        vec![10 * MS, 12 * MS, 15 * MS]
    });
    assert_eq!((tally.received, tally.trips.len()), (3, 3));
    // The last packet's duplicates come when the run is over.
    assert_eq!(tally.duplicates, 4);
    assert!(
        tally
            .trips
            .iter()
            .all(|(sent, received)| received.monotonic_since(sent) == 10 * MS)
    );
}

#[test]
fn late_answers_are_lost_packets() {
    let (tally, _, _) = drive(Machine::new(pace(3, 500, 400), 0), 0, |index| {
        vec![if index == 0 { 450 * MS } else { 10 * MS }]
    });
    assert_eq!((tally.sent, tally.received, tally.late), (3, 2, 1));
}

#[test]
fn an_answer_that_was_in_time_counts_although_the_driver_was_slow() {
    let mut machine = Machine::new(pace(1, 100, 100), 0);
    assert_eq!(machine.poll(0), Action::Send(0));
    machine.sent(&text(0), at(0));
    // The driver sleeps through the time-out; the kernel says that the answer came after 20 ms.
    machine.transmitted(&text(0), 1_000_000_000);
    let received = Stamp {
        monotonic_ns: 900 * MS,
        kernel_ns: Some(1_020_000_000),
    };
    machine.answered(
        Claim::Numbered {
            index: 0,
            text: &text(0),
        },
        received,
    );
    assert_eq!(machine.poll(900 * MS), Action::Done);
    assert_eq!(machine.tally().received, 1);
}

fn three_waiting() -> Machine {
    let mut machine = Machine::new(pace(3, 1, 1000), 0);
    for index in 0..3 {
        assert_eq!(machine.poll(u64::from(index) * MS), Action::Send(index));
        machine.sent(&text(index), at(u64::from(index) * MS));
    }
    machine
}

#[test]
fn forged_answers_do_not_count() {
    let mut machine = three_waiting();
    let foreign = b"XXXXXXXXXXXXXXXXXXXX".as_slice();
    machine.answered(
        Claim::Numbered {
            index: 0,
            text: foreign,
        },
        at(5 * MS),
    );
    machine.answered(
        Claim::Numbered {
            index: 0,
            text: &text(1),
        },
        at(5 * MS),
    );
    machine.answered(
        Claim::Numbered {
            index: 3,
            text: &text(3),
        },
        at(5 * MS),
    );
    machine.answered(
        Claim::Numbered {
            index: u32::MAX,
            text: &[],
        },
        at(5 * MS),
    );
    machine.answered(Claim::Quoted(foreign), at(5 * MS));
    machine.answered(Claim::Quoted(&text(9)), at(5 * MS));
    machine.answered(Claim::Reply(&text(9)), at(5 * MS));
    machine.failed(Claim::Quoted(foreign), "forged".into());
    let tally = machine.tally();
    assert_eq!((tally.received, tally.foreign), (0, 8));
    assert!(tally.faults.is_empty());
    // The true ones still do.
    machine.answered(Claim::Quoted(&text(1)), at(6 * MS));
    assert_eq!(machine.tally().received, 1);
}

#[test]
fn a_quote_without_text_is_attributed_only_when_one_packet_waits() {
    let mut machine = Machine::new(pace(1, 1, 1000), 0);
    assert_eq!(machine.poll(0), Action::Send(0));
    machine.sent(&text(0), at(0));
    machine.answered(Claim::Quoted(&[]), at(7 * MS));
    assert_eq!(
        (
            machine.tally().received,
            machine.tally().trips.len(),
            machine.tally().untimed
        ),
        (1, 1, 0)
    );

    let mut machine = three_waiting();
    machine.answered(Claim::Quoted(&[]), at(7 * MS));
    let tally = machine.tally();
    assert_eq!(
        (tally.received, tally.trips.len(), tally.untimed),
        (1, 0, 1),
        "answered, but the time is not invented"
    );
    machine.answered(Claim::Quoted(&text(0)[..3]), at(8 * MS));
    assert_eq!(
        machine.tally().trips.len(),
        1,
        "three letters are enough when they fit one packet only"
    );
}

#[test]
fn a_reply_of_the_services_own_making_counts() {
    let mut machine = Machine::new(pace(1, 1, 1000), 0);
    assert_eq!(machine.poll(0), Action::Send(0));
    machine.sent(&text(0), at(0));
    machine.answered(Claim::Reply(b"what do you want?"), at(7 * MS));
    assert_eq!(machine.tally().trips.len(), 1);
    machine.answered(Claim::Reply(b"what do you want?"), at(8 * MS));
    assert_eq!(machine.tally().foreign, 1);
}

#[test]
fn empty_payloads_are_told_apart_by_number_or_not_at_all() {
    let mut machine = Machine::new(pace(2, 1, 1000), 0);
    for index in 0..2 {
        assert_eq!(machine.poll(u64::from(index) * MS), Action::Send(index));
        machine.sent(&[], at(u64::from(index) * MS));
    }
    machine.answered(
        Claim::Numbered {
            index: 1,
            text: &[],
        },
        at(3 * MS),
    );
    machine.answered(Claim::Reply(&[]), at(4 * MS));
    let tally = machine.tally();
    assert_eq!((tally.received, tally.trips.len()), (2, 2));
}

#[test]
fn a_packet_that_will_not_be_answered_is_not_waited_for() {
    let mut machine = three_waiting();
    for index in 0..3 {
        machine.failed(
            Claim::Numbered {
                index,
                text: &text(index),
            },
            "host is unreachable".into(),
        );
    }
    assert_eq!(machine.poll(4 * MS), Action::Done);
    let tally = machine.tally();
    assert_eq!((tally.sent, tally.received), (3, 0));
    assert_eq!(tally.faults, [("host is unreachable".to_owned(), 3)]);
}

#[test]
fn what_the_kernel_refuses_is_not_sent() {
    let mut machine = Machine::new(pace(3, 100, 1000), 0);
    for index in 0..3 {
        assert_eq!(
            machine.poll(u64::from(index) * 100 * MS),
            Action::Send(index)
        );
        machine.refused("network is unreachable".into(), u64::from(index) * 100 * MS);
    }
    assert_eq!(machine.poll(200 * MS), Action::Done);
    assert_eq!((machine.tally().sent, machine.tally().faults[0].1), (0, 3));
}

#[test]
fn a_full_window_delays_and_no_burst_makes_up_for_it() {
    let pace = Pace {
        window: 1,
        ..pace(4, 100, 250)
    };
    // The first is lost, the others are answered at once.
    let (tally, sent_at, _) = drive(Machine::new(pace, 0), 0, |index| {
        if index == 0 { vec![] } else { vec![MS] }
    });
    assert_eq!(sent_at, [0, 250 * MS, 350 * MS, 450 * MS]);
    assert_eq!(tally.received, 3);
}

#[test]
fn stopping_waits_for_what_is_under_way() {
    let mut machine = Machine::new(pace(10, 100, 1000), 0);
    assert_eq!(machine.poll(0), Action::Send(0));
    machine.sent(&text(0), at(0));
    machine.stop("byte limit".into());
    assert_eq!(machine.poll(100 * MS), Action::Wait(1000 * MS));
    machine.answered(
        Claim::Numbered {
            index: 0,
            text: &text(0),
        },
        at(110 * MS),
    );
    assert_eq!(machine.poll(110 * MS), Action::Done);
    assert_eq!(machine.tally().faults.len(), 1);
}

#[test]
fn the_kernels_stamp_finds_its_packet_within_the_headers() {
    let mut machine = three_waiting();
    let mut packet = vec![0x45; 42];
    packet.extend_from_slice(&text(1));
    packet.extend_from_slice(&[0; 6]);
    machine.transmitted(&packet, 123);
    machine.transmitted(b"short", 7);
    machine.answered(Claim::Quoted(&text(1)), at(9 * MS));
    machine.answered(Claim::Quoted(&text(2)), at(9 * MS));
    let trips = machine.tally().trips;
    assert_eq!(
        (trips[0].0.kernel_ns, trips[1].0.kernel_ns),
        (Some(123), None)
    );
}

#[test]
fn faults_are_bounded() {
    let mut machine = three_waiting();
    for number in 0..100 {
        machine.fault(format!("fault {number}"));
    }
    assert_eq!(machine.tally().faults.len(), FAULT_LIMIT);
}

proptest! {
    #[test]
    fn every_packet_is_sent_once_and_counted_once(
        count in 1..60_u32,
        interval in 1..300_u64,
        timeout in 1..2000_u64,
        window in 1..20_u32,
        delays in proptest::collection::vec(proptest::collection::vec(0..3000_u64, 0..4), 60),
    ) {
        let pace = Pace { window, ..pace(count, interval, timeout) };
        let (tally, sent_at, end) = drive(Machine::new(pace, 0), 0, |index| {
            delays[index as usize].iter().map(|delay| delay * MS).collect()
        });
        prop_assert_eq!(tally.sent, count);
        let in_time = |list: &&Vec<u64>| list.iter().any(|&delay| delay <= timeout);
        // At exactly the time-out either is right.
        let strictly = |list: &&Vec<u64>| list.iter().any(|&delay| delay < timeout);
        let received = tally.received as usize;
        let taken = &delays[..count as usize];
        prop_assert!(received <= taken.iter().filter(in_time).count());
        prop_assert!(received >= taken.iter().filter(strictly).count());
        prop_assert_eq!(tally.trips.len(), received);
        prop_assert!(sent_at.windows(2).all(|pair| pair[1] > pair[0]));
        let rounds = u64::from(count.div_ceil(window));
        prop_assert!(end <= (u64::from(count - 1) * interval + rounds * timeout) * MS, "the announced duration holds");
    }

    #[test]
    fn any_claim_is_survived(claims in proptest::collection::vec((0..5_u8, any::<u32>(), proptest::collection::vec(any::<u8>(), 0..20), any::<u64>()), 0..50)) {
        let mut machine = three_waiting();
        for (kind, index, text, now) in &claims {
            let claim = match kind {
                4 => Claim::Attempt(*index),
                0 => Claim::Numbered { index: *index, text },
                1 => Claim::Quoted(text),
                _ => Claim::Reply(text),
            };
            if *kind == 3 {
                machine.failed(claim, String::new());
            } else if let Some(answered) = machine.answered(claim, at(*now)) {
                prop_assert!(answered < 3);
                machine.reply_ttl(answered, 64);
            }
            machine.transmitted(text, 1);
            machine.poll(*now);
        }
        let tally = machine.tally();
        prop_assert!(tally.received <= tally.sent);
        prop_assert!(tally.reordered < 3);
        prop_assert_eq!(tally.trips.len() + tally.untimed as usize, tally.received as usize);
    }

    #[test]
    fn reordering_agrees_with_the_definition(delays in proptest::collection::vec(0..40_u64, 1..60)) {
        let machine = Machine::new(pace(u32::try_from(delays.len()).unwrap(), 10, 1000), 0);
        let (tally, sent_at, _) = drive(machine, 0, |index| vec![delays[index as usize] * MS]);
        // RFC 4737 §3.3, by the book: NextExp, over the arrivals in their order.
        let mut arrivals: Vec<(u64, usize)> = sent_at
            .iter()
            .zip(&delays)
            .map(|(sent, delay)| sent + delay * MS)
            .zip(0..)
            .collect();
        arrivals.sort_unstable();
        let (mut next_expected, mut reordered) = (0, 0);
        for (_, sequence) in arrivals {
            if sequence >= next_expected { next_expected = sequence + 1 } else { reordered += 1 }
        }
        prop_assert_eq!(tally.reordered, reordered);
        prop_assert_eq!(tally.received as usize, delays.len());
    }
}

#[test]
fn an_answer_that_was_overtaken_is_reordered_and_copies_are_not() {
    let delays = [35, 5, 5, 5];
    let machine = Machine::new(pace(4, 10, 1000), 0);
    let (tally, ..) = drive(machine, 0, |index| vec![delays[index as usize] * MS; 2]);
    // The first comes at 35 ms with the fourth; the second and third came before.
    assert_eq!((tally.received, tally.duplicates), (4, 4));
    assert_eq!(tally.reordered, 1);
    let machine = Machine::new(pace(4, 10, 1000), 0);
    // Copies that come after the answers of later packets.
    let (tally, ..) = drive(machine, 0, |_| vec![5 * MS, 22 * MS]);
    assert_eq!((tally.reordered, tally.duplicates), (0, 2));
}

#[test]
fn answers_in_time_tell_their_ttl() {
    let mut machine = three_waiting();
    assert_eq!(machine.tally().reply_ttl, None);
    for (index, ttl) in [(0, 61), (1, 57), (2, 64)] {
        let text = text(index);
        let claim = Claim::Numbered { index, text: &text };
        assert_eq!(machine.answered(claim, at(5 * MS)), Some(index));
        machine.reply_ttl(index, ttl);
        assert_eq!(machine.answered(claim, at(6 * MS)), None, "a copy");
    }
    machine.reply_ttl(99, 1);
    assert_eq!(machine.tally().reply_ttl, Some((57, 64)));
}

#[test]
fn the_smallest_mtu_is_kept() {
    let mut machine = three_waiting();
    machine.too_long(1400);
    machine.too_long(1280);
    machine.too_long(1500);
    assert_eq!(machine.tally().mtu, Some(1280));
}

#[test]
fn short_quotes_that_outnumber_the_packets_answer_nothing_and_truth_still_counts() {
    let mut machine = three_waiting();
    // As many as packets could be true, from hosts that quote no more.
    for _ in 0..3 {
        machine.answered(Claim::Quoted(&[]), at(5 * MS));
    }
    assert_eq!((machine.tally().received, machine.tally().untimed), (3, 2));
    // One more is a forger's work.
    for _ in 0..500 {
        assert_eq!(machine.answered(Claim::Quoted(&[]), at(6 * MS)), None);
    }
    let tally = machine.tally();
    assert_eq!((tally.received, tally.untimed, tally.foreign), (0, 0, 503));
    assert_eq!(tally.trips, []);
    assert_eq!(tally.faults, [(DISTRUST.to_owned(), 1)]);
    assert!(
        matches!(machine.poll(7 * MS), Action::Wait(_)),
        "all are waited for again"
    );
    machine.answered(Claim::Quoted(&text(1)), at(8 * MS));
    assert_eq!(
        (machine.tally().received, machine.tally().trips.len()),
        (1, 1)
    );
    assert!(
        matches!(machine.poll(10_000 * MS), Action::Done),
        "and end by their time"
    );
}

#[test]
fn an_error_that_shows_nothing_of_our_text_does_not_end_the_wait() {
    let mut machine = three_waiting();
    let waits = machine.poll(4 * MS);
    for claim in [
        Claim::Quoted(&[]),
        Claim::Quoted(b"..."),
        Claim::Numbered {
            index: 1,
            text: &[],
        },
    ] {
        assert!(!machine.failed(claim, "unreachable".into()));
    }
    assert_eq!(machine.poll(4 * MS), waits);
    assert_eq!(machine.tally().faults, [("unreachable".to_owned(), 2)]);
    // A connection is of one packet alone.
    assert!(machine.failed(Claim::Attempt(1), "refused".into()));
    for index in [0, 2] {
        assert!(machine.failed(Claim::Quoted(&text(index)), "unreachable".into()));
    }
    assert_eq!(machine.poll(4 * MS), Action::Done);
}

#[test]
fn a_driver_rests_while_the_kernel_stamps_and_no_longer() {
    let stamped = |ns: u64| Stamp {
        kernel_ns: Some(i64::try_from(ns).unwrap() + 5),
        ..at(ns)
    };
    let answer = |machine: &mut Machine, index, stamp| {
        let text = text(index);
        machine.answered(Claim::Numbered { index, text: &text }, stamp);
    };
    let mut machine = Machine::new(pace(4, 10, 1000), 0);
    machine.sent(&text(0), stamped(0));
    let until = 10 * MS;
    assert!(
        !machine.may_rest(until, 0),
        "nobody knows yet whether answers are stamped"
    );
    answer(&mut machine, 0, stamped(3 * MS));
    assert!(machine.may_rest(until, 4 * MS));
    assert!(
        !machine.may_rest(until + MS, 4 * MS),
        "a time-out is not a slot"
    );
    machine.rest(true);
    machine.sent(&text(1), stamped(10 * MS));
    answer(&mut machine, 1, stamped(13 * MS));
    assert_eq!(machine.tally().untimed, 0);
    // Seen at the end of a rest, and nobody knows when it came.
    machine.sent(&text(2), stamped(20 * MS));
    answer(&mut machine, 2, at(30 * MS));
    let tally = machine.tally();
    assert_eq!(
        (tally.received, tally.untimed, tally.trips.len()),
        (3, 1, 2)
    );
    assert!(!machine.may_rest(30 * MS, 30 * MS));
}

#[test]
fn a_driver_does_not_rest_for_long() {
    let mut machine = Machine::new(pace(2, 1000, 1000), 0);
    machine.sent(
        &text(0),
        Stamp {
            kernel_ns: Some(1),
            ..at(0)
        },
    );
    let text = text(0);
    let stamp = Stamp {
        kernel_ns: Some(2),
        ..at(MS)
    };
    machine.answered(
        Claim::Numbered {
            index: 0,
            text: &text,
        },
        stamp,
    );
    assert!(!machine.may_rest(1000 * MS, MS));
    assert!(machine.may_rest(1000 * MS, 990 * MS));
}
