//! The LMAP door on the wire: RESTCONF over TLS with certificates on both sides.
//!
//! ```text
//!  listener ──┐                                             ┌──▶ daemon: plan, apply, persist
//!             ├─ TLS server ─▶ HTTP/1.1 ─▶ Request ─ Told ──┤
//!  call home ─┘  (client certificate asked for)             └──▶ Response
//! ```
//!
//! Who dials makes no other difference: the agent is the server of TLS and HTTP on the connections it makes too (RFC 8071). The
//! door is open while the household has agreed to measure, has switched it on, and the agent is enrolled.

mod body;
mod call_home;
pub mod credentials;
pub mod doors;
mod listen;
mod patient;
mod places;
mod serve;

use crate::app::identity_store;
use crate::clock;
use crate::identity::Identity;
use crate::local::uci::Settings;
use crate::uplink::http::Traffic;
use credentials::Credentials;
use doors::Doors;
use glimpse_model::time::SECOND;
use glimpse_restconf::{Counters, Request, Response, Stream};
use glimpse_yang::Tree;
use places::{Kept, Place, Places, Users};
use ring::rand::SystemRandom;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// Bytes of a request's body.
pub const BODY_LIMIT: usize = 1 << 20;
/// Connections at a time.
const CONNECTIONS: Kept = Kept {
    all: 8,
    controller: 2,
    members: 2,
};
/// Connections of one user, the controller included: it is not to keep out the household either.
const CONNECTIONS_OF_ONE: usize = 4;
/// Bodies of more than some bytes at a time, from their first byte until what they ask for is done: memory is dear.
const LARGE_BODIES: Kept = Kept {
    all: 3,
    controller: 1,
    members: 1,
};
/// Event streams at a time, and of one user.
const STREAMS: (usize, usize) = (4, 2);
/// How often it is looked whether there is an identity: the agent may be enrolled at any time.
const LOOK: Duration = Duration::from_secs(5);
/// How often it is looked whether it is another one: a certificate is renewed long before its end.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// A notification and its time, in microseconds since 1970.
#[derive(Debug)]
pub struct Noticed {
    /// When.
    pub time: i64,
    /// What, below its notification node.
    pub tree: Tree,
}

/// What the daemon answers.
#[derive(Debug)]
pub enum Reply {
    /// A response.
    Whole(Response),
    /// The head of a response whose body are the notifications to come.
    Events(Box<Stream>, broadcast::Receiver<Arc<Noticed>>),
}

/// A request under way to the daemon.
#[derive(Debug)]
pub struct Exchange {
    /// The request.
    pub request: Request,
    /// From where it came.
    pub peer: String,
    /// On whose behalf, for the log alone.
    pub operator: Option<String>,
    /// What its body holds while it is there, if that is a large one.
    pub(crate) _body: Option<Place>,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Reply>,
}

/// What the daemon is told.
#[derive(Debug)]
pub enum Told {
    /// The door is open: with what the agent shows itself to collectors; `None`: it is shut.
    Open(Option<Arc<Identity>>),
    /// Somebody asks.
    Asked(Box<Exchange>),
    /// Readers of event streams were refused notifications.
    Denied(Counters),
}

/// What the door depends on.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The household's word.
    pub settings: watch::Receiver<Settings>,
    /// What passes within the household: control traffic like any other.
    pub traffic: Arc<Traffic>,
    /// What passes beyond it.
    pub door: Arc<Traffic>,
    /// How the door stands, for whoever asks.
    pub doors: Arc<Doors>,
}

/// What all connections share.
#[derive(Debug, Clone)]
struct Shared {
    told: mpsc::Sender<Told>,
    traffic: Arc<Traffic>,
    door: Arc<Traffic>,
    doors: Arc<Doors>,
    connections: Places,
    of_users: Users,
    large_bodies: Places,
    streams: Users,
}

/// Keeps the door open while it may be. Never returns; dropping it ends all connections.
pub async fn follow(mut sources: Sources, told: mpsc::Sender<Told>) {
    let shared = Shared {
        told,
        traffic: sources.traffic.clone(),
        door: sources.door.clone(),
        doors: sources.doors.clone(),
        connections: Places::new(CONNECTIONS),
        of_users: Users::default(),
        large_bodies: Places::new(LARGE_BODIES),
        streams: Users::default(),
    };
    let mut said = None;
    loop {
        let settings = sources.settings.borrow_and_update().clone();
        let wanted = settings.consent.enabled && settings.restconf.enabled;
        let opened = if wanted { open(&settings) } else { None };
        let Some((identity, credentials)) = opened else {
            if said != Some(false) {
                said = Some(false);
                shared.doors.clear();
                tell(&shared, Told::Open(None)).await;
            }
            tokio::select! {
                () = changed(&mut sources.settings, &settings) => {}
                () = tokio::time::sleep(LOOK), if wanted => {}
            }
            continue;
        };
        said = Some(true);
        let identity = Arc::new(identity);
        tell(&shared, Told::Open(Some(identity.clone()))).await;
        shared.doors.known(credentials.entries());
        let credentials = Arc::new(credentials);
        let mut tasks = JoinSet::new();
        for address in settings.restconf.listen.clone() {
            let listener = listen::Listener {
                address,
                port: settings.restconf.port,
                idle: Duration::from_secs(settings.restconf.idle_timeout_s.into()),
                credentials: credentials.clone(),
                shared: shared.clone(),
            };
            tasks.spawn(listener.run());
        }
        if !settings.restconf.call_home.is_empty() {
            let caller = call_home::Caller::new(&settings, credentials, shared.clone());
            tasks.spawn(caller.run());
        }
        tokio::select! {
            () = changed(&mut sources.settings, &settings) => {}
            () = replaced(&settings, &identity) => {}
        }
        drop(tasks);
        shared.doors.clear();
    }
}

async fn tell(shared: &Shared, told: Told) {
    // The daemon is gone only when the agent stops.
    let _ = shared.told.send(told).await;
}

/// Waits until the settings differ from `old` in what concerns the door.
async fn changed(settings: &mut watch::Receiver<Settings>, old: &Settings) {
    let differs = |new: &Settings| {
        (&new.controller, &new.consent, &new.restconf)
            != (&old.controller, &old.consent, &old.restconf)
    };
    if settings.wait_for(differs).await.is_err() {
        // Nobody can change them any more: the agent is stopping.
        std::future::pending::<()>().await;
    }
}

/// Waits until the identity on the device is another one.
async fn replaced(settings: &Settings, old: &Identity) {
    let store = identity_store(settings);
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        match store.load(&SystemRandom::new()) {
            Ok(now) if now.chain == old.chain && now.controller == old.controller => {}
            _ => return,
        }
    }
}

fn open(settings: &Settings) -> Option<(Identity, Credentials)> {
    let made = || -> Result<_, anyhow::Error> {
        let identity = identity_store(settings).load(&SystemRandom::new())?;
        let now = clock::now().as_micros() / SECOND;
        let credentials = Credentials::new(&identity, &settings.restconf.clients, now)?;
        Ok((identity, credentials))
    };
    match made() {
        Ok(made) => Some(made),
        Err(error) => {
            log::debug!("restconf waits: {}", crate::logger::chain(&error));
            None
        }
    }
}
