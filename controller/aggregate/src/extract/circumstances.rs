//! What the state of the machine says of the circumstances of a run.

use serde_json::{Map, Value};

use super::Material;
use super::number::{float, scaled, whole};
use crate::Facts;

/// The number of wireless LAN in `connection_mode`.
const WLAN: u64 = 4;
/// Part of a measurement's own bytes that its interface has carried beside what sockets count: headers of the link, acknowledgements by the
/// kernel.
const OWN_SHARE: u64 = 20;
/// What an agent may say to its controller meanwhile, a handshake and an upload: nobody else's traffic either.
const CONVERSATION: u64 = 16 << 10;
/// Shorter runs are held for as long: one packet of somebody else's makes no rate.
const SHORTEST_MS: u64 = 1_000;
/// A clock that differs less from a steady one was not set.
const STEP_US: i64 = 1_000_000;

pub(super) fn facts(material: &Material<'_>) -> Facts {
    Facts {
        cpu_percent: cpu_percent(material.post_info),
        cross_traffic_bps: cross_traffic_bps(material),
        wifi_dbm: [material.pre_info, material.post_info]
            .into_iter()
            .filter_map(wifi_dbm)
            .min(),
        clock_offset_us: clock_offset_us(material),
        clock_suspect: false,
    }
}

/// Over the run; of agents that do not tell, since they last looked before its end.
fn cpu_percent(post_info: &Map<String, Value>) -> Option<u32> {
    let share = ["cpu_usage_run", "cpu_usage"]
        .into_iter()
        .filter_map(|name| scaled(post_info.get(name)?, 100.0))
        .find(|percent| *percent <= 100)?;
    u32::try_from(share).ok()
}

/// What the interface carried during the run, less what is the agent's.
fn cross_traffic_bps(material: &Material<'_>) -> Option<u64> {
    let carried = |name: &str| {
        let before = whole(material.pre_info.get(name)?)?;
        // Counters that went back began anew.
        whole(material.post_info.get(name)?)?.checked_sub(before)
    };
    let carried = carried("total_bytes_sent")?.saturating_add(carried("total_bytes_received")?);
    let own = material.own_bytes;
    let agents = own
        .saturating_add(own / OWN_SHARE)
        .saturating_add(CONVERSATION);
    let others = carried.saturating_sub(agents);
    let duration_ms = material.duration_ms?.max(SHORTEST_MS);
    u64::try_from(u128::from(others) * 8_000 / u128::from(duration_ms)).ok()
}

/// Agents tell per cent of the way from −100 to −50 dBm; of links that are no radio some say 100.
fn wifi_dbm(info: &Map<String, Value>) -> Option<i32> {
    if info.get("connection_mode").and_then(whole) != Some(WLAN) {
        return None;
    }
    let percent = float(info.get("signal_strength")?)?;
    if !(0.0..=100.0).contains(&percent) {
        return None;
    }
    let percent = scaled(info.get("signal_strength")?, 1.0)?;
    i32::try_from(percent / 2).ok().map(|half| half - 100)
}

/// How far the clock was set during the run: by so much it was wrong before or after.
fn clock_offset_us(material: &Material<'_>) -> Option<i64> {
    let steady_us = i64::try_from(material.duration_ms?.checked_mul(1_000)?).ok()?;
    let step_us = material.shown_us?.saturating_sub(steady_us);
    (step_us.saturating_abs() >= STEP_US).then_some(step_us)
}
