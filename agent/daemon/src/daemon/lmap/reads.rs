//! Reads of data. A large configuration takes a small router longer to write out than a schedule may be late, so the daemon's task takes
//! down the state of the moment and a thread of its own does the rest, one read after the other.

use super::datastore::View;
use super::requests::whole;
use super::{Daemon, Lmap};
use crate::clock;
use crate::restconf::Exchange;
use glimpse_lmap::shown::Shown;
use glimpse_lmap::state::About;
use glimpse_model::instruction::MAX_INSTRUCTIONS;
use glimpse_restconf::{Error, Plan, Tag};
use glimpse_yang::Tree;

/// What was read.
#[derive(Debug)]
pub(in crate::daemon) struct Read {
    exchange: Exchange,
    plan: Plan,
}

/// Whether the answer may hold what is below a container of this name, which is costly to describe.
fn wants(path: &str, container: &str) -> bool {
    let data = path.split_once("/data").map_or("", |(_, data)| data);
    // A name may be written with escapes: then it may be any.
    data.contains(container) || data.trim_matches('/').is_empty() || data.contains('%')
}

impl Lmap {
    fn state(&self, shown: &Shown, parallel: u32) -> Option<Tree> {
        let about = About {
            version: crate::VERSION,
            tags: &[],
            max_schedules: u32::try_from(MAX_INSTRUCTIONS).unwrap_or(u32::MAX),
            max_parallel: parallel,
        };
        let now = self.moment(clock::now());
        match self.machine.operational(self.schema, shown, &about, &now) {
            Ok(tree) => Some(tree),
            Err(error) => {
                log::error!("the state of /lmap cannot be shown: {error}");
                None
            }
        }
    }
}

impl Daemon {
    /// Somebody wants to see data.
    pub(super) async fn reads(&mut self, exchange: Exchange) {
        let reads = &mut self.lmap.reads;
        reads.retain(|exchange| !exchange.reply.is_closed());
        reads.push_back(exchange);
        self.read_next().await;
    }

    /// Begins the next read, if none is under way.
    async fn read_next(&mut self) {
        while self.lmap.reading.is_empty() {
            let Some(exchange) = self.lmap.reads.pop_front() else {
                return;
            };
            if exchange.reply.is_closed() {
                continue;
            }
            let path = &exchange.request.path;
            let lmap = if wants(path, "lmap") {
                let upcoming = self.plan.upcoming().map(|(i, next)| (&**i, next));
                let shown = Shown::new(upcoming, self.lmap.machine.methods());
                self.lmap.state(&shown, self.executor.parallel())
            } else {
                None
            };
            let agent = if wants(path, "glimpse-agent:agent") {
                self.agent_state().await
            } else {
                None
            };
            let view = View {
                running: self.lmap.stored.moment(self.lmap.denied),
                lmap,
                agent,
            };
            let server = self.lmap.server.clone();
            self.lmap.reading.spawn_blocking(move || Read {
                plan: server.plan(&exchange.request, &view),
                exchange,
            });
        }
    }

    /// Something was read: tells it, and goes on.
    pub(super) async fn was_read(&mut self, read: Option<Box<Read>>) {
        if let Some(read) = read {
            let Read { exchange, plan } = *read;
            let (answer, audit) = match plan {
                Plan::Reply(finished) => whole(*finished),
                // Reading changes nothing, and streams are no data.
                Plan::Stream(_) | Plan::Commit(_) | Plan::Invoke(_) => {
                    let error = Error::new(Tag::OperationNotSupported, "this is not done so");
                    whole(self.lmap.server.refuse(&exchange.request, error))
                }
            };
            self.lmap.denied.add(audit.denied);
            self.lmap.note(&audit, &exchange, false);
            self.heard_of(&exchange.request);
            self.weigh_door();
            // Whoever asked may be gone.
            let _ = exchange.reply.send(answer);
        }
        self.read_next().await;
    }
}
