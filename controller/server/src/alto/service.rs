//! From stored pings to a publication.

use super::AltoError;
use crate::config::Alto;
use crate::document::compress;
use glimpse_aggregate::{
    AGGREGATION, DelayMethod, Facts, Labels, Ledger, Metric, PingKind, Public, Row, Rules,
    Statistic, Trust, Window,
};
use glimpse_alto::{
    Anonymity, Content, Cost, CostMap, NetworkMap, PidName, Prefix, Provenance, Publication,
    ResourceId,
};
use glimpse_model::time::Timestamp;
use glimpse_store::{Rows, Store};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Id of the network map.
const NETWORK_MAP: &str = "nm";
/// The family of pings that is published.
const METHOD: DelayMethod = DelayMethod::Datagram;

/// A publication and when the next one is due.
#[derive(Debug)]
pub struct Published {
    /// What is published.
    pub publication: Publication,
    /// When the next one is due.
    pub next: Timestamp,
}

/// Computes what may be published at `now`.
///
/// # Errors
/// [`AltoError`].
pub async fn compute(
    store: &dyn Store,
    config: &Alto,
    now: Timestamp,
) -> Result<Published, AltoError> {
    let interval_us = micros(config.interval);
    // The end lies on a multiple of the interval, so that two computations in one interval are of one window.
    let step = now.as_micros().div_euclid(interval_us).saturating_add(1);
    let end_us = step.saturating_mul(interval_us);
    let window = Window::new(end_us.saturating_sub(micros(config.window)), end_us)?;
    let rows = store.pings(
        Timestamp::from_micros(window.start_us()),
        Timestamp::from_micros(window.end_us()),
    );
    let config = config.clone();
    let public = tokio::task::spawn_blocking(move || aggregate(rows, window, &config))
        .await
        .map_err(|error| AltoError::BrokenOff(error.to_string()))??;
    Ok(Published {
        publication: publish(&public)?,
        next: Timestamp::from_micros(end_us),
    })
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros())
        .unwrap_or(i64::MAX)
        .max(1)
}

fn aggregate(
    mut rows: Rows<glimpse_store::PingRow>,
    window: Window,
    config: &Alto,
) -> Result<Public, AltoError> {
    let mut fault = None;
    let stored = std::iter::from_fn(|| match rows.next_blocking() {
        Ok(row) => row,
        Err(error) => {
            fault = Some(error);
            None
        }
    });
    let mut ledger = Ledger::default();
    let mut observations = ledger.observe(window, i64::MAX, &config.clusters, Trust::default())?;
    let mut values = Vec::new();
    for stored in stored {
        // A row whose type is not known could be of either family and counts for none.
        let kind = stored
            .ping_type
            .as_deref()
            .and_then(|t| t.parse::<PingKind>().ok());
        if kind.is_none_or(|kind| kind.method() != METHOD) {
            continue;
        }
        values.clear();
        values.extend(stored.rtts_us.iter().copied().map(u64::from));
        observations.add(&row(&stored, &values));
    }
    if let Some(error) = fault {
        return Err(error.into());
    }
    let rules = Rules {
        k: config.k,
        statistics: BTreeMap::from([(Metric::DelayRt, vec![Statistic::Median])]),
        ..Rules::default()
    };
    Ok(ledger.release(observations, &rules)?)
}

fn row<'a>(stored: &'a glimpse_store::PingRow, values: &'a [u64]) -> Row<'a> {
    Row {
        subscriber: &stored.agent,
        labels: Labels {
            isp: stored.isp.as_deref(),
            region: stored.region.as_deref(),
            ..Labels::default()
        },
        metric: Metric::DelayRt,
        target: &stored.target,
        values,
        start_us: stored.start.as_micros(),
        received_us: stored.start.as_micros(),
        facts: Facts {
            clock_suspect: stored.clock_suspect,
            ..Facts::default()
        },
    }
}

fn publish(public: &Public) -> Result<Publication, AltoError> {
    let total = PidName::total();
    let mut groups = Vec::new();
    for place in public.places().iter().map(|place| PidName::new(&place.pid)) {
        let place = place?;
        if place != total {
            groups.push((place, Vec::new()));
        }
    }
    for cluster in public.clusters() {
        let addresses = cluster
            .targets
            .iter()
            .filter_map(|t| t.parse::<IpAddr>().ok());
        let prefixes = addresses.map(Prefix::host).collect();
        groups.push((PidName::new(&cluster.pid)?, prefixes));
    }
    let mut cells = Vec::new();
    for (source, destination, cell) in public.cells(Metric::DelayRt) {
        if let Some(median_us) = cell.value(Statistic::Median) {
            let pair = (PidName::new(&source.pid)?, PidName::new(destination)?);
            cells.push((pair.0, pair.1, Cost::new(median_us)));
        }
    }
    let k = public.k();
    let content = Content {
        network_map_id: ResourceId::new(NETWORK_MAP)?,
        network_map: NetworkMap::with_rest(groups, &total)?,
        delay_rt: CostMap::new(cells),
        provenance: Provenance {
            window_start_us: public.window().start_us(),
            window_end_us: public.window().end_us(),
            aggregation: AGGREGATION.to_owned(),
            method: METHOD.name().to_owned(),
            samples: public.samples(Metric::DelayRt),
            subscribers: public.subscribers(Metric::DelayRt) as u64,
            newest_us: public.newest_us(),
            anonymity: if k.is_lab() {
                Anonymity::Lab
            } else {
                Anonymity::K(k.subscribers() as u64)
            },
        },
    };
    Ok(Publication::new(content)?.compressed(compress))
}
