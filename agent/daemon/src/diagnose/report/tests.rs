#![allow(clippy::unwrap_used)]

use super::super::finding::FindingCode;
use super::*;

#[test]
fn the_report_has_times_method_figures_and_finding() {
    let at = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
    let finding = |code, values| Finding {
        code,
        state: State::Bad,
        values,
    };
    let conclusion = Conclusion {
        finding: finding(
            FindingCode::ProviderNetwork,
            Values::new().number("last_hop", Some(3_u8)),
        ),
        others: vec![finding(
            FindingCode::ClockWrong,
            Values::new().text("now", Some("2000-01-01T00:00:00Z")),
        )],
    };
    let steps = vec![
        (
            StepCode::Link,
            State::Good,
            Values::new()
                .text("device", Some("eth1"))
                .flag("carrier", Some(true)),
        ),
        (
            StepCode::Page,
            State::Skipped,
            Values::new().text("reason", Some("no_route")),
        ),
    ];
    let ended = at.plus_micros(7_000_000);
    let text = text(
        Kind::Down,
        [at, ended],
        steps.into_iter(),
        &conclusion,
        4321,
    );
    let expected = format!(
        "Check of the line: Internet does not work\n\
         By: {} on the customer's router\n\
         From 2026-11-22T12:00:00Z to 2026-11-22T12:00:07Z (UTC)\n\n\
         Finding: The fault is in your provider's network.\n\
         Packets get no further than hop 3.\n\
         Also: The router's clock is wrong (2000-01-01T00:00:00Z); secure pages fail.\n\n\
         What was looked at:\n\
         - Line to the provider: good. eth1, signal: yes (by carrier and state of the device)\n\
         - A known page: skipped. not looked at: there is no way out (by HTTP GET, compared with the exact content)\n\n\
         Bytes used by this check: 4321\n",
        crate::VERSION
    );
    assert_eq!(text, expected);
}
