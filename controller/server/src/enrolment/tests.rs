#![allow(clippy::unwrap_used)]

mod newcomers;

use super::Token;
use crate::clock;
use crate::fixture::{Answer, Fixture, by, start};
use crate::listener::Peer;
use crate::pki::AgentCertificate;
use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::{Decode, Encode};
use glimpse_model::id::AgentId;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use sha2::{Digest, Sha256};

/// A request that wishes for more than it may have.
fn greedy_request() -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "server");
    let request = params.serialize_request(&key).unwrap();
    STANDARD.encode(request.der())
}

fn nobody() -> Peer {
    Peer {
        addr: ([127, 0, 0, 1], 1).into(),
        agent: None,
        pinned: None,
    }
}

async fn enrol(fixture: &Fixture, token: &str, body: &str) -> Answer {
    let credentials = STANDARD.encode(format!("anybody:{token}"));
    let request = Request::post("/.well-known/est/simpleenroll")
        .extension(nobody())
        .header("authorization", format!("Basic {credentials}"))
        .body(Body::from(body.to_owned()))
        .unwrap();
    fixture.send(request).await
}

fn certificates(answer: &Answer) -> Vec<Vec<u8>> {
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/pkcs7-mime; smime-type=certs-only")
    );
    let text: String = String::from_utf8_lossy(&answer.body).lines().collect();
    let content = ContentInfo::from_der(&STANDARD.decode(text).unwrap()).unwrap();
    let signed = content.content.decode_as::<SignedData>().unwrap();
    let found = signed.certificates.unwrap();
    let certificates = found.0.iter().map(|choice| match choice {
        CertificateChoices::Certificate(certificate) => certificate.to_der().unwrap(),
        CertificateChoices::Other(_) => panic!("no certificate"),
    });
    certificates.collect()
}

#[tokio::test]
async fn a_token_gives_an_agents_certificate_and_nothing_else() {
    let fixture = Fixture::new().await;
    fixture.token("secret", None).await;
    let answer = enrol(&fixture, "secret", &greedy_request()).await;
    let given = certificates(&answer);
    assert_eq!(given.len(), 1);
    let certificate = AgentCertificate::parse(&given[0]).unwrap();
    assert_ne!(certificate.agent.as_str(), "server");
    assert!(!given[0].windows(9).any(|bytes| bytes == b"localhost"));
    let agents = fixture.shared.store.agents().await.unwrap();
    assert_eq!(agents.len(), 1);
    assert_eq!(agents[0].id, certificate.agent);
    assert_eq!(agents[0].certificate.serial, certificate.serial);
    assert_eq!(agents[0].group.as_deref(), Some("north"));
}

#[tokio::test]
async fn tokens_reused_expired_wrong_and_missing_are_401() {
    let fixture = Fixture::new().await;
    fixture.token("once", None).await;
    fixture.token("old", None).await;
    let request = greedy_request();
    assert_eq!(enrol(&fixture, "once", &request).await.status, 200);
    let detail = enrol(&fixture, "once", &request).await.problem(401);
    assert_eq!(detail, "the token was used before");
    let detail = enrol(&fixture, "wrong", &request).await.problem(401);
    assert_eq!(detail, "the token is not known here");
    fixture.advance(60);
    let detail = enrol(&fixture, "old", &request).await.problem(401);
    assert_eq!(detail, "the token has expired");
    for header in [
        None,
        Some("Bearer old"),
        Some("Basic !!"),
        Some("Basic b2xk"),
    ] {
        let mut bare = Request::post("/.well-known/est/simpleenroll").extension(nobody());
        if let Some(header) = header {
            bare = bare.header("authorization", header);
        }
        let answer = fixture.send(bare.body(Body::empty()).unwrap()).await;
        assert!(answer.problem(401).contains("one-time token"));
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Basic "));
    }
    assert_eq!(fixture.shared.store.agents().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_bad_request_costs_no_token() {
    let fixture = Fixture::new().await;
    fixture.token("secret", None).await;
    for body in ["", "no request", "MIIB"] {
        enrol(&fixture, "secret", body).await.problem(400);
    }
    let long = "A".repeat(1 << 20);
    enrol(&fixture, "secret", &long).await.problem(413);
    assert_eq!(
        enrol(&fixture, "secret", &greedy_request()).await.status,
        200
    );
}

#[tokio::test]
async fn of_two_with_one_token_one_enrols() {
    let fixture = Fixture::new().await;
    fixture.token("secret", None).await;
    let (one, two) = (greedy_request(), greedy_request());
    let (first, second) = tokio::join!(
        enrol(&fixture, "secret", &one),
        enrol(&fixture, "secret", &two)
    );
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    assert_eq!(fixture.shared.store.agents().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_agent_comes_back_as_itself_unless_revoked() {
    let fixture = Fixture::new().await;
    fixture.enrol("home").await;
    fixture.token("back", Some("home")).await;
    fixture.token("again", Some("home")).await;
    let given = certificates(&enrol(&fixture, "back", &greedy_request()).await);
    let certificate = AgentCertificate::parse(&given[0]).unwrap();
    assert_eq!(certificate.agent.as_str(), "home");
    let id = AgentId::new("home").unwrap();
    fixture.shared.store.revoke(id, start()).await.unwrap();
    let refused = enrol(&fixture, "again", &greedy_request()).await;
    assert!(refused.problem(401).contains("revoked"));
}

#[tokio::test]
async fn renewal_is_for_whom_the_certificate_names() {
    let fixture = Fixture::new().await;
    fixture.enrol("home").await;
    let renew = async |agent: Option<&str>| {
        let request = Request::post("/.well-known/est/simplereenroll")
            .body(Body::from(greedy_request()))
            .unwrap();
        fixture
            .send(match agent {
                Some(agent) => by(agent, request),
                None => request,
            })
            .await
    };
    let given = certificates(&renew(Some("home")).await);
    let certificate = AgentCertificate::parse(&given[0]).unwrap();
    assert_eq!(certificate.agent.as_str(), "home");
    let life_s = certificate.not_after - clock::seconds(start());
    assert_eq!(life_s, 90 * 86_400);
    let id = AgentId::new("home").unwrap();
    let kept = fixture.shared.store.agent(&id).await.unwrap().unwrap();
    assert_eq!(kept.certificate.serial, certificate.serial);
    renew(None).await.problem(403);
    renew(Some("stranger")).await.problem(403);
    fixture.shared.store.revoke(id, start()).await.unwrap();
    renew(Some("home")).await.problem(403);
}

#[tokio::test]
async fn anybody_may_see_the_authorities() {
    let fixture = Fixture::new().await;
    let request = Request::get("/.well-known/est/cacerts");
    let answer = fixture.send(request.body(Body::empty()).unwrap()).await;
    let given = certificates(&answer);
    assert_eq!(given.len(), 3);
    let mut fingerprints = given.iter().map(|der| format!("{:x}", Sha256::digest(der)));
    let wanted = fixture.shared.pki.fingerprint();
    assert!(
        fingerprints.any(|print| wanted.ends_with(&print)),
        "{wanted}"
    );
}

#[test]
fn tokens_are_long_random_and_not_shown_by_chance() {
    let (one, two) = (Token::random().unwrap(), Token::random().unwrap());
    assert_eq!(one.reveal().len(), 43, "32 bytes in base64url");
    assert_ne!(one.reveal(), two.reveal());
    let hash: [u8; 32] = Sha256::digest(one.reveal()).into();
    assert_eq!(one.hash(), hash);
    assert!(!format!("{one:?}").contains(one.reveal()));
}
