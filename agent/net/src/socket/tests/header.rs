//! What stands in the headers of what is sent, and what is told of the headers of what comes.

use super::*;
use crate::packet::{
    IcmpError, Label, PROTOCOL_ICMP, PROTOCOL_UDP, QuotedTransport, internet_checksum,
};

/// A listener, or a word that this could not be tested.
fn listener(family: Family) -> Option<ProbeSocket> {
    match ProbeSocket::icmp_listener(family) {
        Ok(listener) => Some(listener),
        Err(error) => {
            eprintln!("NOT TESTED: {error}; it needs CAP_NET_RAW");
            None
        }
    }
}

/// The next ICMP error that `listener` hears about a UDP packet to `port`, and the packet's flags.
async fn heard<T>(
    listener: &mut ProbeSocket,
    port: u16,
    look: impl Fn(&IcmpError<'_>, &[u8]) -> T,
) -> T {
    let mut buffer = [0; 1500];
    loop {
        let event = timeout(PATIENCE, listener.next(&mut buffer))
            .await
            .expect("an ICMP error")
            .unwrap();
        let bytes = &buffer[..event.length];
        let message = match listener.family() {
            Family::V4 => parse_ipv4(bytes).map(|(_, icmp)| icmp),
            Family::V6 => Ok(bytes),
        };
        let icmp = message.unwrap();
        let parsed = match listener.family() {
            Family::V4 => parse_icmpv4(icmp),
            Family::V6 => parse_icmpv6(icmp),
        };
        if let Ok(Message::Error(error)) = parsed
            && matches!(error.quote.transport, QuotedTransport::Udp { destination_port, .. } if destination_port == port)
        {
            assert!(event.ttl.is_some());
            return look(&error, &icmp[8..]);
        }
    }
}

#[tokio::test]
async fn ttl_dscp_and_dont_fragment_are_on_the_wire_packet_by_packet() {
    for address in loopbacks() {
        let family = Family::from(address);
        let Some(mut listener) = listener(family) else {
            return;
        };
        let remote = closed_port(address);
        let mut socket = ProbeSocket::udp(remote, 0, 64).unwrap();
        for (ttl, dscp, dont_fragment) in [(3, 46, true), (200, 0, false), (200, 63, true)] {
            socket.set_ttl(ttl).unwrap();
            socket.set_dscp(dscp).unwrap();
            socket.set_dont_fragment(dont_fragment).unwrap();
            socket.send(&[7; 40]).unwrap();
            heard(&mut listener, remote.port(), |error, quoted| {
                assert_eq!(error.quote.ttl, ttl);
                assert_eq!(error.quote.traffic_class, dscp << 2);
                assert_eq!(error.quote.payload, [7; 40]);
                let header = u32::try_from(family.header_length()).unwrap();
                assert_eq!(error.quote.total_length, header + 8 + 40);
                if family == Family::V4 {
                    assert_eq!(quoted[6] & 0x40 != 0, dont_fragment);
                }
            })
            .await;
        }
        if family == Family::V4 {
            assert!(socket.set_ttl(0).is_err(), "there is no such packet");
        }
        assert_eq!(listener.counter().received_packets, 0, "nothing claimed");
    }
}

#[tokio::test]
async fn a_tcp_probe_carries_its_fields_and_keeps_to_its_port() {
    for address in loopbacks() {
        let listener = std::net::TcpListener::bind((address, 0)).unwrap();
        let remote = listener.local_addr().unwrap();
        let port = closed_port(address).port();
        let fields = HeaderFields {
            ttl: 9,
            dscp: 10,
            dont_fragment: Some(true),
        };
        let mut probe = TcpProbe::start_from(remote, port, &fields).unwrap();
        assert_eq!(probe.local_address().unwrap().port(), port);
        assert_eq!(
            timeout(PATIENCE, probe.ended()).await.unwrap().0,
            TcpEnd::Accepted
        );
        assert_eq!(probe.labels(), []);
    }
}

#[tokio::test]
async fn an_answer_tells_the_ttl_it_came_with() {
    for address in loopbacks() {
        let server = tokio::net::UdpSocket::bind((address, 0)).await.unwrap();
        match address {
            IpAddr::V4(_) => server.set_ttl(77).unwrap(),
            IpAddr::V6(_) => socket2::SockRef::from(&server)
                .set_unicast_hops_v6(77)
                .unwrap(),
        }
        let mut socket = ProbeSocket::udp(server.local_addr().unwrap(), 0, 64).unwrap();
        socket.send(b"?").unwrap();
        let (_, from) = server.recv_from(&mut [0; 10]).await.unwrap();
        server.send_to(b"!", from).await.unwrap();
        let (event, _) = next_answer(&mut socket, &mut [0; 100]).await;
        assert_eq!(event.ttl, Some(77));

        let mut socket = ProbeSocket::udp(closed_port(address), 0, 64).unwrap();
        socket.send(b"?").unwrap();
        let (event, _) = next_answer(&mut socket, &mut [0; 100]).await;
        let EventKind::Failed(report) = event.kind else {
            panic!("{event:?}")
        };
        assert_eq!(event.ttl, Some(64), "of the ICMP error");
        assert_eq!(report.mtu(), None);
        assert!(!report.is_time_exceeded(Family::from(address)));
    }
}

#[tokio::test]
async fn a_packet_longer_than_the_link_is_refused_with_the_mtu() {
    for address in loopbacks() {
        let mut socket = ProbeSocket::udp(closed_port(address), 0, 64).unwrap();
        socket.set_dont_fragment(true).unwrap();
        let mtu: u32 = std::fs::read_to_string("/sys/class/net/lo/mtu")
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        // No datagram is longer than this; a loopback interface that takes it whole has no limit to show.
        let packet = vec![0; 65_507];
        if mtu as usize >= packet.len() + Family::from(address).header_length() + 8 {
            eprintln!("NOT TESTED: the loopback interface takes {mtu} bytes");
            continue;
        }
        socket.send(&packet).unwrap_err();
        let (event, _) = next_answer(&mut socket, &mut [0; 100]).await;
        let EventKind::Failed(report) = event.kind else {
            panic!("{event:?}")
        };
        assert_eq!(report.origin, ErrorOrigin::Local);
        assert_eq!(report.mtu(), Some(mtu));
        assert_eq!(socket.counter().sent_packets, 0);
    }
}

/// A forged "time exceeded" from 127.0.0.1 to itself about a packet of 28 + 32 bytes between the ports, with one MPLS label.
fn labelled(local: u16, remote: u16, length: u8) -> Vec<u8> {
    let mut quoted = vec![
        0x45,
        0,
        0,
        60,
        0,
        0,
        0x40,
        0,
        1,
        PROTOCOL_UDP,
        0,
        0,
        127,
        0,
        0,
        1,
        127,
        0,
        0,
        1,
    ];
    quoted.extend_from_slice(&local.to_be_bytes());
    quoted.extend_from_slice(&remote.to_be_bytes());
    quoted.extend_from_slice(&[0, 40, 0, 0]);
    quoted.extend_from_slice(&[b'q'; 32]);
    quoted.resize(128, 0);
    let mut structure = vec![0x20, 0, 0, 0, 0, 8, 1, 1, 0x05, 0xdc, 0x1b, 1];
    let checksum = internet_checksum(&structure);
    structure[2..4].copy_from_slice(&checksum.to_be_bytes());
    let mut message = vec![11, 0, 0, 0, 0, length, 0, 0];
    message.extend_from_slice(&quoted);
    message.extend_from_slice(&structure);
    let checksum = internet_checksum(&message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}

#[tokio::test]
async fn the_error_queue_gives_mpls_labels_announced_or_not() {
    let protocol = socket2::Protocol::from(i32::from(PROTOCOL_ICMP));
    let Ok(raw) = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, Some(protocol))
    else {
        eprintln!("NOT TESTED: forging ICMP needs CAP_NET_RAW");
        return;
    };
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let remote = silent.local_addr().unwrap();
    for length in [32, 0] {
        let mut socket = ProbeSocket::udp(remote, 0, 1).unwrap();
        socket.send(&[b'q'; 32]).unwrap();
        let local = socket.local_address().unwrap().port();
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        raw.send_to(&labelled(local, remote.port(), length), &here.into())
            .unwrap();
        let mut buffer = [0; 576];
        let (event, _) = next_answer(&mut socket, &mut buffer).await;
        let EventKind::Failed(report) = event.kind else {
            panic!("{event:?}")
        };
        assert!(report.is_time_exceeded(Family::V4));
        assert_eq!(report.destination, Some(remote));
        assert_eq!(event.extensions_at, Some(100), "behind 128 - 28 bytes");
        let label = Label {
            label: 24001,
            class: 5,
            bottom: true,
            ttl: 1,
        };
        assert_eq!(event.labels(&buffer), [label], "length {length}");
        assert!(event.quoted(&buffer).starts_with(&[b'q'; 32]));
        assert_eq!(event.quoted(&buffer).len(), 100);
    }
}
