//! The seeds: what this project's own encoders write, true answers of others, and the classic lies, a few of each. They are
//! kept under `seeds/`; `UPDATE_SEEDS=1` writes them. Files there that nobody makes here are inputs that once crashed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod seeds {
    pub(super) mod alto;
    pub(super) mod certificates;
    pub(super) mod documents;
    pub(super) mod doors;
    pub(super) mod names;
    pub(super) mod packets;
    pub(super) mod peers;
    pub(super) mod pings;
    pub(super) mod texts;
    pub(super) mod ubus;
}

use glimpse_fuzz::{TARGETS, alto, dns, find, lmap, probes, restconf, upnp};
use glimpse_lmap::Output;
use glimpse_lmap::state::snapshot::Snapshot;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Target, name of the file, content.
type Seed = (&'static str, &'static str, Vec<u8>);

fn made() -> Vec<Seed> {
    [
        seeds::alto::seeds(),
        seeds::packets::seeds(),
        seeds::pings::seeds(),
        seeds::names::seeds(),
        seeds::texts::seeds(),
        seeds::peers::seeds(),
        seeds::documents::seeds(),
        seeds::doors::seeds(),
        seeds::ubus::seeds(),
    ]
    .concat()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")
}

fn file(target: &str, name: &str) -> PathBuf {
    folder().join(target).join(name)
}

#[test]
fn the_seeds_are_what_the_encoders_write() {
    let update = std::env::var_os("UPDATE_SEEDS").is_some();
    let mut names = BTreeSet::new();
    for (target, name, content) in made() {
        assert!(find(target).is_some(), "{target} is no target");
        assert!(
            names.insert((target, name)),
            "{target}/{name} is made twice"
        );
        let path = file(target, name);
        if update {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &content).unwrap();
        }
        assert!(
            fs::read(&path).is_ok_and(|kept| kept == content),
            "{} is not what it should be: UPDATE_SEEDS=1 cargo nextest run -p glimpse-fuzz",
            path.display()
        );
    }
    // Keys are random: these are made once and kept.
    for (target, name, content) in seeds::certificates::missing(&folder()) {
        assert!(
            update,
            "{target}/{name} is missing: UPDATE_SEEDS=1 cargo nextest run -p glimpse-fuzz"
        );
        fs::create_dir_all(folder().join(target)).unwrap();
        fs::write(file(target, name), content).unwrap();
    }
}

#[test]
fn every_target_has_seeds_and_every_folder_a_target() {
    let mut folders = BTreeSet::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(find(&name).is_some(), "seeds/{name} is of no target");
        assert!(fs::read_dir(folder().join(&name)).unwrap().count() > 0);
        folders.insert(name);
    }
    let targets: BTreeSet<String> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(folders, targets);
    assert!(
        TARGETS.is_sorted_by(|a, b| a.name < b.name),
        "in order, each once"
    );
}

/// Seeds that are refused at the first byte would teach the fuzzer nothing.
#[test]
fn true_answers_reach_the_depth_of_their_parsers() {
    let seed = |target, name| fs::read(file(target, name)).unwrap();
    for (name, answered) in [
        ("udp-time-exceeded", 1),
        ("udp-mpls", 1),
        ("udp-error-queue", 1),
        ("udp6-time-exceeded", 1),
        ("echo-replies", 2),
        ("forged", 0),
    ] {
        let found = probes::answers(&seed("traceroute", name));
        assert_eq!(found, answered, "{name}");
    }
    for (name, answered) in [
        ("udp", 2),
        ("udp-foreign", 1),
        ("peer", 1),
        ("raw", 1),
        ("datagram6", 1),
    ] {
        assert_eq!(probes::pinged(&seed("ping_face", name)), answered, "{name}");
    }
    for (name, document) in [
        ("length", Some("<root/>")),
        ("chunked", Some("<root/>")),
        ("until-closed", Some("<root/>")),
        ("interim", Some("")),
        ("redirect", None),
        ("huge-length", None),
        ("switched", None),
    ] {
        let bytes = seed("upnp_exchange", name);
        for most in [1, 7, usize::MAX] {
            let found = upnp::exchanged(&bytes[1..], most);
            let found = found.as_deref().map(String::from_utf8_lossy);
            assert_eq!(found.as_deref(), document, "{name} by {most}");
        }
    }
    let answer = glimpse_probe::methods::dns::answer::judge(
        &dns::question(),
        &seed("dns_answer", "addresses"),
    );
    let answer = answer.unwrap();
    assert_eq!((answer.records.len(), answer.fault), (3, None));
    assert!(answer.edns.unwrap().nsid.is_some());
    assert!(alto::publishes());
    for (name, status) in seeds::alto::STATUSES {
        let answer = alto::asked(&seed("alto_filter", name)).map(|answer| answer.status);
        assert_eq!(answer, Some(status), "{name}");
    }
    for name in ["start", "received"] {
        let bytes = seed("peer_frame", name);
        assert!(glimpse_probe::peer::frame::Frame::parse(&bytes[2..]).is_ok());
    }
    for (name, statuses) in [
        ("reads", &[200, 200, 200, 200, 200, 200, 200, 401][..]),
        ("edits", &[201, 204, 201, 204, 409, 204, 204, 201]),
        ("patches", &[200, 404]),
    ] {
        let found = restconf::answered(&seed("restconf_request", name));
        assert_eq!(found, statuses, "{name}");
    }
    for (name, results) in [("json", 2), ("xml", 2), ("sign-of-life", 0)] {
        let found = lmap::results(&seed("lmap_report", name));
        assert_eq!(found, Some(results), "{name}");
    }
    let kept = Snapshot::parse(&seed("lmap_snapshot", "all"));
    assert!(kept.is_ok(), "{kept:?}");
    let waiting = Output::parse(&seed("lmap_output", "result"));
    assert!(waiting.is_ok(), "{waiting:?}");
    let bundle = seed("cacerts", "bundle");
    assert_eq!(
        glimpse_agent::identity::certificates(&bundle)
            .unwrap()
            .len(),
        3
    );
    assert!(
        glimpse_controller::pki::CertificateRequest::parse(&seed("certificate_request", "p-256"))
            .is_ok()
    );
    let segment = glimpse_agent::spool::codec::scan(
        glimpse_fuzz::household::SEGMENT,
        &seed("spool_segment", "two"),
    );
    assert_eq!((segment.frames.len(), segment.damaged.len()), (2, 0));
}
