//! `glimpse-agent enrol`.

use super::arguments::Enrol;
use super::{Exit, Failure, print, print_json};
use crate::local::uci::Settings;
use crate::uplink::enrol::{self, EnrolError, FirstContact};
use crate::{app, files, tls};
use glimpse_model::time::{SECOND, Timestamp};
use serde_json::json;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::Path;

const TOKEN_LIMIT: u64 = 1024;

pub(super) async fn run(request: Enrol, config: &Path, json: bool) -> Result<Exit, Failure> {
    let settings = app::settings(config)?;
    let token = read_token(&request.token_file)?;
    let bundle;
    let first = if let Some(text) = &request.fingerprint {
        FirstContact::Fingerprint(text.parse().map_err(|_| Failure {
            exit: Exit::Usage,
            line: format!("'{text}' is no fingerprint: it has the form sha256: and 64 hex digits"),
        })?)
    } else {
        bundle = tls::system_bundle().map_err(|error| {
            Failure::failed(format_args!("{error}, or give --ca-fingerprint sha256:…"))
        })?;
        FirstContact::SystemRoots(&bundle)
    };
    let store = app::identity_store(&settings);
    let name = settings.controller.name.as_deref();
    let identity = enrol::enrol(&request.controller, name, &token, first, &store)
        .await
        .map_err(|error| explain(&error))?;
    let until = Timestamp::from_micros(identity.validity.not_after.saturating_mul(SECOND));
    if json {
        return print_json(
            &json!({"agent": identity.agent_id, "certificate_until": until,
            "ca_fingerprint": identity.trust.fingerprint().to_string()}),
        );
    }
    print(&format!(
        "Enrolled as {} with {}; the certificate holds until {until} and renews itself.\n{}",
        identity.agent_id,
        request.controller,
        next_steps(&settings, &request.controller, config)
    ))
}

/// What is still missing for the agent to take part.
fn next_steps(settings: &Settings, url: &str, config: &Path) -> String {
    let mut lines = String::new();
    if settings.controller.url.as_deref() != Some(url.trim_end_matches('/')) {
        let _ = writeln!(
            lines,
            "config controller 'controller'\n\toption url '{url}'"
        );
    }
    if !settings.consent.enabled {
        let _ = writeln!(lines, "config consent 'consent'\n\toption enabled '1'");
    }
    if lines.is_empty() {
        return "Next: glimpse-agent daemon\n".to_owned();
    }
    format!(
        "To take part, {} must say this too; then: glimpse-agent daemon\n{lines}",
        config.display()
    )
}

fn read_token(path: &Path) -> Result<String, Failure> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().take(TOKEN_LIMIT).read_to_string(&mut text)?;
        text
    } else {
        let bytes = files::read_bounded(path, TOKEN_LIMIT).map_err(|error| {
            Failure::failed(format_args!("cannot read {}: {error}", path.display()))
        })?;
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Ok(text.trim().to_owned())
}

fn explain(error: &EnrolError) -> Failure {
    let exit = match error {
        EnrolError::Http(http) if http.refusal().is_none() => Exit::Unreachable,
        _ => Exit::Failed,
    };
    Failure {
        exit,
        line: error.to_string(),
    }
}
