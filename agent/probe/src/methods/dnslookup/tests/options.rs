//! What may be asked.

use super::*;

#[test]
fn what_cannot_be_asked_is_refused_with_the_options_name() {
    let with = |name: &str, value: Value| {
        let mut options = json!({"host": "example.net"});
        options[name] = value;
        options
    };
    let long = "a.".repeat(150);
    for (options, begins) in [
        (json!({}), "host: is missing"),
        (
            with("host", json!("-x")),
            "host: must not begin with a hyphen",
        ),
        (with("host", json!(long)), "host: "),
        (
            with("host", json!("münchen.example")),
            "host: is no host name",
        ),
        (with("host", json!("")), "host: must name a host"),
        (with("host", json!("192.0.2.1")), "host: must be a name"),
        (with("type", json!("ANY")), "type: cannot ask for ANY"),
        (
            with("type", json!("BOGUS")),
            "type: has a type that is not known: BOGUS",
        ),
        (with("types", json!("A,A")), "types: names A twice"),
        (
            with("dns_server", json!("192.0.2.1:0")),
            "dns_server: must have a port",
        ),
        (
            with("dns_server", json!("dns.example")),
            "dns_server: must be an address",
        ),
        (
            with("dns_server", json!("-x")),
            "dns_server: must be an address",
        ),
        (
            with("edns_size", json!(100)),
            "edns_size: must be 0, or 512",
        ),
        (with("tls_name", json!("-..")), "tls_name: must be"),
        (
            with("retries", json!(4_294_967_296_u64)),
            "retries: must be <= 5",
        ),
        (with("timeout", json!(0)), "timeout: must be > 0"),
        (
            with("transport", json!("Quic")),
            "transport: must be one of Udp, Tcp, Tls",
        ),
        (with("cache", json!(true)), "cache: is not an option here"),
        (
            json!({"host": "a.example", "type": "A", "types": "MX"}),
            "types: must not be given",
        ),
        (
            json!({"host": "a.example", "nsid": true, "edns_size": 0}),
            "nsid: needs EDNS",
        ),
        (
            json!({"host": "a.example", "timeout": 60_000, "retries": 5,
                   "types": "A,NS,MX,TXT,SOA,SRV,CAA,PTR,TYPE1000"}),
            "timeout: must not need more than an hour",
        ),
    ] {
        let words = refusal(&options);
        assert!(words.starts_with(begins), "{words}");
    }
    for host in [
        ".",
        "example.net.",
        "_sip._udp.example",
        "xn--mnchen-3ya.example",
    ] {
        assert!(read(&with("host", json!(host))).is_ok(), "{host}");
    }
}
