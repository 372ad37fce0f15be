//! The traceroute machine against every topology file, in virtual time: paths are exact, multipath discovery misses no more
//! than its stopping rule promises, and no packet is sent that the rules do not ask for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use glimpse_model::outcome::Outcome;
use glimpse_probe::context::Context;
use glimpse_probe::methods::traceroute::{self, Confidence, Mode, Pace, ProbeType, Stop};
use glimpse_tests::emulator::played::{Played, multipath, pace, promised_misses, true_links};
use glimpse_tests::emulator::{Hop, Path, Topology};
use glimpse_tests::namespace::Emulated;
use serde_json::{Value, json};

const MS: u64 = 1_000_000;

/// Where balancers look at nothing that a flow keeps.
fn is_mixed(topology: &Topology) -> bool {
    let name = topology.name();
    name.contains("packet") || name.contains("round-robin")
}

#[test]
fn every_path_is_exact() {
    for topology in Topology::all().unwrap() {
        let lossy = ["lossy", "loss-exact"].contains(&topology.name());
        for truth in topology.truths() {
            for seed in 0..5 {
                let run = Played::new(
                    &topology,
                    truth.target,
                    ProbeType::Udp,
                    pace(Mode::Single),
                    seed,
                );
                let (path, what) = (run.path(), format!("{} {seed}", topology.name()));
                let ways = topology.paths(truth.target);
                // The first asks for luck, the last for TCP.
                if lossy || is_mixed(&topology) || topology.name() == "tcp-filtered" {
                    continue;
                }
                match run.stop() {
                    Stop::Target | Stop::Unreachable(_) => {
                        assert!(ways.contains(&path), "{what}: {path:?} of {ways:?}");
                    }
                    Stop::Loop => assert!(
                        !truth.reached && ways.iter().all(|way| way.starts_with(&path)),
                        "{what}: {path:?}"
                    ),
                    Stop::GapLimit => {
                        let heard = path
                            .iter()
                            .rposition(Option::is_some)
                            .map_or(0, |at| at + 1);
                        assert!(!truth.reached, "{what}: {path:?} of {ways:?}");
                        assert_eq!(path.len() - heard, 5, "{what}: {path:?}");
                        assert!(
                            ways.iter().any(|way| way.starts_with(&path[..heard])),
                            "{what}: {path:?} of {ways:?}"
                        );
                    }
                    other => panic!("{what}: {other:?} after {path:?}"),
                }
            }
        }
    }
}

/// Topologies where every next hop can be found by UDP flows, how many seeds a debug build has the time for, and how many
/// packets are enough on the average.
const BALANCED: &[(&str, u64, f64)] = &[
    ("diamond-2", 1000, 43.0),
    ("diamond-4", 300, 77.0),
    ("diamond-4-v6", 60, 78.0),
    ("diamond-16", 30, 312.0),
    ("diamond-asymmetric", 150, 47.5),
    ("diamond-interfaces", 150, 36.0),
    ("diamond-meshed", 150, 84.0),
    ("diamond-nested", 100, 148.0),
    ("diamonds-in-a-row", 100, 87.0),
    ("source-port", 100, 77.0),
    ("destination-port", 100, 77.0),
];
/// Names an environment variable with the number of seeds for all of them.
const SEEDS: &str = "GLIMPSE_TRACEROUTE_SEEDS";

#[test]
fn multipath_misses_no_more_than_its_rule_promises() {
    let wanted: Option<u64> = std::env::var(SEEDS)
        .ok()
        .map(|seeds| seeds.parse().unwrap());
    for &(name, seeds, most) in BALANCED {
        let seeds = wanted.unwrap_or(seeds);
        let topology = Topology::load(name).unwrap();
        let target = topology.truths()[0].target;
        let truth = true_links(&topology, target);
        let (mut missed, mut probes) = (0_u32, 0);
        for seed in 0..seeds {
            let run = Played::new(
                &topology,
                target,
                ProbeType::Udp,
                multipath(Confidence::Percent95),
                seed,
            );
            assert_eq!(run.stop(), Stop::Target, "{name} {seed}");
            let found = run.links();
            assert!(
                found.is_subset(&truth),
                "{name} {seed}: {found:?} of {truth:?}"
            );
            let graph = run.trace().graph.unwrap();
            let mixed = graph.nodes.iter().any(|node| node.per_packet);
            assert!(!mixed, "{name} {seed}: flows keep their ways");
            missed += u32::from(found != truth);
            probes += run.sent();
        }
        let promised = promised_misses(&topology, target, Confidence::Percent95);
        let runs = f64::from(u32::try_from(seeds).unwrap());
        // Three standard deviations of the count.
        let allowed = promised * runs + 3.0 * (promised * (1.0 - promised) * runs).sqrt();
        println!(
            "{name}: missed {missed}, promised {:.1}, packets {:.1}",
            promised * runs,
            f64::from(probes) / runs
        );
        assert!(f64::from(probes) / runs <= most, "{name}: {probes} packets");
        assert!(
            f64::from(missed) <= allowed,
            "{name}: {missed} against {allowed}"
        );
    }
}

#[test]
fn every_path_is_exact_by_icmp_and_tcp_too() {
    for topology in Topology::all().unwrap() {
        let name = topology.name();
        let luck = ["lossy", "loss-exact"].contains(&name) || is_mixed(&topology);
        // Quotes of less than eight bytes reach no TCP socket; what is said of UDP alone is no truth here.
        let luck = luck || name == "short-quote" || name.starts_with("udp");
        for truth in topology.truths() {
            let ways = topology.paths(truth.target);
            for kind in [ProbeType::Icmp, ProbeType::Tcp] {
                let pace = Pace {
                    exclusive_flows: kind == ProbeType::Tcp,
                    ..pace(Mode::Single)
                };
                let run = Played::new(&topology, truth.target, kind, pace, 1);
                if !luck && run.stop() == Stop::Target {
                    assert!(
                        ways.contains(&run.path()),
                        "{name} {kind:?}: {:?} of {ways:?}",
                        run.path()
                    );
                }
                // What the file says of its target must show, but where it treats the types differently.
                let plain = name.starts_with("line")
                    || name.starts_with("diamond")
                    || name == "icmp-checksum"
                    || (name == "address-rewriting" && kind == ProbeType::Icmp);
                assert!(
                    !plain || run.stop() == Stop::Target,
                    "{name} {kind:?}: {:?}",
                    run.stop()
                );
            }
        }
    }
}

#[test]
fn quotes_of_nothing_but_the_flow_give_exact_paths() {
    for name in ["line-15", "line-15-v6", "diamond-4", "silent-hop"] {
        let topology = Topology::load(name).unwrap();
        let target = topology.truths()[0].target;
        let run = Played::blind(&topology, target, ProbeType::Udp, pace(Mode::Single), 3);
        let ways = topology.paths(target);
        assert!(
            ways.contains(&run.path()),
            "{name}: {:?} of {ways:?}",
            run.path()
        );
    }
}

#[test]
fn a_line_of_fifteen_hops_takes_no_longer_than_hop_after_hop() {
    let topology = Topology::load("line-15").unwrap();
    let truth = &topology.truths()[0];
    let pace = Pace {
        count: 1,
        interval_ns: 50 * MS,
        ..pace(Mode::Single)
    };
    let run = Played::new(&topology, truth.target, ProbeType::Udp, pace, 1);
    // One probe at a time, twenty a second at most, needs this long.
    let trips = truth.rtt_us.iter().flatten().map(|us| us * 1000);
    let one_by_one: u64 = trips.map(|trip| trip.max(50 * MS)).sum();
    assert_eq!(run.path().len(), truth.rtt_us.len());
    assert!(
        run.took_ns() < one_by_one,
        "{} against {one_by_one}",
        run.took_ns()
    );
}

#[test]
fn labels_and_times_come_out() {
    let topology = Topology::load("mpls").unwrap();
    let truth = &topology.truths()[0];
    let run = Played::new(
        &topology,
        truth.target,
        ProbeType::Udp,
        pace(Mode::Single),
        1,
    );
    let trace = run.trace();
    let labels = trace.probes.iter().filter_map(|entry| entry.reply.as_ref());
    assert!(
        labels
            .flat_map(|reply| &reply.labels)
            .any(|label| label.label > 15)
    );
    for entry in trace
        .probes
        .iter()
        .filter(|entry| entry.probe.ttl <= trace.last_ttl)
    {
        let Some(reply) = &entry.reply else { continue };
        let trip_ns = reply.at.monotonic_since(&entry.sent.unwrap());
        let place = usize::from(entry.probe.ttl) - 1;
        assert_eq!(Some(trip_ns / 1000), truth.rtt_us[place]);
    }
}

#[test]
fn icmp_flows_are_told_apart_by_checksum_alone() {
    let topology = Topology::load("icmp-checksum").unwrap();
    let target = topology.truths()[0].target;
    let run = Played::new(
        &topology,
        target,
        ProbeType::Icmp,
        multipath(Confidence::Percent99),
        2,
    );
    assert_eq!(run.links(), true_links(&topology, target));
}

#[test]
fn balancing_by_packets_is_seen_and_does_not_explode() {
    for (name, most, least_seen) in [
        ("per-packet", 90, 38),
        ("round-robin", 90, 44),
        ("asymmetric-per-packet", 140, 44),
    ] {
        let topology = Topology::load(name).unwrap();
        let target = topology.truths()[0].target;
        let mut seen = 0;
        for seed in 0..50 {
            let run = Played::new(
                &topology,
                target,
                ProbeType::Udp,
                multipath(Confidence::Percent95),
                seed,
            );
            assert!(run.sent() <= most, "{name} {seed}: {}", run.sent());
            let trace = run.trace();
            let graph = trace.graph.unwrap();
            let mixed = graph.nodes.iter().any(|node| node.per_packet);
            seen += u32::from(mixed);
            let diamonds = graph.diamonds();
            assert_eq!(
                mixed,
                diamonds.iter().any(|diamond| diamond.per_packet),
                "{name} {seed}"
            );
        }
        assert!(seen >= least_seen, "{name}: {seen} of 50");
    }
    // And one by flows is not taken for one.
    let topology = Topology::load("diamond-4").unwrap();
    let target = topology.truths()[0].target;
    let run = Played::new(
        &topology,
        target,
        ProbeType::Udp,
        multipath(Confidence::Percent95),
        1,
    );
    let graph = run.trace().graph.unwrap();
    assert!(graph.nodes.iter().all(|node| !node.per_packet));
    let diamonds = graph.diamonds();
    assert_eq!(diamonds.len(), 1);
    assert_eq!(
        (diamonds[0].width, diamonds[0].length),
        (4, 2),
        "{diamonds:?}"
    );
}

#[test]
fn multipath_ends_on_every_topology() {
    for topology in Topology::all().unwrap() {
        for truth in topology.truths() {
            let run = Played::new(
                &topology,
                truth.target,
                ProbeType::Udp,
                multipath(Confidence::Percent95),
                1,
            );
            let (name, trace) = (topology.name(), run.trace());
            assert!(run.sent() < 600, "{name}: {}", run.sent());
            assert_ne!(trace.stop, Stop::Limit, "{name}");
            let circle = match name {
                "loop" => Some(2),
                "cycle" => Some(3),
                _ => None,
            };
            if let Some(length) = circle {
                assert_eq!(trace.stop, Stop::Loop, "{name}");
                assert_eq!(trace.loop_length, Some(length), "{name}");
                assert!(run.sent() < 40, "{name}: {}", run.sent());
            }
            // It ends however the ways go.
            let diamonds = trace.graph.unwrap().diamonds();
            assert!(circle.is_none() || diamonds.is_empty(), "{diamonds:?}");
        }
    }
}

/// Traces with real sockets through the emulator's TUN device, as the agent does.
fn measure(emulated: &Emulated, given: &Value) -> Outcome {
    let method = traceroute::descriptor();
    let options = method.read(given.as_object().unwrap()).unwrap();
    let context = Context::unlimited(Duration::from_mins(1), 0x5eed);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let outcome = emulated
        .namespace()
        .enter(|| runtime().block_on(method.run(&options, &context)))
        .unwrap();
    let announced = method.worst_case_bytes(&options);
    assert!(outcome.bytes.total() <= announced, "{:?}", outcome.bytes);
    outcome
}

/// The addresses of the hops of a result.
fn hops(outcome: &Outcome) -> Path {
    let hops = outcome.probe_result["results"].as_array().unwrap();
    hops.iter()
        .map(|hop| hop["hop"].as_str().map(|address| address.parse().unwrap()))
        .collect()
}

#[test]
fn netns_real_sockets_find_the_paths() {
    for (name, kinds) in [
        ("line", &["Udp", "Icmp", "Tcp"][..]),
        ("line-15-v6", &["Udp", "Icmp"]),
        ("short-quote", &["Udp", "Icmp"]),
        ("nat", &["Udp"]),
        ("diamond-4", &["Udp", "Icmp"]),
        ("zero-ttl", &["Udp"]),
    ] {
        let emulated = Emulated::start(name, 1).unwrap();
        let topology = Topology::load(name).unwrap();
        for truth in topology.truths() {
            let ways = topology.paths(truth.target);
            for kind in kinds {
                let given = json!({
                    "host": truth.target.to_string(), "ping_type": kind, "interval": 10, "source_port": 0,
                });
                let outcome = measure(&emulated, &given);
                let path = hops(&outcome);
                assert!(
                    ways.contains(&path),
                    "{name} {kind}: {path:?} of {ways:?}: {outcome:?}"
                );
                assert_eq!(
                    outcome.probe_result["stop_reason"], "target",
                    "{name} {kind}"
                );
            }
        }
    }
}

#[test]
fn netns_real_sockets_find_all_ways() {
    let emulated = Emulated::start("diamond-4", 1).unwrap();
    let target = emulated.topology().truths()[0].target;
    let given = json!({
        "host": target.to_string(), "multipath": true, "confidence": "99", "interval": 5, "source_port": 0,
    });
    let result = measure(&emulated, &given).probe_result;
    let address = |id: &Value| -> Hop {
        let node = &result["nodes"][usize::try_from(id.as_u64()?).unwrap()];
        node["address"]
            .as_str()
            .map(|address| address.parse().unwrap())
    };
    let edges = result["edges"].as_array().unwrap().iter();
    let found: BTreeSet<(Hop, Hop)> = edges
        .filter(|edge| !edge["from"].is_null())
        .map(|edge| (address(&edge["from"]), address(&edge["to"])))
        .collect();
    assert_eq!(found, true_links(emulated.topology(), target));
    assert_eq!(result["diamonds"].as_array().unwrap().len(), 1);
    assert_eq!(result["diamonds"][0]["width"], 4);
}

#[test]
fn netns_a_way_ends_where_a_packet_is_too_long() {
    let hops_before = 2;
    for target in ["203.0.113.1", "2001:db8:2::1"] {
        for kind in ["Udp", "Icmp"] {
            // A kernel that has been told sends fragments.
            let emulated = Emulated::start("mtu-1280", 1).unwrap();
            let given = json!({
                "host": target, "ping_type": kind, "payload": 1400, "interval": 10, "source_port": 0, "count": 1,
                "in_flight": 1,
            });
            let result = measure(&emulated, &given).probe_result;
            assert_eq!(
                result["stop_reason"], "packet_too_big",
                "{kind}: {result:?}"
            );
            assert_eq!(result["mtu"], 1280, "{kind}");
            let hops = result["results"].as_array().unwrap();
            assert_eq!(hops.len(), hops_before + 1, "{kind}");
            let last = &hops[hops_before]["pings"][0];
            assert_eq!((&last["response"], &last["mtu"]), (&json!(1), &json!(1280)));
        }
    }
}

#[test]
fn netns_a_loop_ends_multipath() {
    let emulated = Emulated::start("loop", 1).unwrap();
    let given = json!({"host": "203.0.113.1", "multipath": true, "interval": 5, "source_port": 0});
    let result = measure(&emulated, &given).probe_result;
    assert_eq!(result["stop_reason"], "loop", "{result:?}");
    assert_eq!(
        (&result["loop"], &result["loop_length"]),
        (&json!(true), &json!(2))
    );
    assert_eq!(result["nodes"].as_array().unwrap().len(), 3);
}

#[test]
fn netns_a_translated_echo_reply_is_the_targets() {
    let emulated = Emulated::start("address-rewriting", 1).unwrap();
    let target = emulated.topology().truths()[0].target;
    let given = json!({"host": target.to_string(), "ping_type": "Icmp", "interval": 10});
    let outcome = measure(&emulated, &given);
    assert_eq!(outcome.probe_result["stop_reason"], "target", "{outcome:?}");
    assert!(emulated.topology().paths(target).contains(&hops(&outcome)));
}
