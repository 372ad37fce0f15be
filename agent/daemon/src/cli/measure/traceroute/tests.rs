use super::super::words::tests::shown;
use serde_json::{Value, json};

fn answer(address: &str, rtt: u64, response: u64) -> Value {
    json!({"rtt": rtt, "response": response, "address": address, "reply_ttl": 60})
}

fn silence() -> Value {
    json!({"rtt": 0, "response": 2})
}

fn silent_hop(ttl: u8) -> Value {
    json!({"hop": null, "ttl": ttl, "rtt_min": null, "rtt_max": null, "rtt_avg": null, "rtt_stdev": null, "rtt_count": 0,
           "pings": [silence(), silence(), silence()]})
}

#[test]
fn the_way_is_printed_like_the_classic_tool() {
    let result = json!({
        "destination_ip": "203.0.113.1", "hop_count": 4, "loop": false, "probes_sent": 12, "stop_reason": "target",
        "timestamps": "kernel", "results": [
            {"hop": "192.168.1.1", "ttl": 1, "pings": [
                answer("192.168.1.1", 412, 0), answer("192.168.1.1", 398, 0), answer("192.168.1.1", 1401, 0)]},
            silent_hop(2),
            {"hop": "198.51.100.1", "addresses": ["198.51.100.1", "198.51.100.9"], "ttl": 3, "zero_ttl": true,
             "mpls": [{"label": 24_001, "traffic_class": 0, "bottom": false, "ttl": 1},
                      {"label": 16, "traffic_class": 5, "bottom": true, "ttl": 254}],
             "pings": [answer("198.51.100.1", 5123, 0), answer("198.51.100.9", 5200, 0), silence()]},
            {"hop": "203.0.113.1", "ttl": 4, "pings": [
                answer("203.0.113.1", 14_000, 3), answer("203.0.113.1", 14_020, 3), answer("203.0.113.1", 114_020, 3)]}
        ]
    });
    assert_eq!(
        shown("traceroute", &["host=example.net"], result, ""),
        "\
traceroute to example.net (203.0.113.1), Udp, kernel timestamps
1  192.168.1.1    0.412 ms   0.398 ms    1.401 ms
2  *                     *          *           *
3  198.51.100.1   5.123 ms
   198.51.100.9   5.200 ms          *
      MPLS label 24001, class 0, ttl 1
      MPLS label 16, class 5, ttl 254, bottom of stack
      the router before it forwards packets with a ttl of 0
4  203.0.113.1   14.000 ms  14.020 ms  114.020 ms
reached 203.0.113.1 in 4 hops, 12 probes
"
    );
}

#[test]
fn many_packets_are_summed() {
    let mut pings: Vec<Value> = (1..=5)
        .map(|n| answer("2001:db8::1", n * 1000, 0))
        .collect();
    pings.push(silence());
    let result = json!({"destination_ip": "2001:db8::9", "stop_reason": "limit", "probes_sent": 6,
                        "results": [{"hop": "2001:db8::1", "ttl": 1, "pings": pings}, silent_hop(2)]});
    assert_eq!(
        shown(
            "traceroute",
            &["host=2001:db8::9", "ping_type=Icmp"],
            result,
            "no room"
        ),
        "\
traceroute to 2001:db8::9, Icmp
                     min       avg       max  answered
1  2001:db8::1  1.000 ms  3.000 ms  5.000 ms    5 of 6
2  *                   -         -         -    0 of 3
2001:db8::9 not reached before the limit of packets, bytes or time, 6 probes
note: no room
"
    );
}

#[test]
fn each_end_has_its_words() {
    let closed = json!({"hop": "203.0.113.1", "ttl": 1, "pings": [
        {"rtt": 700, "response": 1, "address": "203.0.113.1", "code": 3}]});
    let refused = json!({"hop": "192.0.2.1", "ttl": 1, "pings": [
        {"rtt": 700, "response": 1, "address": "192.0.2.1", "code": 13}, silence()]});
    for (more, hops, last) in [
        (
            json!({"stop_reason": "unreachable", "unreachable_code": 13}),
            vec![refused],
            "1  192.0.2.1  0.700 ms  *  !X\n203.0.113.1 not reached, hop 1: forbidden by an administrator",
        ),
        (
            json!({"stop_reason": "target"}),
            vec![closed],
            "1  203.0.113.1  0.700 ms\nreached 203.0.113.1 in 1 hop",
        ),
        (
            json!({"stop_reason": "gap_limit"}),
            vec![silent_hop(1), silent_hop(2)],
            "203.0.113.1 not reached, given up after 2 hops of silence",
        ),
        (
            json!({"stop_reason": "max_hops"}),
            vec![silent_hop(30)],
            "203.0.113.1 not reached within 30 hops",
        ),
        (
            json!({"stop_reason": "loop", "loop": true, "loop_length": 2}),
            vec![],
            "203.0.113.1 not reached, the way is a loop of 2 hops",
        ),
    ] {
        let mut result =
            json!({"destination_ip": "203.0.113.1", "results": hops, "probes_sent": 1});
        for (name, value) in more.as_object().into_iter().flatten() {
            result[name] = value.clone();
        }
        let text = shown("traceroute", &["host=203.0.113.1"], result, "");
        assert!(text.ends_with(&format!("{last}, 1 probe\n")), "{text}");
    }
}

#[test]
fn of_many_ways_the_parting_and_meeting_is_told() {
    let hop = |ttl: u8, addresses: &[&str], rtt: u64| json!({"hop": addresses[0], "addresses": addresses, "ttl": ttl, "rtt_min": rtt, "pings": []});
    let node = |id: u8, ttl: u8, address: Option<&str>| json!({"id": id, "ttl": ttl, "address": address, "per_packet": false});
    let edge = |from: Option<u8>, to: u8, inferred: bool| json!({"from": from, "to": to, "ttl": 1, "inferred": inferred});
    let result = json!({
        "destination_ip": "203.0.113.1", "probes_sent": 55, "stop_reason": "target", "confidence_percent": 95,
        "results": [
            {"hop": "192.168.1.1", "ttl": 1, "rtt_min": 412, "pings": []},
            hop(2, &["198.51.100.1", "198.51.100.9"], 5123),
            hop(3, &["203.0.113.1"], 114_000)
        ],
        "nodes": [
            node(0, 1, Some("192.168.1.1")), node(1, 2, Some("198.51.100.1")), node(2, 2, Some("198.51.100.9")),
            node(3, 2, None), node(4, 3, Some("203.0.113.1"))
        ],
        "edges": [
            edge(None, 0, false), edge(Some(0), 1, false), edge(Some(0), 2, false), edge(Some(0), 3, true),
            edge(Some(1), 4, false), edge(Some(2), 4, false), edge(Some(3), 4, true)
        ],
        "diamonds": [{"from": 0, "to": 4, "width": 3, "length": 2, "per_packet": false}]
    });
    assert_eq!(
        shown(
            "traceroute",
            &["host=203.0.113.1", "multipath=true"],
            result,
            ""
        ),
        "\
traceroute to 203.0.113.1, Udp
 1     0.412 ms  192.168.1.1
 2     5.123 ms  198.51.100.1 198.51.100.9
 3   114.000 ms  203.0.113.1
5 nodes, 7 edges, 1 diamond, 95 % confidence
  diamond 192.168.1.1 to 203.0.113.1: width 3, length 2, balanced by flow
  192.168.1.1 -> 198.51.100.1, 198.51.100.9, * (hop 2) (inferred)
  198.51.100.1, 198.51.100.9 -> 203.0.113.1
  * (hop 2) -> 203.0.113.1 (inferred)
reached 203.0.113.1 in 3 hops, 55 probes
"
    );
    let plain = json!({
        "destination_ip": "203.0.113.1", "probes_sent": 12, "stop_reason": "target", "confidence_percent": 99,
        "results": [hop(1, &["203.0.113.1"], 400)], "nodes": [node(0, 1, Some("203.0.113.1"))],
        "edges": [edge(None, 0, false)], "diamonds": []
    });
    assert_eq!(
        shown(
            "traceroute",
            &["host=203.0.113.1", "multipath=true"],
            plain,
            ""
        ),
        "\
traceroute to 203.0.113.1, Udp
 1     0.400 ms  203.0.113.1
one way: nothing balances the load, 99 % confidence
reached 203.0.113.1 in 1 hop, 12 probes
"
    );
}
