//! Requests of RESTCONF.

use super::datastore::Unkept;
use super::{Daemon, Happened, Lmap, NOTICES};
use crate::clock;
use crate::restconf::credentials::CONTROLLER;
use crate::restconf::{Exchange, Reply, Told};
use glimpse_lmap::Control;
use glimpse_lmap::shown::Shown;
use glimpse_model::instruction::MAX_INSTRUCTIONS;
use glimpse_model::read::printable;
use glimpse_model::record::SkipReason;
use glimpse_restconf::media::media_type;
use glimpse_restconf::{
    Audit, Commit, Error, Errors, Finished, Invoke, Method, Plan, Request, Response, Tag,
};
use glimpse_yang::schema::Kind;
use glimpse_yang::{DataPath, Encoding, Instance, Select, Tree};
use tokio::sync::broadcast;

/// What the other door has configured is not edited at this one.
const MANAGED: &str = "managed by supervisor";
/// Characters of a path that go to the log.
const LONGEST_PATH: usize = 256;

impl Daemon {
    /// What came by the door.
    pub(in crate::daemon) async fn happened(&mut self, happened: Happened) {
        let now = clock::now();
        match happened {
            Happened::Told(Told::Open(identity)) => {
                let moment = self.lmap.moment(now);
                self.lmap
                    .machine
                    .set_registered(identity.is_some(), &moment);
                self.lmap.identity = identity;
            }
            Happened::Told(Told::Asked(exchange)) => self.asked(*exchange).await,
            Happened::Told(Told::Denied(counters)) => self.lmap.denied.add(counters),
            Happened::Planned(planned) => self.planned(planned),
            Happened::Read(read) => self.was_read(read).await,
            Happened::Posted(posted) => {
                let moment = self.lmap.moment(now);
                self.lmap.machine.delivered(
                    &posted.schedule,
                    &posted.action,
                    &posted.collector,
                    posted.count,
                    posted.answer,
                    &moment,
                );
                self.send_due();
            }
        }
    }

    async fn asked(&mut self, exchange: Exchange) {
        let request = &exchange.request;
        let edits = matches!(
            request.method,
            Method::Post | Method::Put | Method::Patch | Method::Delete
        );
        if edits {
            let root = &self.lmap.server.settings().root;
            let data = request.path.strip_prefix(root.as_str());
            let data = data.is_some_and(|path| path.starts_with("/data"));
            let wait_s = self.lmap.edit_wait_s(request).filter(|_| data);
            let Some(wait_s) = wait_s else {
                return self.wants(exchange);
            };
            let (answer, audit) = self.lmap.too_soon(request, wait_s);
            self.lmap.note(&audit, &exchange, false);
            let _ = exchange.reply.send(answer);
            return;
        }
        let root = &self.lmap.server.settings().root;
        let below = request.path.strip_prefix(root.as_str());
        if below.is_some_and(|path| path.starts_with("/data")) {
            return self.reads(exchange).await;
        }
        // What is left is small.
        let still = self.lmap.stored.moment(self.lmap.denied);
        let (answer, audit) = match self.lmap.server.plan(request, &still) {
            Plan::Reply(finished) => whole(*finished),
            Plan::Stream(stream) => {
                let audit = stream.audit.clone();
                (Reply::Events(stream, self.lmap.notices.subscribe()), audit)
            }
            // Reading changes nothing.
            Plan::Commit(_) | Plan::Invoke(_) => {
                let error = Error::new(Tag::OperationNotSupported, "this is not done so");
                whole(self.lmap.server.refuse(request, error))
            }
        };
        self.lmap.denied.add(audit.denied);
        self.lmap.note(&audit, &exchange, false);
        self.heard_of(&exchange.request);
        self.weigh_door();
        // Whoever asked may be gone.
        let _ = exchange.reply.send(answer);
    }

    /// A request was served: the controller's are contact with it.
    pub(super) fn heard_of(&mut self, request: &Request) {
        if is_controllers(request) {
            self.lmap.contact(clock::now());
        }
    }

    /// Puts the factory's access control in force, for the household that has locked everybody out.
    ///
    /// # Errors
    /// Why it cannot be kept.
    pub(in crate::daemon) fn reset_access(&mut self) -> Result<(), String> {
        let outcome = self.lmap.stored.reset_access(clock::now());
        let error = outcome.as_ref().err().map(Unkept::to_string);
        log::warn!(
            target: "glimpse::audit",
            user = "local",
            error = error.as_deref().unwrap_or("");
            "access control is reset to the factory's"
        );
        self.end_streams();
        error.map_or(Ok(()), Err)
    }

    /// Ends event streams: whoever still may read opens another.
    fn end_streams(&mut self) {
        self.lmap.notices = broadcast::channel(NOTICES).0;
    }

    pub(super) fn managed(&self, mut finished: Finished) -> Finished {
        let errors = Errors::from(Error::denied(MANAGED));
        let response = &mut finished.response;
        let encoding = match response.header("content-type") {
            Some(media) if media.ends_with("xml") => Encoding::Xml,
            _ => Encoding::Json,
        };
        let body = errors.body(self.lmap.schema, encoding);
        let time = clock::now().as_micros();
        *response = Response::new(errors.status(), time).with_body(media_type(encoding), body);
        finished.audit.status = errors.status();
        finished.audit.tag = Some(errors.tag());
        finished
    }

    /// Puts a configuration in force: checked, then on the device, then at work.
    pub(super) fn commit(
        &mut self,
        commit: &mut Commit,
        control: Option<Result<Control, glimpse_yang::Error>>,
        shown: &Shown,
    ) -> Result<(), Errors> {
        let control = match control {
            Some(control) => control.map_err(Error::from)?,
            None => Control::read(&commit.tree).map_err(Error::from)?,
        };
        if self.takes_managed(&control, shown) {
            return Err(Error::denied(MANAGED).into());
        }
        if control.schedules.len() > MAX_INSTRUCTIONS {
            let message = format!("there can be at most {MAX_INSTRUCTIONS} schedules");
            return Err(Error::new(Tag::ResourceDenied, message).into());
        }
        let moment = self.lmap.moment(clock::now());
        let tree = std::mem::replace(&mut commit.tree, Tree::new(self.lmap.schema));
        let marks = commit.marks.clone();
        match self.lmap.stored.replace(tree, marks) {
            Ok(()) => {}
            Err(error @ Unkept::Large) => {
                return Err(Error::new(Tag::ResourceDenied, error.to_string()).into());
            }
            Err(error) => {
                log::error!("{error}");
                let error = Error::new(Tag::OperationFailed, error.to_string());
                return Err(error.with_status(500).into());
            }
        }
        if commit.changes_access() {
            // What a reader may see is settled when its stream begins.
            self.end_streams();
        }
        self.lmap.machine.configure(control, &moment);
        Ok(())
    }

    /// Whether a configuration has a name for the first time that stands for something of the other door.
    fn takes_managed(&self, control: &Control, shown: &Shown) -> bool {
        let old = self.lmap.machine.control();
        let new = |name: &str, known: bool| !known && shown.holds(name);
        let mut schedules = control.schedules.iter().map(|s| s.name.as_str());
        let mut events = control.events.iter().map(|e| e.name.as_str());
        let mut tasks = control.tasks.iter().map(|t| t.name.as_str());
        schedules.any(|name| new(name, old.schedule(name).is_some()))
            || events.any(|name| new(name, old.event(name).is_some()))
            || tasks.any(|name| new(name, old.task(name).is_some()))
    }

    /// Whether a path leads to something of the other door, or below it.
    pub(super) fn is_managed(&self, path: &str, shown: &Shown) -> bool {
        let schema = self.lmap.schema;
        let path = path.strip_prefix(self.lmap.server.settings().root.as_str());
        let Some(path) = path.and_then(|path| path.strip_prefix("/data/")) else {
            return false;
        };
        let Ok(path) = DataPath::from_uri(schema, path) else {
            return false;
        };
        let own = self.lmap.machine.control();
        path.steps.iter().any(|step| {
            let Select::Keys(keys) = &step.select else {
                return false;
            };
            let known = |name: &str| match schema.name(step.node) {
                "schedule" => own.schedule(name).is_some(),
                "event" => own.event(name).is_some(),
                "task" => own.task(name).is_some(),
                _ => true,
            };
            keys.iter().any(|key| !known(key) && shown.holds(key))
        })
    }

    pub(super) fn invoke(&mut self, invoke: &Invoke, shown: &Shown) -> Result<Tree, Errors> {
        let schema = self.lmap.schema;
        let failed = |message: &str| Error::new(Tag::OperationFailed, message);
        if schema.qualified(invoke.operation) != "glimpse-agent:trigger" {
            return Err(Error::new(Tag::OperationNotSupported, "this is not done here").into());
        }
        let schedule = invoke.input.top.iter().find_map(Instance::text);
        let schedule = schedule.ok_or_else(|| failed("the input names no schedule"))?;
        let ours = self.lmap.machine.control().schedule(schedule).is_some();
        if !ours && shown.holds(schedule) {
            return Err(Error::denied(MANAGED).into());
        }
        let moment = self.lmap.moment(clock::now());
        let event = self
            .lmap
            .machine
            .trigger(schedule, &moment)
            .map_err(|not| match not.reason {
                None => Error::new(Tag::InvalidValue, not.words),
                Some(SkipReason::Overlap) => Error::new(Tag::InUse, not.words),
                Some(_) => Error::new(Tag::ResourceDenied, not.words),
            })?;
        let output = schema
            .part(invoke.operation, Kind::Output)
            .ok_or_else(|| failed("the operation has no output"))?;
        let mut tree = Tree::under(schema, output);
        if let Ok(leaf) = schema.child(output, None, "event") {
            let leaf = Instance::leaf(schema, leaf, &event.to_string()).map_err(Error::from)?;
            tree.push(leaf);
        }
        Ok(tree)
    }
}

/// Whether the controller asks.
pub(super) fn is_controllers(request: &Request) -> bool {
    let user = request.user.as_ref();
    user.is_some_and(|user| user.groups.iter().any(|group| group == CONTROLLER))
}

pub(super) fn whole(finished: Finished) -> (Reply, Audit) {
    let Finished {
        response, audit, ..
    } = finished;
    let response: Response = response;
    (Reply::Whole(response), audit)
}

/// What is said of a path: whoever asks chooses it.
pub(super) fn brief(path: &str) -> String {
    let cut: String = path.chars().take(LONGEST_PATH).collect();
    let end = if cut.len() < path.len() { "…" } else { "" };
    printable(&cut) + end
}

impl Lmap {
    /// One line for each edit and operation, but for most of many that have changed nothing; reads only where somebody looks for them.
    pub(super) fn note(&mut self, audit: &Audit, exchange: &Exchange, changed: bool) -> bool {
        let now_us = self.moment(clock::now()).steady_us;
        let reads = matches!(audit.method, Method::Get | Method::Head | Method::Options);
        let said = !reads && (changed || self.line_pace.wait_us(now_us) == 0);
        let mut unsaid = 0;
        if said {
            unsaid = std::mem::take(&mut self.unsaid);
            if !changed {
                self.line_pace.take(now_us);
            }
        } else if !reads {
            self.unsaid = self.unsaid.saturating_add(1);
        }
        let level = if said {
            log::Level::Info
        } else {
            log::Level::Debug
        };
        let unsaid = if unsaid > 0 {
            unsaid.to_string()
        } else {
            String::new()
        };
        log::log!(
            target: "glimpse::audit",
            level,
            user = audit.user.as_deref().unwrap_or(""),
            operator = exchange.operator.as_deref().unwrap_or(""),
            peer = exchange.peer.as_str(),
            status = audit.status,
            error = audit.tag.map_or("", Tag::as_str),
            unsaid = unsaid.as_str();
            "{} {}", audit.method.as_str(), brief(&audit.path)
        );
        said
    }
}
