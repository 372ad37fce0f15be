//! The words of the command line.

use crate::diagnose::Kind;
use crate::local::series::{Figure, Range};
use crate::local::service::{ExportFormat, MOST_RESULTS, ResultsQuery, SeriesQuery};
use glimpse_model::read::Cursor;
use glimpse_model::record::Status;
use glimpse_model::time::Timestamp;
use lexopt::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Arguments {
    pub(super) command: Command,
    pub(super) config: PathBuf,
    pub(super) json: bool,
}

#[derive(Debug, PartialEq)]
pub(super) enum Command {
    Help,
    Version,
    Daemon,
    Enrol(Enrol),
    Measure { method: String, words: Vec<String> },
    Diagnose(Kind),
    Capabilities,
    Status,
    Results(ResultsQuery),
    History(SeriesQuery),
    Export(ExportFormat),
    Budget,
    Schedules,
    ResetAccess,
    Erase,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Enrol {
    pub(super) controller: String,
    pub(super) token_file: PathBuf,
    pub(super) fingerprint: Option<String>,
}

/// What is wrong with the words.
#[derive(Debug, PartialEq)]
pub(super) struct Usage(pub(super) String);

impl From<lexopt::Error> for Usage {
    fn from(error: lexopt::Error) -> Self {
        Self(error.to_string())
    }
}

fn usage<T>(line: &str) -> Result<T, Usage> {
    Err(Usage(line.to_owned()))
}

/// Parses the words, the first of which is the program's name.
pub(super) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Arguments, Usage> {
    let mut parser = lexopt::Parser::from_iter(words);
    let mut config = PathBuf::from(crate::app::SETTINGS);
    let mut json = false;
    let mut results = ResultsQuery::default();
    let mut history = HistoryWords::default();
    // The options that belong to one command, with it.
    let mut used: Vec<(&'static str, &'static str)> = Vec::new();
    let mut enrol = Enrol::default();
    let mut values: Vec<String> = Vec::new();
    let mut special = None;
    let mut yes = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => special = Some(Command::Help),
            Long("version") | Short('V') => special = Some(Command::Version),
            Long("json") => json = true,
            Long("yes") => yes = true,
            Long("config") => config = parser.value()?.into(),
            Long("last") => {
                used.push(("last", "results"));
                results.limit = limit(parser.value()?.parse()?)?;
            }
            Long("method") => {
                used.push(("method", "results"));
                results.method = Some(parser.value()?.string()?);
            }
            Long("status") => {
                used.push(("status", "results"));
                results.status = Some(status(&parser.value()?.string()?)?);
            }
            Long("since") => {
                used.push(("since", "results"));
                results.since = Some(time(&parser.value()?.string()?)?);
            }
            Long("until") => {
                used.push(("until", "results"));
                results.until = Some(time(&parser.value()?.string()?)?);
            }
            Long("own") => {
                used.push(("own", "results"));
                results.own = Some(true);
            }
            Long("others") => {
                used.push(("others", "results"));
                results.own = Some(false);
            }
            Long("range") => {
                used.push(("range", "history"));
                history.range = range(&parser.value()?.string()?)?;
            }
            Long("target") => {
                used.push(("target", "history"));
                history.target = Some(parser.value()?.string()?);
            }
            Long("format") => {
                used.push(("format", "export"));
                history.format = Some(format(&parser.value()?.string()?)?);
            }
            Long("controller") => enrol.controller = parser.value()?.string()?,
            Long("token-file") => enrol.token_file = parser.value()?.into(),
            Long("ca-fingerprint") => enrol.fingerprint = Some(parser.value()?.string()?),
            Value(word) => values.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let command = match special {
        Some(special) => special,
        None => command(values, enrol, results, history, &used, yes)?,
    };
    Ok(Arguments {
        command,
        config,
        json,
    })
}

/// Rows of a history on the terminal, at most.
const HISTORY_ROWS: usize = 48;

/// What is said of a history or an export.
#[derive(Debug, Default)]
struct HistoryWords {
    range: Range,
    target: Option<String>,
    format: Option<ExportFormat>,
}

fn limit(last: usize) -> Result<usize, Usage> {
    if (1..=MOST_RESULTS).contains(&last) {
        Ok(last)
    } else {
        usage("--last takes a number from 1 to 1000")
    }
}

fn status(word: &str) -> Result<Status, Usage> {
    let value = serde_json::Value::from(word);
    Status::read(&Cursor::at(&value, "--status")).map_err(|refused| Usage(refused.to_string()))
}

fn time(word: &str) -> Result<Timestamp, Usage> {
    Timestamp::parse(word)
        .ok_or_else(|| Usage(format!("'{word}' is no time such as 2026-01-31T12:00:00Z")))
}

fn range(word: &str) -> Result<Range, Usage> {
    let found = Range::ALL.into_iter().find(|range| range.as_str() == word);
    found.ok_or_else(|| Usage("--range takes day, week, month or year".to_owned()))
}

fn format(word: &str) -> Result<ExportFormat, Usage> {
    match word {
        "csv" => Ok(ExportFormat::Csv),
        "json" => Ok(ExportFormat::Json),
        _ => usage("--format takes csv or json"),
    }
}

fn command(
    values: Vec<String>,
    enrol: Enrol,
    results: ResultsQuery,
    history: HistoryWords,
    used: &[(&str, &str)],
    yes: bool,
) -> Result<Command, Usage> {
    let mut values = values.into_iter();
    let Some(word) = values.next() else {
        return usage("what is to be done?");
    };
    if let Some((name, owner)) = used.iter().find(|(_, owner)| *owner != word) {
        return usage(&format!("--{name} belongs to {owner}"));
    }
    if yes && word != "erase" {
        return usage("--yes belongs to erase");
    }
    if enrol != Enrol::default() && word != "enrol" {
        return usage("--controller, --token-file and --ca-fingerprint belong to enrol");
    }
    let command = match word.as_str() {
        "measure" => {
            let Some(method) = values.next() else {
                return usage(
                    "measure what? name a method, such as: measure ping host=example.net",
                );
            };
            let words = values.by_ref().collect();
            Command::Measure { method, words }
        }
        "daemon" => Command::Daemon,
        "enrol" => {
            if enrol.controller.is_empty() || enrol.token_file.as_os_str().is_empty() {
                return usage(
                    "enrol needs --controller URL and --token-file FILE (or - for standard input)",
                );
            }
            Command::Enrol(enrol)
        }
        "diagnose" => match values.next().as_deref().and_then(Kind::parse) {
            Some(kind) => Command::Diagnose(kind),
            None => {
                return usage(
                    "diagnose what? one of: diagnose down, diagnose slow, diagnose speed",
                );
            }
        },
        "capabilities" => Command::Capabilities,
        "status" => Command::Status,
        "results" => Command::Results(ResultsQuery {
            limit: match results.limit {
                0 => 20,
                limit => limit,
            },
            ..results
        }),
        "history" => {
            let names = || Figure::ALL.map(Figure::as_str).join(", ");
            let word = values.next().unwrap_or_default();
            let Some(figure) = Figure::ALL.into_iter().find(|it| it.as_str() == word) else {
                return usage(&format!("history of what? one of {}", names()));
            };
            Command::History(SeriesQuery {
                figure,
                range: history.range,
                target: history.target,
                points: HISTORY_ROWS,
            })
        }
        "export" => match history.format {
            Some(format) => Command::Export(format),
            None => return usage("export needs --format csv or --format json"),
        },
        "budget" => Command::Budget,
        "schedules" => Command::Schedules,
        "nacm" => match values.next().as_deref() {
            Some("reset") => Command::ResetAccess,
            _ => return usage("nacm what? the one thing it does is: nacm reset"),
        },
        "erase" if yes => Command::Erase,
        "erase" => {
            return usage(
                "erase deletes identity, history and waiting results for good; say so with --yes",
            );
        }
        other => return usage(&format!("'{other}' is no command")),
    };
    match values.next() {
        Some(extra) => usage(&format!("'{extra}' is one word too many")),
        None => Ok(command),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, Usage> {
        let words = std::iter::once("glimpse-agent").chain(line.split_whitespace());
        parse(words.map(OsString::from))
    }

    #[test]
    fn commands() {
        let measure = parsed("measure ping host=a type=Icmp --json").unwrap();
        assert!(measure.json);
        let words = vec!["host=a".to_owned(), "type=Icmp".to_owned()];
        assert_eq!(
            measure.command,
            Command::Measure {
                method: "ping".to_owned(),
                words
            }
        );
        assert_eq!(
            parsed("results --last 7").unwrap().command,
            Command::Results(ResultsQuery::newest(7))
        );
        let filtered = "results --method ping --status failed --since 2026-01-31T12:00:00Z --own";
        assert_eq!(
            parsed(filtered).unwrap().command,
            Command::Results(ResultsQuery {
                method: Some("ping".to_owned()),
                status: Some(Status::Failed),
                since: Timestamp::parse("2026-01-31T12:00:00Z"),
                own: Some(true),
                ..ResultsQuery::newest(20)
            })
        );
        assert_eq!(
            parsed("history busy_delay --range week --target a")
                .unwrap()
                .command,
            Command::History(SeriesQuery {
                figure: Figure::BusyDelay,
                range: Range::Week,
                target: Some("a".to_owned()),
                points: HISTORY_ROWS,
            })
        );
        assert_eq!(
            parsed("export --format csv").unwrap().command,
            Command::Export(ExportFormat::Csv)
        );
        assert_eq!(
            parsed("--config /x status").unwrap().config,
            PathBuf::from("/x")
        );
        assert_eq!(
            parsed("diagnose slow").unwrap().command,
            Command::Diagnose(Kind::Slow)
        );
        assert_eq!(parsed("nacm reset").unwrap().command, Command::ResetAccess);
        assert_eq!(parsed("status --help").unwrap().command, Command::Help);
    }

    #[test]
    fn each_fault_has_words() {
        for (line, said) in [
            ("", "what is to be done?"),
            ("dance", "'dance' is no command"),
            (
                "diagnose sad",
                "diagnose what? one of: diagnose down, diagnose slow, diagnose speed",
            ),
            ("nacm", "nacm what? the one thing it does is: nacm reset"),
            ("nacm reset now", "'now' is one word too many"),
            ("status now", "'now' is one word too many"),
            ("status --last 3", "--last belongs to results"),
            ("results --format csv", "--format belongs to export"),
            (
                "results --status fine",
                "--status: must be one of ok, failed, aborted, skipped, refused, gap",
            ),
            (
                "results --since yesterday",
                "'yesterday' is no time such as 2026-01-31T12:00:00Z",
            ),
            (
                "history",
                "history of what? one of delay, loss, down, up, busy_delay, dns",
            ),
            (
                "history delay --range decade",
                "--range takes day, week, month or year",
            ),
            ("history delay --own", "--own belongs to results"),
            ("export", "export needs --format csv or --format json"),
            ("export --format xml", "--format takes csv or json"),
            ("results --last 0", "--last takes a number from 1 to 1000"),
            (
                "daemon --token-file x",
                "--controller, --token-file and --ca-fingerprint belong to enrol",
            ),
            (
                "enrol --controller https://c",
                "enrol needs --controller URL and --token-file FILE (or - for standard input)",
            ),
            ("status --frob", "invalid option '--frob'"),
            (
                "erase",
                "erase deletes identity, history and waiting results for good; say so with --yes",
            ),
            ("status --yes", "--yes belongs to erase"),
        ] {
            assert_eq!(parsed(line).unwrap_err(), Usage(said.to_owned()), "{line}");
        }
    }
}
