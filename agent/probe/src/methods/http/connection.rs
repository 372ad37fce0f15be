//! Connections to one server: name, address, TCP, TLS, each phase timed; then requests out and heads in. Bodies are read by
//! whoever knows what they are for.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Wakes, Poll};
use std::time::Duration;

use glimpse_net::count::{Counter, TCP_RESET, TCP_SYN, packet_bytes};
use glimpse_net::packet::Family;
use glimpse_net::stamp::monotonic_ns;
use glimpse_net::stream::{CountedStream, LimitReached, Tally};
use glimpse_net::tcp::{TcpInfo, congestion_control, set_congestion_control, tcp_info};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::HttpError;
use super::head::Head;
use super::url::{Scheme, Url};
pub use super::wire::Wire;
use crate::context::Context;
use crate::methods::tls::{TlsError, TlsFault};
use crate::resolve::{FamilyChoice, Host};

/// How long a connection, a TLS handshake, and the head of an answer may each take.
pub const PHASE_LIMIT: Duration = Duration::from_secs(5);
/// Interim answers before the real one.
const INTERIM_LIMIT: usize = 8;
/// SYNs that the system sends while a connection is waited for: at 0, 1 and 3 s (RFC 6298 §2).
const SYNS: u64 = 3;

/// A server that may be connected to: its address has been admitted.
#[derive(Clone)]
pub struct Origin {
    /// What is asked for.
    pub url: Url,
    /// Where all connections go, so that no second look-up can lead elsewhere.
    pub address: SocketAddr,
    /// How long the look-up took, in nanoseconds; 0 of an address.
    pub dns_ns: u64,
    tls: Option<Tls>,
    tally: Tally,
}

#[derive(Clone)]
struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// Held, so that whoever made it need not make it again for the other servers of this run.
    _roots: Arc<ClientConfig>,
}

impl Origin {
    /// Looks the host up and has its address admitted. All connections to it count into `tally`.
    pub async fn locate(
        url: &Url,
        family: FamilyChoice,
        context: &Context,
        tally: &Tally,
    ) -> Result<Self, HttpError> {
        let begun = monotonic_ns();
        let address = url
            .host
            .locate(family, context)
            .await
            .map_err(HttpError::Locate)?;
        let dns_ns = match url.host {
            Host::Address(_) => 0,
            Host::Name(_) => monotonic_ns().saturating_sub(begun),
        };
        let tls = match url.scheme {
            Scheme::Http => None,
            Scheme::Https => {
                let roots = (context.tls)().map_err(TlsError::Unavailable)?;
                let mut config = ClientConfig::clone(&roots);
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                let name = match &url.host {
                    Host::Address(address) => ServerName::IpAddress((*address).into()),
                    Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                        .map_err(|error| TlsError::Unavailable(error.to_string()))?,
                };
                Some(Tls {
                    config: Arc::new(config),
                    name,
                    _roots: roots,
                })
            }
        };
        Ok(Self {
            url: url.clone(),
            address: SocketAddr::new(address, url.port),
            dns_ns,
            tls,
            tally: tally.clone(),
        })
    }

    /// Another resource of the same server.
    #[must_use]
    pub fn at(&self, target: &str) -> Self {
        Self {
            url: self.url.at(target),
            ..self.clone()
        }
    }

    /// The same, counting into another tally.
    #[must_use]
    pub fn counting(&self, tally: &Tally) -> Self {
        Self {
            tally: tally.clone(),
            ..self.clone()
        }
    }

    /// Bytes that all connections to it may still use.
    pub(super) fn room(&self) -> u64 {
        self.tally.room()
    }

    /// Bytes that all connections to it may use.
    pub(super) fn limit(&self) -> u64 {
        self.tally.limit()
    }

    /// That there are none left.
    pub(super) fn out_of_room(&self) -> HttpError {
        let limit = self.tally.limit();
        HttpError::Limit(LimitReached { limit }.to_string())
    }

    /// Connects, with a read buffer of `buffer` bytes. `source_port` 0 is an ephemeral one.
    pub async fn connect(&self, source_port: u16, buffer: usize) -> Result<Connection, HttpError> {
        let family = Family::from(self.address.ip());
        let tally = &self.tally;
        if tally.room()
            < CountedStream::opening_bytes(family).max(SYNS * packet_bytes(family, TCP_SYN))
        {
            return Err(self.out_of_room());
        }
        let begun = monotonic_ns();
        let failed = |reason: String| HttpError::Connect {
            remote: self.address,
            reason,
        };
        let stream = match timeout(PHASE_LIMIT, open(self.address, source_port)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                let mut counter = Counter::default();
                counter.sent(packet_bytes(family, TCP_SYN));
                if error.kind() == io::ErrorKind::ConnectionRefused {
                    counter.received(packet_bytes(family, TCP_RESET));
                }
                tally.add(&counter);
                return Err(failed(error.to_string()));
            }
            Err(_) => {
                let mut counter = Counter::default();
                (0..SYNS).for_each(|_| counter.sent(packet_bytes(family, TCP_SYN)));
                tally.add(&counter);
                return Err(failed(format!(
                    "no connection within {} ms",
                    PHASE_LIMIT.as_millis()
                )));
            }
        };
        let connect_ns = monotonic_ns().saturating_sub(begun);
        // A measurement ends in the middle of a transfer: the reset tells the server to stop at once.
        stream.set_zero_linger()?;
        stream.set_nodelay(true)?;
        let counted = CountedStream::new(stream, tally.clone());
        let (wire, tls_ns) = match &self.tls {
            None => (Wire::Plain(counted), None),
            Some(tls) => {
                let begun = monotonic_ns();
                let stream = self.handshake(counted, tls).await?;
                (
                    Wire::Tls(Box::new(stream)),
                    Some(monotonic_ns().saturating_sub(begun)),
                )
            }
        };
        Ok(Connection {
            wire,
            connect_ns,
            tls_ns,
            buffer: vec![0; buffer],
            start: 0,
            end: 0,
        })
    }

    async fn handshake(
        &self,
        stream: CountedStream,
        tls: &Tls,
    ) -> Result<TlsStream<CountedStream>, HttpError> {
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let fault = match timeout(PHASE_LIMIT, connector.connect(tls.name.clone(), stream)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => match HttpError::from(error) {
                HttpError::Broken(error) => TlsFault::of(&error),
                limit => return Err(limit),
            },
            Err(_) => TlsFault::Slow(millis(PHASE_LIMIT)),
        };
        let peer = self.url.host_text();
        Err(TlsError::Peer { peer, fault }.into())
    }

    /// The first lines of a request, up to where its own fields follow.
    pub fn request(&self, method: &str, target: &str) -> String {
        format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nUser-Agent: glimpse-agent/{}\r\nAccept: */*\r\nAccept-Encoding: identity\r\n",
            self.url.authority(),
            env!("CARGO_PKG_VERSION"),
        )
    }
}

async fn open(address: SocketAddr, source_port: u16) -> io::Result<TcpStream> {
    let (socket, any) = if address.is_ipv4() {
        (
            TcpSocket::new_v4()?,
            SocketAddr::from(([0; 4], source_port)),
        )
    } else {
        (
            TcpSocket::new_v6()?,
            SocketAddr::from(([0_u16; 8], source_port)),
        )
    };
    if source_port != 0 {
        socket.set_reuseaddr(true)?;
        socket.bind(any)?;
    }
    socket.connect(address).await
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A connection with its read buffer.
pub struct Connection {
    /// The stream, for writing and for reading past the buffer once that is empty.
    pub wire: Wire,
    /// From the SYN to the connection, in nanoseconds.
    pub connect_ns: u64,
    /// From then to the end of the TLS handshake, in nanoseconds.
    pub tls_ns: Option<u64>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Connection {
    /// Writes all of `bytes`.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        self.wire.write_all(bytes).await?;
        self.wire.flush().await?;
        Ok(())
    }

    /// What was read and not used yet.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// So much of it is used.
    pub fn used(&mut self, bytes: usize) {
        self.start = self.end.min(self.start + bytes);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Reads once, behind what is not used yet; 0 at the end of the stream, be it by FIN or, of TLS, without its farewell.
    pub async fn fill(&mut self) -> Result<usize, HttpError> {
        self.make_room();
        let read = self.wire.read(&mut self.buffer[self.end..]).await;
        self.filled(read)
    }

    /// The same for whoever polls.
    pub fn poll_fill(&mut self, wakes: &mut Wakes<'_>) -> Poll<Result<usize, HttpError>> {
        self.make_room();
        let mut room = ReadBuf::new(&mut self.buffer[self.end..]);
        let read = std::task::ready!(Pin::new(&mut self.wire).poll_read(wakes, &mut room));
        let length = room.filled().len();
        Poll::Ready(self.filled(read.map(|()| length)))
    }

    /// Reads once and throws away what comes, `most` bytes at most; 0 at the end of the stream. What stands in the buffer has
    /// to be used before.
    pub async fn discard(&mut self, most: u64) -> Result<usize, HttpError> {
        debug_assert!(self.rest().is_empty(), "what came before is lost");
        let most =
            usize::try_from(most).map_or(self.buffer.len(), |most| most.min(self.buffer.len()));
        let room = &mut self.buffer[..most];
        let read = poll_fn(|wakes| self.wire.poll_discard(wakes, room)).await;
        match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => Ok(read?),
        }
    }

    fn make_room(&mut self) {
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
    }

    fn filled(&mut self, read: io::Result<usize>) -> Result<usize, HttpError> {
        match read {
            Ok(bytes) => {
                self.end += bytes;
                Ok(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// The head that stands in the buffer, interim ones passed over; it is used up by this.
    pub fn take_head(&mut self, interim: &mut usize) -> Result<Option<Head>, HttpError> {
        while let Some(head) = Head::parse(self.rest())? {
            self.used(head.length);
            if !head.is_interim() {
                return Ok(Some(head));
            }
            *interim += 1;
            if *interim > INTERIM_LIMIT {
                return Err(HttpError::Status(head.status));
            }
        }
        Ok(None)
    }

    /// Waits for the head of an answer, [`PHASE_LIMIT`] at most. `came` sees how many bytes each read brought.
    pub async fn head(&mut self, mut came: impl FnMut(usize)) -> Result<Head, HttpError> {
        let mut any = false;
        let waited = timeout(PHASE_LIMIT, async {
            let mut interim = 0;
            loop {
                if let Some(head) = self.take_head(&mut interim)? {
                    return Ok(head);
                }
                match self.fill().await? {
                    0 => return Err(HttpError::Unanswered),
                    bytes => {
                        any = true;
                        came(bytes);
                    }
                }
            }
        })
        .await;
        match waited {
            Ok(result) => result,
            Err(_) if any => Err(HttpError::Slow(millis(PHASE_LIMIT))),
            Err(_) => Err(HttpError::Silent(millis(PHASE_LIMIT))),
        }
    }

    /// Sends by an algorithm that fills queues until they lose, as most senders do; one that avoids queues would hide them.
    pub fn fill_queues(&self) {
        let stream = self.wire.counted();
        // The second is in every kernel; the first may be kept from programs without privilege.
        if let Err(error) = set_congestion_control(stream, "cubic")
            .or_else(|_| set_congestion_control(stream, "reno"))
        {
            log::debug!("congestion control: {error}");
        }
    }

    /// By which algorithm this side avoids congestion.
    pub fn congestion_control(&self) -> Option<String> {
        congestion_control(self.wire.counted())
    }

    /// What the kernel knows of the connection.
    pub fn info(&self) -> Option<TcpInfo> {
        tcp_info(self.wire.counted())
    }

    /// The version of TLS in the words of RFC 8446 and its kin; `None` without TLS.
    pub fn tls_version(&self) -> Option<&'static str> {
        self.wire.tls_version()
    }
}
