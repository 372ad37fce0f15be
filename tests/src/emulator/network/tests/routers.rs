//! TTLs, ICMP errors and their quotes, balancers, translation.

use super::{
    FAMILIES, MS, Reply, V4, V6, address, datagram, drain, echo, exchange, network, single,
};
use crate::emulator::packet::{Ip, encode_ip, encode_udp, fill_checksum, udp};
use crate::emulator::{Network, Topology};
use glimpse_net::packet::{
    PROTOCOL_ICMP, PROTOCOL_UDP, QuotedTransport, internet_checksum, parse_ipv4,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

#[test]
fn a_ttl_ends_at_its_router_which_quotes_what_it_got() {
    for (family, routers, exceeded) in [
        (V4, ["198.51.100.1", "198.51.100.2"], 11),
        (V6, ["2001:db8:1::1", "2001:db8:1::2"], 3),
    ] {
        for (ttl, router) in (1..).zip(routers) {
            let packet = datagram(family, ttl, 33_434, b"payload");
            let (at_ns, reply) = single(exchange(&mut network(""), 0, &packet));
            assert_eq!(at_ns, u64::from(ttl) * 2 * MS);
            assert_eq!((reply.from, reply.ttl), (address(router), 255 - (ttl - 1)));
            assert_eq!(reply.traffic_class, 0xc0);
            let error = reply.error();
            assert_eq!((error.kind, error.code, error.quote.ttl), (exceeded, 0, 1));
            assert_eq!(error.quote.destination, address(family[1]));
            assert!(matches!(
                error.quote.transport,
                QuotedTransport::Udp {
                    source_port: 40_000,
                    destination_port: 33_434,
                    length: 15,
                    ..
                }
            ));
            assert_eq!(error.quote.payload, b"payload");
        }
    }
}

#[test]
fn quotes_end_where_the_standard_or_the_router_says() {
    let long = |family| datagram(family, 1, 33_434, &[1; 1_400]);
    for (family, limit) in [(V4, 576), (V6, 1_280)] {
        let (_, reply) = single(exchange(&mut network(""), 0, &long(family)));
        assert_eq!(reply.length, limit);
    }
    let short = "r1: quote_bytes = 28";
    let (_, reply) = single(exchange(&mut network(short), 0, &long(V4)));
    assert_eq!(reply.quote().len(), 28);
}

#[test]
fn wrong_lengths_in_quotes_are_as_wrong_as_asked_for() {
    let sent = 20 + 8 + 100;
    for (word, length) in [
        ("kept", sent),
        ("swapped", u16::swap_bytes(sent)),
        ("without-header", sent - 20),
        ("zero", 0),
    ] {
        let change = format!("r1: quoted_length = \"{word}\"");
        let packet = datagram(V4, 1, 33_434, &[0; 100]);
        let (_, reply) = single(exchange(&mut network(&change), 0, &packet));
        let quote = reply.quote();
        assert_eq!(u16::from_be_bytes([quote[2], quote[3]]), length, "{word}");
        assert_eq!(internet_checksum(&quote[..20]), 0, "{word}");
    }
}

#[test]
fn label_stacks_follow_a_quote_of_128_bytes() {
    let labels =
        "r1: labels = [{ label = 16001, traffic_class = 5, ttl = 1 }, { label = 24, ttl = 254 }]";
    for (family, length_at, words) in [(V4, 5, 32), (V6, 4, 16)] {
        for (extra, words) in [("", words), (", quote_length_field = false", 0)] {
            let change = format!("{labels}{extra}");
            let packet = datagram(family, 1, 33_434, b"x");
            let (_, reply) = single(exchange(&mut network(&change), 0, &packet));
            assert_eq!(reply.message[length_at], words);
            let extension = &reply.quote()[128..];
            assert_eq!(internet_checksum(extension), 0);
            assert_eq!(&extension[..2], [0x20, 0]);
            assert_eq!(&extension[4..8], [0, 12, 1, 1]);
            let entries: Vec<u32> = extension[8..]
                .chunks(4)
                .map(|entry| u32::from_be_bytes(entry.try_into().unwrap()))
                .collect();
            assert_eq!(
                entries,
                [16_001 << 12 | 5 << 9 | 1, 24 << 12 | 1 << 8 | 0xfe]
            );
        }
    }
}

#[test]
fn silent_routers_say_nothing_and_forward() {
    let mut network = network("r1: silent = true");
    assert_eq!(exchange(&mut network, 0, &echo(V4, 1, b"")), []);
    assert_eq!(exchange(&mut network, 0, &echo(V4, 64, b"")).len(), 1);
}

#[test]
fn limited_routers_answer_at_their_pace() {
    let mut network = network("r1: icmp_per_second = 10, icmp_burst = 3");
    for at in 0..200 {
        // Two seconds, a probe every 10 ms.
        network.send(at * 10 * MS, &echo(V4, 1, b""));
    }
    let times: Vec<u64> = drain(&mut network)
        .iter()
        .map(|(at_ns, _)| *at_ns / MS)
        .collect();
    assert_eq!(&times[..3], [2, 12, 22], "the burst");
    assert!((21..=23).contains(&times.len()), "{times:?}");
    // Forwarding is not limited.
    for at in 300..400 {
        network.send(at * 10 * MS, &echo(V4, 64, b""));
    }
    assert_eq!(drain(&mut network).len(), 100);
}

#[test]
fn zero_ttl_forwarding_makes_the_next_router_quote_zero() {
    for (family, next) in [(V4, "198.51.100.2"), (V6, "2001:db8:1::2")] {
        let mut network = network("r1: zero_ttl_forwarding = true");
        for (ttl, quoted) in [(1, 0), (2, 1)] {
            let (_, reply) = single(exchange(&mut network, 0, &echo(family, ttl, b"")));
            assert_eq!(
                (reply.from, reply.error().quote.ttl),
                (address(next), quoted)
            );
        }
    }
}

#[test]
fn nobody_complains_about_errors_or_strangers_protocols() {
    let mut network = network("");
    let ip = Ip::new(address(V4[0]), address(V4[1]), PROTOCOL_ICMP, 1);
    let mut unreachable = vec![3, 3, 0, 0, 0, 0, 0, 0];
    unreachable.extend_from_slice(&datagram(V4, 64, 1, b""));
    fill_checksum(&ip, &mut unreachable);
    assert_eq!(exchange(&mut network, 0, &encode_ip(&ip, &unreachable)), []);
}

#[test]
fn what_nobody_owns_is_unreachable_at_the_first_router() {
    for (family, kind) in [
        (["192.0.2.1", "203.0.113.99"], 3),
        (["2001:db8::1", "2001:db8:9::9"], 1),
    ] {
        let (at_ns, reply) = single(exchange(&mut network(""), 0, &echo(family, 64, b"")));
        assert_eq!(at_ns, 2 * MS);
        let error = reply.error();
        assert_eq!((error.kind, error.code), (kind, 0));
    }
}

#[test]
fn refusals_carry_their_code() {
    for (word, codes) in [
        ("network-unreachable", Some([0, 0])),
        ("host-unreachable", Some([1, 3])),
        ("administratively-prohibited", Some([13, 1])),
        ("black-hole", None),
    ] {
        for (at, (family, kind)) in [(V4, 3), (V6, 1)].into_iter().enumerate() {
            let change = format!(
                "[[refusal]]\nat = \"r2\"\nto = \"target\"\nbecause = \"{word}\"\nprotocols = [\"udp\"]"
            );
            let mut network = network(&change);
            let replies = exchange(&mut network, 0, &datagram(family, 64, 33_434, b""));
            match codes {
                None => assert_eq!(replies, []),
                Some(codes) => {
                    let (_, reply) = single(replies);
                    let error = reply.error();
                    assert_eq!((error.kind, error.code), (kind, codes[at]), "{word}");
                }
            }
            assert_eq!(
                exchange(&mut network, 0, &echo(family, 64, b"")).len(),
                1,
                "icmp passes"
            );
        }
    }
}

/// Which middle routers the probes of `packets` meet at TTL 3 of a diamond.
fn middles(topology: &Topology, seed: u64, packets: impl Iterator<Item = Vec<u8>>) -> Vec<IpAddr> {
    let mut network = Network::new(topology, seed);
    packets
        .map(|packet| {
            let (_, reply): (u64, Reply) = single(exchange(&mut network, 0, &packet));
            reply.from
        })
        .collect()
}

#[test]
fn flows_keep_their_way_and_share_the_ways_evenly() {
    let topology = Topology::load("diamond-4").unwrap();
    let flow = |port: u16| {
        let source = SocketAddr::new(address(V4[0]), port);
        encode_udp(source, SocketAddr::new(address(V4[1]), 33_434), 3, b"x")
    };
    let one: BTreeSet<_> = middles(&topology, 1, (0..50).map(|_| flow(5)))
        .into_iter()
        .collect();
    assert_eq!(one.len(), 1);
    let mut counts = BTreeMap::new();
    for middle in middles(&topology, 1, (0..4_000).map(flow)) {
        *counts.entry(middle).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 4);
    assert!(
        counts.values().all(|count| (850..1_150).contains(count)),
        "{counts:?}"
    );
    // Another seed is another router: about three quarters of the flows change.
    let [first, second] = [1, 2].map(|seed| middles(&topology, seed, (0..400).map(flow)));
    let moved = first.iter().zip(&second).filter(|(a, b)| a != b).count();
    assert!((250..350).contains(&moved), "{moved}");
}

#[test]
fn balancers_look_only_at_their_fields() {
    let at = |source: u16, port: u16, label: u32, v6: bool| {
        let [vantage, target] = if v6 { V6 } else { V4 };
        let mut ip = Ip::new(address(vantage), address(target), PROTOCOL_UDP, 3);
        ip.flow_label = label;
        encode_ip(&ip, &udp(&ip, source, port, b"x"))
    };
    let width = |name: &str, packets: Vec<Vec<u8>>| {
        let topology = Topology::load(name).unwrap();
        let met: BTreeSet<_> = middles(&topology, 1, packets.into_iter())
            .into_iter()
            .collect();
        met.len()
    };
    let sources = |v6| (0..60).map(|flow| at(flow, 1, 1, v6)).collect::<Vec<_>>();
    let ports = |v6| (0..60).map(|flow| at(1, flow, 1, v6)).collect::<Vec<_>>();
    let labels = (0..60).map(|flow| at(1, 1, flow, true)).collect::<Vec<_>>();
    assert_eq!(
        [
            width("source-port", sources(false)),
            width("source-port", ports(false))
        ],
        [4, 1]
    );
    assert_eq!(
        [
            width("destination-port", sources(false)),
            width("destination-port", ports(false))
        ],
        [1, 4]
    );
    assert_eq!(
        [
            width("flow-label-v6", sources(true)),
            width("flow-label-v6", labels)
        ],
        [1, 4]
    );
    let echoes = |identifier: fn(u16) -> u16, sequence: fn(u16) -> u16| {
        (0..60)
            .map(|at| {
                let ends = V4.map(address);
                crate::emulator::packet::encode_echo_request(
                    ends[0],
                    ends[1],
                    3,
                    identifier(at),
                    sequence(at),
                    b"",
                )
            })
            .collect::<Vec<_>>()
    };
    // What the identifier gains the sequence number loses: the checksum stays.
    assert_eq!(
        width("icmp-checksum", echoes(|at| 100 + at, |at| 100 - at)),
        1
    );
    assert_eq!(width("icmp-checksum", echoes(|_| 1, |at| at)), 4);
    assert_eq!(width("icmp-identifier", echoes(|_| 1, |at| at)), 1);
    assert_eq!(width("icmp-identifier", echoes(|at| at, |_| 1)), 2);
}

#[test]
fn packets_of_one_flow_part_at_a_balancer_by_packets() {
    let same = || (0..40).map(|_| datagram(V4, 3, 33_434, b"x"));
    let random = middles(&Topology::load("per-packet").unwrap(), 1, same());
    assert_eq!(random.iter().collect::<BTreeSet<_>>().len(), 2);
    let turns = middles(&Topology::load("round-robin").unwrap(), 1, same());
    assert_eq!(turns[..4], turns[4..8]);
    assert_eq!(turns.iter().collect::<BTreeSet<_>>().len(), 4);
}

#[test]
fn translation_goes_there_and_back_and_into_quotes() {
    for (name, inside) in [("nat", true), ("nat-untranslated", false)] {
        let topology = Topology::load(name).unwrap();
        let mut network = Network::new(&topology, 1);
        let sent = datagram(V4, 2, 33_434, b"payload");
        let (_, reply) = single(exchange(&mut network, 0, &sent));
        assert_eq!(
            (reply.from, reply.to),
            (address("198.51.100.2"), address(V4[0]))
        );
        let quote = reply.quote();
        let (header, _) = parse_ipv4(quote).unwrap();
        assert_eq!(internet_checksum(&quote[..20]), 0, "{name}");
        let source = if inside { V4[0] } else { "198.51.100.1" };
        assert_eq!(IpAddr::from(header.source), address(source), "{name}");
        // The quoted checksum belongs to the quoted addresses.
        assert_eq!(quote[26..28] == sent[26..28], inside, "{name}");
        let (_, reply) = single(exchange(&mut network, 0, &echo(V4, 64, b"x")));
        assert_eq!((reply.from, reply.to), (address(V4[1]), address(V4[0])));
        let (_, reply) = single(exchange(&mut network, 0, &datagram(V4, 64, 33_434, b"x")));
        assert_eq!(reply.error().code, 3, "the target found the checksum right");
    }
}

#[test]
fn a_hiding_router_lends_its_address_and_only_ttls_betray_the_distance() {
    let topology = Topology::load("address-rewriting").unwrap();
    let mut network = Network::new(&topology, 1);
    let mut ttls = Vec::new();
    for ttl in 2..=4 {
        let (_, reply) = single(exchange(&mut network, 0, &datagram(V4, ttl, 33_434, b"x")));
        assert_eq!(reply.from, address("198.51.100.2"));
        ttls.push(reply.ttl);
    }
    assert_eq!(ttls, [254, 253, 252]);
}

#[test]
fn a_wrong_header_checksum_is_filled_in_as_kernels_do() {
    for family in FAMILIES {
        let mut packet = echo(family, 64, b"x");
        if family == V4 {
            packet[10..12].fill(0);
        }
        assert_eq!(exchange(&mut network(""), 0, &packet).len(), 1);
    }
}
