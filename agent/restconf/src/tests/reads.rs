//! Conformance checks of reading.

use super::*;
use serde_json::json;

#[test]
fn lmap_check_01_host_meta_has_one_link() {
    let mut world = World::new();
    for accept in ["application/xrd+xml", "*/*"] {
        let call = Call::new("GET", "/.well-known/host-meta").nobody();
        let response = world.send(call.accept(accept));
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("application/xrd+xml"));
        assert_eq!(text(&response).matches("<Link ").count(), 1);
        assert!(text(&response).contains("<Link rel='restconf' href='/restconf'/>"));
    }
}

#[test]
fn lmap_check_02_root_names_its_three_children() {
    let mut world = World::new();
    let expected = json!({"ietf-restconf:restconf":
        {"data": {}, "operations": {}, "yang-library-version": "2019-01-04"}});
    assert_eq!(world.json("/restconf"), expected);
    assert_eq!(world.json("/restconf/"), expected);
    let expected = json!({"ietf-restconf:restconf": {"yang-library-version": "2019-01-04"}});
    assert_eq!(
        world.json("/restconf?fields=yang-library-version"),
        expected
    );
    let expected = json!({"ietf-restconf:restconf": {}});
    assert_eq!(world.json("/restconf?depth=1"), expected);
    fails(&world.get("/restconf?fields=nothing"), 400, "invalid-value");
    let xml = world.send(Call::new("GET", "/restconf").accept(XML));
    assert!(
        text(&xml)
            .starts_with("<restconf xmlns=\"urn:ietf:params:xml:ns:yang:ietf-restconf\"><data/>")
    );
}

#[test]
fn lmap_check_03_library_version_is_a_leaf_with_namespace() {
    let mut world = World::new();
    let response = world.send(Call::new("GET", "/restconf/yang-library-version").accept(XML));
    assert_eq!(
        text(&response),
        "<yang-library-version xmlns=\"urn:ietf:params:xml:ns:yang:ietf-restconf\">2019-01-04</yang-library-version>"
    );
}

#[test]
fn lmap_check_04_operations_are_empty_leaves() {
    let mut world = World::controller();
    let body = world.json("/restconf/operations");
    let operations = body["ietf-restconf:operations"].as_object().unwrap();
    assert!(operations.contains_key("ietf-lmap-report:report"));
    assert!(operations.values().all(|value| *value == json!([null])));
    let xml = world.send(Call::new("GET", "/restconf/operations").accept(XML));
    let leaf = "<report xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-report\"/>";
    assert!(text(&xml).contains(leaf));
    let agent = World::new().json("/restconf/operations");
    assert!(agent["ietf-restconf:operations"]["ietf-lmap-report:report"].is_null());
}

#[test]
fn lmap_check_05_capabilities_list_what_is_supported() {
    let mut world = World::new();
    let body = world.json(&format!(
        "{D}/ietf-restconf-monitoring:restconf-state/capabilities"
    ));
    let list = &body["ietf-restconf-monitoring:capabilities"]["capability"];
    for name in [
        "defaults:1.0?basic-mode=explicit",
        "depth:1.0",
        "fields:1.0",
        "with-defaults:1.0",
        "yang-patch:1.0",
    ] {
        let urn = format!("urn:ietf:params:restconf:capability:{name}");
        assert!(
            list.as_array().unwrap().contains(&json!(urn)),
            "{urn} in {list}"
        );
    }
}

#[test]
fn lmap_check_06_both_libraries_list_every_module() {
    let mut world = World::new();
    let new = world.json(&format!("{D}/ietf-yang-library:yang-library"));
    let new = &new["ietf-yang-library:yang-library"];
    let old = world.json(&format!("{D}/ietf-yang-library:modules-state"));
    let old = &old["ietf-yang-library:modules-state"];
    assert_eq!(new["content-id"], old["module-set-id"]);
    assert!(!new["content-id"].as_str().unwrap().is_empty());
    let set = &new["module-set"][0];
    let listed = old["module"].as_array().unwrap();
    let count = |list: &str| set[list].as_array().map_or(0, Vec::len);
    assert_eq!(count("module") + count("import-only-module"), listed.len());
    assert_eq!(
        listed.len(),
        AGENT.modules.iter().filter(|module| !module.client).count()
    );
    let lmap = listed
        .iter()
        .find(|module| module["name"] == "ietf-lmap-control")
        .unwrap();
    assert_eq!(lmap["revision"], "2017-08-08");
    assert_eq!(lmap["conformance-type"], "implement");
    let url = "https://agent.example:8443/restconf/yang/ietf-lmap-control@2017-08-08";
    assert_eq!(lmap["schema"], url);
    let stores: Vec<_> = new["datastore"].as_array().unwrap().iter().collect();
    assert_eq!(stores[0]["name"], "ietf-datastores:running");
    assert_eq!(stores[1]["schema"], "all");
    let module = world.get(url.strip_prefix("https://agent.example:8443").unwrap());
    assert_eq!(module.header("content-type"), Some("application/yang"));
    assert_eq!(text(&module), "module ietf-lmap-control {}");
}

#[test]
fn lmap_check_07_options_tells_methods_and_patches() {
    let mut world = World::new();
    let event = format!("{L}/events/event=E1");
    let response = world.send(Call::new("OPTIONS", &event).user("stranger"));
    assert_eq!(response.status, 200);
    let allow = response.header("Allow").unwrap();
    for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] {
        assert!(allow.split(", ").any(|name| name == method), "{method}");
    }
    let patches = response.header("Accept-Patch").unwrap();
    for kind in [
        "yang-data+xml",
        "yang-data+json",
        "yang-patch+xml",
        "yang-patch+json",
    ] {
        assert!(patches.contains(&format!("application/{kind}")), "{kind}");
    }
    let state = world.send(Call::new("OPTIONS", &format!("{L}/capabilities")));
    assert_eq!(state.header("Allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(state.header("Accept-Patch"), None);
}

#[test]
fn lmap_check_08_head_is_get_without_body() {
    let mut world = World::new();
    let missing = format!("{L}/events/event=nope");
    for path in [
        "/restconf",
        "/.well-known/host-meta",
        L,
        D,
        missing.as_str(),
    ] {
        let get = world.get(path);
        let head = world.send(Call::new("HEAD", path));
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.headers, get.headers, "{path}");
        assert!(head.body.is_empty() && !get.body.is_empty(), "{path}");
    }
}

#[test]
fn lmap_check_09_without_identity_401() {
    let mut world = World::new();
    fails(
        &world.send(Call::new("GET", L).nobody()),
        401,
        "access-denied",
    );
    let call = Call::new("DELETE", &format!("{L}/events/event=nope")).nobody();
    fails(&world.send(call), 401, "access-denied");
    let response = world.send(Call::new("GET", L).nobody());
    let challenge = response.header("www-authenticate").unwrap_or_default();
    assert!(challenge.contains("realm="), "every 401 has a challenge");
    world.server.settings.challenge = Some("Basic realm=\"agent\"".to_owned());
    let response = world.send(Call::new("GET", L).nobody());
    assert_eq!(
        response.header("www-authenticate"),
        Some("Basic realm=\"agent\"")
    );
}

#[test]
fn lmap_check_10_every_response_forbids_caching() {
    let mut world = World::new();
    for (method, path) in [
        ("GET", L),
        ("GET", "/nowhere"),
        ("PUT", L),
        ("BREW", L),
        ("OPTIONS", D),
        ("DELETE", D),
        ("GET", "/.well-known/host-meta"),
    ] {
        let response = world.send(Call::new(method, path));
        assert_eq!(
            response.header("Cache-Control"),
            Some("no-cache"),
            "{method} {path}"
        );
        assert_eq!(
            response.header("Date"),
            Some("Mon, 21 Sep 2026 14:13:20 GMT")
        );
    }
    // One of each status; `send` asserts both fields for every response of every test.
    let current = world.tag(L);
    let event = r#"{"ietf-lmap-control:event":[{"name":"N","startup":[null]}]}"#;
    let path = format!("{L}/events/event=N");
    for (call, status) in [
        (Call::new("GET", D), 200),
        (put(&path, event), 201),
        (put(&path, event), 204),
        (Call::new("GET", &format!("{L}/tasks")), 200),
        (Call::new("GET", &format!("{path}?depth=x")), 400),
        (Call::new("GET", L).nobody(), 401),
        (Call::new("DELETE", L).user("stranger"), 403),
        (Call::new("GET", &format!("{L}/events/event=nope")), 404),
        (Call::new("DELETE", D), 405),
        (Call::new("GET", L).accept("text/html"), 406),
        (Call::new("DELETE", &format!("{L}/events/event=nope")), 409),
        (put(&path, event).header("If-Match", &current), 412),
        (put(&path, &" ".repeat(1_000_000)), 413),
        (Call::new("PUT", &path).body("text/plain", "x"), 415),
    ] {
        let response = world.send(&call);
        assert_eq!(response.status, status, "{}", text(&response));
        assert_eq!(response.header("Cache-Control"), Some("no-cache"));
    }
    let tag = world.tag(L);
    let fresh = Call::new("GET", L).header("If-None-Match", &tag);
    assert_eq!(world.send(fresh).status, 304);
    for status in [408, 429, 500, 501, 503] {
        let error = crate::Error::new(crate::Tag::InUse, "not now").with_status(status);
        let request = Call::new("GET", L).request();
        let response = world.server.refuse(&request, error).response;
        assert_eq!(response.status, status);
        assert_eq!(response.header("Cache-Control"), Some("no-cache"));
        assert!(response.header("Date").is_some());
    }
}

#[test]
fn lmap_check_11_html_is_not_acceptable() {
    let mut world = World::new();
    fails(
        &world.send(Call::new("GET", L).accept("text/html")),
        406,
        "invalid-value",
    );
    let call = Call::new("GET", L).accept("text/html, application/*;q=0.1");
    assert_eq!(world.send(call).status, 200);
}

#[test]
fn lmap_check_13_encodings_have_their_own_tags() {
    let mut world = World::new();
    let json = world.send(Call::new("GET", L).accept(JSON));
    let xml = world.send(Call::new("GET", L).accept(XML));
    assert_eq!(json.header("content-type"), Some(JSON));
    assert_eq!(xml.header("content-type"), Some(XML));
    assert_ne!(json.header("ETag"), xml.header("ETag"));
    let other = Call::new("GET", L).accept(XML);
    let other = other.header("If-None-Match", json.header("ETag").unwrap());
    assert_eq!(world.send(other).status, 200);
}

#[test]
fn lmap_check_15_state_does_not_move_the_tag() {
    let mut world = World::new();
    let before = world.get(L);
    world.invocations += 1;
    let after = world.get(L);
    assert_ne!(before.body, after.body);
    assert_eq!(before.header("ETag"), after.header("ETag"));
    assert_eq!(
        before.header("Last-Modified"),
        after.header("Last-Modified")
    );
    let state = world.get(&format!("{L}?content=nonconfig"));
    assert_eq!(state.header("ETag"), None);
}

#[test]
fn lmap_check_17_current_tag_304() {
    let mut world = World::new();
    for path in [D.to_owned(), L.to_owned(), format!("{L}/events/event=E1")] {
        let tag = world.tag(&path);
        for list in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let response = world.send(Call::new("GET", &path).header("If-None-Match", &list));
            assert_eq!(response.status, 304, "{list}");
            assert!(response.body.is_empty());
            assert_eq!(response.header("ETag"), Some(tag.as_str()));
            assert_eq!(response.header("Content-Type"), None);
        }
        let stale = Call::new("GET", &path).header("If-None-Match", "\"other\"");
        assert_eq!(world.send(stale).status, 200);
        let date = world.get(&path).header("Last-Modified").unwrap().to_owned();
        let since = Call::new("GET", &path).header("If-Modified-Since", &date);
        assert_eq!(world.send(since).status, 304);
        let since =
            Call::new("GET", &path).header("If-Modified-Since", "Mon, 01 Jan 2024 00:00:00 GMT");
        assert_eq!(world.send(since).status, 200);
    }
}

#[test]
fn lmap_check_18_missing_instance_404() {
    let mut world = World::new();
    fails(
        &world.get(&format!("{L}/events/event=nope")),
        404,
        "invalid-value",
    );
    fails(
        &world.get(&format!("{L}/agent/agent-id")),
        404,
        "invalid-value",
    );
    fails(&world.get(&format!("{L}/nothing")), 404, "invalid-value");
}

#[test]
fn lmap_check_19_list_without_keys() {
    let mut world = World::new();
    let list = format!("{L}/events/event");
    let body = world.json(&list);
    assert_eq!(body["ietf-lmap-control:event"].as_array().unwrap().len(), 5);
    let call = Call::new("GET", &list).accept(XML);
    let response = world.send(call);
    assert_eq!(response.status, 400);
    assert!(text(&response).contains("<error-tag>invalid-value</error-tag>"));
    fails(
        &world.get(&format!("{list}/random-spread")),
        400,
        "invalid-value",
    );
}

#[test]
fn lmap_check_20_keys_are_decoded_after_splitting() {
    let mut world = World::new();
    for (key, name) in [
        ("a%2Fb", "a/b"),
        ("a%2fb", "a/b"),
        ("a%2Cb", "a,b"),
        ("%22x%22", "\"x\""),
        ("Gr%C3%B6%C3%9Fe", "Größe"),
        ("Größe", "Größe"),
    ] {
        let body = world.json(&format!("{L}/events/event={key}"));
        assert_eq!(body["ietf-lmap-control:event"][0]["name"], name);
    }
    fails(
        &world.get(&format!("{L}/events/event=a%252Fb")),
        404,
        "invalid-value",
    );
    fails(
        &world.get(&format!("{L}/events/event=a,b")),
        400,
        "invalid-value",
    );
    fails(
        &world.get(&format!("{L}/events/event=%zz")),
        400,
        "invalid-value",
    );
}

#[test]
fn lmap_check_21_empty_key_is_no_wildcard() {
    let mut world = World::new();
    fails(
        &world.get(&format!("{L}/events/event=")),
        404,
        "invalid-value",
    );
    fails(
        &world.get(&format!("{L}/events/event=,")),
        400,
        "invalid-value",
    );
    let made = put(&format!("{L}/events/event="), "{}");
    fails(&world.send(made), 400, "invalid-value");
}

#[test]
fn lmap_check_22_top_level_needs_its_module() {
    let mut world = World::new();
    fails(&world.get(&format!("{D}/lmap")), 404, "invalid-value");
    fails(
        &world.get(&format!("{D}/no-such-module:lmap")),
        404,
        "invalid-value",
    );
    assert_eq!(
        world.get(&format!("{L}/ietf-lmap-control:agent")).status,
        200
    );
}

#[test]
fn lmap_check_31_query_parameters_are_known_and_come_once() {
    let mut world = World::new();
    for query in [
        "depth=1&depth=2",
        "depth=1&depth=1",
        "colour=red",
        "Depth=1",
        "insert=first",
        "content=none",
        "content",
        "with-defaults=all",
        "fields=",
        "fields=agent(",
        "fields=nothing",
        "start-time=2026-01-01T00:00:00Z",
        "depth=%zz",
    ] {
        fails(&world.get(&format!("{L}?{query}")), 400, "invalid-value");
    }
    let call = Call::new("DELETE", &format!("{L}/events/event=E1?depth=1"));
    fails(&world.send(call), 400, "invalid-value");
    fails(
        &world.get("/restconf/operations?depth=1"),
        400,
        "invalid-value",
    );
}

#[test]
fn lmap_check_32_content_divides_configuration_from_state() {
    let mut world = World::new();
    let state = world.json(&format!("{L}/schedules?content=nonconfig"));
    let entry = &state["ietf-lmap-control:schedules"]["schedule"][0];
    assert_eq!(entry["name"], "S1");
    assert_eq!(entry["invocations"], 7);
    assert!(entry["start"].is_null() && entry["action"][0]["task"].is_null());
    assert_eq!(entry["action"][0]["name"], "A1");
    let config = world.json(&format!("{L}/schedules?content=config"));
    let entry = &config["ietf-lmap-control:schedules"]["schedule"][0];
    assert_eq!(entry["start"], "E1");
    assert!(entry["state"].is_null() && entry["action"][1]["storage"].is_null());
    let all = world.json(&format!("{L}/schedules"));
    let entry = &all["ietf-lmap-control:schedules"]["schedule"][0];
    assert_eq!(
        (&entry["start"], &entry["state"]),
        (&json!("E1"), &json!("enabled"))
    );
    // The order of actions is their order of arrival, with state or without.
    assert_eq!(entry["action"][0]["name"], "A2");
    assert_eq!(entry["action"][1]["storage"], "4096");
    let capabilities = format!("{L}/capabilities?content=config");
    fails(&world.get(&capabilities), 404, "invalid-value");
    let event = world.json(&format!("{L}/events/event=E1?content=nonconfig"));
    assert_eq!(event, json!({"ietf-lmap-control:event": [{"name": "E1"}]}));
}

#[test]
fn lmap_check_33_depth_counts_from_the_target() {
    let mut world = World::new();
    let one = world.json(&format!("{L}?depth=1"));
    assert_eq!(one, json!({"ietf-lmap-control:lmap": {}}));
    let two = world.json(&format!("{L}?depth=2"));
    let two = two["ietf-lmap-control:lmap"].as_object().unwrap();
    assert!(two.contains_key("schedules"));
    assert!(two.values().all(|child| *child == json!({})), "{two:?}");
    let three = world.json(&format!("{L}?depth=3"));
    let three = &three["ietf-lmap-control:lmap"];
    assert_eq!(three["agent"]["group-id"], "lab");
    assert_eq!(three["schedules"]["schedule"][0], json!({"name": "S1"}));
    let data = world.json(&format!("{D}?depth=2"));
    assert_eq!(
        data["ietf-restconf:data"]["ietf-lmap-control:lmap"],
        json!({})
    );
    let xml = world.send(Call::new("GET", &format!("{L}?depth=3&fields=agent")).accept(XML));
    assert_eq!(
        text(&xml),
        "<lmap xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-control\"><agent><group-id>lab</group-id>\
         <last-started>2026-09-21T10:00:00+00:00</last-started></agent></lmap>"
    );
    let whole = world.json(L);
    assert_eq!(world.json(&format!("{L}?depth=unbounded")), whole);
    assert_eq!(world.json(&format!("{L}?depth=65535")), whole);
    for depth in ["0", "65536", "-1", "one", "", "01", "00001", "+1"] {
        fails(
            &world.get(&format!("{L}?depth={depth}")),
            400,
            "invalid-value",
        );
    }
}

#[test]
fn lmap_check_34_fields_select() {
    let mut world = World::new();
    let body = world.json(&format!("{L}?fields=schedules/schedule(name;state)"));
    let expected = json!({"ietf-lmap-control:lmap": {"schedules": {"schedule": [
        {"name": "S1", "state": "enabled"}, {"name": "S2", "state": "enabled"}]}}});
    assert_eq!(body, expected);
    let deep = world.json(&format!(
        "{D}?fields=ietf-lmap-control:lmap(agent/group-id;tasks)&depth=2"
    ));
    let expected = json!({"ietf-restconf:data": {"ietf-lmap-control:lmap":
        {"agent": {"group-id": "lab"}, "tasks": {"task": [{"name": "ping"}]}}}});
    assert_eq!(deep, expected);
}

#[test]
fn lmap_check_35_with_defaults_has_four_modes() {
    let mut world = World::new();
    let schedules = format!("{L}/schedules?content=config");
    let mode = |world: &mut World, name: &str, at: usize| {
        let body = world.json(&format!("{schedules}&with-defaults={name}"));
        body["ietf-lmap-control:schedules"]["schedule"][at].clone()
    };
    assert!(mode(&mut world, "explicit", 0)["execution-mode"].is_null());
    assert_eq!(
        mode(&mut world, "explicit", 1)["execution-mode"],
        "pipelined"
    );
    assert_eq!(
        mode(&mut world, "report-all", 0)["execution-mode"],
        "pipelined"
    );
    assert!(mode(&mut world, "trim", 1)["execution-mode"].is_null());
    let tagged = mode(&mut world, "report-all-tagged", 0);
    assert_eq!(tagged["execution-mode"], "pipelined");
    assert_eq!(
        tagged["@execution-mode"],
        json!({"ietf-netconf-with-defaults:default": true})
    );
    // Where data is cut off, what was below is seen to be there.
    let cut = world.json(&format!("{L}?depth=2&with-defaults=report-all-tagged"));
    let lmap = cut["ietf-lmap-control:lmap"].as_object().unwrap();
    assert!(lmap.contains_key("schedules") && lmap.values().all(|child| *child == json!({})));
    let deeper = world.json(&format!(
        "{schedules}&depth=3&with-defaults=report-all-tagged"
    ));
    let first = &deeper["ietf-lmap-control:schedules"]["schedule"][0];
    assert_eq!(first["execution-mode"], "pipelined");
    assert_eq!(first["@execution-mode"], tagged["@execution-mode"]);
}

#[test]
fn lmap_check_36_unset_leaf_shows_its_default() {
    let mut world = World::new();
    let body = world.json(&format!("{L}/agent/report-agent-id"));
    assert_eq!(body, json!({"ietf-lmap-control:report-agent-id": false}));
}

#[test]
fn lmap_check_38_operations_are_not_read() {
    let mut world = World::controller();
    for method in ["GET", "HEAD", "PUT"] {
        let path = "/restconf/operations/ietf-lmap-report:report";
        let response = world.send(Call::new(method, path));
        assert_eq!(response.status, 405);
        assert_eq!(response.header("Allow"), Some("POST, OPTIONS"));
        if method == "GET" {
            fails(&response, 405, "operation-not-supported");
        }
    }
    fails(
        &world.get("/restconf/operations/ietf-lmap-report:nothing"),
        404,
        "invalid-value",
    );
}

#[test]
fn lmap_check_41_without_streams_their_list_is_not_there() {
    let mut world = World::new();
    let path = format!("{D}/ietf-restconf-monitoring:restconf-state/streams/stream");
    fails(&world.get(&path), 404, "invalid-value");
    fails(
        &world.get("/restconf/streams/NETCONF/json"),
        404,
        "invalid-value",
    );
}

#[test]
fn lmap_check_48_gauges_are_strings_and_empty_is_null_in_an_array() {
    let mut world = World::new();
    let body = world.json(&format!("{L}/schedules/schedule=S1/storage"));
    assert_eq!(body, json!({"ietf-lmap-control:storage": "0"}));
    let body = world.json(&format!("{L}/events/event=a%2Fb/immediate"));
    assert_eq!(body, json!({"ietf-lmap-control:immediate": [null]}));
    let event = format!("{L}/events/event=N");
    let body = r#"{"ietf-lmap-control:event":[{"name":"N","immediate":null}]}"#;
    assert_eq!(world.send(put(&event, body)).status, 400);
}

#[test]
fn an_empty_container_without_presence_is_there() {
    let mut world = World::new();
    let body = world.json(&format!("{L}/suppressions"));
    assert_eq!(body, json!({"ietf-lmap-control:suppressions": {}}));
    let periodic = format!("{L}/events/event=a%2Fb/periodic");
    fails(&world.get(&periodic), 404, "invalid-value");
}
