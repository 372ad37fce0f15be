#![allow(clippy::unwrap_used)]

use super::bench::tests::{ROUTE, means, put};
use super::finding::State;
use super::means::{Asking, Stations, Wan};
use super::*;
use crate::local::uci::Settings;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

/// Answers `times` requests on the loopback with these bytes.
fn serve(times: usize, answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/known", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().take(times) {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            assert!(request.starts_with("GET /known HTTP/1.1\r\n"), "{request}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

async fn page(root: &Path, url: &str) -> Judged {
    put(root, "proc/net/route", ROUTE);
    let mut settings = Settings::default();
    settings.diagnose.page_url = Some(url.to_owned());
    settings.diagnose.page_answer = Some("all is well".to_owned());
    let means = means(root, settings);
    let bench = Bench::new(&means);
    let seen = judged(steps::page(&bench).await, |seen| seen.judge());
    assert!(bench.bytes() > 0 || seen.state == State::Bad);
    seen
}

#[tokio::test]
async fn the_known_page_must_come_as_it_is_known() {
    let root = tempfile::tempdir().unwrap();
    let known = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nall is well\n";
    let seen = page(root.path(), &serve(1, known)).await;
    assert_eq!((seen.state, seen.finding), (State::Good, None));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n8\r\n is well\r\n0\r\n\r\n";
    let seen = page(root.path(), &serve(1, chunked)).await;
    assert_eq!(seen.state, State::Good);
    for (answer, status, location) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlogin",
            200,
            None,
        ),
        // More than the page.
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nall is well!",
            200,
            None,
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://portal.example/login?mac=02:00:00:00:00:01\r\nContent-Length: 0\r\n\r\n",
            302,
            Some("http://portal.example/login"),
        ),
        ("220 mail.example ESMTP\r\n", 0, None),
    ] {
        let seen = page(root.path(), &serve(1, answer)).await;
        let finding = seen.finding.unwrap();
        assert_eq!(finding.code, finding::FindingCode::LoginPage, "{answer}");
        assert_eq!(finding.values.0["status"], status);
        let given = finding.values.0.get("location");
        assert_eq!(given.and_then(Value::as_str), location);
    }
    let closed = serve(0, "");
    let seen = page(root.path(), &closed).await;
    let code = seen.finding.unwrap().code;
    assert_eq!(code, finding::FindingCode::PageUnreachable);
}

#[tokio::test]
async fn without_settings_nobody_is_asked() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "proc/net/route", ROUTE);
    let means = means(root.path(), Settings::default());
    let bench = Bench::new(&means);
    for (seen, option) in [
        (steps::page(&bench).await.map(|_| ()), "diagnose.page_url"),
        (
            steps::load(&bench, Direction::Down).await.map(|_| ()),
            "diagnose.speed_url",
        ),
        (
            steps::load(&bench, Direction::Up).await.map(|_| ()),
            "diagnose.upload_url",
        ),
    ] {
        assert_eq!(seen, Err(Reason::NotConfigured(option)));
    }
    assert_eq!(bench.bytes(), 0);
}

#[test]
fn the_line_is_read_from_the_files_of_the_kernel() {
    let root = tempfile::tempdir().unwrap();
    let device = |name: &str, flags: &str, carrier: Option<&str>| {
        let folder = format!("sys/class/net/{name}");
        put(root.path(), &format!("{folder}/flags"), flags);
        put(root.path(), &format!("{folder}/type"), "1\n");
        if let Some(carrier) = carrier {
            put(root.path(), &format!("{folder}/carrier"), carrier);
        }
    };
    device("lo", "0x9\n", Some("1\n"));
    device("br-lan", "0x1003\n", Some("1\n"));
    device("wan", "0x1003\n", Some("0\n"));
    let mut means = means(root.path(), Settings::default());
    let seen = steps::link(&Bench::new(&means));
    assert_eq!(
        seen.device.as_deref(),
        Some("wan"),
        "it has the name of one that leads out"
    );
    assert_eq!((seen.up, seen.carrier), (Some(true), Some(false)));
    assert_eq!(seen.kind, Some("wired"));
    // Of one that is switched off, the kernel gives no carrier.
    device("eth7", "0x1002\n", None);
    means.wan = Wan {
        interface: Some("internet".to_owned()),
        device: Some("eth7".to_owned()),
        l3_device: Some("pppoe-internet".to_owned()),
        ..Wan::default()
    };
    let seen = steps::link(&Bench::new(&means));
    assert_eq!((seen.up, seen.carrier), (Some(false), None));
    assert_eq!(seen.interface.as_deref(), Some("internet"));
    // The route tells where the configuration does not.
    means.wan = Wan::default();
    put(root.path(), "proc/net/route", ROUTE);
    let seen = steps::link(&Bench::new(&means));
    assert_eq!(seen.device.as_deref(), Some("lo"));
    // A name that is no name reads nothing.
    means.wan.device = Some("nothing-here".to_owned());
    let seen = steps::link(&Bench::new(&means));
    assert_eq!((seen.up, seen.carrier), (None, None));
}

#[test]
fn name_servers_are_the_providers_the_routers_or_of_the_household() {
    let root = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.diagnose.public_dns = Some([192, 0, 2, 53].into());
    let mut means = means(root.path(), settings);
    put(
        root.path(),
        "etc/resolv.conf",
        "nameserver 127.0.0.1\nnameserver ::1\nnameserver 192.0.2.7\n",
    );
    let of = |means: &Means| steps::servers(&Bench::new(means));
    let (provider, router) = of(&means);
    let one = |last: u8| IpAddr::from([192, 0, 2, last]);
    assert_eq!(provider, [one(7)]);
    assert_eq!(router.len(), 2);
    put(
        root.path(),
        "tmp/resolv.conf.d/resolv.conf.auto",
        "# Interface wan\nnameserver 192.0.2.8\nnameserver 192.0.2.53\n",
    );
    assert_eq!(
        of(&means).0,
        [one(8)],
        "the public one is not the provider's"
    );
    means.wan.servers = vec![one(9), "fe80::1".parse().unwrap()];
    assert_eq!(of(&means).0, [one(9)]);
}

struct OneStation(Mutex<Vec<String>>);

impl Stations for OneStation {
    fn station<'a>(&'a self, hardware: &'a str) -> Asking<'a> {
        self.0.lock().unwrap().push(hardware.to_owned());
        Box::pin(async move {
            (hardware == "02:00:00:00:00:07").then_some(slow::Station {
                signal_dbm: Some(-80),
                ..slow::Station::default()
            })
        })
    }
}

#[tokio::test]
async fn only_the_asking_device_is_looked_for_on_the_wifi() {
    let root = tempfile::tempdir().unwrap();
    let mut means = means(root.path(), Settings::default());
    let asked = Arc::new(OneStation(Mutex::default()));
    let seen = async |means: &Means| steps::wifi(&Bench::new(means)).await;
    assert_eq!(seen(&means).await, Err(Reason::NoClient));
    means.client = Some("::ffff:192.168.1.7".parse().unwrap());
    assert_eq!(seen(&means).await, Err(Reason::NoFacts));
    means.stations = Some(asked.clone());
    put(
        root.path(),
        "proc/net/arp",
        "IP address       HW type     Flags       HW address            Mask     Device\n\
         192.168.1.7      0x1         0x2         02:00:00:00:00:07     *        br-lan\n\
         192.168.1.8      0x1         0x2         02:00:00:00:00:08     *        br-lan\n",
    );
    assert_eq!(seen(&means).await.unwrap().signal_dbm, Some(-80));
    assert_eq!(*asked.0.lock().unwrap(), ["02:00:00:00:00:07"]);
    means.client = Some([192, 168, 1, 8].into());
    assert_eq!(seen(&means).await, Err(Reason::NotWireless));
    means.client = Some([192, 168, 1, 9].into());
    assert_eq!(seen(&means).await, Err(Reason::NoClient));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_does_not_end_is_given_up_and_shown() {
    let (progress, watched) = watch::channel(Value::Null);
    let bytes = || 17;
    let mut board = Board::new(Kind::Down, &progress, &bytes);
    let first = watched.borrow().clone();
    assert_eq!(first["steps"].as_array().unwrap().len(), 8);
    assert_eq!(first["steps"][0]["code"], "link");
    assert_eq!(first["steps"][0]["state"], "waiting");
    let stuck = async {
        assert_eq!(watched.borrow()["steps"][2]["state"], "running");
        std::future::pending::<()>().await;
    };
    assert_eq!(board.run(StepCode::Gateway, stuck).await, None);
    let document = watched.borrow().clone();
    assert_eq!(document["steps"][2]["state"], "skipped");
    assert_eq!(document["steps"][2]["values"]["reason"], "too_long");
    assert_eq!(
        (&document["finding"], &document["bytes"]),
        (&Value::Null, &17.into())
    );
    let conclusion = board.conclude();
    assert_eq!(conclusion.finding.code, finding::FindingCode::NotChecked);
}

#[tokio::test]
async fn a_machine_without_a_line_is_told_so_at_once() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "sys/class/net/wan/flags", "0x1003\n");
    put(root.path(), "sys/class/net/wan/carrier", "0\n");
    let mut settings = Settings::default();
    settings.diagnose.references = vec!["192.0.2.1".to_owned()];
    let (progress, watched) = watch::channel(Value::Null);
    let document = run(Kind::Down, means(root.path(), settings), &progress).await;
    assert_eq!(*watched.borrow(), document);
    assert_eq!(document["finding"]["code"], "no_carrier", "{document:#}");
    assert_eq!(document["finding"]["others"], serde_json::json!([]));
    let states: Vec<&str> = document["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["state"].as_str().unwrap())
        .collect();
    assert_eq!(states[..4], ["bad", "bad", "skipped", "skipped"]);
    let report = document["report"].as_str().unwrap();
    assert!(
        report.contains("Finding: No signal on the line."),
        "{report}"
    );
}
