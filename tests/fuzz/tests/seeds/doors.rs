//! The LMAP door: bodies, requests, reports and what an agent keeps.

use crate::Seed;
use glimpse_fuzz::pieces;

pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = TEXTS
        .iter()
        .map(|&(target, name, text)| (target, name, text.as_bytes().to_vec()))
        .collect();
    seeds.extend(EXAMPLES.iter().flat_map(|&(name, json, xml)| {
        [
            ("yang_json", name, json.as_bytes().to_vec()),
            ("yang_xml", name, xml.as_bytes().to_vec()),
        ]
    }));
    seeds.extend([
        ("lmap_report", "json", REPORT.0.as_bytes().to_vec()),
        ("lmap_report", "xml", REPORT.1.as_bytes().to_vec()),
    ]);
    seeds.extend(REQUESTS.iter().map(|&(name, requests)| {
        let requests = requests.iter().map(|request| request.as_bytes());
        ("restconf_request", name, pieces::joined(requests))
    }));
    seeds
}

macro_rules! example {
    ($name:literal) => {
        (
            include_str!(concat!("../../../../yang/examples/", $name, ".json")),
            include_str!(concat!("../../../../yang/examples/", $name, ".xml")),
        )
    };
}

const REPORT: (&str, &str) = example!("report");

const fn both(
    name: &'static str,
    (json, xml): (&'static str, &'static str),
) -> (&'static str, &'static str, &'static str) {
    (name, json, xml)
}

const EXAMPLES: &[(&str, &str, &str)] = &[
    both("apply", example!("apply")),
    both("fleet", example!("fleet")),
    both("instruction", example!("instruction")),
    both("parameters", example!("parameters")),
    both("report", REPORT),
    both("shown", example!("shown")),
    both("skipped", example!("skipped")),
    both("state", example!("state")),
];

const REQUESTS: &[(&str, &[&str])] = &[
    (
        "reads",
        &[
            "GET /.well-known/host-meta\nuser: olga\n\n",
            "GET /restconf\nuser: olga\nAccept: application/yang-data+xml\n\n",
            "GET /restconf/data/ietf-lmap-control:lmap?content=config&depth=3\nuser: olga\n\n",
            "GET /restconf/data/ietf-lmap-control:lmap/schedules/schedule=resolver/action=look%20up?fields=name;option(id;value)\nuser: carl\n\n",
            "HEAD /restconf/data?with-defaults=report-all-tagged\nuser: root\nIf-None-Match: \"0000000000000000-j\"\n\n",
            "OPTIONS /restconf/operations\nuser: root\n\n",
            "GET /restconf/streams/NETCONF/json?filter=/glimpse-agent:schedule-state\nuser: olga\n\n",
            "GET /restconf/data\n\n",
        ],
    ),
    (
        "edits",
        &[
            "PUT /restconf/data/ietf-lmap-control:lmap/events/event=now\nuser: olga\ncontent-type: application/yang-data+json\n\n{\"ietf-lmap-control:event\":[{\"name\":\"now\",\"immediate\":[null]}]}",
            "PATCH /restconf/data/ietf-lmap-control:lmap\nuser: carl\ncontent-type: application/yang-data+xml\nif-match: *\n\n<lmap xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-control\"><schedules><schedule><name>resolver</name><start>now</start></schedule></schedules></lmap>",
            "POST /restconf/data/ietf-lmap-control:lmap/schedules\nuser: olga\nhost: a.example\ncontent-type: application/yang-data+json\n\n{\"ietf-lmap-control:schedule\":[{\"name\":\"s\",\"start\":\"now\",\"duration\":5,\"action\":[{\"name\":\"a\",\"task\":\"report\"}]}]}",
            "PATCH /restconf/data/ietf-lmap-control:lmap/schedules/schedule=s\nuser: olga\ncontent-type: application/yang-data+json\n\n{\"ietf-lmap-control:schedule\":[{\"name\":\"s\",\"end\":\"now\"}]}",
            "DELETE /restconf/data/ietf-lmap-control:lmap/events/event=now\nuser: olga\n\n",
            "DELETE /restconf/data/ietf-lmap-control:lmap/schedules/schedule=s\nuser: olga\n\n",
            "POST /restconf/operations/glimpse-agent:trigger\nuser: olga\ncontent-type: application/yang-data+json\n\n{\"glimpse-agent:input\":{\"schedule\":\"resolver\"}}",
            "POST /restconf/data/ietf-lmap-control:lmap/tasks/task=report?insert=first\nuser: olga\ncontent-type: application/yang-data+json\n\n{\"ietf-lmap-control:option\":[{\"id\":\"0\",\"name\":\"heartbeat\"}]}",
        ],
    ),
    (
        "patches",
        &[
            "PATCH /restconf/data\nuser: olga\ncontent-type: application/yang-patch+json\n\n{\"ietf-yang-patch:yang-patch\":{\"patch-id\":\"p\",\"edit\":[{\"edit-id\":\"1\",\"operation\":\"create\",\"target\":\"/ietf-lmap-control:lmap/events/event=e\",\"value\":{\"ietf-lmap-control:event\":[{\"name\":\"e\",\"startup\":[null]}]}},{\"edit-id\":\"2\",\"operation\":\"move\",\"where\":\"first\",\"target\":\"/ietf-lmap-control:lmap/tasks/task=reach%20the%20resolver/option=probes\"},{\"edit-id\":\"3\",\"operation\":\"remove\",\"target\":\"/ietf-lmap-control:lmap/suppressions/suppression=maintenance\"}]}}",
            "PATCH /restconf/data\nuser: carl\ncontent-type: application/yang-patch+xml\n\n<yang-patch xmlns=\"urn:ietf:params:xml:ns:yang:ietf-yang-patch\"><patch-id>q</patch-id><edit><edit-id>1</edit-id><operation>delete</operation><target>/ietf-lmap-control:lmap/events/event=nothing</target></edit></yang-patch>",
        ],
    ),
];

const TEXTS: &[(&str, &str, &str)] = &[
    ("glob", "star", "measurement/*\nmeasurement/light"),
    ("glob", "brackets", "[!a-c]?\\*[]]*\ndx*]"),
    ("glob", "open", "*[ab\\\nx[ab\\"),
    (
        "host_meta",
        "usual",
        "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'><Link rel='author' href='/a'/><Link rel='restconf' href='/top/restconf/'/></XRD>",
    ),
    (
        "host_meta",
        "elsewhere",
        "<?xml version=\"1.0\"?><XRD><Link href=\"https://elsewhere/x?y\" rel=\"restconf\"/></XRD>",
    ),
    (
        "lmap_snapshot",
        "all",
        r#"{"version":1,"clean":true,"lost":false,"events":{"e":["00000000000000ff","2026-12-01T00:00:00Z","2026-12-01T01:00:00Z",true,["s"]]},"suppressions":{},"schedules":{},"json":{}}"#,
    ),
    ("lmap_snapshot", "other-version", r#"{"version":2}"#),
    (
        "lmap_output",
        "result",
        r#"{"lmap":1,"places":[["line",null],["report","send"]],"schedule":"line","action":"a","task":"t","options":[["1","host","192.0.2.1"],["2",null,null]],"parameters":["ping",[["host","192.0.2.1"]]],"tags":["x"],"event":"2026-12-01T00:00:00Z","cycle":"20261201.000000","status":-15,"conflicts":[["s","a","t"]],"functions":["urn:x"],"record":{"id":"019aa8c1-5d2c-7000-8000-0123456789ab","instruction_id":"i","task_id":"t","method":"ping","status":"ok","planned_time":"2026-11-21T22:48:32Z","start_time":"2026-11-21T22:48:32.396Z","end_time":"2026-11-21T22:48:32.999Z","duration":603,"error":"","probe_result":{"round_trip_ms":[14.1,14.3]},"bytes":{"sent":336,"received":336}}}"#,
    ),
    (
        "lmap_report",
        "sign-of-life",
        r#"{"ietf-lmap-report:input":{"date":"2026-12-01T00:00:00Z"}}"#,
    ),
    ("nacm_path", "everything", "/"),
    (
        "nacm_path",
        "whole",
        "/ietf-lmap-control:lmap/tasks/task[name='T']/program",
    ),
    (
        "nacm_path",
        "without-keys",
        "/ietf-lmap-control:lmap/schedules/schedule/action",
    ),
    (
        "nacm_path",
        "variable",
        "/ietf-netconf-acm:nacm/groups/group[name=\"g\"]/user-name[.=$USER]",
    ),
    (
        "restconf_path",
        "leaf",
        "/restconf/data/ietf-lmap-control:lmap/schedules/schedule=a%2Cb/action=look%20up/task",
    ),
    (
        "restconf_path",
        "keys",
        "/restconf/data/ietf-lmap-control:lmap/events/event=%22%27/",
    ),
    (
        "restconf_path",
        "twice",
        "/restconf/data/ietf-lmap-control:lmap/tasks/task=%252F/option=%C3%BC",
    ),
    (
        "restconf_path",
        "fleet",
        "/restconf/data/glimpse-fleet:fleet/agent=a-17/label=isp",
    ),
    (
        "restconf_path",
        "operation",
        "/restconf/operations/glimpse-agent:trigger",
    ),
    (
        "restconf_query",
        "data",
        "content=config&depth=3&fields=a;b(c;m:d/e)&with-defaults=trim",
    ),
    (
        "restconf_query",
        "edit",
        "insert=after&point=%2Fietf-lmap-control%3Almap%2Fschedules%2Fschedule%3Da",
    ),
    (
        "restconf_query",
        "stream",
        "filter=%2Fa%3Ab&start-time=2026-12-01T00:00:00Z&stop-time=2026-12-01T00:00:01.5%2B01:00",
    ),
    ("restconf_query", "twice", "depth=1&depth=65535&content"),
    (
        "stream_filter",
        "state",
        "/glimpse-agent:schedule-state[schedule='s' and not(state!='running')] or /glimpse-agent:skipped\n{\"ietf-restconf:notification\":{\"eventTime\":\"2026-12-01T00:00:00Z\",\"glimpse-agent:schedule-state\":{\"schedule\":\"s\",\"state\":\"running\"}}}",
    ),
    ("stream_filter", "deep", "((((/a:b/c[d/e=\"f\"]))))\n"),
    (
        "yang_json",
        "escapes",
        "{\"ietf-lmap-control:lmap\":{\"events\":{\"event\":[{\"name\":\"\\ud83d\\ude00\\u0000\",\"immediate\":[null]}]}}}",
    ),
    (
        "yang_json",
        "deep",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ),
    (
        "yang_json",
        "numbers",
        "{\"ietf-lmap-control:lmap\":{\"agent\":{\"controller-timeout\":1e2,\"report-agent-id\":true}}}",
    ),
    (
        "yang_json",
        "twice",
        "{\"ietf-lmap-control:lmap\":{\"agent\":{\"group-id\":\"a\",\"group-id\":\"b\"}}}",
    ),
    (
        "yang_xml",
        "entities",
        "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><lmap xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-control\">&a;</lmap>",
    ),
    (
        "yang_xml",
        "references",
        "<l:lmap xmlns:l='urn:ietf:params:xml:ns:yang:ietf-lmap-control'><l:agent><l:group-id>&#x41;&amp;<![CDATA[<]]></l:group-id></l:agent></l:lmap>",
    ),
    (
        "yang_pattern",
        "time",
        "\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?(Z|[\\+\\-]\\d{2}:\\d{2})\n2026-12-01T00:00:00.5Z",
    ),
    (
        "yang_pattern",
        "classes",
        "[\\p{L}-[aeiou]]*[^\\i]{2,3}\nbcd12",
    ),
    (
        "yang_pattern",
        "nested",
        "((a*)*)*b|(c{0,200}){0,90}\naaaaaaaaaaaaaaaaaaaaaaaa",
    ),
];
