//! Probes that die on the way, across a router that is a real kernel: three network namespaces in a row. Needs root and
//! the `ip` program; without them the tests say that they were not run.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use glimpse_net::packet::{Echo, Family, encode_echo_request};
use glimpse_net::socket::{
    ErrorOrigin, ErrorReport, Event, EventKind, HeaderFields, ProbeSocket, SocketKind, TcpEnd,
    TcpProbe,
};
use nix::sched::{CloneFlags, setns};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);
const SERVERS: [&str; 2] = ["10.99.2.2", "fd99:2::2"];
const ROUTERS: [&str; 2] = ["10.99.1.1", "fd99:1::1"];

/// client – router – server. The second link has an MTU of 1300.
struct Row {
    names: [String; 3],
}

impl Row {
    /// `None` when this process may not.
    fn lay_out(test: &str) -> Option<Self> {
        let names = ["c", "r", "s"].map(|role| format!("gn{}{test}{role}", std::process::id()));
        if !ip(&["netns", "add", &names[0]]) {
            eprintln!("NOT TESTED: network namespaces need root and the ip program");
            return None;
        }
        let row = Self { names };
        let [client, router, server] = &row.names;
        for name in [router, server] {
            assert!(ip(&["netns", "add", name]));
        }
        for place in 0..3 {
            row.within(place, || {
                // Link-local addresses would be tried for a second before neighbours are asked for.
                for file in ["accept_dad", "dad_transmits"] {
                    let path = format!("/proc/sys/net/ipv6/conf/default/{file}");
                    std::fs::write(path, "0").unwrap();
                }
            });
        }
        Self::link(client, router, "1");
        Self::link(server, router, "2");
        for (name, ways) in [
            (
                client,
                [("10.99.1.1", "10.99.2.0/24"), ("fd99:1::1", "fd99:2::/64")],
            ),
            (
                server,
                [("10.99.2.1", "10.99.1.0/24"), ("fd99:2::1", "fd99:1::/64")],
            ),
        ] {
            for (gateway, net) in ways {
                assert!(ip(&["-n", name, "route", "add", net, "via", gateway]));
            }
        }
        for (name, device) in [(router, "e2"), (server, "e2")] {
            assert!(ip(&["-n", name, "link", "set", device, "mtu", "1300"]));
        }
        row.within(1, || {
            for file in [
                "/proc/sys/net/ipv4/ip_forward",
                "/proc/sys/net/ipv6/conf/all/forwarding",
            ] {
                std::fs::write(file, "1").unwrap();
            }
            std::fs::write("/proc/sys/net/ipv4/icmp_ratelimit", "0").unwrap();
            let _ = std::fs::write("/proc/sys/net/ipv6/icmp/ratelimit", "0");
        });
        row.within(0, || {
            std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647").unwrap();
        });
        Some(row)
    }

    /// A link between an end, `.2`, and the router, `.1`.
    fn link(end: &str, router: &str, net: &str) {
        let device = format!("e{net}");
        assert!(ip(&[
            "-n", end, "link", "add", &device, "type", "veth", "peer", "name", &device, "netns",
            router,
        ]));
        for (name, host) in [(end, "2"), (router, "1")] {
            let v4 = format!("10.99.{net}.{host}/24");
            let v6 = format!("fd99:{net}::{host}/64");
            assert!(ip(&["-n", name, "addr", "add", &v4, "dev", &device]));
            assert!(ip(&[
                "-n", name, "addr", "add", &v6, "dev", &device, "nodad"
            ]));
            assert!(ip(&["-n", name, "link", "set", &device, "up"]));
            assert!(ip(&["-n", name, "link", "set", "lo", "up"]));
        }
    }

    /// Does `work` on a thread that lives in one of the namespaces.
    fn within<T: Send>(&self, place: usize, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.names[place])).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            thread.join().unwrap()
        })
    }

    /// Lets `work` run at the client.
    fn at_client<F: Future<Output = ()>>(&self, work: impl FnOnce() -> F + Send) {
        self.within(0, || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(work());
        });
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        for name in &self.names {
            ip(&["netns", "del", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip")
        .args(arguments)
        .output()
        .is_ok_and(|output| output.status.success())
}

async fn failure(socket: &mut ProbeSocket, buffer: &mut [u8]) -> (Event, ErrorReport) {
    loop {
        let event = timeout(PATIENCE, socket.next(buffer))
            .await
            .expect("an error")
            .unwrap();
        match event.kind {
            EventKind::Transmitted => {}
            EventKind::Failed(report) => return (event, report),
            EventKind::Received { .. } => panic!("{event:?}"),
        }
    }
}

fn assert_expired(report: &ErrorReport, router: IpAddr) {
    assert_eq!(report.origin, ErrorOrigin::Icmp);
    assert!(report.is_time_exceeded(router.into()), "{report:?}");
    assert_eq!(report.offender, Some(router));
}

#[test]
fn netns_time_exceeded_reaches_udp_and_icmp_probes_with_offender_and_quote() {
    let Some(row) = Row::lay_out("te") else {
        return;
    };
    row.at_client(|| async {
        for (server, router) in SERVERS.iter().zip(ROUTERS) {
            let (server, router): (IpAddr, IpAddr) =
                (server.parse().unwrap(), router.parse().unwrap());
            let family = Family::from(server);
            let mut buffer = [0; 1500];

            let remote = SocketAddr::new(server, 33434);
            let mut socket = ProbeSocket::udp(remote, 0, 1).unwrap();
            socket.send(&[b'u'; 60]).unwrap();
            let (event, report) = failure(&mut socket, &mut buffer).await;
            assert_expired(&report, router);
            assert_eq!(report.destination, Some(remote));
            assert_eq!(event.quoted(&buffer), [b'u'; 60]);
            assert_eq!(event.ttl, Some(64));
            // The same socket, one hop further: the server itself.
            socket.set_ttl(2).unwrap();
            socket.send(&[b'v'; 60]).unwrap();
            let (event, report) = failure(&mut socket, &mut buffer).await;
            assert!(report.is_unreachable(family), "{report:?}");
            assert_eq!((report.offender, event.ttl), (Some(server), Some(63)));

            let mut socket = ProbeSocket::icmp(server, 1).unwrap();
            assert_eq!(
                socket.kind(),
                SocketKind::IcmpDatagram,
                "the namespace allows ping sockets"
            );
            let mut request = Vec::new();
            let echo = Echo {
                identifier: 1,
                sequence: 0x2345,
                payload: b"0123456789",
            };
            encode_echo_request(family, &echo, &mut request);
            socket.send(&request).unwrap();
            let (event, report) = failure(&mut socket, &mut buffer).await;
            assert_expired(&report, router);
            let quoted = event.quoted(&buffer);
            let identifier = socket.local_address().unwrap().port();
            assert_eq!(quoted[4..6], identifier.to_be_bytes());
            assert_eq!(quoted[6..8], [0x23, 0x45]);
            assert_eq!(&quoted[8..], b"0123456789");
        }
    });
}

#[test]
fn netns_time_exceeded_ends_a_tcp_probe_and_no_second_syn_leaves() {
    let Some(row) = Row::lay_out("tt") else {
        return;
    };
    row.at_client(|| async {
        for (server, router) in SERVERS.iter().zip(ROUTERS) {
            let (server, router): (IpAddr, IpAddr) =
                (server.parse().unwrap(), router.parse().unwrap());
            let remote = SocketAddr::new(server, 8080);
            // One flow: each probe can have the port of the one before, because that has ended.
            for (ttl, expired) in [(1, true), (1, true), (2, false)] {
                let fields = HeaderFields::ttl(ttl);
                let mut probe = TcpProbe::start_from(remote, 40_404, &fields).unwrap();
                let (end, stamp) = timeout(PATIENCE, probe.ended()).await.expect("an end");
                assert!(stamp.monotonic_since(&probe.started()) < 900_000_000);
                match end {
                    TcpEnd::Failed(report) if expired => assert_expired(&report, router),
                    TcpEnd::Refused if !expired => {}
                    end => panic!("ttl {ttl}: {end:?}"),
                }
                assert_eq!(probe.counter().sent_packets, 1);
            }
            let before = segments();
            let fields = HeaderFields::ttl(1);
            let mut probe = TcpProbe::start_from(remote, 40_405, &fields).unwrap();
            timeout(PATIENCE, probe.ended()).await.expect("an end");
            // The system would repeat an unanswered SYN after a second.
            tokio::time::sleep(Duration::from_millis(1300)).await;
            assert_eq!(segments() - before, 1);
        }
    });
}

/// TCP segments that this namespace has sent, SYNs that were repeated among them.
fn segments() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let place = names.split(' ').position(|name| name == "OutSegs").unwrap();
    values.split(' ').nth(place).unwrap().parse().unwrap()
}

#[test]
fn netns_a_packet_too_long_for_the_second_link_is_told_with_its_mtu() {
    let Some(row) = Row::lay_out("mtu") else {
        return;
    };
    row.at_client(|| async {
        for (server, router) in SERVERS.iter().zip(ROUTERS) {
            let (server, router): (IpAddr, IpAddr) =
                (server.parse().unwrap(), router.parse().unwrap());
            let remote = SocketAddr::new(server, 33434);
            let mut buffer = [0; 1500];
            let mut socket = ProbeSocket::udp(remote, 0, 64).unwrap();
            socket.set_dont_fragment(true).unwrap();
            // Twice: what the first taught this host must not keep the second from leaving.
            for _ in 0..2 {
                socket.send(&[0; 1400]).unwrap();
                let (_, report) = failure(&mut socket, &mut buffer).await;
                assert_eq!(
                    (report.origin, report.offender),
                    (ErrorOrigin::Icmp, Some(router))
                );
                assert_eq!(report.mtu(), Some(1300));
            }
            socket.send(&[0; 1200]).unwrap();
            let (_, report) = failure(&mut socket, &mut buffer).await;
            assert_eq!(report.offender, Some(server), "short enough");
            // In fragments it arrives.
            socket.set_dont_fragment(false).unwrap();
            socket.send(&[0; 1400]).unwrap();
            let (_, report) = failure(&mut socket, &mut buffer).await;
            assert_eq!(report.offender, Some(server));
        }
    });
}
