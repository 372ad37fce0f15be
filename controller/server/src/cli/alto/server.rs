//! The server a command asks, and how its answers are printed.

use super::super::CliError;
use super::super::output::Output;
use super::fetch::{Client, Question, Reply};
use crate::alto::client::directory::{Directories, Kind, Limits, Resource, Walk};
use crate::alto::client::reading::Reading;
use crate::alto::client::{DocumentError, heaviest, media, printable};
use clap::Args;
use serde_json::Value;
use std::io::{self, Write};
use std::path::PathBuf;
use url::Url;

/// Longest answer, once inflated, unless more is allowed.
const MAX_BYTES: usize = 64 << 20;

/// Which server is meant, and how it is proven.
#[derive(Debug, Args)]
pub(super) struct Server {
    /// Address of the server's directory (IRD), with https and the port where it is not 443.
    #[arg(value_name = "URL")]
    url: Url,
    /// Verify the server by the certificates in this file (PEM) instead of the system's roots.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Longest answer that is taken, in bytes, once inflated.
    #[arg(long, value_name = "BYTES", default_value_t = MAX_BYTES)]
    max_bytes: usize,
}

/// A server whose directories were read.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) client: Client,
    pub(super) directories: Directories,
    pub(super) max_bytes: usize,
}

impl Server {
    /// Reads the directory and those behind it. What is wrong with them but keeps nobody from reading on goes to standard error.
    pub(super) async fn read(&self, output: &mut Output<'_>) -> Result<Known, CliError> {
        let client = Client::new(self.ca.as_deref(), self.max_bytes)?;
        let limits = Limits {
            weight: heaviest(self.max_bytes),
            ..Limits::default()
        };
        let mut walk = Walk::new(self.url.clone(), limits);
        while let Some((url, depth)) = walk.next() {
            match client.fetch(&url, media::DIRECTORY, None).await {
                Ok(reply) => match walk.take(&reply.url, depth, &reply.body) {
                    Err(error) if depth == 0 => {
                        return Err(CliError::hinting(
                            &format!("{}: this is no ALTO directory: {error}", reply.url),
                            "give the address of the server's directory (IRD)",
                        ));
                    }
                    Err(error) => walk.failed(format!("{}: {error}", reply.url)),
                    Ok(()) => {}
                },
                Err(error) if depth == 0 => return Err(error.into()),
                // One broken directory hides none of the others.
                Err(error) => walk.failed(error.to_string()),
            }
        }
        let directories = walk.finish();
        for remark in &directories.remarks {
            writeln!(output.err, "note: {}", printable(remark))?;
        }
        Ok(Known {
            client,
            directories,
            max_bytes: self.max_bytes,
        })
    }
}

impl Known {
    /// Fetches a resource, or asks it.
    pub(super) async fn answer(
        &self,
        resource: &Resource,
        body: Option<&Value>,
        output: &mut Output<'_>,
    ) -> Result<Reading, CliError> {
        let question = body
            .map(|body| question(resource, body))
            .transpose()
            .map_err(CliError::failed)?;
        let reply = self
            .client
            .fetch(&resource.url, &resource.media_type, question.as_ref())
            .await?;
        if reply.media_type != resource.media_type {
            // A static web server may know no better; whether it is the resource, its content says.
            writeln!(
                output.err,
                "note: {}: comes as {:?} instead of {}",
                reply.url,
                printable(&reply.media_type),
                printable(&resource.media_type)
            )?;
        }
        read(resource.kind, &reply, heaviest(self.max_bytes))
    }
}

/// The body of a question with its type, which is the first that the resource takes.
pub(super) fn question(resource: &Resource, body: &Value) -> Result<Question, serde_json::Error> {
    Ok(Question {
        media_type: resource.accepts.first().cloned().unwrap_or_default(),
        body: serde_json::to_vec(body)?.into(),
    })
}

fn read(kind: Kind, reply: &Reply, most: usize) -> Result<Reading, CliError> {
    Reading::new(kind, &reply.body, most).map_err(|error| {
        if matches!(error, DocumentError::Heavy(_)) {
            let told = format!("{}: the answer is too large: {error}", reply.url);
            return CliError::hinting(
                &told,
                "ask for less with --filter, or allow more with --max-bytes",
            );
        }
        CliError::hinting(
            &format!("{}: this is no {}: {error}", reply.url, kind.name()),
            "tell the operator of the server",
        )
    })
}

/// Prints an answer: as rows, or as it came.
pub(super) fn print(reading: &Reading, output: &mut Output<'_>) -> Result<(), CliError> {
    if output.json {
        return Ok(output.json(&reading.document)?);
    }
    if reading.header.is_empty() {
        let text = serde_json::to_string_pretty(&reading.document).map_err(io::Error::from)?;
        return Ok(output.text_of_json(&text)?);
    }
    if reading.rows.is_empty() {
        writeln!(
            output.err,
            "The answer is empty: nothing is known, or nothing passes the filter."
        )?;
        return Ok(());
    }
    table(output.out, &reading.header, &reading.rows)?;
    if let Some(tag) = &reading.versions.own {
        writeln!(
            output.err,
            "version {} of {}",
            printable(&tag.tag),
            printable(&tag.resource_id)
        )?;
    }
    Ok(())
}

/// An aligned table whose cells are not cut: ids are there to be copied.
pub(super) fn table(
    out: &mut dyn Write,
    header: &[String],
    rows: &[Vec<String>],
) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    let mut widths = vec![0; header.len()];
    for row in [header].into_iter().chain(rows.iter().map(Vec::as_slice)) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in [header].into_iter().chain(rows.iter().map(Vec::as_slice)) {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    out.flush()
}

impl From<crate::alto::client::choice::ChoiceError> for CliError {
    fn from(error: crate::alto::client::choice::ChoiceError) -> Self {
        Self::hinting(
            &error,
            "glimpse-controller alto get URL lists what the server offers",
        )
    }
}

impl From<crate::alto::client::question::QuestionError> for CliError {
    fn from(error: crate::alto::client::question::QuestionError) -> Self {
        Self::Usage(error.to_string())
    }
}
