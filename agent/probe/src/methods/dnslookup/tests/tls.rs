//! DNS over TLS, and why there is none.

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

/// An authority, and a server's certificate for `names` from it.
pub(super) struct Pki {
    roots: rustls::RootCertStore,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Pki {
    pub(super) fn new(names: &[&str], last_year: i32) -> Self {
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let common = format!("authority {last_year}");
        authority
            .distinguished_name
            .push(rcgen::DnType::CommonName, common);
        let root = authority.self_signed(&authority_key).unwrap();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        Self {
            roots,
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }

    pub(super) fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .unwrap();
        Arc::new(config).into()
    }

    /// A context whose measurements trust this authority.
    pub(super) fn trusted(&self) -> Context {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        let config = Arc::new(config);
        Context {
            tls: Arc::new(move || Ok(config.clone())),
            ..context()
        }
    }

    async fn server(&self) -> Server {
        let acceptor = self.acceptor();
        Server::tcp(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let query = read_query(&mut stream).await;
                stream.write_all(&framed(&address(&query))).await.unwrap();
                stream.flush().await.unwrap();
            }
        })
        .await
    }
}

#[tokio::test]
async fn dns_over_tls_proves_the_server_by_name_or_address() {
    let pki = Pki::new(&["dns.example", "127.0.0.1"], 2100);
    let server = pki.server().await;
    for name in ["", "dns.example"] {
        let given = server.options(&json!({"transport": "Tls", "tls_name": name, "timeout": 3000}));
        let outcome = measure_in(given, &pki.trusted()).await;
        assert_one_address(&outcome);
        let query = only(&outcome);
        for figure in ["connect_us", "tls_us", "query_us"] {
            let us = query[figure].as_u64().unwrap();
            assert!(us > 0 && us < 1_000_000, "{figure}: {us}");
        }
        assert_eq!(query["transport"], "Tls");
    }
}

#[tokio::test]
async fn tls_failures_are_told_by_kind_and_no_query_leaves() {
    let good = Pki::new(&["dns.example"], 2100);
    let expired = Pki::new(&["dns.example"], 2001);
    let (server, old) = (good.server().await, expired.server().await);
    let plain = Server::tcp(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read(&mut [0; 2048]).await;
    })
    .await;
    let closing = Server::tcp(|stream| async move { drop(stream) }).await;
    let named =
        json!({"transport": "Tls", "tls_name": "dns.example", "timeout": 3000, "retries": 2});
    let other = json!({"transport": "Tls", "tls_name": "other.example", "timeout": 3000});
    for (server, context, options, words) in [
        (
            &server,
            good.trusted(),
            &other,
            "A: tls with other.example: the certificate is for another name",
        ),
        (
            &server,
            expired.trusted(),
            &named,
            "A: tls with dns.example: the certificate is from an unknown authority",
        ),
        (
            &old,
            expired.trusted(),
            &named,
            "A: tls with dns.example: the certificate has expired",
        ),
        (
            &plain,
            good.trusted(),
            &named,
            "A: tls with dns.example: the answer is not tls",
        ),
        (
            &closing,
            good.trusted(),
            &named,
            "A: tls with dns.example: the server ",
        ),
        (
            &server,
            context(),
            &named,
            "A: no tls: no certificate authorities were given",
        ),
    ] {
        let outcome = measure_in(server.options(options), &context).await;
        let told = outcome.error.clone().unwrap();
        assert!(told.starts_with(words), "{told} instead of {words}");
        assert_eq!(outcome.ending, Ending::Failed);
        assert_eq!(
            only(&outcome)["query_us"],
            Value::Null,
            "one try: another would find the same"
        );
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_told_and_tried_again() {
    let silent = Server::tcp(|stream| async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(stream);
    })
    .await;
    let pki = Pki::new(&["127.0.0.1"], 2100);
    let given = silent.options(&json!({"transport": "Tls", "timeout": 200, "retries": 1}));
    let outcome = measure_in(given, &pki.trusted()).await;
    assert_eq!(
        (outcome.ending, outcome.error.as_deref()),
        (
            Ending::Failed,
            Some("A: tls with 127.0.0.1: no handshake within 200 ms")
        )
    );
    assert_eq!(outcome.probe_result["queries"].as_array().unwrap().len(), 2);
}
