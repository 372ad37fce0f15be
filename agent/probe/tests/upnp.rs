//! The search for devices across real links: a home network with a gateway, and an outer line where nothing may be
//! multicast. Needs root and the `ip` program; without them the test says that it was not run.

#![cfg(feature = "upnp")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use glimpse_model::options::Options;
use glimpse_model::outcome::{Ending, Outcome};
use glimpse_net::interface::addresses::is_home;
use glimpse_probe::context::Context;
use glimpse_probe::registry::Registry;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn6, bind, setsockopt, socket, sockopt,
};

const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xc);
const DESCRIPTION: &str = "<root><device><deviceType>urn:schemas-upnp-org:device:MediaServer:1</deviceType><friendlyName>Shelf</friendlyName></device></root>";

/// An agent and its neighbourhood: `lan` leads to a home network, `wan` to a provider.
struct House {
    names: [String; 2],
}

impl House {
    /// `None` when this process may not.
    fn build(test: &str) -> Option<Self> {
        let names = ["a", "n"].map(|role| format!("gu{}{test}{role}", std::process::id()));
        if !ip(&["netns", "add", &names[0]]) {
            eprintln!("NOT TESTED: network namespaces need root and the ip program");
            return None;
        }
        let house = Self { names };
        let [agent, near] = &house.names;
        assert!(ip(&["netns", "add", near]));
        for place in 0..2 {
            house.within(place, || {
                for file in ["accept_dad", "dad_transmits"] {
                    let path = format!("/proc/sys/net/ipv6/conf/default/{file}");
                    std::fs::write(path, "0").unwrap();
                }
            });
        }
        for (device, own, other) in [
            ("lan", "192.168.77.2/24", "192.168.77.1/24"),
            ("wan", "203.0.113.2/24", "203.0.113.1/24"),
        ] {
            assert!(ip(&[
                "link", "add", "name", device, "netns", agent, "type", "veth", "peer", "name",
                device, "netns", near,
            ]));
            for (name, address) in [(agent, own), (near, other)] {
                assert!(ip(&["-n", name, "address", "add", address, "dev", device]));
                assert!(ip(&["-n", name, "link", "set", device, "up"]));
            }
        }
        // The kernel gives link-local addresses some time after the links are up.
        for place in 0..2 {
            house.within(place, || {
                let begun = (0..400).any(|_| {
                    #[expect(clippy::disallowed_methods, reason = "a thread of a test")]
                    thread::sleep(Duration::from_millis(10));
                    link_local("lan").is_some()
                });
                assert!(begun, "no link-local address");
            });
        }
        Some(house)
    }

    /// Does `work` in a thread of the namespace.
    fn within<T: Send>(&self, place: usize, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            scope
                .spawn(|| {
                    let file = File::open(format!("/run/netns/{}", self.names[place])).unwrap();
                    setns(file, CloneFlags::CLONE_NEWNET).unwrap();
                    work()
                })
                .join()
                .unwrap()
        })
    }

    /// Runs the method where the agent is.
    fn measure(&self, words: &[&str], lan: bool) -> Outcome {
        self.within(0, || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let registry = Registry::built_in();
            let upnp = registry.find("upnp").unwrap();
            let words = ["timeout=1000"].iter().chain(words).copied();
            let options = Options::from_words(&upnp.options, words).unwrap();
            let context = Context {
                admit: Arc::new(move |address| {
                    if lan && is_home(address) {
                        Ok(())
                    } else {
                        Err(format!("{address} is not allowed"))
                    }
                }),
                ..Context::unlimited(upnp.longest_run(&options), 1)
            };
            runtime.block_on(upnp.run(&options, &context))
        })
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for name in &self.names {
            ip(&["netns", "delete", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> bool {
    let done = Command::new("ip").args(arguments).status();
    done.is_ok_and(|status| status.success())
}

/// Answers on both links, and remembers who asked.
fn serve(stop: &AtomicBool, ready: &AtomicBool, askers: &Mutex<Vec<SocketAddr>>) {
    let v4 = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 1900)).unwrap();
    let v6 = {
        // Beside the one of IPv4, which the standard library would take the port from.
        let (family, flags) = (AddressFamily::Inet6, SockFlag::empty());
        let socket = socket(family, SockType::Datagram, flags, None).unwrap();
        setsockopt(&socket, sockopt::Ipv6V6Only, &true).unwrap();
        let address = SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 1900, 0, 0));
        bind(socket.as_raw_fd(), &address).unwrap();
        UdpSocket::from(socket)
    };
    for address in [[192, 168, 77, 1], [203, 0, 113, 1]] {
        v4.join_multicast_v4(&GROUP_V4, &address.into()).unwrap();
    }
    for device in ["lan", "wan"] {
        v6.join_multicast_v6(&GROUP_V6, if_nametoindex(device).unwrap())
            .unwrap();
    }
    let http = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 5000)).unwrap();
    http.set_nonblocking(true).unwrap();
    for socket in [&v4, &v6] {
        socket
            .set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
    }
    ready.store(true, Ordering::Release);
    let mut buffer = [0; 2048];
    while !stop.load(Ordering::Acquire) {
        for socket in [&v4, &v6] {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            askers.lock().unwrap().push(from);
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let target = text
                .lines()
                .find_map(|line| line.strip_prefix("ST: "))
                .unwrap();
            // Each family under a name of its own, as if there were two devices.
            let host = if from.is_ipv4() {
                "192.168.77.1".to_owned()
            } else {
                format!("[{}]", link_local("lan").unwrap())
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nST: {target}\r\nUSN: uuid:{host}::{target}\r\nLOCATION: http://{host}:5000/d.xml\r\n\r\n"
            );
            socket.send_to(answer.as_bytes(), from).unwrap();
        }
        if let Ok((mut stream, _)) = http.accept() {
            stream.set_nonblocking(false).unwrap();
            let _ = stream.read(&mut buffer).unwrap();
            let length = DESCRIPTION.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{DESCRIPTION}"
            )
            .unwrap();
        }
    }
}

fn link_local(device: &str) -> Option<Ipv6Addr> {
    let text = std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap();
    let line = text.lines().find(|line| line.ends_with(device))?;
    Some(u128::from_str_radix(&line[..32], 16).unwrap().into())
}

#[test]
fn multicast_reaches_the_home_and_nothing_else_netns() {
    let Some(house) = House::build("m") else {
        return;
    };
    let (stop, ready) = (AtomicBool::new(false), AtomicBool::new(false));
    let askers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        scope.spawn(|| house.within(1, || serve(&stop, &ready, &askers)));
        while !ready.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let refused = house.measure(&["search=media"], false);
        let unasked = askers.lock().unwrap().len();
        let found = house.measure(&["MediaServerSearch=true"], true);
        stop.store(true, Ordering::Release);

        assert_eq!(refused.ending, Ending::Failed, "{refused:?}");
        assert_eq!(
            (unasked, refused.bytes.total()),
            (0, 0),
            "nothing without permission"
        );

        assert_eq!((found.ending, found.error.as_deref()), (Ending::Done, None));
        let keys: Vec<&String> = found.probe_result.keys().collect();
        assert_eq!(keys.len(), 2, "by IPv4 and by IPv6: {found:?}");
        assert!(
            keys.iter().any(|key| *key == "192.168.77.1:5000"),
            "{keys:?}"
        );
        assert!(
            keys.iter()
                .any(|key| key.starts_with("[fe80::") && key.ends_with("]:5000")),
            "{keys:?}"
        );
        for device in found.probe_result.values() {
            assert_eq!(device["friendly_name"], "Shelf", "{found:?}");
        }
    });
    let askers = askers.into_inner().unwrap();
    assert_eq!(askers.len(), 4, "twice by each family: {askers:?}");
    let lan = house.within(1, || if_nametoindex("lan").unwrap());
    for asker in askers {
        match asker {
            SocketAddr::V4(v4) => assert_eq!(*v4.ip(), Ipv4Addr::new(192, 168, 77, 2)),
            SocketAddr::V6(v6) => assert_eq!(v6.scope_id(), lan, "not on the outer line"),
        }
    }
}

#[test]
fn a_machine_outside_of_any_home_multicasts_nothing_netns() {
    let Some(house) = House::build("o") else {
        return;
    };
    assert!(ip(&["-n", &house.names[0], "link", "delete", "lan"]));
    let outcome = house.measure(&[], true);
    assert_eq!(outcome.ending, Ending::Failed);
    assert_eq!(
        outcome.error.as_deref(),
        Some("no interface of this machine is in a local network")
    );
    assert!(outcome.probe_result.is_empty());
}
