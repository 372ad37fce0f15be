//! The exchange with the controller by the JSON door, for as long as the household wants one.

use super::identity_store;
use crate::clock;
use crate::daemon::{self, Membership};
use crate::identity::{Identity, IdentityError, Store};
use crate::local::uci::Settings;
use crate::logger;
use crate::random;
use crate::spooler::Spooler;
use crate::tls;
use crate::uplink::Contact;
use crate::uplink::backoff::Backoff;
use crate::uplink::enrol;
use crate::uplink::http::{Client, Traffic};
use crate::uplink::repository::{Repository, Route, Upload};
use crate::uplink::supervisor::{Heard, Supervisor};
use anyhow::Result;
use glimpse_model::capability::Capabilities;
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_probe::registry::Registry;
use hyper::body::Bytes;
use ring::rand::SystemRandom;
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

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
pub(super) struct Uplink {
    pub(super) settings: watch::Receiver<Settings>,
    pub(super) registry: watch::Receiver<Arc<Registry>>,
    pub(super) spooler: Spooler,
    pub(super) upload: watch::Receiver<Upload>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) heard: mpsc::Sender<Heard>,
    pub(super) uploads: mpsc::Sender<Contact>,
    pub(super) membership: watch::Sender<Membership>,
}

impl Uplink {
    /// Serves by the settings in force, anew whenever they change in what concerns the controller:
    /// consent that is withdrawn ends the exchange at once, consent that is given begins it.
    pub(super) async fn run(mut self) {
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
