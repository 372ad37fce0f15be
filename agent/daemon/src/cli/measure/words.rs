//! A record in words: by method what its figures say, of all others what stands in them.

use super::figures::{Figures, plain};
use super::layout::wrap;
use super::{block, dns, latencyload, peer, ping, traceroute, transfer};
use glimpse_model::options::Options;
use glimpse_model::record::{Record, Status};

/// Characters of an error that are shown; records have no longer ones.
const ERROR_LIMIT: usize = 4096;

/// What is printed for people.
pub(super) fn describe(record: &Record, options: &Options) -> String {
    let method = record.method.as_deref().unwrap_or_default();
    let error = plain(&record.error, ERROR_LIMIT);
    let figures = Figures::new(&record.probe_result);
    if record.status != Status::Ok {
        let head = head(method, options, None);
        return format!("{head}: {}: {error}\n", record.status.as_str());
    }
    let address = figures.text("destination_ip");
    let head = head(method, options, address.as_deref());
    let mut text = match method {
        "ping" => ping::words(&head, figures, options),
        "traceroute" => traceroute::words(figures, options),
        "dnslookup" | "reversednslookup" => dns::words(&head, figures),
        "httpdownload" | "httpupload" => transfer::words(&head, figures, options),
        "latencyload" => latencyload::words(&head, figures),
        "btc_ma" => peer::bulk(&head, figures),
        "packettrains_ma" => peer::trains(&head, figures),
        "upnp" => block::upnp(figures),
        "wifi" => block::wifi(figures),
        _ => block::unknown(&head, figures),
    };
    if !error.is_empty() {
        wrap(&mut text, "note: ", &error, 6);
    }
    text
}

/// `method target (address)`; the address only where it says more than the target.
fn head(method: &str, options: &Options, address: Option<&str>) -> String {
    let target = target(options);
    let mut head = method.to_owned();
    if !target.is_empty() {
        head = format!("{head} {target}");
    }
    match address {
        Some(address) if !target.contains(address) => format!("{head} ({address})"),
        _ => head,
    }
}

/// What is measured, as it was given.
pub(super) fn target(options: &Options) -> String {
    let given = ["host", "url", "ip", "interface"].map(|name| options.text(name));
    let target = given.into_iter().find(|text| !text.is_empty());
    plain(target.unwrap_or_default(), ERROR_LIMIT)
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::spooler::new_id;
    use glimpse_model::time::Timestamp;
    use glimpse_probe::registry::Registry;
    use serde_json::Value;

    /// What `measure METHOD WORDS` would print of this result.
    pub(in crate::cli::measure) fn shown(
        method: &str,
        words: &[&str],
        result: Value,
        error: &str,
    ) -> String {
        let registry = Registry::built_in();
        let specs = registry.find(method).map(|method| method.options.clone());
        let options =
            Options::from_words(&specs.unwrap_or_default(), words.iter().copied()).unwrap();
        let mut record = record(method, Status::Ok, error);
        let Value::Object(members) = result else {
            panic!("a result is an object");
        };
        record.probe_result = members;
        describe(&record, &options)
    }

    fn record(method: &str, status: Status, error: &str) -> Record {
        let mut record = Record::new(new_id(Timestamp::from_micros(0)), status);
        record.method = Some(method.to_owned());
        record.error = error.to_owned();
        record
    }

    #[test]
    fn what_could_not_be_measured_is_one_line_with_target_and_reason() {
        let registry = Registry::built_in();
        for (method, words, status, line) in [
            (
                "httpdownload",
                &["url=http://127.0.0.1:1/x"][..],
                Status::Failed,
                "httpdownload http://127.0.0.1:1/x: failed: no\u{fffd}[2J\n",
            ),
            (
                "reversednslookup",
                &["ip=192.0.2.1"],
                Status::Aborted,
                "reversednslookup 192.0.2.1: aborted: no\u{fffd}[2J\n",
            ),
            ("upnp", &[], Status::Failed, "upnp: failed: no\u{fffd}[2J\n"),
        ] {
            let specs = &registry.find(method).unwrap().options;
            let options = Options::from_words(specs, words.iter().copied()).unwrap();
            let record = record(method, status, "no\u{1b}[2J");
            assert_eq!(describe(&record, &options), line);
        }
    }

    #[test]
    fn no_method_needs_any_figure() {
        let words = |method: &str| match method {
            "ping" | "traceroute" | "dnslookup" => vec!["host=example.net"],
            "reversednslookup" => vec!["ip=192.0.2.1"],
            "httpdownload" | "httpupload" | "latencyload" => vec!["url=http://example.net/"],
            _ => vec![],
        };
        for method in Registry::built_in().iter() {
            let name = method.name.as_ref();
            if ["btc_ma", "packettrains_ma"].contains(&name) {
                continue;
            }
            let text = shown(name, &words(name), serde_json::json!({}), "a fault");
            assert!(text.starts_with(name), "{text}");
            assert!(text.ends_with("note: a fault\n"), "{text}");
            assert!(!text.contains("null"), "{text}");
        }
    }
}
