//! A publication takes from the one before what would come out equal.

use std::collections::BTreeMap;
use std::sync::Arc;

use glimpse_alto::{Cost, CostMap, Document, Edition, Publication, Shelf};

use super::world::{c1, edition, f1, f2, network_map, pid, shelved};

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
    let before = of(first()).compressed(<[u8]>::to_vec);
    let cost = [(pid("PID1"), pid("PID2"), Cost::new(99))];
    let changes = [
        first(),
        changed(|edition| edition.columns[1].costs = CostMap::new(cost)),
        changed(|edition| edition.columns[1].samples += 1),
        changed(|edition| edition.columns[1].description.push('!')),
        changed(|edition| drop(edition.columns.pop())),
        changed(|edition| edition.provenance.window_end_us += 1_000_000),
        changed(|edition| edition.map = Arc::new(network_map(&f2()).unwrap())),
        changed(|edition| {
            let said = BTreeMap::from([(".priv:glimpse-subs".to_owned(), "45".to_owned())]);
            edition.properties = BTreeMap::from([(pid("PID1"), said)]);
        }),
    ];
    for (nth, edition) in changes.into_iter().enumerate() {
        let found = after(edition.clone(), Some(&before)).compressed(<[u8]>::to_vec);
        let wanted = of(edition).compressed(<[u8]>::to_vec);
        let told = |publication| {
            let documents = documents(publication).into_iter();
            let told = documents.map(|(path, d)| {
                let gzip = d.gzip.as_ref().map(|gzip| (&gzip.bytes, &gzip.etag));
                (path, &d.tag, &d.identity.bytes, &d.identity.etag, gzip)
            });
            format!("{:?}", told.collect::<Vec<_>>())
        };
        assert!(told(&found) == told(&wanted), "change {nth}");
    }
}

#[test]
fn what_has_not_changed_is_neither_made_nor_kept_again() {
    let before = of(first()).compressed(<[u8]>::to_vec);
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
