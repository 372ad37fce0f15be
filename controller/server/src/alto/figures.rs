//! Figures of a window as the editions of ALTO: which PIDs a map has, with which prefixes, costs and properties.

mod columns;
mod pids;
#[cfg(test)]
mod tests;

use super::{AltoError, Prefixes};
use glimpse_aggregate::{
    AGGREGATION, DelayMethod, Level, Metric, Public, PublicCluster, PublicPlace, Span, TOTAL,
};
use glimpse_alto::{
    Anonymity, Edition, NetworkMap, PidName, Prefix, Provenance, ResourceId, Shelf, Shelved,
    rfc3339,
};
use pids::Pids;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::panic::resume_unwind;
use std::sync::Arc;

/// Id of the default network map.
const CURRENT: &str = "nm";

/// Prefixes that the operator says places have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Supplied(Arc<Prefixes>);

impl From<Prefixes> for Supplied {
    fn from(prefixes: Prefixes) -> Self {
        Self(Arc::new(prefixes))
    }
}

/// The editions of these windows: seven days as the current one, by region and by segment, an hour and a day as recent ones, months in
/// the archive.
///
/// # Errors
/// [`AltoError`] where clusters have a prefix in common, or a name is none of ALTO's.
pub(super) fn editions(
    shown: &[(Span, Public)],
    supplied: &Supplied,
) -> Result<Vec<Shelved>, AltoError> {
    editions_after(shown, supplied, &[])
}

/// The same, but what comes out as in the edition of that id `before` is kept only once, and not made twice where it can be helped.
///
/// # Errors
/// Those of [`editions`].
pub(super) fn editions_after(
    shown: &[(Span, Public)],
    supplied: &Supplied,
    before: &[&Edition],
) -> Result<Vec<Shelved>, AltoError> {
    let nothing = Supplied::default();
    let mut editions = Vec::new();
    for (span, public) in shown {
        let mut add = |id: &str, shelf, smallest, supplied| {
            let before = before.iter().find(|before| before.id.as_str() == id);
            let edition = edition(id, public, smallest, supplied, before.copied())?;
            editions.push(Shelved { edition, shelf });
            Ok::<_, AltoError>(())
        };
        match span {
            Span::Hour => add(
                &format!("{CURRENT}-hour"),
                Shelf::Recent,
                Level::Region,
                supplied,
            )?,
            Span::Day => add(
                &format!("{CURRENT}-day"),
                Shelf::Recent,
                Level::Region,
                supplied,
            )?,
            Span::SevenDays => {
                add(CURRENT, Shelf::Current, Level::Region, supplied)?;
                add(
                    &format!("{CURRENT}-seg"),
                    Shelf::Current,
                    Level::Contract,
                    supplied,
                )?;
            }
            // The prefixes of today say nothing of the month then, and the archive stays as it is.
            Span::Month => {
                let start = rfc3339(public.window().start_us());
                let month: String = start.chars().take("2026-01".len()).collect();
                let id = format!("{CURRENT}-{month}");
                add(&id, Shelf::Archive, Level::Contract, &nothing)?;
            }
        }
    }
    Ok(editions)
}

fn edition(
    id: &str,
    public: &Public,
    smallest: Level,
    supplied: &Supplied,
    before: Option<&Edition>,
) -> Result<Edition, AltoError> {
    let places = || public.places().iter().filter(|p| p.level <= smallest);
    let pids = Pids::of(places(), public.clusters())?;
    let k = public.k();
    let map_before = before.map(|before| &before.map);
    // The two longest parts, side by side.
    let (map, columns) = std::thread::scope(|scope| {
        let map = scope.spawn(|| network_map(&pids, public.clusters(), supplied, map_before));
        let columns = columns::columns(public, &pids, before);
        (
            map.join().unwrap_or_else(|panic| resume_unwind(panic)),
            columns,
        )
    });
    Ok(Edition {
        id: ResourceId::new(id)?,
        map: map?,
        columns: columns?,
        properties: properties(places(), public, &pids),
        provenance: Provenance {
            window_start_us: public.window().start_us(),
            window_end_us: public.window().end_us(),
            aggregation: AGGREGATION.to_owned(),
            method: DelayMethod::Datagram.name().to_owned(),
            samples: Metric::ALL.iter().map(|m| public.samples(*m)).sum(),
            subscribers: Metric::ALL
                .iter()
                .map(|m| public.subscribers(*m) as u64)
                .max()
                .unwrap_or(0),
            newest_us: public.newest_us(),
            anonymity: if k.is_lab() {
                Anonymity::Lab
            } else {
                Anonymity::K(k.subscribers() as u64)
            },
        },
    })
}

/// Clusters have the addresses of their targets, places what the operator supplied. What belongs to a place without figures is the
/// next larger one's that has any, in the end `TOTAL`'s: it is not that of a place around it by accident of its prefix.
fn network_map(
    pids: &Pids<'_>,
    clusters: &[PublicCluster],
    supplied: &Supplied,
    before: Option<&Arc<NetworkMap>>,
) -> Result<Arc<NetworkMap>, AltoError> {
    let mut groups: BTreeMap<PidName, Vec<Prefix>> =
        pids.all().map(|pid| (pid.clone(), Vec::new())).collect();
    let mut hosts = BTreeSet::new();
    for cluster in clusters {
        let addresses = cluster
            .targets
            .iter()
            .filter_map(|t| t.parse::<IpAddr>().ok());
        let prefixes: Vec<Prefix> = addresses.map(Prefix::host).collect();
        hosts.extend(prefixes.iter().copied());
        if let Some(pid) = pids.pid(&cluster.pid) {
            groups.entry(pid.clone()).or_default().extend(prefixes);
        }
    }
    for (place, prefixes) in supplied.0.of(&pids.texts(), &hosts) {
        if let Some(pid) = pids.pid(place) {
            groups.entry(pid.clone()).or_default().extend(prefixes);
        }
    }
    let map = NetworkMap::with_rest_after(groups, pids.total(), before);
    Ok(map?)
}

/// What is said of the places (RFC 9240 §4.6): how many stand behind the figures towards everywhere, and the labels they have in common.
fn properties<'a>(
    places: impl Iterator<Item = &'a PublicPlace>,
    public: &Public,
    pids: &Pids<'_>,
) -> BTreeMap<PidName, BTreeMap<String, String>> {
    const LABELS: [&str; 4] = ["isp", "region", "tech", "tier"];
    let mut counts: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for metric in Metric::ALL {
        for (place, _, cell) in public.cells(metric).filter(|(_, c, _)| *c == TOTAL) {
            let (subscribers, samples) = counts.entry(&place.pid).or_default();
            *subscribers = (*subscribers).max(cell.subscribers());
            *samples += cell.samples();
        }
    }
    let property = |name: &str, value: String| (format!(".priv:glimpse-{name}"), value);
    let mut properties = BTreeMap::new();
    for place in places {
        let Some(pid) = pids.place(&place.pid) else {
            continue;
        };
        let (subscribers, samples) = counts.get(&*place.pid).copied().unwrap_or_default();
        let mut own = BTreeMap::from([
            property("subs", subscribers.to_string()),
            property("samples", samples.to_string()),
        ]);
        if place.level != Level::Total {
            let labels = LABELS.into_iter().zip(place.pid.split(':'));
            own.extend(labels.map(|(name, label)| property(name, label.to_owned())));
        }
        properties.insert(pid.clone(), own);
    }
    properties
}
