//! From the kernel's objects to the record. Networks and devices are told without what identifies them.

use std::fmt::Write;

use glimpse_model::outcome::{ByteCount, Outcome};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use super::nl80211::{Interface, Station, Survey, channel};

/// What was found out about one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    /// The interface.
    pub interface: Interface,
    /// Its access point, or its clients.
    pub stations: Vec<Station>,
    /// The channels it has looked at.
    pub surveys: Vec<Survey>,
}

/// The outcome; without Wi-Fi an empty list.
pub(super) fn outcome(links: &[Link]) -> Outcome {
    let list: Vec<Value> = links
        .iter()
        .map(|link| Value::Object(entry(link)))
        .collect();
    let mut result = Map::new();
    result.insert("ap_list".to_owned(), list.into());
    Outcome::done(result, ByteCount::default())
}

fn entry(link: &Link) -> Map<String, Value> {
    let interface = &link.interface;
    let own = interface
        .is_client()
        .then(|| link.stations.first())
        .flatten();
    // Of all channels only the one in use: the others are the neighbours'.
    let survey = link.surveys.iter().find(|survey| survey.in_use);
    let frequency = interface
        .frequency_mhz
        .or_else(|| survey.and_then(|survey| survey.frequency_mhz));
    let address = if interface.is_client() {
        own.and_then(|own| own.address)
    } else {
        interface.address
    };
    let mut entry = Map::new();
    let mut put = |field: &str, value: Value| {
        if !value.is_null() {
            entry.insert(field.to_owned(), value);
        }
    };
    put("interface", json!(interface.name));
    put("mode", json!(interface.mode()));
    if !interface.ssid.is_empty() {
        put("ssid", json!(hashed(&interface.ssid)));
    }
    put("bssid", json!(address.map(shortened)));
    put("frequency", json!(frequency));
    put("channel", json!(frequency.and_then(channel)));
    put("width_mhz", json!(interface.width_mhz));
    put("tx_power_mbm", json!(interface.tx_power_mbm));
    if let Some(survey) = survey {
        put("noise_dbm", json!(survey.noise_dbm));
        put("active_ms", json!(survey.active_ms));
        put("busy_ms", json!(survey.busy_ms));
        put("receive_ms", json!(survey.receive_ms));
        put("transmit_ms", json!(survey.transmit_ms));
    }
    if let Some(own) = own {
        for (field, value) in figures(own) {
            put(field, value);
        }
    } else if !interface.is_client() {
        let stations = link.stations.iter().map(|station| {
            let figures = figures(station).into_iter();
            figures
                .filter(|(_, value)| !value.is_null())
                .map(|(field, value)| (field.to_owned(), value))
                .collect::<Map<_, _>>()
        });
        put("stations", stations.collect());
    }
    entry
}

fn figures(station: &Station) -> [(&'static str, Value); 9] {
    [
        ("level", json!(station.signal_dbm)),
        ("level_average_dbm", json!(station.signal_average_dbm)),
        ("tx_bitrate_kbps", json!(station.tx_bitrate_kbps)),
        ("rx_bitrate_kbps", json!(station.rx_bitrate_kbps)),
        ("inactive_ms", json!(station.inactive_ms)),
        ("connected_s", json!(station.connected_s)),
        ("tx_packets", json!(station.tx_packets)),
        ("tx_retries", json!(station.tx_retries)),
        ("tx_failed", json!(station.tx_failed)),
    ]
}

/// SHA-512 in hexadecimal, as the original has it. It hides a name from those who do not guess it.
fn hashed(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(128);
    for byte in Sha512::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The maker's part of an address, and the hash of the other, written `aa:bb:cc`. That one has 24 bits: whoever wants can try them all.
fn shortened(address: [u8; 6]) -> String {
    let part = |bytes: &[u8]| -> String {
        let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        parts.join(":")
    };
    let (maker, device) = address.split_at(3);
    format!("{}:{}", part(maker), hashed(part(device).as_bytes()))
}
