//! HTTP around it: who asks is known, and what may be asked is judged, before a byte of a body is read.

use super::agents::{self, Asked};
use super::answers::{guarded, refusal};
use super::asker::{Asker, asker};
use super::engine::BODY_BYTES;
use super::own;
use super::places::Held;
use crate::alto;
use crate::app::Shared;
use crate::body;
use crate::config::Role;
use crate::error::Problem;
use crate::listener::Peer;
use crate::repository;
use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request as HttpRequest, StatusCode, Version, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use glimpse_restconf::{Error, Finished, Method, Request, Tag};
use std::sync::Arc;

pub(super) use super::answers::{encoding, response};

/// What whoever looks for the server asks first (RFC 8040 §3.1); nobody has to be known for it.
const HOST_META: &str = "/.well-known/host-meta";
/// Requests to agents that one operator may have open: agents take their time.
pub(super) const OPEN: usize = 64;
/// The one thing that agents write here.
const REPORT: &str = "/restconf/operations/ietf-lmap-report:report";

/// The controller's own root, for agents and operators alike.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route(HOST_META, any(own_root))
        .route("/restconf", any(own_root))
        .route("/restconf/", any(own_root))
        .route("/restconf/{*rest}", any(own_root))
        .route_layer(map_response(guarded))
}

/// The roots of agents, for operators.
pub(crate) fn agents() -> Router<Arc<Shared>> {
    Router::new()
        .route("/agents/{id}/restconf", any(agent_root))
        .route("/agents/{id}/restconf/", any(agent_root))
        .route("/agents/{id}/restconf/{*rest}", any(agent_root))
        .route_layer(map_response(guarded))
}

/// What is at no path of them.
pub(crate) async fn elsewhere(
    State(shared): State<Arc<Shared>>,
    request: HttpRequest<Body>,
) -> Response {
    let head = Head::new(&shared, &request);
    guarded(head.refuse(Error::not_found("there is nothing at this path"))).await
}

async fn own_root(State(shared): State<Arc<Shared>>, request: HttpRequest<Body>) -> Response {
    let mut head = Head::new(&shared, &request);
    let asker = match head.asker(&shared).await {
        Ok(asker) => asker,
        Err(error) => return head.refuse(error),
    };
    let bodies = &shared.restconf.bodies;
    let limits = shared.config.uploads;
    // Places are held to the end: they bound the memory that all of it takes together.
    let mut held: Held = Arc::new(());
    let body = match &asker {
        None if head.request.path == HOST_META => None,
        None => return head.refuse(unknown()),
        Some(_) if !head.writes() => None,
        Some(Asker::Agent(agent)) => {
            if !head.is_report() {
                let message = "agents bring reports here, and nothing else";
                return head.refuse(Error::denied(message));
            }
            if let Err(error) = repository::allow(&shared, agent) {
                return head.problem(error.into());
            }
            match repository::place(&shared, agent).await {
                Ok(place) => held = Arc::new(place),
                Err(error) => return head.problem(error.into()),
            }
            Some((limits.body_bytes, limits.inflated_bytes))
        }
        Some(Asker::Operator(operator)) if operator.role == Role::Observer => {
            return head.refuse(observer());
        }
        Some(Asker::Operator(operator)) => {
            match bodies.take(operator).await {
                Ok(place) => held = Arc::new(place),
                Err(error) => return head.refuse(error),
            }
            Some((BODY_BYTES, BODY_BYTES))
        }
    };
    let mut packed = None;
    if let Some((limit, inflated)) = body.filter(|_| head.has_body()) {
        match head.receive(request, limit, inflated, &held).await {
            Ok(came) => (head.request.body, packed) = came,
            Err(problem) => return head.problem(problem),
        }
    }
    if let Some(Asker::Agent(agent)) = asker.as_ref().filter(|_| body.is_some()) {
        let length = head.request.body.len();
        shared.allowances.spend(agent, length, shared.now());
    }
    let from = head.peer.map(|peer| peer.addr.ip());
    let mut request = head.request;
    request.user = asker.as_ref().map(Asker::user);
    let finished = own::answer(&shared, asker.as_ref(), request, packed, held).await;
    audit(&finished);
    if let (Some(Asker::Agent(agent)), Some(_), Some(from)) = (&asker, body, from)
        && finished.audit.status < 300
    {
        alto::note(&shared, agent, from).await;
    }
    response(finished.response)
}

async fn agent_root(State(shared): State<Arc<Shared>>, request: HttpRequest<Body>) -> Response {
    let mut head = Head::new(&shared, &request);
    let asker = match head.asker(&shared).await {
        Ok(asker) => asker,
        Err(error) => return head.refuse(error),
    };
    let operator = match asker {
        Some(Asker::Operator(operator)) => operator,
        Some(Asker::Agent(_)) => return head.refuse(Error::denied("agents do not manage agents")),
        None => return head.refuse(unknown()),
    };
    if head.writes() && operator.role == Role::Observer {
        return head.refuse(observer());
    }
    let share = shared.restconf.open.enter(&operator.name, OPEN);
    let Some(share) = share else {
        let message = "too many of your requests wait for agents: wait for the answers to some";
        return head.refuse(Error::protocol(Tag::ResourceDenied, message).with_status(429));
    };
    if head.writes() && head.has_body() {
        // An agent may take its time to answer: by then the place is another's.
        let held: Held = match shared.restconf.bodies.take(&operator).await {
            Ok(place) => Arc::new(place),
            Err(error) => return head.refuse(error),
        };
        match head.receive(request, BODY_BYTES, BODY_BYTES, &held).await {
            Ok((body, _)) => head.request.body = body,
            Err(problem) => return head.problem(problem),
        }
    }
    let mut request = head.request;
    let path = request.path.clone();
    let Some((agent, rest)) = agents::named(&path) else {
        return refusal(Error::not_found("there is no such agent"), &request);
    };
    let rest = if rest == "/" { "" } else { rest }.to_owned();
    // Clients that write an id in another way mean the same resource.
    request.path = format!("{}{rest}", super::engine::root(agent.as_str()));
    let (method, writes) = (request.method, writes(request.method));
    let answered = async move {
        let _share = share;
        let asked = Asked {
            shared: &shared,
            operator: &operator,
            agent: &agent,
            rest: &rest,
            request,
        };
        let response = asked.answer().await;
        if writes {
            shared.restconf.fleet.changed();
            let status = response.status().as_u16();
            tracing::info!(operator = operator.name, %agent, method = method.as_str(), path = rest, status, "RESTCONF");
        }
        response
    };
    if !writes {
        return answered.await;
    }
    // What has begun is noted to its end, though whoever asked hangs up: what was counted for it, and what the agent has taken.
    let answered = tokio::spawn(answered).await;
    answered.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn unknown() -> Error {
    Error::protocol(Tag::AccessDenied, "who asks is not known").with_status(401)
}

fn observer() -> Error {
    Error::denied("observers do not write")
}

fn writes(method: Method) -> bool {
    !method.reads() && method != Method::Options
}

fn audit(finished: &Finished) {
    let audit = &finished.audit;
    if writes(audit.method) {
        let user = audit.user.as_deref().unwrap_or("-");
        tracing::info!(
            user,
            method = audit.method.as_str(),
            path = audit.path,
            status = audit.status,
            "RESTCONF"
        );
    }
}

/// A request without its body, and who sent it.
struct Head {
    request: Request,
    peer: Option<Peer>,
    headers: HeaderMap,
    /// Whether bytes of a body wait to be read.
    unread: bool,
    version: Version,
}

impl Head {
    fn new(shared: &Shared, request: &HttpRequest<Body>) -> Self {
        let headers = request.headers().clone();
        let mut pairs: Vec<(String, String)> = headers
            .iter()
            .filter(|(name, _)| {
                **name != header::CONTENT_ENCODING && **name != header::AUTHORIZATION
            })
            .filter_map(|(name, value)| {
                Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
            })
            .collect();
        // HTTP/2 has it in the request line.
        if !headers.contains_key(header::HOST)
            && let Some(authority) = request.uri().authority()
        {
            pairs.push(("host".to_owned(), authority.as_str().to_owned()));
        }
        Self {
            request: Request {
                method: Method::parse(request.method().as_str()),
                path: request.uri().path().to_owned(),
                query: request.uri().query().map(str::to_owned),
                headers: pairs,
                body: Vec::new(),
                user: None,
                time: shared.now().as_micros(),
            },
            peer: request.extensions().get::<Peer>().cloned(),
            headers,
            unread: !request.body().is_end_stream(),
            version: request.version(),
        }
    }

    fn writes(&self) -> bool {
        writes(self.request.method)
    }

    /// Whether there is a body that means something.
    fn has_body(&self) -> bool {
        self.unread
            && matches!(
                self.request.method,
                Method::Post | Method::Put | Method::Patch
            )
    }

    fn is_report(&self) -> bool {
        let path = &self.request.path;
        self.request.method == Method::Post
            && path.replace("%3A", ":").replace("%3a", ":") == REPORT
    }

    async fn asker(&self, shared: &Shared) -> Result<Option<Asker>, Error> {
        asker(shared, self.peer.as_ref(), &self.headers).await
    }

    fn refuse(&self, error: Error) -> Response {
        let mut response = refusal(error, &self.request);
        // Nobody reads what is still to come of it.
        if self.unread && self.version < Version::HTTP_2 {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response
    }

    /// What other doors say as a problem document, in the words of RESTCONF.
    fn problem(&self, problem: Problem) -> Response {
        let tag = match problem.status {
            StatusCode::PAYLOAD_TOO_LARGE => Tag::TooBig,
            StatusCode::BAD_REQUEST => Tag::MalformedMessage,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Tag::InvalidValue,
            StatusCode::TOO_MANY_REQUESTS => Tag::ResourceDenied,
            _ => Tag::OperationFailed,
        };
        let error = Error::protocol(tag, problem.detail);
        let mut response = self.refuse(error.with_status(problem.status.as_u16()));
        if let Some(seconds) = problem.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }

    /// The body, inflated; and as it came, where that is compressed.
    async fn receive(
        &self,
        request: HttpRequest<Body>,
        limit: usize,
        inflated: usize,
        held: &Held,
    ) -> Result<(Vec<u8>, Option<Vec<u8>>), Problem> {
        let received = body::receive(&self.headers, request.into_body(), limit).await?;
        let (coding, bytes) = match received {
            (body::Coding::Identity, bytes) => return Ok((bytes, None)),
            compressed => compressed,
        };
        let held = Arc::clone(held);
        let work = move || {
            let _held = held;
            let inflated = body::inflate(coding, bytes.clone(), inflated)?;
            Ok((inflated, Some(bytes)))
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the body cannot be read",
            ))
        })
    }
}
