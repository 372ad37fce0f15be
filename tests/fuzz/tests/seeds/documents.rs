//! JSON documents, spool and history.

use crate::Seed;
use glimpse_agent::local::history::{Rollups, Sample};
use glimpse_agent::local::series::Figure;
use glimpse_agent::spool::codec::{self, SEGMENT_HEADER};
use glimpse_fuzz::household::SEGMENT;
use glimpse_fuzz::pieces;

pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = TEXTS
        .iter()
        .map(|&(target, name, text)| (target, name, text.as_bytes().to_vec()))
        .collect();
    let two = segment(&[b"{\"id\":1}", b"{}"]);
    let mut torn = two.clone();
    torn.truncate(two.len() - 1);
    let mut altered = two.clone();
    altered[SEGMENT_HEADER.len() + 40] ^= 1;
    let mut headless = two.clone();
    headless[..SEGMENT_HEADER.len() + 4].fill(0xff);
    seeds.push(("spool_segment", "two", two));
    seeds.push(("spool_segment", "torn", torn));
    seeds.push(("spool_segment", "altered", altered));
    seeds.push(("spool_segment", "headless", headless));
    // The first entry's length, then the second's body.
    let bodies: [&[u8]; 4] = [&[0, 8, 0xff, 0, 82, 1], b"{}", b"{\"id\":1}", b"third"];
    seeds.push(("spool_repair", "three", pieces::joined(bodies)));
    seeds.push((
        "spool_repair",
        "untouched",
        pieces::joined([b"".as_slice(), b"{}"]),
    ));
    seeds.extend(batches());
    seeds.push(("history", "hours", history()));
    seeds.push(("history", "empty", Rollups::default().encode()));
    seeds
}

fn segment(bodies: &[&[u8]]) -> Vec<u8> {
    let mut bytes = SEGMENT_HEADER.to_vec();
    for (number, body) in (1_u8..).zip(bodies) {
        let offset = u32::try_from(bytes.len()).unwrap();
        codec::encode(&mut bytes, SEGMENT, offset, &[number; 16], 1_000_000, body);
    }
    bytes
}

/// The records of the target `record`, several in one.
fn batches() -> Vec<Seed> {
    let records: Vec<&str> = TEXTS
        .iter()
        .filter(|(target, ..)| *target == "record")
        .map(|&(_, _, text)| text)
        .collect();
    let batch = |schema: &str, records: &[&str]| {
        format!(
            "{{\"schema\":{schema},\"records\":[{}]}}",
            records.join(",")
        )
        .into_bytes()
    };
    let foreign = [
        records[0],
        r#"{"id":"019aa8c1-5d2c-7000-8000-0123456789ab","status":"later"}"#,
        "7",
    ];
    let awkward = r#"{"id":"019aa8c1-5d2c-7000-8000-0123456789ae","method":"btc_ma",
        "status":"failed", "error":"said \"no\",\r\nthen nothing",
        "probe_result":{"measure_uuid":"11111111-1111-1111-1111-111111111111"}, "bytes":{"sent":1,"received":2}}"#;
    vec![
        ("batch", "three", batch("2", &records)),
        ("batch", "foreign", batch("2", &foreign)),
        ("batch", "awkward", batch("2", &[awkward])),
        ("batch", "empty", batch("2", &[])),
        ("batch", "other-schema", batch("1", &records)),
    ]
}

fn history() -> Vec<u8> {
    let mut rollups = Rollups::default();
    let hour_us = 3_600_000_000;
    for hour in 0..3 {
        let sample = Sample {
            figure: Figure::Delay,
            target: "192.0.2.1",
            sent: 4,
            received: 3,
            values: &[14_100, 14_300, 13_900],
        };
        assert!(rollups.add(500_000 * hour_us + hour * hour_us, &sample));
    }
    rollups.close(500_002 * hour_us, 65_536);
    rollups.encode()
}

const TEXTS: &[(&str, &str, &str)] = &[
    (
        "instructions",
        "timings",
        r#"{"schema":2,"instructions":[
{"id":"a","timing":{"periodic":{"interval":60000,"start":"2026-11-21T22:00:00Z","end":"2026-12-21T22:00:00Z","randomSpread":5000}},"tasks":[{"id":"u","method":"ping","options":{"host":"192.0.2.1","type":"Udp","count":4}},{"id":"t","method":"traceroute","options":{"host":"example.net"}}],"execution":"parallel","precondition":{"on_wire":true,"min_charge":20},"lan":false},
{"id":7,"timing":{"calendar":{"days_of_week":[1,2],"hours":[20],"minutes":[0],"seconds":[0],"offset":-60,"randomSpread":600000}},"task":{"id":1,"method":"dnslookup","options":{"host":"example.net"}}},
{"id":"c","timing":{"onoff":{"time":"2026-12-01T12:00:00+01:00"}},"task":{"id":"d","method":"httpdownload","options":{"url":"http://example.net/"}}}]}"#,
    ),
    (
        "instructions",
        "short",
        r#"{"schema":2,"instructions":[{"id":1043,"timing":{"immediate":{}},"task":{"id":1014,"method":"ping","options":{"host":"192.0.2.1"}}}]}"#,
    ),
    (
        "instructions",
        "refused",
        r#"{"schema":2,"instructions":[{"id":"x","timing":{"periodic":{"interval":0}},"task":{"id":"t","method":"ping"}},{"id":"y","timing":{"calendar":{"months":[2],"days_of_month":[30]}},"task":{"id":"t","method":"ping","options":{"host":"-x","new":1}}}]}"#,
    ),
    (
        "configuration",
        "all",
        r#"{"schema":2,"repository":"https://repository.example.net:8443","pull":{"periodic":{"interval":60000,"randomSpread":10000}},"upload":{"calendar":{"minutes":[0]}},"wait_s":60,"monthly_bytes":100000000}"#,
    ),
    ("configuration", "none", r#"{"schema":2}"#),
    (
        "receipt",
        "both",
        r#"{"schema":2,"accepted":["019aa8c1-5d2c-7000-8000-0123456789ab"],"rejected":[{"id":"records[2]","reason":"gap.count: must be a whole number >= 0"}]}"#,
    ),
    (
        "record",
        "ok",
        r#"{"id":"019aa8c1-5d2c-7000-8000-0123456789ab","instruction_id":"campaign-7","task_id":"icmp","method":"ping","status":"ok","planned_time":"2026-11-21T22:48:32Z","start_time":"2026-11-21T22:48:32.396Z","end_time":"2026-11-21T22:48:32.999Z","duration":603,"error":"","skip":null,"gap":null,"probe_result":{"round_trip_ms":[14.1,14.3],"round_trip_sent":4},"pre_info":{"cpu_usage":0.01},"post_info":{},"bytes":{"sent":336,"received":336}}"#,
    ),
    (
        "record",
        "skipped",
        r#"{"id":"019aa8c2-47a0-7000-8000-0123456789ac","instruction_id":"i","task_id":"t","method":"ping","status":"skipped","planned_time":"2026-11-21T22:49:32Z","error":"budget","skip":{"reason":"budget","count":3,"last":"2026-11-21T22:51:32Z"},"probe_result":{},"bytes":{"sent":0,"received":0}}"#,
    ),
    (
        "record",
        "gap",
        r#"{"id":"019aa8c2-47a0-7000-8000-0123456789ad","status":"gap","gap":{"count":5,"bytes":1000,"from":"2026-11-21T20:00:00Z","to":"2026-11-21T21:00:00Z"}}"#,
    ),
    (
        "record",
        "awkward-figures",
        r#"{"id":"019aa8c1-5d2c-7000-8000-0123456789af","method":"ping","status":"ok","probe_result":{"round_trip_ms":["1e9",-1,14.1,null,4294967.295],"round_trip_sent":4.5,"round_trip_loss":"0.25","destination_ip":"192.0.2.1"},"bytes":{"sent":0,"received":0}}"#,
    ),
    (
        "problem",
        "detail",
        r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"revoked\nlong ago"}"#,
    ),
    ("problem", "page", "<html>Bad Gateway</html>"),
    (
        "plugin_description",
        "all",
        r#"{"contract":1,"name":"tlsage","functions":["https://example.net/metrics/Priv_TLS_Certificate_Age"],"options":[{"name":"host","type":"text","max_len":253,"help":"whose certificate"},{"name":"count","type":"integer","default":1,"min":1,"max":10,"unit":"handshakes","help":"how many"},{"name":"family","type":"choice","choices":["any","ipv4","ipv6"],"help":"version"},{"name":"resume","type":"boolean","default":false,"help":"resumption"}],"needs":[],"worst_case_bytes":{"base":0,"per":{"count":20000}},"longest_run_ms":{"base":1000,"per":{"count":3000}}}"#,
    ),
    (
        "plugin_description",
        "least",
        r#"{"contract":1,"name":"uptime","functions":[],"options":[],"needs":[],"worst_case_bytes":{"base":0},"longest_run_ms":{"base":1000}}"#,
    ),
    (
        "plugin_report",
        "done",
        r#"{"probe_result":{"age_s":86400},"bytes":{"sent":500,"received":4000}}"#,
    ),
    (
        "plugin_report",
        "failed",
        "{\"error\":\"no answer\\u0007\",\"probe_result\":{}}",
    ),
    (
        "network_map",
        "two",
        r#"{"mypid1":{"ipv4":["192.0.2.0/24","198.51.100.0/25"]},"rest":{"ipv4":["0.0.0.0/0"],"ipv6":["::/0"]}}"#,
    ),
    (
        "network_map",
        "overlap",
        r#"{"a":{"ipv4":["192.0.2.0/24"]},"b":{"ipv4":["192.0.2.0/24"]}}"#,
    ),
];
