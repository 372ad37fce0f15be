//! Cutting the time of a flow into slices. Pure: times are nanoseconds of one monotonic clock.

/// What came in which slice. The clock starts with the first byte.
#[derive(Clone, Debug)]
pub struct Slices {
    ramp_up_ns: u64,
    slice_ns: u64,
    wanted: usize,
    first_ns: Option<u64>,
    full: Vec<u64>,
    current: u64,
    bytes: u64,
}

impl Slices {
    /// `wanted` slices of `slice_ns` after `ramp_up_ns` that do not count.
    pub fn new(ramp_up_ns: u64, slice_ns: u64, wanted: usize) -> Self {
        Self {
            ramp_up_ns,
            slice_ns: slice_ns.max(1),
            wanted,
            first_ns: None,
            full: Vec::new(),
            current: 0,
            bytes: 0,
        }
    }

    /// Takes `bytes` that came at `now_ns`; `true` when all slices are full.
    pub fn take(&mut self, now_ns: u64, bytes: u64) -> bool {
        let first = *self.first_ns.get_or_insert(now_ns);
        self.bytes = self.bytes.saturating_add(bytes);
        self.pass(now_ns);
        if now_ns.saturating_sub(first) >= self.ramp_up_ns {
            self.current = self.current.saturating_add(bytes);
        }
        self.full.len() >= self.wanted
    }

    /// Closes the slices whose time has passed.
    pub fn pass(&mut self, now_ns: u64) {
        let Some(first) = self.first_ns else { return };
        while self.full.len() < self.wanted {
            let end = self.end_of(self.full.len(), first);
            if now_ns < end {
                break;
            }
            self.full.push(std::mem::take(&mut self.current));
        }
    }

    /// When the last slice ends; `None` before the first byte.
    pub fn end_ns(&self) -> Option<u64> {
        Some(self.end_of(self.wanted.saturating_sub(1), self.first_ns?))
    }

    fn end_of(&self, slice: usize, first: u64) -> u64 {
        let slices = u64::try_from(slice).unwrap_or(u64::MAX).saturating_add(1);
        first
            .saturating_add(self.ramp_up_ns)
            .saturating_add(self.slice_ns.saturating_mul(slices))
    }

    /// Bytes in all.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of each whole slice.
    pub fn full(&self) -> &[u64] {
        &self.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ramp_up_does_not_count_and_a_pause_is_a_slice_of_nothing() {
        let mut slices = Slices::new(100, 10, 4);
        assert_eq!(slices.end_ns(), None);
        assert!(!slices.take(1_000, 7));
        assert!(!slices.take(1_099, 7));
        assert_eq!(slices.end_ns(), Some(1_140));
        assert!(!slices.take(1_100, 1));
        assert!(!slices.take(1_109, 2));
        assert!(!slices.take(1_131, 5));
        assert_eq!(slices.full(), [3, 0, 0]);
        assert!(slices.take(1_140, 9), "that is beyond the last");
        assert_eq!(slices.full(), [3, 0, 0, 5]);
        assert_eq!(slices.bytes(), 7 + 7 + 1 + 2 + 5 + 9);
    }

    #[test]
    fn a_flow_that_stops_early_has_its_whole_slices() {
        let mut slices = Slices::new(0, 10, 4);
        slices.take(0, 5);
        slices.take(15, 5);
        slices.pass(19);
        assert_eq!(slices.full(), [5]);
    }
}
