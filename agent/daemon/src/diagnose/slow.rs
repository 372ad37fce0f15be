//! What the steps of "Internet is slow" and of the speed test have seen, and what each means by itself. Pure.

mod load;

pub use load::{Load, Loads};

use super::finding::{FindingCode as F, Judged, Reason, State};
use super::values::{Families, Values};
use crate::local::series::Figure;
use crate::local::verdict::{Against, Verdict, percent};
use glimpse_model::time::Timestamp;

/// A line counts as in use from this share of its known speed, in percent; as a little used from the other.
const IN_USE: (u64, u64) = (50, 25);
/// The same of a line whose speed nobody knows, in kbit/s; it is never more than a little used.
const IN_USE_KBPS: u64 = 5_000;
/// Signals weaker than this are bad, than the other fair, in dBm.
const WEAK_DBM: (i32, i32) = (-75, -67);
/// Wi-Fi rates below this are bad, below the other fair, in kbit/s.
const SLOW_WIFI_KBPS: (u64, u64) = (12_000, 30_000);
/// A processor is the limit from the first share, and near it from the second, in percent.
const BUSY: (u32, u32) = (90, 75);
/// One version of the Internet Protocol is slower than the other by this much, in microseconds.
const SLOWER_US: u64 = 30_000;

/// A state by the table of verdicts.
fn state(verdict: Verdict) -> State {
    match verdict {
        Verdict::Good | Verdict::Unknown => State::Good,
        Verdict::Fair => State::Fair,
        Verdict::Poor => State::Bad,
    }
}

fn worse(a: State, b: State) -> State {
    match (a, b) {
        (State::Bad, _) | (_, State::Bad) => State::Bad,
        (State::Fair, _) | (_, State::Fair) => State::Fair,
        _ => State::Good,
    }
}

/// A direction of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the home.
    Down,
    /// From it.
    Up,
}

impl Direction {
    /// The word in names of values, and of the method's option.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
        }
    }
}

/// Speeds of both directions, in kbit/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Speeds {
    /// To the home.
    pub down_kbps: Option<u64>,
    /// From it.
    pub up_kbps: Option<u64>,
}

impl Speeds {
    /// That of a direction.
    pub const fn of(&self, direction: Direction) -> Option<u64> {
        match direction {
            Direction::Down => self.down_kbps,
            Direction::Up => self.up_kbps,
        }
    }
}

/// What is known of the line beforehand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// What the household pays for.
    pub contract: Speeds,
    /// The medians of the last 28 days.
    pub median: Speeds,
}

impl Known {
    fn against(&self, direction: Direction) -> Option<Against> {
        Against::of(self.contract.of(direction), self.median.of(direction))
    }

    /// What the line was seen to carry, or else should: the contract may promise more than the line can.
    fn speed(&self, direction: Direction) -> Option<u64> {
        let median = self.median.of(direction).filter(|&kbps| kbps > 0);
        median
            .or(self.contract.of(direction))
            .filter(|&kbps| kbps > 0)
    }
}

/// What the home moves over the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineUse {
    /// To the home, in kbit/s.
    pub down_kbps: u64,
    /// From it.
    pub up_kbps: u64,
}

impl LineUse {
    /// What it means.
    pub fn judge(self, known: &Known) -> Judged {
        let share = |used, direction| Some(percent(used, known.speed(direction)?));
        let down = share(self.down_kbps, Direction::Down);
        let up = share(self.up_kbps, Direction::Up);
        let (direction, fullest) = if up > down {
            (Direction::Up, up)
        } else {
            (Direction::Down, down)
        };
        let used = Values::new()
            .number("down_kbps", Some(self.down_kbps))
            .number("up_kbps", Some(self.up_kbps));
        let values = used
            .clone()
            .number("of_down_kbps", known.speed(Direction::Down))
            .number("of_up_kbps", known.speed(Direction::Up))
            .number("percent", fullest);
        let state = match fullest {
            Some(share) if share > IN_USE.0 => State::Bad,
            Some(share) if share > IN_USE.1 => State::Fair,
            None if self.down_kbps.max(self.up_kbps) > IN_USE_KBPS => State::Fair,
            _ => return Judged::good(values),
        };
        let direction = match fullest {
            None if self.up_kbps > self.down_kbps => Direction::Up,
            _ => direction,
        };
        let figures = used
            .number("of_kbps", known.speed(direction))
            .number("percent", fullest)
            .text("direction", Some(direction.as_str()));
        Judged::found(state, values, F::LineInUse, figures)
    }
}

/// The association of the asking device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Station {
    /// Its signal as the router hears it.
    pub signal_dbm: Option<i32>,
    /// What is heard without it.
    pub noise_dbm: Option<i32>,
    /// The rate of the last packets from it.
    pub rx_kbps: Option<u64>,
    /// The rate of the last packets to it.
    pub tx_kbps: Option<u64>,
}

impl Station {
    /// What it means.
    pub fn judge(self) -> Judged {
        let rate_kbps = self.rx_kbps.into_iter().chain(self.tx_kbps).min();
        let values = Values::new()
            .number("signal_dbm", self.signal_dbm)
            .number("noise_dbm", self.noise_dbm)
            .number("rx_kbps", self.rx_kbps)
            .number("tx_kbps", self.tx_kbps);
        let weak = |dbm| self.signal_dbm.is_some_and(|signal| signal < dbm);
        let slow = |kbps| rate_kbps.is_some_and(|rate| rate < kbps);
        // A device at rest keeps a low rate in spite of a good signal: alone it is no proof.
        let state = if weak(WEAK_DBM.0) || (weak(WEAK_DBM.1) && slow(SLOW_WIFI_KBPS.0)) {
            State::Bad
        } else if weak(WEAK_DBM.1) || (self.signal_dbm.is_none() && slow(SLOW_WIFI_KBPS.1)) {
            State::Fair
        } else {
            return Judged::good(values);
        };
        let figures = Values::new()
            .number("signal_dbm", self.signal_dbm)
            .number("rate_kbps", rate_kbps);
        Judged::found(state, values, F::WeakWifi, figures)
    }
}

/// What a loaded processor means; `busy_percent` is of the fullest second or so.
pub fn processor(busy_percent: u32) -> Judged {
    let values = Values::new().number("busy_percent", Some(busy_percent));
    let state = match busy_percent {
        busy if busy > BUSY.0 => State::Bad,
        busy if busy > BUSY.1 => State::Fair,
        _ => return Judged::good(values),
    };
    Judged::found(state, values.clone(), F::RouterBusy, values)
}

/// Round trips to one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trips {
    /// Packets sent.
    pub sent: u32,
    /// Packets answered.
    pub received: u32,
    /// Median of the round trips.
    pub median_us: Option<u64>,
}

impl Trips {
    /// Lost packets, in millionths; of nothing sent all.
    pub fn loss_ppm(&self) -> u64 {
        let lost = u64::from(self.sent.saturating_sub(self.received));
        (lost * 1_000_000)
            .checked_div(u64::from(self.sent))
            .unwrap_or(1_000_000)
    }

    /// The same as it is judged: a single packet is lost on the best of lines.
    fn counted_ppm(&self) -> u64 {
        if self.sent.saturating_sub(self.received) < 2 {
            0
        } else {
            self.loss_ppm()
        }
    }

    fn answers(&self) -> bool {
        self.received > 0
    }
}

/// Delay and loss along the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// Of the gateway and the first hops, each with its distance, the nearest first.
    pub near: Vec<(u8, Trips)>,
    /// Of the references.
    pub far: Vec<Trips>,
    /// The last hop of the way to a reference that answers within a good delay.
    pub after_hop: Option<u8>,
}

impl Delay {
    /// What it means. A router that has better to do than answer pings loses some of them: only what is lost, or late,
    /// all the way behind it as well is lost or late there.
    pub fn judge(&self) -> Judged {
        let answering = || self.far.iter().filter(|trips| trips.answers());
        // Of several references the best speaks for the line: the others are their own operators' affair.
        let far_us = answering().filter_map(|trips| trips.median_us).min();
        let far_loss = answering().map(Trips::loss_ppm).min();
        let far_counted = answering().map(Trips::counted_ppm).min();
        let behind = |of: fn(&Trips) -> Option<u64>, far: Option<u64>| {
            let near = self.near.iter().filter(|(_, trips)| trips.answers());
            near.filter_map(|(hop, trips)| Some((*hop, of(trips)?)))
                .map(|(hop, figure)| (hop, far.map_or(figure, |far| figure.min(far))))
                .max_by_key(|&(_, figure)| figure)
        };
        let near_us = behind(|trips| trips.median_us, far_us);
        let near_loss = behind(|trips| Some(trips.loss_ppm()), far_loss);
        let near_counted = behind(|trips| Some(trips.counted_ppm()), far_counted);
        let after_hop = self.after_hop;
        let values = Values::new()
            .number("near_us", near_us.map(|(_, us)| us))
            .number("near_loss_ppm", near_loss.map(|(_, ppm)| ppm))
            .number("near_hop", self.near.last().map(|(hop, _)| *hop))
            .number("far_us", far_us)
            .number("far_loss_ppm", far_loss);
        if near_us.is_none() && far_us.is_none() {
            let tried = self
                .far
                .iter()
                .chain(self.near.iter().map(|(_, trips)| trips));
            return if tried.map(|trips| trips.sent).sum::<u32>() == 0 {
                Judged::skipped(&Reason::NoTarget)
            } else {
                Judged::found(State::Bad, values, F::NoConnection, Values::new()).telling()
            };
        }
        let word = |us: Option<u64>, ppm: Option<u64>| {
            let late = us.map_or(State::Good, |us| state(Figure::Delay.judge(us, None)));
            let lost = ppm.map_or(State::Good, |ppm| state(Figure::Loss.judge(ppm, None)));
            worse(late, lost)
        };
        let near = word(near_us.map(|(_, us)| us), near_counted.map(|(_, ppm)| ppm));
        let far = word(far_us, far_counted);
        let figures = |us: Option<u64>, ppm: Option<u64>| {
            Values::new().number("delay_us", us).number("loss_ppm", ppm)
        };
        let judged = if near == State::Bad || (near == State::Fair && far != State::Bad) {
            let figures = figures(near_us.map(|(_, us)| us), near_loss.map(|(_, ppm)| ppm));
            Judged::found(near, values, F::AccessDisturbed, figures)
        } else if far == State::Good {
            Judged::good(values)
        } else {
            let figures = figures(far_us, far_loss).number("after_hop", after_hop);
            let values = values.number("after_hop", after_hop);
            Judged::found(far, values, F::TroubleBeyond, figures)
        };
        if far_us.is_some() {
            judged.telling()
        } else {
            judged
        }
    }
}

/// What the delay of the idle line means, in the speed test.
pub fn idle(trips: &Trips) -> Judged {
    if trips.sent == 0 {
        return Judged::skipped(&Reason::NoTarget);
    }
    if !trips.answers() {
        return Judged::skipped(&Reason::NoAnswer(None));
    }
    let values = Values::new()
        .number("median_us", trips.median_us)
        .number("loss_ppm", Some(trips.loss_ppm()));
    let late = trips
        .median_us
        .map_or(Verdict::Unknown, |us| Figure::Delay.judge(us, None));
    let lost = Figure::Loss.judge(trips.counted_ppm(), None);
    // Why, the speed test does not ask.
    Judged {
        state: state(late.max(lost)),
        ..Judged::good(values)
    }
}

/// Name look-ups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookups {
    /// Asked.
    pub asked: u32,
    /// Answered.
    pub answered: u32,
    /// Median of the answers' times.
    pub median_us: Option<u64>,
}

impl Lookups {
    /// What they mean.
    pub fn judge(&self) -> Judged {
        let values = Values::new()
            .number("asked", Some(self.asked))
            .number("answered", Some(self.answered))
            .number("median_us", self.median_us);
        let Some(median_us) = self.median_us.filter(|_| self.answered > 0) else {
            return Judged::skipped(&Reason::NoAnswer(None));
        };
        // A look-up that is lost is asked again, seconds later.
        let lost = self.answered * 2 <= self.asked;
        let late = state(Figure::Dns.judge(median_us, None));
        let state = if lost { State::Bad } else { late };
        if state == State::Good {
            return Judged::good(values);
        }
        let figures = Values::new().number("median_us", Some(median_us));
        Judged::found(state, values, F::NamesSlow, figures)
    }
}

/// What it means that one version of the Internet Protocol is slower.
pub fn families(seen: &Families<Trips>) -> Judged {
    let (Some(ipv4), Some(ipv6)) = (seen.ipv4, seen.ipv6) else {
        return Judged::skipped(&Reason::NoIpv6);
    };
    let times = Values::new()
        .number("ipv4_us", ipv4.median_us)
        .number("ipv6_us", ipv6.median_us);
    let values = times
        .clone()
        .number("ipv4_loss_ppm", Some(ipv4.loss_ppm()))
        .number("ipv6_loss_ppm", Some(ipv6.loss_ppm()));
    let slower = |one: Trips, other: Trips| {
        let us = |trips: Trips| trips.median_us.unwrap_or(u64::MAX);
        let bad = Figure::Loss.judge(one.counted_ppm(), None) == Verdict::Poor;
        let fine = Figure::Loss.judge(other.counted_ppm(), None) != Verdict::Poor;
        other.answers() && (us(one) > us(other).saturating_add(SLOWER_US) || (bad && fine))
    };
    let code = if slower(ipv6, ipv4) {
        F::Ipv6Slow
    } else if slower(ipv4, ipv6) {
        F::Ipv4Slow
    } else {
        return Judged::good(values);
    };
    Judged::found(State::Fair, values, code, times)
}

/// The hops of the way to one target; a silent one is missing.
pub type Hops = Vec<Option<std::net::IpAddr>>;

/// What it means if the way is another than it was at `since`: the first hop at which both answered differently. The
/// routers of a provider share their load: a hop that only came or went says nothing, and neither does a single other
/// router with the same ones behind it.
pub fn path_change(now: &Hops, before: &Hops, since: Timestamp) -> Judged {
    let differs = |(a, b): (&Option<_>, &Option<_>)| matches!((a, b), (Some(a), Some(b)) if a != b);
    let places: Vec<usize> = now
        .iter()
        .zip(before)
        .enumerate()
        .filter(|&(_, hops)| differs(hops))
        .map(|(place, _)| place)
        .collect();
    let length = now.len().abs_diff(before.len());
    let values = Values::new().number("hops", u32::try_from(now.len()).ok());
    if places.len() < 2 && length < 2 {
        return Judged::good(values);
    }
    let first = places
        .first()
        .copied()
        .unwrap_or(now.len().min(before.len()));
    let figures = Values::new()
        .number("from_hop", u32::try_from(first + 1).ok())
        .text("since", Some(since));
    Judged::found(
        State::Fair,
        values.and(figures.clone()),
        F::PathChanged,
        figures,
    )
}

#[cfg(test)]
mod tests;
