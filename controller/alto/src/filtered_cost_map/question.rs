//! The part of a question that is the same for maps and for endpoints (RFC 7285 §11.3.2.3, RFC 8189 §4, RFC 8896 §5).

use super::offer::Offer;
use crate::constraint::{Constraint, Predicate};
use crate::query::Refusal;
use crate::request_body::{Json, Kind, Members};
use crate::{CostMode, Fault};

const COST_TYPE: &str = "cost-type";
const METRIC: &str = "cost-metric";
const MODE: &str = "cost-mode";
const COST_METRIC: &str = "cost-type/cost-metric";
const COST_MODE: &str = "cost-type/cost-mode";
const MULTI: &str = "multi-cost-types";
const TESTABLE: &str = "testable-cost-types";
const CONSTRAINTS: &str = "constraints";
const OR_CONSTRAINTS: &str = "or-constraints";
const CALENDARED: &str = "calendared";

/// Most comparisons in one question: each is made for each pair.
const MOST_PREDICATES: usize = 256;

/// A cost type that is asked for, or tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Index of the column.
    pub(crate) column: usize,
    /// How its numbers are to be read.
    pub(crate) mode: CostMode,
    /// Whether the answer has the costs by intervals.
    pub(crate) calendar: bool,
}

/// Which costs are asked for, and which pairs are wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Question {
    /// The cost types in the order of the question; one if it is not `multi`.
    pub(crate) asked: Vec<Asked>,
    /// Whether cells are arrays of costs (RFC 8189 §4.1.3).
    pub(crate) multi: bool,
    /// Which pairs are wanted; its indices are those of columns.
    pub(crate) constraint: Constraint,
}

/// Reads a body that has, beside the members of every question about costs, those with the given paths and types; `required`
/// are those of them that must be there.
pub(crate) fn read<'a>(
    body: &'a [u8],
    own: &[(&str, Kind)],
    required: &[&str],
) -> Result<Members<'a>, Fault> {
    let kinds = [
        (COST_TYPE, Kind::Object),
        (COST_METRIC, Kind::Text),
        (COST_MODE, Kind::Text),
        (MULTI, Kind::Array),
        (TESTABLE, Kind::Array),
        (CONSTRAINTS, Kind::Array),
        (OR_CONSTRAINTS, Kind::Array),
        (CALENDARED, Kind::Array),
    ];
    let kinds: Vec<_> = kinds.iter().chain(own).copied().collect();
    let paths: Vec<_> = kinds.iter().map(|(path, _)| *path).collect();
    let members = Members::parse(body, &paths)?;
    if members.get(MULTI).is_none() {
        members.require(&[COST_TYPE])?;
    }
    members.require(&[COST_METRIC, COST_MODE])?;
    members.require(required)?;
    members.kinds(&kinds)?;
    Ok(members)
}

impl Question {
    /// Takes the question out of a body that [`read`] took; what is wrong with its values comes to `faults`, and then there is
    /// no question.
    pub(crate) fn new(
        offer: &Offer,
        members: &Members<'_>,
        faults: &mut Vec<Fault>,
    ) -> Result<Option<Self>, Refusal> {
        let before = faults.len();
        let multi = members.get(MULTI).is_some();
        let mut asked = match members.array(MULTI) {
            Some(elements) => several(offer, MULTI, &elements, offer.most_cost_types(), faults),
            None => single(offer, members, faults),
        };
        if let (Some(both), true) = (members.get(MULTI), members.get(COST_TYPE).is_some()) {
            faults.push(both.fault(MULTI));
        }
        let tested = match members.array(TESTABLE) {
            Some(elements) => {
                let types = several(offer, TESTABLE, &elements, usize::MAX, faults);
                for (asked, element) in types.iter().zip(&elements) {
                    if asked.mode != CostMode::Numerical {
                        faults.push(element.fault(TESTABLE));
                    }
                }
                types
            }
            None => asked.clone(),
        };
        calendars(offer, members, &mut asked, faults);
        if !offer.takes_constraints() {
            // RFC 7285 §11.3.2.3: the members are not to be there at all, empty or not.
            let fields = [TESTABLE, CONSTRAINTS, OR_CONSTRAINTS];
            let surplus = fields.map(|field| Some(members.get(field)?.fault(field)));
            faults.extend(surplus.into_iter().flatten());
        }
        let types_are_known = faults.len() == before;
        // RFC 8896 §5.2.1: who asks for a calendar does not choose by single values.
        let by_interval = asked.iter().any(|asked| asked.calendar);
        let constraint = if by_interval || !offer.takes_constraints() {
            Constraint::default()
        } else {
            constraint(members, types_are_known.then_some(&tested), faults)?
        };
        Ok((faults.len() == before).then_some(Self {
            asked,
            multi,
            constraint,
        }))
    }

    /// The columns of which single values are looked at, in order.
    pub(crate) fn columns(&self) -> Vec<usize> {
        let asked = self.asked.iter().filter(|asked| !asked.calendar);
        let asked = asked.map(|asked| asked.column);
        let mut columns: Vec<usize> = asked.chain(self.constraint.indices()).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

fn find(offer: &Offer, metric: &str, mode: CostMode) -> Option<Asked> {
    Some(Asked {
        column: offer.find(metric)?,
        mode,
        calendar: false,
    })
}

/// The member `cost-type`. Its description and context are of no meaning here.
fn single(offer: &Offer, members: &Members<'_>, faults: &mut Vec<Fault>) -> Vec<Asked> {
    let mut text = |path: &str| {
        let value = members.get(path)?;
        let text = value.text();
        if text.is_none() {
            faults.push(value.fault(path));
        }
        text
    };
    let (metric, mode) = (text(COST_METRIC), text(COST_MODE));
    let mode = mode.and_then(|mode| {
        let known = CostMode::new(&mode).ok();
        if known.is_none() {
            faults.push(Fault::text(COST_MODE, mode));
        }
        known
    });
    let column = metric.and_then(|metric| {
        let column = offer.find(&metric);
        if column.is_none() {
            faults.push(Fault::text(COST_METRIC, metric));
        }
        column
    });
    let asked = column.zip(mode).map(|(column, mode)| Asked {
        column,
        mode,
        calendar: false,
    });
    asked.into_iter().collect()
}

/// An array of cost types: as many as there are elements, or a fault.
fn several(
    offer: &Offer,
    field: &str,
    elements: &[Json<'_>],
    most: usize,
    faults: &mut Vec<Fault>,
) -> Vec<Asked> {
    if elements.is_empty() {
        faults.push(Fault::text(field, "[]"));
    }
    if let Some(surplus) = elements.get(most) {
        faults.push(surplus.fault(field));
        return Vec::new();
    }
    let mut types = Vec::new();
    for element in elements {
        let known = element.pick([METRIC, MODE]).and_then(|[metric, mode]| {
            let mode = CostMode::new(&mode?.text()?).ok()?;
            find(offer, &metric?.text()?, mode)
        });
        let Some(known) = known else {
            faults.push(element.fault(field));
            return Vec::new();
        };
        types.push(known);
    }
    types
}

/// Marks the cost types whose calendars are asked for (RFC 8896 §5.1.1). Who asks for one that is not there gets single values.
fn calendars(offer: &Offer, members: &Members<'_>, asked: &mut [Asked], faults: &mut Vec<Fault>) {
    let Some((value, flags)) = members.get(CALENDARED).zip(members.array(CALENDARED)) else {
        return;
    };
    if let Some(no_flag) = flags.iter().find(|element| element.flag().is_none()) {
        faults.push(no_flag.fault(CALENDARED));
    } else if flags.len() == asked.len() {
        for (asked, flag) in asked.iter_mut().zip(flags) {
            asked.calendar = flag.flag() == Some(true)
                && asked.mode == CostMode::Numerical
                && offer.calendar(asked.column).is_some();
        }
    } else if !asked.is_empty() {
        // Without one, the cost types have a fault of their own.
        faults.push(value.fault(CALENDARED));
    }
}

/// One of the two members with constraints. What they name is only judged if all cost types are known.
fn constraint(
    members: &Members<'_>,
    tested: Option<&Vec<Asked>>,
    faults: &mut Vec<Fault>,
) -> Result<Constraint, Refusal> {
    let (field, groups) = match (members.array(CONSTRAINTS), members.get(OR_CONSTRAINTS)) {
        (Some(_), Some(both)) => {
            faults.push(both.fault(OR_CONSTRAINTS));
            return Ok(Constraint::default());
        }
        (None, None) => return Ok(Constraint::default()),
        (Some(all), None) if all.is_empty() => return Ok(Constraint::default()),
        (Some(all), None) => (CONSTRAINTS, vec![all]),
        (None, Some(alternatives)) => match groups(alternatives) {
            Ok(groups) => (OR_CONSTRAINTS, groups),
            Err(no_group) => {
                faults.push(no_group.fault(OR_CONSTRAINTS));
                return Ok(Constraint::default());
            }
        },
    };
    if groups.iter().map(Vec::len).sum::<usize>() > MOST_PREDICATES {
        return Err(Refusal::TooMany);
    }
    let predicate = |element: &Json<'_>| {
        let mut predicate = Predicate::parse(&element.text()?)?;
        if let Some(tested) = tested {
            let asked = tested.get(predicate.index)?;
            (asked.mode == CostMode::Numerical).then_some(())?;
            predicate.index = asked.column;
        }
        Some(predicate)
    };
    let mut alternatives = Vec::new();
    for group in groups {
        let mut all = Vec::new();
        for element in group {
            let Some(predicate) = predicate(&element) else {
                faults.push(element.fault(field));
                return Ok(Constraint::default());
            };
            all.push(predicate);
        }
        alternatives.push(all);
    }
    Ok(Constraint::any(alternatives))
}

/// The elements of a non-empty array of non-empty arrays, or what is none.
fn groups(alternatives: Json<'_>) -> Result<Vec<Vec<Json<'_>>>, Json<'_>> {
    filled(alternatives)?.into_iter().map(filled).collect()
}

fn filled(array: Json<'_>) -> Result<Vec<Json<'_>>, Json<'_>> {
    let elements = array.elements().filter(|elements| !elements.is_empty());
    elements.ok_or(array)
}
