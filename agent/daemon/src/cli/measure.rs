//! `glimpse-agent measure`: the household's own measurement. It needs no daemon, may go to any
//! target, and is sent nowhere; a daemon that runs is told the bytes, so that it can show them.

mod block;
mod dns;
mod figures;
mod latencyload;
mod layout;
mod peer;
mod ping;
mod quantity;
mod traceroute;
mod transfer;
mod words;

pub(super) use figures::plain;
pub(super) use layout::wrap;

use super::{Exit, Failure, print, print_json};
use crate::local::service::Request;
use crate::local::{socket, uci};
use crate::spooler::new_id;
use crate::{clock, plugins, random, tls};
use glimpse_model::options::Options;
use glimpse_model::outcome::Ending;
use glimpse_model::record::{Record, Status};
use glimpse_probe::context::Context;
use serde_json::Value;
use std::path::Path;

pub(super) async fn run(
    method: &str,
    words: &[String],
    config: &Path,
    json: bool,
) -> Result<Exit, Failure> {
    let usage = |line: String| Failure {
        exit: Exit::Usage,
        line,
    };
    let settings = uci::load(config).map(|(settings, _)| settings);
    let registry = plugins::registry(&settings.unwrap_or_default()).await;
    let Some(descriptor) = registry.find(method) else {
        let known: Vec<&str> = registry.iter().map(|method| method.name.as_ref()).collect();
        return Err(usage(format!(
            "'{method}' is not a method; known are {}",
            known.join(", ")
        )));
    };
    let options = Options::from_words(&descriptor.options, words.iter().map(String::as_str))
        .and_then(|options| descriptor.check(&options).map(|()| options))
        .map_err(|refused| usage(format!("{method}: {refused}")))?;
    let context = Context {
        tls: tls::measuring(),
        ..Context::unlimited(descriptor.longest_run(&options), random::seed())
    };
    let (start, started) = (clock::now(), clock::steady());
    let mut record = Record::new(new_id(start), Status::Ok);
    let outcome = descriptor.run(&options, &context).await;
    record.method = Some(method.to_owned());
    record.planned_time = Some(start);
    record.start_time = Some(start);
    record.end_time = Some(clock::now());
    record.duration = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let ending = outcome.ending;
    let record = record.with_outcome(outcome);
    tell_daemon(config, record.bytes.total()).await;
    if json {
        print_json(&serde_json::to_value(&record).unwrap_or(Value::Null))?;
    } else {
        print(&words::describe(&record, &options))?;
    }
    Ok(if ending == Ending::Done {
        Exit::Ok
    } else {
        Exit::Failed
    })
}

/// Where there is no configuration or no daemon, there is nobody to tell.
async fn tell_daemon(config: &Path, bytes: u64) {
    if let Ok((settings, _)) = uci::load(config) {
        let _ = socket::ask(&settings.local.socket, &Request::Own { bytes }).await;
    }
}
