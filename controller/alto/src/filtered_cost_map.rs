//! The filtered cost map service (RFC 7285 §11.3.2), with several costs in a cell (RFC 8189) and calendars (RFC 8896).
//!
//! ```text
//! body ──▶ Members ──▶ Question ─┐
//!                       Offer ───┴──▶ Table (constraint, then ranks) ──▶ answer
//! ```
//! Everything between body and answer is shared with [`EndpointCost`](crate::EndpointCost).

pub(crate) mod answer;
mod line;
pub(crate) mod offer;
pub(crate) mod question;
pub(crate) mod table;

use std::sync::Arc;

use self::line::{Line, Towards};
use self::offer::Offer;
use self::question::{Asked, Question};
use self::table::Table;
use crate::directory::Costs;
use crate::query::{Asking, Query, Refusal};
use crate::request_body::{Kind, Members};
use crate::{
    CalendarKind, Cost, CostMap, CostSlice, Edition, Fault, Intervals, PidName, ResourceId, media,
};

const SRCS: &str = "pids/srcs";
const DSTS: &str = "pids/dsts";
const OWN: [(&str, Kind); 3] = [
    ("pids", Kind::Object),
    (SRCS, Kind::Array),
    (DSTS, Kind::Array),
];

/// The costs between chosen PIDs of an edition.
#[derive(Debug)]
pub struct FilteredCostMap {
    id: ResourceId,
    offer: Offer,
}

impl FilteredCostMap {
    /// All columns of an edition, with their calendars of one kind, as the resource `id`.
    pub fn new(id: ResourceId, edition: &Arc<Edition>, kind: CalendarKind) -> Self {
        Self {
            id,
            offer: Offer::new(edition, kind),
        }
    }

    /// The same for a server that takes no constraints (RFC 7285 §11.3.2.4).
    #[must_use]
    pub fn without_constraints(self) -> Self {
        Self {
            offer: self.offer.without_constraints(),
            ..self
        }
    }

    /// What the directory says of it.
    pub fn costs(&self) -> Costs {
        self.offer.costs()
    }

    /// The PIDs of a list, in order; one that is empty or absent is all (RFC 7285 §11.3.2.3). Names of none are passed over.
    fn chosen(&self, members: &Members<'_>, field: &str, faults: &mut Vec<Fault>) -> Vec<&PidName> {
        let map = &self.offer.edition().map;
        let elements = members.array(field).unwrap_or_default();
        if elements.is_empty() {
            return map.pids().collect();
        }
        let mut pids = Vec::new();
        for element in elements {
            let Some(text) = element.text() else {
                faults.push(element.fault(field));
                break;
            };
            pids.extend(map.pid(&text));
        }
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    fn table<'a>(
        &'a self,
        question: &'a Question,
        sources: &[&'a PidName],
        targets: &[&'a PidName],
    ) -> Result<Table<'a>, Refusal> {
        let columns = &self.offer.edition().columns;
        let mut values: Vec<(Line<Cost>, &CostMap, Towards<'_>)> = Vec::new();
        for index in question.columns() {
            let is_asked = |asked: &Asked| asked.column == index && !asked.calendar;
            let line = Line::new(index, question.asked.iter().any(is_asked));
            let costs = &columns[index].costs;
            values.push((line, costs, Towards::new(costs.pairs(), targets)));
        }
        let mut calendars: Vec<(Line<CostSlice<'_>>, &Intervals, Towards<'_>)> = Vec::new();
        for asked in question.asked.iter().filter(|asked| asked.calendar) {
            if let Some(calendar) = self.offer.calendar(asked.column) {
                let towards = Towards::new(calendar.cells.pairs(), targets);
                calendars.push((Line::new(asked.column, true), &calendar.cells, towards));
            }
        }

        let mut costs: Vec<Option<Cost>> = vec![None; columns.len()];
        let mut intervals: Vec<Option<CostSlice<'_>>> = vec![None; columns.len()];
        let mut table = Table::new(question);
        for source in sources {
            table.row(source.as_str());
            for (line, costs, towards) in &mut values {
                let found = towards.from(source);
                line.begin(found.map(|(target, index)| (target, costs.at(index))));
            }
            for (line, cells, towards) in &mut calendars {
                let found = towards.from(source);
                line.begin(found.map(|(target, index)| (target, cells.at(index))));
            }
            loop {
                let of_values = values.iter().filter_map(|(line, ..)| line.next());
                let of_calendars = calendars.iter().filter_map(|(line, ..)| line.next());
                let Some(target) = of_values.chain(of_calendars).min() else {
                    break;
                };
                for (line, ..) in &mut values {
                    costs[line.column] = line.take(target);
                }
                for (line, ..) in &mut calendars {
                    intervals[line.column] = line.take(target);
                }
                let destination = targets[target].as_str();
                table.add(
                    destination,
                    |column| costs[column],
                    |column| intervals[column],
                )?;
            }
        }
        Ok(table)
    }
}

impl Query for FilteredCostMap {
    fn accepts(&self) -> &'static str {
        media::COST_MAP_FILTER
    }

    fn media_type(&self) -> &'static str {
        media::COST_MAP
    }

    fn answer(&self, body: &[u8], _: &Asking<'_>) -> Result<Vec<u8>, Refusal> {
        let members = question::read(body, &OWN, &[])?;
        let mut faults = Vec::new();
        let question = Question::new(&self.offer, &members, &mut faults)?;
        let sources = self.chosen(&members, SRCS, &mut faults);
        let targets = self.chosen(&members, DSTS, &mut faults);
        members.earliest(faults)?;
        let question = question.unwrap_or_default();
        let table = self.table(&question, &sources, &targets)?;
        let network_map = Some(self.offer.network_map());
        Ok(answer::body(
            &self.id,
            "cost-map",
            &self.offer,
            &question,
            table,
            network_map,
        ))
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
