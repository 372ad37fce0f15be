//! The daemon put together.

mod exchange;

use crate::clock;
use crate::daemon::{self, Daemon, Ending, Inboxes, Links, Membership, Parts, Surroundings};
use crate::executor::Executor;
use crate::identity::Store;
use crate::local::erase;
use crate::local::history::{self, History};
use crate::local::service::Service;
use crate::local::socket;
use crate::local::ubus;
use crate::local::uci::{self, Settings};
use crate::logger;
use crate::plugins;
use crate::responder::{self, SessionFiles};
use crate::spool::{self, Spool};
use crate::spooler::Spooler;
use crate::uplink::forget;
use crate::uplink::http::Traffic;
use crate::uplink::repository::Upload;
use anyhow::{Context as _, Result};
use exchange::Uplink;
use nix::sys::stat::Mode;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

/// How often, and after how long, a spool that is in use is tried again.
const SPOOL_TRIES: u32 = 25;
const SPOOL_WAIT: Duration = Duration::from_millis(200);

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
pub async fn erase(settings: &Settings) -> Result<()> {
    // Whoever still writes there has not gone yet.
    drop(open_spool(settings).await?);
    erase::carry_out(settings, daemon::run_dir(settings))
        .context("cannot erase everything yet; it is tried again at the next start")
}

/// Runs the daemon until it is told to stop, or to erase everything.
pub async fn run(config: PathBuf) -> Result<Ended> {
    let (settings, fault) = settings_or_places(&config)?;
    if erase::is_marked(&settings.controller.state_dir) {
        erase(&settings).await?;
    }
    let run_dir = daemon::run_dir(&settings).to_owned();
    prepare(&settings, &run_dir)?;
    let listener = socket::listen(&settings.local.socket)
        .with_context(|| format!("cannot open {}", settings.local.socket.display()))?;
    let spool = open_spool(&settings).await?;

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

/// Makes the directories, and begins to wait for the clock where the system says that it will set it.
fn prepare(settings: &Settings, run_dir: &Path) -> Result<()> {
    // Group members may reach the control socket; what is secret has a mode of its own.
    nix::sys::stat::umask(Mode::from_bits_truncate(0o027));
    log::info!("{} starts", crate::VERSION);
    if let Some(mark) = settings.local.clock_mark.clone() {
        let wait = Duration::from_secs(settings.local.clock_wait_s.into());
        if clock::is_unset(&mark) {
            tokio::spawn(clock::wait_for(mark, wait));
        }
    }
    for dir in [settings.controller.state_dir.as_path(), run_dir] {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(dir)
            .with_context(|| format!("cannot make {}", dir.display()))?;
    }
    Ok(())
}

/// Opens the spool; one that a daemon of before has not let go of is waited for.
async fn open_spool(settings: &Settings) -> Result<Spool> {
    let mut tries = SPOOL_TRIES;
    let spool = loop {
        let options = daemon::spool_options(settings);
        match Spool::open(&settings.storage.spool_dir, options) {
            Err(spool::Error::Locked { .. }) if tries > 0 => {
                tries -= 1;
                tokio::time::sleep(SPOOL_WAIT).await;
            }
            opened => break opened?,
        }
    };
    let recovery = spool.recovery();
    if recovery.entries > 0 || recovery.torn_bytes > 0 {
        log::info!(
            "{} records wait from before, {} bytes of an unfinished one were cut off",
            recovery.entries,
            recovery.torn_bytes
        );
    }
    Ok(spool)
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
                    reload.send_replace(settings);
                    fault.send_replace(None);
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
