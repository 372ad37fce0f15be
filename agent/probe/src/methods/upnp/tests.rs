#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use glimpse_model::outcome::{Ending, Outcome};
use glimpse_net::interface::addresses::{LanLink, Network};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use super::run::{Segment, search};
use super::*;

const GATEWAY: &str = include_str!("../../../tests/data/upnp/gateway.xml");
const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// What the fake device does with a request for its description.
#[derive(Clone, Debug)]
enum Manner {
    Serves(String),
    /// A body of 1 GB, with a length or in chunks.
    Endless {
        chunked: bool,
    },
    Says(&'static str),
    OneByteASecond,
    Silent,
    Resets,
}

/// A gateway on the loopback: answers searches, serves its description, and answers calls. Ends when dropped.
struct Fake {
    ssdp: SocketAddr,
    http: SocketAddr,
    tasks: JoinSet<()>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    searches: Vec<String>,
    /// Path and SOAP action of each request.
    requests: Vec<(String, String)>,
}

impl Fake {
    /// `location` may hold `{http}`, which becomes the address of the device's server.
    async fn start(manner: Manner, location: &str) -> Self {
        let ssdp = UdpSocket::bind((LOCAL, 0)).await.unwrap();
        let http = TcpListener::bind((LOCAL, 0)).await.unwrap();
        let mut fake = Self {
            ssdp: ssdp.local_addr().unwrap(),
            http: http.local_addr().unwrap(),
            tasks: JoinSet::new(),
            seen: Arc::default(),
        };
        let location = location.replace("{http}", &fake.http.to_string());
        let seen = fake.seen.clone();
        fake.tasks.spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = ssdp.recv_from(&mut buffer).await {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let target = header(&text, "ST").unwrap_or_default();
                lock(&seen).searches.push(target.clone());
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nST: {target}\r\nUSN: uuid:1::{target}\r\nLOCATION: {location}\r\nSERVER: fake\r\n\r\n"
                );
                ssdp.send_to(answer.as_bytes(), from).await.unwrap();
            }
        });
        let seen = fake.seen.clone();
        fake.tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = http.accept().await {
                connections.spawn(serve(stream, manner.clone(), seen.clone()));
            }
        });
        fake
    }

    fn segment(&self) -> Segment {
        Segment {
            link: LanLink {
                interface: "lo".to_owned(),
                index: 1,
                source: LOCAL.into(),
                networks: vec![Network {
                    address: LOCAL.into(),
                    prefix_length: 8,
                }],
            },
            group: self.ssdp,
        }
    }

    fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    async fn search(&self, words: &[&str], context: &Context) -> Outcome {
        let options = options(words);
        let outcome = search(&options, context, vec![self.segment()]).await;
        assert_eq!(outcome.bytes, context.meter.read());
        assert!(
            outcome.bytes.total() <= options.worst_case_bytes().min(context.byte_limit),
            "{outcome:?}"
        );
        outcome
    }

    /// The entry of this device.
    fn entry(&self, outcome: &Outcome) -> Value {
        outcome.probe_result[&self.http.to_string()].clone()
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn header(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

async fn serve(mut stream: TcpStream, manner: Manner, seen: Arc<Mutex<Seen>>) {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer).await.unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
        let wanted = header(&text, "content-length").map_or(0, |length| length.parse().unwrap());
        if length == 0
            || text
                .split_once("\r\n\r\n")
                .is_some_and(|(_, body)| body.len() >= wanted)
        {
            break;
        }
    }
    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
    let action = header(&text, "SOAPAction").unwrap_or_default();
    let action = action
        .trim_matches('"')
        .rsplit('#')
        .next()
        .unwrap_or_default()
        .to_owned();
    lock(&seen).requests.push((path, action.clone()));
    if !action.is_empty() {
        let (status, body) = reply(&action, &text);
        let _ = stream.write_all(page(status, &body).as_bytes()).await;
        return;
    }
    match manner {
        Manner::Serves(document) => {
            let _ = stream.write_all(page("200 OK", &document).as_bytes()).await;
        }
        Manner::Endless { chunked } => {
            let head = if chunked {
                "Transfer-Encoding: chunked"
            } else {
                "Content-Length: 1000000000"
            };
            let _ = stream
                .write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes())
                .await;
            let piece = if chunked {
                format!("4000\r\n{}\r\n", "<a/>".repeat(4096))
            } else {
                "<a/>".repeat(4096)
            };
            while stream.write_all(piece.as_bytes()).await.is_ok() {}
        }
        Manner::Says(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Manner::OneByteASecond => {
            for byte in b"HTTP/1.1 200 OK\r\n\r\n" {
                let _ = stream.write_all(&[*byte]).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        Manner::Silent => std::future::pending().await,
        Manner::Resets => {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<root>")
                .await;
            #[expect(
                deprecated,
                reason = "the fake wants the reset, and has nothing left to send"
            )]
            stream.set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
}

fn page(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Type: text/xml\r\n\r\n{body}",
        body.len()
    )
}

/// The answers of a gateway that has two port mappings and knows no packet counters.
fn reply(action: &str, request: &str) -> (&'static str, String) {
    let values: BTreeMap<&str, &str> = BTreeMap::from([
        (
            "GetExternalIPAddress",
            "<NewExternalIPAddress>198.51.100.9</NewExternalIPAddress>",
        ),
        (
            "GetStatusInfo",
            "<NewConnectionStatus>Connected</NewConnectionStatus><NewLastConnectionError>ERROR_NONE</NewLastConnectionError><NewUptime>86400</NewUptime>",
        ),
        (
            "GetConnectionTypeInfo",
            "<NewConnectionType>IP_Routed</NewConnectionType>",
        ),
        (
            "GetCommonLinkProperties",
            "<NewLayer1UpstreamMaxBitRate>40000000</NewLayer1UpstreamMaxBitRate><NewLayer1DownstreamMaxBitRate>250000000</NewLayer1DownstreamMaxBitRate>",
        ),
        (
            "GetTotalBytesSent",
            "<NewTotalBytesSent>4294967295</NewTotalBytesSent>",
        ),
        (
            "GetTotalBytesReceived",
            "<NewTotalBytesReceived>17</NewTotalBytesReceived>",
        ),
        (
            "GetFirewallStatus",
            "<FirewallEnabled>1</FirewallEnabled><InboundPinholeAllowed>0</InboundPinholeAllowed>",
        ),
    ]);
    let mapping = "<NewRemoteHost></NewRemoteHost><NewExternalPort>80</NewExternalPort><NewProtocol>TCP</NewProtocol><NewInternalPort>80</NewInternalPort>\
         <NewInternalClient>192.168.1.5</NewInternalClient><NewEnabled>1</NewEnabled><NewPortMappingDescription>secret of Anna</NewPortMappingDescription>\
         <NewLeaseDuration>0</NewLeaseDuration>";
    let index = request
        .split_once("<NewPortMappingIndex>")
        .and_then(|(_, rest)| rest.split_once('<'))
        .map(|(index, _)| index.parse::<u32>().unwrap());
    let fault = |code: u32| {
        let body = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring>\
             <detail><UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>{code}</errorCode><errorDescription>no</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>"
        );
        ("500 Internal Server Error", body)
    };
    let inner = match (action, index) {
        ("GetGenericPortMappingEntry", Some(0 | 1)) => mapping,
        ("GetGenericPortMappingEntry", _) => return fault(713),
        _ => match values.get(action) {
            Some(values) => values,
            None => return fault(401),
        },
    };
    let body = format!(
        "<?xml version=\"1.0\"?>\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
         <u:{action}Response xmlns:u=\"urn:x\">{inner}</u:{action}Response></s:Body></s:Envelope>"
    );
    ("200 OK", body)
}

fn options(words: &[&str]) -> UpnpOptions {
    let words = ["timeout=1000"].iter().chain(words);
    UpnpOptions::read(&Options::from_words(options::OPTIONS, words.copied()).unwrap()).unwrap()
}

fn context() -> Context {
    Context::unlimited(Duration::from_mins(1), 1)
}

/// The outcome of a search that finds a device of this manner, and its error.
async fn error_of(manner: Manner) -> (Outcome, String) {
    let fake = Fake::start(manner, "http://{http}/d.xml").await;
    let outcome = fake.search(&[], &context()).await;
    assert_eq!(outcome.ending, Ending::Done);
    let entry = fake.entry(&outcome);
    assert_eq!(
        entry["root_desc_url"],
        json!(format!("http://{}/d.xml", fake.http))
    );
    (
        outcome,
        entry["error"].as_str().unwrap_or_default().to_owned(),
    )
}

#[test]
fn glimpse_check_43_the_option_is_spelled_as_the_original_has_it() {
    let table = options::OPTIONS;
    let search = |words: &[&str]| options(words).search;
    assert_eq!(search(&[]), Search::Gateways);
    assert_eq!(search(&["MediaServerSearch=true"]), Search::Media);
    assert_eq!(
        search(&["MediaServerSearch=true", "search=all"]),
        Search::All
    );
    assert_eq!(search(&["search=media"]), Search::Media);
    let refused = Options::from_words(table, ["mediaserversearch=true"]).unwrap_err();
    assert_eq!(refused.path, "mediaserversearch");
    for word in [
        "timeout=999",
        "timeout=10001",
        "max_devices=0",
        "max_devices=33",
        "search=x",
        "host=h",
    ] {
        assert!(Options::from_words(table, [word]).is_err(), "{word}");
    }
}

#[tokio::test]
async fn a_gateway_tells_all_it_knows() {
    let fake = Fake::start(
        Manner::Serves(GATEWAY.to_owned()),
        "http://{http}/rootDesc.xml",
    )
    .await;
    let outcome = fake.search(&[], &context()).await;
    assert_eq!(
        (outcome.ending, outcome.error.as_deref()),
        (Ending::Done, None)
    );
    assert_eq!(outcome.probe_result.len(), 1);
    let mut entry = fake.entry(&outcome);
    for hash in ["serial_number", "u_d_n"] {
        let hash = entry.as_object_mut().unwrap().remove(hash).unwrap();
        assert!(hash.as_str().unwrap().len() == 32);
    }
    entry.as_object_mut().unwrap().remove("model_name").unwrap();
    assert_eq!(
        entry,
        json!({
            "connection_type": "IP_Routed",
            "device_type": "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
            "external_ip_address": "198.51.100.9",
            "firewall_enabled": true,
            "friendly_name": "Router & Co",
            "inbound_pinhole_allowed": false,
            "lan_ip_address": "127.0.0.1",
            "last_connection_error": "ERROR_NONE",
            "link_layer_max_download": 250_000_000,
            "link_layer_max_upload": 40_000_000,
            "manufacturer": "OpenWrt",
            "model_description": "a router",
            "model_number": "2",
            "number_of_port_mappings": 2,
            "root_desc_url": format!("http://{}/rootDesc.xml", fake.http),
            "server": "fake",
            "status": "Connected",
            "total_bytes_received": 17,
            "total_bytes_sent": 4_294_967_295_u32,
            "uptime": 86400,
        })
    );
    let text = serde_json::to_string(&outcome.probe_result).unwrap();
    assert!(
        !text.contains("Anna") && !text.contains("192.168.1.5"),
        "mappings stay at home"
    );
    let seen = fake.seen();
    assert_eq!(seen.searches.len(), 4, "two targets, twice");
    let descriptions = seen
        .requests
        .iter()
        .filter(|(_, action)| action.is_empty())
        .count();
    assert_eq!(descriptions, 1, "asked once however often it answers");
    let firewall = ("/ctl/IP6FCtl".to_owned(), "GetFirewallStatus".to_owned());
    assert!(seen.requests.contains(&firewall));
    assert!(
        outcome.bytes.sent > 5000 && outcome.bytes.received > 5000,
        "{:?}",
        outcome.bytes
    );
}

#[tokio::test]
async fn a_description_of_a_gigabyte_ends_at_256_kib() {
    for chunked in [false, true] {
        let (outcome, error) = error_of(Manner::Endless { chunked }).await;
        assert_eq!(error, "the description: sends more than 262144 bytes");
        assert!(outcome.bytes.received < 500_000, "{:?}", outcome.bytes);
        assert!(outcome.bytes.received > 200_000, "{:?}", outcome.bytes);
    }
}

#[tokio::test]
async fn each_bad_manner_ends_with_its_reason() {
    let error = async |manner| error_of(manner).await.1;
    let slow = "the description: no whole answer within 2990 ms";
    let (dripping, silent) = tokio::join!(error(Manner::OneByteASecond), error(Manner::Silent));
    assert_eq!((dripping.as_str(), silent.as_str()), (slow, slow));
    let garbage = error(Manner::Says("\u{0}\u{1}garbage\r\n\r\n")).await;
    assert!(
        garbage.starts_with("the description: no http answer: "),
        "{garbage}"
    );
    let reset = error(Manner::Resets).await;
    assert!(
        reset.starts_with("the description: no http answer: "),
        "{reset}"
    );
    let empty = error(Manner::Says("")).await;
    assert!(
        empty.starts_with("the description: no http answer: "),
        "{empty}"
    );
    let bomb = "<!DOCTYPE r [<!ENTITY a \"x\">]><root><device>&a;</device></root>";
    let bomb = error(Manner::Serves(bomb.to_owned())).await;
    assert!(bomb.contains("DTD"), "{bomb}");
    let none = error(Manner::Serves("<root/>".to_owned())).await;
    assert_eq!(none, "the description holds no device");
    assert_eq!(
        error(Manner::Says("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")).await,
        "the description: answered with http status 404"
    );
    let header = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(40_000));
    let header = error(Manner::Says(Box::leak(header.into_boxed_str()))).await;
    assert!(
        header.starts_with("the description: no http answer: "),
        "{header}"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let target = elsewhere.local_addr().unwrap();
    let text =
        format!("HTTP/1.1 302 Found\r\nLocation: http://{target}/\r\nContent-Length: 0\r\n\r\n");
    let (_, error) = error_of(Manner::Says(Box::leak(text.into_boxed_str()))).await;
    assert_eq!(error, "the description: answered with http status 302");
    let came = tokio::time::timeout(Duration::from_millis(50), elsewhere.accept()).await;
    assert!(came.is_err(), "nobody came");
}

#[tokio::test]
async fn hostile_locations_are_refused_and_counted() {
    let elsewhere = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let url = format!("http://{}/d.xml", elsewhere.local_addr().unwrap());
    let fake = Fake::start(Manner::Silent, &url).await;
    let outcome = fake.search(&[], &context()).await;
    assert_eq!(Value::Object(outcome.probe_result), json!({}));
    assert_eq!(outcome.ending, Ending::Done);
    assert_eq!(
        outcome.error.as_deref(),
        Some("location refused: it leads to another host than the one that answered (4 times)")
    );
    let came = tokio::time::timeout(Duration::from_millis(50), elsewhere.accept()).await;
    assert!(came.is_err(), "nobody came");
}

#[tokio::test]
async fn a_control_url_that_leads_elsewhere_stops_the_asking() {
    let elsewhere = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let url = format!("http://{}/ctl", elsewhere.local_addr().unwrap());
    let hostile = GATEWAY.replace("/ctl/IPConn", &url);
    let fake = Fake::start(Manner::Serves(hostile), "http://{http}/").await;
    let outcome = fake.search(&[], &context()).await;
    let entry = fake.entry(&outcome);
    assert_eq!(
        entry["error"],
        "the control url refused: it leads to another host than the one that answered"
    );
    assert_eq!(entry["friendly_name"], "Router & Co");
    assert!(
        fake.seen()
            .requests
            .iter()
            .all(|(_, action)| action.is_empty())
    );
    let came = tokio::time::timeout(Duration::from_millis(50), elsewhere.accept()).await;
    assert!(came.is_err(), "nobody came");
}

#[tokio::test]
async fn without_permission_nothing_is_sent() {
    let fake = Fake::start(Manner::Silent, "http://{http}/").await;
    let context = Context {
        admit: Arc::new(|address: IpAddr| Err(format!("{address} is in the home"))),
        ..context()
    };
    let outcome = fake.search(&[], &context).await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert_eq!(outcome.error.as_deref(), Some("127.0.0.1 is in the home"));
    assert_eq!(outcome.bytes.total(), 0);
    assert!(fake.seen().searches.is_empty());
}

#[tokio::test]
async fn every_connection_is_admitted() {
    let fake = Fake::start(Manner::Serves(GATEWAY.to_owned()), "http://{http}/d.xml").await;
    let asked = Arc::new(Mutex::new(0));
    let counter = asked.clone();
    let context = Context {
        admit: Arc::new(move |_| {
            let mut asked = counter.lock().unwrap();
            *asked += 1;
            if *asked > 3 {
                Err("enough".to_owned())
            } else {
                Ok(())
            }
        }),
        ..context()
    };
    let outcome = fake.search(&[], &context).await;
    let entry = fake.entry(&outcome);
    assert_eq!(entry["error"], "enough");
    assert_eq!(entry["external_ip_address"], "198.51.100.9");
    assert!(entry.get("status").is_none());
    assert_eq!(
        fake.seen().requests.len(),
        2,
        "the description and one call"
    );
}

#[tokio::test]
async fn glimpse_check_43_a_silent_network_is_an_empty_object() {
    let silent = UdpSocket::bind((LOCAL, 0)).await.unwrap();
    let fake = Fake::start(Manner::Silent, "http://{http}/").await;
    let segment = Segment {
        group: silent.local_addr().unwrap(),
        ..fake.segment()
    };
    let outcome = search(&options(&["search=all"]), &context(), vec![segment]).await;
    assert_eq!(Value::Object(outcome.probe_result), json!({}));
    assert_eq!((outcome.ending, outcome.error), (Ending::Done, None));
    let mut buffer = [0; 2048];
    let length = silent.recv(&mut buffer).await.unwrap();
    let first = String::from_utf8_lossy(&buffer[..length]).into_owned();
    let length = silent.recv(&mut buffer).await.unwrap();
    let second = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert_eq!(header(&first, "ST").as_deref(), Some("upnp:rootdevice"));
    assert_eq!(header(&second, "ST").as_deref(), Some("ssdp:all"));
}

#[tokio::test]
async fn the_limit_of_bytes_holds_everywhere() {
    for limit in [0, 300, 1000, 2000, 4000, 9000] {
        let fake = Fake::start(Manner::Serves(GATEWAY.to_owned()), "http://{http}/d.xml").await;
        let context = Context {
            byte_limit: limit,
            ..context()
        };
        let outcome = fake.search(&[], &context).await;
        let told = serde_json::to_string(&outcome.probe_result).unwrap()
            + &outcome.error.unwrap_or_default();
        assert!(told.contains("stopped at its limit of"), "{limit}: {told}");
    }
}

#[tokio::test]
async fn a_dropped_run_shows_what_it_used() {
    let fake = Fake::start(Manner::Endless { chunked: false }, "http://{http}/d.xml").await;
    let (options, context) = (options(&[]), context());
    let stopped = tokio::time::timeout(
        Duration::from_millis(500),
        search(&options, &context, vec![fake.segment()]),
    );
    assert!(stopped.await.is_err());
    assert!(context.meter.read().sent > 300);
}

#[test]
fn the_worst_case_is_that_of_its_parts() {
    let base = options(&["max_devices=1"]).worst_case_bytes();
    let more = options(&["max_devices=3"]).worst_case_bytes();
    assert_eq!(more - base, 2 * 576 * 1024);
    assert_eq!(options(&[]).longest_run(), Duration::from_secs(1 + 30 + 2));
}
