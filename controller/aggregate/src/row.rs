//! What one stored result brings into the aggregation.

use std::str::FromStr;

use thiserror::Error;

use crate::{Facts, Labels, Metric};

/// One stored result of one metric, already joined with its agent's labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Identifies the household; equal for all results of one agent. Never published.
    pub subscriber: &'a str,
    /// Where and how it is connected.
    pub labels: Labels<'a>,
    /// What was measured.
    pub metric: Metric,
    /// Name or address of the far end; empty where it must not be named, and the row counts towards `TOTAL` alone.
    pub target: &'a str,
    /// The figures, in the metric's unit, each under 2^48. A row without any counts as seen, and has no vote.
    pub values: &'a [u64],
    /// Start of the measurement, microseconds UTC since 1970.
    pub start_us: i64,
    /// When the repository accepted it, microseconds UTC since 1970: what tells a late result from others.
    pub received_us: i64,
    /// The circumstances.
    pub facts: Facts,
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
    /// The metric of such round-trip times.
    pub fn metric(self) -> Metric {
        match self {
            Self::Datagram => Metric::DelayRt,
            Self::TcpHandshake => Metric::DelayRtTcp,
        }
    }

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
