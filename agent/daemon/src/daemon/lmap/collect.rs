//! Reports on their way to collectors.
//!
//! A report goes to the controller the agent is enrolled with, by the trust of the JSON door, or to a channel of the household's, by
//! that channel's own. The resolver knows no others either; that a collector is known is looked at here again, because the household may have
//! changed its mind since.
//!
//! Reports are not measurements: no cap of those holds for them. They have bounds of their own ([`allowance`], [`Pace`]), and wait
//! where the household wants quiet.

use super::pace::Pace;
use super::{Daemon, Lmap};
use crate::clock;
use crate::guard::Rules;
use crate::identity::Identity;
use crate::local::uci::Channel;
use crate::local::uci::channel::Trust;
use crate::tls::{self, TlsError};
use crate::uplink::collector::{self, Report};
use glimpse_lmap::Output;
use glimpse_lmap::collectors::Origin;
use glimpse_lmap::outbox::Answer;
use glimpse_model::precondition::Link;
use glimpse_model::time::SECOND;
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;

/// Reports to one collector at once, and how long until one more may follow.
const BURST: i64 = 10;
const APART_US: i64 = 60 * SECOND;
/// How long a report waits for the end of quiet hours, another link or another month before it is tried again.
const LATER_S: u32 = 900;
/// Bytes of this door a month that a household gives beside a part of its cap.
const FLOOR: u64 = 10_000_000;
/// That part.
const PART: u64 = 20;

/// Bytes a month that reports and what the controller reads may take: a twentieth of the cap of the link, and ten million.
pub(in crate::daemon) fn allowance(rules: &Rules, link: Link) -> u64 {
    let cap = match link {
        Link::Mobile => rules.mobile_cap,
        _ => rules.cap,
    };
    cap / PART + FLOOR
}

/// Reports on their way at once: memory is dear.
const SENDING: usize = 2;

/// A report that waits for its turn.
#[derive(Debug)]
pub(super) struct Due {
    at_us: i64,
    schedule: String,
    action: String,
    collector: String,
    outputs: Vec<Arc<Output>>,
}

/// What became of a report.
#[derive(Debug)]
pub(in crate::daemon) struct Posted {
    pub(super) schedule: String,
    pub(super) action: String,
    pub(super) collector: String,
    /// How many results it held.
    pub(super) count: usize,
    pub(super) answer: Answer,
}

/// By what a collector proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// By what the controller does.
    Controller,
    /// By what the household says.
    Channel(Trust),
}

impl Way {
    /// The way to `collector`; none where it is neither the controller's nor a channel's.
    fn to(collector: &str, controller: Option<&str>, channels: &[Channel]) -> Option<Self> {
        let origin = Origin::of(collector)?;
        let is_there = |url: &str| Origin::of(url).as_ref() == Some(&origin);
        let of = |channel: &Channel| Self::Channel(channel.trust.clone());
        // The same address under two names is one channel of the two; both are the household's.
        let named = channels.iter().find(|channel| channel.url == collector);
        if let Some(channel) = named {
            return Some(of(channel));
        }
        if controller.is_some_and(is_there) {
            return Some(Self::Controller);
        }
        let same = channels.iter().find(|channel| is_there(&channel.url));
        same.map(of)
    }

    fn tls(&self, identity: &Identity) -> Result<Arc<ClientConfig>, TlsError> {
        match self {
            Self::Controller => tls::steady(identity, clock::now().as_micros() / SECOND),
            Self::Channel(trust) => tls::channel(identity, trust),
        }
    }
}

fn later(reason: &str, retry_after_s: Option<u32>) -> Answer {
    Answer::Later {
        reason: reason.to_owned(),
        retry_after_s,
    }
}

impl Daemon {
    /// Sends a report when its turn comes.
    pub(super) fn post(
        &mut self,
        schedule: String,
        action: String,
        collector: String,
        outputs: Vec<Arc<Output>>,
    ) {
        let mut at_us = i64::MIN;
        // What may not go has no turn.
        if self.way(&collector).is_ok() {
            let wait = self.turn(&collector);
            if !wait.is_zero() {
                let wait_us = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
                let now_us = self.lmap.moment(clock::now()).steady_us;
                at_us = now_us.saturating_add(wait_us);
            }
        }
        self.lmap.due.push(Due {
            at_us,
            schedule,
            action,
            collector,
            outputs,
        });
        self.send_due();
    }

    /// Sends what has its turn, as far as there is room. Whether it may go is asked now: the household may have changed its mind, or want
    /// quiet, since it began to wait.
    pub(in crate::daemon) fn send_due(&mut self) {
        let now_us = self.lmap.moment(clock::now()).steady_us;
        while self.lmap.posts.len() < SENDING {
            let due = self.lmap.due.iter().position(|due| due.at_us <= now_us);
            let Some(due) = due else {
                return;
            };
            let due = self.lmap.due.remove(due);
            self.send(due);
        }
    }

    fn send(&mut self, due: Due) {
        let way = self.way(&due.collector);
        let agent = self.lmap.machine.control().agent.clone();
        let traffic = self.lmap.door.clone();
        let schema = self.lmap.schema;
        self.lmap.posts.spawn(async move {
            let Due {
                schedule,
                action,
                collector,
                outputs,
                ..
            } = due;
            let report = Report {
                schema,
                agent,
                outputs,
                // Others need not know our types of parameters.
                parameters: matches!(way, Ok((Way::Controller, _))),
            };
            let (count, answer) = match way {
                Ok((way, identity)) => match way.tls(&identity) {
                    Ok(client) => collector::post(&collector, report, client, traffic).await,
                    Err(error) => {
                        log::warn!(target:% = collector, error:% = error; "no report can be sent");
                        let reason = "the trust of this collector cannot be used";
                        (report.outputs.len(), later(reason, None))
                    }
                },
                Err(answer) => (report.outputs.len(), answer),
            };
            Posted {
                schedule,
                action,
                collector,
                count,
                answer,
            }
        });
    }

    /// Whether a report may go to a collector now, and by what trust.
    fn way(&self, collector: &str) -> Result<(Way, Arc<Identity>), Answer> {
        let identity = self.lmap.identity.clone();
        let identity = identity.ok_or_else(|| later("the door is shut", None))?;
        let controller = self.settings.controller.url.as_deref();
        let way = Way::to(collector, controller, &self.settings.channels);
        let way = way.ok_or_else(|| later("the household knows no such collector", None))?;
        let rules = self.guard.rules();
        if rules.is_quiet(clock::now()) {
            let reason = "the report waits for the end of the household's quiet hours";
            return Err(later(reason, Some(LATER_S)));
        }
        let (_, link) = self
            .surroundings
            .link(&self.settings.limits.mobile_interfaces);
        if link == Link::Mobile && rules.mobile_cap == 0 {
            let reason = "the household gives nothing of its mobile link";
            return Err(later(reason, Some(LATER_S)));
        }
        if self.door_bytes() >= allowance(rules, link) {
            let reason = "the bytes for reports are used up in this month";
            return Err(later(reason, Some(LATER_S)));
        }
        Ok((way, identity))
    }

    /// How long a report to a collector waits for its turn.
    pub(super) fn turn(&mut self, collector: &str) -> Duration {
        let now_us = self.lmap.moment(clock::now()).steady_us;
        let paces = &mut self.lmap.paces;
        // As many as there can be collectors, and some that have just gone.
        if paces.len() > 64 {
            paces.retain(|_, pace| pace.wait_us(now_us) > 0);
        }
        let pace = paces
            .entry(collector.to_owned())
            .or_insert_with(|| Pace::new(BURST, APART_US));
        let wait = pace.wait_us(now_us);
        pace.take(now_us);
        clock::duration(wait)
    }

    /// Bytes of this door in this month, those under way included.
    pub(super) fn door_bytes(&self) -> u64 {
        let noted = self.guard.accounts().door();
        noted.saturating_add(self.lmap.door.peek())
    }

    /// Says at the door whether its bytes are used up.
    pub(in crate::daemon) fn weigh_door(&self) {
        let bytes = self.door_bytes();
        // There is no lower bound than that: the link need not be looked at.
        let spent = bytes >= FLOOR && {
            let (_, link) = self
                .surroundings
                .link(&self.settings.limits.mobile_interfaces);
            bytes >= allowance(self.guard.rules(), link)
        };
        if self.lmap.doors.set_spent(spent) && spent {
            log::warn!(
                "restconf: the bytes of this month are used up: nothing but edits is served to the controller"
            );
        }
    }
}

impl Lmap {
    /// When the next report has its turn, where there is room for it; else the end of another makes room.
    pub(super) fn due_us(&self) -> Option<i64> {
        let room = self.posts.len() < SENDING;
        let due = self.due.iter().map(|due| due.at_us).min();
        due.filter(|_| room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_collector_has_the_trust_that_belongs_to_it() {
        let channel = |url: &str, digit| Channel {
            name: url.to_owned(),
            url: url.to_owned(),
            trust: Trust::Fingerprint([digit; 32]),
        };
        let channels = [
            channel("https://a.example/one", 1),
            channel("https://a.example/two", 2),
            channel("https://c.example:8440/restconf", 3),
        ];
        let controller = Some("https://c.example:8440");
        let to = |url: &str| Way::to(url, controller, &channels);
        let by = |digit| Some(Way::Channel(Trust::Fingerprint([digit; 32])));
        assert_eq!(to("https://a.example/two"), by(2));
        assert_eq!(to("https://A.example:443/three"), by(1));
        assert_eq!(
            to("https://c.example:8440/restconf"),
            by(3),
            "the household's word"
        );
        assert_eq!(to("https://c.example:8440/other"), Some(Way::Controller));
        assert_eq!(to("https://c.example/restconf"), None);
        assert_eq!(to("https://192.168.1.1/"), None);
        assert_eq!(Way::to("https://c.example:8440", None, &[]), None);
    }
}
