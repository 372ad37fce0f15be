//! Access control (RFC 8341).

use super::*;
use crate::access::Rules;
use serde_json::json;

/// A world whose `/nacm` is this.
fn world(nacm: &str) -> World {
    let mut world = World::new();
    let text = format!(r#"{{"ietf-netconf-acm:nacm": {nacm}}}"#);
    let reader = Reader::new(&AGENT, Encoding::Json);
    let nacm = reader.data(text.as_bytes()).unwrap();
    world.running.top.retain(|top| top.node != nacm.top[0].node);
    world.running.push(nacm.top[0].clone());
    world
}

fn task(program: &str) -> Call {
    let body = format!(r#"{{"ietf-lmap-control:task":[{{"name":"t"{program}}}]}}"#);
    put(&format!("{L}/tasks/task=t"), &body)
}

#[test]
fn lmap_check_47_program_is_denied_unless_a_rule_permits_it() {
    let mut own = World::new();
    let with_program = task(r#","program":"/bin/sh""#);
    let response = own.send(with_program.clone().user("carl"));
    fails(&response, 403, "access-denied");
    assert_eq!(own.counters.data_writes, 1);
    assert_eq!(own.commits, 0);
    assert_eq!(own.send(task("").user("carl")).status, 201);
    assert_eq!(own.send(with_program.clone().user("olga")).status, 204);
    // Even `write-default permit` does not open it.
    let mut open = world(r#"{"write-default": "permit"}"#);
    fails(&open.send(with_program.clone()), 403, "access-denied");
    assert_eq!(open.send(task("")).status, 201);
    // Nor may it vanish with its task.
    let delete = Call::new("DELETE", &format!("{L}/tasks/task=ping"));
    fails(&open.send(delete), 403, "access-denied");
}

#[test]
fn without_rules_nobody_writes_and_nobody_reads_nacm() {
    let mut bare = world("{}");
    assert_eq!(bare.get(L).status, 200);
    fails(
        &bare.get(&format!("{D}/ietf-netconf-acm:nacm")),
        404,
        "invalid-value",
    );
    assert!(bare.json(D)["ietf-restconf:data"]["ietf-netconf-acm:nacm"].is_null());
    fails(&bare.send(task("")), 403, "access-denied");
    let mut call = task("");
    if let Some(user) = &mut call.user {
        user.recovery = true;
    }
    assert_eq!(bare.send(call).status, 201);
    let mut off = world(r#"{"enable-nacm": false}"#);
    assert_eq!(off.send(task(r#","program":"/bin/sh""#)).status, 201);
}

#[test]
fn what_may_not_be_read_is_left_out() {
    let mut world = world(
        r#"{"groups": {"group": [{"name": "guests", "user-name": ["olga"]}]},
        "rule-list": [{"name": "r", "group": ["guests"], "rule": [
            {"name": "1", "path": "/ietf-lmap-control:lmap/events/event[name='E1']/periodic", "action": "deny"},
            {"name": "2", "path": "/ietf-lmap-control:lmap/schedules/schedule/action/task", "access-operations": "read", "action": "deny"},
            {"name": "3", "path": "/ietf-lmap-control:lmap/tasks/task/name", "access-operations": "read", "action": "deny"}]}]}"#,
    );
    let body = world.json(L);
    let lmap = &body["ietf-lmap-control:lmap"];
    assert_eq!(lmap["events"]["event"][0], json!({"name": "E1"}));
    assert_eq!(lmap["events"]["event"][1]["immediate"], json!([null]));
    let action = &lmap["schedules"]["schedule"][0]["action"][0];
    assert!(action["task"].is_null() && action["option"].is_array());
    assert!(
        lmap["tasks"].is_null(),
        "an entry whose key is hidden is hidden"
    );
    let hidden = format!("{L}/events/event=E1/periodic/interval");
    fails(&world.get(&hidden), 404, "invalid-value");
    // Nor does a condition, an edit or its error tell of it.
    fails(
        &world.send(Call::new("DELETE", &hidden)),
        403,
        "access-denied",
    );
    let absent = hidden.replace("E1", "nope");
    fails(
        &world.send(Call::new("DELETE", &absent)),
        403,
        "access-denied",
    );
}

#[test]
fn the_first_rule_that_fits_decides() {
    let rules = |first: &str, second: &str| {
        format!(
            r#"{{"groups": {{"group": [{{"name": "g", "user-name": ["olga"]}}]}}, "rule-list": [
            {{"name": "other", "group": ["h"], "rule": [{{"name": "1", "action": "permit"}}]}},
            {{"name": "own", "group": ["*"], "rule": [
              {{"name": "1", "module-name": "ietf-lmap-control", "access-operations": "create", "action": "{first}"}},
              {{"name": "2", "module-name": "*", "action": "{second}"}}]}}]}}"#
        )
    };
    let mut first = world(&rules("permit", "deny"));
    assert_eq!(first.send(task("")).status, 201);
    let update = put(
        &format!("{L}/agent/group-id"),
        r#"{"ietf-lmap-control:group-id":"x"}"#,
    );
    fails(&first.send(update), 403, "access-denied");
    assert_eq!(world(&rules("permit", "permit")).send(task("")).status, 201);
    fails(
        &world(&rules("deny", "permit")).send(task("")),
        403,
        "access-denied",
    );
    // Who is in no group meets no rule list.
    let stranger = task("").user("stranger");
    fails(
        &world(&rules("permit", "permit")).send(stranger),
        403,
        "access-denied",
    );
}

#[test]
fn groups_of_the_transport_count_unless_switched_off() {
    for (enabled, status) in [(true, 201), (false, 403)] {
        let mut world = world(&format!(
            r#"{{"enable-external-groups": {enabled}, "rule-list": [{{"name": "r", "group": ["tls"], "rule": [
            {{"name": "1", "action": "permit"}}]}}]}}"#
        ));
        let mut call = task("");
        if let Some(user) = &mut call.user {
            user.groups.push("tls".to_owned());
        }
        assert_eq!(world.send(call).status, status);
    }
}

#[test]
fn replacing_needs_rights_for_what_changes_alone() {
    let mut world = world(
        r#"{"groups": {"group": [{"name": "g", "user-name": ["olga"]}]}, "rule-list": [{"name": "r", "group": ["g"], "rule": [
            {"name": "1", "path": "/ietf-lmap-control:lmap/schedules/schedule/duration", "access-operations": "create update", "action": "permit"},
            {"name": "2", "path": "/ietf-lmap-control:lmap/schedules/schedule/end", "access-operations": "create", "action": "permit"}]}]}"#,
    );
    let schedule = format!("{L}/schedules/schedule=S2");
    let body = |more: &str| {
        format!(
            r#"{{"ietf-lmap-control:schedule":[{{"name":"S2","start":"E1","execution-mode":"pipelined"{more}}}]}}"#
        )
    };
    assert_eq!(
        world.send(put(&schedule, &body(r#","duration":5"#))).status,
        204
    );
    // The other case of the choice goes without a right to delete it, a leaf that is left out does not.
    assert_eq!(
        world.send(put(&schedule, &body(r#","end":"E1""#))).status,
        204
    );
    let less = body("").replace(r#","execution-mode":"pipelined""#, "");
    fails(&world.send(put(&schedule, &less)), 403, "access-denied");
    let other = body("").replace("E1", "a/b");
    fails(&world.send(put(&schedule, &other)), 403, "access-denied");
}

#[test]
fn operations_need_their_right() {
    let mut world = World::controller();
    let body = r#"{"ietf-lmap-report:input":{"date":"2026-09-21T10:00:00Z"}}"#;
    let call = Call::new("POST", "/restconf/operations/ietf-lmap-report:report").json(body);
    assert_eq!(world.send(call.clone().user("stranger")).status, 204);
    let deny = r#"{"ietf-netconf-acm:nacm": {"exec-default": "deny"}}"#;
    let patch = Call::new("PATCH", D).json(&format!(r#"{{"ietf-restconf:data":{deny}}}"#));
    assert_eq!(world.send(patch).status, 204);
    fails(
        &world.send(call.clone().user("stranger")),
        403,
        "access-denied",
    );
    assert_eq!(world.counters.operations, 1);
    assert_eq!(
        world.send(call).status,
        204,
        "the operators' rule permits everything"
    );
    let counted = world.json(&format!("{D}/ietf-netconf-acm:nacm/denied-operations"));
    assert_eq!(counted, json!({"ietf-netconf-acm:denied-operations": 1}));
}

#[test]
fn operations_closed_by_default_need_a_rule() {
    let mut world = World::new();
    let call = Call::new("POST", "/restconf/operations/glimpse-agent:trigger");
    fails(&world.send(call.clone().user("carl")), 403, "access-denied");
    assert_ne!(world.send(call).status, 403);
}

#[test]
fn rules_of_one_schema_apply_in_another() {
    let text = r#"{"ietf-netconf-acm:nacm": {"groups": {"group": [{"name": "g", "user-name": ["olga"]}]}, "rule-list": [
        {"name": "r", "group": ["g"], "rule": [
        {"name": "1", "path": "/ietf-lmap-control:lmap/agent", "access-operations": "update", "action": "permit"}]}]}}"#;
    let user = User {
        name: "olga".to_owned(),
        ..User::default()
    };
    let reader = Reader::new(&CONTROLLER, Encoding::Json);
    let rules = Rules::from_tree(&reader.data(text.as_bytes()).unwrap());
    for schema in [&AGENT, &CONTROLLER] {
        let rights = rules.of(schema, &user);
        let right = |path: &str| {
            let path = DataPath::from_uri(schema, path).unwrap();
            rights.data(&path.steps, crate::access::Access::Update)
        };
        assert!(right("ietf-lmap-control:lmap/agent/group-id"));
        assert!(!right("ietf-lmap-control:lmap/events"));
    }
}
