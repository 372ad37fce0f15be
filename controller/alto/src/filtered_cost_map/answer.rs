//! The body of an answer about costs.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::offer::Offer;
use super::question::Question;
use super::table::Table;
use crate::publication::append;
use crate::{Calendar, CalendarKind, CostMode, CostType, ResourceId, Tag, VersionTag, http_date};

const DAY_US: i64 = 86_400_000_000;
/// Room for an answer before it has to grow.
const FIRST_BYTES: usize = 64 << 10;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Meta<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calendar_response_attributes: Vec<Attributes>,
    cost_type: AskedType,
    #[serde(skip_serializing_if = "Option::is_none")]
    dependent_vtags: Option<[&'a VersionTag; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_cost_types: Option<Vec<CostType>>,
    vtag: VersionTag,
}

/// The cost type of the answer, or an empty object where there are several (RFC 8189 §4.1.3).
enum AskedType {
    One(CostType),
    Several,
}

impl Serialize for AskedType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(cost_type) => cost_type.serialize(serializer),
            Self::Several => serializer.serialize_map(Some(0))?.end(),
        }
    }
}

/// Cost types whose calendars have the same intervals (RFC 8896 §5.1.2).
#[derive(PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Attributes {
    calendar_start_time: String,
    cost_type_names: Vec<String>,
    number_of_intervals: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeated: Option<u64>,
    time_interval_size: u32,
}

/// The answer whose data member is called `member`. `network_map` is the version on which it depends, if it says so.
pub(crate) fn body(
    id: &ResourceId,
    member: &str,
    offer: &Offer,
    question: &Question,
    mut table: Table<'_>,
    network_map: Option<&VersionTag>,
) -> Vec<u8> {
    table.rank(offer);
    let mut body = Vec::with_capacity(FIRST_BYTES);
    body.extend_from_slice(format!("{{\"{member}\":").as_bytes());
    let data = body.len();
    table.write(&mut body);
    let cost_types = question
        .asked
        .iter()
        .map(|asked| offer.column(asked.column).cost_type(asked.mode));
    let (cost_type, multi_cost_types) = match question.asked.as_slice() {
        [one] if !question.multi => {
            let cost_type = offer.column(one.column).cost_type(one.mode);
            (AskedType::One(cost_type), None)
        }
        _ => (AskedType::Several, Some(cost_types.collect())),
    };
    let meta = Meta {
        calendar_response_attributes: attributes(offer, question),
        cost_type,
        dependent_vtags: network_map.map(|vtag| [vtag]),
        multi_cost_types,
        vtag: VersionTag {
            resource_id: id.clone(),
            tag: Tag::of(&body[data..]),
        },
    };
    body.extend_from_slice(b",\"meta\":");
    append(&mut body, &meta);
    body.push(b'}');
    body
}

fn attributes(offer: &Offer, question: &Question) -> Vec<Attributes> {
    let mut all: Vec<Attributes> = Vec::new();
    for asked in question.asked.iter().filter(|asked| asked.calendar) {
        let Some(calendar) = offer.calendar(asked.column) else {
            continue;
        };
        let name = offer
            .column(asked.column)
            .cost_type_name(CostMode::Numerical);
        let own = Attributes {
            calendar_start_time: http_date(calendar.start_us),
            cost_type_names: Vec::new(),
            number_of_intervals: calendar.intervals,
            repeated: repetitions(offer, calendar),
            time_interval_size: calendar.interval_s,
        };
        let alike = |other: &&mut Attributes| {
            (
                &other.calendar_start_time,
                other.number_of_intervals,
                other.time_interval_size,
                other.repeated,
            ) == (
                &own.calendar_start_time,
                own.number_of_intervals,
                own.time_interval_size,
                own.repeated,
            )
        };
        match all.iter_mut().find(alike) {
            Some(attributes) if attributes.cost_type_names.contains(&name) => {}
            Some(attributes) => attributes.cost_type_names.push(name),
            None => all.push(Attributes {
                cost_type_names: vec![name],
                ..own
            }),
        }
    }
    all
}

/// On how many days of the window the hours of the day come; once needs no mention.
fn repetitions(offer: &Offer, calendar: &Calendar) -> Option<u64> {
    let provenance = &offer.edition().provenance;
    let length_us = provenance.window_end_us.saturating_sub(calendar.start_us);
    let days = u64::try_from(length_us / DAY_US).ok();
    days.filter(|days| calendar.kind == CalendarKind::HourOfDay && *days > 1)
}
