//! What the text of RFC 8040 and RFC 8072 asks for beyond the numbered checks.

use super::*;
use serde_json::json;

const PATCH: &str = "application/yang-patch+json";

fn patch(path: &str, edit: &str) -> Call {
    let body = format!(r#"{{"ietf-yang-patch:yang-patch":{{"patch-id":"p","edit":[{edit}]}}}}"#);
    Call::new("PATCH", path).body(PATCH, &body)
}

/// RFC 8040 §4.8.3: `;` adds nodes, wherever the paths part.
#[test]
fn fields_that_share_a_path_are_all_selected() {
    let mut world = World::new();
    let expected = world.json(&format!(
        "{L}?fields=schedules/schedule(name;state;action(task;storage))"
    ));
    for fields in [
        "schedules/schedule/name;schedules/schedule/state;schedules/schedule/action/task;schedules/schedule/action/storage",
        "schedules(schedule/state);schedules(schedule(action/task));schedules/schedule/action(storage;name)",
    ] {
        let body = world.json(&format!("{L}?fields={fields}"));
        assert_eq!(body, expected, "{fields}");
    }
    let all = world.json(&format!("{L}?fields=schedules"));
    let more = world.json(&format!("{L}?fields=schedules/schedule/state;schedules"));
    assert_eq!(more, all);
}

/// The API resource shows its children empty, so nothing inside them can be selected (RFC 8040 §4.8.3).
#[test]
fn fields_of_the_api_resource_end_at_its_children() {
    let mut world = World::new();
    let body = world.json("/restconf?fields=operations;data");
    assert_eq!(
        body,
        json!({"ietf-restconf:restconf": {"data": {}, "operations": {}}})
    );
    for fields in ["data/ietf-lmap-control:lmap", "yang-library-version(a;b)"] {
        let response = world.get(&format!("/restconf?fields={fields}"));
        fails(&response, 400, "invalid-value");
    }
}

/// RFC 8040 §4.3: of several instances, a tag could only be the first one's, and would hide that another changed.
#[test]
fn only_one_instance_has_a_tag_and_a_date() {
    let mut world = World::new();
    let list = format!("{L}/events/event");
    let several = world.get(&list);
    assert_eq!(several.status, 200);
    assert_eq!(
        (several.header("ETag"), several.header("Last-Modified")),
        (None, None)
    );
    let edit = Call::new("PATCH", &format!("{list}=E1"))
        .at(100)
        .json(r#"{"ietf-lmap-control:event":[{"name":"E1","random-spread":3}]}"#);
    let edited = world.send(edit);
    assert_eq!(edited.status, 204);
    let before = crate::date::http_date(NOW / 1_000_000 + 50);
    let since = Call::new("GET", &list).header("If-Modified-Since", &before);
    assert_eq!(world.send(since).status, 200);
    // One that stands alone is that one.
    let only = format!("{L}/tasks/task");
    let own = world.get(&format!("{only}=ping"));
    let alone = world.get(&only);
    assert!(own.header("ETag").is_some());
    for name in ["ETag", "Last-Modified"] {
        assert_eq!(alone.header(name), own.header(name), "{name}");
    }
    let call = Call::new("PATCH", &format!("{only}=ping"))
        .at(100)
        .json(r#"{"ietf-lmap-control:task":[{"name":"ping","program":"/bin/ping"}]}"#);
    assert_eq!(world.send(call).status, 204);
    let since = Call::new("GET", &only).header("If-Modified-Since", &before);
    assert_eq!(world.send(since).status, 200);
}

/// A container without `presence` is there when nothing is in it, and changed when that went (RFC 8040 §3.4.1.3, §3.5.1).
#[test]
fn what_went_out_of_a_container_moves_its_date() {
    for path in ["agent", "agent/group-id"] {
        let mut world = World::new();
        let gone = Call::new("DELETE", &format!("{L}/{path}")).at(100);
        assert_eq!(world.send(gone).status, 204);
        let agent = format!("{L}/agent");
        let before = crate::date::http_date(NOW / 1_000_000 + 50);
        let since = Call::new("GET", &agent).header("If-Modified-Since", &before);
        let response = world.send(since);
        assert_eq!(response.status, 200, "{path}");
        let now = crate::date::http_date(NOW / 1_000_000 + 100);
        assert_eq!(response.header("Last-Modified"), Some(now.as_str()));
        let stale = Call::new("PATCH", &agent)
            .header("If-Unmodified-Since", &before)
            .json(r#"{"ietf-lmap-control:agent":{"group-id":"late"}}"#);
        fails(&world.send(stale), 412, "operation-failed");
    }
}

/// RFC 8040 §4.4.1: the parent of what is posted is one instance.
#[test]
fn a_post_is_for_one_parent() {
    let mut world = World::new();
    let call = Call::new("POST", &format!("{L}/schedules/schedule"))
        .json(r#"{"ietf-lmap-control:action":[{"name":"A9","task":"ping"}]}"#);
    fails(&world.send(call), 400, "invalid-value");
    assert_eq!(world.commits, 0);
}

/// RFC 8040 §4.8, §4.8.5: a parameter that cannot mean anything is 400.
#[test]
fn parameters_without_meaning_are_refused() {
    let mut world = World::new();
    let body = r#"{"ietf-restconf:data":{}}"#;
    for call in [
        put(&format!("{D}?insert=first"), body),
        Call::new("OPTIONS", &format!("{L}?depth=1")),
        Call::new("OPTIONS", "/restconf?colour=red"),
    ] {
        fails(&world.send(&call), 400, "invalid-value");
    }
    assert_eq!(world.commits, 0);
}

/// RFC 8040 §4.8.6: the format of a target resource URI; its examples leave out what all have in common.
#[test]
fn a_point_may_be_a_whole_target() {
    let option = "ietf-lmap-control:lmap/schedules/schedule=S1/action=A2/option";
    for above in ["%2F", "%2Frestconf%2Fdata%2F", ""] {
        let mut world = World::new();
        let point = option.replace('/', "%2F").replace('=', "%3D");
        let call = put(
            &format!("{D}/{option}=zero?insert=before&point={above}{point}%3Dtwo"),
            r#"{"ietf-lmap-control:option":[{"id":"zero"}]}"#,
        );
        let response = world.send(call);
        assert_eq!(response.status, 201, "{above}: {}", text(&response));
        let body = world.json(&format!("{D}/{option}"));
        let ids: Vec<_> = body["ietf-lmap-control:option"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].clone())
            .collect();
        assert_eq!(ids, ["one", "zero", "two", "three"]);
    }
}

/// The example of RFC 8040 §4.6.1 leaves out the key that its path names.
#[test]
fn a_plain_patch_may_leave_out_the_keys_of_its_path() {
    let mut world = World::new();
    let event = format!("{L}/events/event=a%2Fb");
    let json =
        Call::new("PATCH", &event).json(r#"{"ietf-lmap-control:event":[{"random-spread":7}]}"#);
    let response = world.send(json);
    assert_eq!(response.status, 204, "{}", text(&response));
    let xml = Call::new("PATCH", &event).body(
        XML,
        "<event xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-control\"><cycle-interval>9</cycle-interval></event>",
    );
    let response = world.send(xml);
    assert_eq!(response.status, 204, "{}", text(&response));
    let expected = json!({"ietf-lmap-control:event": [
        {"name": "a/b", "random-spread": 7, "cycle-interval": 9, "immediate": [null]}]});
    assert_eq!(world.json(&event), expected);
    // Another key is still another entry; below the target, and in a PUT, all keys are there.
    for body in [
        r#"{"ietf-lmap-control:event":[{"name":"E1","random-spread":8}]}"#,
        r#"{"ietf-lmap-control:event":[{"name":null,"random-spread":8}]}"#,
        r#"{"ietf-lmap-control:event":[]}"#,
        r#"{"ietf-lmap-control:event":[{"random-spread":8},{"random-spread":9}]}"#,
    ] {
        assert_eq!(
            world.send(Call::new("PATCH", &event).json(body)).status,
            400,
            "{body}"
        );
    }
    let nested = Call::new("PATCH", &format!("{L}/events"))
        .json(r#"{"ietf-lmap-control:events":{"event":[{"random-spread":8}]}}"#);
    fails(&world.send(nested), 400, "missing-element");
    let replaced = put(
        &event,
        r#"{"ietf-lmap-control:event":[{"random-spread":8}]}"#,
    );
    fails(&world.send(replaced), 400, "missing-element");
    assert_eq!(world.json(&event), expected);
}

/// RFC 8072 §2.2: an edit of what is not there is 404, unless it creates.
#[test]
fn edits_of_what_is_not_there_are_404() {
    let mut world = World::new();
    let option = "/schedules/schedule=S1/action=A2/option";
    for edit in [
        r#"{"edit-id":"1","operation":"delete","target":"/events/event=nope"}"#.to_owned(),
        format!(r#"{{"edit-id":"1","operation":"move","target":"{option}=nope","where":"first"}}"#),
        r#"{"edit-id":"1","operation":"merge","target":"/schedules/schedule=nope/end","value":{"ietf-lmap-control:end":"E1"}}"#
            .to_owned(),
    ] {
        let response = world.send(patch(L, &edit));
        assert_eq!(response.status, 404, "{edit}: {}", text(&response));
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        let edit = &body["ietf-yang-patch:yang-patch-status"]["edit-status"]["edit"][0];
        assert_eq!(edit["errors"]["error"][0]["error-tag"], "data-missing");
    }
    let orphan = r#"{"edit-id":"1","operation":"create","target":"/schedules/schedule=nope/end","value":{"ietf-lmap-control:end":"E1"}}"#;
    assert_eq!(world.send(patch(L, orphan)).status, 409);
    let gone = r#"{"edit-id":"1","operation":"remove","target":"/events/event=nope"}"#;
    assert_eq!(world.send(patch(L, gone)).status, 200);
    assert_eq!(world.commits, 0);
}

/// The `when` conditions of RFC 8072 §3.
#[test]
fn edits_have_no_parts_that_others_have() {
    let mut world = World::new();
    let option = "/schedules/schedule=S1/action=A2/option";
    let value = r#""value":{"ietf-lmap-control:agent":{}}"#;
    let event = r#""value":{"ietf-lmap-control:event":[{"name":"N","startup":[null]}]}"#;
    for edit in [
        format!(r#"{{"edit-id":"1","operation":"remove","target":"/agent",{value}}}"#),
        format!(
            r#"{{"edit-id":"1","operation":"create","target":"/events/event=N","where":"first",{event}}}"#
        ),
        format!(
            r#"{{"edit-id":"1","operation":"move","target":"{option}=one","where":"last","point":"{option}=two"}}"#
        ),
        format!(
            r#"{{"edit-id":"1","operation":"move","target":"{option}=one","point":"{option}=two"}}"#
        ),
    ] {
        let response = world.send(patch(L, &edit));
        assert_eq!(response.status, 400, "{edit}: {}", text(&response));
    }
    assert_eq!(world.commits, 0);
}

/// RFC 8040 §5.2: the status of a patch is a body, which the client has to take.
#[test]
fn a_patch_whose_answer_is_not_acceptable_is_not_done() {
    let mut world = World::new();
    let edit = r#"{"edit-id":"1","operation":"remove","target":"/events/event=a%2Fb"}"#;
    let call = patch(L, edit).accept("text/html");
    fails(&world.send(call), 406, "invalid-value");
    assert_eq!(world.commits, 0);
    // An edit without a body in its answer has nothing to be taken.
    let call = Call::new("DELETE", &format!("{L}/events/event=a%2Fb")).accept("text/html");
    assert_eq!(world.send(call).status, 204);
}

/// What a server says of itself is valid as a whole (RFC 8525 §4, RFC 8040 §9.3), and each entry is a resource (RFC 8040 §3.5.3).
#[test]
fn what_a_server_says_of_itself_is_valid() {
    use crate::library::describe;
    use glimpse_yang::validate::{Check, validate};
    for schema in [&AGENT, &CONTROLLER] {
        let offer = |replay_from| Offer {
            name: "NETCONF".to_owned(),
            description: "<all> & \"more\"".to_owned(),
            replay_from,
        };
        let mut second = offer(None);
        second.name = "a/b".to_owned();
        let mut world = World::of(schema, vec![offer(Some(NOW)), second]);
        let location = |path: &str| format!("https://agent.example{path}");
        let tree = describe(world.server.settings(), Counters::default(), &location).unwrap();
        let mut faults = validate(&tree, Check::Everything, None);
        faults.retain(|fault| {
            // Who else has state is not asked here.
            let path = fault.path.as_ref().unwrap();
            crate::library::DESCRIBED.contains(&schema.module_name(path.steps[0].node))
        });
        assert_eq!(faults, Vec::new());
        let library = format!("{D}/ietf-yang-library:");
        let state = format!("{D}/ietf-restconf-monitoring:restconf-state");
        for path in [
            format!("{library}modules-state/module=ietf-lmap-control,2017-08-08"),
            format!("{library}yang-library/module-set=all/module=ietf-lmap-control"),
            format!("{library}yang-library/datastore=ietf-datastores:running"),
            format!("{library}yang-library/datastore=ietf-datastores%3Aoperational/schema"),
            format!("{state}/streams/stream=NETCONF/access=xml/location"),
            format!("{state}/streams/stream=a%2Fb/access=json"),
        ] {
            for accept in [JSON, XML] {
                let response = world.send(Call::new("GET", &path).accept(accept));
                assert_eq!(response.status, 200, "{path}: {}", text(&response));
            }
        }
    }
}

/// A default that is posted (RFC 6243 §4.5.2) is not there twice either.
#[test]
fn a_default_that_is_posted_takes_nothing_away() {
    let mut world = World::new();
    let post = Call::new("POST", &format!("{L}/agent")).json(
        r#"{"ietf-lmap-control:report-group-id":false,
            "@ietf-lmap-control:report-group-id":{"ietf-netconf-with-defaults:default":true}}"#,
    );
    let set = put(
        &format!("{L}/agent/report-group-id"),
        r#"{"ietf-lmap-control:report-group-id":true}"#,
    );
    assert_eq!(world.send(set).status, 201);
    fails(&world.send(post), 409, "resource-denied");
    let body = world.json(&format!("{L}/agent/report-group-id"));
    assert_eq!(body["ietf-lmap-control:report-group-id"], true);
}
