#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::public::{Calendar, Contents};
use crate::{Clusters, Facts, Labels, Ledger, Percentile, Row, Rules, TOTAL, Trust};

const HOUR_US: i64 = 3_600_000_000;

fn public() -> Public {
    let mut ledger = Ledger::default();
    let window = Window::day_of(0);
    let mut state = ledger
        .observe(window, i64::MAX, &Clusters::PerTarget, Trust::default())
        .unwrap();
    for (subscriber, hour) in (0..60).flat_map(|n| (0..24).map(move |hour| (n, hour))) {
        state.add(&Row {
            subscriber: &format!("agent-{subscriber}"),
            labels: Labels {
                isp: Some("as1"),
                ..Labels::default()
            },
            metric: Metric::DelayRt,
            target: "192.0.2.1",
            values: &[10_000 + subscriber, 20_000],
            start_us: hour * HOUR_US,
            received_us: hour * HOUR_US,
            facts: Facts {
                cpu_percent: Some(if hour == 3 && subscriber % 2 == 0 {
                    99
                } else {
                    1
                }),
                ..Facts::default()
            },
        });
    }
    let rules = Rules {
        statistics: BTreeMap::from([(
            Metric::DelayRt,
            vec![
                Statistic::Median,
                Statistic::Percentile(Percentile::new(95).unwrap()),
            ],
        )]),
        calendars: BTreeMap::from([(Metric::DelayRt, vec![Calendar::HourOfDay])]),
        ..Rules::default()
    };
    ledger.release(state, &rules).unwrap()
}

#[test]
fn figures_come_back_as_they_were() {
    let public = public();
    let cell = public.cell(Metric::DelayRt, "as1", TOTAL).unwrap();
    assert!(cell.figure(Statistic::Median).unwrap().confidence.is_some());
    assert!(
        cell.calendar(Calendar::HourOfDay, Statistic::Median)
            .is_some()
    );
    assert!(public.filtered().results(Reason::CpuLoad).is_some());
    let bytes = public.to_bytes();
    assert_eq!(Public::from_bytes(&bytes).unwrap(), public);
    assert_eq!(Public::from_bytes(&bytes).unwrap().to_bytes(), bytes);
}

#[test]
fn what_does_not_hold_together_is_not_read() {
    let of = |change: &dyn Fn(&mut Public)| {
        let mut broken = public();
        change(&mut broken);
        Public::from_bytes(&broken.to_bytes()).unwrap_err()
    };
    assert_eq!(of(&|p| p.cells[0].place = 9), Unreadable::Index);
    assert_eq!(of(&|p| p.cells[0].cluster = Some(9)), Unreadable::Index);
    assert_eq!(
        of(&|p| p.cells[0].metric = Metric::DnsRt),
        Unreadable::Order
    );
    let day = |p: &mut Public| {
        let contents = Contents {
            calendars: vec![(Calendar::DayOfWindow, Statistic::Median)],
            ..Contents::default()
        };
        let mut out = Writer::default();
        contents.write(&p.window, &p.operators, &mut out);
        p.cells.truncate(1);
        p.cells[0].end = out.0.len();
        p.bytes = out.0;
    };
    assert_eq!(of(&day), Unreadable::Calendar, "a day has one day");
    let bytes = public().to_bytes();
    let read = |bytes: &[u8]| Public::from_bytes(bytes).unwrap_err();
    assert_eq!(read(&[&bytes, &[0][..]].concat()), Unreadable::Long);
    assert_eq!(read(&[0x1f, 0x8b, 8, 0]), Unreadable::Layout);
    let with = |tail: &[u8]| read(&[MARK, tail].concat());
    assert_eq!(with(&[0, 0]), Unreadable::Window(WindowError));
    assert_eq!(with(&[0, 2, 1, 4]), Unreadable::K(KError(4)));
    assert_eq!(with(&[0xff; 12]), Unreadable::Number);
    let after = |head: &[u8], tail: &[u8]| with(&[&[0, 2, 1, 5], head, tail].concat());
    let signal = [80, 0, 0x80, 0x80, 0x80, 0x80, 0x10, 0];
    assert_eq!(after(&signal, &[]), Unreadable::Number, "2³¹ dBm");
    let trust = [80, 0, 139, 1, 0];
    assert_eq!(after(&trust, &[0, 1, 0, 1, 0xff]), Unreadable::Text);
    assert_eq!(after(&trust, &[0, 1, 9]), Unreadable::Number);
    assert!(matches!(
        after(&trust, &[0, 0, 0, 1, 1, b'x']),
        Unreadable::Statistic(_)
    ));
}

#[test]
fn no_beginning_is_a_whole() {
    let bytes = public().to_bytes();
    for end in MARK.len()..bytes.len() {
        let read = Public::from_bytes(&bytes[..end]);
        assert_eq!(read.unwrap_err(), Unreadable::Short, "{end}");
    }
}

proptest! {
    #[test]
    fn filters_come_back(
        cpu_percent in any::<u32>(),
        cross_traffic_bps in any::<u64>(),
        wifi_dbm in any::<i32>(),
        clock_offset_us in any::<u64>(),
    ) {
        let trust = Trust { cpu_percent, cross_traffic_bps, wifi_dbm, clock_offset_us };
        let mut ledger = Ledger::default();
        let state = ledger.observe(Window::day_of(0), 0, &Clusters::PerTarget, trust);
        let public = ledger.release(state.unwrap(), &Rules::default()).unwrap();
        prop_assert_eq!(public.trust(), trust);
        prop_assert_eq!(Public::from_bytes(&public.to_bytes()), Ok(public));
    }

    #[test]
    fn numbers_of_either_sign_come_back(number in any::<u64>(), shift in 0_u32..64, us in any::<i64>()) {
        let mut out = Writer(Vec::new());
        out.number(number >> shift);
        out.signed(us);
        let mut from = Reader(&out.0);
        prop_assert_eq!(from.number::<u64>(), Ok(number >> shift));
        prop_assert_eq!(from.signed(), Ok(us));
        prop_assert!(from.0.is_empty());
    }

    #[test]
    fn foreign_bytes_do_no_harm(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = public().to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(public) = Public::from_bytes(&bytes) {
            for metric in Metric::ALL {
                prop_assert!(public.cells(metric).count() <= public.cells.len());
            }
        }
    }
}
