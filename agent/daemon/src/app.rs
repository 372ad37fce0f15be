//! The daemon put together.

use crate::clock;
use crate::daemon::{self, Daemon, Ending, Inboxes, Links, Membership, Parts, Surroundings};
use crate::executor::Executor;
use crate::identity::{Identity, IdentityError, Store};
use crate::local::erase;
use crate::local::history::{self, History};
use crate::local::service::Service;
use crate::local::socket;
use crate::local::ubus;
use crate::local::uci::{self, Settings};
use crate::logger;
use crate::plugins;
use crate::random;
use crate::responder::{self, SessionFiles};
use crate::spool::Spool;
use crate::spooler::Spooler;
use crate::tls;
use crate::uplink::Contact;
use crate::uplink::backoff::Backoff;
use crate::uplink::enrol;
use crate::uplink::forget;
use crate::uplink::http::{Client, Traffic};
use crate::uplink::repository::{Repository, Route, Upload};
use crate::uplink::supervisor::{Heard, Supervisor};
use anyhow::{Context as _, Result};
use glimpse_model::capability::Capabilities;
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_probe::registry::Registry;
use hyper::body::Bytes;
use nix::sys::stat::Mode;
use ring::rand::SystemRandom;
use rustls::ClientConfig;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// Messages that may wait in a channel to the daemon.
const WAITING: usize = 32;

/// Where the agent's identity is kept.
pub fn identity_store(settings: &Settings) -> Store {
    Store::new(settings.controller.state_dir.join("identity"))
}

/// Where the settings are unless the command line names another file.
pub const SETTINGS: &str = "/etc/config/glimpse";

/// Reads the settings and logs what has no effect. Where nobody named a file and there is none, the
/// defaults hold.
///
/// # Errors
/// Section, option and value at fault.
pub fn settings(config: &Path) -> Result<Settings> {
    let (settings, warnings) = match uci::load(config) {
        Err(uci::Error::Read { source, .. })
            if source.kind() == io::ErrorKind::NotFound && config == Path::new(SETTINGS) =>
        {
            (Settings::default(), Vec::new())
        }
        read => read?,
    };
    logger::start(settings.log.level);
    for warning in warnings {
        log::warn!("{}: {warning}", config.display());
    }
    Ok(settings)
}

/// Reads the settings for the daemon. Of a file with a fault in it, what says where things are, and the fault: nothing is
/// measured for others then, but the household sees what is wrong, on its page too, and the daemon is not started again and
/// again in vain.
///
/// # Errors
/// The file cannot be read.
fn settings_or_places(config: &Path) -> Result<(Settings, Option<String>)> {
    let error = match settings(config) {
        Ok(settings) => return Ok((settings, None)),
        Err(error) => error,
    };
    match error.downcast_ref() {
        None | Some(uci::Error::Read { .. }) => Err(error),
        Some(_) => {
            let places = uci::load_places(config)?;
            logger::start(places.log.level);
            let said = logger::chain(&error);
            log::error!(
                "{}: {said}; until this is mended nothing is measured for others",
                config.display()
            );
            Ok((places, Some(said)))
        }
    }
}

/// How the daemon ended.
#[derive(Debug)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// The household erases the agent: [`erase`] is to be called with these settings, and then [`run`] again.
    Erases(Box<Settings>),
}

/// Carries out an erasure, with nothing of the daemon left.
///
/// # Errors
/// What cannot be deleted; the next start tries again.
pub fn erase(settings: &Settings) -> Result<()> {
    erase::carry_out(settings, daemon::run_dir(settings))
        .context("cannot erase everything yet; it is tried again at the next start")
}

/// Runs the daemon until it is told to stop, or to erase everything.
pub async fn run(config: PathBuf) -> Result<Ended> {
    let (settings, fault) = settings_or_places(&config)?;
    if erase::is_marked(&settings.controller.state_dir) {
        erase(&settings)?;
    }
    // Group members may reach the control socket; what is secret has a mode of its own.
    nix::sys::stat::umask(Mode::from_bits_truncate(0o027));
    log::info!("{} starts", crate::VERSION);
    if let Some(mark) = settings.local.clock_mark.clone() {
        let wait = Duration::from_secs(settings.local.clock_wait_s.into());
        if clock::is_unset(&mark) {
            tokio::spawn(clock::wait_for(mark, wait));
        }
    }
    let run_dir = daemon::run_dir(&settings).to_owned();
    for dir in [&settings.controller.state_dir, &run_dir] {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(dir)
            .with_context(|| format!("cannot make {}", dir.display()))?;
    }
    let listener = socket::listen(&settings.local.socket)
        .with_context(|| format!("cannot open {}", settings.local.socket.display()))?;
    let spool = Spool::open(
        &settings.storage.spool_dir,
        daemon::spool_options(&settings),
    )?;
    let recovery = spool.recovery();
    if recovery.entries > 0 || recovery.torn_bytes > 0 {
        log::info!(
            "{} records wait from before, {} bytes of an unfinished one were cut off",
            recovery.entries,
            recovery.torn_bytes
        );
    }

    let (written_tx, written) = mpsc::unbounded_channel();
    let spooler = Spooler::start(spool, written_tx).context("cannot start the spool's thread")?;
    let (runs_tx, runs) = mpsc::channel(WAITING);
    let executor = Executor::new(settings.limits.parallel.into(), runs_tx);
    let (heard_tx, heard) = mpsc::channel(WAITING);
    let (uploads_tx, uploads) = mpsc::channel(WAITING);
    let (service, asked) = Service::new();
    let (membership_tx, membership) = watch::channel(Membership::default());
    let (settings_tx, reloads) = watch::channel(settings.clone());
    let (stop_tx, stop) = oneshot::channel();
    let (upload_tx, upload) = watch::channel(Upload::default());
    let traffic = Arc::new(Traffic::default());
    let (peer_key_tx, peer_key) = watch::channel(None);
    let (told_tx, told) = mpsc::channel(WAITING);
    let (methods_tx, methods) = watch::channel(Arc::new(plugins::registry(&settings).await));

    let (fault_tx, settings_error) = watch::channel(fault);
    let bus = ubus::start(&settings.local.ubus, service.clone());
    let links = Links::open(reloads.clone(), traffic.clone());
    let daemon = Daemon::new(Parts {
        links,
        surroundings: Surroundings::new(Path::new("/"), &settings.controller.state_dir)
            .knowing(bus.facts.clone()),
        history: open_history(&settings),
        tell: service.teller(),
        bus: Some(bus.bus),
        settings_error,
        registry: methods.clone(),
        spooler: spooler.clone(),
        traffic: traffic.clone(),
        peer_key: peer_key_tx,
        settings: settings.clone(),
        upload: upload_tx,
        executor,
    })
    .await;

    tokio::spawn(socket::serve(listener, service));
    tokio::spawn(signals(config, settings_tx, fault_tx, stop_tx));
    let sources = responder::Sources {
        settings: reloads.clone(),
        membership: membership.clone(),
        key: peer_key,
        memory: SessionFiles::new(&settings.controller.state_dir, &run_dir).memory(),
    };
    tokio::spawn(responder::follow(sources, told_tx));
    tokio::spawn(plugins::follow(reloads.clone(), methods_tx));
    let uplink = Uplink {
        membership: membership_tx,
        heard: heard_tx,
        uploads: uploads_tx,
        settings: reloads.clone(),
        registry: methods,
        spooler,
        upload,
        traffic,
    };
    tokio::spawn(uplink.run());
    let latest = reloads.clone();
    let state_dir = settings.controller.state_dir.clone();
    tokio::spawn(async move { forget::follow(&state_dir).await });
    let inboxes = Inboxes {
        settings: reloads,
        heard,
        uploads,
        runs,
        written,
        asked,
        membership,
        told,
        stop,
    };
    let ending = Box::pin(daemon.run(inboxes))
        .await
        .context("the timer failed")?;
    Ok(match ending {
        Ending::Stop => Ended::Stopped,
        Ending::Erase => {
            // What needs no new start has its value of now.
            let url = latest.borrow().controller.url.clone();
            let mut settings = settings;
            settings.controller.url = url;
            Ended::Erases(Box::new(settings))
        }
    })
}

fn open_history(settings: &Settings) -> History {
    let storage = &settings.storage;
    let options = history::Options {
        dir: storage.history_keep.then(|| storage.history_dir.clone()),
        raw_bytes: usize::try_from(storage.history_raw_bytes).unwrap_or(usize::MAX),
        ..history::Options::default()
    };
    let (history, error) = History::open(options, clock::now().as_micros());
    if let Some(error) = error {
        log::warn!("history: {error}");
    }
    history
}

/// SIGTERM and SIGINT stop, SIGHUP reads the settings again; a `fault` in them is logged and shown, and
/// the old ones stand.
async fn signals(
    config: PathBuf,
    reload: watch::Sender<Settings>,
    fault: watch::Sender<Option<String>>,
    stop: oneshot::Sender<()>,
) {
    let streams = [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ]
    .map(signal);
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = streams else {
        log::error!("this system hands out no signals");
        return;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => match settings(&config) {
                Ok(settings) => {
                    fault.send_replace(None);
                    reload.send_replace(settings);
                }
                Err(error) => {
                    let said = logger::chain(&error);
                    log::error!("the old settings stand: {said}");
                    fault.send_replace(Some(said));
                }
            },
        }
    }
    // Nobody listens when the daemon has stopped by itself.
    let _ = stop.send(());
}

/// Waits until the settings differ from `old` in what concerns the controller.
async fn changed(settings: &mut watch::Receiver<Settings>, old: &Settings) {
    let differs = |new: &Settings| {
        (&new.controller, &new.consent, &new.limits) != (&old.controller, &old.consent, &old.limits)
    };
    if settings.wait_for(differs).await.is_err() {
        // Nobody can change them any more: the agent is stopping.
        std::future::pending::<()>().await;
    }
}

/// What the two tasks of the JSON door are made of.
struct Uplink {
    settings: watch::Receiver<Settings>,
    registry: watch::Receiver<Arc<Registry>>,
    spooler: Spooler,
    upload: watch::Receiver<Upload>,
    traffic: Arc<Traffic>,
    heard: mpsc::Sender<Heard>,
    uploads: mpsc::Sender<Contact>,
    membership: watch::Sender<Membership>,
}

impl Uplink {
    /// Serves by the settings in force, anew whenever they change in what concerns the controller:
    /// consent that is withdrawn ends the exchange at once, consent that is given begins it.
    async fn run(mut self) {
        loop {
            let settings = self.settings.borrow_and_update().clone();
            let mut changes = self.settings.clone();
            let mut methods = self.registry.clone();
            let announced = methods.borrow().capabilities();
            tokio::select! {
                () = self.serve(&settings) => {}
                () = changed(&mut changes, &settings) => {}
                // Plug-ins came or went: the announcement is made anew.
                Ok(_) = methods.wait_for(|now| now.capabilities() != announced) => {}
            }
        }
    }

    /// Waits for an identity, then pulls, sends and renews. Never returns; dropping it ends it all.
    async fn serve(&self, settings: &Settings) {
        let reason = match &settings.controller.url {
            None => "no controller is configured",
            Some(_) if !settings.consent.enabled => {
                "the household has not agreed to measure for others"
            }
            Some(url) => return self.exchange(settings, url).await,
        };
        log::info!("{reason}: nothing is fetched or sent");
        self.membership.send_replace(Membership {
            error: Some(reason.to_owned()),
            ..Membership::default()
        });
        std::future::pending::<()>().await;
    }

    async fn exchange(&self, settings: &Settings, url: &str) {
        let store = identity_store(settings);
        let (identity, config) = self.wait_for_identity(&store).await;
        log::info!(agent = identity.agent_id.as_str(); "enrolled with {url}");
        let (tls_tx, tls) = watch::channel(config);
        let mut tasks = JoinSet::new();
        if let Err(error) = self.start(settings, url, &tls, &mut tasks) {
            log::error!("{}", logger::chain(&error));
            std::future::pending::<()>().await;
        }
        renewal(url, &store, identity, &tls_tx, &self.membership).await;
    }

    fn start(
        &self,
        settings: &Settings,
        url: &str,
        tls: &watch::Receiver<Arc<ClientConfig>>,
        tasks: &mut JoinSet<()>,
    ) -> Result<()> {
        let limits = daemon::limits(settings, settings.limits.parallel.into());
        let methods = self.registry.borrow().capabilities();
        let capabilities = Capabilities::new(crate::VERSION.to_owned(), methods, limits);
        let supervisor = Supervisor::new(
            Client::new(url, tls.clone(), self.traffic.clone())?,
            self.heard.clone(),
            Bytes::from(serde_json::to_vec(&capabilities)?),
            daemon::last_configuration(&settings.controller.state_dir),
        );
        let repository = Repository::new(
            Route::new(url, tls.clone(), self.traffic.clone())?,
            self.spooler.clone(),
            self.upload.clone(),
            self.uploads.clone(),
        );
        tasks.spawn(supervisor.run());
        tasks.spawn(repository.run());
        Ok(())
    }

    /// Looks for an identity until there is one: `enrol` may be run at any time.
    async fn wait_for_identity(&self, store: &Store) -> (Identity, Arc<ClientConfig>) {
        loop {
            match load(store) {
                Ok((identity, config)) => {
                    self.membership.send_replace(membership(&identity, None));
                    return (identity, config);
                }
                Err(error) => {
                    let said = Some(logger::chain(&error));
                    if self.membership.borrow().error != said {
                        log::warn!("{}", logger::chain(&error));
                        self.membership.send_replace(Membership {
                            error: said,
                            ..Membership::default()
                        });
                    }
                }
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }
}

fn load(store: &Store) -> Result<(Identity, Arc<ClientConfig>)> {
    let identity = store.load(&SystemRandom::new())?;
    let config = tls::steady(&identity, clock::now().as_micros() / SECOND)?;
    Ok((identity, config))
}

fn membership(identity: &Identity, error: Option<String>) -> Membership {
    Membership {
        agent: Some(identity.agent_id.clone()),
        valid_until: Some(Timestamp::from_micros(
            identity.validity.not_after.saturating_mul(SECOND),
        )),
        error,
    }
}

/// Renews the certificate when two thirds of its life have passed, and takes over one that was
/// enrolled anew meanwhile.
async fn renewal(
    url: &str,
    store: &Store,
    mut identity: Identity,
    tls_tx: &watch::Sender<Arc<ClientConfig>>,
    membership_tx: &watch::Sender<Membership>,
) {
    let seed = random::seed();
    let mut backoff = Backoff::default();
    let mut earliest = Timestamp::default();
    loop {
        let due = Timestamp::from_micros(identity.renew_at(seed).saturating_mul(SECOND));
        let due = due.max(earliest);
        let wait = clock::duration(due.since(clock::now())).min(Duration::from_mins(1));
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
            if let Some((newer, config)) = enrolled_anew(store, &identity) {
                log::info!(agent = newer.agent_id.as_str(); "the certificate was replaced from outside");
                membership_tx.send_replace(membership(&newer, None));
                tls_tx.send_replace(config);
                identity = newer;
            }
            continue;
        }
        let config = tls_tx.borrow().clone();
        match renew(url, config, &identity, store).await {
            Ok((newer, config)) => {
                log::info!(agent = newer.agent_id.as_str(); "certificate renewed");
                backoff.reset();
                // Certificates are dated back for slow clocks: a short one may look old when it is
                // new. Half of what is left must pass before the next.
                let now = clock::now();
                let end = Timestamp::from_micros(newer.validity.not_after.saturating_mul(SECOND));
                earliest = now.plus_micros((end.since(now) / 2).max(20 * SECOND));
                membership_tx.send_replace(membership(&newer, None));
                tls_tx.send_replace(config);
                identity = newer;
            }
            Err(error) => {
                let wait = backoff.failed(random::number(), None);
                let error = logger::chain(&error);
                log::warn!(
                    "cannot renew the certificate: {error}; next attempt in {} s",
                    wait.as_secs().max(1)
                );
                membership_tx.send_replace(membership(&identity, Some(error)));
                tokio::time::sleep(wait).await;
                if let Some((newer, config)) = enrolled_anew(store, &identity) {
                    membership_tx.send_replace(membership(&newer, None));
                    tls_tx.send_replace(config);
                    identity = newer;
                }
            }
        }
    }
}

async fn renew(
    url: &str,
    config: Arc<ClientConfig>,
    identity: &Identity,
    store: &Store,
) -> Result<(Identity, Arc<ClientConfig>)> {
    let newer = enrol::renew(url, config, identity, store).await?;
    let config = tls::steady(&newer, clock::now().as_micros() / SECOND)?;
    Ok((newer, config))
}

/// An identity in the store that is not the one in use: the household ran `enrol` again.
fn enrolled_anew(store: &Store, identity: &Identity) -> Option<(Identity, Arc<ClientConfig>)> {
    match load(store) {
        Ok((found, config)) if found.chain != identity.chain => Some((found, config)),
        Ok(_) => None,
        Err(error) => {
            if error.downcast_ref::<IdentityError>().is_some() {
                log::debug!("identity: {}", logger::chain(&error));
            }
            None
        }
    }
}
