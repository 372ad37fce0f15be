//! Ways that traceroutes of the last two days went, for whoever compares. Pure.

use crate::diagnose::means::KnownWay;
use crate::local::history::History;
use glimpse_model::record::Status;
use glimpse_model::time::Timestamp;
use serde_json::Value;
use std::net::IpAddr;

/// Targets whose ways are handed out.
const MOST: usize = 8;
/// Hops of one way.
const HOPS: usize = 64;

/// The oldest way to each target, from the first hop on.
pub fn ways(history: &History) -> Vec<KnownWay> {
    let mut ways: Vec<KnownWay> = Vec::new();
    let traced = history
        .raw()
        .filter(|raw| raw.method.as_deref() == Some("traceroute") && raw.status == Status::Ok);
    for raw in traced {
        if ways.len() >= MOST {
            break;
        }
        let record: Option<Value> = serde_json::from_str(&raw.json).ok();
        let way = record.and_then(|record| way(&record["probe_result"], raw.time_us));
        ways.extend(way.filter(|new| ways.iter().all(|known| known.target != new.target)));
    }
    ways
}

fn way(result: &Value, time_us: i64) -> Option<KnownWay> {
    let hops = result["results"].as_array()?;
    // One that began farther away has no first hop to be compared with.
    if hops.first()?["ttl"].as_u64()? != 1 {
        return None;
    }
    let address = |hop: &Value| hop["hop"].as_str()?.parse::<IpAddr>().ok();
    Some(KnownWay {
        target: result["destination_ip"].as_str()?.parse().ok()?,
        hops: hops.iter().take(HOPS).map(address).collect(),
        at: Timestamp::from_micros(time_us),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::local::history::{Options, Raw};
    use glimpse_model::id::ResultId;
    use glimpse_model::record::Record;
    use serde_json::json;

    fn take(history: &mut History, seconds: i64, target: &str, first: u8, hop: &str) {
        let time = Timestamp::from_unix_seconds(seconds);
        let mut record = Record::new(ResultId::from_parts(time, [0; 10]), Status::Ok);
        record.method = Some("traceroute".to_owned());
        let result = json!({"destination_ip": target,
            "results": [{"hop": hop, "ttl": first}, {"hop": null, "ttl": first + 1}]});
        record.probe_result = result.as_object().unwrap().clone();
        let json = serde_json::to_string(&record).unwrap();
        history.record(
            time.as_micros(),
            Raw::new(&record, time.as_micros(), true, json),
            &[],
        );
    }

    #[test]
    fn the_oldest_way_to_each_target_is_handed_out() {
        let mut history = History::open(Options::default(), 0).0;
        take(&mut history, 1, "192.0.2.1", 3, "198.51.100.3");
        take(&mut history, 2, "192.0.2.1", 1, "198.51.100.1");
        take(&mut history, 3, "192.0.2.1", 1, "198.51.100.2");
        take(&mut history, 4, "2001:db8::1", 1, "nonsense");
        let found = ways(&history);
        let first: Option<IpAddr> = "198.51.100.1".parse().ok();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].at, &found[0].hops),
            (Timestamp::from_unix_seconds(2), &vec![first, None])
        );
        assert_eq!(found[1].hops, [None, None]);
    }
}
