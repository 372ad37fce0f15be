//! Editions of the windows that are shown, each made once.

use super::kept;
use crate::alto::AltoError;
use crate::alto::figures::{self, Supplied};
use glimpse_aggregate::Span;
use glimpse_alto::{Edition, Shelved, Tag};
use glimpse_store::AltoPublic;
use std::collections::BTreeSet;

/// What a publication is made of.
#[derive(Debug, Default)]
pub(super) struct Made {
    windows: Vec<Window>,
}

#[derive(Debug)]
struct Window {
    source: Source,
    editions: Vec<Shelved>,
}

/// Figures as they are in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    span: String,
    start_us: i64,
    document: Tag,
}

impl Source {
    fn of(public: &AltoPublic) -> Self {
        Self {
            span: public.span.clone(),
            start_us: public.start_us,
            document: Tag::of(&public.document),
        }
    }
}

impl Made {
    /// Of those that are kept the windows that are shown, by the prefixes that were there before too. Windows of which the same is
    /// kept as before are taken over, and of others what is equal.
    pub(super) fn of(
        kept: Vec<AltoPublic>,
        spans: &BTreeSet<Span>,
        supplied: &Supplied,
        before: Option<&Self>,
    ) -> Result<Self, AltoError> {
        let mut windows = Vec::new();
        for public in shown(kept, spans) {
            let source = Source::of(&public);
            let mut known = before.into_iter().flat_map(|before| &before.windows);
            let editions = match known.find(|window| window.source == source) {
                Some(window) => window.editions.clone(),
                None => editions(public, supplied, before)?,
            };
            windows.push(Window { source, editions });
        }
        Ok(Self { windows })
    }

    /// All editions.
    pub(super) fn editions(&self) -> Vec<Shelved> {
        let editions = self.windows.iter().flat_map(|window| &window.editions);
        editions.cloned().collect()
    }
}

/// The editions of one window, which keep nothing twice that an edition of the same name had before.
fn editions(
    public: AltoPublic,
    supplied: &Supplied,
    before: Option<&Made>,
) -> Result<Vec<Shelved>, AltoError> {
    let Some(window) = kept::read(&public)? else {
        return Ok(Vec::new());
    };
    // As long as the figures that were read from it.
    drop(public);
    let windows = before.into_iter().flat_map(|before| &before.windows);
    let known = windows.flat_map(|window| &window.editions);
    let known: Vec<&Edition> = known.map(|shelved| &shelved.edition).collect();
    figures::editions_after(&[window], supplied, &known)
}

/// The newest window of each kind, and all months; each is given up when the next is taken.
pub(super) fn shown(
    kept: Vec<AltoPublic>,
    spans: &BTreeSet<Span>,
) -> impl Iterator<Item = AltoPublic> {
    // By kind, then by start: the newest of each kind is the last.
    let newest =
        |n: usize, public: &AltoPublic| kept.get(n + 1).is_none_or(|next| next.span != public.span);
    let is_shown = |(n, public): (usize, &AltoPublic)| {
        let wanted = spans.iter().any(|span| span.name() == public.span);
        wanted && (public.span == Span::Month.name() || newest(n, public))
    };
    let wanted: Vec<bool> = kept.iter().enumerate().map(is_shown).collect();
    let all = kept.into_iter().zip(wanted);
    all.filter_map(|(public, wanted)| wanted.then_some(public))
}
