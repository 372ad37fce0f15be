//! `alto watch`.

use super::super::CliError;
use super::super::output::Output;
use super::fetch::{FetchError, Stream};
use super::server::{Known, Server, question};
use crate::alto::client::choice::ChoiceError;
use crate::alto::client::directory::{Directories, Kind, Resource};
use crate::alto::client::mirror::{Change, Happening, Mirror, MirrorError, Update};
use crate::alto::client::sse::{Parser, SseError};
use crate::alto::client::{heaviest, printable};
use crate::clock;
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// Changes of one event that are shown to people.
const MOST_SHOWN: usize = 40;
/// A server says something every 15 s (RFC 8895 §6.8 SHOULD); one that does not is given longer.
const SILENCE: Duration = Duration::from_mins(2);
/// Before a lost connection is opened anew: doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Streams in a row that made no sense.
const MOST_FAULTS: usize = 3;

#[derive(Debug, Args)]
pub(in crate::cli) struct Watch {
    #[command(flatten)]
    server: Server,
    /// Id of a resource to watch; may be given several times [default: the default network map and what is made from it].
    #[arg(long = "resource", value_name = "ID")]
    resources: Vec<String>,
    /// Stop after so many updates, first copies included.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    updates: Option<u64>,
}

/// Why a stream ended.
#[derive(Debug)]
enum End {
    /// The connection is lost or the server closed it; it is opened anew.
    Lost(Option<FetchError>),
    /// What came made no sense; everything is asked for anew.
    Senseless(String),
    /// As many updates as were wished for.
    Enough,
    /// Nothing can be done.
    Failed(CliError),
}

impl Watch {
    pub(super) async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let known = self.server.read(output).await?;
        let (stream, resources) = choose(&known.directories, &self.resources)?;
        let mut mirror = Mirror::new(stream, &resources, heaviest(known.max_bytes));
        let mut left = self.updates.unwrap_or(u64::MAX);
        let (mut pause, mut faults, mut opened) = (FIRST_PAUSE, 0, false);
        loop {
            let before = left;
            let end = follow(&known, stream, &mut mirror, &mut left, &mut opened, output).await;
            if left < before {
                (pause, faults) = (FIRST_PAUSE, 0);
            }
            let mut wait = pause;
            match end {
                End::Enough => return Ok(()),
                End::Failed(error) => return Err(error),
                // An address that never answered is a wrong one.
                End::Lost(Some(error)) if !opened => return Err(error.into()),
                End::Lost(error) => {
                    let why = error.as_ref().map_or_else(
                        || "the server closed the stream".to_owned(),
                        ToString::to_string,
                    );
                    wait = error
                        .and_then(|error| error.retry_after())
                        .unwrap_or(pause)
                        .clamp(pause, LONGEST_PAUSE.max(pause));
                    writeln!(output.err, "note: {why}; resuming in {} s", wait.as_secs())?;
                }
                End::Senseless(why) => {
                    faults += 1;
                    if faults == MOST_FAULTS {
                        return Err(CliError::hinting(
                            &format!("{}: {why}", stream.url),
                            "three streams in a row made no sense: tell the operator of the server; larger copies are taken with --max-bytes",
                        ));
                    }
                    mirror.clear();
                    writeln!(
                        output.err,
                        "note: {why}; asking for everything anew in {} s",
                        wait.as_secs()
                    )?;
                }
            }
            output.out.flush()?;
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// The resources to watch and the stream that sends them all.
fn choose<'a>(
    directories: &'a Directories,
    ids: &[String],
) -> Result<(&'a Resource, Vec<&'a Resource>), CliError> {
    let mut resources = directories.to_watch(ids)?;
    let streams: Vec<&Resource> = directories
        .resources
        .iter()
        .filter(|resource| resource.kind == Kind::UpdateStream)
        .collect();
    if streams.is_empty() {
        return Err(ChoiceError::NoKind(Kind::UpdateStream.name()).into());
    }
    let covers = |stream: &Resource, resource: &Resource| stream.uses.contains(&resource.id);
    if ids.is_empty() {
        resources.retain(|resource| streams.iter().any(|stream| covers(stream, resource)));
    }
    if let Some(asked) = resources
        .iter()
        .find(|resource| !resource.accepts.is_empty())
    {
        return Err(CliError::hinting(
            &format!(
                "resource {} is asked with a question and is not watched",
                printable(&asked.id)
            ),
            "watch the resource that it filters",
        ));
    }
    streams
        .into_iter()
        .find(|stream| {
            !resources.is_empty() && resources.iter().all(|resource| covers(stream, resource))
        })
        .map(|stream| (stream, resources.clone()))
        .ok_or_else(|| {
            let ids: Vec<String> = resources
                .iter()
                .map(|resource| printable(&resource.id))
                .collect();
            CliError::hinting(
                &format!(
                    "no update stream of this server sends {}",
                    if ids.is_empty() {
                        "anything that can be fetched".to_owned()
                    } else {
                        ids.join(", ")
                    }
                ),
                "name resources of one stream with --resource; archives do not change",
            )
        })
}

/// Opens the stream and follows it to its end.
async fn follow(
    known: &Known,
    resource: &Resource,
    mirror: &mut Mirror,
    left: &mut u64,
    opened: &mut bool,
    output: &mut Output<'_>,
) -> End {
    let asked = match question(resource, &mirror.request()) {
        Ok(asked) => asked,
        Err(error) => return End::Failed(CliError::failed(error)),
    };
    let mut stream = match known.client.stream(&resource.url, &asked).await {
        Ok(stream) => stream,
        Err(error) if error.is_passing() => return End::Lost(Some(error)),
        // Perhaps it does not know the version any more.
        Err(error @ FetchError::Refused { .. }) if *opened => {
            return End::Senseless(error.to_string());
        }
        Err(error) => return End::Failed(error.into()),
    };
    *opened = true;
    let mut parser = Parser::new(known.max_bytes);
    loop {
        match step(&mut stream, &mut parser, mirror, left, output).await {
            Ok(()) => {}
            Err(end) => return end,
        }
    }
}

async fn step(
    stream: &mut Stream,
    parser: &mut Parser,
    mirror: &mut Mirror,
    left: &mut u64,
    output: &mut Output<'_>,
) -> Result<(), End> {
    let bytes = stream
        .next(SILENCE)
        .await
        .map_err(|error| End::Lost(Some(error)))?
        .ok_or(End::Lost(None))?;
    for event in parser.feed(&bytes)? {
        match mirror.take(&event)? {
            Happening::Control(_) => {}
            Happening::Substreams { started, stopped } => {
                let words = [("sends", started), ("sends no longer", stopped)];
                for (word, ids) in words.into_iter().filter(|(_, ids)| !ids.is_empty()) {
                    let ids: Vec<String> = ids.iter().map(|id| printable(id)).collect();
                    writeln!(output.err, "note: the stream {word} {}", ids.join(", "))?;
                }
            }
            Happening::Updated(update) if !update.is_news => {}
            Happening::Updated(update) => {
                show(&update, output)?;
                *left -= 1;
                if *left == 0 {
                    return Err(End::Enough);
                }
            }
        }
    }
    Ok(())
}

impl From<SseError> for End {
    fn from(error: SseError) -> Self {
        Self::Senseless(error.to_string())
    }
}

impl From<MirrorError> for End {
    fn from(error: MirrorError) -> Self {
        Self::Senseless(error.to_string())
    }
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    resource: &'a str,
    event: &'static str,
    tag: Option<&'a str>,
    dependencies: Vec<Dependency<'a>>,
    bytes: usize,
    changes: Vec<Difference<'a>>,
}

#[derive(Serialize)]
struct Dependency<'a> {
    resource: &'a str,
    tag: &'a str,
}

#[derive(Serialize)]
struct Difference<'a> {
    path: &'a [String],
    before: &'a Option<Value>,
    after: &'a Option<Value>,
}

fn show(update: &Update, output: &mut Output<'_>) -> std::io::Result<()> {
    let event = match (update.is_first, update.is_patch) {
        (true, _) => "first",
        (false, true) => "patched",
        (false, false) => "replaced",
    };
    let tag = update.versions.own.as_ref().map(|own| own.tag.as_str());
    let time = clock::now().to_string();
    if output.json {
        let line = Line {
            time,
            resource: &update.resource_id,
            event,
            tag,
            dependencies: update
                .versions
                .dependencies
                .iter()
                .map(|dependency| Dependency {
                    resource: &dependency.resource_id,
                    tag: &dependency.tag,
                })
                .collect(),
            bytes: update.bytes,
            changes: update
                .changes
                .iter()
                .map(|change| Difference {
                    path: &change.path,
                    before: &change.before,
                    after: &change.after,
                })
                .collect(),
        };
        output.json(&line)?;
        return output.out.flush();
    }
    let count = match (update.is_first, update.changes.len()) {
        (true, _) => format!("{} bytes", update.bytes),
        (false, 1) => format!("1 change in {} bytes", update.bytes),
        (false, count) => format!("{count} changes in {} bytes", update.bytes),
    };
    writeln!(
        output.out,
        "{time}  {}  {event}  {count}  tag {}",
        printable(&update.resource_id),
        tag.map_or_else(|| "none".to_owned(), printable)
    )?;
    for change in update.changes.iter().take(MOST_SHOWN) {
        writeln!(output.out, "  {}", difference(change))?;
    }
    let more = update.changes.len().saturating_sub(MOST_SHOWN);
    if more > 0 {
        writeln!(output.out, "  and {more} more (--json prints all)")?;
    }
    output.out.flush()
}

fn difference(change: &Change) -> String {
    let path: Vec<String> = change.path.iter().map(|name| printable(name)).collect();
    let value = |value: &Option<Value>| {
        value
            .as_ref()
            .map_or_else(|| "none".to_owned(), |value| printable(&value.to_string()))
    };
    format!(
        "{}: {} -> {}",
        path.join(" / "),
        value(&change.before),
        value(&change.after)
    )
}
