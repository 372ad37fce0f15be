#![allow(clippy::unwrap_used)]

use super::*;
use crate::diagnose::chain::{Kind, StepCode as C};
use crate::diagnose::finding::{Conclusion, FindingCode, conclude};
use serde_json::json;
use std::net::IpAddr;

/// What each step has seen.
#[derive(Clone)]
struct Scene {
    known: Known,
    line_use: LineUse,
    station: Option<Station>,
    busy_percent: u32,
    delay: Delay,
    loads: Loads,
    lookups: Lookups,
    families: Families<Trips>,
    before: Option<Hops>,
}

const fn trips(lost: u32, median_us: u64) -> Trips {
    Trips {
        sent: 40,
        received: 40 - lost,
        median_us: Some(median_us),
    }
}

const SILENT: Trips = Trips {
    sent: 40,
    received: 0,
    median_us: None,
};

const fn load(kbps: u64, added_us: i64) -> Load {
    Load {
        kbps,
        idle_us: Some(14_000),
        added_us: Some(added_us),
    }
}

/// All is well on a line of 100 and 40 Mbit/s.
fn scene() -> Scene {
    Scene {
        known: Known {
            contract: Speeds {
                down_kbps: Some(100_000),
                up_kbps: Some(40_000),
            },
            median: Speeds::default(),
        },
        line_use: LineUse {
            down_kbps: 900,
            up_kbps: 200,
        },
        station: Some(Station {
            signal_dbm: Some(-55),
            noise_dbm: Some(-92),
            rx_kbps: Some(433_000),
            tx_kbps: Some(520_000),
        }),
        busy_percent: 40,
        delay: Delay {
            near: vec![(1, trips(0, 900)), (2, trips(0, 8_000))],
            far: vec![trips(0, 14_000), trips(0, 20_000)],
            after_hop: Some(6),
        },
        loads: Loads {
            down: Some(load(97_000, 20_000)),
            up: Some(load(39_000, 15_000)),
        },
        lookups: Lookups {
            asked: 5,
            answered: 5,
            median_us: Some(12_000),
        },
        families: Families {
            ipv4: Some(trips(0, 14_000)),
            ipv6: Some(trips(0, 15_000)),
        },
        before: None,
    }
}

fn hops(last: &[u8]) -> Hops {
    last.iter()
        .map(|&last| (last != 0).then(|| IpAddr::from([198, 51, 100, last])))
        .collect()
}

fn steps(scene: &Scene) -> Vec<(C, Judged)> {
    let nothing = || Judged::skipped(&Reason::NotConfigured("diagnose.speed_url"));
    let wireless = || Judged::skipped(&Reason::NotWireless);
    let known = &scene.known;
    let path = match &scene.before {
        Some(before) => path_change(&hops(&[1, 2, 3, 4]), before, Timestamp::from_micros(0)),
        None => Judged::skipped(&Reason::NoHistory),
    };
    vec![
        (C::LineUse, scene.line_use.judge(known)),
        (C::Wifi, scene.station.map_or_else(wireless, Station::judge)),
        (C::Processor, processor(scene.busy_percent)),
        (C::Delay, scene.delay.judge()),
        (C::Speed, scene.loads.speed(known).unwrap_or_else(nothing)),
        (C::Busy, scene.loads.busy().unwrap_or_else(nothing)),
        (C::Lookups, scene.lookups.judge()),
        (C::Families, families(&scene.families)),
        (C::PathChange, path),
    ]
}

fn concluded(change: impl FnOnce(&mut Scene)) -> Conclusion {
    let mut scene = scene();
    change(&mut scene);
    conclude(Kind::Slow, &mut steps(&scene))
}

#[track_caller]
fn finds(
    code: FindingCode,
    state: State,
    others: &[FindingCode],
    change: impl FnOnce(&mut Scene),
) -> Values {
    let conclusion = concluded(change);
    let finding = conclusion.finding;
    assert_eq!((finding.code, finding.state), (code, state));
    let also: Vec<FindingCode> = conclusion.others.iter().map(|other| other.code).collect();
    assert_eq!(also, others);
    finding.values
}

#[test]
fn row_0_nothing_is_slow() {
    let values = finds(F::NotSlow, State::Good, &[], |_| ());
    assert_eq!(values, Values::new());
}

#[test]
fn row_1_somebody_uses_the_line() {
    let values = finds(F::LineInUse, State::Bad, &[], |scene| {
        scene.line_use.down_kbps = 62_000;
        // What follows from it.
        scene.loads.down = Some(load(38_000, 140_000));
        scene.delay.far = vec![trips(0, 90_000)];
    });
    assert_eq!(
        serde_json::Value::Object(values.0),
        json!({"down_kbps": 62_000, "up_kbps": 200, "of_kbps": 100_000, "percent": 62, "direction": "down"})
    );
    let values = finds(F::LineInUse, State::Fair, &[], |scene| {
        scene.line_use.up_kbps = 12_000;
    });
    assert_eq!(values.0["direction"], "up");
    // What the line carries, where it is known, says more than what was promised.
    finds(F::LineInUse, State::Bad, &[], |scene| {
        scene.line_use.down_kbps = 30_000;
        scene.known.median.down_kbps = Some(50_000);
        scene.known.contract = Speeds::default();
        scene.loads.down = Some(load(50_000, 0));
    });
    // Of a line that nobody knows, no share is made up.
    let values = finds(F::LineInUse, State::Fair, &[], |scene| {
        scene.known = Known::default();
        scene.line_use.up_kbps = 9_000;
    });
    assert_eq!(values.0["direction"], "up");
    assert!(!values.0.contains_key("percent"));
}

#[test]
fn row_2_weak_wifi() {
    let station = |signal_dbm, rx_kbps| {
        move |scene: &mut Scene| {
            scene.station = Some(Station {
                signal_dbm,
                noise_dbm: None,
                rx_kbps,
                tx_kbps: None,
            });
        }
    };
    let values = finds(
        F::WeakWifi,
        State::Bad,
        &[],
        station(Some(-78), Some(6_000)),
    );
    assert_eq!(
        serde_json::Value::Object(values.0),
        json!({"signal_dbm": -78, "rate_kbps": 6000})
    );
    finds(
        F::WeakWifi,
        State::Bad,
        &[],
        station(Some(-70), Some(6_000)),
    );
    finds(
        F::WeakWifi,
        State::Fair,
        &[],
        station(Some(-70), Some(60_000)),
    );
    finds(
        F::NotSlow,
        State::Good,
        &[],
        station(Some(-50), Some(6_000)),
    );
    // The router itself gets too little: the Wi-Fi does not explain that, but it is the first.
    finds(F::WeakWifi, State::Bad, &[F::LessThanPaid], |scene| {
        station(Some(-80), None)(scene);
        scene.loads.down = Some(load(30_000, 0));
    });
}

#[test]
fn row_3_the_router_is_the_limit() {
    finds(F::RouterBusy, State::Bad, &[], |scene| {
        scene.busy_percent = 99;
        scene.loads.down = Some(load(30_000, 120_000));
    });
    finds(F::RouterBusy, State::Fair, &[], |scene| {
        scene.busy_percent = 80;
    });
}

#[test]
fn row_4_delay_and_loss_near_and_far() {
    // Lost on the line, and so behind it too.
    let values = finds(F::AccessDisturbed, State::Bad, &[], |scene| {
        scene.delay.near = vec![(1, trips(3, 900)), (2, trips(4, 8_000))];
        scene.delay.far = vec![trips(4, 14_000), trips(5, 20_000)];
        scene.loads.down = Some(load(30_000, 120_000));
    });
    assert_eq!(values.0["loss_ppm"], 100_000);
    finds(F::AccessDisturbed, State::Bad, &[], |scene| {
        scene.delay.near = vec![(1, trips(0, 95_000))];
        scene.delay.far = vec![trips(0, 120_000)];
    });
    // A router that has better to do than answer pings is not disturbed.
    finds(F::NotSlow, State::Good, &[], |scene| {
        scene.delay.near = vec![(1, trips(20, 95_000)), (2, trips(10, 90_000))];
    });
    let values = finds(F::TroubleBeyond, State::Bad, &[], |scene| {
        scene.delay.far = vec![trips(0, 180_000), trips(0, 200_000)];
        scene.loads.down = Some(load(30_000, 0));
    });
    assert_eq!(
        serde_json::Value::Object(values.0),
        json!({"delay_us": 180_000, "loss_ppm": 0, "after_hop": 6})
    );
    finds(F::TroubleBeyond, State::Fair, &[], |scene| {
        scene.delay.far = vec![trips(0, 45_000)];
    });
    // One reference that has trouble of its own says nothing of the line; neither does one lost packet.
    finds(F::NotSlow, State::Good, &[], |scene| {
        scene.delay.far = vec![trips(20, 300_000), trips(1, 14_000)];
    });
    finds(F::NoConnection, State::Bad, &[], |scene| {
        scene.delay.near = vec![(1, SILENT)];
        scene.delay.far = vec![SILENT, SILENT];
    });
    // References that answer nothing, while the way there does.
    let conclusion = concluded(|scene| {
        scene.delay.far = vec![SILENT];
        scene.loads = Loads::default();
    });
    assert_eq!(conclusion.finding.code, F::NotChecked);
    assert_eq!(conclusion.finding.values.0["option"], "diagnose.speed_url");
}

#[test]
fn row_5_less_than_paid_or_usual() {
    let values = finds(F::LessThanPaid, State::Bad, &[], |scene| {
        scene.loads.down = Some(load(43_000, 0));
    });
    assert_eq!(
        serde_json::Value::Object(values.0),
        json!({"direction": "down", "kbps": 43_000, "against_kbps": 100_000, "percent": 43})
    );
    let values = finds(F::LessThanPaid, State::Fair, &[], |scene| {
        scene.loads.up = Some(load(30_000, 0));
    });
    assert_eq!(values.0["direction"], "up");
    let median = |scene: &mut Scene| {
        scene.known.contract = Speeds::default();
        scene.known.median.down_kbps = Some(95_000);
        scene.loads.up = None;
    };
    finds(F::SlowerThanUsual, State::Bad, &[], |scene| {
        median(scene);
        scene.loads.down = Some(load(20_000, 0));
    });
    finds(F::NotSlow, State::Good, &[], median);
    // Held against nothing, a speed is what it is.
    finds(F::NotSlow, State::Good, &[], |scene| {
        scene.known = Known::default();
        scene.loads.down = Some(load(1_000, 0));
    });
}

#[test]
fn row_6_slow_when_it_is_full() {
    let values = finds(F::QueueBloat, State::Bad, &[], |scene| {
        scene.loads.up = Some(load(39_000, 340_000));
    });
    assert_eq!(
        serde_json::Value::Object(values.0),
        json!({"direction": "up", "added_us": 340_000, "sqm_down_kbps": 87_300, "sqm_up_kbps": 35_100})
    );
    finds(F::QueueBloat, State::Fair, &[], |scene| {
        scene.loads.down = Some(load(97_000, 60_000));
    });
    // Faster under load than idle is luck, and no fault.
    finds(F::NotSlow, State::Good, &[], |scene| {
        scene.loads.down = Some(load(97_000, -3_000));
    });
}

#[test]
fn row_7_names_families_and_path() {
    finds(F::NamesSlow, State::Bad, &[], |scene| {
        scene.lookups.median_us = Some(400_000);
    });
    finds(F::NamesSlow, State::Fair, &[], |scene| {
        scene.lookups.median_us = Some(60_000);
    });
    finds(F::NamesSlow, State::Bad, &[], |scene| {
        scene.lookups.answered = 2;
    });
    finds(F::Ipv6Slow, State::Fair, &[], |scene| {
        scene.families.ipv6 = Some(trips(0, 60_000));
    });
    finds(F::Ipv6Slow, State::Fair, &[], |scene| {
        scene.families.ipv6 = Some(SILENT);
    });
    finds(F::Ipv4Slow, State::Fair, &[], |scene| {
        scene.families.ipv4 = Some(trips(4, 14_000));
    });
    finds(F::NotSlow, State::Good, &[], |scene| {
        scene.families.ipv6 = None;
    });
    let values = finds(F::PathChanged, State::Fair, &[], |scene| {
        scene.before = Some(hops(&[1, 7, 8, 4]));
    });
    assert_eq!(
        serde_json::Value::Object(values.0),
        json!({"from_hop": 2, "since": "1970-01-01T00:00:00Z"})
    );
    finds(F::PathChanged, State::Fair, &[], |scene| {
        scene.before = Some(hops(&[1, 2]));
    });
    for same in [&[1, 2, 3, 4][..], &[1, 0, 3, 4], &[1, 9, 3, 4], &[1, 2, 3]] {
        finds(F::NotSlow, State::Good, &[], |scene| {
            scene.before = Some(hops(same));
        });
    }
}

#[test]
fn the_cause_that_explains_most_goes_first() {
    // Weak Wi-Fi explains nothing of what the router sees; the disturbed line explains the rest.
    finds(F::AccessDisturbed, State::Bad, &[F::WeakWifi], |scene| {
        scene.station = Some(Station {
            signal_dbm: Some(-82),
            ..Station::default()
        });
        scene.delay.near = vec![(1, trips(6, 900))];
        scene.delay.far = vec![trips(6, 14_000)];
        scene.loads.down = Some(load(30_000, 120_000));
    });
}

#[test]
fn the_speed_test_says_what_the_line_carries() {
    let steps = |known: &Known, loads: &Loads| {
        vec![
            (C::LineUse, scene().line_use.judge(known)),
            (C::Idle, idle(&trips(0, 14_000))),
            (C::Down, loads.one(Direction::Down, known).unwrap()),
            (C::Up, loads.one(Direction::Up, known).unwrap()),
        ]
    };
    let scene = scene();
    let conclusion = conclude(Kind::Speed, &mut steps(&scene.known, &scene.loads));
    assert_eq!(
        conclusion.json(),
        json!({"code": "speed", "state": "good", "others": [], "values":
            {"down_kbps": 97_000, "up_kbps": 39_000, "delay_us": 14_000, "added_us": 20_000}})
    );
    let slow = Loads {
        down: Some(load(43_000, 20_000)),
        ..scene.loads
    };
    let conclusion = conclude(Kind::Speed, &mut steps(&scene.known, &slow));
    assert_eq!(conclusion.finding.code, F::LessThanPaid);
    assert_eq!(conclusion.others[0].code, F::Speed);
    let bloated = Loads {
        down: Some(load(97_000, 300_000)),
        ..scene.loads
    };
    let mut seen = steps(&scene.known, &bloated);
    assert_eq!(
        serde_json::Value::Object(seen[2].1.values.0.clone()),
        json!({"down_kbps": 97_000, "contract_down_kbps": 100_000, "percent": 97, "added_down_us": 300_000})
    );
    assert_eq!(conclude(Kind::Speed, &mut seen).finding.code, F::QueueBloat);
}

#[test]
fn a_speed_test_that_nobody_answers_says_so() {
    let skipped = |reason: Reason| Judged::skipped(&reason);
    let silent = || Reason::NoAnswer(Some("refused".to_owned()));
    let mut steps = vec![
        (C::LineUse, LineUse::default().judge(&Known::default())),
        (C::Idle, idle(&SILENT)),
        (C::Down, skipped(silent())),
        (C::Up, skipped(silent())),
    ];
    assert_eq!(
        conclude(Kind::Speed, &mut steps).finding.code,
        F::NoConnection
    );
    let unset = Reason::NotConfigured("diagnose.speed_url");
    steps[1].1 = idle(&trips(0, 14_000));
    steps[2].1 = skipped(unset.clone());
    steps[3].1 = skipped(unset);
    let conclusion = conclude(Kind::Speed, &mut steps);
    assert_eq!(conclusion.finding.code, F::NotChecked);
    assert_eq!(conclusion.finding.values.0["option"], "diagnose.speed_url");
}
