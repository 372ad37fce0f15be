//! From what came of a request to its response and its line in the log.

use crate::access::Counters;
use crate::error::{Error, Errors, Tag};
use crate::media::{self, Encoding};
use crate::message::{Audit, Finished, Method, Request, Response};
use crate::server::Plan;
use glimpse_yang::schema::Schema;

/// What is known of a request on the way to its response.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) schema: &'static Schema,
    /// How the response is written.
    pub(crate) encoding: Encoding,
    pub(crate) time: i64,
    /// The methods of the resource, as `Allow` lists them; nothing while it is not known.
    pub(crate) allow: &'static str,
    method: Method,
    path: String,
    user: Option<String>,
}

/// Why a request is refused, with what belongs into the header.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) errors: Errors,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) denied: Counters,
}

impl<E: Into<Errors>> From<E> for Refusal {
    fn from(errors: E) -> Self {
        Self {
            errors: errors.into(),
            headers: Vec::new(),
            denied: Counters::default(),
        }
    }
}

impl Refusal {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// 405.
    pub(crate) fn method(allow: &str, method: Method) -> Self {
        let message = format!("{} is not for this resource: {allow} are", method.as_str());
        Self::from(Error::protocol(Tag::OperationNotSupported, message)).with("Allow", allow)
    }
}

impl Exchange {
    pub(crate) fn new(schema: &'static Schema, encoding: Encoding, request: &Request) -> Self {
        Self {
            schema,
            encoding,
            time: request.time,
            allow: "",
            method: request.method,
            path: request.path.clone(),
            user: request.user.as_ref().map(|user| user.name.clone()),
        }
    }

    pub(crate) fn finish(&self, response: Response) -> Finished {
        self.finish_with(response, None, Counters::default())
    }

    fn finish_with(&self, mut response: Response, tag: Option<Tag>, denied: Counters) -> Finished {
        if self.method == Method::Head {
            response.body.clear();
        }
        Finished {
            audit: Audit {
                user: self.user.clone(),
                method: self.method,
                path: self.path.clone(),
                status: response.status,
                tag,
                denied,
            },
            response,
        }
    }

    /// The methods of the resource but for this one; `PATCH` is not refused as such.
    fn others(&self) -> String {
        let own = |name: &&str| *name == self.method.as_str() && self.method != Method::Patch;
        let names = self.allow.split(", ").filter(|name| !own(name));
        names.collect::<Vec<_>>().join(", ")
    }

    /// Who asks.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(crate) fn refuse(&self, refusal: Refusal) -> Finished {
        let body = refusal.errors.body(self.schema, self.encoding);
        self.refuse_with(refusal, body)
    }

    /// The same with a body of its own kind.
    pub(crate) fn refuse_with(&self, refusal: Refusal, body: String) -> Finished {
        let mut response = Response::new(refusal.errors.status(), self.time)
            .with_body(media::media_type(self.encoding), body);
        for (name, value) in refusal.headers {
            response = response.with(name, value);
        }
        // A 405 always has it (RFC 9110 §15.5.6).
        if response.status == 405 && response.header("Allow").is_none() {
            response = response.with("Allow", self.others());
        }
        self.finish_with(response, Some(refusal.errors.tag()), refusal.denied)
    }

    pub(crate) fn reply(&self, response: Response) -> Plan {
        Plan::Reply(Box::new(self.finish(response)))
    }

    pub(crate) fn ok(&self, body: String) -> Response {
        Response::new(200, self.time).with_body(media::media_type(self.encoding), body)
    }

    pub(crate) fn empty(&self, status: u16) -> Response {
        Response::new(status, self.time)
    }
}

/// 415.
pub(crate) fn unsupported(message: &str) -> Refusal {
    Error::protocol(Tag::InvalidValue, message)
        .with_status(415)
        .into()
}
