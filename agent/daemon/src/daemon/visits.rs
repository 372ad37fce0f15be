//! Sessions that other agents opened here: leave to begin, and their records.

use super::Daemon;
use crate::clock;
use crate::guard::gate::{Gate, Refusal};
use crate::guard::rate::neighbourhood;
use crate::guard::{Ask, Ticket};
use crate::responder::Told;
use crate::spooler::new_id;
use glimpse_model::capability::Need;
use glimpse_model::outcome::{Ending, Outcome};
use glimpse_model::precondition::Precondition;
use glimpse_model::record::{Record, Status};
use glimpse_model::time::Timestamp;
use glimpse_model::token::MeasureId;
use glimpse_probe::context::Meter;
use glimpse_probe::responder::{self, Event, Recall};
use serde_json::{Map, Value};
use std::time::Instant;

/// A session under way.
#[derive(Debug)]
pub(super) struct Visit {
    ticket: Ticket,
    method: &'static str,
    peer: String,
    meter: Meter,
    recall: Recall,
    start: Timestamp,
    started: Instant,
    pre_info: Map<String, Value>,
}

impl Visit {
    /// The method it runs here.
    pub(super) const fn method(&self) -> &'static str {
        self.method
    }

    /// By which it is ended.
    pub(super) const fn recall(&self) -> &Recall {
        &self.recall
    }
}

/// Whether sessions of a method fill the line.
fn fills_line(method: &str) -> bool {
    method != "ping_mp"
}

impl Daemon {
    /// What the responder says.
    pub(super) async fn told(&mut self, told: Told) {
        match told {
            Told::Event(Event::Asks(ask, reply)) => {
                let verdict = self.receive_visit(&ask).await;
                if let Err(reason) = &verdict {
                    log::info!(method = ask.method, target:% = ask.peer, error = reason.as_str(); "a session was refused");
                }
                // Who has given up meanwhile says that it has ended.
                let _ = reply.send(verdict);
            }
            Told::Event(Event::Ended(session, outcome)) => self.end_visit(session, outcome).await,
            Told::Stopped => self.end_visits("the responder was stopped").await,
        }
    }

    async fn receive_visit(&mut self, ask: &responder::Ask) -> Result<(), String> {
        let now = clock::now();
        // Ids are drawn by initiators: one that is here already would take the place, and the ticket, of another session.
        if self.visits.contains_key(&ask.session) {
            return Err("there is a session of this id already".to_owned());
        }
        if fills_line(ask.method) && self.has_line() {
            return Err("another measurement has the line for itself".to_owned());
        }
        let rules = self.guard.rules();
        let gate = Gate {
            lan: rules.lan,
            lab: rules.lab,
            // How much is sent where was weighed by the controller when it made the token.
            charge: None,
            flow: self.guard.flow().clone(),
            refusal: Refusal::default(),
        };
        gate.admit(clock::now)(ask.peer)?;
        let neighbourhood = neighbourhood(ask.peer).to_string();
        let (_, link) = self
            .surroundings
            .link(&self.settings.limits.mobile_interfaces);
        let ticket = self
            .guard
            .admit(
                &Ask {
                    method: ask.method,
                    instruction: None,
                    target: &neighbourhood,
                    worst_bytes: ask.worst_bytes,
                    // The other agent's instruction has looked at its own; here the guard's rules hold alone.
                    precondition: &Precondition::default(),
                    link,
                    charge: self.surroundings.charge(),
                    clock_trusted: clock::is_trusted(now),
                },
                now,
            )
            .map_err(|denied| denied.words)?;
        let mobile = &self.settings.limits.mobile_interfaces;
        let visit = Visit {
            ticket,
            method: ask.method,
            peer: ask.peer.to_string(),
            meter: ask.meter.clone(),
            recall: ask.recall.clone(),
            start: now,
            started: clock::steady(),
            pre_info: self.surroundings.info(mobile, &self.guard),
        };
        self.visits.insert(ask.session, visit);
        self.note_accounts(false).await;
        Ok(())
    }

    /// Whether a run of this agent's own instructions, or one of the household's, has the line for itself.
    fn has_line(&self) -> bool {
        let runs = || {
            let mut runs = self.running.values();
            runs.any(|run| run.begun && self.fills_line(run.method()))
        };
        self.own.has_line() || runs()
    }

    /// Whether a method of this agent needs the line for itself.
    pub(super) fn fills_line(&self, method: &str) -> bool {
        self.registry
            .borrow()
            .find(method)
            .is_some_and(|method| method.needs.contains(&Need::ExclusiveLine))
    }

    /// Whether a session of another agent fills the line.
    pub(super) fn is_line_lent(&self) -> bool {
        self.visits.values().any(|visit| fills_line(visit.method))
    }

    /// Ends every session where it stands.
    pub(super) async fn end_visits(&mut self, reason: &str) {
        let open: Vec<MeasureId> = self.visits.keys().copied().collect();
        for session in open {
            let Some(visit) = self.visits.get(&session) else {
                continue;
            };
            // Where the household's word has stopped the responder, that is the reason.
            let reason = visit.recall.reason().unwrap_or_else(|| reason.to_owned());
            let mut outcome = Outcome::aborted(reason, visit.meter.read());
            let id = session.to_string().into();
            outcome.probe_result.insert("measure_uuid".to_owned(), id);
            self.end_visit(session, outcome).await;
        }
    }

    async fn end_visit(&mut self, session: MeasureId, mut outcome: Outcome) {
        let Some(visit) = self.visits.remove(&session) else {
            return;
        };
        if let Some(reason) = visit.recall.reason()
            && outcome.ending != Ending::Done
        {
            outcome.ending = Ending::Aborted;
            outcome.error = Some(reason);
        }
        self.guard.settle(visit.ticket, outcome.bytes.total());
        self.note_accounts(false).await;
        let now = clock::now();
        let mut record = Record::new(new_id(now), Status::Aborted).with_outcome(outcome);
        record.method = Some(visit.method.to_owned());
        record.planned_time = Some(visit.start);
        record.start_time = Some(visit.start);
        record.end_time = Some(now);
        record.duration = u64::try_from(visit.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        record.pre_info = visit.pre_info;
        let mobile = &self.settings.limits.mobile_interfaces;
        record.post_info = self.surroundings.info(mobile, &self.guard);
        self.keep(record, Some(&visit.peer)).await;
    }
}

#[cfg(test)]
mod tests;
