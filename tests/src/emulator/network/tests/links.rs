//! Delay, jitter, loss, duplicates, rates, queues and packet sizes.

use super::{FAMILIES, MS, V4, V6, drain, echo, exchange, line, network, single, whole};
use crate::emulator::{Network, Outlet};
use std::collections::BTreeSet;

#[test]
fn delays_add_up_there_and_back() {
    for family in FAMILIES {
        let (at_ns, reply) = single(exchange(&mut network(""), 5 * MS, &echo(family, 64, b"x")));
        assert_eq!(at_ns, 11 * MS);
        assert_eq!(reply.ttl, 62, "two routers on the way back");
        let back = "link: back = { delay_us = 5000 }";
        let (at_ns, _) = single(exchange(&mut network(back), 0, &echo(family, 64, b"x")));
        assert_eq!(at_ns, 10 * MS);
    }
}

#[test]
fn jitter_stays_in_its_bounds_and_reorders() {
    let mut network = network("link: jitter_us = 2000");
    for at in 0..500 {
        let number = u16::try_from(at).unwrap().to_be_bytes();
        network.send(at * MS / 10, &echo(V4, 64, &number));
    }
    let replies = drain(&mut network);
    assert_eq!(replies.len(), 500);
    let mut numbers = Vec::new();
    for (at_ns, reply) in &replies {
        let number = u64::from(reply.message[8]) << 8 | u64::from(reply.message[9]);
        let extra_ns = at_ns - number * MS / 10 - 6 * MS;
        assert!(extra_ns <= 2 * MS, "{extra_ns}");
        numbers.push((number, extra_ns));
    }
    assert!(!numbers.is_sorted());
    let spread: BTreeSet<_> = numbers
        .iter()
        .map(|(_, extra_ns)| extra_ns * 4 / (2 * MS + 1))
        .collect();
    assert_eq!(spread.len(), 4, "jitter is spread over its whole range");
}

#[test]
fn loss_is_as_often_as_declared() {
    let lost = |change: &str| {
        let mut network = network(change);
        for at in 0..2_000 {
            network.send(at * MS, &echo(V4, 64, b"x"));
        }
        let missing = 2_000 - drain(&mut network).len();
        assert_eq!(u64::try_from(missing).unwrap(), network.lost());
        missing
    };
    assert_eq!(lost(""), 0);
    assert_eq!(lost("link: lose_every = 10"), 200);
    assert_eq!(lost("link: loss = 1.0"), 2_000);
    assert!((400..600).contains(&lost("link: loss = 0.25")));
    assert!((400..600).contains(&lost("link: back = { delay_us = 1000, loss = 0.25 }")));
}

#[test]
fn duplicates_come_once_more() {
    for (change, count) in [
        ("", 100..101),
        ("link: duplicate = 1.0", 200..201),
        ("link: duplicate = 0.5", 130..170),
    ] {
        let mut network = network(change);
        for at in 0..100 {
            network.send(at * MS, &echo(V4, 64, b"x"));
        }
        assert!(count.contains(&drain(&mut network).len()), "{change}");
    }
}

#[test]
fn a_rate_serialises_packet_by_packet_and_its_queue_drops_the_tail() {
    // 1000 bytes at 8 Mbit/s take a millisecond; five packets wait or are being sent.
    let mut network = network(
        "link: rate_bps = 8000000\nlink: queue_bytes = 5000\nlink: name = \"neck\"\ntarget: udp_echo = [7]",
    );
    for _ in 0..8 {
        network.send(0, &whole(V4, 1_000));
    }
    let times: Vec<u64> = drain(&mut network)
        .iter()
        .map(|(at_ns, _)| *at_ns)
        .collect();
    assert_eq!(times, [7, 8, 9, 10, 11].map(|ms| ms * MS));
    assert_eq!(network.lost(), 3);
    let departures = network.departures();
    let left: Vec<u64> = departures.iter().map(|departure| departure.at_ns).collect();
    assert_eq!(left, [2, 3, 4, 5, 6].map(|ms| ms * MS));
    for departure in &departures {
        assert_eq!((&*departure.link, departure.bytes), ("neck", 1_000));
        assert_eq!(departure.head.len(), 64);
        let text = departure.to_string();
        assert_eq!(
            &text.parse::<crate::emulator::Departure>().unwrap(),
            departure
        );
    }
    assert_eq!(network.departures(), []);
    // The queue has emptied meanwhile.
    let (at_ns, _) = single(exchange(&mut network, 100 * MS, &whole(V4, 1_000)));
    assert_eq!(at_ns, 107 * MS);
}

#[test]
fn queues_keep_the_order_in_which_packets_reach_them() {
    // The second packet is sent later and reaches the serialiser later, though both are on the way together.
    let mut network = network("link: rate_bps = 8000000\ntarget: udp_echo = [7]");
    network.send(0, &whole(V4, 1_000));
    network.send(MS / 2, &whole(V4, 500));
    let sizes: Vec<usize> = drain(&mut network)
        .iter()
        .map(|(_, reply)| reply.length)
        .collect();
    assert_eq!(sizes, [1_000, 500]);
}

#[test]
fn what_is_too_big_is_refused_with_the_size_that_fits() {
    for (family, kind, code) in [(V4, 3, 4), (V6, 2, 0)] {
        let mut network = network("link: mtu = 1280\ntarget: udp_echo = [7]");
        let (_, reply) = single(exchange(&mut network, 0, &whole(family, 1_281)));
        let error = reply.error();
        assert_eq!((error.kind, error.code, error.info), (kind, code, 1_280));
        assert_eq!(
            reply.from,
            super::address(if family == V4 {
                "198.51.100.1"
            } else {
                "2001:db8:1::1"
            })
        );
        assert!(reply.length <= if family == V4 { 576 } else { 1_280 });
        let (_, reply) = single(exchange(&mut network, 0, &whole(family, 1_280)));
        assert_eq!(reply.length, 1_280);
    }
    // IPv4 may be fragmented unless it says otherwise.
    let (_, reply) = single(exchange(
        &mut network("link: mtu = 1280"),
        0,
        &echo(V4, 64, &[7; 1_400]),
    ));
    assert_eq!(reply.length, 1_428);
}

#[test]
fn an_outlet_hands_packets_out_and_takes_others_in() {
    let topology = line("target: outlet = true");
    let mut network = Network::new(&topology, 1);
    let far = network.outlet("target").unwrap();
    assert_eq!(network.outlet("r1"), None);
    network.send(0, &echo(V4, 64, b"out"));
    assert_eq!(network.next_ns(), Some(3 * MS));
    let (at_ns, packet) = network.receive_at(far, 3 * MS).unwrap();
    assert_eq!((at_ns, packet[8]), (3 * MS, 62));
    assert_eq!(network.receive_at(Outlet::VANTAGE, 100 * MS), None);
    network.send_at(
        far,
        100 * MS,
        &echo(["203.0.113.1", "192.0.2.1"], 64, b"in"),
    );
    let (at_ns, reply) = single(drain(&mut network));
    assert_eq!((at_ns, reply.ttl), (103 * MS, 62));
    // A real system may trace as well.
    network.send_at(far, 200 * MS, &echo(["203.0.113.1", "192.0.2.1"], 1, b"in"));
    let (at_ns, packet) = network.receive_at(far, 300 * MS).unwrap();
    assert_eq!((at_ns, packet[20]), (202 * MS, 11));
}
