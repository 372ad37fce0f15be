#![allow(clippy::unwrap_used)]
use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/c/controller.toml"))
}

#[test]
fn the_template_is_the_default() {
    let listen = std::net::Ipv6Addr::UNSPECIFIED.into();
    let made = parse(&template(listen)).unwrap();
    assert_eq!(format!("{made:?}"), format!("{:?}", parse("").unwrap()));
    assert_eq!(made.database, Path::new("/etc/c/glimpse.db"));
    assert_eq!(made.agents, Configuration::default());
}

#[test]
fn faults_name_key_and_value() {
    for (text, said) in [
        (
            "[listen]\nagent = \"here\"",
            "line 2: `agent = \"here\"`: invalid socket address",
        ),
        (
            "[alto]\nlabs = true",
            "line 2: `labs = true`: unknown field `labs`",
        ),
        ("[alto]\nk = 4", "alto.k: k must be at least 5, got 4"),
        ("[agents]\nwait_s = 301", "agents.wait_s: must be <= 300"),
        (
            "[agents]\npull = { periodic = { interval = 0 } }",
            "agents.pull.periodic.interval: must be > 0",
        ),
        (
            "[agents]\npull = { immediate = {} }",
            "agents.pull: must be periodic or calendar",
        ),
        (
            "[limits]\nopt_out = [\"10.0.0.0/40\"]",
            "limits.opt_out[0]: ",
        ),
        (
            "[limits]\nruns_per_hour = 0",
            "limits.runs_per_hour: must be > 0, is 0",
        ),
        ("[pki", "line 1: `[pki`: "),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with("/etc/c/controller.toml: "), "{error}");
        assert!(error.contains(said), "{error}");
        assert!(!error.contains('\n'), "one line: {error}");
    }
}
