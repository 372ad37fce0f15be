//! The figures of trains. Pure, in whole numbers.
//!
//! A packet that leaves a link of capacity `C` right behind another of `L` bytes arrives `8 L / C` later: the dispersion
//! of the pair. That holds as long as packets wait at the bottleneck, which they do in a train that is sent faster than
//! the bottleneck serves ("trains of packet pairs", Melander, Björkman, Gunningberg 2000). One pair is at the mercy of
//! interrupts and of other traffic. The capacity is therefore read from the slope of all arrivals of a train: the median
//! of `(t_j - t_i) / (j - i)` over all `i`, `j` at least half a train apart (Theil and Sen's estimator with long
//! baselines). Its breakdown point leaves out a burst that passed a token bucket at the head of the train, and single
//! packets that came late. `j - i` counts packets that came, not sequence numbers: a full queue drops packets and serves
//! the others without a gap.

use std::net::IpAddr;

use glimpse_model::token::MeasureId;
use glimpse_net::count::datagram_bytes;
use glimpse_net::packet::Family;
use serde_json::{Map, Value, json};

use super::plan::TrainPlan;
use super::report::Train;

/// Fewest arrivals from which a capacity is read.
const FEWEST: usize = 8;
/// A train was dispersed when its packets came so much slower than they were sent, in percent.
const DISPERSED_PERCENT: u128 = 105;
/// Most pairs whose dispersion is told one by one.
const PAIRS_TOLD: usize = 2_000;

/// What one train came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Packets sent.
    pub sent: u16,
    /// Different packets that came.
    pub received: u16,
    /// Packets that came again.
    pub duplicates: u16,
    /// Packets that came after one with a greater number (RFC 4737 §3.3).
    pub reordered: u16,
    /// Sending rate in bits of UDP payload per second.
    pub sending_bps: Option<u64>,
    /// Receiving rate, likewise.
    pub receiving_bps: Option<u64>,
    /// From each arrival to the next, in nanoseconds.
    pub dispersion_ns: Vec<u64>,
    /// Capacity of the bottleneck in bits at IP level per second; `None` where the train was not dispersed.
    pub capacity_bps: Option<u64>,
}

/// Reckons the figures of one train of packets with `packet_size` bytes of UDP payload.
pub fn figures(train: &Train, packet_size: u16, family: Family) -> Figures {
    let mut seen = vec![false; usize::from(train.sent.packets)];
    let mut figures = Figures {
        sent: train.sent.packets,
        ..Figures::default()
    };
    let mut highest = None;
    let mut times = Vec::new();
    for arrival in &train.arrivals {
        match seen.get_mut(usize::from(arrival.sequence)) {
            Some(seen) if !*seen => *seen = true,
            Some(_) => {
                figures.duplicates = figures.duplicates.saturating_add(1);
                continue;
            }
            // The sender does not claim to have sent it.
            None => continue,
        }
        figures.received += 1;
        if highest.is_some_and(|highest| arrival.sequence < highest) {
            figures.reordered += 1;
        }
        highest = highest.max(Some(arrival.sequence));
        times.push(arrival.at_ns);
    }
    times.sort_unstable();
    let payload_bits = 8 * u128::from(packet_size);
    let intervals = |packets: u16| u128::from(packets.saturating_sub(1));
    figures.sending_bps = rate(
        payload_bits * intervals(figures.sent),
        train.sent.span_ns.into(),
    );
    let span = match (times.first(), times.last()) {
        (Some(first), Some(last)) => u128::from(last - first),
        _ => 0,
    };
    figures.receiving_bps = rate(payload_bits * intervals(figures.received), span);
    figures.dispersion_ns = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    figures.capacity_bps = capacity(&times, train, packet_size, family);
    figures
}

fn capacity(times: &[u64], train: &Train, packet_size: u16, family: Family) -> Option<u64> {
    if times.len() < FEWEST {
        return None;
    }
    let interval = slope(times)?;
    let sent_intervals = u128::from(train.sent.packets.saturating_sub(1)).max(1);
    let sent = u128::from(train.sent.span_ns) * SCALE / sent_intervals;
    if interval * 100 < sent * DISPERSED_PERCENT {
        return None;
    }
    let bits = 8 * u128::from(datagram_bytes(family, packet_size.into()));
    rate(bits * SCALE, interval)
}

/// Parts of a nanosecond in which slopes are reckoned.
const SCALE: u128 = 1_000;

/// Median time from one arrival to the next over all long baselines, in thousandths of a nanosecond.
fn slope(times: &[u64]) -> Option<u128> {
    let baseline = times.len().div_ceil(2);
    let mut slopes = Vec::new();
    // Long trains have more baselines than are needed for a median.
    let step = (times.len() / 128).max(1);
    for i in (0..times.len().saturating_sub(baseline)).step_by(step) {
        for j in (i + baseline..times.len()).step_by(step) {
            slopes.push(u128::from(times[j] - times[i]) * SCALE / (j - i) as u128);
        }
    }
    let middle = slopes.len() / 2;
    if slopes.is_empty() {
        return None;
    }
    let (_, median, _) = slopes.select_nth_unstable(middle);
    Some(*median)
}

/// Bits in nanoseconds as bits per second.
fn rate(bits: u128, ns: u128) -> Option<u64> {
    (ns > 0 && bits > 0).then(|| u64::try_from(bits * 1_000_000_000 / ns).unwrap_or(u64::MAX))
}

/// Bits per second as the original's whole KiB per second.
fn kib(bps: Option<u64>) -> u64 {
    bps.unwrap_or(0) / 8 / 1024
}

fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// The `probe_result` of both ends.
pub fn probe_result(
    session: MeasureId,
    token: MeasureId,
    peer: IpAddr,
    plan: &TrainPlan,
    trains: &[Train],
) -> Map<String, Value> {
    let all: Vec<Figures> = trains
        .iter()
        .map(|train| figures(train, plan.packet_size, peer.into()))
        .collect();
    let total = |of: fn(&Figures) -> u16| -> u32 { all.iter().map(|one| u32::from(of(one))).sum() };
    let (sent, received) = (total(|f| f.sent), total(|f| f.received));
    let list = |of: &dyn Fn(&Figures) -> Value| -> Value { all.iter().map(of).collect() };
    let clock = |kernel: bool| Value::from(if kernel { "kernel" } else { "monotonic" });
    let capacities: Vec<u64> = all.iter().filter_map(|one| one.capacity_bps).collect();
    let fastest = all.iter().filter_map(|one| one.receiving_bps).max();
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    put("measure_uuid", session.to_string().into());
    put("token_id", token.to_string().into());
    put("destination_ip", peer.to_string().into());
    put("direction", plan.direction.as_str().into());
    put("packet_size", plan.packet_size.into());
    put("sending_speed", list(&|one| kib(one.sending_bps).into()));
    put(
        "receiving_speed",
        list(&|one| kib(one.receiving_bps).into()),
    );
    put("sending_bps", list(&|one| one.sending_bps.into()));
    put("receiving_bps", list(&|one| one.receiving_bps.into()));
    put("received_max_bps", fastest.into());
    put("train_capacity_bps", list(&|one| one.capacity_bps.into()));
    put("capacity_bps", median(capacities).into());
    let told = all.iter().map(|one| one.dispersion_ns.len()).sum::<usize>() <= PAIRS_TOLD;
    if told {
        put("dispersion_ns", list(&|one| json!(one.dispersion_ns)));
    }
    put(
        "dispersion_median_ns",
        list(&|one| median(one.dispersion_ns.clone()).into()),
    );
    put("packets_sent", sent.into());
    put("packets_received", received.into());
    put("packets_duplicated", total(|f| f.duplicates).into());
    put("packets_reordered", total(|f| f.reordered).into());
    put(
        "loss",
        if sent == 0 {
            Value::Null
        } else {
            Value::from(f64::from(sent.saturating_sub(received)) / f64::from(sent))
        },
    );
    put("timestamps", clock(trains.iter().all(|train| train.kernel)));
    put(
        "sending_timestamps",
        clock(trains.iter().all(|train| train.sent.kernel)),
    );
    map
}

#[cfg(test)]
mod tests;
