#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;

fn pace(mode: Mode) -> Pace {
    Pace {
        count: 2,
        interval_ns: 10 * MS,
        timeout_ns: 1000 * MS,
        run_limit_ns: 3_600_000 * MS,
        first_hop: 1,
        max_hops: 30,
        in_flight: 16,
        gap_limit: 5,
        paris: true,
        exclusive_flows: false,
        mode,
    }
}

/// A router at each TTL; the target is at `length`.
fn reply(ttl: u8, length: u8, at_ns: u64) -> Reply {
    let is_target = ttl >= length;
    Reply {
        from: IpAddr::from([192, 0, 2, ttl.min(length)]),
        is_target,
        response: if is_target {
            Response::Unreachable(3)
        } else {
            Response::TimeExceeded
        },
        at: Stamp::monotonic(at_ns),
        ttl: Some(64 - ttl.min(length)),
        quoted_ttl: Some(1),
        labels: Vec::new(),
    }
}

/// Plays a machine on a line of `length` hops whose round trips are `trip_ns` each; `heard` says which hops answer. What
/// comes back names its probe, or its flow alone.
fn play(
    machine: &mut Machine,
    length: u8,
    trip_ns: u64,
    named: bool,
    heard: impl Fn(Probe) -> bool,
) -> (u32, u64) {
    let (mut now_ns, mut sent, mut flying): (u64, u32, Vec<(u64, Probe)>) = (0, 0, Vec::new());
    loop {
        match machine.poll(now_ns) {
            Action::Done => return (sent, now_ns),
            Action::Send(probe) => {
                sent += 1;
                machine.sent(Stamp::monotonic(now_ns));
                if heard(probe) {
                    flying.push((now_ns + trip_ns * u64::from(probe.ttl.min(length)), probe));
                }
            }
            Action::Wait(until_ns) => {
                assert!(until_ns > now_ns);
                flying.sort_by_key(|&(due_ns, probe)| (due_ns, probe.index));
                if flying
                    .first()
                    .is_some_and(|&(due_ns, _)| due_ns <= until_ns)
                {
                    let (due_ns, probe) = flying.remove(0);
                    now_ns = now_ns.max(due_ns);
                    let claim = if named {
                        Claim::Probe(probe.index)
                    } else {
                        Claim::Flow(probe.flow)
                    };
                    machine.replied(claim, reply(probe.ttl, length, now_ns));
                } else {
                    now_ns = until_ns;
                }
            }
        }
    }
}

/// The last byte of who answered first at each TTL.
fn path(machine: &Machine) -> Vec<Option<u8>> {
    let trace = machine.trace();
    let hop = |ttl| {
        let mut probes = trace.probes.iter().filter(|entry| entry.probe.ttl == ttl);
        probes.find_map(|entry| match entry.reply.as_ref()?.from {
            IpAddr::V4(address) => Some(address.octets()[3]),
            IpAddr::V6(_) => None,
        })
    };
    (1..=trace.last_ttl).map(hop).collect()
}

#[test]
fn fifteen_hops_take_less_than_one_by_one() {
    let mut machine = Machine::new(pace(Mode::Single), 0);
    let (sent, end_ns) = play(&mut machine, 15, 20 * MS, true, |_| true);
    assert_eq!(path(&machine), (1..=15).map(Some).collect::<Vec<_>>());
    assert_eq!(machine.trace().stop, Stop::Target);
    // One probe after the other would need two round trips of each hop: 4.8 s.
    assert!(end_ns < 1_000 * MS, "{} ms", end_ns / MS);
    // Thirty are needed; beyond the target, what left before it answered.
    assert!(sent <= 40, "{sent}");
}

#[test]
fn answers_that_name_no_probe_are_never_guessed() {
    let mut machine = Machine::new(pace(Mode::Single), 0);
    let (sent, _) = play(&mut machine, 6, 20 * MS, false, |_| true);
    assert_eq!(path(&machine), (1..=6).map(Some).collect::<Vec<_>>());
    // All but those in flight at the first doubt are sent once.
    assert!(
        sent <= machine.pace.most_probes() && sent <= 2 * 6 + 16,
        "{sent}"
    );
    for entry in machine.trace().probes {
        if let Some(reply) = &entry.reply {
            let trip = reply.at.monotonic_since(&entry.sent.unwrap());
            assert_eq!(trip, 20 * MS * u64::from(entry.probe.ttl.min(6)));
        }
    }
}

#[test]
fn the_target_ends_a_way_whatever_else_its_hop_said_first() {
    let mut machine = Machine::new(pace(Mode::Single), 0);
    for (index, at_ns) in [(0, 0), (1, 10 * MS)] {
        assert!(matches!(
            machine.poll(at_ns),
            Action::Send(Probe { ttl: 1, .. })
        ));
        machine.sent(Stamp::monotonic(at_ns));
        let of_target = reply(1, 1, at_ns + MS);
        let answer = if index == 0 {
            Reply {
                from: IpAddr::from([198, 51, 100, 1]),
                is_target: false,
                response: Response::Unreachable(1),
                ..of_target
            }
        } else {
            of_target
        };
        assert!(machine.replied(Claim::Probe(index), answer));
    }
    assert_eq!(machine.trace().stop, Stop::Target);
}

#[test]
fn silent_hops_are_gaps_until_there_are_too_many() {
    let mut machine = Machine::new(pace(Mode::Single), 0);
    play(&mut machine, 9, MS, true, |probe| {
        !(3..=6).contains(&probe.ttl)
    });
    let silent = [None; 4];
    let expected: Vec<Option<u8>> = [Some(1), Some(2)]
        .into_iter()
        .chain(silent)
        .chain([Some(7), Some(8), Some(9)])
        .collect();
    assert_eq!(
        (path(&machine), machine.trace().stop),
        (expected, Stop::Target)
    );

    let mut machine = Machine::new(pace(Mode::Single), 0);
    let (sent, _) = play(&mut machine, 9, MS, true, |probe| probe.ttl < 3);
    assert_eq!(machine.trace().stop, Stop::GapLimit);
    assert_eq!(
        path(&machine),
        [Some(1), Some(2), None, None, None, None, None]
    );
    assert_eq!(sent, 14, "nothing beyond the gap is asked");
}

#[test]
fn nothing_answers_and_nothing_hangs() {
    for mode in [
        Mode::Single,
        Mode::Multipath {
            confidence: Confidence::Percent99,
            max_probes: 500,
        },
    ] {
        let mut machine = Machine::new(pace(mode), 0);
        let (sent, _) = play(&mut machine, 9, MS, true, |_| false);
        assert_eq!(machine.trace().stop, Stop::GapLimit);
        assert!(sent <= 50, "{sent}");
    }
}

#[test]
fn a_node_on_the_targets_link_needs_one_flow() {
    let mode = Mode::Multipath {
        confidence: Confidence::Percent95,
        max_probes: 500,
    };
    for length in [1, 2, 7] {
        let mut machine = Machine::new(pace(mode), 0);
        let (sent, _) = play(&mut machine, length, 20 * MS, true, |_| true);
        assert_eq!(machine.trace().stop, Stop::Target);
        // This host has six, every router six, but the last.
        let expected = if length == 1 {
            6
        } else {
            u32::from(length - 1) * 6 + 1
        };
        assert_eq!(sent, expected, "{length}");
    }
}

#[test]
fn a_lost_first_flow_holds_up_the_others_once() {
    let mode = Mode::Multipath {
        confidence: Confidence::Percent95,
        max_probes: 500,
    };
    let mut machine = Machine::new(pace(mode), 0);
    let (_, end_ns) = play(&mut machine, 4, MS, true, |probe| probe.ttl != 3);
    assert_eq!(path(&machine), [Some(1), Some(2), None, Some(4)]);
    // The first, the others with one more try for all.
    assert!(end_ns < 3_300 * MS, "{} ms", end_ns / MS);
}

#[test]
fn a_budget_ends_multipath_with_what_is_known() {
    let mode = Mode::Multipath {
        confidence: Confidence::Percent95,
        max_probes: 20,
    };
    let mut machine = Machine::new(pace(mode), 0);
    let (sent, _) = play(&mut machine, 9, MS, true, |_| true);
    assert_eq!((sent, machine.trace().stop), (20, Stop::Limit));
    assert!(machine.trace().graph.unwrap().nodes.len() >= 3);
}

#[test]
fn late_double_and_foreign_answers_change_nothing() {
    let mut machine = Machine::new(pace(Mode::Single), 0);
    assert!(matches!(
        machine.poll(0),
        Action::Send(Probe {
            index: 0,
            ttl: 1,
            ..
        })
    ));
    machine.sent(Stamp::monotonic(0));
    assert!(machine.replied(Claim::Probe(0), reply(1, 9, MS)));
    assert!(
        machine.replied(Claim::Probe(0), reply(2, 9, 2 * MS)),
        "a duplicate is ours"
    );
    assert!(
        !machine.replied(Claim::Probe(1), reply(2, 9, MS)),
        "never sent"
    );
    assert!(
        !machine.replied(Claim::Flow(0), reply(2, 9, MS)),
        "nothing waits"
    );
    assert!(matches!(machine.poll(10 * MS), Action::Send(_)));
    machine.sent(Stamp::monotonic(10 * MS));
    assert!(machine.replied(Claim::Probe(1), reply(1, 9, 1011 * MS)));
    assert!(
        machine.trace().probes[1].reply.is_none(),
        "a millisecond late"
    );
    assert_eq!(machine.trace().foreign, 2);
    assert_eq!(
        machine.trace().probes[0].reply.as_ref().unwrap().at,
        Stamp::monotonic(MS)
    );
}

#[test]
fn a_kernel_that_refuses_everything_ends_the_run() {
    let mut machine = Machine::new(pace(Mode::Single), 0);
    let mut now_ns = 0;
    loop {
        match machine.poll(now_ns) {
            Action::Send(_) => machine.refused("no route".to_owned(), now_ns),
            Action::Wait(until_ns) => now_ns = until_ns,
            Action::Done => break,
        }
    }
    assert_eq!(machine.trace().faults, [("no route".to_owned(), 3)]);
}

#[test]
fn classic_probes_are_each_of_a_flow() {
    let mut machine = Machine::new(
        Pace {
            paris: false,
            ..pace(Mode::Single)
        },
        0,
    );
    play(&mut machine, 4, MS, false, |_| true);
    assert_eq!(path(&machine), (1..=4).map(Some).collect::<Vec<_>>());
    for entry in machine.trace().probes {
        assert_eq!(u32::from(entry.probe.flow), entry.probe.index);
    }
}

proptest! {
    #[test]
    fn every_line_is_found_within_bounds(
        length in 1_u8..25, trip_ms in 1_u64..60, interval_ms in 1_u64..80, in_flight in 1_u32..40, count in 1_u8..4,
        gap_limit in 1_u8..8, named: bool, exclusive_flows: bool, multipath: bool,
    ) {
        let mode = if multipath {
            Mode::Multipath { confidence: Confidence::Percent95, max_probes: 400 }
        } else {
            Mode::Single
        };
        let pace = Pace { count, interval_ns: interval_ms * MS, in_flight, gap_limit, exclusive_flows, ..pace(mode) };
        let mut machine = Machine::new(pace, 0);
        // Round trips longer than the time-out would be late.
        let trip_ns = (trip_ms * MS).min(900 * MS / u64::from(length));
        let (sent, end_ns) = play(&mut machine, length, trip_ns, named, |_| true);
        prop_assert!(sent <= pace.most_probes());
        prop_assert_eq!(machine.trace().stop, Stop::Target);
        prop_assert_eq!(path(&machine), (1..=length).map(Some).collect::<Vec<_>>());
        prop_assert!(end_ns <= u64::from(sent) * pace.timeout_ns.max(pace.interval_ns) + pace.timeout_ns);
    }
}
