#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

use glimpse_model::outcome::{ByteCount, Ending, Outcome};
use glimpse_net::packet::Family;
use glimpse_net::stamp::Stamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(value: &Value) -> Result<Options, Refused> {
    descriptor().read(value.as_object().unwrap())
}

fn context() -> Context {
    Context::unlimited(Duration::from_secs(20), 0x5eed)
}

/// Measures, and holds the run against what its descriptor announced.
async fn measure(value: Value) -> Outcome {
    let options = read(&value).unwrap();
    let outcome = descriptor().run(&options, &context()).await;
    let announced = descriptor().worst_case_bytes(&options);
    assert!(
        outcome.bytes.total() <= announced,
        "{:?} are more than the {announced} announced",
        outcome.bytes
    );
    outcome
}

/// Both loopback addresses. A machine without IPv6 fails here rather than pass with half of the tests.
fn loopbacks() -> [IpAddr; 2] {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))
        .expect("this test needs ::1 on the loopback interface");
    [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
}

fn closed_port(address: IpAddr) -> u16 {
    UdpSocket::bind((address, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A way of one hop, the target, with figures that fit each other.
fn assert_one_hop(outcome: &Outcome, address: IpAddr, count: usize, response: u8) {
    assert_eq!(
        (outcome.ending, outcome.error.as_deref()),
        (Ending::Done, None),
        "{outcome:?}"
    );
    let result = &outcome.probe_result;
    assert_eq!(result["destination_ip"], json!(address.to_string()));
    assert_eq!(result["stop_reason"], "target", "{result:?}");
    assert_eq!(
        (&result["hop_count"], &result["loop"]),
        (&json!(1), &json!(false))
    );
    let hops = result["results"].as_array().unwrap();
    let hop = &hops[0];
    assert_eq!((hops.len(), &hop["ttl"]), (1, &json!(1)));
    assert_eq!(hop["hop"], json!(address.to_string()));
    assert_eq!(hop["rtt_count"], json!(count), "{hop}");
    let pings = hop["pings"].as_array().unwrap();
    assert_eq!(pings.len(), count);
    let (min, max) = (
        hop["rtt_min"].as_u64().unwrap(),
        hop["rtt_max"].as_u64().unwrap(),
    );
    for ping in pings {
        assert_eq!(ping["response"], json!(response), "{ping}");
        // Loopback takes microseconds; nanoseconds taken for them would not fit.
        let rtt = ping["rtt"].as_u64().unwrap();
        assert!((min..=max).contains(&rtt) && rtt < 500_000, "{ping}");
    }
}

#[tokio::test]
async fn udp_ends_at_the_first_hop_that_is_the_target() {
    for address in loopbacks() {
        let port = closed_port(address);
        let outcome = measure(json!({
            "host": address.to_string(), "interval": 5, "destination_port": port, "source_port": 0,
        }))
        .await;
        assert_one_hop(&outcome, address, 3, 1);
    }
}

#[tokio::test]
async fn udp_needs_no_privilege() {
    for address in loopbacks() {
        let port = closed_port(address);
        let options = read(&json!({
            "host": address.to_string(), "interval": 5, "destination_port": port, "source_port": 0, "count": 4,
        }))
        .unwrap();
        let options = TracerouteOptions::read(&options).unwrap();
        let datagrams = datagrams::Datagrams::with(&options, address, 7, None).unwrap();
        let line = run::Line::Datagrams(Box::new(datagrams));
        let outcome = run::drive(&options, address, &context(), line).await;
        assert_one_hop(&outcome, address, 4, 1);
        assert_eq!(outcome.probe_result["timestamps"], "kernel");
    }
}

#[tokio::test]
async fn a_udp_service_that_answers_is_the_end_too() {
    for address in loopbacks() {
        let service = tokio::net::UdpSocket::bind((address, 0)).await.unwrap();
        let port = service.local_addr().unwrap().port();
        let serve = async {
            let mut buffer = [0; 200];
            loop {
                let (_, from) = service.recv_from(&mut buffer).await.unwrap();
                service.send_to(b"reply", from).await.unwrap();
            }
        };
        let given = json!({
            "host": address.to_string(), "interval": 20, "destination_port": port, "source_port": 0, "count": 2,
        });
        tokio::select! {
            () = serve => {}
            outcome = measure(given) => assert_one_hop(&outcome, address, 2, 3),
        }
    }
}

#[tokio::test]
async fn tcp_ends_at_the_target_whether_it_accepts_or_not() {
    for address in loopbacks() {
        let listener = TcpListener::bind((address, 0)).unwrap();
        for port in [listener.local_addr().unwrap().port(), closed_port(address)] {
            let outcome = measure(json!({
                "host": address.to_string(), "interval": 5, "destination_port": port, "source_port": 0, "ping_type": "Tcp",
            }))
            .await;
            assert_one_hop(&outcome, address, 3, 3);
            assert_eq!(outcome.probe_result["timestamps"], "monotonic");
        }
    }
}

#[tokio::test]
async fn icmp_ends_at_the_target_or_says_what_it_needs() {
    for address in loopbacks() {
        let outcome =
            measure(json!({"host": address.to_string(), "interval": 5, "ping_type": "Icmp"})).await;
        match outcome.ending {
            Ending::Done => assert_one_hop(&outcome, address, 3, 3),
            _ => assert!(outcome.error.unwrap().contains("CAP_NET_RAW")),
        }
    }
}

/// What is shown of a way of `length` hops whose target answers whatever comes so far or farther, the packets with the
/// longest time to live first.
fn shown(given: &Value, length: u8) -> Value {
    let options = TracerouteOptions::read(&read(given).unwrap()).unwrap();
    let target = IpAddr::from([203, 0, 113, 1]);
    let mut machine = Machine::new(options.pace(), 0);
    let (mut now_ns, mut flying): (u64, Vec<Probe>) = (0, Vec::new());
    loop {
        match machine.poll(now_ns) {
            Action::Done => break,
            Action::Send(probe) => {
                machine.sent(Stamp::monotonic(now_ns));
                flying.push(probe);
            }
            // The next packet is due.
            Action::Wait(until_ns) if until_ns <= now_ns + 1_000_000 => now_ns = until_ns,
            Action::Wait(_) => {
                let probe = flying.pop().unwrap();
                let is_target = probe.ttl >= length;
                let reply = Reply {
                    from: if is_target {
                        target
                    } else {
                        IpAddr::from([198, 51, 100, probe.ttl])
                    },
                    is_target,
                    response: if is_target {
                        Response::Unreachable(3)
                    } else {
                        Response::TimeExceeded
                    },
                    at: Stamp::monotonic(now_ns + 500_000),
                    ttl: Some(60),
                    quoted_ttl: Some(1),
                    labels: Vec::new(),
                };
                assert!(machine.replied(Claim::Probe(probe.index), reply));
            }
        }
    }
    let outcome = outcome::outcome(&options, target, &machine.trace(), ByteCount::default());
    Value::Object(outcome.probe_result)
}

#[test]
fn glimpse_check_33_a_way_ends_at_the_first_hop_that_is_the_target() {
    let given = json!({
        "host": "203.0.113.1", "count": 1, "interval": 1, "max_hops": 19, "gap_limit": 19, "in_flight": 64,
    });
    let result = shown(&given, 5);
    assert_eq!(result["probes_sent"], 19, "the target answers fifteen");
    assert_eq!(result["hop_count"], 5);
    assert_eq!(result["stop_reason"], "target");
    let hops = result["results"].as_array().unwrap();
    let addresses: Vec<&str> = hops
        .iter()
        .map(|hop| hop["hop"].as_str().unwrap())
        .collect();
    assert_eq!(
        addresses,
        [
            "198.51.100.1",
            "198.51.100.2",
            "198.51.100.3",
            "198.51.100.4",
            "203.0.113.1"
        ]
    );
}

#[test]
fn glimpse_check_34_count_2_gives_ttl_1_2_3() {
    let given = json!({"host": "203.0.113.1", "count": 2, "interval": 1, "max_hops": 8});
    let result = shown(&given, 3);
    let hops = result["results"].as_array().unwrap();
    let ttls: Vec<u64> = hops
        .iter()
        .map(|hop| hop["ttl"].as_u64().unwrap())
        .collect();
    assert_eq!(ttls, [1, 2, 3]);
    for hop in hops {
        assert_eq!(hop["pings"].as_array().unwrap().len(), 2, "{hop}");
        assert_eq!(hop["rtt_count"], 2, "{hop}");
    }
}

#[tokio::test]
async fn multipath_finds_the_one_way_there_is() {
    let address = Ipv4Addr::LOCALHOST.into();
    let outcome = measure(json!({
        "host": "127.0.0.1", "interval": 1, "destination_port": 60000, "source_port": 0, "multipath": true,
    }))
    .await;
    assert_one_hop(&outcome, address, 6, 1);
    let result = outcome.probe_result;
    assert_eq!(result["probes_sent"], 6);
    assert_eq!(
        result["nodes"],
        json!([{"id": 0, "ttl": 1, "address": "127.0.0.1", "per_packet": false}])
    );
    assert_eq!(
        result["edges"],
        json!([{"from": null, "to": 0, "ttl": 1, "inferred": false}])
    );
    assert_eq!(result["diamonds"], json!([]));
    assert_eq!(result["confidence_percent"], 95);
}

#[tokio::test]
async fn a_byte_limit_ends_the_run_before_it_is_passed() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let options = read(&json!({
        "host": "127.0.0.1", "interval": 1, "destination_port": port, "source_port": 0, "receive_timeout": 30, "count": 50,
    }))
    .unwrap();
    let context = Context {
        byte_limit: 2000,
        ..context()
    };
    let outcome = descriptor().run(&options, &context).await;
    assert_eq!(
        outcome.error.as_deref(),
        Some("stopped at its limit of 2000 bytes")
    );
    assert_eq!(outcome.probe_result["stop_reason"], "limit");
    assert!(
        (500..=2000).contains(&outcome.bytes.total()),
        "{:?}",
        outcome.bytes
    );
    assert_eq!(context.meter.read(), outcome.bytes);
}

#[tokio::test]
async fn what_cannot_be_measured_is_told() {
    let refused = Context {
        admit: Arc::new(|_| Err("not allowed".to_owned())),
        ..context()
    };
    let options = read(&json!({"host": "127.0.0.1"})).unwrap();
    let outcome = descriptor().run(&options, &refused).await;
    assert_eq!(
        (
            outcome.ending,
            outcome.error.as_deref(),
            outcome.bytes.total()
        ),
        (Ending::Failed, Some("127.0.0.1: not allowed"), 0)
    );
    let outcome = measure(json!({"host": "127.0.0.1", "family": "ipv6"})).await;
    assert_eq!(
        outcome.error.as_deref(),
        Some("127.0.0.1 is no ipv6 address")
    );
}

#[test]
fn packets_too_big_are_alike_in_both_versions() {
    let too_big = Some(Response::PacketTooBig(Some(1280)));
    assert_eq!(face::response(Family::V4, 3, 4, Some(1280)), too_big);
    assert_eq!(face::response(Family::V6, 2, 0, Some(1280)), too_big);
    // Code 4 of IPv6 is a closed port.
    let closed = Some(Response::Unreachable(4));
    assert_eq!(face::response(Family::V6, 1, 4, None), closed);

    let given = json!({"host": "203.0.113.1", "count": 1});
    let options = TracerouteOptions::read(&read(&given).unwrap()).unwrap();
    for (mtu, shown) in [(Some(1280), json!(1280)), (None, Value::Null)] {
        let mut machine = Machine::new(options.pace(), 0);
        let mut now_ns = 0;
        loop {
            match machine.poll(now_ns) {
                Action::Done => break,
                Action::Wait(until_ns) => now_ns = until_ns,
                Action::Send(probe) => {
                    machine.sent(Stamp::monotonic(now_ns));
                    let reply = Reply {
                        from: IpAddr::from([198, 51, 100, 1]),
                        is_target: false,
                        response: Response::PacketTooBig(mtu),
                        at: Stamp::monotonic(now_ns + 1000),
                        ttl: Some(64),
                        quoted_ttl: Some(1),
                        labels: Vec::new(),
                    };
                    assert!(machine.replied(Claim::Probe(probe.index), reply));
                }
            }
        }
        let target = IpAddr::from([203, 0, 113, 1]);
        let outcome = outcome::outcome(&options, target, &machine.trace(), ByteCount::default());
        let result = Value::Object(outcome.probe_result);
        assert_eq!(result["stop_reason"], "packet_too_big");
        assert_eq!(
            (&result["mtu"], &result["probes_sent"]),
            (&shown, &json!(1))
        );
        assert_eq!(result["results"][0]["pings"][0]["mtu"], shown);
    }
}

#[test]
fn defaults_are_those_of_the_original_but_for_the_interval() {
    let options = TracerouteOptions::read(&read(&json!({"host": "192.0.2.1"})).unwrap()).unwrap();
    assert_eq!(
        (
            options.count,
            options.interval_ms,
            options.receive_timeout_ms
        ),
        (3, 50, 1000)
    );
    assert_eq!((options.payload, options.kind), (74, ProbeType::Udp));
    assert_eq!(
        (options.destination_port, options.source_port),
        (33434, 33434)
    );
    assert_eq!((options.first_hop, options.max_hops), (1, 30));
    assert_eq!((options.in_flight, options.gap_limit), (16, 5));
    assert_eq!((options.paris, options.mode), (true, Mode::Single));
    let zeros =
        json!({"host": "192.0.2.1", "destination_port": 0, "source_port": 0, "multipath": true});
    let options = TracerouteOptions::read(&read(&zeros).unwrap()).unwrap();
    assert_eq!((options.destination_port, options.source_port), (33434, 0));
    let confidence = Confidence::Percent95;
    assert_eq!(
        options.mode,
        Mode::Multipath {
            confidence,
            max_probes: 2000
        }
    );
}

#[test]
fn options_out_of_bounds_are_refused_with_their_name() {
    for (given, error) in [
        (json!({}), "host: is missing"),
        (json!({"host": ""}), "host: must name a host"),
        (json!({"host": "-x"}), "host: must not begin with a hyphen"),
        (json!({"host": "h", "count": 0}), "count: must be > 0"),
        (
            json!({"host": "h", "count": 4_294_967_296_u64}),
            "count: must be <= 100",
        ),
        (json!({"host": "h", "interval": 0}), "interval: must be > 0"),
        (
            json!({"host": "h", "receive_timeout": 70_000}),
            "receive_timeout: receive timeout is too large (> 60 s)",
        ),
        (
            json!({"host": "h", "timeout": 1000}),
            "timeout: is not an option here",
        ),
        (
            json!({"host": "h", "payload": 11}),
            "payload: must be >= 12",
        ),
        (
            json!({"host": "h", "payload": 1401}),
            "payload: must be <= 1400",
        ),
        (
            json!({"host": "h", "destination_port": 65536}),
            "destination_port: must be <= 65535",
        ),
        (
            json!({"host": "h", "in_flight": 0}),
            "in_flight: must be > 0",
        ),
        (
            json!({"host": "h", "in_flight": 65}),
            "in_flight: must be <= 64",
        ),
        (
            json!({"host": "h", "gap_limit": 0}),
            "gap_limit: must be > 0",
        ),
        (
            json!({"host": "h", "max_hops": 256}),
            "max_hops: must be <= 255",
        ),
        (
            json!({"host": "h", "first_hop": 9, "max_hops": 8}),
            "first_hop: must be <= max_hops",
        ),
        (
            json!({"host": "h", "max_probes": 20_001}),
            "max_probes: must be <= 20000",
        ),
        (
            json!({"host": "h", "confidence": "50"}),
            "confidence: must be one of 95, 90, 99",
        ),
        (
            json!({"host": "h", "ping_type": "System"}),
            "ping_type: must be one of Udp, Tcp, Icmp",
        ),
        (
            json!({"host": "h", "multipath": true, "paris": false}),
            "multipath: needs paris: flows must keep their ways",
        ),
    ] {
        assert_eq!(read(&given).unwrap_err().to_string(), error);
    }
}

fn any_options() -> impl Strategy<Value = Value> {
    let types = prop_oneof![Just("Udp"), Just("Tcp"), Just("Icmp")];
    let numbers = (
        1..=100_u32,
        1..=60_000_u32,
        1..=60_000_u32,
        12..=1400_u32,
        1..=64_u32,
    );
    let hops = (1..=255_u32, 0..255_u32, 1..=20_000_u32);
    (types, numbers, hops, any::<bool>()).prop_map(
        |(kind, (count, interval, timeout, payload, in_flight), (first, more, max_probes), multipath)| {
            json!({
                "host": "192.0.2.1", "ping_type": kind, "count": count, "interval": interval, "receive_timeout": timeout,
                "payload": payload, "in_flight": in_flight, "first_hop": first, "max_hops": (first + more).min(255),
                "max_probes": max_probes, "multipath": multipath,
            })
        },
    )
}

proptest! {
    #[test]
    fn every_accepted_run_is_bounded(given in any_options()) {
        let options = read(&given).unwrap();
        let values = TracerouteOptions::read(&options).unwrap();
        prop_assert!(values.most_probes() <= 100 * 255 + 64);
        // Numbers of probes fit the marks by which they are known again.
        prop_assert!(values.most_probes() < 0xfffe);
        prop_assert_eq!(
            descriptor().worst_case_bytes(&options),
            u64::from(values.most_probes()) * values.bytes_each()
        );
        prop_assert!(descriptor().longest_run(&options) <= Duration::from_secs(3600 + 60 + 13));
    }
}
