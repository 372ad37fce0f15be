//! Asking the controller to forget this agent, after the household erased it.

use super::backoff::Backoff;
use super::http::{Call, Client, HttpError, Traffic};
use crate::clock;
use crate::identity::{Identity, IdentityError, Store};
use crate::local::erase::{self, Aside};
use crate::random;
use crate::tls::{self, Refusal, TlsError};
use glimpse_model::forget::Forget;
use glimpse_model::id::AgentId;
use glimpse_model::time::{SECOND, Timestamp};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use ring::rand::SystemRandom;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(15);
const LIMIT: usize = 16 << 10;

/// Why the controller does not know yet.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// No answer.
    #[error("{}", .0.explain())]
    Http(#[from] HttpError),
    /// No configuration for the connection.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The identity cannot be read, or does not sign.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The certificate names no agent.
    #[error("the certificate names no agent")]
    Nameless,
    /// The controller says no.
    #[error("the controller answers {0}")]
    Refused(String),
}

/// The wish of `identity`, signed.
///
/// # Errors
/// [`ForgetError::Identity`], [`ForgetError::Nameless`].
pub fn wish(identity: &Identity, now: Timestamp) -> Result<Forget, ForgetError> {
    let agent = AgentId::new(&identity.agent_id).map_err(|_| ForgetError::Nameless)?;
    let signed = Forget::signed(&agent, now);
    let signature = identity.key.sign(&SystemRandom::new(), &signed)?;
    Ok(Forget {
        agent,
        time: now,
        signature,
    })
}

/// What the controller did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It said that it forgets the agent.
    Forgets,
    /// It does not let the agent in any more, so that it cannot be asked: it has forgotten it already, and its answer was
    /// lost, or its operator has shut the agent out.
    ShutOut,
}

/// Asks once on behalf of an identity that waits.
///
/// # Errors
/// [`ForgetError`]; it may be asked again later.
pub async fn ask(aside: &Aside) -> Result<Asked, ForgetError> {
    let identity = Store::new(&aside.dir).load(&SystemRandom::new())?;
    let now = clock::now();
    let (_, tls) = watch::channel(tls::steady(&identity, now.as_micros() / SECOND)?);
    let mut client = Client::new(&aside.url, tls, Arc::new(Traffic::default()))?;
    let call = Call {
        method: Method::POST,
        path: "/agent/v2/forget".to_owned(),
        headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body: Bytes::from(wish(&identity, now)?.to_json().to_string()),
        patience: PATIENCE,
        limit: LIMIT,
    };
    match client.call(&call).await {
        Ok(answer) if answer.status == StatusCode::NO_CONTENT => Ok(Asked::Forgets),
        Ok(answer) => Err(ForgetError::Refused(answer.describe())),
        // After the handshake alone: before it, anybody on the way can say this.
        Err(error @ HttpError::Broken { .. }) if error.refusal() == Some(Refusal::OwnRevoked) => {
            Ok(Asked::ShutOut)
        }
        Err(error) => Err(error.into()),
    }
}

/// What it means for the household that the controller at `url` does not let the agent in any more.
pub fn shut_out(url: &str) -> String {
    format!(
        "{url} has shut this agent out; whether it has forgotten it is not known: ask its operator"
    )
}

/// Asks for all identities that wait, until none does. One whose certificate has expired can prove nothing any more and is
/// deleted, as is one that cannot be read.
pub async fn follow(state_dir: &Path) {
    let mut backoff = Backoff::default();
    loop {
        let waiting = erase::aside(state_dir);
        if waiting.is_empty() {
            return;
        }
        let mut failed = false;
        for aside in &waiting {
            let done = match ask(aside).await {
                Ok(Asked::Forgets) => {
                    log::info!("{} was asked to forget this agent, and will", aside.url);
                    true
                }
                Ok(Asked::ShutOut) => {
                    log::warn!("{}", shut_out(&aside.url));
                    true
                }
                Err(ForgetError::Identity(
                    error @ (IdentityError::NotEnrolled { .. }
                    | IdentityError::Damaged { .. }
                    | IdentityError::Key(_)),
                )) => {
                    log::warn!("cannot ask {} to forget this agent: {error}", aside.url);
                    true
                }
                Err(error) if is_over(aside) => {
                    log::warn!(
                        "{} was not asked to forget this agent, whose certificate has expired: {error}",
                        aside.url
                    );
                    true
                }
                Err(error) => {
                    log::warn!(
                        "{} cannot be asked yet to forget this agent: {error}",
                        aside.url
                    );
                    false
                }
            };
            if done {
                if let Err(error) = erase::let_go(aside) {
                    log::error!("{error}");
                    failed = true;
                }
            } else {
                failed = true;
            }
        }
        if failed {
            tokio::time::sleep(backoff.failed(random::number(), None)).await;
        }
    }
}

/// Whether the certificate of an identity that waits has expired, by a clock that is set.
fn is_over(aside: &Aside) -> bool {
    let now = clock::now();
    let until = Store::new(&aside.dir)
        .load(&SystemRandom::new())
        .map(|identity| identity.validity.not_after.saturating_mul(SECOND));
    clock::is_trusted(now) && until.is_ok_and(|until| now.as_micros() > until)
}
