//! How often something may happen: a burst, then evenly.

/// A bucket of places that fill again one by one. Times are microseconds of the steady clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    burst: i64,
    every_us: i64,
    /// When it is full again.
    full_us: i64,
}

impl Pace {
    /// `burst` at once, then one each `every_us`.
    pub(super) const fn new(burst: i64, every_us: i64) -> Self {
        Self {
            burst,
            every_us,
            full_us: i64::MIN,
        }
    }

    /// How long until the next may be.
    pub(super) const fn wait_us(&self, now_us: i64) -> i64 {
        let spare = self.every_us.saturating_mul(self.burst.saturating_sub(1));
        let wait = self.full_us.saturating_sub(spare).saturating_sub(now_us);
        if wait > 0 { wait } else { 0 }
    }

    /// One happens, or is going to happen after [`Pace::wait_us`].
    pub(super) fn take(&mut self, now_us: i64) {
        self.full_us = self.full_us.max(now_us).saturating_add(self.every_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_burst_one_follows_the_other() {
        let mut pace = Pace::new(3, 10);
        for _ in 0..3 {
            assert_eq!(pace.wait_us(5), 0);
            pace.take(5);
        }
        assert_eq!((pace.wait_us(5), pace.wait_us(14)), (10, 1));
        assert_eq!(pace.wait_us(15), 0);
        pace.take(15);
        assert_eq!(pace.wait_us(15), 10, "one place came back in that time");
        assert_eq!(pace.wait_us(1000), 0);
        let mut free = 0;
        while pace.wait_us(1000) == 0 {
            pace.take(1000);
            free += 1;
        }
        assert_eq!(free, 3, "what was not used does not add up");
    }
}
