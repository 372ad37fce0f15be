#![allow(clippy::unwrap_used)]

use super::*;
use glimpse_yang::Encoding;
use glimpse_yang::read::Reader;
use glimpse_yang::table::AGENT;
use serde_json::json;

fn tree(text: &str) -> Tree {
    Reader::new(&AGENT, Encoding::Json)
        .data(text.as_bytes())
        .unwrap()
}

fn with_task(event: &str, task: &Value, timeout: &str) -> Tree {
    tree(&format!(
        r#"{{"ietf-lmap-control:lmap": {{ {timeout}
        "tasks": {{"task": [{task}]}},
        "events": {{"event": [{{"name": "e", {event}}}]}},
        "schedules": {{"schedule": [{{"name": "s 1", "start": "e", "action": [
            {{"name": "a", "task": "t", "option": [{{"id": "c", "name": "count", "value": "7"}}]}}]}}]}}}}}}"#
    ))
}

fn lmap(event: &str, program: &str, options: &Value) -> Tree {
    let task = json!({"name": "t", "program": program, "option": options});
    with_task(event, &task, "")
}

fn host() -> Value {
    json!([{"id": "h", "name": "host", "value": "anchor.example"}, {"id": "c", "name": "count", "value": "3"}])
}

const NOW: &str = r#""immediate": [null]"#;

/// The targets of the first task of what is sent.
fn targets(tree: &Tree, own: &[Target]) -> Vec<String> {
    let found = of(tree, own).unwrap();
    let Some(document) = found.first() else {
        return Vec::new();
    };
    let read = admission::stored(document).unwrap();
    Target::all(&read.tasks[0])
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_schedule_becomes_an_instruction_that_reads() {
    let event = r#""random-spread": 5, "periodic": {"interval": 60}"#;
    let found = of(&lmap(event, "ping", &host()), &[]).unwrap();
    let [document] = &found[..] else {
        panic!("{found:?}")
    };
    let read = admission::stored(document).unwrap();
    assert_eq!(read.tasks[0].options["targets"], json!(["anchor.example"]));
    assert_eq!(
        read.tasks[0].options["packets"], 7,
        "the action's option counts"
    );
    let Timing::Periodic(periodic) = read.timing else {
        panic!()
    };
    assert_eq!((periodic.interval_ms, periodic.spread_ms), (60_000, 5_000));
}

#[test]
fn whatever_fires_by_itself_counts_and_nothing_else() {
    for (event, counts) in [
        (NOW, 1),
        (r#""startup": [null]"#, 1),
        (r#""controller-lost": [null]"#, 1),
        (r#""controller-connected": [null]"#, 1),
        (r#""one-off": {"time": "2027-01-01T00:00:00Z"}"#, 1),
        (
            r#""calendar": {"month": ["*"], "day-of-month": ["*"], "day-of-week": ["*"],
                "hour": [4], "minute": [0], "second": [0], "timezone-offset": "+05:30"}"#,
            1,
        ),
        (r#""glimpse-agent:on-demand": [null]"#, 0),
        (r#""random-spread": 1"#, 0),
    ] {
        let found = of(&lmap(event, "ping", &host()), &[]).unwrap();
        assert_eq!(found.len(), counts, "{event}");
        for document in &found {
            admission::stored(document).unwrap();
        }
    }
    let on_demand = lmap(r#""glimpse-agent:on-demand": [null]"#, "ping", &host());
    assert_eq!(of_run(&on_demand, "s 1", &[]).unwrap().len(), 1);
}

/// An agent runs it anew then: what goes unseen costs nothing, however often it is done.
#[test]
fn an_event_that_is_changed_in_any_way_is_another_load() {
    let of = |text: &str| of(&tree(text), &[]).unwrap();
    let named = |event: &str, rest: &str| {
        json!({"ietf-lmap-control:lmap": {
            "tasks": {"task": [{"name": "t", "program": "ping", "option": host()}]},
            "events": {"event": [serde_json::from_str::<Value>(&format!(
                r#"{{"name": "{event}" {rest}, {NOW}}}"#)).unwrap()]},
            "schedules": {"schedule": [{"name": "s", "start": event, "action": [{"name": "a", "task": "t"}]}]},
        }})
        .to_string()
    };
    let first = of(&named("e", ""));
    assert_eq!((first.len(), &first), (1, &of(&named("e", ""))));
    for (event, rest) in [
        ("f", ""),
        ("e", r#", "cycle-interval": 60"#),
        ("e", r#", "random-spread": 0"#),
        ("e", r#", "random-spread": 60"#),
    ] {
        assert_ne!(first, of(&named(event, rest)), "{event} {rest}");
    }
}

#[test]
fn an_option_without_a_value_counts_as_switched_on() {
    let packets = |options: &Value| {
        let event = r#""periodic": {"interval": 600}"#;
        let found = of(&lmap(event, "traceroute", options), &[]).unwrap();
        let read = admission::stored(&found[0]).unwrap();
        read.tasks[0].options["packets"].as_u64().unwrap()
    };
    let host = json!({"id": "h", "name": "host", "value": "a.example"});
    assert!(packets(&json!([host])) < 100);
    let all = json!([host, {"id": "m", "name": "multipath"}]);
    assert!(packets(&all) >= 5000);
}

#[test]
fn losing_the_controller_counts_as_often_as_its_timeout_has_it() {
    let task = json!({"name": "t", "program": "ping", "option": host()});
    for event in [
        r#""controller-lost": [null]"#,
        r#""controller-connected": [null]"#,
    ] {
        let tree = with_task(event, &task, r#""agent": {"controller-timeout": 90},"#);
        let read = admission::stored(&of(&tree, &[]).unwrap()[0]).unwrap();
        let Timing::Periodic(periodic) = read.timing else {
            panic!()
        };
        assert_eq!(periodic.interval_ms, 90_000);
    }
}

#[test]
fn whatever_an_action_s_options_name_is_a_target() {
    let option = |name: &str, value: &str| json!({"id": name, "name": name, "value": value});
    for (program, options, wanted) in [
        (
            "dnslookup",
            json!([
                option("host", "random.example"),
                option("dns_server", "192.0.2.9")
            ]),
            vec!["192.0.2.9", "random.example"],
        ),
        (
            "latencyload",
            json!([
                option("url", "https://d.example/"),
                option("upload_url", "https://u.example/")
            ]),
            vec!["d.example", "u.example"],
        ),
        (
            "reversednslookup",
            json!([option("ip", "192.0.2.9")]),
            vec!["192.0.2.9"],
        ),
        (
            "glimpse-report",
            json!([
                option("collector", "https://victim.example"),
                option("channel", "isp.example")
            ]),
            vec!["victim.example"],
        ),
        // Whatever another agent's programs call it, if they call it anything.
        (
            "mtr",
            json!([option("target", "www.example")]),
            vec!["www.example"],
        ),
        (
            "ping",
            json!([{"id": "1", "value": "203.0.113.7"}]),
            vec!["203.0.113.7"],
        ),
        (
            "fping",
            json!([{"id": "1", "value": "-c3"}, {"id": "2", "value": "a.example b.example:80"}]),
            vec!["a.example", "b.example"],
        ),
    ] {
        assert_eq!(
            targets(&lmap(NOW, program, &options), &[]),
            wanted,
            "{program}"
        );
    }
    // By what it measures, as edits from here have it (programs are the household's).
    let uri = glimpse_lmap::function::of_method("dnslookup").remove(0);
    let by_function = json!({"name": "t", "function": [{"uri": uri}],
        "option": [option("host", "x.example"), option("dns_server", "victim"), option("tls_name", "no.example")]});
    assert_eq!(
        targets(&with_task(NOW, &by_function, ""), &[]),
        ["victim", "x.example"]
    );
}

#[test]
fn reports_to_the_controller_itself_are_no_load() {
    let options = json!([
        {"id": "1", "name": "collector", "value": "https://Controller.example:8440/restconf"},
        {"id": "2", "name": "collector", "value": "https://other.example/restconf"}]);
    let own = [Target::of("controller.example")];
    assert_eq!(
        targets(&lmap(NOW, "glimpse-report", &options), &own),
        ["other.example"]
    );
    let function = json!({"name": "t", "function": [{"uri": REPORT_FUNCTION}],
        "option": [{"id": "1", "name": "collector", "value": "https://controller.example"}]});
    assert!(of(&with_task(NOW, &function, ""), &own).unwrap().is_empty());
    // To measure it is another matter.
    let ping = json!([{"id": "1", "name": "host", "value": "controller.example"}]);
    assert_eq!(
        targets(&lmap(NOW, "ping", &ping), &own),
        ["controller.example"]
    );
}

#[test]
fn typed_parameters_are_seen() {
    let typed = tree(
        r#"{"ietf-lmap-control:lmap": {
        "tasks": {"task": [{"name": "t", "program": "ping"}]},
        "events": {"event": [{"name": "e", "immediate": [null]}]},
        "schedules": {"schedule": [{"name": "s", "start": "e", "action": [{"name": "a", "task": "t",
            "parameters": {"glimpse-agent:ping": {"host": "typed.example"}}}]}]}}}"#,
    );
    assert_eq!(targets(&typed, &[]), ["typed.example"]);
}

#[test]
fn more_targets_than_can_be_judged_are_refused() {
    let many: Vec<String> = (0..=MOST_TARGETS)
        .map(|n| format!("h{n}.example"))
        .collect();
    let options = json!([{"id": "1", "value": many.join(" ")}]);
    let refused = of(&lmap(NOW, "fping", &options), &[]).unwrap_err();
    assert!(
        refused.message.contains("65 targets"),
        "{}",
        refused.message
    );
}
