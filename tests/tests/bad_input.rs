//! Bad input, from both sides: what is asked for, and what servers do. The program itself is run; each row has a reason of its
//! own, and the text that names it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_input {
    pub(super) mod servers;
    pub(super) mod token;
}

use bad_input::servers::{self, Behaviour, Certificate};
use bad_input::token::token;
use glimpse_model::record::Status;
use glimpse_tests::measured::{self, Measured};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;
use tokio::task::JoinSet;

use Status::{Failed, Ok, Refused};

/// Nothing is sent: there is nothing to wait for but a busy machine.
const AT_ONCE: Duration = Duration::from_secs(20);
/// Longest that a server may keep a measurement whose own time is 3 s.
const PATIENCE: Duration = Duration::from_mins(1);
/// Programs at a time.
const SIDE_BY_SIDE: usize = 8;

/// What is asked for, the status it must end with, and what the answer must say.
struct Row {
    words: Vec<String>,
    status: Status,
    says: String,
}

fn row(words: &str, status: Status, says: &str) -> Row {
    Row {
        words: words.split_ascii_whitespace().map(str::to_owned).collect(),
        status,
        says: says.to_owned(),
    }
}

/// The exit code of a status.
fn code(status: Status) -> i32 {
    match status {
        Ok => 0,
        Refused => 2,
        _ => 1,
    }
}

impl Row {
    fn fault(&self, measured: &Measured) -> Option<String> {
        // Of what is refused there is no record.
        let status = match self.status {
            Refused => Value::Null,
            status => status.as_str().into(),
        };
        let right = measured.code == Some(code(self.status))
            && measured.record["status"] == status
            && measured.error().contains(&self.says);
        // One line for people; and a panic is never an answer.
        let clean = measured.words.lines().count() <= 1 && !measured.words.contains("panicked");
        (!right || !clean).then(|| {
            let words: Vec<&str> = self
                .words
                .iter()
                .map(|word| word.get(..60).unwrap_or(word))
                .collect();
            format!(
                "{}\n  wanted {:?} {:?}\n  got    {:?} {:?} {}",
                words.join(" "),
                self.status,
                self.says,
                measured.code,
                measured.error(),
                measured.words
            )
        })
    }
}

/// Runs the rows, some at a time, and fails with all that are not as they should be.
async fn check(rows: Vec<Row>, patience: Duration) {
    let mut running = JoinSet::new();
    let mut faults = Vec::new();
    for row in rows {
        if running.len() == SIDE_BY_SIDE {
            faults.extend(running.join_next().await.unwrap().unwrap());
        }
        running.spawn(async move {
            let words: Vec<&str> = row.words.iter().map(String::as_str).collect();
            let measured = measured::run(measured::command(&words), patience).await;
            row.fault(&measured)
        });
    }
    while let Some(fault) = running.join_next().await {
        faults.extend(fault.unwrap());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The methods with an option `host`, and what else they cannot do without.
fn hosts() -> [(&'static str, String); 5] {
    let token = |method| format!(" token={}", token(method));
    [
        ("ping", String::new()),
        ("traceroute", String::new()),
        ("dnslookup", String::new()),
        ("btc_ma", token("btc")),
        ("packettrains_ma", token("packettrains")),
    ]
}

/// Those with an option `url`.
const URLS: [&str; 3] = ["httpdownload", "httpupload", "latencyload"];

#[tokio::test]
async fn what_cannot_be_measured_is_refused_by_name() {
    let long = "a".repeat(300);
    let mut rows = Vec::new();
    for (method, rest) in hosts() {
        for (host, says) in [
            ("-x", "host: must not begin with a hyphen"),
            (long.as_str(), "host: must be at most 253 bytes long"),
            ("ex\u{e4}mple.net", "host: is no host name"),
            ("a..b", "host: is no host name"),
            ("", "host: "),
        ] {
            let words = format!("{method} host={host}{rest}");
            rows.push(row(&words, Refused, &format!("{method}: {says}")));
        }
    }
    for method in URLS {
        for (url, says) in [
            ("http://-x/", "url: host must not begin with a hyphen"),
            (&format!("http://{long}/"), "url: host is no host name"),
            ("http://ex\u{e4}mple.net/", "url: host is no host name"),
            ("http://127.0.0.1:0/", "url: port must be 1 to 65535"),
            ("http://127.0.0.1:65536/", "url: port must be 1 to 65535"),
            (
                "ftp://127.0.0.1/",
                "url: must begin with http:// or https://",
            ),
        ] {
            let words = format!("{method} url={url}");
            rows.push(row(&words, Refused, &format!("{method}: {says}")));
        }
    }
    for ip in ["-x", "example.net", long.as_str()] {
        rows.push(row(
            &format!("reversednslookup ip={ip}"),
            Refused,
            "reversednslookup: ip: must be ",
        ));
    }
    rows.extend([
        row(
            "dnslookup host=example.net dns_server=127.0.0.1:0",
            Refused,
            "dnslookup: dns_server: must have a port from 1 to 65535",
        ),
        row(
            "nothing host=127.0.0.1",
            Refused,
            "'nothing' is not a method; known are ",
        ),
        row(
            "ping 127.0.0.1",
            Refused,
            "ping: 127.0.0.1: must have the form key=value",
        ),
        row("ping", Refused, "ping: host: is missing"),
        row(
            "btc_ma host=127.0.0.1",
            Refused,
            "btc_ma: token: is missing",
        ),
        row(
            "btc_ma host=127.0.0.1 token=g1.x.y",
            Refused,
            "btc_ma: token: must have the form g1.CLAIMS.SIGNATURE",
        ),
        row(
            &format!("btc_ma host=127.0.0.1 token={}", token("ping")),
            Refused,
            "btc_ma: token: is for ping",
        ),
    ]);
    check(rows, AT_ONCE).await;
}

#[tokio::test]
async fn numbers_are_refused_below_and_above_and_unknown_options_by_their_names() {
    let mut rows = Vec::new();
    let counts = [
        ("ping host=127.0.0.1", "count"),
        ("traceroute host=127.0.0.1", "count"),
        ("packettrains_ma host=127.0.0.1 token=t", "iterations"),
        ("btc_ma host=127.0.0.1 token=t", "slices"),
        ("httpdownload url=http://127.0.0.1/", "threads"),
        ("httpupload url=http://127.0.0.1/", "threads"),
        ("latencyload url=http://127.0.0.1/", "threads"),
        ("dnslookup host=example.net", "timeout"),
        ("reversednslookup ip=127.0.0.1", "timeout"),
        ("upnp", "max_devices"),
    ];
    for (asked, count) in counts {
        let method = asked.split(' ').next().unwrap();
        for (number, says) in [
            ("0", "must be >"),
            ("-1", "must be >"),
            ("4294967296", "must be <="),
            ("99999999999999999999", "must be "),
            ("1.5", "must be a whole number"),
            ("many", "must be a whole number"),
        ] {
            let words = format!("{asked} {count}={number}");
            rows.push(row(&words, Refused, &format!("{method}: {count}: {says}")));
        }
    }
    for asked in counts.map(|(asked, _)| asked).into_iter().chain(["wifi"]) {
        let method = asked.split(' ').next().unwrap();
        rows.push(row(
            &format!("{asked} frobnicate=1"),
            Refused,
            &format!("{method}: frobnicate: is not an option here"),
        ));
    }
    check(rows, AT_ONCE).await;
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_an_outcome() {
    let mut rows = Vec::new();
    for (method, rest) in hosts()
        .into_iter()
        .filter(|(method, _)| *method != "dnslookup")
    {
        rows.push(row(
            &format!("{method} host=no-such-name.invalid{rest}"),
            Failed,
            "no-such-name.invalid could not be resolved: ",
        ));
    }
    for method in URLS {
        rows.push(row(
            &format!("{method} url=http://no-such-name.invalid/"),
            Failed,
            "no-such-name.invalid could not be resolved: ",
        ));
    }
    check(rows, PATIENCE).await;
}

/// Of HTTP, the shortest run there is: three seconds.
const SHORT: &str = "target_time=2000 ramp_up_time=1000";

/// What is asked of a server.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Download,
    Upload,
    Load,
    Https,
    Dns(&'static str),
    Bulk,
}

impl Asked {
    fn words(self, server: SocketAddr) -> String {
        match self {
            Self::Download => format!("httpdownload url=http://{server}/ {SHORT}"),
            Self::Upload => format!("httpupload url=http://{server}/ {SHORT}"),
            Self::Load => format!("latencyload url=http://{server}/ {SHORT}"),
            Self::Https => format!("httpdownload url=https://{server}/ {SHORT}"),
            Self::Dns(transport) => format!(
                "dnslookup host=example.net type=A dns_server={server} transport={transport} timeout=5000 retries=0"
            ),
            Self::Bulk => format!(
                "btc_ma host={} port={} token={}",
                server.ip(),
                server.port(),
                token("btc")
            ),
        }
    }
}

use Asked::{Bulk, Dns, Download, Https, Load, Upload};
use Behaviour::{Closing, Garbage, Gone, Lying, Resetting, Silent, Trickling};

/// What was answered at least in part is `ok`, with what is missing in the error; what was not answered at all has failed.
/// (Loss is a figure of probes, silence none of queries and transfers.)
const TABLE: &[(Behaviour, Asked, Status, &str)] = &[
    (Gone, Download, Failed, "Connection refused"),
    (Gone, Upload, Failed, "Connection refused"),
    (Gone, Dns("Tcp"), Failed, "refused the connection"),
    (Gone, Bulk, Failed, "Connection refused"),
    (
        Silent,
        Download,
        Failed,
        "the server did not answer within ",
    ),
    (
        Silent,
        Upload,
        Failed,
        "the server did not answer within 5000 ms",
    ),
    (
        Silent,
        Load,
        Failed,
        "down: download: the server did not answer within ",
    ),
    (
        Silent,
        Https,
        Failed,
        "tls with 127.0.0.1: no handshake within 5000 ms",
    ),
    (Silent, Dns("Tcp"), Failed, "A: no answer from 127.0.0.1:"),
    (
        Silent,
        Dns("Tls"),
        Failed,
        "A: tls with 127.0.0.1: no handshake within 5000 ms",
    ),
    (
        Silent,
        Bulk,
        Failed,
        "the peer fell silent: it may not know this token, or no longer",
    ),
    (Garbage, Download, Failed, "the answer is not http: "),
    (Garbage, Upload, Failed, "the answer is not http: "),
    (Garbage, Load, Failed, "the answer is not http: "),
    (
        Garbage,
        Https,
        Failed,
        "tls with 127.0.0.1: the answer is not tls",
    ),
    (
        Garbage,
        Dns("Tcp"),
        Failed,
        " closed the connection after 178 of the 65280 bytes that it announced",
    ),
    (
        Garbage,
        Dns("Tls"),
        Failed,
        "A: tls with 127.0.0.1: the answer is not tls",
    ),
    (
        Garbage,
        Bulk,
        Failed,
        " is not a GLIMPSE responder: a message of 65280 bytes is too long",
    ),
    (
        Trickling,
        Download,
        Failed,
        "the server did not answer within ",
    ),
    (
        Trickling,
        Upload,
        Failed,
        "the server did not answer within ",
    ),
    (
        Trickling,
        Load,
        Failed,
        "down: download: the server did not answer within ",
    ),
    // How many bytes have come by then depends on the machine; of that there is a test in virtual time.
    (
        Trickling,
        Dns("Tcp"),
        Failed,
        "A: no whole answer from 127.0.0.1:",
    ),
    (
        Trickling,
        Bulk,
        Failed,
        " is not a GLIMPSE responder: a message of 18516 bytes is too long",
    ),
    (
        Resetting,
        Download,
        Ok,
        "the connection broke: Connection reset",
    ),
    (Resetting, Dns("Tcp"), Failed, "reset the connection"),
    (Resetting, Dns("Tls"), Failed, "A: tls with 127.0.0.1: "),
    (Resetting, Bulk, Failed, " is not a GLIMPSE responder: "),
    (
        Closing,
        Download,
        Failed,
        "the server closed without an answer",
    ),
    (
        Closing,
        Https,
        Failed,
        "tls with 127.0.0.1: the server closed during the handshake",
    ),
    (
        Closing,
        Dns("Tcp"),
        Failed,
        "closed the connection without an answer",
    ),
    (
        Closing,
        Dns("Tls"),
        Failed,
        "A: tls with 127.0.0.1: the server closed during the handshake",
    ),
    (
        Closing,
        Bulk,
        Failed,
        "the peer closed the connection: it may not know this token, or no longer",
    ),
    (
        Lying,
        Download,
        Ok,
        "the server closed after 1000 of 1000000 bytes of content",
    ),
    (Lying, Dns("Tcp"), Failed, "closed the connection after "),
];

/// Ten seconds: patience with slow servers is what is tested.
#[tokio::test]
async fn what_servers_do_is_said() {
    let mut rows = Vec::new();
    for (behaviour, asked, status, says) in TABLE {
        let server = servers::start(*behaviour).await;
        rows.push(row(&asked.words(server), *status, says));
    }
    check(rows, PATIENCE).await;
}

/// The authority is put where the agent looks for those of the system, which needs a mount namespace and so root.
#[tokio::test]
async fn tls_failures_are_told_by_kind_in_a_mount_namespace() {
    let authority = servers::Authority::new();
    let bundle = ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"]
        .into_iter()
        .find(|path| std::path::Path::new(path).exists())
        .expect("the system's certificates: install ca-certificates");
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("bundle.pem");
    std::fs::write(&own, authority.pem()).unwrap();
    let mut faults = Vec::new();
    // After the handshake each says in its own words what is missing.
    let broken = ["the connection broke", "reset the connection"];
    for (certificate, says) in [
        (Certificate::Good, broken),
        (
            Certificate::SelfSigned,
            ["the certificate is from an unknown authority"; 2],
        ),
        (
            Certificate::OtherName,
            ["the certificate is for another name"; 2],
        ),
        (Certificate::Expired, ["the certificate has expired"; 2]),
        (
            Certificate::NotYetValid,
            ["the certificate is not valid yet"; 2],
        ),
        (
            Certificate::Client,
            ["the certificate is not fit for a server: "; 2],
        ),
    ] {
        let server = authority.serve(certificate).await;
        for (asked, says) in [Https, Dns("Tls")].into_iter().zip(says) {
            let says = match certificate {
                Certificate::Good => says.to_owned(),
                _ => format!("tls with 127.0.0.1: {says}"),
            };
            let row = row(&asked.words(server), Failed, &says);
            let words: Vec<&str> = row.words.iter().map(String::as_str).collect();
            let agent = measured::command(&words);
            let mut command = Command::new("unshare");
            command
                .args(["--mount", "--propagation", "private", "sh", "-ec"])
                .arg("mount --bind \"$0\" \"$1\"; shift; exec \"$@\"")
                .args([own.as_os_str(), bundle.as_ref()])
                .arg(agent.get_program())
                .args(agent.get_args());
            let measured = measured::run(command, PATIENCE).await;
            faults.extend(
                row.fault(&measured)
                    .map(|fault| format!("{certificate:?}: {fault}")),
            );
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
