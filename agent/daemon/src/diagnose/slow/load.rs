//! What a line does when it is full.

use super::super::finding::{FindingCode as F, Judged, State};
use super::super::values::Values;
use super::{Direction, Known, state};
use crate::local::series::Figure;
use crate::local::verdict::{Against, percent};

/// Of the measured speed, what queue management is to be set to, in percent.
const SQM_PERCENT: u64 = 90;

/// What a loaded line did in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Speed.
    pub kbps: u64,
    /// Median delay before the load.
    pub idle_us: Option<u64>,
    /// What the load added to the median delay.
    pub added_us: Option<i64>,
}

/// Loads in both directions; a direction that could not be measured is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loads {
    /// To the home.
    pub down: Option<Load>,
    /// From it.
    pub up: Option<Load>,
}

impl Loads {
    /// Sets one direction.
    pub fn set(&mut self, direction: Direction, load: Load) {
        match direction {
            Direction::Down => self.down = Some(load),
            Direction::Up => self.up = Some(load),
        }
    }

    fn each(&self) -> impl Iterator<Item = (Direction, Load)> {
        let down = self.down.map(|load| (Direction::Down, load));
        let up = self.up.map(|load| (Direction::Up, load));
        down.into_iter().chain(up)
    }

    /// What the speeds mean. `None` where there is none.
    pub fn speed(&self, known: &Known) -> Option<Judged> {
        self.each().next()?;
        let mut values = Values::new();
        let mut worst: Option<Short> = None;
        for (direction, load) in self.each() {
            values = values.and(speed_values(direction, load, known));
            worst = Short::of(direction, load, known)
                .into_iter()
                .chain(worst)
                .min_by_key(|short| short.percent);
        }
        let values = values.number("percent", worst.map(|short| short.percent));
        Some(Short::judge(worst, values).telling())
    }

    /// What the added delays mean. `None` where nothing is known of them.
    pub fn busy(&self) -> Option<Judged> {
        let added = |load: Option<Load>| load.and_then(|load| load.added_us);
        let worst = self
            .each()
            .filter_map(|(direction, load)| Some((direction, load.added_us?)))
            .max_by_key(|&(_, added_us)| added_us)?;
        let idle = self.each().filter_map(|(_, load)| load.idle_us).min();
        let values = Values::new()
            .number("idle_us", idle)
            .number("added_down_us", added(self.down))
            .number("added_up_us", added(self.up));
        Some(self.bloat(worst, values))
    }

    /// One direction of the speed test: the speed, then what it adds to the delay.
    pub fn one(&self, direction: Direction, known: &Known) -> Option<Judged> {
        let (_, load) = self.each().find(|(other, _)| *other == direction)?;
        let short = Short::of(direction, load, known);
        let values = speed_values(direction, load, known)
            .number("percent", short.map(|short| short.percent))
            .number(&format!("added_{}_us", direction.as_str()), load.added_us);
        let speed = Short::judge(short, values.clone());
        let judged = match load.added_us {
            Some(added_us) if speed.state == State::Good => {
                self.bloat((direction, added_us), values)
            }
            _ => speed,
        };
        Some(judged.telling())
    }

    fn bloat(&self, (direction, added_us): (Direction, i64), values: Values) -> Judged {
        let added = u64::try_from(added_us).unwrap_or(0);
        let state = state(Figure::BusyDelay.judge(added, None));
        if state == State::Good {
            return Judged::good(values);
        }
        let sqm = |load: Option<Load>| Some(load?.kbps.saturating_mul(SQM_PERCENT) / 100);
        let figures = Values::new()
            .text("direction", Some(direction.as_str()))
            .number("added_us", Some(added_us))
            .number("sqm_down_kbps", sqm(self.down))
            .number("sqm_up_kbps", sqm(self.up));
        Judged::found(state, values, F::QueueBloat, figures)
    }
}

fn speed_values(direction: Direction, load: Load, known: &Known) -> Values {
    let word = direction.as_str();
    Values::new()
        .number(&format!("{word}_kbps"), Some(load.kbps))
        .number(
            &format!("contract_{word}_kbps"),
            known.contract.of(direction),
        )
        .number(&format!("median_{word}_kbps"), known.median.of(direction))
}

/// How much of what it is held against a speed is.
#[derive(Clone, Copy)]
struct Short {
    direction: Direction,
    kbps: u64,
    against: Against,
    percent: u64,
}

impl Short {
    fn of(direction: Direction, load: Load, known: &Known) -> Option<Self> {
        let against = known.against(direction)?;
        Some(Self {
            direction,
            kbps: load.kbps,
            against,
            percent: percent(load.kbps, against.kbps()),
        })
    }

    fn judge(short: Option<Self>, values: Values) -> Judged {
        let Some(short) = short else {
            return Judged::good(values);
        };
        let verdict = Figure::Down.judge(short.kbps, Some(short.against.kbps()));
        let state = state(verdict);
        if state == State::Good {
            return Judged::good(values);
        }
        let code = match short.against {
            Against::Contract(_) => F::LessThanPaid,
            Against::Median(_) => F::SlowerThanUsual,
        };
        let figures = Values::new()
            .text("direction", Some(short.direction.as_str()))
            .number("kbps", Some(short.kbps))
            .number("against_kbps", Some(short.against.kbps()))
            .number("percent", Some(short.percent));
        Judged::found(state, values, code, figures)
    }
}
