//! A RESTCONF server: from a request and a datastore to what is to be done, and from what came of it to the response.

use crate::access::{Counters, Rights, Rules};
use crate::commit::Commit;
use crate::error::{Error, Errors, Tag};
use crate::exchange::{Exchange, Refusal, unsupported};
use crate::invoke::Invoke;
use crate::media::{self, Content, Encoding};
use crate::message::{Finished, Method, Request};
use crate::path::Target;
use crate::query::{Purpose, Query};
use crate::stream::{Offer, Stream};
use crate::tags::Marks;
use crate::{invoke, patch, path, read, resource, write};
use glimpse_yang::read::Reader;
use glimpse_yang::schema::{Kind, Module, Node, NodeId, Schema};
use glimpse_yang::{DataPath, Limits, Tree};
use std::borrow::Cow;

/// The text of a module, served as `application/yang` (RFC 8040 §3.7).
#[derive(Clone, Debug)]
pub struct ModuleText {
    /// `name@revision`.
    pub name: String,
    /// The text.
    pub text: Cow<'static, str>,
}

/// What a server is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The path of the API resource, such as `/restconf`; without a slash at its end.
    pub root: String,
    /// The modules it serves.
    pub schema: &'static Schema,
    /// Those whose text it has.
    pub modules: Vec<ModuleText>,
    /// Its event streams.
    pub streams: Vec<Offer>,
    /// Bytes of a request's body; more is 413.
    pub body_limit: usize,
    /// The `WWW-Authenticate` of a 401; `None` where certificates alone count.
    pub challenge: Option<String>,
}

/// The challenge where certificates alone count: a 401 has to have one (RFC 9110 §11.6.1), and no scheme is registered for them.
const CERTIFICATE: &str = "ClientCertificate realm=\"restconf\"";

impl Settings {
    /// Whether a top-level node is of a module that is served, rather than one of a peer.
    pub(crate) fn serves(&self, node: NodeId) -> bool {
        !self.schema.module(self.schema.node(node).module).client
    }

    /// The modules that are served.
    pub(crate) fn served(&self) -> impl Iterator<Item = &'static Module> + use<> {
        self.schema.modules.iter().filter(|module| !module.client)
    }
}

/// Reads one moment of what a server serves: the thing itself, or a copy. If it may have changed between [`Server::plan`] and the
/// commit of what was planned, [`Commit::fits`] tells.
pub trait Datastore {
    /// The running configuration.
    fn running(&self) -> &Tree;

    /// State at that path, and as much around it as is easy; all of it for an empty path: nodes that are not configuration, with
    /// the keys and containers around them. The library, the monitoring of RESTCONF and the counters of NACM are the server's own.
    fn state(&self, wanted: &DataPath) -> Tree;

    /// When what changed; given back by the last [`Commit`].
    fn marks(&self) -> &Marks;

    /// What access control refused so far.
    fn counters(&self) -> Counters {
        Counters::default()
    }

    /// The YANG library, where what is served is another server's datastore as it was read; else it is this server's own.
    fn library(&self) -> Option<Tree> {
        None
    }

    /// The rules of access; those of the running configuration unless the server keeps them elsewhere.
    fn rules(&self) -> Rules {
        Rules::from_tree(self.running())
    }
}

/// Does what was planned.
pub trait Apply: Datastore {
    /// Takes over a valid configuration as a whole: checks what YANG cannot say, applies, stores. After an error everything is
    /// as before.
    fn commit(&mut self, commit: &Commit) -> Result<(), Errors>;

    /// Carries out an operation or action; the output is empty or below the operation's `output`.
    fn invoke(&mut self, invoke: &Invoke) -> Result<Tree, Errors>;
}

/// What a request comes to.
#[derive(Clone, Debug)]
pub enum Plan {
    /// This is the response.
    Reply(Box<Finished>),
    /// The configuration is to be exchanged; then [`Commit::finish`].
    Commit(Box<Commit>),
    /// An operation is to be carried out; then [`Invoke::finish`].
    Invoke(Box<Invoke>),
    /// Notifications are to be sent.
    Stream(Box<Stream>),
}

/// The parts of a request that were looked at before its resource.
pub(crate) struct Asked<'a> {
    pub(crate) server: &'a Server,
    pub(crate) request: &'a Request,
    pub(crate) store: &'a dyn Datastore,
    pub(crate) exchange: Exchange,
    pub(crate) rights: Rights,
    /// Whether the client takes neither JSON nor XML.
    unacceptable: bool,
}

/// A server.
///
/// Planning takes the time of reading, copying and validating a configuration, and changes nothing: it may be done on a thread of its
/// own, on a copy of the datastore.
#[derive(Clone, Debug)]
pub struct Server {
    pub(crate) settings: Settings,
    limits: Limits,
}

impl Server {
    /// A server of those settings.
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            limits: Limits::USUAL,
        }
    }

    /// The same that makes no more than that of a request's body; more is 413 or 400.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Its settings.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Reads, authorises and validates a request, and says what is to be done.
    pub fn plan(&self, request: &Request, store: &dyn Datastore) -> Plan {
        let (mut exchange, acceptable) = self.exchange(request);
        match self.route(request, store, &mut exchange, !acceptable) {
            Ok(plan) => plan,
            Err(refusal) => Plan::Reply(Box::new(exchange.refuse(refusal))),
        }
    }

    /// The response to a request that fails before it can be planned: a body that does not end, a datastore that is away.
    pub fn refuse(&self, request: &Request, errors: impl Into<Errors>) -> Finished {
        let mut exchange = self.exchange(request).0;
        let schema = self.settings.schema;
        if let Ok(target) = Target::parse(schema, &self.settings.root, &request.path) {
            exchange.allow = allow(schema, &target);
        }
        exchange.refuse(errors.into().into())
    }

    /// How the request is answered, and whether the client takes that.
    fn exchange(&self, request: &Request) -> (Exchange, bool) {
        let content = request.header("content-type");
        let fallback = content
            .as_deref()
            .and_then(media::content_type)
            .map_or(Encoding::Json, Content::encoding);
        let chosen = media::negotiate(request.header("accept").as_deref(), fallback);
        let encoding = chosen.unwrap_or(fallback);
        let exchange = Exchange::new(self.settings.schema, encoding, request);
        (exchange, chosen.is_some())
    }

    /// Plans and does it at once. A stream is the caller's to send.
    pub fn answer(
        &self,
        request: &Request,
        store: &mut dyn Apply,
    ) -> Result<Finished, Box<Stream>> {
        match self.plan(request, &*store) {
            Plan::Reply(finished) => Ok(*finished),
            Plan::Commit(commit) => {
                let outcome = store.commit(&commit);
                Ok(commit.finish(outcome))
            }
            Plan::Invoke(invoke) => {
                let outcome = store.invoke(&invoke);
                Ok(invoke.finish(outcome))
            }
            Plan::Stream(stream) => Err(stream),
        }
    }

    fn route(
        &self,
        request: &Request,
        store: &dyn Datastore,
        exchange: &mut Exchange,
        unacceptable: bool,
    ) -> Result<Plan, Refusal> {
        // Whoever looks for the server is not known yet (RFC 8040 §3.1).
        if request.path == "/.well-known/host-meta" {
            return resource::host_meta(&self.settings.root, request.method, exchange);
        }
        let Some(user) = &request.user else {
            let error =
                Error::protocol(Tag::AccessDenied, "who asks is not known").with_status(401);
            let challenge = self.settings.challenge.as_deref().unwrap_or(CERTIFICATE);
            return Err(Refusal::from(error).with("WWW-Authenticate", challenge));
        };
        if request.body.len() > self.settings.body_limit {
            let limit = self.settings.body_limit;
            return Err(Error::protocol(
                Tag::TooBig,
                format!("a body has at most {limit} bytes: divide it"),
            )
            .into());
        }
        let schema = self.settings.schema;
        let root = &self.settings.root;
        let target = Target::parse(schema, root, &request.path).map_err(|error| {
            let tail = request.path.strip_prefix(root.as_str());
            let tail = tail.and_then(|tail| tail.strip_prefix("/data/"));
            let absent = error.status == 400
                && request.method.reads()
                && tail.is_some_and(|tail| path::is_shaped(schema, tail));
            if absent {
                error.with_status(404)
            } else {
                error
            }
        })?;
        if let Some(node) = target.top()
            && !self.settings.serves(node)
        {
            return Err(Error::not_found("this module is not served here").into());
        }
        exchange.allow = allow(schema, &target);
        let asked = Asked {
            server: self,
            request,
            store,
            exchange: exchange.clone(),
            rights: store.rules().of(schema, user),
            unacceptable,
        };
        asked.serve(&target)
    }
}

fn is_action(schema: &Schema, path: &DataPath) -> bool {
    path.steps
        .last()
        .is_some_and(|step| schema.node(step.node).kind == Kind::Action)
}

/// The methods of a resource, as `Allow` lists them.
fn allow(schema: &Schema, target: &Target) -> &'static str {
    match target {
        Target::Operation(_) => "POST, OPTIONS",
        Target::Data(path) if path.steps.is_empty() => "GET, HEAD, OPTIONS, POST, PUT, PATCH",
        Target::Data(path) if is_action(schema, path) => "POST, OPTIONS",
        Target::Data(path) => {
            let node = schema.node(path.node());
            if !node.is(Node::CONFIG) {
                "GET, HEAD, OPTIONS"
            } else if matches!(node.kind, Kind::Container | Kind::List) {
                "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"
            } else if node.is(Node::KEY) {
                // It goes with its entry.
                "GET, HEAD, OPTIONS, PUT, PATCH"
            } else {
                "GET, HEAD, OPTIONS, PUT, PATCH, DELETE"
            }
        }
        _ => "GET, HEAD, OPTIONS",
    }
}

impl Asked<'_> {
    fn serve(&self, target: &Target) -> Result<Plan, Refusal> {
        let allow = self.exchange.allow;
        let method = self.request.method;
        if method == Method::Options {
            self.query(Purpose::Nothing)?;
            let mut response = self.exchange.empty(200).with("Allow", allow);
            if allow.contains("PATCH") {
                response = response.with("Accept-Patch", self.accept_patch());
            }
            return Ok(self.exchange.reply(response.with("Content-Length", "0")));
        }
        if !allow.split(", ").any(|name| name == method.as_str()) {
            return Err(Refusal::method(allow, method));
        }
        match target {
            Target::Data(path) if method.reads() => {
                self.demand_acceptable()?;
                read::data(self, path)
            }
            Target::Data(path) if is_action(self.exchange.schema, path) => {
                invoke::action(self, path)
            }
            Target::Data(path) => match self.content()? {
                Some(Content::Patch(encoding)) if method == Method::Patch => {
                    patch::edit(self, path, encoding)
                }
                Some(Content::Patch(_)) => Err(unsupported("yang-patch goes with PATCH")),
                Some(Content::Data(encoding)) => write::edit(self, path, Some(encoding)),
                None => write::edit(self, path, None),
            },
            Target::Operation(operation) => invoke::operation(self, *operation),
            Target::Module(name) => resource::module(self, name),
            Target::Stream(name, encoding) => resource::stream(self, name, *encoding),
            Target::Api | Target::LibraryVersion | Target::Operations | Target::HostMeta => {
                self.demand_acceptable()?;
                resource::own(self, target)
            }
        }
    }

    pub(crate) fn accept_patch(&self) -> &'static str {
        if patch::template(self.exchange.schema).is_some() {
            media::ACCEPT_PATCH
        } else {
            media::ACCEPT_PATCH_PLAIN
        }
    }

    /// A reader of the request's body.
    pub(crate) fn reader(&self, encoding: Encoding) -> Reader {
        Reader {
            limits: self.server.limits,
            ..Reader::new(self.exchange.schema, encoding)
        }
    }

    /// 406 where the response would have a body that the client does not take.
    pub(crate) fn demand_acceptable(&self) -> Result<(), Refusal> {
        if self.unacceptable {
            let error = Error::protocol(
                Tag::InvalidValue,
                "the answer comes as application/yang-data+json or application/yang-data+xml",
            );
            return Err(error.with_status(406).into());
        }
        Ok(())
    }

    pub(crate) fn query(&self, purpose: Purpose) -> Result<Query, Refusal> {
        Ok(Query::parse(self.request.query.as_deref(), purpose)?)
    }

    /// What the body is: `None` where there is none and none is needed; 400 where one is needed; 415 where it cannot be read.
    pub(crate) fn content(&self) -> Result<Option<Content>, Refusal> {
        if self.request.body.is_empty() {
            return match self.request.method {
                Method::Post | Method::Put | Method::Patch => {
                    Err(Error::protocol(Tag::InvalidValue, "the request needs a body").into())
                }
                _ => Ok(None),
            };
        }
        if self.request.method == Method::Delete {
            return Ok(None);
        }
        self.content_of_body().map(Some)
    }

    /// What a body that is there is; else 415.
    pub(crate) fn content_of_body(&self) -> Result<Content, Refusal> {
        let coded = self
            .request
            .header("content-encoding")
            .is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity"));
        if coded {
            return Err(unsupported("this content encoding is not known"));
        }
        self.request
            .header("content-type")
            .as_deref()
            .and_then(media::content_type)
            .ok_or_else(|| {
                unsupported(
                    "a body comes as application/yang-data+json or application/yang-data+xml",
                )
            })
    }
}
