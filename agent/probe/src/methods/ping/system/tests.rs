#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::Ipv4Addr;
use std::path::Path;

use glimpse_model::options::Options;
use serde_json::json;

use super::*;
use crate::methods::ping::options::OPTIONS;

const TARGET: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn options(words: &[&str]) -> PingOptions {
    let words = words
        .iter()
        .copied()
        .chain(["host=127.0.0.1", "type=System"]);
    PingOptions::read(&Options::from_words(OPTIONS, words).unwrap()).unwrap()
}

fn context() -> Context {
    Context::unlimited(Duration::from_mins(1), 1)
}

/// Runs a shell script in the place of `ping`; its arguments are those of the call.
async fn with_script(script: &str, options: &PingOptions, context: &Context) -> Outcome {
    run(&["/bin/sh", "-c", script, "ping"], options, TARGET, context).await
}

#[test]
fn the_call_is_that_of_the_original_and_no_shell_is_in_it() {
    let command = command(
        &[PROGRAM],
        &options(&["count=4", "timeout=1500", "interval=200"]),
        TARGET,
    );
    let words: Vec<&str> = command
        .as_std()
        .get_args()
        .map(|word| word.to_str().unwrap())
        .collect();
    assert_eq!(command.as_std().get_program(), "ping");
    assert_eq!(
        words,
        ["-c", "4", "-n", "-W", "2", "-i", "0.200", "--", "127.0.0.1"]
    );
    let whole = self::command(&[PROGRAM], &options(&["interval=2000"]), TARGET);
    assert!(whole.as_std().get_args().any(|word| word == "2"));
}

#[tokio::test]
async fn its_figures_become_ours() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/ping/iputils-ipv4.txt"
    );
    let outcome = with_script(&format!("cat '{file}'"), &options(&[]), &context()).await;
    assert_eq!((outcome.ending, outcome.error), (Ending::Done, None));
    assert_eq!(
        outcome.probe_result["round_trip_ms"],
        json!([0.029, 0.043, 0.041])
    );
    assert_eq!(outcome.probe_result["round_trip_avg"], json!(0.038));
    assert_eq!(outcome.probe_result["timestamps"], "system");
    assert_eq!(
        (outcome.bytes.sent, outcome.bytes.received),
        (3 * 84, 3 * 84)
    );
}

#[tokio::test]
async fn total_loss_is_an_outcome_although_ping_exits_with_1() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/ping/busybox-silent.txt"
    );
    let outcome = with_script(
        &format!("cat '{file}'; exit 1"),
        &options(&["count=2"]),
        &context(),
    )
    .await;
    assert_eq!(outcome.ending, Ending::Done);
    assert_eq!(outcome.probe_result["round_trip_loss"], json!(1.0));
}

#[tokio::test]
async fn its_complaint_is_the_error() {
    let script = "printf 'ping: \\033[31mno rights\\n' >&2; exit 2";
    let outcome = with_script(script, &options(&[]), &context()).await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert_eq!(
        outcome.error.as_deref(),
        Some("ping: [31mno rights"),
        "control characters are dropped"
    );
    assert_eq!(outcome.bytes.total(), 0);
    let mute = with_script("exit 3", &options(&[]), &context()).await;
    assert_eq!(
        mute.error.as_deref(),
        Some("ping ended with code 3 and no figures")
    );
}

#[tokio::test]
async fn a_system_without_ping_says_so() {
    let outcome = run(
        &["ping-that-is-not-there"],
        &options(&[]),
        TARGET,
        &context(),
    )
    .await;
    assert_eq!(
        (outcome.ending, outcome.error.as_deref()),
        (Ending::Failed, Some("this system has no ping program"))
    );
}

#[tokio::test]
async fn endless_output_is_cut_off() {
    for voice in ["", " >&2"] {
        let outcome = with_script(
            &format!("while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaa{voice}; done"),
            &options(&[]),
            &context(),
        )
        .await;
        assert_eq!(outcome.ending, Ending::Failed);
    }
}

#[tokio::test]
async fn its_surroundings_are_bare() {
    let outcome = with_script("env >&2; exit 2", &options(&[]), &context()).await;
    let told = outcome.error.unwrap();
    assert!(
        ["LC_ALL=", "PATH=", "PWD=", "_=", "SHLVL="]
            .iter()
            .any(|known| told.starts_with(known)),
        "{told}"
    );
    let outcome = with_script(
        "echo \"home is ${HOME-unset} ${CARGO_MANIFEST_DIR-unset}\" >&2",
        &options(&[]),
        &context(),
    )
    .await;
    assert_eq!(outcome.error.as_deref(), Some("home is unset unset"));
}

/// Whether a process still does anything.
fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
}

/// Starts a script with a child of its own, hands its run to `end`, and waits until both processes are gone.
async fn both_are_gone_after(
    name: &str,
    words: &[&str],
    end: impl AsyncFnOnce(std::pin::Pin<&mut dyn Future<Output = Outcome>>),
) {
    let file = std::env::temp_dir().join(format!("glimpse-{name}-{}", std::process::id()));
    let script = format!(
        "sleep 600 & echo $! $$ > '{0}.new'; mv '{0}.new' '{0}'; wait",
        file.display()
    );
    let (options, context) = (options(words), context());
    {
        let mut run = std::pin::pin!(with_script(&script, &options, &context));
        end(run.as_mut()).await;
    }
    let pids = std::fs::read_to_string(&file).expect("the script has started");
    std::fs::remove_file(&file).unwrap();
    let pids: Vec<&str> = pids.split_whitespace().collect();
    assert_eq!(pids.len(), 2);
    for _ in 0..100 {
        if !pids.iter().any(|pid| is_alive(pid)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{pids:?} still run");
}

async fn until_exists(path: &Path) {
    while !path.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn dropping_the_run_kills_the_program_and_its_children() {
    let file = std::env::temp_dir().join(format!("glimpse-dropped-{}", std::process::id()));
    both_are_gone_after("dropped", &[], async |mut run| {
        tokio::select! {
            outcome = &mut run => panic!("{outcome:?}"),
            () = until_exists(&file) => {}
        }
    })
    .await;
}

/// Takes the shortest run and its slack: 4 s.
#[tokio::test]
async fn a_program_that_hangs_is_stopped_with_its_children() {
    both_are_gone_after("hanging", &["count=1", "timeout=1"], async |run| {
        let outcome = run.await;
        assert_eq!(outcome.ending, Ending::Aborted);
        assert_eq!(
            outcome.error.as_deref(),
            Some("ping was stopped after 4000 ms")
        );
        assert_eq!(outcome.bytes.sent, 84, "what it may have sent is charged");
    })
    .await;
}

#[tokio::test]
async fn the_real_program_is_understood() {
    let outcome = run(
        &[PROGRAM],
        &options(&["count=2", "interval=200"]),
        TARGET,
        &context(),
    )
    .await;
    if outcome.error.as_deref() == Some("this system has no ping program") {
        eprintln!("NOT TESTED: {}", outcome.error.unwrap());
        return;
    }
    assert_eq!(outcome.ending, Ending::Done, "{outcome:?}");
    assert_eq!(outcome.probe_result["round_trip_received"], 2);
    assert_eq!(
        outcome.probe_result["round_trip_ms"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
