#![allow(clippy::unwrap_used)]

use super::*;
use crate::alto::client::directory::{Kind, Limits, Walk};
use crate::alto::client::reading::Reading;
use crate::alto::figures::editions;
use crate::alto::{Supplied, client};
use glimpse_aggregate::{
    Calendar, Clusters, Facts, K, Labels, Ledger, Metric, Row, Rules, Statistic, Trust,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const HOUR_US: i64 = 3_600_000_000;
/// 2026-06-01.
const JUNE_US: i64 = 1_780_272_000_000_000;

/// Twelve households in two regions measure delay and download every hour; one of them was busy.
fn public(span: Span, k: K) -> Public {
    let window = span.closed_at(JUNE_US);
    let mut ledger = Ledger::default();
    let mut state = ledger
        .observe(window, i64::MAX, &Clusters::PerTarget, Trust::default())
        .unwrap();
    let hours = (window.end_us() - window.start_us()) / HOUR_US;
    for (household, hour) in (0..12_u64).flat_map(|n| (0..hours).map(move |hour| (n, hour))) {
        let region = if household < 6 { "de-by" } else { "de-hh" };
        for (metric, value) in [
            (Metric::DelayRt, 10_000 + household),
            (Metric::TputDown, 1_650_000 + household),
        ] {
            state.add(&Row {
                subscriber: &format!("agent-{household}"),
                labels: Labels {
                    isp: Some("as3320"),
                    region: Some(region),
                    ..Labels::default()
                },
                metric,
                target: "192.0.2.1",
                values: &[value],
                start_us: window.start_us() + hour * HOUR_US,
                received_us: window.end_us(),
                facts: Facts {
                    cpu_percent: Some(if household == 3 && hour == 0 { 99 } else { 1 }),
                    ..Facts::default()
                },
            });
        }
    }
    let rules = Rules {
        k,
        statistics: BTreeMap::from([
            (Metric::DelayRt, vec![Statistic::Median, Statistic::Mean]),
            (Metric::TputDown, vec![Statistic::Median]),
        ]),
        calendars: BTreeMap::from([(Metric::DelayRt, vec![Calendar::HourOfDay])]),
    };
    ledger.release(state, &rules).unwrap()
}

fn windows(k: K) -> Vec<Window> {
    let shown: Vec<(Span, Public)> = [Span::Hour, Span::SevenDays, Span::Month]
        .map(|span| (span, public(span, k)))
        .into();
    let maps = editions(&shown, &Supplied::default()).unwrap();
    let windows = Window::all(shown, maps);
    let counts: Vec<usize> = windows.iter().map(|window| window.editions.len()).collect();
    assert_eq!(
        counts,
        [1, 2, 1],
        "hour, seven days by region and by segment, month"
    );
    windows
}

fn order(format: Format) -> Order<'static> {
    Order {
        format,
        month: None,
        geography: None,
    }
}

/// Files by their paths.
fn files(format: Format) -> BTreeMap<String, File> {
    let files = release(windows(K::lab()), &order(format)).unwrap();
    assert_eq!(files.last().unwrap().path, MANIFEST);
    files
        .into_iter()
        .map(|file| (file.path.clone(), file))
        .collect()
}

fn parsed(file: &File) -> Value {
    serde_json::from_slice(&file.bytes).unwrap()
}

#[test]
fn two_releases_of_equal_data_are_equal_and_hold_no_clock() {
    for format in [Format::Alto, Format::Csv, Format::Geojson] {
        let once = release(windows(K::lab()), &order(format)).unwrap();
        let mut shuffled = windows(K::lab());
        for window in &mut shuffled {
            window.editions.reverse();
        }
        let of = |files: &[File]| {
            files
                .iter()
                .map(|file| file.path.clone())
                .collect::<Vec<_>>()
        };
        let twice = release(windows(K::lab()), &order(format)).unwrap();
        assert_eq!(once, twice, "{format:?}");
        let again = release(shuffled, &order(format)).unwrap();
        assert_eq!(of(&once), of(&again), "{format:?}");
    }
}

#[test]
fn a_client_finds_everything_under_the_uris_of_the_directories() {
    let files = files(Format::Alto);
    let site: url::Url = "https://static.example/maps/".parse().unwrap();
    let at = |url: &url::Url| {
        let path = url.as_str().strip_prefix(site.as_str()).unwrap();
        &files[path]
    };
    let mut walk = Walk::new(site.join("index.json").unwrap(), Limits::default());
    let mut read = BTreeSet::from([MANIFEST.to_owned()]);
    while let Some((url, depth)) = walk.next() {
        let file = at(&url);
        assert_eq!(file.media_type, client::media::DIRECTORY);
        walk.take(&url, depth, &file.bytes).unwrap();
        read.insert(file.path.clone());
    }
    let found = walk.finish();
    assert_eq!(found.remarks, Vec::<String>::new());
    assert_eq!(found.default_map.as_deref(), Some("nm"));
    for resource in &found.resources {
        assert!(
            resource.accepts.is_empty(),
            "{} takes questions",
            resource.id
        );
        let file = at(&resource.url);
        assert_eq!(file.media_type, resource.media_type, "{}", resource.id);
        let reading = Reading::new(resource.kind, &file.bytes, usize::MAX).unwrap();
        if resource.kind != Kind::Directory {
            assert_eq!(reading.versions.own.unwrap().resource_id, resource.id);
        }
        read.insert(file.path.clone());
    }
    let all: BTreeSet<String> = files.keys().cloned().collect();
    assert_eq!(read, all, "every file is found");
    for path in [
        "networkmap/nm",
        "costmap/nm/delay-rt",
        "costmap/nm/subs",
        "recent/networkmap/nm-hour",
        "archive/index.json",
        "archive/costmap/nm-2026-05/tput",
    ] {
        assert!(files.contains_key(path), "{path} is not among {all:?}");
    }
    let map = parsed(&files["costmap/nm/delay-rt"]);
    assert_eq!(map["cost-map"]["as3320:de-by"]["MSMNT-CL1"], 10_003);
}

#[test]
fn no_file_stands_where_a_folder_is() {
    for format in [Format::Alto, Format::Csv, Format::Geojson] {
        let files = files(format);
        for path in files.keys() {
            let folder = format!("{path}/");
            assert!(
                !files.keys().any(|other| other.starts_with(&folder)),
                "{path}"
            );
            assert!(
                !path.starts_with('/')
                    && !path.split('/').any(|part| part == ".." || part.is_empty())
            );
        }
    }
}

#[test]
fn the_manifest_names_rule_filters_samples_and_hashes() {
    let files = files(Format::Alto);
    let manifest = parsed(&files[MANIFEST]);
    assert_eq!(
        manifest["software"],
        json!({"name": "glimpse-controller", "version": env!("CARGO_PKG_VERSION")})
    );
    let week = &manifest["windows"][1];
    assert_eq!(
        week["filters"],
        json!({"cpu_percent": 80, "cross_traffic_bps": 64_000, "wifi_dbm": -70, "clock_offset_us": 60_000_000})
    );
    assert_eq!(
        (&week["span"], &week["start"], &week["end"]),
        (
            &json!("7-days"),
            &json!("2026-05-25T00:00:00Z"),
            &json!("2026-06-01T00:00:00Z")
        )
    );
    assert_eq!(
        (&week["anonymity"], &week["version"]),
        (&json!({"lab": true}), &json!(1))
    );
    assert_eq!(week["filtered"]["subscribers"], 12);
    assert_eq!(week["filtered"]["results"]["cpu-load"], 2);
    assert_eq!(week["filtered"]["results"]["weak-wifi"], Value::Null);
    assert_eq!(week["network_maps"][0]["id"], "nm");
    let columns = week["network_maps"][0]["columns"].as_array().unwrap();
    let delay = columns
        .iter()
        .find(|column| column["cost_type"] == "delay-rt")
        .unwrap();
    // Seven days of 24 hours, twelve households, less the one result of the busy one.
    assert_eq!(
        (&delay["unit"], &delay["samples"], &delay["subscribers"]),
        (&json!("us"), &json!(7 * 24 * 12 - 1), &json!(12))
    );
    let listed = manifest["files"].as_array().unwrap();
    assert_eq!(listed.len(), files.len() - 1);
    for entry in listed {
        let file = &files[entry["path"].as_str().unwrap()];
        assert_eq!(entry["bytes"], file.bytes.len());
        assert_eq!(entry["media_type"], file.media_type);
        let digest = ring::digest::digest(&ring::digest::SHA256, &file.bytes);
        let hex = entry["sha256"].as_str().unwrap();
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        assert_eq!(bytes, digest.as_ref());
    }
    let protected = release(windows(K::DEFAULT), &order(Format::Alto)).unwrap();
    let manifest = parsed(protected.last().unwrap());
    assert_eq!(manifest["windows"][1]["anonymity"], json!({"k": 10}));
    assert_eq!(
        manifest["windows"][1]["filtered"]["results"]["cpu-load"],
        Value::Null,
        "one household is not named"
    );
    assert!(!String::from_utf8_lossy(&protected.last().unwrap().bytes).contains("agent-"));
}

#[test]
fn csv_has_a_row_for_each_cell_with_its_unit() {
    let files = files(Format::Csv);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "manifest.json",
            "nm-2026-05.calendars.csv",
            "nm-2026-05.csv",
            "nm-2026-05.pids.csv",
            "nm-hour.calendars.csv",
            "nm-hour.csv",
            "nm-hour.pids.csv",
            "nm-seg.calendars.csv",
            "nm-seg.csv",
            "nm-seg.pids.csv",
            "nm.calendars.csv",
            "nm.csv",
            "nm.pids.csv"
        ]
        .into_iter()
        .filter(|name| files.contains_key(*name))
        .collect::<Vec<_>>()
    );
    let lines = |name: &str| {
        let text = String::from_utf8(files[name].bytes.clone()).unwrap();
        assert!(text.ends_with("\r\n"));
        text.split("\r\n")
            .map(str::to_owned)
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
    };
    let cells = lines("nm.csv");
    assert_eq!(
        cells[0],
        "network_map,window_start,window_end,cost_type,metric,unit,source,destination,value"
    );
    let row = "nm,2026-05-25T00:00:00Z,2026-06-01T00:00:00Z,delay-rt,delay-rt,us,as3320:de-by,MSMNT-CL1,10003";
    assert!(cells.contains(&row.to_owned()), "{cells:?}");
    let row = "nm,2026-05-25T00:00:00Z,2026-06-01T00:00:00Z,tput,tput,byte/s,MSMNT-CL1,as3320:de-by,1650003";
    assert!(cells.contains(&row.to_owned()), "{cells:?}");
    let counted: u64 = parsed(&files[MANIFEST])["windows"][1]["network_maps"][0]["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["cells"].as_u64().unwrap())
        .sum();
    assert_eq!(cells.len() as u64, 1 + counted);
    let calendars = lines("nm.calendars.csv");
    let third = "nm,delay-rt,delay-rt,us,as3320:de-by,MSMNT-CL1,hour-of-day,2,2026-05-25T02:00:00Z,3600,10003";
    assert!(calendars.contains(&third.to_owned()), "{calendars:?}");
    let pids = lines("nm.pids.csv");
    for row in [
        "nm,MSMNT-CL1,ipv4,192.0.2.1/32",
        "nm,TOTAL,ipv6,::/0",
        "nm,as3320:de-by,.priv:glimpse-region,de-by",
    ] {
        assert!(
            pids.contains(&row.to_owned()),
            "{row} is not among {pids:?}"
        );
    }
}

#[test]
fn geojson_places_regions_that_the_operator_knows() {
    let file = parsed(&files(Format::Geojson)["nm.geojson"]);
    assert_eq!(file["type"], "FeatureCollection");
    assert_eq!(file["units"]["tput"], "byte/s");
    let features = file["features"].as_array().unwrap();
    assert_eq!(features.len(), 2);
    assert_eq!(
        (&features[0]["type"], &features[0]["id"]),
        (&json!("Feature"), &json!("as3320:de-by"))
    );
    assert!(
        features[0].get("geometry").is_some_and(Value::is_null),
        "null, but there (RFC 7946 §3.2)"
    );
    let properties = &features[0]["properties"];
    assert_eq!(
        (
            &properties["delay-rt_to_TOTAL"],
            &properties["tput_from_TOTAL"]
        ),
        (&json!(10_003), &json!(1_650_003))
    );
    assert_eq!(
        (&properties["region"], &properties["subs"]),
        (&json!("de-by"), &json!("6"))
    );

    let point = json!({"type": "Point", "coordinates": [11.6, 48.1]});
    let given = json!({"type": "FeatureCollection", "features": [
        {"type": "Feature", "id": "de-by", "geometry": point, "properties": null},
        {"type": "Feature", "id": "x", "geometry": null, "properties": {"region": "de-xx"}}]});
    let geography = Geography::parse(given.to_string().as_bytes()).unwrap();
    let placed = Order {
        geography: Some(&geography),
        ..order(Format::Geojson)
    };
    let released = release(windows(K::lab()), &placed).unwrap();
    let file = parsed(
        released
            .iter()
            .find(|file| file.path == "nm.geojson")
            .unwrap(),
    );
    assert_eq!(file["features"][0]["geometry"], point);
    assert_eq!(file["features"][1]["geometry"], Value::Null);
}

#[test]
fn a_geography_that_is_none_is_refused() {
    let collection =
        |features: Value| json!({"type": "FeatureCollection", "features": features}).to_string();
    let point = json!({"type": "Point", "coordinates": [1, 2]});
    for (text, refused) in [
        ("{".to_owned(), "it is no JSON"),
        ("[]".to_owned(), "no FeatureCollection"),
        (
            json!({"type": "FeatureCollection"}).to_string(),
            "no FeatureCollection",
        ),
        (
            collection(json!([{"geometry": point}])),
            "feature 0 (from 0) names no region",
        ),
        (
            collection(json!([{"id": "a", "geometry": {"type": "Circle", "coordinates": []}}])),
            "geometry is none",
        ),
        (
            collection(json!([{"id": "a", "geometry": {"type": "Point"}}])),
            "geometry is none",
        ),
        (
            collection(json!([{"id": "a", "geometry": point}, {"id": "a", "geometry": point}])),
            "\"a\" has two features",
        ),
    ] {
        let said = Geography::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(said.contains(refused), "{text}: {said}");
    }
}

#[test]
fn a_month_is_a_release_of_its_own() {
    let month = |text| Order {
        month: Month::parse(text),
        ..order(Format::Alto)
    };
    let released = release(windows(K::lab()), &month("2026-05")).unwrap();
    let paths: Vec<&str> = released.iter().map(|file| file.path.as_str()).collect();
    assert!(
        paths.contains(&"index.json") && paths.contains(&"networkmap/nm-2026-05"),
        "{paths:?}"
    );
    assert!(
        !paths
            .iter()
            .any(|path| path.starts_with("archive") || path.ends_with("/nm")),
        "{paths:?}"
    );
    let directory = parsed(
        released
            .iter()
            .find(|file| file.path == "index.json")
            .unwrap(),
    );
    assert_eq!(directory["meta"]["default-alto-network-map"], "nm-2026-05");
    assert_eq!(parsed(released.last().unwrap())["month"], "2026-05");

    let refused = release(windows(K::lab()), &month("2026-04"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        refused,
        "nothing is published of 2026-04; published are 2026-05"
    );
    assert!(matches!(
        release(Vec::new(), &order(Format::Csv)),
        Err(ReleaseError::Nothing)
    ));
}

#[test]
fn only_files_below_the_directory_are_of_an_earlier_release() {
    let files = files(Format::Alto);
    let earlier = Progress::parse(&files[MANIFEST].bytes).unwrap().files();
    assert_eq!(earlier.len(), files.len() - 1);
    let foreign = json!({"software": {"name": "other", "version": "1"}, "files": []});
    assert_eq!(Progress::parse(foreign.to_string().as_bytes()), None);
    assert_eq!(Progress::parse(b"{}"), None);
    let hostile = json!({"software": {"name": "glimpse-controller", "version": "1"},
        "files": [{"path": "../x"}, {"path": "/etc/passwd"}, {"path": "a//b"}, {"path": "a/./b"}, {"path": ""}, {"path": "a/b"}]});
    assert_eq!(
        Progress::parse(hostile.to_string().as_bytes())
            .unwrap()
            .files(),
        ["a/b"]
    );
    let begun = Progress::begun(
        &[files["index.json"].clone()],
        &["b".into(), "index.json".into()],
    );
    assert_eq!(begun.files(), ["b", "index.json"]);
    let again = Progress::parse(&serde_json::to_vec(&begun).unwrap()).unwrap();
    assert_eq!(again, begun);
}
