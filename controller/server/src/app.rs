//! The running controller: everything wired together.
//!
//! ```text
//!  Running ─┬─ agent listener ─▶ enrolment, supervisor, repository
//!           ├─ ALTO listener  ─▶ alto
//!           ├─ admin listener ─▶ admin
//!           ├─ RESTCONF listener ─▶ restconf, for operators          (where configured)
//!           ├─ call home ─▶ connections of agents, what waits for them  (where configured)
//!           ├─ revocations: follows the database, so that the command line revokes a running server's agents
//!           ├─ publication: computes windows that have closed, and shows what other controllers computed
//!           ├─ withheld instructions: given as soon as the limits leave room
//!           └─ server certificate: renewed in time
//! ```

use crate::admin::Metrics;
use crate::caller::{Allowances, Shares};
use crate::callhome::{CallHome, Connections, Times};
use crate::config::Config;
use crate::error::Problem;
use crate::listener::{Gate, Listener};
use crate::pki::{Pki, PkiError, Revocations, Revoked, ServerIdentity};
use crate::repository::Repository;
use crate::supervisor::Seen;
use crate::{admin, admission, alto, clock, enrolment, repository, restconf, supervisor};
use arc_swap::ArcSwapOption;
use axum::Router;
use axum::http::StatusCode;
use bound::Bound;
use certificates::{Certificates, renew};
use glimpse_model::time::Timestamp;
use glimpse_store::{Error as StoreError, Options, Sqlite, Store};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinSet;

mod bound;
mod certificates;
mod publication;
#[cfg(test)]
mod tests;

/// For requests that are being answered when the program is told to stop; the store is closed after it.
const DRAIN: Duration = Duration::from_secs(3);
/// How often withheld instructions are judged again: time makes room, and so does a new configuration.
const WITHHELD_CHECK: Duration = Duration::from_mins(1);
/// After a fault of the database, before it is asked again.
const AFTER_FAULT: Duration = Duration::from_secs(1);

/// A clock: [`Timestamp`]s of now.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Why the controller does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error("{}: {source}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: StoreError,
    },
    /// Keys or certificates.
    #[error("{0}")]
    Pki(#[from] PkiError),
    /// A file of the operator that says where addresses are.
    #[error("{0}")]
    Places(#[from] alto::PlaceError),
    /// An address cannot be listened at.
    #[error("cannot listen at {address} for {listener}: {source}")]
    Bind {
        /// Which listener, as in the configuration.
        listener: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What all services share.
pub struct Shared {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The configuration.
    pub config: Config,
    /// Keys and certificates.
    pub pki: Pki,
    /// What is counted.
    pub metrics: Metrics,
    pub(crate) repository: Repository,
    pub(crate) seen: Seen,
    /// Rung when an agent is forgotten.
    pub(crate) forgotten: Notify,
    pub(crate) polls: Shares,
    pub(crate) allowances: Allowances,
    pub(crate) restconf: restconf::Restconf,
    pub(crate) publication: ArcSwapOption<alto::Published>,
    /// Counts the publications that were put in force, for those who follow them.
    pub(crate) published: watch::Sender<u64>,
    /// One publication is computed at a time.
    publishing: Mutex<()>,
    pub(crate) places: alto::Places,
    supplied: alto::Supplied,
    pub(crate) edge: alto::Edge,
    pub(crate) stop: watch::Receiver<bool>,
    /// Agents that have called home.
    pub connections: Connections,
    own: OnceLock<Vec<admission::Target>>,
    clock: Clock,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// What the services of a controller share; `stop` ends held requests.
    pub fn new(
        store: Arc<dyn Store>,
        config: Config,
        pki: Pki,
        places: alto::Places,
        clock: Clock,
        stop: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            repository: Repository::new(config.uploads.parallel),
            allowances: Allowances::new(config.uploads.daily_bytes),
            restconf: restconf::Restconf::new(clock()),
            edge: alto::Edge::new(&config.alto.limits),
            store,
            config,
            pki,
            metrics: Metrics::default(),
            seen: Seen::default(),
            forgotten: Notify::new(),
            polls: Shares::default(),
            publication: ArcSwapOption::empty(),
            published: watch::Sender::new(0),
            publishing: Mutex::default(),
            supplied: places.prefixes().clone().into(),
            places,
            stop,
            connections: Connections::default(),
            own: OnceLock::new(),
            clock,
        })
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The names and addresses under which agents know this controller; none until it serves.
    pub(crate) fn own(&self) -> &[admission::Target] {
        self.own.get().map_or(&[], Vec::as_slice)
    }

    /// Says under which names and addresses agents know this controller; the first word counts.
    pub(crate) fn is_called(&self, names: &[String]) {
        let targets = names.iter().map(|name| admission::Target::of(name));
        self.own.get_or_init(|| targets.collect());
    }
}

/// Everything that agents call. Requests must carry [`crate::listener::Peer`] as an extension.
pub fn agent_router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(enrolment::routes())
        .merge(supervisor::routes())
        .merge(repository::routes())
        .merge(restconf::routes())
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not take this method",
            )
        })
        .with_state(shared)
}

/// Everything that operators call, and the collector for agents that know no other address.
pub fn restconf_router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(restconf::routes())
        .merge(restconf::agent_routes())
        .fallback(restconf::elsewhere)
        .with_state(shared)
}

/// Everything that ALTO clients call.
pub fn alto_router(shared: Arc<Shared>) -> Router {
    alto::routes(shared)
}

/// Health and metrics.
pub fn admin_router(shared: Arc<Shared>) -> Router {
    admin::routes(shared)
}

/// A controller that serves.
#[derive(Debug)]
pub struct Running {
    /// Where agents call.
    pub agent: SocketAddr,
    /// Where ALTO clients call.
    pub alto: SocketAddr,
    /// Where health and metrics are served.
    pub admin: SocketAddr,
    /// Where operators use RESTCONF, if anywhere.
    pub restconf: Option<SocketAddr>,
    /// Where agents call home, if anywhere.
    pub callhome: Option<SocketAddr>,
    store: Arc<Sqlite>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Starts a controller; it serves when this returns.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let options = Options {
            max_bytes: config.database_max_bytes,
            judge: admission::newcomers(config.limits.clone()),
            ..Options::default()
        };
        let opened = Sqlite::open(&config.database, &options).await;
        let store = Arc::new(opened.map_err(|source| StartError::Store {
            path: config.database.clone(),
            source,
        })?);
        let pki = Pki::load(&config.pki)?;
        let places = alto::Places::open(&config.alto.places)?;
        let identity = ServerIdentity::load(&config.pki)?;
        let (stop, stopped) = watch::channel(false);
        let revocations = Revocations::default();
        let revoked = read_revoked(store.as_ref()).await;
        revocations.replace(revoked.map_err(|source| StartError::Store {
            path: config.database.clone(),
            source,
        })?);
        let certificates = Certificates::new(&pki, identity, revocations.clone(), &config)?;
        let gate = Gate {
            revocations: revocations.clone(),
            now: Arc::new(|| clock::seconds(clock::now())),
            pins: Arc::clone(&certificates.pins),
        };
        let bound = Bound::new(&config, &certificates, &gate).await?;
        let times = Times::new(config.keep_alive);
        let for_calls = Arc::clone(&certificates.for_calls);

        let any_store: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let shared = Shared::new(
            any_store,
            config,
            pki,
            places,
            Arc::new(clock::now),
            stopped.clone(),
        );
        shared.is_called(&certificates.identity.names);
        let mut tasks = JoinSet::new();
        let (agent, alto, admin) = (bound.agent.0, bound.alto.0, bound.admin.0);
        let serve = |listener: Listener, router: Router| listener.serve(router, stopped.clone());
        tasks.spawn(serve(bound.agent.1, agent_router(Arc::clone(&shared))));
        tasks.spawn(serve(bound.alto.1, alto_router(Arc::clone(&shared))));
        tasks.spawn(serve(bound.admin.1, admin_router(Arc::clone(&shared))));
        let restconf = bound.restconf.map(|(address, listener)| {
            tasks.spawn(serve(listener, restconf_router(Arc::clone(&shared))));
            address
        });
        let callhome = bound.callhome.map(|(address, door)| {
            let call_home = CallHome {
                shared: Arc::clone(&shared),
                config: for_calls,
                gate,
                times,
            };
            let each = move |stream, address| call_home.clone().serve(stream, address);
            tasks.spawn(door.open(each, stopped.clone()));
            address
        });
        spawn_until(&mut tasks, &stopped, restconf::deliver(Arc::clone(&shared)));
        spawn_until(
            &mut tasks,
            &stopped,
            restconf::forget_reports(Arc::clone(&shared)),
        );
        spawn_until(
            &mut tasks,
            &stopped,
            supervisor::delete_forgotten(Arc::clone(&shared)),
        );
        spawn_until(
            &mut tasks,
            &stopped,
            follow(Arc::clone(&shared), revocations),
        );
        spawn_until(
            &mut tasks,
            &stopped,
            publication::follow(Arc::clone(&shared)),
        );
        spawn_until(&mut tasks, &stopped, release(Arc::clone(&shared)));
        spawn_until(
            &mut tasks,
            &stopped,
            renew(Arc::clone(&shared), certificates),
        );
        tracing::info!(%agent, %alto, %admin, ?restconf, ?callhome, "listening");
        Ok(Self {
            agent,
            alto,
            admin,
            restconf,
            callhome,
            store,
            stop,
            tasks,
        })
    }

    /// Stops: answers what was asked already for a few seconds, finishes what was handed to the
    /// database, and closes it.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        if let Err(error) = self.store.close().await {
            tracing::warn!(error = %error, "closing the database");
        }
    }
}

fn spawn_until(
    tasks: &mut JoinSet<()>,
    stopped: &watch::Receiver<bool>,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let mut stopped = stopped.clone();
    tasks.spawn(async move {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => {}
            () = work => {}
        }
    });
}

async fn read_revoked(store: &dyn Store) -> Result<Revoked, StoreError> {
    let agents = store.agents().await?;
    Ok(Revoked {
        agents: agents
            .into_iter()
            .filter(|agent| agent.revoked.is_some())
            .map(|agent| agent.id)
            .collect(),
        ..Revoked::default()
    })
}

/// Keeps the revocations in force those of the database, whoever writes them.
async fn follow(shared: Arc<Shared>, revocations: Revocations) {
    let mut revision = 0;
    loop {
        let next = async {
            let now = shared.store.changed(revision).await?;
            Ok::<_, StoreError>((now, read_revoked(shared.store.as_ref()).await?))
        };
        match next.await {
            Ok((now, revoked)) => {
                revision = now;
                revocations.replace(revoked);
            }
            Err(error) => {
                tracing::error!(error = %error, "cannot read revocations");
                tokio::time::sleep(AFTER_FAULT).await;
            }
        }
    }
}

/// Gives agents what was withheld from them as soon as there is room.
async fn release(shared: Arc<Shared>) {
    loop {
        match shared.store.release_withheld(shared.now()).await {
            Ok(0) => {}
            Ok(released) => tracing::info!(released, "withheld instructions are given"),
            Err(error) => tracing::warn!(error = %error, "cannot judge what is withheld"),
        }
        tokio::time::sleep(WITHHELD_CHECK).await;
    }
}
