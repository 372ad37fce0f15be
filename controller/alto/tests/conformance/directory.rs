//! Checks 1–4, 19, 54 and the declaration of k.

use std::collections::BTreeSet;

use glimpse_alto::{
    Anonymity, CostContext, CostMetric, CostMode, CostType, DirectoryBuilder, DirectoryError,
    Entry, Parameter, Publication, Request, ResourceId, Service,
};

use super::world::*;

#[test]
fn alto_check_01_the_directory_names_a_default_network_map() {
    let publication = f1_c1();
    let response = get(&publication, "/");
    assert_eq!(response.status, 200);
    assert_eq!(
        response.header("content-type"),
        Some("application/alto-directory+json")
    );
    let directory = json(&response);
    let default = directory["meta"]["default-alto-network-map"]
        .as_str()
        .unwrap();
    assert_eq!(
        directory["resources"][default]["media-type"],
        "application/alto-networkmap+json"
    );
}

#[test]
fn alto_check_02_every_reference_of_the_directory_resolves() {
    let publication = f1_c1();
    let directory = get_json(&publication, "/");
    let ids: BTreeSet<String> = entries(&publication)
        .into_iter()
        .map(|(id, ..)| id)
        .collect();
    assert_eq!(ids.len(), 6);
    let (mut uses, mut names) = (0, 0);
    for (id, _, entry) in entries(&publication) {
        assert!(ResourceId::new(&id).is_ok(), "{id}");
        for used in entry["uses"].as_array().into_iter().flatten() {
            assert!(ids.contains(used.as_str().unwrap()));
            uses += 1;
        }
        for name in entry["capabilities"]["cost-type-names"]
            .as_array()
            .into_iter()
            .flatten()
        {
            assert!(directory["meta"]["cost-types"][name.as_str().unwrap()].is_object());
            names += 1;
        }
    }
    assert_eq!((uses, names), (4, 4));
}

#[test]
fn alto_check_02_dangling_references_are_refused() {
    let map = |name: &str| Service::CostMap {
        network_map: id("nm"),
        cost_type_names: vec![name.into()],
    };
    let other = Service::CostMap {
        network_map: id("other"),
        cost_type_names: vec!["rc".into()],
    };
    let refused = |service| builder().entry(entry("cm", service)).build().unwrap_err();
    assert_eq!(
        refused(map("rd")),
        DirectoryError::UnresolvedCostType {
            resource: id("cm"),
            name: "rd".into()
        }
    );
    assert_eq!(
        refused(other),
        DirectoryError::UnresolvedMap {
            resource: id("cm"),
            target: "other".into()
        }
    );
    let pids = Service::EndpointProperty {
        pid_of: vec![id("other")],
    };
    assert_eq!(
        refused_with(entry("ep2", pids)),
        DirectoryError::UnresolvedMap {
            resource: id("ep2"),
            target: "other.pid".into()
        }
    );
    assert_eq!(
        refused_with(entry("nm", Service::NetworkMap)),
        DirectoryError::DuplicateId(id("nm"))
    );
    let twice = Entry {
        uri: "nm".into(),
        ..entry("nm2", Service::NetworkMap)
    };
    assert_eq!(
        refused_with(twice),
        DirectoryError::DuplicateUri("nm".into())
    );
}

#[test]
fn alto_check_03_routingcost_and_the_pid_property_are_offered() {
    let publication = f1_c1();
    let directory = get_json(&publication, "/");
    let modes: BTreeSet<&str> = entries(&publication)
        .iter()
        .filter(|(.., entry)| {
            entry["media-type"] == "application/alto-costmap+json" && entry["accepts"].is_null()
        })
        .map(|(.., entry)| {
            entry["capabilities"]["cost-type-names"][0]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .map(|name| &directory["meta"]["cost-types"][name])
        .filter(|cost_type| cost_type["cost-metric"] == "routingcost")
        .map(|cost_type| cost_type["cost-mode"].as_str().unwrap())
        .collect();
    assert_eq!(modes, BTreeSet::from(["numerical", "ordinal"]));
    let properties = &directory["resources"]["endpoint-property"];
    assert_eq!(
        properties["capabilities"]["prop-types"],
        serde_json::json!(["nm.pid"])
    );
    assert!(
        properties["capabilities"].get("properties").is_none() && properties.get("uses").is_none()
    );
}

#[test]
fn alto_check_03_a_directory_without_them_is_refused() {
    assert_eq!(
        refused_with(entry("nm2", Service::NetworkMap)),
        DirectoryError::NoPid(id("nm2"))
    );
    let bare = DirectoryBuilder::new(id("nm"), Anonymity::Lab)
        .entry(entry("nm", Service::NetworkMap))
        .entry(entry(
            "ep",
            Service::EndpointProperty {
                pid_of: vec![id("nm")],
            },
        ));
    assert_eq!(bare.build().unwrap_err(), DirectoryError::NoRoutingcost);
    let missing = DirectoryBuilder::new(id("nm"), Anonymity::Lab);
    assert_eq!(
        missing.build().unwrap_err(),
        DirectoryError::DefaultMap(id("nm"))
    );
}

#[test]
fn alto_check_04_entries_with_accepts_are_posted_and_others_fetched() {
    let publication = f1_c1();
    let mut posted = 0;
    for (id, path, entry) in entries(&publication) {
        let body = br#"{"properties":["nm.pid"],"endpoints":["ipv4:192.0.2.34"]}"#;
        let with = |method| {
            let accept = entry["media-type"].as_str();
            let request = Request {
                method,
                path: &path,
                accept,
                content_type: entry["accepts"].as_str(),
                body,
                ..Request::default()
            };
            send(&publication, &request)
        };
        let (right, wrong, allow) = match entry.get("accepts") {
            None => ("GET", "POST", "GET, HEAD, OPTIONS"),
            Some(_) => ("POST", "GET", "POST, OPTIONS"),
        };
        posted += usize::from(right == "POST");
        let answer = with(right);
        assert_eq!(answer.status, 200, "{right} {id}");
        assert_eq!(
            answer.header("content-type"),
            entry["media-type"].as_str(),
            "bare, and as announced"
        );
        for wrong in [wrong, "PUT", "DELETE", "PATCH", "get"] {
            let refused = with(wrong);
            assert_eq!(
                (refused.status, refused.header("allow")),
                (405, Some(allow)),
                "{wrong} {id}"
            );
        }
        let options = with("OPTIONS");
        assert_eq!(
            (options.status, options.header("allow"), options.body.len()),
            (204, Some(allow), 0)
        );
    }
    assert_eq!(posted, 1);
}

fn entry(name: &str, service: Service) -> Entry {
    Entry {
        id: id(name),
        uri: name.to_owned(),
        service,
    }
}

fn routingcost() -> CostType {
    CostType::new(CostMetric::routingcost(), CostMode::Numerical)
}

fn builder() -> DirectoryBuilder {
    DirectoryBuilder::new(id("nm"), Anonymity::K(10))
        .cost_type("rc", routingcost())
        .cost_type(
            "rc-other",
            routingcost().with_context(CostContext::new([("window", Parameter::Number(1))])),
        )
        .cost_type(
            "delay",
            CostType::new(CostMetric::delay_rt(), CostMode::Numerical),
        )
        .entry(entry("nm", Service::NetworkMap))
        .entry(entry(
            "ep",
            Service::EndpointProperty {
                pid_of: vec![id("nm")],
            },
        ))
}

fn cost_map(name: &str, cost_types: &[&str]) -> Entry {
    let cost_type_names = cost_types.iter().map(|t| (*t).to_owned()).collect();
    entry(
        name,
        Service::CostMap {
            network_map: id("nm"),
            cost_type_names,
        },
    )
}

fn refused_with(extra: Entry) -> DirectoryError {
    builder()
        .entry(cost_map("cm", &["rc"]))
        .entry(extra)
        .build()
        .unwrap_err()
}

#[test]
fn a_sound_directory_is_taken() {
    let sound = builder()
        .entry(cost_map("cm", &["rc"]))
        .entry(cost_map("cm2", &["delay"]));
    assert_eq!(sound.build().unwrap().entries().len(), 4);
}

#[test]
fn alto_check_19_a_second_cost_map_of_one_type_is_refused() {
    let second = |first: &str, second: &str| DirectoryError::SecondCostMap {
        first: id(first),
        second: id(second),
    };
    assert_eq!(refused_with(cost_map("cm2", &["rc"])), second("cm", "cm2"));
    assert_eq!(
        refused_with(cost_map("cm2", &["rc-other"])),
        second("cm", "cm2"),
        "the context is no part of the key"
    );
}

#[test]
fn alto_check_54_cost_types_that_differ_in_context_only_are_refused_in_one_resource() {
    let both = builder()
        .entry(cost_map("cm", &["rc", "rc-other"]))
        .build()
        .unwrap_err();
    let expected = DirectoryError::AmbiguousCostType {
        resource: id("cm"),
        metric: CostMetric::routingcost(),
        mode: CostMode::Numerical,
    };
    assert_eq!(both, expected);
    let two = builder()
        .entry(cost_map("cm", &["rc", "delay"]))
        .build()
        .unwrap_err();
    assert_eq!(
        two,
        DirectoryError::CostTypeCount {
            resource: id("cm"),
            count: 2
        }
    );
}

#[test]
fn the_directory_declares_k_or_the_laboratory() {
    let with_k = get_json(&f1_c1(), "/");
    assert_eq!(
        (
            &with_k["meta"]["glimpse-k"],
            with_k["meta"].get("glimpse-lab")
        ),
        (&10.into(), None)
    );
    let mut lab = content(&f1(), c1());
    lab.provenance.anonymity = Anonymity::Lab;
    let lab = get_json(&Publication::new(lab).unwrap(), "/");
    assert_eq!(
        (&lab["meta"]["glimpse-lab"], lab["meta"].get("glimpse-k")),
        (&true.into(), None)
    );
}
