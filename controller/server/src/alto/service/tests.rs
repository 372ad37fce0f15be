#![allow(clippy::unwrap_used)]

mod patches;

use super::due::{due, is_late_check, next_us, windows};
use super::kept::{self, Kept};
use super::*;
use crate::alto::Places;
use crate::app::{Shared, alto_router};
use crate::document::compress;
use crate::fixture::{Answer, Fixture, batch, read, record, start};
use crate::pki::Pki;
use axum::body::Body;
use axum::http::Request;
use glimpse_model::id::{AgentId, InstructionId, ResultId};
use glimpse_model::time::SECOND;
use glimpse_store::{Audience, Labels, NewInstruction, Options};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeSet;
use tower::ServiceExt;

const DAY_S: i64 = 86_400;
/// Until results are no longer waited for.
const WAITED_S: i64 = 900;

/// Households that measure, and what is published of them.
struct World {
    fixture: Fixture,
    results: Cell<u64>,
}

impl World {
    async fn new(config: &str) -> Self {
        let fixture = Fixture::with(config, Options::default()).await;
        let instruction = NewInstruction {
            id: InstructionId::new("i-1").unwrap(),
            document: json!({"id": "i-1", "timing": {"immediate": {}}, "tasks": [
                {"id": "t-1", "method": "ping", "options": {"host": "192.0.2.1"}},
                {"id": "t-2", "method": "httpdownload", "options": {"url": "http://192.0.2.1/file"}},
                {"id": "t-3", "method": "btc_ma", "options": {"host": "198.51.100.7"}},
            ]})
            .to_string(),
            audience: Audience::default(),
            created: start(),
        };
        let store = &fixture.shared.store;
        let added = store.add_instructions(vec![instruction], Box::new(|_| Ok(())));
        added.await.unwrap();
        Self {
            fixture,
            results: Cell::new(0),
        }
    }

    /// Enrols `count` households; the names of agents begin with those of ISP and region.
    async fn households(&self, isp: &str, region: &str, count: usize) -> Vec<String> {
        let mut agents = Vec::new();
        for n in 0..count {
            let agent = format!("{isp}-{region}-{n}");
            self.fixture.enrol(&agent).await;
            let labels = Labels::from([
                ("isp".into(), isp.to_owned()),
                ("region".into(), region.to_owned()),
            ]);
            let labelled = vec![(AgentId::new(&agent).unwrap(), labels)];
            assert!(self.fixture.shared.store.label(labelled).await.unwrap());
            agents.push(agent);
        }
        agents
    }

    /// A result that started some seconds after the fixture's start.
    fn result(&self, at_s: i64, task: &str, method: &str, result: Value) -> Value {
        let number = self.results.get();
        self.results.set(number + 1);
        let mut id = [0; 10];
        id[2..].copy_from_slice(&number.to_be_bytes());
        let mut record = record(0);
        record["id"] = json!(ResultId::from_parts(start(), id).to_string());
        record["task_id"] = json!(task);
        record["method"] = json!(method);
        record["start_time"] = json!(start().plus_micros(at_s * SECOND).to_string());
        record["end_time"] = record["start_time"].clone();
        record["probe_result"] = result;
        record
    }

    async fn upload(&self, agent: &str, results: &[Value]) {
        let receipt = self.fixture.post(agent, batch(results)).await.json();
        assert_eq!(
            receipt["accepted"].as_array().unwrap().len(),
            results.len(),
            "{receipt}"
        );
    }

    fn pinged(&self, at_s: i64, rtts_ms: &[f64]) -> Value {
        let count = rtts_ms.len();
        let result = json!({"round_trip_ms": rtts_ms, "round_trip_sent": count,
            "round_trip_received": count, "round_trip_loss": 0, "destination_ip": "192.0.2.1"});
        self.result(at_s, "t-1", "ping", result)
    }

    async fn ping(&self, agent: &str, at_s: i64, rtts_ms: &[f64]) {
        self.upload(agent, &[self.pinged(at_s, rtts_ms)]).await;
    }

    fn downloaded(&self, at_s: i64, bits_per_second: f64) -> Value {
        let result = json!({"bandwidth_bps_avg": bits_per_second, "actual_num_threads": 1, "results_ok": true});
        self.result(at_s, "t-2", "httpdownload", result)
    }

    async fn download(&self, agent: &str, at_s: i64, bits_per_second: f64) {
        let result = self.downloaded(at_s, bits_per_second);
        self.upload(agent, &[result]).await;
    }

    /// Goes on until that many seconds after the fixture's start.
    fn go_on_until(&self, at_s: i64) {
        let left = start()
            .plus_micros(at_s * SECOND)
            .since(self.fixture.shared.now());
        self.fixture.advance(left / SECOND);
    }

    /// Goes on until the first day of the fixture is over, and publishes.
    async fn close_the_day(&self) {
        self.go_on_until(DAY_S + WAITED_S);
        self.fixture.shared.publish().await;
    }

    /// These households measure in each hour of a day, which is published once it is over.
    async fn day(&self, number: i64, households: &[&String]) {
        self.go_on_until(number * DAY_S - 1);
        let midnight_s = (number - 1) * DAY_S;
        for agent in households {
            let hours = (0..24).map(|hour| midnight_s + hour * 3_600 + 60);
            let delay = f64::from(u32::try_from(9 + number).unwrap());
            let mut results: Vec<Value> = hours.map(|at_s| self.pinged(at_s, &[delay])).collect();
            results.push(self.downloaded(midnight_s + 120, delay * 1e6));
            self.upload(agent, &results).await;
        }
        self.go_on_until(number * DAY_S + WAITED_S);
        self.fixture.shared.publish().await;
    }

    /// Another controller on the same database, or the same one after a restart.
    fn another(&self) -> Arc<Shared> {
        let first = Arc::clone(&self.fixture.shared);
        let config = first.config.clone();
        let pki = Pki::load(&config.pki).unwrap();
        let stopped = self.fixture.stop.subscribe();
        let store = Arc::clone(&first.store);
        let clock = Arc::new(move || first.now());
        Shared::new(store, config, pki, Places::default(), clock, stopped)
    }

    async fn published(&self, span: Span) -> Public {
        let shared = &self.fixture.shared;
        let all = published(shared.store.as_ref(), &shared.config.alto).await;
        let found = all.unwrap().into_iter().find(|(s, _)| *s == span);
        found.unwrap().1
    }

    async fn revision(&self) -> u64 {
        let shared = &self.fixture.shared;
        revision(shared.store.as_ref(), &shared.config.alto)
            .await
            .unwrap()
    }
}

async fn get(shared: &Arc<Shared>, path: &str) -> Answer {
    let request = Request::get(path).body(Body::empty()).unwrap();
    read(
        alto_router(Arc::clone(shared))
            .oneshot(request)
            .await
            .unwrap(),
    )
    .await
}

async fn cost_map(shared: &Arc<Shared>, name: &str) -> Value {
    let answer = get(shared, &format!("/costmap/{name}")).await;
    assert_eq!(answer.status, 200, "{name}");
    answer.json()["cost-map"].clone()
}

/// Paths and entity tags of everything that can be fetched.
fn tags(shared: &Shared) -> BTreeMap<String, String> {
    let shown = shared.publication.load_full().unwrap();
    let documents = shown.publication.documents();
    documents
        .map(|(path, document)| (path.to_owned(), document.identity.etag.clone()))
        .collect()
}

#[tokio::test]
async fn the_drafts_example_comes_out_of_stored_results() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let supplied =
        json!({"ISP1:GEO1": {"ipv4": ["172.20.0.0/16"]}, "ISP2:GEO2": {"ipv4": ["172.23.0.0/16"]}});
    std::fs::write(file.path(), supplied.to_string()).unwrap();
    let config = format!(
        "[alto]\nclusters = [[\"192.0.2.1\"]]\nprefixes = {:?}",
        file.path()
    );
    let world = World::new(&config).await;
    // Mbit/s in the draft, whose unit of time is a month; here it is the first day.
    for (isp, region, rate) in [
        ("ISP1", "GEO1", 13.2e6),
        ("ISP1", "GEO2", 10.2e6),
        ("ISP2", "GEO1", 11.4e6),
        ("ISP2", "GEO2", 12.3e6),
    ] {
        let agents = world.households(isp, region, 10).await;
        for (n, agent) in agents.iter().enumerate() {
            let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
            let off = [0.0, 80_000.0, 160_000.0, 240_000.0, 320_000.0][n / 2];
            world.download(agent, 60, rate + sign * off).await;
            world.ping(agent, 60, &[10.0, 20.0, 30.0]).await;
        }
    }
    world.close_the_day().await;

    let shared = &world.fixture.shared;
    let network = get(shared, "/networkmap/nm").await.json();
    let pids: Vec<&String> = network["network-map"].as_object().unwrap().keys().collect();
    assert_eq!(
        pids,
        [
            "ISP1",
            "ISP1:GEO1",
            "ISP1:GEO2",
            "ISP2",
            "ISP2:GEO1",
            "ISP2:GEO2",
            "MSMNT-CL1",
            "TOTAL"
        ]
    );
    assert_eq!(
        network["network-map"]["ISP1:GEO1"],
        json!({"ipv4": ["172.20.0.0/16"]})
    );
    assert_eq!(
        network["network-map"]["MSMNT-CL1"],
        json!({"ipv4": ["192.0.2.1/32"]})
    );
    assert_eq!(
        network["network-map"]["TOTAL"],
        json!({"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]})
    );

    // The draft's own direction, and that of RFC 9439 §4.5.1: the source is who sends.
    let rows = cost_map(shared, "nm/dl-mean").await;
    let columns = cost_map(shared, "nm/tput-mean").await;
    for (group, rate) in [
        ("ISP1:GEO1", 1_650_000),
        ("ISP1:GEO2", 1_275_000),
        ("ISP2:GEO1", 1_425_000),
        ("ISP2:GEO2", 1_537_500),
        ("TOTAL", 1_471_875),
    ] {
        assert_eq!(rows[group]["MSMNT-CL1"], rate, "{rows}");
        assert_eq!(columns["MSMNT-CL1"][group], rate, "{columns}");
        assert!(columns[group].get("MSMNT-CL1").is_none(), "no uploads");
    }
    assert_eq!(rows["TOTAL"]["TOTAL"], 1_471_875);
    assert!(columns["TOTAL"].get("TOTAL").is_none(), "up or down?");
    let delays = cost_map(shared, "nm/delay-rt").await;
    assert_eq!(delays["ISP2:GEO1"]["MSMNT-CL1"], 20_000);
    // Of the month that is over there were no results.
    let archive = get(shared, "/networkmap/nm-2026-05").await;
    assert_eq!(archive.status, 404, "the archive is a directory of its own");
    let archive = get(shared, "/archive/networkmap/nm-2026-05").await.json();
    assert_eq!(
        archive["network-map"].as_object().unwrap().len(),
        2,
        "TOTAL and the cluster: {archive}"
    );
}

/// Everything that can come out of the publisher, as text.
async fn all_that_is_said(world: &World) -> String {
    let shared = &world.fixture.shared;
    let shown = published(shared.store.as_ref(), &shared.config.alto)
        .await
        .unwrap();
    let editions = crate::alto::figures::editions(&shown, &Supplied::default()).unwrap();
    let publication = shared.publication.load_full().unwrap();
    let documents: String = publication
        .publication
        .documents()
        .map(|(_, document)| String::from_utf8(document.identity.bytes.to_vec()).unwrap())
        .collect();
    format!("{shown:?} {editions:?} {documents}")
}

#[tokio::test]
async fn alto_check_66_a_pid_below_k_is_in_no_map_property_calendar_or_count() {
    for (small, shown) in [(9, false), (10, true)] {
        let world = World::new("[alto.calendars]\ndelay-rt = [\"hour-of-day\"]").await;
        let large = world.households("as1", "x", 20).await;
        let few = world.households("as2", "y", small).await;
        let everybody: Vec<&String> = large.iter().chain(&few).collect();
        world.day(1, &everybody).await;
        let said = all_that_is_said(&world).await;
        assert!(
            said.contains("as1:x") && said.contains("HourOfDay"),
            "the check looks at something"
        );
        assert_eq!(said.contains("as2"), shown, "{small} households");
        let public = world.published(Span::Day).await;
        let counts: Vec<usize> = glimpse_aggregate::Metric::ALL
            .into_iter()
            .flat_map(|metric| public.cells(metric))
            .map(|(.., cell)| cell.subscribers())
            .collect();
        assert!(counts.iter().all(|n| *n >= 10 && n % 5 == 0), "{counts:?}");
    }
}

#[tokio::test]
async fn late_results_are_taken_in_when_enough_households_have_them() {
    let world = World::new("").await;
    let agents = world.households("as1", "x", 20).await;
    for agent in &agents {
        world.ping(agent, 60, &[10.0]).await;
    }
    world.close_the_day().await;
    let shared = &world.fixture.shared;
    let before = tags(shared);
    assert_eq!(
        cost_map(shared, "nm/delay-rt-mean").await["as1:x"]["TOTAL"],
        10_000
    );

    world.fixture.advance(600);
    for agent in &agents[..9] {
        world.ping(agent, 120, &[30.0]).await;
    }
    world.fixture.advance(600);
    shared.publish().await;
    assert_eq!(tags(shared), before, "nine changes show a household each");
    assert_eq!(world.revision().await, 1, "nothing new is not written");

    world.ping(&agents[9], 120, &[30.0]).await;
    world.fixture.advance(600);
    shared.publish().await;
    assert_ne!(tags(shared), before);
    // Ten means of 20 ms, ten of 10 ms.
    assert_eq!(
        cost_map(shared, "nm/delay-rt-mean").await["as1:x"]["TOTAL"],
        15_000
    );
    let day = world.published(Span::Day).await;
    assert_eq!(day.version(), 2);
}

#[tokio::test]
async fn late_results_are_looked_for_a_few_times_a_day_and_until_the_window_is_sealed() {
    let world = World::new("[alto]\nlate_days = 1").await;
    let agents = world.households("as1", "x", 20).await;
    for agent in &agents {
        world.ping(agent, 60, &[10.0]).await;
    }
    world.close_the_day().await;
    let shared = &world.fixture.shared;
    for agent in &agents {
        world.ping(agent, 120, &[30.0]).await;
    }
    let mean = || cost_map(shared, "nm/delay-rt-mean");
    world.fixture.advance(3_600);
    shared.renew_publication().await;
    assert_eq!(mean().await["as1:x"]["TOTAL"], 10_000, "an hour later");
    world.fixture.advance(5 * 3_600);
    shared.renew_publication().await;
    assert_eq!(mean().await["as1:x"]["TOTAL"], 20_000, "six hours later");

    // A month takes them in as long as its end is a day ago at most.
    assert_eq!(world.published(Span::Month).await.version(), 1);
    let shared = &world.fixture.shared;
    let ledger = shared.store.alto_ledger(LEDGER).await.unwrap().unwrap().1;
    let kept = Kept::read(&ledger, &shared.config.alto).unwrap();
    let may = Span::Month.closed_at(start().as_micros());
    assert_eq!(
        kept.ledger.versions(&may),
        0,
        "sealed, so nothing of it is remembered"
    );
    let due = due(
        &shared.config.alto,
        &kept.ledger,
        shared.now().as_micros(),
        true,
    );
    let tasks = collect::tasks(&shared.config.alto, &kept, &due, shared.now().as_micros());
    assert_eq!(tasks.len(), 3, "hour, day and seven days");
}

#[tokio::test]
async fn a_restart_shows_what_was_published_before_without_computing() {
    let world = World::new("").await;
    let agents = world.households("as1", "x", 12).await;
    for agent in &agents {
        world.ping(agent, 60, &[10.0]).await;
    }
    world.close_the_day().await;
    let before = tags(&world.fixture.shared);
    let known = get(&world.fixture.shared, "/costmap/nm/delay-rt")
        .await
        .body;
    // What would change the figures if anything were computed.
    for agent in &agents {
        world.ping(agent, 120, &[90.0]).await;
    }
    world.fixture.advance(120);
    let restarted = world.another();
    for _ in 0..2 {
        restarted.renew_publication().await;
        assert_eq!(tags(&restarted), before);
    }
    assert_eq!(get(&restarted, "/costmap/nm/delay-rt").await.body, known);
    assert_eq!(world.revision().await, 1);
}

#[tokio::test]
async fn two_controllers_on_one_database_show_the_same() {
    let world = World::new("").await;
    for agent in &world.households("as1", "x", 12).await {
        world.ping(agent, 60, &[10.0]).await;
    }
    world.fixture.advance(DAY_S + WAITED_S);
    let (one, two) = (&world.fixture.shared, world.another());
    // Both find nothing published, compute, and write: one of them is second.
    tokio::join!(one.publish(), two.publish());
    assert_eq!(world.revision().await, 1);
    assert_eq!(tags(one), tags(&two));
    assert_eq!(
        one.metrics.publication_failures.value() + two.metrics.publication_failures.value(),
        0
    );

    // An hour on, one of them computes and the other takes it.
    world.fixture.advance(3_600);
    one.renew_publication().await;
    assert_eq!(world.revision().await, 2);
    two.renew_publication().await;
    assert_eq!(world.revision().await, 2);
    assert_eq!(tags(one), tags(&two));
}

#[tokio::test]
async fn whoever_is_overtaken_takes_what_the_other_has_published() {
    let world = World::new("").await;
    world.fixture.advance(DAY_S);
    let shared = &world.fixture.shared;
    let alto = &shared.config.alto;
    // Another program's ledger of the same revision comes in between.
    let kept = Kept::new(alto).unwrap().pack().unwrap();
    let written = shared
        .store
        .alto_publish(LEDGER.into(), 0, kept.clone(), Vec::new());
    assert!(written.await.unwrap());
    let second = shared
        .store
        .alto_publish(LEDGER.into(), 0, kept, Vec::new());
    assert!(!second.await.unwrap(), "only the first");
    shared.publish().await;
    assert_eq!(world.revision().await, 2);
    assert!(shared.publication.load_full().is_some());
}

#[tokio::test]
async fn a_forgotten_household_is_named_nowhere_and_counts_no_more() {
    let world = World::new("").await;
    let agents = world.households("as1", "x", 30).await;
    for agent in &agents {
        world.ping(agent, 60, &[10.0]).await;
    }
    world.close_the_day().await;
    for agent in &agents {
        world.ping(agent, DAY_S + 60, &[10.0]).await;
    }
    let of_everybody = world.published(Span::Day).await;
    let everybody = of_everybody.subscribers(glimpse_aggregate::Metric::DelayRt);
    assert_eq!(everybody, 30);

    let shared = &world.fixture.shared;
    let gone = AgentId::new(&agents[7]).unwrap();
    assert!(
        shared
            .store
            .forget(gone, "a wish".into(), shared.now())
            .await
            .unwrap()
    );
    world.fixture.advance(DAY_S);
    shared.publish().await;
    let left = world.published(Span::Day).await;
    let left = left.subscribers(glimpse_aggregate::Metric::DelayRt);
    assert!(
        (10..30).contains(&left),
        "{left}: the cohort of who has left is silent, others are not"
    );

    let (_, ledger) = shared.store.alto_ledger(LEDGER).await.unwrap().unwrap();
    let kept = Kept::read(&ledger, &shared.config.alto).unwrap();
    let text = serde_json::to_string(&kept).unwrap();
    for agent in &agents {
        assert!(!text.contains(agent.as_str()), "{agent} is in the ledger");
    }
    let name = kept::Names::of(&kept).name(&agents[7]).to_owned();
    assert!(text.contains(&name), "under another name it is");
    let other = Kept::new(&shared.config.alto).unwrap();
    assert_ne!(
        kept::Names::of(&other).name(&agents[7]),
        name,
        "by the ledger's own salt"
    );
}

#[tokio::test]
async fn the_laboratory_has_a_ledger_of_its_own_and_shows_open_windows() {
    let world = World::new("[alto]\nlab = true").await;
    let agents = world.households("as1", "x", 2).await;
    for (agent, ms) in agents.iter().zip([10.0, 30.0]) {
        world.ping(agent, 0, &[ms]).await;
    }
    let shared = &world.fixture.shared;
    shared.publish().await;
    for map in ["nm", "nm-seg"] {
        assert_eq!(
            cost_map(shared, &format!("{map}/delay-rt")).await["as1:x"]["MSMNT-CL1"],
            20_000
        );
    }
    assert!(shared.store.alto_ledger(LEDGER).await.unwrap().is_none());
    let hour = world.published(Span::Hour).await;
    assert!(hour.window().end_us() > shared.now().as_micros());
    // The next result is seen at once, and nothing new is not written.
    world.ping(&agents[0], 1, &[50.0]).await;
    world.fixture.advance(1);
    shared.publish().await;
    assert_eq!(
        cost_map(shared, "nm/delay-rt").await["as1:x"]["MSMNT-CL1"],
        30_000
    );
    let revision = world.revision().await;
    shared.publish().await;
    assert_eq!(world.revision().await, revision);
}

#[tokio::test]
async fn results_that_do_not_speak_for_the_line_are_not_counted() {
    let world = World::new("[alto]\nlab = true").await;
    let agents = world.households("as1", "x", 2).await;
    world.ping(&agents[0], 0, &[10.0]).await;
    // More than ten minutes ahead of our clock.
    world.ping(&agents[1], 3_000, &[900.0]).await;
    let shared = &world.fixture.shared;
    shared.publish().await;
    assert_eq!(
        cost_map(shared, "nm/delay-rt").await["as1:x"]["MSMNT-CL1"],
        10_000
    );
    let public = world.published(Span::Hour).await;
    let reason = glimpse_aggregate::Reason::SkewedClock;
    assert_eq!(
        public.filtered().results(reason),
        Some(1),
        "one result, whatever it has measured"
    );
}

#[tokio::test]
async fn the_address_of_another_agent_is_a_households_and_is_not_published() {
    for (clusters, is_listed) in [("[]", false), ("[[\"198.51.100.7\"]]", true)] {
        let world = World::new(&format!("[alto]\nlab = true\nclusters = {clusters}")).await;
        let agents = world.households("as1", "x", 1).await;
        let result = json!({"up": {"bandwidth_bps_avg": 8e6}});
        let result = world.result(0, "t-3", "btc_ma", result);
        world.upload(&agents[0], &[result]).await;
        let shared = &world.fixture.shared;
        shared.publish().await;
        let rates = cost_map(shared, "nm/tput").await;
        assert_eq!(rates["as1:x"]["TOTAL"], 1_000_000, "{rates}");
        assert_eq!(rates["as1:x"].get("MSMNT-CL1").is_some(), is_listed);
        let said = all_that_is_said(&world).await;
        assert_eq!(said.contains("198.51.100.7"), is_listed);
    }
}

fn alto(text: &str) -> Alto {
    let path = std::path::Path::new("controller.toml");
    crate::config::Config::parse(text, path).unwrap().alto
}

#[test]
fn windows_are_due_once_they_have_closed_and_results_have_been_waited_for() {
    const HOUR_US: i64 = 3_600 * SECOND;
    let config = alto("[alto]\nwait_s = 900");
    let midnight = start().as_micros();
    let newest = |now_us| windows(&config, now_us)[3].1.end_us();
    assert_eq!(windows(&config, midnight).len(), 4);
    assert_eq!(
        windows(&config, midnight)[0].0,
        Span::Month,
        "the longest first"
    );
    assert_eq!(newest(midnight + 899 * SECOND), midnight - HOUR_US);
    assert_eq!(newest(midnight + 900 * SECOND), midnight);
    assert_eq!(next_us(&config, midnight), midnight + 900 * SECOND);
    assert_eq!(
        next_us(&config, midnight + 900 * SECOND),
        midnight + HOUR_US + 900 * SECOND
    );
    let at = |hours: i64| midnight + hours * HOUR_US + 900 * SECOND;
    assert!(!is_late_check(&config, at(5), at(0)));
    assert!(is_late_check(&config, at(6), at(0)));
    assert!(is_late_check(&config, at(0), i64::MIN));

    let config = alto("[alto]\nspans = [\"7-days\"]");
    assert_eq!(windows(&config, midnight).len(), 1);
    assert_eq!(
        next_us(&config, at(0)),
        at(6),
        "late results are looked for between"
    );
    let config = alto("[alto]\nlab = true\ninterval_s = 2");
    let open: Vec<_> = windows(&config, midnight)
        .into_iter()
        .filter(|(_, w)| w.contains(midnight))
        .collect();
    assert_eq!(open.len(), 4);
    let week = open
        .iter()
        .find(|(span, _)| *span == Span::SevenDays)
        .unwrap();
    assert!(week.1.contains(midnight - 1), "a night does not empty it");
    assert_eq!(next_us(&config, midnight), midnight + 2 * SECOND);
}

#[test]
fn the_archive_has_as_many_months_as_are_configured() {
    let config = alto("[alto]\narchive_months = 2");
    // May and April of 2026 stay.
    let until = archive_start_us(&config, start().as_micros());
    assert_eq!(
        Timestamp::from_micros(until).to_string(),
        "2026-04-01T00:00:00Z"
    );
}

#[test]
fn documents_of_another_program_are_refused() {
    let config = alto("");
    let kept = Kept::new(&config).unwrap();
    assert_eq!(Kept::read(&kept.pack().unwrap(), &config).unwrap(), kept);
    let mut later = serde_json::to_value(&kept).unwrap();
    later["schema"] = json!(3);
    let error = Kept::read(&compress(later.to_string().as_bytes()), &config).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the ledger in the database cannot be read: schema must be 2, is 3"
    );
    for bytes in [&b"{}"[..], &compress(b"{}")] {
        let error = Kept::read(bytes, &config).unwrap_err();
        assert!(matches!(error, AltoError::Kept { .. }), "{error}");
    }
    let foreign = AltoPublic {
        span: "decade".into(),
        start_us: 0,
        end_us: 1,
        version: 1,
        document: Vec::new(),
    };
    assert!(kept::read(&foreign).unwrap().is_none(), "left alone");
    let older = AltoPublic {
        span: "hour".into(),
        document: compress(br#"{"schema":1,"public":{}}"#),
        ..foreign
    };
    assert_eq!(
        kept::read(&older).unwrap_err().to_string(),
        "a publication in the database cannot be read: the layout is not number 3, the one this program writes"
    );
}

#[test]
fn the_laboratorys_ledger_begins_anew_with_other_clusters() {
    let config = alto("[alto]\nlab = true");
    let mut kept = Kept::new(&config).unwrap();
    kept.ledger.seal(5);
    let other = alto("[alto]\nlab = true\nclusters = [[\"192.0.2.1\"]]");
    let bytes = kept.pack().unwrap();
    assert_eq!(Kept::read(&bytes, &config).unwrap().ledger, kept.ledger);
    assert_ne!(Kept::read(&bytes, &other).unwrap().ledger, kept.ledger);
    let serious = alto("[alto]\nclusters = [[\"192.0.2.1\"]]");
    assert_eq!(Kept::read(&bytes, &serious).unwrap().ledger, kept.ledger);
}
