//! A cell: its counts and figures as the numbers they are kept in, a fifth of what they take apart.
//!
//! ```text
//! cell       = subscribers samples figures calendars
//! figures    = count *(operator × 2 + interval? value [low high])
//! calendars  = count *(calendar operator *value)
//! ```

use super::number::{Reader, Writer};
use super::{Calendar, Unreadable};
use crate::{Interval, Statistic, Window};

const CALENDARS: [Calendar; 2] = [Calendar::HourOfDay, Calendar::DayOfWindow];

/// The figures of one metric between one group of subscribers and one cluster. Cells of different windows or rules are not equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicCell<'a> {
    subscribers: usize,
    samples: u64,
    /// How many figures the bytes begin with.
    count: usize,
    bytes: &'a [u8],
    window: Window,
    operators: &'a [Statistic],
}

/// One figure of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Which.
    pub statistic: Statistic,
    /// In the metric's unit.
    pub value: u64,
    /// The 95 % confidence interval, where there is one and its ends are not extremes of too few.
    pub confidence: Option<Interval>,
}

/// The figures of a cell, one after the other.
#[derive(Clone, Debug)]
struct Figures<'a> {
    left: usize,
    from: Reader<'a>,
    operators: &'a [Statistic],
}

impl Iterator for Figures<'_> {
    type Item = Figure;

    fn next(&mut self) -> Option<Figure> {
        self.left = self.left.checked_sub(1)?;
        figure(&mut self.from, self.operators).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Figures<'_> {}

impl<'a> PublicCell<'a> {
    /// Of bytes that [`check`] takes; what it does not take is a cell of nobody.
    pub(super) fn of(bytes: &'a [u8], window: Window, operators: &'a [Statistic]) -> Self {
        let mut from = Reader(bytes);
        Self {
            subscribers: from.number().unwrap_or(0),
            samples: from.number().unwrap_or(0),
            count: from.number().unwrap_or(0),
            bytes: from.0,
            window,
            operators,
        }
    }

    /// Distinct subscribers, rounded down to a multiple of five outside the laboratory.
    pub fn subscribers(self) -> usize {
        self.subscribers
    }

    /// Measured figures behind it, rounded likewise.
    pub fn samples(self) -> u64 {
        self.samples
    }

    /// All figures.
    pub fn figures(self) -> impl ExactSizeIterator<Item = Figure> + use<'a> {
        self.read()
    }

    fn read(self) -> Figures<'a> {
        Figures {
            left: self.count,
            from: Reader(self.bytes),
            operators: self.operators,
        }
    }

    /// A figure; `None` if it was not asked for, or is an extreme of too few.
    pub fn figure(self, statistic: Statistic) -> Option<Figure> {
        self.figures().find(|f| f.statistic == statistic)
    }

    /// A figure's value in the metric's unit; `None` as for [`PublicCell::figure`].
    pub fn value(self, statistic: Statistic) -> Option<u64> {
        Some(self.figure(statistic)?.value)
    }

    /// A calendar's values, one for each interval; `None` if some interval has too few.
    pub fn calendar(self, calendar: Calendar, statistic: Statistic) -> Option<Vec<u64>> {
        let mut calendars = self.read_calendars();
        let (.., values) = calendars.find(|(c, s, _)| (*c, *s) == (calendar, statistic))?;
        Some(values.collect())
    }

    /// All calendars: which, of which statistic, and the values, one for each interval.
    pub fn calendars(self) -> impl Iterator<Item = (Calendar, Statistic, Vec<u64>)> + use<'a> {
        self.read_calendars()
            .map(|(calendar, statistic, values)| (calendar, statistic, values.collect()))
    }

    fn read_calendars(
        self,
    ) -> impl Iterator<Item = (Calendar, Statistic, impl Iterator<Item = u64> + use<'a>)> + use<'a>
    {
        let mut figures = self.read();
        figures.by_ref().for_each(drop);
        let mut from = figures.from;
        let count: u64 = from.number().unwrap_or(0);
        (0..count).map_while(move |_| {
            let (calendar, statistic, intervals) =
                calendar(&mut from, &self.window, self.operators).ok()?;
            let mut own = from;
            from.pass(intervals);
            let values = (0..intervals).map_while(move |_| own.number().ok());
            Some((calendar, statistic, values))
        })
    }
}

/// Reads past a cell, if it is one.
pub(super) fn check(
    from: &mut Reader<'_>,
    window: &Window,
    operators: &[Statistic],
) -> Result<(), Unreadable> {
    let (_subscribers, _samples): (usize, u64) = (from.number()?, from.number()?);
    let figures: u64 = from.number()?;
    for _ in 0..figures {
        figure(from, operators)?;
    }
    let calendars: u64 = from.number()?;
    for _ in 0..calendars {
        let (.., intervals) = calendar(from, window, operators)?;
        for _ in 0..intervals {
            from.number::<u64>()?;
        }
    }
    Ok(())
}

fn figure(from: &mut Reader<'_>, operators: &[Statistic]) -> Result<Figure, Unreadable> {
    let operator: usize = from.number()?;
    let statistic = operators.get(operator / 2).ok_or(Unreadable::Index)?;
    let value = from.number()?;
    let mut interval = || {
        let (low, high) = (from.number()?, from.number()?);
        Ok::<_, Unreadable>(Interval { low, high })
    };
    Ok(Figure {
        statistic: *statistic,
        value,
        confidence: (operator % 2 == 1).then(&mut interval).transpose()?,
    })
}

/// What a calendar is of, and how many values follow.
fn calendar(
    from: &mut Reader<'_>,
    window: &Window,
    operators: &[Statistic],
) -> Result<(Calendar, Statistic, usize), Unreadable> {
    let calendar = from.one_of(&CALENDARS)?;
    let operator: usize = from.number()?;
    let statistic = operators.get(operator).ok_or(Unreadable::Index)?;
    let intervals = calendar.intervals(window).ok_or(Unreadable::Calendar)?;
    Ok((calendar, *statistic, intervals))
}

/// What goes into one cell.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) subscribers: usize,
    pub(crate) samples: u64,
    pub(crate) figures: Vec<Figure>,
    /// Calendars, the values of one after those of the other.
    pub(crate) calendars: Vec<(Calendar, Statistic)>,
    pub(crate) values: Vec<u64>,
}

impl Contents {
    /// Writes the cell. Its statistics are among the operators, which are in order.
    pub(crate) fn write(&self, window: &Window, operators: &[Statistic], out: &mut Writer) {
        let operator = |s: Statistic| operators.partition_point(|known| *known < s) as u64;
        out.number(self.subscribers as u64);
        out.number(self.samples);
        out.number(self.figures.len() as u64);
        for figure in &self.figures {
            let told = u64::from(figure.confidence.is_some());
            out.number(operator(figure.statistic) * 2 + told);
            out.number(figure.value);
            if let Some(Interval { low, high }) = figure.confidence {
                out.number(low);
                out.number(high);
            }
        }
        out.number(self.calendars.len() as u64);
        let mut values = self.values.iter();
        for (calendar, statistic) in &self.calendars {
            out.number(*calendar as u64);
            out.number(operator(*statistic));
            let intervals = calendar.intervals(window).unwrap_or(0);
            values.by_ref().take(intervals).for_each(|v| out.number(*v));
        }
    }
}
