//! What hosts and routers answer to packets to themselves.

use super::{FAMILIES, MS, V4, V6, address, datagram, echo, exchange, network, single};
use crate::emulator::packet::{TCP_ACK, TCP_RST, TCP_SYN, Tcp, encode_tcp};
use glimpse_net::packet::Message;
use std::net::SocketAddr;

fn segment([vantage, target]: [&str; 2], port: u16, flags: u8) -> Vec<u8> {
    let header = Tcp {
        sequence: 1_000,
        acknowledgement: 77,
        flags,
        window: 1_024,
    };
    let source = SocketAddr::new(address(vantage), 40_000);
    encode_tcp(source, SocketAddr::new(address(target), port), 64, &header)
}

#[test]
fn echoes_come_back_unchanged() {
    for family in FAMILIES {
        let (_, reply) = single(exchange(&mut network(""), 0, &echo(family, 64, b"payload")));
        assert_eq!(reply.from, address(family[1]));
        let Message::EchoReply(echo) = reply.icmp() else {
            panic!("{reply:?}");
        };
        assert_eq!(
            (echo.identifier, echo.sequence, echo.payload),
            (7, 1, &b"payload"[..])
        );
        assert_eq!(
            exchange(
                &mut network("target: echo = false"),
                0,
                &super::echo(family, 64, b"")
            ),
            []
        );
        assert_eq!(
            exchange(
                &mut network("target: silent = true"),
                0,
                &super::echo(family, 64, b"")
            ),
            []
        );
    }
    // Routers answer as well, and hosts take the time that they are given.
    let router = echo(["192.0.2.1", "198.51.100.2"], 64, b"");
    assert_eq!(single(exchange(&mut network(""), 0, &router)).0, 4 * MS);
    let slow = "target: delay_us = 250";
    assert_eq!(
        single(exchange(&mut network(slow), 0, &echo(V4, 64, b""))).0,
        6 * MS + MS / 4
    );
}

#[test]
fn the_type_of_service_comes_back() {
    let mut packet = echo(V4, 64, b"");
    packet[1] = 0xb8;
    assert_eq!(
        single(exchange(&mut network(""), 0, &packet))
            .1
            .traffic_class,
        0xb8
    );
}

#[test]
fn udp_ports_echo_answer_or_refuse() {
    let services = "target: udp_echo = [7], udp_answer = [4000]";
    for (family, kind, code) in [(V4, 3, 3), (V6, 1, 4)] {
        let mut network = network(services);
        let (_, reply) = single(exchange(&mut network, 0, &datagram(family, 64, 7, b"sent")));
        assert_eq!(&reply.message[8..], b"sent");
        assert_eq!(
            reply.message[..4],
            [0, 7, 0x9c, 0x40],
            "the ports changed round"
        );
        let (_, reply) = single(exchange(
            &mut network,
            0,
            &datagram(family, 64, 4000, b"sent"),
        ));
        assert_eq!(&reply.message[8..], b"reply");
        let (_, reply) = single(exchange(
            &mut network,
            0,
            &datagram(family, 64, 33_434, b"sent"),
        ));
        assert_eq!(reply.from, address(family[1]));
        let error = reply.error();
        assert_eq!((error.kind, error.code, error.quote.ttl), (kind, code, 62));
        let mut quiet = super::network("target: udp_closed = \"silent\"");
        assert_eq!(
            exchange(&mut quiet, 0, &datagram(family, 64, 33_434, b"")),
            []
        );
    }
}

#[test]
fn hosts_limit_their_icmp_too() {
    let mut network = network("target: icmp_per_second = 1, icmp_burst = 2");
    for _ in 0..5 {
        network.send(0, &datagram(V4, 64, 33_434, b""));
    }
    assert_eq!(super::drain(&mut network).len(), 2);
}

#[test]
fn wrong_checksums_go_unanswered() {
    for family in FAMILIES {
        for packet in [
            echo(family, 64, b"x"),
            datagram(family, 64, 33_434, b"x"),
            segment(family, 80, TCP_SYN),
        ] {
            let mut network = network("");
            let mut broken = packet.clone();
            *broken.last_mut().unwrap() ^= 1;
            assert_eq!(exchange(&mut network, 0, &broken), []);
            assert_eq!(exchange(&mut network, 0, &packet).len(), 1);
        }
        let mut without = datagram(family, 64, 33_434, b"x");
        let at = without.len() - 3;
        without[at..at + 2].fill(0);
        // RFC 768: IPv4 may go without, IPv6 may not.
        assert_eq!(
            exchange(&mut network(""), 0, &without).len(),
            usize::from(family == V4)
        );
    }
}

#[test]
fn tcp_opens_resets_or_drops() {
    let word =
        |message: &[u8], at: usize| u32::from_be_bytes(message[at..at + 4].try_into().unwrap());
    for family in FAMILIES {
        let mut network = network("target: tcp_open = [80]");
        let (at_ns, reply) = single(exchange(&mut network, 0, &segment(family, 80, TCP_SYN)));
        assert_eq!((at_ns, reply.from), (6 * MS, address(family[1])));
        assert_eq!(
            (reply.message[13], word(&reply.message, 8)),
            (TCP_SYN | TCP_ACK, 1_001)
        );
        let (_, reply) = single(exchange(&mut network, 0, &segment(family, 80, TCP_ACK)));
        assert_eq!((reply.message[13], word(&reply.message, 4)), (TCP_RST, 77));
        let (_, reply) = single(exchange(&mut network, 0, &segment(family, 81, TCP_SYN)));
        assert_eq!(
            (reply.message[13], word(&reply.message, 8)),
            (TCP_RST | TCP_ACK, 1_001)
        );
        assert_eq!(exchange(&mut network, 0, &segment(family, 80, TCP_RST)), []);
        let mut filtered = super::network("target: tcp_closed = \"silent\"");
        assert_eq!(
            exchange(&mut filtered, 0, &segment(family, 81, TCP_SYN)),
            []
        );
    }
}

#[test]
fn the_name_server_knows_its_zone() {
    let zone = "target: dns = [53]\n[[name]]\nname = \"Both.example\"\naddresses = [\"203.0.113.1\", \"203.0.113.2\", \"2001:db8:2::1\"]\n[[name]]\nname = \"four.example\"\naddresses = [\"203.0.113.1\"]";
    let ask = |name: &str, kind: u8| {
        let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend_from_slice(label.as_bytes());
        }
        query.extend_from_slice(&[0, 0, kind, 0, 1]);
        let (_, reply) = single(exchange(
            &mut network(zone),
            0,
            &datagram(V4, 64, 53, &query),
        ));
        let answer = reply.message[8..].to_vec();
        assert_eq!(answer[..3], [0x12, 0x34, 0x85]);
        assert_eq!(answer[12..query.len()], query[12..]);
        (answer[3], answer[7], answer[query.len()..].to_vec())
    };
    let (code, count, records) = ask("both.EXAMPLE", 1);
    assert_eq!((code, count, records.len()), (0, 2, 32));
    assert_eq!(records[..12], [0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4]);
    assert_eq!(records[12..16], [203, 0, 113, 1]);
    let (code, count, records) = ask("both.example", 28);
    assert_eq!((code, count, records.len()), (0, 1, 28));
    assert_eq!(ask("four.example", 28), (0, 0, vec![]), "no data");
    assert_eq!(ask("none.example", 1), (3, 0, vec![]), "no such name");
    // Garbage: a label that runs out of the message is a format error, an answer is nothing to answer.
    let mut network = network(zone);
    let broken = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 60, b'x'];
    let (_, reply) = single(exchange(&mut network, 0, &datagram(V4, 64, 53, &broken)));
    assert_eq!(reply.message[8 + 3], 1);
    for silent in [&[0; 5][..], &[0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        assert_eq!(exchange(&mut network, 0, &datagram(V4, 64, 53, silent)), []);
    }
}
