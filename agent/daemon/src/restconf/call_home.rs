//! Call home (RFC 8071): the agent dials, and is the server on the connection.

use super::credentials::Credentials;
use super::{Shared, serve};
use crate::clock;
use crate::local::uci::Settings;
use crate::local::uci::restconf::{Connection, Remote, Restconf, StartWith};
use crate::random;
use crate::uplink::backoff::{self, Backoff};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Pause between two attempts at one endpoint.
const PAUSE: Duration = Duration::from_secs(1);
/// The shortest and the longest wait before dialling again after a connection on which something was asked, drawn anew each time: a
/// controller that restarts is met by its fleet one by one, and one that closes at once is not called without end.
const AGAIN_MS: (u32, u32) = (1000, 3000);
/// The shortest wait when the bytes that the household gives for this in a month are used up: a handshake takes some too.
const SPENT: Duration = Duration::from_mins(15);

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
        let mut waits = Waits::new(self.settings.connection);
        tokio::time::sleep(waits.first(random::number())).await;
        loop {
            let began = clock::steady();
            let good = self.round().await;
            let spent = self.shared.doors.is_spent();
            let wait = waits.after(good, spent, began.elapsed(), random::number());
            if !good {
                let next = clock::now().plus_micros(i64::try_from(wait.as_micros()).unwrap_or(0));
                for remote in &self.settings.call_home {
                    self.shared
                        .doors
                        .called(remote, |called| called.contact.next_attempt = Some(next));
                }
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Tries the endpoints until one is connected, and serves it. Whether it was a good connection: one on which something was
    /// asked, however short.
    async fn round(&mut self) -> bool {
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
                        return self.serve(&remote, connection).await;
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
        let way = serve::Way {
            peer: format!("{}:{}", remote.address, remote.port),
            // Whoever is called is no part of the household, wherever the address is.
            far: true,
            hello: serve::HANDSHAKE,
        };
        serve::accept(tcp, way, &self.credentials, &self.shared).await
    }

    async fn serve(&self, remote: &Remote, connection: serve::Connection) -> bool {
        let user = connection.user.name.clone();
        log::info!(target:% = remote.address; "call home: {user} is connected");
        self.shared.doors.called(remote, |called| {
            called.since = Some(clock::now());
            called.user = Some(user);
            called.contact.succeeded(clock::now());
        });
        let idle = Duration::from_secs(self.settings.idle_timeout_s.into());
        let (answered, error) = connection.serve(idle, &self.shared).await;
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
        answered > 0
    }
}

/// How long to wait before each round.
#[derive(Debug)]
struct Waits {
    connection: Connection,
    backoff: Backoff,
}

impl Waits {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            backoff: Backoff::default(),
        }
    }

    /// Before the first: anywhere in the period. Agents that get power together do not call together.
    fn first(&self, random: u32) -> Duration {
        match self.connection {
            Connection::Persistent => Duration::ZERO,
            Connection::Periodic { minutes } => backoff::share(period(minutes), random),
        }
    }

    /// After a round that took `took`; `spent`: the bytes of the month are.
    fn after(&mut self, good: bool, spent: bool, took: Duration, random: u32) -> Duration {
        let least = if spent { SPENT } else { Duration::ZERO };
        if !good {
            return self.backoff.failed(random, None).max(least);
        }
        self.backoff.reset();
        let wait = match self.connection {
            Connection::Persistent => {
                let (least, most) = AGAIN_MS;
                Duration::from_millis((least + random % (most - least)).into())
            }
            Connection::Periodic { minutes } => period(minutes).saturating_sub(took),
        };
        wait.max(least)
    }
}

fn period(minutes: u16) -> Duration {
    Duration::from_secs(u64::from(minutes) * 60)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// When rounds begin while the controller takes no call for so many seconds.
    fn dials(mut random: impl FnMut() -> u32, seconds: u64) -> Vec<Duration> {
        let mut waits = Waits::new(Connection::Persistent);
        let mut now = waits.first(random());
        let mut dials = Vec::new();
        while now < Duration::from_secs(seconds) {
            dials.push(now);
            now += waits.after(false, false, Duration::ZERO, random());
        }
        dials
    }

    #[test]
    fn lmap_check_76_an_hour_away_is_fewer_and_fewer_calls_at_times_of_each_agents_own() {
        let seeded = |seed: u32| {
            let mut state = seed;
            move || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state
            }
        };
        let (one, other) = (dials(seeded(1), 3600), dials(seeded(2), 3600));
        for dials in [&one, &other] {
            let waits = dials.windows(2);
            let waits = waits.map(|pair| pair[1].saturating_sub(pair[0]));
            for (number, wait) in waits.enumerate() {
                let bound = Duration::from_secs(1 << number.min(20)).min(Duration::from_mins(10));
                assert!(wait >= bound / 2 && wait <= bound, "{number}: {wait:?}");
            }
            assert!((12..=24).contains(&dials.len()), "{}", dials.len());
        }
        let together = one.iter().skip(1).filter(|at| other.contains(at));
        assert_eq!(together.count(), 0);
        let mut waits = Waits::new(Connection::Persistent);
        let mut random = seeded(3);
        while waits.after(false, false, Duration::ZERO, random()) < Duration::from_mins(5) {}
        let back = waits.after(true, false, Duration::from_secs(1), random());
        assert!(back >= Duration::from_secs(1) && back < Duration::from_secs(3));
        let lost = waits.after(false, false, Duration::ZERO, random());
        assert!(lost <= Duration::from_secs(1), "from the beginning");
    }

    #[test]
    fn agents_that_call_once_in_a_while_do_not_call_together() {
        let waits = Waits::new(Connection::Periodic { minutes: 60 });
        assert_eq!(waits.first(0), Duration::ZERO);
        assert_eq!(waits.first(1 << 31), Duration::from_mins(30));
        assert!(waits.first(u32::MAX) < Duration::from_hours(1));
        let mut waits = waits;
        let next = waits.after(true, false, Duration::from_secs(100), 7);
        assert_eq!(next, Duration::from_secs(3500));
        assert_eq!(
            Waits::new(Connection::Persistent).first(u32::MAX),
            Duration::ZERO
        );
    }

    #[test]
    fn a_controller_that_hangs_up_does_not_use_up_more_than_the_household_gives() {
        for connection in [Connection::Persistent, Connection::Periodic { minutes: 1 }] {
            let mut waits = Waits::new(connection);
            for good in [true, false] {
                let wait = waits.after(good, true, Duration::from_secs(1), 7);
                assert!(wait >= Duration::from_mins(15), "{wait:?}");
            }
        }
    }
}
