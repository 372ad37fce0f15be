//! Type `Tcp`: every packet is an attempt to connect, on a socket of its own.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::Poll;

use glimpse_net::count::Counter;
use glimpse_net::socket::{HeaderFields, SocketError, TcpEnd, TcpProbe};
use glimpse_net::stamp::{Stamp, monotonic_ns};

use super::machine::{Claim, Machine};
use super::options::PingOptions;
use super::run::describe;

/// The attempts under way.
pub(super) struct Attempts {
    remote: SocketAddr,
    source_port: u16,
    fields: HeaderFields,
    timeout_ns: u64,
    open: Vec<(u32, TcpProbe)>,
    /// Of the attempts that are closed.
    settled: Counter,
}

impl Attempts {
    pub(super) fn new(remote: SocketAddr, options: &PingOptions) -> Self {
        Self {
            remote,
            source_port: options.source_port,
            fields: HeaderFields {
                ttl: options.ttl,
                dscp: options.dscp,
                // A SYN is short; unless asked, it is as all connections of this host.
                dont_fragment: options.dont_fragment.then_some(true),
            },
            timeout_ns: u64::from(options.timeout_ms) * 1_000_000,
            open: Vec::new(),
            settled: Counter::default(),
        }
    }

    pub(super) fn send(&mut self, index: u32) -> Result<Stamp, SocketError> {
        // The attempt before may hold the port.
        self.close_expired();
        let probe = TcpProbe::start_with(self.remote, self.source_port, &self.fields)?;
        let started = probe.started();
        self.open.push((index, probe));
        Ok(started)
    }

    /// Waits for the end of some attempt and tells the machine of all that have ended.
    pub(super) async fn next(&mut self, machine: &mut Machine) {
        let ended = poll_fn(|context| {
            let mut ended = Vec::new();
            for (place, (_, probe)) in self.open.iter_mut().enumerate() {
                if let Poll::Ready((end, stamp)) = probe.poll_ended(context) {
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
            let (index, probe) = self.open.swap_remove(place);
            self.settled.add(probe.counter());
            let claim = Claim::Attempt(index);
            match end {
                TcpEnd::Accepted | TcpEnd::Refused => {
                    machine.answered(claim, stamp);
                }
                TcpEnd::Failed(report) => {
                    if machine.failed(claim, describe(&report))
                        && let Some(mtu) = report.mtu()
                    {
                        machine.too_long(mtu);
                    }
                }
            }
        }
    }

    /// Closes the attempts whose answer is no longer waited for, before the system repeats their SYN.
    pub(super) fn close_expired(&mut self) {
        let now = monotonic_ns();
        let (settled, timeout_ns) = (&mut self.settled, self.timeout_ns);
        self.open.retain(|(_, probe)| {
            let waiting = probe.started().monotonic_ns.saturating_add(timeout_ns) > now;
            if !waiting {
                settled.add(probe.counter());
            }
            waiting
        });
    }

    pub(super) fn counter(&self) -> Counter {
        let mut counter = self.settled;
        for (_, probe) in &self.open {
            counter.add(probe.counter());
        }
        counter
    }
}
