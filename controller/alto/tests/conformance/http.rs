//! Checks 63 and 64, codings and methods.

use std::collections::BTreeSet;

use glimpse_alto::{Publication, Request, Response};

use super::world::*;

fn compressed() -> Publication {
    // Any injective function will do in place of gzip.
    f1_c1().compressed(|bytes, out| out.extend(bytes.iter().rev()))
}

fn conditional(publication: &Publication, etag: &str, coding: Option<&str>) -> Response {
    let request = Request {
        method: "GET",
        path: "/",
        if_none_match: Some(etag),
        accept_encoding: coding,
        ..Request::default()
    };
    send(publication, &request)
}

#[test]
fn alto_check_63_an_unchanged_document_is_not_sent_again() {
    let publication = f1_c1();
    let etag = get(&publication, "/").header("etag").unwrap().to_owned();
    assert!(
        etag.starts_with('"') && etag.ends_with('"'),
        "strong: {etag}"
    );
    let unchanged = conditional(&publication, &etag, None);
    assert_eq!(
        (
            unchanged.status,
            unchanged.body.len(),
            unchanged.header("content-type")
        ),
        (304, 0, None)
    );
    assert_eq!(unchanged.header("etag"), Some(etag.as_str()));
    for name in ["cache-control", "expires", "vary", "last-modified"] {
        assert!(unchanged.header(name).is_some(), "{name}");
    }
    let mut other = edition("nm", &f1(), c1());
    other.columns[1].samples += 1;
    let cost_map = path_of(&publication, "nm-delay-rt");
    let old = get(&publication, &cost_map)
        .header("etag")
        .unwrap()
        .to_owned();
    let new = Publication::new(current(other)).unwrap();
    let request = Request {
        method: "GET",
        path: &cost_map,
        if_none_match: Some(&old),
        ..Request::default()
    };
    assert_eq!(send(&new, &request).status, 200);
}

#[test]
fn every_representation_has_an_entity_tag_of_its_own() {
    let publication = compressed();
    let tags: BTreeSet<&str> = publication
        .documents()
        .flat_map(|(_, d)| {
            [
                d.identity.etag.as_str(),
                d.gzip.as_ref().unwrap().etag.as_str(),
            ]
        })
        .collect();
    assert_eq!(tags.len(), 14);
}

#[test]
fn the_coding_follows_the_clients_wish() {
    let publication = compressed();
    let fetch = |coding| {
        send(
            &publication,
            &Request {
                method: "GET",
                path: "/",
                accept_encoding: coding,
                ..Request::default()
            },
        )
    };
    let (plain, coded) = (fetch(None), fetch(Some("gzip")));
    assert_eq!(
        (
            plain.header("content-encoding"),
            coded.header("content-encoding")
        ),
        (None, Some("gzip"))
    );
    assert!(plain.body.iter().rev().eq(coded.body.iter()));
    assert_eq!(
        (plain.header("vary"), coded.header("vary")),
        (Some("Accept-Encoding"), Some("Accept-Encoding"))
    );
    assert_eq!(fetch(Some("gzip;q=0")).header("content-encoding"), None);
    let gzip_tag = coded.header("etag").unwrap();
    assert_eq!(
        conditional(&publication, gzip_tag, Some("gzip")).status,
        304
    );
    assert_eq!(
        conditional(&publication, gzip_tag, None).status,
        200,
        "another representation"
    );
    let uncompressed = send(
        &f1_c1(),
        &Request {
            method: "GET",
            path: "/",
            accept_encoding: Some("gzip"),
            ..Request::default()
        },
    );
    assert_eq!(uncompressed.header("content-encoding"), None);
}

#[test]
fn alto_check_64_foreign_media_types_are_refused() {
    let publication = f1_c1();
    let accepting = |accept| {
        send(
            &publication,
            &Request {
                method: "GET",
                path: "/",
                accept: Some(accept),
                ..Request::default()
            },
        )
    };
    for bad in [
        "text/html",
        "application/alto-error+json",
        "application/alto-costmap+json",
    ] {
        let response = accepting(bad);
        assert_eq!((response.status, response.body.len()), (406, 0), "{bad}");
    }
    for good in [
        "*/*",
        "application/*",
        "application/alto-directory+json,application/alto-error+json",
    ] {
        assert_eq!(accepting(good).status, 200, "{good}");
    }
    let path = path_of(&publication, "endpoint-property");
    let posting = |content_type, accept| {
        let body = br#"{"properties":["nm.pid"],"endpoints":["ipv4:192.0.2.1"]}"#;
        send(
            &publication,
            &Request {
                method: "POST",
                path: &path,
                content_type,
                accept,
                body,
                ..Request::default()
            },
        )
        .status
    };
    assert_eq!(posting(Some("application/json"), None), 415);
    assert_eq!(posting(None, None), 415);
    assert_eq!(
        posting(
            Some("Application/ALTO-endpointpropparams+json; charset=utf-8"),
            None
        ),
        200
    );
    assert_eq!(posting(Some(PARAMS), Some("text/html")), 406);
}

#[test]
fn alto_check_64_an_update_stream_is_admitted_like_a_question() {
    let publication = f1_c1();
    let path = path_of(&publication, "updates");
    assert!(publication.is_update_stream(&path) && !publication.is_update_stream("/"));
    let params = "application/alto-updatestreamparams+json";
    let posting = |content_type, accept, body: &[u8]| {
        let request = Request {
            method: "POST",
            path: &path,
            content_type: Some(content_type),
            accept,
            body,
            ..Request::default()
        };
        send(&publication, &request)
    };
    let opened = posting(params, None, b"{}");
    assert_eq!(
        (
            opened.status,
            opened.header("content-type"),
            opened.body.len()
        ),
        (200, Some("text/event-stream"), 0)
    );
    assert_eq!(posting("application/json", None, b"{}").status, 415);
    assert_eq!(posting(params, Some("application/json"), b"{}").status, 406);
    let long = vec![b' '; serving().limits.body_bytes + 1];
    assert_eq!(posting(params, None, &long).status, 413);
}

#[test]
fn a_head_is_a_get_without_the_body() {
    let publication = compressed();
    for (path, _) in publication.documents() {
        let request = Request {
            method: "HEAD",
            path,
            accept_encoding: Some("gzip"),
            ..Request::default()
        };
        let head = send(&publication, &request);
        let get = send(
            &publication,
            &Request {
                method: "GET",
                ..request
            },
        );
        assert_eq!(
            (head.status, &head.headers, head.body.len()),
            (200, &get.headers, 0)
        );
        assert_eq!(
            head.header("content-length"),
            Some(get.body.len().to_string().as_str())
        );
    }
}

#[test]
fn other_paths_are_not_found() {
    for path in [
        "",
        "/nope",
        "//",
        "/networkmap/nm/",
        "/networkmap/../networkmap/nm",
        "/NETWORKMAP/nm",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let response = send(
                &f1_c1(),
                &Request {
                    method,
                    path,
                    ..Request::default()
                },
            );
            assert_eq!(
                (response.status, response.body.len()),
                (404, 0),
                "{method} {path}"
            );
        }
    }
}
