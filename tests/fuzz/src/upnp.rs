//! What devices of the local network say.

use std::net::{Ipv4Addr, SocketAddr};

use glimpse_model::options::Options;
use glimpse_net::interface::addresses::{LanLink, Network};
use glimpse_probe::methods::upnp::{
    Location, Machine, UpnpOptions, parse_answer, parse_description, parse_reply,
};
use glimpse_probe::registry::Registry;

use crate::pieces;

/// Who answers: a router of the network that is searched.
const RESPONDER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const TEXT_CHARACTERS: usize = 128;

/// Answers to a search, each a piece. Whoever is believed lies in the searched network and is who answered.
pub fn ssdp(bytes: &[u8]) {
    let from = SocketAddr::from((RESPONDER, 1900));
    let link = LanLink {
        interface: "br-lan".to_owned(),
        index: 1,
        source: Ipv4Addr::new(192, 168, 1, 2).into(),
        networks: vec![Network {
            address: Ipv4Addr::new(192, 168, 1, 2).into(),
            prefix_length: 24,
        }],
    };
    let Some(options) = options() else { return };
    let mut machine = Machine::new(&options, vec![link], 0);
    for piece in std::iter::once(bytes).chain(pieces::split(bytes)) {
        let _ = parse_answer(piece);
        machine.received(0, from, piece, piece.len() as u64);
    }
    let (devices, _) = machine.finish();
    assert!(devices.len() <= options.max_devices);
    for device in devices {
        assert_eq!(device.location.address.ip(), from.ip());
        assert_ne!(device.location.address.port(), 0);
    }
}

fn options() -> Option<UpnpOptions> {
    let registry = Registry::built_in();
    let options: Options = registry.find("upnp")?.read(&serde_json::Map::new()).ok()?;
    UpnpOptions::read(&options).ok()
}

/// Where a description is: a URL, then in further lines references in it.
pub fn location(bytes: &[u8]) {
    let from = SocketAddr::from((RESPONDER, 1900));
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let Some(Ok(location)) = lines.next().map(|line| Location::parse(line, from)) else {
        return;
    };
    for location in std::iter::once(location.clone())
        .chain(lines.filter_map(|reference| location.join(reference).ok()))
    {
        assert_eq!(location.address.ip(), from.ip());
        assert!(location.path.starts_with('/'));
        assert!(
            location.path.bytes().all(|byte| byte.is_ascii_graphic()),
            "{:?}",
            location.path
        );
        assert_eq!(Location::parse(&location.url(), from).ok(), Some(location));
    }
}

/// Descriptions.
pub fn description(bytes: &[u8]) {
    let Ok(description) = parse_description(bytes) else {
        return;
    };
    for text in [
        &description.device_type,
        &description.friendly_name,
        &description.manufacturer,
        &description.model_name,
        &description.model_number,
        &description.model_description,
        &description.serial_number,
        &description.unique_name,
    ] {
        assert!(text.chars().count() <= TEXT_CHARACTERS);
        assert!(!text.chars().any(char::is_control));
    }
    assert!(description.services.len() <= 64);
}

/// Answers of services.
pub fn soap(bytes: &[u8]) {
    for action in ["GetExternalIPAddress", "GetStatusInfo"] {
        for value in parse_reply(bytes, action)
            .iter()
            .flat_map(|all| all.values())
        {
            assert!(value.chars().count() <= TEXT_CHARACTERS);
        }
    }
}
