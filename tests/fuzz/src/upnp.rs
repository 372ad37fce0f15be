//! What devices of the local network say.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use glimpse_model::options::Options;
use glimpse_model::sorted::SortedMap;
use glimpse_net::interface::addresses::{LanLink, Network};
use glimpse_probe::methods::upnp::{
    DESCRIPTION_LIMIT, Location, Machine, UpnpOptions, parse_answer, parse_description,
    parse_reply, read_description,
};
use glimpse_probe::registry::Registry;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::pieces;

/// Who answers: a router of the network that is searched.
const RESPONDER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const TEXT_CHARACTERS: usize = 128;
/// Polls in which an exchange must have come to its end.
const POLLS: usize = 200_000;

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
            .flat_map(SortedMap::values)
        {
            assert!(value.chars().count() <= TEXT_CHARACTERS);
        }
    }
}

/// What a device sends when it is asked for its description, however it is cut: the first byte says how many bytes come at a
/// time.
pub fn exchange(bytes: &[u8]) {
    if let Some((&most, answer)) = bytes.split_first() {
        let _ = exchanged(answer, usize::from(most) + 1);
        let _ = exchanged(answer, usize::MAX);
    }
}

/// The document in an answer that comes in pieces of at most so many bytes.
///
/// # Panics
/// When something does not hold that must.
pub fn exchanged(answer: &[u8], most: usize) -> Option<Vec<u8>> {
    let from = SocketAddr::from((RESPONDER, 5000));
    let location = Location::parse("http://192.168.1.1:5000/rootDesc.xml", from).ok()?;
    let mut device = Device {
        answer,
        most,
        heard: Vec::new(),
    };
    let mut exchange = Box::pin(read_description(&mut device, &location));
    let mut context = Context::from_waker(Waker::noop());
    let found = (0..POLLS).find_map(|_| match exchange.as_mut().poll(&mut context) {
        Poll::Ready(found) => Some(found),
        Poll::Pending => None,
    });
    drop(exchange);
    assert!(device.heard.starts_with(b"GET /rootDesc.xml HTTP/1.1\r\n"));
    let Some(found) = found else {
        panic!("an exchange does not end");
    };
    if let Ok(document) = &found {
        assert!(document.len() <= DESCRIPTION_LIMIT.min(answer.len()));
    }
    found.ok()
}

/// A device that says the same whatever it is asked, and closes.
struct Device<'a> {
    answer: &'a [u8],
    /// Bytes that come at a time.
    most: usize,
    heard: Vec<u8>,
}

impl AsyncRead for Device<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Nobody waits to be woken: who drives this asks again and again.
        if !self.heard.ends_with(b"\r\n\r\n") {
            return Poll::Pending;
        }
        let length = self.most.min(self.answer.len()).min(buffer.remaining());
        let (part, rest) = self.answer.split_at(length);
        buffer.put_slice(part);
        self.answer = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Device<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.heard.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
