//! How long packets may be: echoes of the longest size with "don't fragment", and of a ladder of sizes where those are
//! not answered. Short ones were, so that silence means long ones.

use super::super::bench::Bench;
use super::super::down::{Longest, PacketSize};
use super::super::finding::Reason;
use super::super::values::{Families, Version};
use glimpse_net::packet::{
    Echo, Family, Message, encode_echo_request, parse_icmpv4, parse_icmpv6, parse_ipv4,
};
use glimpse_net::socket::{EventKind, ProbeSocket, SocketKind};
use std::net::IpAddr;
use std::time::Duration;

/// Sizes tried below that of the interface, in bytes of IP: those of tunnels, and the least that IPv6 and IPv4 promise.
const LADDER: [u32; 12] = [
    1492, 1480, 1472, 1460, 1450, 1440, 1420, 1400, 1360, 1280, 1006, 576,
];
/// How often each is tried.
const TRIES: u16 = 2;
/// How long answers are waited for after each try.
const WAIT: Duration = Duration::from_millis(1200);
/// Longest packet that is tried: a home's line has no longer ones.
const MOST: u32 = 1500;
const HOPS: u8 = 64;

pub(in crate::diagnose) async fn packet_size(
    bench: &Bench<'_>,
    echoing: &Families<IpAddr>,
) -> Result<PacketSize, Reason> {
    let device = bench.way_out().ok_or(Reason::NoRoute)?;
    let mtu = bench.file(&format!("sys/class/net/{device}/mtu"));
    let mtu = mtu.and_then(|text| text.trim().parse::<u32>().ok());
    let mtu = mtu.ok_or(Reason::NoFacts)?.min(MOST);
    let one = |version: Version| async move {
        let address = echoing.of(version)?;
        longest(bench, *address, mtu).await
    };
    let (ipv4, ipv6) = tokio::join!(one(Version::V4), one(Version::V6));
    Ok(PacketSize {
        interface_mtu_bytes: mtu,
        longest: Families { ipv4, ipv6 },
    })
}

/// The longest packet that `address` answers; `None` where this program may send no echoes.
async fn longest(bench: &Bench<'_>, address: IpAddr, mtu: u32) -> Option<Longest> {
    let mut probe = Probe::open(bench, address)?;
    probe.round(&[mtu]).await;
    if probe.answered < mtu {
        let least = if address.is_ipv4() { 576 } else { 1280 };
        let mut shorter: Vec<u32> = LADDER.into_iter().chain(probe.told).collect();
        shorter.retain(|size| (least..mtu).contains(size));
        probe.round(&shorter).await;
    }
    probe.show();
    (probe.answered > 0).then_some(Longest {
        mtu_bytes: probe.answered,
        // Where even less gets through than was told, more lies in the way.
        told: probe.told.is_some_and(|told| told <= probe.answered),
    })
}

/// An ICMP socket, and what has come to it.
struct Probe {
    socket: ProbeSocket,
    meter: glimpse_probe::context::Meter,
    family: Family,
    identifier: u16,
    buffer: Vec<u8>,
    /// The longest packet that was answered.
    answered: u32,
    /// The MTU that this host or a router told.
    told: Option<u32>,
}

impl Probe {
    fn open(bench: &Bench<'_>, address: IpAddr) -> Option<Self> {
        let socket = ProbeSocket::icmp(address, HOPS).ok()?;
        socket.set_dont_fragment(true).ok()?;
        let [low, high, ..] = bench.means.seed.to_le_bytes();
        Some(Self {
            family: socket.family(),
            socket,
            meter: bench.context(WAIT).meter,
            identifier: u16::from_le_bytes([low, high]),
            buffer: vec![0; 2048],
            answered: 0,
            told: None,
        })
    }

    /// Sends one echo of each size, and again if none of the longest was answered; waits.
    async fn round(&mut self, sizes: &[u32]) {
        let longest = sizes.iter().copied().max().unwrap_or(0);
        for _ in 0..TRIES {
            for &size in sizes {
                self.send(size);
                self.show();
            }
            let waited = async {
                let limit = |told: Option<u32>| told.map_or(longest, |told| told.min(longest));
                while self.answered < limit(self.told) {
                    if self.next().await.is_none() {
                        break;
                    }
                }
            };
            let _ = tokio::time::timeout(WAIT, waited).await;
            // What a router has said need not be asked again.
            if self.answered >= longest || self.told.is_some_and(|told| told < longest) {
                break;
            }
        }
    }

    fn send(&mut self, size: u32) {
        let headers = self.family.header_length() + 8;
        let length = usize::try_from(size).unwrap_or(0).saturating_sub(headers);
        let payload = vec![0x67; length];
        let echo = Echo {
            identifier: self.identifier,
            // The answer's length tells which it was.
            sequence: u16::try_from(size).unwrap_or(0),
            payload: &payload,
        };
        let mut packet = Vec::with_capacity(headers + length);
        encode_echo_request(self.family, &echo, &mut packet);
        // A packet that this host refuses is on the error queue, with the size that fits.
        let _ = self.socket.send(&packet);
    }

    /// Takes in what comes next; `None` when the socket is of no use any more.
    async fn next(&mut self) -> Option<()> {
        let event = self.socket.next(&mut self.buffer).await.ok()?;
        match event.kind {
            EventKind::Received { .. } => {
                let bytes = event.quoted(&self.buffer);
                if let Some(size) = self.size_of(bytes) {
                    self.socket.claim(&event);
                    self.answered = self.answered.max(size);
                }
            }
            EventKind::Failed(report) => {
                self.told = self.told.into_iter().chain(report.mtu()).min();
            }
            EventKind::Transmitted => {}
        }
        Some(())
    }

    /// The size of the packet whose answer these bytes are.
    fn size_of(&self, bytes: &[u8]) -> Option<u32> {
        let raw = self.socket.kind() == SocketKind::IcmpRaw;
        let message = match self.family {
            Family::V4 if raw => parse_icmpv4(parse_ipv4(bytes).ok()?.1).ok()?,
            Family::V4 => parse_icmpv4(bytes).ok()?,
            Family::V6 => parse_icmpv6(bytes).ok()?,
        };
        let Message::EchoReply(echo) = message else {
            return None;
        };
        let own = !raw || echo.identifier == self.identifier;
        let size = self.family.header_length() + 8 + echo.payload.len();
        let size = u16::try_from(size).ok()?;
        (own && echo.sequence == size).then_some(size.into())
    }

    fn show(&self) {
        self.meter.show(self.socket.counter());
    }
}
