//! Names of the PIDs of a map, and their numbers.

use super::AltoError;
use glimpse_aggregate::{PublicCluster, PublicPlace, TOTAL};
use glimpse_alto::PidName;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Names of PIDs, made once, by their text.
#[derive(Debug)]
pub(super) struct Pids<'a> {
    total: PidName,
    places: BTreeMap<&'a str, PidName>,
    clusters: BTreeMap<&'a str, PidName>,
}

/// The same by number: that of a PID among all of the map, in order.
pub(super) struct Numbers<'a> {
    names: Vec<&'a PidName>,
    places: HashMap<&'a str, u32>,
    all: HashMap<&'a str, u32>,
}

impl<'a> Numbers<'a> {
    pub(super) fn of(pids: &'a Pids<'_>) -> Self {
        let names: BTreeSet<&PidName> = pids.all().collect();
        let numbered = || names.iter().map(|pid| pid.as_str()).zip(0..);
        Self {
            places: numbered()
                .filter(|(text, _)| pids.places.contains_key(text))
                .collect(),
            all: numbered().collect(),
            names: names.into_iter().collect(),
        }
    }

    /// All PIDs in order: each has its index as number.
    pub(super) fn names(&self) -> impl Iterator<Item = PidName> {
        self.names.iter().copied().cloned()
    }

    /// Of subscribers and cluster, if both are in the map.
    pub(super) fn pair(&self, place: &PublicPlace, cluster: &str) -> Option<(u32, u32)> {
        Some((*self.places.get(&*place.pid)?, *self.all.get(cluster)?))
    }
}

impl<'a> Pids<'a> {
    pub(super) fn of(
        places: impl Iterator<Item = &'a PublicPlace>,
        clusters: &'a [PublicCluster],
    ) -> Result<Self, AltoError> {
        let named = |text: &'a str| Ok::<_, AltoError>((text, PidName::new(text)?));
        Ok(Self {
            total: PidName::total(),
            places: places.map(|p| named(&p.pid)).collect::<Result<_, _>>()?,
            clusters: clusters
                .iter()
                .map(|c| named(&c.pid))
                .collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn total(&self) -> &PidName {
        &self.total
    }

    /// A place that is in the map.
    pub(super) fn place(&self, text: &str) -> Option<&PidName> {
        self.places.get(text)
    }

    /// The places that are in the map, and `TOTAL`.
    pub(super) fn texts(&self) -> BTreeSet<&str> {
        self.places.keys().copied().chain([TOTAL]).collect()
    }

    /// A place, a cluster or `TOTAL`.
    pub(super) fn pid(&self, text: &str) -> Option<&PidName> {
        if text == TOTAL {
            return Some(&self.total);
        }
        self.places.get(text).or_else(|| self.clusters.get(text))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &PidName> {
        let named = self.places.values().chain(self.clusters.values());
        named.chain([&self.total])
    }
}
