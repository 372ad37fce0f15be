//! The driver: every question in turn, every question as often as it takes.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use glimpse_net::packet::Family;
use glimpse_net::socket::{ProbeSocket, stamping_begins};
use glimpse_net::stamp::Clocking;
use glimpse_net::stream::Tally;
use hickory_proto::rr::Name;

use super::answer::Answer;
use super::options::{Asking, Transport};
use super::server::SystemServers;
use super::{Failure, datagram, query, stream};
use crate::context::{Context, Meter};
use crate::methods::tls::TlsFault;

/// Where the system says which servers it asks.
pub(crate) const SYSTEM_FILE: &str = "/etc/resolv.conf";

/// What is asked, of whom.
#[derive(Clone, Debug)]
pub(crate) struct Plan<'a> {
    /// The name.
    pub(crate) name: Name,
    /// The types, each asked by itself.
    pub(crate) kinds: &'a [u16],
    /// The options.
    pub(crate) asking: &'a Asking,
    /// The servers: a try that fails is followed by one at the next of them.
    pub(crate) servers: Vec<SocketAddr>,
    /// Bytes at IP level after which nothing more is sent.
    pub(crate) limit: u64,
}

/// One try and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) kind: u16,
    /// 1 for the first try of a question.
    pub(crate) attempt: u32,
    /// Whether it repeats a question whose answer by UDP was truncated.
    pub(crate) after_truncation: bool,
    pub(crate) server: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) connect_ns: Option<u64>,
    pub(crate) tls_ns: Option<u64>,
    /// From the query's leaving to its answer.
    pub(crate) query_ns: Option<u64>,
    pub(crate) clocking: Clocking,
    pub(crate) request_bytes: usize,
    pub(crate) response_bytes: Option<usize>,
    /// Messages and errors that were no answer to this query.
    pub(crate) mismatched: u32,
    /// Bytes that had come, and were announced, of the message being read.
    pub(crate) partial: Option<(usize, usize)>,
    pub(crate) result: Result<Answer, Failure>,
}

/// Shows what a run has used, at the latest when it is dropped.
struct Shown<'a> {
    tally: &'a Tally,
    meter: &'a Meter,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.meter.show(&self.tally.read());
    }
}

/// Asks every question until it is answered or its tries are used up.
pub(crate) async fn look_up(plan: &Plan<'_>, context: &Context) -> Vec<Exchange> {
    let asking = plan.asking;
    let tally = Tally::limited(plan.limit.min(context.byte_limit));
    let shown = Shown {
        tally: &tally,
        meter: &context.meter,
    };
    let mut random = fastrand::Rng::with_seed(context.seed);
    // Stamping stays switched on only as long as some socket asks for it.
    let _stamping = match asking.transport {
        Transport::Udp => stamping(&plan.servers).await,
        _ => None,
    };
    let mut exchanges = Vec::new();
    for &kind in plan.kinds {
        for (attempt, server) in (1..=1 + asking.retries).zip(plan.servers.iter().cycle()) {
            let blank = blank(kind, attempt, *server, asking.transport);
            let exchange = once(plan, blank, random.u16(..), context, &tally).await;
            context.meter.show(&tally.read());
            let (answered, truncated, hopeless) = match &exchange.result {
                Ok(answer) => (true, answer.flags.tc, false),
                Err(failure) => (false, false, !failure.is_worth_a_retry()),
            };
            let limited = matches!(exchange.result, Err(Failure::Limit(_)));
            exchanges.push(exchange);
            if limited {
                return exchanges;
            }
            if truncated && asking.transport == Transport::Udp && asking.tcp_retry {
                let mut blank = blank_tcp(kind, attempt, *server);
                blank.after_truncation = true;
                exchanges.push(once(plan, blank, random.u16(..), context, &tally).await);
                context.meter.show(&tally.read());
            }
            if answered || hopeless {
                break;
            }
        }
    }
    drop(shown);
    exchanges
}

/// Has the kernel stamp packets before the first one leaves.
async fn stamping(servers: &[SocketAddr]) -> Option<ProbeSocket> {
    let family = Family::from(servers.first()?.ip());
    let socket = ProbeSocket::udp_unconnected(family, 0, datagram::TTL).ok()?;
    if socket.is_stamping() {
        stamping_begins().await;
    }
    Some(socket)
}

fn blank_tcp(kind: u16, attempt: u32, server: SocketAddr) -> Exchange {
    blank(kind, attempt, server, Transport::Tcp)
}

fn blank(kind: u16, attempt: u32, server: SocketAddr, transport: Transport) -> Exchange {
    Exchange {
        kind,
        attempt,
        after_truncation: false,
        server,
        transport,
        connect_ns: None,
        tls_ns: None,
        query_ns: None,
        clocking: Clocking::Monotonic,
        request_bytes: 0,
        response_bytes: None,
        mismatched: 0,
        partial: None,
        result: Err(Failure::Silent { server, wait_ms: 0 }),
    }
}

/// One try, within its time-out.
async fn once(
    plan: &Plan<'_>,
    mut exchange: Exchange,
    id: u16,
    context: &Context,
    tally: &Tally,
) -> Exchange {
    let asking = plan.asking;
    // Caches of HTTP want equal queries to be equal (RFC 8484 §4.1).
    #[cfg(feature = "doh")]
    let id = if exchange.transport == Transport::Https {
        0
    } else {
        id
    };
    let query = match query::build(id, &plan.name, exchange.kind, asking.wishes) {
        Ok(query) => query,
        Err(error) => {
            exchange.result = Err(Failure::Unreachable(format!(
                "no query could be made: {error}"
            )));
            return exchange;
        }
    };
    exchange.request_bytes = query.len();
    let wait_ms = asking.timeout_ms;
    let notes = &mut exchange;
    let trying = async {
        match notes.transport {
            Transport::Udp => {
                let offered = asking.wishes.edns_bytes.unwrap_or_default();
                datagram::exchange(&query, offered, tally, notes).await
            }
            Transport::Tcp => stream::exchange(&query, tally, notes).await,
            Transport::Tls => stream::exchange_tls(&query, asking, context, tally, notes).await,
            #[cfg(feature = "doh")]
            Transport::Https => super::https::exchange(&query, asking, context, tally, notes).await,
        }
    };
    let tried = tokio::time::timeout(Duration::from_millis(u64::from(wait_ms)), trying).await;
    exchange.result = tried.unwrap_or_else(|_| Err(overdue(&exchange, asking)));
    exchange
}

/// What a try whose time is up was waiting for.
fn overdue(exchange: &Exchange, asking: &Asking) -> Failure {
    let (server, wait_ms) = (exchange.server, asking.timeout_ms);
    let in_handshake = exchange.connect_ns.is_some() && exchange.tls_ns.is_none();
    match (exchange.transport, exchange.partial) {
        (_, Some((come, whole))) => Failure::Closed(format!(
            "no whole answer from {server} within {wait_ms} ms: {come} of {whole} bytes had come"
        )),
        (Transport::Udp | Transport::Tcp, None) => Failure::Silent { server, wait_ms },
        (_, None) if in_handshake => {
            stream::no_session(asking, server, TlsFault::Slow(wait_ms.into()))
        }
        (_, None) => Failure::Silent { server, wait_ms },
    }
}

/// The servers that a run may ask, about a name that is `local` or not by [`SystemServers::is_local`].
///
/// Every address is judged by the context. The servers of the system are asked whatever the judgement (they are few and
/// the household's every program asks them, so that to a measurement from outside they are no new target), but only
/// in a way that tells nothing of the home: with recursion, since a query without it reads the cache and so the
/// household's habits, and not for local names.
pub(crate) fn servers(
    asking: &Asking,
    system_file: &Path,
    is_local: impl Fn(&SystemServers) -> bool,
    context: &Context,
) -> Result<Vec<SocketAddr>, String> {
    if let Some(server) = asking.server {
        return match (context.admit)(server.ip()) {
            Ok(()) => Ok(vec![server]),
            Err(reason) => Err(format!("{}: {reason}", server.ip())),
        };
    }
    let path = system_file.display();
    let system = SystemServers::read(system_file)
        .map_err(|error| format!("{path}: {error}: name a dns_server"))?;
    if system.servers.is_empty() {
        return Err(format!("{path} names no server: name a dns_server"));
    }
    let excepted = asking.wishes.recursion && !is_local(&system);
    let mut refused = String::new();
    let mut admitted = Vec::new();
    for address in &system.servers {
        match (context.admit)(*address) {
            Ok(()) => {}
            Err(_) if excepted => {}
            Err(reason) => {
                refused = format!(
                    "{address}: {reason}: the system's server may only be asked with recursion, for names that are \
                     not of this network; name a dns_server"
                );
                continue;
            }
        }
        admitted.push(SocketAddr::new(*address, asking.transport.port()));
    }
    if admitted.is_empty() {
        Err(refused)
    } else {
        Ok(admitted)
    }
}

#[cfg(test)]
mod tests;
