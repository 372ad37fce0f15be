#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::json;

#[test]
fn a_run_is_told_in_sentences() {
    let step = |code: StepCode, state: &str, values: Value| json!({"code": code.as_str(), "state": state, "values": values});
    let mut steps: Vec<Value> = Kind::Down
        .steps()
        .iter()
        .map(|&code| step(code, "skipped", json!({"reason": "no_route"})))
        .collect();
    steps[0] = step(
        StepCode::Link,
        "bad",
        json!({"device": "eth1", "carrier": false}),
    );
    let document = json!({
        "steps": steps,
        "finding": {"code": "no_carrier", "values": {"device": "eth1"}, "others": [
            {"code": "clock_wrong", "values": {"now": "2000-01-01T00:00:00Z"}}]},
        "report": "Check of the line: Internet does not work\nFinding: No signal on the line.\n",
    });
    let text = text(Kind::Down, &document);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "✗ Line to the provider: eth1, signal: no");
    assert_eq!(
        lines[1],
        "– Address from the provider: not looked at: there is no way out"
    );
    assert_eq!(lines[8], "");
    assert_eq!(lines[9], "No signal on the line.");
    assert!(
        lines[10].starts_with("What you can do: Check the cable"),
        "{text}"
    );
    assert!(
        text.contains(
            "\nAlso: The router's clock is wrong (2000-01-01T00:00:00Z); secure pages fail.\n"
        ),
        "{text}"
    );
    assert!(
        text.ends_with("What to tell your provider:\n\n  Check of the line: Internet does not work\n  Finding: No signal on the line.\n"),
        "{text}"
    );
    assert!(
        lines.iter().all(|line| line.chars().count() <= 100),
        "{text}"
    );
}

#[test]
fn marks_are_signs_not_colours() {
    let marks: Vec<&str> = ["good", "fair", "bad", "running", "skipped", "waiting"]
        .map(|state| mark(&Value::from(state)))
        .into();
    assert_eq!(marks, ["✓", "!", "✗", "…", "–", "·"]);
}
