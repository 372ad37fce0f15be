//! What the machine was doing around a measurement: `pre_info` and `post_info`.
//!
//! Everything is read from `/proc` and `/sys` below a root that is an argument, so that tests bring a machine of their
//! own. What a machine does not have, or does not tell, is `null`, never a made-up figure. No call waits: the
//! processor's load is the difference to the reading before.

pub mod proc;
mod sys;

use std::path::{Path, PathBuf};

use proc::CpuTimes;
use serde::{Deserialize, Serialize};

/// How the machine is connected; the numbers are those of the original protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConnectionMode {
    /// Not known.
    #[default]
    Unknown,
    /// GSM.
    Gsm,
    /// CDMA.
    Cdma,
    /// WCDMA.
    Wcdma,
    /// Wireless LAN.
    Wlan,
    /// Ethernet, and any other wire.
    Ethernet,
    /// Bluetooth.
    Bluetooth,
    /// `WiMAX`.
    Wimax,
    /// LTE.
    Lte,
    /// TD-SCDMA.
    TdScdma,
}

impl ConnectionMode {
    /// The number in `connection_mode`.
    pub fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Gsm => 1,
            Self::Cdma => 2,
            Self::Wcdma => 3,
            Self::Wlan => 4,
            Self::Ethernet => 5,
            Self::Bluetooth => 6,
            Self::Wimax => 7,
            Self::Lte => 8,
            Self::TdScdma => 9,
        }
    }

    /// Whether the link is radio whose strength the machine can tell.
    fn is_wireless(self) -> bool {
        self == Self::Wlan
    }
}

/// The budget at the moment of the snapshot, bytes of this month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Left on fixed lines.
    pub available: u64,
    /// Used on fixed lines.
    pub used: u64,
    /// Left on mobile links.
    pub available_mobile: u64,
    /// Used on mobile links.
    pub used_mobile: u64,
    /// Whether measurements over mobile links are allowed.
    pub mobile_allowed: bool,
}

/// The link a measurement goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link<'a> {
    /// Name of the interface, if it is known.
    pub interface: Option<&'a str>,
    /// What kind of link it is.
    pub mode: ConnectionMode,
}

/// A snapshot, with the member names of the paper's listing 2.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HostInfo {
    /// Share of processor time in use since the snapshot before, 0 to 1.
    pub cpu_usage: Option<f64>,
    /// Memory that programs can still get, bytes.
    pub free_memory: Option<u64>,
    /// Strength of the radio signal, per cent; only on wireless LAN.
    pub signal_strength: Option<u8>,
    /// Charge of the battery, per cent.
    pub battery_level: Option<u8>,
    /// Free space where the agent keeps its data, bytes.
    pub available_disk_space: Option<u64>,
    /// See [`ConnectionMode::code`].
    pub connection_mode: u8,
    /// Budget left this month on fixed lines, bytes.
    pub available_traffic: u64,
    /// Budget used this month on fixed lines, bytes.
    pub used_traffic: u64,
    /// Budget left this month on mobile links, bytes.
    pub available_mobile_traffic: u64,
    /// Budget used this month on mobile links, bytes.
    pub used_mobile_traffic: u64,
    /// Whether the budget is enforced; it always is.
    pub tbm_active: bool,
    /// Whether measurements over mobile links are allowed.
    pub mm_active: bool,
    /// Bytes the interface has sent since it was made, by whomever.
    pub total_bytes_sent: Option<u64>,
    /// Bytes the interface has received since it was made.
    pub total_bytes_received: Option<u64>,
}

/// Takes snapshots of one machine.
#[derive(Debug)]
pub struct Host {
    root: PathBuf,
    disk: PathBuf,
    last_cpu: Option<CpuTimes>,
}

impl Host {
    /// A machine whose `/proc` and `/sys` stand below `root` (`/`); `disk` is a path on the file system whose space counts.
    pub fn new(root: &Path, disk: &Path) -> Self {
        let mut host = Self {
            root: root.to_owned(),
            disk: disk.to_owned(),
            last_cpu: None,
        };
        host.last_cpu = host.cpu_times();
        host
    }

    /// A snapshot now. `cpu_usage` is that of the time since the snapshot before (or since [`Host::new`]); `null` when no
    /// tick of the clock lies between.
    pub fn snapshot(&mut self, link: Link<'_>, traffic: &Traffic) -> HostInfo {
        let now = self.cpu_times();
        let cpu_usage = self
            .last_cpu
            .zip(now)
            .and_then(|(before, after)| proc::cpu_usage(&before, &after));
        if cpu_usage.is_some() || self.last_cpu.is_none() {
            self.last_cpu = now;
        }
        let interface = link.interface.filter(|name| sys::is_interface_name(name));
        let counter =
            |name| interface.and_then(|interface| sys::statistic(&self.root, interface, name));
        let wireless = interface.filter(|_| link.mode.is_wireless());
        HostInfo {
            cpu_usage,
            free_memory: sys::text(&self.root.join("proc/meminfo"))
                .and_then(|text| proc::free_memory(&text)),
            signal_strength: wireless.and_then(|interface| {
                proc::signal_strength(&sys::text(&self.root.join("proc/net/wireless"))?, interface)
            }),
            battery_level: sys::battery_level(&self.root),
            available_disk_space: sys::available_bytes(&self.disk),
            connection_mode: link.mode.code(),
            available_traffic: traffic.available,
            used_traffic: traffic.used,
            available_mobile_traffic: traffic.available_mobile,
            used_mobile_traffic: traffic.used_mobile,
            tbm_active: true,
            mm_active: traffic.mobile_allowed,
            total_bytes_sent: counter("tx_bytes"),
            total_bytes_received: counter("rx_bytes"),
        }
    }

    /// Charge of the battery now, per cent; `None` without one.
    pub fn battery_level(&self) -> Option<u8> {
        sys::battery_level(&self.root)
    }

    /// Processor time since boot, to compare with a later reading by [`proc::cpu_usage`].
    pub fn cpu_times(&self) -> Option<CpuTimes> {
        proc::cpu_times(&sys::text(&self.root.join("proc/stat"))?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    const TRAFFIC: Traffic = Traffic {
        available: 400,
        used: 100,
        available_mobile: 30,
        used_mobile: 1,
        mobile_allowed: false,
    };

    #[test]
    fn a_laptop_on_wireless_tells_everything() {
        let root = tempfile::tempdir().unwrap();
        put(
            root.path(),
            "proc/stat",
            "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 2 3 4\n",
        );
        put(
            root.path(),
            "proc/meminfo",
            "MemTotal: 100 kB\nMemFree: 10 kB\nMemAvailable:   20 kB\n",
        );
        put(
            root.path(),
            "proc/net/wireless",
            "Inter-| sta-|\n face | tus |\n wlan0: 0000   60.  -65.  -256        0\n",
        );
        put(root.path(), "sys/class/power_supply/BAT0/type", "Battery\n");
        put(root.path(), "sys/class/power_supply/BAT0/capacity", "81\n");
        put(root.path(), "sys/class/power_supply/AC/type", "Mains\n");
        put(
            root.path(),
            "sys/class/power_supply/mouse/type",
            "Battery\n",
        );
        put(
            root.path(),
            "sys/class/power_supply/mouse/scope",
            "Device\n",
        );
        put(root.path(), "sys/class/power_supply/mouse/capacity", "3\n");
        put(
            root.path(),
            "sys/class/net/wlan0/statistics/tx_bytes",
            "5000000000\n",
        );
        put(
            root.path(),
            "sys/class/net/wlan0/statistics/rx_bytes",
            "7\n",
        );
        let mut host = Host::new(root.path(), root.path());
        put(root.path(), "proc/stat", "cpu  150 0 125 825 0 0 0 0 0 0\n");
        let link = Link {
            interface: Some("wlan0"),
            mode: ConnectionMode::Wlan,
        };
        let info = host.snapshot(link, &TRAFFIC);
        assert_eq!(info.cpu_usage, Some(0.75));
        assert_eq!(
            (info.free_memory, info.signal_strength, info.battery_level),
            (Some(20480), Some(70), Some(81))
        );
        assert_eq!(
            (info.total_bytes_sent, info.total_bytes_received),
            (Some(5_000_000_000), Some(7))
        );
        assert!(info.available_disk_space.is_some_and(|bytes| bytes > 0));
        assert_eq!(
            (info.connection_mode, info.tbm_active, info.mm_active),
            (4, true, false)
        );
        // No tick between two snapshots: not known, and the next one counts from the older reading.
        assert_eq!(host.snapshot(link, &TRAFFIC).cpu_usage, None);
        put(root.path(), "proc/stat", "cpu  150 0 125 925 0 0 0 0 0 0\n");
        assert_eq!(host.snapshot(link, &TRAFFIC).cpu_usage, Some(0.0));
        let wired = host.snapshot(
            Link {
                mode: ConnectionMode::Ethernet,
                ..link
            },
            &TRAFFIC,
        );
        assert_eq!((wired.signal_strength, wired.connection_mode), (None, 5));
    }

    #[test]
    fn a_machine_that_tells_nothing_has_nulls() {
        let root = tempfile::tempdir().unwrap();
        let mut host = Host::new(root.path(), &root.path().join("missing"));
        let link = Link {
            interface: Some("../../etc"),
            mode: ConnectionMode::Unknown,
        };
        let info = serde_json::to_value(host.snapshot(link, &TRAFFIC)).unwrap();
        let expected = serde_json::json!({
            "cpu_usage": null, "free_memory": null, "signal_strength": null, "battery_level": null,
            "available_disk_space": null, "connection_mode": 0, "available_traffic": 400, "used_traffic": 100,
            "available_mobile_traffic": 30, "used_mobile_traffic": 1, "tbm_active": true, "mm_active": false,
            "total_bytes_sent": null, "total_bytes_received": null,
        });
        assert_eq!(info, expected);
    }

    #[test]
    fn this_machine_can_be_read() {
        let mut host = Host::new(Path::new("/"), Path::new("/"));
        let info = host.snapshot(
            Link {
                interface: Some("lo"),
                mode: ConnectionMode::Unknown,
            },
            &TRAFFIC,
        );
        assert!(info.free_memory.is_some() && info.available_disk_space.is_some());
        assert!(
            info.total_bytes_sent.is_some() && info.total_bytes_sent == info.total_bytes_received
        );
        assert!(host.last_cpu.is_some());
    }
}
