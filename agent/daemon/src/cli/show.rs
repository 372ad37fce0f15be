//! The daemon's answers in words.

use super::measure::{plain, wrap};
use super::{Exit, Failure, print, print_json};
use crate::{clock, daemon, plugins};
use glimpse_model::capability::Capabilities;
use glimpse_model::time::{SECOND, Timestamp};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

/// Where the help of options starts: two columns, a name, a space, bounds, a space.
const HELP_COLUMN: usize = 50;
/// Characters of an option's help that are shown.
const HELP_LIMIT: usize = 512;

/// Characters of a name or a sentence of others that are shown.
const WORDS: usize = 70;

/// Works without a daemon; the limits are those of the settings, where they can be read.
pub(super) async fn capabilities(config: &Path, json: bool) -> Result<Exit, Failure> {
    let settings = crate::local::uci::load(config)
        .map(|(settings, _)| settings)
        .unwrap_or_default();
    let limits = daemon::limits(&settings, settings.limits.parallel.into());
    let methods = plugins::registry(&settings).await.capabilities();
    let document = Capabilities::new(crate::VERSION.to_owned(), methods, limits);
    if json {
        return print_json(&serde_json::to_value(&document).unwrap_or(Value::Null));
    }
    let mut text = String::new();
    for method in &document.methods {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", method.name);
        for (name, schema) in method.options["properties"]
            .as_object()
            .into_iter()
            .flatten()
        {
            option(&mut text, name, schema);
        }
    }
    print(&text)
}

/// Name, bounds and help of an option; help starts in a line of its own where bounds leave no room beside them.
fn option(text: &mut String, name: &str, schema: &Value) {
    // The texts of plug-ins are not ours.
    let help = plain(schema["description"].as_str().unwrap_or(""), HELP_LIMIT);
    let bounds = plain(&bounds(schema), HELP_LIMIT);
    let start = format!("  {name:<18} {bounds:<28} ");
    if start.chars().count() > HELP_COLUMN {
        let _ = writeln!(text, "{}", start.trim_end());
        wrap(text, &" ".repeat(HELP_COLUMN), &help, HELP_COLUMN);
    } else if help.is_empty() {
        let _ = writeln!(text, "{}", start.trim_end());
    } else {
        wrap(text, &start, &help, HELP_COLUMN);
    }
}

fn bounds(schema: &Value) -> String {
    let unit = schema["unit"]
        .as_str()
        .map(|unit| format!(" {unit}"))
        .unwrap_or_default();
    let default = match &schema["default"] {
        Value::Null => "required".to_owned(),
        Value::String(text) if text.is_empty() => String::new(),
        Value::String(text) => format!("[{text}]"),
        other => format!("[{other}]"),
    };
    let range = match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
        (Some(min), Some(max)) => format!("{min}..{max}{unit} "),
        _ => match schema["enum"].as_array() {
            Some(words) => {
                let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
                format!("{} ", words.join("|"))
            }
            None => String::new(),
        },
    };
    format!("{range}{default}")
}

pub(super) fn status(status: &Value) -> String {
    let mut text = String::new();
    let controller = &status["controller"];
    let agent = match (controller["agent"].as_str(), controller["url"].as_str()) {
        (Some(agent), Some(url)) => format!(
            "{agent}, enrolled with {url} until {}",
            controller["certificate_until"].as_str().unwrap_or("?")
        ),
        (None, Some(url)) => format!("not enrolled with {url}"),
        _ => "alone: no controller is configured".to_owned(),
    };
    line(&mut text, "agent", &agent);
    if let Some(error) = controller["error"].as_str() {
        line(&mut text, "", error);
    }
    if let Some(error) = status["settings_error"].as_str() {
        line(&mut text, "settings", &plain(error, 200));
    }
    line(&mut text, "line", &verdict(&status["verdict"]));
    line(
        &mut text,
        "controller",
        &contact(&controller["instructions"]),
    );
    line(&mut text, "repository", &contact(&controller["results"]));
    let instructions = &status["instructions"];
    let next = time(&instructions["next"]).map_or_else(
        || "nothing planned".to_owned(),
        |next| format!("next {}", relative(next)),
    );
    line(
        &mut text,
        "instructions",
        &format!("{} in force, {next}", instructions["in_force"]),
    );
    if let Some(error) = instructions["error"].as_str() {
        line(
            &mut text,
            "",
            &format!("the last set was not understood: {error}"),
        );
    }
    let measurements = &status["measurements"];
    line(
        &mut text,
        "measurements",
        &format!(
            "{} running, {} waiting",
            measurements["running"], measurements["waiting"]
        ),
    );
    let spool = &status["spool"];
    let oldest = time(&spool["oldest"]).map_or_else(String::new, |oldest| {
        format!(", oldest {}", relative(oldest))
    });
    line(
        &mut text,
        "results",
        &format!("{} waiting to be sent{oldest}", spool["waiting"]),
    );
    if spool["held_in_memory"]
        .as_u64()
        .is_some_and(|held| held > 0)
    {
        line(
            &mut text,
            "",
            &format!(
                "{} of them in memory: no space on the device",
                spool["held_in_memory"]
            ),
        );
    }
    for rejected in spool["rejected"].as_array().into_iter().flatten() {
        let reason = rejected["reason"].as_str().unwrap_or("");
        line(
            &mut text,
            "rejected",
            &format!("{}: {reason}", rejected["id"].as_str().unwrap_or("")),
        );
    }
    text
}

/// The word about the line, and what is not good.
fn verdict(verdict: &Value) -> String {
    let figures = || verdict["figures"].as_array().into_iter().flatten();
    match verdict["overall"].as_str() {
        Some("good") => "good".to_owned(),
        Some(word @ ("fair" | "poor")) => {
            let worst = figures().filter(|figure| figure["verdict"] == word);
            let names: Vec<&str> = worst
                .filter_map(|figure| figure["figure"].as_str())
                .collect();
            format!("{word}: {}", names.join(", "))
        }
        _ => format!(
            "not enough measurements yet ({} of {})",
            verdict["samples"], verdict["needed"]
        ),
    }
}

fn contact(contact: &Value) -> String {
    let last = time(&contact["last_success"]).map_or_else(
        || "no contact yet".to_owned(),
        |at| format!("last contact {}", relative(at)),
    );
    match contact["error"].as_str() {
        None => last,
        Some(error) => {
            let next = time(&contact["next_attempt"])
                .map_or_else(String::new, |at| format!("; next try {}", relative(at)));
            format!("{error} ({last}{next})")
        }
    }
}

pub(super) fn results(answer: &Value) -> String {
    let mut text = String::new();
    let results = answer["results"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if results.is_empty() {
        text.push_str("nothing has been measured yet\n");
        return text;
    }
    let _ = writeln!(
        text,
        "{:<20} {:<6} {:<10} {:<8} {:<24} result",
        "time", "for", "method", "status", "target"
    );
    for result in results {
        let field = |name: &str| result[name].as_str().unwrap_or("");
        let at = [field("end_time"), field("planned_time")]
            .into_iter()
            .find(|at| !at.is_empty());
        let at = at
            .and_then(Timestamp::parse)
            .map(whole_second)
            .unwrap_or_default();
        let target = result["probe_result"]["destination_ip"]
            .as_str()
            .unwrap_or("");
        let figures = match (
            result["probe_result"]["round_trip_avg"].as_f64(),
            result["probe_result"]["round_trip_loss"].as_f64(),
        ) {
            (Some(avg), Some(loss)) => format!("{avg:.3} ms, {:.0} % lost", loss * 100.0),
            (None, Some(_)) => "no answer".to_owned(),
            _ => field("error").to_owned(),
        };
        let (method, status) = (field("method"), field("status"));
        let whom = if result["own"] == true {
            "us"
        } else {
            "others"
        };
        let _ = writeln!(
            text,
            "{at:<20} {whom:<6} {method:<10} {status:<8} {target:<24} {figures}"
        );
    }
    text
}

pub(super) fn budget(answer: &Value) -> String {
    let mut text = String::new();
    for (label, name) in [("fixed line", "fixed"), ("mobile line", "mobile")] {
        let account = &answer[name];
        let (used, cap) = (bytes(&account["used_bytes"]), bytes(&account["cap_bytes"]));
        let month = account["month"].as_str().unwrap_or("");
        line(
            &mut text,
            label,
            &format!("{used} of {cap} donated in {month}"),
        );
    }
    line(
        &mut text,
        "own tests",
        &format!("{} (not capped)", bytes(&answer["own_bytes"])),
    );
    line(
        &mut text,
        "controller",
        &format!("{} exchanged (not capped)", bytes(&answer["control_bytes"])),
    );
    let door = &answer["door"];
    if let (Some(1..), used, cap) = (
        door["cap_bytes"].as_u64(),
        bytes(&door["used_bytes"]),
        bytes(&door["cap_bytes"]),
    ) {
        line(&mut text, "LMAP door", &format!("{used} of {cap} of these"));
    }
    text
}

pub(super) fn reset(_: &Value) -> String {
    "access control is the factory's again\n".to_owned()
}

pub(super) fn schedules(answer: &Value) -> String {
    let mut text = String::new();
    let schedules = answer["schedules"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if schedules.is_empty() {
        text.push_str("nothing is planned\n");
    }
    for schedule in schedules {
        let words = |name: &str| plain(schedule[name].as_str().unwrap_or(""), WORDS);
        let methods: Vec<&str> = schedule["methods"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let next = time(&schedule["next"]).map_or_else(|| "never again".to_owned(), relative);
        let next = match (
            schedule["enabled"].as_bool(),
            &schedule["paused"],
            &schedule["forbidden"],
        ) {
            (_, Value::Bool(true), _) => "paused".to_owned(),
            (_, _, Value::Bool(true)) => "forbidden".to_owned(),
            _ => format!("next {next}"),
        };
        let who = match schedule["asked_by"]["door"].as_str() {
            Some("household") => "own",
            Some(door) => door,
            None => "",
        };
        let methods = plain(&methods.join(", "), 24);
        let _ = writeln!(text, "{:<24} {who:<5} {methods:<24} {next}", words("id"));
        for name in ["purpose", "error"] {
            let said = words(name);
            if !said.is_empty() {
                let _ = writeln!(text, "{:<24} {said}", "");
            }
        }
        let month = &schedule["monthly_bytes"];
        if month.as_u64().is_some_and(|bytes| bytes > 0) {
            let _ = writeln!(text, "{:<24} at most {} a month", "", bytes(month));
        }
    }
    text
}

fn line(text: &mut String, label: &str, words: &str) {
    let _ = writeln!(text, "{label:<13} {words}");
}

fn time(value: &Value) -> Option<Timestamp> {
    Timestamp::parse(value.as_str()?)
}

fn whole_second(at: Timestamp) -> String {
    let micros = at.as_micros();
    Timestamp::from_micros(micros - micros.rem_euclid(SECOND)).to_string()
}

/// `12 minutes ago`, `in 30 seconds`.
fn relative(at: Timestamp) -> String {
    let seconds = at.since(clock::now()) / SECOND;
    let (n, unit) = match seconds.unsigned_abs() {
        n @ 0..=119 => (n, "second"),
        n @ 120..=7199 => (n / 60, "minute"),
        n @ 7200..=172_799 => (n / 3600, "hour"),
        n => (n / 86_400, "day"),
    };
    let s = if n == 1 { "" } else { "s" };
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {n} {unit}{s}"),
        _ => format!("{n} {unit}{s} ago"),
    }
}

/// Bytes with two to three significant digits.
fn bytes(value: &Value) -> String {
    let bytes = value.as_u64().unwrap_or(0);
    let tenths = |unit: u64| {
        (
            bytes.saturating_mul(10) / unit / 10,
            bytes.saturating_mul(10) / unit % 10,
        )
    };
    match bytes {
        0..=999 => format!("{bytes} B"),
        1000..=999_999 => format!("{}.{} kB", tenths(1000).0, tenths(1000).1),
        1_000_000..=999_999_999 => format!("{}.{} MB", tenths(1_000_000).0, tenths(1_000_000).1),
        _ => format!("{}.{} GB", tenths(1_000_000_000).0, tenths(1_000_000_000).1),
    }
}
