#![allow(clippy::unwrap_used)]
use super::*;
use crate::clock;
use crate::guard::accounts::Accounts;
use crate::local::ubus::facts::{Board, Radio};
use crate::local::uci::Settings;
use glimpse_model::configuration::Configuration;
use std::time::Duration;

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A machine whose default route leads by `eth0`, a wire.
fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let routes = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
                  eth0 00000000 0100A8C0 0003 0 0 0 00000000 0 0 0\n";
    put(root.path(), "proc/net/route", routes);
    for device in ["eth0", "eth1", "usb0"] {
        put(root.path(), &format!("sys/class/net/{device}/type"), "1\n");
        for (name, value) in [
            ("rx_bytes", "700"),
            ("tx_bytes", "40"),
            ("rx_packets", "7"),
            ("tx_packets", "4"),
        ] {
            put(
                root.path(),
                &format!("sys/class/net/{device}/statistics/{name}"),
                value,
            );
        }
    }
    put(
        root.path(),
        "sys/class/net/eth1/statistics/rx_bytes",
        "9000",
    );
    let drivers = root.path().join("sys/bus/usb/drivers/rndis_host");
    std::fs::create_dir_all(&drivers).unwrap();
    std::fs::create_dir_all(root.path().join("sys/class/net/usb0/device")).unwrap();
    std::os::unix::fs::symlink(
        &drivers,
        root.path().join("sys/class/net/usb0/device/driver"),
    )
    .unwrap();
    root
}

fn by(interface: &str, protocol: &str, device: &str) -> Wan {
    Wan {
        interface: interface.to_owned(),
        protocol: Some(protocol.to_owned()),
        device: Some(device.to_owned()),
        l3_device: Some(device.to_owned()),
        up: true,
        routed: true,
        uptime_s: Some(60),
        ..Wan::default()
    }
}

fn scene(root: &Path, wan: Option<Wan>) -> Surroundings {
    let facts = Facts {
        wan,
        read: Some(clock::steady()),
        ..Facts::default()
    };
    Surroundings::new(root, root).knowing(watch::channel(facts).1)
}

#[test]
fn what_the_bus_tells_wins_over_guesses() {
    let root = machine();
    let guessed = Surroundings::new(root.path(), root.path());
    assert_eq!(guessed.link(&[]), (Some("eth0".to_owned()), Link::Wired));
    assert_eq!(guessed.carried()(), Some(740));
    let told = scene(root.path(), Some(by("wan", "dhcp", "eth1")));
    assert_eq!(told.link(&[]), (Some("eth1".to_owned()), Link::Wired));
    assert_eq!(told.carried()(), Some(9040));
    let mut down = by("wan", "dhcp", "eth1");
    down.up = false;
    assert_eq!(
        scene(root.path(), Some(down)).link(&[]).0.as_deref(),
        Some("eth0")
    );
}

#[test]
fn mobile_is_told_by_protocol_driver_name_and_by_the_household() {
    let root = machine();
    let kind = |wan, mobile: &[String]| scene(root.path(), Some(wan)).link(mobile).1;
    assert_eq!(kind(by("lte", "qmi", "eth1"), &[]), Link::Mobile);
    assert_eq!(kind(by("wan", "dhcp", "usb0"), &[]), Link::Mobile);
    assert_eq!(kind(by("wan", "dhcp", "wwan0"), &[]), Link::Mobile);
    assert_eq!(
        kind(by("wan", "dhcp", "eth1"), &["wan".to_owned()]),
        Link::Mobile
    );
    assert_eq!(
        kind(by("wan", "dhcp", "eth1"), &["eth1".to_owned()]),
        Link::Mobile
    );
    assert_eq!(
        kind(by("wan", "dhcp", "eth1"), &["eth2".to_owned()]),
        Link::Wired
    );
    let mut tunnel = by("wan", "pptp", "usb0");
    tunnel.l3_device = Some("pptp-wan".to_owned());
    assert_eq!(kind(tunnel, &[]), Link::Mobile);
    let mut dialled = by("wan", "pptp", "eth1");
    dialled.l3_device = Some("pptp-wan".to_owned());
    assert_eq!(kind(dialled, &[]), Link::Wired);
}

#[test]
fn the_household_is_shown_what_is_known() {
    let root = machine();
    let told = scene(root.path(), Some(by("wan", "dhcp", "eth1")));
    let later = clock::steady() + Duration::from_secs(1000);
    let shown = told.link_report(&[], later);
    assert!(
        (1060..1070).contains(&shown["uptime_s"].as_u64().unwrap()),
        "{shown}"
    );
    let rest = json!({"interface": "wan", "device": "eth1", "kind": "wired", "protocol": "dhcp", "up": true,
        "uptime_s": shown["uptime_s"], "signal_dbm": null});
    assert_eq!(shown, rest);
    assert_eq!(told.board_report(), Value::Null);
    let guessed = Surroundings::new(root.path(), root.path()).link_report(&[], later);
    assert_eq!(
        (&guessed["interface"], &guessed["device"]),
        (&Value::Null, &json!("eth0"))
    );
    let nowhere = tempfile::tempdir().unwrap();
    assert_eq!(
        scene(nowhere.path(), None).link_report(&[], later),
        Value::Null
    );
    let facts = Facts {
        board: Some(Board {
            model: "X1".to_owned(),
            release: None,
        }),
        ..Facts::default()
    };
    let known = Surroundings::new(nowhere.path(), nowhere.path()).knowing(watch::channel(facts).1);
    assert_eq!(
        known.board_report(),
        json!({"model": "X1", "release": null})
    );
}

#[test]
fn a_line_over_wifi_has_a_signal() {
    let root = machine();
    put(root.path(), "sys/class/net/wlan0/uevent", "DEVTYPE=wlan\n");
    let facts = Facts {
        wan: Some(by("wwan", "dhcp", "wlan0")),
        radio: Some(Radio {
            signal_dbm: Some(-61),
            quality_percent: Some(70),
            ..Radio::default()
        }),
        ..Facts::default()
    };
    let scene = Surroundings::new(root.path(), root.path());
    let mut scene = scene.knowing(watch::channel(facts).1);
    let shown = scene.link_report(&[], clock::steady());
    assert_eq!(
        (&shown["kind"], &shown["signal_dbm"]),
        (&json!("wireless"), &json!(-61))
    );
    let rules = crate::daemon::rules(&Settings::default(), &Configuration::default());
    let info = scene.info(&[], &Guard::new(rules, Accounts::new(clock::now())));
    assert_eq!(info["signal_strength"], 70);
}

#[test]
fn a_line_that_is_down_is_shown_as_such() {
    let nowhere = tempfile::tempdir().unwrap();
    let mut down = by("lte", "qmi", "wwan0");
    (down.up, down.routed) = (false, false);
    let shown = scene(nowhere.path(), Some(down)).link_report(&[], clock::steady());
    assert_eq!(
        (&shown["up"], &shown["kind"], &shown["uptime_s"]),
        (&json!(false), &json!("mobile"), &Value::Null)
    );
}
