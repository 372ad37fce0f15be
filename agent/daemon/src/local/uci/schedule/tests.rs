#![allow(clippy::unwrap_used)]
use super::*;
use crate::local::uci::settings::parse;
use glimpse_model::time::Zone;

fn schedules(text: &str) -> Vec<Schedule> {
    let (settings, warnings) = parse(text.as_bytes()).unwrap();
    assert_eq!(warnings, []);
    settings.schedules
}

fn error(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().to_string()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[test]
fn the_five_timings() {
    let read = schedules(
        "config schedule 'evening'\n\toption title 'Every evening'\n\toption method 'httpdownload'\n\
         \tlist option 'url=http://speed.example/a b'\n\tlist option 'threads=4'\n\
         \toption timing 'calendar'\n\tlist hour '20'\n\tlist weekday 'Sat'\n\tlist weekday '7'\n\
         config schedule 'often'\n\toption method 'ping'\n\toption option 'host=a.example'\n\
         \toption timing 'periodic'\n\toption every_minutes '30'\n\toption quiet_hours 'ignore'\n\
         config schedule 'once'\n\toption method 'ping'\n\toption timing 'oneoff'\n\toption at '2026-12-01T12:00:00+01:00'\n\
         config schedule 'now'\n\toption method 'ping'\n\toption timing 'immediate'\n\toption enabled '0'\n\
         config schedule 'button'\n\toption method 'ping'\n\toption timing 'ondemand'\n",
    );
    let names: Vec<&str> = read.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["evening", "often", "once", "now", "button"]);
    let [evening, often, once, now, button] = &read[..] else {
        panic!("{read:?}")
    };
    assert_eq!(evening.title.as_deref(), Some("Every evening"));
    assert_eq!(
        evening.options,
        ["url=http://speed.example/a b", "threads=4"]
    );
    assert_eq!(often.options, ["host=a.example"]);
    assert!(often.ignores_quiet_hours && !evening.ignores_quiet_hours);
    assert!(evening.enabled && !now.enabled);
    assert_eq!(
        (&now.timing, &button.timing),
        (&Timing::Immediate {}, &Timing::OnDemand {})
    );
    assert_eq!(
        once.timing.first(Timestamp::default()),
        Some(at("2026-12-01T11:00:00Z"))
    );
    let first = at("2026-11-22T10:00:00Z");
    assert_eq!(
        often.timing.next(first, first),
        Some(at("2026-11-22T10:30:00Z"))
    );
    // A Sunday, at 20:00 in the router's zone; then the next Saturday.
    let zone = Zone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let timing = evening.timing_in(&zone);
    let sunday = timing.next(first, first).unwrap();
    assert_eq!(sunday, at("2026-11-22T19:00:00Z"));
    assert_eq!(timing.next(sunday, first), Some(at("2026-11-28T19:00:00Z")));
    let summer = at("2026-07-18T12:00:00Z");
    assert_eq!(timing.next(summer, first), Some(at("2026-07-18T18:00:00Z")));
}

#[test]
fn each_fault_names_section_option_and_value() {
    let with = |more: &str| format!("config schedule 's'\n\toption method 'ping'\n{more}");
    for (text, said) in [
        (
            "config schedule\n\toption method 'ping'\n".to_owned(),
            "schedule.name '': must be the section's name: 1 to 40 letters, digits, - and _ (line 1)",
        ),
        (
            "config schedule 's'\n\toption timing 'immediate'\n".to_owned(),
            "schedule 's'.method '': must name a method (line 1)",
        ),
        (
            with(""),
            "schedule 's'.timing '': must be immediate, oneoff, periodic, calendar or ondemand (line 1)",
        ),
        (
            with("\toption timing 'daily'\n"),
            "schedule 's'.timing 'daily': must be immediate, oneoff, periodic, calendar or ondemand (line 3)",
        ),
        (
            with("\toption timing 'periodic'\n"),
            "schedule 's'.every_minutes '': must be 1 to 527040 minutes for periodic (line 1)",
        ),
        (
            with("\toption timing 'periodic'\n\toption every_minutes '0'\n"),
            "schedule 's'.every_minutes '0': must be 1 to 527040 minutes (line 4)",
        ),
        (
            with("\toption timing 'oneoff'\n"),
            "schedule 's'.at '': must be the time of a oneoff, such as 2026-01-31T12:00:00Z (line 1)",
        ),
        (
            with("\toption timing 'oneoff'\n\toption at 'tomorrow'\n"),
            "schedule 's'.at 'tomorrow': must be a time such as 2026-01-31T12:00:00Z (line 4)",
        ),
        (
            with("\toption timing 'calendar'\n\tlist hour '24'\n"),
            "schedule 's'.hour '24': must be an hour, 0 to 23 (line 4)",
        ),
        (
            with("\toption timing 'calendar'\n\tlist weekday 'Mo'\n"),
            "schedule 's'.weekday 'Mo': must be a day of the week, mon to sun or 1 (Monday) to 7 (line 4)",
        ),
        (
            with("\toption timing 'ondemand'\n\tlist option 'host'\n"),
            "schedule 's'.option 'host': must be name=value (line 4)",
        ),
        (
            with("\toption timing 'ondemand'\n\toption quiet_hours 'no'\n"),
            "schedule 's'.quiet_hours 'no': must be keep or ignore (line 4)",
        ),
    ] {
        assert_eq!(error(&text), said);
    }
    let long = format!(
        "\toption timing 'ondemand'\n\toption title '{}'\n",
        "é".repeat(65)
    );
    assert!(error(&with(&long)).contains("must be a text of at most 64 characters"));
    let many: Vec<String> = (0..=MOST)
        .map(|n| {
            format!("config schedule 's{n}'\n\toption method 'ping'\n\toption timing 'ondemand'\n")
        })
        .collect();
    assert_eq!(
        error(&many.concat()),
        "schedule 's32'.name 's32': must be at most 32 schedules (line 97)"
    );
}
