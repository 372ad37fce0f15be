//! Edits on their way to a commit.
//!
//! ```text
//! asked ─▶ waiting ─▶ planned, on a thread of its own ─▶ still the same configuration? ─▶ commit
//!                        ▲                                        │ no
//!                        └────────────────────────────────────────┘
//! ```
//! A large edit takes a small router longer than a schedule may be late, so the daemon's task does not plan it. One is planned at
//! a time.

use super::requests::{is_controllers, whole};
use super::{Daemon, EDITS_WAITING, Lmap};
use crate::clock;
use crate::restconf::{Exchange, Reply};
use glimpse_lmap::Control;
use glimpse_lmap::shown::Shown;
use glimpse_model::time::SECOND;
use glimpse_restconf::{Audit, Error, Plan, Request, Tag};

/// How often an edit is planned anew because something else has changed the configuration.
const TRIES: u8 = 3;

/// An edit that was planned.
#[derive(Debug)]
pub(in crate::daemon) struct Planned {
    exchange: Exchange,
    plan: Plan,
    /// What the new configuration says, or why it says nothing.
    control: Option<Result<Control, glimpse_yang::Error>>,
    /// Of which configuration.
    generation: u32,
    tries: u8,
}

impl Lmap {
    /// Plans the next edit, if none is being planned. One whose client does not wait any more is not carried out: it was told
    /// that it failed.
    fn plan_next(&mut self) {
        while self.planning.is_empty() {
            let Some(exchange) = self.edits.pop_front() else {
                return;
            };
            if !exchange.reply.is_closed() {
                self.plan(exchange, 1);
            }
        }
    }

    fn plan(&mut self, exchange: Exchange, tries: u8) {
        let (server, store) = (self.server.clone(), self.stored.moment(self.denied));
        let generation = self.stored.generation;
        self.planning.spawn_blocking(move || {
            let plan = server.plan(&exchange.request, &store);
            let control = match &plan {
                Plan::Commit(commit) => Some(Control::read(&commit.tree)),
                _ => None,
            };
            Planned {
                exchange,
                plan,
                control,
                generation,
                tries,
            }
        });
    }

    /// How many seconds whoever asks is to wait before an edit; none where it may be.
    pub(super) fn edit_wait_s(&self, request: &Request) -> Option<i64> {
        let now_us = self.moment(clock::now()).steady_us;
        let wait = self.edit_paces[usize::from(is_controllers(request))].wait_us(now_us);
        (wait > 0).then(|| wait.div_euclid(SECOND) + 1)
    }

    /// The answer to an edit that comes too soon: each is written to flash.
    pub(super) fn too_soon(&self, request: &Request, wait_s: i64) -> (Reply, Audit) {
        let message =
            "the configuration was changed too often: each change wears the device's flash";
        self.not_now(request, message, wait_s)
    }

    fn not_now(&self, request: &Request, message: &str, wait_s: i64) -> (Reply, Audit) {
        let error = Error::new(Tag::ResourceDenied, message).with_status(503);
        let mut finished = self.server.refuse(request, error);
        finished.response = finished.response.with("Retry-After", wait_s.to_string());
        whole(finished)
    }
}

impl Daemon {
    /// Somebody wants to change something.
    pub(super) fn wants(&mut self, exchange: Exchange) {
        // Nobody waits for those whose clients have gone; they hold memory all the same.
        let edits = &mut self.lmap.edits;
        edits.retain(|exchange| !exchange.reply.is_closed());
        if edits.len() >= EDITS_WAITING {
            let message = "too many edits wait";
            let (answer, audit) = self.lmap.not_now(&exchange.request, message, 10);
            self.lmap.note(&audit, &exchange, false);
            let _ = exchange.reply.send(answer);
            return;
        }
        edits.push_back(exchange);
        self.lmap.plan_next();
    }

    /// An edit was planned: carries it out.
    pub(super) fn planned(&mut self, planned: Option<Box<Planned>>) {
        if let Some(planned) = planned {
            self.carry_out(*planned);
        }
        self.lmap.plan_next();
    }

    fn carry_out(&mut self, planned: Planned) {
        let Planned {
            exchange,
            plan,
            control,
            generation,
            tries,
        } = planned;
        if exchange.reply.is_closed() {
            return;
        }
        let now = self.lmap.stored.generation;
        let changed = generation != now;
        if changed && tries < TRIES && matches!(plan, Plan::Commit(_)) {
            return self.lmap.plan(exchange, tries + 1);
        }
        let upcoming = self.plan.upcoming().map(|(i, next)| (&**i, next));
        let shown = Shown::new(upcoming, self.lmap.machine.methods());
        let request = &exchange.request;
        let (answer, audit) = match plan {
            Plan::Reply(finished)
                if [404, 409].contains(&finished.response.status)
                    && self.is_managed(&request.path, &shown) =>
            {
                // It is there to be seen, so it is not absent.
                whole(self.managed(*finished))
            }
            Plan::Reply(finished) => whole(*finished),
            Plan::Commit(_) if changed => {
                let error = Error::new(Tag::InUse, "others edit at the same time: try again");
                whole(self.lmap.server.refuse(request, error))
            }
            Plan::Commit(mut commit) => {
                if let Some(wait_s) = self.lmap.edit_wait_s(request) {
                    self.lmap.too_soon(request, wait_s)
                } else {
                    let outcome = self.commit(&mut commit, control, &shown);
                    whole(commit.finish(outcome))
                }
            }
            Plan::Invoke(invoke) => {
                let outcome = self.invoke(&invoke, &shown);
                whole(invoke.finish(outcome))
            }
            // Only a GET opens one.
            Plan::Stream(stream) => {
                let audit = stream.audit.clone();
                (Reply::Events(stream, self.lmap.notices.subscribe()), audit)
            }
        };
        self.lmap.denied.add(audit.denied);
        let committed = now != self.lmap.stored.generation;
        if committed {
            let now_us = self.lmap.moment(clock::now()).steady_us;
            self.lmap.edit_paces[usize::from(is_controllers(&exchange.request))].take(now_us);
        }
        self.lmap.note(&audit, &exchange, committed);
        self.heard_of(&exchange.request);
        self.weigh_door();
        // Whoever asked may be gone.
        let _ = exchange.reply.send(answer);
    }
}
