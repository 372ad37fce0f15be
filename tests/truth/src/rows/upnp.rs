//! `UPnP`: what miniupnpd was told, and what the kernel counts of its outer line, against what we hear from it.

use crate::lab::{Lab, Scale, now, since, spawn};
use crate::row::{Figure, Limit, Row};
use anyhow::{Context, Result, ensure};
use glimpse_tests::namespace::{End, Namespace};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

/// The gateway in its home network, and its port.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
const HOME: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 2);
const PORT: u16 = 5000;
/// Its outer address: miniupnpd wants a public one. It leads to no farther than the next namespace.
const OUTER: Ipv4Addr = Ipv4Addr::new(5, 6, 7, 8);
const PROVIDER: Ipv4Addr = Ipv4Addr::new(5, 6, 7, 9);
/// Devices.
const INNER_DEVICE: &str = "lan0";
const OUTER_DEVICE: &str = "wan0";
/// How long a carrier may take.
const CARRIER: Duration = Duration::from_secs(5);
/// Echoes over the outer line, so that its counters are not zero.
const ECHOES: &str = "7";

/// What it is told, by the names of its configuration and of our record.
const TOLD: [(&str, &str, &str); 6] = [
    ("friendly_name", "friendly_name", "Gateway of truth"),
    ("manufacturer_name", "manufacturer", "A maker"),
    ("model_name", "model_name", "A model"),
    ("model_description", "model_description", "A description"),
    ("bitrate_down", "link_layer_max_download", "50000000"),
    ("bitrate_up", "link_layer_max_upload", "10000000"),
];
const MODEL_NUMBER: &str = "7";
const SERIAL: &str = "0815-4711";

/// Counters of the kernel, by its names and ours.
const COUNTERS: [(&str, &str); 4] = [
    ("tx_bytes", "total_bytes_sent"),
    ("rx_bytes", "total_bytes_received"),
    ("tx_packets", "total_packets_sent"),
    ("rx_packets", "total_packets_received"),
];

/// A home network with a gateway, and whom that is connected to.
struct Home {
    inside: Namespace,
    gateway: Namespace,
    _provider: Namespace,
}

/// miniupnpd, as long as this is held. Its standard error is held, too: it writes there to its end.
struct Daemon {
    child: Child,
    _said: BufReader<ChildStderr>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn run(lab: &Lab, _scale: Scale) -> Result<Vec<Row>> {
    let home = Home::lay()?;
    let directory = tempfile::tempdir()?;
    let daemon = home.serve(directory.path())?;
    let measured = lab.measure(Some(&home.inside), "upnp", &json!({"timeout": 1000}))?;
    let expected = home.expected()?;
    drop(daemon);
    let devices = measured.result.as_object().context("no devices")?;
    let found = &devices
        .get(&format!("{GATEWAY}:{PORT}"))
        .with_context(|| format!("{GATEWAY}:{PORT} was not found among {}", measured.result))?;
    let wrong: Vec<String> = expected
        .iter()
        .filter(|(name, value)| &found[*name] != value)
        .map(|(name, value)| format!("{name} is {} and not {value}", found[*name]))
        .collect();
    let count = |count: usize| Figure::count(count as u64);
    let row = Row::new("gateways found", count(devices.len()))
        .truth(Figure::count(1))
        .gate(
            Figure::count(devices.len().abs_diff(1) as u64),
            Limit::AtMost(0.0),
        )
        .cost(measured.cost, None);
    let right = expected.len() - wrong.len();
    let fields = Row::new("fields of the gateway", count(right))
        .truth(count(expected.len()))
        .gate(count(wrong.len()), Limit::AtMost(0.0));
    Ok(vec![
        row,
        if wrong.is_empty() {
            fields
        } else {
            fields.remark(wrong.join("; "))
        },
    ])
}

impl Home {
    fn lay() -> Result<Self> {
        let home = Namespace::new("glimpse-home")?;
        let gateway = Namespace::new("glimpse-gate")?;
        let provider = Namespace::new("glimpse-isp")?;
        for (device, inner, other, outer) in [
            (INNER_DEVICE, GATEWAY, &home, HOME),
            (OUTER_DEVICE, OUTER, &provider, PROVIDER),
        ] {
            let here = End {
                device,
                addresses: &[(IpAddr::V4(inner), 24)],
            };
            let there = End {
                device,
                addresses: &[(IpAddr::V4(outer), 24)],
            };
            gateway.join(here, other, there)?;
        }
        let asked = now();
        // The kernel tells of a new carrier once a second, and where there is none nobody is searched for.
        while !home
            .ip(&["link", "show", "dev", INNER_DEVICE])?
            .contains("state UP")
        {
            ensure!(since(asked) < CARRIER, "{INNER_DEVICE} has no carrier");
        }
        let echoes = ["-n", "-q", "-i", "0.01", "-c", ECHOES];
        gateway.run(Command::new("ping").args(echoes).arg(PROVIDER.to_string()))?;
        // Nothing more is to be counted: the kernel's own multicasts would come and go between two readings.
        provider.ip(&[
            "link",
            "set",
            "dev",
            OUTER_DEVICE,
            "arp",
            "off",
            "multicast",
            "off",
        ])?;
        Ok(Self {
            inside: home,
            gateway,
            _provider: provider,
        })
    }

    fn serve(&self, directory: &std::path::Path) -> Result<Daemon> {
        let mut text = format!(
            "ext_ifname={OUTER_DEVICE}\next_ip={OUTER}\nlistening_ip={INNER_DEVICE}\nhttp_port={PORT}\n\
             enable_upnp=yes\nenable_natpmp=no\nsecure_mode=yes\nserial={SERIAL}\nmodel_number={MODEL_NUMBER}\n\
             uuid=00112233-4455-6677-8899-aabbccddeeff\n"
        );
        for (name, _, value) in TOLD {
            // Writing into a text cannot fail.
            let _ = writeln!(text, "{name}={value}");
        }
        let file = directory.join("miniupnpd.conf");
        std::fs::write(&file, text)?;
        let mut command = Command::new("miniupnpd");
        command
            .args(["-d", "-f"])
            .arg(&file)
            .arg("-P")
            .arg(directory.join("miniupnpd.pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = spawn(Some(&self.gateway), &mut command)?;
        let said = child.stderr.take().context("miniupnpd has no output")?;
        let mut said = BufReader::new(said);
        let mut text = String::new();
        let listens = loop {
            if said.read_line(&mut text)? == 0 {
                break false;
            }
            if text.contains("HTTP listening") {
                break true;
            }
        };
        let daemon = Daemon { child, _said: said };
        ensure!(listens, "miniupnpd ended: {text}");
        Ok(daemon)
    }

    /// What a truthful record says.
    fn expected(&self) -> Result<Vec<(&'static str, Value)>> {
        let mut expected: Vec<(&str, Value)> = TOLD
            .into_iter()
            .map(|(_, name, value)| {
                (
                    name,
                    value
                        .parse::<u64>()
                        .map_or_else(|_| value.into(), Value::from),
                )
            })
            .collect();
        expected.push(("model_number", MODEL_NUMBER.into()));
        expected.push(("external_ip_address", OUTER.to_string().into()));
        expected.push(("lan_ip_address", HOME.to_string().into()));
        expected.push(("status", "Connected".into()));
        expected.push(("number_of_port_mappings", 0.into()));
        for (counter, name) in COUNTERS {
            let path = format!("/sys/class/net/{OUTER_DEVICE}/statistics/{counter}");
            let text = self.gateway.run(Command::new("cat").arg(&path))?;
            let count: u64 = text
                .trim()
                .parse()
                .with_context(|| format!("{path}: {text:?}"))?;
            expected.push((name, count.into()));
        }
        Ok(expected)
    }
}
