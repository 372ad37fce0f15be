//! What an agent's `/lmap` makes it send, in the form in which admission judges: instructions.

use glimpse_lmap::control::{Action, Control, Event, EventKind, Schedule, Task as Configured};
use glimpse_lmap::names;
use glimpse_model::instruction::{Execution, Instruction, MAX_TASKS, Task};
use glimpse_model::precondition::Precondition;
use glimpse_model::time::Zone;
use glimpse_model::timing::{Calendar, MAX_DURATION_MS, Past, Periodic, Timing};
use glimpse_yang::{Error, Tree};
use serde_json::{Map, Value};

/// How often, at most, events are counted whose time nobody knows: a start of the agent, a controller lost and found.
const UNFORESEEN_MS: i64 = 3_600_000;

/// Options that name a target, by whatever agent; the first that is there counts.
const TARGETS: [&str; 7] = [
    "host",
    "url",
    "target",
    "server",
    "address",
    "destination",
    "hostname",
];

/// What the configuration in `tree` makes its agent send: an instruction as JSON for each schedule that has a target.
/// Equal configurations give equal texts. Schedules named by `elsewhere` are left out: they stand for instructions that are
/// counted as such.
///
/// # Errors
/// A value in the tree that no clock knows.
pub(crate) fn of(tree: &Tree, elsewhere: &[String]) -> Result<Vec<String>, Error> {
    let control = Control::read(tree)?;
    Ok(control
        .schedules
        .iter()
        .filter(|schedule| !elsewhere.contains(&schedule.name))
        .filter_map(|schedule| {
            let timing = timing(control.event(&schedule.start)?)?;
            Some(documents(&control, schedule, &timing))
        })
        .flatten()
        .collect())
}

/// What one run of a schedule sends, at somebody's word.
///
/// # Errors
/// As [`of`].
pub(crate) fn of_run(tree: &Tree, schedule: &str) -> Result<Vec<String>, Error> {
    let control = Control::read(tree)?;
    Ok(control
        .schedule(schedule)
        .map(|schedule| documents(&control, schedule, &Timing::Immediate {}))
        .unwrap_or_default())
}

fn documents(control: &Control, schedule: &Schedule, timing: &Timing) -> Vec<String> {
    let tasks: Vec<Task> = schedule
        .actions
        .iter()
        .filter_map(|action| task(action, control.task(&action.task)?))
        .collect();
    let Some(id) = names::instruction_id(&schedule.name) else {
        return Vec::new();
    };
    // A schedule may have more actions than an instruction has tasks.
    tasks
        .chunks(MAX_TASKS)
        .filter_map(|tasks| {
            let instruction = Instruction {
                id: id.clone(),
                timing: timing.clone(),
                tasks: tasks.to_vec(),
                execution: Execution::Parallel,
                precondition: Precondition::default(),
                lan: false,
            };
            serde_json::to_string(&instruction).ok()
        })
        .collect()
}

/// Options of the task, those of the action over them, parameters over all; only what admission reads is kept.
fn task(action: &Action, task: &Configured) -> Option<Task> {
    let named = task.options.iter().chain(&action.options);
    let named =
        named.filter_map(|option| Some((option.name.as_deref()?, option.value.as_deref()?)));
    let typed = action.parameters.iter().flat_map(|parameters| {
        let values = parameters.values.iter();
        values.map(|(name, value)| (name.as_str(), value.as_str()))
    });
    let mut given: Map<String, Value> = Map::new();
    for (name, value) in named.chain(typed) {
        given.insert(name.to_owned(), Value::from(value));
    }
    let (name, target) = TARGETS.iter().find_map(|name| {
        let value = given.get(*name)?.as_str()?.trim();
        (!value.is_empty()).then(|| (*name, value.to_owned()))
    })?;
    let mut options = Map::new();
    let kind = if name == "url" || target.contains("://") {
        "url"
    } else {
        "host"
    };
    options.insert(kind.to_owned(), Value::from(target));
    for name in ["count", "interval"] {
        let number = given
            .get(name)
            .and_then(|value| value.as_str()?.trim().parse::<u64>().ok());
        if let Some(number) = number {
            options.insert(name.to_owned(), Value::from(number));
        }
    }
    Some(Task {
        id: names::task_id(&action.name)?,
        method: "lmap".to_owned(),
        options,
    })
}

/// When it fires, never less often than it does; `None` for what does not fire by itself.
fn timing(event: &Event) -> Option<Timing> {
    let seconds = |s: u32| (i64::from(s) * 1000).min(MAX_DURATION_MS);
    let spread_ms = event.random_spread_s.map_or(0, seconds);
    let periodic = |interval_ms| Periodic {
        interval_ms,
        start: None,
        end: None,
        spread_ms,
    };
    Some(match &event.kind {
        EventKind::Never | EventKind::OnDemand => return None,
        EventKind::Periodic {
            interval_s,
            start,
            end,
        } => Timing::Periodic(Periodic {
            start: *start,
            end: *end,
            ..periodic(seconds(*interval_s))
        }),
        EventKind::Calendar(calendar) => {
            let mut timing = Calendar::of(&calendar.times);
            timing.start = calendar.start;
            timing.end = calendar.end;
            timing.spread_ms = spread_ms;
            match calendar.offset_minutes.and_then(Zone::offset_minutes) {
                Some(zone) => Timing::Calendar(timing.in_zone(zone)),
                None => Timing::Calendar(timing),
            }
        }
        EventKind::OneOff { time } => Timing::OneOff {
            time: *time,
            spread_ms,
            past: Past::Never,
        },
        EventKind::Immediate => Timing::Immediate {},
        EventKind::Startup | EventKind::ControllerLost | EventKind::ControllerConnected => {
            Timing::Periodic(periodic(UNFORESEEN_MS))
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::admission;
    use glimpse_yang::Encoding;
    use glimpse_yang::read::Reader;
    use glimpse_yang::table::AGENT;

    fn tree(text: &str) -> Tree {
        Reader::new(&AGENT, Encoding::Json)
            .data(text.as_bytes())
            .unwrap()
    }

    fn lmap(event: &str, options: &str) -> Tree {
        tree(&format!(
            r#"{{"ietf-lmap-control:lmap": {{
            "tasks": {{"task": [{{"name": "t", "program": "ping", "option": {options}}}]}},
            "events": {{"event": [{{"name": "e", {event}}}]}},
            "schedules": {{"schedule": [{{"name": "s 1", "start": "e", "action": [
                {{"name": "a", "task": "t", "option": [{{"id": "c", "name": "count", "value": "7"}}]}}]}}]}}}}}}"#
        ))
    }

    const HOST: &str = r#"[{"id": "h", "name": "host", "value": "anchor.example"},
                          {"id": "c", "name": "count", "value": "3"}]"#;

    #[test]
    fn a_schedule_becomes_an_instruction_that_reads() {
        let found = of(
            &lmap(r#""random-spread": 5, "periodic": {"interval": 60}"#, HOST),
            &[],
        )
        .unwrap();
        let [document] = &found[..] else {
            panic!("{found:?}")
        };
        let read = admission::stored(document).unwrap();
        assert_eq!(read.tasks[0].options["host"], "anchor.example");
        assert_eq!(
            read.tasks[0].options["count"], 7,
            "the action's option counts"
        );
        let Timing::Periodic(periodic) = read.timing else {
            panic!()
        };
        assert_eq!((periodic.interval_ms, periodic.spread_ms), (60_000, 5_000));
    }

    #[test]
    fn whatever_fires_by_itself_counts_and_nothing_else() {
        for (event, counts) in [
            (r#""immediate": [null]"#, 1),
            (r#""startup": [null]"#, 1),
            (r#""controller-lost": [null]"#, 1),
            (r#""controller-connected": [null]"#, 1),
            (r#""one-off": {"time": "2027-01-01T00:00:00Z"}"#, 1),
            (
                r#""calendar": {"month": ["*"], "day-of-month": ["*"], "day-of-week": ["*"],
                    "hour": [4], "minute": [0], "second": [0], "timezone-offset": "+05:30"}"#,
                1,
            ),
            (r#""glimpse-agent:on-demand": [null]"#, 0),
            (r#""random-spread": 1"#, 0),
        ] {
            let found = of(&lmap(event, HOST), &[]).unwrap();
            assert_eq!(found.len(), counts, "{event}");
            for document in &found {
                admission::stored(document).unwrap();
            }
        }
        let run = of_run(&lmap(r#""glimpse-agent:on-demand": [null]"#, HOST), "s 1").unwrap();
        assert_eq!(run.len(), 1);
    }

    #[test]
    fn targets_by_other_names_and_typed_parameters_are_seen() {
        let options = r#"[{"id": "1", "name": "target", "value": "https://www.example/x"}]"#;
        let found = of(&lmap(r#""immediate": [null]"#, options), &[]).unwrap();
        let elsewhere = ["s 1".to_owned()];
        assert!(
            of(&lmap(r#""immediate": [null]"#, options), &elsewhere)
                .unwrap()
                .is_empty()
        );
        let read = admission::stored(&found[0]).unwrap();
        assert_eq!(read.tasks[0].options["url"], "https://www.example/x");
        let typed = tree(
            r#"{"ietf-lmap-control:lmap": {
            "tasks": {"task": [{"name": "t", "program": "ping"}]},
            "events": {"event": [{"name": "e", "immediate": [null]}]},
            "schedules": {"schedule": [{"name": "s", "start": "e", "action": [{"name": "a", "task": "t",
                "parameters": {"glimpse-agent:ping": {"host": "typed.example"}}}]}]}}}"#,
        );
        let found = of(&typed, &[]).unwrap();
        let read = admission::stored(&found[0]).unwrap();
        assert_eq!(read.tasks[0].options["host"], "typed.example");
    }
}
