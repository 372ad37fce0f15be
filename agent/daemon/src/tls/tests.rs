#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::identity::authority::{Authorities, Leaf, NOW, certs_only};
use crate::identity::{Fingerprint, IdentityError, Store, issued_chain};
use ::ring::rand::SystemRandom;
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const BODY: &[u8] =
    b"POST /agent/v2/results HTTP/1.1\r\nhost: controller.example\r\n\r\n{\"secret\":1}";
const YEARS: (i32, i32) = (2020, 2080);

fn name(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).unwrap()
}

fn trust(authorities: &Authorities) -> Trust {
    let expected = Fingerprint::of(&authorities.root.der);
    Trust::from_cacerts(authorities.cacerts().as_bytes(), Some(&expected)).unwrap()
}

/// An identity below `authorities`, pinned to `controller.example`.
fn identity(authorities: &Authorities) -> Identity {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path());
    let rng = SystemRandom::new();
    let key = store.key_or_new(&rng).unwrap();
    let own = authorities.agents.agent("agent-7", key.public_key_info());
    let chain = issued_chain(certs_only(&[&own]).as_bytes(), &key).unwrap();
    store
        .enrol(&trust(authorities), &name("controller.example"), &chain)
        .unwrap();
    store.load(&rng).unwrap()
}

fn server(
    authorities: &Authorities,
    chain: Vec<CertificateDer<'static>>,
    leaf: &Leaf,
) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let mut agents = RootCertStore::empty();
    agents.add(authorities.agents.der.clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(agents), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, leaf.key.clone_key())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

struct Seen {
    /// What the agent's side reported: the refusal, if any.
    refusal: Option<Refusal>,
    /// Plain text that reached the server.
    received: Vec<u8>,
    /// Whether the server saw a client certificate.
    certified: bool,
}

/// Dials `host`, sends the body if the handshake succeeds, reports what arrived.
async fn exchange(client: Arc<ClientConfig>, host: &str, server: ServerConfig) -> Seen {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let serving = tokio::spawn(async move {
        let Ok(mut stream) = TlsAcceptor::from(Arc::new(server)).accept(far).await else {
            return (Vec::new(), false);
        };
        let certified = stream.get_ref().1.peer_certificates().is_some();
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received).await;
        (received, certified)
    });
    let refusal = match TlsConnector::from(client).connect(name(host), near).await {
        Ok(mut stream) => {
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            stream.write_all(BODY).await.unwrap();
            stream.shutdown().await.unwrap();
            // Until the server has read everything and hung up.
            let _ = stream.read_to_end(&mut Vec::new()).await;
            None
        }
        Err(error) => Some(Refusal::of(&error).unwrap_or_else(|| panic!("{error}"))),
    };
    let (received, certified) = serving.await.unwrap();
    Seen {
        refusal,
        received,
        certified,
    }
}

/// The steady configuration meets a server with `leaf`; `chain` is what that server sends behind it.
async fn steady_meets(ours: &Authorities, leaf: Leaf, chain: &[&CertificateDer<'static>]) -> Seen {
    let mut sent = vec![leaf.der.clone()];
    sent.extend(chain.iter().map(|&der| der.clone()));
    let config = steady(&identity(ours), NOW).unwrap();
    exchange(config, "controller.example", server(ours, sent, &leaf)).await
}

fn assert_nothing_left(seen: &Seen, refusal: Refusal) {
    assert_eq!(seen.refusal, Some(refusal));
    assert!(
        seen.received.is_empty(),
        "{} bytes left",
        seen.received.len()
    );
}

#[tokio::test]
async fn glimpse_check_47_right_controller_gets_the_body_and_our_certificate() {
    let ours = Authorities::new();
    let leaf = ours
        .controllers
        .leaf("c", &["controller.example"], ServerAuth, YEARS);
    let seen = steady_meets(&ours, leaf, &[&ours.controllers.der]).await;
    assert_eq!(seen.refusal, None);
    assert_eq!(seen.received, BODY);
    assert!(seen.certified);
}

#[tokio::test]
async fn glimpse_check_47_unknown_ca_gets_no_body() {
    let ours = Authorities::new();
    let theirs = Authorities::new();
    let leaf = theirs
        .controllers
        .leaf("c", &["controller.example"], ServerAuth, YEARS);
    let seen = steady_meets(&ours, leaf, &[&theirs.controllers.der, &theirs.root.der]).await;
    assert_nothing_left(&seen, Refusal::UnknownIssuer);

    let stranger = crate::identity::authority::root("somebody else");
    let leaf = stranger.leaf("c", &["controller.example"], ServerAuth, YEARS);
    let seen = steady_meets(&ours, leaf, &[&stranger.der]).await;
    assert_nothing_left(&seen, Refusal::UnknownIssuer);
}

#[tokio::test]
async fn glimpse_check_47_wrong_name_gets_no_body() {
    let ours = Authorities::new();
    let leaf = ours
        .controllers
        .leaf("c", &["other.example"], ServerAuth, YEARS);
    let seen = steady_meets(&ours, leaf, &[&ours.controllers.der]).await;
    assert_nothing_left(&seen, Refusal::WrongName);
}

#[tokio::test]
async fn glimpse_check_47_the_pinned_name_counts_and_not_the_dialled_one() {
    let ours = Authorities::new();
    let leaf = ours
        .controllers
        .leaf("c", &["other.example"], ServerAuth, YEARS);
    let config = steady(&identity(&ours), NOW).unwrap();
    let chain = vec![leaf.der.clone()];
    let seen = exchange(config, "other.example", server(&ours, chain, &leaf)).await;
    assert_nothing_left(&seen, Refusal::WrongName);
}

#[tokio::test]
async fn glimpse_check_47_expired_server_gets_no_body() {
    let ours = Authorities::new();
    let leaf = ours
        .controllers
        .leaf("c", &["controller.example"], ServerAuth, (2020, 2021));
    let seen = steady_meets(&ours, leaf, &[&ours.controllers.der]).await;
    assert_nothing_left(&seen, Refusal::Expired);
    let leaf = ours
        .controllers
        .leaf("c", &["controller.example"], ServerAuth, (2079, 2080));
    let seen = steady_meets(&ours, leaf, &[&ours.controllers.der]).await;
    assert_nothing_left(&seen, Refusal::NotYetValid);
}

#[tokio::test]
async fn glimpse_check_47_agent_posing_as_controller_gets_no_body() {
    let ours = Authorities::new();
    let leaf = ours
        .agents
        .leaf("a", &["controller.example"], ClientAuth, YEARS);
    let seen = steady_meets(&ours, leaf, &[&ours.agents.der, &ours.root.der]).await;
    assert_nothing_left(&seen, Refusal::BadCertificate);
    // Even were the agents' authority to sign servers, without any limit by extended key usage: it is no anchor.
    let agents = ours.root.intermediate("agents", ServerAuth, YEARS);
    let leaf = agents.leaf("a", &["controller.example"], ServerAuth, YEARS);
    let seen = steady_meets(&ours, leaf, &[&agents.der, &ours.root.der]).await;
    assert_nothing_left(&seen, Refusal::UnknownIssuer);
    // Below the right intermediate, but for the other purpose.
    let leaf = ours
        .controllers
        .leaf("a", &["controller.example"], ClientAuth, YEARS);
    let seen = steady_meets(&ours, leaf, &[&ours.controllers.der]).await;
    assert_nothing_left(&seen, Refusal::BadCertificate);
}

#[tokio::test]
async fn certificate_signed_by_the_root_itself_is_no_controller() {
    let ours = Authorities::new();
    let leaf = ours
        .root
        .leaf("c", &["controller.example"], ServerAuth, YEARS);
    let seen = steady_meets(&ours, leaf, &[&ours.root.der]).await;
    assert_nothing_left(&seen, Refusal::UnknownIssuer);
}

#[tokio::test]
async fn enrolment_verifies_and_shows_no_certificate() {
    let ours = Authorities::new();
    let controller = name("192.0.2.1");
    let config = enrolment(&trust(&ours), &controller, NOW).unwrap();
    let leaf = ours
        .controllers
        .leaf("c", &["192.0.2.1"], ServerAuth, YEARS);
    let chain = vec![leaf.der.clone(), ours.controllers.der.clone()];
    let seen = exchange(config.clone(), "192.0.2.1", server(&ours, chain, &leaf)).await;
    assert_eq!((seen.refusal, &seen.received[..]), (None, BODY));
    assert!(!seen.certified);

    let theirs = Authorities::new();
    let leaf = theirs
        .controllers
        .leaf("c", &["192.0.2.1"], ServerAuth, YEARS);
    let seen = exchange(
        config,
        "192.0.2.1",
        server(&theirs, vec![leaf.der.clone()], &leaf),
    )
    .await;
    assert_nothing_left(&seen, Refusal::UnknownIssuer);
}

#[tokio::test]
async fn first_contact_reaches_an_impostor_but_its_authorities_are_refused() {
    let ours = Authorities::new();
    let theirs = Authorities::new();
    let leaf = theirs
        .controllers
        .leaf("c", &["controller.example"], ServerAuth, YEARS);
    let config = first_contact().unwrap().for_cacerts();
    let seen = exchange(
        config,
        "controller.example",
        server(&theirs, vec![leaf.der.clone()], &leaf),
    )
    .await;
    assert_eq!(seen.refusal, None);
    let expected = Fingerprint::of(&ours.root.der);
    assert!(matches!(
        Trust::from_cacerts(theirs.cacerts().as_bytes(), Some(&expected)),
        Err(IdentityError::WrongRoot { .. })
    ));
}

#[tokio::test]
async fn first_contact_still_demands_the_key_of_the_certificate() {
    let ours = Authorities::new();
    let shown = ours
        .controllers
        .leaf("c", &["controller.example"], ServerAuth, YEARS);
    let held = ours
        .controllers
        .leaf("c", &["controller.example"], ServerAuth, YEARS);
    let mut config = server(&ours, vec![held.der.clone()], &held);
    config.cert_resolver = Arc::new(Mismatched(Arc::new(rustls::sign::CertifiedKey::new(
        vec![shown.der.clone()],
        ring::sign::any_ecdsa_type(&held.key).unwrap(),
    ))));
    let client = first_contact().unwrap().for_cacerts();
    let seen = exchange(client, "controller.example", config).await;
    assert_nothing_left(&seen, Refusal::UnknownIssuer);
}

#[derive(Debug)]
struct Mismatched(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Mismatched {
    fn resolve(
        &self,
        _: rustls::server::ClientHello<'_>,
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[tokio::test]
async fn system_roots_verify_name_and_issuer() {
    let public = crate::identity::authority::root("a public authority");
    let ours = Authorities::new();
    let bundle = format!(
        "# comment\n{}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, &public.der).unwrap()
    );
    let config = system_roots(bundle.as_bytes()).unwrap();
    let leaf = public.leaf("c", &["controller.example"], ServerAuth, YEARS);
    let chain = || vec![leaf.der.clone()];
    let seen = exchange(
        config.clone(),
        "controller.example",
        server(&ours, chain(), &leaf),
    )
    .await;
    assert_eq!((seen.refusal, &seen.received[..]), (None, BODY));
    let seen = exchange(
        config.clone(),
        "elsewhere.example",
        server(&ours, chain(), &leaf),
    )
    .await;
    assert_nothing_left(&seen, Refusal::WrongName);
    let own = ours
        .controllers
        .leaf("c", &["controller.example"], ServerAuth, YEARS);
    let seen = exchange(
        config,
        "controller.example",
        server(&ours, vec![own.der.clone()], &own),
    )
    .await;
    assert_nothing_left(&seen, Refusal::UnknownIssuer);
    assert!(matches!(system_roots(b"nothing"), Err(TlsError::NoRoots)));
}

#[test]
fn measurements_share_the_systems_roots_and_offer_no_protocol() {
    match (measuring()(), measuring()()) {
        (Ok(one), Ok(other)) => {
            assert!(Arc::ptr_eq(&one, &other));
            assert!(one.alpn_protocols.is_empty());
            let kept = Arc::downgrade(&one);
            drop((one, other));
            assert_eq!(kept.strong_count(), 0, "given back");
        }
        (Err(error), _) | (_, Err(error)) => {
            assert!(error.contains("install ca-certificates"), "{error}");
        }
    }
}

#[test]
fn without_a_valid_intermediate_there_is_no_configuration() {
    let ours = Authorities::new();
    let after_its_end = NOW + 100 * 365 * 86_400;
    assert!(matches!(
        steady(&identity(&ours), after_its_end),
        Err(TlsError::NoControllers)
    ));
}

#[test]
fn alerts_of_the_controller_say_what_to_do() {
    let of = |alert| Refusal::of(&io::Error::other(rustls::Error::AlertReceived(alert)));
    assert_eq!(
        of(AlertDescription::CertificateRevoked),
        Some(Refusal::OwnRevoked)
    );
    assert_eq!(
        of(AlertDescription::CertificateExpired),
        Some(Refusal::OwnExpired)
    );
    assert_eq!(of(AlertDescription::CloseNotify), None);
    assert_eq!(
        Refusal::of(&io::Error::from(io::ErrorKind::ConnectionReset)),
        None
    );
    assert!(
        Refusal::OwnExpired
            .to_string()
            .contains("glimpse-agent enrol")
    );
}
