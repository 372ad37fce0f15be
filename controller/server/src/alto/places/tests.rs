#![allow(clippy::unwrap_used)]

mod edge;
mod mmdb;

use super::database::{Database, Kind};
use super::{PlaceError, Places, Prefixes};
use crate::config::PlaceFiles;
use glimpse_alto::{NetworkMap, PidName, Prefix};
use mmdb::mmdb;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

fn nested(country: &str, parts: &Value) -> Value {
    json!({"country": {"iso_code": country, "names": {"en": "?"}}, "subdivisions": parts})
}

fn geography() -> Vec<u8> {
    mmdb(
        "Test-City",
        &[
            (
                "192.0.2.0/25",
                nested(
                    "US",
                    &json!([{"iso_code": "IL", "names": {"en": "Illinois"}}]),
                ),
            ),
            (
                "192.0.2.128/25",
                nested("DE", &json!([{"names": {"en": "Baden-Württemberg"}}])),
            ),
            (
                "198.51.100.0/24",
                json!({"city": "Northlake", "country_code": "US", "latitude": 41, "state1": "Illinois", "state2": ""}),
            ),
            (
                "203.0.113.0/24",
                json!({"country_code": "FR", "state1": ""}),
            ),
            ("2001:db8::/32", nested("DE", &json!([{"iso_code": "BY"}]))),
            ("2001:db9::/32", json!({"country_code": "-"})),
        ],
    )
}

fn systems() -> Vec<u8> {
    mmdb(
        "Test-ASN",
        &[
            (
                "192.0.2.0/24",
                json!({"autonomous_system_number": 3320, "autonomous_system_organization": "T"}),
            ),
            ("198.51.100.0/24", json!({"asn": "AS7922"})),
            ("203.0.113.0/24", json!({"asn": 701})),
            ("2001:db8::/32", json!({"autonomous_system_number": 0})),
        ],
    )
}

/// The files as the operator would give them.
fn files(directory: &Path, prefixes: Option<&str>) -> PlaceFiles {
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, bytes).unwrap();
        Some(path)
    };
    PlaceFiles {
        prefixes: prefixes.and_then(|text| write("prefixes.json", text.as_bytes())),
        asn_databases: Vec::from_iter(write("asn.mmdb", &systems())),
        geo_databases: Vec::from_iter(write("geo.mmdb", &geography())),
    }
}

#[test]
fn records_of_either_shape_give_the_same_labels() {
    let directory = tempfile::tempdir().unwrap();
    let places = Places::open(&files(directory.path(), None)).unwrap();
    for (address, isp, region) in [
        ("192.0.2.1", Some("as3320"), Some("us-il")),
        ("192.0.2.200", Some("as3320"), Some("de-baden-w-rttemberg")),
        ("198.51.100.9", Some("as7922"), Some("us-il")),
        ("::ffff:198.51.100.9", Some("as7922"), Some("us-il")),
        ("203.0.113.5", Some("as701"), Some("fr")),
        ("2001:db8::1", None, Some("de-by")),
        ("2001:db9::1", None, None),
        ("127.0.0.1", None, None),
        ("fe80::1", None, None),
    ] {
        let labels = places.labels(address.parse().unwrap());
        let of = |name: &str| labels.get(name).map(String::as_str);
        assert_eq!((of("isp"), of("region")), (isp, region), "{address}");
        assert!(labels.values().all(|label| !label.contains(address)));
    }
}

#[test]
fn without_files_nothing_is_known() {
    let places = Places::open(&PlaceFiles::default()).unwrap();
    assert!(places.labels(IpAddr::from([192, 0, 2, 1])).is_empty());
    assert!(places.prefixes().is_empty());
}

fn open(bytes: &[u8], kind: Kind) -> Result<Database, PlaceError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.mmdb");
    std::fs::write(&path, bytes).unwrap();
    Database::open(&path, kind)
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let whole = geography();
    assert!(open(&whole, Kind::Region).is_ok());
    for end in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
        let error = open(&whole[..end], Kind::Region).unwrap_err();
        assert!(
            matches!(error, PlaceError::Database { .. }),
            "{end}: {error}"
        );
        let text = error.to_string();
        assert!(text.contains("file.mmdb: is no whole MMDB file"), "{text}");
    }
    // The middle is missing, the end is there.
    let cut = [&whole[..20], &whole[whole.len() - 300..]].concat();
    assert!(open(&cut, Kind::Region).is_err());
}

#[test]
fn a_foreign_file_is_refused_with_words() {
    for (bytes, kind) in [(geography(), Kind::System), (systems(), Kind::Region)] {
        let error = open(&bytes, kind).unwrap_err();
        assert!(matches!(error, PlaceError::Foreign { .. }), "{error}");
    }
    let error = open(&geography(), Kind::System).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "an MMDB of type \"Test-City\", whose records have no autonomous system number"
        ),
        "{error}"
    );
    for bytes in [
        &b"\x89PNG\r\n\x1a\n"[..],
        b"start,end,asn\n",
        b"",
        &[0; 4096],
    ] {
        assert!(matches!(
            open(bytes, Kind::Region),
            Err(PlaceError::Database { .. })
        ));
    }
    let missing = Database::open(Path::new("/nowhere/geo.mmdb"), Kind::Region).unwrap_err();
    assert!(matches!(missing, PlaceError::Io { .. }));
}

fn prefixes(document: &str) -> Result<Prefixes, PlaceError> {
    Prefixes::parse(document.as_bytes(), Path::new("isp/prefixes.json"))
}

fn refusal(document: &str) -> String {
    prefixes(document).unwrap_err().to_string()
}

#[test]
fn alto_check_07_a_prefix_that_isps_supply_for_two_places_is_refused_by_name() {
    assert_eq!(
        refusal(
            r#"{"as1:x":{"ipv4":["192.0.2.0/24"]},"as2:y":{"ipv4":["198.51.100.0/24","192.0.2.0/24"]}}"#
        ),
        "isp/prefixes.json: prefix 192.0.2.0/24 is in PID as1:x and in PID as2:y"
    );
    assert!(
        prefixes(r#"{"as1:x":{"ipv4":["192.0.2.0/24"]},"as2:y":{"ipv4":["192.0.2.0/25"]}}"#)
            .is_ok()
    );
    assert!(prefixes(r#"{"as1:x":{"ipv4":["192.0.2.0/24","192.0.2.0/24"]}}"#).is_ok());
}

#[test]
fn alto_check_07_a_supplied_prefix_with_host_bits_is_refused_by_name() {
    assert_eq!(
        refusal(r#"{"as1:x":{"ipv4":["198.51.100.128/24"]}}"#),
        "isp/prefixes.json: PID as1:x: prefix \"198.51.100.128/24\" has host bits set"
    );
}

#[test]
fn other_faults_of_supplied_prefixes_are_named_too() {
    for (document, expected) in [
        (
            r#"{"as1:x":{"ipv4":["192.0.2.0"]}}"#,
            "PID as1:x: malformed prefix \"192.0.2.0\"",
        ),
        (
            r#"{"as1:x":{"ipv6":["192.0.2.0/24"]}}"#,
            "\"192.0.2.0/24\" is no prefix of type \"ipv6\"",
        ),
        (
            r#"{"as1:x":{"mac48":["00"]}}"#,
            "\"00\" is no prefix of type \"mac48\"",
        ),
        (
            r#"{"as1.x":{}}"#,
            "PID \"as1.x\": character '.' is not allowed",
        ),
        (
            r#"{"as1:x":{},"as1:x":{}}"#,
            "\"as1:x\" is there twice at line 1",
        ),
        (
            r#"{"as1:x":{"ipv4":[],"ipv4":[]}}"#,
            "\"ipv4\" is there twice",
        ),
        (
            r#"{"as1:x":{"ipv4":["192.0"#,
            "EOF while parsing a string at line 1",
        ),
        ("as1:x,192.0.2.0/24", "line 1"),
        (
            r#"{"as1:x":["192.0.2.0/24"]}"#,
            "an object of PID to address type to prefixes",
        ),
    ] {
        let text = refusal(document);
        assert!(
            text.starts_with("isp/prefixes.json: ") && text.contains(expected),
            "{text}"
        );
    }
    let missing = Prefixes::read(&PathBuf::from("/nowhere/prefixes.json")).unwrap_err();
    assert!(matches!(missing, PlaceError::Io { .. }));
}

fn of(prefixes: &Prefixes, pids: &[&str], taken: &[&str]) -> Vec<(String, Vec<String>)> {
    let taken: BTreeSet<Prefix> = taken.iter().map(|prefix| prefix.parse().unwrap()).collect();
    let groups = prefixes.of(&pids.iter().copied().collect(), &taken);
    groups
        .into_iter()
        .map(|(pid, prefixes)| {
            (
                pid.to_owned(),
                prefixes.iter().map(Prefix::to_string).collect(),
            )
        })
        .collect()
}

#[test]
fn what_belongs_to_a_place_that_is_not_published_goes_to_the_one_around_it() {
    let supplied = prefixes(
        r#"{"as1":{"ipv4":["192.0.2.0/24"]},"as1:x:vdsl":{"ipv4":["192.0.2.0/25","192.0.2.7/32"]},"as2:y":{"ipv6":["2001:db8::/32"]}}"#,
    )
    .unwrap();
    let group = |pid: &str, prefixes: &[&str]| {
        (
            pid.to_owned(),
            prefixes.iter().map(|p| (*p).to_owned()).collect(),
        )
    };
    assert_eq!(
        of(&supplied, &["TOTAL", "as1", "as1:x"], &[]),
        [
            group("TOTAL", &["2001:db8::/32"]),
            group("as1", &["192.0.2.0/24"]),
            group("as1:x", &["192.0.2.0/25", "192.0.2.7/32"])
        ],
        "an ISP that is not published is none of the others"
    );
    assert_eq!(
        of(&supplied, &["TOTAL", "as2"], &[]),
        [
            group("TOTAL", &["192.0.2.0/24", "192.0.2.0/25", "192.0.2.7/32"]),
            group("as2", &["2001:db8::/32"])
        ]
    );
    assert_eq!(
        of(&supplied, &["as1", "as2:y"], &["192.0.2.7/32"]),
        [
            group("as1", &["192.0.2.0/24", "192.0.2.0/25"]),
            group("as2:y", &["2001:db8::/32"])
        ]
    );
    assert_eq!(of(&supplied, &["as3"], &[]), []);
}

#[test]
fn alto_check_08_supplied_prefixes_of_one_type_are_completed_by_the_rest() {
    let supplied = prefixes(r#"{"as1:x":{"ipv6":["2001:db8::/32"]}}"#).unwrap();
    let groups = supplied.of(&BTreeSet::from(["as1:x"]), &BTreeSet::new());
    let groups = groups
        .into_iter()
        .map(|(pid, prefixes)| (PidName::new(pid).unwrap(), prefixes));
    let map = NetworkMap::with_rest(groups, &PidName::total()).unwrap();
    let expected = json!({"TOTAL": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}, "as1:x": {"ipv6": ["2001:db8::/32"]}});
    assert_eq!(serde_json::to_value(&map).unwrap(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_file_is_refused_or_read_without_panic(at in 0_usize..10_000, byte in any::<u8>(), address in any::<u32>()) {
        let mut bytes = geography();
        let length = bytes.len();
        bytes[at % length] = byte;
        for kind in [Kind::Region, Kind::System] {
            if let Ok(database) = open(&bytes, kind) {
                let _ = database.label(IpAddr::from(address.to_be_bytes()));
                let _ = database.label("192.0.2.200".parse().unwrap());
            }
        }
    }

    #[test]
    fn any_text_is_prefixes_or_not(text in "\\PC{0,60}", kind in "ipv[46]", prefix in "[0-9a-f:./]{0,30}") {
        let _ = prefixes(&text);
        let _ = prefixes(&json!({"as1": {kind: [prefix]}}).to_string());
    }
}
