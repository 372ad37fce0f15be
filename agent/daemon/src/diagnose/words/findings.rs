//! The sentences of findings.

use super::super::finding::FindingCode as F;

/// What is said about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// The answer, a sentence.
    pub heading: &'static str,
    /// What the household can do; may be empty.
    pub advice: &'static str,
    /// What to tell the provider; empty where it can do nothing about it.
    pub tell: &'static str,
}

const fn words(heading: &'static str, advice: &'static str, tell: &'static str) -> Words {
    Words {
        heading,
        advice,
        tell,
    }
}

/// The words of a finding.
pub const fn finding(code: F) -> Words {
    match code {
        F::InterfaceDown | F::NoCarrier | F::NoAddress | F::LoginRefused | F::SimRefused => {
            line(code)
        }
        F::GatewaySilent | F::ProviderNetwork | F::BeyondProvider => way(code),
        F::NamesDown | F::ProviderNamesDown | F::RouterNamesHang | F::NamesSlow => names(code),
        F::LoginPage
        | F::PageUnreachable
        | F::LargePacketsLost
        | F::ClockWrong
        | F::CertificateRefused => pages(code),
        F::Works | F::NotSlow | F::Speed | F::NotChecked | F::NoConnection => answers(code),
        F::Ipv4Broken
        | F::Ipv6Broken
        | F::LineInUse
        | F::WeakWifi
        | F::RouterBusy
        | F::AccessDisturbed
        | F::TroubleBeyond
        | F::LessThanPaid
        | F::SlowerThanUsual
        | F::QueueBloat
        | F::Ipv4Slow
        | F::Ipv6Slow
        | F::PathChanged => figures(code),
    }
}

const fn line(code: F) -> Words {
    match code {
        F::InterfaceDown => words(
            "The router's connection to the Internet is switched off[ ({device})].",
            "Switch the interface on in the router's network settings.",
            "",
        ),
        F::NoCarrier => words(
            "No signal on the line.",
            "Check the cable between router and modem or wall socket, and that the modem has power. If the lamp of the modem \
             for the line is off, the provider has to look.",
            "The router has no carrier on its line[ ({device})].",
        ),
        F::LoginRefused => words(
            "The provider refuses the user name or the password.",
            "Check both in the router's network settings: letter for letter, as the provider wrote them.",
            "The login is refused[ ({error})].",
        ),
        F::SimRefused => words(
            "The SIM card or its PIN is refused.",
            "Check the PIN in the router's network settings, and that the card sits well and is not barred.",
            "The modem reports {error}.",
        ),
        _ => words(
            "The provider gives no address.",
            "Switch the modem off for a minute, then on again; then the router.",
            "The router asks for an address[ by {protocol}] and gets none[ ({error})].",
        ),
    }
}

const fn way(code: F) -> Words {
    match code {
        F::GatewaySilent => words(
            "The first box of your provider does not answer.",
            "Switch the modem off for a minute, then on again. If that does not help, the provider has to look.",
            "The default gateway does not answer[ ({ipv4})][ ({ipv6})].",
        ),
        F::ProviderNetwork => words(
            "The fault is in your provider's network.",
            "There is nothing to mend at home. Report it to the provider.",
            "Packets get no further than hop {last_hop}.",
        ),
        _ => words(
            "The fault is outside your provider's network.",
            "There is nothing to mend at home; others will be hit too. Try again later.",
            "Packets get as far as hop {last_hop}, and no further.",
        ),
    }
}

const fn names(code: F) -> Words {
    match code {
        F::ProviderNamesDown => words(
            "Your provider's name server is down.",
            "Enter another name server in the router's network settings[: the public one answers in {public_us}], or wait.",
            "None of your {provider_asked} name servers gives an answer to work with.",
        ),
        F::RouterNamesHang => words(
            "The router's name service hangs.",
            "Restart the router, or its name service alone: /etc/init.d/dnsmasq restart",
            "",
        ),
        F::NamesSlow => words(
            "Looking up names takes long: {median_us}.",
            "Enter another name server in the router's network settings.",
            "Your name server takes {median_us}, the median of 5 queries.",
        ),
        _ => words(
            "No name server answers.",
            "Enter another name server in the router's network settings, or report it to the provider.",
            "No name server answers, yours neither.",
        ),
    }
}

const fn pages(code: F) -> Words {
    match code {
        F::LoginPage => words(
            "A login page stands in the way.",
            "Open any page without https in a browser, such as {url}, and log in[: {location}].",
            "Another page comes in the place of a known one[ (status {status})].",
        ),
        F::PageUnreachable => words(
            "Pages cannot be reached although the way is open.",
            "Look for a filter or firewall that blocks the web.",
            "TCP port 80 is blocked or its server silent[: {error}].",
        ),
        F::LargePacketsLost => words(
            "Large packets get lost: those of more than {mtu_bytes}.",
            "Set the MTU of the Internet interface to {mtu_bytes}, and switch MSS clamping on in the firewall's zone.",
            "Packets of more than {mtu_bytes} vanish, and no ICMP message says so; the link takes {interface_mtu_bytes}.",
        ),
        F::ClockWrong => words(
            "The router's clock is wrong ({now}); secure pages fail.",
            "Set the time in the router's system settings, and see that it can reach its time servers.",
            "",
        ),
        _ => words(
            "A server cannot prove who it is: {host}[ ({error})].",
            "See that the router's clock is right. If it is, somebody or something stands between you and that server.",
            "The certificate of {host} is not the right one[ ({error})].",
        ),
    }
}

const fn answers(code: F) -> Words {
    match code {
        F::Works => words(
            "The Internet works from the router.",
            "Look at the Wi-Fi, or at the device that has the trouble.",
            "",
        ),
        F::NotSlow => words(
            "Nothing is slow right now, as seen from the router.",
            "Look at the Wi-Fi, at the device, or at the service that is slow. Try again while it is.",
            "",
        ),
        F::Speed => words(
            "[Download {down_kbps}][, upload {up_kbps}][, delay {delay_us}][, and {added_us} more while the line is busy].",
            "",
            "",
        ),
        F::NotChecked => words(
            "Nothing wrong was seen, but not enough could be looked at.",
            "[Set {option} in the settings: who may be asked stands there.]",
            "",
        ),
        _ => words(
            "Nothing outside answers at all.",
            "Ask why the Internet does not work: glimpse-agent diagnose down",
            "",
        ),
    }
}

const fn figures(code: F) -> Words {
    match code {
        F::Ipv4Broken => words(
            "IPv4 does not work; IPv6 does.",
            "Many places have IPv4 alone. Restart the modem, or report it to the provider.",
            "IPv4 has an address and leads nowhere (step {step}).",
        ),
        F::Ipv6Broken => words(
            "IPv6 does not work; IPv4 does.",
            "Pages open late, as everything is tried by IPv6 first. Restart the modem, or report it to the provider.",
            "IPv6 has an address and leads nowhere (step {step}).",
        ),
        F::LineInUse => words(
            "Somebody at home uses the line right now ({down_kbps} down, {up_kbps} up[: {percent} of {of_kbps}]).",
            "Wait until that is done, or give the others less (queue management, SQM).",
            "",
        ),
        F::WeakWifi => words(
            "This device has a weak Wi-Fi signal[ ({signal_dbm})][, it gets {rate_kbps}].",
            "Go nearer to the router, or move the router; walls and floors weaken most.",
            "",
        ),
        F::RouterBusy => words(
            "The router itself is the limit: {busy_percent} busy.",
            "Switch off what costs it work (queue management, VPN, add-ons), or use a faster router.",
            "",
        ),
        F::AccessDisturbed => words(
            "The access line is disturbed[: delay {delay_us}][, {loss_ppm} of the packets lost].",
            "Check cable and modem; then report it to the provider.",
            "Near the home already[, the delay is {delay_us}][, {loss_ppm} of the packets are lost].",
        ),
        F::TroubleBeyond => words(
            "The trouble is further away[: after hop {after_hop}].",
            "There is nothing to mend at home. If it lasts, report it to the provider.",
            "The access line is fine; outside[, the delay is {delay_us}][, {loss_ppm} of the packets are lost][, from \
             beyond hop {after_hop}].",
        ),
        F::LessThanPaid => words(
            "You get less than you pay for: {direction} {kbps} of {against_kbps}.",
            "Repeat it at other times with nothing else running; if it stays, report it to the provider with the report below.",
            "The {direction} reaches {kbps} of the {against_kbps} of the contract ({percent}).",
        ),
        F::SlowerThanUsual => words(
            "The line is slower than usual: {direction} {kbps}, where {against_kbps} is usual.",
            "Repeat it later; restart the modem. If it stays, report it to the provider.",
            "The {direction} reaches {kbps}; the median of the last 28 days is {against_kbps}.",
        ),
        F::QueueBloat => words(
            "The line gets slow when it is full: {direction}s add {added_us} to the delay.",
            "Install queue management (SQM) and set it to[ {sqm_down_kbps} down][, {sqm_up_kbps} up].",
            "Under load of the {direction} the round trip grows by {added_us}: queues without management.",
        ),
        F::Ipv4Slow => words(
            "IPv4 is slower than IPv6[: {ipv4_us} against {ipv6_us}].",
            "",
            "The same place takes[ {ipv4_us} by IPv4][, {ipv6_us} by IPv6].",
        ),
        F::Ipv6Slow => words(
            "IPv6 is slower than IPv4[: {ipv6_us} against {ipv4_us}].",
            "",
            "The same place takes[ {ipv6_us} by IPv6][, {ipv4_us} by IPv4].",
        ),
        _ => words(
            "The way to the reference has changed from hop {from_hop}[ since {since}].",
            "That is nothing wrong by itself.",
            "The way differs from hop {from_hop}[ since {since}].",
        ),
    }
}
