//! `results export`.

use super::agent::agent_id;
use super::output::Output;
use super::{CliError, Place, open};
use crate::clock;
use crate::export::{self, Format};
use clap::{Args, Subcommand};
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_store::{Filter, Store};
use std::io::Write;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print results, oldest first, in constant memory.
    Export(Export),
}

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    place: Place,
    /// How results are written [default: csv, with --json jsonl].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Of this method only.
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Started at or after this: a time such as 2026-01-31T12:00:00Z, or an age such as 90s, 30m, 6h, 7d.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Of this agent only.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
}

impl Command {
    pub(super) async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        match self {
            Self::Export(export) => export.run(output).await,
        }
    }
}

impl Export {
    async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let format = self.format.unwrap_or(if output.json {
            Format::Jsonl
        } else {
            Format::Csv
        });
        let filter = Filter {
            method: self.method,
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
            agent: self.agent.as_deref().map(agent_id).transpose()?,
        };
        let store = open(&self.place.load()?).await?;
        let mut rows = store.results(filter);
        let mut out = std::io::BufWriter::new(&mut *output.out);
        export::begin(format, &mut out)?;
        while let Some(row) = rows.next().await? {
            export::row(format, &row, &mut out)?;
        }
        out.flush()?;
        drop(out);
        store.close().await?;
        Ok(())
    }
}

pub(super) fn since(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(at) = Timestamp::parse(text) {
        return Some(at);
    }
    let unit_s = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let count: i64 = text[..text.len() - 1].parse().ok()?;
    let age_us = count.checked_mul(unit_s)?.checked_mul(SECOND)?;
    (age_us >= 0).then(|| now.plus_micros(-age_us))
}
