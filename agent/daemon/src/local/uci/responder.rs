//! `config responder`: whether other agents may measure with this one.

use super::Error;
use super::value::Reader;

/// What the household grants other agents that hold a token of the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Responder {
    /// `enabled`: answer at all (off); consent is needed beside it.
    pub enabled: bool,
    /// `port`: where, UDP and TCP, 1 to 65 535 (5105).
    pub port: u16,
    /// `max_rate_bps`: bits per second of one session in each direction, 64 000 to 10 000 000 000 (1 000 000 000).
    pub max_rate_bps: u64,
    /// `max_bytes`: bytes of one session in each direction, 262 144 to 1 099 511 627 776 (150 000 000).
    pub max_bytes: u64,
    /// `max_duration_ms`: milliseconds of one session, 1000 to 600 000 (30 000).
    pub max_duration_ms: u32,
    /// `max_sessions`: sessions at the same time, 1 to 16 (2); of those that fill the line there is one.
    pub max_sessions: u16,
}

impl Default for Responder {
    fn default() -> Self {
        Self {
            enabled: false,
            port: 5105,
            max_rate_bps: 1_000_000_000,
            max_bytes: 150_000_000,
            max_duration_ms: 30_000,
            max_sessions: 2,
        }
    }
}

impl Responder {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let default = Self::default();
        let number = |name, unit, bounds, default: u64| reader.number(name, unit, bounds, default);
        // The package's script opens the firewall.
        reader.flag("firewall", false)?;
        Ok(Self {
            enabled: reader.flag("enabled", default.enabled)?,
            port: number("port", "(a port)", 1..=65_535, default.port.into())?
                .try_into()
                .unwrap_or(default.port),
            max_rate_bps: number(
                "max_rate_bps",
                "bit/s",
                64_000..=10_000_000_000,
                default.max_rate_bps,
            )?,
            max_bytes: number("max_bytes", "bytes", 1 << 18..=1 << 40, default.max_bytes)?,
            max_duration_ms: number(
                "max_duration_ms",
                "milliseconds",
                1_000..=600_000,
                default.max_duration_ms.into(),
            )?
            .try_into()
            .unwrap_or(default.max_duration_ms),
            max_sessions: number(
                "max_sessions",
                "sessions",
                1..=16,
                default.max_sessions.into(),
            )?
            .try_into()
            .unwrap_or(default.max_sessions),
        })
    }
}
