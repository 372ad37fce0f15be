//! From the states of results to what is served, in a process of its own, so that its memory is that of this work alone.
//!
//! What is made here is left in a directory for the server: ledger and figures, and figures in which one cell differs.

use super::work;
use crate::{clock, machine};
use anyhow::{Context, Result, bail, ensure};
use glimpse_aggregate::{Ledger, Metric, Public, Span, Statistic};
use glimpse_alto::{Publication, Turn, merge_patch};
use glimpse_controller::alto::{Kept, Prefixes, Supplied, compute, document};
use glimpse_controller::config::{Alto, Config};
use glimpse_model::time::Timestamp;
use glimpse_store::{AltoPublic, AltoStore, Options, Sqlite};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// What the controller calls the ledger of what is published.
const LEDGER: &str = "public";
/// What the versions are called in the directory.
pub(super) const FIRST: &str = "first";
pub(super) const SECOND: &str = "second";
/// The configuration in a controller's directory.
const CONFIGURATION: &str = "controller.toml";
/// The map of which one cell is changed.
pub(super) const CHANGED: &str = "/costmap/nm-seg/delay-rt";
const DAY_US: i64 = 24 * 3_600_000_000;

/// What the child found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Published {
    pub(super) records: usize,
    pub(super) places: usize,
    pub(super) cells: usize,
    pub(super) documents: usize,
    pub(super) document_bytes: usize,
    pub(super) gzip_bytes: usize,
    /// From the states to figures that may be published, and the ledger.
    pub(super) released_s: f64,
    /// Ledger and figures packed and written to the database.
    pub(super) written_s: f64,
    /// Read back, and made to maps with tags, JSON, gzip.
    pub(super) made_s: f64,
    /// The patches to a second version.
    pub(super) patched_s: f64,
    pub(super) patch_bytes: usize,
    /// Resident before the clock started: the states.
    pub(super) states_bytes: u64,
    /// Most that was resident until the first version stood.
    pub(super) first_peak_bytes: u64,
    /// Most that was resident, two versions and their patches included.
    pub(super) peak_bytes: u64,
}

impl Published {
    /// From the states to the patches.
    pub(super) fn whole_s(&self) -> f64 {
        self.released_s + self.written_s + self.made_s + self.patched_s
    }
}

/// What goes into the database at once.
pub(super) struct Version {
    pub(super) ledger: Vec<u8>,
    pub(super) public: AltoPublic,
}

impl Version {
    /// What was left in a directory.
    pub(super) fn read(dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(name);
        let about: Value = serde_json::from_slice(&fs::read(path.with_extension("json"))?)?;
        let number = |key: &str| about[key].as_i64().context("a number");
        Ok(Self {
            ledger: fs::read(dir.join("ledger"))?,
            public: AltoPublic {
                span: Span::SevenDays.name().to_owned(),
                start_us: number("start_us")?,
                end_us: number("end_us")?,
                version: u64::try_from(number("version")?)?,
                document: fs::read(path)?,
            },
        })
    }

    fn leave(&self, dir: &Path, name: &str) -> Result<()> {
        let path = dir.join(name);
        let public = &self.public;
        let about = json!({"start_us": public.start_us, "end_us": public.end_us, "version": public.version});
        fs::write(path.with_extension("json"), about.to_string())?;
        fs::write(&path, &public.document)?;
        Ok(fs::write(dir.join("ledger"), &self.ledger)?)
    }

    /// Writes it to a database whose ledger has this revision.
    pub(super) async fn store(&self, store: &Sqlite, revision: u64) -> Result<()> {
        let publics = vec![self.public.clone()];
        let written = store.alto_publish(LEDGER.to_owned(), revision, self.ledger.clone(), publics);
        ensure!(written.await?, "somebody else has published");
        Ok(())
    }
}

/// Runs [`run`] in a process of its own and gives what it found.
pub(super) fn in_child(dir: &Path) -> Result<Published> {
    let output = Command::new(std::env::current_exe()?)
        .args(["alto", "--publish-in"])
        .arg(dir)
        .output()?;
    if !output.status.success() {
        bail!(
            "publication: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Publishes the work by the configuration in `dir`, twice, in a database of its own.
pub(super) async fn run(dir: &Path) -> Result<Published> {
    // The window is published by hand: it is not due, nor is it looked for late results in a database that has none.
    let config = Alto {
        late: Duration::ZERO,
        ..Config::load(&dir.join(CONFIGURATION))?.alto
    };
    let store = Sqlite::create(&dir.join("beside.db"), &Options::default()).await?;
    let now = clock::civil()?;
    let supplied = supplied(&config)?;
    let (settings, folder) = (config.clone(), dir.to_owned());
    // On a thread for work that takes a while, as in the server: what is given back there is taken again there.
    let released = tokio::task::spawn_blocking(move || release(&settings, now, &folder)).await??;
    let began = clock::steady();
    Version::read(dir, FIRST)?.store(&store, 0).await?;
    let written_s = began.elapsed().as_secs_f64() + released.packed_s;
    let began = clock::steady();
    let shown = compute(&store, &config, &supplied, now, None).await?;
    let before = Arc::clone(&shown.publication);
    let made_s = began.elapsed().as_secs_f64();
    let first_peak_bytes = own_memory()?.peak;

    change_in_child(dir)?;
    Version::read(dir, SECOND)?.store(&store, 1).await?;
    let renewed = compute(&store, &config, &supplied, now, Some(&shown)).await?;
    let after = renewed.publication;
    let turn = Turn::first(Arc::clone(&before), 1).then(Arc::clone(&after), 2);
    let began = clock::steady();
    turn.prepare();
    let patched_s = began.elapsed().as_secs_f64();
    let peak_bytes = own_memory()?.peak;
    let patch = merge_patch::diff(body(&before)?, body(&after)?).context("no patch")?;
    Ok(Published {
        records: released.records,
        places: released.places,
        cells: released.cells,
        documents: before.documents().count(),
        document_bytes: before
            .documents()
            .map(|(_, d)| d.identity.bytes.len())
            .sum(),
        gzip_bytes: before
            .documents()
            .filter_map(|(_, d)| d.gzip.as_ref())
            .map(|gzip| gzip.bytes.len())
            .sum(),
        released_s: released.seconds,
        written_s,
        made_s,
        patched_s,
        patch_bytes: patch.len(),
        states_bytes: released.states_bytes,
        first_peak_bytes,
        peak_bytes,
    })
}

/// What came of the release.
struct Released {
    records: usize,
    places: usize,
    cells: usize,
    states_bytes: u64,
    seconds: f64,
    packed_s: f64,
}

/// Releases the states, and leaves the first version in `dir`.
fn release(config: &Alto, now: Timestamp, dir: &Path) -> Result<Released> {
    let mut ledger = Ledger::default();
    let wait_us = i64::try_from(config.wait.as_micros())?;
    let window = Span::SevenDays.closed_at(now.as_micros() - wait_us);
    let (state, records) = work::observations(&ledger, window, now.as_micros(), config)?;
    let states_bytes = own_memory()?.resident;
    let began = clock::steady();
    let public = ledger.release(state, &config.rules)?;
    let seconds = began.elapsed().as_secs_f64();
    let began = clock::steady();
    let first = version(ledger, &public, config, now)?;
    let packed_s = began.elapsed().as_secs_f64();
    first.leave(dir, FIRST)?;
    Ok(Released {
        records,
        places: public.places().len(),
        cells: cells(&public),
        states_bytes,
        seconds,
        packed_s,
    })
}

/// Makes the second version of the first one, in a process of its own: this is no work of a publisher.
fn change_in_child(dir: &Path) -> Result<()> {
    let changing = Command::new(std::env::current_exe()?)
        .args(["alto", "--change-in"])
        .arg(dir)
        .status()?;
    ensure!(changing.success(), "no cell was changed");
    Ok(())
}

/// Makes the second version of the first one that was left in `dir`.
pub(super) fn change(dir: &Path) -> Result<()> {
    changed(&Version::read(dir, FIRST)?)?.leave(dir, SECOND)
}

fn own_memory() -> Result<machine::Memory> {
    machine::memory(std::process::id())
}

fn supplied(config: &Alto) -> Result<Supplied> {
    let file = config.places.prefixes.as_deref().context("no prefixes")?;
    Ok(Prefixes::read(file)?.into())
}

fn cells(public: &Public) -> usize {
    Metric::ALL
        .iter()
        .map(|metric| public.cells(*metric).count())
        .sum()
}

fn body(publication: &Publication) -> Result<&[u8]> {
    let mut documents = publication.documents();
    let found = documents.find(|(path, _)| *path == CHANGED);
    Ok(&found
        .with_context(|| format!("no {CHANGED}"))?
        .1
        .identity
        .bytes)
}

/// Ledger and figures as the controller keeps them. Late results were looked for just now, so that the server finds nothing to do.
fn version(ledger: Ledger, public: &Public, config: &Alto, now: Timestamp) -> Result<Version> {
    let mut kept = Kept::new(config)?;
    kept.late_us = now.as_micros() + DAY_US;
    kept.ledger = ledger;
    Ok(Version {
        ledger: kept.pack()?,
        public: document(Span::SevenDays, public),
    })
}

/// The same figures but for the median delay of one of the smallest places to one cluster. Only a release makes figures, so it is
/// changed where it is kept, in the layout of [`Public::to_bytes`].
fn changed(first: &Version) -> Result<Version> {
    let mut document = first.public.document.clone();
    let public = Public::from_bytes(&document)?;
    let place = public.places().last().context("no places")?;
    let cluster = public.clusters().first().context("no clusters")?;
    let cell = |public: &Public| {
        let cell = public.cell(Metric::DelayRt, &place.pid, &cluster.pid)?;
        let median = cell.figures().next()?;
        (median.statistic == Statistic::Median).then_some((
            cell.subscribers() as u64,
            cell.samples(),
            cell.figures().len() as u64,
            median.value,
        ))
    };
    // A place so small has no minimum: the median is its first figure.
    let none = "no median delay of the last place";
    let (subscribers, samples, figures, median) = cell(&public).context(none)?;
    let place_index = public.places().len() as u64 - 1;
    let begins = [
        Metric::DelayRt as u64,
        place_index,
        1,
        subscribers,
        samples,
        figures,
    ];
    let begins: Vec<u8> = begins.into_iter().flat_map(leb128).collect();
    let mut windows = document.windows(begins.len());
    let at = windows.position(|window| window == begins).context(none)?;
    // One byte says which figure it is; then comes the value, its lowest bits first.
    let lowest = document.get_mut(at + begins.len() + 1);
    *lowest.context(none)? ^= 1;
    let (.., after) = cell(&Public::from_bytes(&document)?).context(none)?;
    ensure!(after == median ^ 1, "another figure was changed");
    Ok(Version {
        ledger: first.ledger.clone(),
        public: AltoPublic {
            version: first.public.version + 1,
            document,
            ..first.public.clone()
        },
    })
}

fn leb128(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >> 7 > 0 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use glimpse_aggregate::{Facts, Labels, Row};

    #[test]
    fn one_figure_changes_and_no_other() {
        let config = Config::parse("", Path::new("/controller.toml"))
            .unwrap()
            .alto;
        let mut ledger = Ledger::default();
        let window = Span::SevenDays.closed_at(0);
        let state = ledger.observe(window, i64::MAX, &config.clusters, config.trust);
        let mut state = state.unwrap();
        for (nth, region) in (0..14_u64).flat_map(|nth| [(nth, "zz-00"), (nth, "zz-01")]) {
            for target in 0..3 {
                state.add(&Row {
                    subscriber: &format!("{region}-{nth}"),
                    labels: Labels {
                        isp: Some("as1"),
                        region: Some(region),
                        ..Labels::default()
                    },
                    metric: Metric::DelayRt,
                    target: &work::target(target),
                    values: &[20_000 + nth],
                    start_us: window.start_us(),
                    received_us: window.start_us(),
                    facts: Facts::default(),
                });
            }
        }
        let before = ledger.release(state, &config.rules).unwrap();
        let now = Timestamp::from_micros(0);
        let first = version(ledger, &before, &config, now).unwrap();
        let second = changed(&first).unwrap();
        assert_eq!(second.public.version, 2);
        let after = Public::from_bytes(&second.public.document).unwrap();
        assert_ne!(after, before);
        let pairs = before
            .cells(Metric::DelayRt)
            .zip(after.cells(Metric::DelayRt));
        let changed: Vec<(&str, &str)> = pairs
            .filter(|((.., one), (.., other))| one != other)
            .map(|((place, cluster, _), _)| (place.pid.as_str(), cluster))
            .collect();
        assert_eq!(changed, [("as1:zz-01", "MSMNT-CL1")]);
    }
}
