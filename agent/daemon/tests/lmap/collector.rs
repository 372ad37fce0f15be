//! A collector that says what it is told to.

use crate::place::{Leaf, Place};
use glimpse_agent::clock::steady;
use glimpse_yang::Encoding;
use glimpse_yang::read::Reader;
use glimpse_yang::table::AGENT;
use glimpse_yang::validate::{Check, validate};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::Value;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A report and what it was answered.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn results(&self) -> Vec<Value> {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let results = &body["ietf-lmap-report:input"]["result"];
        results.as_array().cloned().unwrap_or_default()
    }
}

/// What a collector answers: `refuse` judges the body first.
type Judge = Box<dyn Fn(&str) -> Option<u16> + Send + Sync>;

struct Inner {
    received: Mutex<Vec<Received>>,
    answers: Mutex<VecDeque<u16>>,
    judge: Judge,
}

/// A collector on loopback.
pub(crate) struct Collector {
    inner: Arc<Inner>,
    port: u16,
}

impl Collector {
    /// One that answers with `answers`, then with 204.
    pub(crate) async fn new(place: &Place, answers: &[u16]) -> Self {
        Self::judging(place, answers, Box::new(|_| None)).await
    }

    pub(crate) async fn judging(place: &Place, answers: &[u16], judge: Judge) -> Self {
        let leaf = &place.controller;
        Self::of(place, leaf, place.controller_port, answers, judge).await
    }

    /// One of somebody else's, at any port.
    pub(crate) async fn foreign(place: &Place, leaf: &Leaf) -> Self {
        Self::of(place, leaf, 0, &[], Box::new(|_| None)).await
    }

    async fn of(place: &Place, leaf: &Leaf, port: u16, answers: &[u16], judge: Judge) -> Self {
        let mut agents = RootCertStore::empty();
        agents.add(place.authorities.agents.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(agents), provider.clone())
                .build()
                .unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![leaf.der.clone()], leaf.key.clone_key())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            received: Mutex::default(),
            answers: Mutex::new(answers.iter().copied().collect()),
            judge,
        });
        let shared = inner.clone();
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (acceptor, inner) = (acceptor.clone(), shared.clone());
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else {
                        return;
                    };
                    let service = service_fn(|request| take(request, inner.clone()));
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(tls), service)
                        .await;
                });
            }
        });
        Self { inner, port }
    }

    /// The root of its RESTCONF.
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}/restconf", self.port)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.inner.received.lock().unwrap().clone()
    }

    /// Waits until a report is there that `wanted` is satisfied with.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Received) -> bool) -> Received {
        let began = steady();
        loop {
            if let Some(found) = self.received().into_iter().find(&wanted) {
                return found;
            }
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{what}: {:#?}",
                self.received()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn take(
    request: hyper::Request<Incoming>,
    inner: Arc<Inner>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    if !parts.uri.path().starts_with("/restconf/") {
        // The JSON door asks its controller at the same place.
        let response = hyper::Response::builder().status(404);
        return Ok(response.body(Full::default()).unwrap());
    }
    assert_eq!(
        parts.uri.path(),
        "/restconf/operations/ietf-lmap-report:report"
    );
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let content_type = parts.headers["content-type"].to_str().unwrap().to_owned();
    check(&content_type, &body);
    let judged = (inner.judge)(&body);
    let status = judged
        .or_else(|| inner.answers.lock().unwrap().pop_front())
        .unwrap_or(204);
    let received = Received {
        status,
        content_type,
        body,
    };
    inner.received.lock().unwrap().push(received);
    let response = hyper::Response::builder().status(status);
    Ok(response.body(Full::default()).unwrap())
}

/// Every report is valid.
fn check(content_type: &str, body: &str) {
    let encoding = match content_type {
        "application/yang-data+json" => Encoding::Json,
        "application/yang-data+xml" => Encoding::Xml,
        other => panic!("{other}"),
    };
    let input = glimpse_lmap::report::input(&AGENT).unwrap();
    let tree = Reader::new(&AGENT, encoding)
        .operation(input, body.as_bytes())
        .unwrap();
    assert_eq!(validate(&tree, Check::Operation, None), [], "{body}");
}
