//! Which options of which method say where its packets go, and how many of them go there. This table is the only place that
//! knows: instructions of either door are judged by it.
//!
//! Of a method that is not in it nothing is known, so each of its values counts that may be read as an address, as a URL or as a
//! name with a dot in it.

use super::Target;
use glimpse_lmap::function::{self, REPORT_FUNCTION, REPORT_PROGRAM};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Targets that one task may have.
pub const MOST_TARGETS: usize = 64;

/// Packets of a run and milliseconds between them where the options do not say.
const DEFAULT_COUNT: u64 = 3;
const DEFAULT_INTERVAL_MS: u64 = 1000;
/// What options are believed: nothing sends more packets in a run, or less often.
const MOST_PACKETS: u64 = 10_000;
const LONGEST_INTERVAL_MS: u64 = 3_600_000;
/// A TCP connection is reckoned as this many packets, over this time.
const CONNECTION_PACKETS: u64 = 3;
const CONNECTION_MS: u64 = 3000;

/// What one run of a task sends to each of its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// Packets, at most.
    pub packets: u64,
    /// Milliseconds over which they are spread, at least.
    pub length_ms: u64,
}

impl Weight {
    /// Whether more packets may fall into a second than of `other`.
    fn outweighs(self, other: Self) -> bool {
        let rate = |own: Self, length: u64| u128::from(own.packets) * u128::from(length.max(1));
        rate(self, other.length_ms) > rate(other, self.length_ms)
    }
}

/// A method.
#[derive(Debug)]
struct Row {
    method: &'static str,
    /// Options that name a target.
    targets: &'static [&'static str],
    /// Options that are texts and name none.
    words: &'static [&'static str],
    weigh: fn(&Map<String, Value>) -> Weight,
}

const fn row(
    method: &'static str,
    targets: &'static [&'static str],
    words: &'static [&'static str],
    weigh: fn(&Map<String, Value>) -> Weight,
) -> Row {
    Row {
        method,
        targets,
        words,
        weigh,
    }
}

const TABLE: &[Row] = &[
    row("ping", &["host"], &["token", "type", "family"], of_packets),
    row(
        "traceroute",
        &["host"],
        &["ping_type", "confidence", "family"],
        of_probes,
    ),
    row(
        "dnslookup",
        // Whoever answers for the name is asked, too, by way of a resolver.
        &["host", "dns_server"],
        &[
            "type",
            "types",
            "transport",
            "tls_name",
            "http_path",
            "http_method",
        ],
        of_questions,
    ),
    row(
        "reversednslookup",
        &["ip", "dns_server"],
        &["transport", "tls_name", "http_path", "http_method"],
        of_questions,
    ),
    row("httpdownload", &["url"], &["family"], of_transfer),
    row("httpupload", &["url"], &["family"], of_transfer),
    row(
        "latencyload",
        &["url", "upload_url"],
        &["directions", "probe", "family"],
        of_load,
    ),
    // Of these the other side has given a token: it bounds what comes.
    row(
        "btc_ma",
        &["host"],
        &["token", "direction", "family"],
        of_session,
    ),
    row(
        "packettrains_ma",
        &["host"],
        &["token", "direction", "family"],
        of_session,
    ),
    row("upnp", &[], &["search"], of_packets),
    row("wifi", &[], &["interface"], of_packets),
    // A channel is a name that the household has given: where it leads is the household's.
    row(
        REPORT_PROGRAM,
        &["collector"],
        &["channel", "heartbeat"],
        of_session,
    ),
];

/// What programs that are not ours call their targets: there, a name without a dot counts as well.
const USUAL: &[&str] = &[
    "host",
    "hostname",
    "target",
    "server",
    "address",
    "destination",
    "url",
    "ip",
    "dns_server",
    "upload_url",
    "collector",
];

fn number(options: &Map<String, Value>, name: &str) -> Option<u64> {
    match options.get(name)? {
        Value::Number(number) => number.as_u64(),
        // Options of RFC 8194 are texts.
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn text<'a>(options: &'a Map<String, Value>, name: &str) -> &'a str {
    options.get(name).and_then(Value::as_str).unwrap_or("")
}

fn is_set(options: &Map<String, Value>, name: &str) -> bool {
    match options.get(name) {
        Some(Value::Bool(set)) => *set,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

fn paced(packets: u64, interval_ms: u64) -> Weight {
    let packets = packets.clamp(1, MOST_PACKETS);
    Weight {
        packets,
        length_ms: packets * interval_ms.clamp(1, LONGEST_INTERVAL_MS),
    }
}

fn of_packets(options: &Map<String, Value>) -> Weight {
    paced(
        number(options, "count").unwrap_or(DEFAULT_COUNT),
        number(options, "interval").unwrap_or(DEFAULT_INTERVAL_MS),
    )
}

/// Those that expire on the way do not come to the target; those that are in flight when it answers do.
fn of_probes(options: &Map<String, Value>) -> Weight {
    let interval = number(options, "interval").unwrap_or(50);
    if is_set(options, "multipath") {
        return paced(number(options, "max_probes").unwrap_or(5000), interval);
    }
    let last = number(options, "count").unwrap_or(DEFAULT_COUNT);
    let in_flight = number(options, "in_flight").unwrap_or(16);
    paced(last.saturating_add(in_flight), interval)
}

/// Questions follow upon answers, so they may all fall into a second.
fn of_questions(options: &Map<String, Value>) -> Weight {
    let types = text(options, "types").split(',').count() as u64;
    let tries = number(options, "retries").unwrap_or(1).saturating_add(1);
    let each = match text(options, "transport") {
        "" | "Udp" => 1,
        _ => CONNECTION_PACKETS,
    };
    paced(types.saturating_mul(tries).saturating_mul(each), 1)
}

fn of_transfer(options: &Map<String, Value>) -> Weight {
    let threads = number(options, "threads").unwrap_or(1);
    connections(threads, 0)
}

fn of_load(options: &Map<String, Value>) -> Weight {
    let threads = number(options, "threads").unwrap_or(4).saturating_mul(2);
    let interval = number(options, "interval").unwrap_or(100).max(1);
    connections(threads, CONNECTION_MS / interval)
}

fn of_session(_: &Map<String, Value>) -> Weight {
    connections(1, 0)
}

fn connections(threads: u64, probes: u64) -> Weight {
    let packets = threads
        .clamp(1, MOST_PACKETS)
        .saturating_mul(CONNECTION_PACKETS)
        .saturating_add(probes);
    Weight {
        packets: packets.min(MOST_PACKETS),
        length_ms: CONNECTION_MS,
    }
}

/// What is known of what a task runs; nothing of a stranger.
#[derive(Debug, Clone)]
pub struct Program(Vec<&'static Row>);

impl Program {
    /// By its name.
    pub fn named(name: &str) -> Self {
        Self(TABLE.iter().filter(|row| row.method == name).collect())
    }

    /// By what it measures: there may be several that do.
    pub fn measuring<'a>(functions: impl IntoIterator<Item = &'a str>) -> Self {
        let asked: Vec<&str> = functions.into_iter().collect();
        let measures = |row: &&Row| {
            let own = functions_of(row.method);
            own.iter()
                .any(|own| asked.iter().any(|other| function::is_same(own, other)))
        };
        Self(TABLE.iter().filter(measures).collect())
    }

    /// Notes where an option, which may have no name, makes packets go.
    pub fn targets(&self, option: Option<&str>, value: &Value, into: &mut BTreeSet<Target>) {
        match value {
            Value::String(text) => self.targets_in(option, text, into),
            Value::Array(items) => {
                for item in items {
                    self.targets(option, item, into);
                }
            }
            // Only plug-ins know what is below.
            Value::Object(members) if self.0.is_empty() => {
                for (name, value) in members {
                    self.targets(Some(name), value, into);
                }
            }
            _ => {}
        }
    }

    fn targets_in(&self, option: Option<&str>, text: &str, into: &mut BTreeSet<Target>) {
        let is = |names: &[&str]| option.is_some_and(|option| names.contains(&option));
        let named = if self.0.is_empty() {
            is(USUAL)
        } else {
            self.0.iter().any(|row| is(row.targets))
        };
        if named {
            into.extend(place(text));
        } else if !self.0.iter().any(|row| is(row.words)) {
            into.extend(words(text).filter_map(guess));
        }
    }

    /// What a run with these options sends to each target.
    pub fn weight(&self, options: &Map<String, Value>) -> Weight {
        let weights = self.0.iter().map(|row| (row.weigh)(options));
        let heaviest = weights.reduce(|one, other| if other.outweighs(one) { other } else { one });
        heaviest.unwrap_or_else(|| of_packets(options))
    }
}

/// URIs of what a method measures, in all its variants.
fn functions_of(method: &str) -> Vec<String> {
    if method == REPORT_PROGRAM {
        return vec![REPORT_FUNCTION.to_owned()];
    }
    function::of_method(method)
}

/// The target that a text names: a host, with a port or not, or a URL.
pub fn place(text: &str) -> Option<Target> {
    let text = text.trim();
    let host = if text.contains("://") {
        host_of_url(text)?
    } else {
        without_port(text)
    };
    (!host.is_empty()).then(|| Target::of(host))
}

/// What may be the arguments in a value of unknown form.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let between = |c: char| c.is_whitespace() || c.is_control() || ",;=|&\"'`()<>{}".contains(c);
    text.split(between).filter(|word| !word.is_empty())
}

/// The target that a word may be. What names nothing outside of a home is none: names without a dot, addresses of "this network".
fn guess(word: &str) -> Option<Target> {
    let host = if word.contains("://") {
        host_of_url(word)?
    } else {
        let word = word.rsplit('@').next().unwrap_or(word);
        let word = word.trim_start_matches('-');
        without_port(word.split('/').next().unwrap_or(word))
    };
    match Target::of(host) {
        Target::Address(address) => match address {
            std::net::IpAddr::V4(v4) if v4.octets()[0] == 0 => None,
            address => Some(Target::Address(address)),
        },
        Target::Name(name) => {
            let is_label = |label: &str| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && label
                        .chars()
                        .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
            };
            // Nothing that ends in a number is a name.
            let ends_well = name
                .rsplit('.')
                .next()
                .is_some_and(|last| last.contains(char::is_alphabetic));
            let is_name = name.len() <= 253 && name.contains('.') && name.split('.').all(is_label);
            (is_name && ends_well).then_some(Target::Name(name))
        }
    }
}

fn without_port(text: &str) -> &str {
    if let Some(inside) = text.strip_prefix('[') {
        return inside.split(']').next().unwrap_or(inside);
    }
    match text.split_once(':') {
        // More colons than one are an address of IPv6.
        Some((host, port)) if !port.contains(':') => host,
        _ => text,
    }
}

/// The host of `scheme://user@host:port/path` (RFC 3986 §3.2).
fn host_of_url(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    Some(without_port(authority.rsplit('@').next()?))
}

#[cfg(test)]
mod tests;
