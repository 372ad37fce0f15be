//! Who asks: an agent or an operator, by certificate or token.

use crate::app::Shared;
use crate::config::{Operator, Role};
use crate::listener::{Peer, network};
use crate::supervisor;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use glimpse_model::id::AgentId;
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_restconf::{Error, Tag, User};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Before a wrong token is answered.
const AFTER_WRONG: Duration = Duration::from_secs(1);
/// Wrong tokens of one address within a minute; then no token of it is looked at until the minute has passed.
const WRONG: u32 = 30;
const MINUTE_US: i64 = 60 * SECOND;
/// Addresses that are remembered.
const ADDRESSES: usize = 10_000;

/// Who asks.
#[derive(Debug, Clone)]
pub(super) enum Asker {
    /// An agent, by its certificate.
    Agent(AgentId),
    /// An operator.
    Operator(Arc<Operator>),
}

impl Asker {
    /// As whom access control knows it.
    pub(super) fn user(&self) -> User {
        let (name, group) = match self {
            Self::Agent(agent) => (agent.as_str(), "agent"),
            Self::Operator(operator) => match operator.role {
                Role::Operator => (operator.name.as_str(), "operator"),
                Role::Observer => (operator.name.as_str(), "observer"),
            },
        };
        User {
            name: name.to_owned(),
            groups: vec![group.to_owned()],
            recovery: false,
        }
    }
}

/// Who asks; `None` when nobody is known by what was shown.
///
/// # Errors
/// The agent of the certificate was shut out, or the repository does not answer; 429 after too many wrong tokens.
pub(super) async fn asker(
    shared: &Shared,
    peer: Option<&Peer>,
    headers: &HeaderMap,
) -> Result<Option<Asker>, Error> {
    if let Some(agent) = peer.and_then(|peer| peer.agent.as_ref()) {
        let agent = &agent.agent;
        return match supervisor::admit_caller(shared, agent).await {
            Ok(()) => Ok(Some(Asker::Agent(agent.clone()))),
            Err(supervisor::SupervisorError::Store(error)) => Err(unusable(&error)),
            Err(error) => Err(Error::denied(error.to_string())),
        };
    }
    let operators = &shared.config.operators;
    if let Some(pinned) = peer.and_then(|peer| peer.pinned) {
        let known = operators
            .iter()
            .find(|operator| operator.certificate == Some(pinned));
        if let Some(operator) = known {
            return Ok(Some(Asker::Operator(Arc::new(operator.clone()))));
        }
    }
    if !headers.contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    // Without TLS underneath there is no peer: such requests count together.
    let address = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.addr.ip());
    let failures = &shared.restconf.failures;
    if !failures.may_try(address, shared.now()) {
        let message = "too many wrong tokens came from this address: wait a minute";
        return Err(Error::protocol(Tag::ResourceDenied, message).with_status(429));
    }
    if let Some(operator) = by_token(operators, headers) {
        return Ok(Some(Asker::Operator(Arc::new(operator.clone()))));
    }
    let wrong = failures.count(address, shared.now());
    // Enough to see that somebody tries, and not to fill the log.
    if wrong.is_power_of_two() {
        tracing::warn!(%address, wrong, "a token that no operator has");
    }
    tokio::time::sleep(AFTER_WRONG).await;
    Ok(None)
}

/// Wrong tokens, by the address they came from.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<IpAddr, (u32, Timestamp)>>);

impl Failures {
    /// Whether a token from there is looked at.
    fn may_try(&self, address: IpAddr, now: Timestamp) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&network(address))
            .is_none_or(|(wrong, since)| *wrong < WRONG || is_over(*since, now))
    }

    /// Counts one, and gives how many there were within the minute.
    fn count(&self, address: IpAddr, now: Timestamp) -> u32 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ADDRESSES {
            all.retain(|_, (_, since)| !is_over(*since, now));
        }
        if all.len() >= ADDRESSES {
            all.clear();
        }
        let (wrong, since) = all.entry(network(address)).or_insert((0, now));
        if is_over(*since, now) {
            (*wrong, *since) = (0, now);
        }
        *wrong += 1;
        *wrong
    }
}

fn is_over(since: Timestamp, now: Timestamp) -> bool {
    !(0..MINUTE_US).contains(&now.since(since))
}

/// Why an operator may not have an agent written to, if so: what waited may come from one who has lost that right since.
///
/// # Errors
/// The repository does not answer.
pub(super) async fn lost_right(
    shared: &Shared,
    agent: &AgentId,
    operator: &str,
) -> Result<Option<&'static str>, glimpse_store::Error> {
    let mut operators = shared.config.operators.iter();
    let Some(operator) = operators.find(|known| known.name == operator) else {
        return Ok(Some(
            "there is no longer such an operator as has written this",
        ));
    };
    if operator.role != Role::Operator {
        return Ok(Some("who has written this may no longer write"));
    }
    let group = shared.store.agent(agent).await?.and_then(|own| own.group);
    Ok((!operator.has(agent, group.as_deref()))
        .then_some("the agent is no longer the business of who has written this"))
}

/// `Bearer TOKEN`, or `Basic` with name and token. What is compared is a hash: how long that takes tells nothing.
fn by_token<'a>(operators: &'a [Operator], headers: &HeaderMap) -> Option<&'a Operator> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = text.split_once(' ')?;
    let (name, token) = if scheme.eq_ignore_ascii_case("bearer") {
        (None, rest.trim().to_owned())
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        let (name, token) = pair.split_once(':')?;
        (Some(name.to_owned()), token.to_owned())
    } else {
        return None;
    };
    if token.is_empty() {
        return None;
    }
    let hash: [u8; 32] = Sha256::digest(token).into();
    operators.iter().find(|operator| {
        operator.token == Some(hash) && name.as_ref().is_none_or(|name| *name == operator.name)
    })
}

/// 503, or 500 for what waiting does not mend; internals go into the log.
pub(super) fn unusable(error: &glimpse_store::Error) -> Error {
    let failed = |text: String, status| Error::new(Tag::OperationFailed, text).with_status(status);
    match error {
        glimpse_store::Error::Busy | glimpse_store::Error::Closed | glimpse_store::Error::Full => {
            failed(format!("{error}: try again later"), 503)
        }
        _ => {
            tracing::error!(error = %error, "the repository failed");
            failed("the repository cannot be used at present".to_owned(), 500)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_tokens_of_one_network_are_counted_together_for_a_minute() {
        let failures = Failures::default();
        let at = |seconds: i64| Timestamp::from_micros((1_000_000 + seconds) * SECOND);
        let [one, near, far] = ["2001:db8::1", "2001:db8::2", "2001:db8:1::1"]
            .map(|text| text.parse().unwrap_or(IpAddr::from([0, 0, 0, 0])));
        for n in 1..=WRONG {
            assert!(failures.may_try(near, at(0)));
            assert_eq!(failures.count(one, at(0)), n);
        }
        assert!(!failures.may_try(near, at(59)) && failures.may_try(far, at(59)));
        assert!(failures.may_try(near, at(60)));
        assert_eq!(failures.count(near, at(60)), 1);
    }
}
