//! How many flows must be tried before a node is believed to have no further next hop.
//!
//! The rule of Augustin, Friedman and Teixeira ("Multipath tracing with Paris traceroute", 2007), in the convention that
//! Veitch, Augustin, Friedman and Teixeira ("Failure control in multipath route tracing", 2009) start from and that
//! scamper's tables have: `n_k` is the least number of flows such that, were there `k + 1` next hops of equal share, the
//! probability of not having met all of them is at most α (10, 5 or 1 %). It is a bound **per node**, not of the whole
//! path; what a node with a known number of next hops really risks under the whole sequence of `n_1, n_2, …` is
//! [`Stopping::miss_probability`].

/// Probabilities are integers of this unit: routers have no floating point.
const ONE: u64 = 1 << 52;
/// Next hops beyond which no more are looked for; wide ones of the literature have about a hundred.
const WIDTH_LIMIT: u32 = 128;

/// How surely every next hop of a node is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// α = 10 %.
    Percent90,
    /// α = 5 %.
    Percent95,
    /// α = 1 %.
    Percent99,
}

impl Confidence {
    /// In per cent.
    pub const fn percent(self) -> u8 {
        match self {
            Self::Percent90 => 90,
            Self::Percent95 => 95,
            Self::Percent99 => 99,
        }
    }

    const fn failure(self) -> u64 {
        ONE / 100 * (100 - self.percent() as u64)
    }
}

/// The stopping points, computed as they are needed.
#[derive(Clone, Debug)]
pub struct Stopping {
    confidence: Confidence,
    points: Vec<u32>,
}

impl Stopping {
    /// Those of a confidence.
    pub fn new(confidence: Confidence) -> Self {
        let mut stopping = Self {
            confidence,
            points: Vec::new(),
        };
        stopping.extend(1);
        stopping
    }

    /// Computes the stopping points up to that of `found` next hops.
    pub fn extend(&mut self, found: u32) {
        let mut known = u32::try_from(self.points.len()).unwrap_or(u32::MAX);
        while known < found.min(WIDTH_LIMIT) {
            known += 1;
            self.points
                .push(stopping_point(known, self.confidence.failure()));
        }
    }

    /// Flows after which `found` next hops are believed to be all; of none as of one. Beyond what [`Self::extend`] has
    /// computed it is the last one known.
    pub fn flows(&self, found: u32) -> u32 {
        let place = usize::try_from(found.max(1) - 1).unwrap_or(usize::MAX);
        let last = self.points.last().copied().unwrap_or_default();
        self.points.get(place).copied().unwrap_or(last)
    }

    /// How often a packet is repeated before it is believed always to go the way of the first, where `width` are known: were
    /// each as likely every time, it would do so by chance with probability `doubt` · α at most.
    pub fn repeats(&self, width: u32, doubt: u64) -> u32 {
        let failure = self.confidence.failure() * doubt;
        let mut chance = ONE;
        let mut repeats = 0;
        while chance > failure {
            chance /= u64::from(width.max(2));
            repeats += 1;
        }
        repeats
    }

    /// The probability that some of `width` next hops of equal share is missed, in units of 2⁻⁵².
    pub fn miss_probability(&mut self, width: u32) -> u64 {
        self.extend(width);
        let mut seen = Occupancy::of(width);
        let mut missed = 0;
        for found in 1..width {
            seen.draw_until(self.flows(found));
            // Who has seen just this many by now stops.
            missed += seen.stop_at(found);
        }
        missed
    }

    /// The unit of [`Self::miss_probability`].
    pub const fn unit() -> u64 {
        ONE
    }
}

fn stopping_point(found: u32, failure: u64) -> u32 {
    let mut seen = Occupancy::of(found + 1);
    while seen.incomplete() > failure {
        seen.draw();
    }
    seen.draws
}

/// How many of some equally likely things have been met after so many draws: the probability of each number.
struct Occupancy {
    things: u32,
    draws: u32,
    /// `met[j]`: the probability of having met `j + 1` of them.
    met: Vec<u64>,
}

impl Occupancy {
    /// After the first draw.
    fn of(things: u32) -> Self {
        let mut met = vec![0; usize::try_from(things).unwrap_or(1).max(1)];
        met[0] = ONE;
        Self {
            things: things.max(1),
            draws: 1,
            met,
        }
    }

    fn draw(&mut self) {
        let things = u64::from(self.things);
        // What one draw adds to a place comes from the place before it as it was.
        let mut before = 0;
        for (met, count) in self.met.iter_mut().zip(1_u64..) {
            let was = *met;
            *met = (was * count + before * (things + 1 - count)) / things;
            before = was;
        }
        self.draws += 1;
    }

    fn draw_until(&mut self, draws: u32) {
        while self.draws < draws {
            self.draw();
        }
    }

    /// The probability of not having met all.
    fn incomplete(&self) -> u64 {
        self.met.iter().rev().skip(1).sum()
    }

    /// Takes those out who have met just `found`.
    fn stop_at(&mut self, found: u32) -> u64 {
        let place = usize::try_from(found.max(1) - 1).unwrap_or(usize::MAX);
        self.met.get_mut(place).map_or(0, std::mem::take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(confidence: Confidence, count: u32) -> Vec<u32> {
        let mut stopping = Stopping::new(confidence);
        stopping.extend(count);
        (1..=count).map(|found| stopping.flows(found)).collect()
    }

    #[test]
    fn the_points_are_the_published_ones() {
        // Augustin et al. 2007 print those of 95 %; scamper's tables have both columns.
        let percent95 = [6, 11, 16, 21, 27, 33, 38, 44, 51, 57];
        let percent99 = [8, 15, 21, 28, 36, 43, 51, 58, 66, 74];
        assert_eq!(points(Confidence::Percent95, 10), percent95);
        assert_eq!(points(Confidence::Percent99, 10), percent99);
    }

    /// The closed form, by inclusion and exclusion: Σ (−1)^(i+1) C(K, i) (1 − i/K)^n.
    fn closed_form(things: i32, draws: i32) -> f64 {
        let mut choose = 1.0;
        let mut sum = 0.0;
        for i in 1..=things {
            choose = choose * f64::from(things - i + 1) / f64::from(i);
            let term = choose * (1.0 - f64::from(i) / f64::from(things)).powi(draws);
            sum += if i % 2 == 1 { term } else { -term };
        }
        sum
    }

    #[test]
    fn each_point_is_the_least_that_keeps_the_bound() {
        for (confidence, failure) in [
            (Confidence::Percent90, 0.10),
            (Confidence::Percent95, 0.05),
            (Confidence::Percent99, 0.01),
        ] {
            for (found, point) in (1..).zip(points(confidence, 24)) {
                let draws = i32::try_from(point).unwrap_or(i32::MAX);
                assert!(closed_form(found + 1, draws) <= failure, "{found}");
                assert!(closed_form(found + 1, draws - 1) > failure, "{found}");
            }
        }
    }

    #[test]
    fn what_a_node_risks_is_known() {
        let mut stopping = Stopping::new(Confidence::Percent95);
        assert_eq!(stopping.miss_probability(1), 0);
        // Six flows the same way: 2⁻⁵.
        assert_eq!(stopping.miss_probability(2), ONE / 32);
        // One next hop after 6 flows, or two after 11: 3⁻⁵ + 3·((2/3)¹¹ − 2/3¹¹) of which some stopped before.
        let three = stopping.miss_probability(3);
        let stopped_early = 3_f64.powi(-5);
        let two_of_three = 3.0 * ((2.0_f64 / 3.0).powi(11) - 2.0 * 3_f64.powi(-11));
        #[expect(clippy::cast_precision_loss, reason = "the reference is approximate")]
        let found = three as f64 / ONE as f64;
        assert!(
            found > stopped_early && found < stopped_early + two_of_three,
            "{found}"
        );
        // The sequence of stops risks a little more than each of them, never much more.
        for width in 2..=WIDTH_LIMIT {
            assert!(stopping.miss_probability(width) < ONE / 100 * 8, "{width}");
        }
    }

    #[test]
    fn repeats_are_as_sure_as_flows() {
        for (confidence, expected) in [
            (Confidence::Percent90, [4, 3, 2, 2, 1]),
            (Confidence::Percent95, [5, 3, 3, 2, 2]),
            (Confidence::Percent99, [7, 5, 4, 3, 2]),
        ] {
            let stopping = Stopping::new(confidence);
            let found = [2, 3, 4, 5, 16].map(|width| stopping.repeats(width, 1));
            assert_eq!(found, expected, "{confidence:?}");
            assert!(stopping.repeats(2, 3) < stopping.repeats(2, 1));
            // One of two: the packet and its repeats are what the first stopping point asks for.
            assert_eq!(stopping.repeats(2, 1) + 1, stopping.flows(1));
        }
    }

    #[test]
    fn absurd_widths_end() {
        let mut stopping = Stopping::new(Confidence::Percent99);
        stopping.extend(u32::MAX);
        assert_eq!(stopping.flows(u32::MAX), stopping.flows(WIDTH_LIMIT));
        assert_eq!(stopping.flows(0), stopping.flows(1));
    }
}
