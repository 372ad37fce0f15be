//! `network.device status`: the cable.

use serde_json::Value;

/// What is known of a network device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// Whether there is a signal.
    pub carrier: Option<bool>,
    /// Its speed.
    pub speed_mbps: Option<u32>,
    /// Whether it sends and receives at the same time.
    pub full_duplex: Option<bool>,
    /// The device below, of a VLAN.
    pub parent: Option<String>,
}

impl Device {
    /// Reads the answer of `network.device status`, whose speed is written `1000F`; `-1F` is none.
    pub fn read(answer: &Value) -> Self {
        let speed = answer
            .get("speed")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let number = speed.trim_end_matches(['F', 'H']);
        let speed_mbps: Option<u32> = number.parse().ok().filter(|&speed| speed > 0);
        Self {
            carrier: answer.get("carrier").and_then(Value::as_bool),
            full_duplex: speed_mbps.map(|_| speed.ends_with('F')),
            speed_mbps,
            parent: answer.get("parent").and_then(super::device),
        }
    }

    /// The same, with the speed of what lies below, where it has none itself.
    #[must_use]
    pub fn over(mut self, parent: &Self) -> Self {
        if self.speed_mbps.is_none() {
            self.speed_mbps = parent.speed_mbps;
            self.full_duplex = parent.full_duplex;
        }
        self
    }
}
