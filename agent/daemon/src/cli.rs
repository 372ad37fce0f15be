//! The command line. Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 not reachable.

mod arguments;
mod enrol;
mod measure;
mod show;

use crate::local::service::Request;
use crate::local::socket;
use crate::{app, logger};
use arguments::{Command, Usage};
use glimpse_probe::plugin::shim;
use log::LevelFilter;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

/// What `--help` prints.
const HELP: &str = "\
GLIMPSE measurement agent

  glimpse-agent enrol --controller URL --token-file FILE|- [--ca-fingerprint sha256:HEX]
      make this device known to a controller by a one-time token
  glimpse-agent daemon
      obey the controller and the household until stopped
  glimpse-agent measure METHOD [KEY=VALUE…]
      one measurement now, printed here and sent nowhere
  glimpse-agent capabilities    what can be measured, with all options
  glimpse-agent status          how the daemon stands
  glimpse-agent results [--last N]
      what was measured last
  glimpse-agent budget          traffic used this month
  glimpse-agent schedules       what is measured when
  glimpse-agent nacm reset      who may do what by RESTCONF, as the factory had it

  --config FILE   settings in UCI syntax (default /etc/config/glimpse)
  --json          for programs
  --version, --help

Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 not reachable.
";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Ok = 0,
    Failed = 1,
    Usage = 2,
    Unreachable = 3,
}

/// A command's failure: exit code and one line for people.
struct Failure {
    exit: Exit,
    line: String,
}

impl Failure {
    fn failed(error: impl std::fmt::Display) -> Self {
        Self {
            exit: Exit::Failed,
            line: error.to_string(),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(logger::chain(&error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::failed(error)
    }
}

/// Runs the command in `words`, the first of which is the program's name.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut words = words.into_iter().peekable();
    let program = words.next();
    if words.next_if(|word| word == shim::SUBCOMMAND).is_some() {
        return shim::main(words);
    }
    let words = program.into_iter().chain(words);
    logger::start(LevelFilter::Warn);
    let result = arguments::parse(words)
        .map_err(|Usage(line)| Failure {
            exit: Exit::Usage,
            line: format!("{line}; see glimpse-agent --help"),
        })
        .and_then(execute);
    let exit = result.unwrap_or_else(|failure| {
        // There is nowhere to say that standard error is gone.
        let _ = writeln!(io::stderr(), "glimpse-agent: {}", failure.line);
        failure.exit
    });
    ExitCode::from(exit as u8)
}

fn execute(arguments: arguments::Arguments) -> Result<Exit, Failure> {
    let config = arguments.config.as_path();
    let json = arguments.json;
    match arguments.command {
        Command::Help => print(HELP),
        Command::Version => print(&format!("{}\n", crate::VERSION.replace('/', " "))),
        Command::Daemon => block_on(app::run(arguments.config))?
            .map(|()| Exit::Ok)
            .map_err(Failure::from),
        Command::Enrol(enrol) => block_on(enrol::run(enrol, config, json))?,
        Command::Measure { method, words } => {
            block_on(measure::run(&method, &words, config, json))?
        }
        Command::Capabilities => block_on(show::capabilities(config, json))?,
        Command::Status => ask(config, &Request::Status, json, show::status),
        Command::Results { last } => ask(config, &Request::Results { last }, json, show::results),
        Command::Budget => ask(config, &Request::Budget, json, show::budget),
        Command::Schedules => ask(config, &Request::Schedules, json, show::schedules),
        Command::ResetAccess => ask(config, &Request::ResetAccess, json, show::reset),
    }
}

/// Runs `work` on one thread, which is enough for everything the agent does and leaves the router
/// the others. A name that is still being looked up is not waited for.
fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(done)
}

/// Asks the daemon and prints its answer.
fn ask(
    config: &Path,
    request: &Request,
    json: bool,
    show: fn(&serde_json::Value) -> String,
) -> Result<Exit, Failure> {
    let settings = app::settings(config)?;
    let answer =
        block_on(socket::ask(&settings.local.socket, request))?.map_err(|error| Failure {
            exit: match error {
                socket::AskError::NoDaemon(..) => Exit::Unreachable,
                socket::AskError::Refused(_) => Exit::Failed,
            },
            line: match error {
                socket::AskError::NoDaemon(..) => {
                    format!("{error}; start one with: glimpse-agent daemon")
                }
                socket::AskError::Refused(_) => error.to_string(),
            },
        })?;
    if let Some(error) = answer["error"].as_str().filter(|_| request.is_of_owner()) {
        return Err(Failure::failed(error));
    }
    if json {
        print_json(&answer)
    } else {
        print(&show(&answer))
    }
}

fn print(text: &str) -> Result<Exit, Failure> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // A reader that has read enough, such as `head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
        done => done.map(|()| Exit::Ok).map_err(Failure::from),
    }
}

/// Pretty for people, a line for programs.
fn print_json(value: &serde_json::Value) -> Result<Exit, Failure> {
    let text = if io::stdout().is_terminal() {
        format!("{value:#}\n")
    } else {
        format!("{value}\n")
    };
    print(&text)
}
