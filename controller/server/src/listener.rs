//! The accept loop of every listener of the controller.
//!
//! ```text
//! accept ──► [TLS handshake, own task, bounded time] ──► Peer ──► HTTP/1.1 or HTTP/2 ──► router
//!    │                                                     │
//!    └ bounded: connections in all, and per address         └ asked before each request, and when it changes:
//!                                                            is the peer's certificate revoked, has it expired?
//! ```
//! A request carries [`Peer`] as an extension: handlers learn from it, and from nothing else, which agent asks.
//!
//! The loop serves plain TCP (administration, on loopback), TLS without client certificates (ALTO) and mutual TLS
//! (agents) alike; [`Connections`] serves any stream, also one that a device dialled (call home, RFC 8071).
//!
//! Time for reading a request's header is bounded here; bodies and handlers are bounded where their size and purpose
//! are known, in the routes.

mod connections;
mod stall;

#[cfg(test)]
mod tests;

pub use connections::Connections;

use crate::pki::{AgentCertificate, Pins, Revocations, SharedConfig};
use axum::Router;
use socket2::SockRef;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// What the kernel takes of a connection before it is sent. By itself it takes megabytes, and says again that there is room when a third
/// of that has left: on a slow line long after [`Bounds::stall`].
const UNSENT_BYTES: u32 = 256 << 10;

/// What one listener lets others take of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Open connections in all; beyond them connections wait in the system's queue.
    pub connections: usize,
    /// Open connections of one address (IPv6: of one /64); beyond them a connection is closed at once. Many agents can
    /// sit behind one address of a carrier.
    pub connections_per_address: usize,
    /// From accept to the end of the TLS handshake.
    pub handshake: Duration,
    /// For the header of a request, the wait for its first byte included: an idle HTTP/1.1 connection is closed after it.
    pub header: Duration,
    /// Longest header of a request, in bytes.
    pub header_bytes: usize,
    /// For the peer to take some of what is written to it, by TCP's steps of up to a few hundred kilobytes; a connection that waits
    /// longer is closed. An HTTP/2 peer that opens no window for a stream but answers pings is not seen by this.
    pub stall: Duration,
    /// For requests that are being answered when the listener is told to stop.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 1_024,
            handshake: Duration::from_secs(10),
            header: Duration::from_mins(1),
            header_bytes: 32 * 1024,
            stall: Duration::from_mins(5),
            drain: Duration::from_secs(10),
        }
    }
}

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The address the connection comes from.
    pub addr: SocketAddr,
    /// The verified client certificate, if one was shown; not revoked and not expired when the request began.
    pub agent: Option<Arc<AgentCertificate>>,
    /// SHA-256 of the client certificate, where it is one of those that are trusted as they are; such a one is no agent's.
    pub pinned: Option<[u8; 32]>,
}

/// How connections begin.
#[derive(Debug, Clone)]
pub enum Transport {
    /// Without TLS: for loopback only.
    Plain,
    /// With TLS; each handshake takes the configuration in force.
    Tls(SharedConfig),
}

/// Decides, before each request, whether a client certificate is still good.
#[derive(Clone)]
pub struct Gate {
    /// What is revoked.
    pub revocations: Revocations,
    /// The clock, in seconds since 1970 UTC.
    pub now: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Certificates that are trusted as they are.
    pub pins: Pins,
}

impl Gate {
    /// Why a certificate that was good in its handshake no longer is.
    pub(crate) fn refusal(&self, certificate: &AgentCertificate) -> Option<&'static str> {
        if self.revocations.contains(certificate) {
            Some("certificate revoked")
        } else if !certificate.is_valid_at((self.now)()) {
            Some("certificate expired")
        } else {
            None
        }
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("revocations", &self.revocations)
            .finish_non_exhaustive()
    }
}

/// A bound socket that lets in as many as its bounds allow, whatever is spoken then.
#[derive(Debug)]
pub struct Door {
    tcp: TcpListener,
    bounds: Bounds,
}

/// A bound socket, ready to serve.
#[derive(Debug)]
pub struct Listener {
    door: Door,
    transport: Transport,
    gate: Gate,
}

impl Listener {
    /// Binds `addr`.
    ///
    /// # Errors
    /// What the system says, for example that the address is in use.
    pub async fn bind(
        addr: SocketAddr,
        transport: Transport,
        bounds: Bounds,
        gate: Gate,
    ) -> io::Result<Self> {
        Ok(Self {
            door: Door::bind(addr, bounds).await?,
            transport,
            gate,
        })
    }

    /// The address that was bound: tells the port when 0 was asked for.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.door.local_addr()
    }

    /// Serves `app` until `stop` holds `true` or its sender is gone; then answers what was asked already, for at most
    /// [`Bounds::drain`].
    pub async fn serve(self, app: Router, stop: watch::Receiver<bool>) {
        let bounds = self.door.bounds;
        let connections = Connections::new(app, bounds, self.gate.clone(), stop.clone());
        let transport = self.transport;
        let each = move |stream, addr| {
            let connections = connections.clone();
            let transport = transport.clone();
            async move {
                match transport {
                    Transport::Plain => connections.plain(stream, addr).await,
                    Transport::Tls(config) => {
                        connections.tls(stream, addr, config.load_full()).await;
                    }
                }
            }
        };
        self.door.open(each, stop).await;
    }
}

impl Door {
    /// Binds `addr`.
    ///
    /// # Errors
    /// What the system says, for example that the address is in use.
    pub async fn bind(addr: SocketAddr, bounds: Bounds) -> io::Result<Self> {
        Ok(Self {
            tcp: TcpListener::bind(addr).await?,
            bounds,
        })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Hands each connection to `each`, a task of its own, until `stop` holds `true` or its sender is gone; then waits
    /// for those that are open, for at most [`Bounds::drain`].
    pub async fn open<F, W>(self, each: F, mut stop: watch::Receiver<bool>)
    where
        F: Fn(TcpStream, SocketAddr) -> W,
        W: Future<Output = ()> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(self.bounds.connections));
        let addresses = Addresses::default();
        let mut tasks = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(_) = tasks.join_next() => continue,
                accepted = self.accept(&places) => accepted,
            };
            let Some((place, stream, addr)) = accepted else {
                continue;
            };
            let Some(entry) = addresses.enter(addr.ip(), self.bounds.connections_per_address)
            else {
                tracing::debug!(peer = %addr, "too many connections from this address");
                continue;
            };
            // The task would have room for it twice.
            let work = Box::pin(each(stream, addr));
            tasks.spawn(async move {
                work.await;
                drop((place, entry));
            });
        }
        drop(self.tcp);
        let drained = tokio::time::timeout(self.bounds.drain, async {
            while tasks.join_next().await.is_some() {}
        });
        if drained.await.is_err() {
            tracing::warn!(connections = tasks.len(), "connections were cut at stop");
            tasks.shutdown().await;
        }
    }

    async fn accept(
        &self,
        places: &Arc<Semaphore>,
    ) -> Option<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        match self.tcp.accept().await {
            Ok((stream, addr)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(peer = %addr, %error, "no TCP_NODELAY");
                }
                if let Err(error) = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES) {
                    tracing::debug!(peer = %addr, %error, "no TCP_NOTSENT_LOWAT");
                }
                Some((place, stream, addr))
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                // Out of file descriptors, most likely: at once it would fail again.
                tokio::time::sleep(Duration::from_millis(100)).await;
                None
            }
        }
    }
}

/// How many connections each address has.
#[derive(Debug, Clone, Default)]
struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// Counts one connection for as long as it lives.
#[derive(Debug)]
struct Entry {
    addresses: Addresses,
    network: IpAddr,
}

impl Addresses {
    fn enter(&self, address: IpAddr, most: usize) -> Option<Entry> {
        let network = network(address);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(network).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Entry {
            addresses: self.clone(),
            network,
        })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut counts = self
            .addresses
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

/// What counts as one address: a host of IPv6 commands a /64.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}
