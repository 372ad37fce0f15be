//! What methods announce that they measure is what reports say they measured.
#![cfg(feature = "lmap")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_lmap::function::{of_method, of_run, role};
use glimpse_model::options::Options;
use glimpse_probe::registry::Registry;
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn methods_announce_the_metrics_that_their_runs_report() {
    let registry = Registry::built_in();
    assert!(registry.iter().count() >= 10);
    for method in registry.iter() {
        let announced: BTreeSet<&str> = method.functions.iter().map(AsRef::as_ref).collect();
        assert_eq!(announced.len(), method.functions.len(), "{}", method.name);
        let reported = of_method(&method.name);
        // DNS over HTTPS is a feature of the build.
        let known: BTreeSet<&str> = reported
            .iter()
            .map(String::as_str)
            .filter(|uri| announced.contains(uri) || !uri.contains("-TLS-HTTP-"))
            .collect();
        assert_eq!(announced, known, "{}", method.name);
        for uri in announced {
            let passive = uri.contains("_Passive_");
            assert_eq!(role(uri), (!passive).then_some("Src"), "{uri}");
        }
    }
}

#[test]
fn a_run_with_defaults_is_one_of_them() {
    for method in Registry::built_in().iter() {
        let host = ["host", "url", "ip", "token"]
            .iter()
            .filter(|name| method.options.iter().any(|spec| spec.name == **name))
            .map(|name| format!("{name}=a"));
        let words: Vec<String> = host.collect();
        let words = words.iter().map(String::as_str);
        let options = Options::from_words(&method.options, words).unwrap();
        let of = |name: &str| match options.as_map().get(name)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let reported = of_run(&method.name, of);
        assert!(!reported.is_empty(), "{}", method.name);
        for uri in reported {
            assert!(method.functions.iter().any(|known| *known == uri), "{uri}");
        }
    }
}

#[test]
fn what_opens_a_door_is_secret() {
    let mut tokens = 0;
    for method in Registry::built_in().iter() {
        for option in method.options.iter() {
            assert_eq!(option.secret, option.name == "token", "{}", option.name);
            tokens += u32::from(option.secret);
        }
    }
    assert_eq!(tokens, 3, "of the methods between agents");
}
