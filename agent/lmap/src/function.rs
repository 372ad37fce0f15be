//! Registry entries (RFC 8911) of what the methods measure.

/// Where the names of our private metrics live.
pub const BASE: &str = "https://www.measure-it.net/metrics/";

/// Where registered names live (RFC 8911 §7.1.3).
pub const IANA_BASE: &str = "https://www.iana.org/assignments/performance-metrics/";

/// The prefix of drafts before RFC 8912: read, never written.
const OLD_BASE: &str = "urn:ietf:metrics:perf:";

/// The program of reporting actions.
pub const REPORT_PROGRAM: &str = "glimpse-report";

/// The function of reporting actions.
pub const REPORT_FUNCTION: &str = "https://www.measure-it.net/metrics/Priv_Report";

/// A method's variant, by the option that chooses it, and the private name of what it measures. None of them keeps the fixed
/// parameters that a registered name promises (RFC 8912 §4, §6, §9), so none claims one.
struct Row {
    method: &'static str,
    /// Option and value; empty for methods that measure one thing.
    when: (&'static str, &'static str),
    name: &'static str,
}

const fn row(method: &'static str, when: (&'static str, &'static str), name: &'static str) -> Row {
    Row { method, when, name }
}

const ALWAYS: (&str, &str) = ("", "");

const TABLE: &[Row] = &[
    row(
        "ping",
        ("type", "Udp"),
        "Priv_RTDelay_Active_IP-UDP-Periodic__Seconds_Raw",
    ),
    row(
        "ping",
        ("type", "Tcp"),
        "Priv_RTDelay_Active_IP-TCP-HS__Seconds_Raw",
    ),
    row(
        "ping",
        ("type", "Icmp"),
        "Priv_RTDelay_Active_IP-ICMP-Periodic__Seconds_Raw",
    ),
    row(
        "ping",
        ("type", "System"),
        "Priv_RTDelay_Active_IP-ICMP-Periodic__Seconds_Raw",
    ),
    row(
        "traceroute",
        ("multipath", "true"),
        "Priv_Path_Active_IP-Multipath__Graph_Raw",
    ),
    row(
        "traceroute",
        ("ping_type", "Udp"),
        "Priv_Path_Active_IP-UDP-Paris__Hops_Raw",
    ),
    row(
        "traceroute",
        ("ping_type", "Icmp"),
        "Priv_Path_Active_IP-ICMP-Paris__Hops_Raw",
    ),
    row(
        "traceroute",
        ("ping_type", "Tcp"),
        "Priv_Path_Active_IP-TCP-Paris__Hops_Raw",
    ),
    row(
        "dnslookup",
        ("transport", "Udp"),
        "Priv_RTDNS_Active_IP-UDP-DNS__Seconds_Raw",
    ),
    row(
        "dnslookup",
        ("transport", "Tcp"),
        "Priv_RTDNS_Active_IP-TCP-DNS__Seconds_Raw",
    ),
    row(
        "dnslookup",
        ("transport", "Tls"),
        "Priv_RTDNS_Active_IP-TLS-DNS__Seconds_Raw",
    ),
    row(
        "reversednslookup",
        ("transport", "Udp"),
        "Priv_RTDNS_Active_IP-UDP-DNS-PTR__Seconds_Raw",
    ),
    row(
        "reversednslookup",
        ("transport", "Tcp"),
        "Priv_RTDNS_Active_IP-TCP-DNS-PTR__Seconds_Raw",
    ),
    row(
        "reversednslookup",
        ("transport", "Tls"),
        "Priv_RTDNS_Active_IP-TLS-DNS-PTR__Seconds_Raw",
    ),
    row(
        "httpdownload",
        ALWAYS,
        "Priv_Throughput_Active_HTTP-Download__BitsPerSecond_Mean",
    ),
    row(
        "httpupload",
        ALWAYS,
        "Priv_Throughput_Active_HTTP-Upload__BitsPerSecond_Mean",
    ),
    row(
        "latencyload",
        ALWAYS,
        "Priv_RTDelay_Active_IP-UnderLoad__Seconds_95Percentile",
    ),
    row(
        "btc_ma",
        ALWAYS,
        "Priv_BTC_Active_IP-TCP-Flow__BitsPerSecond_Slices",
    ),
    row(
        "packettrains_ma",
        ALWAYS,
        "Priv_Capacity_Active_IP-UDP-Trains__BitsPerSecond_Median",
    ),
    row("upnp", ALWAYS, "Priv_Devices_Active_UPnP__Other_Raw"),
    row("wifi", ALWAYS, "Priv_WiFiLink_Passive_nl80211__Other_Raw"),
];

/// The URI of what a run of `method` with these options measures; `option` tells the value of an option, its default included.
pub fn of_run(method: &str, option: impl Fn(&str) -> Option<String>) -> Option<String> {
    TABLE
        .iter()
        .filter(|row| row.method == method)
        .find(|row| row.when.0.is_empty() || option(row.when.0).as_deref() == Some(row.when.1))
        .map(|row| format!("{BASE}{}", row.name))
}

/// Whether two URIs name one entry: the older prefix stands for ours and for IANA's.
pub fn is_same(one: &str, other: &str) -> bool {
    fn name(uri: &str) -> (&str, bool) {
        for base in [BASE, IANA_BASE] {
            if let Some(name) = uri.strip_prefix(base) {
                return (name, true);
            }
        }
        match uri.strip_prefix(OLD_BASE) {
            Some(name) => (name, true),
            None => (uri, false),
        }
    }
    one == other || {
        let ((one, known), (other, too)) = (name(one), name(other));
        known && too && one == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_have_names_of_their_own() {
        let tcp = |name: &str| (name == "type").then(|| "Tcp".to_owned());
        assert_eq!(
            of_run("ping", tcp).as_deref(),
            Some("https://www.measure-it.net/metrics/Priv_RTDelay_Active_IP-TCP-HS__Seconds_Raw")
        );
        assert!(of_run("wifi", |_| None).is_some());
        assert_eq!(of_run("tlsage", |_| None), None);
    }

    #[test]
    fn the_older_prefix_is_understood_and_not_written() {
        assert!(is_same(
            "urn:ietf:metrics:perf:Priv_Report",
            REPORT_FUNCTION
        ));
        assert!(!is_same(
            "urn:ietf:metrics:perf:Priv_Report",
            "https://example.net/Priv_Report"
        ));
        for row in TABLE {
            assert!(row.name.starts_with("Priv_"), "{}", row.name);
            assert!(row.name.split('_').count() >= 6, "{}", row.name);
        }
    }
}
