//! What is published gets its numbers.

use super::tally::Sheet;
use crate::cluster::{self, ClusterKey, Clusters};
use crate::group::Tree;
use crate::public::{Located, Public, PublicCluster, PublicPlace};
use crate::{Metric, Observations};

/// Appends the cells of a metric, by place and destination. Places and clusters are not numbered yet.
pub(super) fn append(public: &mut Public, metric: Metric, sheets: &[Sheet]) {
    let mut next = vec![0; sheets.len()];
    let place = |(sheet, next): (&Sheet, &usize)| Some(sheet.cell(*next)?.0);
    while let Some(first) = sheets.iter().zip(&next).filter_map(place).min() {
        for (sheet, next) in sheets.iter().zip(&mut next) {
            if let Some((place, bytes)) = sheet.cell(*next)
                && place == first
            {
                *next += 1;
                public.bytes.extend_from_slice(bytes);
                public.cells.push(Located {
                    metric,
                    place: u32::try_from(place).unwrap_or(u32::MAX),
                    cluster: sheet.destination,
                    end: public.bytes.len(),
                });
            }
        }
    }
}

/// What has figures, and its indices by those of the release.
pub(super) struct Numbered<P, I> {
    pub(super) public: Vec<P>,
    pub(super) index: Vec<I>,
}

/// Gives the clusters their PIDs. A target that nobody may see figures of gets no number, since the number alone would tell
/// that somebody measured it.
pub(super) fn number_clusters(
    state: &Observations,
    cells: &[Located],
) -> Numbered<PublicCluster, Option<u32>> {
    let mut covered = vec![false; state.destinations.len()];
    for destination in cells.iter().filter_map(|cell| cell.cluster) {
        covered[destination as usize] = true;
    }
    let mut public = Vec::new();
    if let Clusters::Listed(list) = &state.clusters {
        public.extend(list.iter().zip(0..).map(|(targets, nth)| PublicCluster {
            pid: cluster::pid_name(nth),
            targets: targets.clone(),
        }));
    }
    let mut index = Vec::with_capacity(covered.len());
    for (key, covered) in state.destinations.iter().zip(covered) {
        index.push(match key {
            ClusterKey::Entry(entry) => u32::try_from(*entry).ok(),
            ClusterKey::Target(target) if covered => {
                let number = u32::try_from(public.len()).ok();
                public.push(PublicCluster {
                    pid: cluster::pid_name(public.len()),
                    targets: vec![target.to_string()],
                });
                number
            }
            ClusterKey::Target(_) => None,
        });
    }
    Numbered { public, index }
}

/// The places with figures.
pub(super) fn number_places(tree: &Tree, cells: &[Located]) -> Numbered<PublicPlace, u32> {
    let mut covered = vec![false; tree.places().len()];
    for cell in cells {
        covered[cell.place as usize] = true;
    }
    let mut public = Vec::new();
    let mut index = Vec::with_capacity(covered.len());
    for (place, covered) in tree.places().iter().zip(covered) {
        index.push(u32::try_from(public.len()).unwrap_or(u32::MAX));
        if covered {
            public.push(PublicPlace {
                pid: place.to_string(),
                level: place.level(),
            });
        }
    }
    Numbered { public, index }
}
