#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    Anonymity, Column, Content, Cost, CostContext, CostMap, CostMetric, Edition, NetworkMap,
    PidName, Preference, Provenance, Publication, Shelf, Shelved, merge_patch,
};

type Cell = (&'static str, &'static str, u64);

/// Fixture C1, that of RFC 7285 §11.2.3.7.
const C1: [Cell; 8] = [
    ("PID1", "PID1", 1),
    ("PID1", "PID2", 5),
    ("PID1", "PID3", 10),
    ("PID2", "PID1", 5),
    ("PID2", "PID2", 1),
    ("PID2", "PID3", 15),
    ("PID3", "PID1", 20),
    ("PID3", "PID2", 15),
];
/// C1 with 1→2 changed to 9, 3→1 gone and 3→3 new.
const C2: [Cell; 8] = [
    ("PID1", "PID1", 1),
    ("PID1", "PID2", 9),
    ("PID1", "PID3", 10),
    ("PID2", "PID1", 5),
    ("PID2", "PID2", 1),
    ("PID2", "PID3", 15),
    ("PID3", "PID2", 15),
    ("PID3", "PID3", 1),
];
const F1: &str = "198.51.100.128/25";
const ROUTINGCOST: &str = "nm-routingcost";
const NOW_US: i64 = 1_767_312_000_000_000;

/// `end_us` stands in `meta` of the cost maps and nowhere else.
fn edition(pid2: &str, cells: &[Cell], end_us: i64) -> Edition {
    let pid = |name: &str| PidName::new(name).unwrap();
    let groups = BTreeMap::from([
        ("PID1", json!({"ipv4": ["192.0.2.0/24", "198.51.100.0/25"]})),
        ("PID2", json!({"ipv4": [pid2]})),
        ("PID3", json!({"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]})),
    ]);
    let groups: BTreeMap<String, BTreeMap<String, Vec<String>>> =
        serde_json::from_value(json!(groups)).unwrap();
    let costs = CostMap::new(
        cells
            .iter()
            .map(|(s, d, c)| (pid(s), pid(d), Cost::new(*c))),
    );
    let column = |name: &str, metric| Column {
        name: name.to_owned(),
        metric,
        preference: Preference::Lower,
        context: CostContext::new([]),
        description: "costs".to_owned(),
        costs: costs.clone(),
        calendars: Vec::new(),
        fetched: true,
        samples: 100,
        subscribers: 20,
    };
    Edition {
        id: ResourceId::new("nm").unwrap(),
        map: Arc::new(NetworkMap::parse(&groups).unwrap()),
        columns: vec![
            column("routingcost", CostMetric::routingcost()),
            column("delay-rt", CostMetric::delay_rt()),
        ],
        properties: BTreeMap::new(),
        provenance: Provenance {
            window_start_us: 0,
            window_end_us: end_us,
            aggregation: "per-subscriber-first".into(),
            method: "udp-icmp-echo".into(),
            samples: 100,
            subscribers: 20,
            newest_us: None,
            anonymity: Anonymity::K(10),
        },
    }
}

fn published(edition: Edition) -> Arc<Publication> {
    let shelf = Shelf::Current;
    let editions = vec![Shelved { edition, shelf }];
    let content = Content {
        editions,
        fetched_only: false,
    };
    Arc::new(Publication::new(content).unwrap())
}

fn c1() -> Turn {
    Turn::first(published(edition(F1, &C1, NOW_US)), 0)
}

fn after(turn: &Turn, publication: Arc<Publication>) -> Turn {
    turn.then(publication, turn.number() + 1)
}

fn open(request: &Value, turn: &Turn) -> Result<Stream, StreamRefusal> {
    let body = request.to_string();
    let limits = StreamLimits::default();
    Stream::open(body.as_bytes(), "updates/control/x", None, turn, &limits)
}

fn control(stream: &mut Stream, request: &Value, turn: &Turn) -> Result<Applied, StreamRefusal> {
    let limits = StreamLimits::default();
    stream.control(request.to_string().as_bytes(), turn, &limits)
}

fn fault<T: std::fmt::Debug>(result: Result<T, StreamRefusal>) -> Value {
    match result {
        Err(StreamRefusal::Fault(fault)) => {
            serde_json::from_slice::<Value>(&fault.to_bytes()).unwrap()["meta"].take()
        }
        other => panic!("{other:?}"),
    }
}

/// All events there are at the moment, and whether the stream goes on.
fn drain(stream: &mut Stream, turn: &Turn) -> (Vec<(String, Value)>, bool) {
    let mut events = Vec::new();
    loop {
        match stream.next(turn, &StreamLimits::default()) {
            Next::Event(event) => {
                events.push((event.name, serde_json::from_slice(&event.data).unwrap()));
            }
            Next::Idle => return (events, true),
            Next::End => return (events, false),
        }
        assert!(events.len() < 100);
    }
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

/// A client: keeps what the events say.
#[derive(Default)]
struct Client(BTreeMap<String, Value>);

impl Client {
    fn follow(&mut self, stream: &mut Stream, turn: &Turn) -> Vec<(String, Value)> {
        let (events, _) = drain(stream, turn);
        for (name, data) in &events {
            match name.split_once(',') {
                None => {}
                Some((media::MERGE_PATCH, id)) => {
                    merge_patch::apply(self.0.get_mut(id).unwrap(), data.clone());
                }
                Some((_, id)) => {
                    self.0.insert(id.to_owned(), data.clone());
                }
            }
        }
        events
    }

    fn has(&self, substream: &str, publication: &Publication, id: &str) {
        let id = ResourceId::new(id).unwrap();
        let document = publication.document(&id).unwrap();
        assert_eq!(
            serde_json::to_string(&self.0[substream])
                .unwrap()
                .as_bytes(),
            &*document.identity.bytes,
            "{substream} is {id}, byte for byte"
        );
    }
}

fn both() -> Value {
    json!({"add": {
        "costs": {"resource-id": ROUTINGCOST},
        "net": {"resource-id": "nm"},
    }})
}

const CONTROL: &str = media::UPDATE_STREAM_CONTROL;

#[test]
fn alto_check_55_without_a_tag_everything_comes_whole_and_the_network_map_first() {
    let publication = published(edition(F1, &C1, NOW_US));
    let turn = Turn::first(Arc::clone(&publication), 0);
    let mut stream = open(&both(), &turn).unwrap();
    let mut client = Client::default();
    let events = client.follow(&mut stream, &turn);
    assert_eq!(
        names(&events),
        [
            CONTROL,
            "application/alto-networkmap+json,net",
            "application/alto-costmap+json,costs"
        ]
    );
    assert_eq!(events[0].1, json!({"control-uri": "updates/control/x"}));
    client.has("net", &publication, "nm");
    client.has("costs", &publication, ROUTINGCOST);
    assert_eq!(drain(&mut stream, &turn), (vec![], true), "and only once");
}

#[test]
fn alto_check_56_what_the_client_has_is_not_sent_again() {
    let turn = c1();
    let mut first = open(&both(), &turn).unwrap();
    let mut client = Client::default();
    client.follow(&mut first, &turn);
    let tag = |id: &str| client.0[id]["meta"]["vtag"]["tag"].clone();
    let request = json!({"add": {
        "costs": {"resource-id": ROUTINGCOST, "tag": tag("costs")},
        "net": {"resource-id": "nm", "tag": tag("net")},
    }});
    // Another run of the program: the tags are those of the content.
    let again = published(edition(F1, &C1, NOW_US + 1_000_000));
    let turn = Turn::first(Arc::clone(&again), 0);
    let mut stream = open(&request, &turn).unwrap();
    let events = client.follow(&mut stream, &turn);
    assert_eq!(
        names(&events),
        [CONTROL, "application/merge-patch+json,costs"],
        "the data are known; the window they are of is not"
    );
    client.has("net", &again, "nm");
    client.has("costs", &again, ROUTINGCOST);
    let next = published(edition(F1, &C2, NOW_US + 2_000_000));
    let turn = after(&turn, Arc::clone(&next));
    let events = client.follow(&mut stream, &turn);
    assert_eq!(names(&events), ["application/merge-patch+json,costs"]);
    client.has("costs", &next, ROUTINGCOST);
}

#[test]
fn an_old_tag_gets_a_full_replacement() {
    let request = json!({"add": {"net": {"resource-id": "nm", "tag": "da65eca2eb7a10ce8b059740b0b2e3f8eb1d4785"}}});
    let turn = c1();
    let (events, _) = drain(&mut open(&request, &turn).unwrap(), &turn);
    assert_eq!(
        names(&events),
        [CONTROL, "application/alto-networkmap+json,net"]
    );
}

#[test]
fn alto_check_57_a_change_is_a_merge_patch_that_gives_the_new_map() {
    let turn = c1();
    let mut stream = open(&both(), &turn).unwrap();
    let mut client = Client::default();
    client.follow(&mut stream, &turn);
    let publication = published(edition(F1, &C2, NOW_US));
    let turn = after(&turn, Arc::clone(&publication));
    let events = client.follow(&mut stream, &turn);
    let id = ResourceId::new(ROUTINGCOST).unwrap();
    let tag = publication.document(&id).unwrap().tag.as_str();
    assert_eq!(
        events,
        [(
            "application/merge-patch+json,costs".to_owned(),
            json!({
                "cost-map": {"PID1": {"PID2": 9}, "PID3": {"PID1": null, "PID3": 1}},
                "meta": {"vtag": {"tag": tag}},
            })
        )]
    );
    client.has("costs", &publication, ROUTINGCOST);
    let same = after(&turn, published(edition(F1, &C2, NOW_US)));
    assert_eq!(
        drain(&mut stream, &same),
        (vec![], true),
        "no change, no event"
    );
}

#[test]
fn a_patch_is_computed_once_for_all_streams() {
    let turn = c1();
    let mut streams: Vec<_> = (0..3).map(|_| open(&both(), &turn).unwrap()).collect();
    for stream in &mut streams {
        drain(stream, &turn);
    }
    let turn = after(&turn, published(edition(F1, &C2, NOW_US)));
    turn.prepare_followed();
    let limits = StreamLimits::default();
    let data: Vec<_> = streams
        .iter_mut()
        .map(|stream| match stream.next(&turn, &limits) {
            Next::Event(event) => event.data,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(Arc::ptr_eq(&data[0], &data[1]) && Arc::ptr_eq(&data[0], &data[2]));
}

#[test]
fn alto_check_58_without_incremental_changes_there_are_full_replacements_only() {
    let request =
        json!({"add": {"costs": {"resource-id": ROUTINGCOST, "incremental-changes": false}}});
    let mut turn = c1();
    let mut stream = open(&request, &turn).unwrap();
    let mut client = Client::default();
    client.follow(&mut stream, &turn);
    // Costs, then what is said of them only, then the network map below them.
    for edition in [
        edition(F1, &C2, NOW_US),
        edition(F1, &C2, NOW_US + 1_000_000),
        edition("198.51.100.192/26", &C2, NOW_US + 1_000_000),
        edition("198.51.100.192/26", &C1, NOW_US),
    ] {
        let publication = published(edition);
        turn = after(&turn, Arc::clone(&publication));
        turn.prepare();
        let events = client.follow(&mut stream, &turn);
        assert_eq!(names(&events), ["application/alto-costmap+json,costs"]);
        client.has("costs", &publication, ROUTINGCOST);
    }
}

#[test]
fn ranks_are_replaced_whole() {
    const RANKS: &str = "nm-routingcost-ordinal";
    let request = json!({"add": {"ranks": {"resource-id": RANKS}}});
    let turn = c1();
    let mut stream = open(&request, &turn).unwrap();
    let mut client = Client::default();
    client.follow(&mut stream, &turn);
    let publication = published(edition(F1, &C2, NOW_US));
    let turn = after(&turn, Arc::clone(&publication));
    let events = client.follow(&mut stream, &turn);
    assert_eq!(names(&events), ["application/alto-costmap+json,ranks"]);
    client.has("ranks", &publication, RANKS);
}

#[test]
fn alto_check_59_the_network_map_comes_before_what_depends_on_it() {
    let turn = c1();
    let mut stream = open(&both(), &turn).unwrap();
    let mut client = Client::default();
    client.follow(&mut stream, &turn);
    // The costs stay as they are.
    let publication = published(edition("198.51.100.192/26", &C1, NOW_US));
    let turn = after(&turn, Arc::clone(&publication));
    let events = client.follow(&mut stream, &turn);
    assert_eq!(
        names(&events),
        [
            "application/merge-patch+json,net",
            "application/merge-patch+json,costs"
        ]
    );
    let tag = &events[0].1["meta"]["vtag"]["tag"];
    assert_eq!(
        events[0].1["network-map"],
        json!({"PID2": {"ipv4": ["198.51.100.192/26"]}})
    );
    assert_eq!(&events[1].1["meta"]["dependent-vtags"][0]["tag"], tag);
    client.has("net", &publication, "nm");
    client.has("costs", &publication, ROUTINGCOST);
}

#[test]
fn who_missed_a_version_gets_one_full_replacement() {
    let mut turn = c1();
    let mut stream = open(&both(), &turn).unwrap();
    drain(&mut stream, &turn);
    let mut publication = None;
    for cost in [7, 8, 9] {
        let cells = [("PID1", "PID1", 1), ("PID1", "PID2", cost)];
        let next = published(edition(F1, &cells, NOW_US));
        turn = after(&turn, Arc::clone(&next));
        publication = Some(next);
    }
    let mut client = Client::default();
    let events = client.follow(&mut stream, &turn);
    assert_eq!(names(&events), ["application/alto-costmap+json,costs"]);
    client.has("costs", &publication.unwrap(), ROUTINGCOST);
}

#[test]
fn alto_check_60_stream_control_does_what_its_table_says() {
    let turn = c1();
    let mut stream = open(&both(), &turn).unwrap();
    drain(&mut stream, &turn);
    let add = |id: &str| json!({"add": {id: {"resource-id": "nm-delay-rt"}}});

    assert_eq!(
        control(&mut stream, &add("delay"), &turn),
        Ok(Applied::Soon)
    );
    let (events, _) = drain(&mut stream, &turn);
    assert_eq!(
        names(&events),
        [CONTROL, "application/alto-costmap+json,delay"]
    );
    assert_eq!(events[0].1, json!({"started": ["delay"]}));

    assert_eq!(
        control(&mut stream, &json!({"remove": ["costs"]}), &turn),
        Ok(Applied::Soon)
    );
    assert_eq!(
        drain(&mut stream, &turn),
        (
            vec![(CONTROL.to_owned(), json!({"stopped": ["costs"]}))],
            true
        )
    );
    assert_eq!(
        control(&mut stream, &json!({"remove": ["costs"]}), &turn),
        Ok(Applied::Already),
        "a removed one may be removed again"
    );
    let turn = after(&turn, published(edition(F1, &C2, NOW_US)));
    let (events, _) = drain(&mut stream, &turn);
    assert_eq!(
        names(&events),
        ["application/merge-patch+json,delay"],
        "no word of what was removed"
    );

    for (request, field, value) in [
        (
            json!({"remove": ["delay", "stranger"]}),
            "remove",
            "stranger",
        ),
        (json!({"remove": [7]}), "remove", "7"),
        (
            json!({"add": {"new": {"resource-id": "nm"}}, "remove": ["new"]}),
            "remove",
            "new",
        ),
        (add("delay"), "add", "delay"),
        (add("costs"), "add", "costs"),
        (
            json!({"add": {"new": {"resource-id": "nm"}}, "remove": []}),
            "remove",
            "[]",
        ),
        (
            json!({"add": {"new": {"resource-id": "nope"}}, "remove": ["delay"]}),
            "add/new/resource-id",
            "nope",
        ),
    ] {
        assert_eq!(
            fault(control(&mut stream, &request, &turn)),
            json!({"code": "E_INVALID_FIELD_VALUE", "field": field, "value": value}),
            "{request}"
        );
    }
    assert_eq!(
        fault(control(&mut stream, &json!({}), &turn)),
        json!({"code": "E_MISSING_FIELD", "field": "add"})
    );
    assert_eq!(
        drain(&mut stream, &turn),
        (vec![], true),
        "an error changes nothing"
    );
}

#[test]
fn alto_check_60_everything_can_be_replaced_and_stopped() {
    let turn = c1();
    let mut stream = open(&both(), &turn).unwrap();
    drain(&mut stream, &turn);
    let swap = json!({"add": {"new": {"resource-id": ROUTINGCOST}}, "remove": ["net", "costs"]});
    assert_eq!(control(&mut stream, &swap, &turn), Ok(Applied::Soon));
    let (events, goes_on) = drain(&mut stream, &turn);
    assert_eq!(
        names(&events),
        [CONTROL, CONTROL, "application/alto-costmap+json,new"],
        "addition before removal: the stream is never empty"
    );
    assert_eq!(events[1].1, json!({"stopped": ["net", "costs"]}));
    assert!(goes_on);

    assert_eq!(
        control(&mut stream, &json!({"remove": []}), &turn),
        Ok(Applied::Soon)
    );
    let late = json!({"add": {"late": {"resource-id": "nm"}}});
    assert_eq!(
        control(&mut stream, &late, &turn),
        Err(StreamRefusal::Closed)
    );
    assert_eq!(
        drain(&mut stream, &turn),
        (
            vec![(CONTROL.to_owned(), json!({"stopped": ["new"]}))],
            false
        )
    );
}

#[test]
fn alto_check_60_removing_the_last_substream_closes_the_stream() {
    let turn = c1();
    let mut stream = open(&both(), &turn).unwrap();
    drain(&mut stream, &turn);
    let all = json!({"remove": ["net", "costs", "net"]});
    assert_eq!(control(&mut stream, &all, &turn), Ok(Applied::Soon));
    let (events, goes_on) = drain(&mut stream, &turn);
    assert_eq!(events[0].1, json!({"stopped": ["net", "costs"]}));
    assert!(!goes_on);
}

#[test]
fn alto_check_61_opening_errors_are_those_of_the_request_or_of_the_resource() {
    let turn = c1();
    let ask = |input: Value| json!({"add": {"s": {"resource-id": "nm-filter", "input": input}}});
    let code = |code: &str, field: &str| json!({"code": code, "field": field});
    let value = |field: &str, value: &str| json!({"code": "E_INVALID_FIELD_VALUE", "field": field, "value": value});
    for (request, meta) in [
        (json!({}), code("E_MISSING_FIELD", "add")),
        (json!({"add": {}}), code("E_MISSING_FIELD", "add")),
        (json!({"remove": []}), code("E_MISSING_FIELD", "add")),
        (json!({"add": []}), code("E_INVALID_FIELD_TYPE", "add")),
        (
            json!({"add": {"s": 1}}),
            code("E_INVALID_FIELD_TYPE", "add/s"),
        ),
        (
            json!({"add": {"s": {}}}),
            code("E_MISSING_FIELD", "add/s/resource-id"),
        ),
        (
            json!({"add": {"s": {"resource-id": 1}}}),
            code("E_INVALID_FIELD_TYPE", "add/s/resource-id"),
        ),
        (
            json!({"add": {"s": {"resource-id": "nm", "tag": 1}}}),
            code("E_INVALID_FIELD_TYPE", "add/s/tag"),
        ),
        (
            json!({"add": {"s": {"resource-id": "nm", "incremental-changes": "no"}}}),
            code("E_INVALID_FIELD_TYPE", "add/s/incremental-changes"),
        ),
        (
            json!({"add": {"s": {"resource-id": "nm"}, "t": {"resource-id": "nope"}}}),
            value("add/t/resource-id", "nope"),
        ),
        (
            json!({"add": {"s": {"resource-id": "my-networkmap/#"}}}),
            value("add/s/resource-id", "my-networkmap/#"),
        ),
        (
            json!({"add": {"s": {"resource-id": "updates"}}}),
            value("add/s/resource-id", "updates"),
        ),
        (
            json!({"add": {"a.b": {"resource-id": "nm"}}}),
            value("add", "a.b"),
        ),
        (ask(json!({})), code("E_MISSING_FIELD", "pids")),
        (
            ask(json!({"pids": "PID1"})),
            code("E_INVALID_FIELD_TYPE", "pids"),
        ),
        (ask(json!({"pids": [7]})), value("pids", "7")),
        (
            json!({"add": {"s": {"resource-id": "nm-filter", "input": []}}}),
            code("E_INVALID_FIELD_TYPE", "add/s/input"),
        ),
    ] {
        assert_eq!(fault(open(&request, &turn)), meta, "{request}");
    }
    let without = json!({"add": {"s": {"resource-id": "nm-filter"}}});
    assert_eq!(
        fault(open(&without, &turn))["code"],
        "E_SYNTAX",
        "as a POST without a body"
    );
    let broken = Stream::open(b"{\"add\":", "x", None, &turn, &StreamLimits::default());
    assert_eq!(fault(broken)["code"], "E_SYNTAX");
}

#[test]
fn alto_check_65_unknown_members_are_ignored() {
    let turn = c1();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let body = format!(
        r#"{{"x":{deep},"add":{{"net":{{"y":{deep},"resource-id":"nm","input":{{"z":{deep}}}}}}},"remove":["nothing"]}}"#
    );
    let limits = StreamLimits::default();
    let mut stream = Stream::open(body.as_bytes(), "x", None, &turn, &limits).unwrap();
    assert_eq!(drain(&mut stream, &turn).0.len(), 2);
}

#[test]
fn answers_to_questions_are_followed_too() {
    let turn = c1();
    let request =
        json!({"add": {"part": {"resource-id": "nm-filter", "input": {"pids": ["PID2"]}}}});
    let mut stream = open(&request, &turn).unwrap();
    let mut client = Client::default();
    let events = client.follow(&mut stream, &turn);
    assert_eq!(
        names(&events),
        [CONTROL, "application/alto-networkmap+json,part"]
    );
    let turn = after(&turn, published(edition("198.51.100.192/26", &C1, NOW_US)));
    assert!(stream.asks(&turn));
    let events = client.follow(&mut stream, &turn);
    assert!(!stream.asks(&turn));
    assert_eq!(events.len(), 1);
    assert_eq!(
        client.0["part"]["network-map"],
        json!({"PID2": {"ipv4": ["198.51.100.192/26"]}})
    );
    assert_eq!(
        drain(
            &mut stream,
            &after(&turn, published(edition("198.51.100.192/26", &C1, NOW_US)))
        )
        .0,
        []
    );
}

#[test]
fn what_is_withdrawn_is_stopped() {
    let turn = c1();
    let request = json!({"add": {
        "delay": {"resource-id": "nm-delay-rt"}, "net": {"resource-id": "nm"},
    }});
    let mut stream = open(&request, &turn).unwrap();
    drain(&mut stream, &turn);
    let mut less = edition(F1, &C1, NOW_US);
    less.columns.truncate(1);
    let turn = after(&turn, published(less));
    let (events, goes_on) = drain(&mut stream, &turn);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].1["stopped"], json!(["delay"]));
    assert!(events[0].1["description"].is_string());
    assert!(goes_on);
}

#[test]
fn one_stream_is_bounded() {
    let turn = c1();
    let limits = StreamLimits {
        substreams: 2,
        ids: 3,
        answer_bytes: 100,
        ..StreamLimits::default()
    };
    let open =
        |request: Value| Stream::open(request.to_string().as_bytes(), "x", None, &turn, &limits);
    let add = |ids: &[&str]| {
        let added: BTreeMap<_, _> = ids
            .iter()
            .map(|id| (*id, json!({"resource-id": "nm"})))
            .collect();
        json!({ "add": added })
    };
    assert_eq!(
        open(add(&["a", "b", "c"])).err(),
        Some(StreamRefusal::Crowded)
    );
    let mut stream = open(add(&["a", "b"])).unwrap();
    let mut send = |request: Value| stream.control(request.to_string().as_bytes(), &turn, &limits);
    assert_eq!(send(add(&["c"])), Err(StreamRefusal::Crowded));
    assert_eq!(send(json!({"remove": ["a"]})), Ok(Applied::Soon));
    assert_eq!(send(add(&["c"])), Ok(Applied::Soon));
    assert_eq!(send(json!({"remove": ["c"]})), Ok(Applied::Soon));
    assert_eq!(
        send(add(&["d"])),
        Err(StreamRefusal::Crowded),
        "ids are never used again"
    );
    let long = json!({"add": {"s": {"resource-id": "nm-filter", "input": {"pids": []}}}});
    assert_eq!(open(long).err(), Some(StreamRefusal::TooMany));
}

proptest! {
    #[test]
    fn any_request_opens_a_stream_or_none(body in "[{}\\[\\]\",:a-d0-9]{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        static TURN: LazyLock<Turn> = LazyLock::new(c1);
        let limits = StreamLimits::default();
        let mut stream = open(&both(), &TURN).unwrap();
        for body in [body.as_bytes(), &bytes] {
            let _ = Stream::open(body, "x", None, &TURN, &limits);
            let _ = stream.control(body, &TURN, &limits);
        }
    }
}
