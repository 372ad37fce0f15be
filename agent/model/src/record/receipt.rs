//! Batches of records on the wire, and the receipts for them.

use super::{MAX_BATCH, Record};
use crate::SCHEMA;
use crate::id::ResultId;
use crate::read::{self, Cursor, Refused};
use serde::Serialize;

/// A record that is not stored, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rejected {
    /// Its id, or its place in the batch (`records[3]`) where it had no readable one.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// The repository's answer to a batch: what it names as accepted is stored for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Receipt {
    /// Always 2.
    pub schema: u32,
    /// Stored now or before; the agent may delete them.
    pub accepted: Vec<ResultId>,
    /// Not stored and never will be; the agent keeps them aside.
    pub rejected: Vec<Rejected>,
}

impl Receipt {
    /// An empty receipt.
    pub fn new() -> Self {
        Self {
            schema: SCHEMA,
            accepted: Vec::new(),
            rejected: Vec::new(),
        }
    }

    /// Parses an answer. An empty body is no receipt: nothing is acknowledged by it.
    ///
    /// # Errors
    /// [`Refused`] naming the member.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let document = read::json(bytes)?;
        let members = Cursor::root(&document).object()?;
        members.schema()?;
        Ok(Self {
            schema: SCHEMA,
            accepted: members
                .required("accepted")?
                .array(MAX_BATCH)?
                .iter()
                .map(ResultId::read)
                .collect::<Result<_, _>>()?,
            rejected: match members.optional("rejected") {
                None => Vec::new(),
                Some(list) => list
                    .array(MAX_BATCH)?
                    .iter()
                    .map(Rejected::read)
                    .collect::<Result<_, _>>()?,
            },
        })
    }
}

impl Default for Receipt {
    fn default() -> Self {
        Self::new()
    }
}

impl Rejected {
    fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let members = cursor.object()?;
        Ok(Self {
            id: members.required("id")?.text(64)?.to_owned(),
            reason: members.required("reason")?.text(1000)?.to_owned(),
        })
    }
}

/// A batch of records (`POST /agent/v2/results`), for its schema; agents send records as they lie
/// in the spool.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Batch {
    /// Always 2.
    pub schema: u32,
    /// The records, oldest first.
    pub records: Vec<Record>,
}
