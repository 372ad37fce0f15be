//! What one stored ping result brings into the aggregation.

use std::str::FromStr;

use thiserror::Error;

/// One stored ping result, already joined with its agent's labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingRow {
    /// Identifies the household; equal for all results of one agent. Never published.
    pub subscriber: String,
    /// The agent's label `isp`, for instance `as3320`.
    pub isp: Option<String>,
    /// The agent's label `region`, for instance `de-by`. Without an ISP it has no effect.
    pub region: Option<String>,
    /// Name or address the ping went to.
    pub target: String,
    /// How the ping was sent.
    pub kind: PingKind,
    /// Round-trip times in microseconds, one for each answer. A row without any has no vote.
    pub rtt_us: Vec<u32>,
    /// Start of the measurement, microseconds UTC since 1970.
    pub start_us: i64,
    /// Whether the circumstances allow the result to speak for the line (clock, load, cross-traffic).
    pub trusted: bool,
}

/// How a ping was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PingKind {
    /// UDP datagrams.
    Udp,
    /// ICMP echo by our own sockets.
    Icmp,
    /// ICMP echo by the system's ping program.
    System,
    /// TCP SYN and its answer.
    Tcp,
}

impl PingKind {
    /// The family of methods whose round-trip times may stand in one map.
    pub fn method(self) -> DelayMethod {
        match self {
            Self::Udp | Self::Icmp | Self::System => DelayMethod::Datagram,
            Self::Tcp => DelayMethod::TcpHandshake,
        }
    }
}

/// The text is no ping type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown ping type {0:?}")]
pub struct UnknownPingKind(String);

impl FromStr for PingKind {
    type Err = UnknownPingKind;

    /// Reads `Udp`, `Icmp`, `System` or `Tcp`, in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [
            ("udp", Self::Udp),
            ("icmp", Self::Icmp),
            ("system", Self::System),
            ("tcp", Self::Tcp),
        ]
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text))
        .map(|(_, kind)| kind)
        .ok_or_else(|| UnknownPingKind(text.to_owned()))
    }
}

/// Families of round-trip times. Two families are never mixed in one map: a SYN is answered by
/// another part of the peer, and along the way, than an echo is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DelayMethod {
    /// UDP and ICMP echoes.
    Datagram,
    /// SYN and SYN-ACK (or RST) of TCP.
    TcpHandshake,
}

impl DelayMethod {
    /// The value of `cost-context.parameters.method`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Datagram => "udp-icmp-echo",
            Self::TcpHandshake => "tcp-syn-syn-ack",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_ping_is_an_echo_and_tcp_stands_apart() {
        for (text, method) in [
            ("Udp", DelayMethod::Datagram),
            ("icmp", DelayMethod::Datagram),
            ("System", DelayMethod::Datagram),
            ("TCP", DelayMethod::TcpHandshake),
        ] {
            assert_eq!(
                text.parse::<PingKind>().map(PingKind::method),
                Ok(method),
                "{text}"
            );
        }
        assert!("sctp".parse::<PingKind>().is_err());
    }
}
