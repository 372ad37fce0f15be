//! Which servers are asked.

use super::*;

#[tokio::test]
async fn nobody_listening_is_a_refusal() {
    for at in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ] {
        let closed = UdpSocket::bind((at, 0))
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        for (transport, words) in [
            ("Udp", "refused the query (port unreachable)"),
            ("Tcp", "refused the connection"),
            ("Tls", "refused the connection"),
        ] {
            let outcome = measure(json!({
                "host": "www.example", "type": "A", "dns_server": closed.to_string(), "transport": transport,
                "timeout": 2000, "retries": 1,
            }))
            .await;
            assert_eq!(outcome.ending, Ending::Failed);
            assert_eq!(outcome.error, Some(format!("A: {closed} {words}")));
            assert_eq!(outcome.probe_result["queries"].as_array().unwrap().len(), 2);
            assert!(outcome.bytes.sent > 0);
        }
    }
}

/// A file of the system that names the loopback address, where nobody listens at port 53 in a test's surroundings, or
/// somebody does; either way it shows whether packets leave.
struct SystemFile(PathBuf);

impl SystemFile {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("glimpse-dns-{name}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for SystemFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn the_systems_servers_are_asked_even_if_private_but_not_about_the_home() {
    let file = SystemFile::new(
        "home",
        "search isp.example\nnameserver 127.0.0.99\nnameserver 127.0.0.98\n",
    );
    let method = described(file.0.clone());
    let context = || Context {
        admit: Arc::new(|address| Err(format!("{address} is not global"))),
        ..context()
    };
    for (host, more, asked) in [
        ("www.example", json!({}), true),
        ("www.example", json!({"recursion": false}), false),
        ("nas", json!({}), false),
        ("nas.lan", json!({}), false),
        ("www.isp.example", json!({}), false),
        ("1.1.168.192.in-addr.arpa", json!({}), false),
    ] {
        let mut options = json!({"host": host, "type": "A", "timeout": 100});
        for (name, value) in more.as_object().unwrap() {
            options[name.as_str()] = value.clone();
        }
        let context = context();
        let outcome = method
            .run(
                &method.read(options.as_object().unwrap()).unwrap(),
                &context,
            )
            .await;
        assert_eq!(outcome.bytes.sent > 0, asked, "{host}: {outcome:?}");
        if asked {
            let queries = outcome.probe_result["queries"].as_array().unwrap();
            let servers: Vec<_> = queries
                .iter()
                .map(|query| query["server"].as_str().unwrap())
                .collect();
            assert_eq!(
                servers,
                ["127.0.0.99:53", "127.0.0.98:53"],
                "the next try asks the next server"
            );
        } else {
            assert!(outcome.error.unwrap().contains("name a dns_server"));
        }
    }
    let empty = SystemFile::new("empty", "# nothing\n");
    for path in [empty.0.clone(), "/nonexistent".into()] {
        let method = described(path);
        let options = method
            .read(json!({"host": "a.example"}).as_object().unwrap())
            .unwrap();
        let outcome = method.run(&options, &context()).await;
        assert_eq!(outcome.ending, Ending::Failed);
        assert!(outcome.error.unwrap().ends_with("name a dns_server"));
    }
}
