//! From stored results to a publication.
//!
//! ```text
//! windows that are due ─▶ one pass over the results ─▶ Ledger::release, window by window
//!                                                             │ ledger and figures, one transaction
//!           Publication ◀─ editions ◀─ figures, read back ◀───┘
//! ```
//!
//! What is shown is always what was read back: the same after a restart, and at every controller of one database.

mod collect;
mod due;
mod kept;
mod made;
#[cfg(test)]
mod tests;

use super::figures::Supplied;
use super::{AltoError, Prefixes};
use crate::config::Alto;
use crate::document::compress_into;
use glimpse_aggregate::{Public, Span};
use glimpse_alto::{Content, Publication, Shelved};
use glimpse_model::time::Timestamp;
use glimpse_store::{AltoPublic, Store};
pub use kept::{Kept, document};
use made::Made;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The ledger of what is published, whatever k is; the laboratory has its own.
const LEDGER: &str = "public";
const LABORATORY: &str = "laboratory";
/// How often a publication is computed again because another controller was first.
const ATTEMPTS: usize = 5;

/// A publication and when the next one is due.
#[derive(Debug)]
pub struct Published {
    /// What is published.
    pub publication: Arc<Publication>,
    /// When there is something new at the earliest.
    pub next: Timestamp,
    /// Of the ledger behind it.
    revision: u64,
    /// Whether it was looked for windows that are due; a publication of before a restart is shown first.
    looked: bool,
    /// What it is made of: the next one has most of it too.
    made: Arc<Made>,
}

#[cfg(test)]
impl Published {
    /// A publication without a database behind it.
    pub(crate) fn of(publication: Publication, next: Timestamp) -> Self {
        Self {
            publication: Arc::new(publication),
            next,
            revision: 0,
            looked: true,
            made: Arc::default(),
        }
    }
}

impl Published {
    /// The same, with nothing newer until the next window.
    fn until(&self, config: &Alto, now: Timestamp) -> Self {
        Self {
            publication: Arc::clone(&self.publication),
            next: Timestamp::from_micros(due::next_us(config, now.as_micros())),
            revision: self.revision,
            looked: true,
            made: Arc::clone(&self.made),
        }
    }
}

/// Computes what is due at `now`, and what late results change, and gives what is published then: what an operator asks for. What
/// is the same as in what was `shown` is taken over from there.
///
/// # Errors
/// [`AltoError`].
pub async fn compute(
    store: &dyn Store,
    config: &Alto,
    supplied: &Supplied,
    now: Timestamp,
    shown: Option<&Published>,
) -> Result<Published, AltoError> {
    release(store, config, now, true).await?;
    load(store, config, supplied, now, shown).await
}

/// Brings what is shown up to date: `None` if it is.
///
/// # Errors
/// [`AltoError`].
pub(crate) async fn renew(
    store: &dyn Store,
    config: &Alto,
    supplied: &Supplied,
    now: Timestamp,
    shown: Option<&Published>,
) -> Result<Option<Published>, AltoError> {
    let known = match shown {
        Some(shown) => shown.revision,
        None => 0,
    };
    let is_due = shown.is_some_and(|shown| !shown.looked || now >= shown.next);
    if is_due {
        release(store, config, now, false).await?;
    }
    let newest = revision(store, config).await?;
    if shown.is_none() && newest == 0 {
        release(store, config, now, false).await?;
    } else if let Some(shown) = shown
        && newest == known
    {
        return Ok(is_due.then(|| shown.until(config, now)));
    }
    let renewed = load(store, config, supplied, now, shown).await?;
    Ok(Some(Published {
        looked: is_due || newest == 0,
        ..renewed
    }))
}

fn name(config: &Alto) -> &'static str {
    if config.rules.k.is_lab() {
        LABORATORY
    } else {
        LEDGER
    }
}

async fn revision(store: &dyn Store, config: &Alto) -> Result<u64, AltoError> {
    let ledger = store.alto_ledger(name(config)).await?;
    Ok(ledger.map_or(0, |(revision, _)| revision))
}

/// Releases the windows that are due, and those with late results too where these are looked for, and writes ledger and figures in one
/// transaction. Whoever loses a race takes what the other has published.
async fn release(
    store: &dyn Store,
    config: &Alto,
    now: Timestamp,
    asked: bool,
) -> Result<(), AltoError> {
    for _ in 0..ATTEMPTS {
        let (revision, mut kept) = match store.alto_ledger(name(config)).await? {
            Some((revision, bytes)) => (revision, Kept::read(&bytes, config)?),
            None => (0, Kept::new(config)?),
        };
        let now_us = now.as_micros();
        let late = asked || due::is_late_check(config, now_us, kept.late_us);
        let windows = due::due(config, &kept.ledger, now_us, late);
        let tasks = collect::tasks(config, &kept, &windows, now_us);
        let Some((start_us, end_us)) = collect::range_us(&tasks) else {
            return Ok(());
        };
        if late {
            kept.late_us = now_us;
        }
        let rows = store.measurements(
            Timestamp::from_micros(start_us),
            Timestamp::from_micros(end_us),
        );
        let settings = config.clone();
        let computed = blocking(move || {
            let publics = collect::release(tasks, rows, &mut kept, &settings, now_us)?;
            // Each gives its memory back before the next is packed.
            let documents: Vec<AltoPublic> = publics
                .into_iter()
                .map(|(span, public)| document(span, &public))
                .collect();
            Ok((kept.pack()?, documents))
        });
        let (ledger, mut documents) = computed.await?;
        let known = store
            .alto_publics(name(config), None, Timestamp::from_micros(start_us))
            .await?;
        documents.retain(|new| !known.contains(new));
        if documents.is_empty() {
            // Nothing that could be shown comes of it, so nothing has to be remembered.
            return Ok(());
        }
        let wrote = store.alto_publish(name(config).to_owned(), revision, ledger, documents);
        if wrote.await? {
            return prune(store, config, now_us).await;
        }
    }
    Err(AltoError::Overtaken(ATTEMPTS))
}

/// Deletes what is shown no more: months after their time, of other windows all that end before the newest begins.
async fn prune(store: &dyn Store, config: &Alto, now_us: i64) -> Result<(), AltoError> {
    let mut until: BTreeMap<Span, i64> = BTreeMap::new();
    for (span, window) in due::windows(config, now_us) {
        let until_us = match span {
            Span::Month => archive_start_us(config, now_us),
            Span::Hour | Span::Day | Span::SevenDays => window.start_us(),
        };
        until
            .entry(span)
            .and_modify(|earliest| *earliest = until_us.min(*earliest))
            .or_insert(until_us);
    }
    for (span, until_us) in until {
        // What ends just there may still take in late results.
        let until = Timestamp::from_micros(until_us.saturating_sub(1));
        let pruned = store.alto_prune(name(config).to_owned(), span.name().to_owned(), until);
        pruned.await?;
    }
    Ok(())
}

/// The end of the last month that is in the archive no more.
fn archive_start_us(config: &Alto, now_us: i64) -> i64 {
    let mut month = Span::Month.closed_at(now_us);
    for _ in 0..config.archive_months {
        month = Span::Month.closed_at(month.start_us());
    }
    month.end_us()
}

/// The prefixes that the operator says places have.
///
/// # Errors
/// [`AltoError`] where the file cannot be used.
pub(crate) fn supplied(config: &Alto) -> Result<Supplied, AltoError> {
    let file = config.places.prefixes.as_deref();
    let prefixes = file.map(Prefixes::read).transpose()?;
    Ok(prefixes.unwrap_or_default().into())
}

/// What is published of the newest window of each kind, and of all months in the archive.
///
/// # Errors
/// [`AltoError`].
pub(crate) async fn published(
    store: &dyn Store,
    config: &Alto,
) -> Result<Vec<(Span, Public)>, AltoError> {
    let everything = Timestamp::from_micros(i64::MIN);
    let kept = store.alto_publics(name(config), None, everything).await?;
    let spans = config.spans.clone();
    blocking(move || {
        let read = |public: AltoPublic| kept::read(&public).transpose();
        made::shown(kept, &spans).filter_map(read).collect()
    })
    .await
}

/// The publication of what the database has.
async fn load(
    store: &dyn Store,
    config: &Alto,
    supplied: &Supplied,
    now: Timestamp,
    shown: Option<&Published>,
) -> Result<Published, AltoError> {
    // First the revision: figures that are newer than it are read again next time.
    let revision = revision(store, config).await?;
    let everything = Timestamp::from_micros(i64::MIN);
    let kept = store.alto_publics(name(config), None, everything).await?;
    let (spans, supplied) = (config.spans.clone(), supplied.clone());
    let before = shown.map(|shown| (Arc::clone(&shown.made), Arc::clone(&shown.publication)));
    // All on one thread: what one step gives back to the allocator the next one takes.
    let (made, publication) = blocking(move || {
        let (before, shown) = before.unzip();
        let made = Made::of(kept, &spans, &supplied, before.as_deref())?;
        let publication = publication(made.editions(), shown.as_deref())?;
        Ok((made, publication))
    })
    .await?;
    Ok(Published {
        publication: Arc::new(publication),
        next: Timestamp::from_micros(due::next_us(config, now.as_micros())),
        revision,
        looked: true,
        made: Arc::new(made),
    })
}

/// The publication of these editions.
fn publication(
    editions: Vec<Shelved>,
    before: Option<&Publication>,
) -> Result<Publication, AltoError> {
    let content = Content {
        editions,
        fetched_only: false,
    };
    Ok(Publication::after(content, before)?.compressed(compress_into))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AltoError> + Send + 'static,
) -> Result<T, AltoError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| AltoError::BrokenOff(error.to_string()))?
}
