#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn a_program_is_run_and_its_cost_is_seen() {
    let script =
        "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo out; echo err >&2; exit 3";
    let finished = run(None, Command::new("sh").args(["-c", script])).unwrap();
    assert_eq!(finished.status.code(), Some(3));
    assert_eq!((&*finished.out, &*finished.err), ("out\n", "err\n"));
    let Cost {
        wall, cpu, peak, ..
    } = finished.cost;
    assert!(
        cpu > Duration::from_millis(20) && cpu <= wall * 2,
        "{cpu:?} of {wall:?}"
    );
    assert!(peak.unwrap() > 300_000, "{peak:?}");
    let error = run_well(None, Command::new("sh").args(["-c", "echo no >&2; exit 3"])).unwrap_err();
    assert!(error.to_string().contains("no (exit status: 3)"), "{error}");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let error = run(None, &mut Command::new("no-such-tool")).unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with("no-such-tool cannot be started"), "{said}");
}

#[test]
fn costs_add_up() {
    let cost = |ms, peak| Cost {
        cpu: Duration::from_millis(ms),
        peak,
        ..Cost::default()
    };
    let sum: Cost = [cost(1, Some(7)), cost(2, None), cost(3, Some(5))]
        .into_iter()
        .sum();
    assert_eq!(sum, cost(6, Some(7)));
}

#[test]
fn options_become_words() {
    let lab = Lab {
        agent: PathBuf::from("/agent"),
    };
    let command = lab.measuring(
        "ping",
        &serde_json::json!({"host": "a.example", "count": 3}),
    );
    let words: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy())
        .collect();
    assert_eq!(
        words,
        [
            "measure",
            "ping",
            "count=3",
            "host=a.example",
            "--json",
            "--config",
            "/nonexistent"
        ]
    );
}

#[test]
fn netns_programs_run_inside() {
    let namespace = Namespace::new("glimpse-truth").unwrap();
    let inside = run_well(
        Some(&namespace),
        Command::new("readlink").arg("/proc/self/ns/net"),
    )
    .unwrap();
    let outside = run_well(None, Command::new("readlink").arg("/proc/self/ns/net")).unwrap();
    assert_ne!(inside.out, outside.out);
}
