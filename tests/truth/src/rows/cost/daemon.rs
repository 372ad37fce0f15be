//! The agent's daemon with one instruction and no controller: it takes up the set that it finds in its state, as it does
//! after every start.

use super::{INTERVAL_MS, PACKETS, PAYLOAD};
use crate::lab::{Lab, Place, Served, serve};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the log says of a record that has reached the spool.
const SPOOLED: &str = "debug: spooled ";

/// Packets of all records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Packets {
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// Starts a daemon that pings `target` so many times, each time as soon as the last has ended, and stops it then.
pub(super) fn pings(
    lab: &Lab,
    place: Place<'_>,
    target: &str,
    measurements: u64,
) -> Result<Served<Packets>> {
    let home = tempfile::tempdir()?;
    let dir = home.path();
    let (config, log, socket) = (dir.join("glimpse"), dir.join("log"), dir.join("socket"));
    fs::write(&config, settings(dir))?;
    let state = dir.join("state");
    fs::create_dir(&state)?;
    let set = instructions(target, measurements).to_string();
    fs::write(state.join("instructions.json"), set)?;
    let mut command = Command::new(lab.agent_program());
    command
        .args(["daemon", "--config"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?);
    let served = serve(place, &mut command, || {
        let spooled = fs::read_to_string(&log)?.matches(SPOOLED).count();
        if (spooled as u64) < measurements {
            return Ok(None);
        }
        results(&socket, measurements).map(Some)
    });
    served.with_context(|| {
        let said = fs::read_to_string(&log).unwrap_or_default();
        format!("the daemon said {said:?}")
    })
}

fn settings(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "config controller\n\toption state_dir '{dir}/state'\n\
         config consent\n\toption enabled '1'\n\
         config limits\n\toption target_bytes '1000000000'\n\toption minute_bytes '1000000000'\n\
         config storage\n\toption spool_dir '{dir}/spool'\n\toption history_dir '{dir}/history'\n\
         config local\n\toption socket '{dir}/socket'\n\
         config log\n\toption level 'debug'\n\
         config lab\n\toption targets '1'\n"
    )
}

fn instructions(target: &str, measurements: u64) -> Value {
    let options = json!({
        "host": target, "type": "Icmp", "count": PACKETS, "interval": INTERVAL_MS, "payload": PAYLOAD,
    });
    let tasks: Vec<Value> = (0..measurements)
        .map(|number| json!({"id": format!("ping-{number}"), "method": "ping", "options": options}))
        .collect();
    json!({"schema": 2, "instructions": [
        {"id": "pings", "timing": {"immediate": {}}, "execution": "sequential", "tasks": tasks},
    ]})
}

/// Asks the daemon itself, by its control socket.
fn results(socket: &Path, measurements: u64) -> Result<Packets> {
    let mut stream = UnixStream::connect(socket).context("the control socket")?;
    writeln!(stream, "{}", json!({"op": "results", "last": measurements}))?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    sum(&serde_json::from_str(&answer).with_context(|| format!("it answered {answer:?}"))?)
}

fn sum(answer: &Value) -> Result<Packets> {
    let records = answer["answer"]["results"].as_array();
    let mut packets = Packets::default();
    for record in records.with_context(|| format!("it answered {answer}"))? {
        let count = |name: &str| {
            record["probe_result"][name]
                .as_u64()
                .with_context(|| format!("no {name} in {record}"))
        };
        packets.sent += count("round_trip_sent")?;
        packets.received += count("round_trip_received")?;
    }
    Ok(packets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use glimpse_model::instruction::InstructionSet;

    #[test]
    fn the_instruction_is_one_that_an_agent_understands() {
        let bytes = instructions("203.0.113.1", 12).to_string();
        let set = InstructionSet::parse(bytes.as_bytes()).unwrap();
        assert!(set.refused.is_empty(), "{:?}", set.refused);
        assert_eq!(set.instructions[0].tasks.len(), 12);
    }

    #[test]
    fn packets_of_all_records_are_counted_and_a_skip_is_an_error() {
        let record = json!({"probe_result": {"round_trip_sent": 500, "round_trip_received": 499}});
        let both = json!({"answer": {"results": [record, record]}});
        let packets = Packets {
            sent: 1000,
            received: 998,
        };
        assert_eq!(sum(&both).unwrap(), packets);
        let skipped = json!({"answer": {"results": [{"status": "skipped", "probe_result": null}]}});
        assert!(sum(&skipped).is_err());
        assert!(sum(&json!({"error": "no"})).is_err());
    }
}
