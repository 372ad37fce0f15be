//! Who asks: an agent or an operator, by certificate or token.

use crate::app::Shared;
use crate::config::{Operator, Role};
use crate::listener::Peer;
use crate::supervisor;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use glimpse_model::id::AgentId;
use glimpse_restconf::{Error, Tag, User};
use sha2::{Digest, Sha256};
use std::sync::Arc;

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
/// The agent of the certificate was shut out, or the repository does not answer.
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
    Ok(by_token(operators, headers).map(|operator| Asker::Operator(Arc::new(operator.clone()))))
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
