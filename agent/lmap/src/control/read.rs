//! From the tree.

use super::limits::{at, check};
use super::{
    Action, Agent, CalendarEvent, Control, DAYS, Event, EventKind, Function, MONTHS, Mode,
    OptionEntry, Parameters, Schedule, Stop, Suppression, Task,
};
use glimpse_model::precondition::Precondition;
use glimpse_model::time::Timestamp;
use glimpse_model::timing::CivilTimes;
use glimpse_yang::schema::Schema;
use glimpse_yang::view::View;
use glimpse_yang::{Error, Tag, Tree};

impl Control {
    /// Reads a valid tree; one without `/lmap` holds nothing. State in it is passed over.
    ///
    /// # Errors
    /// [`Tag::InvalidValue`] with the path, for what the module's types let through and no clock knows: a zone of more than 14 hours,
    /// a time outside the years 0 to 9999. Where it is too much for an agent, as [`super::limits`] says.
    pub fn read(tree: &Tree) -> Result<Self, Error> {
        let Some(lmap) = tree.view("ietf-lmap-control:lmap") else {
            return Ok(Self::default());
        };
        let entries = |list: &str, entry: &'static str| {
            let list = lmap.container(list);
            list.into_iter().flat_map(move |list| list.list(entry))
        };
        let control = Self {
            agent: lmap
                .container("agent")
                .map_or_else(Agent::default, |agent| read_agent(&agent)),
            tasks: entries("tasks", "task")
                .map(|task| read_task(&task))
                .collect(),
            schedules: entries("schedules", "schedule")
                .map(|schedule| read_schedule(&schedule))
                .collect(),
            suppressions: entries("suppressions", "suppression")
                .map(|suppression| read_suppression(&suppression))
                .collect(),
            events: entries("events", "event")
                .map(|event| read_event(&event, tree.schema))
                .collect::<Result<_, _>>()?,
        };
        check(&control, tree.schema)?;
        Ok(control)
    }
}

fn text(view: &View<'_>, name: &str) -> String {
    view.leaf(name).unwrap_or_default().to_owned()
}

fn maybe(view: &View<'_>, name: &str) -> Option<String> {
    view.leaf(name).map(str::to_owned)
}

fn flag(view: &View<'_>, name: &str, default: bool) -> bool {
    view.leaf(name).map_or(default, |value| value == "true")
}

fn number(view: &View<'_>, name: &str) -> Option<u32> {
    view.leaf(name).and_then(|value| value.parse().ok())
}

fn texts(view: &View<'_>, name: &str) -> Vec<String> {
    view.leaf_list(name).map(str::to_owned).collect()
}

fn read_agent(view: &View<'_>) -> Agent {
    Agent {
        agent_id: maybe(view, "agent-id"),
        group_id: maybe(view, "group-id"),
        measurement_point: maybe(view, "measurement-point"),
        report_agent_id: flag(view, "report-agent-id", false),
        report_group_id: flag(view, "report-group-id", false),
        report_measurement_point: flag(view, "report-measurement-point", false),
        controller_timeout_s: number(view, "controller-timeout"),
    }
}

fn read_options(view: &View<'_>) -> Vec<OptionEntry> {
    view.list("option")
        .map(|option| OptionEntry {
            id: text(&option, "id"),
            name: maybe(&option, "name"),
            value: maybe(&option, "value"),
        })
        .collect()
}

fn read_task(view: &View<'_>) -> Task {
    Task {
        name: text(view, "name"),
        functions: view
            .list("function")
            .map(|function| Function {
                uri: text(&function, "uri"),
                roles: texts(&function, "role"),
            })
            .collect(),
        program: maybe(view, "program"),
        options: read_options(view),
        tags: texts(view, "tag"),
    }
}

fn read_schedule(view: &View<'_>) -> Schedule {
    let stop = match (maybe(view, "end"), number(view, "duration")) {
        (Some(end), _) => Some(Stop::End(end)),
        (None, Some(duration)) => Some(Stop::Duration(duration)),
        (None, None) => None,
    };
    let precondition =
        view.container("glimpse-agent:precondition")
            .map_or_else(Precondition::default, |p| Precondition {
                on_wireless: flag(&p, "on_wireless", true),
                on_wire: flag(&p, "on_wire", true),
                on_cellular: flag(&p, "on_cellular", true),
                min_charge: p
                    .leaf("min_charge")
                    .and_then(|charge| charge.parse().ok())
                    .unwrap_or(0),
            });
    Schedule {
        name: text(view, "name"),
        start: text(view, "start"),
        stop,
        mode: match view.leaf("execution-mode") {
            Some("sequential") => Mode::Sequential,
            Some("parallel") => Mode::Parallel,
            _ => Mode::Pipelined,
        },
        tags: texts(view, "tag"),
        suppression_tags: texts(view, "suppression-tag"),
        precondition,
        lan: flag(view, "glimpse-agent:lan", false),
        actions: view.list("action").map(|a| read_action(&a)).collect(),
    }
}

fn read_action(view: &View<'_>) -> Action {
    Action {
        name: text(view, "name"),
        task: text(view, "task"),
        parameters: view
            .container("parameters")
            .and_then(|parameters| parameters.children().next())
            .map(|of| read_parameters(&of)),
        options: read_options(view),
        destinations: texts(view, "destination"),
        tags: texts(view, "tag"),
        suppression_tags: texts(view, "suppression-tag"),
    }
}

fn read_parameters(view: &View<'_>) -> Parameters {
    let method = view.name().to_owned();
    let values = if method == "plugin" {
        view.list("option")
            .map(|option| (text(&option, "name"), text(&option, "value")))
            .collect()
    } else {
        view.children()
            .filter_map(|leaf| Some((leaf.name().to_owned(), leaf.instance().text()?.to_owned())))
            .collect()
    };
    Parameters { method, values }
}

fn read_suppression(view: &View<'_>) -> Suppression {
    Suppression {
        name: text(view, "name"),
        start: maybe(view, "start"),
        end: maybe(view, "end"),
        matches: texts(view, "match"),
        stop_running: flag(view, "stop-running", false),
    }
}

/// An event whose leaves may be refused.
struct EventReader<'a> {
    schema: &'static Schema,
    name: &'a str,
}

impl EventReader<'_> {
    fn refuse(&self, kind: &str, leaf: &str, message: &str) -> Error {
        let error = Error::new(Tag::InvalidValue, message);
        let steps = [
            ("events", None),
            ("event", Some(self.name)),
            (kind, None),
            (leaf, None),
        ];
        at(self.schema, error, &steps)
    }

    fn time(&self, view: &View<'_>, kind: &str, leaf: &str) -> Result<Option<Timestamp>, Error> {
        view.leaf(leaf)
            .map(|text| {
                Timestamp::parse(text)
                    .ok_or_else(|| self.refuse(kind, leaf, "no clock shows this time"))
            })
            .transpose()
    }

    fn calendar(&self, view: &View<'_>) -> Result<CalendarEvent, Error> {
        let named = |leaf, names: &[&str]| {
            set(view, leaf, |text| {
                let at = names.iter().position(|name| *name == text)?;
                u8::try_from(at + 1).ok()
            })
        };
        let plain = |leaf| set(view, leaf, |text| text.parse().ok());
        Ok(CalendarEvent {
            times: CivilTimes {
                months: named("month", &MONTHS),
                days_of_month: plain("day-of-month"),
                days_of_week: named("day-of-week", &DAYS),
                hours: plain("hour"),
                minutes: plain("minute"),
                seconds: plain("second"),
            },
            offset_minutes: view
                .leaf("timezone-offset")
                .map(|text| {
                    offset(text).ok_or_else(|| {
                        self.refuse(
                            "calendar",
                            "timezone-offset",
                            "no zone is that far from UTC: Z, or at most 14:00 hours",
                        )
                    })
                })
                .transpose()?,
            start: self.time(view, "calendar", "start")?,
            end: self.time(view, "calendar", "end")?,
        })
    }
}

/// The values of a leaf-list; none where one of them is `*`.
fn set(view: &View<'_>, leaf: &str, value: impl Fn(&str) -> Option<u8>) -> Vec<u8> {
    if view.leaf_list(leaf).any(|text| text == "*") {
        return Vec::new();
    }
    view.leaf_list(leaf).filter_map(value).collect()
}

/// `Z` or `+hh:mm`, in minutes. The module's pattern has neither bounds nor, where `\d` is Unicode's, ASCII digits only.
fn offset(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two = |digits: &str| {
        (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()))
            .then(|| digits.parse::<i32>().ok())
            .flatten()
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours <= 14 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

fn read_event(view: &View<'_>, schema: &'static Schema) -> Result<Event, Error> {
    let name = text(view, "name");
    let reader = EventReader {
        schema,
        name: &name,
    };
    let kind = if let Some(periodic) = view.container("periodic") {
        EventKind::Periodic {
            interval_s: number(&periodic, "interval").unwrap_or(1).max(1),
            start: reader.time(&periodic, "periodic", "start")?,
            end: reader.time(&periodic, "periodic", "end")?,
        }
    } else if let Some(calendar) = view.container("calendar") {
        EventKind::Calendar(reader.calendar(&calendar)?)
    } else if let Some(one_off) = view.container("one-off") {
        match reader.time(&one_off, "one-off", "time")? {
            Some(time) => EventKind::OneOff { time },
            None => EventKind::Never,
        }
    } else if view.has("immediate") {
        EventKind::Immediate
    } else if view.has("startup") {
        EventKind::Startup
    } else if view.has("controller-lost") {
        EventKind::ControllerLost
    } else if view.has("controller-connected") {
        EventKind::ControllerConnected
    } else if view.has("glimpse-agent:on-demand") {
        EventKind::OnDemand
    } else {
        EventKind::Never
    };
    Ok(Event {
        random_spread_s: number(view, "random-spread"),
        cycle_interval_s: number(view, "cycle-interval"),
        kind,
        name,
    })
}
