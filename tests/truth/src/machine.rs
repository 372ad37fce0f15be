//! What the figures were taken on.

use crate::lab::{Lab, Scale};
use anyhow::{Context, Result};
use glimpse_model::time::Timestamp;
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Debian's packages of the reference tools.
const PACKAGES: &[&str] = &[
    "iputils-ping",
    "fping",
    "scamper",
    "mtr-tiny",
    "iperf3",
    "curl",
    "knot-dnsutils",
    "irtt",
    "miniupnpd",
    "iproute2",
];

/// Date, machine, kernel, agent and reference tools, for people.
pub(crate) fn conditions(lab: &Lab, scale: Scale) -> Result<Vec<String>> {
    let cores = std::thread::available_parallelism()?;
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let load = read("/proc/loadavg")?;
    let minute = load.split(' ').next().unwrap_or_default();
    let agent = lab.agent_program();
    let bytes = fs::metadata(agent)
        .with_context(|| agent.display().to_string())?
        .len();
    let run = match scale {
        Scale::Quick => "quick run",
        Scale::Full => "full run",
    };
    Ok(vec![
        format!("{}, {run}", today()?),
        format!(
            "{cores} cores {}, {}, Linux {}, load of the minute before {minute}",
            std::env::consts::ARCH,
            processor(),
            kernel.trim(),
        ),
        format!("agent of {bytes} bytes; {}", versions()),
    ])
}

#[expect(
    clippy::disallowed_methods,
    reason = "a page says on which day it was written"
)]
fn today() -> Result<String> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock stands before 1970")?;
    let now = Timestamp::from_micros(i64::try_from(since.as_micros())?);
    Ok(now.to_string().chars().take("2000-01-01".len()).collect())
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'));
    name.map_or_else(
        || "processor unnamed".to_owned(),
        |(_, name)| name.trim().to_owned(),
    )
}

/// The reference tools by the packages that brought them.
fn versions() -> String {
    let said = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${Version}\n"])
        .args(PACKAGES)
        .output();
    // Of packages that are not there it complains on standard error; rows that need them say so themselves.
    let listed = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    match listed {
        Ok(listed) if !listed.is_empty() => listed.lines().collect::<Vec<_>>().join(", "),
        _ => "versions of the reference tools unknown: no dpkg-query".to_owned(),
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.to_owned())
}
