//! The few objects of `nl80211` that are asked for. Numbers are those of the kernel's `linux/nl80211.h`, which never change.

use super::netlink::{Malformed, attributes};

/// `GENL_ID_CTRL`: the family that knows the numbers of the others.
pub(super) const CONTROL_FAMILY: u16 = 0x10;
/// `CTRL_CMD_GETFAMILY`.
pub(super) const GET_FAMILY: u8 = 3;
/// `CTRL_ATTR_FAMILY_NAME`.
pub(super) const FAMILY_NAME: u16 = 2;
/// The name of the family.
pub(super) const NAME: &[u8] = b"nl80211\0";
/// `NL80211_CMD_GET_INTERFACE`.
pub(super) const GET_INTERFACE: u8 = 5;
/// `NL80211_CMD_GET_STATION`.
pub(super) const GET_STATION: u8 = 17;
/// `NL80211_CMD_GET_SURVEY`.
pub(super) const GET_SURVEY: u8 = 50;
/// `NL80211_ATTR_IFINDEX`.
pub(super) const IFINDEX: u16 = 3;

/// `CTRL_ATTR_FAMILY_ID`.
const FAMILY_ID: u16 = 1;
/// `NL80211_ATTR_IFNAME`.
const IFNAME: u16 = 4;
/// `NL80211_ATTR_IFTYPE`.
const IFTYPE: u16 = 5;
/// `NL80211_ATTR_MAC`.
const MAC: u16 = 6;
/// `NL80211_ATTR_STA_INFO`.
const STA_INFO: u16 = 21;
/// `NL80211_ATTR_WIPHY_FREQ`.
const WIPHY_FREQ: u16 = 38;
/// `NL80211_ATTR_SSID`.
const SSID: u16 = 52;
/// `NL80211_ATTR_SURVEY_INFO`.
const SURVEY_INFO: u16 = 84;
/// `NL80211_ATTR_WIPHY_TX_POWER_LEVEL`.
const TX_POWER_LEVEL: u16 = 98;
/// `NL80211_ATTR_CHANNEL_WIDTH`.
const CHANNEL_WIDTH: u16 = 159;

/// `NL80211_STA_INFO_INACTIVE_TIME`.
const STA_INACTIVE_TIME: u16 = 1;
/// `NL80211_STA_INFO_SIGNAL`.
const STA_SIGNAL: u16 = 7;
/// `NL80211_STA_INFO_TX_BITRATE`.
const STA_TX_BITRATE: u16 = 8;
/// `NL80211_STA_INFO_TX_PACKETS`.
const STA_TX_PACKETS: u16 = 10;
/// `NL80211_STA_INFO_TX_RETRIES`.
const STA_TX_RETRIES: u16 = 11;
/// `NL80211_STA_INFO_TX_FAILED`.
const STA_TX_FAILED: u16 = 12;
/// `NL80211_STA_INFO_SIGNAL_AVG`.
const STA_SIGNAL_AVG: u16 = 13;
/// `NL80211_STA_INFO_RX_BITRATE`.
const STA_RX_BITRATE: u16 = 14;
/// `NL80211_STA_INFO_CONNECTED_TIME`.
const STA_CONNECTED_TIME: u16 = 16;

/// `NL80211_RATE_INFO_BITRATE`: 16 bits of 100 kbit/s.
const RATE_BITRATE: u16 = 1;
/// `NL80211_RATE_INFO_BITRATE32`: the same in 32 bits.
const RATE_BITRATE32: u16 = 5;

/// `NL80211_SURVEY_INFO_FREQUENCY`.
const SURVEY_FREQUENCY: u16 = 1;
/// `NL80211_SURVEY_INFO_NOISE`.
const SURVEY_NOISE: u16 = 2;
/// `NL80211_SURVEY_INFO_IN_USE`.
const SURVEY_IN_USE: u16 = 3;
/// `NL80211_SURVEY_INFO_TIME`.
const SURVEY_TIME: u16 = 4;
/// `NL80211_SURVEY_INFO_TIME_BUSY`.
const SURVEY_TIME_BUSY: u16 = 5;
/// `NL80211_SURVEY_INFO_TIME_RX`.
const SURVEY_TIME_RX: u16 = 7;
/// `NL80211_SURVEY_INFO_TIME_TX`.
const SURVEY_TIME_TX: u16 = 8;

/// A Wi-Fi interface of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its number; 0 for virtual ones that are no network interface.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `NL80211_IFTYPE_…`.
    pub kind: u32,
    /// Its own address.
    pub address: Option<[u8; 6]>,
    /// The network it is in or makes; empty if none.
    pub ssid: Vec<u8>,
    /// Centre of its primary channel, in MHz.
    pub frequency_mhz: Option<u32>,
    /// Width of its channel, in MHz.
    pub width_mhz: Option<u32>,
    /// Transmit power, in 1/100 dBm.
    pub tx_power_mbm: Option<i32>,
}

impl Interface {
    /// What it does, in a word.
    pub const fn mode(&self) -> &'static str {
        match self.kind {
            1 => "adhoc",
            2 => "station",
            3 => "ap",
            4 => "ap_vlan",
            5 => "wds",
            6 => "monitor",
            7 => "mesh",
            8 => "p2p_client",
            9 => "p2p_go",
            11 => "ocb",
            12 => "nan",
            _ => "unknown",
        }
    }

    /// Whether it uses an access point, which is then its only station.
    pub const fn is_client(&self) -> bool {
        matches!(self.kind, 2 | 8)
    }
}

/// A station that an interface exchanges frames with: its access point, or one of its clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Station {
    /// Its address.
    pub address: Option<[u8; 6]>,
    /// Signal of its last frame, in dBm.
    pub signal_dbm: Option<i8>,
    /// Average of its signal, in dBm.
    pub signal_average_dbm: Option<i8>,
    /// Bit rate towards it, in kbit/s.
    pub tx_bitrate_kbps: Option<u32>,
    /// Bit rate from it, in kbit/s.
    pub rx_bitrate_kbps: Option<u32>,
    /// Time since its last frame, in milliseconds.
    pub inactive_ms: Option<u32>,
    /// Time since it joined, in seconds.
    pub connected_s: Option<u32>,
    /// Frames sent to it.
    pub tx_packets: Option<u32>,
    /// Frames sent to it again.
    pub tx_retries: Option<u32>,
    /// Frames that it did not get.
    pub tx_failed: Option<u32>,
}

/// What an interface knows of one channel. Times are since the driver began to count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Centre of the channel, in MHz.
    pub frequency_mhz: Option<u32>,
    /// Whether it is the channel in use.
    pub in_use: bool,
    /// Noise, in dBm.
    pub noise_dbm: Option<i8>,
    /// Time the radio was on this channel, in milliseconds.
    pub active_ms: Option<u64>,
    /// Of it, time the channel was busy, in milliseconds.
    pub busy_ms: Option<u64>,
    /// Of it, time spent receiving, in milliseconds.
    pub receive_ms: Option<u64>,
    /// Of it, time spent sending, in milliseconds.
    pub transmit_ms: Option<u64>,
}

/// The number of the family in an answer of the control family; `None` when it holds none.
pub fn parse_family(body: &[u8]) -> Result<Option<u16>, Malformed> {
    for attribute in attributes(body) {
        if let (FAMILY_ID, &[a, b]) = attribute? {
            return Ok(Some(u16::from_ne_bytes([a, b])));
        }
    }
    Ok(None)
}

/// Reads an answer to `GET_INTERFACE`. Values of a wrong length are as if they were not there.
pub fn parse_interface(body: &[u8]) -> Result<Interface, Malformed> {
    let mut interface = Interface::default();
    for attribute in attributes(body) {
        let (kind, value) = attribute?;
        match kind {
            IFINDEX => interface.index = number(value).unwrap_or_default(),
            IFNAME => {
                let text = value.split(|&byte| byte == 0).next().unwrap_or_default();
                interface.name = String::from_utf8_lossy(text).into_owned();
            }
            IFTYPE => interface.kind = number(value).unwrap_or_default(),
            MAC => interface.address = value.try_into().ok(),
            SSID => interface.ssid = value.to_vec(),
            WIPHY_FREQ => interface.frequency_mhz = number(value),
            CHANNEL_WIDTH => interface.width_mhz = number(value).and_then(width_mhz),
            TX_POWER_LEVEL => {
                interface.tx_power_mbm = value.try_into().ok().map(i32::from_ne_bytes);
            }
            _ => {}
        }
    }
    Ok(interface)
}

/// Reads an answer to `GET_STATION`.
pub fn parse_station(body: &[u8]) -> Result<Station, Malformed> {
    let mut station = Station::default();
    for attribute in attributes(body) {
        match attribute? {
            (MAC, value) => station.address = value.try_into().ok(),
            (STA_INFO, value) => {
                for attribute in attributes(value) {
                    let (kind, value) = attribute?;
                    match kind {
                        STA_INACTIVE_TIME => station.inactive_ms = number(value),
                        STA_SIGNAL => station.signal_dbm = level(value),
                        STA_SIGNAL_AVG => station.signal_average_dbm = level(value),
                        STA_TX_BITRATE => station.tx_bitrate_kbps = bitrate_kbps(value)?,
                        STA_RX_BITRATE => station.rx_bitrate_kbps = bitrate_kbps(value)?,
                        STA_TX_PACKETS => station.tx_packets = number(value),
                        STA_TX_RETRIES => station.tx_retries = number(value),
                        STA_TX_FAILED => station.tx_failed = number(value),
                        STA_CONNECTED_TIME => station.connected_s = number(value),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(station)
}

/// Reads an answer to `GET_SURVEY`.
pub fn parse_survey(body: &[u8]) -> Result<Survey, Malformed> {
    let mut survey = Survey::default();
    for attribute in attributes(body) {
        let (SURVEY_INFO, value) = attribute? else {
            continue;
        };
        for attribute in attributes(value) {
            let (kind, value) = attribute?;
            match kind {
                SURVEY_FREQUENCY => survey.frequency_mhz = number(value),
                SURVEY_NOISE => survey.noise_dbm = level(value),
                SURVEY_IN_USE => survey.in_use = true,
                SURVEY_TIME => survey.active_ms = long(value),
                SURVEY_TIME_BUSY => survey.busy_ms = long(value),
                SURVEY_TIME_RX => survey.receive_ms = long(value),
                SURVEY_TIME_TX => survey.transmit_ms = long(value),
                _ => {}
            }
        }
    }
    Ok(survey)
}

/// The number of the channel with this centre (IEEE 802.11 annex E); `None` outside the bands.
pub(super) fn channel(frequency_mhz: u32) -> Option<u32> {
    match frequency_mhz {
        2484 => Some(14),
        2412..=2472 => Some((frequency_mhz - 2407) / 5),
        4910..=4980 => Some((frequency_mhz - 4000) / 5),
        5005..=5895 => Some((frequency_mhz - 5000) / 5),
        5935 => Some(2),
        5955..=7115 => Some((frequency_mhz - 5950) / 5),
        58_320..=70_200 => Some((frequency_mhz - 56_160) / 2160),
        _ => None,
    }
}

fn width_mhz(kind: u32) -> Option<u32> {
    Some(match kind {
        0 | 1 => 20,
        2 => 40,
        3 => 80,
        4 | 5 => 160,
        6 => 5,
        7 => 10,
        8 => 1,
        9 => 2,
        10 => 4,
        11 => 8,
        12 => 16,
        13 => 320,
        _ => return None,
    })
}

fn bitrate_kbps(rate: &[u8]) -> Result<Option<u32>, Malformed> {
    let mut found = None;
    for attribute in attributes(rate) {
        match attribute? {
            (RATE_BITRATE32, value) => found = number(value).or(found),
            (RATE_BITRATE, &[a, b]) => {
                found = found.or(Some(u32::from(u16::from_ne_bytes([a, b]))));
            }
            _ => {}
        }
    }
    Ok(found.map(|hundreds| hundreds.saturating_mul(100)))
}

fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

fn long(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_ne_bytes)
}

/// A byte of the kernel's that is a signed number of dBm.
fn level(value: &[u8]) -> Option<i8> {
    value.try_into().ok().map(i8::from_ne_bytes)
}
