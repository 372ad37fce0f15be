//! What only a key can make: the controller's authorities as `cacerts` hands them out, a certificate, a request.

use crate::Seed;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use glimpse_agent::identity::{Key, request_body};
use glimpse_controller::pki::{
    CertificateRequest, Lifetimes, Names, certs_only, create, random_serial,
};
use glimpse_model::id::AgentId;
use ring::rand::SystemRandom;
use std::path::Path;

/// 2026-11-21T00:00:00Z
const NOW: i64 = 1_795_219_200;

/// Those that are not kept yet below `folder`.
pub(crate) fn missing(folder: &Path) -> Vec<Seed> {
    let names = [
        ("cacerts", "bundle"),
        ("cacerts", "bundle.der"),
        ("cacerts", "root.pem"),
        ("agent_certificate", "p-256.der"),
        ("certificate_request", "p-256"),
        ("certificate_request", "p-256.der"),
    ];
    if names
        .iter()
        .all(|(target, name)| folder.join(target).join(name).exists())
    {
        return Vec::new();
    }
    made()
        .into_iter()
        .filter(|(target, name, _)| !folder.join(target).join(name).exists())
        .collect()
}

fn made() -> Vec<Seed> {
    let dir = tempfile::tempdir().unwrap();
    let pki_dir = dir.path().join("pki");
    let names = Names {
        organisation: "Example".to_owned(),
        server: vec!["localhost".to_owned()],
    };
    let lifetimes = Lifetimes::default();
    let (pki, _) = create(&pki_dir, &names, &lifetimes, NOW, &mut random_serial).unwrap();
    let bundle = certs_only(pki.authorities()).unwrap();
    let der = STANDARD.decode(bundle.replace('\n', "")).unwrap();
    let key = Key::generate(&SystemRandom::new()).unwrap();
    let request = key.certificate_request(&SystemRandom::new()).unwrap();
    let body = request_body(&request);
    let parsed = CertificateRequest::parse(body.as_bytes()).unwrap();
    let agent = AgentId::new("agent-1").unwrap();
    let issued = pki
        .issue_agent(&parsed, &agent, random_serial().unwrap(), NOW, &lifetimes)
        .unwrap();
    vec![
        ("cacerts", "bundle", bundle.into_bytes()),
        ("cacerts", "bundle.der", der),
        (
            "cacerts",
            "root.pem",
            std::fs::read(pki_dir.join("root.pem")).unwrap(),
        ),
        ("agent_certificate", "p-256.der", issued.der.to_vec()),
        ("certificate_request", "p-256", body.into_bytes()),
        ("certificate_request", "p-256.der", request),
    ]
}
