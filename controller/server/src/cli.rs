//! The command line.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage. What was asked for goes to standard output,
//! everything else to standard error; `--json` prints one JSON document instead of text.

mod agent;
mod alto;
mod init;
mod instruction;
mod output;
mod pair;
mod results;
mod serve;
#[cfg(test)]
mod tests;

use crate::admission;
use crate::alto::client::is_unprintable;
use crate::config::{self, Config, ConfigError};
use clap::{Args, Parser, Subcommand};
use glimpse_store::{Options, Sqlite};
use output::Output;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Exit code: done.
pub const DONE: u8 = 0;
/// Exit code: failed.
pub const FAILED: u8 = 1;
/// Exit code: wrong usage.
pub const USAGE: u8 = 2;

/// Where a configuration is looked for when none is named.
const SYSTEM_DIR: &str = "/etc/glimpse-controller";

/// GLIMPSE controller: tells agents what to measure, keeps their results, publishes ALTO maps.
#[derive(Debug, Parser)]
#[command(name = "glimpse-controller", version, max_term_width = 100)]
struct Cli {
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new controller: keys, certificates, database, configuration.
    Init(init::Init),
    /// Serve agents and ALTO clients until SIGTERM or Ctrl-C.
    Serve(serve::Serve),
    /// Invite, list, show and revoke agents.
    #[command(subcommand)]
    Agent(agent::Command),
    /// Give, list and take back instructions.
    #[command(subcommand)]
    Instruction(instruction::Command),
    /// Let two agents measure with each other.
    #[command(subcommand)]
    Pair(pair::Command),
    /// Results that agents sent.
    #[command(subcommand)]
    Results(results::Command),
    /// ALTO maps.
    #[command(subcommand)]
    Alto(alto::Command),
}

/// Which controller is meant.
#[derive(Debug, Args)]
struct Place {
    /// Directory of the controller; by default the working directory, else /etc/glimpse-controller.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    file: PlaceFile,
}

#[derive(Debug, Args)]
struct PlaceFile {
    /// Configuration of the controller [default: controller.toml in its directory].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    fn load(&self) -> Result<Config, CliError> {
        match &self.dir {
            Some(dir) => load(&dir.join(config::FILE)),
            None => self.file.load(),
        }
    }
}

impl PlaceFile {
    fn load(&self) -> Result<Config, CliError> {
        if let Some(file) = &self.config {
            return load(file);
        }
        let here = Path::new(config::FILE);
        if here.exists() {
            load(here)
        } else {
            load(&Path::new(SYSTEM_DIR).join(config::FILE))
        }
    }
}

fn load(path: &Path) -> Result<Config, CliError> {
    Config::load(path).map_err(|error| {
        let hint = match &error {
            ConfigError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "name the controller's directory with --dir, or make one: glimpse-controller init --dir DIR"
            }
            ConfigError::Io { .. } => "",
            _ => "mend this line; keys that are left out have their defaults",
        };
        CliError::hinting(&error, hint)
    })
}

/// The database of a controller; the server may be using it too.
async fn open(config: &Config) -> Result<Sqlite, CliError> {
    let options = Options {
        max_bytes: config.database_max_bytes,
        judge: admission::newcomers(config.limits.clone()),
        readers: 2,
        ..Options::default()
    };
    Sqlite::open(&config.database, &options)
        .await
        .map_err(|error| {
            CliError::hinting(
                &format!("{}: {error}", config.database.display()),
                "run glimpse-controller init, or correct store.path in controller.toml",
            )
        })
}

/// Why a command did not do its work.
#[derive(Debug)]
enum CliError {
    /// Said to the user, with what may help.
    Failed { message: String, hint: String },
    /// Wrong usage that only the command itself can see.
    Usage(String),
    /// The reader of our output is gone, or the output cannot be written.
    Output(io::Error),
}

impl CliError {
    #[expect(clippy::needless_pass_by_value, reason = "handed to `map_err` by name")]
    fn failed(message: impl ToString) -> Self {
        Self::hinting(&message, "")
    }

    fn hinting(message: &impl ToString, hint: &str) -> Self {
        Self::Failed {
            message: message.to_string(),
            hint: hint.to_owned(),
        }
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<glimpse_store::Error> for CliError {
    fn from(error: glimpse_store::Error) -> Self {
        let hint = match &error {
            glimpse_store::Error::Busy => "another program holds the database; try again",
            glimpse_store::Error::Full => "make room on the disk, or raise store.max_bytes",
            _ => "",
        };
        Self::hinting(&error, hint)
    }
}

/// Runs a command line; what is printed goes to `out` and `err`. The answer is the exit code.
pub async fn run(
    arguments: impl IntoIterator<Item = OsString>,
    mut out: &mut dyn Write,
    mut err: &mut dyn Write,
) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Where nobody reads, nothing more can be said.
            if error.use_stderr() {
                let _ = write!(err, "{}", error.render());
                return USAGE;
            }
            let _ = write!(out, "{}", error.render());
            return DONE;
        }
    };
    let mut output = Output {
        out: &mut out,
        err: &mut err,
        json: cli.json,
    };
    let done = match cli.command {
        Command::Init(init) => init.run(&mut output).await,
        Command::Serve(serve) => serve.run(&mut output).await,
        Command::Agent(command) => command.run(&mut output).await,
        Command::Instruction(command) => command.run(&mut output).await,
        Command::Pair(command) => command.run(&mut output).await,
        Command::Results(command) => command.run(&mut output).await,
        Command::Alto(command) => command.run(&mut output).await,
    };
    match done.and_then(|()| Ok(output.out.flush()?)) {
        Ok(()) => DONE,
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => DONE,
        Err(CliError::Output(error)) => complain(err, &error.to_string(), ""),
        Err(CliError::Failed { message, hint }) => complain(err, &message, &hint),
        Err(CliError::Usage(message)) => {
            complain(err, &message, "glimpse-controller --help lists the options");
            USAGE
        }
    }
}

fn complain(err: &mut dyn Write, message: &str, hint: &str) -> u8 {
    // Messages repeat what files and other people's servers say.
    let shown = |c| c == '\n' || !is_unprintable(c);
    let message = message.replace(|c| !shown(c), "\u{fffd}");
    // Nobody reads: the exit code says it all the same.
    let _ = writeln!(err, "error: {message}");
    if !hint.is_empty() {
        let _ = writeln!(err, "hint: {hint}");
    }
    FAILED
}
