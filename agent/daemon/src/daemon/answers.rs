//! What the daemon answers to programs on the same machine.

use super::{Daemon, lmap};
use crate::guard::accounts::Purse;
use crate::local::service::Request;
use glimpse_model::capability::Capabilities;
use serde_json::{Value, json};

impl Daemon {
    /// Answers one question.
    pub(super) async fn answer(&mut self, request: Request) -> Value {
        match request {
            Request::Status => self.status().await,
            Request::Results { last } => self.results(last),
            Request::Budget => self.budget(),
            Request::Schedules => self.schedules(),
            Request::Capabilities => {
                let methods = self.registry.borrow().capabilities();
                let document =
                    Capabilities::new(crate::VERSION.to_owned(), methods, self.agent_limits());
                serde_json::to_value(document).unwrap_or(Value::Null)
            }
            Request::Own { bytes } => {
                self.guard.accounts_mut().note_own(bytes);
                self.note_accounts(false).await;
                json!({})
            }
            Request::ResetAccess => match self.reset_access() {
                Ok(()) => json!({}),
                Err(error) => json!({"error": error}),
            },
        }
    }

    async fn status(&self) -> Value {
        let spool = self.spooler.state().await;
        let rejected: Vec<Value> = spool
            .rejected
            .iter()
            .map(|(id, reason)| json!({"id": id, "reason": reason}))
            .collect();
        json!({
            "version": crate::VERSION,
            "started": self.started,
            "consent": self.settings.consent.enabled,
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

    fn results(&self, last: usize) -> Value {
        let results: Vec<Value> = self
            .history
            .last(last)
            .rev()
            .filter_map(|raw| serde_json::from_str(&raw.json).ok())
            .collect();
        json!({"results": results})
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

    fn schedules(&self) -> Value {
        let mut schedules: Vec<Value> = self
            .plan
            .upcoming()
            .map(|(instruction, next)| {
                let methods: Vec<&str> = instruction
                    .tasks
                    .iter()
                    .map(|task| task.method.as_str())
                    .collect();
                json!({"id": instruction.id, "timing": instruction.timing, "methods": methods,
                    "next": next})
            })
            .collect();
        schedules.extend(self.lmap_schedules());
        json!({"schedules": schedules})
    }
}
