//! The endpoint cost service (RFC 7285 §11.5): costs between the PIDs of addresses.

use std::borrow::Cow;
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
    CalendarKind, Cost, CostMap, CostRow, Edition, Endpoint, Family, Fault, PidName, ResourceId,
    media,
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
type Endpoints<'a> = Vec<(Cow<'a, str>, IpAddr)>;

/// One side of a pair, by the nearest PID whose costs it has and by `TOTAL`.
type Sides<T> = [Option<T>; 2];

impl EndpointCost {
    /// All columns of an edition, with their calendars of the hours of the day, as the resource `id`.
    pub fn new(id: ResourceId, edition: &Arc<Edition>) -> Self {
        Self {
            id,
            offer: Offer::new(edition, CalendarKind::HourOfDay),
            total: PidName::total(),
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

    /// The PIDs whose costs an address has, the nearest first; none if the map says nothing of its type.
    fn pids(&self, address: IpAddr) -> Sides<&PidName> {
        let pid = self.offer.edition().map.pid_of(address);
        let total = pid.filter(|pid| **pid != self.total).map(|_| &self.total);
        [pid, total]
    }

    fn table<'a>(
        &'a self,
        question: &'a Question,
        sources: &'a Endpoints<'_>,
        destinations: &'a Endpoints<'_>,
    ) -> Result<Table<'a>, Refusal> {
        let edition = self.offer.edition();
        let used = question.columns();
        let maps: Vec<&CostMap> = used.iter().map(|n| &edition.columns[*n].costs).collect();
        let of = |(key, address): &'a (Cow<'_, str>, IpAddr)| (&**key, self.pids(*address));
        // Names are looked up once for each endpoint and column, not for each pair.
        let numbers = |to: Sides<&PidName>| -> Vec<Sides<u32>> {
            let numbers = |costs: &&CostMap| to.map(|pid| costs.number(pid?));
            maps.iter().map(numbers).collect()
        };
        let destinations: Vec<_> = destinations.iter().map(of).collect();
        let numbered: Vec<_> = destinations.iter().map(|(_, to)| numbers(*to)).collect();
        let mut rows: Vec<Sides<CostRow<'_>>> = Vec::new();
        let mut table = Table::new(question);
        for (source, from) in sources.iter().map(of) {
            table.row(source);
            rows.clear();
            rows.extend(maps.iter().map(|costs| from.map(|pid| costs.row(pid?))));
            for ((destination, to), numbers) in destinations.iter().zip(&numbered) {
                let cost = |column: usize| -> Option<Cost> {
                    let at = used.binary_search(&column).ok()?;
                    let mut rows = rows[at].iter().flatten();
                    rows.find_map(|row| numbers[at].iter().flatten().find_map(|n| row.cost_to(*n)))
                };
                let intervals = |column: usize| {
                    let cells = &self.offer.calendar(column)?.cells;
                    let (mut from, to) = (from.into_iter().flatten(), to.iter().flatten());
                    from.find_map(|s| to.clone().find_map(|d| cells.costs(s, d)))
                };
                table.add(destination, cost, intervals)?;
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

/// The endpoints of a list, each once.
fn endpoints<'a>(members: &Members<'a>, field: &str, faults: &mut Vec<Fault>) -> Endpoints<'a> {
    let mut endpoints = Endpoints::new();
    for element in members.array(field).unwrap_or_default() {
        let text = element.text();
        let endpoint = text.and_then(|text| Some((text.parse::<Endpoint>().ok()?, text)));
        let Some((endpoint, text)) = endpoint else {
            faults.push(element.fault(field));
            break;
        };
        endpoints.push((text, endpoint.address()));
    }
    endpoints.sort_unstable();
    endpoints.dedup();
    endpoints
}

/// The client's own address, as it would spell it. A socket for both families shows IPv4 addresses as mapped ones.
fn spelled(peer: IpAddr) -> (Cow<'static, str>, IpAddr) {
    let peer = peer.to_canonical();
    let text = format!("{}:{peer}", Family::of(peer).name());
    (text.into(), peer)
}

#[cfg(test)]
mod tests;
