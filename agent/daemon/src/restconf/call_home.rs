//! Call home (RFC 8071): the agent dials, and is the server on the connection.

use super::credentials::Credentials;
use super::{Shared, serve};
use crate::clock;
use crate::local::uci::Settings;
use crate::local::uci::restconf::{Connection, Remote, Restconf, StartWith};
use crate::random;
use crate::uplink::backoff::Backoff;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection that stood for less than this, or on which nothing was asked, was none: the next waits longer.
const SETTLED: Duration = Duration::from_secs(10);
/// Pause between two attempts at one endpoint.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest wait before dialling again after a good connection, drawn anew each time: a controller that restarts is met by
/// its fleet one by one.
const AGAIN_MS: u32 = 3000;

/// Calls one controller at its endpoints.
#[derive(Debug)]
pub(super) struct Caller {
    settings: Restconf,
    credentials: Arc<Credentials>,
    shared: Shared,
    /// The endpoint that was connected last.
    last: Option<usize>,
}

impl Caller {
    pub(super) fn new(settings: &Settings, credentials: Arc<Credentials>, shared: Shared) -> Self {
        for remote in &settings.restconf.call_home {
            shared.doors.called(remote, |_| {});
        }
        Self {
            settings: settings.restconf.clone(),
            credentials,
            shared,
            last: None,
        }
    }

    /// Calls for ever; dropping it ends the connection.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let began = clock::steady();
            let wait = if self.round(&mut backoff).await {
                match self.settings.connection {
                    Connection::Persistent => {
                        Duration::from_millis(u64::from(random::number() % AGAIN_MS))
                    }
                    Connection::Periodic { minutes } => {
                        Duration::from_secs(u64::from(minutes) * 60).saturating_sub(began.elapsed())
                    }
                }
            } else {
                let wait = backoff.failed(random::number(), None);
                let next = clock::now().plus_micros(i64::try_from(wait.as_micros()).unwrap_or(0));
                for remote in &self.settings.call_home {
                    self.shared
                        .doors
                        .called(remote, |called| called.contact.next_attempt = Some(next));
                }
                wait
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Tries the endpoints until one is connected, and serves it. Whether it was a good connection.
    async fn round(&mut self, backoff: &mut Backoff) -> bool {
        let count = self.settings.call_home.len();
        let first = match self.settings.start_with {
            StartWith::FirstListed => 0,
            StartWith::LastConnected => self.last.unwrap_or(0),
            StartWith::RandomSelection => random::number() as usize % count.max(1),
        };
        for at in (0..count).map(|offset| (first + offset) % count) {
            let remote = self.settings.call_home[at].clone();
            for attempt in 0..self.settings.max_attempts {
                if attempt > 0 {
                    tokio::time::sleep(PAUSE).await;
                }
                match self.connect(&remote).await {
                    Ok(connection) => {
                        self.last = Some(at);
                        return self.serve(&remote, connection, backoff).await;
                    }
                    Err(error) => self.note(&remote, &error),
                }
            }
        }
        false
    }

    /// Notes what went wrong; what is new goes to the log as well.
    fn note(&self, remote: &Remote, error: &str) {
        let mut new = false;
        self.shared.doors.called(remote, |called| {
            new = called.contact.error.as_deref() != Some(error);
            called.since = None;
            called.contact.failed(clock::now(), 0, error);
            called.contact.next_attempt = None;
        });
        let level = if new {
            log::Level::Warn
        } else {
            log::Level::Debug
        };
        log::log!(level, target:% = remote.address, error = error; "call home failed");
    }

    async fn connect(&self, remote: &Remote) -> Result<serve::Connection, String> {
        let patience = Duration::from_secs(self.settings.max_wait_s.into());
        let tcp = timeout(patience, dial(remote))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| format!("no connection: {error}"))?;
        let peer = format!("{}:{}", remote.address, remote.port);
        serve::accept(tcp, peer, &self.credentials, &self.shared).await
    }

    async fn serve(
        &self,
        remote: &Remote,
        connection: serve::Connection,
        backoff: &mut Backoff,
    ) -> bool {
        let began = clock::steady();
        let user = connection.user.name.clone();
        log::info!(target:% = remote.address; "call home: {user} is connected");
        self.shared.doors.called(remote, |called| {
            called.since = Some(clock::now());
            called.user = Some(user);
            called.contact.succeeded(clock::now());
        });
        let idle = Duration::from_secs(self.settings.idle_timeout_s.into());
        let (answered, error) = connection.serve(idle, &self.shared).await;
        let periodic = matches!(self.settings.connection, Connection::Periodic { .. });
        let good = answered > 0 && (periodic || began.elapsed() >= SETTLED);
        if good {
            backoff.reset();
        }
        let error = error.unwrap_or_default();
        log::info!(target:% = remote.address, error = error.as_str(); "call home: the connection ended after {answered} requests");
        self.shared.doors.called(remote, |called| {
            called.since = None;
            if answered > 0 {
                called.contact.succeeded(clock::now());
            } else {
                called.contact.failed(clock::now(), 0, "nothing was asked");
                called.contact.next_attempt = None;
            }
        });
        good
    }
}

/// Tries the addresses of the endpoint one after the other.
async fn dial(remote: &Remote) -> io::Result<TcpStream> {
    let addresses = tokio::net::lookup_host((remote.address.as_str(), remote.port)).await?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(last)
}
