//! Measurements of two agents with each other: the token that lets the one ask the other, and the one result that
//! their two records make. Pure, but for the key that signs.
//!
//! The initiator is told by an instruction that bears the token; the responder knows the controller's key and needs no
//! word. Both records name the measurement by the same `measure_uuid`.

use crate::pki::{PeerKey, PkiError};
use glimpse_model::id::{AgentId, InstructionId};
use glimpse_model::instruction::Instruction;
use glimpse_model::read::{Cursor, Refused};
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_model::token::{Claims, MAX_SESSIONS, MeasureId, PeerMethod, Token};
use glimpse_store::ResultRow;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// Clocks of agents may be off by so much, in microseconds.
const CLOCK_SLACK_US: i64 = 300 * SECOND;
/// Measurements that are joined at once, at most.
pub const MAX_JOINED: usize = 100_000;

/// What is wanted of two agents.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairing {
    /// Id of the instruction.
    pub id: InstructionId,
    /// Who asks, and gets the instruction.
    pub initiator: AgentId,
    /// Who answers.
    pub responder: AgentId,
    /// What they do: trains, one TCP flow, or echoes.
    pub method: PeerMethod,
    /// Where the initiator reaches the responder.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Further options of the method.
    pub options: Map<String, Value>,
    /// One run at once, or one each so many milliseconds.
    pub every_ms: Option<u64>,
    /// For how long, in milliseconds.
    pub for_ms: u64,
    /// Bytes of one session in each direction.
    pub max_bytes: u64,
    /// Bits per second in each direction.
    pub max_rate_bps: u64,
    /// Milliseconds of one session.
    pub max_duration_ms: u32,
}

/// Why there is no instruction for a pairing.
#[derive(Debug, thiserror::Error)]
pub enum PairingError {
    /// An agent does not measure with itself.
    #[error("the two agents must differ")]
    Same,
    /// More runs than one token may open.
    #[error(
        "{runs} runs are more than the {MAX_SESSIONS} that one token opens: measure less often, or for a shorter time"
    )]
    Runs {
        /// So many were wanted.
        runs: u64,
    },
    /// The token.
    #[error("{0}")]
    Pki(#[from] PkiError),
    /// The instruction.
    #[error("{0}")]
    Refused(#[from] Refused),
}

impl Pairing {
    /// The instruction for the initiator at `now`; `random` makes the token's id.
    ///
    /// # Errors
    /// [`PairingError`].
    pub fn instruction(
        &self,
        key: &PeerKey,
        now: Timestamp,
        random: [u8; 16],
    ) -> Result<Instruction, PairingError> {
        if self.initiator == self.responder {
            return Err(PairingError::Same);
        }
        let (method, port) = match self.method {
            PeerMethod::Btc => ("btc_ma", "port"),
            PeerMethod::PacketTrains => ("packettrains_ma", "port"),
            PeerMethod::Ping => ("ping", "destination_port"),
        };
        let runs = match self.every_ms {
            None => 1,
            // The first run is at the start, and the end belongs to no run.
            Some(every_ms) => self.for_ms.div_ceil(every_ms.max(1)).max(1),
        };
        let sessions = u16::try_from(runs)
            .ok()
            .filter(|runs| *runs <= MAX_SESSIONS)
            .ok_or(PairingError::Runs { runs })?;
        let for_us = i64::try_from(self.for_ms.saturating_mul(1000)).unwrap_or(i64::MAX / 4);
        let end = now.plus_micros(for_us);
        let token = key.token(&Claims {
            id: MeasureId::from_random(random),
            initiator: self.initiator.clone(),
            responder: self.responder.clone(),
            method: self.method,
            not_before: now.plus_micros(-CLOCK_SLACK_US),
            expires: end.plus_micros(CLOCK_SLACK_US),
            sessions,
            max_bytes: self.max_bytes,
            max_rate_bps: self.max_rate_bps,
            max_duration_ms: self.max_duration_ms,
        })?;
        let mut options = self.options.clone();
        options.insert("host".to_owned(), self.host.clone().into());
        options.insert(port.to_owned(), self.port.into());
        if self.method == PeerMethod::Ping {
            options.insert("type".to_owned(), "Peer".into());
        }
        options.insert("token".to_owned(), token.as_str().into());
        let timing = match self.every_ms {
            None => json!({"immediate": {}}),
            Some(every_ms) => {
                json!({"periodic": {"interval": every_ms, "start": now, "end": end}})
            }
        };
        let document = json!({
            "id": self.id,
            "task": {"id": "1", "method": method, "options": options},
            "timing": timing,
        });
        Ok(Instruction::read(&Cursor::root(&document), &|_| Ok(()))?)
    }
}

/// Who may measure with whom, as an instruction says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Who asks.
    pub initiator: AgentId,
    /// Who answers.
    pub responder: AgentId,
}

/// The pair of an instruction that bears a token signed by `key` ([`PeerKey::public`]).
pub fn pair(instruction: &Instruction, key: &[u8; 32]) -> Option<Pair> {
    let token = instruction.tasks.first()?.options.get("token")?.as_str()?;
    let token = Token::parse(token).ok()?;
    UnparsedPublicKey::new(&ED25519, key)
        .verify(token.signed_part().as_bytes(), token.signature())
        .ok()?;
    Some(Pair {
        initiator: token.claims().initiator.clone(),
        responder: token.claims().responder.clone(),
    })
}

/// One measurement of two agents.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// The id that both records bear.
    pub measure: String,
    /// Who may have made it.
    pub pair: Pair,
    /// The initiator's record.
    pub initiator: ResultRow,
    /// The responder's record, once it is there.
    pub responder: Option<ResultRow>,
}

/// Joins records: the initiator's by the instruction that paired it, the responder's by the measurement's id. A record
/// that another agent sent under the same id joins nothing and displaces nothing.
#[derive(Debug, Default)]
pub struct Joiner {
    /// By id of the measurement and agent.
    asked: BTreeMap<(String, String), (Pair, ResultRow)>,
    /// The same of those that answered.
    answered: BTreeMap<(String, String), ResultRow>,
}

impl Joiner {
    /// Takes a record; `pair_of` knows the instructions. False when there are too many of them to join.
    pub fn take(&mut self, row: ResultRow, pair_of: impl FnOnce(&str) -> Option<Pair>) -> bool {
        match side(&row) {
            Some(Side::Initiator) => {
                // Few pings are of a pair, and the others are not worth reading.
                let pair = row.instruction.as_deref().and_then(pair_of);
                if let Some(pair) = pair.filter(|pair| pair.initiator.as_str() == row.agent)
                    && let Some(measure) = measure(&row)
                {
                    let key = (measure, row.agent.clone());
                    self.asked.entry(key).or_insert((pair, row));
                }
            }
            Some(Side::Responder) => {
                if let Some(measure) = measure(&row) {
                    let key = (measure, row.agent.clone());
                    self.answered.entry(key).or_insert(row);
                }
            }
            None => {}
        }
        self.asked.len() < MAX_JOINED && self.answered.len() < MAX_JOINED
    }

    /// What was joined, in the order of the initiators' times.
    pub fn finish(self) -> Vec<Joined> {
        let mut joined: Vec<Joined> = self
            .asked
            .into_iter()
            .map(|((measure, _), (pair, initiator))| Joined {
                responder: self
                    .answered
                    .get(&(measure.clone(), pair.responder.to_string()))
                    .cloned(),
                measure,
                pair,
                initiator,
            })
            .collect();
        joined.sort_by_key(|joined| joined.initiator.start.unwrap_or(joined.initiator.received));
        joined
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Initiator,
    Responder,
}

fn side(row: &ResultRow) -> Option<Side> {
    match row.method.as_deref()? {
        "btc_ma" | "packettrains_ma" | "ping" => Some(Side::Initiator),
        "btc_mp" | "packettrains_mp" | "ping_mp" => Some(Side::Responder),
        _ => None,
    }
}

/// The measurement that a record names; one of a ping names none unless it was with another agent.
fn measure(row: &ResultRow) -> Option<String> {
    let record: Value = serde_json::from_str(&row.document).ok()?;
    let id = record.get("probe_result")?.get("measure_uuid")?.as_str()?;
    (id.len() <= 64).then(|| id.to_owned())
}
