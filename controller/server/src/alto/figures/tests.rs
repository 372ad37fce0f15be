#![allow(clippy::unwrap_used)]

use super::*;
use glimpse_aggregate::{
    Calendar, Clusters, Facts, K, Labels, Ledger, Percentile, Row, Rules, Statistic, Trust, Window,
};
use glimpse_alto::{CalendarKind, Column, Cost, Preference};
use serde_json::{Value, json};
use std::path::Path;

const DAY_US: i64 = 86_400_000_000;
const HOUR_US: i64 = 3_600_000_000;
/// 2026-06-01, a Monday.
const JUNE_US: i64 = 1_780_272_000_000_000;

fn labels(place: &str) -> Labels<'_> {
    let mut parts = place.split(':');
    Labels {
        isp: parts.next(),
        region: parts.next(),
        technology: parts.next(),
        contract: parts.next(),
    }
}

/// One result: household, place, metric, target, values.
type Result<'a> = (&'a str, &'a str, Metric, &'a str, &'a [u64]);

/// Released in the laboratory; each result was measured in every hour of the window.
fn public(window: Window, clusters: &Clusters, results: &[Result<'_>]) -> Public {
    let mut ledger = Ledger::default();
    let mut state = ledger
        .observe(window, i64::MAX, clusters, Trust::default())
        .unwrap();
    let hours = (window.end_us() - window.start_us()) / HOUR_US;
    for (subscriber, place, metric, target, values) in results {
        for hour in 0..hours {
            let start_us = window.start_us() + hour * HOUR_US;
            state.add(&Row {
                subscriber,
                labels: labels(place),
                metric: *metric,
                target,
                values,
                start_us,
                received_us: start_us,
                facts: Facts::default(),
            });
        }
    }
    let p95 = Statistic::Percentile(Percentile::new(95).unwrap());
    let wanted = vec![Statistic::Median, p95, Statistic::Stddev];
    let calendars = vec![Calendar::HourOfDay, Calendar::DayOfWindow];
    let rules = Rules {
        k: K::lab(),
        statistics: Metric::ALL.map(|m| (m, wanted.clone())).into(),
        calendars: BTreeMap::from([(Metric::DelayRt, calendars)]),
    };
    ledger.release(state, &rules).unwrap()
}

fn week() -> Window {
    Span::SevenDays.closed_at(JUNE_US)
}

fn supplied(document: &Value) -> Supplied {
    let text = document.to_string();
    let prefixes = Prefixes::parse(text.as_bytes(), Path::new("prefixes.json"));
    prefixes.unwrap().into()
}

fn made(shown: &[(Span, Public)], supplied: &Supplied) -> BTreeMap<String, (Edition, Shelf)> {
    editions(shown, supplied)
        .unwrap()
        .into_iter()
        .map(|Shelved { edition, shelf }| (edition.id.to_string(), (edition, shelf)))
        .collect()
}

fn column<'a>(edition: &'a Edition, name: &str) -> &'a Column {
    let names: Vec<&str> = edition.columns.iter().map(|c| &*c.name).collect();
    edition
        .columns
        .iter()
        .find(|c| c.name == name)
        .unwrap_or_else(|| panic!("{name} is not among {names:?}"))
}

fn costs(edition: &Edition, name: &str) -> Value {
    serde_json::to_value(&column(edition, name).costs).unwrap()
}

fn prefixes(edition: &Edition, pid: &str) -> Value {
    serde_json::to_value(&*edition.map).unwrap()[pid].clone()
}

#[test]
fn each_metric_has_its_name_unit_and_direction() {
    let place = "as1:x";
    let results: Vec<Result<'_>> = [
        (Metric::DelayRt, &[20_000][..]),
        (Metric::DelayRtTcp, &[21_000]),
        (Metric::DelayVariation, &[300]),
        (Metric::LossRt, &[12_500]),
        (Metric::PdvRt, &[400]),
        (Metric::HopCount, &[4, 5, 6, 7]),
        (Metric::TputDown, &[1_650_000]),
        (Metric::TputUp, &[500_000]),
        (Metric::TputMtDown, &[1_700_000]),
        (Metric::TputMtUp, &[510_000]),
        (Metric::PacketPair, &[9_000_000]),
        (Metric::DnsRt, &[8_000]),
    ]
    .into_iter()
    .map(|(metric, values)| ("a", place, metric, "192.0.2.1", values))
    .collect();
    let public = public(week(), &Clusters::PerTarget, &results);
    let editions = made(&[(Span::SevenDays, public)], &Supplied::default());
    let (nm, shelf) = &editions["nm"];
    assert_eq!(*shelf, Shelf::Current);
    let up = |name: &str| costs(nm, name)["as1:x"]["MSMNT-CL1"].clone();
    for (name, cost) in [
        ("delay-rt", json!(20_000)),
        ("routingcost", json!(200)),
        ("delay-rt-tcp", json!(21_000)),
        ("delay-variation", json!(300)),
        ("loss-rt", json!(1.25)),
        ("pdv-rt", json!(400)),
        ("hopcount", json!(5)),
        ("tput", json!(500_000)),
        ("dl", json!(1_650_000)),
        ("tput-mt", json!(510_000)),
        ("dl-mt", json!(1_700_000)),
        ("ppt", json!(9_000_000)),
        ("dns-rt", json!(8_000)),
        ("n", json!(168)),
        ("subs", json!(1)),
    ] {
        assert_eq!(up(name), cost, "{name}");
    }
    // RFC 9439: the source of a download is the cluster.
    assert_eq!(
        costs(nm, "tput")["MSMNT-CL1"],
        json!({"TOTAL": 1_650_000, "as1": 1_650_000, "as1:x": 1_650_000})
    );
    assert_eq!(costs(nm, "tput-mt")["MSMNT-CL1"]["as1:x"], 1_700_000);
    assert_eq!(costs(nm, "delay-rt").get("MSMNT-CL1"), None);
    assert_eq!(costs(nm, "dl")["TOTAL"]["TOTAL"], 1_650_000);
    assert_eq!(costs(nm, "tput")["TOTAL"].get("TOTAL"), None, "up or down?");
}

#[test]
fn statistics_are_operators_and_the_default_has_none() {
    let public = public(
        week(),
        &Clusters::PerTarget,
        &[
            ("a", "as1:x", Metric::TputDown, "192.0.2.1", &[100]),
            ("b", "as1:x", Metric::TputDown, "192.0.2.1", &[300]),
            ("b", "as1:x", Metric::HopCount, "192.0.2.1", &[3]),
        ],
    );
    let editions = made(&[(Span::SevenDays, public)], &Supplied::default());
    let nm = &editions["nm"].0;
    let named: Vec<(&str, &str)> = nm
        .columns
        .iter()
        .map(|c| (&*c.name, c.metric.as_str()))
        .collect();
    assert_eq!(
        named,
        [
            ("routingcost", "routingcost"),
            ("delay-rt", "delay-rt"),
            ("hopcount", "hopcount"),
            ("hopcount-p95", "hopcount:p95"),
            ("tput", "tput"),
            ("tput-stddev", "tput:stddev"),
            ("tput-p95", "tput:p95"),
            ("dl", "priv:glimpse-dl"),
            ("dl-stddev", "priv:glimpse-dl:stddev"),
            ("dl-p95", "priv:glimpse-dl:p95"),
        ],
        "the mandatory ones without figures too, others with figures only"
    );
    assert_eq!(column(nm, "dl").preference, Preference::Higher);
    assert_eq!(column(nm, "dl-stddev").preference, Preference::Lower);
    assert_eq!(costs(nm, "dl-stddev")["as1:x"]["MSMNT-CL1"], 100);
    assert_eq!(
        (column(nm, "dl").subscribers, column(nm, "dl").samples),
        (2, 336)
    );
    assert_eq!((nm.provenance.subscribers, nm.provenance.samples), (2, 504));
}

#[test]
fn only_what_stays_the_same_is_in_the_context() {
    let context = |window: Window, results: &[Result<'_>]| {
        let public = public(window, &Clusters::PerTarget, results);
        let editions = made(&[(Span::SevenDays, public)], &Supplied::default());
        let column = column(&editions["nm"].0, "delay-rt").clone();
        (
            serde_json::to_value(&column.context).unwrap(),
            column.description,
        )
    };
    let first = context(
        week(),
        &[("a", "as1:x", Metric::DelayRt, "192.0.2.1", &[20_000])],
    );
    let second = context(Span::SevenDays.closed_at(JUNE_US + 9 * DAY_US), &[]);
    assert_eq!(first, second);
    assert_eq!(
        first.0,
        json!({"cost-source": "estimation", "parameters": {"aggregation": "per-subscriber-first",
            "endpoint-fallback": "TOTAL", "method": "udp-icmp-echo", "window": {"seconds": 604_800}}})
    );
}

#[test]
fn segments_have_a_map_of_their_own_and_months_one_of_all() {
    let results: &[Result<'_>] = &[(
        "a",
        "as1:x:vdsl:t50",
        Metric::DelayRt,
        "192.0.2.1",
        &[20_000],
    )];
    let shown: Vec<(Span, Public)> = Span::ALL
        .map(|span| {
            (
                span,
                public(span.closed_at(JUNE_US), &Clusters::PerTarget, results),
            )
        })
        .into();
    let document = json!({"as1:x": {"ipv4": ["198.51.100.0/24"]}});
    let editions = made(&shown, &supplied(&document));
    let found: Vec<(&str, Shelf)> = editions.iter().map(|(id, (_, s))| (&**id, *s)).collect();
    assert_eq!(
        found,
        [
            ("nm", Shelf::Current),
            ("nm-2026-05", Shelf::Archive),
            ("nm-day", Shelf::Recent),
            ("nm-hour", Shelf::Recent),
            ("nm-seg", Shelf::Current),
        ]
    );
    for (id, segments, has_prefixes) in [
        ("nm", false, true),
        ("nm-seg", true, true),
        ("nm-hour", false, true),
        ("nm-day", false, true),
        ("nm-2026-05", true, false),
    ] {
        let edition = &editions[id].0;
        let rows = costs(edition, "delay-rt");
        assert_eq!(rows.get("as1:x:vdsl:t50").is_some(), segments, "{id}");
        assert_eq!(rows["as1:x"]["MSMNT-CL1"], 20_000, "{id}");
        assert_eq!(
            prefixes(edition, "as1:x") != json!({}),
            has_prefixes,
            "{id}"
        );
    }
    assert_eq!(prefixes(&editions["nm-seg"].0, "as1:x:vdsl"), json!({}));
    let properties = &editions["nm-seg"].0.properties;
    let own = &properties[&PidName::new("as1:x:vdsl:t50").unwrap()];
    let expected = [
        ("isp", "as1"),
        ("region", "x"),
        ("samples", "168"),
        ("subs", "1"),
        ("tech", "vdsl"),
        ("tier", "t50"),
    ];
    let expected = expected.map(|(n, v)| (format!(".priv:glimpse-{n}"), v.to_owned()));
    assert_eq!(*own, BTreeMap::from(expected));
    let total = &properties[&PidName::total()];
    assert_eq!(total.len(), 2, "no labels: {total:?}");
    assert_eq!(properties.len(), 5, "clusters have none");
}

#[test]
fn prefixes_of_a_place_without_figures_are_the_next_larger_ones() {
    let public = public(
        week(),
        &Clusters::PerTarget,
        &[
            ("a", "as1:x", Metric::DelayRt, "192.0.2.1", &[20_000]),
            ("a", "as1:x", Metric::DelayRt, "ping.example", &[20_000]),
        ],
    );
    let document = json!({
        "as1": {"ipv4": ["10.0.0.0/8"]},
        "as1:x:vdsl": {"ipv4": ["10.1.0.0/16"]},
        "as1:y": {"ipv4": ["10.2.0.0/16"], "ipv6": ["2001:db8::/32"]},
        "as2:z": {"ipv4": ["10.3.0.0/16", "192.0.2.1/32"]},
    });
    let editions = made(&[(Span::SevenDays, public)], &supplied(&document));
    let nm = &editions["nm"].0;
    assert_eq!(prefixes(nm, "as1:x"), json!({"ipv4": ["10.1.0.0/16"]}));
    assert_eq!(
        prefixes(nm, "as1"),
        json!({"ipv4": ["10.0.0.0/8"], "ipv6": ["2001:db8::/32"]}),
        "with those of as1:y, of which one lies in another"
    );
    assert_eq!(
        prefixes(nm, "TOTAL"),
        json!({"ipv4": ["0.0.0.0/0", "10.3.0.0/16"], "ipv6": ["::/0"]}),
        "addresses of as2 are not those of as1 around them"
    );
    assert_eq!(
        prefixes(nm, "MSMNT-CL1"),
        json!({"ipv4": ["192.0.2.1/32"]}),
        "before anybody else"
    );
    assert_eq!(
        prefixes(nm, "MSMNT-CL2"),
        json!({}),
        "a name has no address"
    );
}

#[test]
fn calendars_begin_with_their_window() {
    let window = week();
    let public = public(
        window,
        &Clusters::PerTarget,
        &[(
            "a",
            "as1:x",
            Metric::DelayRt,
            "192.0.2.1",
            &[20_000, 21_000],
        )],
    );
    let day = Span::Day.closed_at(JUNE_US);
    let results: &[Result<'_>] = &[("a", "as1:x", Metric::DelayRt, "192.0.2.1", &[5])];
    let of_day = self::public(day, &Clusters::PerTarget, results);
    let editions = made(
        &[(Span::SevenDays, public), (Span::Day, of_day)],
        &Supplied::default(),
    );
    let nm = &editions["nm"].0;
    let calendars = &column(nm, "delay-rt").calendars;
    let shapes: Vec<_> = calendars
        .iter()
        .map(|c| (c.kind, c.interval_s, c.intervals, c.start_us))
        .collect();
    assert_eq!(
        shapes,
        [
            (CalendarKind::HourOfDay, 3_600, 24, window.start_us()),
            (CalendarKind::DayOfWindow, 86_400, 7, window.start_us()),
        ]
    );
    let pair = |a: &str, b: &str| (PidName::new(a).unwrap(), PidName::new(b).unwrap());
    for calendar in calendars {
        let (source, destination) = pair("as1:x", "MSMNT-CL1");
        let values = calendar.cells.costs(&source, &destination).unwrap();
        let values: Vec<u64> = values.iter().map(Cost::units).collect();
        assert_eq!(values, vec![20_500; calendar.intervals]);
    }
    let of_day = &column(&editions["nm-day"].0, "delay-rt").calendars;
    assert_eq!(of_day.len(), 1, "a day has no days");
    assert!(column(nm, "routingcost").calendars.is_empty());
}

#[test]
fn confidence_stands_beside_the_median() {
    let names: Vec<String> = (0..20).map(|n| format!("a-{n}")).collect();
    let values: Vec<[u64; 1]> = (0..20).map(|n| [10_000 + n * 1_000]).collect();
    let results: Vec<Result<'_>> = names
        .iter()
        .zip(&values)
        .map(|(name, values)| (&**name, "as1:x", Metric::DelayRt, "192.0.2.1", &values[..]))
        .collect();
    let public = public(week(), &Clusters::PerTarget, &results);
    let editions = made(&[(Span::SevenDays, public)], &Supplied::default());
    let nm = &editions["nm"].0;
    let at = |name: &str| costs(nm, name)["as1:x"]["MSMNT-CL1"].as_u64().unwrap();
    assert_eq!(at("delay-rt"), 19_500);
    // Of twenty values the 6th and the 15th hold the median with 95.9 %.
    assert_eq!((at("ci95-lo"), at("ci95-hi")), (15_000, 24_000));
    for name in ["n", "subs", "ci95-lo", "ci95-hi"] {
        assert!(!column(nm, name).fetched, "{name}");
    }
    assert!(column(nm, "delay-rt-p95").fetched);
}

#[test]
fn two_clusters_with_one_address_make_no_map() {
    let clusters = Clusters::Listed(vec![vec!["192.0.2.1".into()], vec!["192.0.2.1".into()]]);
    let public = public(week(), &clusters, &[]);
    let refused = editions(&[(Span::SevenDays, public)], &Supplied::default());
    assert!(
        matches!(refused, Err(AltoError::NetworkMap(_))),
        "{refused:?}"
    );
}
