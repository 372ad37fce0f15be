//! What an agent keeps of its schedules, what collectors receive, and the patterns of suppressions.

use glimpse_lmap::report::received;
use glimpse_lmap::state::snapshot::Snapshot;
use glimpse_lmap::{Output, glob};
use glimpse_yang::read::Reader;
use glimpse_yang::schema::Kind;
use glimpse_yang::table::CONTROLLER;
use glimpse_yang::validate::{Check, validate};
use glimpse_yang::{Encoding, Tree};

/// A report, as a collector reads it.
pub fn report(bytes: &[u8]) {
    let Some(tree) = input(bytes) else { return };
    let Ok(report) = received::read(&tree) else {
        return;
    };
    let keys = report.keys("certificate");
    assert_eq!(keys.len(), report.results.len());
    assert!(keys.iter().all(|key| !key.is_empty()));
}

/// The input of the operation, if it is valid.
fn input(bytes: &[u8]) -> Option<Tree> {
    let encoding = if bytes.first() == Some(&b'<') {
        Encoding::Xml
    } else {
        Encoding::Json
    };
    let operation = CONTROLLER.operation("ietf-lmap-report", "report")?;
    let input = CONTROLLER.part(operation, Kind::Input)?;
    let tree = Reader::new(&CONTROLLER, encoding)
        .operation(input, bytes)
        .ok()?;
    validate(&tree, Check::Operation, None)
        .is_empty()
        .then_some(tree)
}

/// How many results a report has, if it is one.
pub fn results(bytes: &[u8]) -> Option<usize> {
    let report = received::read(&input(bytes)?).ok()?;
    Some(report.results.len())
}

/// What a former process left. It is written as it was read, and nothing of it is news then.
pub fn snapshot(bytes: &[u8]) {
    let Ok(snapshot) = Snapshot::parse(bytes) else {
        return;
    };
    assert!(!snapshot.is_urgent_after(&snapshot));
    let again = Snapshot::parse(&snapshot.document());
    assert_eq!(again.as_ref(), Ok(&snapshot));
}

/// A result that waits.
pub fn output(bytes: &[u8]) {
    let Ok((output, places)) = Output::parse(bytes) else {
        return;
    };
    let again = Output::parse(&output.document(&places));
    assert_eq!(again, Ok((output, places)));
}

/// A pattern in the first line, and what it is matched against.
pub fn pattern(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (pattern, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let matches = glob::matches(pattern, rest);
    assert!(glob::matches("*", rest));
    let quoted: String = rest.chars().flat_map(|c| ['\\', c]).collect();
    assert!(glob::matches(&quoted, rest), "{rest:?} is like itself");
    if matches && !pattern.contains(['[', '\\']) {
        assert!(glob::matches(&format!("{pattern}*"), rest));
        assert!(glob::matches(&format!("*{pattern}"), rest));
    }
}
