//! `config schedule 'NAME'`: a measurement that the household wants for itself, again and again.

#[cfg(test)]
mod tests;

use super::Error;
use super::value::Reader;
use glimpse_model::time::Timestamp;
use glimpse_model::timing::{Calendar, CivilTimes, Past, Periodic, Timing};

/// Most schedules.
pub(super) const MOST: usize = 32;
/// Longest name, in bytes.
const LONGEST_NAME: usize = 40;
/// Longest title, in characters.
const LONGEST_TITLE: usize = 64;
/// Most options of a measurement, and bytes of each.
const MOST_OPTIONS: usize = 32;
const LONGEST_OPTION: usize = 2048;
/// Minutes in a year of 366 days.
const LONGEST_EVERY: u64 = 366 * 24 * 60;

/// One of the household's own schedules.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The section's name.
    pub name: String,
    /// `title`: what the household calls it; the name where there is none.
    pub title: Option<String>,
    /// `enabled`: it measures (on).
    pub enabled: bool,
    /// `method`: what is measured.
    pub method: String,
    /// `option`: list of `name=value`, as on the command line.
    pub options: Vec<String>,
    /// `timing`: when. Civil times are those of the router's zone, see [`Schedule::timing_in`].
    pub timing: Timing,
    /// `quiet_hours`: `keep` or `ignore` (`keep`).
    pub ignores_quiet_hours: bool,
}

impl Schedule {
    /// Reads a section.
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let name = reader.name().unwrap_or_default();
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(super::limits::is_word)
        {
            let reason =
                format!("must be the section's name: 1 to {LONGEST_NAME} letters, digits, - and _");
            return Err(reader.refuse("name", name, &reason));
        }
        let word = |text: &str| {
            let usable =
                (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
            usable.then(|| text.to_owned())
        };
        let method = reader.parsed("method", "the name of a method", word)?;
        let method = method.ok_or_else(|| reader.refuse("method", "", "must name a method"))?;
        let title = |text: &str| {
            let plain = !text.chars().any(char::is_control);
            (plain && text.chars().count() <= LONGEST_TITLE).then(|| text.to_owned())
        };
        let wanted = format!("a text of at most {LONGEST_TITLE} characters");
        let quiet = reader.parsed("quiet_hours", "keep or ignore", |text| match text {
            "keep" => Some(false),
            "ignore" => Some(true),
            _ => None,
        })?;
        Ok(Self {
            name: name.to_owned(),
            title: reader
                .parsed("title", &wanted, title)?
                .filter(|title| !title.is_empty()),
            enabled: reader.flag("enabled", true)?,
            method,
            options: options(reader)?,
            timing: timing(reader)?,
            ignores_quiet_hours: quiet.unwrap_or(false),
        })
    }

    /// When it measures, civil times read in `zone`.
    pub fn timing_in(&self, zone: &glimpse_model::time::Zone) -> Timing {
        match &self.timing {
            Timing::Calendar(calendar) => Timing::Calendar(calendar.clone().in_zone(zone.clone())),
            timing => timing.clone(),
        }
    }
}

fn options(reader: &Reader<'_>) -> Result<Vec<String>, Error> {
    let option = |text: &str| {
        let named = text
            .split_once('=')
            .is_some_and(|(name, _)| !name.is_empty());
        let plain = text.len() <= LONGEST_OPTION && !text.chars().any(char::is_control);
        (named && plain).then(|| text.to_owned())
    };
    // A value may have spaces: a single option is one, and not a list of words.
    let options = reader.whole_list("option", "name=value", option)?;
    match options.get(MOST_OPTIONS) {
        Some(excess) => {
            let reason = format!("must be at most {MOST_OPTIONS} options");
            Err(reader.refuse("option", excess, &reason))
        }
        None => Ok(options),
    }
}

fn timing(reader: &Reader<'_>) -> Result<Timing, Error> {
    let words = "immediate, oneoff, periodic, calendar or ondemand";
    let word = reader.parsed("timing", words, |text| {
        ["immediate", "oneoff", "periodic", "calendar", "ondemand"]
            .into_iter()
            .find(|word| *word == text)
    })?;
    let every = reader.number("every_minutes", "minutes", 1..=LONGEST_EVERY, 0)?;
    let at = reader.parsed(
        "at",
        "a time such as 2026-01-31T12:00:00Z",
        Timestamp::parse,
    )?;
    let times = civil_times(reader)?;
    match word {
        None => Err(reader.refuse("timing", "", &format!("must be {words}"))),
        Some("immediate") => Ok(Timing::Immediate {}),
        Some("oneoff") => match at {
            Some(time) => Ok(Timing::OneOff {
                time,
                spread_ms: 0,
                past: Past::RunAtOnce,
            }),
            None => Err(reader.refuse(
                "at",
                "",
                "must be the time of a oneoff, such as 2026-01-31T12:00:00Z",
            )),
        },
        Some("periodic") if every == 0 => {
            let reason = format!("must be 1 to {LONGEST_EVERY} minutes for periodic");
            Err(reader.refuse("every_minutes", "", &reason))
        }
        Some("periodic") => Ok(Timing::Periodic(Periodic {
            interval_ms: i64::try_from(every * 60_000).unwrap_or(i64::MAX),
            start: None,
            end: None,
            spread_ms: 0,
        })),
        Some("calendar") => Ok(Timing::Calendar(Calendar::of(&times))),
        Some(_) => Ok(Timing::OnDemand {}),
    }
}

/// Minutes and seconds that are not given are the first; all else that is not given is each.
fn civil_times(reader: &Reader<'_>) -> Result<CivilTimes, Error> {
    let list = |name, wanted, least: u8, most: u8| {
        let number = |text: &str| {
            let number: u8 = text.parse().ok()?;
            (least..=most).contains(&number).then_some(number)
        };
        reader.list(name, wanted, number)
    };
    let mut minutes = list("minute", "a minute, 0 to 59", 0, 59)?;
    if minutes.is_empty() {
        minutes.push(0);
    }
    Ok(CivilTimes {
        months: list("month", "a month, 1 to 12", 1, 12)?,
        days_of_month: list("day", "a day of the month, 1 to 31", 1, 31)?,
        days_of_week: reader.list(
            "weekday",
            "a day of the week, mon to sun or 1 (Monday) to 7",
            weekday,
        )?,
        hours: list("hour", "an hour, 0 to 23", 0, 23)?,
        minutes,
        seconds: vec![0],
    })
}

fn weekday(text: &str) -> Option<u8> {
    let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let lower = text.to_ascii_lowercase();
    let named = names.iter().position(|name| *name == lower);
    let number = named.map_or_else(|| lower.parse().ok(), |place| u8::try_from(place + 1).ok())?;
    (1..=7).contains(&number).then_some(number)
}
