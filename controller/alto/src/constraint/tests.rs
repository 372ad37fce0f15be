#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

fn of(text: &str, units: u64) -> bool {
    Predicate::parse(text)
        .unwrap()
        .holds(Some(Cost::new(units)))
}

#[test]
fn alto_check_28_numbers_and_white_space_of_any_kind() {
    for (text, holds) in [
        ("ge -1e1", true),
        ("ge  5", true),
        ("ge\t5", true),
        (" le 5 ", true),
        ("eq 5.0", true),
        ("eq 0.5E1", true),
        ("eq 50e-1", true),
        ("gt 4.9999", true),
        ("lt 5", false),
        ("gt 5", false),
        ("le 1e999", true),
        ("lt -0", false),
        ("[0] eq 5", true),
    ] {
        assert_eq!(of(text, 5), holds, "{text}");
    }
    assert_eq!(Predicate::parse("[12] le 3").unwrap().index, 12);
}

#[test]
fn alto_check_29_other_texts_are_no_predicates() {
    for text in [
        "",
        " ",
        "ne 5",
        "ge",
        "ge x",
        "5 ge",
        "ge 5 5",
        "ge5",
        "GE 5",
        "ge +5",
        "ge 05",
        "ge .5",
        "ge 5.",
        "ge 5e",
        "ge 5e+",
        "ge inf",
        "ge NaN",
        "ge 0x5",
        "ge 5,0",
        "ge -",
        "ge --5",
        "[] ge 5",
        "[-1] ge 5",
        "[+1] ge 5",
        "[1]ge 5",
        "[1] [2] ge 5",
        "[1 ] ge 5",
        "[99999999999999999999999] ge 5",
        "[0]",
        "[0",
        "ge\u{a0}5",
        "ge 5\0",
    ] {
        assert_eq!(Predicate::parse(text), None, "{text:?}");
    }
}

#[test]
fn decimals_are_compared_as_doubles() {
    let tenths = |text: &str| {
        let predicate = Predicate::parse(text).unwrap();
        predicate.holds(Some(Cost::ten_thousandths(3_000)))
    };
    assert!(tenths("eq 0.3") && tenths("eq 3e-1") && tenths("le 0.3") && !tenths("gt 0.3"));
}

#[test]
fn a_pair_without_the_cost_never_passes() {
    for text in ["ge -1", "le 1e999", "eq 0", "lt 1", "gt -1"] {
        assert!(!Predicate::parse(text).unwrap().holds(None), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,30}", like in "\\[?[0-9]{0,3}\\]? ?(ge|le|eq)? ?[-+0-9.eE]{0,10}") {
        let _ = Predicate::parse(&text);
        let _ = Predicate::parse(&like);
    }

    /// Whatever the reader of JSON documents takes as a number, and nothing else.
    #[test]
    fn numbers_are_those_of_json(text in "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][-+]?[0-9]{0,2})?") {
        let naive = serde_json::from_str::<serde_json::Number>(&text).is_ok() && !text.contains(' ');
        prop_assert_eq!(is_json_number(&text), naive, "{}", text);
    }

    #[test]
    fn alternatives_are_an_or_of_ands(bounds in prop::collection::vec(prop::collection::vec((0_usize..3, 0_u64..5), 1..4), 0..4), costs: [Option<u8>; 3]) {
        let costs = costs.map(|cost| cost.map(|c| Cost::new(u64::from(c) % 5)));
        let predicate = |(index, bound): &(usize, u64)| Predicate::parse(&format!("[{index}] ge {bound}")).unwrap();
        let constraint = Constraint::any(bounds.iter().map(|all| all.iter().map(predicate).collect()).collect());
        let mut naive = bounds.is_empty();
        for all in &bounds {
            let failed = all.iter().filter(|(index, bound)| costs[*index].is_none_or(|c| c.units() < *bound)).count();
            naive |= failed == 0;
        }
        prop_assert_eq!(constraint.passes(|index| costs[index]), naive);
    }
}
