//! `alto get|ecs|watch|export|publish`.

mod export;
mod fetch;
mod get;
mod publish;
mod server;
#[cfg(test)]
mod tests;
mod watch;

use super::CliError;
use super::output::Output;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Fetch a map of any ALTO server, or ask for a part of it; without an option list what the server offers.
    Get(get::Get),
    /// Ask any ALTO server for costs between addresses.
    Ecs(get::Ecs),
    /// Follow the changes of maps of any ALTO server until Ctrl-C.
    Watch(watch::Watch),
    /// Write what this controller publishes as files: for a regulator, or for a static web server.
    Export(export::Export),
    /// Compute now what is due, with late results; a running server shows it within `alto.interval_s`.
    Publish(publish::Publish),
}

impl Command {
    pub(super) async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        match self {
            Self::Get(get) => get.run(output).await,
            Self::Ecs(ecs) => ecs.run(output).await,
            Self::Watch(watch) => watch.run(output).await,
            Self::Export(export) => export.run(output).await,
            Self::Publish(publish) => publish.run(output).await,
        }
    }
}
