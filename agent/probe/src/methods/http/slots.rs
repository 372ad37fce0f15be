//! When which bytes came: the arithmetic of ramp-up, measured time and slots. Pure; times are nanoseconds of one monotonic
//! clock, rates are bits per second in whole numbers.

use serde_json::{Map, Value};

const NS_PER_MS: u64 = 1_000_000;

/// The measured time of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When the requests were sent, all together.
    pub start_ns: u64,
    /// From then until bytes begin to count, in nanoseconds.
    pub ramp_ns: u64,
    /// For how long they count, in nanoseconds.
    pub target_ns: u64,
    /// Length of a slot, in nanoseconds; the last one may be shorter.
    pub slot_ns: u64,
}

impl Span {
    /// A span from `start_ns` by the options, which are in milliseconds.
    pub const fn new(start_ns: u64, ramp_ms: u64, target_ms: u64, slot_ms: u64) -> Self {
        Self {
            start_ns,
            ramp_ns: ramp_ms.saturating_mul(NS_PER_MS),
            target_ns: target_ms.saturating_mul(NS_PER_MS),
            slot_ns: if slot_ms == 0 {
                NS_PER_MS
            } else {
                slot_ms.saturating_mul(NS_PER_MS)
            },
        }
    }

    /// When bytes begin to count.
    pub const fn begin_ns(&self) -> u64 {
        self.start_ns.saturating_add(self.ramp_ns)
    }

    /// When they cease to.
    pub const fn end_ns(&self) -> u64 {
        self.begin_ns().saturating_add(self.target_ns)
    }

    /// How much of the measured time has passed at `now_ns`, in nanoseconds.
    pub const fn measured_ns(&self, now_ns: u64) -> u64 {
        let passed = now_ns.saturating_sub(self.begin_ns());
        if passed < self.target_ns {
            passed
        } else {
            self.target_ns
        }
    }
}

/// The bytes of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    span: Span,
    slots: Vec<u64>,
    total: u64,
}

impl Lane {
    /// Nothing yet.
    pub fn new(span: Span) -> Self {
        let slots = span.target_ns.div_ceil(span.slot_ns.max(1));
        Self {
            span,
            slots: vec![0; usize::try_from(slots).unwrap_or_default()],
            total: 0,
        }
    }

    /// `bytes` came or were acknowledged at `now_ns`.
    pub fn add(&mut self, now_ns: u64, bytes: u64) {
        self.total = self.total.saturating_add(bytes);
        let Some(passed) = now_ns.checked_sub(self.span.begin_ns()) else {
            return;
        };
        let slot = usize::try_from(passed / self.span.slot_ns.max(1)).unwrap_or(usize::MAX);
        // The last slot may be shorter than the others: what comes after the end must not fall into it.
        if passed < self.span.target_ns
            && let Some(slot) = self.slots.get_mut(slot)
        {
            *slot = slot.saturating_add(bytes);
        }
    }

    /// All bytes, those of the ramp-up and after the end included.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The figures of a run that ended at `ended_ns`.
    pub fn rates(&self, ended_ns: u64) -> Rates {
        let measured = self.span.measured_ns(ended_ns);
        let counted = self.slots.iter().sum();
        let slots = (0_u64..)
            .zip(&self.slots)
            .map(|(index, &bytes)| {
                let begun = index.saturating_mul(self.span.slot_ns);
                let length = measured.saturating_sub(begun).min(self.span.slot_ns);
                (bytes, length)
            })
            // A rate over a splinter of time would be noise.
            .filter(|&(_, length)| length > 0 && length >= self.span.slot_ns / 2)
            .filter_map(|(bytes, length)| bits_per_second(bytes, length))
            .collect();
        Rates {
            avg: bits_per_second(counted, measured),
            slots,
        }
    }
}

/// Bits per second of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Over the measured time; `None` when the run ended before it began.
    pub avg: Option<u64>,
    /// Of each slot of which at least half was measured.
    pub slots: Vec<u64>,
}

impl Rates {
    /// Population standard deviation of the slots; `None` with fewer than two.
    pub fn deviation(&self) -> Option<u64> {
        let count = u128::try_from(self.slots.len())
            .ok()
            .filter(|&count| count > 1)?;
        let sum: u128 = self.slots.iter().map(|&rate| u128::from(rate)).sum();
        let mean = sum / count;
        let squares: u128 = self
            .slots
            .iter()
            .map(|&rate| u128::from(rate).abs_diff(mean).pow(2))
            .sum();
        u64::try_from((squares / count).isqrt()).ok()
    }

    /// The members of the record: `avg`, `min`, `max`, `stdev`, `slots`.
    pub fn into_map(self) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("avg".to_owned(), self.avg.into());
        map.insert("min".to_owned(), self.slots.iter().min().copied().into());
        map.insert("max".to_owned(), self.slots.iter().max().copied().into());
        map.insert("stdev".to_owned(), self.deviation().into());
        map.insert("slots".to_owned(), self.slots.into());
        map
    }
}

/// `bytes` in `length_ns`; `None` in no time.
pub fn bits_per_second(bytes: u64, length_ns: u64) -> Option<u64> {
    let bits = u128::from(bytes) * 8 * 1_000_000_000;
    u64::try_from(bits.checked_div(u128::from(length_ns))?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const MS: u64 = NS_PER_MS;

    #[test]
    fn bytes_fall_into_their_slots_and_the_ramp_up_counts_nowhere() {
        let span = Span::new(5 * MS, 1000, 2000, 500);
        let mut lane = Lane::new(span);
        lane.add(5 * MS, 999);
        lane.add(1005 * MS - 1, 999);
        lane.add(1005 * MS, 125);
        lane.add(1504 * MS, 125);
        lane.add(1505 * MS, 1000);
        lane.add(3005 * MS - 1, 250);
        lane.add(3005 * MS, 999);
        let rates = lane.rates(3005 * MS);
        assert_eq!(rates.slots, [4000, 16_000, 0, 4000]);
        assert_eq!(rates.avg, Some(6000));
        assert_eq!(lane.total(), 3 * 999 + 1500);
        assert_eq!(
            Value::Object(rates.into_map()),
            json!({"avg": 6000, "min": 0, "max": 16_000, "stdev": 6000, "slots": [4000, 16_000, 0, 4000]})
        );
    }

    #[test]
    fn a_last_slot_is_as_long_as_what_is_left() {
        let mut lane = Lane::new(Span::new(0, 0, 2500, 1000));
        lane.add(2400 * MS, 1000);
        lane.add(2600 * MS, 1000);
        // 1000 bytes in the half second that the last slot has.
        assert_eq!(lane.rates(9000 * MS).slots, [0, 0, 16_000]);
        let mut lane = Lane::new(Span::new(0, 0, 2400, 1000));
        lane.add(2300 * MS, 1000);
        assert_eq!(lane.rates(9000 * MS).slots, [0, 0]);
    }

    #[test]
    fn a_run_that_ended_early_is_measured_by_what_it_had() {
        let span = Span::new(0, 1000, 4000, 1000);
        let mut lane = Lane::new(span);
        lane.add(1500 * MS, 1000);
        lane.add(2100 * MS, 500);
        let rates = lane.rates(2600 * MS);
        assert_eq!(rates.slots, [8000, 6666]);
        assert_eq!(rates.avg, Some(7500));
        let before = lane.rates(900 * MS);
        assert_eq!(
            (before.avg, before.slots.len(), before.deviation()),
            (None, 0, None)
        );
    }

    proptest! {
        #[test]
        fn slots_together_are_the_average(
            bytes in proptest::collection::vec((0..14_000_u64, 0..1_000_000_000_u64), 0..200),
            ramp in 1000..3000_u64, slots in 1..8_u64, slot in 250..1000_u64,
        ) {
            let span = Span::new(77, ramp, slots * slot, slot);
            let mut lane = Lane::new(span);
            for (ms, bytes) in bytes {
                lane.add(ms * MS, bytes);
            }
            let rates = lane.rates(span.end_ns());
            prop_assert_eq!(rates.slots.len() as u64, slots);
            let mean = rates.slots.iter().sum::<u64>() / slots;
            prop_assert!(rates.avg.unwrap().abs_diff(mean) <= 1 + slots);
            prop_assert!(rates.deviation().unwrap_or(0) <= rates.slots.iter().max().unwrap() - rates.slots.iter().min().unwrap());
        }
    }
}
