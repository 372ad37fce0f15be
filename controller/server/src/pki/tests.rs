#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::{Decode as _, Encode as _};
use glimpse_model::id::AgentId;
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;
use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::LazyLock;
use x509_parser::prelude::{GeneralName, X509Certificate};

/// 2025-01-01T00:00:00Z: what is issued then for decades is valid whenever these tests run.
pub(crate) const NOW: i64 = 1_735_689_600;
const DAY_S: i64 = 86_400;
const YEAR_S: i64 = 365 * DAY_S;

pub(crate) const LONG: Lifetimes = Lifetimes {
    root_s: 80 * YEAR_S,
    intermediate_s: 70 * YEAR_S,
    server_s: 60 * YEAR_S,
    agent_s: 60 * YEAR_S,
    backdate_s: 900,
};

/// Serial numbers 1, 2, 3 …
pub(crate) fn serials() -> impl FnMut() -> Result<Serial, PkiError> {
    let mut last = 0_u8;
    move || {
        last += 1;
        Ok(Serial::from_random([last; 16]))
    }
}

pub(crate) fn agent(id: &str) -> AgentId {
    AgentId::new(id).unwrap()
}

fn make(dir: &Path, lifetimes: &Lifetimes) -> Result<(Pki, ServerIdentity), PkiError> {
    let names = Names {
        organisation: "Example".to_owned(),
        server: ["controller.example", "127.0.0.1", "2001:db8::1"]
            .map(str::to_owned)
            .to_vec(),
    };
    create(dir, &names, lifetimes, NOW, &mut serials())
}

/// A PKI that lives as long as the directory.
pub(crate) fn made() -> (tempfile::TempDir, Pki, ServerIdentity) {
    let dir = tempfile::tempdir().unwrap();
    let (pki, server) = make(&dir.path().join("pki"), &LONG).unwrap();
    (dir, pki, server)
}

/// A request as an agent makes it.
pub(crate) fn request(key: &KeyPair) -> CertificateRequest {
    let csr = CertificateParams::default().serialize_request(key).unwrap();
    CertificateRequest::parse(csr.der()).unwrap()
}

fn parsed(der: &[u8]) -> X509Certificate<'_> {
    let (rest, certificate) = x509_parser::parse_x509_certificate(der).unwrap();
    assert!(rest.is_empty());
    certificate
}

fn life(der: &[u8]) -> (i64, i64) {
    let certificate = parsed(der);
    let validity = certificate.validity();
    (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    )
}

#[test]
fn authorities_are_apart_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let lifetimes = Lifetimes::default();
    let (pki, server) = make(&dir.path().join("pki"), &lifetimes).unwrap();
    let [root, controllers, agents] = pki.authorities();
    let root_parsed = parsed(root);
    root_parsed.verify_signature(None).unwrap();
    assert_eq!(life(root), (NOW - 900, NOW + 20 * YEAR_S));
    for (der, unit) in [(controllers, CONTROLLERS_UNIT), (agents, AGENTS_UNIT)] {
        let certificate = parsed(der);
        certificate
            .verify_signature(Some(root_parsed.public_key()))
            .unwrap();
        assert_eq!(certificate.issuer(), root_parsed.subject());
        let units: Vec<_> = certificate.subject().iter_organizational_unit().collect();
        assert_eq!(units.len(), 1);
        assert_eq!(units[0].as_str().unwrap(), unit);
        let constraints = certificate.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical && constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, Some(0));
        let usage = certificate.key_usage().unwrap().unwrap().value;
        assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
        let purpose = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(purpose.server_auth && purpose.client_auth && !purpose.any);
        assert_eq!(life(der), (NOW - 900, NOW + 5 * YEAR_S));
    }
    assert_ne!(
        parsed(controllers).public_key(),
        parsed(agents).public_key()
    );
    let serials: HashSet<_> = [root, controllers, agents, &server.chain[0]]
        .map(|der| parsed(der).raw_serial_as_string())
        .into();
    assert_eq!(serials.len(), 4);
}

#[test]
fn server_certificate_carries_its_names_and_no_right_to_sign() {
    let (dir, pki, server) = made();
    let certificate = parsed(&server.chain[0]);
    let [_, controllers, _] = pki.authorities();
    assert_eq!(&server.chain[1], controllers);
    certificate
        .verify_signature(Some(parsed(controllers).public_key()))
        .unwrap();
    let purpose = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(purpose.server_auth && purpose.client_auth && !purpose.any);
    assert!(!certificate.basic_constraints().unwrap().unwrap().value.ca);
    let names = &certificate
        .subject_alternative_name()
        .unwrap()
        .unwrap()
        .value
        .general_names;
    assert_eq!(names[0], GeneralName::DNSName("controller.example"));
    assert_eq!(names[1], GeneralName::IPAddress(&[127, 0, 0, 1]));
    let read = ServerIdentity::load(&dir.path().join("pki")).unwrap();
    assert_eq!(
        read.names,
        ["controller.example", "127.0.0.1", "2001:db8::1"]
    );
    assert_eq!(read.chain, server.chain);
    assert_eq!(read.key, server.key);
    assert_eq!(
        (read.not_before, read.not_after),
        (server.not_before, server.not_after)
    );
}

#[test]
fn names_that_are_none_are_refused() {
    let (_dir, pki, _) = made();
    let issue = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        pki.issue_server(&names, Serial::from_random([9; 16]), NOW, &LONG)
            .map(|_| ())
    };
    assert!(matches!(issue(&[]), Err(PkiError::NoName)));
    for name in ["", "https://controller.example", "a b", "exa\0mple"] {
        assert!(
            matches!(issue(&["ok.example", name]), Err(PkiError::Name { name: n }) if n == name)
        );
    }
}

#[test]
fn files_are_private_and_never_overwritten() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("pki");
    let (pki, _) = make(&dir, &LONG).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    let mut found: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    let mut wanted = FILES.map(str::to_owned);
    wanted.sort();
    assert_eq!(found, wanted);
    for file in FILES {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
    let contents = || FILES.map(|file| std::fs::read(dir.join(file)).unwrap());
    let before = contents();
    assert!(matches!(make(&dir, &LONG), Err(PkiError::Exists { .. })));
    // The rename itself refuses too, should another program have been faster.
    assert!(matches!(
        files::write_all(&dir, &[("root.pem", String::new())]),
        Err(PkiError::Exists { .. })
    ));
    assert_eq!(contents(), before);
    assert!(String::from_utf8_lossy(&before[1]).contains("off-line"));
    assert_eq!(Pki::load(&dir).unwrap().fingerprint(), pki.fingerprint());
}

#[test]
fn running_needs_no_root_key() {
    let (dir, _, _) = made();
    let dir = dir.path().join("pki");
    std::fs::remove_file(dir.join("root.key.pem")).unwrap();
    let pki = Pki::load(&dir).unwrap();
    ServerIdentity::load(&dir).unwrap();
    let key = KeyPair::generate().unwrap();
    pki.issue_agent(
        &request(&key),
        &agent("a-1"),
        Serial::from_random([7; 16]),
        NOW,
        &LONG,
    )
    .unwrap();
}

#[test]
fn swapped_keys_are_noticed() {
    let (dir, _, _) = made();
    let dir = dir.path().join("pki");
    std::fs::copy(dir.join("agents.key.pem"), dir.join("controllers.key.pem")).unwrap();
    assert!(matches!(
        Pki::load(&dir),
        Err(PkiError::Damaged { path, .. }) if path.ends_with("controllers.key.pem")
    ));
}

#[test]
fn server_renewal_replaces_one_file() {
    let (dir, pki, server) = made();
    let dir = dir.path().join("pki");
    assert!(!server.is_due(NOW + 39 * YEAR_S));
    assert!(server.is_due(NOW + 41 * YEAR_S));
    let next = pki
        .issue_server(&server.names, Serial::from_random([8; 16]), NOW, &LONG)
        .unwrap();
    next.store(&dir).unwrap();
    let read = ServerIdentity::load(&dir).unwrap();
    assert_eq!(read.chain, next.chain);
    assert_ne!(read.key, server.key);
    assert_eq!(
        dir.join("server.pem")
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), FILES.len());
}

#[test]
fn token_holder_who_asks_for_the_controllers_name_or_ca_rights_gets_its_own_id_and_nothing_else() {
    let (_dir, pki, _) = made();
    let key = KeyPair::generate().unwrap();
    let mut greedy = CertificateParams::new(vec!["controller.example".to_owned()]).unwrap();
    greedy
        .distinguished_name
        .push(DnType::CommonName, "GLIMPSE controller");
    greedy
        .distinguished_name
        .push(DnType::OrganizationalUnitName, CONTROLLERS_UNIT);
    greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    greedy.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    greedy.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::Any,
    ];
    let csr = greedy.serialize_request(&key).unwrap();
    let request = CertificateRequest::parse(csr.der()).unwrap();
    let id = agent("agent-7");
    let serial = Serial::from_random([0xaa; 16]);
    let issued = pki
        .issue_agent(&request, &id, serial, NOW, &Lifetimes::default())
        .unwrap();

    let certificate = parsed(&issued.der);
    let [_, _, agents] = pki.authorities();
    certificate
        .verify_signature(Some(parsed(agents).public_key()))
        .unwrap();
    assert_eq!(certificate.subject().to_string(), "CN=agent-7");
    let names = &certificate
        .subject_alternative_name()
        .unwrap()
        .unwrap()
        .value
        .general_names;
    assert_eq!(names[..], [GeneralName::URI("urn:glimpse:agent:agent-7")]);
    assert!(!certificate.basic_constraints().unwrap().unwrap().value.ca);
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign() && !usage.crl_sign());
    let purpose = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(purpose.client_auth && purpose.server_auth && !purpose.any);
    assert_eq!(
        *certificate.public_key().subject_public_key.data,
        *key.public_key_raw()
    );
    assert_eq!(life(&issued.der), (NOW - 900, NOW + 90 * DAY_S));
    assert_eq!(
        issued.certificate,
        AgentCertificate {
            agent: id,
            serial: format!("6a{}", "aa".repeat(15)),
            not_before: NOW - 900,
            not_after: NOW + 90 * DAY_S,
            sha256: issued.certificate.sha256,
            key: key.public_key_raw().into(),
        }
    );
}

#[test]
fn no_certificate_outlives_its_issuer() {
    let (_dir, pki, _) = made();
    let key = KeyPair::generate().unwrap();
    let end = NOW + 70 * YEAR_S;
    let late = end - DAY_S;
    let serial = Serial::from_random([1; 16]);
    let issue = |now| pki.issue_agent(&request(&key), &agent("a"), serial, now, &LONG);
    assert_eq!(issue(late).unwrap().certificate.not_after, end);
    assert!(matches!(
        issue(end),
        Err(PkiError::Issuer { unit: AGENTS_UNIT })
    ));
    assert!(matches!(issue(NOW - DAY_S), Err(PkiError::Issuer { .. })));
    let names = ["c.example".to_owned()];
    assert_eq!(
        pki.issue_server(&names, serial, late, &LONG)
            .unwrap()
            .not_after,
        end
    );
    assert!(pki.issue_server(&names, serial, end, &LONG).is_err());
}

#[test]
fn keys_that_are_taken() {
    let (_dir, pki, _) = made();
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
    ] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let issued = pki
            .issue_agent(
                &request(&key),
                &agent("a"),
                Serial::from_random([1; 16]),
                NOW,
                &LONG,
            )
            .unwrap();
        assert_eq!(
            *parsed(&issued.der).public_key().subject_public_key.data,
            *key.public_key_raw()
        );
    }
    let rsa = include_bytes!("tests/rsa-2048.csr.pem");
    assert!(matches!(
        CertificateRequest::parse(rsa),
        Err(PkiError::Request(reason)) if reason.contains("kind")
    ));
}

#[test]
fn request_must_be_signed_by_its_own_key() {
    let key = KeyPair::generate().unwrap();
    let other = KeyPair::generate().unwrap();
    let csr = CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    let mut der = csr.der().to_vec();
    let at = der
        .windows(65)
        .position(|window| window == key.public_key_raw())
        .unwrap();
    der[at..at + 65].copy_from_slice(other.public_key_raw());
    assert!(matches!(
        CertificateRequest::parse(&der),
        Err(PkiError::Request("is not signed by the key it names"))
    ));
}

#[test]
fn request_is_read_in_the_forms_that_occur() {
    let key = KeyPair::generate().unwrap();
    let csr = CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    let wanted = CertificateRequest::parse(csr.der()).unwrap();
    let flat = STANDARD.encode(csr.der());
    let lines: Vec<_> = flat
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line))
        .collect();
    for body in [
        flat.clone(),
        lines.join("\n"),
        format!("  {}\r\n", lines.join("\r\n")),
        csr.pem().unwrap(),
        format!("\n{}", csr.pem().unwrap()),
    ] {
        assert_eq!(
            CertificateRequest::parse(body.as_bytes()).unwrap(),
            wanted,
            "{body}"
        );
    }
    let mut trailing = csr.der().to_vec();
    trailing.push(0);
    for body in [
        Vec::new(),
        b"-----BEGIN CERTIFICATE REQUEST-----\n".to_vec(),
        format!("-----BEGIN CERTIFICATE-----\n{flat}\n-----END CERTIFICATE-----\n").into_bytes(),
        trailing,
        vec![b'A'; MAX_REQUEST_BYTES + 1],
        csr.der()[..100].to_vec(),
    ] {
        assert!(matches!(
            CertificateRequest::parse(&body),
            Err(PkiError::Request(_))
        ));
    }
}

#[test]
fn envelope_holds_the_very_bytes_of_the_certificates() {
    let (_dir, pki, server) = made();
    let body = certs_only(pki.authorities()).unwrap();
    assert!(body.lines().all(|line| line.len() <= 64) && body.ends_with('\n'));
    let der = STANDARD.decode(body.lines().collect::<String>()).unwrap();
    let content = ContentInfo::from_der(&der).unwrap().content;
    let signed = content.decode_as::<SignedData>().unwrap();
    assert!(signed.signer_infos.0.is_empty() && signed.crls.is_none());
    let found: HashSet<Vec<u8>> = signed
        .certificates
        .unwrap()
        .0
        .iter()
        .map(|choice| choice.to_der().unwrap())
        .collect();
    let wanted: HashSet<Vec<u8>> = pki
        .authorities()
        .iter()
        .map(|der| der.as_ref().to_vec())
        .collect();
    assert_eq!(found, wanted);
    assert!(certs_only([&server.chain[0], &server.chain[0]]).is_err());
    assert!(certs_only([&CertificateDer::from(vec![1, 2, 3])]).is_err());
}

#[test]
fn only_agents_are_agents() {
    let (_dir, pki, server) = made();
    let [root, controllers, agents] = pki.authorities();
    for der in [root, controllers, agents, &server.chain[0]] {
        assert!(matches!(
            AgentCertificate::parse(der),
            Err(PkiError::Peer(_))
        ));
    }
    // Signed by whom it may: common name and URI must say the same.
    let key = KeyPair::generate().unwrap();
    let named = |common_name: &str, uris: &[&str]| {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.subject_alt_names = uris
            .iter()
            .map(|uri| rcgen::SanType::URI((*uri).try_into().unwrap()))
            .collect();
        AgentCertificate::parse(params.self_signed(&key).unwrap().der())
    };
    assert!(named("a", &["urn:glimpse:agent:a"]).is_ok());
    assert!(named("a", &["urn:glimpse:agent:b"]).is_err());
    assert!(named("a", &["urn:glimpse:agent:a", "urn:glimpse:agent:b"]).is_err());
    assert!(named("a", &["urn:other:a"]).is_err());
    assert!(named("a/b", &["urn:glimpse:agent:a/b"]).is_err());
}

#[tokio::test]
async fn revocation_holds_at_once_and_wakes_who_waits() {
    let (_dir, pki, _) = made();
    let issue = |id, serial| {
        let key = KeyPair::generate().unwrap();
        pki.issue_agent(
            &request(&key),
            &agent(id),
            Serial::from_random([serial; 16]),
            NOW,
            &LONG,
        )
        .unwrap()
        .certificate
    };
    let (old, new, other) = (issue("a", 1), issue("a", 2), issue("b", 3));
    let revocations = Revocations::default();
    assert!(!revocations.contains(&old));
    let waiting = tokio::spawn({
        let (revocations, new) = (revocations.clone(), new.clone());
        async move { revocations.revoked(&new).await }
    });
    tokio::task::yield_now().await;
    revocations.update(|set| {
        set.serials.insert(old.serial.clone());
    });
    tokio::task::yield_now().await;
    assert!(revocations.contains(&old) && !revocations.contains(&new));
    assert!(!waiting.is_finished());
    revocations.update(|set| {
        set.agents.insert(agent("a"));
    });
    waiting.await.unwrap();
    assert!(revocations.contains(&new) && !revocations.contains(&other));
    revocations.replace(Revoked::default());
    assert!(!revocations.contains(&old));
}

static REQUEST: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let key = KeyPair::generate().unwrap();
    CertificateParams::default()
        .serialize_request(&key)
        .unwrap()
        .der()
        .to_vec()
});

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = CertificateRequest::parse(&bytes);
        let _ = CertificateRequest::parse(STANDARD.encode(&bytes).as_bytes());
        let _ = AgentCertificate::parse(&bytes);
    }

    #[test]
    fn damaged_requests_never_certify_another_key(at in 0_usize..1000, bit in 0_u8..8) {
        let mut der = REQUEST.clone();
        let at = at % der.len();
        der[at] ^= 1 << bit;
        // Bits that nobody signs may change (the count of unused bits before the signature), the key may not.
        if let Ok(request) = CertificateRequest::parse(&der) {
            prop_assert_eq!(request, CertificateRequest::parse(&REQUEST).unwrap());
        }
    }

    #[test]
    fn serials_are_positive_and_of_one_length(bytes: [u8; 16]) {
        let serial = rcgen::SerialNumber::from(Serial::from_random(bytes)).to_bytes();
        prop_assert!((0x40..0x80).contains(&serial[0]) && serial.len() == 16);
    }
}
