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
        ("ping", "count"),
        ("traceroute", "count"),
        ("packettrains_ma", "iterations"),
        ("btc_ma", "slices"),
        ("httpdownload", "threads"),
        ("httpupload", "threads"),
        ("latencyload", "threads"),
        ("dnslookup", "timeout"),
        ("reversednslookup", "timeout"),
        ("upnp", "max_devices"),
    ];
    for (method, count) in counts {
        for (number, says) in [
            ("0", "must be >"),
            ("-1", "must be >"),
            ("4294967296", "must be <="),
            ("99999999999999999999", "must be "),
            ("1.5", "must be a whole number"),
            ("many", "must be a whole number"),
        ] {
            let words = format!("{method} {count}={number}");
            rows.push(row(&words, REFUSED, &format!("{method}: {count}: {says}")));
        }
    }
    for method in counts.map(|(method, _)| method).into_iter().chain(["wifi"]) {
        rows.push(row(
            &format!("{method} frobnicate=1"),
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

#[tokio::test]
async fn what_servers_do_is_said() {
    use Behaviour::{Closing, Garbage, Lying, Resetting, Silent, Trickling};
    let http = |method: &str, says: &str, code| {
        row(&format!("{method} url=http://@/ {SHORT}"), code, says)
    };
    let dns = |transport: &str, says: &str, code| {
        let words = format!(
            "dnslookup host=example.net type=A dns_server=@ transport={transport} timeout=1000 retries=0"
        );
        row(&words, code, says)
    };
    let btc = |says: &str| {
        let words = format!("btc_ma host=127.0.0.1 port=# token={}", token("btc"));
        row(&words, FAILED, says)
    };
    let tls = |says: &str| {
        let words = format!("httpdownload url=https://@/ {SHORT}");
        row(&words, FAILED, says)
    };
    let table: Vec<(Behaviour, Row)> = vec![
        (
            Silent,
            http("httpdownload", "the server did not answer within ", FAILED),
        ),
        (Silent, dns("Tcp", "no answer from 127.0.0.1:", OK)),
        (Silent, dns("Tls", "no answer from 127.0.0.1:", OK)),
        (Silent, btc("it may not know this token, or no longer")),
        (Silent, tls("no handshake within ")),
        (
            Garbage,
            http("httpdownload", "the answer is not http: ", FAILED),
        ),
        (
            Garbage,
            http("httpupload", "the answer is not http: ", FAILED),
        ),
        (
            Garbage,
            http("latencyload", "the answer is not http: ", FAILED),
        ),
        (Garbage, dns("Tcp", "closed the connection after ", OK)),
        (
            Garbage,
            dns("Tls", "tls: the server does not speak it", FAILED),
        ),
        (Garbage, btc("a message of 65280 bytes is too long")),
        (Garbage, tls("tls with 127.0.0.1: received corrupt message")),
        (
            Trickling,
            http("httpdownload", "the server did not answer within ", FAILED),
        ),
        (
            Trickling,
            http("httpupload", "the server did not answer within ", FAILED),
        ),
        (Trickling, dns("Tcp", "no answer from 127.0.0.1:", OK)),
        (Trickling, btc("it may not know this token, or no longer")),
        (
            Resetting,
            http("httpdownload", "the connection broke: Connection reset", OK),
        ),
        (Resetting, dns("Tcp", "reset the connection", OK)),
        (Resetting, dns("Tls", "tls: ", FAILED)),
        (
            Closing,
            http(
                "httpdownload",
                "the server closed without an answer",
                FAILED,
            ),
        ),
        (Closing, dns("Tcp", "closed the connection", OK)),
        (Closing, tls("the server closed during the handshake")),
        (Closing, btc("it may not know this token, or no longer")),
        (Lying, http("httpdownload", "the server closed after ", OK)),
        (Lying, dns("Tcp", "closed the connection after ", OK)),
    ];
    let mut rows = Vec::new();
    for (behaviour, mut row) in table {
        let server = servers::start(behaviour).await;
        for word in &mut row.words {
            *word = word
                .replace('@', &server.to_string())
                .replace('#', &server.port().to_string());
        }
        rows.push(row);
    }
    // Nobody is there.
    let gone = servers::gone().await;
    rows.push(row(
        &format!("httpdownload url=http://{gone}/ {SHORT}"),
        FAILED,
        "Connection refused",
    ));
    rows.push(row(
        &format!("dnslookup host=example.net type=A dns_server={gone} transport=Tcp timeout=1000 retries=0"),
        OK,
        "refused",
    ));
    rows.push(row(
        &format!(
            "btc_ma host=127.0.0.1 port={} token={}",
            gone.port(),
            token("btc")
        ),
        FAILED,
        "Connection refused",
    ));
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
        for (words, says) in [
            (format!("httpdownload url=https://{server}/ {SHORT}"), http),
            (
                format!(
                    "dnslookup host=example.net type=A dns_server={server} transport=Tls timeout=2000 retries=0"
                ),
                dns,
            ),
        ] {
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
