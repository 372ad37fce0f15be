//! The search in virtual time: when to ask, which answers are believed, and which devices they make.

use glimpse_model::sorted::{SortedMap, SortedSet};
use std::net::SocketAddr;

use glimpse_net::interface::addresses::LanLink;

use super::location::{Location, LocationRefused};
use super::options::{Search, UpnpOptions};
use super::ssdp::{self, Answer};

/// Links that are searched at most.
pub(super) const LINK_LIMIT: usize = 16;
/// How often everything is asked: datagrams get lost (`UPnP` Device Architecture 1.1 §1.3.2).
pub(super) const ROUNDS: usize = 2;
/// Requests of one round on one link at most.
pub(super) const ROUND_REQUESTS: usize = 2;
/// Bytes of answers after which the search listens no more.
pub(super) const RECEIVE_LIMIT: u64 = 128 * 1024;
/// Names of announcements that are remembered.
const NAME_LIMIT: usize = 256;

const NS_PER_MS: u64 = 1_000_000;
/// Longest time from one round to the next, in milliseconds.
const PAUSE_LIMIT_MS: u32 = 500;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a request for each of these targets on every link.
    Ask(&'static [&'static str]),
    /// Wait for answers until this point in time, in nanoseconds.
    Wait(u64),
    /// The search is over.
    Done,
}

/// A device that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its description.
    pub location: Location,
    /// What it says it runs.
    pub server: String,
    /// Place of its link in the list that was searched.
    pub link: usize,
}

/// Answers that were not believed, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Locations that were not followed.
    pub locations: SortedMap<LocationRefused, u32>,
    /// Answers from outside the network that was searched.
    pub strangers: u32,
    /// Datagrams that are no answer, or one to another question.
    pub others: u32,
    /// Devices beyond the number that was wanted.
    pub beyond: u32,
}

/// A search under way.
#[derive(Debug)]
pub struct Machine {
    search: Search,
    max_devices: usize,
    links: Vec<LanLink>,
    next_round: usize,
    pause_ns: u64,
    start_ns: u64,
    end_ns: u64,
    received_bytes: u64,
    names: SortedSet<String>,
    devices: Vec<Device>,
    refusals: Refusals,
}

impl Machine {
    /// A search that starts at `now_ns` and asks on `links`.
    pub fn new(options: &UpnpOptions, links: Vec<LanLink>, now_ns: u64) -> Self {
        Self {
            search: options.search,
            max_devices: options.max_devices,
            links,
            next_round: 0,
            pause_ns: u64::from((options.timeout_ms / 4).min(PAUSE_LIMIT_MS)) * NS_PER_MS,
            start_ns: now_ns,
            end_ns: now_ns + u64::from(options.timeout_ms) * NS_PER_MS,
            received_bytes: 0,
            names: SortedSet::new(),
            devices: Vec::new(),
            refusals: Refusals::default(),
        }
    }

    /// Seconds over which devices are asked to spread their answers (MX): those to the last round must come before the end.
    pub fn spread_s(options: &UpnpOptions) -> u32 {
        (options.timeout_ms.saturating_sub(PAUSE_LIMIT_MS) / 1000).clamp(1, 5)
    }

    /// What to do at `now_ns`.
    pub fn poll(&mut self, now_ns: u64) -> Action {
        if now_ns >= self.end_ns || self.received_bytes >= RECEIVE_LIMIT {
            return Action::Done;
        }
        if self.next_round < ROUNDS {
            let due_ns = self.start_ns + self.next_round as u64 * self.pause_ns;
            if now_ns < due_ns {
                return Action::Wait(due_ns);
            }
            let first = self.next_round == 0;
            self.next_round += 1;
            return Action::Ask(match self.search {
                Search::Gateways => &[ssdp::GATEWAY_1, ssdp::GATEWAY_2],
                Search::Media => &[ssdp::MEDIA_SERVER],
                // One answer a device first; the repetition is also for those that know only this question.
                Search::All if first => &[ssdp::ROOT_DEVICE],
                Search::All => &[ssdp::EVERYTHING],
            });
        }
        Action::Wait(self.end_ns)
    }

    /// Takes a datagram that came in on `link` and used `line_bytes` of the line.
    pub fn received(&mut self, link: usize, from: SocketAddr, datagram: &[u8], line_bytes: u64) {
        self.received_bytes = self.received_bytes.saturating_add(line_bytes);
        let Some(lan) = self.links.get(link) else {
            return;
        };
        let Ok(answer) = ssdp::parse_answer(datagram) else {
            self.refusals.others += 1;
            return;
        };
        if !self.answers(&answer) {
            self.refusals.others += 1;
            return;
        }
        if !lan.contains(from.ip()) {
            self.refusals.strangers += 1;
            return;
        }
        if self.names.contains(&answer.unique_name) {
            return;
        }
        match Location::parse(&answer.location, from) {
            // Later rules of what lies in the network do not depend on how a location is compared with its sender.
            Ok(location) if !lan.contains(location.address.ip()) => {
                *self.refuse(LocationRefused::Outside) += 1;
            }
            Err(reason) => *self.refuse(reason) += 1,
            Ok(location) => {
                if self.names.len() < NAME_LIMIT {
                    self.names.insert(answer.unique_name);
                }
                self.add(Device {
                    location,
                    server: answer.server,
                    link,
                });
            }
        }
    }

    /// The devices in the order of their first answers, and what was not believed.
    pub fn finish(self) -> (Vec<Device>, Refusals) {
        (self.devices, self.refusals)
    }

    fn answers(&self, answer: &Answer) -> bool {
        let versioned = |target: &str| {
            target.rsplit_once(':').is_some_and(|(kind, _)| {
                answer
                    .target
                    .strip_prefix(kind)
                    .is_some_and(|version| version.starts_with(':'))
            })
        };
        match self.search {
            Search::Gateways => versioned(ssdp::GATEWAY_1),
            Search::Media => versioned(ssdp::MEDIA_SERVER),
            Search::All => true,
        }
    }

    fn refuse(&mut self, reason: LocationRefused) -> &mut u32 {
        self.refusals.locations.entry(reason).or_default()
    }

    fn add(&mut self, device: Device) {
        let known = |other: &Device| other.location == device.location;
        if self.devices.iter().any(known) {
            return;
        }
        if self.devices.len() < self.max_devices {
            self.devices.push(device);
        } else {
            self.refusals.beyond = self.refusals.beyond.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::net::IpAddr;

    use glimpse_net::interface::addresses::Network;
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = NS_PER_MS;

    fn link() -> LanLink {
        let address: IpAddr = [192, 168, 1, 2].into();
        LanLink {
            interface: "br-lan".to_owned(),
            index: 3,
            source: address,
            networks: vec![Network {
                address,
                prefix_length: 24,
            }],
        }
    }

    fn machine(search: Search, max_devices: usize) -> Machine {
        let options = UpnpOptions {
            search,
            timeout_ms: 2000,
            max_devices,
        };
        Machine::new(&options, vec![link()], 0)
    }

    fn answer(target: &str, name: &str, location: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\nST: {target}\r\nUSN: {name}\r\nLOCATION: {location}\r\n\r\n")
            .into_bytes()
    }

    fn from(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 168, 1, last], 1900))
    }

    #[test]
    fn everything_is_asked_twice_and_then_waited_for() {
        let mut machine = machine(Search::Gateways, 8);
        let Action::Ask(targets) = machine.poll(0) else {
            panic!("nothing asked");
        };
        assert_eq!(targets, [ssdp::GATEWAY_1, ssdp::GATEWAY_2]);
        assert_eq!(machine.poll(1), Action::Wait(500 * MS));
        assert_eq!(machine.poll(500 * MS), Action::Ask(targets));
        assert_eq!(machine.poll(501 * MS), Action::Wait(2000 * MS));
        assert_eq!(machine.poll(2000 * MS), Action::Done);
        let spread = |timeout_ms| {
            let options = UpnpOptions {
                search: Search::All,
                timeout_ms,
                max_devices: 1,
            };
            Machine::spread_s(&options)
        };
        assert_eq!([1000, 2000, 3500, 10_000].map(spread), [1, 1, 3, 5]);
    }

    #[test]
    fn a_device_counts_once_whatever_it_answers() {
        let mut machine = machine(Search::All, 8);
        let url = "http://192.168.1.1:5000/d.xml";
        for name in [
            "uuid:a",
            "uuid:a",
            "uuid:a::upnp:rootdevice",
            "uuid:embedded",
        ] {
            machine.received(0, from(1), &answer("x", name, url), 300);
        }
        // The same device over another address: its name is known already.
        machine.received(
            0,
            from(9),
            &answer("x", "uuid:a", "http://192.168.1.9/d.xml"),
            300,
        );
        let (devices, refusals) = machine.finish();
        assert_eq!(devices.len(), 1);
        assert_eq!(devices[0].location.url(), url);
        assert_eq!(refusals, Refusals::default());
    }

    #[test]
    fn hostile_answers_are_refused_and_counted() {
        let mut machine = machine(Search::Gateways, 1);
        let gateway = ssdp::GATEWAY_2;
        let url = "http://192.168.1.1:5000/d.xml";
        let mut receive =
            |from: SocketAddr, datagram: &[u8]| machine.received(0, from, datagram, 300);
        receive(
            from(1),
            &answer(gateway, "uuid:v", "http://203.0.113.9/d.xml"),
        );
        receive(
            from(1),
            &answer(gateway, "uuid:v", "http://192.168.1.7/d.xml"),
        );
        receive(from(1), &answer(gateway, "uuid:v", "http://router/d.xml"));
        receive(
            "203.0.113.9:1900".parse().unwrap(),
            &answer(gateway, "uuid:v", "http://203.0.113.9/d.xml"),
        );
        receive(
            "192.168.2.1:1900".parse().unwrap(),
            &answer(gateway, "uuid:v", "http://192.168.2.1/"),
        );
        receive(from(1), &answer(ssdp::MEDIA_SERVER, "uuid:m", url));
        receive(
            from(1),
            &answer(
                "urn:schemas-upnp-org:device:InternetGatewayDeviceX:1",
                "uuid:m",
                url,
            ),
        );
        receive(from(1), b"NOTIFY * HTTP/1.1\r\n\r\n");
        // A refused location does not make the name known: the true device may still answer.
        receive(from(1), &answer(gateway, "uuid:v", url));
        receive(
            from(4),
            &answer(gateway, "uuid:w", "http://192.168.1.4/d.xml"),
        );
        let (devices, refusals) = machine.finish();
        assert_eq!(devices.len(), 1);
        assert_eq!(devices[0].location.url(), url);
        assert_eq!(refusals.locations[&LocationRefused::OtherHost], 2);
        assert_eq!(refusals.locations[&LocationRefused::Name], 1);
        assert_eq!(
            (refusals.strangers, refusals.others, refusals.beyond),
            (2, 3, 1)
        );
    }

    #[test]
    fn a_flood_ends_the_search() {
        let mut machine = machine(Search::All, 8);
        machine.poll(0);
        for _ in 0..128 {
            machine.received(0, from(1), &[0; 1000], 1028);
        }
        assert_eq!(machine.poll(1), Action::Done);
        assert_eq!(machine.finish().1.others, 128);
    }

    proptest! {
        #[test]
        fn every_device_is_where_it_answered_from(hosts in proptest::collection::vec((0..4_u8, 0..4_u8, 0..6_u8), 0..60)) {
            let mut machine = machine(Search::All, 3);
            for (responder, host, name) in hosts {
                let url = format!("http://192.168.1.{host}:80/{name}");
                machine.received(0, from(responder), &answer("x", &format!("uuid:{name}"), &url), 100);
            }
            let (devices, _) = machine.finish();
            prop_assert!(devices.len() <= 3);
            for device in devices {
                prop_assert!(link().contains(device.location.address.ip()));
            }
        }
    }
}
