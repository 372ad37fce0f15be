//! HTTP around it.

use super::agents::{self, Asked};
use super::asker::{Asker, asker};
use super::own;
use crate::app::Shared;
use crate::body;
use crate::error::Problem;
use crate::listener::Peer;
use crate::repository;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request as HttpRequest, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use glimpse_restconf::{Errors, Finished, Method, Request, Tag};
use glimpse_yang::Encoding;
use glimpse_yang::table::CONTROLLER;
use std::sync::Arc;

/// What a 401 asks for.
pub(super) const CHALLENGE: &str = "Basic realm=\"glimpse\", charset=\"UTF-8\"";

/// The controller's own root, for agents and operators alike.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/.well-known/host-meta", any(own_root))
        .route("/restconf", any(own_root))
        .route("/restconf/", any(own_root))
        .route("/restconf/{*rest}", any(own_root))
}

/// The roots of agents, for operators.
pub(crate) fn agents() -> Router<Arc<Shared>> {
    Router::new()
        .route("/agents/{id}/restconf", any(agent_root))
        .route("/agents/{id}/restconf/", any(agent_root))
        .route("/agents/{id}/restconf/{*rest}", any(agent_root))
}

async fn own_root(State(shared): State<Arc<Shared>>, request: HttpRequest<Body>) -> Response {
    let head = Head::new(&shared, &request);
    let asker = match head.asker(&shared).await {
        Ok(asker) => asker,
        Err(error) => return head.refuse(error),
    };
    // Reports take their turn with other uploads, and an agent cannot take all the places.
    let _place = match (&asker, head.request.method) {
        (Some(Asker::Agent(agent)), Method::Post) => {
            match repository::place(&shared, agent).await {
                Ok(place) => Some(place),
                Err(error) => return head.problem(error.into()),
            }
        }
        _ => None,
    };
    let limits = shared.config.uploads;
    let (head, body) = match head
        .with_body(request, limits.body_bytes, limits.inflated_bytes)
        .await
    {
        Ok(whole) => whole,
        Err(response) => return response,
    };
    let mut request = head.request;
    request.body = body;
    request.user = asker.as_ref().map(Asker::user);
    let finished = own::answer(&shared, asker.as_ref(), &request).await;
    audit(&finished);
    response(finished.response)
}

async fn agent_root(State(shared): State<Arc<Shared>>, request: HttpRequest<Body>) -> Response {
    let head = Head::new(&shared, &request);
    let asker = match head.asker(&shared).await {
        Ok(asker) => asker,
        Err(error) => return head.refuse(error),
    };
    let operator = match asker {
        Some(Asker::Operator(operator)) => operator,
        Some(Asker::Agent(_)) => {
            return head.refuse(glimpse_restconf::Error::denied(
                "agents do not manage agents",
            ));
        }
        None => {
            let error =
                glimpse_restconf::Error::protocol(Tag::AccessDenied, "who asks is not known");
            return head.refuse(error.with_status(401));
        }
    };
    let limit = super::engine::BODY_BYTES;
    let (head, body) = match head.with_body(request, limit, limit).await {
        Ok(whole) => whole,
        Err(response) => return response,
    };
    let mut request = head.request;
    request.body = body;
    let path = request.path.clone();
    let Some((agent, rest)) = agents::named(&path) else {
        let error = glimpse_restconf::Error::not_found("there is no such agent");
        return refusal(error, &request);
    };
    // Clients that write an id in another way mean the same resource.
    request.path = format!("{}{rest}", super::engine::root(agent.as_str()));
    let (method, writes) = (
        request.method,
        !request.method.reads() && request.method != Method::Options,
    );
    let asked = Asked {
        shared: &shared,
        operator: &operator,
        agent: &agent,
        rest: if rest == "/" { "" } else { rest },
        request,
    };
    let response = asked.answer().await;
    if writes {
        let status = response.status().as_u16();
        tracing::info!(operator = operator.name, %agent, method = method.as_str(), path = rest, status, "RESTCONF");
    }
    response
}

fn audit(finished: &Finished) {
    let audit = &finished.audit;
    if !audit.method.reads() && audit.method != Method::Options {
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
        }
    }

    async fn asker(&self, shared: &Shared) -> Result<Option<Asker>, glimpse_restconf::Error> {
        asker(shared, self.peer.as_ref(), &self.headers).await
    }

    fn refuse(&self, error: glimpse_restconf::Error) -> Response {
        refusal(error, &self.request)
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
        let error = glimpse_restconf::Error::protocol(tag, problem.detail);
        let mut response = self.refuse(error.with_status(problem.status.as_u16()));
        if let Some(seconds) = problem.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }

    async fn with_body(
        self,
        request: HttpRequest<Body>,
        limit: usize,
        inflated: usize,
    ) -> Result<(Self, Vec<u8>), Response> {
        let received = body::receive(&self.headers, request.into_body(), limit).await;
        let inflated = match received {
            Ok((body::Coding::Identity, bytes)) => Ok(bytes),
            Ok((coding, bytes)) => {
                tokio::task::spawn_blocking(move || body::inflate(coding, bytes, inflated))
                    .await
                    .unwrap_or_else(|_| {
                        Err(Problem::new(
                            StatusCode::INTERNAL_SERVER_ERROR,
                            "the body cannot be read",
                        ))
                    })
            }
            Err(problem) => Err(problem),
        };
        match inflated {
            Ok(bytes) => Ok((self, bytes)),
            Err(problem) => Err(self.problem(problem)),
        }
    }
}

/// How an error is written: as the asker accepts it, else as it wrote itself.
pub(super) fn encoding(request: &Request) -> Encoding {
    let fallback = request
        .header("content-type")
        .as_deref()
        .and_then(glimpse_restconf::media::content_type)
        .map_or(Encoding::Json, glimpse_restconf::media::Content::encoding);
    glimpse_restconf::media::negotiate(request.header("accept").as_deref(), fallback)
        .unwrap_or(fallback)
}

fn refusal(error: glimpse_restconf::Error, request: &Request) -> Response {
    let encoding = encoding(request);
    let errors = Errors::from(error);
    let mut refused = glimpse_restconf::Response::new(errors.status(), request.time).with_body(
        glimpse_restconf::media::media_type(encoding),
        errors.body(&CONTROLLER, encoding),
    );
    if errors.status() == 401 {
        refused = refused.with("WWW-Authenticate", CHALLENGE);
    }
    if request.method == Method::Head {
        refused.body.clear();
    }
    response(refused)
}

/// The same for axum. What is of a length that it says is sent so.
pub(super) fn response(response: glimpse_restconf::Response) -> Response {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut out = (status, Body::from(response.body)).into_response();
    for (name, value) in response.headers {
        if let (Ok(name), Ok(value)) = (
            header::HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(&value),
        ) {
            out.headers_mut().insert(name, value);
        }
    }
    out
}
