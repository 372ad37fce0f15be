#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::defaults::{WithDefaults, with_defaults};
use crate::read::Reader;
use crate::sample::{SCHEMA, json, lmap, path, printed, tree, xml};
use crate::{Content, Part};

#[test]
fn the_small_and_the_pretty_form() {
    let tree =
        lmap(r#""tasks":{"task":[{"name":"a\"","tag":["x"],"option":[{"id":"1"}]}]},"events":{}"#);
    let mut writer = Writer::new(SCHEMA, Encoding::Json);
    assert_eq!(
        writer.data(&tree),
        r#"{"ietf-lmap-control:lmap":{"tasks":{"task":[{"name":"a\"","option":[{"id":"1"}],"tag":["x"]}]}}}"#
    );
    writer.pretty = true;
    assert_eq!(
        writer.data(&lmap(r#""agent":{"group-id":"g"}"#)),
        "{\n  \"ietf-lmap-control:lmap\": {\n    \"agent\": {\n      \"group-id\": \"g\"\n    }\n  }\n}"
    );
    writer.encoding = Encoding::Xml;
    assert_eq!(
        writer.data(&tree),
        "<lmap xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-control\">\n  <tasks>\n    <task>\n      <name>a&quot;</name>\n      <option>\n        <id>1</id>\n      </option>\n      <tag>x</tag>\n    </task>\n  </tasks>\n</lmap>"
    );
}

#[test]
fn datastores_are_wrapped() {
    let tree = tree();
    for encoding in [Encoding::Json, Encoding::Xml] {
        let reader = Reader::new(SCHEMA, encoding);
        let text = Writer::new(SCHEMA, encoding).datastore(&tree);
        assert!(text.contains("data"), "{text}");
        assert_eq!(reader.datastore(text.as_bytes()).unwrap(), tree);
        assert!(reader.data(text.as_bytes()).is_err());
    }
}

#[test]
fn resources_of_a_tree() {
    let tree = tree();
    let writer = Writer::new(SCHEMA, Encoding::Json);
    let shown = |uri: &str| writer.instances(&tree.select(&path(uri)));
    assert_eq!(
        shown("/agent/report-agent-id"),
        r#"{"ietf-lmap-control:report-agent-id":true}"#
    );
    assert_eq!(
        shown("/tasks/task=T1"),
        r#"{"ietf-lmap-control:task":[{"name":"T1"}]}"#
    );
    assert_eq!(
        shown("/tasks/task=T2/tag"),
        r#"{"ietf-lmap-control:tag":["x","y"]}"#
    );
    assert_eq!(
        shown("/tasks/task"),
        r#"{"ietf-lmap-control:task":[{"name":"T2","program":"ping","option":[{"id":"z","name":"host","value":"a<b>&\"c'"},{"id":"a"}],"tag":["x","y"]},{"name":"T1"}]}"#
    );
    let empty = lmap("\"events\":{}");
    assert_eq!(
        writer.instances(&empty.select(&path("/events"))),
        r#"{"ietf-lmap-control:events":{}}"#
    );
}

#[test]
fn lmap_check_35_defaults_are_tagged() {
    let tree = lmap(r#""suppressions":{"suppression":[{"name":"q"}]}"#);
    let tagged = with_defaults(&tree, WithDefaults::ReportAllTagged, Part::Config);
    for (reader, mut writer, wanted) in [
        (
            json(),
            Writer::new(SCHEMA, Encoding::Json),
            r#""stop-running":false,"@stop-running":{"ietf-netconf-with-defaults:default":true}"#,
        ),
        (
            xml(),
            Writer::new(SCHEMA, Encoding::Xml),
            r#"<stop-running xmlns:wd="urn:ietf:params:xml:ns:netconf:default:1.0" wd:default="true">false</stop-running>"#,
        ),
    ] {
        writer.tagged = true;
        let text = writer.data(&tagged);
        assert!(text.contains(wanted), "{text}");
        let read = reader.data(text.as_bytes()).unwrap();
        let trimmed = with_defaults(&read, WithDefaults::Trim, Part::Config);
        assert_eq!(printed(&trimmed), printed(&tree));
        let leaf = read
            .find(&path("/suppressions/suppression=q/stop-running"))
            .unwrap();
        assert!(leaf.default);
        writer.tagged = false;
        assert!(!writer.data(&tagged).contains("default="));
    }
}

#[test]
fn names_of_modules_become_prefixes() {
    let body = r#"{"ietf-netconf-acm:nacm":{"rule-list":[{"name":"l","rule":[{"name":"r","path":"/ietf-lmap-control:lmap/tasks/task[name='x:y']","action":"deny"}]}]},"ietf-yang-library:yang-library":{"datastore":[{"name":"ietf-datastores:running","schema":"s"}]}}"#;
    let tree = json().data(body.as_bytes()).unwrap();
    let text = Writer::new(SCHEMA, Encoding::Xml).data(&tree);
    assert!(
        text.contains(">/lmapc:lmap/lmapc:tasks/lmapc:task[lmapc:name='x:y']</path>"),
        "{text}"
    );
    assert!(
        text.contains(
            " xmlns:ds=\"urn:ietf:params:xml:ns:yang:ietf-datastores\">ds:running</name>"
        ),
        "{text}"
    );
    let read = xml().data(text.as_bytes()).unwrap();
    assert_eq!(read, tree);
    assert_eq!(Writer::new(SCHEMA, Encoding::Json).data(&read), body);
    assert!(matches!(read.top[0].content, Content::Children(_)));
}

#[test]
fn containers_left_empty_are_shown_on_demand() {
    let mut tree = lmap(r#""agent":{"group-id":"g"},"events":{},"tasks":{"task":[{"name":"t"}]}"#);
    let mut writer = Writer::new(SCHEMA, Encoding::Json);
    writer.hollow = true;
    assert_eq!(
        writer.datastore(&tree),
        r#"{"ietf-restconf:data":{"ietf-lmap-control:lmap":{"agent":{"group-id":"g"},"tasks":{"task":[{"name":"t"}]},"events":{}}}}"#
    );
    writer.encoding = Encoding::Xml;
    assert!(writer.data(&tree).ends_with("</tasks><events/></lmap>"));
    // For good, too.
    crate::edit::drop_hollow(&mut tree);
    assert!(!writer.data(&tree).contains("events"));
    let mut nothing = lmap(r#""events":{},"tasks":{}"#);
    crate::edit::drop_hollow(&mut nothing);
    assert!(nothing.is_empty());
}
