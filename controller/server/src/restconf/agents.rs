//! `/agents/ID/restconf`: an agent's root, through its connection or by what is known of it.

use super::asker::unusable;
use super::delivery::{self, ADMISSION, Ended, admit, intended};
use super::engine::{self, BODY_BYTES, Known, Written};
use super::{loads, pass};
use crate::app::Shared;
use crate::callhome::Link;
use crate::config::{Operator, Role};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use glimpse_model::id::AgentId;
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_restconf::{Error, Errors, Finished, Method, Plan, Request, Tag};
use glimpse_store::{Datastore, Intended, NewEdit};
use glimpse_yang::table::AGENT;

/// When the tree was read by which a request was answered.
pub(super) const KNOWN_AT: HeaderName = HeaderName::from_static("glimpse-known-at");
/// What became of the configuration that was written for the agent; on answers that did not come from it.
pub(super) const INTENDED: HeaderName = HeaderName::from_static("glimpse-intended");
const WARNING: HeaderName = HeaderName::from_static("warning");
const AGE: HeaderName = HeaderName::from_static("age");

/// The intended configuration as a datastore of its own (RFC 8342 §5.1.4, with a path as RFC 8527 has it).
const INTENDED_PATH: &str = "/ds/ietf-datastores:intended";

/// A request to an agent's root.
pub(super) struct Asked<'a> {
    pub(super) shared: &'a Shared,
    pub(super) operator: &'a Operator,
    pub(super) agent: &'a AgentId,
    /// What follows the root.
    pub(super) rest: &'a str,
    pub(super) request: Request,
}

/// An answer that was planned here, to be marked or not.
struct Answer(glimpse_restconf::Response, HeaderMap);

impl From<Finished> for Answer {
    fn from(finished: Finished) -> Self {
        Self(finished.response, HeaderMap::new())
    }
}

impl Asked<'_> {
    fn root(&self) -> String {
        engine::root(self.agent.as_str())
    }

    fn refuse(&self, errors: impl Into<Errors>) -> Answer {
        let errors = errors.into();
        let encoding = super::routes::encoding(&self.request);
        let body = errors.body(&AGENT, encoding);
        let response = glimpse_restconf::Response::new(errors.status(), self.request.time)
            .with_body(glimpse_restconf::media::media_type(encoding), body);
        Answer(response, HeaderMap::new())
    }

    /// Answers it, one way or the other.
    pub(super) async fn answer(self) -> Response {
        match self.serve().await {
            Ok(response) => response,
            Err(error) => into_response(self.refuse(error)),
        }
    }

    async fn serve(&self) -> Result<Response, Error> {
        let stored = self.shared.store.agent(self.agent).await;
        let stored = stored.map_err(|error| unusable(&error))?;
        // Whoever may not see an agent learns nothing of it, not even whether it is there.
        let stored = stored
            .filter(|stored| self.operator.has(self.agent, stored.group.as_deref()))
            .ok_or_else(|| Error::not_found("there is no such agent"))?;
        let reads = self.request.method.reads() || self.request.method == Method::Options;
        if !reads && self.operator.role == Role::Observer {
            return Err(Error::denied("observers do not write"));
        }
        if !reads && stored.revoked.is_some() {
            return Err(Error::denied("the agent was revoked: nothing reaches it"));
        }
        if self.request.body.len() > BODY_BYTES {
            let message = format!("a body has at most {BODY_BYTES} bytes: divide it");
            return Err(Error::protocol(Tag::TooBig, message));
        }
        if let Some(path) = self.rest.strip_prefix(INTENDED_PATH) {
            return self.read_intended(path).await.map(into_response);
        }
        if self.rest.starts_with("/streams/") {
            let message = "event streams do not pass through call home: ask the agent itself";
            return Err(Error::protocol(Tag::OperationNotSupported, message).with_status(501));
        }
        let link = self.shared.connections.link(self.agent);
        match (link, reads) {
            (Some(link), true) => match self.pass(&link).await {
                Ok(response) => Ok(response),
                // It has gone this very moment: the last known tree answers as if it had gone before.
                Err(_) => self.read_known().await.map(into_response),
            },
            (None, true) => self.read_known().await.map(into_response),
            (Some(link), false) => {
                let turn = self.shared.connections.turn(self.agent);
                let _turn = turn.lock().await;
                self.write_live(&link).await
            }
            (None, false) => {
                let turn = self.shared.connections.turn(self.agent);
                let _turn = turn.lock().await;
                self.write_intended().await.map(into_response)
            }
        }
    }

    async fn pass(&self, link: &Link) -> Result<Response, Error> {
        let operator = &self.operator.name;
        let answer = pass::through(link, self.rest, operator, &self.request).await;
        let answer = answer.map_err(pass::lost)?;
        let root = self.root();
        let (status, headers, body) =
            pass::rewritten(answer, link, &root, self.request.header("host").as_deref());
        let mut response = Response::new(if self.request.method == Method::Head {
            Body::empty()
        } else {
            Body::from(body)
        });
        *response.status_mut() = status;
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        Ok(response)
    }

    /// The last known tree.
    async fn known(&self) -> Result<(Datastore, Known, Timestamp), Error> {
        let unknown = |message: &str| Error::new(Tag::OperationFailed, message).with_status(503);
        let found = self.shared.store.datastore(self.agent).await;
        let found = found.map_err(|error| unusable(&error))?;
        let Some((datastore, Some(text))) = found else {
            return Err(unknown(
                "the agent is not connected, and it never was: nothing is known of it",
            ));
        };
        let at = datastore.known.unwrap_or(Timestamp::from_micros(0));
        let known = Known::read(text.as_bytes(), at.as_micros()).map_err(|_| {
            unknown("the agent is not connected, and its modules are not known here")
        })?;
        Ok((datastore, known, at))
    }

    async fn read_known(&self) -> Result<Answer, Error> {
        let (datastore, known, at) = self.known().await?;
        let Plan::Reply(finished) = known.plan(&self.root(), &self.unlimited()) else {
            return Err(Error::not_found("there is nothing to read here"));
        };
        let mut answer = Answer::from(*finished);
        self.mark(&mut answer, at, datastore.intended);
        Ok(answer)
    }

    async fn read_intended(&self, path: &str) -> Result<Answer, Error> {
        if !(self.request.method.reads() || self.request.method == Method::Options) {
            let message = "what is intended is written through the agent's datastore";
            return Err(Error::protocol(Tag::OperationNotSupported, message));
        }
        let (datastore, known, at) = self.known().await?;
        let intended = intended(self.shared, self.agent, &known).await;
        let intended = intended.map_err(|error| unusable(&error))?;
        let root = self.root();
        let mut request = self.unlimited();
        request.path = format!("{root}/data{path}");
        request.query = Some(match &request.query {
            Some(query) if query.split('&').any(|pair| pair.starts_with("content=")) => {
                query.clone()
            }
            Some(query) if !query.is_empty() => format!("content=config&{query}"),
            _ => "content=config".to_owned(),
        });
        let Plan::Reply(finished) = intended.plan(&root, &request) else {
            return Err(Error::not_found("there is nothing to read here"));
        };
        let mut answer = Answer::from(*finished);
        self.mark(&mut answer, at, datastore.intended);
        Ok(answer)
    }

    fn unlimited(&self) -> Request {
        Request {
            user: Some(engine::unlimited(&self.operator.name)),
            ..self.request.clone()
        }
    }

    /// Says that the answer is not the agent's, and how old it is (RFC 7234 §5.5.1 has the warning).
    fn mark(&self, answer: &mut Answer, at: Timestamp, intended: Intended) {
        let Answer(_, headers) = answer;
        let age = self.shared.now().since(at).max(0) / SECOND;
        for (name, value) in [
            (KNOWN_AT, at.to_string()),
            (AGE, age.to_string()),
            (WARNING, "110 - \"Response is Stale\"".to_owned()),
            (INTENDED, intended.as_str().to_owned()),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }

    /// An edit or operation at an agent that is there: judged by what the agent is at this moment, then handed through.
    async fn write_live(&self, link: &Link) -> Result<Response, Error> {
        let failed = |ended: Ended| match ended {
            Ended::Lost(lost) => pass::lost(lost),
            Ended::Store(error) => unusable(&error),
            Ended::Status(_) => {
                Error::new(Tag::OperationFailed, ended.to_string()).with_status(502)
            }
        };
        let read = delivery::read(self.shared, self.agent, link)
            .await
            .map_err(failed)?;
        let Some(known) = &read.known else {
            let message =
                "the agent's modules are not known here: what it would send cannot be judged";
            return Err(Error::denied(message).with_app_tag(ADMISSION));
        };
        let root = self.root();
        let mut request = self.unlimited();
        // Conditions are the agent's to judge: there may be more in its tree than is shown to us.
        request
            .headers
            .retain(|(name, _)| !name.to_ascii_lowercase().starts_with("if-"));
        let commit = match known.plan(&root, &request) {
            Plan::Reply(finished) if finished.response.status < 300 => {
                return self.pass(link).await;
            }
            Plan::Reply(finished) => return Ok(into_response((*finished).into())),
            Plan::Stream(_) => return Err(Error::not_found("there is no such stream")),
            Plan::Invoke(invoke) => {
                if AGENT.qualified(invoke.operation) == "glimpse-agent:trigger" {
                    self.admit_trigger(known, &invoke.input).await?;
                }
                return self.pass(link).await;
            }
            Plan::Commit(commit) => commit,
        };
        let loads = delivery::loads_of(known, &commit.tree, &commit.marks);
        let loads = match loads {
            Ok(loads) => loads,
            Err(errors) => return Ok(into_response(commit.finish(Err(errors)).into())),
        };
        let verdict = admit(self.shared, self.agent, Some(loads), false, None).await;
        if let Err(reason) = verdict.map_err(|error| unusable(&error))? {
            return Ok(into_response(
                commit.finish(Err(not_admitted(&reason).into())).into(),
            ));
        }
        let response = self.pass(link).await?;
        let at = self.shared.now();
        let kept = if response.status().is_success() {
            let next = known.with(commit.tree.clone(), commit.marks.clone());
            let stored = glimpse_store::Known {
                tree: next.text(),
                at,
                ..read.store(link, None)
            };
            self.shared.store.know(self.agent.clone(), stored).await
        } else {
            let before = known.loads().unwrap_or_default();
            self.shared
                .store
                .count_loads(self.agent.clone(), before, at)
                .await
        };
        if let Err(error) = kept {
            // The agent has answered: that counts. What is known of it is put right at its next contact.
            tracing::warn!(agent = %self.agent, %error, "cannot note what the agent is now");
        }
        Ok(response)
    }

    async fn admit_trigger(&self, known: &Known, input: &glimpse_yang::Tree) -> Result<(), Error> {
        let schedule = input
            .top
            .iter()
            .find(|leaf| AGENT.name(leaf.node) == "schedule")
            .and_then(|leaf| leaf.text())
            .unwrap_or_default();
        let loads = loads::of_run(known.running(), schedule).map_err(Error::from)?;
        let verdict = admit(self.shared, self.agent, Some(loads), true, None).await;
        verdict
            .map_err(|error| unusable(&error))?
            .map_err(|reason| not_admitted(&reason))
    }

    /// An edit of an agent that is not there: judged by what is known of it, and kept for its next contact.
    async fn write_intended(&self) -> Result<Answer, Error> {
        let found = self.shared.store.datastore(self.agent).await;
        let found = found.map_err(|error| unusable(&error))?;
        let foreign = found.is_some_and(|(datastore, _)| {
            datastore
                .module_set
                .is_some_and(|set| set != engine::module_set())
        });
        let known = match self.known().await {
            Ok((_, known, _)) => known,
            Err(_) if foreign => return self.keep_unjudged().await,
            Err(error) => return Err(error),
        };
        let before = intended(self.shared, self.agent, &known).await;
        let before = before.map_err(|error| unusable(&error))?;
        let (loads, commit) = match before.plan(&self.root(), &self.unlimited()) {
            Plan::Commit(commit) => {
                match delivery::loads_of(&before, &commit.tree, &commit.marks) {
                    Ok(loads) => (loads, commit),
                    Err(errors) => return Ok(commit.finish(Err(errors)).into()),
                }
            }
            // Another set of modules may well have what ours has not: the agent is the judge.
            Plan::Reply(finished) if foreign && finished.response.status >= 400 => {
                return self.keep_unjudged().await;
            }
            Plan::Reply(finished) => return Ok((*finished).into()),
            Plan::Invoke(_) | Plan::Stream(_) => {
                let message = "the agent is not connected: operations do not wait for it";
                return Err(Error::new(Tag::OperationFailed, message).with_status(503));
            }
        };
        let edit = self.edit()?;
        let verdict = admit(self.shared, self.agent, Some(loads), false, Some(edit)).await;
        if let Err(reason) = verdict.map_err(|error| unusable(&error))? {
            return Ok(commit.finish(Err(not_admitted(&reason).into())).into());
        }
        // The agent may have called while this was judged.
        self.shared.connections.written.notify_one();
        let mut answer = Answer::from(commit.finish(Ok(())));
        answer.1.insert(
            INTENDED,
            HeaderValue::from_static(Intended::Pending.as_str()),
        );
        Ok(answer)
    }

    /// Keeps an edit that is judged when the agent is there: nothing of it reaches the agent unjudged.
    async fn keep_unjudged(&self) -> Result<Answer, Error> {
        if !self.rest.starts_with("/data") {
            let message = "the agent is not connected: operations do not wait for it";
            return Err(Error::new(Tag::OperationFailed, message).with_status(503));
        }
        let edit = self.edit()?;
        let kept = admit(self.shared, self.agent, None, false, Some(edit)).await;
        kept.map_err(|error| unusable(&error))?
            .map_err(|reason| not_admitted(&reason))?;
        self.shared.connections.written.notify_one();
        let response = glimpse_restconf::Response::new(202, self.request.time);
        let mut answer = Answer(response, HeaderMap::new());
        answer.1.insert(
            INTENDED,
            HeaderValue::from_static(Intended::Pending.as_str()),
        );
        Ok(answer)
    }

    fn edit(&self) -> Result<NewEdit, Error> {
        let written = Written {
            method: self.request.method.as_str().to_owned(),
            path: self.rest.to_owned(),
            query: self.request.query.clone(),
            content_type: self.request.header("content-type"),
            body: String::from_utf8(self.request.body.clone())
                .map_err(|_| Error::new(Tag::MalformedMessage, "the body is no UTF-8"))?,
        };
        Ok(NewEdit {
            operator: self.operator.name.clone(),
            request: serde_json::to_string(&written)
                .map_err(|error| Error::new(Tag::OperationFailed, error.to_string()))?,
        })
    }
}

fn not_admitted(reason: &str) -> Error {
    Error::new(Tag::ResourceDenied, reason).with_app_tag(ADMISSION)
}

fn into_response(Answer(response, headers): Answer) -> Response {
    let mut response = super::routes::response(response);
    response.headers_mut().extend(headers);
    response
}

/// The agent that a path names, and what follows its root; `None` where there can be no agent.
pub(super) fn named(path: &str) -> Option<(AgentId, &str)> {
    let (id, rest) = path.strip_prefix("/agents/")?.split_once('/')?;
    let rest = rest.strip_prefix("restconf")?;
    if !(rest.is_empty() || rest.starts_with('/')) {
        return None;
    }
    // Ids have `:` and `@`, which clients may write as they like.
    let id = id
        .replace("%3A", ":")
        .replace("%3a", ":")
        .replace("%40", "@");
    Some((AgentId::new(&id).ok()?, rest))
}
