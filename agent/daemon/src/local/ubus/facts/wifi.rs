//! `iwinfo`: the router's own Wi-Fi. What is learnt of a device in the home is for the answer to it alone.

use super::{ask, text};
use crate::local::ubus::Bus;
use serde_json::{Value, json};

/// Most devices and stations looked at.
const ENTRIES: usize = 256;

/// A radio of the router.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Radio {
    /// Its channel.
    pub channel: Option<u32>,
    /// What it is: `Master` serves the home, `Client` is itself a guest.
    pub mode: Option<String>,
    /// The signal, in dBm.
    pub signal_dbm: Option<i32>,
    /// What is heard without it.
    pub noise_dbm: Option<i32>,
    /// Its quality, in per cent.
    pub quality_percent: Option<u8>,
    /// Rate of the link, in kbit/s.
    pub bitrate_kbps: Option<u64>,
}

impl Radio {
    /// Reads the answer of `iwinfo info`.
    pub fn read(answer: &Value) -> Self {
        let number = |name: &str| answer.get(name).and_then(Value::as_u64);
        let quality = number("quality").zip(number("quality_max").filter(|&most| most > 0));
        Self {
            channel: number("channel").and_then(|channel| u32::try_from(channel).ok()),
            mode: answer.get("mode").and_then(text),
            signal_dbm: level(answer, "signal"),
            noise_dbm: level(answer, "noise"),
            quality_percent: quality.and_then(|(quality, most)| {
                u8::try_from(quality.min(most).saturating_mul(100) / most).ok()
            }),
            bitrate_kbps: number("bitrate").filter(|&rate| rate > 0),
        }
    }
}

/// A device on the router's Wi-Fi.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Station {
    /// Its signal as the router hears it, in dBm.
    pub signal_dbm: Option<i32>,
    /// What is heard without it.
    pub noise_dbm: Option<i32>,
    /// How long it has said nothing, in milliseconds.
    pub inactive_ms: Option<u64>,
    /// Rate of the last packets from it, in kbit/s.
    pub rx_kbps: Option<u64>,
    /// Rate of the last packets to it, in kbit/s.
    pub tx_kbps: Option<u64>,
}

impl Station {
    /// Reads the answer of `iwinfo assoclist` for the device of that hardware address; it names one or all.
    pub fn read(answer: &Value, hardware: &str) -> Option<Self> {
        let all = answer.get("results").and_then(Value::as_array);
        let all = all.map_or(std::slice::from_ref(answer), Vec::as_slice);
        let is_it = |station: &&Value| {
            let mac = station.get("mac").and_then(Value::as_str);
            mac.is_some_and(|mac| mac.eq_ignore_ascii_case(hardware))
        };
        let station = all.iter().take(ENTRIES).find(is_it)?;
        let rate = |way: &str| {
            let rate = station.get(way)?.get("rate")?.as_u64();
            rate.filter(|&rate| rate > 0)
        };
        Some(Self {
            signal_dbm: level(station, "signal"),
            noise_dbm: level(station, "noise"),
            inactive_ms: station.get("inactive").and_then(Value::as_u64),
            rx_kbps: rate("rx"),
            tx_kbps: rate("tx"),
        })
    }
}

/// A level in dBm. What is not below zero is of a driver that does not know.
fn level(of: &Value, name: &str) -> Option<i32> {
    let level = of.get(name)?.as_i64()?;
    i32::try_from(level)
        .ok()
        .filter(|level| (-150..0).contains(level))
}

/// The names in the answer of `iwinfo devices`.
fn names(answer: &Value) -> Vec<String> {
    let devices = answer.get("devices").and_then(Value::as_array);
    let devices = devices.map_or(&[][..], Vec::as_slice).iter();
    devices.take(ENTRIES).filter_map(text).collect()
}

/// The Wi-Fi devices of the router; none without Wi-Fi.
pub async fn devices(bus: &Bus) -> Vec<String> {
    let answer = ask(bus, "iwinfo", "devices", json!({})).await;
    answer.map_or_else(|_| Vec::new(), |answer| names(&answer))
}

/// One of them.
pub async fn radio(bus: &Bus, device: &str) -> Option<Radio> {
    let arguments = json!({ "device": device });
    let answer = ask(bus, "iwinfo", "info", arguments).await.ok()?;
    Some(Radio::read(&answer))
}

/// The device with this hardware address (`aa:bb:cc:dd:ee:ff`), if it is on the router's Wi-Fi.
pub async fn station(bus: &Bus, hardware: &str) -> Option<Station> {
    for device in devices(bus).await {
        let arguments = json!({"device": device, "mac": hardware});
        if let Ok(answer) = ask(bus, "iwinfo", "assoclist", arguments).await
            && let Some(station) = Station::read(&answer, hardware)
        {
            return Some(station);
        }
    }
    None
}
