//! The daemon as it runs from the installed tree: the shipped settings, the shipped rights on the bus.

use super::Feed;
use glimpse_tests::program::{self, Running};
use glimpse_tests::ubus::broker::Door;
use glimpse_tests::ubus::{Access, Broker, Client};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long the daemon may take for what it does at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// A router on which the package was installed, on this machine's own paths.
struct Installed {
    dir: TempDir,
    running: Running,
    _broker: Broker,
}

impl Installed {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let package = Feed::new(&[]).agent();
        package.install(root);
        let access = package.file("usr/share/acl.d/glimpse-agent.json");
        let mut permitted = Access::default();
        permitted.permit(serde_json::from_slice(&access.content).unwrap());
        let door = |name: &str, user: &str| Door {
            path: root.join(name),
            user: Some(user.to_owned()),
        };
        let doors = vec![door("bus", "glimpse"), door("bus-of-root", "root")];
        let broker = Broker::start(doors, permitted, 5).unwrap();
        settings(root, "");
        let mut daemon = Command::new(program::path("glimpse-agent"));
        daemon
            .arg("daemon")
            .arg("--config")
            .arg(root.join("etc/config/glimpse"));
        let running = Running::start(&mut daemon, &root.join("log"));
        Self {
            dir,
            running,
            _broker: broker,
        }
    }

    fn root(&self) -> &Path {
        self.dir.path()
    }

    async fn client(&self) -> Client {
        Client::connect(&self.root().join("bus-of-root"))
            .await
            .unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.root().join("log")).unwrap()
    }
}

/// The shipped file with this machine's paths in it; `limits` are further options of that section.
fn settings(root: &Path, limits: &str) {
    let path = root.join("etc/config/glimpse");
    let shipped = super::repository().join("openwrt/net/glimpse-agent/files/glimpse.config");
    let mut text = fs::read_to_string(shipped).unwrap();
    let here = root.display();
    for (section, options) in [
        (
            "controller",
            format!("\toption state_dir '{here}/etc/glimpse'\n"),
        ),
        (
            "storage",
            format!("\toption history_dir '{here}/etc/glimpse/history'\n"),
        ),
        (
            "local",
            format!("\toption socket '{here}/run/agent.sock'\n\toption ubus '{here}/bus'\n"),
        ),
        ("limits", limits.to_owned()),
        ("responder", "\toption firewall '1'\n".to_owned()),
        ("restconf", "\toption firewall '1'\n".to_owned()),
    ] {
        let head = format!("config {section} '{section}'\n");
        assert!(text.contains(&head), "{text}");
        text = text.replace(&head, &(head.clone() + &options));
    }
    text = text.replace("/var/run/glimpse", &format!("{here}/run/glimpse"));
    // The mark of another router's clock says nothing here.
    text = text.replace(
        "/tmp/run/glimpse.clock",
        &format!("{here}/etc/config/glimpse"),
    );
    fs::write(path, text).unwrap();
}

/// Asks until `look` finds what it looks for.
async fn until<T>(
    client: &Client,
    method: &str,
    arguments: Value,
    look: impl Fn(&Value) -> Option<T>,
) -> T {
    let asking = async {
        loop {
            if let Ok(answer) = client.call("glimpse", method, &arguments).await
                && let Some(found) = look(&answer)
            {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, asking).await;
    found.unwrap_or_else(|_| panic!("{method} {arguments} did not come to it"))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_the_household_alone_until_consent_is_given() {
    let router = Installed::start();
    let client = router.client().await;
    let status = until(&client, "status", json!({}), |status| Some(status.clone())).await;
    assert_eq!(status["consent"], json!(false));
    assert_eq!(status["enrolled"], json!(false));
    assert_eq!(status["settings_error"], json!(null));
    assert_eq!(status["controller"]["url"], json!(null));
    let found = client.list("glimpse").await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let log = router.log();
    for word in ["warn", "error"] {
        let said: Vec<&str> = log.lines().filter(|line| line.starts_with(word)).collect();
        assert!(said.is_empty(), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_settings_leaves_what_is_under_way() {
    let router = Installed::start();
    let client = router.client().await;
    until(&client, "status", json!({}), |_| Some(())).await;
    let (count, interval) = (8, 300);
    let run = json!({"method": "ping",
        "options": {"host": "127.0.0.1", "type": "Tcp", "count": count, "interval": interval}});
    let begun = client.call("glimpse", "run", &run).await.unwrap();
    let id = json!({"id": begun["id"].as_str().unwrap_or_else(|| panic!("{begun}"))});
    until(&client, "run_status", id.clone(), |run| {
        (run["state"] == "running").then_some(())
    })
    .await;

    settings(
        router.root(),
        "\toption forbidden_methods 'upnp'\n\toption cpu_load '99'\n",
    );
    let changed = fs::read_to_string(router.root().join("etc/config/glimpse")).unwrap();
    fs::write(
        router.root().join("etc/config/glimpse"),
        changed.replace("'524288000'", "'524288001'"),
    )
    .unwrap();
    router.running.signal(Signal::SIGHUP);
    until(&client, "budget", json!({}), |budget| {
        budget.to_string().contains("524288001").then_some(())
    })
    .await;
    let under_way = client.call("glimpse", "run_status", &id).await.unwrap();
    assert_eq!(under_way["state"], json!("running"), "{under_way}");
    let done = until(&client, "run_status", id, |run| {
        (run["state"] == "done").then(|| run.clone())
    })
    .await;
    assert_eq!(done["record"]["status"], json!("ok"), "{done}");
    assert_eq!(
        done["record"]["probe_result"]["round_trip_sent"],
        json!(count),
        "{done}"
    );

    // What is wrong is told, and the old settings stand.
    settings(router.root(), "\toption cpu_load 'much'\n");
    router.running.signal(Signal::SIGHUP);
    let fault = until(&client, "status", json!({}), |status| {
        Some(status["settings_error"].as_str()?.to_owned())
    })
    .await;
    assert!(
        fault.contains("cpu_load") && fault.contains("much"),
        "{fault}"
    );
    let budget = client.call("glimpse", "budget", &json!({})).await.unwrap();
    assert!(budget.to_string().contains("524288001"), "{budget}");
}
