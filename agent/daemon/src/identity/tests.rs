#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::authority::{Authorities, NOW, certs_only, root};
use super::*;
use base64::Engine as _;
use proptest::prelude::*;
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use ring::rand::SystemRandom;
use rustls_pki_types::{CertificateDer, ServerName};
use std::os::unix::fs::PermissionsExt as _;

fn name(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).unwrap()
}

fn enrolled(dir: &std::path::Path) -> (Store, Authorities) {
    let rng = SystemRandom::new();
    let authorities = Authorities::new();
    let store = Store::new(dir);
    let key = store.key_or_new(&rng).unwrap();
    let own = authorities.agents.agent("agent-7", key.public_key_info());
    let answer = certs_only(&[&authorities.agents.der, &own]);
    let chain = issued_chain(answer.as_bytes(), &key).unwrap();
    let fingerprint = Fingerprint::of(&authorities.root.der);
    let trust = Trust::from_cacerts(authorities.cacerts().as_bytes(), Some(&fingerprint)).unwrap();
    store
        .enrol(&trust, &name("controller.example"), &chain)
        .unwrap();
    (store, authorities)
}

#[test]
fn fingerprints_are_read_as_people_write_them() {
    let wanted = Fingerprint::of(b"abc");
    let text = wanted.to_string();
    assert_eq!(
        text,
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    let digits = &text[7..];
    let colons: Vec<_> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap())
        .collect();
    for form in [
        text.clone(),
        digits.to_owned(),
        text.to_uppercase(),
        format!(" SHA256:{}\n", colons.join(":").to_uppercase()),
    ] {
        assert_eq!(form.parse::<Fingerprint>().unwrap(), wanted, "{form}");
    }
    for form in [
        "",
        "sha256:",
        &text[..70],
        &format!("{text}0"),
        "sha256:zz",
        "md5:00",
    ] {
        assert!(form.parse::<Fingerprint>().is_err(), "{form}");
    }
}

#[test]
fn envelope_keeps_every_byte_of_every_certificate() {
    let authorities = Authorities::new();
    let mut found = certificates(authorities.cacerts().as_bytes()).unwrap();
    let mut wanted = vec![
        authorities.root.der.clone(),
        authorities.controllers.der.clone(),
        authorities.agents.der.clone(),
    ];
    found.sort_by(|a, b| a.as_ref().cmp(b));
    wanted.sort_by(|a, b| a.as_ref().cmp(b));
    assert_eq!(found, wanted);
}

#[test]
fn envelope_of_another_program_is_read() {
    // openssl crl2pkcs7 -nocrl -certfile …
    let body = include_bytes!("tests/cacerts-openssl.b64");
    let found = certificates(body).unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|der| Validity::of(der).is_some()));
}

#[test]
fn envelope_is_bounded() {
    let authorities = Authorities::new();
    let long = vec![b'A'; MAX_ANSWER_BYTES + 1];
    assert!(matches!(
        certificates(&long),
        Err(IdentityError::Answer("is too long"))
    ));
    let many: Vec<_> = (0..=MAX_CERTIFICATES)
        .map(|i| {
            authorities
                .controllers
                .leaf(&i.to_string(), &[], ServerAuth, (2020, 2080))
                .der
        })
        .collect();
    let many: Vec<&CertificateDer<'_>> = many.iter().collect();
    assert!(matches!(
        certificates(certs_only(&many).as_bytes()),
        Err(IdentityError::Answer("holds too many certificates"))
    ));
}

#[test]
fn root_of_another_fingerprint_is_refused() {
    let authorities = Authorities::new();
    let other = Authorities::new();
    let expected = Fingerprint::of(&authorities.root.der);
    assert!(matches!(
        Trust::from_cacerts(other.cacerts().as_bytes(), Some(&expected)),
        Err(IdentityError::WrongRoot { expected: e }) if e == expected
    ));
}

#[test]
fn intermediate_that_the_root_did_not_sign_is_left_out() {
    let authorities = Authorities::new();
    let forged = Authorities::new(); // same names, other keys
    let expected = Fingerprint::of(&authorities.root.der);
    let body = certs_only(&[&authorities.root.der, &forged.controllers.der]);
    assert!(matches!(
        Trust::from_cacerts(body.as_bytes(), Some(&expected)),
        Err(IdentityError::Answer(_))
    ));
    let body = certs_only(&[
        &authorities.root.der,
        &forged.controllers.der,
        &authorities.controllers.der,
    ]);
    let trust = Trust::from_cacerts(body.as_bytes(), Some(&expected)).unwrap();
    assert_eq!(
        trust.controllers(NOW).collect::<Vec<_>>(),
        [&authorities.controllers.der]
    );
}

#[test]
fn only_the_marked_intermediate_speaks_for_controllers() {
    let root = root("GLIMPSE root");
    let expected = Fingerprint::of(&root.der);
    for (unit, usage) in [
        ("agents", ClientAuth),
        ("agents", ServerAuth),
        ("controllers", ClientAuth),
    ] {
        let other = root.intermediate(unit, usage, (2020, 2080));
        let body = certs_only(&[&root.der, &other.der]);
        assert!(
            Trust::from_cacerts(body.as_bytes(), Some(&expected)).is_err(),
            "{unit}"
        );
    }
    // An end entity with the same words is no authority.
    let mut leaf = root.leaf("x", &[], ServerAuth, (2020, 2080));
    let body = certs_only(&[&root.der, &leaf.der]);
    assert!(Trust::from_cacerts(body.as_bytes(), Some(&expected)).is_err());
    leaf.der = root.der.clone();
    assert!(Trust::from_cacerts(certs_only(&[&leaf.der]).as_bytes(), Some(&expected)).is_err());
}

#[test]
fn without_a_fingerprint_the_root_must_be_the_only_one() {
    let one = Authorities::new();
    let trust = Trust::from_cacerts(one.cacerts().as_bytes(), None).unwrap();
    assert_eq!(trust.fingerprint(), Fingerprint::of(&one.root.der));
    let second = root("another root");
    let body = certs_only(&[&one.root.der, &one.controllers.der, &second.der]);
    assert!(Trust::from_cacerts(body.as_bytes(), None).is_err());
    let body = certs_only(&[&one.controllers.der]);
    assert!(Trust::from_cacerts(body.as_bytes(), None).is_err());
}

#[test]
fn intermediate_may_change_below_the_same_root_only() {
    let authorities = Authorities::new();
    let trust = Trust::from_cacerts(authorities.cacerts().as_bytes(), None).unwrap();
    let next = authorities
        .root
        .intermediate("controllers", ServerAuth, (2025, 2085));
    let body = certs_only(&[&next.der, &authorities.root.der]);
    let refreshed = trust.refreshed(body.as_bytes()).unwrap();
    assert_eq!(refreshed.controllers(NOW).collect::<Vec<_>>(), [&next.der]);
    let foreign = Authorities::new();
    assert!(trust.refreshed(foreign.cacerts().as_bytes()).is_err());
}

#[test]
fn expired_intermediate_is_no_anchor() {
    let root = root("GLIMPSE root");
    let old = root.intermediate("controllers", ServerAuth, (2020, 2022));
    let body = certs_only(&[&root.der, &old.der]);
    let trust = Trust::from_cacerts(body.as_bytes(), None).unwrap();
    assert_eq!(trust.controllers(NOW).count(), 0);
}

#[test]
fn request_is_signed_and_asks_for_nothing() {
    let key = Key::generate(&SystemRandom::new()).unwrap();
    let request = key.certificate_request(&SystemRandom::new()).unwrap();
    let (message, algorithm, signature) = {
        use der::{Decode, Encode};
        let parsed = x509_cert::request::CertReq::from_der(&request).unwrap();
        assert!(parsed.info.subject.is_empty());
        assert!(parsed.info.attributes.is_empty());
        assert_eq!(
            parsed.info.public_key.to_der().unwrap(),
            key.public_key_info()
        );
        (
            parsed.info.to_der().unwrap(),
            parsed.algorithm.oid,
            parsed.signature.raw_bytes().to_vec(),
        )
    };
    assert_eq!(algorithm.to_string(), "1.2.840.10045.4.3.2");
    let point = &key.public_key_info()[key.public_key_info().len() - 65..];
    ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_ASN1, point)
        .verify(&message, &signature)
        .unwrap();
    let body = request_body(&request);
    assert!(body.lines().all(|line| line.len() <= 64));
    let joined: String = body.lines().collect();
    assert_eq!(
        base64::engine::general_purpose::STANDARD
            .decode(joined)
            .unwrap(),
        request
    );
}

#[test]
fn answer_without_our_certificate_is_refused() {
    let authorities = Authorities::new();
    let key = Key::generate(&SystemRandom::new()).unwrap();
    let other = Key::generate(&SystemRandom::new()).unwrap();
    let foreign = authorities.agents.agent("agent-8", other.public_key_info());
    assert!(matches!(
        issued_chain(certs_only(&[&foreign]).as_bytes(), &key),
        Err(IdentityError::Answer("holds no certificate for our key"))
    ));
}

#[test]
fn identity_survives_on_disk_and_the_key_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("identity");
    let (store, authorities) = enrolled(&dir);
    let identity = store.load(&SystemRandom::new()).unwrap();
    assert_eq!(identity.agent_id, "agent-7");
    assert_eq!(identity.controller, name("controller.example"));
    assert_eq!(
        identity.trust.fingerprint(),
        Fingerprint::of(&authorities.root.der)
    );
    assert!(identity.validity.contains(NOW));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("key.pem")), 0o600);
    assert!(!format!("{identity:?}").contains("pkcs8"));
    let left: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 4, "{left:?}");
}

#[test]
fn second_enrolment_keeps_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = enrolled(dir.path());
    let before = store.load(&SystemRandom::new()).unwrap();
    let key = store.key_or_new(&SystemRandom::new()).unwrap();
    assert_eq!(key.public_key_info(), before.key.public_key_info());
}

#[test]
fn interrupted_write_leaves_the_old_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let (store, authorities) = enrolled(dir.path());
    let before = store.load(&SystemRandom::new()).unwrap();
    std::fs::write(dir.path().join("certificate.pem.new"), "-----BEGIN CERT").unwrap();
    assert_eq!(
        store.load(&SystemRandom::new()).unwrap().chain,
        before.chain
    );
    let next = authorities
        .agents
        .agent("agent-7", before.key.public_key_info());
    store.renew(std::slice::from_ref(&next)).unwrap();
    assert_eq!(store.load(&SystemRandom::new()).unwrap().chain, [next]);
}

#[test]
fn errors_name_the_file_and_the_way_out() {
    let rng = SystemRandom::new();
    let empty = tempfile::tempdir().unwrap();
    let store = Store::new(empty.path());
    let error = store.load(&rng).unwrap_err();
    assert!(matches!(error, IdentityError::NotEnrolled { .. }));
    assert!(error.to_string().contains("glimpse-agent enrol"));

    let dir = tempfile::tempdir().unwrap();
    let (store, _) = enrolled(dir.path());
    let key = dir.path().join("key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = store.load(&rng).unwrap_err().to_string();
    assert!(
        error.contains("chmod 600") && error.contains("key.pem"),
        "{error}"
    );

    std::fs::remove_file(&key).unwrap();
    store.key_or_new(&rng).unwrap();
    let error = store.load(&rng).unwrap_err().to_string();
    assert!(error.contains("does not belong to the key"), "{error}");

    std::fs::write(dir.path().join("certificate.pem"), "rubbish").unwrap();
    let error = store.load(&rng).unwrap_err().to_string();
    assert!(
        error.contains("certificate.pem") && error.contains("enrol again"),
        "{error}"
    );
}

#[test]
fn root_put_into_the_store_by_somebody_else_is_checked_again() {
    let dir = tempfile::tempdir().unwrap();
    let (store, authorities) = enrolled(dir.path());
    let forged = Authorities::new();
    let pem =
        trust::certificates_to_pem([&authorities.root.der, &forged.controllers.der].into_iter())
            .unwrap();
    std::fs::write(dir.path().join("ca.pem"), pem).unwrap();
    assert!(matches!(
        store.load(&SystemRandom::new()),
        Err(IdentityError::Damaged { .. })
    ));
}

proptest! {
    #[test]
    fn renewal_falls_around_two_thirds(start in 0_i64..4_000_000_000, life in 0_i64..4_000_000_000, seed: u64) {
        let validity = Validity { not_before: start, not_after: start + life };
        let at = renew_at(validity, seed);
        if life >= 60 {
            prop_assert!(at >= start + life * 61 / 100 - 3, "{at}");
            prop_assert!(at <= start + life * 72 / 100 + 3, "{at}");
        } else {
            prop_assert!(at <= start + life);
        }
    }

    #[test]
    fn renewal_of_any_validity_is_an_answer(not_before: i64, not_after: i64, seed: u64) {
        let at = renew_at(Validity { not_before, not_after }, seed);
        prop_assert!(at <= not_after);
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), text in "\\PC{0,90}") {
        let body = request_body(&bytes);
        let _ = certificates(body.as_bytes());
        let _ = certificates(&bytes);
        let _ = Validity::of(&bytes);
        let _ = Trust::from_pem(&bytes);
        let _ = Key::from_pem(&bytes, &SystemRandom::new());
        let _ = text.parse::<Fingerprint>();
    }

    #[test]
    fn damaged_answers_never_panic_and_never_give_another_root(at in 0_usize..3000, bit in 0_u8..8) {
        use std::sync::LazyLock;
        static ANSWER: LazyLock<(Vec<u8>, Fingerprint)> = LazyLock::new(|| {
            let authorities = Authorities::new();
            let body: String = authorities.cacerts().lines().collect();
            let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
            (der, Fingerprint::of(&authorities.root.der))
        });
        let (answer, expected) = &*ANSWER;
        let mut answer = answer.clone();
        let at = at % answer.len();
        answer[at] ^= 1 << bit;
        if let Ok(trust) = Trust::from_cacerts(request_body(&answer).as_bytes(), Some(expected)) {
            prop_assert_eq!(trust.fingerprint(), *expected);
        }
    }
}
