//! The endpoint cost service (RFC 7285 §11.5): costs between the PIDs of addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::directory::Costs;
use crate::filtered_cost_map::answer;
use crate::filtered_cost_map::offer::Offer;
use crate::filtered_cost_map::question::{self, Question};
use crate::filtered_cost_map::table::Table;
use crate::query::{Asking, Query, Refusal};
use crate::request_body::{Kind, Members};
use crate::{
    CalendarKind, Cost, CostRow, Edition, Endpoint, Family, Fault, PidName, ResourceId, media,
};

const ENDPOINTS: &str = "endpoints";
const SRCS: &str = "endpoints/srcs";
const DSTS: &str = "endpoints/dsts";
const OWN: [(&str, Kind); 3] = [
    (ENDPOINTS, Kind::Object),
    (SRCS, Kind::Array),
    (DSTS, Kind::Array),
];

/// The costs between endpoints, by the network map of an edition. A pair of PIDs without a cost has that of all measurements of
/// the one side, or of the other, or of both: that of `TOTAL`, which the contexts of the cost types should declare.
#[derive(Debug)]
pub struct EndpointCost {
    id: ResourceId,
    offer: Offer,
    total: PidName,
}

/// Endpoints as the client spells them, by which it looks up the answer, in order.
type Endpoints = BTreeMap<String, IpAddr>;

impl EndpointCost {
    /// All columns of an edition, with their calendars of the hours of the day, as the resource `id`.
    pub fn new(id: ResourceId, edition: &Arc<Edition>) -> Self {
        Self {
            id,
            offer: Offer::new(edition, CalendarKind::HourOfDay),
            total: PidName::total(),
        }
    }

    /// What the directory says of it.
    pub fn costs(&self) -> Costs {
        self.offer.costs()
    }

    /// The PIDs whose costs an address has, the nearest first; none if the map says nothing of its type.
    fn pids(&self, address: IpAddr) -> impl Iterator<Item = &PidName> + Clone {
        let pid = self.offer.edition().map.pid_of(address);
        let total = pid.filter(|pid| **pid != self.total).map(|_| &self.total);
        pid.into_iter().chain(total)
    }

    fn table<'a>(
        &'a self,
        question: &'a Question,
        sources: &'a Endpoints,
        destinations: &'a Endpoints,
    ) -> Result<Table<'a>, Refusal> {
        let edition = self.offer.edition();
        let used = question.columns();
        let of = |address: &IpAddr| self.pids(*address).collect::<Vec<_>>();
        let destinations: Vec<(&str, Vec<&PidName>)> = destinations
            .iter()
            .map(|(key, address)| (key.as_str(), of(address)))
            .collect();
        let mut table = Table::new(question);
        for (source, address) in sources {
            let from = of(address);
            let rows = |index: &usize| {
                let costs = edition.columns.get(*index).map(|column| &column.costs);
                let rows = from.iter().filter_map(|pid| costs?.row(pid));
                (*index, rows.collect())
            };
            let rows: BTreeMap<usize, Vec<CostRow<'_>>> = used.iter().map(rows).collect();
            for (destination, to) in &destinations {
                let cost = |column: usize| -> Option<Cost> {
                    let mut rows = rows.get(&column)?.iter();
                    rows.find_map(|row| to.iter().find_map(|pid| row.cost(pid)))
                };
                let intervals = |column: usize| {
                    let cells = &self.offer.calendar(column)?.cells;
                    let cell =
                        |s: &PidName, d: &PidName| Some(&**cells.get(&(s.clone(), d.clone()))?);
                    from.iter().find_map(|s| to.iter().find_map(|d| cell(s, d)))
                };
                table.add((source, destination), cost, intervals)?;
            }
        }
        Ok(table)
    }
}

impl Query for EndpointCost {
    fn accepts(&self) -> &'static str {
        media::ENDPOINT_COST_PARAMS
    }

    fn media_type(&self) -> &'static str {
        media::ENDPOINT_COST
    }

    fn answer(&self, body: &[u8], asking: &Asking<'_>) -> Result<Vec<u8>, Refusal> {
        let members = question::read(body, &OWN, &[ENDPOINTS])?;
        let mut faults = Vec::new();
        let question = Question::new(&self.offer, &members, &mut faults)?;
        let mut sources = endpoints(&members, SRCS, &mut faults);
        let mut destinations = endpoints(&members, DSTS, &mut faults);
        if let (true, true, Some(nobody)) = (
            given(&members, SRCS),
            given(&members, DSTS),
            members.get(ENDPOINTS),
        ) {
            faults.push(nobody.fault(ENDPOINTS));
        }
        members.earliest(faults)?;
        for side in [&mut sources, &mut destinations] {
            if side.is_empty() {
                side.extend(asking.peer.map(spelled));
            }
        }
        if sources.len().saturating_mul(destinations.len()) > asking.limits.pairs {
            return Err(Refusal::TooMany);
        }
        let question = question.unwrap_or_default();
        let table = self.table(&question, &sources, &destinations)?;
        Ok(answer::body(
            &self.id,
            "endpoint-cost-map",
            &self.offer,
            &question,
            table,
            None,
        ))
    }
}

/// Whether the list of a side is empty or absent.
fn given(members: &Members<'_>, field: &str) -> bool {
    members
        .array(field)
        .is_none_or(|elements| elements.is_empty())
}

/// The endpoints of a list.
fn endpoints(members: &Members<'_>, field: &str, faults: &mut Vec<Fault>) -> Endpoints {
    let mut endpoints = Endpoints::new();
    for element in members.array(field).unwrap_or_default() {
        let text = element.text();
        let endpoint = text.and_then(|text| Some((text.parse::<Endpoint>().ok()?, text)));
        let Some((endpoint, text)) = endpoint else {
            faults.push(element.fault(field));
            break;
        };
        endpoints.insert(text.into_owned(), endpoint.address());
    }
    endpoints
}

/// The client's own address, as it would spell it. A socket for both families shows IPv4 addresses as mapped ones.
fn spelled(peer: IpAddr) -> (String, IpAddr) {
    let peer = peer.to_canonical();
    (format!("{}:{peer}", Family::of(peer).name()), peer)
}

#[cfg(test)]
mod tests;
