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
            "[alto]\nspans = [\"hour\"]",
            "alto.spans: must have 7-days, of which the default map is",
        ),
        (
            "[alto]\nspans = [\"7-days\", \"year\"]",
            "alto.spans[1]: must be one of hour, day, 7-days, month, is \"year\"",
        ),
        ("[alto]\nwait_s = 59", "alto.wait_s: must be >= 60, is 59"),
        (
            "[alto]\nclusters = [[\"192.0.2.1\"], [\"a\", \"192.0.2.1\"]]",
            "alto.clusters[1][1]: 192.0.2.1 is in clusters[0] already",
        ),
        (
            "[alto.statistics]\nspeed = []",
            "alto.statistics.speed: must be one of delay-rt, ",
        ),
        (
            "[alto.statistics]\ntput = [\"mean\", \"p101\"]",
            "alto.statistics.tput[1]: must be median, mean, ",
        ),
        (
            "[alto.statistics]\nhopcount = [\"mean\"]",
            "alto.statistics.hopcount[0]: hopcount has no mean",
        ),
        (
            "[alto.calendars]\ntput = [\"weekly\"]",
            "alto.calendars.tput[0]: must be one of hour-of-day, day-of-window, ",
        ),
        (
            "[alto]\ntrusted_proxies = [\"10.0.0.1/8\"]",
            "alto.trusted_proxies[0]: must be an address or a prefix, ",
        ),
        (
            "[alto.limits]\npairs = 0",
            "alto.limits.pairs: must be >= 1, is 0",
        ),
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

#[test]
fn statistics_and_calendars_of_a_metric_replace_the_defaults() {
    use glimpse_aggregate::{Calendar, Metric, Span, Statistic};
    let alto = |text: &str| parse(text).unwrap().alto;
    let rules = alto("").rules;
    assert_eq!(rules.statistics.len(), Metric::ALL.len());
    assert_eq!(alto("").spans.len(), Span::ALL.len());
    let rules = alto(
        "[alto.statistics]\ntput = [\"p25\", \"mean\", \"mean\"]\ndelay-rt = []\nppt = []\n\
         [alto.calendars]\ntput = [\"day-of-window\"]\ndelay-rt = []",
    )
    .rules;
    for metric in [Metric::TputDown, Metric::TputUp] {
        let names: Vec<String> = rules.statistics[&metric]
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["p25", "mean"]);
        assert_eq!(rules.calendars[&metric], [Calendar::DayOfWindow]);
    }
    assert_eq!(
        rules.statistics[&Metric::DelayRt],
        [Statistic::Median],
        "routingcost is made of it"
    );
    assert!(rules.calendars[&Metric::DelayRt].is_empty());
    assert!(!rules.statistics.contains_key(&Metric::PacketPair));
}

#[test]
fn files_of_places_lie_beside_the_configuration() {
    let places = parse("[alto]\nprefixes = \"p.json\"\nasn_databases = [\"/a.mmdb\", \"b.mmdb\"]")
        .unwrap()
        .alto
        .places;
    assert_eq!(places.prefixes.as_deref(), Some(Path::new("/etc/c/p.json")));
    assert_eq!(
        places.asn_databases,
        [Path::new("/a.mmdb"), Path::new("/etc/c/b.mmdb")]
    );
    assert!(places.geo_databases.is_empty());
}
