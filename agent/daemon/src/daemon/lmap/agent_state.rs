//! `/glimpse-agent:agent`: accounts, what waits, and the doors.

use super::Daemon;
use crate::clock;
use crate::daemon::listing::monthly;
use crate::guard::accounts::Purse;
use crate::local::uci::system_zone;
use crate::restconf::doors::Standing;
use crate::spooler::SpoolState;
use crate::uplink::Contact;
use glimpse_lmap::event::timing;
use glimpse_lmap::function::REPORT_PROGRAM;
use glimpse_lmap::names;
use glimpse_lmap::resolve::{Resolved, resolve};
use glimpse_lmap::shown::Shown;
use glimpse_lmap::state::About;
use glimpse_model::instruction::Task;
use glimpse_model::time::{Timestamp, Zone};
use glimpse_restconf::cert_to_name::{Entry, Map};
use glimpse_yang::draft::Draft;
use glimpse_yang::schema::NodeId;
use glimpse_yang::{Error, Tree};
use jiff::civil::date;
use serde_json::{Value, json};
use std::path::Path;

fn put_time(d: &mut Draft, leaf: &str, at: Option<Timestamp>) -> Result<(), Error> {
    d.maybe(leaf, at.map(|at| at.to_string()).as_deref())?;
    Ok(())
}

fn put_contact(d: &mut Draft, contact: &Contact) -> Result<(), Error> {
    put_time(d, "last-success", contact.last_success)?;
    put_time(d, "last-attempt", contact.last_attempt)?;
    put_time(d, "next-attempt", contact.next_attempt)?;
    d.maybe("error", contact.error.as_deref().map(clean).as_deref())?;
    Ok(())
}

/// Without what YANG's strings cannot hold.
fn clean(text: &str) -> String {
    glimpse_model::read::printable(text)
}

/// When the month after that of `now` begins, UTC.
fn next_month(now: Timestamp) -> Option<Timestamp> {
    let text = now.to_string();
    let year: i16 = text.get(..4)?.parse().ok()?;
    let month: i8 = text.get(5..7)?.parse().ok()?;
    let (year, month) = match month {
        12 => (year + 1, 1),
        month => (year, month + 1),
    };
    let first = date(year, month, 1)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()?;
    Some(Timestamp::from_micros(first.timestamp().as_microsecond()))
}

impl Daemon {
    /// The state of the agent beside `/lmap`.
    pub(super) async fn agent_state(&self) -> Option<Tree> {
        let spool = self.spooler.state().await;
        let standing = self.lmap.doors.standing();
        match self.describe(&spool, &standing) {
            Ok(tree) => Some(tree),
            Err(error) => {
                log::error!("the state of the agent cannot be shown: {error}");
                None
            }
        }
    }

    /// The door, for the household.
    pub(in crate::daemon) fn door(&self) -> Value {
        let standing = self.lmap.doors.standing();
        let connections: u32 = standing.listens.values().sum();
        let called: Vec<Value> = standing
            .called
            .iter()
            .map(|(remote, called)| {
                let contact = called.contact.to_json();
                json!({"address": remote.address, "port": remote.port, "since": called.since,
                    "user": called.user, "contact": contact})
            })
            .collect();
        json!({"open": self.lmap.identity.is_some(), "connections": connections, "call_home": called})
    }

    /// The schedules of this door, as `schedules` lists those of the other.
    pub(in crate::daemon) fn lmap_schedules(&self) -> Vec<Value> {
        let lmap = &self.lmap;
        let about = About {
            version: crate::VERSION,
            tags: &[],
            max_schedules: 0,
            max_parallel: 0,
        };
        let moment = lmap.moment(clock::now());
        let tree = lmap
            .machine
            .operational(lmap.schema, &Shown::default(), &about, &moment);
        let Ok(tree) = tree else {
            return Vec::new();
        };
        let view = tree.view("ietf-lmap-control:lmap");
        let view = view.as_ref().and_then(|view| view.container("schedules"));
        let control = lmap.machine.control();
        let methods = super::methods(&lmap.registry);
        let channels = super::collectors(&self.settings);
        let zone = Zone::of(system_zone(Path::new("/")));
        control
            .schedules
            .iter()
            .filter_map(|schedule| {
                let id = names::instruction_id(&schedule.name)?;
                let next = view
                    .as_ref()
                    .and_then(|view| view.entry("schedule", &[schedule.name.as_str()]))
                    .and_then(|view| view.leaf("glimpse-agent:next-start"));
                let mut tasks = Vec::new();
                let does = schedule.actions.iter().map(|action| {
                    match resolve(control.task(&action.task), action, &methods, &channels) {
                        Ok(Resolved::Measure {
                            method, options, ..
                        }) => {
                            tasks.extend(names::task_id(&action.name).map(|id| Task {
                                id,
                                method: method.clone(),
                                options,
                            }));
                            method
                        }
                        Ok(Resolved::Report { .. }) => REPORT_PROGRAM.to_owned(),
                        Err(_) => clean(&action.task),
                    }
                });
                let does: Vec<String> = does.collect();
                let (targets, worst) = self.cost(&tasks);
                let event = control.event(&schedule.start);
                let timing = event.and_then(|event| timing(event, &zone));
                let measures: Vec<&str> = tasks.iter().map(|task| task.method.as_str()).collect();
                Some(json!({
                    "id": id,
                    "own": false,
                    "title": clean(&schedule.name),
                    "asked_by": {"door": "lmap", "name": self.settings.controller.url},
                    "purpose": null,
                    "methods": does,
                    "targets": targets,
                    "timing": timing,
                    "enabled": true,
                    "paused": self.guard.rules().is_paused(&id),
                    "forbidden": self.forbids(&measures),
                    "next": next,
                    "monthly_bytes": timing.as_ref().map(|timing| monthly(timing, worst)),
                }))
            })
            .collect()
    }

    fn describe(&self, spool: &SpoolState, standing: &Standing) -> Result<Tree, Error> {
        let schema = self.lmap.schema;
        let mut d = Draft::new(schema, NodeId::NONE, "glimpse-agent:agent")?;
        let consent = if self.settings.consent.enabled {
            "true"
        } else {
            "false"
        };
        d.leaf("consent", consent)?;
        let (rules, accounts) = (self.guard.rules(), self.guard.accounts());
        let resets = next_month(clock::now());
        for (link, purse, cap) in [
            ("fixed", Purse::Fixed, rules.cap),
            ("mobile", Purse::Mobile, rules.mobile_cap),
        ] {
            let used = accounts.ledger(purse).used();
            d.entry("budget", |d| {
                d.leaf("link", link)?
                    .leaf("cap-bytes", &cap.to_string())?
                    .leaf("used-month-bytes", &used.to_string())?;
                put_time(d, "resets", resets)
            })?;
        }
        d.leaf("own-bytes", &accounts.own().to_string())?
            .leaf("control-bytes", &accounts.control().to_string())?;
        d.container("spool", |d| {
            let capacity = self.settings.storage.spool_bytes.to_string();
            d.leaf("capacity-bytes", &capacity)?
                .leaf("bytes", &spool.bytes.to_string())?
                .leaf("records", &spool.waiting.to_string())?;
            put_time(d, "oldest", spool.oldest)
        })?;
        if let Some(url) = &self.settings.controller.url {
            d.entry("upload", |d| {
                d.leaf("destination", url)?
                    .leaf("pending", &spool.waiting.to_string())?;
                put_contact(d, &self.sending)
            })?;
        }
        d.container("doors", |d| self.put_doors(d, standing))?;
        let mut tree = Tree::new(schema);
        tree.push(d.done());
        Ok(tree)
    }

    fn put_doors(&self, d: &mut Draft, standing: &Standing) -> Result<(), Error> {
        if let Some(url) = &self.settings.controller.url {
            d.container("json", |d| {
                d.leaf("url", url)?;
                put_contact(d, &self.pulling)
            })?;
        }
        for ((address, port), connections) in &standing.listens {
            d.entry("listen", |d| {
                d.leaf("address", &address.to_string())?
                    .leaf("port", &port.to_string())?
                    .leaf("connections", &connections.to_string())?;
                Ok(())
            })?;
        }
        for (remote, called) in &standing.called {
            d.entry("call-home", |d| {
                d.leaf("remote-address", &remote.address)?
                    .leaf("remote-port", &remote.port.to_string())?;
                put_time(d, "connected-since", called.since)?;
                d.maybe("user", called.user.as_deref())?;
                put_contact(d, &called.contact)
            })?;
        }
        for entry in &standing.entries {
            d.entry("cert-to-name", |d| put_entry(d, entry))?;
        }
        Ok(())
    }
}

fn put_entry(d: &mut Draft, entry: &Entry) -> Result<(), Error> {
    d.leaf("id", &entry.id.to_string())?;
    if let Some(fingerprint) = &entry.fingerprint {
        let bytes = std::iter::once(&fingerprint.algorithm).chain(&fingerprint.digest);
        let text: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
        d.leaf("fingerprint", &text.join(":"))?;
    }
    if let Map::Specified(name) = &entry.map {
        d.leaf("map-type", "ietf-x509-cert-to-name:specified")?
            .leaf("name", name)?;
    }
    Ok(())
}
