//! `glimpse-agent diagnose`: the trouble-shooter in a process of its own. It needs no daemon, contacts only whom the
//! settings name, and sends nothing; a daemon that runs is told the bytes, so that it can show them.

use super::measure::wrap;
use super::{Exit, Failure, print, print_json};
use crate::app;
use crate::daemon::last_configuration;
use crate::diagnose::finding::State;
use crate::diagnose::values::Values;
use crate::diagnose::words::{self, fill};
use crate::diagnose::{self, Kind, Means, StepCode};
use crate::local::service::Request;
use crate::local::{socket, survey};
use crate::plugins;
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;

pub(super) async fn run(kind: Kind, config: &Path, json: bool) -> Result<Exit, Failure> {
    let mut settings = app::settings(config)?;
    let registry = Arc::new(plugins::registry(&settings).await);
    let socket = settings.local.socket.clone();
    let state_dir = settings.controller.state_dir.clone();
    let told = last_configuration(&state_dir);
    settings.diagnose.take(&told.diagnose);
    let mut means = Means::new(registry, settings);
    // What the household has told of its contract, if this user may read it.
    if let Ok(survey) = survey::load(&state_dir) {
        means.known.contract = survey.contract();
    }
    let (progress, watched) = watch::channel(Value::Null);
    let chain = diagnose::run(kind, means, &progress);
    let document = if json || !io::stderr().is_terminal() {
        chain.await
    } else {
        tokio::select! {
            document = chain => document,
            never = show(kind, watched) => match never {},
        }
    };
    let bytes = document["bytes"].as_u64().unwrap_or(0);
    let _ = socket::ask(&socket, &Request::Own { bytes }).await;
    if json {
        print_json(&document)?;
    } else {
        print(&text(kind, &document))?;
    }
    // That something is wrong with the line is an answer, not a failure of this program.
    Ok(Exit::Ok)
}

/// Shows on the terminal which step is under way, for ever.
async fn show(kind: Kind, mut watched: watch::Receiver<Value>) -> std::convert::Infallible {
    loop {
        let line = {
            let document = watched.borrow_and_update();
            let steps = document["steps"].as_array();
            let marks = steps.into_iter().flatten().map(|step| mark(&step["state"]));
            let marks: Vec<&str> = marks.collect();
            let running = kind
                .steps()
                .iter()
                .zip(steps.into_iter().flatten())
                .find(|(_, step)| step["state"] == State::Running.as_str());
            let title = running.map_or("", |(code, _)| words::title(*code));
            format!("\r\x1b[K{}  {title}", marks.join(" "))
        };
        // Without a terminal any more, nobody misses it.
        let _ = io::stderr().write_all(line.as_bytes());
        if watched.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The sign for a state; never by colour alone.
fn mark(state: &Value) -> &'static str {
    match state.as_str() {
        Some("good") => "✓",
        Some("fair") => "!",
        Some("bad") => "✗",
        Some("skipped") => "–",
        Some("running") => "…",
        _ => "·",
    }
}

/// What is printed for people.
fn text(kind: Kind, document: &Value) -> String {
    let mut text = String::new();
    if io::stderr().is_terminal() {
        // The line of marks has served.
        let _ = io::stderr().write_all(b"\r\x1b[K");
    }
    let steps = document["steps"].as_array();
    for (&code, step) in kind.steps().iter().zip(steps.into_iter().flatten()) {
        let start = format!("{} {}: ", mark(&step["state"]), words::title(code));
        wrap(&mut text, &start, &said(code, step), 4);
    }
    let finding = &document["finding"];
    let others = finding["others"].as_array();
    text.push('\n');
    let Some(found) = found(finding) else {
        return text;
    };
    wrap(&mut text, "", &found.heading, 0);
    if !found.advice.is_empty() {
        wrap(&mut text, "What you can do: ", &found.advice, 2);
    }
    for other in others.into_iter().flatten().filter_map(self::found) {
        wrap(&mut text, "Also: ", &other.heading, 2);
    }
    if !found.tell.is_empty() {
        text.push_str("\nWhat to tell your provider:\n\n");
        for line in document["report"].as_str().unwrap_or_default().lines() {
            if line.is_empty() {
                text.push('\n');
            } else {
                wrap(&mut text, "  ", line, 4);
            }
        }
    }
    text
}

fn values(of: &Value) -> Values {
    Values(of["values"].as_object().cloned().unwrap_or_default())
}

fn said(code: StepCode, step: &Value) -> String {
    let state = State::parse(step["state"].as_str().unwrap_or_default());
    words::seen(code, state.unwrap_or(State::Waiting), &values(step))
}

struct Found {
    heading: String,
    advice: String,
    tell: &'static str,
}

/// The sentences of a finding.
fn found(finding: &Value) -> Option<Found> {
    let code = finding["code"].as_str()?;
    let code = diagnose::finding::FindingCode::parse(code)?;
    let values = values(finding);
    let words = words::finding(code);
    Some(Found {
        heading: fill(words.heading, &values),
        advice: fill(words.advice, &values),
        tell: words.tell,
    })
}

#[cfg(test)]
mod tests;
