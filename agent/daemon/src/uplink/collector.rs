//! Sends reports of RFC 8194 to collectors, by the `report` operation of RFC 8040 §3.6.

use super::http::{Call, Client, HttpError, Traffic};
use crate::clock;
use glimpse_lmap::Output;
use glimpse_lmap::control::Agent;
use glimpse_lmap::outbox::Answer;
use glimpse_lmap::report::{self, Form, MAX_BODY};
use glimpse_yang::Encoding;
use glimpse_yang::schema::Schema;
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// Patience with a collector: it may wait for its disk.
const PATIENCE: Duration = Duration::from_mins(1);
/// Largest answer looked at, in bytes.
const ANSWER_LIMIT: usize = 64 << 10;
/// Reports on their way at a time: memory is dear.
static PLACES: Semaphore = Semaphore::const_new(2);

/// What is to be reported.
#[derive(Debug)]
pub struct Report {
    /// A schema with the operation.
    pub schema: &'static Schema,
    /// Who the agent is, as far as it may be said.
    pub agent: Agent,
    /// The results.
    pub outputs: Vec<Arc<Output>>,
    /// The collector understands the agent's typed parameters.
    pub parameters: bool,
}

/// Sends as many results as fit, and says how many those were and what the collector answered. `base` is the root of its
/// RESTCONF. In JSON first; in XML where the collector does not read JSON.
pub async fn post(
    base: &str,
    report: Report,
    tls: Arc<ClientConfig>,
    traffic: Arc<Traffic>,
) -> (usize, Answer) {
    let later = |count: usize, reason: String| {
        let retry_after_s = None;
        (
            count,
            Answer::Later {
                reason,
                retry_after_s,
            },
        )
    };
    let all = report.outputs.len();
    let Ok(_place) = PLACES.acquire().await else {
        return later(all, "the agent is stopping".to_owned());
    };
    // The sender is dropped: this certificate is the one for this report.
    let tls = watch::channel(tls).1;
    let mut client = match Client::new(base, tls, traffic) {
        Ok(client) => client,
        Err(error) => return later(all, failed(base, &error)),
    };
    let mut encoding = Encoding::Json;
    loop {
        let form = Form {
            schema: report.schema,
            encoding,
            parameters: report.parameters,
        };
        let made = report::body(
            &form,
            &report.agent,
            clock::now(),
            &report.outputs,
            MAX_BODY,
        );
        let (body, count) = match made {
            Ok(made) => made,
            Err(error) => {
                let reason = format!("no report can be made: {error}");
                return (all, Answer::Refused(reason));
            }
        };
        let call = Call {
            method: Method::POST,
            path: "/operations/ietf-lmap-report:report".to_owned(),
            headers: vec![(CONTENT_TYPE, content_type(encoding))],
            body: Bytes::from(body),
            patience: PATIENCE,
            limit: ANSWER_LIMIT,
        };
        return match client.call(&call).await {
            Ok(answer) if answer.status == 415 && encoding == Encoding::Json => {
                encoding = Encoding::Xml;
                continue;
            }
            Ok(answer) => {
                let wait = answer.retry_after.map(|wait| wait.as_secs());
                let wait = wait.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
                (count, Answer::of_status(answer.status.as_u16(), wait))
            }
            Err(error) => later(count, failed(base, &error)),
        };
    }
}

/// What whoever configures reports is told: the rest would tell of the household's network, and goes to its log.
fn failed(collector: &str, error: &HttpError) -> String {
    log::info!(target:% = collector, error = error.explain().as_str(); "a report was not taken");
    error.class().to_owned()
}

fn content_type(encoding: Encoding) -> HeaderValue {
    HeaderValue::from_static(match encoding {
        Encoding::Json => "application/yang-data+json",
        Encoding::Xml => "application/yang-data+xml",
    })
}
