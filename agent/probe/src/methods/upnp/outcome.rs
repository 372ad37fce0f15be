//! From devices to the record. What names a household for ever leaves it only as a hash.

use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use glimpse_model::outcome::{ByteCount, Ending, Outcome};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::description::Description;
use super::location::Location;
use super::machine::{Device, Refusals};

/// Hexadecimal digits in a row, with the separators of UUIDs and MAC addresses, from which on they are a number of one device.
const NUMBER_DIGITS: usize = 12;
/// Serial numbers shorter than this also occur by chance.
const SERIAL_LENGTH: usize = 5;

/// What became of one device.
#[derive(Debug)]
pub(super) struct Found {
    /// How it answered the search.
    pub device: Device,
    /// Our address towards it, when there was a connection.
    pub local: Option<IpAddr>,
    /// What it says about itself.
    pub description: Option<Description>,
    /// What it knows of the line, if it is a gateway.
    pub facts: Map<String, Value>,
    /// Why something is missing.
    pub error: Option<String>,
}

/// The outcome of a search. `faults` are those of the run.
pub(super) fn outcome(
    found: Vec<Found>,
    refusals: &Refusals,
    faults: Vec<String>,
    bytes: ByteCount,
) -> Outcome {
    let mut result = Map::new();
    for found in found {
        let location = shortened(&found.device.location);
        let mut key = location.host_port();
        // Two devices may stand behind one port.
        if result.contains_key(&key) {
            key = masked(&format!("{key}{}", location.path), &[]);
        }
        result.insert(key, Value::Object(entry(found)));
    }
    let mut words = faults;
    words.extend(told(refusals));
    Outcome {
        exit: None,
        ending: Ending::Done,
        probe_result: result,
        error: (!words.is_empty()).then(|| words.join("; ")),
        bytes,
    }
}

fn entry(found: Found) -> Map<String, Value> {
    let mut entry = found.facts;
    let description = found.description.unwrap_or_default();
    let name = description.unique_name.as_str();
    let name = name.strip_prefix("uuid:").unwrap_or(name);
    let serial = description.serial_number.as_str();
    let secrets = [serial, name];
    let mut put = |field: &str, text: String| {
        if !text.is_empty() {
            entry.insert(field.to_owned(), text.into());
        }
    };
    for (field, text) in [
        ("device_type", &description.device_type),
        ("friendly_name", &description.friendly_name),
        ("manufacturer", &description.manufacturer),
        ("model_name", &description.model_name),
        ("model_number", &description.model_number),
        ("model_description", &description.model_description),
        ("server", &found.device.server),
    ] {
        put(field, masked(text, &secrets));
    }
    put("serial_number", hashed(serial));
    put("u_d_n", hashed(name));
    let location = shortened(&found.device.location);
    let path = masked(&location.path, &secrets);
    put(
        "root_desc_url",
        format!("http://{}{path}", location.host_port()),
    );
    put(
        "lan_ip_address",
        found
            .local
            .map(|local| without_device(local).to_string())
            .unwrap_or_default(),
    );
    put("error", found.error.unwrap_or_default());
    entry
}

/// What was not believed, in words.
fn told(refusals: &Refusals) -> Vec<String> {
    let times = |count: u32| {
        if count == 1 {
            String::new()
        } else {
            format!(" ({count} times)")
        }
    };
    let mut words: Vec<String> = refusals
        .locations
        .iter()
        .map(|(reason, &count)| format!("location refused: it {reason}{}", times(count)))
        .collect();
    if refusals.strangers > 0 {
        words.push(format!(
            "answer refused: it comes from outside the local network{}",
            times(refusals.strangers)
        ));
    }
    if refusals.beyond > 0 {
        words.push(format!("{} more devices answered", refusals.beyond));
    }
    words
}

/// The first 128 bits of SHA-256, in hexadecimal. Equal numbers stay equal, of all agents: it hides a number from those who do not have it,
/// not from those who can try all that a maker gives out.
fn hashed(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let digest = Sha256::new()
        .chain_update("glimpse upnp ")
        .chain_update(text)
        .finalize();
    let mut text = String::with_capacity(32);
    for byte in &digest[..16] {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The text with `secrets` and everything like a UUID or MAC address replaced by its hash.
fn masked(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets
        .iter()
        .filter(|secret| secret.len() >= SERIAL_LENGTH)
    {
        text = text.replace(secret, &hashed(secret));
    }
    let mut masked = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, run) = rest.split_at(start);
        let end = run
            .find(|c: char| !c.is_ascii_hexdigit() && c != '-' && c != ':')
            .unwrap_or(run.len());
        let (run, after) = run.split_at(end);
        let digits = run.bytes().filter(u8::is_ascii_hexdigit).count();
        masked.push_str(before);
        // Hashes that stand there already are 32 digits without separators.
        if digits >= NUMBER_DIGITS
            && !(run.len() == 32 && secrets.iter().any(|secret| hashed(secret) == run))
        {
            masked.push_str(&hashed(run));
        } else {
            masked.push_str(run);
        }
        rest = after;
    }
    masked + rest
}

/// An address without the part that identifies one device: of those made from MAC addresses (RFC 4291 appendix A) only the maker's
/// part stays.
fn without_device(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            if octets[11..13] == [0xff, 0xfe] {
                octets[13..].fill(0);
            }
            Ipv6Addr::from(octets).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn shortened(location: &Location) -> Location {
    Location {
        address: SocketAddr::new(
            without_device(location.address.ip()),
            location.address.port(),
        ),
        path: location.path.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use serde_json::json;

    use super::super::description::parse_description;
    use super::super::location::LocationRefused;
    use super::*;

    const GATEWAY: &[u8] = include_bytes!("../../../tests/data/upnp/gateway.xml");

    fn device(url: &str) -> Device {
        let responder: SocketAddr = if url.contains('[') {
            "[fe80::1a2b:3cff:fe4d:5e6f]:1900".parse().unwrap()
        } else {
            "192.168.1.1:1900".parse().unwrap()
        };
        Device {
            location: Location::parse(url, responder).unwrap(),
            server: "OS UPnP/1.1 x/1".to_owned(),
            link: 0,
        }
    }

    fn found(url: &str) -> Found {
        Found {
            device: device(url),
            local: Some([192, 168, 1, 2].into()),
            description: Some(parse_description(GATEWAY).unwrap()),
            facts: Map::new(),
            error: None,
        }
    }

    #[test]
    fn no_device_is_an_empty_object() {
        let outcome = outcome(vec![], &Refusals::default(), vec![], ByteCount::default());
        assert_eq!(Value::Object(outcome.probe_result), json!({}));
        assert_eq!((outcome.ending, outcome.error), (Ending::Done, None));
    }

    #[test]
    fn a_device_is_told_without_what_identifies_it() {
        let mut one =
            found("http://192.168.1.1:5000/0b2f4c5e-7c1d-4f6a-9f43-3f1f0d6a4c21/SN-0815-4711.xml");
        one.facts.insert("uptime".to_owned(), 42.into());
        let outcome = outcome(
            vec![one],
            &Refusals::default(),
            vec![],
            ByteCount::default(),
        );
        let (serial, name) = (
            hashed("SN-0815-4711"),
            hashed("0b2f4c5e-7c1d-4f6a-9f43-3f1f0d6a4c21"),
        );
        assert_eq!(
            Value::Object(outcome.probe_result.clone()),
            json!({"192.168.1.1:5000": {
                "device_type": "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
                "friendly_name": "Router & Co",
                "manufacturer": "OpenWrt",
                "model_name": format!("Model {serial} of a line"),
                "model_number": "2",
                "model_description": "a router",
                "server": "OS UPnP/1.1 x/1",
                "serial_number": serial,
                "u_d_n": name,
                "root_desc_url": format!("http://192.168.1.1:5000/{name}/{serial}.xml"),
                "lan_ip_address": "192.168.1.2",
                "uptime": 42,
            }})
        );
        let text = serde_json::to_string(&outcome.probe_result).unwrap();
        assert!(!text.contains("0815-4711") && !text.contains("3f1f0d6a4c21"));
        assert_eq!(serial.len(), 32);
    }

    #[test]
    fn numbers_of_one_device_are_found_within_texts() {
        let hash = hashed("74c246aabbcc");
        assert_eq!(
            masked("Speaker 74c246aabbcc!", &[]),
            format!("Speaker {hash}!")
        );
        let hash = hashed("74:c2:46:aa:bb:cc");
        assert_eq!(masked("74:c2:46:aa:bb:cc", &[]), hash);
        for plain in [
            "WNDR3700v4 2.0",
            "Fritz!Box 7590 (UI)",
            "",
            "Linux/5.15.150 UPnP/1.1",
            "deadbeef",
            "\u{e4}0\u{e4}",
        ] {
            assert_eq!(masked(plain, &["", "box"]), plain);
        }
    }

    #[test]
    fn of_an_address_made_from_a_mac_only_the_maker_stays() {
        let outcome = outcome(
            vec![found("http://[fe80::1a2b:3cff:fe4d:5e6f]:80/d")],
            &Refusals::default(),
            vec![],
            ByteCount::default(),
        );
        let (key, entry) = outcome.probe_result.iter().next().unwrap();
        assert_eq!(key, "[fe80::1a2b:3cff:fe00:0]:80");
        assert_eq!(
            entry["root_desc_url"],
            "http://[fe80::1a2b:3cff:fe00:0]:80/d"
        );
    }

    #[test]
    fn two_devices_behind_one_port_are_both_there() {
        let both = vec![
            found("http://192.168.1.1:5000/a"),
            found("http://192.168.1.1:5000/b"),
        ];
        let outcome = outcome(both, &Refusals::default(), vec![], ByteCount::default());
        let keys: Vec<&String> = outcome.probe_result.keys().collect();
        assert_eq!(keys, ["192.168.1.1:5000", "192.168.1.1:5000/b"]);
    }

    #[test]
    fn what_was_not_believed_is_told_and_counted() {
        let refusals = Refusals {
            locations: [(LocationRefused::OtherHost, 2), (LocationRefused::Name, 1)].into(),
            strangers: 3,
            others: 9,
            beyond: 4,
        };
        let outcome = outcome(
            vec![],
            &refusals,
            vec!["eth0: broken".to_owned()],
            ByteCount::default(),
        );
        assert_eq!(
            outcome.error.unwrap(),
            "eth0: broken; location refused: it names its host, which must be an address; \
             location refused: it leads to another host than the one that answered (2 times); \
             answer refused: it comes from outside the local network (3 times); 4 more devices answered"
        );
        assert_eq!(outcome.ending, Ending::Done);
    }
}
