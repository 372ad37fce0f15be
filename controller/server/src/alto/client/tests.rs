#![allow(clippy::unwrap_used)]

mod answers;
mod directories;
mod streams;

use super::choice::Wish;
use super::directory::{Directories, Kind, Limits, Walk};
use url::Url;

const ROOT: &str = "https://alto.example.com/directory";
/// RFC 7285 §9.2.3, without its trailing comma, on https, with relative URIs and an update stream of RFC 8895 §6.
const DIRECTORY: &str = include_str!("tests/directory.json");
/// RFC 7285 §9.2.4, with the capability of RFC 8189 §4.1.1.
const CUSTOM: &str = include_str!("tests/custom.json");

fn root() -> Url {
    ROOT.parse().unwrap()
}

/// Both directories, read.
fn directories() -> Directories {
    let mut walk = Walk::new(root(), Limits::default());
    for document in [DIRECTORY, CUSTOM] {
        let (url, depth) = walk.next().unwrap();
        walk.take(&url, depth, document.as_bytes()).unwrap();
    }
    assert_eq!(walk.next(), None);
    walk.finish()
}

fn of(kind: Kind) -> Wish<'static> {
    Wish {
        kind: Some(kind),
        ..Wish::default()
    }
}

fn named(id: &str) -> Wish<'_> {
    Wish {
        id: Some(id),
        ..Wish::default()
    }
}
