//! `glimpse-agent diagnose` on lines that fail in one way each: a router in a namespace, its provider's box, and the places
//! outside. Namespaces, so root. A run waits for what does not answer, which takes up to a minute.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_tests::namespace::{End, Namespace, Tbf};
use glimpse_tests::program;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Output};
use std::thread;
use tempfile::TempDir;

const OWN: &str = "192.0.2.2";
const BOX: &str = "192.0.2.1";
const PLACES: [&str; 2] = ["203.0.113.10", "203.0.113.11"];
const KNOWN: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nall is well\n";
const PORTAL: &str = "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/login?mac=02:00:00:00:00:01\r\n\
                      Content-Length: 0\r\nConnection: close\r\n\r\n";

/// A router, its provider's box, and the places outside.
struct Scene {
    router: Namespace,
    provider: Namespace,
    outside: Namespace,
    directory: TempDir,
}

impl Scene {
    /// A line on which all is well but that nobody serves names or pages yet.
    fn new() -> Self {
        let [router, provider, outside] = ["router", "provider", "outside"]
            .map(|name| Namespace::new(&format!("diag-{name}")).unwrap());
        let end = |device| End {
            device,
            addresses: &[],
        };
        router.join(end("wan0"), &provider, end("lan0")).unwrap();
        provider.join(end("up0"), &outside, end("net0")).unwrap();
        let add = |namespace: &Namespace, address: &str, device: &str| {
            namespace
                .ip(&["address", "add", address, "dev", device])
                .unwrap();
        };
        add(&router, &format!("{OWN}/24"), "wan0");
        add(&provider, &format!("{BOX}/24"), "lan0");
        add(&provider, "198.51.100.1/24", "up0");
        add(&outside, "198.51.100.2/24", "net0");
        for place in PLACES {
            add(&outside, &format!("{place}/32"), "lo");
        }
        let route = |namespace: &Namespace, to: &str, via: &str| {
            namespace.ip(&["route", "add", to, "via", via]).unwrap();
        };
        route(&router, "default", BOX);
        route(&provider, "203.0.113.0/24", "198.51.100.2");
        route(&outside, "default", "198.51.100.1");
        provider
            .enter(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap())
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(
            directory.path().join("resolv.conf"),
            format!("nameserver {BOX}\n"),
        )
        .unwrap();
        let scene = Self {
            router,
            provider,
            outside,
            directory,
        };
        scene.settings(&format!(
            "\tlist reference {}\n\tlist reference {}\n\toption page_url http://{}/known\n\
             \toption page_answer 'all is well'\n",
            PLACES[0], PLACES[1], PLACES[0]
        ));
        scene
    }

    /// The same with a name server and the known page.
    fn healthy() -> Self {
        let scene = Self::new();
        scene.serve_names();
        scene.serve_page(KNOWN);
        scene
    }

    fn settings(&self, diagnose: &str) {
        let state = self.directory.path().display();
        let text = format!(
            "config controller\n\toption state_dir {state}\nconfig local\n\toption socket {state}/no.sock\n\
             config diagnose\n{diagnose}"
        );
        fs::write(self.directory.path().join("glimpse"), text).unwrap();
    }

    /// The provider's name server: every name has an address.
    fn serve_names(&self) {
        let socket = self
            .provider
            .enter(|| UdpSocket::bind((BOX, 53)).unwrap())
            .unwrap();
        thread::spawn(move || {
            let mut query = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                if let Some(answer) = answer(&query[..length]) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
    }

    /// What answers on port 80 of the first place.
    fn serve_page(&self, page: &'static str) {
        let listener = self.listen(80);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = give(stream, page);
            }
        });
    }

    fn listen(&self, port: u16) -> TcpListener {
        let address: IpAddr = PLACES[0].parse().unwrap();
        self.outside
            .enter(|| TcpListener::bind((address, port)).unwrap())
            .unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let agent = program::path("glimpse-agent");
        let mut command = Command::new("unshare");
        // Its names come from the provider's server, whatever this machine has.
        command
            .args(["--mount", "sh", "-c"])
            .arg("mount --bind \"$1\" /etc/resolv.conf && shift && exec \"$@\"")
            .arg("sh")
            .arg(self.directory.path().join("resolv.conf"))
            .arg(agent)
            .arg("--config")
            .arg(self.directory.path().join("glimpse"))
            .args(arguments);
        self.router.inside(&command).output().unwrap()
    }

    #[track_caller]
    fn diagnose(&self, kind: &str) -> Value {
        let output = self.run(&["diagnose", kind, "--json"]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }

    /// The finding must be `code`, with nothing beside it; the states of the steps.
    #[track_caller]
    fn finds(&self, code: &str) -> (Value, Vec<String>) {
        let document = self.diagnose("down");
        let finding = &document["finding"];
        assert_eq!(finding["code"], code, "{document:#}");
        assert_eq!(finding["others"], Value::Array(Vec::new()), "{document:#}");
        let steps = document["steps"].as_array().unwrap();
        let states = steps.iter().map(|step| {
            let (code, state) = (step["code"].as_str(), step["state"].as_str());
            format!("{} {}", code.unwrap(), state.unwrap())
        });
        let states = states.collect();
        (document, states)
    }
}

/// An answer of 203.0.113.10 to a question for an address; to others none of the kind.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let name = query.get(12..)?;
    let end = name.iter().position(|&byte| byte == 0)? + 5;
    let question = name.get(..end)?;
    let is_address = question.ends_with(&[0, 1, 0, 1]);
    let mut answer = query[..2].to_vec();
    answer.extend_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    answer.extend_from_slice(question);
    if is_address {
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 10]);
    }
    Some(answer)
}

fn give(mut stream: TcpStream, page: &str) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request)?;
    stream.write_all(page.as_bytes())
}

/// Sends as long as anybody listens.
fn fill(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")?;
    let block = vec![b'x'; 1 << 16];
    loop {
        stream.write_all(&block)?;
    }
}

fn step<'a>(document: &'a Value, code: &str) -> &'a Value {
    let steps = document["steps"].as_array().unwrap();
    steps.iter().find(|step| step["code"] == code).unwrap()
}

#[test]
fn a_healthy_line_in_a_netns_is_found_healthy() {
    let scene = Scene::healthy();
    let (document, states) = scene.finds("works");
    let good: Vec<String> = [
        "link",
        "address",
        "gateway",
        "path",
        "names",
        "page",
        "packet_size",
        "clock",
    ]
    .map(|code| format!("{code} good"))
    .into();
    assert_eq!(states, good, "{document:#}");
    let values = |code| step(&document, code)["values"].clone();
    assert_eq!(values("link")["device"], "wan0");
    assert_eq!(values("address")["ipv4"], OWN);
    assert_eq!(values("gateway")["ipv4"], BOX);
    assert_eq!(values("gateway")["ipv4_neighbour"], true);
    assert_eq!(values("path")["ipv4_reached"], 2);
    assert_eq!(values("names")["provider_answered"], 1);
    assert_eq!(values("page")["ipv4"], "expected");
    assert_eq!(values("packet_size")["ipv4_mtu_bytes"], 1500);
    assert!(document["bytes"].as_u64().unwrap() > 3000, "{document:#}");
    let report = document["report"].as_str().unwrap();
    assert!(
        report.contains("The Internet works from the router."),
        "{report}"
    );
    // For people.
    let output = scene.run(&["diagnose", "down"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("✓ Line to the provider: wan0"), "{text}");
    assert!(
        text.contains("\nThe Internet works from the router.\n"),
        "{text}"
    );
    assert!(
        output.stderr.is_empty(),
        "{:?}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn no_signal_in_a_netns_is_found() {
    let scene = Scene::healthy();
    scene
        .provider
        .ip(&["link", "set", "dev", "lan0", "down"])
        .unwrap();
    let (document, states) = scene.finds("no_carrier");
    assert_eq!(states[0], "link bad");
    assert_eq!(document["finding"]["values"]["device"], "wan0");
}

#[test]
fn a_lost_address_in_a_netns_is_found() {
    let scene = Scene::healthy();
    scene
        .router
        .ip(&["address", "flush", "dev", "wan0"])
        .unwrap();
    let (document, states) = scene.finds("no_address");
    assert_eq!(states[..2], ["link good", "address bad"], "{document:#}");
}

#[test]
fn a_silent_box_in_a_netns_is_found() {
    let scene = Scene::healthy();
    scene
        .provider
        .ip(&["address", "del", &format!("{BOX}/24"), "dev", "lan0"])
        .unwrap();
    let (document, states) = scene.finds("gateway_silent");
    assert_eq!(
        states[..3],
        ["link good", "address good", "gateway bad"],
        "{document:#}"
    );
    assert_eq!(document["finding"]["values"]["ipv4"], BOX);
}

#[test]
fn a_way_that_ends_at_the_provider_in_a_netns_is_found() {
    let scene = Scene::healthy();
    scene
        .provider
        .ip(&["link", "set", "dev", "up0", "down"])
        .unwrap();
    let (document, states) = scene.finds("provider_network");
    assert_eq!(
        states[2..5],
        ["gateway good", "path bad", "names good"],
        "{document:#}"
    );
    assert_eq!(document["finding"]["values"]["last_hop"], 1);
}

#[test]
fn a_dead_name_server_in_a_netns_is_found() {
    let scene = Scene::new();
    scene.serve_page(KNOWN);
    let (document, states) = scene.finds("provider_names_down");
    assert_eq!(
        states[3..6],
        ["path good", "names bad", "page good"],
        "{document:#}"
    );
    assert_eq!(document["finding"]["values"]["provider_asked"], 1);
}

#[test]
fn a_login_page_in_a_netns_is_found() {
    let scene = Scene::new();
    scene.serve_names();
    scene.serve_page(PORTAL);
    let (document, states) = scene.finds("login_page");
    assert_eq!(states[5], "page bad");
    let values = &document["finding"]["values"];
    assert_eq!(
        (&values["status"], &values["location"]),
        (&302.into(), &"http://192.0.2.1/login".into())
    );
    assert!(!document["report"].as_str().unwrap().contains("mac="));
}

#[test]
fn a_black_hole_for_long_packets_in_a_netns_is_found() {
    let scene = Scene::healthy();
    // What is longer than the receiving end takes is dropped there, and nobody says so.
    scene
        .outside
        .ip(&["link", "set", "dev", "net0", "mtu", "1400"])
        .unwrap();
    let (document, _) = scene.finds("large_packets_lost");
    let values = &document["finding"]["values"];
    assert_eq!(values["interface_mtu_bytes"], 1500);
    // The device's own tolerance of a VLAN tag lets a little more through.
    let mtu = values["mtu_bytes"].as_u64().unwrap();
    assert!((1380..=1404).contains(&mtu), "{document:#}");
}

#[test]
fn a_shorter_link_that_says_so_in_a_netns_is_no_fault() {
    let scene = Scene::healthy();
    scene
        .provider
        .ip(&["link", "set", "dev", "up0", "mtu", "1412"])
        .unwrap();
    let (document, _) = scene.finds("works");
    let values = &step(&document, "packet_size")["values"];
    assert_eq!(
        (&values["ipv4_mtu_bytes"], &values["ipv4_told"]),
        (&1412.into(), &true.into())
    );
}

#[test]
fn a_queue_that_fills_in_a_netns_is_found_by_the_speed_test() {
    let scene = Scene::healthy();
    scene.settings(&format!(
        "\tlist reference {}\n\toption speed_url http://{}:8080/\n",
        PLACES[0], PLACES[0]
    ));
    let listener = scene.listen(8080);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(|| fill(stream));
        }
    });
    scene
        .provider
        .shape(
            "lan0",
            Tbf {
                rate_bps: 5_000_000,
                burst_bytes: 16_000,
                limit_bytes: 750_000,
            },
        )
        .unwrap();
    let document = scene.diagnose("speed");
    let finding = &document["finding"];
    assert_eq!(finding["code"], "queue_bloat", "{document:#}");
    assert_eq!(finding["values"]["direction"], "down");
    let down = &step(&document, "down")["values"];
    let kbps = down["down_kbps"].as_u64().unwrap();
    assert!((4_000..=5_000).contains(&kbps), "{document:#}");
    assert!(
        down["added_down_us"].as_u64().unwrap() > 60_000,
        "{document:#}"
    );
    let sqm = finding["values"]["sqm_down_kbps"].as_u64().unwrap();
    assert_eq!(sqm, kbps * 90 / 100);
    assert_eq!(
        step(&document, "up")["values"]["option"],
        "diagnose.upload_url"
    );
    assert_eq!(step(&document, "line_use")["state"], "good");
}
