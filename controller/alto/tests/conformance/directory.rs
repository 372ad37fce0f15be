//! Checks 1–4, 19 and 54.

use std::collections::BTreeSet;

use glimpse_alto::{
    Anonymity, CalendarAttributes, Constraints, CostContext, CostMetric, CostMode, CostType, Costs,
    DirectoryBuilder, DirectoryError, Entry, Parameter, Request, ResourceId, Service,
};
use serde_json::json;

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
fn alto_check_02_every_reference_resolves_within_the_closure() {
    for publication in [f1_c1(), library()] {
        let all = listed(&publication);
        let ids: BTreeSet<&str> = all.iter().map(|l| l.id.as_str()).collect();
        assert_eq!(ids.len(), all.len(), "ids are unique over all directories");
        let paths: BTreeSet<&str> = all.iter().map(|l| l.path.as_str()).collect();
        assert_eq!(paths.len(), all.len());
        let (mut uses, mut names) = (0, 0);
        for Listed {
            id,
            entry,
            directory,
            ..
        } in &all
        {
            assert!(ResourceId::new(id).is_ok(), "{id}");
            for used in entry["uses"].as_array().into_iter().flatten() {
                assert!(ids.contains(used.as_str().unwrap()), "{id} {used}");
                uses += 1;
            }
            let capabilities = &entry["capabilities"];
            let calendars = capabilities["calendar-attributes"].as_array();
            let lists = [
                &capabilities["cost-type-names"],
                &capabilities["testable-cost-type-names"],
            ];
            let lists = lists.into_iter().chain(
                calendars
                    .into_iter()
                    .flatten()
                    .map(|c| &c["cost-type-names"]),
            );
            for name in lists.filter_map(|list| list.as_array()).flatten() {
                let defined = &directory["meta"]["cost-types"][name.as_str().unwrap()];
                assert!(defined.is_object(), "{id} {name}");
                names += 1;
            }
            for pid in capabilities["prop-types"].as_array().into_iter().flatten() {
                if let Some((map, _)) = pid.as_str().unwrap().split_once('.') {
                    assert!(ids.contains(map), "{pid}");
                }
            }
        }
        assert!(uses > 8 && names > 8);
    }
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
        DirectoryError::Unresolved {
            resource: id("cm"),
            target: "other".into()
        }
    );
    let pids = Service::EndpointProperty {
        pid_of: vec![id("other")],
        global: vec![],
    };
    assert_eq!(
        refused_with(entry("ep2", pids)),
        DirectoryError::Unresolved {
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
    for map in ["nm", "nm-seg", "nm-hour", "nm-2026-10", "nm-2026-11"] {
        let all = get_json(&library(), "/");
        let offered = &all["resources"]["endpoint-property"]["capabilities"]["prop-types"];
        let pid = json!(format!("{map}.pid"));
        assert!(offered.as_array().unwrap().contains(&pid), "{map}");
    }
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
        json!(["nm.pid", "priv:glimpse-isp", "priv:glimpse-region"])
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
                global: vec![],
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
    let publication = library();
    let mut posted = BTreeSet::new();
    for Listed {
        id, path, entry, ..
    } in listed(&publication)
    {
        let body = entry["accepts"].as_str().map(|a| question(a, "nm"));
        let with = |method| {
            let accept = entry["media-type"].as_str();
            let request = Request {
                method,
                path: &path,
                accept,
                content_type: entry["accepts"].as_str(),
                body: body.as_deref().unwrap_or_default().as_bytes(),
                ..Request::default()
            };
            send(&publication, &request)
        };
        let (right, wrong, allow) = match entry.get("accepts") {
            None => ("GET", "POST", "GET, HEAD, OPTIONS"),
            Some(_) => ("POST", "GET", "POST, OPTIONS"),
        };
        posted.extend(entry["accepts"].as_str().map(str::to_owned));
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
    assert_eq!(posted.len(), 6, "every kind of question: {posted:?}");
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
                global: vec![],
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
fn a_filtered_map_promises_only_its_own_cost_types_and_each_once_in_a_calendar() {
    let costs = |testable: &[&str], calendars: &[&str]| {
        let calendars = calendars.iter().map(|name| CalendarAttributes {
            cost_type_names: vec![(*name).to_owned()],
            interval_s: 3_600,
            intervals: 24,
        });
        Service::EndpointCost {
            costs: Costs {
                cost_type_names: vec!["rc".into()],
                constraints: Constraints::Testable(
                    testable.iter().map(|t| (*t).to_owned()).collect(),
                ),
                max_cost_types: 1,
                calendars: calendars.collect(),
            },
        }
    };
    let build = |service| {
        let sound = builder().entry(cost_map("cm", &["rc"]));
        sound.entry(entry("ec", service)).build()
    };
    assert!(build(costs(&["rc"], &["rc"])).is_ok());
    let refused = |name: &str| DirectoryError::Capability {
        resource: id("ec"),
        name: name.into(),
    };
    assert_eq!(build(costs(&["delay"], &[])).unwrap_err(), refused("delay"));
    assert_eq!(build(costs(&[], &["delay"])).unwrap_err(), refused("delay"));
    assert_eq!(build(costs(&[], &["rc", "rc"])).unwrap_err(), refused("rc"));
}

#[test]
fn alto_check_02_names_are_unique_over_linked_directories_and_resolve_there() {
    let root = || {
        builder().entry(cost_map("cm", &["rc"])).entry(entry(
            "pids",
            Service::EndpointProperty {
                pid_of: vec![id("old")],
                global: vec![],
            },
        ))
    };
    let linked = |name: &str| {
        DirectoryBuilder::linked(Anonymity::K(10))
            .cost_type("old-rc", routingcost())
            .entry(entry(name, Service::NetworkMap))
    };
    let old = |map: &str| Service::CostMap {
        network_map: id(map),
        cost_type_names: vec!["old-rc".into()],
    };
    let sound = linked("old").entry(entry("cm-old", old("old")));
    let built = root()
        .link(id("archive"), "archive/", sound.clone())
        .build()
        .unwrap();
    assert_eq!(built.linked().count(), 1);
    let twice = linked("old").entry(entry("cm", old("old")));
    assert_eq!(
        root()
            .link(id("archive"), "archive/", twice)
            .build()
            .unwrap_err(),
        DirectoryError::DuplicateId(id("cm"))
    );
    // RFC 7285 §11.2.3.5 is about the server, not about a directory.
    let second = linked("old").entry(entry("cm-old", old("nm")));
    let error = root()
        .link(id("archive"), "archive/", second)
        .build()
        .unwrap_err();
    assert!(
        matches!(error, DirectoryError::SecondCostMap { .. }),
        "{error}"
    );
    let foreign = sound.entry(entry(
        "cm-2",
        Service::CostMap {
            network_map: id("old"),
            cost_type_names: vec!["delay".into()],
        },
    ));
    assert_eq!(
        root()
            .link(id("archive"), "archive/", foreign)
            .build()
            .unwrap_err(),
        DirectoryError::UnresolvedCostType {
            resource: id("cm-2"),
            name: "delay".into()
        },
        "names of cost types are local to a directory"
    );
}

#[test]
fn one_name_of_a_cost_type_has_one_meaning() {
    let other = CostType::new(CostMetric::delay_rt(), CostMode::Ordinal);
    let sound = builder().entry(cost_map("cm", &["rc"]));
    assert!(sound.clone().cost_type("rc", routingcost()).build().is_ok());
    assert_eq!(
        sound.cost_type("rc", other).build().unwrap_err(),
        DirectoryError::CostTypeConflict("rc".into())
    );
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
