#![allow(clippy::unwrap_used, clippy::expect_used)]
// Values of the `json!` macro are made where they are used.
#![allow(clippy::needless_pass_by_value)]

mod told;

use super::*;
use crate::bench::at;
use crate::control::Parameters;
use crate::outbox::Answer;
use crate::output::{BLOCK, Conflict};
use glimpse_model::id::ResultId;
use glimpse_model::record::{Record, Status};
use glimpse_yang::read::Reader;
use glimpse_yang::table::{AGENT, CONTROLLER};
use glimpse_yang::validate::{Check, validate};
use serde_json::{Value, json};

fn option(id: &str, name: &str, value: &str) -> OptionEntry {
    OptionEntry {
        id: id.to_owned(),
        name: Some(name.to_owned()),
        value: Some(value.to_owned()),
    }
}

fn output(n: u8) -> Output {
    let mut record = Record::new(
        ResultId::from_parts(at("2026-12-01T11:02:31Z"), [n; 10]),
        Status::Ok,
    );
    record.method = Some("ping".to_owned());
    record.start_time = Some(at("2026-12-01T11:02:31.25Z"));
    record.end_time = Some(at("2026-12-01T11:02:34.75Z"));
    let figures = json!({"destination_ip": "192.0.2.1", "round_trip_sent": 3, "round_trip_received": 2,
        "round_trip_loss": 0.25, "round_trip_ms": [11.5, 11.5], "round_trip_min": null, "extra": {"a": 1}});
    record.probe_result = figures.as_object().unwrap().clone();
    Output {
        record,
        schedule: "latency".to_owned(),
        action: "v6".to_owned(),
        task: "ping".to_owned(),
        options: vec![
            option("target", "host", "a"),
            option("target", "count", "1"),
            option("target", "x", "; reboot"),
        ],
        parameters: Some(Parameters {
            method: "ping".to_owned(),
            values: vec![("host".to_owned(), "anchor.example.net".to_owned())],
        }),
        tags: vec!["t".to_owned(), "s".to_owned()],
        event: at("2026-12-01T11:00:00Z"),
        cycle: Some("20261201.110000".to_owned()),
        status: 0,
        conflicts: vec![Conflict {
            schedule: "o".to_owned(),
            action: "b".to_owned(),
            task: "c".to_owned(),
        }],
        functions: vec![
            "https://www.measure-it.net/metrics/Priv_RTDelay_Active_IP-TCP-HS__Seconds_Raw"
                .to_owned(),
        ],
    }
}

fn agent() -> Agent {
    Agent {
        agent_id: Some("5b1c1f5e-3d0b-4f6e-9a3e-2f1d8c7b6a50".to_owned()),
        group_id: Some("north".to_owned()),
        report_agent_id: true,
        ..Agent::default()
    }
}

const JSON: Form = Form {
    schema: &AGENT,
    encoding: Encoding::Json,
    parameters: true,
};

fn date() -> Timestamp {
    at("2026-12-01T12:00:07Z")
}

fn json_body(outputs: &[Arc<Output>], form: &Form, agent: &Agent) -> Value {
    let (body, _) = body(form, agent, date(), outputs, MAX_BODY).unwrap();
    serde_json::from_str(&body).unwrap()
}

/// Reads a body as the collector does.
fn receive(body: &str, encoding: Encoding) -> received::Report {
    let node = input(&CONTROLLER).unwrap();
    let tree = Reader::new(&CONTROLLER, encoding)
        .operation(node, body.as_bytes())
        .unwrap();
    let errors = validate(&tree, Check::Operation, None);
    assert!(errors.is_empty(), "{errors:?}");
    received::read(&tree).unwrap()
}

#[test]
fn what_is_sent_is_received_in_both_encodings() {
    let sent = [Arc::new(output(1))];
    for encoding in [Encoding::Json, Encoding::Xml] {
        let form = Form { encoding, ..JSON };
        let (body, count) = body(&form, &agent(), date(), &sent, MAX_BODY).unwrap();
        assert_eq!(count, 1);
        let report = receive(&body, encoding);
        assert_eq!(report.date, date());
        assert_eq!(report.group_id, None, "not without its flag");
        let result = &report.results[0];
        assert_eq!(
            (result.start, result.end),
            (
                at("2026-12-01T11:02:31.25Z"),
                Some(at("2026-12-01T11:02:34.75Z"))
            )
        );
        assert_eq!(result.event, Some(at("2026-12-01T11:00:00Z")));
        assert_eq!(result.tags, ["t", "s"]);
        assert_eq!(result.conflicts, sent[0].conflicts);
        assert_eq!(result.tables[0].0, sent[0].functions);
    }
}

#[test]
fn lmap_check_67_options_with_one_id_are_told_apart() {
    let body = json_body(&[Arc::new(output(1))], &JSON, &agent());
    let options = &body["ietf-lmap-report:input"]["result"][0]["option"];
    assert_eq!(
        options[0],
        json!({"id": "target", "name": "host", "value": "a"})
    );
    assert_eq!(options[1]["id"], "target#2");
    assert_eq!(
        options[2],
        json!({"id": "target#3", "name": "x", "value": "; reboot"})
    );
    let taken = [
        option("a", "1", ""),
        option("a#2", "2", ""),
        option("a", "3", ""),
    ];
    let ids: Vec<String> = distinct(&taken)
        .into_iter()
        .map(|option| option.id)
        .collect();
    assert_eq!(
        ids,
        ["a", "a#2", "a#3"],
        "a name that is taken is not given again"
    );
    receive(&body.to_string(), Encoding::Json);
}

#[test]
fn lmap_check_71_a_report_of_nothing_and_rows_of_equal_values_are_valid() {
    let (nothing, count) = body(&JSON, &agent(), date(), &[], MAX_BODY).unwrap();
    assert_eq!(count, 0);
    assert!(receive(&nothing, Encoding::Json).results.is_empty());
    let mut equal = output(1);
    equal.record.probe_result = json!({"list": [{"a": 1, "b": 1, "c": 1}]})
        .as_object()
        .unwrap()
        .clone();
    let (text, _) = body(&JSON, &agent(), date(), &[Arc::new(equal)], MAX_BODY).unwrap();
    let report = receive(&text, Encoding::Json);
    assert_eq!(report.results[0].tables[0].1.rows, [["1", "1", "1"]]);
}

#[test]
fn lmap_check_72_a_report_that_is_sent_twice_has_the_same_keys() {
    let outputs = [Arc::new(output(1))];
    let send = |date: &str, encoding| {
        let form = Form { encoding, ..JSON };
        let (text, _) = body(&form, &agent(), at(date), &outputs, MAX_BODY).unwrap();
        receive(&text, encoding).keys("certificate")
    };
    let first = send("2026-12-01T12:00:07Z", Encoding::Json);
    assert_eq!(
        first,
        send("2026-12-01T13:00:00Z", Encoding::Xml),
        "a copy has another date"
    );
    let mut other = output(1);
    other.record.start_time = Some(at("2026-12-01T11:02:31.250001Z"));
    let (text, _) = body(&JSON, &agent(), date(), &[Arc::new(other)], MAX_BODY).unwrap();
    assert_ne!(receive(&text, Encoding::Json).keys("certificate"), first);
    // Names do not run together.
    let mut shifted = output(1);
    shifted.schedule = "latencyv6".to_owned();
    shifted.action = String::from("x");
    assert_ne!(
        receive(
            &body(&JSON, &agent(), date(), &[Arc::new(shifted)], MAX_BODY)
                .unwrap()
                .0,
            Encoding::Json
        )
        .keys("certificate"),
        first
    );
}

#[test]
fn long_reports_are_split_and_each_part_has_the_header() {
    let outputs: Vec<Arc<Output>> = (0..100).map(|n| Arc::new(output(n))).collect();
    let mut rest = &outputs[..];
    let mut parts = 0;
    while !rest.is_empty() {
        let (text, count) = body(&JSON, &agent(), date(), rest, 20_000).unwrap();
        assert!(text.len() <= 20_000 && count > 0);
        let report = receive(&text, Encoding::Json);
        assert_eq!(
            (report.results.len(), report.agent_id.is_some()),
            (count, true)
        );
        rest = &rest[count..];
        parts += 1;
    }
    assert!(parts > 3, "{parts}");
    let (_, count) = body(&JSON, &agent(), date(), &outputs, 1).unwrap();
    assert_eq!(count, 1, "one goes whatever it takes");
}

#[test]
fn lmap_trap_16_tables_say_what_their_columns_are() {
    let body = json_body(&[Arc::new(output(1))], &JSON, &agent());
    let tables = &body["ietf-lmap-report:input"]["result"][0]["table"];
    for table in tables.as_array().unwrap() {
        assert_eq!(
            table["function"],
            json!([{"uri": "https://www.measure-it.net/metrics/Priv_RTDelay_Active_IP-TCP-HS__Seconds_Raw", "role": ["Src"]}])
        );
    }
    let columns = tables[0]["column"].as_array().unwrap();
    assert_eq!(
        columns[..4],
        [
            json!("destination_ip"),
            json!("round_trip_sent"),
            json!("round_trip_received"),
            json!("round_trip_loss")
        ]
    );
    assert_eq!(columns.last().unwrap(), "extra.a", "nothing is lost");
    for table in tables.as_array().unwrap() {
        for row in table["row"].as_array().unwrap() {
            assert_eq!(
                row["value"].as_array().unwrap().len(),
                table["column"].as_array().unwrap().len()
            );
        }
    }
    assert_eq!(tables[0]["row"][0]["value"][4], "", "a missing value");
    assert_eq!(
        tables[1]["row"],
        json!([{"value": ["11.5"]}, {"value": ["11.5"]}])
    );
}

#[test]
fn tables_do_not_depend_on_the_order_of_members() {
    let mut one = output(1).record;
    one.method = Some("traceroute".to_owned());
    one.probe_result = json!({"hop_count": 1, "results": [{"ttl": 1, "hop": null, "pings": [{"rtt": 5}], "mpls": {"label": 3}}]})
        .as_object().unwrap().clone();
    let tables = table::tables(&one);
    assert_eq!(
        tables[1].columns,
        [
            "ttl",
            "hop",
            "rtt_min",
            "rtt_avg",
            "rtt_max",
            "rtt_stdev",
            "rtt_count",
            "pings",
            "mpls.label"
        ]
    );
    assert_eq!(
        tables[1].rows[0],
        ["1", "", "", "", "", "", "", "[{\"rtt\":5}]", "3"]
    );
    let mut failed = Record::new(one.id, Status::Failed);
    failed.method = Some("ping".to_owned());
    failed.error = "no route".to_owned();
    let tables = table::tables(&failed);
    assert_eq!(
        (&tables[0].columns[..], &tables[0].rows[0][..]),
        (&["error".to_owned()][..], &["no route".to_owned()][..])
    );
}

#[test]
fn texts_that_no_encoding_takes_do_not_stop_a_report() {
    let mut odd = output(1);
    odd.record.probe_result = json!({"txt": "a\u{0}b\u{fffe}\u{1b}"})
        .as_object()
        .unwrap()
        .clone();
    for encoding in [Encoding::Json, Encoding::Xml] {
        let form = Form { encoding, ..JSON };
        let (text, _) = body(&form, &agent(), date(), &[Arc::new(odd.clone())], MAX_BODY).unwrap();
        assert_eq!(
            receive(&text, encoding).results[0].tables[0].1.rows[0]
                .last()
                .unwrap(),
            "a\u{fffd}b\u{fffd}\u{fffd}"
        );
    }
}

#[test]
fn typed_parameters_go_to_who_knows_them() {
    let sent = [Arc::new(output(1))];
    let known = json_body(&sent, &JSON, &agent());
    let parameters = &known["ietf-lmap-report:input"]["result"][0]["parameters"];
    assert_eq!(
        parameters["glimpse-report:ping"],
        json!({"host": "anchor.example.net"})
    );
    let plain = Form {
        parameters: false,
        ..JSON
    };
    let unknown = json_body(&sent, &plain, &agent());
    assert!(
        unknown["ietf-lmap-report:input"]["result"][0]
            .get("parameters")
            .is_none()
    );
}

#[test]
fn storage_is_told_in_whole_blocks() {
    let one = output(1);
    let length = u64::try_from(one.document(&[]).len()).unwrap();
    assert!(length > 512 && length < 4096, "{length}");
    assert_eq!(one.storage(&[], BLOCK), 4096);
    assert_eq!(one.storage(&[], 512), length.next_multiple_of(512));
    let mut large = output(1);
    large.record.error = "x".repeat(4096);
    assert_eq!(large.storage(&[], 4096), 8192);
    // No file system has such blocks, and no division fails for it.
    assert_eq!(one.storage(&[], 0), length);
}

#[test]
fn lmap_trap_20_the_body_is_the_input_of_an_operation_and_204_is_success() {
    let body = json_body(&[], &JSON, &agent());
    assert_eq!(
        body.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["ietf-lmap-report:input"]
    );
    assert_eq!(Answer::of_status(204, None), Answer::Accepted);
    assert_eq!(Answer::of_status(200, None), Answer::Accepted);
    assert!(
        matches!(Answer::of_status(401, None), Answer::Later { .. }),
        "what can be mended deletes nothing"
    );
}

#[test]
fn lmap_trap_34_an_anonymous_report_is_the_default_and_is_taken() {
    let quiet = Agent {
        report_agent_id: false,
        ..agent()
    };
    let text = json_body(&[Arc::new(output(1))], &JSON, &quiet).to_string();
    assert!(!text.contains("5b1c1f5e"), "{text}");
    let report = receive(&text, Encoding::Json);
    assert_eq!(report.agent_id, None);
    assert_ne!(report.keys("one certificate"), report.keys("another"));
}

#[test]
fn stored_results_read_back() {
    let places = [crate::output::Place {
        schedule: "q".to_owned(),
        action: None,
    }];
    let bytes = output(1).document(&places);
    assert_eq!(Output::parse(&bytes).unwrap(), (output(1), places.to_vec()));
    for cut in 0..bytes.len() {
        assert!(Output::parse(&bytes[..cut]).is_err());
    }
}
