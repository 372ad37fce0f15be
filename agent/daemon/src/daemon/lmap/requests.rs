//! Requests of RESTCONF.

use super::datastore::View;
use super::{Daemon, Happened};
use crate::clock;
use crate::restconf::credentials::CONTROLLER;
use crate::restconf::{Exchange, Reply, Told};
use glimpse_lmap::Control;
use glimpse_lmap::shown::Shown;
use glimpse_model::instruction::MAX_INSTRUCTIONS;
use glimpse_model::record::SkipReason;
use glimpse_restconf::media::media_type;
use glimpse_restconf::{
    Audit, Commit, Error, Errors, Finished, Invoke, Method, Plan, Response, Tag,
};
use glimpse_yang::schema::Kind;
use glimpse_yang::{DataPath, Encoding, Instance, Select, Tree};

/// What the other door has configured is not edited at this one.
const MANAGED: &str = "managed by supervisor";

impl Daemon {
    /// What came by the door.
    pub(in crate::daemon) async fn happened(&mut self, happened: Happened) {
        let now = clock::now();
        match happened {
            Happened::Told(Told::Open(client)) => {
                let moment = self.lmap.moment(now);
                self.lmap.machine.set_registered(client.is_some(), &moment);
                self.lmap.client = client;
            }
            Happened::Told(Told::Asked(exchange)) => self.asked(*exchange).await,
            Happened::Told(Told::Denied(counters)) => self.lmap.denied.add(counters),
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
            }
        }
    }

    async fn asked(&mut self, exchange: Exchange) {
        let Exchange {
            request,
            peer,
            operator,
            reply,
        } = exchange;
        let now = clock::now();
        let shown = Shown::new(self.plan.upcoming().map(|(i, next)| (&**i, next)));
        let agent = if wants_agent(&request.path) {
            self.agent_state().await
        } else {
            None
        };
        let view = View {
            lmap: &self.lmap,
            shown: &shown,
            agent,
            parallel: self.executor.parallel(),
            now: self.lmap.moment(now),
        };
        let controls = request
            .user
            .as_ref()
            .is_some_and(|user| user.groups.iter().any(|group| group == CONTROLLER));
        let edits = matches!(
            request.method,
            Method::Post | Method::Put | Method::Patch | Method::Delete
        );
        let plan = self.lmap.server.plan(&request, &view);
        let (answer, audit) = match plan {
            Plan::Reply(finished)
                if edits
                    && [400, 404, 409].contains(&finished.response.status)
                    && self.is_managed(&request.path, &shown) =>
            {
                // It is there to be seen, so it is not absent.
                whole(self.managed(*finished))
            }
            Plan::Reply(finished) => whole(*finished),
            Plan::Commit(commit) => {
                let outcome = self.commit(&commit, &shown);
                whole(commit.finish(outcome))
            }
            Plan::Invoke(invoke) => {
                let outcome = self.invoke(&invoke, &shown);
                whole(invoke.finish(outcome))
            }
            Plan::Stream(stream) => {
                let audit = stream.audit.clone();
                (Reply::Events(stream, self.lmap.notices.subscribe()), audit)
            }
        };
        self.lmap.denied.add(audit.denied);
        note(&audit, &peer, operator.as_deref());
        if controls {
            self.lmap.contact(now);
        }
        // Whoever asked may be gone.
        let _ = reply.send(answer);
    }

    fn managed(&self, mut finished: Finished) -> Finished {
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
    fn commit(&mut self, commit: &Commit, shown: &Shown) -> Result<(), Errors> {
        let control = Control::read(&commit.tree).map_err(Error::from)?;
        if self.takes_managed(&control, shown) {
            return Err(Error::denied(MANAGED).into());
        }
        if control.schedules.len() > MAX_INSTRUCTIONS {
            let message = format!("there can be at most {MAX_INSTRUCTIONS} schedules");
            return Err(Error::new(Tag::ResourceDenied, message).into());
        }
        if let Err(error) = self.lmap.stored.replace(&commit.tree, &commit.marks) {
            log::error!("a configuration cannot be kept: {error}");
            let message = format!("the configuration cannot be kept: {error}");
            let error = Error::new(Tag::OperationFailed, message);
            return Err(error.with_status(500).into());
        }
        let moment = self.lmap.moment(clock::now());
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
    fn is_managed(&self, path: &str, shown: &Shown) -> bool {
        let schema = self.lmap.schema;
        let Some(path) = path.strip_prefix("/restconf/data/") else {
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

    fn invoke(&mut self, invoke: &Invoke, shown: &Shown) -> Result<Tree, Errors> {
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

fn whole(finished: Finished) -> (Reply, Audit) {
    let Finished {
        response, audit, ..
    } = finished;
    let response: Response = response;
    (Reply::Whole(response), audit)
}

/// Whether the answer may hold `/glimpse-agent:agent`, which is costly to describe.
fn wants_agent(path: &str) -> bool {
    path.contains("glimpse-agent:agent") || path.trim_end_matches('/').ends_with("/data")
}

/// One line for each edit and operation; reads only where somebody looks for them.
fn note(audit: &Audit, peer: &str, operator: Option<&str>) {
    let level = match audit.method {
        Method::Get | Method::Head | Method::Options => log::Level::Debug,
        _ => log::Level::Info,
    };
    log::log!(
        target: "glimpse::audit",
        level,
        user = audit.user.as_deref().unwrap_or(""),
        operator = operator.unwrap_or(""),
        peer = peer,
        status = audit.status,
        error = audit.tag.map_or("", Tag::as_str);
        "{} {}", audit.method.as_str(), audit.path
    );
}
