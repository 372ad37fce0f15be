//! Type `Tcp`: a socket for each probe. The kernel has one connection per pair of addresses and ports, so that a flow
//! carries one probe at a time.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;

use glimpse_net::count::Counter;
use glimpse_net::packet::{Family, Label};
use glimpse_net::socket::{ErrorOrigin, HeaderFields, SocketError, TcpEnd, TcpProbe};
use glimpse_net::stamp::{Stamp, monotonic_ns};

use super::datagrams::first_port;
use super::face::response;
use super::machine::{Claim, Machine, Probe, Reply, Response};
use super::options::TracerouteOptions;

/// Ports that are tried for the run before the first probe has left.
const PORT_TRIES: u16 = 16;

/// The attempts under way.
pub(super) struct Attempts {
    remote: SocketAddr,
    source_port: u16,
    timeout_ns: u64,
    open: Vec<(u32, TcpProbe)>,
    /// Whether a probe has left from the source port.
    settled_port: bool,
    /// Of the attempts that are closed.
    settled: Counter,
}

impl Attempts {
    pub(super) fn new(options: &TracerouteOptions, target: IpAddr, seed: u64) -> Self {
        Self {
            remote: SocketAddr::new(target, options.destination_port),
            source_port: first_port(options.source_port, seed),
            timeout_ns: u64::from(options.receive_timeout_ms) * 1_000_000,
            open: Vec::new(),
            settled_port: false,
            settled: Counter::default(),
        }
    }

    pub(super) fn send(&mut self, probe: Probe) -> Result<Stamp, SocketError> {
        // The attempt before may hold the port.
        self.close_expired();
        let fields = HeaderFields::ttl(probe.ttl);
        let mut tries = 0;
        loop {
            match TcpProbe::start_from(self.remote, self.port(probe.flow), &fields) {
                Ok(attempt) => {
                    self.settled_port = true;
                    let started = attempt.started();
                    self.open.push((probe.index, attempt));
                    return Ok(started);
                }
                Err(SocketError::Bind { .. }) if !self.settled_port && tries < PORT_TRIES => {
                    tries += 1;
                    self.source_port = self.port(1);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn port(&self, flow: u16) -> u16 {
        // Past the ports that need a privilege where the range ends.
        self.source_port
            .checked_add(flow)
            .unwrap_or_else(|| self.source_port.wrapping_add(flow).saturating_add(1024))
    }

    /// Waits for the end of some attempt and tells the machine of all that have ended.
    pub(super) async fn next(&mut self, machine: &mut Machine) {
        let ended = poll_fn(|context| {
            let mut ended = Vec::new();
            for (place, (_, attempt)) in self.open.iter_mut().enumerate() {
                if let Poll::Ready((end, stamp)) = attempt.poll_ended(context) {
                    ended.push((place, end, stamp));
                }
            }
            if ended.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(ended)
            }
        })
        .await;
        for (place, end, stamp) in ended.into_iter().rev() {
            let (index, attempt) = self.open.swap_remove(place);
            self.settled.add(attempt.counter());
            match reply(self.remote.ip(), &end, stamp, attempt.labels()) {
                Ok(reply) => {
                    machine.replied(Claim::Probe(index), reply);
                }
                Err(reason) => machine.fault(reason),
            }
        }
    }

    /// Closes the attempts whose answer is no longer waited for, before the system repeats their SYN.
    pub(super) fn close_expired(&mut self) {
        let now = monotonic_ns();
        let (settled, timeout_ns) = (&mut self.settled, self.timeout_ns);
        self.open.retain(|(_, attempt)| {
            let waiting = attempt.started().monotonic_ns.saturating_add(timeout_ns) > now;
            if !waiting {
                settled.add(attempt.counter());
            }
            waiting
        });
    }

    pub(super) fn counter(&self) -> Counter {
        let mut counter = self.settled;
        for (_, attempt) in &self.open {
            counter.add(attempt.counter());
        }
        counter
    }
}

/// What the end of an attempt says; an error of this host is no answer.
fn reply(target: IpAddr, end: &TcpEnd, at: Stamp, labels: &[Label]) -> Result<Reply, String> {
    let (from, response) = match end {
        // The kernel takes both from the connected peer alone.
        TcpEnd::Accepted | TcpEnd::Refused => (target, Response::Answer),
        TcpEnd::Failed(report) => {
            let response = match report.origin {
                ErrorOrigin::Icmp => {
                    let family = Family::from(target);
                    response(family, report.icmp_type, report.icmp_code, report.mtu())
                }
                ErrorOrigin::Local | ErrorOrigin::Other => None,
            };
            let (Some(from), Some(response)) = (report.offender, response) else {
                return Err(report.reason());
            };
            (from, response)
        }
    };
    Ok(Reply {
        from,
        is_target: from == target,
        response,
        at,
        ttl: None,
        quoted_ttl: None,
        labels: labels.to_vec(),
    })
}
