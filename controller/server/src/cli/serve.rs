//! `serve`.

use super::output::Output;
use super::{CliError, Place};
use crate::app::Running;
use clap::Args;
use serde::Serialize;
use std::net::SocketAddr;
use tokio::signal::unix::{SignalKind, signal};

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Ready {
    agent: SocketAddr,
    alto: SocketAddr,
    admin: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    restconf: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callhome: Option<SocketAddr>,
}

impl Serve {
    pub(super) async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let config = self.place.load()?;
        // Before the listeners: a signal that comes as soon as they answer must not kill us.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let running = Running::start(config).await.map_err(CliError::failed)?;
        let ready = Ready {
            agent: running.agent,
            alto: running.alto,
            admin: running.admin,
            restconf: running.restconf,
            callhome: running.callhome,
        };
        if output.json {
            output.json(&ready)?;
        } else {
            writeln!(
                output.out,
                "Agents  https://{}\nALTO    https://{}/\nHealth  http://{}/health",
                ready.agent, ready.alto, ready.admin
            )?;
            if let Some(restconf) = ready.restconf {
                writeln!(output.out, "RESTCONF https://{restconf}/restconf")?;
            }
            if let Some(callhome) = ready.callhome {
                writeln!(output.out, "Call home {callhome}")?;
            }
        }
        output.out.flush()?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        running.stop().await;
        Ok(())
    }
}
