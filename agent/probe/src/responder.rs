//! The other end of measurements between agents: answers those who hold a token of the controller, and nobody else.
//!
//! ```text
//!   UDP ──▶ Gate (token, cookie) ──▶ session ─▶ Ask ─▶ the household's guard
//!   TCP ──▶ Gate (token)         ──▶ session ─▶ …        │ Ended: what its record says
//! ```
//!
//! Invariants: a token that does not hold is answered by silence and counted; before an address has proved to be the
//! sender's it is sent less than came from it; nothing of a measurement is sent before the owner has agreed; every table,
//! message and session is bounded; dropping [`Responder::serve`] ends all.

pub mod gate;
mod hub;
pub mod memory;
mod places;
mod recall;
mod stream;

pub use gate::{Gate, Reason, verify};
pub use memory::Memory;
pub use recall::Recall;

use glimpse_model::sorted::SortedMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use glimpse_model::id::AgentId;
use glimpse_model::outcome::Outcome;
use glimpse_model::time::Timestamp;
use glimpse_model::token::{Claims, MeasureId};
use glimpse_net::packet::Family;
use glimpse_net::socket::{ProbeSocket, SocketError};
use glimpse_net::stamp::monotonic_ns;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use crate::context::Meter;
use crate::peer::Limits;
use places::{Place, Places};

/// TCP connections at a time, those included that have not shown a token yet.
const CONNECTIONS: usize = 32;
/// And from one address, of IPv6 from one /64: a session has three, and one host must not hold the places of all.
const CONNECTIONS_THERE: usize = 8;
/// Time to live of the packets sent.
const TTL: u8 = 64;

/// The wall clock.
pub type Clock = dyn Fn() -> Timestamp + Send + Sync;

/// How a responder answers.
#[derive(Clone)]
pub struct Config {
    /// The key that tokens are signed with.
    pub key: [u8; 32],
    /// This agent, as tokens name it.
    pub agent: AgentId,
    /// Where it listens, UDP and TCP; 0 lets the system choose.
    pub port: u16,
    /// What the household grants a session, whatever its token does.
    pub limits: Limits,
    /// Sessions at a time.
    pub max_sessions: u16,
    /// The sessions that were opened before, and where those to come are kept.
    pub memory: Memory,
    /// By which tokens are looked at.
    pub clock: Arc<Clock>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("agent", &self.agent)
            .field("port", &self.port)
            .field("limits", &self.limits)
            .field("max_sessions", &self.max_sessions)
            .finish_non_exhaustive()
    }
}

/// A session that wants to begin.
#[derive(Debug)]
pub struct Ask {
    /// Its id: the `measure_uuid` of both ends.
    pub session: MeasureId,
    /// What this end would run: `btc_mp`, `packettrains_mp` or `ping_mp`.
    pub method: &'static str,
    /// Who asks, as the token names it.
    pub initiator: AgentId,
    /// Where it asks from.
    pub peer: IpAddr,
    /// Bytes at IP level, both directions together, that it needs at most.
    pub worst_bytes: u64,
    /// Where it shows what it has used.
    pub meter: Meter,
    /// By which it is ended before its time; the initiator is told why.
    pub recall: Recall,
}

/// What a responder tells its owner.
#[derive(Debug)]
pub enum Event {
    /// A session wants to begin: the answer says whether it may, or why not in a lower-case fragment.
    Asks(Ask, oneshot::Sender<Result<(), String>>),
    /// A session that was let in is over.
    Ended(MeasureId, Outcome),
}

/// Why a responder cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is taken, or needs a privilege.
    #[error("port {port}: {source}")]
    Bind {
        /// The port.
        port: u16,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel made no socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The kernel gave no random bytes.
    #[error("no random bytes")]
    Random,
}

/// What all parts of a responder share.
struct Shared {
    config: Config,
    gate: Mutex<Gate>,
    places: Arc<Places>,
    random: SystemRandom,
    flows: Mutex<SortedMap<MeasureId, stream::Door>>,
}

impl Shared {
    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flows(&self) -> MutexGuard<'_, SortedMap<MeasureId, stream::Door>> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ignore(&self, reason: Reason) {
        if let Some(counts) = self.gate().note(reason, monotonic_ns()) {
            log::info!("peers that were not answered: {counts}");
        }
    }

    fn now(&self) -> Timestamp {
        (self.config.clock)()
    }

    fn bytes<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).ok().map(|()| bytes)
    }

    /// A place for a session by a token of `claims`.
    fn place(&self, claims: &Claims) -> Option<Place> {
        self.places.take(claims)
    }

    /// As [`Self::place`], with some patience.
    async fn place_soon(&self, claims: &Claims) -> Option<Place> {
        let place = async {
            loop {
                if let Some(place) = self.place(claims) {
                    return place;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(TURN, place).await.ok()
    }
}

/// How long a session may wait for the one before it to be put away.
const TURN: Duration = Duration::from_millis(500);
/// From one look to the next.
const LOOK: Duration = Duration::from_millis(20);

/// A responder that listens.
pub struct Responder {
    shared: Arc<Shared>,
    listeners: Vec<TcpListener>,
    sockets: Vec<ProbeSocket>,
    port: u16,
}

impl Responder {
    /// Listens. Call within a tokio runtime.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn bind(config: Config) -> Result<Self, Error> {
        let random = SystemRandom::new();
        let mut secret = [0; 32];
        random.fill(&mut secret).map_err(|_| Error::Random)?;
        let (listeners, port) = listen(config.port).await?;
        let mut sockets = Vec::new();
        for family in [Family::V4, Family::V6] {
            match ProbeSocket::udp_unconnected(family, port, TTL) {
                Ok(socket) if socket.local_address().map(|own| own.port()) == Some(port) => {
                    sockets.push(socket);
                }
                Ok(_) => {
                    let source = io::Error::from(io::ErrorKind::AddrInUse);
                    return Err(Error::Bind { port, source });
                }
                // Hosts without one of the two exist.
                Err(error) if family == Family::V6 => log::info!("responder without ipv6: {error}"),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self {
            shared: Arc::new(Shared {
                gate: Mutex::new(
                    Gate::new(config.key, config.agent.clone(), &secret)
                        .remembering(config.memory.clone()),
                ),
                places: Places::new(config.max_sessions),
                random,
                flows: Mutex::new(SortedMap::new()),
                config,
            }),
            listeners,
            sockets,
            port,
        })
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Reads how many were not answered, by reason.
    pub fn refused(&self) -> impl Fn() -> SortedMap<Reason, u64> + Send + Sync + 'static {
        let shared = self.shared.clone();
        move || shared.gate().refused()
    }

    /// Answers until it is dropped; every session ends with it. The receiver of `events` decides who may come in.
    ///
    /// # Errors
    /// When a UDP socket is of no use any more.
    pub async fn serve(self, events: mpsc::Sender<Event>) -> io::Result<()> {
        let mut connections = JoinSet::new();
        let mut open: Vec<(IpAddr, AbortHandle)> = Vec::new();
        let hub = hub::Hub::new(self.shared.clone(), self.sockets, events.clone()).run();
        tokio::pin!(hub);
        loop {
            tokio::select! {
                ended = &mut hub => return ended,
                accepted = accept(&self.listeners) => match accepted {
                    Ok(stream) => {
                        open.retain(|(_, task)| !task.is_finished());
                        // One that is gone already is nowhere.
                        let Ok(from) = stream.peer_addr().map(|from| neighbourhood(from.ip())) else {
                            continue;
                        };
                        let there = open.iter().filter(|(other, _)| *other == from).count();
                        if open.len() < CONNECTIONS && there < CONNECTIONS_THERE {
                            let task = stream::serve(self.shared.clone(), stream, events.clone());
                            open.push((from, connections.spawn(task)));
                        } else {
                            self.shared.ignore(Reason::Throttled);
                        }
                    }
                    // Out of descriptors, most likely: others may give some back.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// An address, or of IPv6 the /64 that one host may have for itself.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

async fn accept(listeners: &[TcpListener]) -> io::Result<TcpStream> {
    match listeners {
        [one] => one.accept().await,
        [one, other] => tokio::select! {
            accepted = one.accept() => accepted,
            accepted = other.accept() => accepted,
        },
        _ => std::future::pending().await,
    }
    .map(|(stream, _)| stream)
}

/// Listens on TCP for both versions of the protocol: on most systems the socket of IPv6 serves IPv4 as well.
async fn listen(port: u16) -> Result<(Vec<TcpListener>, u16), Error> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut port = port;
    for address in [
        IpAddr::from(Ipv6Addr::UNSPECIFIED),
        Ipv4Addr::UNSPECIFIED.into(),
    ] {
        match TcpListener::bind((address, port)).await {
            Ok(listener) => {
                port = listener.local_addr().map_or(port, |own| own.port());
                listeners.push(listener);
            }
            Err(source) if address.is_ipv4() && listeners.is_empty() => {
                return Err(Error::Bind { port, source });
            }
            Err(_) => {}
        }
    }
    Ok((listeners, port))
}

#[cfg(test)]
mod tests;
