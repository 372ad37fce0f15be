//! Runs against name servers on loopback that end with their tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use glimpse_model::outcome::{Ending, Outcome};
use glimpse_net::stamp::monotonic_ns;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

use super::*;

mod answers;
#[cfg(feature = "doh")]
mod https;
mod limits;
mod options;
mod servers;
mod tcp;
mod tls;
mod udp;

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
