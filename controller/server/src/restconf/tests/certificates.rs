//! Operators and agents at the listener of operators, over real TLS.

use super::*;
use crate::callhome::tests::{Credentials, credentials, hex};
use crate::clock;
use crate::listener::{Bounds, Gate, Listener, Transport};
use crate::pki::tests::made;
use crate::pki::{Pins, operator_listener, shared};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{PrivatePkcs8KeyDer, ServerName};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A certificate that nobody but its owner has signed, with this alternative name.
fn self_signed(name: &str) -> Credentials {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "a-1");
    params.subject_alt_names = vec![rcgen::SanType::URI(name.to_owned().try_into().unwrap())];
    let certificate = params.self_signed(&key).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    (vec![certificate.der().clone()], Arc::new(key))
}

/// The status of a GET, `None` where TLS or the connection failed.
async fn get(
    controller: &Controller,
    at: SocketAddr,
    who: Option<&Credentials>,
    path: &str,
) -> Option<u16> {
    let provider = Arc::new(ring::default_provider());
    let mut anchors = RootCertStore::empty();
    anchors
        .add(controller.shared.pki.authorities()[1].clone())
        .unwrap();
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(anchors), Arc::clone(&provider))
            .build()
            .unwrap();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_webpki_verifier(verifier);
    let mut config = match who {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from("controller.example").unwrap();
    let stream = TcpStream::connect(at).await.unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .ok()?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
            .await
            .ok()?;
    tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", "controller.example")
        .body(Empty::new())
        .unwrap();
    let response = sender.send_request(request).await.ok()?;
    let status = response.status().as_u16();
    response.into_body().collect().await.ok()?;
    Some(status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_certificate_is_an_operators_and_no_agents_whatever_it_names() {
    // It says that it is the agent a-1.
    let olga = self_signed("urn:glimpse:agent:a-1");
    let digest: [u8; 32] = Sha256::digest(&olga.0[0]).into();
    let hex = hex(&olga.0[0]);
    let config = format!(
        "[[operators]]\nname = \"pinned\"\nrole = \"operator\"\ncertificate_sha256 = \"{hex}\"\n"
    );
    let controller = Controller::with(&config, crate::callhome::tests::times()).await;
    controller.enrol("a-1", "north").await;
    let pins: Pins = Arc::new([digest].into());
    let gate = Gate {
        revocations: controller.revocations.clone(),
        now: Arc::new(|| clock::seconds(clock::now())),
        pins: Arc::clone(&pins),
    };
    let tls = operator_listener(
        &controller.shared.pki,
        &controller.server,
        &controller.revocations,
        pins,
    );
    let any = ([127, 0, 0, 1], 0).into();
    let transport = Transport::Tls(shared(tls.unwrap()));
    let listener = Listener::bind(any, transport, Bounds::default(), gate)
        .await
        .unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(listener.serve(controller.router(), controller.stop.subscribe()));

    let fleet = "/restconf/data/glimpse-fleet:fleet";
    assert_eq!(get(&controller, at, Some(&olga), fleet).await, Some(200));
    assert_eq!(
        get(&controller, at, Some(&olga), "/agents/a-1/restconf/data").await,
        Some(503),
        "it may ask"
    );
    // An agent by its own: it may look at the library, and at no fleet.
    let agent = credentials(&controller.shared.pki, "a-1");
    assert_eq!(get(&controller, at, Some(&agent), fleet).await, Some(404));
    assert_eq!(
        get(&controller, at, Some(&agent), "/agents/a-1/restconf/data").await,
        Some(403)
    );
    let library = "/restconf/data/ietf-yang-library:yang-library/content-id";
    assert_eq!(get(&controller, at, Some(&agent), library).await, Some(200));
    // Nobody, and strangers.
    assert_eq!(get(&controller, at, None, fleet).await, Some(401));
    assert_eq!(
        get(&controller, at, None, "/.well-known/host-meta").await,
        Some(200)
    );
    assert_eq!(
        get(&controller, at, Some(&self_signed("urn:x:y")), fleet).await,
        None
    );
    let (_dir, foreign, _) = made();
    assert_eq!(
        get(&controller, at, Some(&credentials(&foreign, "a-1")), fleet).await,
        None
    );
    controller.revocations.update(|set| {
        set.agents.insert(agent_id("a-1"));
    });
    assert_eq!(
        get(&controller, at, Some(&agent), library).await,
        None,
        "revoked"
    );
    assert_eq!(
        get(&controller, at, Some(&olga), fleet).await,
        Some(200),
        "she is not that agent"
    );
}
