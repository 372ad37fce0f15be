//! What is published: the metrics of RFC 9439 that our data justify, and our own.

use crate::Statistic;
use crate::statistic::Percentile;

/// A kind of figure. Values are integers in the metric's [unit](Metric::unit).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Round-trip time of UDP and ICMP echoes.
    DelayRt,
    /// Round-trip time of SYN and its answer; never mixed with echoes.
    DelayRtTcp,
    /// One-way delay variation (distance from the minimum, RFC 3393).
    DelayVariation,
    /// Round-trip loss.
    LossRt,
    /// Variation of the round-trip time.
    PdvRt,
    /// Hops to a destination that was reached.
    HopCount,
    /// Bulk TCP over one flow, cluster to subscriber.
    TputDown,
    /// Bulk TCP over one flow, subscriber to cluster.
    TputUp,
    /// Bulk TCP over several flows, cluster to subscriber.
    TputMtDown,
    /// Bulk TCP over several flows, subscriber to cluster.
    TputMtUp,
    /// Dispersion rate of packet trains.
    PacketPair,
    /// Time of a DNS look-up.
    DnsRt,
}

impl Metric {
    /// All metrics, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::DelayRt,
        Self::DelayRtTcp,
        Self::DelayVariation,
        Self::LossRt,
        Self::PdvRt,
        Self::HopCount,
        Self::TputDown,
        Self::TputUp,
        Self::TputMtDown,
        Self::TputMtUp,
        Self::PacketPair,
        Self::DnsRt,
    ];

    /// The base name of the ALTO cost metric (RFC 9439 §2; `priv:` where no registered one fits).
    pub fn name(self) -> &'static str {
        match self {
            Self::DelayRt | Self::DelayRtTcp => "delay-rt",
            Self::DelayVariation => "delay-variation",
            Self::LossRt => "priv:glimpse-loss-rt",
            Self::PdvRt => "priv:glimpse-pdv-rt",
            Self::HopCount => "hopcount",
            Self::TputDown | Self::TputUp => "tput",
            Self::TputMtDown | Self::TputMtUp => "priv:glimpse-tput-mt",
            Self::PacketPair => "priv:glimpse-ppt",
            Self::DnsRt => "priv:glimpse-dns-rt",
        }
    }

    /// The unit of the integers in here. Loss is finer here than on the wire (percent).
    pub fn unit(self) -> Unit {
        match self {
            Self::DelayRt | Self::DelayRtTcp | Self::DelayVariation | Self::PdvRt | Self::DnsRt => {
                Unit::Microseconds
            }
            Self::LossRt => Unit::PartsPerMillion,
            Self::HopCount => Unit::Hops,
            Self::TputDown
            | Self::TputUp
            | Self::TputMtDown
            | Self::TputMtUp
            | Self::PacketPair => Unit::BytesPerSecond,
        }
    }

    /// Whether a larger value is the better one.
    pub fn higher_is_better(self) -> bool {
        self.unit() == Unit::BytesPerSecond
    }

    /// Whether the measured data flow from the cluster to the subscriber, so that the cluster is the source in RFC 9439's terms.
    pub fn is_from_cluster(self) -> bool {
        matches!(self, Self::TputDown | Self::TputMtDown)
    }

    /// The statistic as it is computed for this metric: a hop count stays an integer that was
    /// measured, so its median is the lower middle value, and it has neither mean nor deviation.
    pub fn statistic(self, wanted: Statistic) -> Option<Statistic> {
        match (self, wanted) {
            (Self::HopCount, Statistic::Mean | Statistic::Stddev) => None,
            (Self::HopCount, Statistic::Median) => Percentile::new(50).map(Statistic::Percentile),
            _ => Some(wanted),
        }
    }
}

/// Units of the integers in this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// µs.
    Microseconds,
    /// 10 000 of them are one percent.
    PartsPerMillion,
    /// Hops.
    Hops,
    /// Bytes per second.
    BytesPerSecond,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_in_the_order_of_their_numbers() {
        for (number, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric as usize, number);
        }
    }

    #[test]
    fn a_hop_count_stays_an_integer() {
        assert_eq!(Metric::HopCount.statistic(Statistic::Mean), None);
        let median = Metric::HopCount.statistic(Statistic::Median);
        assert_eq!(
            median.and_then(|s| s.of(&[3, 4, 5, 6])),
            Some(4),
            "the lower middle"
        );
        assert_eq!(
            Metric::DelayRt.statistic(Statistic::Mean),
            Some(Statistic::Mean)
        );
    }
}
