//! Edits and operations, for an agent that is there and for one that is not.

use super::{
    Answer, Asked, INTENDED, INTENDED_PATH, conditions, into_response, is_validator, not_admitted,
};
use crate::callhome::Link;
use crate::restconf::asker::unusable;
use crate::restconf::delivery::{
    self, ADMISSION, Change, Ended, Read, Sent, TRIES, admit, intended, intention,
};
use crate::restconf::engine::{self, Known, Written, aside, editor};
use crate::restconf::{loads, pass};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use glimpse_restconf::{Commit, Error, Errors, Method, Plan, Request, Tag};
use glimpse_store::{Intended, Intention, NewEdit};
use glimpse_yang::DataPath;
use glimpse_yang::table::AGENT;
use std::sync::Arc;

fn failed(ended: Ended) -> Error {
    match ended {
        Ended::Lost(lost) => pass::lost(lost),
        Ended::Store(error) => unusable(&error),
        Ended::Late => Error::new(Tag::OperationFailed, ended.to_string()).with_status(504),
        Ended::Status(_) | Ended::Failed(_) => {
            Error::new(Tag::OperationFailed, ended.to_string()).with_status(502)
        }
    }
}

impl Asked<'_> {
    /// The request as one of whoever edits.
    fn edited(&self) -> Request {
        Request {
            user: Some(editor(self.operator)),
            ..self.request.clone()
        }
    }

    async fn plan(&self, known: &Arc<Known>, request: Request) -> Result<Plan, Error> {
        let (known, root) = (Arc::clone(known), self.root());
        Ok(aside(move || known.plan(&root, &request)).await?)
    }

    /// An edit or operation at an agent that is there: judged by what the agent is, then done on condition that it still is.
    pub(super) async fn write_live(&self, link: &Link) -> Result<Response, Error> {
        let mut read = delivery::recall(self.shared, self.agent, link)
            .await
            .map_err(failed)?;
        for _ in 0..TRIES {
            if let Some(response) = self.try_live(link, &read).await? {
                return Ok(response);
            }
            read = delivery::read(self.shared, self.agent, link)
                .await
                .map_err(failed)?;
            delivery::keep(self.shared, self.agent, link, &read)
                .await
                .map_err(|error| unusable(&error))?;
        }
        let message = "the agent's configuration changes while it is written: try again later";
        Err(Error::new(Tag::InUse, message).with_status(503))
    }

    /// `None` when the agent is no longer what was read.
    async fn try_live(&self, link: &Link, read: &Read) -> Result<Option<Response>, Error> {
        let Some(known) = &read.known else {
            let message =
                "the agent's modules are not known here: what it would send cannot be judged";
            return Err(Error::denied(message).with_app_tag(ADMISSION));
        };
        let mut request = self.edited();
        // Conditions are the agent's to judge: there may be more in its tree than is shown to us.
        let conditions = conditions(&mut request);
        let commit = match self.plan(known, request).await? {
            Plan::Stream(_) => return Err(Error::not_found("there is no such stream")),
            // What was read a while ago is enough for an edit, which goes with its tag, and for nothing else.
            Plan::Reply(_) | Plan::Invoke(_) if !read.fresh => return Ok(None),
            Plan::Reply(mut finished) if finished.response.status < 300 => {
                if !self.conditions_hold(link, &conditions).await? {
                    return Ok(Some(self.precondition_failed()));
                }
                let headers = &mut finished.response.headers;
                headers.retain(|(name, _)| !is_validator(name));
                return Ok(Some(into_response((*finished).into())));
            }
            Plan::Reply(finished) => return Ok(Some(into_response((*finished).into()))),
            Plan::Invoke(invoke) => {
                if AGENT.qualified(invoke.operation) == "glimpse-agent:trigger" {
                    self.admit_trigger(known, &invoke.input).await?;
                }
                return self.pass(link).await.map(Some);
            }
            Plan::Commit(commit) => commit,
        };
        if !self.conditions_hold(link, &conditions).await? {
            return Ok(Some(self.precondition_failed()));
        }
        self.commit_live(link, read, known, commit).await
    }

    async fn commit_live(
        &self,
        link: &Link,
        read: &Read,
        known: &Arc<Known>,
        commit: Box<Commit>,
    ) -> Result<Option<Response>, Error> {
        let refuse = |commit: Box<Commit>, errors: Errors| {
            Ok(Some(into_response(commit.finish(Err(errors)).into())))
        };
        let (commit, change) = Change::of(self.shared, known, commit).await?;
        let change = match change {
            Ok(change) => change,
            Err(error) => return refuse(commit, Errors::from(Error::from(error))),
        };
        let verdict = change.admit(self.shared, self.agent, self.operator).await;
        if let Err(reason) = verdict.map_err(|error| unusable(&error))? {
            return refuse(commit, not_admitted(&reason).into());
        }
        let written = self.written()?;
        let (operator, root) = (&self.operator.name, self.root());
        let sent = delivery::submit(link, read, &commit, &written, operator, &root).await;
        if sent.is_err() {
            // What it has become is seen at the next contact.
            link.remember(None);
        }
        let kept = match sent.map_err(pass::lost)? {
            Sent::Stale => {
                let dropped = change.drop(self.shared, self.agent).await;
                dropped.map_err(|error| unusable(&error))?;
                return Ok(None);
            }
            Sent::Refused(status, told) => {
                let dropped = change.drop(self.shared, self.agent).await;
                dropped.map_err(|error| unusable(&error))?;
                return refuse(commit, refused(status, &told));
            }
            Sent::Taken(tag) => {
                let next = known.with(commit.tree.clone(), commit.marks.clone());
                let after = read.after(next, tag);
                let made = change.make(self.shared, self.agent).await;
                let kept = delivery::keep(self.shared, self.agent, link, &after).await;
                made.and(kept)
            }
        };
        if let Err(error) = kept {
            // The agent has answered: that counts. What is known of it is put right at its next contact.
            tracing::warn!(agent = %self.agent, %error, "cannot note what the agent is now");
        }
        let mut finished = commit.finish(Ok(()));
        self.confirm(link, &mut finished.response).await;
        Ok(Some(into_response(finished.into())))
    }

    /// Leaves tag and date of what was edited in the answer if the agent has the same: it may have more than is shown to us.
    async fn confirm(&self, link: &Link, response: &mut glimpse_restconf::Response) {
        let told = response.header("etag").map(str::to_owned);
        let found = match (&told, self.request.method) {
            (Some(_), method) if method != Method::Post => pass::look(link, self.rest).await.ok(),
            _ => None,
        };
        let same = found.is_some_and(|(_, tag)| {
            tag.as_ref().map(HeaderValue::as_bytes) == told.as_deref().map(str::as_bytes)
        });
        response
            .headers
            .retain(|(name, _)| !is_validator(name) || same && name.eq_ignore_ascii_case("etag"));
    }

    /// Whether the agent finds its target to be what the request expects of it.
    async fn conditions_hold(
        &self,
        link: &Link,
        conditions: &[(String, String)],
    ) -> Result<bool, Error> {
        if conditions.is_empty() {
            return Ok(true);
        }
        let has = |name: &str| {
            conditions
                .iter()
                .any(|(own, _)| own.eq_ignore_ascii_case(name))
        };
        let mut headers = conditions.to_vec();
        // It is for reads alone (RFC 9110 §13.1.3).
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("if-modified-since"));
        headers.push(("accept".to_owned(), pass::JSON.to_owned()));
        let ask = Request {
            method: Method::Head,
            query: None,
            headers,
            body: Vec::new(),
            ..self.request.clone()
        };
        let answer = pass::through(link, self.rest, &self.operator.name, &ask).await;
        Ok(match answer.map_err(pass::lost)?.status() {
            StatusCode::PRECONDITION_FAILED | StatusCode::NOT_MODIFIED => false,
            StatusCode::NOT_FOUND => !(has("if-match") || has("if-unmodified-since")),
            _ => true,
        })
    }

    fn precondition_failed(&self) -> Response {
        let message = "the resource is not what the request expects: read it again";
        let error = Error::protocol(Tag::OperationFailed, message);
        into_response(self.refuse(error))
    }

    async fn admit_trigger(&self, known: &Known, input: &glimpse_yang::Tree) -> Result<(), Error> {
        let schedule = input
            .top
            .iter()
            .find(|leaf| AGENT.name(leaf.node) == "schedule")
            .and_then(|leaf| leaf.text())
            .unwrap_or_default();
        let own = self.shared.own();
        let run = Intention {
            loads: Some(loads::of_run(known.running(), schedule, own)?),
            once: true,
            ..intention(self.agent)
        };
        let verdict = admit(self.shared, self.operator, run).await;
        verdict
            .map_err(|error| unusable(&error))?
            .map_err(|reason| not_admitted(&reason))
    }

    /// An edit of an agent that is not there: judged by what is known of it, and kept for its next contact.
    pub(super) async fn write_intended(&self) -> Result<Answer, Error> {
        let found = self.shared.store.datastore(self.agent).await;
        let found = found.map_err(|error| unusable(&error))?;
        let foreign = found.is_some_and(|(datastore, _)| {
            datastore
                .module_set
                .is_some_and(|set| set != engine::module_set())
        });
        let (pending, known) = match self.known().await {
            Ok((datastore, known, _)) => (datastore.intended == Intended::Pending, known),
            Err(_) if foreign => return self.keep_unjudged().await,
            Err(error) => return Err(error),
        };
        let before = intended(self.shared, self.agent, &known).await;
        let before = Arc::new(before.map_err(|error| unusable(&error))?);
        let commit = match self.plan(&before, self.edited()).await? {
            Plan::Commit(commit) => commit,
            // Another set of modules may well have what ours has not: the agent is the judge.
            Plan::Reply(finished) if foreign && finished.response.status >= 400 => {
                return self.keep_unjudged().await;
            }
            // It is intended already, and waits.
            Plan::Reply(finished) if pending && finished.response.status < 300 => {
                return Ok(self.accepted(finished.response.header("location")));
            }
            Plan::Reply(finished) => return Ok((*finished).into()),
            Plan::Invoke(_) | Plan::Stream(_) => {
                let message = "the agent is not connected: operations do not wait for it";
                return Err(Error::new(Tag::OperationFailed, message).with_status(503));
            }
        };
        let (commit, change) = Change::of(self.shared, &before, commit).await?;
        let change = match change {
            Ok(change) => change,
            Err(error) => {
                let errors = Errors::from(Error::from(error));
                return Ok(commit.finish(Err(errors)).into());
            }
        };
        let edit = self.edit()?;
        let verdict = change
            .intend(self.shared, self.agent, self.operator, edit)
            .await;
        if let Err(reason) = verdict.map_err(|error| unusable(&error))? {
            return Ok(commit.finish(Err(not_admitted(&reason).into())).into());
        }
        // The agent may have called while this was judged.
        self.shared.connections.written.notify_one();
        let finished = commit.finish(Ok(()));
        Ok(self.accepted(finished.response.header("location")))
    }

    /// Keeps an edit that is judged when the agent is there: nothing of it reaches the agent unjudged.
    async fn keep_unjudged(&self) -> Result<Answer, Error> {
        if !self.rest.starts_with("/data") {
            let message = "the agent is not connected: operations do not wait for it";
            return Err(Error::new(Tag::OperationFailed, message).with_status(503));
        }
        let kept = Intention {
            edit: Some(self.edit()?),
            ..intention(self.agent)
        };
        let kept = admit(self.shared, self.operator, kept).await;
        kept.map_err(|error| unusable(&error))?
            .map_err(|reason| not_admitted(&reason))?;
        self.shared.connections.written.notify_one();
        Ok(self.accepted(None))
    }

    /// Nothing is done yet (RFC 8040 §1.4 would have it done): 202, and where to read what is intended.
    fn accepted(&self, made: Option<&str>) -> Answer {
        let root = self.root();
        let path = made.map_or(self.request.path.as_str(), |made| {
            made.find(&root).map_or(made, |at| &made[at..])
        });
        let below = path.strip_prefix(&format!("{root}/data"));
        let place = format!("{root}{INTENDED_PATH}{}", below.unwrap_or_default());
        let response =
            glimpse_restconf::Response::new(202, self.request.time).with("Location", place);
        let mut answer = Answer(response, HeaderMap::new());
        let pending = HeaderValue::from_static(Intended::Pending.as_str());
        answer.1.insert(INTENDED, pending);
        answer
    }

    fn written(&self) -> Result<Written, Error> {
        Ok(Written {
            method: self.request.method.as_str().to_owned(),
            path: self.rest.to_owned(),
            query: self.request.query.clone(),
            content_type: self.request.header("content-type"),
            body: String::from_utf8(self.request.body.clone())
                .map_err(|_| Error::new(Tag::MalformedMessage, "the body is no UTF-8"))?,
        })
    }

    fn edit(&self) -> Result<NewEdit, Error> {
        Ok(NewEdit {
            operator: self.operator.name.clone(),
            request: serde_json::to_string(&self.written()?)
                .map_err(|error| Error::new(Tag::OperationFailed, error.to_string()))?,
        })
    }
}

/// The agent's errors as they are told to whoever has asked.
fn refused(status: StatusCode, told: &[pass::Told]) -> Errors {
    let errors = told.iter().map(|told| {
        let tag = Tag::named(&told.tag).unwrap_or(Tag::OperationFailed);
        let message = told.message.clone().unwrap_or_default();
        let mut error = Error::new(tag, message);
        if status.is_client_error() || status.is_server_error() {
            error = error.with_status(status.as_u16());
        }
        if let Some(app_tag) = &told.app_tag {
            error = error.with_app_tag(app_tag.clone());
        }
        let path = told.path.as_deref();
        error.path = path.and_then(|path| DataPath::parse(&AGENT, path).ok());
        error
    });
    errors.collect()
}
