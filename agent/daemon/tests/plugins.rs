//! Plug-ins as real programs: what they may, what they may not, and that nothing of them stays.
//!
//! Only root can hand a program to another user: for anybody else these tests fail and say so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use glimpse_agent::local::service::Request;
use glimpse_agent::local::socket;
use glimpse_model::options::Options;
use glimpse_model::outcome::{Ending, Outcome};
use glimpse_probe::context::{Bulk, Context};
use glimpse_probe::plugin::{self, Account, Limits, Stage};
use glimpse_probe::registry::Descriptor;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use serde_json::{Value, json};
use tempfile::TempDir;

const AGENT: &str = env!("CARGO_BIN_EXE_glimpse-agent");
const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/plugins/example-uptime.sh"
);

fn need_root() {
    assert!(
        Uid::effective().is_root(),
        "only root can hand a plug-in to its user: run the tests of plug-ins as root"
    );
}

/// A directory that everybody may enter, with plug-ins, settings and an agent's key.
struct Place(TempDir, Account);

/// Users that no test shares, for the number of processes counts for each user.
static USERS: AtomicU32 = AtomicU32::new(0);

impl Place {
    fn new() -> Self {
        let number =
            100_000 + std::process::id() % 1_000_000 * 32 + USERS.fetch_add(1, Ordering::Relaxed);
        let account = Account {
            uid: number,
            gid: number,
        };
        let place = Self(tempfile::tempdir().unwrap(), account);
        mode(place.0.path(), 0o755);
        fs::create_dir(place.plugins()).unwrap();
        mode(&place.plugins(), 0o755);
        fs::create_dir(place.path("state")).unwrap();
        fs::write(place.path("state/key.pem"), "secret").unwrap();
        mode(&place.path("state/key.pem"), 0o600);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn plugins(&self) -> PathBuf {
        self.path("plugins")
    }

    /// Adds a shell script; `more` are further members of its description, with a comma in front.
    fn script(&self, name: &str, longest_ms: u32, more: &str, run: &str) -> PathBuf {
        let text = format!(
            "#!/bin/sh\ncase \"$1\" in\ndescribe) echo '{{\"contract\":1,\"name\":\"{name}\",\
             \"worst_case_bytes\":1000,\"longest_run_ms\":{longest_ms}{more}}}' ;;\nrun)\n{run}\n;;\nesac\n"
        );
        let path = self.plugins().join(format!("{name}.sh"));
        fs::write(&path, text).unwrap();
        mode(&path, 0o755);
        path
    }

    fn stage(&self) -> Arc<Stage> {
        Arc::new(Stage {
            shim: AGENT.into(),
            account: self.1,
            limits: Limits {
                time: Duration::from_secs(20),
                memory_bytes: 64 << 20,
                output_bytes: 64 << 10,
            },
        })
    }

    /// What is found, and the faults in words.
    async fn load(&self) -> (Vec<Descriptor>, Vec<String>) {
        let (found, faults) = plugin::load(&self.plugins(), &self.stage(), &[])
            .await
            .unwrap();
        (found, faults.iter().map(ToString::to_string).collect())
    }

    async fn only(&self) -> Descriptor {
        let (mut found, faults) = self.load().await;
        assert_eq!((found.len(), faults.as_slice()), (1, &[] as &[String]));
        found.remove(0)
    }

    /// The outcome of the only plug-in.
    async fn run(&self, words: &[&str]) -> Outcome {
        let method = self.only().await;
        let options = Options::from_words(&method.options, words.iter().copied()).unwrap();
        method.run(&options, &context(&method, &options)).await
    }

    /// Writes settings that allow plug-ins and gives the file.
    fn settings(&self, more: &str) -> PathBuf {
        let dir = self.0.path().display();
        let text = format!(
            "config controller\n\toption state_dir '{dir}/state'\n\
             config local\n\toption socket '{dir}/run/agent.sock'\n\
             config storage\n\toption spool_dir '{dir}/spool'\n\toption history_dir '{dir}/history'\n\
             config plugins\n\toption enabled '1'\n\toption directory '{dir}/plugins'\n{more}"
        );
        let path = self.path("glimpse");
        fs::write(&path, text).unwrap();
        path
    }

    fn agent(&self, words: &[&str], settings: &str) -> Command {
        let mut command = Command::new(AGENT);
        command
            .args(words)
            .arg("--json")
            .arg("--config")
            .arg(self.settings(settings));
        command
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn context(method: &Descriptor, options: &Options) -> Context {
    Context::unlimited(method.longest_run(options), 1)
}

/// Whether a process runs with `word` among its arguments.
fn runs(word: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|line| {
            line.split(|byte| *byte == 0)
                .any(|argument| argument == word.as_bytes())
        })
    })
}

async fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    for _ in 0..200 {
        if look() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what}: not within 5 s");
}

/// A run that ignores requests to end and has descendants in sessions of their own; they can be told by `mark`.
fn stubborn(mark: u32) -> String {
    format!(
        "trap '' TERM INT HUP\nsetsid sleep {mark}1 &\n(setsid sh -c 'trap \"\" TERM; sleep {mark}2; :' &)\n\
         sleep {mark}3 </dev/null >/dev/null 2>&1 &\nwhile :; do sleep {mark}4; done"
    )
}

fn is_any_left(mark: u32) -> bool {
    (1..=4).any(|n| runs(&format!("{mark}{n}")))
}

async fn all_run(mark: u32) {
    eventually("the plug-in and its children run", || {
        (1..=4).all(|n| runs(&format!("{mark}{n}")))
    })
    .await;
}

#[tokio::test]
async fn at_its_deadline_a_plug_in_is_gone_with_its_children() {
    need_root();
    let place = Place::new();
    place.script("stubborn", 700, "", &stubborn(70_010));
    let method = place.only().await;
    let options = Options::from_words(&[], []).unwrap();
    let context = context(&method, &options);
    let run = method.run(&options, &context);
    let (outcome, ()) = tokio::join!(run, all_run(70_010));
    assert!(!is_any_left(70_010), "gone when the run is over");
    assert_eq!(outcome.ending, Ending::Aborted);
    let error = outcome.error.unwrap();
    assert_eq!(error, "the plug-in was stopped at its time limit of 700 ms");
    assert_eq!(outcome.bytes.total(), 1000, "charged all the same");
}

#[tokio::test]
async fn a_dropped_run_ends_with_its_children() {
    need_root();
    let place = Place::new();
    place.script("stubborn", 15_000, "", &stubborn(70_020));
    let method = place.only().await;
    let options = Options::from_words(&[], []).unwrap();
    let context = context(&method, &options);
    tokio::select! {
        _ = method.run(&options, &context) => panic!("it is stubborn"),
        () = all_run(70_020) => {}
    }
    eventually("everything is gone", || !is_any_left(70_020)).await;
    assert_eq!(
        context.meter.read().total(),
        1000,
        "what a dropped run is charged"
    );
}

#[tokio::test]
async fn when_the_agent_dies_its_plug_ins_die() {
    need_root();
    let place = Place::new();
    place.script("stubborn", 15_000, "", &stubborn(70_030));
    let mut agent = place
        .agent(&["measure", "stubborn"], "\toption user 'nobody'\n")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    all_run(70_030).await;
    agent.kill().unwrap();
    agent.wait().unwrap();
    eventually("everything is gone", || !is_any_left(70_030)).await;
}

/// The keepers whose order names `program`.
fn keepers(program: &Path) -> Vec<Pid> {
    let is_keeper = |line: &[u8]| {
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        words.contains(&b"keep".as_slice())
            && words.contains(&program.as_os_str().as_encoded_bytes())
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(|line| is_keeper(&line)))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
        .collect()
}

#[tokio::test]
async fn when_its_keeper_is_killed_a_plug_in_is_gone_with_its_children() {
    need_root();
    let place = Place::new();
    let program = place.script("stubborn", 15_000, "", &stubborn(70_070));
    let method = place.only().await;
    let options = Options::from_words(&method.options, []).unwrap();
    let context = context(&method, &options);
    let killing = async {
        all_run(70_070).await;
        let [keeper] = keepers(&program)[..] else {
            panic!("one keeper: {:?}", keepers(&program));
        };
        kill(keeper, Signal::SIGKILL).unwrap();
        for _ in 0..40 {
            if !is_any_left(70_070) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("some are left after a second");
    };
    let (outcome, ()) = tokio::join!(method.run(&options, &context), killing);
    assert_eq!(outcome.ending, Ending::Failed);
    let error = outcome.error.unwrap();
    assert_eq!(error, "the plug-in was stopped: its keeper was killed");
    assert_eq!(outcome.bytes.total(), 1000, "charged all the same");
    let children = format!("/proc/{0}/task/{0}/children", std::process::id());
    let children = fs::read_to_string(children).unwrap_or_default();
    assert_eq!(children.trim(), "", "nor are their corpses left");
}

#[tokio::test]
async fn what_it_leaves_behind_when_it_ends_is_ended() {
    need_root();
    let place = Place::new();
    let body = "(setsid sleep 700401 &)\nsetsid sleep 700402 </dev/null >/dev/null 2>&1 &\n\
                echo '{\"probe_result\":{\"a\":1},\"error\":null}'";
    place.script("leaver", 10_000, "", body);
    let outcome = place.run(&[]).await;
    assert_eq!((outcome.ending, outcome.error), (Ending::Done, None));
    assert!(!runs("700401") && !runs("700402"));
}

#[tokio::test]
async fn processes_that_breed_are_ended() {
    need_root();
    let place = Place::new();
    // Five chains: each process starts the next and is gone.
    let body =
        "for chain in 1 2 3 4 5; do \"$0\" 700501 </dev/null >/dev/null 2>&1 & done\nexec sleep 20";
    let path = place.script("breeder", 500, "", body);
    let text = fs::read_to_string(&path).unwrap();
    let next = "700501) setsid \"$0\" 700501 & exit ;;\nrun)";
    fs::write(&path, text.replacen("\nrun)", &format!("\n{next}"), 1)).unwrap();
    let outcome = place.run(&[]).await;
    assert_eq!(outcome.ending, Ending::Aborted, "{:?}", outcome.error);
    assert!(!runs("700501"));
}

#[tokio::test]
async fn too_much_output_ends_it() {
    need_root();
    for (name, run) in [
        ("loud", "exec cat /dev/zero"),
        ("chatty", "exec yes talk >&2"),
    ] {
        let place = Place::new();
        place.script(name, 15_000, "", run);
        let outcome = place.run(&[]).await;
        assert_eq!(outcome.ending, Ending::Failed);
        let error = outcome.error.unwrap();
        assert_eq!(
            error,
            "the plug-in was stopped: it wrote more than 65536 bytes"
        );
        assert_eq!(outcome.bytes.total(), 1000);
    }
}

#[tokio::test]
async fn memory_files_and_processor_time_have_bounds() {
    need_root();
    let place = Place::new();
    let body = "dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null && large=yes\n\
                dd if=/dev/zero of=/dev/null bs=1M count=1 2>/dev/null && small=yes\n\
                (echo x >/tmp/glimpse-plugin-was-here) 2>/dev/null && file=yes\n\
                files=$(ulimit -n); size=$(ulimit -f); core=$(ulimit -c); time=$(ulimit -t); all=$(ulimit -v)\n\
                printf '{\"probe_result\":{\"large\":\"%s\",\"small\":\"%s\",\"file\":\"%s\",\
                \"ulimits\":[%s,%s,%s,%s,%s]}}' \"$large\" \"$small\" \"$file\" $files $size $core $time $all";
    place.script("limits", 10_000, "", body);
    let outcome = place.run(&[]).await;
    assert_eq!(outcome.error, None);
    // `ulimit -f` counts blocks, `-v` KiB.
    let expected =
        json!({"large": "", "small": "yes", "file": "", "ulimits": [64, 0, 0, 10, 65_536]});
    assert_eq!(Value::Object(outcome.probe_result), expected);
}

#[tokio::test]
async fn a_plug_in_is_nobody_and_has_nothing() {
    need_root();
    let place = Place::new();
    // What whoever started the agent forgot to close.
    let leak = fs::File::open("/dev/null").unwrap();
    fcntl(&leak, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let key = place.path("state/key.pem");
    let body = format!(
        "cat '{}' 2>/dev/null && key=read\nprivs=$(sed -n 's/^NoNewPrivs:\t//p;s/^CapEff:\t//p;s/^Groups:\t//p' /proc/self/status | tr '\\n' ' ')\n\
         descriptors=$(for fd in /proc/$$/fd/*; do readlink \"$fd\"; done | sed 's/:.*//' | sort | tr '\\n' ' ')\n\
         names=$(tr '\\0' '\\n' </proc/$$/environ | cut -d= -f1 | sort | tr '\\n' ' ')\n\
         read -r pid name state parent group session rest </proc/$$/stat\n\
         [ \"$group\" = $$ ] && [ \"$session\" = $$ ] && own=yes\n\
         printf '{{\"probe_result\":{{\"key\":\"%s\",\"ids\":\"%s\",\"privs\":\"%s\",\"descriptors\":\"%s\",\
         \"environment\":\"%s\",\"directory\":\"%s\",\"own\":\"%s\"}}}}' \"$key\" \"$(id -u) $(id -g) $(id -G)\" \"$privs\" \
         \"$descriptors\" \"$names\" \"$PWD\" \"$own\"",
        key.display()
    );
    place.script("nobody", 10_000, "", &body);
    let outcome = place.run(&[]).await;
    let Account { uid, gid } = place.1;
    let result = Value::Object(outcome.probe_result);
    // The three, the one by which the shell hears this very list, and the script itself.
    let descriptors = result["descriptors"].as_str().unwrap();
    let script = place.plugins().join("nobody.sh");
    assert_eq!(
        descriptors,
        format!("{} pipe pipe pipe pipe ", script.display())
    );
    assert_eq!(result["key"], "");
    assert_eq!(result["ids"], format!("{uid} {gid} {gid}"));
    // No further group, no capability, none to be gained.
    let privileges = result["privs"].as_str().unwrap().trim();
    assert_eq!(privileges, "0000000000000000 1");
    assert_eq!(result["environment"], "LANG PATH ");
    assert_eq!(
        (&result["directory"], &result["own"]),
        (&json!("/"), &json!("yes"))
    );
}

#[tokio::test]
async fn what_is_no_outcome_fails_with_words() {
    need_root();
    for (name, run, said) in [
        (
            "silent",
            "exit 0",
            "the plug-in printed no outcome: document: EOF while parsing",
        ),
        (
            "garbage",
            "echo '{\"probe_result\": nonsense'",
            "the plug-in printed no outcome: document: expected",
        ),
        (
            "binary",
            "head -c 100 /dev/zero",
            "the plug-in printed no outcome: document: expected value",
        ),
        (
            "angry",
            "echo; echo oh no >&2; exit 7",
            "the plug-in ended with code 7: oh no",
        ),
        ("large", "exit 200", "the plug-in ended with code 118"),
        (
            "suicidal",
            "kill -9 $$",
            "the plug-in was killed by signal 9",
        ),
        ("honest", "echo '{\"error\":\"no line\"}'", "no line"),
    ] {
        let place = Place::new();
        place.script(name, 10_000, "", run);
        let outcome = place.run(&[]).await;
        assert_eq!(outcome.ending, Ending::Failed, "{name}");
        let error = outcome.error.unwrap();
        assert!(error.starts_with(said), "{name}: {error}");
        assert_eq!(outcome.bytes.total(), 1000, "{name}");
    }
}

#[tokio::test]
async fn options_reach_it_and_a_host_is_judged_first() {
    need_root();
    let place = Place::new();
    let options = r#","options":[{"name":"host","type":"text","max_len":253,"help":"whom"},
        {"name":"count","type":"integer","default":3,"min":1,"max":9,"help":"how many"}]"#;
    place.script(
        "echo",
        10_000,
        options,
        "read -r given; echo \"{\\\"probe_result\\\":$given}\"",
    );
    let outcome = place.run(&["host=192.0.2.1", "count=5"]).await;
    let expected = json!({"host": "192.0.2.1", "count": 5, "address": "192.0.2.1"});
    assert_eq!(Value::Object(outcome.probe_result), expected);

    let method = place.only().await;
    let options = Options::from_words(&method.options, ["host=::ffff:10.0.0.1"]).unwrap();
    let mut context = context(&method, &options);
    context.admit = Arc::new(|address| Err(format!("{address} is private")));
    let outcome = method.run(&options, &context).await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert_eq!(outcome.error.unwrap(), "10.0.0.1: 10.0.0.1 is private");
    assert_eq!(outcome.bytes.total(), 0, "it was not started");
    let options = Options::from_words(&method.options, ["host=-x"]).unwrap();
    assert_eq!(method.check(&options).unwrap_err().path, "host");
}

#[tokio::test]
async fn longer_than_the_household_allows_is_refused() {
    need_root();
    let place = Place::new();
    place.script("long", 20_001, "", "exit");
    let method = place.only().await;
    let options = Options::from_words(&[], []).unwrap();
    let refused = method.check(&options).unwrap_err().to_string();
    assert!(refused.contains("more than the 20000 ms"), "{refused}");
}

#[tokio::test]
async fn files_that_others_could_have_put_there_are_refused() {
    need_root();
    let place = Place::new();
    let good = place.script("good", 1000, "", "exit");
    mode(&place.script("writable", 1000, "", "exit"), 0o775);
    chown(
        place.script("foreign", 1000, "", "exit"),
        Some(65_534),
        None,
    )
    .unwrap();
    symlink(&good, place.plugins().join("link.sh")).unwrap();
    symlink("/bin/true", place.plugins().join("out.sh")).unwrap();
    mode(&place.script("readme", 1000, "", "exit"), 0o644);
    mode(&place.script(".hidden", 1000, "", "exit"), 0o755);
    let (found, mut faults) = place.load().await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, "good");
    faults.sort();
    let said: Vec<String> = faults
        .iter()
        .map(|fault| fault.rsplit('/').next().unwrap().to_owned())
        .collect();
    let expected = [
        "foreign.sh: must belong to root or to the agent's user",
        "link.sh: is a symbolic link, which is not followed",
        "out.sh: is a symbolic link, which is not followed",
        "writable.sh: must not be writable by its group or by others",
    ];
    assert_eq!(said, expected);

    // What became writable after it was announced does not run.
    mode(&good, 0o757);
    let options = Options::from_words(&[], []).unwrap();
    let outcome = found[0].run(&options, &context(&found[0], &options)).await;
    let error = outcome.error.unwrap();
    assert!(
        error.ends_with("good.sh: must not be writable by its group or by others"),
        "{error}"
    );
    assert_eq!(outcome.bytes.total(), 0);

    mode(&place.plugins(), 0o777);
    let fault = plugin::load(&place.plugins(), &place.stage(), &[])
        .await
        .unwrap_err();
    assert!(
        fault
            .to_string()
            .ends_with("must not be writable by its group or by others")
    );
}

#[tokio::test]
async fn descriptions_are_bounded_and_disabled_ones_left_out() {
    need_root();
    let place = Place::new();
    for (name, text) in [
        ("a-flood", "#!/bin/sh\nexec cat /dev/zero\n"),
        ("b-hang", "#!/bin/sh\nsleep 700601\n"),
        ("c-nothing", "#!/bin/sh\n"),
        ("d-format", "#!/nonexistent/interpreter\n"),
        ("e-fails", "#!/bin/sh\necho cannot >&2\nexit 3\n"),
    ] {
        fs::write(place.plugins().join(name), text).unwrap();
        mode(&place.plugins().join(name), 0o755);
    }
    place.script("ping", 1000, "", "exit");
    place.script("kept", 1000, "", "exit");
    place.script("by-method", 1000, "", "exit");
    place.script("by-file", 1000, "", "exit");
    let disabled = ["by-method".to_owned(), "by-file.sh".to_owned()];
    let (found, faults) = plugin::load(&place.plugins(), &place.stage(), &disabled)
        .await
        .unwrap();
    assert_eq!(
        found
            .iter()
            .map(|found| found.name.as_ref())
            .collect::<Vec<_>>(),
        ["kept"]
    );
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let ends = [
        "a-flood: describe was stopped: it wrote more than 65536 bytes",
        "b-hang: describe was stopped at its time limit of 2000 ms",
        "c-nothing: describe: document: EOF while parsing a value at line 1 column 0",
        "d-format: describe could not be started: No such file or directory (os error 2)",
        "e-fails: describe ended with code 3: cannot",
        "ping.sh: describe: name: 'ping' is a method of the agent",
    ];
    assert_eq!(said.len(), ends.len(), "{said:?}");
    for (said, end) in said.iter().zip(ends) {
        assert!(said.ends_with(end), "{said}");
    }
    assert!(!runs("700601"));
}

#[test]
fn the_example_is_announced_and_measures() {
    need_root();
    let place = Place::new();
    fs::copy(EXAMPLE, place.plugins().join("example-uptime.sh")).unwrap();
    let nobody = "\toption user 'nobody'\n";
    let said = place.agent(&["capabilities"], nobody).output().unwrap();
    let announced: Value = serde_json::from_slice(&said.stdout).unwrap();
    let methods = announced["methods"].as_array().unwrap();
    let uptime = methods
        .iter()
        .find(|method| method["name"] == "uptime")
        .unwrap();
    assert_eq!(uptime["options"]["properties"]["samples"]["maximum"], 30);
    assert!(methods.iter().any(|method| method["name"] == "ping"));

    let said = place
        .agent(&["measure", "uptime", "samples=2"], nobody)
        .output()
        .unwrap();
    let record: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(
        (&record["status"], &record["error"]),
        (&json!("ok"), &json!(""))
    );
    assert!(record["probe_result"]["uptime_s"].as_f64().unwrap() > 0.0);
    assert_eq!(record["probe_result"]["load"].as_array().unwrap().len(), 2);
    assert!(record["duration"].as_u64().unwrap() >= 1000, "{record}");

    let said = place
        .agent(&["measure", "uptime", "samples=31"], nobody)
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(2));
    let words = String::from_utf8(said.stderr).unwrap();
    assert!(words.contains("uptime: samples: must be <= 30"), "{words}");
}

#[test]
fn without_a_user_of_their_own_plug_ins_stay_out_and_it_is_said_why() {
    let place = Place::new();
    fs::copy(EXAMPLE, place.plugins().join("example-uptime.sh")).unwrap();
    for (user, why) in [
        (
            "root",
            "plug-ins need a user of their own: 'root' is root or the agent",
        ),
        (
            "glimpse-nobody",
            "plug-ins need the user 'glimpse-nobody', which this system does not have",
        ),
    ] {
        let settings = format!("\toption user '{user}'\n");
        let said = place.agent(&["capabilities"], &settings).output().unwrap();
        assert!(said.status.success());
        assert!(!String::from_utf8(said.stdout).unwrap().contains("uptime"));
        let words = String::from_utf8(said.stderr).unwrap();
        assert!(words.contains(why), "{words}");
    }
}

#[tokio::test]
async fn a_reload_finds_what_came_and_what_went() {
    need_root();
    let place = Place::new();
    place.script("first", 1000, "", "exit");
    let mut daemon = place
        .agent(&["daemon"], "\toption user 'nobody'\n")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let socket = place.path("run/agent.sock");
    let has = async |name: &str| -> Option<bool> {
        let answer = socket::ask(&socket, &Request::Capabilities { method: None })
            .await
            .ok()?;
        let methods = answer["methods"].as_array()?;
        Some(methods.iter().any(|method| method["name"] == name))
    };
    let until = async |name: &str, there: bool| {
        for _ in 0..200 {
            if has(name).await == Some(there) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!(
            "{name} is {}there after 5 s",
            if there { "not " } else { "still " }
        );
    };
    until("first", true).await;
    place.script("second", 1000, "", "exit");
    fs::remove_file(place.plugins().join("first.sh")).unwrap();
    let pid = Pid::from_raw(i32::try_from(daemon.id()).unwrap());
    kill(pid, Signal::SIGHUP).unwrap();
    until("second", true).await;
    until("first", false).await;
    kill(pid, Signal::SIGTERM).unwrap();
    assert!(daemon.wait().unwrap().success());
}

#[tokio::test]
async fn what_fills_the_line_goes_to_listed_hosts_alone() {
    need_root();
    let place = Place::new();
    let more = r#","needs":["exclusive_line"],"options":[{"name":"host","type":"text","max_len":64,"help":"whither"}]"#;
    place.script("fill", 1000, more, "echo '{\"probe_result\":{\"ran\":1}}'");
    let method = place.only().await;
    let options = Options::from_words(&method.options, ["host=192.0.2.1"]).unwrap();
    let listed = |host: &str| Context {
        bulk: Bulk::Listed([host.to_owned()].into()),
        ..context(&method, &options)
    };
    let refused = method.run(&options, &listed("192.0.2.2")).await;
    assert_eq!(refused.ending, Ending::Failed);
    let error = refused.error.unwrap();
    assert!(error.contains("bulk transfers to 192.0.2.1"), "{error}");
    assert_eq!(refused.bytes.total(), 0);
    let ran = method.run(&options, &listed("192.0.2.1")).await;
    assert_eq!((ran.ending, ran.error), (Ending::Done, None));
}
