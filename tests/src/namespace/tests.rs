#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

#[test]
fn netns_pairs_carry_what_tbf_lets_through_and_go_away() {
    let [near, far] =
        [(); 2].map(|()| Namespace::new("glimpse-test").unwrap_or_else(|error| panic!("{error}")));
    let end = |device, addresses| End { device, addresses };
    let ends: [[(IpAddr, u8); 2]; 2] = [
        [
            ("192.0.2.1".parse().unwrap(), 24),
            ("2001:db8::1".parse().unwrap(), 64),
        ],
        [
            ("192.0.2.2".parse().unwrap(), 24),
            ("2001:db8::2".parse().unwrap(), 64),
        ],
    ];
    near.join(end("near0", &ends[0]), &far, end("far0", &ends[1]))
        .unwrap();
    for address in ["192.0.2.2", "2001:db8::2"] {
        let said = near
            .run(Command::new("ping").args(["-n", "-c", "1", "-W", "2", address]))
            .unwrap();
        assert!(said.contains(" 0% packet loss"), "{said}");
    }
    let failed = near
        .run(Command::new("ping").args(["-c", "1", "-W", "1", "192.0.2.9"]))
        .unwrap_err();
    assert!(
        failed.to_string().contains("ping -c 1 -W 1 192.0.2.9"),
        "{failed}"
    );

    let tbf = Tbf {
        rate_bps: 8_000_000,
        burst_bytes: 5_000,
        limit_bytes: 50_000,
    };
    near.shape("near0", tbf).unwrap();
    let listener = far
        .enter(|| TcpListener::bind("192.0.2.2:5000").unwrap())
        .unwrap();
    let mut sender = near
        .enter(|| TcpStream::connect("192.0.2.2:5000").unwrap())
        .unwrap();
    let (mut receiver, _) = listener.accept().unwrap();
    let started_ns = glimpse_net::stamp::monotonic_ns();
    let writer = thread::spawn(move || sender.write_all(&vec![0; 500_000]));
    let mut received = Vec::new();
    receiver.read_to_end(&mut received).unwrap();
    writer.join().unwrap().unwrap();
    let took_ms = (glimpse_net::stamp::monotonic_ns() - started_ns) / 1_000_000;
    assert_eq!(received.len(), 500_000);
    assert!(
        (450..1_500).contains(&took_ms),
        "half a megabyte at 8 Mbit/s took {took_ms} ms"
    );

    let names = [near.name().to_owned(), far.name().to_owned()];
    let listed = || {
        String::from_utf8(
            Command::new("ip")
                .args(["netns", "list"])
                .output()
                .unwrap()
                .stdout,
        )
        .unwrap()
    };
    assert!(names.iter().all(|name| listed().contains(name)));
    drop((near, far));
    assert!(!names.iter().any(|name| listed().contains(name)));
}
