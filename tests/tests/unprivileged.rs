//! The agent as `nobody`, without a single capability: what works, and what says which one it needs. Namespaces, so root.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_tests::measured::{self, Measured};
use glimpse_tests::namespace::{End, Namespace};
use glimpse_tests::program;
use serde_json::{Value, json};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

const PATIENCE: Duration = Duration::from_mins(1);
const NOBODY: &str = "65534";

const FAR: &str = "10.97.2.2";
const ROUTER: &str = "10.97.1.1";

/// A home, its router, and a server behind it; the agent is where `nobody` may read it.
struct Scene {
    home: Namespace,
    _router: Namespace,
    server: Namespace,
    directory: TempDir,
}

impl Scene {
    fn new() -> Self {
        let [home, router, server] = ["home", "router", "server"]
            .map(|name| Namespace::new(&format!("unpriv-{name}")).unwrap());
        let end = |device| End {
            device,
            addresses: &[],
        };
        home.join(end("lan0"), &router, end("lan1")).unwrap();
        router.join(end("wan1"), &server, end("wan0")).unwrap();
        for (namespace, device, address) in [
            (&home, "lan0", "10.97.1.2/24"),
            (&router, "lan1", "10.97.1.1/24"),
            (&router, "wan1", "10.97.2.1/24"),
            (&server, "wan0", "10.97.2.2/24"),
        ] {
            namespace
                .ip(&["address", "add", address, "dev", device])
                .unwrap();
        }
        home.ip(&["route", "add", "default", "via", ROUTER])
            .unwrap();
        server
            .ip(&["route", "add", "default", "via", "10.97.2.1"])
            .unwrap();
        set(&router, "ipv4/ip_forward", "1");
        let directory = tempfile::tempdir().unwrap();
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), open.clone()).unwrap();
        let agent = directory.path().join("glimpse-agent");
        fs::copy(program::path("glimpse-agent"), &agent).unwrap();
        fs::set_permissions(&agent, open).unwrap();
        Self {
            home,
            _router: router,
            server,
            directory,
        }
    }

    /// Which groups may open ICMP sockets without a capability.
    fn let_ping(&self, groups: &str) {
        set(&self.home, "ipv4/ping_group_range", groups);
    }

    /// A program in the home as `nobody`, with no capability and no way to get one.
    fn as_nobody(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
            .args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"])
            .arg(program);
        self.home.inside(&command)
    }

    async fn measure(&self, words: &str) -> Measured {
        let words: Vec<&str> = words.split_ascii_whitespace().collect();
        let agent = self.as_nobody(&self.directory.path().join("glimpse-agent"));
        measured::run(measured::with(agent, &words), PATIENCE).await
    }

    /// The figures of a run that must succeed.
    #[track_caller]
    fn figures(measured: &Measured) -> &Value {
        assert_eq!(measured.code, Some(0), "{measured:?}");
        assert_eq!(measured.record["status"], "ok", "{measured:?}");
        assert_eq!(measured.error(), "");
        &measured.record["probe_result"]
    }
}

fn set(namespace: &Namespace, key: &str, value: &str) {
    namespace
        .enter(|| fs::write(Path::new("/proc/sys/net").join(key), value).unwrap())
        .unwrap();
}

#[tokio::test]
async fn nobody_in_a_netns_has_no_capability() {
    let scene = Scene::new();
    let mut command = scene.as_nobody(Path::new("cat"));
    let output = command.arg("/proc/self/status").output().unwrap();
    let status = String::from_utf8(output.stdout).unwrap();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let line = status.lines().find(|line| line.starts_with(set)).unwrap();
        assert!(line.ends_with("\t0000000000000000"), "{line}");
    }
    assert!(status.contains("Uid:\t65534\t65534"), "{status}");
}

#[tokio::test]
async fn nobody_pings_in_a_netns() {
    let scene = Scene::new();
    scene.let_ping("0 65535");
    for kind in ["Udp", "Tcp", "Icmp"] {
        let measured = scene
            .measure(&format!("ping host={FAR} type={kind} count=3 interval=10"))
            .await;
        let figures = Scene::figures(&measured);
        assert_eq!(figures["round_trip_sent"], 3, "{kind}");
        assert_eq!(figures["round_trip_received"], 3, "{kind}: {measured:?}");
    }
    // Nobody's group is not among them.
    scene.let_ping("1 0");
    for words in [
        format!("ping host={FAR} type=Icmp"),
        format!("traceroute host={FAR} ping_type=Icmp"),
    ] {
        let measured = scene.measure(&words).await;
        assert_eq!(measured.code, Some(1), "{measured:?}");
        let error = measured.error();
        assert!(
            error.contains("CAP_NET_RAW") && error.contains("ping_group_range"),
            "{words}: {error}"
        );
        assert_eq!(measured.record["bytes"], json!({"received": 0, "sent": 0}));
    }
}

#[tokio::test]
async fn nobody_traces_the_route_in_a_netns() {
    let scene = Scene::new();
    let measured = scene
        .measure(&format!(
            "traceroute host={FAR} ping_type=Udp receive_timeout=1000"
        ))
        .await;
    let figures = Scene::figures(&measured);
    assert_eq!(figures["hop_count"], 2, "{figures:#}");
    let text = figures.to_string();
    for address in [ROUTER, FAR] {
        assert!(text.contains(address), "{address} in {figures:#}");
    }
}

#[tokio::test]
async fn nobody_looks_names_up_in_a_netns() {
    let scene = Scene::new();
    let socket = scene
        .server
        .enter(|| std::net::UdpSocket::bind((FAR, 0)).unwrap())
        .unwrap();
    let address = socket.local_addr().unwrap();
    socket.set_nonblocking(true).unwrap();
    tokio::spawn(answer_names(UdpSocket::from_std(socket).unwrap()));
    let measured = scene
        .measure(&format!(
            "dnslookup host=www.example.net type=A dns_server={address}"
        ))
        .await;
    let figures = Scene::figures(&measured);
    assert!(figures.to_string().contains("192.0.2.7"), "{figures:#}");
    let reverse = scene
        .measure(&format!(
            "reversednslookup ip=192.0.2.7 dns_server={address}"
        ))
        .await;
    assert_eq!(reverse.code, Some(0), "{reverse:?}");
}

#[tokio::test]
async fn nobody_downloads_in_a_netns() {
    let scene = Scene::new();
    let listener = scene
        .server
        .enter(|| std::net::TcpListener::bind((FAR, 0)).unwrap())
        .unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    assert_eq!(address.ip(), FAR.parse::<IpAddr>().unwrap());
    listener.set_nonblocking(true).unwrap();
    tokio::spawn(serve(TcpListener::from_std(listener).unwrap()));
    // It ends by its bytes, long before its time.
    let measured = scene
        .measure(&format!("httpdownload url=http://{address}/ target_time=2000 ramp_up_time=1000 max_bytes=64000000"))
        .await;
    let figures = Scene::figures(&measured);
    assert_eq!(figures["actual_num_threads"], 1, "{figures:#}");
    let received = measured.record["bytes"]["received"].as_u64().unwrap();
    assert!((1_000_000..=64_000_000).contains(&received), "{received}");
}

/// Answers every question with 192.0.2.7; one that is not for an address gets no record.
async fn answer_names(socket: UdpSocket) {
    let mut buffer = [0; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let Some(question) = question(&buffer[..length]) else {
            continue;
        };
        let is_address = question.ends_with(&[0, 1, 0, 1]);
        let mut answer = buffer[..2].to_vec();
        answer.extend_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
        answer.extend_from_slice(question);
        if is_address {
            answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
        }
        socket.send_to(&answer, from).await.unwrap();
    }
}

/// Name, type and class of the question.
fn question(query: &[u8]) -> Option<&[u8]> {
    let name = query.get(12..)?;
    let end = name.iter().position(|&byte| byte == 0)? + 5;
    name.get(..end)
}

/// Sends as long as anybody listens.
async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(send(stream));
    }
}

async fn send(mut stream: TcpStream) -> Option<()> {
    let mut request = [0; 4096];
    (stream.read(&mut request).await.ok()? > 0).then_some(())?;
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n";
    stream.write_all(head).await.ok()?;
    let block = vec![b'x'; 1 << 16];
    loop {
        stream.write_all(&block).await.ok()?;
    }
}
