//! The three chains as tables: which steps, in which order, how long each may take.

use std::time::Duration;

/// What the household asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// "Internet does not work".
    Down,
    /// "Internet is slow".
    Slow,
    /// "Speed test".
    Speed,
}

/// One check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepCode {
    /// The line to the provider: up, and with a signal.
    Link,
    /// The addresses that the provider gives.
    Address,
    /// The provider's first box.
    Gateway,
    /// The way to places outside.
    Path,
    /// Name servers.
    Names,
    /// A known page.
    Page,
    /// Long packets.
    PacketSize,
    /// Clock and certificates.
    Clock,
    /// What the home itself moves over the line.
    LineUse,
    /// The asking device's Wi-Fi.
    Wifi,
    /// The router's processor while the line is full.
    Processor,
    /// Delay and loss, near and far.
    Delay,
    /// Speed in both directions.
    Speed,
    /// What a full line adds to the delay.
    Busy,
    /// How long names take.
    Lookups,
    /// IPv4 against IPv6.
    Families,
    /// The way against that of before.
    PathChange,
    /// Delay of the idle line.
    Idle,
    /// Download speed.
    Down,
    /// Upload speed.
    Up,
}

use StepCode as C;

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Down, Self::Slow, Self::Speed];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Slow => "slow",
            Self::Speed => "speed",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Its steps in their order.
    pub const fn steps(self) -> &'static [StepCode] {
        match self {
            Self::Down => &[
                C::Link,
                C::Address,
                C::Gateway,
                C::Path,
                C::Names,
                C::Page,
                C::PacketSize,
                C::Clock,
            ],
            Self::Slow => &[
                C::LineUse,
                C::Wifi,
                C::Processor,
                C::Delay,
                C::Speed,
                C::Busy,
                C::Lookups,
                C::Families,
                C::PathChange,
            ],
            Self::Speed => &[C::LineUse, C::Idle, C::Down, C::Up],
        }
    }

    /// How long the whole chain takes at most.
    pub const fn longest_run(self) -> Duration {
        match self {
            Self::Down | Self::Speed => Duration::from_mins(1),
            Self::Slow => Duration::from_secs(90),
        }
    }
}

impl StepCode {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Address => "address",
            Self::Gateway => "gateway",
            Self::Path => "path",
            Self::Names => "names",
            Self::Page => "page",
            Self::PacketSize => "packet_size",
            Self::Clock => "clock",
            Self::LineUse => "line_use",
            Self::Wifi => "wifi",
            Self::Processor => "processor",
            Self::Delay => "delay",
            Self::Speed => "speed",
            Self::Busy => "busy",
            Self::Lookups => "lookups",
            Self::Families => "families",
            Self::PathChange => "path_change",
            Self::Idle => "idle",
            Self::Down => "down",
            Self::Up => "up",
        }
    }

    /// How long it may take. Those that are seen while another runs have no time of their own.
    pub const fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::Link | Self::Address => 1,
            Self::Wifi => 3,
            Self::Gateway | Self::LineUse => 6,
            Self::PacketSize | Self::Clock | Self::Families | Self::Idle => 8,
            Self::Names | Self::Lookups => 9,
            Self::Page => 10,
            Self::Path => 11,
            Self::Delay => 16,
            Self::Down | Self::Up => 20,
            Self::Speed => 40,
            Self::Processor | Self::Busy | Self::PathChange => 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_a_chain_fit_into_its_time() {
        for kind in Kind::ALL {
            let steps: Duration = kind.steps().iter().map(|step| step.limit()).sum();
            assert!(steps <= kind.longest_run(), "{kind:?}: {steps:?}");
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::Down.steps().len(), 8);
        assert_eq!(Kind::parse("Down"), None);
    }

    #[test]
    fn no_two_steps_have_one_word() {
        let mut words: Vec<&str> = Kind::ALL
            .iter()
            .flat_map(|kind| kind.steps())
            .map(|step| step.as_str())
            .collect();
        words.sort_unstable();
        words.dedup();
        // `line_use` stands in two chains.
        assert_eq!(words.len(), 8 + 9 + 4 - 1);
    }
}
