//! Enrolment and renewal by EST (RFC 7030).

use super::http::{Answer, Call, Client, HttpError, Traffic};
use crate::clock;
use crate::identity::{
    Fingerprint, Identity, IdentityError, Store, Trust, issued_chain, request_body,
};
use crate::tls::{self, TlsError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use glimpse_model::time::SECOND;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use ring::rand::SystemRandom;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(30);
const LIMIT: usize = 64 << 10;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// No answer.
    #[error("{}", .0.explain())]
    Http(#[from] HttpError),
    /// No configuration for the connection.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// What came back, or what is kept, is not right.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The controller says no.
    #[error("the controller refuses to {what}: {answer}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// Status and detail.
        answer: String,
    },
    /// The controller's name cannot be pinned.
    #[error("{0} names no host")]
    Host(String),
    /// The token has characters that no token has.
    #[error("the token is not one that a controller prints: letters, digits, - and _ only")]
    Token,
}

/// How the controller proves itself at first contact.
#[derive(Debug)]
pub enum FirstContact<'a> {
    /// Its root has this fingerprint.
    Fingerprint(Fingerprint),
    /// The roots in this PEM bundle verify its certificate.
    SystemRoots(&'a [u8]),
}

/// Enrols with the controller at `url` by a one-time `token` and keeps the identity in `store`.
/// Returns it as read back. The controller must answer to `name`, by default the host of the URL,
/// and is held to it from then on. Nothing but a request for the authorities is sent before the controller
/// has proved itself.
pub async fn enrol(
    url: &str,
    name: Option<&str>,
    token: &str,
    first: FirstContact<'_>,
    store: &Store,
) -> Result<Identity, EnrolError> {
    if token.is_empty()
        || !token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    {
        return Err(EnrolError::Token);
    }
    let rng = SystemRandom::new();
    let host = match name {
        Some(name) => {
            ServerName::try_from(name.to_owned()).map_err(|_| EnrolError::Host(name.to_owned()))?
        }
        None => server_name(url)?,
    };
    let (trust, tls) = match first {
        FirstContact::Fingerprint(fingerprint) => {
            let answer = authorities(url, tls::first_contact()?.for_cacerts()).await?;
            let trust = Trust::from_cacerts(&answer.body, Some(&fingerprint))?;
            let tls = tls::enrolment(&trust, &host, clock::now().as_micros() / SECOND)?;
            (trust, tls)
        }
        FirstContact::SystemRoots(bundle) => {
            let tls = tls::system_roots(bundle)?;
            let answer = authorities(url, tls.clone()).await?;
            (Trust::from_cacerts(&answer.body, None)?, tls)
        }
    };
    let key = store.key_or_new(&rng)?;
    let request = key.certificate_request(&rng)?;
    let basic = format!(
        "Basic {}",
        STANDARD.encode(format!("glimpse-agent:{token}"))
    );
    let mut basic = HeaderValue::try_from(basic).map_err(|_| EnrolError::Token)?;
    basic.set_sensitive(true);
    let mut call = enrolment("/.well-known/est/simpleenroll", &request);
    call.headers.push((AUTHORIZATION, basic));
    let answer = client(url, tls)?.call(&call).await?;
    let answer = expect_ok("enrol this agent", answer)?;
    let chain = issued_chain(&answer.body, &key)?;
    store.note_address(url)?;
    store.enrol(&trust, &host, &chain)?;
    Ok(store.load(&rng)?)
}

/// Renews the certificate over a connection made with the present one, and takes new intermediates
/// with it. Returns the identity as read back.
pub async fn renew(
    url: &str,
    tls: Arc<ClientConfig>,
    identity: &Identity,
    store: &Store,
) -> Result<Identity, EnrolError> {
    let rng = SystemRandom::new();
    let mut client = client(url, tls)?;
    let call = cacerts();
    let answer = expect_ok("name its authorities", client.call(&call).await?)?;
    store.renew_trust(&identity.trust.refreshed(&answer.body)?)?;
    let request = identity.key.certificate_request(&rng)?;
    let call = enrolment("/.well-known/est/simplereenroll", &request);
    let answer = expect_ok("renew the certificate", client.call(&call).await?)?;
    store.renew(&issued_chain(&answer.body, &identity.key)?)?;
    Ok(store.load(&rng)?)
}

async fn authorities(url: &str, tls: Arc<ClientConfig>) -> Result<Answer, EnrolError> {
    let answer = client(url, tls)?.call(&cacerts()).await?;
    expect_ok("name its authorities", answer)
}

fn client(url: &str, tls: Arc<ClientConfig>) -> Result<Client, HttpError> {
    let (_, tls) = watch::channel(tls);
    Client::new(url, tls, Arc::new(Traffic::default()))
}

fn cacerts() -> Call {
    Call {
        path: "/.well-known/est/cacerts".to_owned(),
        patience: PATIENCE,
        limit: LIMIT,
        ..Call::default()
    }
}

fn enrolment(path: &str, request: &[u8]) -> Call {
    Call {
        method: Method::POST,
        path: path.to_owned(),
        headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/pkcs10"))],
        body: Bytes::from(request_body(request)),
        patience: PATIENCE,
        limit: LIMIT,
    }
}

fn expect_ok(what: &'static str, answer: Answer) -> Result<Answer, EnrolError> {
    if answer.status == StatusCode::OK {
        return Ok(answer);
    }
    Err(EnrolError::Refused {
        what,
        answer: answer.describe(),
    })
}

/// The host of `url` as a name to pin.
fn server_name(url: &str) -> Result<ServerName<'static>, EnrolError> {
    let bad = || EnrolError::Host(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| bad())?;
    let host = uri
        .host()
        .ok_or_else(bad)?
        .trim_matches(['[', ']'])
        .to_owned();
    ServerName::try_from(host).map_err(|_| bad())
}
