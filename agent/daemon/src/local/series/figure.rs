//! What is measured of a line, and over how much time it is shown.

/// What is measured of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Round-trip times, microseconds.
    Delay,
    /// Lost packets, millionths.
    Loss,
    /// Download, kbit/s.
    Down,
    /// Upload, kbit/s.
    Up,
    /// Delay that is added while the line is busy, microseconds.
    BusyDelay,
    /// Name look-ups, microseconds.
    Dns,
}

impl Figure {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::Delay,
        Self::Loss,
        Self::Down,
        Self::Up,
        Self::BusyDelay,
        Self::Dns,
    ];

    /// The word in questions and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Loss => "loss",
            Self::Down => "down",
            Self::Up => "up",
            Self::BusyDelay => "busy_delay",
            Self::Dns => "dns",
        }
    }

    /// Its unit: `us`, `ppm` or `kbps`.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Delay | Self::BusyDelay | Self::Dns => "us",
            Self::Loss => "ppm",
            Self::Down | Self::Up => "kbps",
        }
    }
}

/// How much time a graph shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Range {
    /// 24 hours.
    #[default]
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
    /// 365 days.
    Year,
}

impl Range {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Year];

    /// The word in questions and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}
