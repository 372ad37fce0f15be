//! The words of the command line.

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
    Capabilities,
    Status,
    Results { last: usize },
    Budget,
    Schedules,
    ResetAccess,
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
    let mut last = None;
    let mut enrol = Enrol::default();
    let mut values: Vec<String> = Vec::new();
    let mut special = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => special = Some(Command::Help),
            Long("version") | Short('V') => special = Some(Command::Version),
            Long("json") => json = true,
            Long("config") => config = parser.value()?.into(),
            Long("last") => last = Some(parser.value()?.parse()?),
            Long("controller") => enrol.controller = parser.value()?.string()?,
            Long("token-file") => enrol.token_file = parser.value()?.into(),
            Long("ca-fingerprint") => enrol.fingerprint = Some(parser.value()?.string()?),
            Value(word) => values.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let command = match special {
        Some(special) => special,
        None => command(values, enrol, last)?,
    };
    Ok(Arguments {
        command,
        config,
        json,
    })
}

fn command(values: Vec<String>, enrol: Enrol, last: Option<usize>) -> Result<Command, Usage> {
    let mut values = values.into_iter();
    let Some(word) = values.next() else {
        return usage("what is to be done?");
    };
    if last.is_some() && word != "results" {
        return usage("--last belongs to results");
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
        "capabilities" => Command::Capabilities,
        "status" => Command::Status,
        "results" => Command::Results {
            last: match last.unwrap_or(20) {
                n if (1..=crate::local::service::MOST_RESULTS).contains(&n) => n,
                _ => return usage("--last takes a number from 1 to 1000"),
            },
        },
        "budget" => Command::Budget,
        "schedules" => Command::Schedules,
        "nacm" => match values.next().as_deref() {
            Some("reset") => Command::ResetAccess,
            _ => return usage("nacm what? the one thing it does is: nacm reset"),
        },
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
            Command::Results { last: 7 }
        );
        assert_eq!(
            parsed("--config /x status").unwrap().config,
            PathBuf::from("/x")
        );
        assert_eq!(parsed("nacm reset").unwrap().command, Command::ResetAccess);
        assert_eq!(parsed("status --help").unwrap().command, Command::Help);
    }

    #[test]
    fn each_fault_has_words() {
        for (line, said) in [
            ("", "what is to be done?"),
            ("dance", "'dance' is no command"),
            ("nacm", "nacm what? the one thing it does is: nacm reset"),
            ("nacm reset now", "'now' is one word too many"),
            ("status now", "'now' is one word too many"),
            ("status --last 3", "--last belongs to results"),
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
        ] {
            assert_eq!(parsed(line).unwrap_err(), Usage(said.to_owned()), "{line}");
        }
    }
}
