//! `pair add|results`.

use super::agent::agent_id;
use super::instruction::{reach, unknown_agent};
use super::output::Output;
use super::results::since;
use super::{CliError, Place, open};
use crate::admission;
use crate::clock;
use crate::pairing::{Joined, Joiner, MAX_JOINED, Pair, Pairing, pair};
use crate::pki::Pki;
use clap::{Args, Subcommand, ValueEnum};
use glimpse_model::id::{AgentId, InstructionId};
use glimpse_model::time::Timestamp;
use glimpse_model::token::PeerMethod;
use glimpse_store::{Audience, Filter, NewInstruction, Store};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Let two agents measure with each other.
    Add(Add),
    /// What pairs have measured, both records as one result.
    Results(Results),
}

/// What two agents do together.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Method {
    /// Bulk transport capacity: one TCP flow.
    Btc,
    /// Trains of packet pairs.
    Packettrains,
    /// Round trips by UDP echo.
    Ping,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    place: Place,
    /// What they do.
    method: Method,
    /// The agent that asks.
    #[arg(long, value_name = "ID")]
    from: String,
    /// The agent that answers; its household has switched its responder on.
    #[arg(long, value_name = "ID")]
    to: String,
    /// Name or address at which it is reached.
    #[arg(long, value_name = "HOST")]
    host: String,
    /// Port of its responder.
    #[arg(long, default_value_t = 5105)]
    port: u16,
    /// Option of the method, as name=value; may be given several times.
    #[arg(long = "option", value_name = "NAME=VALUE")]
    options: Vec<String>,
    /// Measure each so often, such as 30m; once when left out.
    #[arg(long, value_name = "AGE")]
    every: Option<String>,
    /// Measure for so long, and let the token hold so long, such as 6h.
    #[arg(long = "for", value_name = "AGE", default_value = "1h")]
    lasting: String,
    /// Most bytes of one measurement, each way [default: 200000000, of ping 2000000]
    #[arg(long)]
    max_bytes: Option<u64>,
    /// Highest rate in bit/s, each way.
    #[arg(long, default_value_t = 1_000_000_000)]
    max_rate_bps: u64,
    /// Longest measurement in milliseconds.
    #[arg(long, default_value_t = 60_000)]
    max_duration_ms: u32,
    /// Id of the instruction; one is made when left out.
    #[arg(long)]
    id: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Results {
    #[command(flatten)]
    place: Place,
    /// Started at or after this: a time such as 2026-01-31T12:00:00Z, or an age such as 90s, 30m, 6h, 7d.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

impl Command {
    pub(super) async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        match self {
            Self::Add(add) => add.run(output).await,
            Self::Results(results) => results.run(output).await,
        }
    }
}

#[derive(Serialize)]
struct Added<'a> {
    id: &'a InstructionId,
    initiator: &'a AgentId,
    responder: &'a AgentId,
}

/// An age such as `30m`, in milliseconds.
fn milliseconds(name: &str, text: &str) -> Result<u64, CliError> {
    let now = clock::now();
    let refused = || CliError::Usage(format!("--{name} {text:?}: must be an age such as 30m"));
    if Timestamp::parse(text).is_some() {
        return Err(refused());
    }
    let then = since(text, now).ok_or_else(refused)?;
    u64::try_from(now.since(then) / 1000)
        .ok()
        .filter(|milliseconds| *milliseconds > 0)
        .ok_or_else(refused)
}

/// `name=value`: a number or a truth value where it reads as one, else a text.
fn option(text: &str) -> Result<(String, Value), CliError> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        CliError::Usage(format!("--option {text:?}: must have the form NAME=VALUE"))
    })?;
    if ["host", "port", "destination_port", "type", "token"].contains(&name) {
        return Err(CliError::Usage(format!(
            "--option {name}: is given by the command itself"
        )));
    }
    let value = match serde_json::from_str(value) {
        Ok(read @ (Value::Number(_) | Value::Bool(_))) => read,
        _ => value.into(),
    };
    Ok((name.to_owned(), value))
}

impl Add {
    async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let config = self.place.load()?;
        let now = clock::now();
        let random = |what: &mut [u8]| {
            SystemRandom::new()
                .fill(what)
                .map_err(|_| CliError::failed("the system gives no randomness"))
        };
        let mut bytes = [0; 16];
        random(&mut bytes)?;
        let id = if let Some(id) = self.id {
            InstructionId::new(&id)
                .map_err(|reason| CliError::Usage(format!("--id {id:?}: {reason}")))?
        } else {
            let name = format!("pair-{:016x}", u128::from_be_bytes(bytes) >> 64);
            InstructionId::new(&name).map_err(CliError::failed)?
        };
        random(&mut bytes)?;
        let pairing = Pairing {
            id,
            initiator: agent_id(&self.from)?,
            responder: agent_id(&self.to)?,
            method: match self.method {
                Method::Btc => PeerMethod::Btc,
                Method::Packettrains => PeerMethod::PacketTrains,
                Method::Ping => PeerMethod::Ping,
            },
            host: self.host,
            port: self.port,
            options: self
                .options
                .iter()
                .map(|text| option(text))
                .collect::<Result<Map<_, _>, _>>()?,
            every_ms: self
                .every
                .map(|text| milliseconds("every", &text))
                .transpose()?,
            for_ms: milliseconds("for", &self.lasting)?,
            max_bytes: self.max_bytes.unwrap_or(match self.method {
                Method::Btc | Method::Packettrains => 200_000_000,
                // The responder's household sets it aside before the first echo.
                Method::Ping => 2_000_000,
            }),
            max_rate_bps: self.max_rate_bps,
            max_duration_ms: self.max_duration_ms,
        };
        let key = Pki::load(&config.pki).map_err(CliError::failed)?.peers;
        let instruction = pairing
            .instruction(&key, now, bytes)
            .map_err(CliError::failed)?;
        let store = open(&config).await?;
        let known = store.agent(&pairing.responder).await?;
        if known.is_none_or(|agent| agent.revoked.is_some()) {
            store.close().await?;
            return Err(unknown_agent(&pairing.responder));
        }
        let new = NewInstruction {
            id: instruction.id.clone(),
            document: serde_json::to_string(&instruction).map_err(CliError::failed)?,
            audience: Audience {
                agents: vec![pairing.initiator.clone()],
                groups: Vec::new(),
            },
            created: now,
        };
        let admit = admission::additions(vec![instruction.clone()], config.limits.clone(), now);
        let addition = store.add_instructions(vec![new], admit).await?;
        store.close().await?;
        reach(addition)?;
        let added = Added {
            id: &instruction.id,
            initiator: &pairing.initiator,
            responder: &pairing.responder,
        };
        if output.json {
            return Ok(output.json(&added)?);
        }
        writeln!(
            output.out,
            "Instruction {} given: {} measures with {} at {}.",
            added.id, added.initiator, added.responder, pairing.host
        )?;
        Ok(())
    }
}

#[derive(Serialize)]
struct Row<'a> {
    measure_uuid: &'a str,
    method: Option<&'a str>,
    initiator: Side<'a>,
    responder: Side<'a>,
}

#[derive(Serialize)]
struct Side<'a> {
    agent: &'a AgentId,
    record: Option<Value>,
}

impl Results {
    async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let filter = Filter {
            since: self
                .since
                .map(|text| {
                    since(&text, clock::now()).ok_or_else(|| {
                        CliError::Usage(format!(
                            "--since {text:?}: must be a time such as 2026-01-31T12:00:00Z or an age such as 6h"
                        ))
                    })
                })
                .transpose()?,
            ..Filter::default()
        };
        let config = self.place.load()?;
        let key = Pki::load(&config.pki)
            .map_err(CliError::failed)?
            .peers
            .public();
        let store = open(&config).await?;
        let pairs: BTreeMap<String, Pair> = store
            .instructions(true)
            .await?
            .into_iter()
            .filter_map(|known| {
                let instruction = admission::stored(&known.document).ok()?;
                Some((known.id.to_string(), pair(&instruction, &key)?))
            })
            .collect();
        let mut joiner = Joiner::default();
        let mut rows = store.results(filter);
        while let Some(row) = rows.next().await? {
            if !joiner.take(row, |id| pairs.get(id).cloned()) {
                writeln!(
                    output.err,
                    "Only the first {MAX_JOINED} are joined: choose a later --since."
                )?;
                break;
            }
        }
        drop(rows);
        store.close().await?;
        let joined = joiner.finish();
        if output.json {
            let rows: Vec<Row<'_>> = joined.iter().map(row).collect();
            return Ok(output.json(&rows)?);
        }
        if joined.is_empty() {
            writeln!(
                output.err,
                "No pair has measured. Let one: glimpse-controller pair add btc --from A --to B --host ADDRESS."
            )?;
            return Ok(());
        }
        let rows: Vec<Vec<String>> = joined.iter().map(cells).collect();
        output.table(
            &["MEASURED", "FROM", "TO", "METHOD", "FIGURES", "RECORDS"],
            &rows,
        )?;
        Ok(())
    }
}

fn row(joined: &Joined) -> Row<'_> {
    let record = |document: &str| serde_json::from_str(document).ok();
    Row {
        measure_uuid: &joined.measure,
        method: joined.initiator.method.as_deref(),
        initiator: Side {
            agent: &joined.pair.initiator,
            record: record(&joined.initiator.document),
        },
        responder: Side {
            agent: &joined.pair.responder,
            record: joined
                .responder
                .as_ref()
                .and_then(|row| record(&row.document)),
        },
    }
}

fn cells(joined: &Joined) -> Vec<String> {
    let record: Value = serde_json::from_str(&joined.initiator.document).unwrap_or_default();
    let mut figures: Vec<String> = [
        ("down", "/probe_result/down/bandwidth_bps_avg"),
        ("up", "/probe_result/up/bandwidth_bps_avg"),
        ("capacity", "/probe_result/capacity_bps"),
    ]
    .into_iter()
    .filter_map(|(word, path)| {
        let bps = record.pointer(path)?.as_u64()?;
        Some(format!("{word} {}", megabits(bps)))
    })
    .collect();
    if let Some(ms) = record
        .pointer("/probe_result/round_trip_avg")
        .and_then(Value::as_f64)
    {
        figures.push(format!("round trip {ms:.3} ms"));
    }
    vec![
        joined
            .initiator
            .start
            .unwrap_or(joined.initiator.received)
            .to_string(),
        joined.pair.initiator.to_string(),
        joined.pair.responder.to_string(),
        joined.initiator.method.clone().unwrap_or_default(),
        if figures.is_empty() {
            joined.initiator.status.clone()
        } else {
            figures.join(", ")
        },
        if joined.responder.is_some() {
            "both"
        } else {
            "initiator's"
        }
        .to_owned(),
    ]
}

fn megabits(bps: u64) -> String {
    format!("{}.{:02} Mbit/s", bps / 1_000_000, bps % 1_000_000 / 10_000)
}
