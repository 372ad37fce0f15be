//! Households whose results come by the agents' door, without agents that measure.

use crate::PATIENCE;
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_tests::controller::LAB;
use glimpse_tests::wire::{Answer, Caller};
use glimpse_tests::{Agent, Controller, eventually};
use serde_json::{Value, json};
use std::fs;

/// What is measured: an address of each of two clusters.
pub(crate) const TARGETS: [&str; 2] = ["192.0.2.1", "192.0.2.129"];
const HOUR: i64 = 3600 * SECOND;

/// Few maps, so that a client that walks through all of them soon arrives, and asks as fast as it can.
const FEW: &str = r#"
prefixes = "prefixes.json"
spans = ["day", "7-days"]
[alto.statistics]
delay-rt = ["median", "p95"]
tput = ["median", "mean"]
loss-rt = ["median"]
pdv-rt = []
[alto.limits]
requests_per_minute = 1000000
"#;

/// A controller with its households.
pub(crate) struct Town {
    pub(crate) controller: Controller,
    households: Vec<Household>,
    /// Results so far, for their ids.
    results: u64,
    now: Timestamp,
}

/// One household, which speaks for its agent by hand.
pub(crate) struct Household {
    caller: Caller,
    /// Which of the groups of four it belongs to.
    group: usize,
    /// What its results differ by from those of the others.
    number: u32,
}

/// The draft's groups: ISP, region, average download in bits per second.
pub(crate) const GROUPS: [(&str, &str, f64); 4] = [
    ("ISP1", "GEO1", 13.2e6),
    ("ISP1", "GEO2", 10.2e6),
    ("ISP2", "GEO1", 11.4e6),
    ("ISP2", "GEO2", 12.3e6),
];

#[expect(
    clippy::disallowed_methods,
    reason = "the controller under test has the real clock"
)]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    Timestamp::from_micros(i64::try_from(since.as_micros()).expect("before the year 300 000"))
}

impl Town {
    /// A town with `each` households of each group, of which nothing is known yet.
    pub(crate) fn new(each: usize) -> Self {
        let sections = format!(
            "{LAB}clusters = [[\"{}\"], [\"{}\"]]\n{FEW}",
            TARGETS[0], TARGETS[1]
        );
        let mut controller = Controller::init(&sections);
        fs::write(
            controller.dir().join("prefixes.json"),
            prefixes().to_string(),
        )
        .unwrap();
        controller.serve();
        controller.instruct(&instruction());
        let mut households = Vec::new();
        for n in 0..each * GROUPS.len() {
            let group = n % GROUPS.len();
            let (isp, region, _) = GROUPS[group];
            let labels = [
                format!("isp={isp}"),
                format!("region={region}"),
                "technology=vdsl".to_owned(),
                format!("contract=t{}", 50 * (1 + n / GROUPS.len() % 2)),
            ];
            let words: Vec<&str> = labels.iter().flat_map(|label| ["--label", label]).collect();
            let agent = Agent::new(&controller.url(), "");
            let token = controller.invite(&words);
            agent
                .enrol(&controller.url(), &token, &controller.fingerprint)
                .unwrap();
            households.push(Household {
                caller: Caller::with_identity_of(&agent, &controller),
                group,
                number: u32::try_from(n).unwrap(),
            });
        }
        Self {
            controller,
            households,
            results: 0,
            now: now(),
        }
    }

    /// Each household has pinged, downloaded from and uploaded to each target in each of the last 26 hours and, for the calendar of days, once on
    /// each of the last six days; round trips are a while longer by `more_ms`.
    pub(crate) fn measure(&mut self, more_ms: f64) {
        self.now = now();
        for n in 0..self.households.len() {
            let household = &self.households[n];
            let (caller, number) = (household.caller.clone(), household.number);
            let rate = GROUPS[household.group].2;
            let mut records = Vec::new();
            for hour in (1..=26).chain((2..=6).map(|day| 24 * day)) {
                for (i, target) in TARGETS.iter().enumerate() {
                    let rtt = 10.0
                        + f64::from(number)
                        + 7.0 * f64::from(u8::try_from(i).unwrap())
                        + more_ms;
                    let at = self.now.plus_micros(-hour * HOUR);
                    let ping = json!({"round_trip_sent": 3, "round_trip_received": 3, "destination_ip": target,
                        "round_trip_ms": [rtt, rtt + 0.5, rtt + 2.0]});
                    records.push(self.record(&format!("ping-{i}"), "ping", at, &ping));
                    let rate = json!({"bandwidth_bps_avg": rate, "actual_num_threads": 1, "results_ok": true,
                        "destination_ip": target});
                    records.push(self.record(&format!("down-{i}"), "httpdownload", at, &rate));
                    records.push(self.record(&format!("up-{i}"), "httpupload", at, &rate));
                }
            }
            let count = records.len();
            let body = json!({"schema": 2, "records": records}).to_string();
            let answer = caller.upload(body.as_bytes()).unwrap();
            let receipt = answer.json();
            assert_eq!(
                receipt["accepted"].as_array().map(Vec::len),
                Some(count),
                "{receipt}"
            );
        }
    }

    /// Each household has measured for the first time, and all are in what is published: the last one's round trips are the longest,
    /// and the 95th percentile of so few is the greatest.
    pub(crate) fn measured(&mut self) {
        self.measure(0.0);
        let last = self.households.iter().map(|h| h.number).max().unwrap();
        let longest_us = (10.5 + f64::from(last)) * 1000.0;
        self.published("everybody", "/costmap/nm/delay-rt-p95", |map| {
            let found = map["cost-map"]["TOTAL"]["MSMNT-CL1"].as_f64();
            found.is_some_and(|found| (found - longest_us).abs() < 0.5)
        });
    }

    fn record(&mut self, task: &str, method: &str, at: Timestamp, result: &Value) -> Value {
        self.results += 1;
        let id = format!("019aa8c1-5d2c-7000-8000-{:012x}", self.results);
        let (start, end) = (at.to_string(), at.plus_micros(SECOND).to_string());
        json!({"id": id, "instruction_id": "town", "task_id": task, "method": method, "status": "ok",
            "planned_time": start, "start_time": start, "end_time": end, "duration": 1000, "error": "",
            "probe_result": result, "pre_info": {}, "post_info": {}, "bytes": {"sent": 300, "received": 300}})
    }

    /// What the ALTO listener says, once it says what was asked for.
    pub(crate) fn published(
        &self,
        what: &str,
        path: &str,
        is_it: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(what, PATIENCE, || {
            let answer = self.get(path, "");
            (answer.status == 200).then(|| answer.json()).filter(&is_it)
        })
    }

    /// GET of the ALTO listener; `fields` end in CRLF each.
    pub(crate) fn get(&self, path: &str, fields: &str) -> Answer {
        self.alto()
            .ask(&format!("GET {path}"), fields, b"")
            .unwrap()
    }

    /// A question to the ALTO listener.
    pub(crate) fn post(&self, path: &str, kind: &str, question: &Value) -> Answer {
        let fields = format!("content-type: application/alto-{kind}+json\r\n");
        let body = question.to_string();
        self.alto()
            .ask(&format!("POST {path}"), &fields, body.as_bytes())
            .unwrap()
    }

    fn alto(&self) -> Caller {
        Caller::unknown(&self.controller).at(self.controller.alto_port())
    }
}

/// Prefixes of the ISPs' regions, one within another, of both families.
fn prefixes() -> Value {
    json!({
        "ISP1:GEO1": {"ipv4": ["198.51.100.0/25"], "ipv6": ["2001:db8:1::/48"]},
        "ISP1:GEO2": {"ipv4": ["198.51.100.128/25", "198.51.100.16/28"]},
        "ISP2:GEO1": {"ipv4": ["203.0.113.0/24"], "ipv6": ["2001:db8:2::/48"]},
        "ISP2:GEO2": {"ipv4": ["203.0.113.64/26"], "ipv6": ["2001:db8:2:40::/58"]},
    })
}

fn instruction() -> Value {
    let tasks: Vec<Value> = TARGETS
        .iter()
        .enumerate()
        .flat_map(|(i, target)| {
            let url = format!("http://{target}/file");
            [
                json!({"id": format!("ping-{i}"), "method": "ping", "options": {"host": target}}),
                json!({"id": format!("down-{i}"), "method": "httpdownload", "options": {"url": url}}),
                json!({"id": format!("up-{i}"), "method": "httpupload", "options": {"url": url}}),
            ]
        })
        .collect();
    json!({"id": "town", "timing": {"periodic": {"interval": 3_600_000}}, "tasks": tasks})
}
