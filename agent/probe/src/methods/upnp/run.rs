//! The driver: sockets of the search, then one device after the other.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::task::Poll;
use std::time::Duration;

use glimpse_model::options::Options;
use glimpse_model::outcome::{ByteCount, Outcome};
use glimpse_net::count::datagram_bytes;
use glimpse_net::interface::addresses::{LanLink, local_links};
use glimpse_net::packet::Family;
use glimpse_net::stamp::monotonic_ns;
use glimpse_net::stream::Tally;
use serde_json::Map;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::description::parse_description;
use super::fetch::Fetcher;
use super::gateway;
use super::machine::{Action, Device, LINK_LIMIT, Machine};
use super::options::{DESCRIPTION_ALLOWANCE, FACTS_ALLOWANCE, INSPECT_LIMIT, UpnpOptions};
use super::outcome::{Found, outcome};
use super::ssdp::{ANSWER_LIMIT, group, request};
use crate::context::Context;

/// Hops of a search (`UPnP` Device Architecture 1.1 §1.3.2).
const HOPS: u32 = 2;
/// Time for all calls to one gateway.
const FACTS_LIMIT: Duration = Duration::from_secs(8);

/// A link and where its searches go.
pub(super) struct Segment {
    /// The way into the network.
    pub link: LanLink,
    /// The group, or in a test the one device.
    pub group: SocketAddr,
}

/// Makes the measurement.
pub(super) async fn run(options: &Options, context: &Context) -> Outcome {
    let options = match UpnpOptions::read(options) {
        Ok(options) => options,
        Err(refused) => return Outcome::failed(refused.to_string(), ByteCount::default()),
    };
    let links = match local_links() {
        Ok(links) => links,
        Err(error) => {
            let reason = format!("the interfaces cannot be listed: {error}");
            return Outcome::failed(reason, ByteCount::default());
        }
    };
    let segments: Vec<Segment> = links
        .into_iter()
        .take(LINK_LIMIT)
        .map(|link| Segment {
            group: group(link.source, link.index),
            link,
        })
        .collect();
    if segments.is_empty() {
        let reason = "no interface of this machine is in a local network";
        return Outcome::failed(reason, ByteCount::default());
    }
    search(&options, context, segments).await
}

/// Searches these networks. Nothing is sent before the context has admitted all of them.
pub(super) async fn search(
    options: &UpnpOptions,
    context: &Context,
    segments: Vec<Segment>,
) -> Outcome {
    for segment in &segments {
        if let Err(reason) = (context.admit)(segment.link.source) {
            return Outcome::failed(reason, ByteCount::default());
        }
    }
    let total = Tally::limited(context.byte_limit);
    let mut faults = Vec::new();
    let mut sockets = Vec::new();
    let mut links = Vec::new();
    for segment in segments {
        match open(&segment.link).await {
            Ok(socket) => {
                sockets.push((socket, segment.group));
                links.push(segment.link);
            }
            Err(error) => faults.push(format!("{}: {error}", segment.link.interface)),
        }
    }
    if sockets.is_empty() {
        return Outcome::failed(faults.join("; "), ByteCount::default());
    }
    let mut machine = Machine::new(options, links, monotonic_ns());
    if let Err(reason) = drive(
        options,
        context,
        &total,
        &sockets,
        &mut machine,
        &mut faults,
    )
    .await
    {
        faults.push(reason);
    }
    drop(sockets);
    let (devices, refusals) = machine.finish();
    let mut found = Vec::with_capacity(devices.len());
    let asked = async {
        for device in &devices {
            found.push(inspect(device, context, &total).await);
        }
    };
    let in_time = timeout(INSPECT_LIMIT, asked).await.is_ok();
    let unasked = devices.into_iter().skip(found.len()).collect::<Vec<_>>();
    if !in_time {
        found.extend(unasked.into_iter().map(|device| Found {
            error: Some(format!(
                "not asked: all devices together had {} s",
                INSPECT_LIMIT.as_secs()
            )),
            ..nothing(device)
        }));
    }
    outcome(found, &refusals, faults, context.meter.show(&total.read()))
}

/// A socket at the link's own address: the kernel takes the interface of a multicast from there (IPv4) or from the zone (IPv6).
async fn open(link: &LanLink) -> io::Result<UdpSocket> {
    let address: SocketAddr = match link.source {
        IpAddr::V4(source) => (source, 0).into(),
        IpAddr::V6(source) => SocketAddrV6::new(source, 0, 0, link.index).into(),
    };
    let socket = UdpSocket::bind(address).await?;
    if link.source.is_ipv4() {
        socket.set_multicast_ttl_v4(HOPS)?;
    }
    Ok(socket)
}

async fn drive(
    options: &UpnpOptions,
    context: &Context,
    total: &Tally,
    sockets: &[(UdpSocket, SocketAddr)],
    machine: &mut Machine,
    faults: &mut Vec<String>,
) -> Result<(), String> {
    let mut buffer = vec![0; ANSWER_LIMIT + 1];
    loop {
        match machine.poll(monotonic_ns()) {
            Action::Ask(targets) => {
                for (socket, group) in sockets {
                    for target in targets {
                        let text = request(group.ip(), target, Machine::spread_s(options));
                        total
                            .send_datagram(Family::from(group.ip()), text.len())
                            .map_err(|error| error.to_string())?;
                        if let Err(error) = socket.send_to(text.as_bytes(), group).await {
                            let words = format!("{group}: {error}");
                            if !faults.contains(&words) {
                                faults.push(words);
                            }
                        }
                    }
                }
            }
            Action::Wait(until_ns) => {
                let wait = Duration::from_nanos(until_ns.saturating_sub(monotonic_ns()));
                // Past the wait, the machine knows what to do.
                let Ok(came) = timeout(wait, receive(sockets, &mut buffer)).await else {
                    continue;
                };
                let (link, from, length) = came.map_err(|error| error.to_string())?;
                let family = Family::from(from.ip());
                let room = total.receive_datagram(family, length);
                machine.received(
                    link,
                    from,
                    &buffer[..length],
                    datagram_bytes(family, length),
                );
                room.map_err(|error| error.to_string())?;
            }
            Action::Done => return Ok(()),
        }
        context.meter.show(&total.read());
    }
}

/// The next datagram on any socket: place of the socket, sender, length.
async fn receive(
    sockets: &[(UdpSocket, SocketAddr)],
    buffer: &mut [u8],
) -> io::Result<(usize, SocketAddr, usize)> {
    poll_fn(|cx| {
        for (place, (socket, _)) in sockets.iter().enumerate() {
            let mut read = ReadBuf::new(buffer);
            if let Poll::Ready(came) = socket.poll_recv_from(cx, &mut read) {
                return Poll::Ready(came.map(|from| (place, from, read.filled().len())));
            }
        }
        Poll::Pending
    })
    .await
}

fn nothing(device: Device) -> Found {
    Found {
        device,
        local: None,
        description: None,
        facts: Map::new(),
        error: None,
    }
}

/// Fetches the description, and of a gateway what it knows.
async fn inspect(device: &Device, context: &Context, total: &Tally) -> Found {
    let mut found = nothing(device.clone());
    let fetched = Fetcher::new(context, total, DESCRIPTION_ALLOWANCE)
        .description(&device.location)
        .await;
    let described = match fetched {
        Ok(reply) => {
            found.local = Some(reply.local);
            parse_description(&reply.body).map_err(|error| error.to_string())
        }
        Err(error) => Err(format!("the description: {error}")),
    };
    match described {
        Ok(description) => {
            if gateway::is_gateway(&description) {
                let fetcher = Fetcher::new(context, total, FACTS_ALLOWANCE);
                let asked =
                    gateway::ask(&fetcher, &description, &device.location, &mut found.facts);
                found.error = match timeout(FACTS_LIMIT, asked).await {
                    Ok(asked) => asked.err(),
                    Err(_) => Some(format!("stopped asking after {} s", FACTS_LIMIT.as_secs())),
                };
            }
            found.description = Some(description);
        }
        Err(error) => found.error = Some(error),
    }
    found
}
