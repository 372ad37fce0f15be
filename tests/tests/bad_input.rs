//! Bad input, from both sides: what is asked for, and what servers do. The program itself is run; each row has a reason of its
//! own, and the text that names it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_input {
    pub(super) mod servers;
    pub(super) mod token;
}

use bad_input::servers::{self, Behaviour, Certificate};
use bad_input::token::token;
use glimpse_tests::measured::{self, Measured};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;
use tokio::task::JoinSet;

const REFUSED: Option<i32> = Some(2);
const FAILED: Option<i32> = Some(1);
const OK: Option<i32> = Some(0);

/// Nothing is sent: there is nothing to wait for but a busy machine.
const AT_ONCE: Duration = Duration::from_secs(20);
/// Longest that a server may keep a measurement whose own time is 3 s.
const PATIENCE: Duration = Duration::from_mins(1);
/// Programs at a time.
const SIDE_BY_SIDE: usize = 8;

/// What is asked for, the exit code, and what the answer must say.
struct Row {
    words: Vec<String>,
    code: Option<i32>,
    says: String,
}

fn row(words: &str, code: Option<i32>, says: &str) -> Row {
    Row {
        words: words.split_ascii_whitespace().map(str::to_owned).collect(),
        code,
        says: says.to_owned(),
    }
}

impl Row {
    fn fault(&self, measured: &Measured) -> Option<String> {
        let right = measured.code == self.code && measured.error().contains(&self.says);
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
                self.code,
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
            rows.push(row(&words, REFUSED, &format!("{method}: {says}")));
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
            rows.push(row(&words, REFUSED, &format!("{method}: {says}")));
        }
    }
    for ip in ["-x", "example.net", long.as_str()] {
        rows.push(row(
            &format!("reversednslookup ip={ip}"),
            REFUSED,
            "reversednslookup: ip: must be ",
        ));
    }
    rows.extend([
        row(
            "dnslookup host=example.net dns_server=127.0.0.1:0",
            REFUSED,
            "dnslookup: dns_server: must have a port from 1 to 65535",
        ),
        row(
            "nothing host=127.0.0.1",
            REFUSED,
            "'nothing' is not a method; known are ",
        ),
        row(
            "ping 127.0.0.1",
            REFUSED,
            "ping: 127.0.0.1: must have the form key=value",
        ),
        row("ping", REFUSED, "ping: host: is missing"),
        row(
            "btc_ma host=127.0.0.1",
            REFUSED,
            "btc_ma: token: is missing",
        ),
        row(
            "btc_ma host=127.0.0.1 token=g1.x.y",
            REFUSED,
            "btc_ma: token: must have the form g1.CLAIMS.SIGNATURE",
        ),
        row(
            &format!("btc_ma host=127.0.0.1 token={}", token("ping")),
            REFUSED,
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
            rows.push(row(&words, REFUSED, &format!("{method}: {count}: {says}")));
        }
    }
    for asked in counts.map(|(asked, _)| asked).into_iter().chain(["wifi"]) {
        let method = asked.split(' ').next().unwrap();
        rows.push(row(
            &format!("{asked} frobnicate=1"),
            REFUSED,
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
            FAILED,
            "no-such-name.invalid could not be resolved: ",
        ));
    }
    for method in URLS {
        rows.push(row(
            &format!("{method} url=http://no-such-name.invalid/"),
            FAILED,
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
                "dnslookup host=example.net type=A dns_server={server} transport={transport} timeout=1000 retries=0"
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

/// A name server that gives no answer has been measured: that is its result. The same holds of what came before a cut.
const TABLE: &[(Behaviour, Asked, Option<i32>, &str)] = &[
    (Gone, Download, FAILED, "Connection refused"),
    (Gone, Dns("Tcp"), FAILED, "refused the connection"),
    (Gone, Bulk, FAILED, "Connection refused"),
    (
        Silent,
        Download,
        FAILED,
        "the server did not answer within ",
    ),
    (Silent, Https, FAILED, "no handshake within "),
    (Silent, Dns("Tcp"), OK, "no answer from 127.0.0.1:"),
    (Silent, Dns("Tls"), OK, "no answer from 127.0.0.1:"),
    (
        Silent,
        Bulk,
        FAILED,
        "it may not know this token, or no longer",
    ),
    (Garbage, Download, FAILED, "the answer is not http: "),
    (Garbage, Upload, FAILED, "the answer is not http: "),
    (Garbage, Load, FAILED, "the answer is not http: "),
    (
        Garbage,
        Https,
        FAILED,
        "tls with 127.0.0.1: received corrupt message",
    ),
    (Garbage, Dns("Tcp"), OK, "closed the connection after "),
    (
        Garbage,
        Dns("Tls"),
        FAILED,
        "tls: the server does not speak it",
    ),
    (
        Garbage,
        Bulk,
        FAILED,
        "a message of 65280 bytes is too long",
    ),
    (
        Trickling,
        Download,
        FAILED,
        "the server did not answer within ",
    ),
    (
        Trickling,
        Upload,
        FAILED,
        "the server did not answer within ",
    ),
    // Whether the second byte of the length makes it within the second is chance.
    (Trickling, Dns("Tcp"), OK, " answer from 127.0.0.1:"),
    (
        Trickling,
        Bulk,
        FAILED,
        "it may not know this token, or no longer",
    ),
    (
        Resetting,
        Download,
        OK,
        "the connection broke: Connection reset",
    ),
    (Resetting, Dns("Tcp"), OK, "reset the connection"),
    (Resetting, Dns("Tls"), FAILED, "tls: "),
    (
        Closing,
        Download,
        FAILED,
        "the server closed without an answer",
    ),
    (
        Closing,
        Https,
        FAILED,
        "the server closed during the handshake",
    ),
    (Closing, Dns("Tcp"), OK, "closed the connection"),
    (
        Closing,
        Bulk,
        FAILED,
        "it may not know this token, or no longer",
    ),
    (Lying, Download, OK, "the server closed after "),
    (Lying, Dns("Tcp"), OK, "closed the connection after "),
];

/// Ten seconds: patience with slow servers is what is tested.
#[tokio::test]
async fn what_servers_do_is_said() {
    let mut rows = Vec::new();
    for (behaviour, asked, code, says) in TABLE {
        let server = servers::start(*behaviour).await;
        rows.push(row(&asked.words(server), *code, says));
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
    for (certificate, http, dns) in [
        (
            Certificate::Good,
            "the connection broke",
            "reset the connection",
        ),
        (
            Certificate::SelfSigned,
            "the certificate is from an unknown authority",
            "the certificate is of an unknown issuer",
        ),
        (
            Certificate::OtherName,
            "the certificate is for another name",
            "the certificate is for another name",
        ),
        (
            Certificate::Expired,
            "the certificate has expired",
            "the certificate has expired",
        ),
        (
            Certificate::NotYetValid,
            "the certificate is not valid yet",
            "the certificate is not valid yet",
        ),
        (
            Certificate::Client,
            "the certificate is not fit for a server",
            "bad certificate: ",
        ),
    ] {
        let server = authority.serve(certificate).await;
        for (words, says) in [(Https.words(server), http), (Dns("Tls").words(server), dns)] {
            let row = row(&words, None, says);
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
            let code = measured.code;
            if !matches!(code, OK | FAILED) || !measured.error().contains(says) {
                faults.push(format!(
                    "{certificate:?}: wanted {says:?}, got {code:?} {measured:?}"
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
