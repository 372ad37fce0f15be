#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::table::{AGENT, CONTROLLER};

#[test]
fn what_matches() {
    for (expression, yes, no) in [
        (r"\*", vec!["*"], vec!["", "**", "a"]),
        ("a|bc*|", vec!["a", "b", "bccc", ""], vec!["ab", "c"]),
        (r"[^\*].*", vec!["ab", "a*"], vec!["*a", "", "a\nb"]),
        (
            r"[0-9]{8}\.[0-9]{6}",
            vec!["20261201.110000"],
            vec!["20261201x110000", "2026120.110000"],
        ),
        (
            r"Z|[\+\-]\d{2}:\d{2}",
            vec!["Z", "+99:99"],
            vec!["+1:00", "+٠٠:00", "ZZ"],
        ),
        (
            r"(([0-1](\.[1-3]?[0-9]))|(2\.(0|([1-9]\d*))))(\.(0|([1-9]\d*)))*",
            vec!["1.3.6.1", "2.100"],
            vec!["3.1", "1.3.01", "1"],
        ),
        (
            r"(a{2}){2,3}",
            vec!["aaaa", "aaaaaa"],
            vec!["aaa", "aaaaa", "aaaaaaaa"],
        ),
        (r"[a-z-[aeiou]]+", vec!["xyz"], vec!["xay", ""]),
        (r"[\i-[:]][\c-[:]]*", vec!["_a-1."], vec!["1a", "a:b", "-"]),
        (
            r"(%[\p{N}\p{L}]+)?",
            vec!["", "%eth0", "%ü½"],
            vec!["%", "%-"],
        ),
        (
            r"[1|2\-]\S\D",
            vec!["|ab", "-ab"],
            vec!["3ab", "1 b", "1a1"],
        ),
        (
            r"(a?){30}a{30}",
            vec!["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
            vec!["a"],
        ),
        ("$0$^", vec!["$0$^"], vec!["0"]),
        (
            r"(a*)*b",
            vec!["b", "aab"],
            vec!["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
        ),
    ] {
        let pattern = Pattern::new(expression).unwrap();
        for text in yes {
            assert!(pattern.matches(text), "{expression} {text}");
        }
        for text in no {
            assert!(!pattern.matches(text), "{expression} {text}");
        }
    }
}

#[test]
fn what_is_none() {
    let deep = "(".repeat(33) + &")".repeat(33);
    for expression in [
        "(",
        ")",
        "a)",
        "[a",
        "[]",
        "*",
        "a**",
        "a{2",
        "a{3,2}",
        "a{,2}",
        r"\q",
        r"\p{Xx}",
        r"\pL",
        "[z-a]",
        r"[a-\d]",
        "a\\",
        "(((a{100}){100}){100})",
        "a{99999}",
        &deep,
    ] {
        assert!(Pattern::new(expression).is_err(), "{expression}");
    }
    assert!(Pattern::new("((((){10000}){10000}){10000}){10000}").is_ok());
}

#[test]
fn every_pattern_of_the_tables_compiles() {
    for schema in [&AGENT, &CONTROLLER] {
        for pattern in schema.patterns {
            let expression = schema.text(pattern.expression);
            assert!(Pattern::new(expression).is_ok(), "{expression}");
        }
    }
}

proptest! {
    #[test]
    fn random_expressions_do_no_harm(expression in "[a-c()\\[\\]{}*+?|\\\\d^,1-9.-]{0,24}", text in "[a-c]{0,16}") {
        if let Ok(pattern) = Pattern::new(&expression) {
            pattern.matches(&text);
        }
    }
}
