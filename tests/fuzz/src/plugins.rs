//! What plug-ins print.

use glimpse_model::options::Options;
use glimpse_model::outcome::ByteCount;
use glimpse_probe::plugin::{Description, Report};

/// What `describe` printed. Of what is understood, the default options are accepted, and its formulas can be reckoned.
pub fn description(bytes: &[u8]) {
    let Ok(description) = Description::parse(bytes) else {
        return;
    };
    assert!(!description.name.is_empty() && description.name.len() <= 64);
    let _ = description.has_host();
    if let Ok(options) = Options::read(&description.options, &serde_json::Map::new()) {
        let _ = description.worst_case_bytes.of(&options);
        let _ = description.longest_run_ms.of(&options);
    }
    let _ = glimpse_model::options::to_schema(&description.options).to_string();
}

/// What `run` printed.
pub fn report(bytes: &[u8]) {
    if let Ok(report) = Report::parse(bytes) {
        let outcome = report.into_outcome(ByteCount::default());
        assert_eq!(outcome.bytes, ByteCount::default(), "a claim is no charge");
        let error = outcome.error.unwrap_or_default();
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
}
