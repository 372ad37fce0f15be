//! From the names of a file to the numbers of a plan.

mod declared;
mod routes;

use super::TopologyError;
use super::file::{Balance, Direction, Field, File, Host, Link as FileLink, Router};
use crate::emulator::plan::{
    Addresses, Link, Node, NodeIndex, Plan, Refusal, Service, Services, VANTAGE,
};
use crate::emulator::truth::Truth;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use toml::Spanned;

/// What a file comes to.
pub(super) struct Compiled {
    pub(super) plan: Plan,
    pub(super) truths: Vec<Truth>,
}

/// Checks `file`, which was read from `text`, and lays it out.
pub(super) fn compile(text: &str, file: &File) -> Result<Compiled, TopologyError> {
    let mut draft = Draft {
        text,
        nodes: Vec::new(),
        numbers: HashMap::new(),
        links: Vec::new(),
        ends: Vec::new(),
        owners: HashMap::new(),
    };
    draft.add_nodes(file)?;
    for link in &file.link {
        draft.add_link(link)?;
    }
    draft.add_refusals(file)?;
    let routes = draft.routes(file)?;
    draft.mark_stateful();
    let truths = file
        .truth
        .iter()
        .map(|truth| draft.truth(truth))
        .collect::<Result<_, _>>()?;
    let zone = file
        .name
        .iter()
        .map(|name| (name.name.to_ascii_lowercase(), name.addresses.clone()))
        .collect();
    Ok(Compiled {
        plan: Plan {
            nodes: draft.nodes,
            links: draft.links,
            owners: draft.owners,
            zone,
            routes,
        },
        truths,
    })
}

struct Draft<'a> {
    text: &'a str,
    nodes: Vec<Node>,
    numbers: HashMap<String, NodeIndex>,
    links: Vec<Link>,
    /// Where each directed link starts and ends.
    ends: Vec<(NodeIndex, NodeIndex)>,
    owners: HashMap<IpAddr, NodeIndex>,
}

impl Draft<'_> {
    fn fault(&self, offset: usize, what: impl Into<String>) -> TopologyError {
        let before = self.text.get(..offset).unwrap_or(self.text);
        TopologyError::Meaning {
            line: before.split('\n').count(),
            what: what.into(),
        }
    }

    fn number(&self, name: &Spanned<String>) -> Result<NodeIndex, TopologyError> {
        self.numbers.get(name.get_ref()).copied().ok_or_else(|| {
            self.fault(
                name.span().start,
                format!("there is no node {:?}", name.get_ref()),
            )
        })
    }

    fn add_nodes(&mut self, file: &File) -> Result<(), TopologyError> {
        let at = file.vantage.addresses.span().start;
        let mut vantage = plain("vantage".to_owned());
        vantage.outlet = true;
        vantage.addresses = self.addresses(at, file.vantage.addresses.get_ref())?;
        self.add_node(at, vantage, file.vantage.addresses.get_ref())?;
        for router in &file.router {
            let at = router.name.span().start;
            let node = self.router(at, router)?;
            let mut owned = router.addresses.clone();
            owned.extend(&router.translates_to);
            self.add_node(at, node, &owned)?;
        }
        for host in &file.host {
            let at = host.name.span().start;
            let node = self.host(at, host)?;
            self.add_node(at, node, &host.addresses)?;
        }
        Ok(())
    }

    fn add_node(&mut self, at: usize, node: Node, owned: &[IpAddr]) -> Result<(), TopologyError> {
        let number = self.nodes.len();
        for &address in owned {
            self.own(at, address, number)?;
        }
        if self.numbers.insert(node.name.clone(), number).is_some() {
            return Err(self.fault(at, format!("there are two nodes {:?}", node.name)));
        }
        self.nodes.push(node);
        Ok(())
    }

    fn own(&mut self, at: usize, address: IpAddr, node: NodeIndex) -> Result<(), TopologyError> {
        match self.owners.insert(address, node) {
            Some(other) if other != node => {
                Err(self.fault(at, format!("{address} belongs to two nodes")))
            }
            _ => Ok(()),
        }
    }

    /// At most one address of each family.
    fn addresses(&self, at: usize, list: &[IpAddr]) -> Result<Addresses, TopologyError> {
        let addresses = first_of_each(list);
        if addresses.each().count() < list.len() {
            return Err(self.fault(at, "more than one address of a family"));
        }
        Ok(addresses)
    }

    fn router(&self, at: usize, router: &Router) -> Result<Node, TopologyError> {
        if router.fields.is_some() && router.balance != Balance::Flow {
            return Err(self.fault(at, "fields are for balance = \"flow\""));
        }
        let (icmp_interval_ns, icmp_burst_ns) =
            self.pace(at, router.icmp_per_second, router.icmp_burst)?;
        Ok(Node {
            addresses: self.addresses(at, &router.addresses)?,
            forwards: true,
            ttl: router.ttl,
            silent: router.silent,
            balance: router.balance,
            fields: router.fields.clone().unwrap_or_else(flow_fields),
            icmp_interval_ns,
            icmp_burst_ns,
            delay_ns: router.icmp_delay_us * 1_000,
            quote_bytes: router.quote_bytes,
            quoted_length: router.quoted_length,
            quote_length_field: router.quote_length_field,
            zero_ttl_forwarding: router.zero_ttl_forwarding,
            hidden: router.hidden,
            labels: router.labels.clone(),
            translates_to: self.addresses(at, &router.translates_to)?,
            translates_quotes: router.translates_quotes,
            hides_behind: self.addresses(at, &router.hides_behind)?,
            services: Services {
                echo: true,
                ..Services::default()
            },
            ..plain(router.name.get_ref().clone())
        })
    }

    fn host(&self, at: usize, host: &Host) -> Result<Node, TopologyError> {
        let mut udp = BTreeMap::new();
        for (ports, service) in [
            (&host.udp_echo, Service::Echo),
            (&host.udp_answer, Service::Answer),
            (&host.dns, Service::Dns),
        ] {
            for &port in ports {
                if udp.insert(port, service).is_some() {
                    return Err(self.fault(at, format!("udp port {port} has two services")));
                }
            }
        }
        let (icmp_interval_ns, icmp_burst_ns) =
            self.pace(at, host.icmp_per_second, host.icmp_burst)?;
        Ok(Node {
            addresses: first_of_each(&host.addresses),
            outlet: host.outlet,
            ttl: host.ttl,
            silent: host.silent,
            icmp_interval_ns,
            icmp_burst_ns,
            delay_ns: host.delay_us * 1_000,
            services: Services {
                echo: host.echo,
                udp,
                udp_closed: host.udp_closed,
                tcp_open: host.tcp_open.clone(),
                tcp_closed: host.tcp_closed,
            },
            ..plain(host.name.get_ref().clone())
        })
    }

    fn pace(&self, at: usize, limit: Option<u32>, burst: u32) -> Result<(u64, u64), TopologyError> {
        match limit {
            None => Ok((0, 0)),
            Some(0) => Err(self.fault(at, "icmp_per_second is at least 1; say silent instead")),
            Some(_) if burst == 0 => Err(self.fault(at, "icmp_burst is at least 1")),
            Some(limit) => {
                let interval = 1_000_000_000 / u64::from(limit);
                Ok((interval, interval * u64::from(burst - 1)))
            }
        }
    }

    fn add_link(&mut self, link: &FileLink) -> Result<(), TopologyError> {
        let at = link.along.first().map_or(0, |name| name.span().start);
        if link.along.len() < 2 {
            return Err(self.fault(at, "a link needs two nodes at least"));
        }
        let single = link.along.len() == 2;
        if !single && (!link.addresses.is_empty() || !link.near_addresses.is_empty()) {
            return Err(self.fault(at, "addresses are for a link of two nodes"));
        }
        let far = self.addresses(at, &link.addresses)?;
        let near = self.addresses(at, &link.near_addresses)?;
        for pair in link.along.windows(2) {
            let (from, to) = (self.number(&pair[0])?, self.number(&pair[1])?);
            if from == to || self.ends.contains(&(from, to)) {
                return Err(self.fault(pair[1].span().start, "this link exists or leads to itself"));
            }
            for (addresses, node) in [(far, to), (near, from)] {
                for address in addresses.each() {
                    self.own(at, address, node)?;
                }
            }
            let base = link
                .name
                .clone()
                .unwrap_or_else(|| format!("{}-{}", pair[0].get_ref(), pair[1].get_ref()));
            let forward = link.forward();
            let back = link.back.unwrap_or(Direction {
                delay_us: forward.delay_us,
                mtu: forward.mtu,
                ..Direction::default()
            });
            let there = self.direction(at, &forward, base.clone(), to, far)?;
            let home = self.direction(at, &back, format!("{base} back"), from, near)?;
            self.links.extend([there, home]);
            self.ends.extend([(from, to), (to, from)]);
        }
        Ok(())
    }

    fn direction(
        &self,
        at: usize,
        direction: &Direction,
        name: String,
        to: NodeIndex,
        far: Addresses,
    ) -> Result<Link, TopologyError> {
        let queue_bytes = match direction.queue_bytes {
            0 => u64::MAX,
            bytes => bytes,
        };
        Ok(Link {
            name: Arc::from(name),
            to,
            far,
            delay_ns: direction.delay_us * 1_000,
            jitter_ns: direction.jitter_us * 1_000,
            loss: self.chance(at, direction.loss)?,
            lose_every: u64::from(direction.lose_every),
            duplicate: self.chance(at, direction.duplicate)?,
            rate_bps: direction.rate_bps,
            queue_bytes,
            mtu: if direction.mtu == 0 {
                usize::MAX
            } else {
                direction.mtu
            },
        })
    }

    /// A probability in 2³² parts.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 2³² by the check"
    )]
    fn chance(&self, at: usize, probability: f64) -> Result<u64, TopologyError> {
        if (0.0..=1.0).contains(&probability) {
            Ok((probability * 4_294_967_296.0) as u64)
        } else {
            Err(self.fault(at, format!("{probability} is no probability: 0 to 1")))
        }
    }

    fn add_refusals(&mut self, file: &File) -> Result<(), TopologyError> {
        for refusal in &file.refusal {
            let (at, destination) = (self.number(&refusal.at)?, self.number(&refusal.to)?);
            self.nodes[at].refusals.push(Refusal {
                destination,
                reason: refusal.because,
                protocols: refusal.protocols.clone(),
            });
        }
        Ok(())
    }

    fn mark_stateful(&mut self) {
        for (node, state) in self.nodes.iter_mut().enumerate() {
            let link_counts =
                self.links.iter().zip(&self.ends).any(|(link, ends)| {
                    ends.0 == node && (link.rate_bps > 0 || link.lose_every > 0)
                });
            state.stateful = node != VANTAGE
                && (link_counts
                    || state.icmp_interval_ns > 0
                    || state.balance == Balance::RoundRobin);
        }
    }
}

/// What the hash covers where a file names no fields (Augustin et al., IMC 2006, §3).
fn flow_fields() -> Vec<Field> {
    vec![
        Field::Source,
        Field::Destination,
        Field::Protocol,
        Field::SourcePort,
        Field::DestinationPort,
        Field::IcmpChecksum,
    ]
}

fn first_of_each(list: &[IpAddr]) -> Addresses {
    Addresses {
        v4: list.iter().copied().find(IpAddr::is_ipv4),
        v6: list.iter().copied().find(IpAddr::is_ipv6),
    }
}

/// A node that does nothing.
fn plain(name: String) -> Node {
    Node {
        name,
        addresses: Addresses::default(),
        forwards: false,
        outlet: false,
        ttl: 64,
        silent: false,
        balance: Balance::Single,
        fields: Vec::new(),
        icmp_interval_ns: 0,
        icmp_burst_ns: 0,
        delay_ns: 0,
        quote_bytes: None,
        quoted_length: super::file::QuotedLength::Kept,
        quote_length_field: true,
        zero_ttl_forwarding: false,
        hidden: false,
        labels: Vec::new(),
        translates_to: Addresses::default(),
        translates_quotes: true,
        hides_behind: Addresses::default(),
        refusals: Vec::new(),
        services: Services::default(),
        stateful: false,
    }
}
