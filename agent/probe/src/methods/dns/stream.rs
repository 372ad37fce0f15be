//! One try over TCP or TLS: every message has its length before it (RFC 1035 §4.2.2, RFC 7858 §3.3).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use glimpse_net::count::{TCP_SYN, packet_bytes};
use glimpse_net::packet::Family;
use glimpse_net::stamp::monotonic_ns;
use glimpse_net::stream::{CountedStream, LimitReached, Tally, is_limit};
use rustls::client::Resumption;
use rustls::{CertificateError, Error as TlsError};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Failure;
use super::answer::{Answer, judge};
use super::asking::Asking;
use super::lookup::Exchange;
use crate::context::Context;

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
    let base = (context.tls)().map_err(Failure::Tls)?;
    let mut config = rustls::ClientConfig::clone(&base);
    // The next try must show the whole handshake again.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = asking
        .tls_name
        .clone()
        .unwrap_or_else(|| ServerName::IpAddress(notes.server.ip().into()));
    let started_ns = monotonic_ns();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| match limit(&error, tally) {
            Some(reached) => reached,
            None => Failure::Tls(tls_words(&error)),
        })?;
    notes.tls_ns = Some(monotonic_ns().saturating_sub(started_ns));
    Ok(stream)
}

/// Sends `query` and reads messages until one answers it.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
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
    let mut body = Vec::new();
    loop {
        let mut head = [0; 2];
        stream
            .read_exact(&mut head)
            .await
            .map_err(|error| broken(&error, server, tally))?;
        let whole = usize::from(u16::from_be_bytes(head));
        body.clear();
        while body.len() < whole {
            notes.partial = Some((body.len(), whole));
            let mut chunk = [0; CHUNK];
            let wanted = CHUNK.min(whole - body.len());
            match stream.read(&mut chunk[..wanted]).await {
                Ok(0) => {
                    let come = body.len();
                    return Err(Failure::Closed(format!(
                        "{server} closed the connection after {come} of the {whole} bytes that it announced"
                    )));
                }
                Ok(read) => body.extend_from_slice(&chunk[..read]),
                Err(error) => return Err(broken(&error, server, tally)),
            }
        }
        let ended_ns = monotonic_ns();
        notes.partial = None;
        if let Some(answer) = judge(query, &body) {
            notes.query_ns = Some(ended_ns.saturating_sub(started_ns));
            notes.response_bytes = Some(whole);
            return Ok(answer);
        }
        notes.mismatched += 1;
    }
}

fn broken(error: &io::Error, server: SocketAddr, tally: &Tally) -> Failure {
    if let Some(reached) = limit(error, tally) {
        return reached;
    }
    if error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<TlsError>)
    {
        return Failure::Tls(tls_words(error));
    }
    Failure::Closed(match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("{server} closed the connection without an answer"),
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

/// Why there is no TLS, by kind.
fn tls_words(error: &io::Error) -> String {
    let inside = error
        .get_ref()
        .and_then(|inside| inside.downcast_ref::<TlsError>());
    let words = match inside {
        Some(TlsError::InvalidCertificate(error)) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another name"
            }
            CertificateError::UnknownIssuer => "the certificate is of an unknown issuer",
            CertificateError::BadSignature => "the signature of the certificate is wrong",
            CertificateError::Revoked => "the certificate was revoked",
            other => return format!("bad certificate: {other:?}"),
        },
        Some(TlsError::AlertReceived(alert)) => {
            return format!("the server ended it with alert {alert:?}");
        }
        Some(TlsError::InvalidMessage(_)) => "the server does not speak it",
        Some(TlsError::PeerIncompatible(_)) => "no version or cipher in common",
        Some(other) => return other.to_string(),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof => "the server closed the connection during the handshake",
            io::ErrorKind::ConnectionReset => {
                "the server reset the connection during the handshake"
            }
            _ => return error.to_string(),
        },
    };
    words.to_owned()
}
