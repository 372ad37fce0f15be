//! `alto export`.

use super::output::Output;
use super::{CliError, PlaceFile, open};
use crate::alto::compute;
use crate::clock;
use clap::{Args, Subcommand};
use glimpse_store::Store;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Compute the maps now and write them as files: directory.json, networkmap/…, costmap/….
    Export(Export),
}

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    place: PlaceFile,
    /// Directory to write to; made where it is missing.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

#[derive(Serialize)]
struct File {
    path: PathBuf,
    media_type: &'static str,
    bytes: usize,
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
        let config = self.place.load()?;
        let store = open(&config).await?;
        let published = compute(&store, &config.alto, clock::now())
            .await
            .map_err(CliError::failed)?;
        store.close().await?;
        let mut files = Vec::new();
        for (path, document) in published.publication.documents() {
            let name = match path.trim_start_matches('/') {
                "" => "directory.json".to_owned(),
                path => format!("{path}.json"),
            };
            let file = self.dir.join(name);
            write(&file, &document.identity.bytes)
                .map_err(|error| CliError::failed(format!("{}: {error}", file.display())))?;
            files.push(File {
                path: file,
                media_type: document.media_type,
                bytes: document.identity.bytes.len(),
            });
        }
        if output.json {
            return Ok(output.json(&files)?);
        }
        for File { path, bytes, .. } in &files {
            writeln!(output.out, "{}  {bytes} bytes", path.display())?;
        }
        Ok(())
    }
}

fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(file, bytes)
}
