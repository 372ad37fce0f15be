//! `glimpse-agent erase`.

use super::{Exit, Failure, print, print_json};
use crate::local::service::Request;
use crate::local::uci::Settings;
use crate::local::{erase, socket};
use crate::uplink::forget::{self, Asked};
use crate::{app, daemon};
use serde_json::{Value, json};
use std::path::Path;

pub(super) async fn run(config: &Path, json: bool) -> Result<Exit, Failure> {
    let settings = app::settings(config)?;
    let answer = match socket::ask(&settings.local.socket, &Request::Erase).await {
        Ok(answer) => answer,
        Err(socket::AskError::NoDaemon(..)) => without_daemon(&settings).await?,
        Err(error) => return Err(Failure::failed(error)),
    };
    if let Some(error) = answer["error"].as_str() {
        return Err(Failure::failed(error));
    }
    if json {
        return print_json(&answer);
    }
    let about = if answer["forgotten"] == true {
        "The controller has forgotten this agent."
    } else if answer["pending"] == true {
        "The controller is asked to forget this agent as soon as it can be reached; until then its key is kept for that."
    } else if answer["forgotten"] == false {
        "The controller has shut this agent out; whether it has forgotten it, its operator knows."
    } else {
        "There was no controller to ask."
    };
    print(&format!(
        "Identity, history and waiting results are deleted; your settings stay.\n{about}\n"
    ))
}

/// Deletes in this process, and asks the controller once; a daemon that starts later asks again.
async fn without_daemon(settings: &Settings) -> Result<Value, Failure> {
    erase::mark(&settings.controller.state_dir)?;
    erase::carry_out(settings, daemon::run_dir(settings))?;
    let state_dir = &settings.controller.state_dir;
    let waiting = erase::aside(state_dir);
    let mut forgotten = (!waiting.is_empty()).then_some(true);
    for aside in &waiting {
        match forget::ask(aside).await {
            Ok(Asked::Forgets) => {}
            Ok(Asked::ShutOut) => {
                log::warn!("{}", forget::shut_out(&aside.url));
                forgotten = Some(false);
            }
            Err(error) => {
                log::warn!("{} cannot be asked yet: {error}", aside.url);
                forgotten = Some(false);
                continue;
            }
        }
        erase::let_go(aside)?;
    }
    let pending = !erase::aside(state_dir).is_empty();
    Ok(json!({"forgotten": forgotten, "pending": pending}))
}
