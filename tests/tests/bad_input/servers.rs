//! Servers on loopback that do what no server should. They end with the runtime that started them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, crypto::ring};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a server does with whoever connects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Behaviour {
    /// Is not there.
    Gone,
    /// Reads, and never says a word.
    Silent,
    /// Answers what is no answer of any protocol.
    Garbage,
    /// Says one byte a second.
    Trickling,
    /// Answers a part, then resets the connection.
    Resetting,
    /// Closes without a word.
    Closing,
    /// Announces more than it sends, then closes.
    Lying,
}

/// The beginning of an HTTP answer; of DNS, a message of 18 516 bytes.
const BEGINNING: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";

/// Starts one; gives where it listens.
pub(crate) async fn start(behaviour: Behaviour) -> SocketAddr {
    if matches!(behaviour, Behaviour::Gone) {
        return held();
    }
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(behave(behaviour, stream));
        }
    });
    address
}

/// A port that is nobody's: bound, so that no other test gets it, but not listening.
fn held() -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(socket);
    });
    address
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn behave(behaviour: Behaviour, mut stream: TcpStream) -> Option<()> {
    let mut buffer = vec![0; 4096];
    (stream.read(&mut buffer).await.ok()? > 0).then_some(())?;
    match behaviour {
        Behaviour::Gone | Behaviour::Closing => return None,
        Behaviour::Silent => {}
        Behaviour::Garbage => {
            // As a length, 65 280 bytes.
            stream
                .write_all(&b"\xff\x00garbage".repeat(20))
                .await
                .ok()?;
            stream.shutdown().await.ok()?;
        }
        Behaviour::Trickling => {
            for byte in BEGINNING {
                stream.write_all(&[*byte]).await.ok()?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        Behaviour::Resetting => {
            stream.write_all(BEGINNING).await.ok()?;
            stream.write_all(&[b'x'; 1000]).await.ok()?;
            tokio::time::sleep(Duration::from_millis(100)).await;
            stream.set_zero_linger().ok()?;
            return None;
        }
        Behaviour::Lying => {
            stream.write_all(BEGINNING).await.ok()?;
            stream.write_all(&[b'x'; 1000]).await.ok()?;
            stream.shutdown().await.ok()?;
        }
    }
    while stream.read(&mut buffer).await.ok()? > 0 {}
    None
}

/// What is wrong with a certificate for 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Certificate {
    /// Nothing; the server closes after the handshake.
    Good,
    /// Nobody vouches for it.
    SelfSigned,
    /// It is for another name.
    OtherName,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is for clients only.
    Client,
}

/// An authority, and the servers that show its certificates.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Another name than that of certificates that sign themselves, so that it is not taken for their issuer.
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        let certificate: &rcgen::Certificate = self.issuer.as_ref();
        let text = STANDARD.encode(certificate.der());
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    /// Starts a server that shows such a certificate and closes once the handshake is over.
    pub(crate) async fn serve(&self, certificate: Certificate) -> SocketAddr {
        let acceptor = self.acceptor(certificate);
        let (listener, address) = listen().await;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let _ = stream.read(&mut [0; 512]).await;
                    let _ = stream.get_mut().0.set_zero_linger();
                }
            }
        });
        address
    }

    fn acceptor(&self, certificate: Certificate) -> TlsAcceptor {
        let name = match certificate {
            Certificate::OtherName => "other.example",
            _ => "127.0.0.1",
        };
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        let (first, last) = match certificate {
            Certificate::Expired => (2000, 2001),
            Certificate::NotYetValid => (2099, 2100),
            _ => (2000, 2100),
        };
        params.not_before = date_time_ymd(first, 1, 1);
        params.not_after = date_time_ymd(last, 1, 1);
        if matches!(certificate, Certificate::Client) {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
        let key = KeyPair::generate().unwrap();
        let signed = match certificate {
            Certificate::SelfSigned => params.self_signed(&key).unwrap(),
            _ => params.signed_by(&key, &self.issuer).unwrap(),
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}
