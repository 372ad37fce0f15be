#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use glimpse_model::outcome::{Ending, Outcome};
use glimpse_net::stamp::monotonic_ns;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

use super::*;

const ADDRESS: &[u8] = &[192, 0, 2, 7];

fn read(value: &Value) -> Result<Options, Refused> {
    descriptor().read(value.as_object().unwrap())
}

fn refusal(value: &Value) -> String {
    read(value).unwrap_err().to_string()
}

fn context() -> Context {
    Context::unlimited(Duration::from_secs(20), 0x5eed)
}

/// Measures, and holds the run against what its descriptor announced.
async fn measure_in(value: Value, context: &Context) -> Outcome {
    let options = read(&value).unwrap();
    let begun = monotonic_ns();
    let outcome = descriptor().run(&options, context).await;
    let taken = Duration::from_nanos(monotonic_ns() - begun);
    assert!(taken <= descriptor().longest_run(&options), "{taken:?}");
    let announced = descriptor().worst_case_bytes(&options);
    assert!(
        outcome.bytes.total() <= announced,
        "{:?} are more than the {announced} announced",
        outcome.bytes
    );
    assert_eq!(outcome.bytes, context.meter.read());
    outcome
}

async fn measure(value: Value) -> Outcome {
    measure_in(value, &context()).await
}

/// A server that ends with the test.
struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers each datagram with those that `answers` makes of it and of its place.
    async fn udp(
        at: IpAddr,
        answers: impl Fn(&[u8], usize) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind((at, 0)).await.unwrap();
        Self::on(socket, answers)
    }

    fn on(
        socket: UdpSocket,
        answers: impl Fn(&[u8], usize) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            for place in 0.. {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                for answer in answers(&buffer[..length], place) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self { address, task }
    }

    /// Does with each connection what `serve` says.
    async fn tcp<F: Future<Output = ()> + Send>(
        serve: impl Fn(TcpStream) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::listening(
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
            serve,
        )
    }

    fn listening<F: Future<Output = ()> + Send>(
        listener: TcpListener,
        serve: impl Fn(TcpStream) -> F + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                serve(listener.accept().await.unwrap().0).await;
            }
        });
        Self { address, task }
    }

    fn options(&self, more: &Value) -> Value {
        let mut options = json!({
            "host": "www.example", "type": "A", "dns_server": self.address.to_string(), "timeout": 400, "retries": 0,
        });
        for (name, value) in more.as_object().unwrap() {
            options[name.as_str()] = value.clone();
        }
        options
    }
}

/// Where the question of a query ends.
fn question_end(query: &[u8]) -> usize {
    let mut at = 12;
    while query[at] != 0 {
        at += 1 + usize::from(query[at]);
    }
    at + 5
}

/// A record for the name asked.
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xc0, 12];
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
    bytes.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// An answer to `query`.
fn answer(query: &[u8], rcode: u8, records: &[Vec<u8>]) -> Vec<u8> {
    let mut message = query[..question_end(query)].to_vec();
    message[2] |= 0x80;
    message[3] = 0x80 | rcode;
    message[6..12].copy_from_slice(&[0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
    message.extend(records.concat());
    message
}

/// The answer of a plain server: an address of the type asked for.
fn address(query: &[u8]) -> Vec<u8> {
    let end = question_end(query);
    match query[end - 3] {
        28 => answer(query, 0, &[record(28, &Ipv6Addr::LOCALHOST.octets())]),
        _ => answer(query, 0, &[record(1, ADDRESS)]),
    }
}

async fn read_query(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let length = stream.read_u16().await.unwrap();
    let mut query = vec![0; usize::from(length)];
    stream.read_exact(&mut query).await.unwrap();
    query
}

fn framed(message: &[u8]) -> Vec<u8> {
    [
        &u16::try_from(message.len()).unwrap().to_be_bytes(),
        message,
    ]
    .concat()
}

/// The only exchange of a run.
fn only(outcome: &Outcome) -> &Value {
    let queries = outcome.probe_result["queries"].as_array().unwrap();
    assert_eq!(queries.len(), 1, "{outcome:?}");
    &queries[0]
}

fn assert_one_address(outcome: &Outcome) {
    assert_eq!(
        (outcome.ending, outcome.error.as_deref()),
        (Ending::Done, None),
        "{outcome:?}"
    );
    assert_eq!(
        outcome.probe_result["records"],
        json!([{"name": "www.example", "ttl": 60, "type": "A", "value": "192.0.2.7"}])
    );
}

#[tokio::test]
async fn glimpse_check_42_a_and_aaaa_give_records_with_name_ttl_type_and_value() {
    for at in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ] {
        let server = Server::udp(at, |query, _| vec![address(query)]).await;
        let outcome = measure(server.options(&json!({"type": "", "host": "Www.Example."}))).await;
        assert_eq!(
            (outcome.ending, outcome.error.as_deref()),
            (Ending::Done, None),
            "{outcome:?}"
        );
        assert_eq!(
            outcome.probe_result["records"],
            json!([
                {"name": "Www.Example", "ttl": 60, "type": "A", "value": "192.0.2.7"},
                {"name": "Www.Example", "ttl": 60, "type": "AAAA", "value": "::1"},
            ])
        );
        let queries = outcome.probe_result["queries"].as_array().unwrap();
        assert_eq!(queries.len(), 2, "each type is asked for by itself");
        for (query, kind) in queries.iter().zip(["A", "AAAA"]) {
            assert_eq!(
                (&query["type"], &query["server"]),
                (&json!(kind), &json!(server.address.to_string()))
            );
            assert_eq!(
                (&query["rcode"], &query["mismatched"]),
                (&json!("NOERROR"), &json!(0))
            );
            assert_eq!(query["timestamps"], "kernel");
            assert_eq!(
                query["counts"],
                json!({"question": 1, "answer": 1, "authority": 0, "additional": 0})
            );
            assert_eq!(query["flags"]["ra"], true);
            // Header, question and OPT record.
            assert_eq!(query["request_bytes"], 12 + 13 + 4 + 11);
            let us = query["query_us"].as_u64().unwrap();
            assert!(us > 0 && us < 200_000, "{us}");
        }
        let ip_udp = if at.is_ipv4() { 28 } else { 48 };
        assert_eq!(outcome.bytes.sent, 2 * (ip_udp + 40));
        assert_eq!(outcome.bytes.received, 2 * ip_udp + (29 + 16) + (29 + 28));
    }
}

#[tokio::test]
async fn glimpse_check_42_a_failure_is_an_error_text() {
    for (rcode, words) in [
        (3, "A: NXDOMAIN"),
        (2, "A: SERVFAIL"),
        (5, "A: REFUSED"),
        (11, "A: RCODE11"),
    ] {
        let server = Server::udp(Ipv4Addr::LOCALHOST.into(), move |query, _| {
            vec![answer(query, rcode, &[])]
        })
        .await;
        let outcome = measure(server.options(&json!({"retries": 3}))).await;
        assert_eq!(
            (outcome.ending, outcome.error.as_deref()),
            (Ending::Done, Some(words))
        );
        assert_eq!(outcome.probe_result["records"], json!([]));
        assert_eq!(
            only(&outcome)["rcode"],
            json!(&words[3..]),
            "an answer is not asked for again"
        );
    }
}

#[test]
fn what_cannot_be_asked_is_refused_with_the_options_name() {
    let with = |name: &str, value: Value| {
        let mut options = json!({"host": "example.net"});
        options[name] = value;
        options
    };
    let long = "a.".repeat(150);
    for (options, begins) in [
        (json!({}), "host: is missing"),
        (
            with("host", json!("-x")),
            "host: must not begin with a hyphen",
        ),
        (with("host", json!(long)), "host: "),
        (
            with("host", json!("münchen.example")),
            "host: is no host name",
        ),
        (with("host", json!("")), "host: must name a host"),
        (with("host", json!("192.0.2.1")), "host: must be a name"),
        (with("type", json!("ANY")), "type: cannot ask for ANY"),
        (
            with("type", json!("BOGUS")),
            "type: has a type that is not known: BOGUS",
        ),
        (with("types", json!("A,A")), "types: names A twice"),
        (
            with("dns_server", json!("192.0.2.1:0")),
            "dns_server: must have a port",
        ),
        (
            with("dns_server", json!("dns.example")),
            "dns_server: must be an address",
        ),
        (
            with("dns_server", json!("-x")),
            "dns_server: must be an address",
        ),
        (
            with("edns_size", json!(100)),
            "edns_size: must be 0, or 512",
        ),
        (with("tls_name", json!("-..")), "tls_name: must be"),
        (
            with("retries", json!(4_294_967_296_u64)),
            "retries: must be <= 5",
        ),
        (with("timeout", json!(0)), "timeout: must be > 0"),
        (
            with("transport", json!("Quic")),
            "transport: must be one of Udp, Tcp, Tls",
        ),
        (with("cache", json!(true)), "cache: is not an option here"),
        (
            json!({"host": "a.example", "type": "A", "types": "MX"}),
            "types: must not be given",
        ),
        (
            json!({"host": "a.example", "nsid": true, "edns_size": 0}),
            "nsid: needs EDNS",
        ),
        (
            json!({"host": "a.example", "timeout": 60_000, "retries": 5,
                   "types": "A,NS,MX,TXT,SOA,SRV,CAA,PTR,TYPE1000"}),
            "timeout: must not need more than an hour",
        ),
    ] {
        let words = refusal(&options);
        assert!(words.starts_with(begins), "{words}");
    }
    for host in [
        ".",
        "example.net.",
        "_sip._udp.example",
        "xn--mnchen-3ya.example",
    ] {
        assert!(read(&with("host", json!(host))).is_ok(), "{host}");
    }
}

#[tokio::test]
async fn a_silent_server_is_asked_again_and_then_told() {
    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), |_, _| Vec::new()).await;
    let outcome = measure(server.options(&json!({"timeout": 60, "retries": 2}))).await;
    let words = format!("A: no answer from {} within 60 ms", server.address);
    assert_eq!((outcome.ending, outcome.error), (Ending::Done, Some(words)));
    let queries = outcome.probe_result["queries"].as_array().unwrap();
    let attempts: Vec<_> = queries
        .iter()
        .map(|query| query["attempt"].as_u64().unwrap())
        .collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert!(
        queries
            .iter()
            .all(|query| query["query_us"].is_null() && query["error"].is_string())
    );

    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), |query, place| {
        if place == 0 {
            Vec::new()
        } else {
            vec![address(query)]
        }
    })
    .await;
    let outcome = measure(server.options(&json!({"timeout": 200, "retries": 2}))).await;
    assert_one_address(&outcome);
    assert_eq!(outcome.probe_result["queries"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn forged_answers_are_counted_and_the_wait_goes_on() {
    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), |query, _| {
        let forged = |at: usize| {
            let mut message = answer(query, 0, &[record(1, &[203, 0, 113, 66])]);
            message[at] ^= 0x20;
            message
        };
        vec![
            b"garbage".to_vec(),
            forged(0),
            forged(13),
            query.to_vec(),
            Vec::new(),
            address(query),
        ]
    })
    .await;
    let outcome = measure(server.options(&json!({}))).await;
    assert_one_address(&outcome);
    assert_eq!(
        only(&outcome)["mismatched"],
        5,
        "garbage, identifier, letter case, the query itself, nothing"
    );
}

#[tokio::test]
async fn an_answer_from_another_address_is_none() {
    let forger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let listening = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = listening.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut buffer = [0; 512];
        let (length, from) = listening.recv_from(&mut buffer).await.unwrap();
        forger
            .send_to(&address(&buffer[..length]), from)
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
    let server = Server { address: at, task };
    let outcome = measure(server.options(&json!({"timeout": 150}))).await;
    assert_eq!(outcome.probe_result["records"], json!([]));
    assert!(outcome.error.unwrap().contains("no answer from"));
}

#[tokio::test]
async fn identifiers_and_ports_differ_from_query_to_query() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = seen.clone();
    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), move |query, _| {
        noted.lock().unwrap().push([query[0], query[1]]);
        vec![address(query)]
    })
    .await;
    let given = server.options(&json!({"type": "", "types": "A,MX,TXT,NS,SOA,SRV,TYPE731,CAA"}));
    let outcome = measure(given).await;
    assert_eq!(outcome.ending, Ending::Done);
    let mut identifiers = seen.lock().unwrap().clone();
    identifiers.sort_unstable();
    identifiers.dedup();
    assert_eq!(identifiers.len(), 8);
}

#[tokio::test]
async fn nobody_listening_is_a_refusal() {
    for at in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ] {
        let closed = UdpSocket::bind((at, 0))
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        for (transport, words) in [
            ("Udp", "refused the query (port unreachable)"),
            ("Tcp", "refused the connection"),
            ("Tls", "refused the connection"),
        ] {
            let outcome = measure(json!({
                "host": "www.example", "type": "A", "dns_server": closed.to_string(), "transport": transport,
                "timeout": 2000, "retries": 1,
            }))
            .await;
            assert_eq!(outcome.ending, Ending::Failed);
            assert_eq!(outcome.error, Some(format!("A: {closed} {words}")));
            assert_eq!(outcome.probe_result["queries"].as_array().unwrap().len(), 2);
            assert!(outcome.bytes.sent > 0);
        }
    }
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let socket = UdpSocket::bind(listener.local_addr().unwrap())
        .await
        .unwrap();
    let server = Server::on(socket, |query, _| {
        let mut cut = answer(query, 0, &[record(1, &[192, 0, 2, 99])]);
        cut[2] |= 0x02;
        cut[7] = 50;
        vec![cut]
    });
    let _stream = Server::listening(listener, |mut stream| async move {
        let query = read_query(&mut stream).await;
        stream.write_all(&framed(&address(&query))).await.unwrap();
    });
    let outcome = measure(server.options(&json!({}))).await;
    assert_one_address(&outcome);
    let queries = outcome.probe_result["queries"].as_array().unwrap();
    assert_eq!(queries.len(), 2);
    assert_eq!(
        (&queries[0]["flags"]["tc"], &queries[0]["transport"]),
        (&json!(true), &json!("Udp"))
    );
    assert_eq!(
        (&queries[1]["after_truncation"], &queries[1]["transport"]),
        (&json!(true), &json!("Tcp"))
    );
    for figure in ["connect_us", "query_us"] {
        assert!(queries[1][figure].as_u64().unwrap() < 300_000, "{figure}");
    }
    assert_eq!(queries[1]["timestamps"], "monotonic");

    let outcome = measure(server.options(&json!({"tcp_retry": false}))).await;
    assert_eq!(only(&outcome)["flags"]["tc"], true);
    assert_eq!(outcome.probe_result["records"][0]["value"], "192.0.2.99");
}

#[tokio::test]
async fn tcp_that_lies_or_dawdles_or_breaks_ends_within_the_time_out() {
    let lying = Server::tcp(|mut stream| async move {
        let query = read_query(&mut stream).await;
        let mut message = framed(&address(&query));
        message[..2].copy_from_slice(&[0xff, 0xff]);
        stream.write_all(&message).await.unwrap();
    })
    .await;
    let slow = Server::tcp(|mut stream| async move {
        let query = read_query(&mut stream).await;
        for byte in framed(&address(&query)) {
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let silent = Server::tcp(|stream| async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(stream);
    })
    .await;
    let closing = Server::tcp(|mut stream| async move {
        read_query(&mut stream).await;
    })
    .await;
    let resetting = Server::tcp(|mut stream| async move {
        read_query(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    let short = Server::tcp(|mut stream| async move {
        let query = read_query(&mut stream).await;
        stream
            .write_all(&[0, 0, 0, 5, 1, 2, 3, 4, 5])
            .await
            .unwrap();
        let mut forged = address(&query);
        forged[0] ^= 1;
        stream.write_all(&framed(&forged)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
    })
    .await;
    for (server, words) in [
        (
            &lying,
            "closed the connection after 45 of the 65535 bytes that it announced",
        ),
        (&slow, "of 45 bytes had come"),
        (&silent, "no answer from"),
        (&closing, "closed the connection without an answer"),
        (&resetting, "reset the connection"),
        (&short, "no answer from"),
    ] {
        let outcome = measure(server.options(&json!({"transport": "Tcp"}))).await;
        let told = outcome.error.clone().unwrap();
        assert!(told.contains(words), "{told} instead of {words}");
        assert_eq!(
            (outcome.ending, &outcome.probe_result["records"]),
            (Ending::Done, &json!([]))
        );
        let mismatched = if words == "no answer from" && server.address == short.address {
            3
        } else {
            0
        };
        assert_eq!(only(&outcome)["mismatched"], mismatched);
    }
}

#[tokio::test]
async fn malformed_answers_are_told_as_such() {
    for (tail, words) in [
        (
            &b"\xc0\x1d\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01"[..],
            "A: malformed answer: name of record 1",
        ),
        (
            &b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\xff\xff"[..],
            "A: malformed answer: ends within record 1",
        ),
    ] {
        let server = Server::udp(Ipv4Addr::LOCALHOST.into(), move |query, _| {
            vec![answer(query, 0, &[tail.to_vec()])]
        })
        .await;
        let outcome = measure(server.options(&json!({"retries": 2}))).await;
        assert!(
            outcome.error.as_ref().unwrap().starts_with(words),
            "{outcome:?}"
        );
        assert_eq!(
            (outcome.ending, &only(&outcome)["rcode"]),
            (Ending::Done, &json!("NOERROR"))
        );
    }
}

#[tokio::test]
async fn a_flood_ends_the_run_at_its_announced_bytes() {
    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), |query, _| {
        let mut forged = address(query);
        forged[0] ^= 1;
        forged.resize(60_000, 0);
        vec![forged; 20]
    })
    .await;
    let given = server.options(&json!({"retries": 5, "tcp_retry": false}));
    let outcome = measure(given).await;
    assert!(
        outcome.error.unwrap().contains("stopped at its limit of"),
        "not by its time-out"
    );
}

#[tokio::test]
async fn nothing_is_sent_beyond_the_byte_limit() {
    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), |query, _| vec![address(query)]).await;
    let context = Context {
        byte_limit: 160,
        ..context()
    };
    let outcome = measure_in(
        server.options(&json!({"type": "", "types": "A,MX"})),
        &context,
    )
    .await;
    assert_eq!(
        outcome.error.as_deref(),
        Some("MX: stopped at its limit of 160 bytes")
    );
    assert!(outcome.bytes.total() <= 160);
}

#[tokio::test]
async fn a_dropped_run_leaves_its_bytes_on_the_meter() {
    let server = Server::tcp(|stream| async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(stream);
    })
    .await;
    let options = read(&server.options(&json!({"transport": "Tcp", "timeout": 5000}))).unwrap();
    let context = Context {
        time_limit: Duration::from_millis(100),
        ..context()
    };
    let outcome = descriptor().run(&options, &context).await;
    assert_eq!(outcome.ending, Ending::Aborted);
    assert!(outcome.bytes.sent > 100, "{:?}", outcome.bytes);
}

#[tokio::test]
async fn refused_addresses_get_no_packet() {
    let server = Server::udp(Ipv4Addr::LOCALHOST.into(), |_, _| panic!("asked")).await;
    let context = Context {
        admit: Arc::new(|_| Err("not global".to_owned())),
        ..context()
    };
    let outcome = measure_in(server.options(&json!({})), &context).await;
    assert_eq!(
        (outcome.ending, outcome.error.as_deref()),
        (Ending::Failed, Some("127.0.0.1: not global"))
    );
    assert_eq!(outcome.bytes.total(), 0);
}

/// A file of the system that names the loopback address, where nobody listens at port 53 in a test's surroundings, or
/// somebody does; either way it shows whether packets leave.
struct SystemFile(PathBuf);

impl SystemFile {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("glimpse-dns-{name}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for SystemFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn the_systems_servers_are_asked_even_if_private_but_not_about_the_home() {
    let file = SystemFile::new(
        "home",
        "search isp.example\nnameserver 127.0.0.99\nnameserver 127.0.0.98\n",
    );
    let method = described(file.0.clone());
    let context = || Context {
        admit: Arc::new(|address| Err(format!("{address} is not global"))),
        ..context()
    };
    for (host, more, asked) in [
        ("www.example", json!({}), true),
        ("www.example", json!({"recursion": false}), false),
        ("nas", json!({}), false),
        ("nas.lan", json!({}), false),
        ("www.isp.example", json!({}), false),
        ("1.1.168.192.in-addr.arpa", json!({}), false),
    ] {
        let mut options = json!({"host": host, "type": "A", "timeout": 100});
        for (name, value) in more.as_object().unwrap() {
            options[name.as_str()] = value.clone();
        }
        let context = context();
        let outcome = method
            .run(
                &method.read(options.as_object().unwrap()).unwrap(),
                &context,
            )
            .await;
        assert_eq!(outcome.bytes.sent > 0, asked, "{host}: {outcome:?}");
        if asked {
            let queries = outcome.probe_result["queries"].as_array().unwrap();
            let servers: Vec<_> = queries
                .iter()
                .map(|query| query["server"].as_str().unwrap())
                .collect();
            assert_eq!(
                servers,
                ["127.0.0.99:53", "127.0.0.98:53"],
                "the next try asks the next server"
            );
        } else {
            assert!(outcome.error.unwrap().contains("name a dns_server"));
        }
    }
    let empty = SystemFile::new("empty", "# nothing\n");
    for path in [empty.0.clone(), "/nonexistent".into()] {
        let method = described(path);
        let options = method
            .read(json!({"host": "a.example"}).as_object().unwrap())
            .unwrap();
        let outcome = method.run(&options, &context()).await;
        assert_eq!(outcome.ending, Ending::Failed);
        assert!(outcome.error.unwrap().ends_with("name a dns_server"));
    }
}

/// An authority, and a server's certificate for `names` from it.
struct Pki {
    roots: rustls::RootCertStore,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Pki {
    fn new(names: &[&str], last_year: i32) -> Self {
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

    fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
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
    fn trusted(&self) -> Context {
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
            "A: tls: the certificate is for another name",
        ),
        (
            &server,
            expired.trusted(),
            &named,
            "A: tls: the certificate is of an unknown issuer",
        ),
        (
            &old,
            expired.trusted(),
            &named,
            "A: tls: the certificate has expired",
        ),
        (
            &plain,
            good.trusted(),
            &named,
            "A: tls: the server does not speak it",
        ),
        (&closing, good.trusted(), &named, "A: tls: the server "),
        (
            &server,
            context(),
            &named,
            "A: tls: no certificate authorities were given",
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

#[cfg(feature = "doh")]
mod https {
    use super::*;

    /// Status, content type and body.
    type Response = (u16, &'static str, Vec<u8>);

    /// Answers one request a connection with `response`, which gets the DNS query and makes status, type and body.
    async fn server(pki: &Pki, response: fn(&[u8]) -> Response) -> Server {
        let acceptor = pki.acceptor();
        Server::tcp(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let query = if let Some(rest) = head.strip_prefix("GET /dns-query?dns=") {
                    decoded(rest.split(' ').next().unwrap())
                } else {
                    assert!(head.starts_with("POST /dns-query HTTP/1.1\r\n"), "{head}");
                    assert!(head.contains("content-type: application/dns-message\r\n"), "{head}");
                    let (_, length) = head.split_once("content-length: ").unwrap();
                    let mut query = vec![0; length.split('\r').next().unwrap().parse().unwrap()];
                    stream.read_exact(&mut query).await.unwrap();
                    query
                };
                assert!(head.contains("host: dns.example"), "{head}");
                assert_eq!(query[..2], [0, 0]);
                let (status, kind, body) = response(&query);
                let length = body.len();
                let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
                let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
                let _ = stream.flush().await;
            }
        })
        .await
    }

    fn decoded(text: &str) -> Vec<u8> {
        let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
        for digit in text.bytes() {
            let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let value = digits.iter().position(|&known| known == digit).unwrap();
            bits = bits << 6 | u32::try_from(value).unwrap();
            count += 6;
            if count >= 8 {
                count -= 8;
                bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
            }
        }
        bytes
    }

    #[tokio::test]
    async fn dns_over_https_asks_by_post_and_by_get() {
        let pki = Pki::new(&["dns.example"], 2100);
        let server = server(&pki, |query| {
            (200, "application/dns-message", address(query))
        })
        .await;
        for method in ["POST", "GET"] {
            let given = server.options(&json!({
                "transport": "Https", "tls_name": "dns.example", "timeout": 3000, "http_method": method,
            }));
            let outcome = measure_in(given, &pki.trusted()).await;
            assert_one_address(&outcome);
            let query = only(&outcome);
            for figure in ["connect_us", "tls_us", "query_us"] {
                assert!(query[figure].as_u64().unwrap() < 1_000_000, "{figure}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_dns_message_is_told() {
        let pki = Pki::new(&["dns.example"], 2100);
        for (response, words) in [
            (
                (|_| (404, "text/html", Vec::new())) as fn(&[u8]) -> _,
                "A: http: status 404",
            ),
            (
                |query| (200, "text/plain", address(query)),
                "A: http: the response is no application/dns-message",
            ),
            (
                |_| (200, "application/dns-message", b"x".to_vec()),
                "A: http: the message is no answer",
            ),
            (
                |_| (200, "application/dns-message", vec![0; 70_000]),
                "A: http: length limit exceeded",
            ),
        ] {
            let server = server(&pki, response).await;
            let given = server.options(
                &json!({"transport": "Https", "tls_name": "dns.example", "timeout": 3000}),
            );
            let outcome = measure_in(given, &pki.trusted()).await;
            assert_eq!(outcome.ending, Ending::Failed);
            let told = outcome.error.unwrap();
            assert!(told.starts_with(words), "{told}");
        }
    }
}
