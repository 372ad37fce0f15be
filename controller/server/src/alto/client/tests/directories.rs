use super::super::choice::{ChoiceError, Wish};
use super::super::directory::{Kind, Limits, Walk};
use super::super::question::{Filter, QuestionError, question};
use super::super::{DocumentError, media};
use super::{CUSTOM, DIRECTORY, directories, named, of, root};
use serde_json::{Value, json};
use url::Url;

#[test]
fn directories_are_followed_and_their_uris_resolved() {
    let found = directories();
    assert_eq!(found.default_map.as_deref(), Some("my-default-network-map"));
    assert_eq!(found.remarks, Vec::<String>::new());
    let at = |id| found.choose(&named(id)).unwrap();
    for (id, url, kind, depth) in [
        (
            "my-default-network-map",
            "https://alto.example.com/networkmap",
            Kind::NetworkMap,
            0,
        ),
        (
            "numerical-routing-cost-map",
            "https://alto.example.com/costmap/num/routingcost",
            Kind::CostMap,
            0,
        ),
        (
            "numerical-hopcount-cost-map",
            "https://alto.example.com/costmap/num/hopcount",
            Kind::CostMap,
            0,
        ),
        (
            "endpoint-cost",
            "https://alto.example.com/endpointcost/lookup",
            Kind::EndpointCost,
            0,
        ),
        (
            "updates",
            "https://alto.example.com/updates/all",
            Kind::UpdateStream,
            0,
        ),
        // Relative to the directory that names it, not to the first one.
        (
            "filtered-network-map",
            "https://custom.alto.example.com/networkmap/filtered",
            Kind::FilteredNetworkMap,
            1,
        ),
        (
            "filtered-cost-map",
            "https://custom.alto.example.com/costmap/filtered",
            Kind::FilteredCostMap,
            1,
        ),
    ] {
        let resource = at(id);
        assert_eq!(resource.url.as_str(), url);
        assert_eq!((resource.kind, resource.depth), (kind, depth), "{id}");
    }
    assert_eq!(
        at("numerical-hopcount-cost-map").media_type,
        media::COST_MAP
    );
}

#[test]
fn a_redirected_directory_has_the_base_where_it_was_found() {
    let mut walk = Walk::new(root(), Limits::default());
    let (_, depth) = walk.next().unwrap();
    let moved: Url = "https://other.example/deep/er/ird".parse().unwrap();
    walk.take(&moved, depth, DIRECTORY.as_bytes()).unwrap();
    let found = walk.finish();
    let map = found.choose(&of(Kind::NetworkMap)).unwrap();
    assert_eq!(map.url.as_str(), "https://other.example/deep/er/networkmap");
}

#[test]
fn alto_trap_7285_a_trailing_comma_makes_no_directory() {
    let broken = DIRECTORY.replace(
        "\"priv:ietf-example-prop\"]}",
        "\"priv:ietf-example-prop\"]},",
    );
    assert_ne!(broken, DIRECTORY);
    let mut walk = Walk::new(root(), Limits::default());
    let (url, depth) = walk.next().unwrap();
    let refused = walk.take(&url, depth, broken.as_bytes());
    assert!(
        matches!(refused, Err(DocumentError::Json(_))),
        "{refused:?}"
    );
    let empty = walk.take(&url, depth, b"{\"meta\": {}}");
    assert_eq!(empty, Err(DocumentError::Member("resources")));
}

/// A directory of nothing but links.
fn links(uris: &[&str]) -> Vec<u8> {
    let entry = |uri: &&str| {
        let entry = json!({"uri": uri, "media-type": media::DIRECTORY});
        ((*uri).to_owned(), entry)
    };
    let resources: serde_json::Map<String, Value> = uris.iter().map(entry).collect();
    serde_json::to_vec(&json!({"resources": resources})).unwrap()
}

#[test]
fn a_walk_is_bounded_in_depth_and_number_and_goes_nowhere_twice() {
    let limits = Limits {
        depth: 2,
        directories: 64,
        ..Limits::default()
    };
    let mut walk = Walk::new(root(), limits);
    let mut depths = Vec::new();
    while let Some((url, depth)) = walk.next() {
        depths.push(depth);
        // Each leads back to the first one and one deeper.
        let deeper = format!("{}x", url.path());
        walk.take(&url, depth, &links(&["/directory", &deeper]))
            .unwrap();
    }
    assert_eq!(depths, [0, 1, 2]);
    let remarks = walk.finish().remarks;
    assert!(
        remarks
            .iter()
            .any(|remark| remark.contains("deeper than 2")),
        "{remarks:?}"
    );

    let limits = Limits {
        depth: 9,
        directories: 3,
        ..Limits::default()
    };
    let mut walk = Walk::new(root(), limits);
    let (url, depth) = walk.next().unwrap();
    walk.take(&url, depth, &links(&["a", "b", "c", "d"]))
        .unwrap();
    assert_eq!(std::iter::from_fn(|| walk.next()).count(), 2);
    let remarks = walk.finish().remarks;
    assert!(
        remarks
            .iter()
            .any(|remark| remark.contains("2 are not read")),
        "{remarks:?}"
    );

    let limits = Limits {
        resources: 3,
        ..Limits::default()
    };
    let mut walk = Walk::new(root(), limits);
    let (url, depth) = walk.next().unwrap();
    walk.take(&url, depth, DIRECTORY.as_bytes()).unwrap();
    assert_eq!(walk.finish().resources.len(), 3);
}

/// All directories together; and a cost type is one, however many resources name it however often.
#[test]
fn a_walk_is_bounded_in_memory() {
    let limits = Limits {
        weight: 20_000,
        ..Limits::default()
    };
    let mut walk = Walk::new(root(), limits);
    let (url, depth) = walk.next().unwrap();
    walk.take(&url, depth, &links(&["a", "b", "c", "d"]))
        .unwrap();
    let mut taken = Vec::new();
    while let Some((url, depth)) = walk.next() {
        let uris: Vec<String> = (0..4).map(|n| format!("{}{n}", url.path())).collect();
        let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
        taken.push(walk.take(&url, depth, &links(&uris)));
    }
    assert_eq!(taken.first(), Some(&Ok(())));
    assert!(
        matches!(taken.last(), Some(Err(DocumentError::Heavy(_)))),
        "{taken:?}"
    );

    let entry = json!({"uri": "x", "media-type": media::COST_MAP, "capabilities": {"cost-type-names": vec!["a"; 100]}});
    let entries: serde_json::Map<String, Value> =
        (0..100).map(|n| (n.to_string(), entry.clone())).collect();
    let document = json!({"meta": {"cost-types": {"a": {"cost-metric": "m", "cost-mode": "numerical",
        "description": "x".repeat(1000)}}}, "resources": entries});
    let mut walk = Walk::new(root(), Limits::default());
    let (url, depth) = walk.next().unwrap();
    walk.take(&url, depth, document.to_string().as_bytes())
        .unwrap();
    let found = walk.finish().resources;
    let first = &found[0].cost_types[0];
    assert!(
        found
            .iter()
            .flat_map(|resource| &resource.cost_types)
            .all(|own| std::sync::Arc::ptr_eq(own, first))
    );
}

#[test]
fn what_is_wrong_with_one_entry_spares_the_others() {
    let map = json!({"uri": "nm", "media-type": media::NETWORK_MAP});
    let document = json!({"meta": {"default-alto-network-map": "good", "more": 1}, "resources": {
        "bad-type": {"uri": "x"}, "bad-uri": {"uri": 7, "media-type": media::COST_MAP},
        "file": {"uri": "file:///etc/passwd", "media-type": media::COST_MAP},
        "good": map, "plain": {"uri": "http://alto.example.com/x", "media-type": media::COST_MAP},
        "unknown-cost-type": {"uri": "c", "media-type": media::COST_MAP, "capabilities": {"cost-type-names": ["nope"]}},
    }});
    let mut walk = Walk::new(root(), Limits::default());
    let (url, depth) = walk.next().unwrap();
    walk.take(&url, depth, document.to_string().as_bytes())
        .unwrap();
    let found = walk.finish();
    let ids: Vec<&str> = found.resources.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["good", "unknown-cost-type"]);
    for said in [
        "no media-type",
        "no uri",
        "scheme file",
        "not encrypted",
        "does not define",
    ] {
        assert!(
            found.remarks.iter().any(|remark| remark.contains(said)),
            "{said}: {:?}",
            found.remarks
        );
    }
}

#[test]
fn resources_are_chosen_by_id_kind_and_metric() {
    let found = directories();
    let metrics = ["hopcount".to_owned()];
    let wish = Wish {
        kind: Some(Kind::CostMap),
        metrics: &metrics,
        ..Wish::default()
    };
    assert_eq!(
        found.choose(&wish).unwrap().id,
        "numerical-hopcount-cost-map"
    );
    // The default operator may be spelled out (RFC 9439 §3.2), and a name of the directory is understood.
    for metric in ["hopcount:median", "num-hop"] {
        let metrics = [metric.to_owned()];
        let wish = Wish {
            kind: Some(Kind::CostMap),
            metrics: &metrics,
            ..Wish::default()
        };
        assert_eq!(
            found.choose(&wish).unwrap().id,
            "numerical-hopcount-cost-map",
            "{metric}"
        );
    }
    let metrics = ["delay-rt".to_owned()];
    let wish = Wish {
        kind: Some(Kind::CostMap),
        metrics: &metrics,
        ..Wish::default()
    };
    let refused = found.choose(&wish).unwrap_err().to_string();
    assert!(
        refused.contains("delay-rt; offered are hopcount, routingcost"),
        "{refused}"
    );
    let refused = found.choose(&named("nm")).unwrap_err();
    assert!(
        matches!(&refused, ChoiceError::Unknown { id, known } if id == "nm" && known.contains("endpoint-cost"))
    );
    assert_eq!(
        found.choose(&of(Kind::PropertyMap)),
        Err(ChoiceError::NoKind("property-map"))
    );
    let watched: Vec<&str> = found
        .to_watch(&[])
        .unwrap()
        .iter()
        .map(|r| r.id.as_str())
        .collect();
    assert_eq!(
        watched,
        [
            "my-default-network-map",
            "numerical-hopcount-cost-map",
            "numerical-routing-cost-map"
        ]
    );
}

#[test]
fn a_map_that_is_fetched_is_filtered_by_the_one_made_for_it() {
    let found = directories();
    let filtering = |id| {
        found
            .filtering(found.choose(&named(id)).unwrap())
            .map(|r| r.id.as_str())
    };
    assert_eq!(
        filtering("my-default-network-map"),
        Ok("filtered-network-map")
    );
    assert_eq!(
        filtering("numerical-hopcount-cost-map"),
        Ok("filtered-cost-map")
    );
    assert_eq!(filtering("endpoint-cost"), Ok("endpoint-cost"));
    assert_eq!(
        filtering("custom-maps-resources"),
        Err(ChoiceError::NoFilter("custom-maps-resources".into()))
    );
}

#[test]
fn the_default_map_and_what_fits_come_before_what_comes_first() {
    let map = |uri| json!({"uri": uri, "media-type": media::NETWORK_MAP});
    let filtered = |uri, map, names: Value| {
        json!({"uri": uri, "media-type": media::COST_MAP, "accepts": media::COST_MAP_FILTER, "uses": [map],
            "capabilities": {"cost-type-names": names}})
    };
    let costs = |uri, map| json!({"uri": uri, "media-type": media::COST_MAP, "uses": [map], "capabilities": {"cost-type-names": ["delay"]}});
    let document = json!({
        "meta": {"default-alto-network-map": "nm", "cost-types": {
            "delay": {"cost-metric": "delay-rt", "cost-mode": "numerical"}, "loss": {"cost-metric": "lossrate", "cost-mode": "numerical"}}},
        "resources": {"a-costs": costs("ac", "a-map"), "a-map": map("am"), "nm": map("nm"), "nm-costs": costs("nc", "nm"),
            "nm-filter-1": filtered("f1", "nm", json!(["loss"])), "nm-filter-2": filtered("f2", "nm", json!(["loss", "delay"]))},
    });
    let mut walk = Walk::new(root(), Limits::default());
    let (url, depth) = walk.next().unwrap();
    walk.take(&url, depth, document.to_string().as_bytes())
        .unwrap();
    let found = walk.finish();
    assert_eq!(found.choose(&of(Kind::NetworkMap)).unwrap().id, "nm");
    let costs = found.choose(&of(Kind::CostMap)).unwrap();
    assert_eq!(costs.id, "nm-costs");
    assert_eq!(found.filtering(costs).unwrap().id, "nm-filter-2");
}

fn asked(
    id: &str,
    metrics: &[&str],
    mode: Option<&str>,
    filters: &[&str],
) -> Result<Value, QuestionError> {
    let found = directories();
    let owned = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    question(
        found.choose(&named(id)).unwrap(),
        &owned(metrics),
        mode,
        &Filter::new(&owned(filters))?,
    )
}

#[test]
fn questions_are_those_of_the_rfcs() {
    assert_eq!(
        asked(
            "filtered-network-map",
            &[],
            None,
            &["pid=PID1", "pid=PID2", "address-type=ipv4"]
        ),
        Ok(json!({"pids": ["PID1", "PID2"], "address-types": ["ipv4"]}))
    );
    assert_eq!(
        asked(
            "filtered-cost-map",
            &["routingcost"],
            None,
            &["src=PID1", "constraint=ge 5", "constraint=le 10"]
        ),
        Ok(
            json!({"cost-type": {"cost-mode": "numerical", "cost-metric": "routingcost"},
            "pids": {"srcs": ["PID1"], "dsts": []}, "constraints": ["ge 5", "le 10"]})
        )
    );
    assert_eq!(
        asked(
            "filtered-cost-map",
            &["routingcost", "hopcount"],
            Some("ordinal"),
            &[
                "or-constraint=[0] ge 5, [0] le 10",
                "or-constraint=[1] eq 0",
                "calendar=true"
            ]
        ),
        Ok(
            json!({"multi-cost-types": [{"cost-mode": "ordinal", "cost-metric": "routingcost"}, {"cost-mode": "ordinal", "cost-metric": "hopcount"}],
            "pids": {"srcs": [], "dsts": []}, "or-constraints": [["[0] ge 5", "[0] le 10"], ["[1] eq 0"]], "calendared": [true, true]})
        )
    );
    assert_eq!(
        asked(
            "endpoint-cost",
            &["ord-routing"],
            None,
            &["src=192.0.2.2", "dst=2001:db8::1", "dst=ipv4:198.51.100.34"]
        ),
        Ok(
            json!({"cost-type": {"cost-mode": "ordinal", "cost-metric": "routingcost"},
            "endpoints": {"srcs": ["ipv4:192.0.2.2"], "dsts": ["ipv6:2001:db8::1", "ipv4:198.51.100.34"]}})
        )
    );
    // An empty list of sources is the client itself (RFC 7285 §11.5.1.3).
    assert_eq!(
        asked("endpoint-cost", &["hopcount"], None, &["dst=192.0.2.2"]).unwrap()["endpoints"],
        json!({"dsts": ["ipv4:192.0.2.2"]})
    );
    assert_eq!(
        asked("endpoint-property", &[], None, &["endpoint=192.0.2.34"]),
        Ok(
            json!({"endpoints": ["ipv4:192.0.2.34"], "properties": ["my-default-network-map.pid", "priv:ietf-example-prop"]})
        )
    );
}

#[test]
fn questions_that_cannot_be_asked_say_what_can() {
    for (id, metrics, filters, said) in [
        (
            "filtered-network-map",
            &[][..],
            &["pids=PID1"][..],
            "filtered by pid, address-type",
        ),
        ("filtered-network-map", &[], &["pid"], "NAME=VALUE"),
        ("filtered-cost-map", &[], &[], "choose by --metric among"),
        ("filtered-cost-map", &["tput"], &[], "does not offer tput"),
        (
            "filtered-cost-map",
            &["num-hop", "num-routing", "ord-hop"],
            &[],
            "for 2 metrics at once, not for 3",
        ),
        (
            "endpoint-cost",
            &["hopcount", "routingcost"],
            &["dst=192.0.2.1"],
            "for 1 metrics at once",
        ),
        ("endpoint-cost", &["hopcount"], &[], "at least one endpoint"),
        (
            "endpoint-cost",
            &["hopcount"],
            &["dst=example.net"],
            "no address",
        ),
        ("my-default-network-map", &[], &[], "is not asked anything"),
    ] {
        let refused = asked(id, metrics, None, filters).unwrap_err().to_string();
        assert!(refused.contains(said), "{id} {filters:?}: {refused}");
    }
    assert!(CUSTOM.contains("\"max-cost-types\": 2"));
}
