//! Connections that others make.

use super::credentials::Credentials;
use super::{CONNECTIONS, Shared, serve};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Until an address that cannot be listened at is tried again: it may come with its interface.
const RETRY: Duration = Duration::from_secs(30);
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
        let hands = Arc::new(Semaphore::new(CONNECTIONS));
        let mut tasks = JoinSet::new();
        loop {
            let Ok(hand) = hands.clone().acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((tcp, peer)) => {
                    while tasks.try_join_next().is_some() {}
                    let (credentials, shared, idle) =
                        (self.credentials.clone(), self.shared.clone(), self.idle);
                    tasks.spawn(async move {
                        if let Some(connection) = shake(tcp, peer, &credentials, &shared).await {
                            drop(hand);
                            serve_one(connection, at, peer, idle, &shared).await;
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

async fn shake(
    tcp: TcpStream,
    peer: SocketAddr,
    credentials: &Credentials,
    shared: &Shared,
) -> Option<serve::Connection> {
    match serve::accept(tcp, peer.to_string(), credentials, shared).await {
        Ok(connection) => Some(connection),
        Err(error) => {
            log::info!(target:% = peer, error = error.as_str(); "restconf: a connection was refused");
            None
        }
    }
}

async fn serve_one(
    connection: serve::Connection,
    at: SocketAddr,
    peer: SocketAddr,
    idle: Duration,
    shared: &Shared,
) {
    let Ok(_place) = shared.connections.clone().try_acquire_owned() else {
        log::warn!(target:% = peer; "restconf: too many connections are open");
        return;
    };
    let _counted = Counted::new(at, shared);
    let (answered, error) = connection.serve(idle, shared).await;
    let error = error.unwrap_or_default();
    log::debug!(target:% = peer, error = error.as_str(); "restconf: a connection ended after {answered} requests");
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
