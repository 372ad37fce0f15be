//! `glimpse-agent measure`: the household's own measurement. It needs no daemon, may go to any
//! target, and is sent nowhere; a daemon that runs is told the bytes, so that it can show them.

use super::{Exit, Failure, print, print_json};
use crate::local::service::Request;
use crate::local::{socket, uci};
use crate::spooler::new_id;
use crate::{clock, random};
use glimpse_model::options::Options;
use glimpse_model::outcome::Ending;
use glimpse_model::record::{Record, Status};
use glimpse_probe::context::Context;
use glimpse_probe::registry::Registry;
use serde_json::Value;
use std::fmt::Write as _;
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
    let registry = Registry::built_in();
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
    let context = Context::unlimited(descriptor.longest_run(&options), random::seed());
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
        print(&describe(
            &record,
            options.text("host"),
            options.text("type"),
        ))?;
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

/// The result in words.
fn describe(record: &Record, target: &str, kind: &str) -> String {
    let result = &record.probe_result;
    let mut text = String::new();
    let figure = |name: &str| result.get(name).and_then(Value::as_f64);
    let method = record.method.as_deref().unwrap_or_default();
    if record.status != Status::Ok {
        let _ = writeln!(
            text,
            "{method} {target}: {}: {}",
            record.status.as_str(),
            record.error
        );
        return text;
    }
    let address = result
        .get("destination_ip")
        .and_then(Value::as_str)
        .unwrap_or("");
    let (Some(sent), Some(received)) = (figure("round_trip_sent"), figure("round_trip_received"))
    else {
        // A method without words of its own: its figures as they are.
        let _ = writeln!(text, "{method} {target}: ok");
        for (name, value) in result {
            let _ = writeln!(text, "  {name}: {value}");
        }
        return text;
    };
    let loss = figure("round_trip_loss").unwrap_or(0.0) * 100.0;
    let _ = writeln!(
        text,
        "{method} {target} ({address}), {kind}: {received} of {sent} answered, {loss:.1} % lost"
    );
    match (
        figure("round_trip_min"),
        figure("round_trip_avg"),
        figure("round_trip_max"),
    ) {
        (Some(min), Some(avg), Some(max)) => {
            let spread = figure("round_trip_stdev").unwrap_or(0.0);
            let clock = result
                .get("timestamps")
                .and_then(Value::as_str)
                .unwrap_or("monotonic");
            let _ = writeln!(
                text,
                "round trip min/avg/max/stdev {min:.3}/{avg:.3}/{max:.3}/{spread:.3} ms ({clock} timestamps)"
            );
        }
        _ => text.push_str("no round trip: nothing came back\n"),
    }
    if kind == "Udp" && received < sent {
        text.push_str(
            "note: few hosts answer every UDP packet; type=Icmp tells loss from silence\n",
        );
    }
    if !record.error.is_empty() {
        let _ = writeln!(text, "note: {}", record.error);
    }
    text
}
