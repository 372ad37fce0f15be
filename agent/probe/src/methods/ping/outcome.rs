//! From what came to the figures of the record. All arithmetic is in whole nanoseconds; milliseconds with three decimals
//! are made at the very end.

use std::net::IpAddr;

use glimpse_model::outcome::{ByteCount, Ending, Outcome};
use glimpse_net::stamp::Clocking;
use serde_json::{Map, Value};

use super::machine::Tally;

/// What a run came to, by whatever means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    /// Address measured.
    pub(super) destination: IpAddr,
    /// Packets sent.
    pub(super) sent: u32,
    /// Packets answered.
    pub(super) received: u32,
    /// Round trips in nanoseconds, in the order of sending.
    pub(super) trips_ns: Vec<u64>,
    /// Answers that could not be given a time.
    pub(super) untimed: u32,
    /// Second answers.
    pub(super) duplicates: u32,
    /// Answers that came after that of a later packet; `None` where another program does not tell.
    pub(super) reordered: Option<u32>,
    /// Lowest and highest TTL of the answers, where it is told.
    pub(super) reply_ttl: Option<(u8, u8)>,
    /// MTU that packets were too long for, where one was told.
    pub(super) mtu: Option<u32>,
    /// What gave the times: `kernel`, `monotonic`, or `system` for another program's figures.
    pub(super) timestamps: &'static str,
}

impl Figures {
    /// The figures of our own packets. One clock for all of them: the kernel's if it stamped every packet, so that no list
    /// holds figures of two kinds.
    pub(super) fn of(destination: IpAddr, tally: &Tally) -> Self {
        let kernel: Option<Vec<u64>> = tally
            .trips
            .iter()
            .map(|(sent, received)| received.kernel_since(sent))
            .collect();
        let (trips_ns, clocking) = match kernel {
            Some(trips) if !trips.is_empty() => (trips, Clocking::Kernel),
            _ => {
                let trips = tally
                    .trips
                    .iter()
                    .map(|(sent, received)| received.monotonic_since(sent))
                    .collect();
                (trips, Clocking::Monotonic)
            }
        };
        Self {
            destination,
            sent: tally.sent,
            received: tally.received,
            trips_ns,
            untimed: tally.untimed,
            duplicates: tally.duplicates,
            reordered: Some(tally.reordered),
            reply_ttl: tally.reply_ttl,
            mtu: tally.mtu,
            timestamps: clocking.as_str(),
        }
    }

    /// The `probe_result` members.
    pub(super) fn into_map(self) -> Map<String, Value> {
        let trips = &self.trips_ns;
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
        put("destination_ip", self.destination.to_string().into());
        put("round_trip_sent", self.sent.into());
        put("round_trip_received", self.received.into());
        put("round_trip_loss", loss(self.sent, self.received));
        put(
            "round_trip_ms",
            trips.iter().map(|&trip| milliseconds(trip)).collect(),
        );
        put(
            "round_trip_min",
            trips
                .iter()
                .min()
                .map_or(Value::Null, |&trip| milliseconds(trip)),
        );
        put(
            "round_trip_max",
            trips
                .iter()
                .max()
                .map_or(Value::Null, |&trip| milliseconds(trip)),
        );
        put(
            "round_trip_avg",
            average(trips).map_or(Value::Null, milliseconds),
        );
        put(
            "round_trip_stdev",
            deviation(trips).map_or(Value::Null, milliseconds),
        );
        put("round_trip_untimed", self.untimed.into());
        put("round_trip_duplicates", self.duplicates.into());
        put("round_trip_reordered", self.reordered.into());
        put("reply_ttl_min", self.reply_ttl.map(|ttl| ttl.0).into());
        put("reply_ttl_max", self.reply_ttl.map(|ttl| ttl.1).into());
        put("path_mtu_bytes", self.mtu.into());
        put("timestamps", self.timestamps.into());
        map
    }
}

/// The outcome of a run whose packets were ours or another program's. Nothing sent at all is a failure; total loss is not.
pub(super) fn outcome(figures: Figures, faults: &[(String, u32)], bytes: ByteCount) -> Outcome {
    let ending = if figures.sent == 0 {
        Ending::Failed
    } else {
        Ending::Done
    };
    let told: Vec<String> = faults
        .iter()
        .map(|(reason, times)| {
            if *times == 1 {
                reason.clone()
            } else {
                format!("{reason} ({times} times)")
            }
        })
        .collect();
    let error = (!told.is_empty()).then(|| told.join("; "));
    Outcome {
        exit: None,
        ending,
        probe_result: figures.into_map(),
        error,
        bytes,
    }
}

/// Nanoseconds as milliseconds with three decimals.
fn milliseconds(ns: u64) -> Value {
    // A round trip is at most the 60 s of the longest time-out: 6 × 10⁷ µs.
    let us = u32::try_from((ns + 500) / 1000).unwrap_or(u32::MAX);
    Value::from(f64::from(us) / 1000.0)
}

/// Lost packets as a share of those sent, 0 to 1; null when none was.
fn loss(sent: u32, received: u32) -> Value {
    if sent == 0 {
        return Value::Null;
    }
    Value::from(f64::from(sent.saturating_sub(received)) / f64::from(sent))
}

fn average(trips: &[u64]) -> Option<u64> {
    let count = u128::try_from(trips.len())
        .ok()
        .filter(|&count| count > 0)?;
    let sum: u128 = trips.iter().map(|&trip| u128::from(trip)).sum();
    u64::try_from(sum / count).ok()
}

/// Population standard deviation.
fn deviation(trips: &[u64]) -> Option<u64> {
    let count = u128::try_from(trips.len())
        .ok()
        .filter(|&count| count > 0)?;
    let sum: u128 = trips.iter().map(|&trip| u128::from(trip)).sum();
    let squares: u128 = trips
        .iter()
        .map(|&trip| u128::from(trip) * u128::from(trip))
        .sum();
    // √(n·Σx² − (Σx)²) / n; a thousand trips of a minute fit 93 bits.
    u64::try_from((count * squares - sum * sum).isqrt() / count).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use glimpse_net::stamp::Stamp;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn figures(sent: u32, trips_ns: Vec<u64>) -> Figures {
        let received = u32::try_from(trips_ns.len()).unwrap();
        let destination = [192, 0, 2, 1].into();
        Figures {
            destination,
            sent,
            received,
            trips_ns,
            untimed: 0,
            duplicates: 0,
            reordered: Some(2),
            reply_ttl: Some((60, 61)),
            mtu: None,
            timestamps: "kernel",
        }
    }

    #[test]
    fn figures_are_milliseconds_with_microseconds() {
        let map = figures(4, vec![47_000, 49_499, 1_000_000]).into_map();
        assert_eq!(
            Value::Object(map),
            json!({
                "destination_ip": "192.0.2.1",
                "round_trip_sent": 4,
                "round_trip_received": 3,
                "round_trip_loss": 0.25,
                "round_trip_ms": [0.047, 0.049, 1.0],
                "round_trip_min": 0.047,
                "round_trip_max": 1.0,
                "round_trip_avg": 0.365,
                "round_trip_stdev": 0.449,
                "round_trip_untimed": 0,
                "round_trip_duplicates": 0,
                "round_trip_reordered": 2,
                "reply_ttl_min": 60,
                "reply_ttl_max": 61,
                "path_mtu_bytes": null,
                "timestamps": "kernel",
            })
        );
    }

    #[test]
    fn nothing_answered_is_null_not_garbage() {
        let map = figures(3, vec![]).into_map();
        assert_eq!(map["round_trip_loss"], json!(1.0));
        assert_eq!(map["round_trip_ms"], json!([]));
        for name in [
            "round_trip_min",
            "round_trip_max",
            "round_trip_avg",
            "round_trip_stdev",
        ] {
            assert_eq!(map[name], Value::Null, "{name}");
        }
    }

    #[test]
    fn one_packet_without_a_kernel_stamp_turns_all_to_the_monotonic_clock() {
        let sent = Stamp {
            monotonic_ns: 0,
            kernel_ns: Some(5_000),
        };
        let received = Stamp {
            monotonic_ns: 90_000,
            kernel_ns: Some(75_000),
        };
        let mut tally = Tally {
            sent: 2,
            received: 2,
            trips: vec![(sent, received); 2],
            ..Tally::default()
        };
        let stamped = Figures::of([192, 0, 2, 1].into(), &tally);
        assert_eq!(
            (stamped.timestamps, stamped.trips_ns),
            ("kernel", vec![70_000, 70_000])
        );
        tally.trips[1].0.kernel_ns = None;
        let mixed = Figures::of([192, 0, 2, 1].into(), &tally);
        assert_eq!(
            (mixed.timestamps, mixed.trips_ns),
            ("monotonic", vec![90_000, 90_000])
        );
    }

    #[test]
    fn faults_are_told_and_nothing_sent_is_a_failure() {
        let faults = [("a".to_owned(), 1), ("b".to_owned(), 3)];
        let failed = outcome(figures(0, vec![]), &faults, ByteCount::default());
        assert_eq!(failed.ending, Ending::Failed);
        assert_eq!(failed.error.as_deref(), Some("a; b (3 times)"));
        assert_eq!(failed.probe_result["round_trip_loss"], Value::Null);
        let done = outcome(figures(1, vec![]), &[], ByteCount::default());
        assert_eq!((done.ending, done.error), (Ending::Done, None));
    }

    proptest! {
        #[test]
        fn statistics_agree_with_floating_point(trips in proptest::collection::vec(0..60_000_000_000_u64, 1..1000)) {
            #[expect(clippy::cast_precision_loss, reason = "the reference is approximate")]
            let floats: Vec<f64> = trips.iter().map(|&trip| trip as f64).collect();
            #[expect(clippy::cast_precision_loss, reason = "the reference is approximate")]
            let count = floats.len() as f64;
            let mean = floats.iter().sum::<f64>() / count;
            let variance = floats.iter().map(|trip| (trip - mean).powi(2)).sum::<f64>() / count;
            #[expect(clippy::cast_precision_loss, reason = "the reference is approximate")]
            let (found_mean, found_deviation) = (average(&trips).unwrap() as f64, deviation(&trips).unwrap() as f64);
            prop_assert!((found_mean - mean).abs() < 2.0);
            prop_assert!((found_deviation - variance.sqrt()).abs() < 100.0);
        }
    }
}
