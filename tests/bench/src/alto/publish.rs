//! From the states of results to what is served, in a process of its own, so that its memory is that of this work alone.
//!
//! What is made here is left in a directory for the server: ledger and figures, and figures in which one cell differs.

use super::work;
use crate::{clock, machine};
use anyhow::{Context, Result, bail, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use glimpse_aggregate::{Ledger, Metric, Public, Span};
use glimpse_alto::{Publication, Turn, merge_patch};
use glimpse_controller::alto::{Prefixes, Supplied, compute};
use glimpse_controller::config::{Alto, Config};
use glimpse_model::time::Timestamp;
use glimpse_store::{AltoPublic, AltoStore, Options, Sqlite};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// What the controller calls the ledger of what is published.
const LEDGER: &str = "public";
/// Layout of what the controller keeps.
const SCHEMA: u32 = 1;
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
    let config = Config::load(&dir.join(CONFIGURATION))?.alto;
    let store = Sqlite::open(&dir.join("beside.db"), &Options::default()).await?;
    let now = clock::civil()?;
    let mut ledger = Ledger::default();
    let wait_us = i64::try_from(config.wait.as_micros())?;
    let window = Span::SevenDays.closed_at(now.as_micros() - wait_us);
    let (state, records) = work::observations(&ledger, window, now.as_micros(), &config)?;
    let supplied = supplied(&config)?;
    let states_bytes = own_memory()?.resident;

    let began = clock::steady();
    let public = ledger.release(state, &config.rules)?;
    let released_s = began.elapsed().as_secs_f64();
    let began = clock::steady();
    let first = version(&ledger, &public, &config, now)?;
    first.store(&store, 0).await?;
    let written_s = began.elapsed().as_secs_f64();
    let (places, cells) = (public.places().len(), cells(&public));
    drop(public);
    let began = clock::steady();
    let before = compute(&store, &config, &supplied, now).await?.publication;
    let made_s = began.elapsed().as_secs_f64();
    let first_peak_bytes = own_memory()?.peak;

    let second = changed(&first)?;
    second.store(&store, 1).await?;
    let after = compute(&store, &config, &supplied, now).await?.publication;
    let turn = Turn::first(Arc::clone(&before), 1).then(Arc::clone(&after), 2);
    let began = clock::steady();
    turn.prepare();
    let patched_s = began.elapsed().as_secs_f64();
    let peak_bytes = own_memory()?.peak;
    first.leave(dir, "first")?;
    second.leave(dir, "second")?;
    let patch = merge_patch::diff(body(&before)?, body(&after)?).context("no patch")?;
    Ok(Published {
        records,
        places,
        cells,
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
        released_s,
        written_s,
        made_s,
        patched_s,
        patch_bytes: patch.len(),
        states_bytes,
        first_peak_bytes,
        peak_bytes,
    })
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
fn version(ledger: &Ledger, public: &Public, config: &Alto, now: Timestamp) -> Result<Version> {
    #[derive(Serialize)]
    struct Kept<'a> {
        schema: u32,
        salt: &'a str,
        clusters: &'a glimpse_aggregate::Clusters,
        trust: glimpse_aggregate::Trust,
        late_us: i64,
        ledger: &'a Ledger,
    }
    #[derive(Serialize)]
    struct Release<'a> {
        schema: u32,
        public: &'a Public,
    }
    let kept = Kept {
        schema: SCHEMA,
        salt: "bench",
        clusters: &config.clusters,
        trust: config.trust,
        late_us: now.as_micros() + DAY_US,
        ledger,
    };
    let window = public.window();
    Ok(Version {
        ledger: gzip(&serde_json::to_vec(&kept)?)?,
        public: AltoPublic {
            span: Span::SevenDays.name().to_owned(),
            start_us: window.start_us(),
            end_us: window.end_us(),
            version: public.version() as u64,
            document: gzip(&serde_json::to_vec(&Release {
                schema: SCHEMA,
                public,
            })?)?,
        },
    })
}

/// The same figures but for the median delay of one of the smallest places to one cluster.
fn changed(first: &Version) -> Result<Version> {
    let mut release: Value =
        serde_json::from_reader(flate2::read::GzDecoder::new(&first.public.document[..]))?;
    let places = release["public"]["places"].as_array().context("places")?;
    let place = places.len().checked_sub(1).context("no place")?;
    let mut cells = release["public"]["cells"]
        .as_array_mut()
        .into_iter()
        .flatten();
    let cell = cells
        .find(|cell| {
            cell["metric"] == json!(Metric::DelayRt)
                && cell["place"] == place
                && !cell["cluster"].is_null()
        })
        .context("no delay of the last place")?;
    let mut figures = cell["cell"]["figures"].as_array_mut().into_iter().flatten();
    let median = figures
        .find(|figure| figure["statistic"] == "median")
        .context("no median")?;
    let value = median["value"].as_u64().context("no value")?;
    median["value"] = json!(value + 1);
    let version = first.public.version + 1;
    release["public"]["version"] = json!(version);
    Ok(Version {
        ledger: first.ledger.clone(),
        public: AltoPublic {
            version,
            document: gzip(&serde_json::to_vec(&release)?)?,
            ..first.public.clone()
        },
    })
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
