//! `config limits`.

use super::Error;
use super::host::is_host_name;
use super::quiet::{QuietHours, QuietZone};
use super::value::Reader;
use glimpse_model::id::InstructionId;

/// What the household allows; above anything the controller says.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// `monthly_bytes`: cap of measurements for others over fixed lines (524 288 000).
    pub monthly_bytes: u64,
    /// `mobile_bytes`: the same over mobile links (31 457 280).
    pub mobile_bytes: u64,
    /// `mobile`: measure over mobile links at all (off).
    pub mobile: bool,
    /// `mobile_interfaces`: interfaces that count as mobile whatever they look like.
    pub mobile_interfaces: Vec<String>,
    /// `quiet_hours`: nothing is measured for others then.
    pub quiet_hours: Vec<QuietHours>,
    /// `quiet_zone`: the zone they are meant in (`system`).
    pub quiet_zone: QuietZone,
    /// `forbidden_methods`: methods that never run for others.
    pub forbidden_methods: Vec<String>,
    /// `paused`: instructions that rest until the household lets them go on, at most 256.
    pub paused: Vec<String>,
    /// `lan`: instructions that ask for it may measure hosts of the home (off).
    pub lan: bool,
    /// `bulk_targets`: hosts to which bulk transfers may go without their opting in.
    pub bulk_targets: Vec<String>,
    /// `parallel`: measurements at the same time, 1 to 16 (4).
    pub parallel: u16,
    /// `target_parallel`: of these, to one target, 1 to 16 (2).
    pub target_parallel: u16,
    /// `target_rate`: measurements begun to one target, per minute, 1 to 6000 (60).
    pub target_rate: u16,
    /// `target_bytes`: bytes that measurements begun to one address within a minute can use, but for those that fill
    /// the line (4 000 000).
    pub target_bytes: u64,
    /// `minute_bytes`: the same of all addresses together (16 000 000).
    pub minute_bytes: u64,
    /// `cross_traffic_kbps`: measurements that fill the line wait until it carries less, 0 to 4 000 000; 0 does not
    /// wait (200).
    pub cross_traffic_kbps: u32,
    /// `cpu_load`: results of runs during which the processor was busier are flagged, 1 to 100 percent (80).
    pub cpu_load: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            monthly_bytes: 524_288_000,
            mobile_bytes: 31_457_280,
            mobile: false,
            mobile_interfaces: Vec::new(),
            quiet_hours: Vec::new(),
            quiet_zone: QuietZone::System,
            forbidden_methods: Vec::new(),
            paused: Vec::new(),
            lan: false,
            bulk_targets: Vec::new(),
            parallel: 4,
            target_parallel: 2,
            target_rate: 60,
            target_bytes: 4_000_000,
            minute_bytes: 16_000_000,
            cross_traffic_kbps: 200,
            cpu_load: 80,
        }
    }
}

/// Reads the section.
pub(super) fn limits(reader: &Reader<'_>) -> Result<Limits, Error> {
    let default = Limits::default();
    let word =
        |text: &str| (text.len() <= 64 && text.bytes().all(is_word)).then(|| text.to_owned());
    let interface = |text: &str| {
        let usable = text.len() <= 15 && text.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        usable.then(|| text.to_owned())
    };
    let target = |text: &str| {
        (is_host_name(text) || text.parse::<std::net::IpAddr>().is_ok())
            .then(|| text.to_ascii_lowercase())
    };
    Ok(Limits {
        monthly_bytes: reader.number(
            "monthly_bytes",
            "bytes",
            0..=u64::MAX,
            default.monthly_bytes,
        )?,
        mobile_bytes: reader.number("mobile_bytes", "bytes", 0..=u64::MAX, default.mobile_bytes)?,
        mobile: reader.flag("mobile", default.mobile)?,
        mobile_interfaces: reader.list("mobile_interfaces", "an interface name", interface)?,
        quiet_hours: reader.list(
            "quiet_hours",
            "HH:MM-HH:MM, with two different times",
            QuietHours::parse,
        )?,
        quiet_zone: reader
            .parsed(
                "quiet_zone",
                "system, UTC or a POSIX TZ string",
                QuietZone::parse,
            )?
            .unwrap_or_default(),
        forbidden_methods: reader.list("forbidden_methods", "the name of a method", word)?,
        paused: paused(reader)?,
        lan: reader.flag("lan", default.lan)?,
        bulk_targets: reader.list("bulk_targets", "a host name or address", target)?,
        parallel: count(reader, "parallel", "measurements", 16, default.parallel)?,
        target_parallel: count(
            reader,
            "target_parallel",
            "measurements",
            16,
            default.target_parallel,
        )?,
        target_rate: count(
            reader,
            "target_rate",
            "measurements per minute",
            6000,
            default.target_rate,
        )?,
        target_bytes: reader.number(
            "target_bytes",
            "bytes per minute",
            0..=u64::MAX,
            default.target_bytes,
        )?,
        minute_bytes: reader.number(
            "minute_bytes",
            "bytes per minute",
            0..=u64::MAX,
            default.minute_bytes,
        )?,
        cross_traffic_kbps: reader
            .number(
                "cross_traffic_kbps",
                "kbit/s",
                0..=4_000_000,
                default.cross_traffic_kbps.into(),
            )?
            .try_into()
            .unwrap_or(default.cross_traffic_kbps),
        cpu_load: reader
            .number("cpu_load", "percent", 1..=100, default.cpu_load.into())?
            .try_into()
            .unwrap_or(default.cpu_load),
    })
}

fn paused(reader: &Reader<'_>) -> Result<Vec<String>, Error> {
    const MOST: usize = 256;
    let id = |text: &str| InstructionId::new(text).ok().map(|_| text.to_owned());
    let paused = reader.list("paused", "the id of an instruction", id)?;
    match paused.get(MOST) {
        Some(excess) => Err(reader.refuse("paused", excess, "must be at most 256 instructions")),
        None => Ok(paused),
    }
}

fn count(
    reader: &Reader<'_>,
    name: &'static str,
    unit: &str,
    most: u16,
    default: u16,
) -> Result<u16, Error> {
    let value = reader.number(name, unit, 1..=u64::from(most), u64::from(default))?;
    Ok(u16::try_from(value).unwrap_or(most))
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
