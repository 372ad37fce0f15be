//! Whether a measurement may run here and now.
//!
//! The guard is asked for every task of a firing before it is queued, and says *admitted* (with a
//! [`Ticket`] that holds bytes and a place at the target) or *skipped* with a reason. It is a
//! value: time, link and rules are handed in. The household's word stands above the controller's.

pub mod accounts;
pub mod gate;
pub mod quiet;
pub mod rate;
pub mod target;

use crate::local::uci::{QuietHours, QuietZone};
use accounts::{Accounts, Purse};
use glimpse_model::budget::Reservation;
use glimpse_model::id::InstructionId;
use glimpse_model::precondition::{Link, Precondition};
use glimpse_model::record::SkipReason;
use glimpse_model::time::Timestamp;
use jiff::tz::TimeZone;
use rate::{Allowance, Flow, Targets};

/// What the household, or failing that the operator, allows.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// The household agreed to measure for others.
    pub consent: bool,
    /// Bytes a month on fixed lines.
    pub cap: u64,
    /// Bytes a month on mobile lines; 0 forbids measuring there.
    pub mobile_cap: u64,
    /// When nothing is measured.
    pub quiet: Vec<QuietHours>,
    /// The zone of the quiet hours.
    pub quiet_zone: QuietZone,
    /// The system's zone, where the quiet hours are meant in it.
    pub system_zone: TimeZone,
    /// Methods that are not run for others.
    pub forbidden: Vec<String>,
    /// Instructions that the household has paused.
    pub paused: Vec<String>,
    /// Targets in the household's own network may be measured when an instruction says so.
    pub lan: bool,
    /// Targets that only a laboratory has may be measured.
    pub lab: bool,
    /// Runs begun to one target per minute.
    pub target_rate: u32,
    /// Bytes of the runs begun to one address per minute.
    pub target_bytes: u64,
    /// Bytes of all runs begun per minute, but for those that fill the line.
    pub minute_bytes: u64,
    /// Mean level below which the line counts as quiet, in bit/s; `None` does not look.
    pub cross_traffic_bps: Option<u64>,
    /// Processor load over a run above which its result is flagged, in percent.
    pub cpu_load: u8,
    /// Runs at the same time to one target; the executor lets the others wait.
    pub target_parallel: u32,
}

impl Rules {
    /// Whether the household wants quiet at `now`.
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        !self.quiet.is_empty()
            && self
                .quiet_zone
                .minute_of_day(now.as_micros(), &self.system_zone)
                .is_some_and(|minute| self.quiet.iter().any(|span| span.contains(minute)))
    }

    /// Whether the household has paused the instruction.
    pub fn is_paused(&self, id: &InstructionId) -> bool {
        self.paused.iter().any(|paused| paused == id.as_str())
    }

    fn allowance(&self) -> Allowance {
        Allowance {
            runs: self.target_rate,
            target_bytes: self.target_bytes,
            all_bytes: self.minute_bytes,
        }
    }
}

/// One task that wants to run.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Name of the method.
    pub method: &'a str,
    /// The instruction; none of a session that another agent opens.
    pub instruction: Option<&'a InstructionId>,
    /// The target as the instruction names it.
    pub target: &'a str,
    /// Most bytes the run can use.
    pub worst_bytes: u64,
    /// Circumstances the instruction demands.
    pub precondition: &'a Precondition,
    /// The way to the Internet.
    pub link: Link,
    /// Battery charge in percent, where there is one.
    pub charge: Option<u8>,
    /// The clock is trusted.
    pub clock_trusted: bool,
}

/// Leave to run once. Give it back by [`Guard::settle`] with the bytes counted.
#[derive(Debug)]
#[must_use = "a ticket that is not settled blocks its bytes"]
pub struct Ticket {
    purse: Purse,
    reservation: Reservation,
}

/// No leave to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Why.
    pub reason: SkipReason,
    /// Why, in words.
    pub words: String,
}

fn deny<T>(reason: SkipReason, words: &str) -> Result<T, Denied> {
    Err(Denied {
        reason,
        words: words.to_owned(),
    })
}

/// The rules, the accounts and what is under way.
#[derive(Debug)]
pub struct Guard {
    rules: Rules,
    accounts: Accounts,
    targets: Targets,
    flow: Flow,
}

impl Guard {
    /// A guard over `accounts`.
    pub fn new(rules: Rules, accounts: Accounts) -> Self {
        let guard = Self {
            rules,
            accounts,
            targets: Targets::default(),
            flow: Flow::default(),
        };
        guard.flow.allow(guard.rules.allowance());
        guard
    }

    /// Puts other rules in force; what is under way goes on.
    pub fn set_rules(&mut self, rules: Rules) {
        self.flow.allow(rules.allowance());
        self.rules = rules;
    }

    /// What was begun lately, for the gate of a run.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// The rules in force.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The monthly accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The monthly accounts, to note traffic that is counted but not capped.
    pub fn accounts_mut(&mut self) -> &mut Accounts {
        &mut self.accounts
    }

    /// Whether the household lets `method` run for others at `now`, as `instruction` asks. Asked again when a run that had
    /// to wait is about to begin.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allows(
        &self,
        method: &str,
        instruction: Option<&InstructionId>,
        now: Timestamp,
    ) -> Result<(), Denied> {
        if !self.rules.consent {
            return deny(
                SkipReason::Consent,
                "the household has not agreed to measure for others",
            );
        }
        if self
            .rules
            .forbidden
            .iter()
            .any(|forbidden| forbidden == method)
        {
            return deny(
                SkipReason::MethodForbidden,
                "the household forbids this method",
            );
        }
        if instruction.is_some_and(|id| self.rules.is_paused(id)) {
            return deny(SkipReason::MethodForbidden, "paused by the household");
        }
        if self.rules.is_quiet(now) {
            return deny(
                SkipReason::QuietHours,
                "these are the household's quiet hours",
            );
        }
        Ok(())
    }

    /// Decides on one task at `now`.
    ///
    /// # Errors
    /// [`Denied`] with the first reason that holds, the household's before the instruction's.
    pub fn admit(&mut self, ask: &Ask<'_>, now: Timestamp) -> Result<Ticket, Denied> {
        if !ask.clock_trusted {
            return deny(SkipReason::ClockUntrusted, "the clock is not set yet");
        }
        self.allows(ask.method, ask.instruction, now)?;
        if let Some(words) = ask.precondition.unmet(ask.link, ask.charge) {
            return deny(SkipReason::Precondition, words);
        }
        let target = ask.target.to_ascii_lowercase();
        if !self.targets.may(&target, now, self.rules.target_rate) {
            let words = "the target was measured as often in this minute as is allowed";
            return deny(SkipReason::TargetRate, words);
        }
        let (purse, cap) = match ask.link {
            Link::Mobile => (Purse::Mobile, self.rules.mobile_cap),
            _ => (Purse::Fixed, self.rules.cap),
        };
        let reservation = self
            .accounts
            .ledger_mut(purse)
            .reserve(now, cap, ask.worst_bytes)
            .map_err(|error| Denied {
                reason: SkipReason::Budget,
                words: error.to_string(),
            })?;
        self.targets.enter(&target, now);
        Ok(Ticket { purse, reservation })
    }

    /// Closes a ticket with the bytes counted.
    pub fn settle(&mut self, ticket: Ticket, bytes: u64) {
        self.accounts
            .ledger_mut(ticket.purse)
            .settle(ticket.reservation, bytes);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-21T12:00:00Z").unwrap()
    }

    fn rules() -> Rules {
        Rules {
            consent: true,
            cap: 100_000,
            mobile_cap: 0,
            quiet: vec![QuietHours::parse("22:00-06:00").unwrap()],
            quiet_zone: QuietZone::System,
            system_zone: TimeZone::UTC,
            forbidden: vec!["btc_ma".to_owned()],
            paused: vec!["resting".to_owned()],
            lan: false,
            lab: false,
            target_rate: 3,
            target_bytes: 1_000_000,
            minute_bytes: 4_000_000,
            cross_traffic_bps: None,
            cpu_load: 80,
            target_parallel: 2,
        }
    }

    fn ask() -> Ask<'static> {
        const ANY: Precondition = Precondition {
            on_wireless: true,
            on_wire: true,
            on_cellular: true,
            min_charge: 0,
        };
        Ask {
            method: "ping",
            instruction: None,
            target: "192.0.2.1",
            worst_bytes: 1000,
            precondition: &ANY,
            link: Link::Wired,
            charge: None,
            clock_trusted: true,
        }
    }

    fn guard() -> Guard {
        Guard::new(rules(), Accounts::new(now()))
    }

    fn reason(guard: &mut Guard, ask: &Ask<'_>, now: Timestamp) -> SkipReason {
        guard.admit(ask, now).unwrap_err().reason
    }

    #[test]
    fn each_reason_is_named() {
        let mut g = guard();
        let night = Timestamp::parse("2026-11-21T23:00:00Z").unwrap();
        assert_eq!(reason(&mut g, &ask(), night), SkipReason::QuietHours);
        let untrusted = Ask {
            clock_trusted: false,
            ..ask()
        };
        assert_eq!(
            reason(&mut g, &untrusted, now()),
            SkipReason::ClockUntrusted
        );
        let forbidden = Ask {
            method: "btc_ma",
            ..ask()
        };
        assert_eq!(
            reason(&mut g, &forbidden, now()),
            SkipReason::MethodForbidden
        );
        let (resting, other) = (InstructionId::new("resting"), InstructionId::new("other"));
        let paused = Ask {
            instruction: resting.as_ref().ok(),
            ..ask()
        };
        assert_eq!(reason(&mut g, &paused, now()), SkipReason::MethodForbidden);
        let not_paused = Ask {
            instruction: other.as_ref().ok(),
            ..ask()
        };
        let ticket = g.admit(&not_paused, now()).unwrap();
        g.settle(ticket, 0);
        let mobile = Ask {
            link: Link::Mobile,
            ..ask()
        };
        assert_eq!(reason(&mut g, &mobile, now()), SkipReason::Budget);
        let large = Ask {
            worst_bytes: 100_001,
            ..ask()
        };
        assert_eq!(reason(&mut g, &large, now()), SkipReason::Budget);
        let wireless = Precondition {
            on_wire: false,
            ..Precondition::default()
        };
        let unmet = Ask {
            precondition: &wireless,
            ..ask()
        };
        assert_eq!(reason(&mut g, &unmet, now()), SkipReason::Precondition);
        g.set_rules(Rules {
            consent: false,
            ..rules()
        });
        assert_eq!(reason(&mut g, &ask(), now()), SkipReason::Consent);
    }

    #[test]
    fn glimpse_check_24_on_wire_false_on_ethernet_does_not_run() {
        let precondition = Precondition {
            on_wire: false,
            ..Precondition::default()
        };
        let mut g = guard();
        let denied = g
            .admit(
                &Ask {
                    precondition: &precondition,
                    ..ask()
                },
                now(),
            )
            .unwrap_err();
        assert_eq!(denied.reason, SkipReason::Precondition);
        assert!(denied.words.contains("on_wire"));
    }

    #[test]
    fn rate_at_one_target() {
        let mut g = guard();
        for target in ["host.example", "HOST.example", "host.example"] {
            let ticket = g.admit(&Ask { target, ..ask() }, now()).unwrap();
            g.settle(ticket, 10);
        }
        let again = Ask {
            target: "host.example",
            ..ask()
        };
        assert_eq!(reason(&mut g, &again, now()), SkipReason::TargetRate);
        let other = g.admit(&ask(), now()).unwrap();
        g.settle(other, 10);
        let later = Timestamp::parse("2026-11-21T12:01:01Z").unwrap();
        let fourth = g.admit(&again, later).unwrap();
        g.settle(fourth, 10);
        assert_eq!(g.accounts().ledger(Purse::Fixed).used(), 50);
    }

    #[test]
    fn a_refusal_takes_nothing() {
        let mut g = guard();
        let large = Ask {
            worst_bytes: u64::MAX,
            ..ask()
        };
        for _ in 0..10 {
            assert!(g.admit(&large, now()).is_err());
        }
        let ticket = g.admit(&ask(), now()).unwrap();
        g.settle(ticket, 0);
        assert_eq!(g.accounts().ledger(Purse::Fixed).used(), 0);
    }
}
