//! The server's certificate, and all that shows it.

use super::Shared;
use crate::clock;
use crate::config::Config;
use crate::pki::{
    Lifetimes, Pins, Pki, PkiError, Revocations, ServerIdentity, SharedClientConfig, SharedConfig,
    agent_listener, call_home, operator_listener, public_listener, random_serial,
    shared as shared_config,
};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;

/// How often the server certificate is looked at.
const CERTIFICATE_CHECK: Duration = Duration::from_hours(1);

/// What a new server certificate goes into.
pub(super) struct Certificates {
    pub(super) for_agents: SharedConfig,
    pub(super) for_all: SharedConfig,
    pub(super) for_operators: SharedConfig,
    pub(super) for_calls: SharedClientConfig,
    pub(super) pins: Pins,
    pub(super) identity: ServerIdentity,
    pub(super) revocations: Revocations,
}

impl Certificates {
    pub(super) fn new(
        pki: &Pki,
        identity: ServerIdentity,
        revocations: Revocations,
        config: &Config,
    ) -> Result<Self, PkiError> {
        let operators = config.operators.iter();
        let pins: Pins = Arc::new(
            operators
                .filter_map(|operator| operator.certificate)
                .collect(),
        );
        let for_operators = operator_listener(pki, &identity, &revocations, Arc::clone(&pins))?;
        let for_calls = call_home(pki, &identity, &revocations)?;
        Ok(Self {
            for_agents: shared_config(agent_listener(pki, &identity, &revocations)?),
            for_all: shared_config(public_listener(&identity)?),
            for_operators: shared_config(for_operators),
            for_calls: Arc::new(ArcSwap::from_pointee(for_calls)),
            pins,
            identity,
            revocations,
        })
    }

    fn renew(&mut self, pki: &Pki, directory: &std::path::Path, now: i64) -> Result<(), PkiError> {
        let names = self.identity.names.clone();
        let identity = pki.issue_server(&names, random_serial()?, now, &Lifetimes::default())?;
        identity.store(directory)?;
        let for_agents = agent_listener(pki, &identity, &self.revocations)?;
        let for_all = public_listener(&identity)?;
        let pins = Arc::clone(&self.pins);
        let for_operators = operator_listener(pki, &identity, &self.revocations, pins)?;
        let for_calls = call_home(pki, &identity, &self.revocations)?;
        self.for_operators.store(Arc::new(for_operators));
        self.for_calls.store(Arc::new(for_calls));
        self.for_agents.store(Arc::new(for_agents));
        self.for_all.store(Arc::new(for_all));
        self.identity = identity;
        Ok(())
    }
}

/// Renews the certificate in time, wherever it is shown.
pub(super) async fn renew(shared: Arc<Shared>, mut certificates: Certificates) {
    loop {
        let now = clock::seconds(shared.now());
        if certificates.identity.is_due(now) {
            match certificates.renew(&shared.pki, &shared.config.pki, now) {
                Ok(()) => tracing::info!("server certificate renewed"),
                Err(error) => tracing::error!(error = %error, "server certificate not renewed"),
            }
        }
        tokio::time::sleep(CERTIFICATE_CHECK).await;
    }
}
