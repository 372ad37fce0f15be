//! Every parser that meets bytes of others, as one function of bytes each: what a fuzzer drives, and what the seeds under
//! `seeds/` are replayed through by the ordinary tests.
//!
//! ```text
//! seeds/TARGET/* ──▶ tests/replay.rs ──▶ TARGETS ◀── src/main.rs (libFuzzer, feature `libfuzzer`) ◀── cargo xtask fuzz
//! ```
//! A target may not panic, whatever it gets. Beyond that it checks what must hold of anything that was understood: that it
//! is bounded, that it is read back as it was written, that forged answers do not outnumber probes.

#![expect(
    clippy::missing_panics_doc,
    reason = "a panic is what a target reports"
)]

pub mod alto;
pub mod controller;
pub mod dns;
pub mod documents;
pub mod household;
pub mod http;
pub mod lmap;
pub mod packets;
pub mod peers;
pub mod pieces;
pub mod plugins;
pub mod probes;
pub mod restconf;
pub mod ubus;
pub mod upnp;
pub mod wifi;
pub mod yang;

/// A parser, or a few that read the same bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder of seeds.
    pub name: &'static str,
    /// Feeds it.
    pub run: fn(&[u8]),
}

/// All targets, by name.
pub const TARGETS: &[Target] = &[
    target("agent_certificate", controller::agent_certificate),
    target("alto_address", alto::address),
    target("alto_constraint", alto::constraint),
    target("alto_filter", alto::filter),
    target("alto_request", alto::request),
    target("batch", controller::batch),
    target("cacerts", household::cacerts),
    target("certificate_request", controller::certificate_request),
    target("configuration", documents::configuration),
    target("control_request", household::control_request),
    target("controller_config", controller::config),
    target("dns_answer", dns::answer),
    target("dns_framing", dns::framing),
    target("dns_name", dns::name),
    target("dns_value", dns::value),
    target("glob", lmap::pattern),
    target("history", household::history),
    target("host", documents::host),
    target("host_meta", controller::host_meta),
    target("http_received", http::received),
    target("http_response", http::response),
    target("http_url", http::url),
    target("icmp_extensions", packets::extensions),
    target("icmpv4", packets::icmpv4),
    target("icmpv6", packets::icmpv6),
    target("instructions", documents::instructions),
    target("lmap_output", lmap::output),
    target("lmap_report", lmap::report),
    target("lmap_snapshot", lmap::snapshot),
    target("nacm_path", yang::rule_path),
    target("network_map", alto::network_map),
    target("nl80211", wifi::nl80211),
    target("opt_out", controller::opt_out),
    target("peer_datagram", peers::datagram),
    target("peer_frame", peers::frame),
    target("peer_report", peers::report),
    target("peer_request", peers::request),
    target("peer_session", peers::session),
    target("ping", probes::ping),
    target("ping_face", probes::ping_face),
    target("ping_output", household::ping_output),
    target("plugin_description", plugins::description),
    target("plugin_report", plugins::report),
    target("problem", documents::problem),
    target("proc", household::proc),
    target("quote", packets::quote),
    target("receipt", documents::receipt),
    target("record", documents::record),
    target("resolv_conf", dns::servers),
    target("restconf_path", yang::request_path),
    target("restconf_query", yang::request_query),
    target("restconf_request", restconf::requests),
    target("routes", household::routes),
    target("soap", upnp::soap),
    target("spool_repair", household::spool_repair),
    target("spool_segment", household::spool_segment),
    target("ssdp", upnp::ssdp),
    target("stream_filter", restconf::filter),
    target("survey", household::survey),
    target("token", peers::token),
    target("traceroute", probes::traceroute),
    target("ubus_facts", ubus::facts),
    target("ubus_message", ubus::message),
    target("uci", household::uci),
    target("upnp_description", upnp::description),
    target("upnp_exchange", upnp::exchange),
    target("upnp_location", upnp::location),
    target("used_tokens", household::used_tokens),
    target("wifi_dump", wifi::dump),
    target("yang_json", yang::json),
    target("yang_pattern", yang::pattern),
    target("yang_xml", yang::xml),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// The target of that name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
