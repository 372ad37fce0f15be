//! Registry entries (RFC 8911) of what the methods measure. Why none of them is a registered one: `docs/adr/017`.

#[cfg(test)]
mod tests;

/// Where the names of our private metrics live.
pub const BASE: &str = "https://www.measure-it.net/metrics/";

/// Where registered names live (RFC 8911 §7.1.3).
pub const IANA_BASE: &str = "https://www.iana.org/assignments/performance-metrics/";

/// The prefix of drafts before RFC 8912: read, never written.
const OLD_BASE: &str = "urn:ietf:metrics:perf:";

/// The program of reporting actions.
pub const REPORT_PROGRAM: &str = "glimpse-report";

/// The function of reporting actions. It measures nothing, so it has no place among the metrics.
pub const REPORT_FUNCTION: &str = "https://www.measure-it.net/functions/report";

/// The part of an agent that reports.
pub const REPORT_ROLE: &str = "client";

/// A method's variant and the private names of what it measures.
struct Row {
    method: &'static str,
    /// Options and their values that choose it, all of them; none for methods that measure one thing.
    when: &'static [(&'static str, &'static str)],
    names: &'static [&'static str],
}

const fn row(
    method: &'static str,
    when: &'static [(&'static str, &'static str)],
    names: &'static [&'static str],
) -> Row {
    Row {
        method,
        when,
        names,
    }
}

/// Of rows that fit the first one counts.
const TABLE: &[Row] = &[
    row(
        "ping",
        &[("type", "Udp")],
        &["Priv_RTDelay_Active_IP-UDP-Periodic__Seconds_Raw"],
    ),
    row(
        "ping",
        &[("type", "Tcp")],
        &["Priv_RTDelay_Active_IP-TCP-HS__Seconds_Raw"],
    ),
    row(
        "ping",
        &[("type", "Peer")],
        &["Priv_RTDelay_Active_IP-UDP-Periodic__Seconds_Raw"],
    ),
    row(
        "ping",
        &[],
        &["Priv_RTDelay_Active_IP-ICMP-Periodic__Seconds_Raw"],
    ),
    row(
        "traceroute",
        &[("multipath", "true"), ("ping_type", "Udp")],
        &["Priv_MPMonitor_Active_IP-UDP-Traceroute-Multipath__Multiple_Raw"],
    ),
    row(
        "traceroute",
        &[("multipath", "true"), ("ping_type", "Tcp")],
        &["Priv_MPMonitor_Active_IP-TCP-Traceroute-Multipath__Multiple_Raw"],
    ),
    row(
        "traceroute",
        &[("multipath", "true")],
        &["Priv_MPMonitor_Active_IP-ICMP-Traceroute-Multipath__Multiple_Raw"],
    ),
    row(
        "traceroute",
        &[("paris", "true"), ("ping_type", "Udp")],
        &["Priv_MPMonitor_Active_IP-UDP-Traceroute-Paris__Multiple_Raw"],
    ),
    row(
        "traceroute",
        &[("paris", "true"), ("ping_type", "Tcp")],
        &["Priv_MPMonitor_Active_IP-TCP-Traceroute-Paris__Multiple_Raw"],
    ),
    row(
        "traceroute",
        &[("paris", "true")],
        &["Priv_MPMonitor_Active_IP-ICMP-Traceroute-Paris__Multiple_Raw"],
    ),
    row(
        "traceroute",
        &[("ping_type", "Udp")],
        &["Priv_MPMonitor_Active_IP-UDP-Traceroute__Multiple_Raw"],
    ),
    row(
        "traceroute",
        &[("ping_type", "Tcp")],
        &["Priv_MPMonitor_Active_IP-TCP-Traceroute__Multiple_Raw"],
    ),
    row(
        "traceroute",
        &[],
        &["Priv_MPMonitor_Active_IP-ICMP-Traceroute__Multiple_Raw"],
    ),
    row("dnslookup", &[("transport", "Udp")], DNS_UDP),
    row("dnslookup", &[("transport", "Tcp")], DNS_TCP),
    row("dnslookup", &[("transport", "Tls")], DNS_TLS),
    row("dnslookup", &[("transport", "Https")], DNS_HTTPS),
    // The type of the query is a parameter of the metric (RFC 8912 §6), so that names of addresses are no metric of their own.
    row("reversednslookup", &[("transport", "Udp")], DNS_UDP),
    row("reversednslookup", &[("transport", "Tcp")], DNS_TCP),
    row("reversednslookup", &[("transport", "Tls")], DNS_TLS),
    row("reversednslookup", &[("transport", "Https")], DNS_HTTPS),
    row(
        "httpdownload",
        &[],
        &["Priv_OWBTC_Active_IP-TCP-HTTP-MultipleParallelStreams__BPS_Mean"],
    ),
    row(
        "httpupload",
        &[],
        &["Priv_OWBTC_Active_IP-TCP-HTTP-Upload-MultipleParallelStreams__BPS_Mean"],
    ),
    row(
        "latencyload",
        &[],
        &["Priv_RTDelay_Active_IP-Periodic-StandingQueue__Seconds_95Percentile"],
    ),
    row(
        "btc_ma",
        &[],
        &["Priv_OWBTC_Active_IP-TCP-SustainedBurst__BPS_Mean"],
    ),
    row(
        "packettrains_ma",
        &[],
        &["Priv_OWMBM_Active_IP-UDP-PacketPair__BPS_Median"],
    ),
    row(
        "upnp",
        &[],
        &["Priv_SPMonitor_Active_UPnP-Discovery__Enumerated_Raw"],
    ),
    row("wifi", &[], &["Priv_SPMonitor_Passive_WiFi__Multiple_Raw"]),
];

const DNS_UDP: &[&str] = &[
    "Priv_RTDNS_Active_IP-UDP-Periodic__Seconds_Raw",
    "Priv_RLDNS_Active_IP-UDP-Periodic__Logical_Raw",
];
const DNS_TCP: &[&str] = &[
    "Priv_RTDNS_Active_IP-TCP-Periodic__Seconds_Raw",
    "Priv_RLDNS_Active_IP-TCP-Periodic__Logical_Raw",
];
const DNS_TLS: &[&str] = &[
    "Priv_RTDNS_Active_IP-TCP-TLS-Periodic__Seconds_Raw",
    "Priv_RLDNS_Active_IP-TCP-TLS-Periodic__Logical_Raw",
];
const DNS_HTTPS: &[&str] = &[
    "Priv_RTDNS_Active_IP-TCP-TLS-HTTP-Periodic__Seconds_Raw",
    "Priv_RLDNS_Active_IP-TCP-TLS-HTTP-Periodic__Logical_Raw",
];

/// The URIs of what a run of `method` with these options measures; `option` tells the value of an option, its default included.
/// None for methods that are no built-in ones.
pub fn of_run(method: &str, option: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let chosen = |row: &&Row| {
        let mut when = row.when.iter();
        row.method == method && when.all(|(name, value)| option(name).as_deref() == Some(*value))
    };
    let row = TABLE.iter().find(chosen);
    let names = row.map_or(&[][..], |row| row.names);
    names.iter().map(|name| format!("{BASE}{name}")).collect()
}

/// The URIs of all that a built-in method can measure, each once.
pub fn of_method(method: &str) -> Vec<String> {
    let mut all = Vec::new();
    for row in TABLE.iter().filter(|row| row.method == method) {
        for name in row.names {
            let uri = format!("{BASE}{name}");
            if !all.contains(&uri) {
                all.push(uri);
            }
        }
    }
    all
}

/// Options and their values that make a run of `method` measure the first of `uris` which it can measure.
pub(crate) fn variant<'a>(
    method: &str,
    uris: impl IntoIterator<Item = &'a str>,
) -> &'static [(&'static str, &'static str)] {
    let mut named = uris.into_iter().filter_map(name_of);
    let row = named.find_map(|name| {
        let mut rows = TABLE.iter().filter(|row| row.method == method);
        rows.find(|row| row.names.contains(&name))
    });
    row.map_or(&[], |row| row.when)
}

/// The role of the agent in a metric. It starts what is active, whichever way most bytes go then, and so is `Src`, as the registry
/// has it; its responder, `Dst`, is not run by tasks. In what it only observes, and in what is not named as the registry names
/// things, nobody has a role.
pub fn role(uri: &str) -> Option<&'static str> {
    if uri == REPORT_FUNCTION {
        return Some(REPORT_ROLE);
    }
    // Metrics of plug-ins have names of the same form below addresses of their own.
    let name = uri.rsplit(['/', ':']).next()?;
    let name = name.strip_prefix("Priv_").unwrap_or(name);
    let whole = name.split('_').count() == 6;
    (whole && name.split('_').nth(1) == Some("Active")).then_some("Src")
}

/// The name of a metric of ours or of IANA's.
fn name_of(uri: &str) -> Option<&str> {
    [BASE, IANA_BASE, OLD_BASE]
        .iter()
        .find_map(|base| uri.strip_prefix(base))
}

/// Whether two URIs name one entry: the older prefix stands for ours and for IANA's.
pub fn is_same(one: &str, other: &str) -> bool {
    one == other || name_of(one).is_some_and(|name| name_of(other) == Some(name))
}
