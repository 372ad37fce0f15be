//! One try over TCP or TLS: every message has its length before it (RFC 1035 §4.2.2, RFC 7858 §3.3).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use glimpse_net::count::{TCP_SYN, packet_bytes};
use glimpse_net::packet::Family;
use glimpse_net::stamp::monotonic_ns;
use glimpse_net::stream::{CountedStream, LimitReached, Tally, is_limit};
use rustls::client::Resumption;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Failure;
use super::answer::{Answer, judge};
use super::framing::{self, Framed};
use super::lookup::Exchange;
use super::options::Asking;
use crate::context::Context;
use crate::methods::tls::{TlsError, TlsFault};

/// Bytes read at a time.
const CHUNK: usize = 4096;
/// The system repeats an unanswered SYN after a second, then after twice as long each time (RFC 6298).
const SYN_REPEAT_NS: u64 = 1_000_000_000;

/// One try over TCP.
pub(super) async fn exchange(
    query: &[u8],
    tally: &Tally,
    notes: &mut Exchange,
) -> Result<Answer, Failure> {
    let mut stream = connect(tally, notes).await?;
    converse(&mut stream, query, tally, notes).await
}

/// One try over TLS.
pub(super) async fn exchange_tls(
    query: &[u8],
    asking: &Asking,
    context: &Context,
    tally: &Tally,
    notes: &mut Exchange,
) -> Result<Answer, Failure> {
    let stream = connect(tally, notes).await?;
    let mut stream = secure(stream, asking, context, &[], tally, notes).await?;
    converse(&mut stream, query, tally, notes).await
}

/// An attempt to connect that counts its SYNs if nothing comes of it, even when it is dropped.
struct Attempt<'a> {
    tally: &'a Tally,
    family: Family,
    started_ns: u64,
    connected: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.connected {
            return;
        }
        let mut waited = monotonic_ns().saturating_sub(self.started_ns);
        let mut repeat = SYN_REPEAT_NS;
        loop {
            // No charge is above the limit; what stands against it is the worst case of the method.
            let bytes = packet_bytes(self.family, TCP_SYN).min(self.tally.room());
            let mut counter = glimpse_net::count::Counter::default();
            counter.sent(bytes);
            self.tally.add(&counter);
            let Some(rest) = waited.checked_sub(repeat) else {
                return;
            };
            (waited, repeat) = (rest, repeat * 2);
        }
    }
}

/// Connects to the server; the time it took is noted.
pub(super) async fn connect(tally: &Tally, notes: &mut Exchange) -> Result<CountedStream, Failure> {
    let server = notes.server;
    let family = Family::from(server.ip());
    if tally.room() < CountedStream::opening_bytes(family) {
        let limit = tally.limit();
        return Err(LimitReached { limit }.into());
    }
    let mut attempt = Attempt {
        tally,
        family,
        started_ns: monotonic_ns(),
        connected: false,
    };
    let stream = TcpStream::connect(server)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                Failure::Refused(format!("{server} refused the connection"))
            }
            _ => Failure::Unreachable(format!("{server}: {error}")),
        })?;
    notes.connect_ns = Some(monotonic_ns().saturating_sub(attempt.started_ns));
    attempt.connected = true;
    if let Err(error) = stream.set_nodelay(true) {
        log::debug!("TCP_NODELAY: {error}");
    }
    Ok(CountedStream::new(stream, tally.clone()))
}

/// Makes the connection one of TLS, by a full handshake; the time it took is noted.
pub(super) async fn secure(
    stream: CountedStream,
    asking: &Asking,
    context: &Context,
    protocols: &[&[u8]],
    tally: &Tally,
    notes: &mut Exchange,
) -> Result<TlsStream<CountedStream>, Failure> {
    let base = (context.tls)().map_err(TlsError::Unavailable)?;
    let mut config = rustls::ClientConfig::clone(&base);
    // The next try must show the whole handshake again.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = certified(asking, notes.server);
    let started_ns = monotonic_ns();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| match limit(&error, tally) {
            Some(reached) => reached,
            None => no_session(asking, notes.server, TlsFault::of(&error)),
        })?;
    notes.tls_ns = Some(monotonic_ns().saturating_sub(started_ns));
    Ok(stream)
}

/// Whom the server's certificate must be of.
fn certified(asking: &Asking, server: SocketAddr) -> ServerName<'static> {
    let name = asking.tls_name.clone();
    name.unwrap_or_else(|| ServerName::IpAddress(server.ip().into()))
}

/// There is no TLS session with the server, for this reason.
pub(super) fn no_session(asking: &Asking, server: SocketAddr, fault: TlsFault) -> Failure {
    let peer = certified(asking, server).to_str().into_owned();
    TlsError::Peer { peer, fault }.into()
}

/// Sends `query` and reads messages until one answers it. How far the message under way has come is noted.
pub(super) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    query: &[u8],
    tally: &Tally,
    notes: &mut Exchange,
) -> Result<Answer, Failure> {
    let server = notes.server;
    let length = u16::try_from(query.len()).unwrap_or(u16::MAX);
    let framed = [&length.to_be_bytes(), query].concat();
    let started_ns = monotonic_ns();
    let sending = async {
        stream.write_all(&framed).await?;
        stream.flush().await
    };
    sending
        .await
        .map_err(|error| broken(&error, server, tally))?;
    let mut come = Vec::new();
    let mut chunk = [0; CHUNK];
    loop {
        let (missing, announced) = match framing::next(&come) {
            Framed::Whole { message, used } => {
                let ended_ns = monotonic_ns();
                if let Some(answer) = judge(query, message) {
                    notes.query_ns = Some(ended_ns.saturating_sub(started_ns));
                    notes.response_bytes = Some(message.len());
                    return Ok(answer);
                }
                notes.mismatched += 1;
                come.drain(..used);
                continue;
            }
            Framed::Partial { missing, announced } => (missing, announced),
        };
        notes.partial = announced.map(|whole| (come.len() - framing::LENGTH, whole));
        let wanted = CHUNK.min(missing);
        match stream.read(&mut chunk[..wanted]).await {
            Ok(read) if read > 0 => come.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(broken(&error, server, tally));
            }
            // By FIN or, of TLS, without its farewell.
            Ok(_) | Err(_) => return Err(Failure::Closed(cut(server, &come, notes.partial))),
        }
    }
}

/// What the end of a connection has left unsaid.
fn cut(server: SocketAddr, come: &[u8], partial: Option<(usize, usize)>) -> String {
    match partial {
        Some((come, whole)) => format!(
            "{server} closed the connection after {come} of the {whole} bytes that it announced"
        ),
        None if come.is_empty() => format!("{server} closed the connection without an answer"),
        None => format!("{server} closed the connection within the length of an answer"),
    }
}

fn broken(error: &io::Error, server: SocketAddr, tally: &Tally) -> Failure {
    if let Some(reached) = limit(error, tally) {
        return reached;
    }
    if error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
    {
        let (peer, fault) = (server.ip().to_string(), TlsFault::of(error));
        return TlsError::Peer { peer, fault }.into();
    }
    Failure::Closed(match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            format!("{server} reset the connection")
        }
        _ => format!("{server}: {error}"),
    })
}

pub(super) fn limit(error: &(dyn std::error::Error + 'static), tally: &Tally) -> Option<Failure> {
    is_limit(error).then(|| {
        LimitReached {
            limit: tally.limit(),
        }
        .into()
    })
}
