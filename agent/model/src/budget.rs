//! The monthly account of donated traffic.
//!
//! A run reserves its worst case before it starts and is settled with the bytes counted at its
//! sockets. What is reserved counts as used until then, so the cap cannot be passed, and an
//! account that was written while runs were open errs on the side of the household.

use crate::time::{Month, Timestamp};

/// A monthly account, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    month: Month,
    used: u64,
    reserved: u64,
    /// The month that was left last, with what was used in it.
    left: Option<(Month, u64)>,
}

/// Bytes set aside for one run; give it back by [`Ledger::settle`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reservation that is not settled blocks its bytes for the month"]
pub struct Reservation {
    bytes: u64,
    month: Month,
}

/// The cap does not leave room for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not enough traffic available")]
pub struct Exhausted {
    /// Bytes left under the cap.
    pub available: u64,
    /// Bytes the run may need.
    pub needed: u64,
}

impl Ledger {
    /// An account of `month` with `used` bytes.
    pub fn new(month: Month, used: u64) -> Self {
        Self {
            month,
            used,
            reserved: 0,
            left: None,
        }
    }

    /// The month of the account.
    pub fn month(&self) -> Month {
        self.month
    }

    /// Bytes used this month, open reservations included.
    pub fn used(&self) -> u64 {
        self.used.saturating_add(self.reserved)
    }

    /// Bytes left under `cap`; 0 when the cap was lowered below what is used.
    pub fn available(&self, cap: u64) -> u64 {
        cap.saturating_sub(self.used())
    }

    /// Opens a new month when `now` is in another one, also after having been off at its start.
    /// When the clock was set back the figures stay, under the earlier month's name; a month that is
    /// come back to has at least what it had. `now` must come from a clock that is trusted: a router
    /// that boots in 1970 must not open a month.
    pub fn roll(&mut self, now: Timestamp) {
        let month = now.month();
        if month == self.month {
            return;
        }
        let before = match self.left {
            Some((left, used)) if left == month => used,
            _ => 0,
        };
        self.left = Some((self.month, self.used));
        self.used = if month < self.month {
            self.used.max(before)
        } else {
            before
        };
        self.month = month;
    }

    /// Sets the worst case of a run aside.
    ///
    /// # Errors
    /// [`Exhausted`] when less than `worst` is left under `cap`.
    pub fn reserve(
        &mut self,
        now: Timestamp,
        cap: u64,
        worst: u64,
    ) -> Result<Reservation, Exhausted> {
        self.roll(now);
        let available = self.available(cap);
        if worst > available {
            return Err(Exhausted {
                available,
                needed: worst,
            });
        }
        self.reserved = self.reserved.saturating_add(worst);
        Ok(Reservation {
            bytes: worst,
            month: self.month,
        })
    }

    /// Closes a reservation with the bytes really used. A run that began last month is charged to
    /// the month it began in, which is closed.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a reservation is settled once"
    )]
    pub fn settle(&mut self, reservation: Reservation, counted: u64) {
        self.reserved = self.reserved.saturating_sub(reservation.bytes);
        if reservation.month >= self.month {
            self.used = self.used.saturating_add(counted);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn glimpse_check_48_the_cap_holds_until_the_month_rolls_over() {
        let november = at("2026-11-30T23:00:00Z");
        let mut ledger = Ledger::new(november.month(), 0);
        for _ in 0..100 {
            let run = ledger.reserve(november, 100_000, 1000).unwrap();
            ledger.settle(run, 1000);
        }
        let refused = ledger.reserve(november, 100_000, 1000).unwrap_err();
        assert_eq!(refused.to_string(), "not enough traffic available");
        // Off at midnight: the first question in December opens the month.
        let run = ledger
            .reserve(at("2026-12-02T08:00:00Z"), 100_000, 1000)
            .unwrap();
        ledger.settle(run, 700);
        assert_eq!(ledger.used(), 700);
    }

    #[test]
    fn glimpse_check_49_a_cap_lowered_below_the_used_amount_stops_everything() {
        let now = at("2026-11-10T00:00:00Z");
        let mut ledger = Ledger::new(now.month(), 300_000_000);
        assert_eq!(ledger.available(200_000_000), 0);
        assert!(ledger.reserve(now, 200_000_000, 1).is_err());
        assert!(ledger.reserve(now, 400_000_000, 1).is_ok());
    }

    #[test]
    fn a_clock_set_back_gives_nothing_away() {
        let mut ledger = Ledger::new(at("2026-11-10T00:00:00Z").month(), 5);
        for (time, month) in [
            ("2026-10-31T23:59:00Z", "2026-10"),
            ("2026-11-10T00:00:00Z", "2026-11"),
            ("2027-11-10T00:00:00Z", "2027-11"),
        ] {
            ledger.roll(at(time));
            assert_eq!(ledger.month().to_string(), month);
        }
        assert_eq!(ledger.used(), 0, "a year later");
        ledger.roll(at("2026-11-10T00:00:00Z"));
        assert_eq!(ledger.used(), 5, "and back");
    }

    #[test]
    fn a_run_over_midnight_belongs_to_the_month_it_began_in() {
        let mut ledger = Ledger::new(at("2026-11-10T00:00:00Z").month(), 0);
        let run = ledger
            .reserve(at("2026-11-30T23:59:59Z"), 1000, 600)
            .unwrap();
        ledger.roll(at("2026-12-01T00:00:01Z"));
        ledger.settle(run, 500);
        assert_eq!(ledger.used(), 0);
    }

    proptest! {
        #[test]
        fn used_never_exceeds_the_cap(
            cap in 0_u64..10_000,
            runs in proptest::collection::vec((0_u64..3_000, 0_u64..100, any::<bool>()), 0..60),
        ) {
            let now = Timestamp::from_micros(1_700_000_000_000_000);
            let mut ledger = Ledger::new(now.month(), 0);
            let mut open = Vec::new();
            for (worst, percent, close) in runs {
                if let Ok(run) = ledger.reserve(now, cap, worst) {
                    open.push((run, worst * percent / 100));
                }
                if close && !open.is_empty() {
                    let (run, counted) = open.remove(0);
                    ledger.settle(run, counted);
                }
                prop_assert!(ledger.used() <= cap);
            }
        }
    }
}
