#![allow(clippy::unwrap_used)]

use super::*;

fn judged(state: State, code: FindingCode) -> Judged {
    Judged::found(state, Values::new(), code, Values::new())
}

fn concluded(steps: Vec<Judged>) -> Conclusion {
    let telling = Judged::good(Values::new()).telling();
    let mut steps: Vec<(StepCode, Judged)> = steps
        .into_iter()
        .chain([telling])
        .zip(Kind::Slow.steps())
        .map(|(judged, &code)| (code, judged))
        .collect();
    conclude(Kind::Slow, &mut steps)
}

fn codes(conclusion: &Conclusion) -> Vec<FindingCode> {
    conclusion.others.iter().map(|other| other.code).collect()
}

#[test]
fn of_equals_the_first_goes_before_and_bad_goes_before_fair() {
    let conclusion = concluded(vec![
        judged(State::Fair, F::WeakWifi),
        judged(State::Bad, F::NamesSlow),
        judged(State::Bad, F::QueueBloat),
    ]);
    assert_eq!(conclusion.finding.code, F::NamesSlow);
    assert_eq!(codes(&conclusion), [F::WeakWifi, F::QueueBloat]);
}

#[test]
fn the_one_that_explains_more_goes_before_an_earlier_one() {
    let conclusion = concluded(vec![
        judged(State::Bad, F::WeakWifi),
        judged(State::Bad, F::RouterBusy),
        judged(State::Bad, F::LessThanPaid),
        judged(State::Bad, F::NamesSlow),
    ]);
    assert_eq!(conclusion.finding.code, F::RouterBusy);
    assert_eq!(codes(&conclusion), [F::WeakWifi, F::NamesSlow]);
}

#[test]
fn every_word_reads_back_and_stands_once() {
    let mut words: Vec<&str> = FindingCode::ALL.iter().map(|code| code.as_str()).collect();
    for word in &words {
        assert_eq!(FindingCode::parse(word).unwrap().as_str(), *word);
    }
    let count = words.len();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), count);
    assert_eq!(FindingCode::parse("broken"), None);
    assert_eq!(State::parse("fair"), Some(State::Fair));
}

#[test]
fn a_skipped_step_says_why() {
    for (reason, member, value) in [
        (
            Reason::NotConfigured("diagnose.page_url"),
            "option",
            "diagnose.page_url",
        ),
        (
            Reason::NoAnswer(Some("refused".to_owned())),
            "error",
            "refused",
        ),
        (Reason::NoMethod("ping"), "method", "ping"),
        (Reason::NoRoute, "reason", "no_route"),
        (Reason::TooLong, "reason", "too_long"),
    ] {
        let judged = Judged::skipped(&reason);
        assert_eq!(judged.state, State::Skipped);
        assert_eq!(judged.values.0[member], value);
    }
}
