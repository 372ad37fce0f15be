//! Whether a result speaks for the line, or for what was wrong beside it.

use serde::{Deserialize, Serialize};

/// The circumstances of one result; what is not known is `None` and excludes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Load of the agent's processors during the measurement, percent of all of them.
    pub cpu_percent: Option<u32>,
    /// What others sent and received over the line meanwhile, bits per second.
    pub cross_traffic_bps: Option<u64>,
    /// Signal of the wireless link it was measured over, dBm; `None` also for a cable.
    pub wifi_dbm: Option<i32>,
    /// How far the agent's clock was off, microseconds, either way.
    pub clock_offset_us: Option<i64>,
    /// The agent or the repository already found its clock to be wrong.
    pub clock_suspect: bool,
}

/// Why a result is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The agent was too busy to take times.
    CpuLoad,
    /// Others used the line.
    CrossTraffic,
    /// It measured the wireless link, not the line.
    WeakWifi,
    /// Its times, and so its window, are not known.
    SkewedClock,
}

impl Reason {
    /// All reasons, in the order in which they are looked for.
    pub const ALL: [Self; 4] = [
        Self::CpuLoad,
        Self::CrossTraffic,
        Self::WeakWifi,
        Self::SkewedClock,
    ];

    /// The name under which counts are published.
    pub fn name(self) -> &'static str {
        match self {
            Self::CpuLoad => "cpu-load",
            Self::CrossTraffic => "cross-traffic",
            Self::WeakWifi => "weak-wifi",
            Self::SkewedClock => "skewed-clock",
        }
    }
}

/// The limits beyond which a result is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// Most load, percent.
    pub cpu_percent: u32,
    /// Most cross-traffic, bits per second.
    pub cross_traffic_bps: u64,
    /// Weakest signal, dBm.
    pub wifi_dbm: i32,
    /// Largest offset of the clock, microseconds.
    pub clock_offset_us: u64,
}

impl Default for Trust {
    /// 80 % load, 64 kbit/s of cross-traffic (the threshold of the Measuring Broadband America programme),
    /// −70 dBm, one minute.
    fn default() -> Self {
        Self {
            cpu_percent: 80,
            cross_traffic_bps: 64_000,
            wifi_dbm: -70,
            clock_offset_us: 60_000_000,
        }
    }
}

impl Trust {
    /// The first reason not to count a result with these facts.
    pub fn refusal(&self, facts: &Facts) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| match reason {
            Reason::CpuLoad => self.is_busy(facts),
            Reason::CrossTraffic => self.is_line_shared(facts),
            Reason::WeakWifi => self.is_wifi_weak(facts),
            Reason::SkewedClock => self.is_clock_skewed(facts),
        })
    }

    /// [`Reason::CpuLoad`].
    pub fn is_busy(&self, facts: &Facts) -> bool {
        facts
            .cpu_percent
            .is_some_and(|load| load > self.cpu_percent)
    }

    /// [`Reason::CrossTraffic`].
    pub fn is_line_shared(&self, facts: &Facts) -> bool {
        facts
            .cross_traffic_bps
            .is_some_and(|rate| rate > self.cross_traffic_bps)
    }

    /// [`Reason::WeakWifi`].
    pub fn is_wifi_weak(&self, facts: &Facts) -> bool {
        facts.wifi_dbm.is_some_and(|signal| signal < self.wifi_dbm)
    }

    /// [`Reason::SkewedClock`].
    pub fn is_clock_skewed(&self, facts: &Facts) -> bool {
        facts.clock_suspect
            || facts
                .clock_offset_us
                .is_some_and(|offset| offset.unsigned_abs() > self.clock_offset_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_filter_looks_at_its_own_fact_and_has_its_limit() {
        let trust = Trust::default();
        let none = Facts::default();
        assert_eq!(
            trust.refusal(&none),
            None,
            "what is not known excludes nothing"
        );
        for (at, beyond, reason) in [
            (
                Facts {
                    cpu_percent: Some(80),
                    ..none
                },
                Facts {
                    cpu_percent: Some(81),
                    ..none
                },
                Reason::CpuLoad,
            ),
            (
                Facts {
                    cross_traffic_bps: Some(64_000),
                    ..none
                },
                Facts {
                    cross_traffic_bps: Some(64_001),
                    ..none
                },
                Reason::CrossTraffic,
            ),
            (
                Facts {
                    wifi_dbm: Some(-70),
                    ..none
                },
                Facts {
                    wifi_dbm: Some(-71),
                    ..none
                },
                Reason::WeakWifi,
            ),
            (
                Facts {
                    clock_offset_us: Some(60_000_000),
                    ..none
                },
                Facts {
                    clock_offset_us: Some(-60_000_001),
                    ..none
                },
                Reason::SkewedClock,
            ),
        ] {
            assert_eq!(trust.refusal(&at), None, "{reason:?}");
            assert_eq!(trust.refusal(&beyond), Some(reason));
        }
        assert_eq!(
            trust.refusal(&Facts {
                clock_suspect: true,
                ..none
            }),
            Some(Reason::SkewedClock)
        );
    }

    #[test]
    fn the_first_of_several_reasons_is_named() {
        let facts = Facts {
            cpu_percent: Some(100),
            wifi_dbm: Some(-90),
            clock_suspect: true,
            ..Facts::default()
        };
        assert_eq!(Trust::default().refusal(&facts), Some(Reason::CpuLoad));
    }
}
