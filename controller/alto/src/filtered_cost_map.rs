//! The filtered cost map service (RFC 7285 §11.3.2), with several costs in a cell (RFC 8189) and calendars (RFC 8896).
//!
//! ```text
//! body ──▶ Members ──▶ Question ─┐
//!                       Offer ───┴──▶ Table (constraint, then ranks) ──▶ answer
//! ```
//! Everything between body and answer is shared with [`EndpointCost`](crate::EndpointCost).

pub(crate) mod answer;
pub(crate) mod offer;
pub(crate) mod question;
pub(crate) mod table;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::offer::Offer;
use self::question::Question;
use self::table::Table;
use crate::directory::Costs;
use crate::query::{Asking, Query, Refusal};
use crate::request_body::{Kind, Members};
use crate::{CalendarKind, Column, CostRow, Edition, Fault, PidName, ResourceId, media};

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

/// PIDs in order; `None` is all of them.
type Chosen = Option<BTreeSet<PidName>>;

impl FilteredCostMap {
    /// All columns of an edition, with their calendars of one kind, as the resource `id`.
    pub fn new(id: ResourceId, edition: &Arc<Edition>, kind: CalendarKind) -> Self {
        Self {
            id,
            offer: Offer::new(edition, kind),
        }
    }

    /// What the directory says of it.
    pub fn costs(&self) -> Costs {
        self.offer.costs()
    }

    /// The PIDs of a list; one that is empty or absent is all (RFC 7285 §11.3.2.3). Names of none are passed over at once,
    /// so that what is kept is no more than the map has.
    fn chosen(&self, members: &Members<'_>, field: &str, faults: &mut Vec<Fault>) -> Chosen {
        let elements = members
            .array(field)
            .filter(|elements| !elements.is_empty())?;
        let map = &self.offer.edition().map;
        let mut pids = BTreeSet::new();
        for element in elements {
            let Some(text) = element.text() else {
                faults.push(element.fault(field));
                break;
            };
            let known = PidName::new(&text).ok().filter(|pid| map.contains(pid));
            pids.extend(known);
        }
        Some(pids)
    }

    fn table<'a>(
        &'a self,
        question: &'a Question,
        sources: &'a Chosen,
        destinations: &'a Chosen,
    ) -> Result<Table<'a>, Refusal> {
        let edition = self.offer.edition();
        let sources: Vec<&PidName> = match sources {
            Some(chosen) => chosen.iter().collect(),
            None => edition.map.pids().collect(),
        };
        let used = question.columns();
        let mut table = Table::new(question);
        let mut costs = Vec::new();
        for source in sources {
            let row = |(index, column): (usize, &'a Column)| {
                let costs = used.contains(&index).then_some(&column.costs);
                costs?.row(source)
            };
            let columns = edition.columns.iter();
            let rows: Vec<Option<CostRow<'_>>> = (0..).zip(columns).map(row).collect();
            for destination in self.destinations(question, source, &rows, destinations.as_ref()) {
                costs.clear();
                costs.extend(rows.iter().map(|row| row.as_ref()?.cost(destination)));
                table.add(
                    (source.as_str(), destination.as_str()),
                    |column| *costs.get(column)?,
                    |column| {
                        let cells = &self.offer.calendar(column)?.cells;
                        let costs = cells.get(&(source.clone(), destination.clone()))?;
                        Some(&**costs)
                    },
                )?;
            }
        }
        Ok(table)
    }

    /// Where costs that are asked for may lead from a source, in order: its own destinations that are chosen, or, if there are fewer
    /// of those, all that are chosen.
    fn destinations<'a>(
        &'a self,
        question: &Question,
        source: &PidName,
        rows: &[Option<CostRow<'a>>],
        chosen: Option<&'a BTreeSet<PidName>>,
    ) -> Vec<&'a PidName> {
        let mut found: Vec<&PidName> = Vec::new();
        for asked in &question.asked {
            if asked.calendar {
                found.extend(self.in_calendar(asked.column, source));
            } else if let Some(row) = rows[asked.column] {
                found.extend(row.cells().map(|(destination, _)| destination));
            }
            if chosen.is_some_and(|chosen| chosen.len() <= found.len()) {
                return chosen.into_iter().flatten().collect();
            }
        }
        if let Some(chosen) = chosen {
            found.retain(|destination| chosen.contains(*destination));
        }
        // Rows are in order already: this merges them.
        found.sort();
        found.dedup();
        found
    }

    fn in_calendar<'a>(
        &'a self,
        column: usize,
        source: &PidName,
    ) -> impl Iterator<Item = &'a PidName> + use<'a> {
        let first = self.offer.edition().map.pids().next();
        let calendar = self.offer.calendar(column);
        let row = calendar.zip(first).map(|(calendar, first)| {
            let (source, from) = (source.clone(), (source.clone(), first.clone()));
            let cells = calendar.cells.range(from..);
            cells.take_while(move |((s, _), _)| *s == source)
        });
        row.into_iter()
            .flatten()
            .map(|((_, destination), _)| destination)
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
        let destinations = self.chosen(&members, DSTS, &mut faults);
        members.earliest(faults)?;
        let question = question.unwrap_or_default();
        let table = self.table(&question, &sources, &destinations)?;
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
