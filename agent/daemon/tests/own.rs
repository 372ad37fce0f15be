//! The household's own side by the control socket of a real daemon: nobody has agreed to anything, there is no controller,
//! and nothing leaves.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use glimpse_agent::local::service::Request;
use glimpse_agent::local::socket;
use glimpse_agent::spool::{self, Spool};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

const AGENT: &str = env!("CARGO_BIN_EXE_glimpse-agent");
const PING: &str = "\toption method 'ping'\n\tlist option 'host=127.0.0.1'\n\tlist option 'count=2'\n\
                    \tlist option 'interval=10'\n\toption timing 'immediate'\n";

/// A household with a daemon of its own.
struct House {
    dir: TempDir,
    daemon: Option<Child>,
}

impl House {
    fn new(settings: &str) -> Self {
        let mut house = Self {
            dir: tempfile::tempdir().unwrap(),
            daemon: None,
        };
        house.configure(settings);
        house.start();
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn configure(&self, settings: &str) {
        let dir = self.dir.path().display();
        let text = format!(
            "config controller\n\toption state_dir '{dir}/state'\n\
             config local\n\toption socket '{dir}/run/agent.sock'\n\toption ubus 'off'\n\
             config storage\n\toption spool_dir '{dir}/spool'\n\toption history_dir '{dir}/history'\n{settings}"
        );
        fs::write(self.path("settings"), text).unwrap();
    }

    fn agent(&self, words: &[&str]) -> Command {
        let mut command = Command::new(AGENT);
        command
            .args(words)
            .arg("--config")
            .arg(self.path("settings"));
        command
    }

    fn start(&mut self) {
        let mut command = self.agent(&["daemon"]);
        self.daemon = Some(command.stderr(Stdio::null()).spawn().unwrap());
    }

    fn signal(&self, signal: Signal) {
        let pid = self.daemon.as_ref().unwrap().id();
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
    }

    async fn ask(&self, request: &Value) -> Value {
        let request = Request::parse(request.to_string().as_bytes()).unwrap();
        let socket = self.path("run/agent.sock");
        for _ in 0..400 {
            match socket::ask(&socket, &request).await {
                Ok(answer) => return answer,
                Err(socket::AskError::NoDaemon(..)) => {
                    tokio::time::sleep(Duration::from_millis(25)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("no daemon after 10 s");
    }

    /// Asks until the answer is as wanted.
    async fn until(&self, request: Value, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..400 {
            let answer = self.ask(&request).await;
            if wanted(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("not within 10 s: {}", self.ask(&request).await);
    }

    async fn done(&self, id: &Value) -> Value {
        self.until(json!({"op": "run_status", "id": id}), |status| {
            status["state"] == "done"
        })
        .await
    }

    fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        assert!(self.daemon.take().unwrap().wait().unwrap().success());
    }

    /// Records that wait to be sent, with no daemon there.
    fn spooled(&self) -> u64 {
        entries(&self.path("spool"))
    }
}

fn entries(dir: &Path) -> u64 {
    let spool = Spool::open(dir, spool::Options::default()).unwrap();
    u64::try_from(spool.recovery().entries).unwrap()
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // It may have ended by itself.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

#[tokio::test]
async fn own_tests_schedules_and_history_need_neither_consent_nor_controller() {
    let mut house = House::new(&format!("config schedule 'start'\n{PING}"));
    let options = json!({"host": "127.0.0.1", "count": 3, "interval": 10});
    let run = json!({"op": "run", "method": "ping", "options": options});
    let id = house.ask(&run).await["id"].clone();
    let done = house.done(&id).await;
    assert_eq!(
        (&done["record"]["own"], &done["record"]["status"]),
        (&json!(true), &json!("ok"))
    );
    assert!(done["bytes"].as_u64().unwrap() > 0);

    let both = house
        .until(json!({"op": "results", "own": true}), |answer| {
            answer["results"].as_array().unwrap().len() == 2
        })
        .await;
    let ids: Vec<&Value> = both["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["instruction_id"])
        .collect();
    assert!(
        ids.contains(&&json!("start")) && ids.contains(&&Value::Null),
        "{ids:?}"
    );
    let others = house.ask(&json!({"op": "results", "own": false})).await;
    assert_eq!(others["results"], json!([]));
    let series = house
        .ask(&json!({"op": "series", "figure": "delay", "range": "day"}))
        .await;
    assert_eq!(series["target"], "127.0.0.1");
    assert_eq!(series["events"][0]["kind"], "restart");
    let budget = house.ask(&json!({"op": "budget"})).await;
    assert!(
        budget["own_bytes"].as_u64() > done["bytes"].as_u64(),
        "{budget}"
    );
    assert_eq!(budget["fixed"]["used_bytes"], 0);
    let by_name = house.ask(&json!({"op": "run", "schedule": "start"})).await;
    assert_eq!(house.done(&by_name["id"]).await["schedule"], "start");

    let table = house
        .agent(&["export", "--format", "csv"])
        .output()
        .unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert_eq!(
        table
            .lines()
            .filter(|line| line.contains(",result,ping,127.0.0.1,ok,1,"))
            .count(),
        3
    );
    let shown = house.agent(&["results", "--own"]).output().unwrap();
    assert_eq!(
        String::from_utf8(shown.stdout)
            .unwrap()
            .matches(" us ")
            .count(),
        3
    );
    let shown = house.agent(&["history", "delay"]).output().unwrap();
    assert!(
        String::from_utf8(shown.stdout)
            .unwrap()
            .starts_with("delay to 127.0.0.1, in ms\n")
    );
    let shown = house.agent(&["schedules"]).output().unwrap();
    assert!(
        String::from_utf8(shown.stdout)
            .unwrap()
            .contains("start                    own   ping")
    );

    house.stop();
    assert_eq!(house.spooled(), 0, "nothing waits to be sent");
    // What was measured before a stop is there after it, and what fires once has fired.
    house.start();
    let again = house
        .ask(&json!({"op": "series", "figure": "delay", "range": "week"}))
        .await;
    let counts = again["points"]["n"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64);
    assert_eq!(counts.sum::<u64>(), 3);
    let results = house.ask(&json!({"op": "results"})).await;
    assert_eq!(results["results"], json!([]));
}

#[tokio::test]
async fn a_faulty_file_is_shown_until_it_is_mended() {
    let mut house = House::new("config consent\n\toption enabled '1'\n");
    let status = || json!({"op": "status"});
    let answer = house.ask(&status()).await;
    assert_eq!(
        (&answer["settings_error"], &answer["consent"]),
        (&Value::Null, &json!(true))
    );
    assert!(answer["now"].is_string() && answer["enrolled"] == false);
    assert_eq!(answer["verdict"]["overall"], "unknown");
    let faulty = "config consent\n\toption enabled '1'\nconfig schedule 'x'\n\toption method 'ping'\n\toption timing 'daily'\n";
    house.configure(faulty);
    house.signal(Signal::SIGHUP);
    let answer = house
        .until(status(), |answer| answer["settings_error"].is_string())
        .await;
    let error = answer["settings_error"].as_str().unwrap();
    assert!(
        error.starts_with("schedule 'x'.timing 'daily': must be immediate, "),
        "{error}"
    );
    assert_eq!(answer["consent"], true, "the old settings stand");

    // A daemon that starts with it measures for nobody else, and says why.
    house.stop();
    house.start();
    let answer = house.ask(&status()).await;
    assert_eq!(answer["consent"], false);
    assert!(
        answer["settings_error"]
            .as_str()
            .unwrap()
            .starts_with("schedule 'x'.timing")
    );
    house.configure("config consent\n\toption enabled '1'\n");
    house.signal(Signal::SIGHUP);
    house
        .until(status(), |answer| {
            answer["settings_error"].is_null() && answer["consent"] == true
        })
        .await;
    house.stop();
}
