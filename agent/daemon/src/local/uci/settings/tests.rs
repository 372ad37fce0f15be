//! Every option, every refusal.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::local::uci::{QuietHours, QuietZone};
use proptest::prelude::*;

fn error(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().to_string()
}

fn limits_of(text: &str) -> Limits {
    let (settings, warnings) = parse(format!("config limits 'limits'\n{text}").as_bytes()).unwrap();
    assert_eq!(warnings, []);
    settings.limits
}

#[test]
fn the_example_file_says_everything() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/glimpse.uci");
    let (settings, warnings) = crate::local::uci::load(std::path::Path::new(path)).unwrap();
    assert_eq!(warnings, []);
    let expected = Settings {
        controller: Controller {
            url: Some("https://glimpse.example.net:8443".into()),
            name: Some("controller.example.net".into()),
            state_dir: "/etc/glimpse".into(),
        },
        consent: Consent { enabled: true },
        limits: Limits {
            monthly_bytes: 250_000_000,
            mobile_bytes: 10_000_000,
            mobile: true,
            mobile_interfaces: vec!["wwan0".into(), "usb0".into()],
            quiet_hours: vec![
                QuietHours::parse("22:00-06:00").unwrap(),
                QuietHours::parse("12:00-13:30").unwrap(),
            ],
            quiet_zone: QuietZone::parse("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(),
            forbidden_methods: vec!["httpdownload".into()],
            paused: vec!["nightly-speed".into()],
            lan: true,
            bulk_targets: vec!["speed.example.net".into(), "2001:db8::5".into()],
            parallel: 3,
            target_parallel: 1,
            target_rate: 30,
            target_bytes: 2_000_000,
            minute_bytes: 8_000_000,
            cross_traffic_kbps: 500,
            cpu_load: 90,
        },
        storage: Storage {
            spool_dir: "/mnt/usb/glimpse/spool".into(),
            spool_bytes: 8_388_608,
            spool_sync: Sync::Each,
            history_dir: "/mnt/usb/glimpse/history".into(),
            history_keep: false,
            history_raw_bytes: 524_288,
        },
        local: Local {
            socket: "/var/run/glimpse/control.sock".into(),
            ubus: Place::Off,
            ..Local::default()
        },
        log: Log {
            level: LevelFilter::Warn,
        },
        lab: Lab { targets: false },
        plugins: Plugins {
            enabled: true,
            directory: "/usr/lib/glimpse/plugins".into(),
            user: "glimpse-plugin".into(),
            time: std::time::Duration::from_secs(30),
            memory_bytes: 33_554_432,
            output_bytes: 16_384,
            disabled: vec!["uptime".into()],
        },
        responder: Responder {
            enabled: true,
            port: 5106,
            max_rate_bps: 50_000_000,
            max_bytes: 100_000_000,
            max_duration_ms: 20_000,
            max_sessions: 1,
        },
        ..Settings::default()
    };
    assert_eq!(settings, expected);
}

#[test]
fn an_empty_file_is_cautious() {
    let (settings, warnings) = parse(b"").unwrap();
    assert_eq!((&settings, warnings), (&Settings::default(), Vec::new()));
    assert!(!settings.consent.enabled && !settings.limits.mobile && !settings.limits.lan);
    assert!(!settings.lab.targets);
    assert_eq!(
        (settings.limits.monthly_bytes, settings.limits.mobile_bytes),
        (500 << 20, 30 << 20)
    );
}

#[test]
fn errors_name_section_option_value_and_line() {
    for (text, expected) in [
        (
            "config limits\n\toption monthly_bytes 'abc'",
            "limits.monthly_bytes 'abc': must be a whole number of bytes (line 2)",
        ),
        (
            "config limits\n\toption monthly_bytes '-1'",
            "limits.monthly_bytes '-1': must be a whole number of bytes (line 2)",
        ),
        (
            "config limits 'limits'\n\n\toption parallel '17'",
            "limits.parallel '17': must be 1 to 16 measurements (line 3)",
        ),
        (
            "config consent\n\toption enabled 'maybe'",
            "consent.enabled 'maybe': must be 1 or 0 (or on/off, true/false, yes/no, enabled/disabled) (line 2)",
        ),
        (
            "config limits\n\tlist quiet_hours '22:00-06:00'\n\tlist quiet_hours 'night'",
            "limits.quiet_hours 'night': must be HH:MM-HH:MM, with two different times (line 3)",
        ),
        (
            "config log\n\tlist level 'info'\n\tlist level 'debug'",
            "log.level 'info debug': must be one value (option), not a list (line 3)",
        ),
        (
            "config local\n\toption ubus 'ubus.sock'",
            "local.ubus 'ubus.sock': must be off, or an absolute path (line 2)",
        ),
        (
            "config local\n\toption socket 'run/x'",
            "local.socket 'run/x': must be an absolute path (line 2)",
        ),
        (
            "config storage\n\toption spool_sync 'x'",
            "storage.spool_sync 'x': must be each, batch or never (line 2)",
        ),
        (
            "config limits 'a'\nconfig limits 'b'",
            "limits: this section stands twice (line 2)",
        ),
    ] {
        assert_eq!(error(text), expected);
    }
    let long = error(&format!("config log\n\toption level '{}'", "é".repeat(300)));
    assert!(long.chars().count() < 200, "{long}");
}

#[test]
fn unknown_options_and_sections_are_warnings() {
    let text =
        b"config limits\n\toption parallel 2\n\toption later 1\nconfig future 'x'\n\toption a 1";
    let (settings, warnings) = parse(text).unwrap();
    assert_eq!(settings.limits.parallel, 2);
    let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let expected = [
        "limits.later: unknown option, ignored (line 3)",
        "future: unknown section, ignored (line 4)",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn lists_may_be_one_option_of_several_words() {
    let hours = limits_of("\toption quiet_hours '22:00-06:00 12:00-13:00'").quiet_hours;
    assert_eq!(
        hours,
        limits_of("\tlist quiet_hours '22:00-06:00'\n\tlist quiet_hours '12:00-13:00'").quiet_hours
    );
    assert_eq!(hours.len(), 2);
}

#[test]
fn only_an_https_origin_is_a_controller() {
    for (text, expected) in [
        ("https://Example.net", Some("https://example.net")),
        ("https://example.net/", Some("https://example.net")),
        ("https://10.0.0.1:8443", Some("https://10.0.0.1:8443")),
        (
            "https://[2001:db8::1]:8443",
            Some("https://[2001:db8::1]:8443"),
        ),
        ("http://example.net", None),
        ("https://", None),
        ("https://user@example.net", None),
        ("https://example.net/path", None),
        ("https://example.net:0", None),
        ("https://example.net:", None),
        ("https://example.net:+80", None),
        ("https://example.net:70000", None),
        ("https://[example]", None),
        ("https://-f", None),
        ("example.net", None),
    ] {
        assert_eq!(controller_url(text).as_deref(), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn any_value_is_taken_or_refused_by_name(
        option in proptest::sample::select(vec![
            "monthly_bytes", "mobile", "quiet_hours", "quiet_zone", "forbidden_methods", "bulk_targets", "target_rate",
        ]),
        value in "[^\\p{Cc}']{1,20}",
    ) {
        match parse(format!("config limits\n\toption {option} '{value}'").as_bytes()) {
            Ok((_, warnings)) => prop_assert_eq!(warnings, []),
            Err(e) => {
                let named = e.to_string().starts_with(&format!("limits.{option} '"));
                prop_assert!(named, "{}", e);
            }
        }
    }
}

#[test]
fn of_a_faulty_file_the_places_are_known_and_nothing_is_agreed_to() {
    let text = "config controller\n\toption url 'http://no'\n\toption state_dir '/mnt/state'\n\
        config consent\n\toption enabled '1'\n\
        config local\n\toption socket '/mnt/run/s'\n\toption ubus '/mnt/run/ubus.sock'\n\
        config storage\n\toption spool_dir 'relative'\n\
        config limits\n\toption monthly_bytes 'much'\n\tlist paused 'a'\n";
    assert!(parse(text.as_bytes()).is_err());
    let settings = places(text.as_bytes());
    assert_eq!(settings.controller.state_dir, PathBuf::from("/mnt/state"));
    assert_eq!(settings.local.socket, PathBuf::from("/mnt/run/s"));
    assert_eq!(settings.local.ubus, Place::At("/mnt/run/ubus.sock".into()));
    assert_eq!(settings.storage, Storage::default());
    assert!(!settings.consent.enabled && settings.controller.url.is_none());
    assert_eq!(places(b"config 'unclosed\n"), Settings::default());
}

#[test]
fn what_is_paused_is_named_by_ids() {
    assert_eq!(
        error("config limits\n\tlist paused 'a b'"),
        "limits.paused 'a b': must be the id of an instruction (line 2)"
    );
    let many: Vec<String> = (0..257).map(|n| format!("\tlist paused 'i{n}'")).collect();
    assert!(
        error(&format!("config limits\n{}\n", many.join("\n")))
            .starts_with("limits.paused 'i256': must be at most 256")
    );
}
