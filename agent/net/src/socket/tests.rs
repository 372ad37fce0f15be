#![allow(clippy::unwrap_used, clippy::expect_used)]

mod header;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::packet::{
    Echo, Family, Message, encode_echo_request, parse_icmpv4, parse_icmpv6, parse_ipv4,
};
use crate::stamp::Stamp;

const PATIENCE: Duration = Duration::from_secs(5);

/// Both loopback addresses. A machine without IPv6 fails here rather than pass with half of the tests.
fn loopbacks() -> [IpAddr; 2] {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))
        .expect("this test needs ::1 on the loopback interface");
    [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
}

/// A UDP port of `address` that nobody listens on.
fn closed_port(address: IpAddr) -> SocketAddr {
    UdpSocket::bind((address, 0)).unwrap().local_addr().unwrap()
}

/// Events until one is not a transmission, and the kernel's stamp of the transmission.
async fn next_answer(socket: &mut ProbeSocket, buffer: &mut [u8]) -> (Event, Option<i64>) {
    let mut transmitted = None;
    loop {
        let event = timeout(PATIENCE, socket.next(buffer))
            .await
            .expect("an answer")
            .unwrap();
        match event.kind {
            EventKind::Transmitted => transmitted = event.stamp.kernel_ns,
            _ => return (event, transmitted),
        }
    }
}

#[tokio::test]
async fn a_closed_port_answers_by_the_error_queue_with_both_kernel_stamps() {
    for address in loopbacks() {
        let remote = closed_port(address);
        let mut socket = ProbeSocket::udp(remote, 0, 64).unwrap();
        assert!(stamping_begins().await);
        assert_eq!(socket.kind(), SocketKind::Udp);
        let mut buffer = [0; 1500];
        for round in 0..3_u8 {
            let payload = [b'a' + round; 40];
            // The second send would fail with ECONNREFUSED if the first one's error were not cleared.
            let mut sent = socket.send(&payload).unwrap();
            let (event, transmitted) = next_answer(&mut socket, &mut buffer).await;
            let EventKind::Failed(report) = event.kind else {
                panic!("{event:?}")
            };
            assert!(report.is_unreachable(Family::from(address)), "{report:?}");
            assert_eq!(report.offender, Some(address));
            assert_eq!(
                &buffer[..event.length],
                &payload,
                "the whole payload is quoted"
            );
            assert!(socket.is_stamping());
            sent.kernel_ns = transmitted;
            let kernel = event
                .stamp
                .kernel_since(&sent)
                .expect("stamps of both packets that fit each other");
            assert!(kernel <= event.stamp.monotonic_since(&sent) + 100_000);
        }
        let (header, counter) = (
            Family::from(address).header_length() as u64,
            socket.counter(),
        );
        assert_eq!((counter.sent_packets, counter.received_packets), (3, 3));
        assert_eq!(counter.sent_bytes, 3 * (header + 8 + 40));
        assert_eq!(counter.received_bytes, 3 * (header + 8 + header + 8 + 40));
    }
}

#[tokio::test]
async fn the_transmitted_packet_comes_back_with_its_payload() {
    let mut socket = ProbeSocket::udp(closed_port(Ipv4Addr::LOCALHOST.into()), 0, 64).unwrap();
    socket.send(b"0123456789abcdef").unwrap();
    let mut buffer = [0; 1500];
    let event = timeout(PATIENCE, socket.next(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        event.kind,
        EventKind::Transmitted,
        "the stamp comes before the answer"
    );
    assert!(buffer[..event.length].ends_with(b"0123456789abcdef"));
}

#[tokio::test]
async fn a_udp_reply_is_received_with_its_sender_and_true_length() {
    for address in loopbacks() {
        let server = tokio::net::UdpSocket::bind((address, 0)).await.unwrap();
        let remote = server.local_addr().unwrap();
        let mut socket = ProbeSocket::udp(remote, 0, 64).unwrap();
        assert!(stamping_begins().await);
        socket.send(b"question").unwrap();
        let mut question = [0; 64];
        let (length, from) = server.recv_from(&mut question).await.unwrap();
        assert_eq!(&question[..length], b"question");
        server.send_to(&[7; 300], from).await.unwrap();
        let mut buffer = [0; 100];
        let (event, _) = next_answer(&mut socket, &mut buffer).await;
        assert_eq!(event.kind, EventKind::Received { from: Some(remote) });
        assert_eq!((event.length, event.whole_length), (100, 300));
        assert!(event.stamp.kernel_ns.is_some());
        assert_eq!(
            socket.counter().received_bytes,
            (Family::from(address).header_length() + 8 + 300) as u64
        );
    }
}

#[tokio::test]
async fn an_unconnected_socket_sends_and_receives_from_its_port() {
    let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = closed_port(Ipv4Addr::LOCALHOST.into()).port();
    let mut socket = ProbeSocket::udp_unconnected(Family::V4, port, 3).unwrap();
    assert_eq!(socket.local_address().unwrap().port(), port);
    socket.send_to(b"x", server.local_addr().unwrap()).unwrap();
    let mut buffer = [0; 100];
    let (_, from) = server.recv_from(&mut buffer).await.unwrap();
    assert_eq!(from.port(), port);
}

#[tokio::test]
async fn two_probes_may_share_a_source_port_and_each_gets_its_own_answers() {
    let address: IpAddr = Ipv4Addr::LOCALHOST.into();
    let (one, two) = (closed_port(address), closed_port(address));
    let port = closed_port(address).port();
    let mut first = ProbeSocket::udp(one, port, 64).unwrap();
    let mut second = ProbeSocket::udp(two, port, 64).unwrap();
    first.send(b"first").unwrap();
    second.send(b"second").unwrap();
    let mut buffer = [0; 100];
    let (event, _) = next_answer(&mut second, &mut buffer).await;
    assert_eq!(&buffer[..event.length], b"second");
    let (event, _) = next_answer(&mut first, &mut buffer).await;
    assert_eq!(&buffer[..event.length], b"first");
}

#[tokio::test]
async fn an_icmp_echo_is_answered_on_the_kind_of_socket_there_is() {
    for address in loopbacks() {
        let family = Family::from(address);
        let mut socket = match ProbeSocket::icmp(address, 64) {
            Ok(socket) => socket,
            Err(error @ SocketError::NoIcmp { .. }) => {
                let text = error.to_string();
                assert!(
                    text.contains("ping_group_range") && text.contains("CAP_NET_RAW"),
                    "{text}"
                );
                eprintln!("NOT TESTED: icmp echo to {address}: {text}");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        assert!(stamping_begins().await);
        let mut request = Vec::new();
        encode_echo_request(
            family,
            &Echo {
                identifier: 0x4711,
                sequence: 9,
                payload: b"0123456789",
            },
            &mut request,
        );
        let mut sent = socket.send(&request).unwrap();
        let mut buffer = [0; 1500];
        loop {
            let (event, transmitted) = next_answer(&mut socket, &mut buffer).await;
            sent.kernel_ns = sent.kernel_ns.or(transmitted);
            let bytes = &buffer[..event.length];
            let message = match (family, socket.kind()) {
                (Family::V4, SocketKind::IcmpRaw) => {
                    parse_icmpv4(parse_ipv4(bytes).unwrap().1).unwrap()
                }
                (Family::V4, _) => parse_icmpv4(bytes).unwrap(),
                (Family::V6, _) => parse_icmpv6(bytes).unwrap(),
            };
            // A raw socket on loopback sees its own request too.
            let Message::EchoReply(reply) = message else {
                continue;
            };
            assert_eq!(
                (reply.sequence, reply.payload),
                (9, b"0123456789".as_slice())
            );
            if socket.kind() == SocketKind::IcmpRaw {
                assert_eq!(reply.identifier, 0x4711);
                assert_eq!(
                    socket.counter().received_packets,
                    0,
                    "its own request is not counted"
                );
            }
            socket.claim(&event);
            assert_eq!(socket.counter().received_packets, 1);
            assert_eq!(socket.counter().received_bytes, socket.counter().sent_bytes);
            assert!(
                event.stamp.kernel_since(&sent).is_some(),
                "both kernel stamps"
            );
            break;
        }
    }
}

#[tokio::test]
async fn tcp_tells_acceptance_from_reset() {
    for address in loopbacks() {
        let listener = tokio::net::TcpListener::bind((address, 0)).await.unwrap();
        let mut probe = TcpProbe::start(listener.local_addr().unwrap(), 0, 64).unwrap();
        let (end, stamp) = timeout(PATIENCE, probe.ended()).await.unwrap();
        assert_eq!(end, TcpEnd::Accepted);
        assert!(stamp.monotonic_since(&probe.started()) > 0);
        assert_eq!(probe.counter().sent_packets, 3);

        let closed = listener.local_addr().unwrap();
        drop(listener);
        let mut probe = TcpProbe::start(closed, 0, 64).unwrap();
        let (end, _) = timeout(PATIENCE, probe.ended()).await.unwrap();
        assert_eq!(end, TcpEnd::Refused);
        assert_eq!(
            (
                probe.counter().sent_packets,
                probe.counter().received_packets
            ),
            (1, 1)
        );
    }
}

#[tokio::test]
async fn the_same_ports_serve_again_at_once_because_the_close_is_a_reset() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let remote = listener.local_addr().unwrap();
    let port = closed_port(Ipv4Addr::LOCALHOST.into()).port();
    for _ in 0..5 {
        let mut probe = TcpProbe::start(remote, port, 64).unwrap();
        assert_eq!(
            timeout(PATIENCE, probe.ended()).await.unwrap().0,
            TcpEnd::Accepted
        );
    }
}

#[tokio::test]
async fn no_route_is_a_network_error() {
    // 240.0.0.0/4 is refused by the kernel itself, whatever the routes.
    let remote = SocketAddr::from(([255, 255, 255, 255], 9));
    let error = ProbeSocket::udp(remote, 0, 64).expect_err("broadcast is not allowed");
    assert!(error.is_network(), "{error}");
}

#[test]
fn a_stamp_of_zero_is_none() {
    let zero = nix::sys::time::TimeSpec::new(0, 0);
    assert_eq!(crate::stamp::nanoseconds(&zero), None);
    assert_eq!(Stamp::default().kernel_ns, None);
}

#[tokio::test]
async fn probes_that_ask_for_the_same_ports_do_not_steal_from_each_other() {
    let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let remote = server.local_addr().unwrap();
    let port = closed_port(Ipv4Addr::LOCALHOST.into()).port();
    let first = ProbeSocket::udp(remote, port, 64).unwrap();
    let second = ProbeSocket::udp(remote, port, 64).unwrap();
    assert_eq!(first.local_address().unwrap().port(), port);
    assert_ne!(second.local_address().unwrap().port(), port);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let remote = listener.local_addr().unwrap();
    let held = TcpProbe::start(remote, port, 64).unwrap();
    assert!(TcpProbe::start(remote, port, 64).is_ok());
    drop(held);
}
