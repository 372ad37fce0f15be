//! A server on loopback for the tests, as good or as bad as the path that it is asked for. It ends when it is dropped.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

/// The server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    received: Arc<Mutex<u64>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with("127.0.0.1".parse().unwrap(), None).await
    }

    pub(crate) async fn start_with(address: IpAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, received) = (Arc::default(), Arc::default());
        let (log, sum) = (Arc::clone(&seen), Arc::clone(&received));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (log, sum, tls) = (Arc::clone(&log), Arc::clone(&sum), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &log, &sum, reset).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &log, &sum, |stream| reset(stream.get_ref().0)).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            seen,
            received,
            task,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The first lines of the requests so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Bytes of chunks and bodies that uploads have brought.
    pub(crate) fn received(&self) -> u64 {
        *self.received.lock().unwrap()
    }
}

fn reset(stream: &TcpStream) {
    stream.set_zero_linger().unwrap();
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    seen: &Mutex<Vec<String>>,
    received: &Mutex<u64>,
    reset: impl Fn(&S),
) {
    let mut buffer = Vec::new();
    loop {
        let Some(head) = read_head(&mut stream, &mut buffer).await else {
            return;
        };
        let line = head.lines().next().unwrap_or_default().to_owned();
        seen.lock().unwrap().push(line.clone());
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let route = path.split('?').next().unwrap_or_default().to_owned();
        if !answer(
            &mut stream,
            &line,
            &head,
            &route,
            &mut buffer,
            received,
            &reset,
        )
        .await
        {
            return;
        }
    }
}

/// Answers one request; whether another may follow.
#[allow(clippy::too_many_lines)]
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    line: &str,
    head: &str,
    route: &str,
    buffer: &mut Vec<u8>,
    received: &Mutex<u64>,
    reset: &impl Fn(&S),
) -> bool {
    let block = vec![b'x'; 64 * 1024];
    let mut say = async |text: &str| stream.write_all(text.as_bytes()).await.is_ok();
    let (folder, figure) = route.rsplit_once('/').unwrap_or_default();
    let figure: usize = figure.parse().unwrap_or_default();
    match route {
        "/endless" => {
            if !say("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").await
                || line.starts_with("HEAD")
            {
                return false;
            }
            while stream.write_all(&block).await.is_ok() {}
            false
        }
        "/chunked" => {
            if !say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await {
                return false;
            }
            for _ in 0..16 {
                let size = format!("{:x};note=x\r\n", block.len());
                let whole = [size.as_bytes(), &block, b"\r\n"].concat();
                if stream.write_all(&whole).await.is_err() {
                    return false;
                }
            }
            stream.write_all(b"0\r\nX-Trailer: y\r\n\r\n").await.is_ok()
        }
        "/closing" => {
            if say("HTTP/1.0 200 OK\r\n\r\n").await {
                for _ in 0..8 {
                    let _ = stream.write_all(&block).await;
                }
            }
            let _ = stream.shutdown().await;
            let _ = stream.read(&mut [0; 100]).await;
            false
        }
        "/silent" => {
            sleep(Duration::from_mins(1)).await;
            false
        }
        "/garbage" => {
            say("\u{1}\u{2}SSH-2.0-nothing to see here\r\n\r\n").await;
            false
        }
        "/slow" => {
            for byte in "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n".chars() {
                if !say(&byte.to_string()).await {
                    return false;
                }
                sleep(Duration::from_secs(1)).await;
            }
            false
        }
        "/trickle" => {
            if say("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n").await {
                while say("x").await {
                    sleep(Duration::from_secs(1)).await;
                }
            }
            false
        }
        "/reset" => {
            if say("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n").await {
                let _ = stream.write_all(&block).await;
            }
            sleep(Duration::from_millis(100)).await;
            reset(stream);
            false
        }
        "/head" => {
            if say("HTTP/1.1 200 OK\r\n").await {
                while say("X-More: and more and more and more and more\r\n").await {}
            }
            false
        }
        "/short" => {
            say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789").await;
            let _ = stream.shutdown().await;
            false
        }
        "/long" => {
            say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n0123456789").await;
            sleep(Duration::from_secs(5)).await;
            false
        }
        "/two" => {
            say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n").await;
            false
        }
        "/empty" => say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await,
        "/loop" => say("HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n").await,
        "/sink" => {
            if !sink(stream, head, buffer, received).await {
                return false;
            }
            let sum = format!("{{\"received\": {}}}", *received.lock().unwrap());
            let length = sum.len();
            stream
                .write_all(
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{sum}").as_bytes(),
                )
                .await
                .is_ok()
        }
        "/mute" => {
            sink(stream, head, buffer, received).await;
            sleep(Duration::from_mins(1)).await;
            false
        }
        "/full" => {
            say("HTTP/1.1 413 Too much\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
            let mut rest = vec![0; 65536];
            while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
            false
        }
        "/.well-known/glimpse-measurement" => {
            say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nallow\n").await
        }
        _ if folder == "/bodies" => {
            if !say(&format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {figure}\r\n\r\n"
            ))
            .await
            {
                return false;
            }
            let body = vec![b'y'; figure];
            stream.write_all(&body).await.is_ok()
        }
        _ if folder == "/status" => {
            say(&format!(
                "HTTP/1.1 {figure} Thus\r\nContent-Length: 0\r\n\r\n"
            ))
            .await
        }
        _ if route.starts_with("/to/") => {
            let location = route.trim_start_matches("/to/").replace('!', "/");
            let text =
                format!("HTTP/1.1 307 Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            say(&text).await
        }
        _ => say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await,
    }
}

async fn read_head<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(buffer.drain(..end + 4).collect()).ok()?;
            return Some(head);
        }
        let mut more = vec![0; 65536];
        match stream.read(&mut more).await {
            Ok(read) if read > 0 => buffer.extend_from_slice(&more[..read]),
            _ => return None,
        }
    }
}

/// Takes a body; whether its end came.
async fn sink<S: AsyncRead + Unpin>(
    stream: &mut S,
    head: &str,
    buffer: &mut Vec<u8>,
    received: &Mutex<u64>,
) -> bool {
    use super::body::Body;
    use super::head::Framing;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    let mut body = Body::new(length.map_or(Framing::Chunked, Framing::Length));
    let mut bytes = std::mem::take(buffer);
    loop {
        let before = body.received();
        let used = body.take(&bytes, |_| ()).unwrap();
        *received.lock().unwrap() += body.received() - before;
        if body.is_done() {
            *buffer = bytes.split_off(used);
            return true;
        }
        bytes.resize(256 * 1024, 0);
        match stream.read(&mut bytes).await {
            Ok(read) if read > 0 => bytes.truncate(read),
            _ => return false,
        }
    }
}

/// An authority for the tests' certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        Self {
            issuer,
            certificate,
        }
    }

    /// What a server shows as `name`, valid in the years.
    pub(crate) fn server(&self, name: &str, years: (i32, i32)) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// A client that trusts it.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}
