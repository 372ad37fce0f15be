//! Who was ever published with whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::observe::Cuts;
use crate::release::{self, Behind};
use crate::{Clusters, Observations, Public, Rules, Trust, Window};

/// The cohorts: a partition of everybody ever published into sets of at least k, of which every published set is a
/// union, and will be (`docs/adr/019-what-may-be-published.md`). It names subscribers and is never
/// published itself. After a release it must be durable **before** the result is shown to anybody; a release from an older
/// ledger breaks the promise. The laboratory ([`K::lab`](crate::K::lab)) needs a ledger of its own, since cohorts are never joined
/// again; so do two publications with different smallest groups that are not to cost each other votes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    since_us: Option<i64>,
    sealed_us: Option<i64>,
    /// Everybody ever published, and its index into the cohorts.
    pub(crate) numbers: BTreeMap<String, u32>,
    pub(crate) cohorts: Vec<u32>,
    next_cohort: u32,
    closed: Vec<Closed>,
}

/// A window that was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Closed {
    window: Window,
    /// The moment up to which each version knew results.
    as_of_us: Vec<i64>,
    /// What all versions have in common; a change of it could show a single household's results.
    clusters: Clusters,
    trust: Trust,
    /// Who voted in the last version, as bits by number, and who in any.
    voted: Vec<u64>,
    ever_voted: Vec<u64>,
    /// Whose late results are in, and since which version.
    adopted: BTreeMap<u32, usize>,
}

/// Why a window is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// Its results stand behind figures of an earlier ledger.
    #[error("the window begins before this ledger does; publish windows from {0} µs on")]
    BeforeStart(i64),
    /// Its versions are forgotten.
    #[error("windows that end at {0} µs or earlier are sealed and get no further version")]
    Sealed(i64),
    /// Clusters or filters are not those of the earlier versions.
    #[error(
        "the window was published with other clusters or filters, which hold for all its versions"
    )]
    Changed,
    /// Something was published of the window since the results were collected.
    #[error("the results were collected for an earlier version; collect them again")]
    Stale,
    /// The moment of the results is not later than that of the last version.
    #[error("a new version must know results of later than {0} µs")]
    NotLater(i64),
}

impl Ledger {
    /// A ledger that knows nothing of what another one published, and takes only windows that begin at the given moment or later,
    /// so that at least no measurement stands behind figures of both.
    pub fn starting(at_us: i64) -> Self {
        Self {
            since_us: Some(at_us),
            ..Self::default()
        }
    }

    /// An empty state for the results of one window known at `as_of_us`, by the repository's clock.
    ///
    /// # Errors
    /// [`Refused`] unless a release of it is possible.
    pub fn observe(
        &self,
        window: Window,
        as_of_us: i64,
        clusters: &Clusters,
        trust: Trust,
    ) -> Result<Observations, Refused> {
        self.admit(&window)?;
        if self
            .closed(&window)
            .is_some_and(|c| (&c.clusters, c.trust) != (clusters, trust))
        {
            return Err(Refused::Changed);
        }
        let cuts = Arc::new(self.cuts(&window));
        Ok(Observations::new(
            window,
            as_of_us,
            clusters.clone(),
            trust,
            cuts,
        ))
    }

    /// Computes what may be published of the window, and notes who stands behind it. Equal ledgers, results and rules give
    /// equal figures and ledgers, whatever the order of the results.
    ///
    /// # Errors
    /// [`Refused`]; the ledger is then unchanged.
    pub fn release(
        &mut self,
        observations: Observations,
        rules: &Rules,
    ) -> Result<Public, Refused> {
        Ok(self.release_and_tell(observations, rules)?.0)
    }

    pub(crate) fn release_and_tell(
        &mut self,
        observations: Observations,
        rules: &Rules,
    ) -> Result<(Public, Behind), Refused> {
        self.admit(&observations.window)?;
        if *observations.cuts != self.cuts(&observations.window) {
            return Err(Refused::Stale);
        }
        if let Some(last) = self
            .closed(&observations.window)
            .and_then(|c| c.as_of_us.last())
            && observations.as_of_us < *last
        {
            return Err(Refused::NotLater(*last));
        }
        Ok(release::release(self, observations, rules))
    }

    /// How many versions of a window were published.
    pub fn versions(&self, window: &Window) -> usize {
        self.closed(window).map_or(0, |c| c.as_of_us.len())
    }

    /// Forgets the versions of all windows that end at `until_us` or earlier; no such window is published any more.
    pub fn seal(&mut self, until_us: i64) {
        self.sealed_us = self.sealed_us.max(Some(until_us));
        self.closed.retain(|c| c.window.end_us() > until_us);
    }

    fn admit(&self, window: &Window) -> Result<(), Refused> {
        match (self.since_us, self.sealed_us) {
            (Some(since), _) if window.start_us() < since => Err(Refused::BeforeStart(since)),
            (_, Some(sealed)) if window.end_us() <= sealed => Err(Refused::Sealed(sealed)),
            _ => Ok(()),
        }
    }

    fn closed(&self, window: &Window) -> Option<&Closed> {
        let index = self
            .closed
            .binary_search_by_key(window, |c| c.window)
            .ok()?;
        self.closed.get(index)
    }

    fn cuts(&self, window: &Window) -> Cuts {
        let Some(closed) = self.closed(window) else {
            return Cuts::default();
        };
        let adopted = |(name, number): (&String, &u32)| {
            let version = closed.adopted.get(number)?;
            Some((name.clone(), *closed.as_of_us.get(*version)?))
        };
        Cuts {
            published_us: closed.as_of_us.first().copied(),
            adopted_us: self.numbers.iter().filter_map(adopted).collect(),
        }
    }

    /// Whether somebody voted in any version of the window.
    pub(crate) fn voted(&self, window: &Window) -> impl Fn(u32) -> bool + use<> {
        let voted = self
            .closed(window)
            .map(|c| c.ever_voted.clone())
            .unwrap_or_default();
        move |number| bit(&voted, number)
    }

    /// A new cohort's number.
    pub(crate) fn cohort(&mut self) -> u32 {
        self.next_cohort += 1;
        self.next_cohort
    }

    /// Enters somebody who was never published.
    pub(crate) fn enter(&mut self, name: &str, cohort: u32) -> u32 {
        let number = u32::try_from(self.cohorts.len()).unwrap_or(u32::MAX);
        self.cohorts.push(cohort);
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// Notes who voted, and whose late results are in. Returns the number of the version, which is a new one only if
    /// there is anything new in it.
    pub(crate) fn note(
        &mut self,
        observations: &Observations,
        voters: &[u32],
        adopted: &[u32],
    ) -> usize {
        let window = observations.window;
        let mut voted = vec![0; self.cohorts.len().div_ceil(64)];
        for number in voters {
            voted[*number as usize / 64] |= 1 << (number % 64);
        }
        while voted.last() == Some(&0) {
            voted.pop();
        }
        let index = match self.closed.binary_search_by_key(&window, |c| c.window) {
            Ok(index) => index,
            Err(index) => {
                let fresh = Closed {
                    window,
                    as_of_us: Vec::new(),
                    clusters: observations.clusters.clone(),
                    trust: observations.trust,
                    voted: Vec::new(),
                    ever_voted: Vec::new(),
                    adopted: BTreeMap::new(),
                };
                self.closed.insert(index, fresh);
                index
            }
        };
        let closed = &mut self.closed[index];
        if closed.as_of_us.is_empty() || !adopted.is_empty() || closed.voted != voted {
            let version = closed.as_of_us.len();
            closed.as_of_us.push(observations.as_of_us);
            closed
                .ever_voted
                .resize(closed.ever_voted.len().max(voted.len()), 0);
            for (ever, now) in closed.ever_voted.iter_mut().zip(&voted) {
                *ever |= now;
            }
            closed.voted = voted;
            closed
                .adopted
                .extend(adopted.iter().map(|number| (*number, version)));
        }
        closed.as_of_us.len()
    }
}

fn bit(bits: &[u64], number: u32) -> bool {
    bits.get(number as usize / 64)
        .is_some_and(|word| word >> (number % 64) & 1 == 1)
}
