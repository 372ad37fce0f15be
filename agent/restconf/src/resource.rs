//! The resources that are not data (RFC 8040 §3): where the server is, what it offers, the texts of its modules, its streams.

use crate::error::{Error, Tag};
use crate::escape;
use crate::exchange::{Exchange, Refusal};
use crate::filter::Filter;
use crate::media::{self, Encoding};
use crate::message::{Method, Response};
use crate::path::Target;
use crate::query::Purpose;
use crate::server::{Asked, Plan};
use crate::stream::{self, Stream};
use std::fmt::Write;

/// The namespace of `ietf-restconf`.
const NAMESPACE: &str = "urn:ietf:params:xml:ns:yang:ietf-restconf";
/// The revision of `ietf-yang-library` that is served (RFC 8040 §3.3.3, RFC 8525).
const LIBRARY_VERSION: &str = "2019-01-04";

/// `/.well-known/host-meta` (RFC 6415): one link, to the API resource.
pub(crate) fn host_meta(root: &str, method: Method, exchange: &Exchange) -> Result<Plan, Refusal> {
    const ALLOW: &str = "GET, HEAD, OPTIONS";
    match method {
        Method::Options => {
            let response = exchange.empty(200).with("Allow", ALLOW);
            Ok(exchange.reply(response.with("Content-Length", "0")))
        }
        Method::Get | Method::Head => {
            let body = format!(
                "<?xml version='1.0' encoding='UTF-8'?>\n\
                 <XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\n  \
                 <Link rel='restconf' href='{}'/>\n</XRD>\n",
                escape::xml(root)
            );
            let response = Response::new(200, exchange.time);
            Ok(exchange.reply(response.with_body("application/xrd+xml", body)))
        }
        _ => Err(Refusal::method(ALLOW, method)),
    }
}

/// The API resource and its children.
pub(crate) fn own(asked: &Asked<'_>, target: &Target) -> Result<Plan, Refusal> {
    let exchange = &asked.exchange;
    let body = match target {
        Target::Api => api(asked)?,
        Target::Operations => {
            asked.query(Purpose::Nothing)?;
            operations(asked)
        }
        _ => {
            asked.query(Purpose::Nothing)?;
            match exchange.encoding {
                Encoding::Json => {
                    format!("{{\"ietf-restconf:yang-library-version\":\"{LIBRARY_VERSION}\"}}")
                }
                Encoding::Xml => format!(
                    "<yang-library-version xmlns=\"{NAMESPACE}\">{LIBRARY_VERSION}</yang-library-version>"
                ),
            }
        }
    };
    Ok(exchange.reply(exchange.ok(body)))
}

/// `data` and `operations` are shown empty: they are resources of their own.
fn api(asked: &Asked<'_>) -> Result<String, Refusal> {
    const CHILDREN: [&str; 3] = ["data", "operations", "yang-library-version"];
    let query = asked.query(Purpose::Api)?;
    for field in &query.fields {
        let own = field
            .module
            .as_deref()
            .is_none_or(|module| module == "ietf-restconf");
        if !own || !CHILDREN.contains(&field.name.as_str()) {
            let message = format!("fields: the API resource has no {:?}", field.name);
            return Err(Error::protocol(Tag::InvalidValue, message).into());
        }
        if !field.below.is_empty() {
            let message = format!(
                "fields: {:?} is shown empty here: ask it itself",
                field.name
            );
            return Err(Error::protocol(Tag::InvalidValue, message).into());
        }
    }
    let selected = |name: &&str| {
        if query.fields.is_empty() {
            query.depth != Some(1)
        } else {
            query.fields.iter().any(|field| field.name == *name)
        }
    };
    let children = CHILDREN.iter().filter(|name| selected(name));
    let mut out = String::new();
    match asked.exchange.encoding {
        Encoding::Json => {
            out.push_str("{\"ietf-restconf:restconf\":{");
            for (number, name) in children.enumerate() {
                let comma = if number > 0 { "," } else { "" };
                let value = match *name {
                    "yang-library-version" => format!("\"{LIBRARY_VERSION}\""),
                    _ => "{}".to_owned(),
                };
                let _ = write!(out, "{comma}\"{name}\":{value}");
            }
            out.push_str("}}");
        }
        Encoding::Xml => {
            let _ = write!(out, "<restconf xmlns=\"{NAMESPACE}\">");
            for name in children {
                let _ = match *name {
                    "yang-library-version" => write!(out, "<{name}>{LIBRARY_VERSION}</{name}>"),
                    _ => write!(out, "<{name}/>"),
                };
            }
            out.push_str("</restconf>");
        }
    }
    Ok(out)
}

/// Each operation as an empty leaf (RFC 8040 §3.3.2).
fn operations(asked: &Asked<'_>) -> String {
    let schema = asked.exchange.schema;
    let settings = asked.server.settings();
    let operations = schema
        .operations()
        .into_iter()
        .filter(|operation| settings.serves(*operation));
    let mut out = String::new();
    match asked.exchange.encoding {
        Encoding::Json => {
            out.push_str("{\"ietf-restconf:operations\":{");
            for (number, operation) in operations.enumerate() {
                let comma = if number > 0 { "," } else { "" };
                let _ = write!(out, "{comma}\"{}\":[null]", schema.qualified(operation));
            }
            out.push_str("}}");
        }
        Encoding::Xml => {
            let _ = write!(out, "<operations xmlns=\"{NAMESPACE}\">");
            for operation in operations {
                let module = schema.module(schema.node(operation).module);
                let _ = write!(
                    out,
                    "<{} xmlns=\"{}\"/>",
                    schema.name(operation),
                    escape::xml(schema.text(module.namespace))
                );
            }
            out.push_str("</operations>");
        }
    }
    out
}

/// The text of a module (RFC 8040 §3.7).
pub(crate) fn module(asked: &Asked<'_>, name: &str) -> Result<Plan, Refusal> {
    asked.query(Purpose::Nothing)?;
    let name = name.strip_suffix(".yang").unwrap_or(name);
    let module = asked
        .server
        .settings()
        .modules
        .iter()
        .find(|module| module.name == name)
        .ok_or_else(|| Error::not_found("there is no text of such a module"))?;
    demand(asked, "application/yang")?;
    let response = Response::new(200, asked.exchange.time)
        .with_body("application/yang", module.text.as_bytes().to_vec());
    Ok(asked.exchange.reply(response))
}

fn demand(asked: &Asked<'_>, media_type: &str) -> Result<(), Refusal> {
    if media::acceptable(asked.request.header("accept").as_deref(), media_type) {
        return Ok(());
    }
    let message = format!("the answer comes as {media_type}");
    Err(Error::protocol(Tag::InvalidValue, message)
        .with_status(406)
        .into())
}

/// Opens an event stream (RFC 8040 §6.3).
pub(crate) fn stream(asked: &Asked<'_>, name: &str, encoding: Encoding) -> Result<Plan, Refusal> {
    let offer = asked
        .server
        .settings()
        .streams
        .iter()
        .find(|offer| offer.name == name)
        .ok_or_else(|| Error::not_found("there is no such stream"))?;
    demand(asked, stream::MEDIA_TYPE)?;
    let query = asked.query(Purpose::Stream)?;
    let invalid = |message: &str| Refusal::from(Error::protocol(Tag::InvalidValue, message));
    if query.start.is_some() && offer.replay_from.is_none() {
        return Err(invalid("start-time: this stream keeps nothing to replay"));
    }
    if query.start.is_some_and(|start| start > asked.request.time) {
        return Err(invalid("start-time lies in the future"));
    }
    let filter = match &query.filter {
        None => None,
        Some(text) => Some(Filter::parse(text).ok_or_else(|| {
            invalid(
                "filter: paths, comparisons with a literal, contains(), starts-with(), not(), and and or are known",
            )
        })?),
    };
    let head = asked
        .exchange
        .empty(200)
        .with("Content-Type", stream::MEDIA_TYPE);
    let finished = asked.exchange.finish(head);
    if asked.request.method == Method::Head {
        return Ok(Plan::Reply(Box::new(finished)));
    }
    Ok(Plan::Stream(Box::new(Stream {
        name: offer.name.clone(),
        encoding,
        filter,
        start: query.start,
        stop: query.stop,
        response: finished.response,
        audit: finished.audit,
        rights: asked.rights.clone(),
    })))
}
