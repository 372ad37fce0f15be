//! The English words for every code: titles and methods of steps, sentences of findings, what to do, what to tell the
//! provider. In sentences `{name}` is the value of that name in its unit, and what stands in `[…]` is left out where one
//! of its values is not known.

mod fill;
mod findings;

pub use fill::fill;
pub use findings::{Words, finding};

use super::chain::{Kind, StepCode as C};
use super::finding::State;
use super::values::Values;
use serde_json::Value;

/// The question of a chain.
pub const fn question(kind: Kind) -> &'static str {
    match kind {
        Kind::Down => "Internet does not work",
        Kind::Slow => "Internet is slow",
        Kind::Speed => "Speed test",
    }
}

/// What a step looks at.
pub const fn title(step: C) -> &'static str {
    match step {
        C::Link => "Line to the provider",
        C::Address => "Address from the provider",
        C::Gateway => "The provider's first box",
        C::Path => "Way to places outside",
        C::Names => "Name servers",
        C::Page => "A known page",
        C::PacketSize => "Long packets",
        C::Clock => "Clock and certificates",
        C::LineUse => "Use of the line right now",
        C::Wifi => "Wi-Fi of the asking device",
        C::Processor => "The router's processor",
        C::Delay => "Delay and loss",
        C::Speed => "Speed",
        C::Busy => "Delay while the line is busy",
        C::Lookups => "Time of name look-ups",
        C::Families => "IPv4 against IPv6",
        C::PathChange => "The way compared with before",
        C::Idle => "Delay of the idle line",
        C::Down => "Download",
        C::Up => "Upload",
    }
}

/// How it looks, for the provider.
pub const fn method(step: C) -> &'static str {
    match step {
        C::Link => "carrier and state of the device",
        C::Address => "addresses and default routes of the router",
        C::Gateway => "ICMP echoes and ARP, or an expiring TTL",
        C::Path => "ICMP echoes and TCP to the references, traceroute where they do not answer",
        C::Names => "DNS queries over UDP to each server",
        C::Page => "HTTP GET, compared with the exact content",
        C::PacketSize => "ICMP echoes with DF up to the MTU of the device",
        C::Clock => "TLS handshake",
        C::LineUse => "byte counters of the device over 5 s",
        C::Wifi => "the access point's association",
        C::Processor => "/proc/stat, the fullest second of the fullest core during the speed step",
        C::Delay => "40 ICMP echoes in 4 s to the first hops and the references, traceroute",
        C::Speed | C::Down | C::Up => "HTTP over 4 connections, 6 s after a ramp-up of 1.5 s",
        C::Busy => {
            "round trips to the server every 100 ms, medians, idle and under the load of the speed step"
        }
        C::Lookups => "5 DNS queries over UDP",
        C::Families => "15 ICMP echoes over each",
        C::PathChange => "traceroute",
        C::Idle => "30 ICMP echoes in 3 s to the references, the nearest of them",
    }
}

/// What was seen at a step.
pub fn seen(step: C, state: State, values: &Values) -> String {
    match state {
        State::Waiting => "waiting".to_owned(),
        State::Running => "running".to_owned(),
        State::Skipped => fill(reason(values), values),
        State::Good | State::Fair | State::Bad => fill(sentence(step), values),
    }
}

/// What was seen, as far as it is known.
const fn sentence(step: C) -> &'static str {
    match step {
        C::Link => "[{device}][, {kind}][, switched on: {up}][, signal: {carrier}]",
        C::Address => {
            "[IPv4 {ipv4}][, IPv6 {ipv6}][, by {protocol}][, default route: {route}][, error {error}]"
        }
        C::Gateway => {
            "[IPv4 {ipv4_received} of {ipv4_sent} echoes][ in {ipv4_rtt_us}][ from {ipv4}][, on the link: {ipv4_neighbour}]\
             [, IPv6 {ipv6_received} of {ipv6_sent}][ in {ipv6_rtt_us}][ from {ipv6}]"
        }
        C::Path => {
            "[IPv4: {ipv4_reached} of {ipv4_tried} answer][ in {ipv4_rtt_us}][, last hop {ipv4_last_hop}]\
             [, IPv6: {ipv6_reached} of {ipv6_tried} answer][ in {ipv6_rtt_us}][, last hop {ipv6_last_hop}]"
        }
        C::Names => {
            "[of the provider {provider_answered} of {provider_asked} answer][ in {provider_us}]\
             [, of the router {router_answered} of {router_asked}][ in {router_us}]\
             [, public {public_answered} of {public_asked}][ in {public_us}][ ({error})]"
        }
        C::Page => {
            "[IPv4: {ipv4}][, IPv6: {ipv6}][, status {status}][, leads to {location}][ ({error})]"
        }
        C::PacketSize => {
            "[the device takes {interface_mtu_bytes}][, IPv4 gets through with {ipv4_mtu_bytes}]\
             [ (a router says so: {ipv4_told})][, IPv6 with {ipv6_mtu_bytes}][ (a router says so: {ipv6_told})]"
        }
        C::Clock => {
            "[{now}][, trusted: {trusted}][, certificate of {host}: {certificate}][ ({error})]"
        }
        C::LineUse => "[down {down_kbps}][, up {up_kbps}][: {percent} of what it carries]",
        C::Wifi => {
            "[signal {signal_dbm}][, noise {noise_dbm}][, from it {rx_kbps}][, to it {tx_kbps}]"
        }
        C::Processor => "[at most {busy_percent} busy]",
        C::Delay => {
            "[near {near_us}][, loss {near_loss_ppm}][ (to hop {near_hop})][; far {far_us}][, loss {far_loss_ppm}]\
             [; good up to hop {after_hop}]"
        }
        C::Speed => {
            "[down {down_kbps}][ (contract {contract_down_kbps})][ (median {median_down_kbps})][, up {up_kbps}]\
             [ (contract {contract_up_kbps})][ (median {median_up_kbps})]"
        }
        C::Busy => "[{idle_us} idle][, down adds {added_down_us}][, up adds {added_up_us}]",
        C::Lookups => "[{answered} of {asked} answered][, median {median_us}]",
        C::Families => {
            "[IPv4 {ipv4_us}][, loss {ipv4_loss_ppm}][; IPv6 {ipv6_us}][, loss {ipv6_loss_ppm}]"
        }
        C::PathChange => "[{hops} hops][, others from hop {from_hop}][ since {since}]",
        C::Idle => "[median {median_us}][, loss {loss_ppm}]",
        C::Down => {
            "[{down_kbps}][ (contract {contract_down_kbps})][ (median {median_down_kbps})][, adds {added_down_us} of delay]"
        }
        C::Up => {
            "[{up_kbps}][ (contract {contract_up_kbps})][ (median {median_up_kbps})][, adds {added_up_us} of delay]"
        }
    }
}

/// Why a step was not looked at.
fn reason(values: &Values) -> &'static str {
    match values.0.get("reason").and_then(Value::as_str) {
        Some("not_configured") => "not looked at: set {option} in the settings",
        Some("no_route") => "not looked at: there is no way out",
        Some("no_target") => "not looked at: no reference has an address here",
        Some("no_answer") => "not looked at: nothing answered[ ({error})]",
        Some("no_method") => "not looked at: this agent was built without {method}",
        Some("no_ipv6") => "not looked at: only one version of IP is here",
        Some("no_client") => "not looked at: it is not known which device asks",
        Some("not_wireless") => "not looked at: that device is not on this router's Wi-Fi",
        Some("no_facts") => "not looked at: this system does not tell",
        Some("no_history") => "not looked at: nothing to compare with yet",
        _ => "not looked at: its time was over",
    }
}

#[cfg(test)]
mod tests;
