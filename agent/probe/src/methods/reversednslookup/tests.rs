#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use glimpse_model::outcome::{Ending, Outcome};
use serde_json::{Value, json};

use super::*;

fn read(value: &Value) -> Result<Options, Refused> {
    descriptor().read(value.as_object().unwrap())
}

fn context() -> Context {
    Context::unlimited(Duration::from_secs(20), 0x5eed)
}

/// A server that answers one query of type PTR, if it is for `question`, with `names`.
fn server(question: &'static [u8], rcode: u8, names: &'static [&'static [u8]]) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let (_, from) = socket.recv_from(&mut buffer).unwrap();
        let end = 12 + question.len() + 4;
        assert_eq!(&buffer[12..end], [question, b"\0\x0c\0\x01"].concat());
        let mut message = buffer[..end].to_vec();
        message[2] |= 0x80;
        message[3] = rcode;
        message[6..12].copy_from_slice(&[0, u8::try_from(names.len()).unwrap(), 0, 0, 0, 0]);
        for name in names {
            message.extend_from_slice(b"\xc0\x0c\0\x0c\0\x01\0\0\x0e\x10\0");
            message.push(u8::try_from(name.len()).unwrap());
            message.extend_from_slice(name);
        }
        socket.send_to(&message, from).unwrap();
    });
    address
}

async fn measure(ip: &str, server: SocketAddr) -> Outcome {
    let options =
        read(&json!({"ip": ip, "dns_server": server.to_string(), "timeout": 2000, "retries": 0}))
            .unwrap();
    let outcome = descriptor().run(&options, &context()).await;
    assert!(outcome.bytes.total() <= descriptor().worst_case_bytes(&options));
    outcome
}

#[tokio::test]
async fn the_names_of_both_families_are_found() {
    let v4 = b"\x017\x012\x010\x03192\x07in-addr\x04arpa\0";
    let outcome = measure(
        "192.0.2.7",
        server(v4, 0, &[b"\x04host\x07example\0", b"\x01b\0"]),
    )
    .await;
    assert_eq!((outcome.ending, outcome.error), (Ending::Done, None));
    let result = outcome.probe_result;
    assert_eq!(result["hostname"], "host.example");
    assert_eq!(result["hostnames"], json!(["host.example", "b"]));
    assert_eq!(result["address"], json!(["192.0.2.7"]));
    assert_eq!(
        result["records"][0],
        json!({"name": "7.2.0.192.in-addr.arpa", "ttl": 3600, "type": "PTR", "value": "host.example"})
    );
    assert_eq!(result["queries"][0]["type"], "PTR");
    assert!(result["queries"][0]["query_us"].as_u64().unwrap() < 500_000);

    let v6 = b"\x011\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\
               \x018\x01b\x01d\x010\x011\x010\x010\x012\x03ip6\x04arpa\0";
    let outcome = measure("2001:db8::1", server(v6, 0, &[b"\x01h\0"])).await;
    assert_eq!(outcome.probe_result["hostname"], "h", "{outcome:?}");
}

#[tokio::test]
async fn an_address_without_a_name_has_none() {
    let question = b"\x017\x012\x010\x03192\x07in-addr\x04arpa\0";
    let outcome = measure("::ffff:192.0.2.7", server(question, 3, &[])).await;
    assert_eq!(
        (outcome.ending, outcome.error.as_deref()),
        (Ending::Done, Some("PTR: NXDOMAIN"))
    );
    assert_eq!(outcome.probe_result["hostname"], Value::Null);
    assert_eq!(outcome.probe_result["hostnames"], json!([]));
}

#[test]
fn what_is_no_address_is_refused() {
    for ip in [
        "",
        "-x",
        "host.example",
        "192.0.2",
        "192.0.2.256",
        "fe80::1%eth0",
        "münchen",
    ] {
        let words = read(&json!({"ip": ip})).unwrap_err().to_string();
        assert_eq!(words, "ip: must be an IPv4 or IPv6 address", "{ip:?}");
    }
    assert!(read(&json!({"ip": "1".repeat(300)})).is_err());
    assert_eq!(read(&json!({})).unwrap_err().to_string(), "ip: is missing");
}

#[tokio::test]
async fn the_name_of_an_address_of_the_home_is_nobodys_business() {
    let options = read(&json!({"ip": "192.168.1.20"})).unwrap();
    let context = Context {
        admit: Arc::new(|_| Err("private".to_owned())),
        ..context()
    };
    let outcome = descriptor().run(&options, &context).await;
    assert_eq!(outcome.error.as_deref(), Some("192.168.1.20: private"));
    assert_eq!((outcome.ending, outcome.bytes.total()), (Ending::Failed, 0));
}
