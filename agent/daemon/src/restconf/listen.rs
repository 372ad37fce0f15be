//! Connections that others make.

use super::credentials::Credentials;
use super::places::{Hands, Shaking};
use super::{CONNECTIONS, CONNECTIONS_OF_ONE, Shared, serve};
use crate::clock;
use glimpse_net::target::classify;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Until an address that cannot be listened at is tried again: it may come with its interface.
const RETRY: Duration = Duration::from_secs(30);
/// Connections that shake hands at a time, and those of one peer.
const HANDS: (usize, usize) = (8, 4);
/// Time until a client has said the first word.
const HELLO: Duration = Duration::from_secs(3);
/// How often it is told that connections were refused: whoever knocks does not fill the log.
const SUMMARY: Duration = Duration::from_mins(1);
/// Pause after the system has no connection to give.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener and what it needs.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) idle: Duration,
    pub(super) credentials: Arc<Credentials>,
    pub(super) shared: Shared,
}

impl Listener {
    /// Listens for ever; dropping it ends its connections.
    pub(super) async fn run(self) {
        let at = SocketAddr::new(self.address, self.port);
        let mut said = false;
        let listener = loop {
            match TcpListener::bind(at).await {
                Ok(listener) => break listener,
                Err(error) if !said => {
                    log::warn!("restconf cannot listen at {at}: {error}");
                    said = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(RETRY).await;
        };
        log::info!("restconf listens at {at}");
        self.shared.doors.listens(at);
        // Who shakes hands has no place yet: strangers cannot take those of clients.
        let hands = Hands::new(HANDS.0, HANDS.1);
        let refused = Arc::new(Refused::default());
        let mut tasks = JoinSet::new();
        loop {
            match listener.accept().await {
                Ok((tcp, peer)) => {
                    while tasks.try_join_next().is_some() {}
                    let shaking = hands.begin(peer.ip());
                    let (credentials, shared, idle) =
                        (self.credentials.clone(), self.shared.clone(), self.idle);
                    let refused = refused.clone();
                    tasks.spawn(async move {
                        let served = match shake(tcp, peer, shaking, &credentials, &shared).await {
                            Ok(connection) => serve_one(connection, at, peer, idle, &shared).await,
                            Err(error) => Err(error),
                        };
                        if let Err(error) = served {
                            refused.note(peer, &error, clock::steady());
                        }
                    });
                }
                Err(error) => {
                    log::warn!("restconf: no connection: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Connections that were refused since it was last said.
#[derive(Debug, Default)]
struct Refused(Mutex<(Option<Instant>, u32)>);

impl Refused {
    fn note(&self, peer: SocketAddr, error: &str, now: Instant) -> bool {
        log::debug!(target:% = peer, error = error; "restconf: a connection was refused");
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1 = kept.1.saturating_add(1);
        let silent = kept
            .0
            .is_some_and(|last| now.saturating_duration_since(last) < SUMMARY);
        if !silent {
            let count = kept.1;
            log::info!(target:% = peer, error = error; "restconf: connections were refused: {count}, the last for this reason");
            *kept = (Some(now), 0);
        }
        !silent
    }
}

async fn shake(
    tcp: TcpStream,
    peer: SocketAddr,
    mut shaking: Shaking,
    credentials: &Credentials,
    shared: &Shared,
) -> Result<serve::Connection, String> {
    let way = serve::Way {
        peer: peer.to_string(),
        far: !classify(peer.ip()).is_local(),
        hello: HELLO,
    };
    tokio::select! {
        accepted = serve::accept(tcp, way, credentials, shared) => accepted,
        _ = &mut shaking.pushed_out => Err("others came while it shook hands".to_owned()),
    }
}

async fn serve_one(
    connection: serve::Connection,
    at: SocketAddr,
    peer: SocketAddr,
    idle: Duration,
    shared: &Shared,
) -> Result<(), String> {
    let user = &connection.user;
    let too_many = || "too many connections are open".to_owned();
    let own = shared
        .of_users
        .try_take(&user.name, CONNECTIONS_OF_ONE, CONNECTIONS.all);
    let _own = own.ok_or_else(too_many)?;
    let _place = shared.connections.try_take(user).ok_or_else(too_many)?;
    let _counted = Counted::new(at, shared);
    let (answered, error) = connection.serve(idle, shared).await;
    let error = error.unwrap_or_default();
    log::debug!(target:% = peer, error = error.as_str(); "restconf: a connection ended after {answered} requests");
    Ok(())
}

/// A connection that counts while it lives.
struct Counted<'a>(SocketAddr, &'a Shared);

impl<'a> Counted<'a> {
    fn new(at: SocketAddr, shared: &'a Shared) -> Self {
        shared.doors.count(at, true);
        Self(at, shared)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.1.doors.count(self.0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knocks_does_not_fill_the_log() {
        let refused = Refused::default();
        let peer = SocketAddr::from(([192, 0, 2, 1], 1));
        let begin = clock::steady();
        let told = (0..1000).filter(|second| {
            refused.note(
                peer,
                "no trusted connection",
                begin + Duration::from_millis(second * 180),
            )
        });
        assert_eq!(told.count(), 3, "in three minutes");
    }
}
