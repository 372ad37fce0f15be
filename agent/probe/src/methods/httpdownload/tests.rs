#![allow(clippy::unwrap_used, clippy::expect_used)]
// Runs that come to their end take three seconds or more: the least that the options allow.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Mutex;

use glimpse_model::outcome::{Ending, Outcome};
use glimpse_net::stamp::monotonic_ns;
use serde_json::{Value, json};

use super::*;
use crate::context::Bulk;
use crate::methods::http::server::{Authority, Server};
use crate::resolve::{Lookup, Resolve};

fn read(value: &Value) -> Result<Options, Refused> {
    descriptor().read(value.as_object().unwrap())
}

fn context() -> Context {
    Context::unlimited(Duration::from_mins(1), 0x5eed)
}

/// Measures for three seconds, and holds the run against what its descriptor announced.
async fn measure_in(context: &Context, mut value: Value) -> Outcome {
    let map = value.as_object_mut().unwrap();
    map.entry("target_time").or_insert(json!(2000));
    map.entry("ramp_up_time").or_insert(json!(1000));
    map.entry("slot_length").or_insert(json!(500));
    let options = read(&value).unwrap();
    let begun = monotonic_ns();
    let outcome = descriptor().run(&options, context).await;
    assert!(
        outcome.bytes.total()
            <= descriptor()
                .worst_case_bytes(&options)
                .min(context.byte_limit)
    );
    assert_eq!(outcome.bytes, context.meter.read());
    assert!(Duration::from_nanos(monotonic_ns() - begun) < descriptor().longest_run(&options));
    outcome
}

async fn measure(value: Value) -> Outcome {
    measure_in(&context(), value).await
}

fn text(outcome: &Outcome) -> &str {
    outcome.error.as_deref().unwrap_or_default()
}

#[tokio::test]
async fn glimpse_check_35_two_threads_give_two_entries_and_their_sum() {
    for address in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ] {
        let server = Server::start_with(address, None).await;
        let outcome =
            measure(json!({"url": server.url("/endless?a=b"), "threads": 2, "max_bytes": 64_000_000_000_u64})).await;
        assert_eq!((outcome.ending, text(&outcome)), (Ending::Done, ""));
        let result = &outcome.probe_result;
        assert_eq!(result["destination_ip"], address.to_string());
        assert_eq!(result["actual_num_threads"], 2);
        assert_eq!(
            (&result["results_ok"], &result["stopped"]),
            (&json!(true), &json!("target_time"))
        );
        let threads = result["bandwidth_bps_per_thread"].as_array().unwrap();
        assert_eq!(threads.len(), 2);
        let sum: u64 = threads
            .iter()
            .map(|thread| thread["avg"].as_u64().unwrap())
            .sum();
        assert_eq!(result["bandwidth_bps_avg"], sum);
        // Far more than a general client's errors of counting, far less than a factor of eight.
        assert!(sum > 200_000_000, "{sum}");
        for thread in threads {
            let slots: Vec<u64> = thread["slots"]
                .as_array()
                .unwrap()
                .iter()
                .map(|slot| slot.as_u64().unwrap())
                .collect();
            assert_eq!(slots.len(), 4);
            assert_eq!(thread["min"], *slots.iter().min().unwrap());
            assert_eq!(thread["max"], *slots.iter().max().unwrap());
            assert!(thread["stdev"].is_u64() && thread["connect_us"].as_u64().unwrap() > 0);
            assert!(thread["first_byte_us"].as_u64().unwrap() < 2_000_000);
        }
        assert_eq!(
            (&result["http_status"], &result["dns_us"]),
            (&json!(200), &json!(0))
        );
        assert_eq!(
            (&result["tls_us"], &result["tls_version"]),
            (&Value::Null, &Value::Null)
        );
        assert!(result["min_rtt_us"].as_u64().unwrap() < 1_000_000);
        assert_eq!(server.seen(), ["GET /endless?a=b HTTP/1.1"; 2]);
        let transferred = result["transferred_bytes"].as_u64().unwrap();
        assert!(
            outcome.bytes.received > transferred && outcome.bytes.received < transferred * 11 / 10
        );
    }
}

#[test]
fn options_out_of_bounds_are_refused_with_their_name() {
    for (given, error) in [
        (json!({}), "url: is missing"),
        (
            json!({"url": "http://h/", "threads": 17}),
            "threads: must be <= 16",
        ),
        (
            json!({"url": "http://h/", "threads": 0}),
            "threads: must be > 0",
        ),
        (
            json!({"url": "http://h/", "target_time": 1999}),
            "target_time: must be >= 2000",
        ),
        (
            json!({"url": "http://h/", "target_time": 45_001}),
            "target_time: must be <= 45000",
        ),
        (
            json!({"url": "http://h/", "ramp_up_time": 999}),
            "ramp_up_time: must be >= 1000",
        ),
        (
            json!({"url": "http://h/", "slot_length": 249}),
            "slot_length: must be >= 250",
        ),
        (
            json!({"url": "http://h/", "slot_length": 10_001}),
            "slot_length: must be <= target_time",
        ),
        (
            json!({"url": "http://h/", "source_port": 65_535, "threads": 2}),
            "source_port: leaves no ports for all threads",
        ),
        (
            json!({"url": "http://h/", "max_bytes": 999_999}),
            "max_bytes: must be >= 1000000",
        ),
        (
            json!({"url": "http://h/", "byte_limit": 1}),
            "byte_limit: is not an option here",
        ),
        (
            json!({"url": "http://-x/"}),
            "url: host must not begin with a hyphen",
        ),
        (
            json!({"url": "-x"}),
            "url: must begin with http:// or https://",
        ),
        (
            json!({"url": format!("http://{}/", "a".repeat(300))}),
            "url: host is no host name: names have up to 253 characters, their parts 1 to 63",
        ),
    ] {
        assert_eq!(read(&given).unwrap_err().to_string(), error);
    }
    let options = TransferOptions::read(&read(&json!({"url": "http://h/"})).unwrap()).unwrap();
    assert_eq!(
        (
            options.threads,
            options.target_ms,
            options.ramp_ms,
            options.slot_ms
        ),
        (1, 10_000, 3000, 1000)
    );
    assert_eq!(
        (options.redirects, options.source_port, options.max_bytes),
        (0, 0, 250_000_000)
    );
}

#[tokio::test]
async fn short_bodies_are_asked_for_again_however_they_end() {
    let server = Server::start().await;
    let urls = ["/bodies/2000000", "/chunked", "/closing"];
    let runs =
        urls.map(|path| measure(json!({"url": server.url(path), "max_bytes": 9_000_000_000_u64})));
    let [bodies, chunked, closing] = runs;
    let (bodies, chunked, closing) = tokio::join!(bodies, chunked, closing);
    for outcome in [bodies, chunked, closing] {
        // A fast machine ends at the bound on requests.
        if text(&outcome).is_empty() {
            assert_eq!(outcome.probe_result["results_ok"], true);
        } else {
            assert!(
                text(&outcome).contains("1000 requests were made"),
                "{outcome:?}"
            );
        }
        assert_eq!(outcome.ending, Ending::Done);
        assert!(outcome.probe_result["requests"].as_u64().unwrap() > 5);
        assert!(
            outcome.probe_result["bandwidth_bps_whole"]
                .as_u64()
                .unwrap()
                > 10_000_000
        );
    }
}

#[tokio::test]
async fn caches_are_avoided_by_a_parameter_and_ports_are_kept() {
    let server = Server::start().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let given = json!({"url": server.url("/trickle?a=b"), "threads": 2, "avoid_caches": true, "source_port": port.min(65_000)});
    let outcome = measure(given).await;
    assert_eq!(outcome.ending, Ending::Done, "{outcome:?}");
    let seen = server.seen();
    assert!(
        seen.iter()
            .all(|line| line.starts_with("GET /trickle?a=b&timestamp=")),
        "{seen:?}"
    );
    assert_ne!(seen[0], seen[1]);
    // A byte a second is a figure, not a fault.
    let avg = outcome.probe_result["bandwidth_bps_avg"].as_u64().unwrap();
    assert!((8..=24).contains(&avg), "{avg}");
}

#[tokio::test]
async fn the_byte_limit_ends_the_run_with_the_figures_it_has() {
    let server = Server::start().await;
    let outcome =
        measure(json!({"url": server.url("/endless"), "threads": 4, "max_bytes": 3_000_000})).await;
    assert_eq!(
        (outcome.ending, outcome.error.as_deref()),
        (Ending::Done, None)
    );
    let result = &outcome.probe_result;
    assert_eq!(
        (&result["stopped"], &result["results_ok"]),
        (&json!("byte_limit"), &json!(false))
    );
    assert_eq!(
        result["bandwidth_bps_avg"],
        Value::Null,
        "it ended within the ramp-up"
    );
    assert!(result["bandwidth_bps_whole"].as_u64().unwrap() > 1_000_000);
    assert!(result["transferred_bytes"].as_u64().unwrap() > 2_000_000);
    // The guard's limit is kept as well.
    let context = Context {
        byte_limit: 1_500_000,
        ..context()
    };
    let outcome = measure_in(&context, json!({"url": server.url("/endless")})).await;
    assert_eq!(outcome.probe_result["stopped"], "byte_limit");
}

#[tokio::test]
async fn bad_servers_end_with_an_outcome_that_says_how_they_are_bad() {
    let server = Server::start().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let faults = [
        (server.url("/silent"), "the server did not answer within 3"),
        (server.url("/slow"), "the server did not answer within 3"),
        (server.url("/garbage"), "the answer is not http: "),
        (
            server.url("/head"),
            "the answer's head is longer than 16384 bytes",
        ),
        (
            server.url("/two"),
            "the answer's content-length contradicts itself",
        ),
        (
            server.url("/status/404"),
            "the server answered with status 404",
        ),
        (
            server.url("/loop"),
            "the server redirects to http://127.0.0.1:",
        ),
        (
            format!("http://{closed}/"),
            &format!("{closed}: Connection refused"),
        ),
    ];
    for (url, error) in faults {
        let outcome = measure(json!({"url": url})).await;
        assert!(
            text(&outcome).starts_with(error),
            "{url}: {:?}",
            outcome.error
        );
        assert_eq!(outcome.ending, Ending::Failed, "{url}");
    }
    // These had begun to answer well.
    for (path, error) in [
        ("/reset", "the connection broke: Connection reset by peer"),
        (
            "/short",
            "the server closed after 10 of 1000 bytes of content",
        ),
        ("/long", "the server sent more than it had announced"),
        (
            "/empty",
            "the server's answers are too short to measure with: 1000 requests were made",
        ),
    ] {
        let outcome = measure(json!({"url": server.url(path)})).await;
        assert!(
            text(&outcome).starts_with(error),
            "{path}: {:?}",
            outcome.error
        );
        assert_eq!(outcome.ending, Ending::Done, "{path}");
        let result = &outcome.probe_result;
        assert_eq!(
            (&result["results_ok"], &result["stopped"]),
            (&json!(false), &json!("fault")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up_after_five_seconds() {
    let server = Server::start().await;
    for (path, error) in [
        (
            "/silent",
            "the server did not answer within 5000 ms (2 times)",
        ),
        (
            "/slow",
            "the server's answer had no end of its head within 5000 ms (2 times)",
        ),
    ] {
        let outcome =
            measure(json!({"url": server.url(path), "target_time": 8000, "threads": 2})).await;
        assert_eq!((outcome.ending, text(&outcome)), (Ending::Failed, error));
    }
}

#[tokio::test]
async fn redirects_are_followed_as_often_as_asked_and_each_is_admitted() {
    let server = Server::start().await;
    let good = json!({"url": server.url("/to/!to!!endless?x"), "redirects": 2, "max_bytes": 9_000_000_000_u64});
    let outcome = measure(good).await;
    assert_eq!((outcome.ending, text(&outcome)), (Ending::Done, ""));
    let from = outcome.probe_result["redirected_from"].as_array().unwrap();
    assert_eq!(from.len(), 2);
    assert_eq!(outcome.probe_result["url"], server.url("/endless"));
    let seen = server.seen();
    assert_eq!(seen.first().unwrap(), "HEAD /to/!to!!endless?x HTTP/1.1");
    assert_eq!(seen.last().unwrap(), "GET /endless HTTP/1.1");

    let outcome = measure(json!({"url": server.url("/loop"), "redirects": 3})).await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert_eq!(
        text(&outcome),
        format!("more than 3 redirects, the last to {}", server.url("/loop"))
    );

    let admitted = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&admitted);
    let context = Context {
        admit: Arc::new(move |address: IpAddr| {
            log.lock().unwrap().push(address);
            if address.is_loopback() {
                Ok(())
            } else {
                Err("is private".to_owned())
            }
        }),
        ..context()
    };
    let given = json!({"url": server.url("/to/http:!!192.168.1.1!x"), "redirects": 1});
    let outcome = measure_in(&context, given).await;
    assert_eq!(
        (outcome.ending, text(&outcome)),
        (Ending::Failed, "192.168.1.1: is private")
    );
    assert_eq!(
        *admitted.lock().unwrap(),
        [IpAddr::from([127, 0, 0, 1]), [192, 168, 1, 1].into()]
    );

    let outcome = measure(json!({"url": server.url("/to/ftp:!!h!"), "redirects": 1})).await;
    assert!(
        text(&outcome).ends_with("which must begin with http:// or https://"),
        "{outcome:?}"
    );
}

/// Every name is this machine.
struct Here;

impl Resolve for Here {
    fn resolve<'a>(&'a self, _: &'a str) -> Lookup<'a> {
        Box::pin(async { Ok(vec![Ipv4Addr::LOCALHOST.into()]) })
    }
}

#[tokio::test]
async fn bulk_goes_only_where_it_is_wanted() {
    let server = Server::start().await;
    let listed = |hosts: &[&str]| Context {
        bulk: Bulk::Listed(hosts.iter().map(|&host| host.to_owned()).collect()),
        resolver: Arc::new(Here),
        ..context()
    };
    // The server opts in.
    let given = json!({"url": server.url("/endless"), "max_bytes": 2_000_000});
    let outcome = measure_in(&listed(&[]), given.clone()).await;
    assert_eq!(outcome.ending, Ending::Done, "{outcome:?}");
    assert_eq!(
        server.seen(),
        [
            "GET /.well-known/glimpse-measurement HTTP/1.1",
            "GET /endless HTTP/1.1"
        ]
    );
    // The household has listed it: nothing is asked.
    let given = json!({"url": format!("http://Speed.example:{}/endless", server.address.port()), "max_bytes": 2_000_000});
    let outcome = measure_in(&listed(&["speed.example"]), given.clone()).await;
    assert_eq!(outcome.ending, Ending::Done, "{outcome:?}");
    assert_eq!(server.seen().len(), 3);
    // Neither.
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = other.local_addr().unwrap().port();
    for (answer, reason) in [
        (
            "HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nallow".to_owned(),
            "status 404",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ndisal".to_owned(),
            "does not begin with allow",
        ),
        (
            format!("HTTP/1.1 200 OK\r\n\r\nallow{}", "x".repeat(2000)),
            "longer than 1024 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nallow".to_owned(),
            "the server closed after 5 of 9 bytes of content",
        ),
        (
            "HTTP/1.1 301 Go\r\nLocation: http://evil.example/\r\n\r\n".to_owned(),
            "status 301",
        ),
    ] {
        let serve = async {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let (mut stream, _) = other.accept().await.unwrap();
            let read = stream.read(&mut [0; 1000]).await.unwrap();
            assert!(read > 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = stream.read(&mut [0; 10]).await;
        };
        let context = listed(&["speed.example"]);
        let given = json!({"url": format!("http://other.example:{port}/big")});
        let (outcome, ()) = tokio::join!(measure_in(&context, given), serve);
        assert_eq!(outcome.ending, Ending::Failed);
        let end = format!("does not opt in (/.well-known/glimpse-measurement: {reason})");
        assert!(
            text(&outcome).starts_with("bulk transfers to other.example are not allowed"),
            "{outcome:?}"
        );
        assert!(text(&outcome).ends_with(&end), "{outcome:?}");
    }
}

#[tokio::test]
async fn tls_is_spoken_timed_and_its_faults_are_told_by_kind() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let trusting = |authority: &Authority| {
        let client = authority.client();
        Context {
            resolver: Arc::new(Here),
            tls: Arc::new(move || Ok(Arc::clone(&client))),
            ..context()
        }
    };
    let start = async |name, years| {
        Server::start_with(
            Ipv4Addr::LOCALHOST.into(),
            Some(authority.server(name, years)),
        )
        .await
    };
    let good = start("speed.example", (2020, 2050)).await;
    let url = |server: &Server, path: &str| {
        format!("https://speed.example:{}{path}", server.address.port())
    };
    let given =
        json!({"url": url(&good, "/endless"), "threads": 2, "max_bytes": 9_000_000_000_u64});
    let outcome = measure_in(&trusting(&authority), given).await;
    assert_eq!((outcome.ending, text(&outcome)), (Ending::Done, ""));
    let result = &outcome.probe_result;
    assert_eq!(
        (&result["results_ok"], &result["tls_version"]),
        (&json!(true), &json!("1.3"))
    );
    assert!(result["tls_us"].as_u64().unwrap() > 0);
    assert!(result["bandwidth_bps_avg"].as_u64().unwrap() > 10_000_000);

    let (old, new) = (
        start("speed.example", (2000, 2001)).await,
        start("speed.example", (2090, 2091)).await,
    );
    let wrong = start("other.example", (2020, 2050)).await;
    for (server, client, error) in [
        (
            &good,
            &stranger,
            "the certificate is from an unknown authority",
        ),
        (&wrong, &authority, "the certificate is for another name"),
        (&old, &authority, "the certificate has expired"),
        (&new, &authority, "the certificate is not valid yet"),
    ] {
        let outcome = measure_in(&trusting(client), json!({"url": url(server, "/endless")})).await;
        assert_eq!(outcome.ending, Ending::Failed);
        assert_eq!(text(&outcome), format!("tls with speed.example: {error}"));
    }
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    let refusing = async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = plain.accept().await.unwrap();
        let text = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        stream.write_all(text).await.unwrap();
        let _ = stream.read(&mut [0; 2048]).await;
    };
    let (context, given) = (
        trusting(&authority),
        json!({"url": format!("https://speed.example:{port}/")}),
    );
    let (outcome, ()) = tokio::join!(measure_in(&context, given), refusing);
    assert_eq!(
        text(&outcome),
        "tls with speed.example: the answer is not tls"
    );
    let given = json!({"url": url(&good, "/to/http:!!speed.example!"), "redirects": 5});
    let outcome = measure_in(&trusting(&authority), given).await;
    assert_eq!(
        text(&outcome),
        "the server redirects from https to http (http://speed.example/): refused"
    );
    let outcome = measure(json!({"url": "https://127.0.0.1/"})).await;
    assert_eq!(
        text(&outcome),
        "no tls: no certificate authorities were given"
    );
}

#[tokio::test]
async fn an_aborted_run_has_counted_and_leaves_no_connection() {
    let server = Server::start().await;
    let options = read(
        &json!({"url": server.url("/endless"), "threads": 3, "max_bytes": 64_000_000_000_u64}),
    )
    .unwrap();
    let context = Context {
        time_limit: Duration::from_millis(700),
        ..context()
    };
    let outcome = descriptor().run(&options, &context).await;
    assert_eq!(outcome.ending, Ending::Aborted);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let used = context.meter.read();
    assert!(used.received > 1_000_000, "{used:?}");
    assert!(outcome.bytes.total() <= used.total());
    assert_eq!(server.seen().len(), 3);
    let metrics = tokio::runtime::Handle::current().metrics();
    let server_tasks = 1;
    assert!(
        metrics.num_alive_tasks() <= server_tasks,
        "{}",
        metrics.num_alive_tasks()
    );
}
