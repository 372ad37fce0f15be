//! Figures that may be published.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{self, ClusterKey, Clusters};
use crate::group::{self, Coverage, Group};
use crate::observe::Subscriber;
use crate::{K, Observations, Statistic, TOTAL, Window};

/// The publishable result of one window: no part of it, and no difference of its parts, stands for
/// fewer than k households.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    window: Window,
    k: K,
    newest_us: Option<i64>,
    places: BTreeSet<String>,
    clusters: Vec<PublicCluster>,
    cells: BTreeMap<(String, String), PublicCell>,
}

/// A measurement cluster with its PID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicCluster {
    /// `MSMNT-CL1` and so on.
    pub pid: String,
    /// The targets, addresses or names, as normalised text.
    pub targets: Vec<String>,
}

/// The figures of one source PID towards one destination PID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicCell {
    subscribers: usize,
    samples: usize,
    values: BTreeMap<Statistic, u64>,
}

impl PublicCell {
    /// Distinct subscribers, rounded down to a multiple of five outside the laboratory.
    pub fn subscribers(&self) -> usize {
        self.subscribers
    }

    /// Round-trip times that went into the figures.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// A figure in microseconds; `None` if it was not asked for, or is an extreme of too few.
    pub fn value(&self, statistic: Statistic) -> Option<u64> {
        self.values.get(&statistic).copied()
    }
}

impl Public {
    /// The window all figures are about.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The rule that was applied.
    pub fn k(&self) -> K {
        self.k
    }

    /// Start of the newest measurement of anybody whose vote counts, microseconds UTC since 1970.
    pub fn newest_us(&self) -> Option<i64> {
        self.newest_us
    }

    /// The names of the source PIDs with figures, `TOTAL` among them if anything is published.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(String::as_str)
    }

    /// The clusters: those with figures, and all that the operator listed.
    pub fn clusters(&self) -> &[PublicCluster] {
        &self.clusters
    }

    /// Source PID, destination PID and figures, in the order of the names. The source is where the
    /// pings were sent from; the destination is a cluster or `TOTAL`.
    pub fn cells(&self) -> impl Iterator<Item = (&str, &str, &PublicCell)> {
        self.cells
            .iter()
            .map(|((source, destination), cell)| (source.as_str(), destination.as_str(), cell))
    }

    /// The figures of one pair.
    pub fn cell(&self, source: &str, destination: &str) -> Option<&PublicCell> {
        self.cells.get(&(source.to_owned(), destination.to_owned()))
    }

    /// Distinct subscribers behind all figures, rounded like every count.
    pub fn subscribers(&self) -> usize {
        self.cell(TOTAL, TOTAL).map_or(0, PublicCell::subscribers)
    }

    /// Round-trip times behind all figures.
    pub fn samples(&self) -> usize {
        self.cell(TOTAL, TOTAL).map_or(0, PublicCell::samples)
    }

    pub(crate) fn of(observations: &Observations, k: K, statistics: &[Statistic]) -> Self {
        let subscribers: Vec<&Subscriber> = observations.subscribers.values().collect();
        let keys = cluster_keys(&observations.clusters, &subscribers, k);
        let index: BTreeMap<&ClusterKey, usize> =
            keys.iter().enumerate().map(|(n, key)| (key, n)).collect();
        let profile = |subscriber: &&Subscriber| {
            let clusters = subscriber
                .rtt_us
                .keys()
                .filter_map(|key| index.get(key.as_ref()?).copied());
            (subscriber.place.clone(), clusters.collect::<Coverage>())
        };
        let profiles: Vec<_> = subscribers.iter().map(profile).collect();
        let groups = group::partition(&profiles, k.subscribers());

        let (clusters, names) = number(&observations.clusters, &keys, &groups);
        let mut cells = BTreeMap::new();
        for ((source, cluster), members) in contributors(&groups) {
            let destination = cluster.map_or_else(|| TOTAL.to_owned(), |n| names[&n].clone());
            let voters: Vec<Vec<u64>> = members
                .iter()
                .map(|m| samples(subscribers[*m], cluster.map(|n| &keys[n])))
                .collect();
            cells.insert((source, destination), cell(&voters, k, statistics));
        }
        Self {
            window: observations.window,
            k,
            newest_us: groups
                .iter()
                .flat_map(|g| &g.members)
                .map(|m| subscribers[*m].newest_us)
                .max(),
            places: cells.keys().map(|(source, _)| source.clone()).collect(),
            clusters,
            cells,
        }
    }
}

/// Who votes in which cell: source PID and cluster (`None`: `TOTAL`) to subscribers.
fn contributors(groups: &[Group]) -> BTreeMap<(String, Option<usize>), Vec<usize>> {
    let mut cells: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for group in groups {
        for place in group.place.chain() {
            for cluster in group.coverage.iter().copied().map(Some).chain([None]) {
                cells
                    .entry((place.to_string(), cluster))
                    .or_default()
                    .extend(&group.members);
            }
        }
    }
    cells
}

/// The clusters that may end in some group's coverage; others, measured by fewer than k, cost time only.
fn cluster_keys(clusters: &Clusters, subscribers: &[&Subscriber], k: K) -> Vec<ClusterKey> {
    let mut counts: BTreeMap<&ClusterKey, usize> = BTreeMap::new();
    for key in subscribers.iter().flat_map(|s| s.rtt_us.keys()).flatten() {
        *counts.entry(key).or_default() += 1;
    }
    match clusters {
        Clusters::Listed(list) => (0..list.len()).map(ClusterKey::Entry).collect(),
        Clusters::PerTarget => counts
            .into_iter()
            .filter(|(_, n)| *n >= k.subscribers())
            .map(|(key, _)| key.clone())
            .collect(),
    }
}

/// Gives the clusters their PIDs. A target that nobody may see figures of gets no number, since the
/// number alone would tell that somebody measured it.
fn number(
    clusters: &Clusters,
    keys: &[ClusterKey],
    groups: &[Group],
) -> (Vec<PublicCluster>, BTreeMap<usize, String>) {
    let covered: BTreeSet<usize> = groups
        .iter()
        .flat_map(|g| g.coverage.iter().copied())
        .collect();
    let mut public = Vec::new();
    let mut names = BTreeMap::new();
    for (index, key) in keys.iter().enumerate() {
        let targets = match (key, clusters) {
            (ClusterKey::Target(target), _) if covered.contains(&index) => vec![target.to_string()],
            (ClusterKey::Entry(entry), Clusters::Listed(list)) => {
                list.get(*entry).cloned().unwrap_or_default()
            }
            _ => continue,
        };
        let pid = cluster::pid_name(public.len());
        names.insert(index, pid.clone());
        public.push(PublicCluster { pid, targets });
    }
    (public, names)
}

/// One subscriber's round-trip times towards a cluster, or all of them.
fn samples(subscriber: &Subscriber, cluster: Option<&ClusterKey>) -> Vec<u64> {
    let counted = |key: &Option<ClusterKey>| cluster.is_none() || key.as_ref() == cluster;
    subscriber
        .rtt_us
        .iter()
        .filter(|(key, _)| counted(key))
        .flat_map(|(_, rtt_us)| rtt_us.iter().copied())
        .collect()
}

fn cell(voters: &[Vec<u64>], k: K, statistics: &[Statistic]) -> PublicCell {
    let figure = |statistic: &Statistic| {
        if statistic.is_extreme() && voters.len() < k.for_extremes() {
            return None;
        }
        let votes: Vec<u64> = voters
            .iter()
            .filter_map(|own| statistic.of_subscriber().of(own))
            .collect();
        Some((*statistic, statistic.of(&votes)?))
    };
    PublicCell {
        subscribers: k.rounded(voters.len()),
        samples: voters.iter().map(Vec::len).sum(),
        values: statistics.iter().filter_map(figure).collect(),
    }
}

#[cfg(test)]
mod tests;
