//! `/agents/ID/restconf`: an agent's root, through its connection or by what is known of it.

mod write;

use super::asker::unusable;
use super::delivery::{ADMISSION, intended};
use super::engine::{self, BODY_BYTES, Known, aside};
use super::pass;
use crate::app::Shared;
use crate::callhome::Link;
use crate::config::{Operator, Role};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use glimpse_model::id::AgentId;
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_restconf::{Error, Errors, Finished, Method, Plan, Request, Tag};
use glimpse_store::{Datastore, Intended};
use glimpse_yang::table::AGENT;
use std::time::Duration;

/// When the tree was read by which a request was answered.
pub(super) const KNOWN_AT: HeaderName = HeaderName::from_static("glimpse-known-at");
/// What became of the configuration that was written for the agent; on answers that did not come from it.
pub(super) const INTENDED: HeaderName = HeaderName::from_static("glimpse-intended");
const AGE: HeaderName = HeaderName::from_static("age");

/// The intended configuration as a datastore of its own (RFC 8342 §5.1.4, with a path as RFC 8527 has it).
const INTENDED_PATH: &str = "/ds/ietf-datastores:intended";

/// How long an edit waits for others of the same agent.
const TURN: Duration = Duration::from_secs(30);

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
            return Err(Error::not_found(message));
        }
        if reads {
            return match self.shared.connections.link(self.agent) {
                Some(link) => match self.pass(&link).await {
                    // It has gone this very moment: the last known tree answers as if it had gone before.
                    Err(error) if error.status != 502 => self.read_known().await.map(into_response),
                    answered => answered,
                },
                None => self.read_known().await.map(into_response),
            };
        }
        let turn = self.shared.connections.turn(self.agent);
        let Ok(_turn) = tokio::time::timeout(TURN, turn.lock()).await else {
            let message = "the agent is being written to by others: try again later";
            return Err(Error::new(Tag::InUse, message).with_status(503));
        };
        match self.shared.connections.link(self.agent) {
            Some(link) => self.write_live(&link).await,
            None => self.write_intended().await.map(into_response),
        }
    }

    async fn pass(&self, link: &Link) -> Result<Response, Error> {
        let operator = &self.operator.name;
        let answer = pass::through(link, self.rest, operator, &self.request).await;
        let answer = answer.map_err(pass::lost)?;
        let root = self.root();
        let (status, headers, body) =
            pass::rewritten(answer, link, &root, self.request.header("host").as_deref())?;
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
        let read = aside(move || Known::read(text.as_bytes(), at.as_micros())).await?;
        let known = read.map_err(|_| {
            unknown("the agent is not connected, and its modules are not known here")
        })?;
        Ok((datastore, known, at))
    }

    /// What is known of an agent that is not there. While an edit waits for it, its configuration is what is intended: that is what
    /// further edits are made of and what their conditions are about. What it was when it was last there has no tag then, unless it
    /// is the same.
    async fn read_known(&self) -> Result<Answer, Error> {
        let (datastore, known, at) = self.known().await?;
        let pending = datastore.intended == Intended::Pending;
        if pending && self.asks_for_config() {
            let intended = intended(self.shared, self.agent, &known).await;
            let intended = intended.map_err(|error| unusable(&error))?;
            return self
                .read_from(intended, self.unlimited(), &datastore, at)
                .await;
        }
        let mut request = self.unlimited();
        if !pending {
            return self.read_from(known, request, &datastore, at).await;
        }
        let conditions = conditions(&mut request);
        let next = intended(self.shared, self.agent, &known).await;
        let next = next.map_err(|error| unusable(&error))?;
        let waiting = self
            .read_from(next, request.clone(), &datastore, at)
            .await?;
        let mut answer = self
            .read_from(known.clone(), request, &datastore, at)
            .await?;
        if answer.0.header("etag") == waiting.0.header("etag") {
            if conditions.is_empty() {
                return Ok(answer);
            }
            return self
                .read_from(known, self.unlimited(), &datastore, at)
                .await;
        }
        answer.0.headers.retain(|(name, _)| !is_validator(name));
        Ok(answer)
    }

    fn asks_for_config(&self) -> bool {
        let query = self.request.query.as_deref().unwrap_or_default();
        query.split('&').any(|pair| pair == "content=config")
    }

    async fn read_from(
        &self,
        known: Known,
        request: Request,
        datastore: &Datastore,
        at: Timestamp,
    ) -> Result<Answer, Error> {
        let root = self.root();
        let host = request.header("host");
        let plan = aside(move || known.plan(&root, &request)).await?;
        let Plan::Reply(finished) = plan else {
            return Err(Error::not_found("there is nothing to read here"));
        };
        let mut answer = Answer::from(*finished);
        if let Some(body) = engine::called(&answer.0.body, host.as_deref()) {
            let length = body.len().to_string();
            answer.0.body = body;
            answer.0 = answer.0.with("Content-Length", length);
        }
        self.mark(&mut answer, at, datastore.intended);
        Ok(answer)
    }

    async fn read_intended(&self, path: &str) -> Result<Answer, Error> {
        if !(self.request.method.reads() || self.request.method == Method::Options) {
            let message = "what is intended is written through the agent's datastore";
            return Err(Error::denied(message));
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
        self.read_from(intended, request, &datastore, at).await
    }

    fn unlimited(&self) -> Request {
        Request {
            user: Some(engine::unlimited(&self.operator.name)),
            ..self.request.clone()
        }
    }

    /// Says that the answer is not the agent's, and how old it is (RFC 9111 §5.1).
    fn mark(&self, answer: &mut Answer, at: Timestamp, intended: Intended) {
        let Answer(_, headers) = answer;
        let age = self.shared.now().since(at).max(0) / SECOND;
        for (name, value) in [
            (KNOWN_AT, at.to_string()),
            (AGE, age.to_string()),
            (INTENDED, intended.as_str().to_owned()),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }
}

/// Takes the conditions out of a request.
fn conditions(request: &mut Request) -> Vec<(String, String)> {
    let is_condition = |(name, _): &mut (String, String)| {
        [
            "if-match",
            "if-none-match",
            "if-modified-since",
            "if-unmodified-since",
        ]
        .iter()
        .any(|condition| name.eq_ignore_ascii_case(condition))
    };
    request.headers.extract_if(.., is_condition).collect()
}

fn is_validator(name: &str) -> bool {
    name.eq_ignore_ascii_case("etag") || name.eq_ignore_ascii_case("last-modified")
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
