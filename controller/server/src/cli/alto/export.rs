//! `alto export`.

use super::super::output::Output;
use super::super::{CliError, PlaceFile, open};
use crate::alto::release::{
    File, Format, Geography, MANIFEST, Order, Progress, ReleaseError, release, stored,
};
use clap::Args;
use glimpse_model::time::Month;
use glimpse_store::Store;
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Longest geography.
const LONGEST_GEOGRAPHY: u64 = 256 << 20;
/// Longest manifest that is looked at.
const LONGEST_MANIFEST: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    #[command(flatten)]
    place: PlaceFile,
    /// Directory to write to: a new or empty one, or that of an earlier release, which is replaced.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Of this month only, such as 2026-10 [default: all that is published].
    #[arg(long, value_name = "YYYY-MM", value_parser = month)]
    month: Option<Month>,
    /// How figures are written.
    #[arg(long, value_enum, default_value_t = Format::Alto)]
    format: Format,
    /// For geojson: where regions are, as a feature collection (RFC 7946) whose features have the label of a region as id or as
    /// property region. Regions that are not in it have a null geometry.
    #[arg(long, value_name = "FILE")]
    geography: Option<PathBuf>,
}

fn month(text: &str) -> Result<Month, String> {
    Month::parse(text).ok_or_else(|| "must be a month such as 2026-10".to_owned())
}

#[derive(Serialize)]
struct Written<'a> {
    path: PathBuf,
    media_type: &'static str,
    bytes: usize,
    #[serde(skip)]
    name: &'a str,
}

impl Export {
    pub(super) async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        if self.geography.is_some() && self.format != Format::Geojson {
            return Err(CliError::Usage(
                "--geography is for --format geojson".to_owned(),
            ));
        }
        let geography = self.geography.as_deref().map(geography).transpose()?;
        let earlier = earlier(&self.dir)?;
        let config = self.place.load()?;
        let store = open(&config).await?;
        let windows = stored(&store, &config.alto).await;
        store.close().await?;
        let windows = windows.map_err(CliError::failed)?;
        let order = Order {
            format: self.format,
            month: self.month,
            geography: geography.as_ref(),
        };
        let files = release(windows, &order).map_err(|error| {
            let hint = match &error {
                ReleaseError::Nothing => {
                    "let a server run until a window has closed, or ask for it: glimpse-controller alto publish"
                }
                ReleaseError::NoMonth { .. } => "name one of these months with --month",
                _ => "",
            };
            CliError::hinting(&error, hint)
        })?;
        write(&self.dir, &files, &earlier)?;
        let written: Vec<Written<'_>> = files
            .iter()
            .map(|file| Written {
                path: self.dir.join(&file.path),
                media_type: file.media_type,
                bytes: file.bytes.len(),
                name: &file.path,
            })
            .collect();
        if output.json {
            return Ok(output.json(&written)?);
        }
        for Written { name, bytes, .. } in &written {
            writeln!(output.out, "{name}  {bytes} bytes")?;
        }
        Ok(())
    }
}

fn geography(path: &Path) -> Result<Geography, CliError> {
    let failed = |reason: &dyn std::fmt::Display| {
        CliError::hinting(
            &format!("{}: {reason}", path.display()),
            "give a FeatureCollection of RFC 7946 whose features name the regions of agents' labels",
        )
    };
    let bytes = read(path, LONGEST_GEOGRAPHY).map_err(|error| failed(&error))?;
    Geography::parse(&bytes).map_err(|error| failed(&error))
}

fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {most} bytes"),
        ));
    }
    Ok(bytes)
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::failed(format!("{}: {error}", path.display()))
}

/// The files of an earlier release in the directory. A directory with anything else is not ours to write to.
fn earlier(dir: &Path) -> Result<Vec<String>, CliError> {
    let mut entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(dir, &error)),
    };
    let manifest = dir.join(MANIFEST);
    match read(&manifest, LONGEST_MANIFEST) {
        Ok(bytes) => {
            if let Some(progress) = Progress::parse(&bytes) {
                return Ok(progress.files());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&manifest, &error)),
    }
    if entries.next().is_none() {
        return Ok(Vec::new());
    }
    Err(CliError::hinting(
        &format!(
            "{}: there are files in it, and no {MANIFEST} of an earlier release",
            dir.display()
        ),
        "name a new or empty directory with --dir; nothing was written",
    ))
}

/// Writes the files, then takes those of the earlier release away that are not in this one. A run that is cut off leaves a manifest
/// that says so, by which the next one cleans up.
fn write(dir: &Path, files: &[File], earlier: &[String]) -> Result<(), CliError> {
    let Some((manifest, rest)) = files.split_last() else {
        return Ok(());
    };
    let known: BTreeSet<&str> = earlier.iter().map(String::as_str).collect();
    let paths = rest.iter().map(|file| file.path.as_str());
    for folder in folders(paths.chain(known.iter().copied())) {
        let path = dir.join(folder);
        let kind = path.symlink_metadata().map(|found| found.file_type());
        if kind.is_ok_and(|kind| kind.is_symlink()) {
            return Err(CliError::hinting(
                &format!(
                    "{}: is a link, which leads out of the release",
                    path.display()
                ),
                "move it away, or name another directory with --dir; nothing was written",
            ));
        }
    }
    for file in rest
        .iter()
        .filter(|file| !known.contains(file.path.as_str()))
    {
        let path = dir.join(&file.path);
        if path.symlink_metadata().is_ok() {
            return Err(CliError::hinting(
                &format!(
                    "{}: is in the way, and is not of an earlier release",
                    path.display()
                ),
                "move it away, or name another directory with --dir; nothing was written",
            ));
        }
    }
    let begun = serde_json::to_vec(&Progress::begun(rest, earlier)).map_err(CliError::failed)?;
    put(&dir.join(MANIFEST), &begun)?;
    let stale: BTreeSet<&str> = {
        let now: BTreeSet<&str> = rest.iter().map(|file| file.path.as_str()).collect();
        known.difference(&now).copied().collect()
    };
    for path in stale {
        remove(dir, path)?;
    }
    for file in rest {
        put(&dir.join(&file.path), &file.bytes)?;
    }
    put(&dir.join(MANIFEST), &manifest.bytes)
}

/// The folders of files with these paths.
fn folders<'a>(paths: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    paths
        .flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..at]))
        .collect()
}

/// Writes a file so that whoever reads it meanwhile has the old one or the new one.
fn put(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let part = part(path);
    // What a run that was cut off left there, or a link.
    let _ = std::fs::remove_file(&part);
    let done = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::File::create_new(&part)?.write_all(bytes))
        .and_then(|()| std::fs::rename(&part, path));
    done.map_err(|error| failed(path, &error))
}

/// Where a file is while it is written.
fn part(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

/// Takes a file away, and the folders that it leaves empty.
fn remove(dir: &Path, relative: &str) -> Result<(), CliError> {
    let path = dir.join(relative);
    let _ = std::fs::remove_file(part(&path));
    match std::fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&path, &error)),
    }
    let folders = path.ancestors().skip(1);
    for folder in folders.take_while(|folder| *folder != dir) {
        // One that holds other files stays.
        if std::fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}
