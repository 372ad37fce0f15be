//! The command line. Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 not reachable.

mod arguments;
mod diagnose;
mod enrol;
mod erase;
mod history;
mod measure;
mod show;

use crate::local::service::Request;
use crate::local::socket;
use crate::{app, logger};
use arguments::{Command, Usage};
use glimpse_probe::plugin::shim;
use log::LevelFilter;
use serde_json::Value;
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
  glimpse-agent diagnose down|slow|speed
      why the internet does not work or is slow; how fast it is
  glimpse-agent capabilities    what can be measured, with all options
  glimpse-agent status          how the daemon stands
  glimpse-agent results [--last N] [--method M] [--status S] [--since T] [--until T] [--own|--others]
      what was measured last, for the household and for others
  glimpse-agent history FIGURE [--range day|week|month|year] [--target T]
      how delay, loss, down, up, busy_delay or dns went
  glimpse-agent export --format csv|json
      all that is kept of it, for a file
  glimpse-agent budget          traffic used this month
  glimpse-agent schedules       what is measured when, and for whom
  glimpse-agent erase --yes     delete identity, history and waiting results, and have the controller forget them
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
        Command::Daemon => serve(&arguments.config),
        Command::Enrol(enrol) => block_on(enrol::run(enrol, config, json))?,
        Command::Measure { method, words } => {
            block_on(measure::run(&method, &words, config, json))?
        }
        Command::Diagnose(kind) => block_on(diagnose::run(kind, config, json))?,
        Command::Capabilities => block_on(show::capabilities(config, json))?,
        Command::Status => ask(config, &Request::Status, json, show::status),
        Command::Results(query) => ask(config, &Request::Results(query), json, show::results),
        Command::History(query) => ask(config, &Request::Series(query), json, history::table),
        Command::Export(format) => history::export(config, format),
        Command::Budget => ask(config, &Request::Budget, json, show::budget),
        Command::Schedules => ask(config, &Request::Schedules, json, show::schedules),
        Command::Erase => block_on(erase::run(config, json))?,
        Command::ResetAccess => ask(config, &Request::ResetAccess, json, show::reset),
    }
}

/// Runs the daemon; after an erasure everything begins anew, down to the runtime with its tasks.
fn serve(config: &Path) -> Result<Exit, Failure> {
    loop {
        match block_on(app::run(config.to_owned()))?? {
            app::Ended::Stopped => return Ok(Exit::Ok),
            app::Ended::Erases(settings) => block_on(app::erase(&settings))??,
        }
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
    show: fn(&Value) -> String,
) -> Result<Exit, Failure> {
    let answer = answer(config, request)?;
    if json {
        print_json(&answer)
    } else {
        print(&show(&answer))
    }
}

/// The daemon's answer; a refusal is a failure.
fn answer(config: &Path, request: &Request) -> Result<Value, Failure> {
    let settings = app::settings(config)?;
    let answer =
        block_on(socket::ask(&settings.local.socket, request))?.map_err(|error| Failure {
            exit: match error {
                socket::AskError::NoDaemon(..) | socket::AskError::Silent(..) => Exit::Unreachable,
                socket::AskError::Refused(_) => Exit::Failed,
            },
            line: match error {
                socket::AskError::NoDaemon(..) => {
                    format!("{error}; start one with: glimpse-agent daemon")
                }
                socket::AskError::Silent(..) | socket::AskError::Refused(_) => error.to_string(),
            },
        })?;
    match answer["error"].as_str() {
        Some(error) => Err(Failure::failed(error)),
        None => Ok(answer),
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
fn print_json(value: &Value) -> Result<Exit, Failure> {
    let text = if io::stdout().is_terminal() {
        format!("{value:#}\n")
    } else {
        format!("{value}\n")
    };
    print(&text)
}
