#![allow(clippy::unwrap_used)]

use super::*;
use glimpse_yang::schema::{NodeId, Type};
use glimpse_yang::table::AGENT;
use serde_json::json;

fn of(program: &Program, options: &Value) -> Vec<String> {
    let mut found = BTreeSet::new();
    for (name, value) in options.as_object().unwrap() {
        program.targets(Some(name), value, &mut found);
    }
    found.iter().map(ToString::to_string).collect()
}

fn weight(method: &str, options: &Value) -> (u64, u64) {
    let weight = Program::named(method).weight(options.as_object().unwrap());
    (weight.packets, weight.length_ms)
}

/// A new text among the options of a method has to be put into the table: does it name a target, or not?
#[test]
fn every_text_that_a_method_takes_is_in_the_table() {
    let mut at = NodeId::NONE;
    for name in ["lmap", "schedules", "schedule", "action", "parameters"] {
        at = AGENT.child(at, Some("ietf-lmap-control"), name).unwrap();
    }
    let mut seen = 0;
    for method in AGENT.data_children(at) {
        let name = AGENT.name(method);
        let Some(row) = TABLE.iter().find(|row| row.method == name) else {
            assert_eq!(name, "plugin", "{name} is not in the table");
            continue;
        };
        seen += 1;
        for leaf in AGENT.data_children(method) {
            let kind = AGENT.type_of(AGENT.type_at(leaf));
            let leaf = AGENT.name(leaf);
            let known = row.targets.contains(&leaf) || row.words.contains(&leaf);
            let is_text = matches!(
                kind,
                Type::String { .. } | Type::Enumeration(_) | Type::Union(_)
            );
            assert!(known || !is_text, "{name}: {leaf}");
        }
        for own in row.targets {
            assert!(AGENT.child(method, None, own).is_ok(), "{name}: no {own}");
        }
    }
    assert_eq!(seen, TABLE.len() - 1, "all but reports have parameters");
}

#[test]
fn all_targets_of_a_method_are_seen_under_their_own_names() {
    for (method, options, targets) in [
        (
            "ping",
            json!({"host": "A.example.", "count": 3}),
            vec!["a.example"],
        ),
        (
            "dnslookup",
            json!({"host": "x.example", "dns_server": "192.0.2.1:5353", "tls_name": "t.example"}),
            vec!["192.0.2.1", "x.example"],
        ),
        (
            "reversednslookup",
            json!({"ip": "198.51.100.7", "dns_server": "[2001:db8::1]:53"}),
            vec!["198.51.100.7", "2001:db8::1"],
        ),
        (
            "latencyload",
            json!({"url": "https://d.example/x", "upload_url": "http://u.example:8080/"}),
            vec!["d.example", "u.example"],
        ),
        (
            REPORT_PROGRAM,
            json!({"collector": ["https://c.example/r", "https://user@203.0.113.9"], "channel": "isp"}),
            vec!["203.0.113.9", "c.example"],
        ),
        ("upnp", json!({"search": "ssdp:all"}), vec![]),
        ("wifi", json!({"interface": "wlan0.1"}), vec![]),
        (
            "btc_ma",
            json!({"host": "peer", "token": "a.b.c"}),
            vec!["peer"],
        ),
    ] {
        assert_eq!(of(&Program::named(method), &options), targets, "{method}");
    }
}

#[test]
fn of_strangers_everything_counts_that_may_be_a_target() {
    let unknown = Program::named("mtr");
    for (options, targets) in [
        (json!({"args": "-c 3 -i0.2 8.8.8.8"}), vec!["8.8.8.8"]),
        (
            json!({"args": "--host=www.example.net,--port=80"}),
            vec!["www.example.net"],
        ),
        (
            json!({"x": "dig @192.0.2.53 name.example MX"}),
            vec!["192.0.2.53", "name.example"],
        ),
        (
            json!({"x": "http://u:p@[2001:db8::5]:80/a?b=c"}),
            vec!["2001:db8::5"],
        ),
        (
            json!({"x": {"deep": ["https://a.example/"]}}),
            vec!["a.example"],
        ),
        // Whoever calls it a host means one.
        (json!({"server": "router"}), vec!["router"]),
        // 134744072 is what inet_aton takes for 8.8.8.8.
        (json!({"x": "134744072"}), vec!["8.8.8.8"]),
        (json!({"x": "0x08.0x08.2056"}), vec!["8.8.8.8"]),
        (json!({"x": "::ffff:192.0.2.1"}), vec!["192.0.2.1"]),
        (
            json!({"mode": "fast", "n": "10", "f": "0.5", "t": true, "k": 7}),
            vec![],
        ),
    ] {
        assert_eq!(of(&unknown, &options), targets, "{options}");
    }
    let mut found = BTreeSet::new();
    unknown.targets(None, &json!("203.0.113.5"), &mut found);
    assert_eq!(found.len(), 1, "an option without a name");
    // An option that a method of ours does not have is a stranger's, too.
    let ping = Program::named("ping");
    assert_eq!(
        of(&ping, &json!({"destination": "v.example"})),
        ["v.example"]
    );
}

#[test]
fn what_a_run_sends_is_reckoned_by_the_method_s_own_options() {
    assert_eq!(weight("ping", &json!({})), (3, 3000));
    assert_eq!(
        weight("ping", &json!({"count": "7", "interval": 200})),
        (7, 1400)
    );
    // Nobody is made to count more, or at no time at all.
    let odd = json!({"count": u64::MAX, "interval": 0});
    assert_eq!(weight("ping", &odd), (10_000, 10_000));
    assert_eq!(
        weight("elsewhere", &json!({"count": "99999999999"})),
        (10_000, 10_000_000)
    );
    assert_eq!(weight("traceroute", &json!({})), (19, 950));
    assert_eq!(
        weight("traceroute", &json!({"multipath": true, "max_probes": 900})),
        (900, 45_000)
    );
    assert_eq!(
        weight("dnslookup", &json!({"types": "A,AAAA,MX", "retries": 5})),
        (18, 18)
    );
    assert_eq!(
        weight("dnslookup", &json!({"transport": "Tls", "retries": 0})),
        (3, 3)
    );
    assert_eq!(weight("httpdownload", &json!({"threads": 16})), (48, 3000));
    assert_eq!(
        weight("latencyload", &json!({"threads": 4, "interval": 20})),
        (174, 3000)
    );
}

#[test]
fn methods_are_known_by_what_they_measure() {
    for row in TABLE {
        let functions = functions_of(row.method);
        assert!(!functions.is_empty(), "{} measures nothing", row.method);
        let found = Program::measuring(functions.iter().map(String::as_str));
        assert!(
            found.0.iter().any(|own| own.method == row.method),
            "{}",
            row.method
        );
    }
    assert!(Program::measuring(["urn:unknown"]).0.is_empty());
}
