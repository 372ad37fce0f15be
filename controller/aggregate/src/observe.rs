//! The rows of one window, sorted by subscriber and cluster. Not publishable yet.

use std::collections::BTreeMap;

use crate::cluster::{ClusterKey, Clusters};
use crate::{DelayMethod, K, PingRow, Place, Public, Statistic, Window};

/// What the trusted rows of one window and one method say, by subscriber. Nothing in here may be
/// published; [`Observations::publish`] is the only way out.
#[derive(Clone, Debug)]
pub struct Observations {
    pub(crate) window: Window,
    pub(crate) clusters: Clusters,
    pub(crate) subscribers: BTreeMap<String, Subscriber>,
}

/// One household's round-trip times.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    /// Where it is: the labels of its newest row, so that a move in mid-window makes no second vote.
    pub(crate) place: Place,
    pub(crate) newest_us: i64,
    /// By cluster; `None` holds what went to targets outside the operator's list.
    pub(crate) rtt_us: BTreeMap<Option<ClusterKey>, Vec<u64>>,
}

impl Observations {
    /// Takes the trusted rows of the given method that started inside the window.
    pub fn collect(
        rows: impl IntoIterator<Item = PingRow>,
        window: Window,
        method: DelayMethod,
        clusters: &Clusters,
    ) -> Self {
        let mut observations = Self {
            window,
            clusters: clusters.clone(),
            subscribers: BTreeMap::new(),
        };
        for row in rows {
            let wanted =
                row.trusted && row.kind.method() == method && window.contains(row.start_us);
            if wanted && !row.rtt_us.is_empty() {
                observations.add(row);
            }
        }
        observations
    }

    fn add(&mut self, row: PingRow) {
        let place = Place::of(row.isp.as_deref(), row.region.as_deref());
        let cluster = self.clusters.key(&row.target);
        let subscriber = self
            .subscribers
            .entry(row.subscriber)
            .or_insert_with(|| Subscriber {
                place: place.clone(),
                newest_us: row.start_us,
                rtt_us: BTreeMap::new(),
            });
        // The place itself breaks ties, so that the order of rows does not matter.
        if (row.start_us, &place) > (subscriber.newest_us, &subscriber.place) {
            (subscriber.newest_us, subscriber.place) = (row.start_us, place);
        }
        let rtt_us = subscriber.rtt_us.entry(cluster).or_default();
        rtt_us.extend(row.rtt_us.into_iter().map(u64::from));
    }

    /// The figures that may be published: every cell is a union of groups of at least k subscribers.
    pub fn publish(&self, k: K, statistics: &[Statistic]) -> Public {
        Public::of(self, k, statistics)
    }
}
