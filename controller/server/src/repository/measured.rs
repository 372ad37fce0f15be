//! What maps are made of, picked out of a result when it comes in.

use glimpse_aggregate::{Extract, Facts, Material, extract};
use glimpse_model::record::{Record, Status};
use glimpse_store::Measured;
use serde_json::{Map, Value};

/// Of a record; `options` are those of its task, if that is known.
pub(super) fn of_record(record: &Record, options: Option<&Map<String, Value>>) -> Option<Measured> {
    if record.status != Status::Ok {
        return None;
    }
    let shown = record.start_time.zip(record.end_time);
    of(&Material {
        method: record.method.as_deref()?,
        options,
        probe_result: &record.probe_result,
        pre_info: &record.pre_info,
        post_info: &record.post_info,
        own_bytes: record.bytes.total(),
        // A duration that was left out reads as none.
        duration_ms: Some(record.duration).filter(|ms| *ms > 0),
        shown_us: shown.map(|(start, end)| end.since(start)),
    })
}

/// Of a result that was measured, from whichever door.
pub(crate) fn of(material: &Material<'_>) -> Option<Measured> {
    let Extract {
        target,
        between_agents,
        figures,
        facts,
    } = extract(material)?;
    let Facts {
        cpu_percent,
        cross_traffic_bps,
        wifi_dbm,
        clock_offset_us,
        // The repository's own finding has a column of its own.
        clock_suspect: _,
    } = facts;
    Some(Measured {
        target,
        between_agents,
        cpu_percent,
        cross_traffic_bps,
        wifi_dbm,
        clock_offset_us,
        figures: figures
            .into_iter()
            .map(|(metric, values)| (metric as u8, values))
            .collect(),
    })
}

#[cfg(test)]
mod tests;
