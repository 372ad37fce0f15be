//! Exponential back-off with jitter, as a value.

use std::time::Duration;

/// The shortest and the longest wait between attempts.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(10);

/// Longest time a server may ask to be left alone by `Retry-After`.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// How often in a row an exchange has failed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The exchange succeeded: the next failure waits briefly again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure: between half and the whole of a bound that doubles from one
    /// second to ten minutes. `random` spreads the agents over the half. A server's `Retry-After` is
    /// kept, spread over the quarter that follows it.
    pub fn failed(&mut self, random: u32, retry_after: Option<Duration>) -> Duration {
        let bound = FIRST
            .saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        match retry_after {
            Some(asked) => {
                let asked = asked.min(LONGEST_ASKED).max(bound / 2);
                asked + share(asked / 4, random)
            }
            None => bound / 2 + share(bound / 2, random),
        }
    }
}

/// The part `random / 2^32` of `whole`.
pub fn share(whole: Duration, random: u32) -> Duration {
    let micros = (whole.as_micros() * u128::from(random)) >> 32;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// `Retry-After` in seconds; a date is not used by our controller and counts as a minute.
pub fn retry_after(header: &str) -> Duration {
    Duration::from_secs(header.trim().parse().unwrap_or(60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_ten_minutes_and_start_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..40)
            .map(|_| backoff.failed(0, None).as_millis())
            .collect();
        assert_eq!(&waits[..4], [500, 1000, 2000, 4000]);
        assert_eq!(waits[39], 300_000);
        backoff.reset();
        assert_eq!(backoff.failed(0, None).as_millis(), 500);
    }

    proptest! {
        #[test]
        fn a_wait_is_never_shorter_than_asked(random: u32, asked in 0_u64..100_000, failures in 0_u32..50) {
            let mut backoff = Backoff { failures };
            let wait = backoff.failed(random, Some(Duration::from_secs(asked)));
            prop_assert!(wait >= Duration::from_secs(asked.min(3600)));
            let wait = backoff.failed(random, None);
            prop_assert!(wait >= FIRST / 2 && wait <= LONGEST);
        }
    }
}
