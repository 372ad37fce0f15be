//! A publication takes from the one before what would come out equal.

use std::collections::BTreeMap;
use std::sync::Arc;

use glimpse_alto::{
    Anonymity, Cost, CostContext, CostMap, Document, Edition, Preference, Publication, Request,
    Shelf,
};
use serde_json::json;

use super::world::{by_hours, c1, edition, f1, f2, json, network_map, pid, send, shelved};

fn of(current: Edition) -> Publication {
    after(current, None)
}

fn after(current: Edition, before: Option<&Publication>) -> Publication {
    let recent = edition("nm-day", &f1(), c1());
    let content = shelved([(current, Shelf::Current), (recent, Shelf::Recent)]);
    Publication::after(content, before).unwrap()
}

fn first() -> Edition {
    edition("nm", &f1(), c1())
}

type Documents<'a> = BTreeMap<&'a str, &'a Document>;

fn documents(publication: &Publication) -> Documents<'_> {
    publication.documents().collect()
}

fn changed(change: impl FnOnce(&mut Edition)) -> Edition {
    let mut edition = first();
    change(&mut edition);
    edition
}

#[test]
fn what_comes_after_another_is_what_it_would_be_without() {
    let before = of(first()).compressed(|bytes, out| out.extend_from_slice(bytes));
    let cost = [(pid("PID1"), pid("PID2"), Cost::new(99))];
    let changes = [
        first(),
        changed(|edition| edition.columns[1].costs = CostMap::new(cost)),
        changed(|edition| edition.columns[1].samples += 1),
        changed(|edition| edition.columns[1].subscribers += 5),
        changed(|edition| edition.columns[1].description.push('!')),
        changed(|edition| edition.columns[1].context = CostContext::new([])),
        changed(|edition| edition.columns[1].preference = Preference::Higher),
        changed(|edition| edition.columns[1].fetched = false),
        changed(|edition| edition.columns[1].calendars.push(by_hours(&c1()))),
        changed(|edition| edition.columns.swap(0, 1)),
        // Each has the other's costs.
        changed(|edition| {
            let name = edition.columns[0].name.clone();
            edition.columns[0].name = edition.columns[1].name.clone();
            edition.columns[1].name = name;
        }),
        changed(|edition| drop(edition.columns.pop())),
        changed(|edition| edition.provenance.window_start_us -= 1_000_000),
        changed(|edition| edition.provenance.window_end_us += 1_000_000),
        changed(|edition| edition.provenance.newest_us = None),
        changed(|edition| edition.provenance.anonymity = Anonymity::Lab),
        changed(|edition| edition.map = Arc::new(network_map(&f2()).unwrap())),
        changed(|edition| {
            let said = BTreeMap::from([(".priv:glimpse-subs".to_owned(), "45".to_owned())]);
            edition.properties = BTreeMap::from([(pid("PID1"), said)]);
        }),
    ];
    let mut differing = Vec::new();
    for (nth, edition) in changes.into_iter().enumerate() {
        let found = after(edition.clone(), Some(&before))
            .compressed(|bytes, out| out.extend_from_slice(bytes));
        let wanted = of(edition).compressed(|bytes, out| out.extend_from_slice(bytes));
        let told = |publication| {
            let documents = documents(publication).into_iter();
            let told = documents.map(|(path, d)| {
                let gzip = d.gzip.as_ref().map(|gzip| (&gzip.bytes, &gzip.etag));
                (path, &d.tag, &d.identity.bytes, &d.identity.etag, gzip)
            });
            format!("{:?}", told.collect::<Vec<_>>())
        };
        if told(&found) != told(&wanted) {
            differing.push(nth);
        }
    }
    assert_eq!(differing, [0; 0], "by the numbers of changes");
}

#[test]
fn what_answers_questions_is_of_the_new_edition() {
    let body = br#"{"cost-type":{"cost-metric":"delay-rt","cost-mode":"numerical"},"pids":{"srcs":["PID1"],"dsts":["PID2"]}}"#;
    let asked = |publication: &Publication| {
        let request = Request {
            method: "POST",
            path: "/costmap/nm/filter",
            content_type: Some("application/alto-costmapfilter+json"),
            body,
            ..Request::default()
        };
        json(&send(publication, &request))["cost-map"].clone()
    };
    let before = of(first());
    assert_eq!(asked(&before), json!({"PID1": {"PID2": 5}}));
    let cost = [(pid("PID1"), pid("PID2"), Cost::new(99))];
    let other = changed(|edition| edition.columns[1].costs = CostMap::new(cost));
    let after = after(other, Some(&before));
    assert_eq!(asked(&after), json!({"PID1": {"PID2": 99}}));
}

#[test]
fn an_edition_on_another_shelf_has_paths_and_names_of_its_own() {
    let on = |shelf, before: Option<&Publication>| {
        let current = edition("nm", &f1(), c1());
        let moved = edition("nm-2026-01", &f1(), c1());
        let content = shelved([(current, Shelf::Current), (moved, shelf)]);
        Publication::after(content, before).unwrap()
    };
    for (from, to) in [
        (Shelf::Recent, Shelf::Archive),
        (Shelf::Archive, Shelf::Current),
        (Shelf::Current, Shelf::Recent),
    ] {
        let told = |publication: &Publication| {
            let documents = documents(publication).into_iter();
            let told = documents.map(|(path, d)| (path.to_owned(), d.identity.bytes.to_vec()));
            told.collect::<BTreeMap<_, _>>()
        };
        let found = on(to, Some(&on(from, None)));
        assert!(told(&found) == told(&on(to, None)), "{from:?} to {to:?}");
    }
}

#[test]
fn what_has_not_changed_is_neither_made_nor_kept_again() {
    let before = of(first()).compressed(|bytes, out| out.extend_from_slice(bytes));
    let cost = [(pid("PID1"), pid("PID2"), Cost::new(99))];
    let other = changed(|edition| edition.columns[1].costs = CostMap::new(cost));
    let after = after(other, Some(&before));
    let (before, after) = (documents(&before), documents(&after));
    let new = after.iter().filter(|(path, document)| {
        !Arc::ptr_eq(&document.identity.bytes, &before[**path].identity.bytes)
    });
    let new: Vec<&str> = new.map(|(path, _)| *path).collect();
    let made = [
        "/",
        "/costmap/nm/delay-rt",
        "/costmap/nm/delay-rt-ordinal",
        "/recent/",
    ];
    assert_eq!(new, made);
    let packed = after["/costmap/nm/routingcost"].gzip.as_ref();
    assert!(packed.is_some());
}
