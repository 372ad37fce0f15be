//! What the daemon answers to programs on the same machine.

use super::{Daemon, lmap};
use crate::clock;
use crate::guard::accounts::Purse;
use crate::local::erase;
use crate::local::series::{self, line};
use crate::local::service::Request;
use crate::local::{export, results};
use glimpse_model::capability::Capabilities;
use serde_json::{Value, json};

impl Daemon {
    /// Answers one question.
    pub(super) async fn answer(&mut self, request: Request) -> Value {
        match request {
            Request::Status => self.status().await,
            Request::Results(query) => results::results(&self.history, &query),
            Request::Series(query) => {
                let contract = self.contract(query.figure);
                series::series(&self.history, &query, clock::now(), contract)
            }
            Request::Run(own) => self.run_own(&own),
            Request::RunStatus(id) => self.run_status(id),
            Request::Cancel(id) => self.cancel(id).await,
            Request::Budget => self.budget(),
            Request::Schedules => self.schedules(),
            Request::Capabilities { method } => self.capabilities(method.as_deref()),
            Request::Enrol(asked) => self.enrol(asked),
            Request::Diagnose { complaint, client } => self.diagnose(complaint, client),
            Request::SurveyGet => self.survey.json(),
            Request::SurveyAnswer(told) => self.answer_survey(&told).await,
            Request::Export { format, cursor } => {
                export::piece(&self.history, format, cursor.as_deref())
                    .unwrap_or_else(|refused| json!({"error": refused.to_string()}))
            }
            Request::Own { bytes } => {
                self.count(bytes).await;
                json!({})
            }
            Request::ResetAccess => match self.reset_access() {
                Ok(()) => json!({}),
                Err(error) => json!({"error": error}),
            },
            Request::Erase => self.erase(),
        }
    }

    /// Notes that everything is to be deleted, which is done when the daemon has stopped.
    fn erase(&mut self) -> Value {
        if let Err(error) = erase::mark(&self.state_dir) {
            return json!({"error": format!("cannot begin to erase: {error}; nothing is deleted")});
        }
        log::info!("erased by the household: everything begins anew");
        self.erasing = true;
        let asks = erase::controller(&self.settings).is_some();
        let pending = asks && erase::is_enrolled(&self.state_dir);
        json!({"forgotten": pending.then_some(false), "pending": pending})
    }

    async fn status(&self) -> Value {
        let spool = self.spooler.state().await;
        let rejected: Vec<Value> = spool
            .rejected
            .iter()
            .map(|(id, reason)| json!({"id": id, "reason": reason}))
            .collect();
        let now = clock::now();
        let mobile = &self.settings.limits.mobile_interfaces;
        json!({
            "version": crate::VERSION,
            "started": self.started,
            "now": now,
            "consent": self.settings.consent.enabled,
            "enrolled": self.membership.agent.is_some(),
            "settings_error": self.fault(),
            "verdict": line::line(&self.history, &self.known(now), now).json(),
            "link": self.surroundings.link_report(mobile, clock::steady()),
            "board": self.surroundings.board_report(),
            "lan_name": null,
            "controller": {
                "url": self.settings.controller.url,
                "agent": self.membership.agent,
                "certificate_until": self.membership.valid_until,
                "error": self.membership.error,
                "instructions": self.pulling.to_json(),
                "results": self.sending.to_json(),
            },
            "instructions": {
                "in_force": self.plan.upcoming().count(),
                "error": self.set_error,
                "next": self.plan.upcoming().filter_map(|(_, next)| next).min(),
            },
            "restconf": self.door(),
            "measurements": {
                "running": self.running.values().filter(|run| run.begun).count(),
                "waiting": self.running.values().filter(|run| !run.begun).count(),
            },
            "spool": {
                "waiting": spool.waiting,
                "bytes": spool.bytes,
                "oldest": spool.oldest,
                "held_in_memory": spool.held,
                "rejected": rejected,
            },
        })
    }

    /// What can be measured; of one method alone where it is named.
    fn capabilities(&self, method: Option<&str>) -> Value {
        let mut methods = self.registry.borrow().capabilities();
        if let Some(name) = method {
            methods.retain(|method| method.name == name);
            if methods.is_empty() {
                let name = glimpse_model::read::printable(name);
                return json!({"error": format!("'{name}' is not a method of this agent")});
            }
        }
        let document = Capabilities::new(crate::VERSION.to_owned(), methods, self.agent_limits());
        serde_json::to_value(document).unwrap_or(Value::Null)
    }

    /// What is wrong with the settings, or with a schedule in them.
    fn fault(&self) -> Option<String> {
        let fault = self.settings_error.borrow().clone();
        fault.or_else(|| {
            let faults = self.schedule_faults();
            (!faults.is_empty()).then(|| faults.join("; "))
        })
    }

    fn budget(&self) -> Value {
        let rules = self.guard.rules();
        let accounts = self.guard.accounts();
        let (_, link) = self
            .surroundings
            .link(&self.settings.limits.mobile_interfaces);
        let account = |purse, cap| {
            let ledger = accounts.ledger(purse);
            json!({"month": ledger.month().to_string(), "cap_bytes": cap,
                "used_bytes": ledger.used(), "available_bytes": ledger.available(cap)})
        };
        json!({
            "fixed": account(Purse::Fixed, rules.cap),
            "mobile": account(Purse::Mobile, rules.mobile_cap),
            "own_bytes": accounts.own(),
            "control_bytes": accounts.control(),
            "door": {"used_bytes": accounts.door(), "cap_bytes": lmap::allowance(rules, link)},
        })
    }
}
